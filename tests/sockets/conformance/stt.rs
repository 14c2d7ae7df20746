//! Recognisers.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use agentphone::audio::{Frame, SampleRate};
use agentphone::conversation::{Failure, Service, Transcript, TranscriptKind};
use agentphone::provider::{
    AssemblyAi, AssemblyAiConfig, Deepgram, DeepgramConfig, Flux, FluxConfig, Gladia, GladiaConfig, Secret, Stt,
    SttEvent, SttSpec, SttStream,
};
use agentphone::simulator::{
    After, Fault, FaultKind, Line, LineScript, RecogniserConfig, SimulatorConfig, Simulators, Utter,
};

const MS: Duration = Duration::from_millis(1);

/// A vendor and what is its own.
#[derive(Clone, Copy)]
struct Vendor {
    name: &'static str,
    /// Its client for the simulators, with this key.
    client: fn(&Simulators, &str) -> Arc<dyn Stt>,
    /// The setting that holds its key.
    key: &'static str,
    /// It says when a turn is over.
    ends_turns: bool,
    /// It says before that a turn may be over.
    is_eager: bool,
    /// It can be asked for what it has.
    can_be_asked: bool,
    /// It says something before there is sound, so that a server that says nothing is noticed.
    greets: bool,
    /// What its client says last.
    goodbye: &'static str,
}

const VENDORS: [Vendor; 4] = [
    Vendor {
        name: "assemblyai",
        client: |simulators, key| {
            let config =
                AssemblyAiConfig { base_url: simulators.assemblyai_url(), key: Secret::new(key), ..Default::default() };
            Arc::new(AssemblyAi::new(config).unwrap())
        },
        key: "ASSEMBLYAI_API_KEY",
        ends_turns: true,
        is_eager: true,
        can_be_asked: true,
        greets: true,
        goodbye: "Terminate",
    },
    Vendor {
        name: "deepgram",
        client: |simulators, key| {
            let config =
                DeepgramConfig { base_url: simulators.deepgram_url(), key: Secret::new(key), ..Default::default() };
            Arc::new(Deepgram::new(config).unwrap())
        },
        key: "DEEPGRAM_API_KEY",
        ends_turns: true,
        is_eager: false,
        can_be_asked: true,
        greets: false,
        goodbye: "CloseStream",
    },
    Vendor {
        name: "flux",
        client: |simulators, key| {
            let config =
                FluxConfig { base_url: simulators.deepgram_url(), key: Secret::new(key), ..Default::default() };
            Arc::new(Flux::new(config).unwrap())
        },
        key: "DEEPGRAM_API_KEY",
        ends_turns: true,
        is_eager: true,
        can_be_asked: true,
        greets: true,
        goodbye: "CloseStream",
    },
    Vendor {
        name: "gladia",
        client: |simulators, key| {
            let config =
                GladiaConfig { base_url: simulators.gladia_url(), key: Secret::new(key), ..Default::default() };
            Arc::new(Gladia::new(config).unwrap())
        },
        key: "GLADIA_API_KEY",
        ends_turns: false,
        is_eager: false,
        can_be_asked: false,
        greets: false,
        goodbye: "stop_recording",
    },
];

/// Runs a case for every vendor at once and says whom it failed for; `case` is given simulators of its own.
async fn every<F>(config: SimulatorConfig, case: impl Fn(Vendor, Simulators) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut runs = Vec::new();
    for vendor in VENDORS {
        let config = SimulatorConfig { address: "127.0.0.1:0".parse().unwrap(), ..config.clone() };
        let run = case(vendor, Simulators::start(config).await.unwrap());
        runs.push((vendor.name, tokio::spawn(tokio::time::timeout(Duration::from_secs(40), run))));
    }
    let mut failed = BTreeSet::new();
    for (name, run) in runs {
        if !matches!(run.await, Ok(Ok(()))) {
            failed.insert(name);
        }
    }
    assert!(failed.is_empty(), "failed for {failed:?}; see above");
}

/// Simulators whose caller says `text`, and the trouble that befalls the first connection.
fn saying(text: &str, trouble: Option<FaultKind>) -> SimulatorConfig {
    let recogniser = RecogniserConfig { script: LineScript::new([Line::new(text)]), ..Default::default() };
    let faults = trouble.map(|kind| Fault { service: Service::Stt, kind, count: 1 }).into_iter().collect();
    SimulatorConfig { recogniser, faults, ..Default::default() }
}

