//! DOORS · file + environment → plain settings of each room.
//!
//! [`Config::load`] reads one TOML file and the environment and gives a [`Config`] in which nothing is half valid: every
//! default is filled in, every number is in its range. All problems are told at once, each with its line, what was found
//! and what was expected. Keys of services come from the environment only, so that the file can be shown to anybody.
//!
//! May import: `conversation` (`Pii`), `call` (the names of `Timing`). Must never know: any other room; `main` hands each room its settings.

mod agent;
mod document;
mod error;
mod lines;
mod prices;
mod settings;
mod stage;
mod timing;
mod tool;
mod values;
mod vendor;

pub use agent::{Agent, ModelTier};
pub use error::{ConfigError, Problem};
pub use lines::{LINES, Lines};
pub use prices::Prices;
pub use settings::{Config, Engine, Env, Recording, RecordingFormat, Rtp, Server};
pub use stage::{Backups, Llm, Stage, Stt, Tiers, Tts, may_carry_key};
pub use tool::{CustomTool, ToolPolicy};
pub use vendor::{LlmVendor, SttVendor, TtsVendor};

#[cfg(test)]
mod tests;
