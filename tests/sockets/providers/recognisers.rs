//! Recognisers against their simulators, which share no code with them: the same cases for each vendor.

use std::fmt::Write;
use std::time::Duration;

use agentphone::audio::{Frame, SampleRate};
use agentphone::conversation::{Failure, Service, TranscriptKind};
use agentphone::provider::{
    ElevenLabsScribe, ElevenLabsScribeConfig, OpenAiTranscription, OpenAiTranscriptionConfig, Secret, Sherpa,
    SherpaConfig, Soniox, SonioxConfig, Speechmatics, SpeechmaticsConfig, Stt, SttEvent, SttSpec, SttStream, Vosk,
    VoskConfig, Whisper, WhisperConfig,
};
use agentphone::simulator::{After, Fault, FaultKind, Line, LineScript, RecogniserConfig, SimulatorConfig, Simulators};
use futures_util::future::join_all;

use super::server::bounded;

const MS: Duration = Duration::from_millis(1);
const TEXT: &str = "I would like a table.";

/// One vendor, and in what it differs.
struct Vendor {
    name: &'static str,
    open: fn(&Simulators) -> Box<dyn Stt>,
    /// Words come while they are spoken.
    interims: bool,
    /// A question is answered though there is nothing to settle.
    answers_silence: bool,
    /// It asks for a key.
    has_key: bool,
    /// A connection stays open.
    streams: bool,
}

const USUAL: Vendor =
    Vendor { name: "", open: |_| unreachable!(), interims: true, answers_silence: true, has_key: true, streams: true };

const VENDORS: [Vendor; 9] = [
    Vendor { name: "openai", open: |simulators| openai(simulators, "gpt-live-transcribe", 0), ..USUAL },
    Vendor {
        name: "openai, not live",
        open: |simulators| openai(simulators, "gpt-4o-transcribe", 0),
        interims: false,
        ..USUAL
    },
    Vendor { name: "soniox", open: soniox, ..USUAL },
    Vendor { name: "speechmatics", open: speechmatics, ..USUAL },
    Vendor { name: "elevenlabs", open: elevenlabs, ..USUAL },
    Vendor { name: "vosk", open: vosk, has_key: false, ..USUAL },
    Vendor { name: "sherpa", open: sherpa, has_key: false, answers_silence: false, ..USUAL },
    Vendor {
        name: "whisper",
        open: |simulators| whisper(simulators.openai_url()),
        interims: false,
        streams: false,
        ..USUAL
    },
    Vendor {
        name: "whisper.cpp",
        open: |simulators| whisper(simulators.whisper_url()),
        interims: false,
        has_key: false,
        streams: false,
        ..USUAL
    },
];

fn key() -> Secret {
    Secret::new("k-1")
}

fn openai(simulators: &Simulators, model: &str, silence_ms: u32) -> Box<dyn Stt> {
    let base_url = simulators.openai_url();
    let config =
        OpenAiTranscriptionConfig { base_url, key: key(), model: model.into(), silence_ms, ..Default::default() };
    Box::new(OpenAiTranscription::new(config).unwrap())
}

fn soniox(simulators: &Simulators) -> Box<dyn Stt> {
    let config = SonioxConfig { base_url: simulators.soniox_url(), key: key(), ..Default::default() };
    Box::new(Soniox::new(config).unwrap())
}

fn speechmatics(simulators: &Simulators) -> Box<dyn Stt> {
    let config = SpeechmaticsConfig { base_url: simulators.speechmatics_url(), key: key(), ..Default::default() };
    Box::new(Speechmatics::new(config).unwrap())
}

fn elevenlabs(simulators: &Simulators) -> Box<dyn Stt> {
    let config = ElevenLabsScribeConfig { base_url: simulators.elevenlabs_url(), key: key(), ..Default::default() };
    Box::new(ElevenLabsScribe::new(config).unwrap())
}

fn vosk(simulators: &Simulators) -> Box<dyn Stt> {
    Box::new(Vosk::new(VoskConfig { base_url: simulators.vosk_url(), ..Default::default() }).unwrap())
}

fn sherpa(simulators: &Simulators) -> Box<dyn Stt> {
    Box::new(Sherpa::new(SherpaConfig { base_url: simulators.sherpa_url(), ..Default::default() }).unwrap())
}

fn whisper(base_url: String) -> Box<dyn Stt> {
    Box::new(Whisper::new(WhisperConfig { base_url, key: key(), ..Default::default() }).unwrap())
}

/// Simulators that hear `text`, with some troubles waiting, and one open stream of a vendor to them.
struct Case {
    simulators: Simulators,
    stream: SttStream,
    told: Vec<SttEvent>,
}

impl Case {
    async fn new(vendor: &Vendor, text: &str, faults: &[FaultKind], rate: SampleRate) -> Self {
        let recogniser = RecogniserConfig { script: LineScript::new([Line::new(text)]), ..Default::default() };
        let faults = faults.iter().map(|&kind| Fault { service: Service::Stt, kind, count: 1 }).collect();
        let simulators = Simulators::start(SimulatorConfig { recogniser, faults, ..Default::default() }).await.unwrap();
        let stt = (vendor.open)(&simulators);
        let stream = stt.open(SttSpec { language: "en-US".into(), rate, model: None });
        Self { simulators, stream, told: Vec::new() }
    }