/// A caller on one stream, and all that was told of it.
struct Caller {
    stream: SttStream,
    rate: SampleRate,
    began: Instant,
    told: Vec<(Duration, SttEvent)>,
}

impl Caller {
    fn new(vendor: Vendor, simulators: &Simulators) -> Self {
        Self::at(vendor, simulators, SampleRate::HZ_8000)
    }

    fn at(vendor: Vendor, simulators: &Simulators, rate: SampleRate) -> Self {
        let spec = SttSpec { language: "en-US".into(), rate, model: None };
        let stream = (vendor.client)(simulators, "k-1").open(spec);
        Self { stream, rate, began: Instant::now(), told: Vec::new() }
    }

    /// Sends `length` of a hum that counts as a voice, or of silence, in real time, and takes what is told meanwhile.
    async fn send(&mut self, voiced: bool, length: Duration) -> &mut Self {
        let wave = |n: usize| if voiced { ((n % 40) as i16 - 20) * 400 } else { 0 };
        let samples: Vec<i16> = (0..self.rate.samples_in(20 * MS)).map(wave).collect();
        let frame: Frame = Frame::from_samples(self.rate, &samples).unwrap();
        let mut tick = tokio::time::interval(20 * MS);
        for _ in 0..length.as_millis() / 20 {
            loop {
                tokio::select! {
                    _ = tick.tick() => break,
                    event = self.stream.recv() => self.told.push((self.began.elapsed(), event.expect("it goes on"))),
                }
            }
            self.stream.send(&frame);
        }
        self
    }

    async fn speak(&mut self, length: Duration) -> &mut Self {
        self.send(true, length).await
    }

    async fn pause(&mut self, length: Duration) -> &mut Self {
        self.send(false, length).await
    }

    fn transcripts(&self) -> impl DoubleEndedIterator<Item = &Transcript> {
        self.told.iter().filter_map(|(_, event)| match event {
            SttEvent::Transcript(transcript) => Some(transcript),
            _ => None,
        })
    }

    /// The words that will not change.
    fn settled(&self) -> String {
        let settled = self.transcripts().filter(|transcript| is_settled(transcript)).map(|words| words.text.as_str());
        settled.filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" ")
    }

    fn count(&self, kind: TranscriptKind) -> usize {
        self.transcripts().filter(|transcript| transcript.kind == kind).count()
    }

    /// How often it was connected again, and the sound lost over that.
    fn reconnects(&self) -> (usize, Duration) {
        let lost = self.told.iter().filter_map(|(_, event)| match event {
            SttEvent::Reconnected { lost } => Some(*lost),
            _ => None,
        });
        let lost: Vec<Duration> = lost.collect();
        (lost.len(), lost.iter().sum())
    }

    fn has_failed(&self) -> bool {
        self.told.iter().any(|(_, event)| matches!(event, SttEvent::Failed(_)))
    }
}

fn is_settled(transcript: &Transcript) -> bool {
    matches!(transcript.kind, TranscriptKind::Final | TranscriptKind::EndOfTurn)
}

/// Waits until the simulators have received something.
async fn until(simulators: &Simulators, vendor: Vendor, holds: impl Fn(&agentphone::simulator::ServiceLog) -> bool) {
    let began = Instant::now();
    while !holds(&simulators.received().stt) {
        assert!(began.elapsed() < Duration::from_secs(10), "{}: {:?}", vendor.name, simulators.received().stt);
        tokio::time::sleep(5 * MS).await;
    }
}

#[tokio::test]
async fn words_come_back_in_order_with_their_times() {
    for rate in [SampleRate::HZ_8000, SampleRate::HZ_16000] {
        every(saying("I would like a table.", None), move |vendor, simulators| async move {
            let name = vendor.name;
            let mut caller = Caller::at(vendor, &simulators, rate);
            caller.pause(200 * MS).await.speak(1_400 * MS).await.pause(1_200 * MS).await;
            let told = &caller.told;
            assert_eq!(caller.settled(), "I would like a table.", "{name}: {told:?}");
            assert!(caller.count(TranscriptKind::Interim) > 1, "{name}: {told:?}");
            assert_eq!(caller.count(TranscriptKind::EndOfTurn), usize::from(vendor.ends_turns), "{name}: {told:?}");
            assert_eq!(caller.count(TranscriptKind::Eager) > 0, vendor.is_eager, "{name}: {told:?}");
            let end = caller.transcripts().rfind(|words| is_settled(words)).and_then(|words| words.audio_end);
            let end = end.map_or(0, |end| end.as_millis());
            assert!((1_300..=1_900).contains(&end), "{name}: the words end at {end} ms");
            for words in caller.transcripts() {
                assert!((0.0..=1.0).contains(&words.confidence), "{name}: {words:?}");
            }
            assert_eq!((caller.reconnects().0, caller.stream.dropped()), (0, 0), "{name}: {told:?}");
        })
        .await;
    }
}

