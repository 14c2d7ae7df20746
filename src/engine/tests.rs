//! Calls in real time over the in-process line, with services made for the test.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::time::timeout;

use super::files::tests::TestFile;
use super::*;
use crate::call::log::{Digest, Record, Records};
use crate::call::{Call, Output};
use crate::conversation::{GenerationEnd, Role, ToolCall, ToolResult, Transcript, TranscriptKind, TransferEnd};
use crate::gateway::loopback::{self, LoopbackPeer};
use crate::gateway::{LegEvent, LegTransfer, Line};
use crate::provider::{
    LlmEvent, LlmRequest, LlmStream, SttCommand, SttEvent, SttStream, ToolStream, TtsCommand, TtsEvent, TtsStream,
};
use crate::rtp::{Header, Packet, PacketBuf, Ssrc};

mod held_up;
mod voices;

const PATIENCE: Duration = Duration::from_secs(10);
const GREETING: &str = "Good morning, this is the clinic.";

/// A recogniser that says what the test tells it.
#[derive(Debug)]
struct Ears {
    script: Mutex<Option<mpsc::Receiver<SttEvent>>>,
    frames: Arc<AtomicUsize>,
}

impl Stt for Ears {
    fn open(&self, _spec: SttSpec) -> SttStream {
        let mut script = self.script.lock().unwrap().take().expect("one call");
        let frames = Arc::clone(&self.frames);
        SttStream::spawn(|mut commands, events| async move {
            loop {
                tokio::select! {
                    command = commands.recv() => match command {
                        Some(SttCommand::Audio { .. }) => _ = frames.fetch_add(1, SeqCst),
                        Some(SttCommand::Finalize) => {}
                        None => return,
                    },
                    event = script.recv() => match event {
                        Some(event) => events.send(event).await.unwrap(),
                        None => return,
                    },
                }
            }
        })
    }
}

/// A model that notes what it is asked and answers with one sentence.
#[derive(Debug)]
struct Brain {
    asked: mpsc::Sender<LlmRequest>,
}

impl Llm for Brain {
    fn open(&self, request: LlmRequest) -> LlmStream {
        self.asked.try_send(request).unwrap();
        LlmStream::spawn(|events| async move {
            for word in ["Two ", "o'clock ", "works."] {
                events.send(LlmEvent::Token(word.into())).await.unwrap();
            }
            let _ = events.send(LlmEvent::Ended { end: GenerationEnd::Stop, usage: None }).await;
        })
    }
}

/// A voice of 20 ms of tone a letter, up to ten.
#[derive(Debug)]
struct Voice;

impl Tts for Voice {
    fn open(&self, spec: TtsSpec) -> TtsStream {
        TtsStream::spawn(move |mut commands, events| async move {
            while let Some(command) = commands.recv().await {
                let event = match command {
                    TtsCommand::Speak(text) => {
                        let samples = (0..160 * text.len().min(10)).map(|n| if n % 8 < 4 { 9_000 } else { -9_000 });
                        TtsEvent::Audio { samples: samples.collect(), rate: spec.rate }
                    }
                    TtsCommand::End => TtsEvent::Ended,
                };
                if events.send(event).await.is_err() {
                    return;
                }
            }
        })
    }
}

/// A voice that tells when it has given out what it was asked for.
#[derive(Debug)]
struct Ready {
    spoke: mpsc::Sender<()>,
}

impl Tts for Ready {
    fn open(&self, spec: TtsSpec) -> TtsStream {
        let spoke = self.spoke.clone();
        let mut voice = Voice.open(spec);
        TtsStream::spawn(move |mut commands, events| async move {
            while let Some(TtsCommand::Speak(text)) = commands.recv().await {
                assert!(voice.speak(text));
                events.send(voice.recv().await.unwrap()).await.unwrap();
                let _ = spoke.try_send(());
            }
            let _ = events.send(TtsEvent::Ended).await;
        })
    }
}

#[derive(Debug)]
struct NoTools;

impl Tools for NoTools {
    fn open(&self, call: ToolCall) -> ToolStream {
        ToolStream::spawn(|result| async move {
            let _ = result.send(ToolResult { id: call.id, content: "none".into() }).await;
        })
    }
}

/// A service that is a bug.
#[derive(Debug)]
struct Bug;

impl Stt for Bug {
    fn open(&self, _spec: SttSpec) -> SttStream {
        panic!("as the test wants it")
    }
}

