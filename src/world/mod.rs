//! BODY · virtual time: a scripted caller, a seeded network and scripted services.
//!
//! May import: `call`, `rtp`, `audio`, `conversation`. Must never know: sockets, real clocks, the engine.
