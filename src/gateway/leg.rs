//! One open line to one party.

use std::fmt;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::audio::{Codec, OpusSettings};
use crate::rtp::{PacketBuf, PayloadType, RtcpBuf, SdesCrypto};

/// What a gateway is asked to open.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LegSpec {
    /// Where the other side wants its RTP; `None`: learn it from the first packets (RTP gateway only).
    pub remote: Option<SocketAddr>,
    /// The codec both sides use.
    pub codec: Codec,
    /// The payload type of the codec; `None`: the static one.
    pub payload_type: Option<PayloadType>,
    /// The payload type of telephone events; `None`: none.
    pub telephone_event: Option<PayloadType>,
    /// What else was agreed about the sound.
    pub media: LegMedia,
    /// Whether RTCP shares the media port (RFC 5761); otherwise it has the next one, here and there.
    pub rtcp_mux: bool,
    /// The keys of a line that is encrypted.
    pub srtp: Option<SrtpSpec>,
}

/// How sound travels on a leg, beside the codec we send.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LegMedia {
    /// Other codecs the other side may send at any time, under their payload types.
    pub others: Vec<(PayloadType, Codec)>,
    /// The payload type of comfort noise (RFC 3389) beside 13.
    pub comfort_noise: Option<PayloadType>,
    /// What one of our packets holds; `None`: what is usual for the gateway and the codec.
    pub ptime: Option<Duration>,
    /// Whether we may leave silence out.
    pub dtx: bool,
    /// How Opus is sent.
    pub opus: OpusSettings,
}

impl LegMedia {
    /// What one packet holds where nothing else was agreed.
    pub const PTIME: Duration = Duration::from_millis(20);
}

impl Default for LegMedia {
    /// One codec, 20 ms a packet, every silence sent.
    fn default() -> Self {
        let opus = OpusSettings::USUAL;
        Self { others: Vec::new(), comfort_noise: None, ptime: None, dtx: false, opus }
    }
}

/// The keys of an encrypted line, as signalling has exchanged them.
#[derive(Clone, Debug)]
pub struct SrtpSpec {
    /// What the other side protects with: its own `a=crypto`.
    pub receive: SdesCrypto,
    /// What we protect with; `None`: a fresh key under the same tag and suite, told in [`Leg::srtp`].
    pub send: Option<SdesCrypto>,
}

impl LegSpec {
    /// A leg in `codec` with the usual payload types, RTCP on the same port, not encrypted.
    pub fn new(codec: Codec, remote: Option<SocketAddr>) -> Self {
        let (media, telephone_event) = (LegMedia::default(), Some(PayloadType(101)));
        Self { remote, codec, payload_type: None, telephone_event, media, rtcp_mux: false, srtp: None }
    }
}

/// What opening a leg gives, in its own time.
pub type LegFuture<'a> = Pin<Box<dyn Future<Output = Result<Leg, LegError>> + Send + 'a>>;

/// Something that can open a line.
pub trait Gateway: Send + Sync + fmt::Debug {
    /// Opens one line.
    fn open(&self, spec: LegSpec) -> LegFuture<'_>;
}

/// One line to one party, open or ringing, owned by the body that drives the call. Dropping it closes the line.
pub struct Leg {
    /// The codec both sides use.
    pub codec: Codec,
    /// Its payload type.
    pub payload_type: PayloadType,
    /// The payload type of telephone events, if keys travel that way.
    pub telephone_event: Option<PayloadType>,
    /// What else was agreed about the sound.
    pub media: LegMedia,
    /// How far ahead of time sound may be sent.
    pub lead: Duration,
    /// Whether the far side buffers, can be cleared and answers marks.
    pub far_buffer: bool,
    /// Whether it rings: the other side has not answered yet, which [`LegEvent::Answered`] will tell.
    pub ringing: bool,
    /// Where we receive, for gateways with an address of their own.
    pub local: Option<SocketAddr>,
    /// Whether it carries RTCP.
    pub rtcp: bool,
    /// What we protect with, to be told to the other side; `None`: it is not encrypted.
    pub srtp: Option<SdesCrypto>,
    /// The line itself.
    pub line: Box<dyn Line>,
}

