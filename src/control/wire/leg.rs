//! The answer to a media gateway that attached a call.

use serde::Serialize;

/// `POST /v1/media/legs`, 201.
#[derive(Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MediaLeg {
    /// The call's name.
    pub call_id: String,
    /// Who answers it.
    pub agent_id: String,
    /// `in-progress`.
    pub status: &'static str,
    /// `rtp`.
    pub transport: &'static str,
    /// Where to send the caller's sound.
    pub local: Option<String>,
    /// Where the agent's sound goes; `null` until it is learnt from the first packets.
    pub remote: Option<String>,
    /// The codec we send.
    pub codec: &'static str,
    /// Its payload type.
    pub payload_type: u8,
    /// The payload type of telephone events; `null`: none.
    pub telephone_event: Option<u8>,
    /// Every codec we take, the one we send first.
    pub codecs: Vec<LegCodec>,
    /// What one of our packets holds, in milliseconds.
    pub ptime: u64,
    /// Whether we leave long silence out.
    pub dtx: bool,
    /// Whether RTCP shares the media port; otherwise it has the next one.
    pub rtcp_mux: bool,
    /// Our key, for the other side; left out where nothing is encrypted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub srtp: Option<MediaKeys>,
    /// `inbound`, `outbound` or `web`.
    pub direction: &'static str,
    /// The calling number; empty when it was not told.
    pub from_number: String,
    /// The called number; empty when it was not told.
    pub to_number: String,
    /// When the call began.
    pub started_at: String,
}

/// A codec of a leg.
#[derive(Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LegCodec {
    /// Its name, as SDP has it; L16 with its rate.
    pub codec: &'static str,
    /// Its payload type.
    pub payload_type: u8,
}

/// What an encrypted leg is answered with. A secret: it is told to whoever attached the call, and to nobody else.
#[derive(Clone, PartialEq, Serialize)]
pub struct MediaKeys {
    /// The value of our `a=crypto`.
    pub send: String,
}