impl Llm for Bug {
    fn open(&self, _request: LlmRequest) -> LlmStream {
        panic!("as the test wants it")
    }
}

/// What the test holds of its services.
struct Backstage {
    ears: mpsc::Sender<SttEvent>,
    asked: mpsc::Receiver<LlmRequest>,
    frames: Arc<AtomicUsize>,
}

fn backstage() -> (Providers, Backstage) {
    let (ears, script) = mpsc::channel(8);
    let (asked, questions) = mpsc::channel(8);
    let frames = Arc::new(AtomicUsize::new(0));
    let providers = Providers {
        stt: Arc::new(Ears { script: Mutex::new(Some(script)), frames: Arc::clone(&frames) }),
        llm: Arc::new(Brain { asked }),
        tts: Arc::new(Voice),
        tools: Arc::new(NoTools),
    };
    (providers, Backstage { ears, asked: questions, frames })
}

fn start(providers: Providers) -> (Start, LoopbackPeer) {
    let (leg, peer) = loopback::pair(Codec::Pcmu);
    let dialogue = DialogueSpec { begin_message: GREETING.into(), ..DialogueSpec::default() };
    let start = Start {
        id: CallId::random(),
        call: CallSpec::new(dialogue),
        leg,
        providers,
        stt: SttSpec { language: "en-US".into(), rate: SampleRate::HZ_16000, model: None },
        llm: LlmSettings::default(),
        tts: TtsSpec { voice: None, language: "en-US".into(), speed: 1.0, rate: SampleRate::HZ_24000 },
        standby: Standby::default(),
        recording: None,
        log: None,
    };
    (start, peer)
}

fn engine(max_calls: usize) -> Engine {
    Engine::new(EngineConfig { max_calls, ..EngineConfig::default() })
}

/// Starts a call; its peer and its services live as long as what is returned.
fn begin(engine: &Engine) -> (CallHandle, LoopbackPeer, Backstage) {
    let (providers, backstage) = backstage();
    let (start, peer) = start(providers);
    (engine.start(engine.reserve().unwrap(), start), peer, backstage)
}

async fn ended(handle: &CallHandle) -> Arc<Outcome> {
    timeout(PATIENCE, handle.ended()).await.expect("the call ends")
}

fn reason(outcome: &Outcome) -> EndReason {
    outcome.report.ended.expect("it ended").1
}

/// Waits for a packet that is not silence.
async fn sound(peer: &mut LoopbackPeer) {
    let loud = async {
        loop {
            let packet = peer.recv().await.expect("the line is open");
            let packet = Packet::parse(packet.as_bytes()).unwrap();
            if packet.payload.iter().any(|byte| !matches!(byte, 0xFF | 0x7F)) {
                return;
            }
        }
    };
    timeout(PATIENCE, loud).await.expect("the agent speaks");
}

/// Waits for an event, past or live.
async fn event(subscription: &mut Subscription, wanted: impl Fn(&EventKind) -> bool) {
    if subscription.past.iter().any(|event| wanted(&event.kind)) {
        return;
    }
    let search = async { while !wanted(&subscription.live.recv().await.expect("the call is live").kind) {} };
    timeout(PATIENCE, search).await.expect("the event comes");
}

/// 20 ms of the caller's silence.
fn quiet_packet(sequence: u16) -> PacketBuf {
    let (payload_type, timestamp) = (PayloadType(0), u32::from(sequence) * 160);
    PacketBuf::write(Header { marker: false, payload_type, sequence, timestamp, ssrc: Ssrc(7) }, |room| {
        room[..160].fill(0xFF);
        160
    })
}

/// Sends the caller's silence in real time while `until` is awaited.
async fn quiet_caller<T>(peer: &mut LoopbackPeer, until: impl Future<Output = T>) -> T {
    let mut ptime = tokio::time::interval(Duration::from_millis(20));
    let mut sequence = 0u16;
    tokio::pin!(until);
    loop {
        tokio::select! {
            value = &mut until => return value,
            _ = peer.recv() => {}
            _ = ptime.tick() => {
                peer.send(quiet_packet(sequence).as_bytes());
                sequence = sequence.wrapping_add(1);
            }
        }
    }
}