    /// Sends `length` of a hum that an energy detector takes for a voice, or of silence, in real time.
    async fn send(&mut self, voiced: bool, length: Duration, rate: SampleRate) {
        let samples =
            (0..rate.samples_in(20 * MS) as i32).map(|n| if voiced { ((n % 40 - 20) * 400) as i16 } else { 0 });
        let frame: Frame = Frame::from_samples(rate, &samples.collect::<Vec<_>>()).unwrap();
        let mut tick = tokio::time::interval(20 * MS);
        for _ in 0..length.as_millis() / 20 {
            loop {
                tokio::select! {
                    _ = tick.tick() => break,
                    event = self.stream.recv() => match event {
                        Some(event) => self.told.push(event),
                        None => return,
                    },
                }
            }
            self.stream.send(&frame);
        }
    }

    /// An utterance, the caller's pause, and what the dialogue asks for then.
    async fn utterance(&mut self, rate: SampleRate) {
        self.send(false, 400 * MS, rate).await;
        self.send(true, 1_400 * MS, rate).await;
        self.send(false, 200 * MS, rate).await;
        self.stream.finalize();
        self.send(false, 1_000 * MS, rate).await;
    }

    /// The words that will not change, each joined to the one before by a blank.
    fn settled(&self) -> String {
        let mut text = String::new();
        for event in &self.told {
            if let SttEvent::Transcript(transcript) = event
                && matches!(transcript.kind, TranscriptKind::Final | TranscriptKind::EndOfTurn)
                && !transcript.text.is_empty()
            {
                let blank = if text.is_empty() { "" } else { " " };
                let _ = write!(text, "{blank}{}", transcript.text);
            }
        }
        text
    }

    fn has(&self, kind: TranscriptKind) -> bool {
        self.told.iter().any(|event| matches!(event, SttEvent::Transcript(told) if told.kind == kind))
    }

    async fn failure(&mut self) -> Failure {
        loop {
            match bounded(self.stream.recv()).await {
                Some(SttEvent::Failed(error)) => return error.kind,
                Some(_) => {}
                None => panic!("it ended without a word"),
            }
        }
    }
}

/// Words without what local recognisers do not write.
fn bare(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric() || *c == ' ').collect::<String>().to_lowercase()
}

