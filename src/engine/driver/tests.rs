//! What the driver does when a call turns to the services that stand by, with outputs made for the test.

use std::future::{pending, poll_fn};
use std::sync::Mutex;
use std::task::{Context, Poll};

use futures_util::FutureExt;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::timeout;

use super::*;
use crate::audio::{Codec, Piece, SampleRate};
use crate::call::{CallSpec, DialogueSpec};
use crate::conversation::Transcript;
use crate::conversation::TranscriptKind::Final;
use crate::engine::{LlmSettings, Providers, Standby};
use crate::gateway::Line;
use crate::gateway::loopback::{self, LoopbackPeer};
use crate::provider::{
    Llm, LlmRequest, LlmStream, NoTools, Stt, SttCommand, SttSpec, SttStream, Tts, TtsCommand, TtsSpec, TtsStream,
};
use crate::rtp::{Header, PacketBuf, PayloadType, Ssrc};

/// What a recogniser is given at once, whatever is in it.
const PTIME: Duration = Duration::from_millis(40);
const PATIENCE: Duration = Duration::from_secs(10);

/// What a service was told, and by which name it goes.
#[derive(Clone, PartialEq, Debug)]
enum Told {
    Heard(&'static str, Vec<i16>),
    Asked(&'static str),
    Opened(&'static str),
    Spoke(&'static str, String),
}

/// All three services of one rank. Its recogniser answers each frame with a word.
#[derive(Clone, Debug)]
struct Service3 {
    name: &'static str,
    told: Sender<Told>,
    /// The recogniser fails at its first frame.
    is_deaf: bool,
}

impl Stt for Service3 {
    fn open(&self, _: SttSpec) -> SttStream {
        let Self { name, told, is_deaf } = self.clone();
        SttStream::spawn(move |mut commands, events| async move {
            while let Some(SttCommand::Audio { samples, .. }) = commands.recv().await {
                let event = if is_deaf {
                    SttEvent::Failed(ProviderError::new(Failure::Unavailable, "deaf"))
                } else {
                    told.send(Told::Heard(name, samples.into())).await.unwrap();
                    let text = name.to_owned();
                    SttEvent::Transcript(Transcript { kind: Final, text, confidence: 1.0, audio_end: Some(PTIME) })
                };
                if events.send(event).await.is_err() {
                    return;
                }
            }
        })
    }
}

impl Llm for Service3 {
    fn open(&self, _: LlmRequest) -> LlmStream {
        self.told.try_send(Told::Asked(self.name)).unwrap();
        LlmStream::spawn(|events| async move {
            let _held = events;
            pending().await
        })
    }
}

impl Tts for Service3 {
    fn open(&self, _: TtsSpec) -> TtsStream {
        let Self { name, told, .. } = self.clone();
        told.try_send(Told::Opened(name)).unwrap();
        TtsStream::spawn(move |mut commands, events| async move {
            while let Some(TtsCommand::Speak(text)) = commands.recv().await {
                told.send(Told::Spoke(name, text)).await.unwrap();
            }
            drop(events);
        })
    }
}

struct Bench {
    driver: Driver,
    told: Receiver<Told>,
    frames: i16,
    _kept: (LoopbackPeer, watch::Sender<bool>, Sender<Request>),
}

fn bench(has_standby: bool, is_deaf: bool) -> Bench {
    let (leg, peer) = loopback::pair(Codec::Pcmu);
    let (tell, told) = channel(64);
    let service = |name| Arc::new(Service3 { name, told: tell.clone(), is_deaf: is_deaf && name == "first" });
    let rate = SampleRate::HZ_8000;
    let stt = SttSpec { language: "en-US".into(), rate, model: None };
    let tts = TtsSpec { voice: None, language: "en-US".into(), speed: 1.0, rate };
    let (first, second) = (service("first"), service("second"));
    let standby = match has_standby {
        true => Standby {
            stt: Some((second.clone(), stt.clone())),
            llm: Some((second.clone(), LlmSettings::default())),
            tts: Some((second, tts.clone())),
            ..Standby::default()
        },
        false => Standby::default(),
    };
    let start = Start {
        id: CallId::random(),
        call: CallSpec::new(DialogueSpec::default()),
        leg,
        providers: Providers { stt: first.clone(), llm: first.clone(), tts: first, tools: Arc::new(NoTools) },
        stt,
        llm: LlmSettings::default(),
        tts,
        standby,
        recording: None,
        log: None,
    };
    let (stop, stopped) = watch::channel(false);
    let (requests, receiver) = channel(1);
    let shared = Shared { counters: Arc::new(Counters::new()), levels: Arc::default(), files: Files::start() };
    let driver = Driver::new(start, receiver, stopped, &shared);
    Bench { driver, told, frames: 0, _kept: (peer, stop, requests) }
}

impl Bench {
    fn out(&mut self, output: Output) {
        let now = self.driver.began + PTIME * self.frames.unsigned_abs().into();
        self.driver.carry_out(output, now);
    }

    /// The next frame of the caller, each of its own value, 40 ms after the one before.
    fn frame(&mut self) {
        self.frames += 1;
        self.out(Output::Transcribe(frame(self.frames)));
    }

    /// What a service is told next, the call being driven meanwhile.
    async fn told(&mut self) -> Told {
        let Self { driver, told, .. } = self;
        let work = async {
            loop {
                tokio::select! {
                    biased;
                    told = told.recv() => return told.unwrap(),
                    wake = driver.sources.next(|_| true, None) => driver.handle(wake, driver.began),
                }
            }
        };
        timeout(PATIENCE, work).await.expect("a service is told something")
    }

    async fn wake(&mut self) -> Wake {
        timeout(PATIENCE, self.driver.sources.next(|_| true, None)).await.expect("something happens")
    }
}

fn frame(value: i16) -> Piece {
    // Of the values a telephone has: what is heard again was kept as µ-law.
    Piece::from_samples(SampleRate::HZ_8000, &[132 + value * 16; 320]).unwrap()
}

#[tokio::test]
async fn the_second_recogniser_hears_what_the_first_one_missed() {
    let mut bench = bench(true, false);
    assert_eq!(bench.driver.services.backups(), crate::call::Backups { stt: true, llm: true, tts: true });
    for value in 1..=3 {
        bench.frame();
        assert_eq!(bench.told().await, Told::Heard("first", frame(value).samples().into()));
    }
    bench.out(Output::Rehear { since: PTIME });
    let Told::Heard("second", again) = bench.told().await else { panic!("another recogniser") };
    assert_eq!(again, [[164; 320], [180; 320]].concat(), "in one piece");
    bench.frame();
    assert_eq!(bench.told().await, Told::Heard("second", frame(4).samples().into()));
    // Of the first one nothing is heard any more, and times are those of the call.
    let Wake::Stt(Some(SttEvent::Transcript(transcript))) = bench.wake().await else { panic!("words") };
    assert_eq!((transcript.text.as_str(), transcript.audio_end), ("second", Some(2 * PTIME)));
    bench.out(Output::Rehear { since: 2 * PTIME });
    assert!(matches!(bench.told().await, Told::Heard("first", _)), "the other one again");
    assert_eq!(bench.driver.service_counters(), ServiceCounters { rehears: 2, ..ServiceCounters::default() });
}

#[tokio::test]
async fn a_recogniser_that_failed_is_replaced_without_a_gap() {
    for has_standby in [true, false] {
        let mut bench = bench(has_standby, true);
        bench.frame();
        let failed = bench.wake().await;
        assert!(matches!(failed, Wake::Stt(Some(SttEvent::Failed(_)))), "{failed:?}");
        bench.driver.handle(failed, bench.driver.began);
        bench.frame();
        assert_eq!(bench.driver.service_counters().unheard, PTIME);
        bench.out(Output::Rehear { since: Duration::ZERO });
        if has_standby {
            let Told::Heard("second", again) = bench.told().await else { panic!("the second one") };
            assert_eq!(again, [[148; 320], [164; 320]].concat());
        } else {
            assert!(matches!(bench.wake().await, Wake::Stt(Some(SttEvent::Failed(_)))), "the same one, once more");
        }
        assert_eq!(bench.driver.service_counters().unheard, Duration::ZERO);
    }
}

#[tokio::test]
async fn a_reply_goes_to_the_services_of_its_rank() {
    let mut bench = bench(true, false);
    let messages = Vec::new;
    bench.out(Output::Generate { reply: ReplyId(1), rank: 0, messages: messages() });
    assert_eq!(bench.told().await, Told::Asked("first"));
    assert_eq!(bench.told().await, Told::Opened("first"), "the voice connects while the model thinks");
    bench.out(Output::Generate { reply: ReplyId(2), rank: 1, messages: messages() });
    assert_eq!(bench.told().await, Told::Asked("second"));
    bench.out(Output::Cancel { reply: ReplyId(1) });
    bench.out(Output::Synthesize { reply: ReplyId(2), rank: 0, text: "Two ".into() });
    bench.out(Output::Synthesize { reply: ReplyId(2), rank: 0, text: "parts.".into() });
    assert_eq!(bench.told().await, Told::Spoke("first", "Two ".into()), "without a second connection");
    assert_eq!(bench.told().await, Told::Spoke("first", "parts.".into()));
    bench.out(Output::Synthesize { reply: ReplyId(3), rank: 1, text: "Two parts.".into() });
    assert_eq!(bench.told().await, Told::Opened("second"));
    assert_eq!(bench.told().await, Told::Spoke("second", "Two parts.".into()));
    let expected = ServiceCounters { llm_standby: 1, tts_standby: 1, ..ServiceCounters::default() };
    assert_eq!(bench.driver.service_counters(), expected);
}

#[tokio::test]
async fn a_voice_nobody_needed_is_no_failure() {
    let mut bench = bench(false, false);
    bench.out(Output::Generate { reply: ReplyId(1), rank: 0, messages: Vec::new() });
    bench.out(Output::Cancel { reply: ReplyId(1) });
    bench.out(Output::EndSpeech { reply: ReplyId(1) });
    assert!(bench.driver.failed.is_empty());
    let quiet = poll_fn(|cx| {
        let wait = std::pin::pin!(bench.driver.sources.next(|_| true, None));
        Poll::Ready(wait.poll(cx).is_pending())
    });
    assert!(quiet.await, "nothing is told of it");
    assert_eq!(bench.driver.service_counters().tts_unused, 1);
}

/// Tools that never answer, and tell when they are stopped.
#[derive(Debug)]
struct Hung(Sender<String>);

impl crate::provider::Tools for Hung {
    fn open(&self, call: crate::conversation::ToolCall) -> crate::provider::ToolStream {
        struct Told(Sender<String>, String);
        impl Drop for Told {
            fn drop(&mut self) {
                self.0.try_send(self.1.clone()).unwrap();
            }
        }
        let told = Told(self.0.clone(), call.id);
        crate::provider::ToolStream::spawn(|result| async move {
            let _held = (result, told);
            pending().await
        })
    }
}

#[tokio::test]
async fn a_tool_that_is_given_up_is_stopped_and_makes_room() {
    let mut bench = bench(false, false);
    let (tell, mut stopped) = channel(64);
    bench.driver.services.tools = Arc::new(Hung(tell));
    let call =
        |n: usize| crate::conversation::ToolCall { id: format!("{n}"), name: "look".into(), arguments: "{}".into() };
    for n in 0..ToolRuns::MAX {
        bench.out(Output::Invoke { reply: ReplyId(1), call: call(n) });
    }
    bench.out(Output::CancelTool { call: "3".into() });
    assert_eq!(timeout(PATIENCE, stopped.recv()).await.unwrap().as_deref(), Some("3"));
    bench.out(Output::Invoke { reply: ReplyId(1), call: call(16) });
    bench.out(Output::Invoke { reply: ReplyId(1), call: call(17) });
    let Wake::Tool(result) = bench.wake().await else { panic!("the one too many is refused") };
    assert_eq!(result.id, "17");
    assert!(stopped.try_recv().is_err(), "the others run on");
}

/// A line that sends when it is looked at, as those over a stream do.
#[derive(Clone, Default)]
struct Slow(Arc<Mutex<Seen>>);

#[derive(Clone, Copy, PartialEq, Default, Debug)]
struct Seen {
    looks: u32,
    waiting: u32,
    sent: u32,
}

impl Line for Slow {
    fn poll_recv(&mut self, _: &mut [u8], _: &mut Context<'_>) -> Poll<LegEvent> {
        let mut seen = self.0.lock().unwrap();
        seen.looks += 1;
        seen.sent += std::mem::take(&mut seen.waiting);
        Poll::Pending
    }

    fn send(&mut self, _: &PacketBuf) {
        self.0.lock().unwrap().waiting += 1;
    }
}

#[tokio::test]
async fn a_line_is_looked_at_when_it_says_so_or_was_sent_something() {
    let mut bench = bench(false, false);
    let line = Slow::default();
    bench.driver.sources.leg.line = Box::new(line.clone());
    for _ in 0..3 {
        assert!(bench.driver.sources.next(|_| true, None).now_or_never().is_none());
    }
    let seen = || *line.0.lock().unwrap();
    assert_eq!(seen().looks, 1, "to give it a waker");
    let header = Header { marker: false, payload_type: PayloadType(0), sequence: 1, timestamp: 0, ssrc: Ssrc(1) };
    bench.out(Output::Transmit(PacketBuf::write(header, |_| 0)));
    for _ in 0..3 {
        assert!(bench.driver.sources.next(|_| true, None).now_or_never().is_none());
    }
    assert_eq!(seen(), Seen { looks: 2, waiting: 0, sent: 1 });
    bench.out(Output::ClearFar);
    assert!(bench.driver.sources.next(|_| true, None).now_or_never().is_none());
    assert_eq!(seen().looks, 3);
}
