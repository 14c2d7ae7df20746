//! From a WebSocket to a leg.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use futures_util::StreamExt;

use super::super::{WsFrame, WsSocket};
use super::line::TwilioLine;
use super::wire::{self, Incoming, Start, Writer};
use crate::audio::Codec;
use crate::gateway::{Leg, LegCounters, LegMedia};
use crate::rtp::PayloadType;

/// What a stream says of itself in its `start` message.
#[derive(Clone, PartialEq, Eq)]
pub struct StartInfo {
    /// Twilio's name of the stream.
    pub stream_sid: String,
    /// Twilio's name of the call.
    pub call_sid: String,
    /// What the `<Parameter>`s of the TwiML said. Private: they often hold the caller's number.
    pub custom_parameters: BTreeMap<String, String>,
}

impl fmt::Debug for StartInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StartInfo")
            .field("stream_sid", &self.stream_sid)
            .field("call_sid", &self.call_sid)
            .finish_non_exhaustive()
    }
}

/// A stream that has started.
pub struct Accepted {
    /// What it says of itself.
    pub info: StartInfo,
    /// The open line.
    pub leg: Leg,
}

/// How long a WebSocket may stay open without saying what it is.
pub const START_TIMEOUT: Duration = Duration::from_secs(5);
/// Messages before `start` that are forgiven; the protocol has one.
const MAX_PREAMBLE: usize = 8;
/// What is sent ahead of time, so that the caller hears no gap when our network does.
const LEAD: Duration = Duration::from_millis(60);

/// Waits for the stream to start and makes it a line.
///
/// The far side buffers: it is sent at most 60 ms ahead, is cleared on barge-in and answers marks. The WebSocket must
/// have been authenticated before.
pub async fn accept<S: WsSocket<E>, E: 'static>(mut socket: S) -> Result<Accepted, AcceptError> {
    let (info, counters) =
        tokio::time::timeout(START_TIMEOUT, started(&mut socket)).await.map_err(|_| AcceptError::Timeout)??;
    let line = TwilioLine::new(socket, Writer::new(&info.stream_sid), counters);
    let leg = Leg {
        codec: Codec::Pcmu,
        payload_type: PayloadType(Codec::Pcmu.usual_payload_type()),
        telephone_event: None,
        media: LegMedia::default(),
        lead: LEAD,
        far_buffer: true,
        ringing: false,
        local: None,
        rtcp: false,
        srtp: None,
        line: Box::new(line),
    };
    Ok(Accepted { info, leg })
}

async fn started<S: WsSocket<E>, E: 'static>(socket: &mut S) -> Result<(StartInfo, LegCounters), AcceptError> {
    let mut counters = LegCounters::default();
    for _ in 0..MAX_PREAMBLE {
        match socket.next().await {
            Some(Ok(WsFrame::Text(text))) => match wire::parse(&text) {
                Ok(Incoming::Start(start)) => return Ok((info(start)?, counters)),
                Ok(Incoming::Connected) => {}
                Ok(Incoming::Stop) => return Err(AcceptError::Closed),
                Ok(_) => return Err(AcceptError::Protocol),
                Err(_) => counters.malformed += 1,
            },
            Some(Ok(WsFrame::Binary(_))) => counters.malformed += 1,
            Some(Ok(WsFrame::Other)) => {}
            Some(Ok(WsFrame::Close) | Err(_)) | None => return Err(AcceptError::Closed),
        }
    }
    Err(AcceptError::Protocol)
}

fn info(start: Start<'_>) -> Result<StartInfo, AcceptError> {
    let format = &start.media_format;
    if format.encoding != "audio/x-mulaw" || format.sample_rate != 8_000 || format.channels != 1 {
        return Err(AcceptError::Format);
    }
    Ok(StartInfo {
        stream_sid: start.stream_sid.into_owned(),
        call_sid: start.call_sid.into_owned(),
        custom_parameters: start.custom_parameters,
    })
}

/// Why a WebSocket did not become a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum AcceptError {
    /// No `start` within five seconds.
    Timeout,
    /// The other side closed first.
    Closed,
    /// Something other than `connected` and `start` came first.
    Protocol,
    /// The sound is not 8 kHz mono µ-law.
    Format,
}

impl fmt::Display for AcceptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Timeout => "the media stream did not start within 5 s",
            Self::Closed => "the media stream was closed before it started",
            Self::Protocol => "the media stream did not begin with `connected` and `start`",
            Self::Format => "the media stream is not audio/x-mulaw, 8000 Hz, 1 channel",
        })
    }
}

impl std::error::Error for AcceptError {}