#[tokio::test]
async fn the_agent_greets_and_a_hang_up_of_the_caller_ends_the_call() {
    let engine = engine(1);
    let (handle, mut peer, backstage) = begin(&engine);
    assert_eq!(engine.list().len(), 1);
    assert!(engine.get(handle.id()).is_some());
    sound(&mut peer).await;
    drop(peer);
    let outcome = ended(&handle).await;
    assert_eq!(reason(&outcome), EndReason::UserHangup);
    assert!(matches!(outcome.events.first().map(|event| &event.kind), Some(EventKind::Answered)));
    assert!(matches!(outcome.events.last().map(|event| &event.kind), Some(EventKind::Ended { .. })));

    let stats = engine.stats();
    assert_eq!((stats.live, stats.started, stats.ended, stats.panicked), (0, 1, 1, 0));
    assert_eq!(stats.totals.packets_sent, outcome.report.outbound.sent);
    assert!(stats.totals.packets_sent > 0 && stats.pacing_lateness.count() > 0);
    assert!(engine.get(handle.id()).is_none() && engine.list().is_empty());
    drop(backstage);
}

#[tokio::test]
async fn a_line_that_rings_has_its_greeting_ready_when_it_is_answered() {
    let log = TestFile::new("ringing.log");
    let engine = engine(1);
    let (mut providers, _backstage) = backstage();
    let (spoke, mut greeting) = mpsc::channel(1);
    providers.tts = Arc::new(Ready { spoke });
    let (mut start, _) = start(providers);
    let (leg, mut peer) = loopback::ringing(Codec::Pcmu);
    (start.leg, start.log) = (leg, Some(log.0.clone()));
    let handle = engine.start(engine.reserve().unwrap(), start);
    let mut subscription = handle.subscribe().await.unwrap();
    timeout(PATIENCE, greeting.recv()).await.expect("it is asked for while the line rings").unwrap();
    assert_eq!(handle.report().await.unwrap().0.answered, None);
    assert!(peer.answer());
    let first = async {
        let mut silent = 0;
        loop {
            let packet = peer.recv().await.expect("the line is open");
            let packet = Packet::parse(packet.as_bytes()).unwrap();
            if packet.payload.iter().any(|byte| !matches!(byte, 0xFF | 0x7F)) {
                return silent;
            }
            silent += 1;
        }
    };
    let silent = timeout(PATIENCE, first).await.expect("the agent speaks");
    assert!(silent <= 21, "{silent} packets of silence: the greeting waits 400 ms for a line on which nothing comes");
    event(&mut subscription, |kind| *kind == EventKind::Answered).await;
    assert!(handle.hang_up());
    let outcome = ended(&handle).await;
    assert!(outcome.report.answered.is_some());
    assert_eq!(replay(&log.0), outcome.report.outbound.sent);
}

#[tokio::test]
async fn a_line_that_is_given_up_while_it_rings_ends_the_call() {
    let engine = engine(1);
    let (providers, _backstage) = backstage();
    let (mut start, _) = start(providers);
    let (leg, peer) = loopback::ringing(Codec::Pcmu);
    start.leg = leg;
    let handle = engine.start(engine.reserve().unwrap(), start);
    assert!(handle.report().await.is_some());
    drop(peer);
    let outcome = ended(&handle).await;
    assert_eq!(
        (reason(&outcome), outcome.report.answered, outcome.report.outbound.sent),
        (EndReason::UserHangup, None, 0)
    );
}

#[tokio::test]
async fn words_of_the_caller_reach_the_model_and_its_answer_is_spoken() {
    let engine = engine(1);
    let (handle, mut peer, mut backstage) = begin(&engine);
    let mut subscription = handle.subscribe().await.unwrap();
    let said = |kind: &EventKind| matches!(kind, EventKind::Dialogue(DialogueEvent::AgentSaid { .. }));
    quiet_caller(&mut peer, event(&mut subscription, said)).await;
    let transcript = Transcript {
        kind: TranscriptKind::EndOfTurn,
        text: "Do you have time at two?".into(),
        confidence: 0.9,
        audio_end: None,
    };
    backstage.ears.send(SttEvent::Transcript(transcript)).await.unwrap();
    let asked = quiet_caller(&mut peer, backstage.asked.recv()).await.unwrap();
    let words: Vec<_> = asked.messages.iter().map(|message| (message.role, message.content.as_str())).collect();
    assert!(words.contains(&(Role::Assistant, GREETING)), "{words:?}");
    assert_eq!(words.last(), Some(&(Role::User, "Do you have time at two?")));
    subscription.past.clear();
    quiet_caller(&mut peer, event(&mut subscription, said)).await;
    assert!(backstage.frames.load(SeqCst) > 0, "the recogniser hears the caller");

    assert!(handle.hang_up());
    let outcome = ended(&handle).await;
    assert_eq!(reason(&outcome), EndReason::UserHangup);
    let lines: Vec<_> = outcome.report.lines.iter().map(|line| line.text.trim()).collect();
    assert_eq!(lines, [GREETING, "Do you have time at two?", "Two o'clock works."]);
}

