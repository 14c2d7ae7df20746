//! What happened to the sound of a call, in numbers.

use std::time::Duration;

/// Counters of the inbound side. A packet is counted once.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct InboundReport {
    /// RTP packets accepted.
    pub received: u64,
    /// Sequence numbers that never came (RFC 3550 section 6.4.1 counts them the same way).
    pub lost: u64,
    /// Packets that came after their place had been filled.
    pub late: u64,
    /// Packets that came twice.
    pub duplicate: u64,
    /// Packets that came out of order but in time.
    pub reordered: u64,
    /// Datagrams that are not RTP.
    pub malformed: u64,
    /// Packets of another source than the one we listen to.
    pub foreign: u64,
    /// Packets whose payload type was not agreed.
    pub unknown_payload: u64,
    /// Payloads the codec refused.
    pub undecodable: u64,
    /// Comfort noise packets (RFC 3389).
    pub comfort_noise: u64,
    /// RTCP packets on the media port.
    pub rtcp: u64,
    /// Packets the jitter buffer had no room for.
    pub overflow: u64,
    /// Times the stream restarted (new SSRC, sequence or timestamp jump).
    pub restarts: u64,
    /// Times sound had to be made up, each until sound came again.
    pub gaps: u64,
    /// Sound made up for sound that did not come.
    pub concealed: Duration,
    /// Comfort noise and silence put where the sender sent nothing.
    pub filled: Duration,
    /// Interarrival jitter of RFC 3550 section 6.4.1, as time.
    pub jitter: Duration,
    /// Samples put in or left out because the sender's clock is not ours.
    pub adjusted: u64,
    /// Sound the recogniser got without its noise.
    pub cleaned: Duration,
    /// Telephone events taken as keys.
    pub digits: u64,
}

/// Counters of the outbound side.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct OutboundReport {
    /// Packets sent.
    pub sent: u64,
    /// Telephone event packets among them.
    pub events: u64,
    /// Packets handed out more than 5 ms after their deadline.
    pub late: u64,
    /// Times speech was due but had not come.
    pub underruns: u64,
    /// Speech that belonged to no living reply and was dropped, in samples as received.
    pub stale_samples: u64,
    /// Speech dropped because the playout was full, in samples as received.
    pub overflow_samples: u64,
    /// Ticks the pacer had to skip because it was called too late to catch up.
    pub skipped: u64,
    /// The latest any packet was handed out after its deadline.
    pub worst_lateness: Duration,
}