/// Runs a case for all vendors at once.
async fn each<F: Future<Output = ()>>(
    vendors: impl IntoIterator<Item = &'static Vendor>,
    case: impl Fn(&'static Vendor) -> F,
) {
    join_all(vendors.into_iter().map(case)).await;
}

static ALL: [Vendor; 9] = VENDORS;

const NARROW: SampleRate = SampleRate::HZ_8000;
const WIDE: SampleRate = SampleRate::HZ_16000;

#[tokio::test]
async fn words_are_told_once_and_at_the_callers_pause() {
    each(&ALL, |vendor| async move {
        for rate in [NARROW, WIDE] {
            let mut case = Case::new(vendor, TEXT, &[], rate).await;
            case.utterance(rate).await;
            let name = vendor.name;
            assert_eq!(bare(&case.settled()), bare(TEXT), "{name} at {rate:?}: {:?}", case.told);
            assert!(!vendor.interims || case.has(TranscriptKind::Interim), "{name}: {:?}", case.told);
            let end = case.told.iter().rev().find_map(|event| match event {
                SttEvent::Transcript(told) if !told.text.is_empty() => told.audio_end,
                _ => None,
            });
            let end = end.unwrap_or_else(|| panic!("{name}: no end")).as_millis();
            assert!((1_700..=2_150).contains(&end), "{name} at {rate:?}: the words end at {end} ms");
            assert_eq!(case.stream.dropped(), 0, "{name}");
        }
    })
    .await;
}

#[tokio::test]
async fn words_of_any_script_come_as_they_are() {
    const UNICODE: &str = "Grüß Gott, 日本語 naïve café";
    each(&ALL, |vendor| async move {
        let mut case = Case::new(vendor, UNICODE, &[], NARROW).await;
        case.utterance(NARROW).await;
        // sherpa-onnx writes capitals, of which there is no single one for "ß".
        let plain = |text: &str| bare(text).replace('ß', "ss");
        assert_eq!(plain(&case.settled()), plain(UNICODE), "{}: {:?}", vendor.name, case.told);
    })
    .await;
}

#[tokio::test]
async fn no_word_is_lost_with_a_connection_or_to_a_slow_one() {
    let drop = FaultKind::Drop(After::Time(1_300 * MS));
    let refused = FaultKind::Status(503);
    for faults in [vec![drop], vec![FaultKind::Connect(900 * MS)], vec![refused, refused]] {
        let faults = &faults;
        each(&ALL, |vendor| async move {
            let mut case = Case::new(vendor, TEXT, faults, NARROW).await;
            case.utterance(NARROW).await;
            case.send(false, 1_500 * MS, NARROW).await;
            assert_eq!(bare(&case.settled()), bare(TEXT), "{} {faults:?}: {:?}", vendor.name, case.told);
            // Some refuse only after the upgrade: a connection was lost then too.
            let reconnected = case.told.contains(&SttEvent::Reconnected { lost: Duration::ZERO });
            let must = vendor.streams && faults.contains(&drop);
            assert!(reconnected || !must, "{} {faults:?}: {:?}", vendor.name, case.told);
        })
        .await;
    }
}

#[tokio::test]
async fn silence_gives_no_words_and_a_question_its_answer() {
    each(&ALL, |vendor| async move {
        let mut case = Case::new(vendor, TEXT, &[], NARROW).await;
        case.send(false, 800 * MS, NARROW).await;
        case.stream.finalize();
        case.send(false, 600 * MS, NARROW).await;
        assert_eq!(case.settled(), "", "{}: {:?}", vendor.name, case.told);
        assert!(!case.has(TranscriptKind::Interim), "{}: {:?}", vendor.name, case.told);
        assert_eq!(case.has(TranscriptKind::Final), vendor.answers_silence, "{}: {:?}", vendor.name, case.told);
        if !vendor.streams {
            assert_eq!(case.simulators.received().stt.requests, 0, "{} uploaded silence", vendor.name);
        }
    })
    .await;
}

#[tokio::test]
async fn refusals_are_told_by_kind() {
    let table = [
        (401, Failure::Auth),
        (402, Failure::Quota),
        (403, Failure::Auth),
        (429, Failure::RateLimit),
        (503, Failure::Unavailable),
    ];
    // OpenAI's simulator calls a 403 an invalid request, as it does every 4xx that it has no name for.
    let is_told = |vendor: &Vendor, status: u16| {
        status != 403 || !["openai", "openai, not live", "whisper"].contains(&vendor.name)
    };
    let cases = ALL.iter().flat_map(|vendor| table.map(|(status, kind)| (vendor, status, kind)));
    let cases = cases.filter(|(vendor, status, _)| is_told(vendor, *status));
    join_all(cases.map(|(vendor, status, kind)| async move {
        let mut case = Case::new(vendor, TEXT, &[FaultKind::Status(status); 60], NARROW).await;
        case.send(true, 500 * MS, NARROW).await;
        case.stream.finalize();
        let told = case.told.iter().find_map(|event| match event {
            SttEvent::Failed(error) => Some(error.kind),
            _ => None,
        });
        let told = match told {
            Some(kind) => kind,
            None => case.failure().await,
        };
        assert_eq!(told, kind, "{} and {status}", vendor.name);
    }))
    .await;
}

#[tokio::test]
async fn a_wrong_key_is_told_and_never_repeated() {
    each(ALL.iter().filter(|vendor| vendor.has_key), |vendor| async move {
        let config = SimulatorConfig { key: Some("another".into()), ..Default::default() };
        let simulators = Simulators::start(config).await.unwrap();
        let stt = (vendor.open)(&simulators);
        let stream = stt.open(SttSpec { language: "en-US".into(), rate: NARROW, model: None });
        let mut case = Case { simulators, stream, told: Vec::new() };
        case.send(true, 300 * MS, NARROW).await;
        case.stream.finalize();
        let error = loop {
            match case.told.pop() {
                Some(SttEvent::Failed(error)) => break error,
                Some(_) => {}
                None => case.told.extend(bounded(case.stream.recv()).await),
            }
        };
        assert_eq!(error.kind, Failure::Auth, "{}: {error}", vendor.name);
        assert!(!error.to_string().contains("k-1"), "{}: {error}", vendor.name);
    })
    .await;
}

#[tokio::test]
async fn what_is_not_the_protocol_gives_no_words() {
    each(&ALL, |vendor| async move {
        let mut case = Case::new(vendor, TEXT, &[FaultKind::Garbage; 3], NARROW).await;
        case.utterance(NARROW).await;
        assert_eq!(case.settled(), "", "{}: {:?}", vendor.name, case.told);
        assert!(!case.has(TranscriptKind::Interim), "{}: {:?}", vendor.name, case.told);
    })
    .await;
}

#[tokio::test]
async fn a_stream_dropped_at_any_moment_leaves_nothing_open() {
    each(&ALL, |vendor| async move {
        for moment in [0, 20, 300, 1_000, 1_900] {
            let mut case = Case::new(vendor, TEXT, &[], NARROW).await;
            let mut left = moment;
            for (voiced, length) in [(false, 100), (true, 1_500), (false, 300)] {
                let length = length.min(left);
                case.send(voiced, MS * length, NARROW).await;
                left -= length;
            }
            if moment == 1_900 {
                case.stream.finalize();
            }
            drop(case.stream);
            let simulators = &case.simulators;
            bounded(async {
                loop {
                    let log = simulators.received().stt;
                    if log.requests == log.completed + log.broken_off {
                        break;
                    }
                    tokio::time::sleep(5 * MS).await;
                }
            })
            .await;
        }
    })
    .await;
}