#[tokio::test]
async fn words_of_every_script_come_back_as_they_were_written() {
    let text = "Grüß Gott, für zwölf in 東京, naïve مرحبا 🙂.";
    every(saying(text, None), move |vendor, simulators| async move {
        let mut caller = Caller::new(vendor, &simulators);
        caller.pause(200 * MS).await.speak(2_600 * MS).await.pause(1_200 * MS).await;
        assert_eq!(caller.settled(), text, "{}: {:?}", vendor.name, caller.told);
    })
    .await;
}

#[tokio::test]
async fn silence_is_no_words_and_no_trouble() {
    every(saying("Nobody says this.", None), |vendor, simulators| async move {
        let mut caller = Caller::new(vendor, &simulators);
        caller.pause(3_000 * MS).await;
        assert_eq!(caller.told, [], "{}", vendor.name);
        assert_eq!(caller.stream.dropped(), 0, "{}", vendor.name);
    })
    .await;
}

#[tokio::test]
async fn a_stream_without_any_sound_stays_open_for_the_words_that_come() {
    every(saying("Are you there?", None), |vendor, simulators| async move {
        let mut caller = Caller::new(vendor, &simulators);
        // Longer than any vendor waits for a sign of life.
        let quiet = tokio::time::timeout(11_000 * MS, caller.stream.recv()).await;
        assert!(quiet.is_err(), "{}: {quiet:?}", vendor.name);
        caller.pause(200 * MS).await.speak(1_000 * MS).await.pause(1_200 * MS).await;
        assert_eq!(caller.settled(), "Are you there?", "{}: {:?}", vendor.name, caller.told);
        assert_eq!(caller.reconnects().0, 0, "{}: {:?}", vendor.name, caller.told);
        let end = caller.transcripts().rfind(|words| is_settled(words)).and_then(|words| words.audio_end);
        let end = end.map_or(0, |end| end.as_millis());
        assert!((900..=1_500).contains(&end), "{}: sound that never was is not counted: {end} ms", vendor.name);
    })
    .await;
}

#[tokio::test]
async fn what_there_is_comes_at_once_when_it_is_asked_for() {
    let mut config = saying("One moment please.", None);
    config.recogniser.final_delay = 3_000 * MS;
    every(config, |vendor, simulators| async move {
        let mut caller = Caller::new(vendor, &simulators);
        caller.pause(200 * MS).await.speak(1_200 * MS).await.pause(300 * MS).await;
        let asked = caller.began.elapsed();
        caller.stream.finalize();
        caller.pause(900 * MS).await;
        let told = &caller.told;
        let answer = told.iter().find(|(_, event)| matches!(event, SttEvent::Transcript(words) if is_settled(words)));
        if vendor.can_be_asked {
            let (at, event) = answer.unwrap_or_else(|| panic!("{}: {told:?}", vendor.name));
            assert!(*at < asked + 700 * MS, "{}: {told:?}", vendor.name);
            assert!(matches!(event, SttEvent::Transcript(words) if words.kind == TranscriptKind::Final), "{event:?}");
            assert_eq!(caller.settled(), "One moment please.", "{}: {told:?}", vendor.name);
        } else {
            assert!(answer.is_none(), "{}: nothing hastens it: {told:?}", vendor.name);
        }
        caller.pause(2_500 * MS).await;
        assert_eq!(caller.settled(), "One moment please.", "{}: once: {:?}", vendor.name, caller.told);
    })
    .await;
}

