//! DOORS · the promises to the outside: HTTP, authentication, every JSON shape.
//!
//! May import: `engine`, `store`. Must never know: media, dialogue, rtp, vendors.
