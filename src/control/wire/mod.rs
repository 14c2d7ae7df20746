//! Every JSON shape we promise, each with its golden in `fixtures/wire`.
//!
//! Names are those of the AgentPhone API (`camelCase`); what the API does not know stands under one key `engine`. Times
//! are ISO 8601 in UTC with milliseconds, or milliseconds as numbers in names that end in `Ms`.

mod agent;
mod call;
mod error;
mod event;
mod health;
mod leg;
mod time;
mod transcript;
mod voice;

pub use agent::{Agent, AgentList};
pub use call::{Call, CallList};
pub use error::{Detail, ErrorBody};
pub use event::{Connected, Ended, EventData, ascii};
pub use health::Health;
pub use leg::{LegCodec, MediaKeys, MediaLeg};
pub use time::{iso, ms};
pub use transcript::{Row, Transcript};
pub use voice::VoiceList;
