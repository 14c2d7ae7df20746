//! `/v1/streams`: carriers bring their media over WebSocket.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{Path, State};
use axum::response::Response;
use futures_util::{SinkExt, StreamExt, future};

use crate::control::{Api, CarrierNames, Overrides, Party};
use crate::engine::{Direction, Permit, Pii, WsFrame, twilio as dialect};

use super::Refusal;
use super::legs;
use super::segment::Segment;

/// The largest message a carrier may send: a frame is about 300 bytes, the start a few kilobytes.
const LARGEST_MESSAGE: usize = 64 << 10;
/// Bytes read at a time: some messages. The library fills so many with zeros before each look.
const READ: usize = 2 << 10;
/// Twilio's names have 34 characters.
const LONGEST_NAME: usize = 64;

type Upgrade = Result<WebSocketUpgrade, WebSocketUpgradeRejection>;

pub(super) async fn twilio(
    State(api): State<Arc<Api>>,
    Segment(agent_id): Segment,
    upgrade: Upgrade,
) -> Result<Response, Refusal> {
    attach(api, agent_id, upgrade)
}

/// With the key as the last segment: carriers drop headers and queries. The guard has looked at it.
pub(super) async fn twilio_with_key(
    State(api): State<Arc<Api>>,
    path: Result<Path<(String, String)>, PathRejection>,
    upgrade: Upgrade,
) -> Result<Response, Refusal> {
    let Path((agent_id, _)) = path.map_err(|_| Refusal::not_found("Path"))?;
    attach(api, agent_id, upgrade)
}

fn attach(api: Arc<Api>, agent_id: String, upgrade: Upgrade) -> Result<Response, Refusal> {
    if api.agent(&agent_id).is_none() {
        return Err(Refusal::not_found("Agent"));
    }
    let upgrade = upgrade.map_err(|_| Refusal::upgrade_required())?;
    let permit = legs::admit(&api)?;
    let upgrade = upgrade.read_buffer_size(READ).max_message_size(LARGEST_MESSAGE).max_frame_size(LARGEST_MESSAGE);
    Ok(upgrade.on_upgrade(move |socket| stream(api, agent_id, permit, socket)))
}

async fn stream(api: Arc<Api>, agent_id: String, permit: Permit, socket: WebSocket) {
    let frames = socket.map(|message| message.map(incoming)).with(|frame| future::ready(outgoing(frame)));
    let accepted = match dialect::accept(frames).await {
        Ok(accepted) => accepted,
        Err(error) => {
            tracing::warn!(%error, "a media stream was refused");
            return;
        }
    };
    // Agents do not come and go yet; the path was checked before the upgrade.
    let Some(agent) = api.agent(&agent_id) else { return };
    let parameter = |names: [&str; 2]| {
        let value = names.iter().find_map(|name| accepted.info.custom_parameters.get(*name));
        Pii::new(value.cloned().unwrap_or_default())
    };
    let (from, to) = (parameter(["from", "From"]), parameter(["to", "To"]));
    let (stream_sid, call_sid) = (name(&accepted.info.stream_sid), name(&accepted.info.call_sid));
    let carrier = Some(CarrierNames { stream_sid, call_sid });
    let party = Party { direction: Direction::Inbound, from, to, transport: "twilio", carrier };
    let mut overrides = Overrides::default();
    for (name, value) in &accepted.info.custom_parameters {
        overrides.variables.set(name, value);
    }
    let switch = accepted.info.custom_parameters.get("disableRecording");
    // Whoever asks for it in words we do not know is not recorded either.
    overrides.disable_recording = switch.is_some_and(|value| !matches!(value.trim(), "false" | "0" | "no" | ""));
    api.calls.start(permit, &overrides.apply(agent), accepted.leg, party);
}

/// A name as the carrier gave it, as long as such names are: it is kept with the record of the call.
fn name(sid: &str) -> String {
    sid.chars().take(LONGEST_NAME).collect()
}

fn incoming(message: Message) -> WsFrame {
    match message {
        Message::Text(text) => WsFrame::Text(text.into()),
        Message::Binary(bytes) => WsFrame::Binary(bytes),
        Message::Close(_) => WsFrame::Close,
        Message::Ping(_) | Message::Pong(_) => WsFrame::Other,
    }
}

fn outgoing(frame: WsFrame) -> Result<Message, axum::Error> {
    Ok(match frame {
        WsFrame::Text(bytes) => Message::Text(Utf8Bytes::try_from(bytes).map_err(axum::Error::new)?),
        WsFrame::Binary(bytes) => Message::Binary(bytes),
        WsFrame::Close => {
            Message::Close(Some(CloseFrame { code: close_code::NORMAL, reason: Utf8Bytes::from_static("") }))
        }
        WsFrame::Other => Message::Ping(bytes::Bytes::new()),
    })
}
