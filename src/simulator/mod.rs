//! HANDS · small servers that speak the vendors' own protocols, for the demo, tests and benchmarks.
//!
//! May import: `audio`, `conversation`. Must never know: the engine, `Call`, `provider` (it must not share their JSON, or
//! a shared mistake passes).