#[tokio::test]
async fn a_connection_that_breaks_in_mid_word_loses_no_word_and_doubles_none() {
    let text = "I would like to book a table for two on Monday evening.";
    let trouble = FaultKind::Drop(After::Time(1_600 * MS));
    every(saying(text, Some(trouble)), move |vendor, simulators| async move {
        let name = vendor.name;
        let mut caller = Caller::new(vendor, &simulators);
        caller.pause(1_000 * MS).await.speak(2_000 * MS).await.pause(2_500 * MS).await;
        let told = &caller.told;
        assert_eq!(caller.reconnects(), (1, Duration::ZERO), "{name}: {told:?}");
        assert_eq!(caller.settled(), text, "{name}: {told:?}");
        assert!(caller.count(TranscriptKind::EndOfTurn) <= 1, "{name}: {told:?}");
        let end = caller.transcripts().rfind(|words| is_settled(words)).and_then(|words| words.audio_end);
        let end = end.map_or(0, |end| end.as_millis());
        assert!((2_850..=3_150).contains(&end), "{name}: counted in sound of the call: {end}");
        assert_eq!(simulators.received().stt.requests, 2, "{name}");
    })
    .await;
}

#[tokio::test]
async fn settled_words_are_not_told_again_after_a_loss() {
    let mut config = saying("First this.", Some(FaultKind::Drop(After::Time(3_200 * MS))));
    config.recogniser.script = LineScript::new([Line::new("First this."), Line::new("Then that.")]);
    config.recogniser.script.shared = true;
    every(config, |vendor, simulators| async move {
        let mut caller = Caller::new(vendor, &simulators);
        caller.pause(200 * MS).await.speak(800 * MS).await.pause(1_600 * MS).await.speak(900 * MS).await;
        caller.pause(3_000 * MS).await;
        assert_eq!(caller.reconnects().0, 1, "{}: {:?}", vendor.name, caller.told);
        assert_eq!(caller.settled(), "First this. Then that.", "{}: {:?}", vendor.name, caller.told);
    })
    .await;
}

#[tokio::test]
async fn what_no_other_try_would_mend_is_told_at_once_and_not_tried_again() {
    for (status, kind) in [(401, Failure::Auth), (402, Failure::Quota), (403, Failure::Auth)] {
        every(saying("Hello.", Some(FaultKind::Status(status))), move |vendor, simulators| async move {
            let mut stream = Caller::new(vendor, &simulators).stream;
            let told = tokio::time::timeout(3_000 * MS, stream.recv()).await.unwrap();
            let Some(SttEvent::Failed(error)) = told else { panic!("{}: {told:?}", vendor.name) };
            assert_eq!(error.kind, kind, "{}: {error}", vendor.name);
            assert_eq!(stream.recv().await, None, "{}", vendor.name);
            assert_eq!(simulators.received().stt.requests, 1, "{}", vendor.name);
        })
        .await;
    }
}

#[tokio::test]
async fn a_wrong_key_is_told_by_the_name_of_its_setting_and_not_shown() {
    let config = SimulatorConfig { key: Some("right".to_owned()), ..saying("Hello.", None) };
    every(config, |vendor, simulators| async move {
        let spec = SttSpec { language: "en".into(), rate: SampleRate::HZ_8000, model: None };
        let mut stream = (vendor.client)(&simulators, "wr0ng-key").open(spec);
        let told = tokio::time::timeout(3_000 * MS, stream.recv()).await.unwrap();
        let Some(SttEvent::Failed(error)) = told else { panic!("{}: {told:?}", vendor.name) };
        assert_eq!(error.kind, Failure::Auth, "{}: {error}", vendor.name);
        assert!(error.message.contains(vendor.key) && !error.message.contains("wr0ng"), "{error}");
    })
    .await;
}

#[tokio::test]
async fn a_service_that_is_busy_for_a_moment_is_asked_again_and_loses_no_word() {
    for status in [429, 500, 503] {
        every(saying("Are you busy?", Some(FaultKind::Status(status))), move |vendor, simulators| async move {
            let mut caller = Caller::new(vendor, &simulators);
            caller.pause(60 * MS).await.speak(1_000 * MS).await.pause(2_000 * MS).await;
            assert_eq!(caller.settled(), "Are you busy?", "{} after {status}: {:?}", vendor.name, caller.told);
            assert!(!caller.has_failed(), "{}", vendor.name);
            assert_eq!(simulators.received().stt.requests, 2, "{}", vendor.name);
        })
        .await;
    }
}