/// The moving part of a [`Leg`].
pub trait Line: Send {
    /// The next event; a datagram is written to `buffer`. Pending: the last waker it was given is woken when to ask again.
    fn poll_recv(&mut self, buffer: &mut [u8], cx: &mut Context<'_>) -> Poll<LegEvent>;
    /// Whether what is sent leaves at once. Otherwise it leaves with the next [`poll_recv`](Line::poll_recv), which is owed
    /// to it.
    fn sends_at_once(&self) -> bool {
        false
    }
    /// Sends one packet now. Never waits; what cannot be sent is dropped and counted.
    fn send(&mut self, packet: &PacketBuf);
    /// Sends one report now, where the line carries RTCP. Never waits, as [`send`](Line::send).
    fn send_report(&mut self, _report: &RtcpBuf) {}
    /// Throws away what the far side has buffered.
    fn clear(&mut self) {}
    /// Asks the far side to tell when everything sent so far was played.
    fn mark(&mut self, _mark: u32) {}
    /// Whether [`transfer`](Line::transfer) can work on this line.
    fn can_transfer(&self) -> bool {
        false
    }
    /// Hands the other side to `to`; how that ends is told as [`LegEvent::TransferEnded`].
    ///
    /// # Errors
    ///
    /// [`CannotTransfer`] when the line has no way to do it; then nothing was done and nothing is told.
    fn transfer(&mut self, _to: &str) -> Result<(), CannotTransfer> {
        Err(CannotTransfer)
    }
    /// Says goodbye in the line's own way. Nothing is sent after it.
    fn close(&mut self) {}
    /// What happened so far.
    fn counters(&self) -> LegCounters {
        LegCounters::default()
    }
}

impl dyn Line + '_ {
    /// Waits for the next event, as [`poll_recv`](Line::poll_recv). Cancel-safe: a dropped wait loses nothing.
    pub async fn recv(&mut self, buffer: &mut [u8]) -> LegEvent {
        poll_fn(|cx| self.poll_recv(buffer, cx)).await
    }
}

/// What comes from a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum LegEvent {
    /// The other side has answered a line that rang.
    Answered,
    /// A datagram of this many bytes is in the buffer.
    Packet(usize),
    /// A key, told outside the sound (`0`–`9`, `*`, `#`, `A`–`D`).
    Digit(char),
    /// Everything before this mark was played or thrown away.
    Played(u32),
    /// The other side holds us, or has taken us back.
    Held(bool),
    /// The transfer that was asked for is over.
    TransferEnded(LegTransfer),
    /// The line is gone.
    Closed,
}

/// How a transfer ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum LegTransfer {
    /// Somebody took the call.
    Taken,
    /// Nobody answered.
    NoAnswer,
    /// The other end was busy or refused.
    Refused,
}

/// A line that has no way to hand its other side on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CannotTransfer;

impl fmt::Display for CannotTransfer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this line cannot transfer")
    }
}

impl std::error::Error for CannotTransfer {}

/// What happened on a line, in numbers.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct LegCounters {
    /// Datagrams from an address that is not the other side's.
    pub foreign_source: u64,
    /// Packets that could not be sent.
    pub send_failed: u64,
    /// Messages that were not understood.
    pub malformed: u64,
    /// What was over the line's rate limit and dropped unread.
    pub rate_limited: u64,
    /// Packets of an encrypted line whose tag was wrong.
    pub bad_tag: u64,
    /// Packets of an encrypted line that came before, or were too old to tell.
    pub replayed: u64,
}

/// Why a line could not be opened.
#[derive(Debug)]
#[non_exhaustive]
pub enum LegError {
    /// No port was free in the range.
    NoPort,
    /// Only encrypted lines are opened, and there were no keys.
    KeysWanted,
    /// What was asked for cannot be had on this gateway.
    Unsupported(&'static str),
    /// The system refused.
    Io(std::io::Error),
}

impl fmt::Display for LegError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPort => write!(f, "no free media port in the configured range"),
            Self::KeysWanted => write!(f, "only encrypted lines are opened here: keys are missing"),
            Self::Unsupported(what) => write!(f, "not supported by this gateway: {what}"),
            Self::Io(error) => write!(f, "could not open a media socket: {error}"),
        }
    }
}

impl std::error::Error for LegError {}
