//! GROUND · what is on the wire: RTP packets, sequence numbers, telephone events.
//!
//! May import: nothing of this crate. Must never know: samples, sockets, calls.

mod packet;
mod seq;
mod telephone_event;

pub use packet::{Header, Packet, PacketBuf, ParseError, PayloadType, Ssrc};
pub use seq::{SeqExtender, SeqNo, Sequenced};
pub use telephone_event::{TelephoneEvent, TelephoneEventError};

#[cfg(test)]
mod second_opinion;
