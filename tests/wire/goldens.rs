//! Every JSON shape against `fixtures/wire`. To accept a change: `AGENTPHONE_BLESS=1 cargo test --test wire`, then read
//! the diff of the fixtures.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use agentphone::control::{Options, ToolProfile, wire};
use agentphone::conversation::{Failure, ReplyId, Service, TransferEnd};
use agentphone::engine::{
    Ambience, AnsweredBy, Denoising, DialogueEvent, EndReason, Event, EventKind, Pii, SoundSpec, TurnReport, Waterfall,
    Why,
};
use agentphone::store::{CallRecord, CostRecord, Counter, EventRecord, LineRecord, Side, TurnRecord, Value};
use serde::Serialize;

use super::fakes;

#[test]
fn a_call_under_way() {
    golden("call-live", &wire::Call::of(&live()));
}

#[test]
fn a_call_that_is_over() {
    golden("call-ended", &wire::Call::of(&over()));
    assert_eq!(serde_json::to_value(wire::Call::of(&over()).with_status("ending")).unwrap()["status"], "ending");
}

#[test]
fn a_call_nobody_answered_lasted_no_time() {
    let call = CallRecord { answered: None, ..over() };
    assert_eq!(serde_json::to_value(wire::Call::of(&call)).unwrap()["durationSeconds"], 0);
}

#[test]
fn a_page_of_calls() {
    let data = vec![wire::Call::of(&live())];
    golden("calls", &wire::CallList { data, total: 2, has_more: true });
}

#[test]
fn a_transcript_in_both_shapes() {
    golden("transcript", &wire::Transcript::of(&over()));
}

