//! How sound travels on a leg: codecs, payload types, packet time, silence.

use std::time::Duration;

use serde_json::Value;

use crate::control::wire;
use crate::engine::{Codec, Leg, LegMedia, OpusSettings, PayloadType};

use super::body::Body;

/// The codec we send, its payload type, and everything else that was agreed.
///
/// Either `codec` and `payloadType`, or `codecs`, a list in the order of preference of which the first is sent and all are
/// taken.
pub(super) fn read(body: &mut Body) -> (Codec, Option<PayloadType>, LegMedia) {
    let mut media = LegMedia::default();
    let (codec, payload_type) = match body.list("codecs", MOST_CODECS) {
        None => {
            let codec = body.text("codec").map_or(Codec::Pcmu, |name| codec(body, "codec", &name));
            (codec, payload_type(body, "payloadType", codec))
        }
        Some(list) => {
            if body.text("codec").is_some() {
                body.wrong("codecs", "value", "expected either codec or codecs");
            }
            let agreed = agreed(body, &list);
            media.others = agreed.get(1..).unwrap_or_default().to_vec();
            let first = agreed.first().copied();
            first.map_or((Codec::Pcmu, None), |(payload_type, codec)| (codec, Some(payload_type)))
        }
    };
    media.ptime = ptime(body, codec);
    media.dtx = body.flag("dtx").unwrap_or(false);
    media.opus = opus(body);
    (codec, payload_type, media)
}

/// The codecs of a leg as they are told, the one we send first.
pub(super) fn told(leg: &Leg) -> Vec<wire::LegCodec> {
    let first = (leg.payload_type, leg.codec);
    let all = std::iter::once(&first).chain(&leg.media.others);
    all.map(|(payload_type, codec)| wire::LegCodec { codec: codec.name(), payload_type: payload_type.0 }).collect()
}

/// A payload type from `least` on.
pub(super) fn payload_type_in(body: &mut Body, field: &str, least: u64) -> Option<PayloadType> {
    body.integer(field, least, 127).and_then(|number| u8::try_from(number).ok()).map(PayloadType)
}

/// What the list says: `"PCMU"`, or `{"codec": "opus", "payloadType": 111}`.
fn agreed(body: &mut Body, list: &[Value]) -> Vec<(PayloadType, Codec)> {
    let mut agreed: Vec<(PayloadType, Codec)> = Vec::new();
    for (index, entry) in list.iter().enumerate() {
        let field = format!("codecs.{index}");
        let (name, number) = match entry {
            Value::String(name) => (Some(name.as_str()), None),
            Value::Object(fields) => (fields.get("codec").and_then(Value::as_str), fields.get("payloadType")),
            _ => (None, None),
        };
        let Some(name) = name else {
            body.wrong(&field, "type", "expected a codec's name, or an object with codec and payloadType");
            continue;
        };
        let codec = codec(body, &field, name);
        let number = number.filter(|number| !number.is_null());
        let given = number.and_then(Value::as_u64).and_then(|number| u8::try_from(number).ok());
        let payload_type = given.unwrap_or(codec.usual_payload_type());
        if (number.is_some() && given.is_none()) || !may_be(codec, payload_type) {
            body.wrong(&field, "value", expected(codec));
        } else if agreed.iter().any(|(taken, _)| taken.0 == payload_type) {
            body.wrong(&field, "value", format!("payload type {payload_type} is there twice"));
        } else {
            agreed.push((PayloadType(payload_type), codec));
        }
    }
    agreed
}

fn codec(body: &mut Body, field: &str, name: &str) -> Codec {
    Codec::from_name(name).unwrap_or_else(|| {
        let names: Vec<_> = Codec::ALL.iter().map(|codec| codec.name()).collect();
        body.wrong(field, "value", format!("expected one of {}", names.join(", ")));
        Codec::Pcmu
    })
}

/// The codec's payload type: its static one, or a dynamic one (RFC 3551 section 6).
fn payload_type(body: &mut Body, field: &str, codec: Codec) -> Option<PayloadType> {
    let payload_type = payload_type_in(body, field, 0)?;
    if !may_be(codec, payload_type.0) {
        body.wrong(field, "value", expected(codec));
    }
    Some(payload_type)
}

fn may_be(codec: Codec, payload_type: u8) -> bool {
    (96..=127).contains(&payload_type) || Some(payload_type) == codec.static_payload_type()
}

fn expected(codec: Codec) -> String {
    match codec.static_payload_type() {
        Some(assigned) => format!("expected {assigned} or 96 to 127"),
        None => "expected 96 to 127".into(),
    }
}

/// What one of our packets holds, in milliseconds; `None`: what is usual.
fn ptime(body: &mut Body, codec: Codec) -> Option<Duration> {
    let millis = body.integer("ptime", 10, 60)?;
    let ptime = Duration::from_millis(millis);
    if !codec.can_send(ptime) {
        let lengths = [10, 20, 30, 40, 60].into_iter().filter(|millis| codec.can_send(Duration::from_millis(*millis)));
        let lengths: Vec<_> = lengths.map(|millis| millis.to_string()).collect();
        body.wrong("ptime", "value", format!("expected one of {} for {}", lengths.join(", "), codec.name()));
    }
    Some(ptime)
}

/// The parameters of RFC 7587 the other side asked for.
fn opus(body: &mut Body) -> OpusSettings {
    let usual = OpusSettings::USUAL;
    let number = |body: &mut Body, field, least, most| {
        body.integer(field, least, most).and_then(|number| u32::try_from(number).ok())
    };
    OpusSettings {
        bitrate: number(body, "maxAverageBitrate", 6_000, 510_000)
            .map_or(usual.bitrate, |most| usual.bitrate.min(most)),
        playback_rate: number(body, "maxPlaybackRate", 8_000, 48_000).unwrap_or(usual.playback_rate),
        fec: body.flag("useInbandFec").unwrap_or(usual.fec),
        ..usual
    }
}

/// What the media of a call take ([`Formats::MOST`](crate::engine::Formats::MOST)).
const MOST_CODECS: usize = crate::engine::Formats::MOST;