#[tokio::test]
async fn a_late_subscriber_gets_the_past_and_then_the_rest() {
    let engine = engine(1);
    let (handle, mut peer, _backstage) = begin(&engine);
    sound(&mut peer).await;
    let mut subscription = handle.subscribe().await.unwrap();
    assert!(subscription.past.iter().any(|event| event.kind == EventKind::Answered));
    assert!(handle.command(Command::End));
    let outcome = ended(&handle).await;
    let mut all = subscription.past;
    while let Ok(event) = subscription.live.recv().await {
        all.push(event);
    }
    assert_eq!(all, outcome.events, "without gap or overlap, and then the stream ends");
}

#[tokio::test]
async fn a_call_that_is_over_takes_no_commands() {
    let engine = engine(1);
    let (handle, _peer, _backstage) = begin(&engine);
    assert!(handle.report().await.is_some());
    assert!(handle.command(Command::End));
    assert_eq!(reason(&*ended(&handle).await), EndReason::Ended);
    assert!(!handle.command(Command::Interrupt) && !handle.hang_up());
    assert!(handle.report().await.is_none() && handle.subscribe().await.is_none());
}

#[tokio::test]
async fn a_full_engine_refuses_until_a_call_has_ended() {
    let engine = engine(1);
    let (handle, _peer, _backstage) = begin(&engine);
    assert_eq!(engine.reserve().unwrap_err(), Busy { retry_after: EngineConfig::default().retry_after });
    assert!(handle.command(Command::End));
    ended(&handle).await;
    assert!(engine.reserve().is_ok());
    assert_eq!(engine.stats().refused, 1);
}

#[tokio::test]
async fn draining_admits_nobody_and_lets_live_calls_finish() {
    let engine = engine(2);
    let (handle, _peer, _backstage) = begin(&engine);
    let draining = tokio::spawn({
        let engine = engine.clone();
        async move { engine.drain(Instant::now() + PATIENCE).await }
    });
    while engine.reserve().is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(engine.stats().draining && !draining.is_finished());
    assert!(handle.command(Command::End));
    assert_eq!(timeout(PATIENCE, draining).await.unwrap().unwrap(), 0);
    assert_eq!(reason(&*ended(&handle).await), EndReason::Ended);
}

#[tokio::test]
async fn calls_that_outlast_the_drain_are_ended_with_their_reason() {
    let engine = engine(2);
    let (first, _peer, _backstage) = begin(&engine);
    let (second, _peer, _backstage) = begin(&engine);
    let cut = timeout(PATIENCE, engine.drain(Instant::now())).await.expect("draining is bounded");
    assert_eq!(cut, 2);
    for handle in [first, second] {
        let outcome = ended(&handle).await;
        assert_eq!(reason(&outcome), EndReason::Shutdown);
        let last = outcome.events.last().map(|event| event.kind.clone());
        assert_eq!(last, Some(EventKind::Ended { reason: EndReason::Shutdown }));
    }
}

#[tokio::test]
async fn calls_end_with_their_engine() {
    let engine = engine(1);
    let (handle, _peer, _backstage) = begin(&engine);
    drop(engine);
    assert_eq!(reason(&*ended(&handle).await), EndReason::Shutdown);
}