#[test]
fn rows_pair_each_turn_of_the_caller_with_what_the_agent_said_until_the_next() {
    use Side::{Agent, Caller};
    for (lines, expected) in [
        (vec![], vec![]),
        (vec![(Agent, "hello")], vec![("", Some("hello"))]),
        (vec![(Agent, "hello"), (Agent, "there?")], vec![("", Some("hello")), ("", Some("there?"))]),
        (vec![(Caller, "a"), (Caller, "b"), (Agent, "c")], vec![("a", None), ("b", Some("c"))]),
        (vec![(Caller, "a"), (Agent, "b"), (Agent, "c"), (Caller, "d")], vec![("a", Some("b c")), ("d", None)]),
    ] {
        let lines = lines.into_iter().map(|(side, text)| line(side, text, 0, 1.0)).collect();
        let call = serde_json::to_value(wire::Call::of(&CallRecord { lines, ..over() })).unwrap();
        let rows: Vec<_> = call["transcripts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| (row["transcript"].as_str().unwrap(), row["response"].as_str()))
            .collect();
        assert_eq!(rows, expected);
    }
}

#[test]
fn an_agent_and_a_page_of_agents() {
    let agent = wire::Agent::of(&fakes::agent(), start());
    golden("agents", &wire::AgentList { data: vec![agent], total: 1, has_more: false });
    let mut agent = fakes::agent();
    agent.dialogue.transfer_number = Some(Pii::new("+14155550100".into()));
    agent.options = Options {
        stt_mode: "accurate",
        enable_backchannel: false,
        voicemail_message: Some("Please call back.".into()),
        sound: SoundSpec { denoising: Denoising::NoiseAndSpeech, ambience: Ambience::Office, ..SoundSpec::default() },
        custom_tools: vec![ToolProfile {
            name: "look_up".into(),
            description: "Finds a table.".into(),
            url: "https://example.com/look-up".into(),
            method: "POST",
            timeout_ms: 10_000,
        }],
        ..Options::default()
    };
    golden("agent-options", &wire::Agent::of(&agent, start()));
}

#[test]
fn a_media_leg() {
    let leg = wire::MediaLeg {
        call_id: "call_7qm2".into(),
        agent_id: "front-desk".into(),
        status: "in-progress",
        transport: "rtp",
        local: Some("127.0.0.1:10000".into()),
        remote: Some("127.0.0.1:40000".into()),
        codec: "PCMU",
        payload_type: 0,
        telephone_event: Some(101),
        codecs: vec![
            wire::LegCodec { codec: "PCMU", payload_type: 0 },
            wire::LegCodec { codec: "opus", payload_type: 111 },
        ],
        ptime: 20,
        dtx: false,
        rtcp_mux: true,
        srtp: Some(wire::MediaKeys { send: "1 AES_CM_128_HMAC_SHA1_80 inline:d0Rmd…".into() }),
        direction: "inbound",
        from_number: "+14155550100".into(),
        to_number: "+14155550101".into(),
        started_at: wire::iso(start()),
    };
    golden("media-leg", &leg);
}

#[test]
fn an_error() {
    let field = wire::Detail { field: "agentId".into(), message: "is missing".into(), kind: "missing" };
    golden(
        "error",
        &wire::ErrorBody::new("VALIDATION_ERROR", "invalid_request_error", "agentId: is missing", vec![field]),
    );
}

#[test]
fn voices() {
    golden("voices", &wire::VoiceList::of(&[fakes::voice()]));
}

#[test]
fn health() {
    golden(
        "health",
        &wire::Health {
            status: "ok",
            version: "0.1.0",
            live_calls: 3,
            simulated: vec!["stt", "tts"],
            open_circuits: vec!["llm groq".into()],
        },
    );
}

#[test]
fn every_event_of_a_stream() {
    let mut told = vec![wire::Connected::record(&live())];
    for (index, kind) in kinds().into_iter().enumerate() {
        let event = Event { at: Duration::from_millis(1_000 + index as u64 * 20), kind };
        told.push(wire::EventData::record("call_7qm2", start(), &event));
    }
    told.push(wire::EventData::missed(12));
    told.push(wire::Ended::record(&over()));
    let text: String = told.iter().map(|event| format!("event: {}\ndata: {}\n\n", event.name, event.data)).collect();
    assert!(text.is_ascii());
    compare("events.txt", &text);
}

/// One event of each kind.
fn kinds() -> Vec<EventKind> {
    let (reply, ms) = (ReplyId(2), Duration::from_millis);
    let why = |rule| Why { rule, inputs: "voice 120 ms".into() };
    let dialogue = [
        DialogueEvent::CallerStarted,
        DialogueEvent::CallerHeard { text: "Is Mon".into(), settled: false },
        DialogueEvent::TurnCommitted {
            turn: 1,
            reply,
            text: "Is Monday free? – für zwei 🙂".into(),
            replaces: None,
            confidence: 0.93,
            stopped: Some(ms(4_000)),
            decided: ms(4_500),
            settled: ms(4_520),
            why: why("endpoint.normal"),
        },
        DialogueEvent::ThoughtAhead { reply, why: why("speculation.settled") },
        DialogueEvent::ThoughtKept { reply, tokens: 412, saved: ms(250), why: why("speculation.same-input") },
        DialogueEvent::ThoughtDropped { reply, tokens: 398, why: why("speculation.other-words") },
        DialogueEvent::Ducked { reply, why: why("barge-in.duck") },
        DialogueEvent::Held { reply, voice_began: ms(900), why: why("barge-in.hold") },
        DialogueEvent::Resumed { reply, why: why("barge-in.resume") },
        DialogueEvent::TakenBack { reply, why: why("barge-in.before-audio") },
        DialogueEvent::Interrupted { reply, why: why("barge-in.words") },
        DialogueEvent::Backchannel { text: "mm-hmm".into(), why: why("barge-in.backchannel") },
        DialogueEvent::AgentSaid { reply, text: "Monday at".into(), interrupted: true, why: why("heard.cut") },
        DialogueEvent::ToolStarted { name: "calendar".into(), why: why("tool.asked") },
        DialogueEvent::ToolEnded {
            name: "calendar".into(),
            took: Duration::from_micros(41_250),
            why: why("tool.answered"),
        },
        DialogueEvent::TransferStarted { why: why("transfer.rings") },
        DialogueEvent::LineHeld { held: true, why: why("line.hold") },
        DialogueEvent::LineHeld { held: false, why: why("line.unhold") },
        DialogueEvent::Withheld { reply, why: why("floor.withheld") },
        DialogueEvent::TransferFailed { end: TransferEnd::NoAnswer, why: why("transfer.failed") },
        DialogueEvent::ServiceFailed { service: Service::Tts, failure: Failure::Timeout, why: why("tts.retry") },
        DialogueEvent::Hedged {
            service: Service::Tts,
            reply: Some(reply),
            backup: Some(ReplyId(9)),
            why: why("tts.hedge"),
        },
        DialogueEvent::Unstuck { why: why("stuck.turn") },
        DialogueEvent::Dropped { what: "token", why: why("late.reply-over") },
        DialogueEvent::AnsweredBy { by: AnsweredBy::Voicemail, why: why("answer.beep") },
        DialogueEvent::Ending { reason: EndReason::Inactivity, why: why("idle.end") },
    ];
    let waterfall = Waterfall {
        endpoint: ms(500),
        transcript: ms(20),
        first_token: ms(310),
        first_segment: ms(45),
        first_audio: ms(130),
        first_packet: Duration::from_micros(4_500),
    };
    let answered = TurnReport { turn: 1, reply, stopped: ms(4_000), waterfall, segment_words: 3 };
    std::iter::once(EventKind::Answered)
        .chain(dialogue.map(EventKind::Dialogue))
        .chain([
            EventKind::TurnAnswered(answered),
            EventKind::Silenced { reply, after: ms(118) },
            EventKind::DigitPressed,
            EventKind::Ended { reason: EndReason::UserHangup },
        ])
        .collect()
}

fn start() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_772_355_900)
}

