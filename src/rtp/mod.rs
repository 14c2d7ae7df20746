//! GROUND · what is on the wire: RTP and RTCP packets, sequence numbers, telephone events, SRTP.
//!
//! May import: nothing of this crate. Must never know: samples, sockets, calls.

mod packet;
mod rtcp;
mod seq;
mod srtp;
mod telephone_event;

pub use packet::{Header, Packet, PacketBuf, ParseError, PayloadType, Ssrc};
pub use rtcp::{BadRtcp, ReportBlock, ReportBlocks, Rtcp, RtcpBuf, SenderInfo, Sources};
pub use seq::{SeqExtender, SeqNo, Sequenced};
pub use srtp::{BadCrypto, SdesCrypto, SrtpError, SrtpKey, SrtpReceiver, SrtpSender, SrtpSuite};
pub use telephone_event::{TelephoneEvent, TelephoneEventError};

#[cfg(test)]
mod second_opinion;
