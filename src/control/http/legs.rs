//! `/v1/media/legs`: a media gateway attaches a call, and takes it away.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use crate::control::wire::{self, Detail};
use crate::control::{Api, Found, Overrides, Party};
use crate::engine::{
    Direction, LegError, LegMedia, LegSpec, PayloadType, Permit, Pii, SdesCrypto, SrtpSpec, ready_ambience,
};

use super::Refusal;
use super::body::Body;
use super::calls;
use super::refusal::json;
use super::segment::Segment;
use super::sound;

/// What a leg is asked for: parsed, nothing half valid.
struct Wanted {
    agent_id: String,
    leg: LegSpec,
    party: Party,
    overrides: Overrides,
}

/// How long the end of a call is waited for before its record is shown.
const FAREWELL: Duration = Duration::from_secs(4);
/// How soon to come again when no port is free.
const PORT_WAIT: Duration = Duration::from_secs(2);

pub(super) async fn open(State(api): State<Arc<Api>>, body: Body) -> Result<Response, Refusal> {
    let Wanted { agent_id, leg: spec, party, overrides } = Wanted::read(body)?;
    let agent = api.agent(&agent_id).ok_or_else(|| Refusal::not_found("Agent"))?;
    let permit = admit(&api)?;
    let agent = overrides.apply(agent);
    ready_ambience(agent.options.sound.ambience).await;
    let (remote, rtcp_mux) = (spec.remote.map(|remote| remote.to_string()), spec.rtcp_mux);
    let leg = api.rtp.open(spec).await.map_err(refuse_leg)?;
    let (codec, payload_type) = (leg.codec.name(), leg.payload_type.0);
    let telephone_event = leg.telephone_event.map(|payload_type| payload_type.0);
    let (codecs, dtx) = (sound::told(&leg), leg.media.dtx);
    let ptime = leg.media.ptime.unwrap_or(LegMedia::PTIME);
    let local = leg.local.map(|local| local.to_string());
    let srtp = leg.srtp.as_ref().map(|crypto| wire::MediaKeys { send: crypto.reveal() });
    let (direction, transport) = (party.direction.name(), party.transport);
    let (from_number, to_number) = (party.from.reveal().clone(), party.to.reveal().clone());
    let call = api.calls.start(permit, &agent, leg, party);
    let answer = wire::MediaLeg {
        call_id: call.id().into(),
        agent_id,
        status: "in-progress",
        transport,
        local,
        remote,
        codec,
        payload_type,
        telephone_event,
        codecs,
        ptime: u64::try_from(ptime.as_millis()).unwrap_or(u64::MAX),
        dtx,
        rtcp_mux,
        srtp,
        direction,
        from_number,
        to_number,
        started_at: wire::iso(call.started()),
    };
    Ok(json(StatusCode::CREATED, &answer))
}

/// Ends the call of a leg and shows its record. A call that is over already is shown as it is: both sides may hang up at
/// one time.
pub(super) async fn close(State(api): State<Arc<Api>>, Segment(id): Segment) -> Result<Response, Refusal> {
    let record = match calls::find(&api, &id)? {
        Found::Over(record) => record,
        Found::Live(call) => {
            if !call.handle().hang_up() && call.record().await.ended.is_none() {
                return Err(Refusal::unavailable("the call has too many orders waiting", Duration::from_secs(1)));
            }
            calls::ended_within(&call, FAREWELL).await
        }
    };
    Ok(json(StatusCode::OK, &wire::Call::of(&record)))
}

/// Room for one call: 503 when the engine is full or the server drains.
pub(super) fn admit(api: &Api) -> Result<Permit, Refusal> {
    if api.is_draining() {
        return Err(Refusal::unavailable("the server is shutting down", Duration::from_secs(10)));
    }
    api.calls.reserve().map_err(|busy| Refusal::unavailable("all lines are busy", busy.retry_after))
}