#[tokio::test]
async fn a_service_far_away_and_a_slow_one_lose_no_word() {
    for trouble in [FaultKind::Connect(1_000 * MS), FaultKind::Delay(700 * MS)] {
        every(saying("Can you hear me?", Some(trouble)), move |vendor, simulators| async move {
            let mut caller = Caller::new(vendor, &simulators);
            caller.pause(60 * MS).await.speak(1_000 * MS).await.pause(2_500 * MS).await;
            assert_eq!(caller.settled(), "Can you hear me?", "{}, {trouble:?}: {:?}", vendor.name, caller.told);
            assert_eq!(caller.reconnects().0, 0, "{}, {trouble:?}", vendor.name);
        })
        .await;
    }
}

#[tokio::test]
async fn a_service_that_falls_silent_or_talks_nonsense_makes_up_no_words() {
    for trouble in [FaultKind::Stall(After::Units(0)), FaultKind::Stall(After::Time(100 * MS)), FaultKind::Garbage] {
        every(saying("You cannot hear this.", Some(trouble)), move |vendor, simulators| async move {
            let mut caller = Caller::new(vendor, &simulators);
            caller.pause(60 * MS).await.speak(1_200 * MS).await.pause(800 * MS).await;
            assert_eq!(caller.told, [], "{}, {trouble:?}", vendor.name);
            assert_eq!(caller.stream.dropped(), 0, "{}, {trouble:?}", vendor.name);
        })
        .await;
    }
}

#[tokio::test]
async fn a_service_that_never_says_it_is_there_is_left_for_another_connection() {
    for trouble in [FaultKind::Blackhole, FaultKind::Garbage] {
        every(saying("Is anybody there?", Some(trouble)), move |vendor, simulators| async move {
            let mut caller = Caller::new(vendor, &simulators);
            caller.pause(60 * MS).await.speak(1_000 * MS).await.pause(5_500 * MS).await;
            let expected = if vendor.greets { "Is anybody there?" } else { "" };
            assert_eq!(caller.settled(), expected, "{}, {trouble:?}: {:?}", vendor.name, caller.told);
            assert!(!caller.has_failed(), "{}", vendor.name);
        })
        .await;
    }
}

#[tokio::test]
async fn a_stream_may_be_dropped_at_any_moment() {
    every(saying("This is cut short.", None), |vendor, simulators| async move {
        for moment in [0, 2, 10, 40, 300, 900] {
            let mut caller = Caller::new(vendor, &simulators);
            let spoken = async {
                caller.speak(Duration::from_secs(5)).await;
            };
            assert!(tokio::time::timeout(moment * MS, spoken).await.is_err());
        }
        let mut caller = Caller::new(vendor, &simulators);
        caller.pause(200 * MS).await.speak(1_000 * MS).await.pause(1_200 * MS).await;
        assert_eq!(caller.settled(), "This is cut short.", "{}: {:?}", vendor.name, caller.told);
    })
    .await;
}

#[tokio::test]
async fn goodbye_is_said_when_a_stream_is_dropped() {
    every(saying("Goodbye.", None), |vendor, simulators| async move {
        let mut caller = Caller::new(vendor, &simulators);
        caller.pause(400 * MS).await;
        drop(caller);
        until(&simulators, vendor, |log| log.messages.get(vendor.goodbye) == Some(&1)).await;
        until(&simulators, vendor, |log| log.completed == 1).await;
    })
    .await;
}

#[tokio::test]
async fn words_that_nobody_takes_wait_in_order() {
    every(saying("", None), |vendor, simulators| async move {
        let mut caller = Caller::new(vendor, &simulators);
        caller.pause(400 * MS).await;
        until(&simulators, vendor, |log| log.messages.get("Audio").is_some_and(|&count| count > 0)).await;
        // More than the stream holds by itself.
        let all: Vec<String> = (0..3 * SttStream::EVENTS).map(|n| format!("number {n}")).collect();
        for text in &all {
            simulators.utter(Utter { text: text.clone(), is_final: true, speech_final: true });
            until(&simulators, vendor, |log| log.last_text == *text).await;
        }
        let mut heard = Vec::new();
        while heard.len() < all.len() {
            match tokio::time::timeout(5_000 * MS, caller.stream.recv()).await {
                Ok(Some(SttEvent::Transcript(words))) if is_settled(&words) => heard.push(words.text),
                Ok(Some(SttEvent::Transcript(_))) => {}
                other => panic!("{}: {other:?} after {heard:?}", vendor.name),
            }
        }
        assert_eq!(heard, all, "{}", vendor.name);
    })
    .await;
}