#[tokio::test]
async fn a_bug_ends_its_own_call_and_no_other() {
    let engine = engine(3);
    let (healthy, mut peer, _backstage) = begin(&engine);

    let (mut providers, _first) = backstage();
    providers.stt = Arc::new(Bug);
    let (start_first, _peer) = start(providers);
    let broken = engine.start(engine.reserve().unwrap(), start_first);
    assert_eq!(reason(&*ended(&broken).await), EndReason::ServiceFailure);

    let (mut providers, second) = backstage();
    providers.llm = Arc::new(Bug);
    let (mut start_second, mut quiet) = start(providers);
    start_second.call.dialogue.begin_message = String::new();
    let broken = engine.start(engine.reserve().unwrap(), start_second);
    let transcript =
        Transcript { kind: TranscriptKind::EndOfTurn, text: "Hello?".into(), confidence: 0.9, audio_end: None };
    second.ears.send(SttEvent::Transcript(transcript)).await.unwrap();
    let outcome = quiet_caller(&mut quiet, ended(&broken)).await;
    assert_eq!(reason(&outcome), EndReason::ServiceFailure);
    assert!(outcome.events.iter().any(|event| event.kind == EventKind::Answered), "what was known is kept");

    sound(&mut peer).await;
    assert!(healthy.command(Command::End));
    assert_eq!(reason(&*ended(&healthy).await), EndReason::Ended);
    assert_eq!((engine.stats().panicked, engine.stats().live), (2, 0));
}

#[tokio::test]
async fn a_call_leaves_a_recording_and_a_log_that_replays_to_the_byte() {
    let (wav, log) = (TestFile::new("call.wav"), TestFile::new("call.log"));
    let engine = engine(1);
    let (providers, _backstage) = backstage();
    let (mut start, mut peer) = start(providers);
    (start.recording, start.log) = (Some(RecordingSpec::new(&wav.0)), Some(log.0.clone()));
    let handle = engine.start(engine.reserve().unwrap(), start);
    let mut subscription = handle.subscribe().await.unwrap();
    let said = |kind: &EventKind| matches!(kind, EventKind::Dialogue(DialogueEvent::AgentSaid { .. }));
    quiet_caller(&mut peer, event(&mut subscription, said)).await;
    assert!(handle.command(Command::End));
    let outcome = ended(&handle).await;

    let mut recording = hound::WavReader::open(&wav.0).unwrap();
    assert_eq!((recording.spec().channels, recording.spec().sample_rate), (2, 8_000));
    let samples: Vec<i16> = recording.samples().map(Result::unwrap).collect();
    assert!(samples.chunks(2).any(|pair| pair[1].abs() > 1_000), "the agent is on the right");
    assert_eq!(replay(&log.0), outcome.report.outbound.sent);
}

/// Replays a log, compares every digest and says how many packets the replay sent.
fn replay(path: &PathBuf) -> u64 {
    let text = std::fs::read_to_string(path).unwrap();
    let records = Records::new(&text).unwrap();
    let begin = Instant::now();
    let mut call = Call::new(records.spec().clone(), begin);
    let (mut digest, mut count, mut sent) = (Digest::default(), 0, 0);
    let mut drain = |call: &mut Call, count: &mut u32, digest: &mut Digest| {
        while let Some(output) = call.poll_output() {
            *count += 1;
            digest.add(&output);
            sent += u64::from(matches!(output, Output::Transmit(_)));
        }
    };
    drain(&mut call, &mut count, &mut digest);
    for record in records {
        match record.unwrap() {
            Record::Input { at, input } => call.handle_input(input.as_input(), begin + at),
            Record::Timeout { at } => call.handle_timeout(begin + at),
            Record::Outputs { count: logged, digest: expected } => {
                assert_eq!((count, digest.value()), (logged, expected));
                count = 0;
            }
            Record::Decision(_) => {}
            Record::Full => break,
        }
        drain(&mut call, &mut count, &mut digest);
    }
    assert_eq!(count, 0, "the log accounts for every output");
    sent
}

#[test]
fn ids_are_random_and_of_the_promised_shape() {
    let (one, other) = (CallId::random(), CallId::random());
    assert_ne!(one, other);
    let letters = one.as_str().strip_prefix("call_").unwrap();
    assert!(letters.len() == 20 && letters.bytes().all(|letter| letter.is_ascii_alphanumeric()));
}