impl Wanted {
    fn read(mut body: Body) -> Result<Self, Refusal> {
        let agent_id = body.required("agentId");
        if let Some(transport) = body.required("transport")
            && transport != "rtp"
        {
            let message = "expected \"rtp\"; media streams over WebSocket attach at /v1/streams/twilio/{agentId}";
            body.wrong("transport", "value", message);
        }
        let remote = remote(&mut body);
        let (codec, payload_type, mut media) = sound::read(&mut body);
        let telephone_event = match body.is_null("telephoneEvent") {
            true => None,
            false => Some(sound::payload_type_in(&mut body, "telephoneEvent", 96).unwrap_or(PayloadType(101))),
        };
        let is_sound =
            |event: PayloadType| Some(event) == payload_type || media.others.iter().any(|(other, _)| *other == event);
        if telephone_event.is_some_and(is_sound) {
            body.wrong("telephoneEvent", "value", "expected another payload type than the codec's");
        }
        media.comfort_noise = sound::payload_type_in(&mut body, "comfortNoise", 0);
        let (rtcp_mux, srtp) = (body.flag("rtcpMux").unwrap_or(false), srtp(&mut body));
        let (from, to) = (number(&mut body, "from"), number(&mut body, "to"));
        let direction = direction(&mut body);
        let overrides = Overrides::read(&mut body);
        body.finish()?;
        let mut leg = LegSpec::new(codec, remote);
        leg.payload_type = payload_type;
        leg.telephone_event = telephone_event;
        leg.media = media;
        leg.rtcp_mux = rtcp_mux;
        leg.srtp = srtp;
        let party = Party { direction, from: Pii::new(from), to: Pii::new(to), transport: "rtp", carrier: None };
        // Without an id the body was refused above.
        Ok(Self { agent_id: agent_id.unwrap_or_default(), leg, party, overrides })
    }
}

/// Where the other side receives; `None`: learn it from the first packets.
fn remote(body: &mut Body) -> Option<SocketAddr> {
    let text = body.text("remote")?;
    let Ok(address) = text.parse::<SocketAddr>() else {
        body.wrong("remote", "value", "expected an IP address and a port, like \"127.0.0.1:40000\"");
        return None;
    };
    let broadcast = matches!(address.ip(), IpAddr::V4(ip) if ip.is_broadcast());
    if address.port() == 0 || address.ip().is_unspecified() || address.ip().is_multicast() || broadcast {
        body.wrong("remote", "value", "expected the address and port of one host");
        return None;
    }
    Some(address)
}

/// The keys of an encrypted line (RFC 4568): the other side's `a=crypto`, and ours if it was chosen already. The text of a
/// mistake does not repeat them.
fn srtp(body: &mut Body) -> Option<SrtpSpec> {
    let (mut receive, mut send) = (None, None);
    let given = body.texts("srtp");
    if given.is_empty() {
        return None;
    }
    for (name, text) in given {
        let slot = match name.as_str() {
            "receive" => &mut receive,
            "send" => &mut send,
            _ => {
                body.wrong("srtp", "value", "expected \"receive\" and perhaps \"send\"");
                continue;
            }
        };
        match SdesCrypto::parse(&text) {
            Ok(crypto) => *slot = Some(crypto),
            Err(error) => body.wrong(&format!("srtp.{name}"), "value", error.to_string()),
        }
    }
    let Some(receive) = receive else {
        body.wrong("srtp.receive", "missing", "is missing; expected the other side's crypto attribute");
        return None;
    };
    if send.as_ref().is_some_and(|send| send.key.suite() != receive.key.suite()) {
        body.wrong("srtp.send", "value", "expected the same suite in both directions");
    }
    Some(SrtpSpec { receive, send })
}

/// A telephone number in E.164, or `anonymous`; empty when it is not told. The text of a mistake does not repeat it.
fn number(body: &mut Body, field: &str) -> String {
    let text = body.text(field).unwrap_or_default();
    let digits = text.strip_prefix('+').unwrap_or(&text);
    let plausible = (2..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !plausible && !text.is_empty() && text != "anonymous" {
        body.wrong(field, "value", "expected a number in E.164, like \"+14155550100\"");
    }
    text
}

fn direction(body: &mut Body) -> Direction {
    match body.text("direction").as_deref() {
        None | Some("inbound") => Direction::Inbound,
        Some("outbound") => Direction::Outbound,
        Some("web") => Direction::Web,
        Some(_) => {
            body.wrong("direction", "value", "expected \"inbound\", \"outbound\" or \"web\"");
            Direction::Inbound
        }
    }
}

fn refuse_leg(error: LegError) -> Refusal {
    match error {
        LegError::KeysWanted => {
            Refusal::invalid(vec![Detail { field: "srtp".into(), message: error.to_string(), kind: "missing" }])
        }
        LegError::NoPort => Refusal::unavailable("no media port is free", PORT_WAIT),
        // The codecs were parsed before: what is left is where the sound should go.
        LegError::Unsupported(what) => {
            Refusal::invalid(vec![Detail { field: "remote".into(), message: what.into(), kind: "value" }])
        }
        LegError::Io(error) => {
            tracing::error!(%error, "could not open a media port");
            Refusal::unavailable("a media port could not be opened", PORT_WAIT)
        }
    }
}
