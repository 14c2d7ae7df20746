//! DOORS · one phone call end to end, with no keys and no services.
//!
//! May import: `engine`, `simulator`, `gateway`, `provider`, `config`, `audio`, `world`. Must never know: control, store;
//! the insides of a call.
