//! The voice engine that lets an AI agent hold a phone call.
//!
//! One heart, two bodies. The heart is [`call::Call`]: the sound and the turn-taking of one phone call as one sans-IO
//! state machine that is told the time, owns everything it needs and fails at nothing. The first body is `engine`:
//! tokio, sockets and services, in real time. The second is [`world`]: a scripted caller, a seeded network and scripted
//! services in virtual time. Everything else is *ground* (pure values and functions), *hands* (gateways and providers,
//! which only move bytes) or *doors* (HTTP, command line, demo), which talk only to the engine and the store.
//!
//! # Code map
//!
//! ```text
//!  5 doors        main ── config · control · demo · rehearsal
//!                           │        │
//!  4 bodies             engine │ world │ store
//!                     ┌──────┴──────┐
//!  3 heart           call           │
//!  2             media · dialogue   hands: gateway · provider · simulator
//!                     └──────┬──────┘
//!  1 ground         audio · rtp · conversation
//! ```
//!
//! Arrows go down, never sideways; `tests/architecture.rs` keeps them. Each room's `mod.rs` says what it is, what it may
//! import and what it must never know.
//!
//! # Where to start
//!
//! * Run a call in virtual time: [`world`].
//! * Link the engine into a backend: `engine` and `examples/embed.rs`.
//! * Read the decisions of a conversation: [`dialogue`].
//! * Without the `engine` feature the crate is ground, heart and [`world`]: no async runtime, no sockets.

pub mod audio;
pub mod conversation;
pub mod rtp;

pub mod call;
pub mod dialogue;
pub mod media;
pub mod world;

#[cfg(feature = "engine")]
pub mod bench;
#[cfg(feature = "engine")]
pub mod config;
#[cfg(feature = "engine")]
pub mod control;
#[cfg(feature = "engine")]
pub mod demo;
#[cfg(feature = "engine")]
pub mod engine;
#[cfg(feature = "engine")]
pub mod gateway;
#[cfg(feature = "engine")]
pub mod provider;
#[cfg(feature = "engine")]
pub mod rehearsal;
#[cfg(feature = "engine")]
pub mod simulator;
#[cfg(feature = "engine")]
pub mod store;