#[tokio::test]
async fn a_transfer_reaches_the_line_and_its_end_the_call() {
    for (end, gone) in [(LegTransfer::Refused, false), (LegTransfer::Taken, true)] {
        let engine = engine(1);
        let (handle, mut peer, backstage) = begin(&engine);
        let mut subscription = handle.subscribe().await.unwrap();
        sound(&mut peer).await;
        assert!(handle.command(Command::Transfer { to: Some(Pii::new("+14155550100".into())) }));
        let rings = |kind: &EventKind| matches!(kind, EventKind::Dialogue(DialogueEvent::TransferStarted { .. }));
        quiet_caller(&mut peer, event(&mut subscription, rings)).await;
        let to = timeout(PATIENCE, peer.transfer_wanted()).await.expect("the line is asked");
        assert_eq!(to.as_deref(), Some("+14155550100"));
        assert!(peer.end_transfer(end));
        if gone {
            let outcome = ended(&handle).await;
            assert_eq!(reason(&outcome), EndReason::Transferred);
        } else {
            let fails = |kind: &EventKind| matches!(kind, EventKind::Dialogue(DialogueEvent::TransferFailed { end, .. }) if *end == TransferEnd::Refused);
            quiet_caller(&mut peer, event(&mut subscription, fails)).await;
            assert!(handle.command(Command::End));
            let outcome = ended(&handle).await;
            assert_eq!(reason(&outcome), EndReason::Ended);
        }
        drop(backstage);
    }
}

/// A line over which nobody can be handed on.
struct Bound(Box<dyn Line>);

impl Line for Bound {
    fn poll_recv(&mut self, buffer: &mut [u8], cx: &mut std::task::Context<'_>) -> std::task::Poll<LegEvent> {
        self.0.poll_recv(buffer, cx)
    }

    fn send(&mut self, packet: &PacketBuf) {
        self.0.send(packet);
    }
}

#[tokio::test]
async fn a_line_that_cannot_transfer_is_not_offered_it_and_refuses_an_order_at_once() {
    for can in [true, false] {
        let engine = engine(1);
        let (providers, mut backstage) = backstage();
        let (mut start, mut peer) = start(providers);
        start.call.dialogue.transfer_number = Some(Pii::new("+14155550100".into()));
        if !can {
            start.leg.line = Box::new(Bound(start.leg.line));
        }
        let handle = engine.start(engine.reserve().unwrap(), start);
        let mut subscription = handle.subscribe().await.unwrap();
        let transcript = Transcript {
            kind: TranscriptKind::EndOfTurn,
            text: "Can I speak to a person?".into(),
            confidence: 0.9,
            audio_end: None,
        };
        backstage.ears.send(SttEvent::Transcript(transcript)).await.unwrap();
        let asked = quiet_caller(&mut peer, backstage.asked.recv()).await.unwrap();
        let offered: Vec<_> = asked.tools.iter().map(|tool| tool.name.as_str()).collect();
        assert_eq!(offered.contains(&"transfer_call"), can, "{offered:?}");
        assert!(offered.contains(&"end_call") && offered.contains(&"send_dtmf"), "{offered:?}");
        if !can {
            assert!(handle.command(Command::Transfer { to: Some(Pii::new("+14155550100".into())) }));
            let fails = |kind: &EventKind| matches!(kind, EventKind::Dialogue(DialogueEvent::TransferFailed { end, .. }) if *end == TransferEnd::Unsupported);
            quiet_caller(&mut peer, event(&mut subscription, fails)).await;
        }
        assert!(handle.command(Command::End));
        ended(&handle).await;
    }
}

/// A voice that notes whose it is.
#[derive(Debug)]
struct Casting(Mutex<Vec<(Option<String>, f32)>>);

impl Tts for Casting {
    fn open(&self, spec: TtsSpec) -> TtsStream {
        self.0.lock().unwrap().push((spec.voice.clone(), spec.speed));
        Voice.open(spec)
    }
}

#[tokio::test]
async fn a_voice_that_changes_speaks_from_the_next_utterance_on() {
    let engine = engine(1);
    let (mut providers, backstage) = backstage();
    let casting = Arc::new(Casting(Mutex::default()));
    providers.tts = Arc::clone(&casting) as Arc<dyn Tts>;
    let (start, mut peer) = start(providers);
    let handle = engine.start(engine.reserve().unwrap(), start);
    let mut subscription = handle.subscribe().await.unwrap();
    sound(&mut peer).await;
    let update = Update { voice: Some("Ada".into()), voice_speed: Some(1.2), ..Update::default() };
    assert!(handle.command(Command::Update(update)));
    assert!(handle.command(Command::Say { text: "With another voice.".into(), interruptible: true }));
    let said = |kind: &EventKind| matches!(kind, EventKind::Dialogue(DialogueEvent::AgentSaid { text, .. }) if text.starts_with("With another"));
    quiet_caller(&mut peer, event(&mut subscription, said)).await;
    assert_eq!(*casting.0.lock().unwrap(), [(None, 1.0), (Some("Ada".into()), 1.2)]);
    drop(backstage);
}
