//! GROUND · what is on the wire: RTP packets, sequence numbers, telephone events.
//!
//! May import: nothing of this crate. Must never know: samples, sockets, calls.

mod packet;

pub use packet::{Header, Packet, PacketBuf, ParseError, PayloadType, Ssrc};