fn live() -> CallRecord {
    CallRecord {
        status: "in-progress".into(),
        reason: None,
        ended: None,
        lines: vec![line(Side::Agent, "Hello, this is the front desk.", 2_000, 1.0)],
        turns: Vec::new(),
        interruptions: 0,
        speculation: vec![],
        silenced: Vec::new(),
        events: Vec::new(),
        ..over()
    }
}

fn over() -> CallRecord {
    let ms = Duration::from_millis;
    let parts = [500, 20, 310, 45, 130, 4].map(ms);
    let count = |name, value| Counter { name, value: Value::Count(value) };
    CallRecord {
        id: "call_7qm2".into(),
        agent_id: "front-desk".into(),
        agent_name: "Front desk".into(),
        direction: "inbound".into(),
        from: "+14155550100".into(),
        to: "+14155550101".into(),
        transport: "rtp".into(),
        codec: "PCMU".into(),
        local: Some("127.0.0.1:10000".into()),
        stream_sid: None,
        call_sid: None,
        status: "completed".into(),
        reason: Some("user_hangup".into()),
        started: start(),
        ended: Some(start() + ms(41_400)),
        answered: Some(ms(12)),
        answered_by: None,
        lines: vec![
            line(Side::Agent, "Hello, this is the front desk.", 2_000, 1.0),
            line(Side::Caller, "Is Monday free?", 7_000, 0.93),
            LineRecord { interrupted: true, ..line(Side::Agent, "Monday at", 8_100, 1.0) },
            line(Side::Caller, "No, Tuesday.", 9_000, 0.88),
        ],
        turns: vec![TurnRecord {
            turn: 1,
            reply: 2,
            stopped: ms(6_500),
            segment_words: 4,
            waterfall: Waterfall::NAMES.into_iter().zip(parts).collect(),
        }],
        holds: 1,
        interruptions: 1,
        silenced: vec![ms(118)],
        speculation: vec![count("tries", 2), Counter { name: "savedMs", value: Value::Time(ms(250)) }],
        hedges: vec![count("stt", 0), count("llm", 0), count("tts", 1)],
        dropped: 2,
        inbound: vec![count("received", 2_070), Counter { name: "jitterMs", value: Value::Time(ms(1)) }],
        outbound: vec![count("sent", 2_068)],
        line: vec![count("foreignSource", 0)],
        quality: vec![Counter { name: "inboundMos", value: Value::Score(4.37) }, count("reportsSent", 9)],
        services: vec![
            Counter { name: "unheardMs", value: Value::Time(Duration::from_millis(120)) },
            count("sttReconnects", 1),
            count("sttRehears", 0),
            count("llmStandby", 0),
            count("ttsStandby", 2),
            count("ttsUnused", 1),
        ],
        costs: vec![
            CostRecord {
                service: "llm",
                vendor: "openai".into(),
                model: "gpt-4.1-mini".into(),
                requests: 3,
                prompt_tokens: 1_204,
                completion_tokens: 96,
                estimated_tokens: 410,
                characters: 0,
                audio: Duration::ZERO,
                price: Some(0.000_635_2),
            },
            CostRecord {
                service: "tts",
                vendor: "elevenlabs".into(),
                model: "eleven_flash_v2_5".into(),
                requests: 2,
                prompt_tokens: 0,
                completion_tokens: 0,
                estimated_tokens: 0,
                characters: 212,
                audio: ms(13_240),
                price: None,
            },
        ],
        currency: Some("USD".into()),
        unrecorded: Duration::ZERO,
        recording: Some("call_7qm2.wav".into()),
        events: vec![EventRecord { name: "answered", data: "{}".into() }],
    }
}

fn line(side: Side, text: &str, at: u64, confidence: f32) -> LineRecord {
    LineRecord { side, text: text.into(), at: Duration::from_millis(at), confidence, interrupted: false }
}

#[track_caller]
fn golden(name: &str, value: &impl Serialize) {
    let text = serde_json::to_string_pretty(value).unwrap() + "\n";
    compare(&format!("{name}.json"), &text);
}

#[track_caller]
fn compare(file: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/wire").join(file);
    if std::env::var_os("AGENTPHONE_BLESS").is_some() {
        std::fs::write(&path, text).unwrap();
        return;
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(golden == text, "{file} differs; AGENTPHONE_BLESS=1 accepts what is found:\n{text}");
}
