//! DOORS · the promises to the outside: HTTP, authentication, every JSON shape.
//!
//! [`Api`] is what the doors stand before: the calls, the agents, the keys. [`http::serve`] is the one door so far. Every
//! JSON shape is in [`wire`], with its golden.
//!
//! May import: `engine`, `store`. Must never know: media, dialogue, rtp, vendors.
#![expect(clippy::disallowed_methods, reason = "doors live in real time")]

mod agent;
mod api;
mod auth;
mod calls;
mod catalogue;
pub mod http;
mod record;
pub mod wire;

pub use agent::{Agent, Options, Overrides, Profile, ToolProfile};
pub use api::{Api, ApiConfig};
pub use auth::Keys;
pub use calls::{Calls, CarrierNames, Filter, Found, LiveCall, Party, Recordings};
pub use catalogue::{Catalogue, Prices, Rate, Voice, VoiceName};
