//! Voices.

use std::sync::Arc;
use std::time::Duration;

use agentphone::audio::SampleRate;
use agentphone::conversation::{Failure, Service, WordTime};
use agentphone::provider::{
    Aura, AuraConfig, Cartesia, CartesiaConfig, ElevenLabs, ElevenLabsConfig, ElevenLabsTransport, Kokoro,
    KokoroConfig, OpenAiSpeech, OpenAiSpeechConfig, Piper, PiperConfig, Rime, RimeConfig, Secret, Tts, TtsEvent,
    TtsSpec, TtsStream,
};
use agentphone::simulator::{After, Fault, FaultKind, SimulatorConfig, Simulators, Tones, VoiceConfig};
use futures_util::future::join_all;

/// A vendor, and what is its own.
struct Vendor {
    name: &'static str,
    voice: fn(&Simulators, Secret, Duration) -> Arc<dyn Tts>,
    /// Whether each word is told; otherwise each segment.
    tells_words: bool,
    /// Whether connections are kept between replies.
    keeps: bool,
    /// Whether it is asked once for each segment.
    by_request: bool,
    /// What becomes of an answer that is not of the protocol; `None`: raw samples can be anything.
    garbage: Option<Failure>,
    /// What a 403 of its own is.
    forbidden: Failure,
}

impl Vendor {
    const STREAM: Self = Self {
        name: "",
        voice: |_, _, _| unreachable!(),
        tells_words: true,
        keeps: false,
        by_request: false,
        garbage: Some(Failure::Protocol),
        forbidden: Failure::Auth,
    };
    const REQUEST: Self = Self { tells_words: false, by_request: true, garbage: None, ..Self::STREAM };
}

fn elevenlabs(at: &Simulators, key: Secret, patience: Duration, transport: ElevenLabsTransport) -> Arc<dyn Tts> {
    let base_url = at.elevenlabs_url();
    Arc::new(ElevenLabs::new(ElevenLabsConfig { base_url, key, patience, transport, ..Default::default() }).unwrap())
}

/// Everybody.
const VENDORS: [Vendor; 9] = [
    Vendor {
        name: "elevenlabs stream-input",
        voice: |at, key, patience| elevenlabs(at, key, patience, ElevenLabsTransport::StreamInput),
        ..Vendor::STREAM
    },
    Vendor {
        name: "elevenlabs multi-context",
        voice: |at, key, patience| elevenlabs(at, key, patience, ElevenLabsTransport::MultiContext),
        keeps: true,
        ..Vendor::STREAM
    },
    Vendor {
        name: "elevenlabs http",
        voice: |at, key, patience| elevenlabs(at, key, patience, ElevenLabsTransport::Http),
        ..Vendor::REQUEST
    },
    Vendor {
        name: "cartesia",
        voice: |at, key, patience| {
            let base_url = at.cartesia_url();
            Arc::new(Cartesia::new(CartesiaConfig { base_url, key, patience, ..Default::default() }).unwrap())
        },
        keeps: true,
        ..Vendor::STREAM
    },
    Vendor {
        name: "aura",
        voice: |at, key, patience| {
            let base_url = at.deepgram_url();
            Arc::new(Aura::new(AuraConfig { base_url, key, patience, ..Default::default() }).unwrap())
        },
        tells_words: false,
        ..Vendor::STREAM
    },
    Vendor {
        name: "rime",
        voice: |at, key, patience| {
            let base_url = at.rime_url();
            Arc::new(Rime::new(RimeConfig { base_url, key, patience, ..Default::default() }).unwrap())
        },
        ..Vendor::STREAM
    },
    Vendor {
        name: "openai",
        voice: |at, key, idle| {
            let base_url = at.openai_url();
            let config = OpenAiSpeechConfig { base_url, key, idle, first_audio: idle, ..Default::default() };
            Arc::new(OpenAiSpeech::new(config).unwrap())
        },
        forbidden: Failure::Auth,
        ..Vendor::REQUEST
    },
    Vendor {
        name: "kokoro",
        voice: |at, key, idle| {
            let base_url = at.kokoro_url();
            let config = KokoroConfig { base_url, key, idle, first_audio: idle, ..Default::default() };
            Arc::new(Kokoro::new(config).unwrap())
        },
        ..Vendor::REQUEST
    },
    Vendor {
        name: "piper",
        voice: |at, key, idle| {
            let base_url = at.piper_url();
            let config = PiperConfig { base_url, key, idle, first_audio: idle, ..Default::default() };
            Arc::new(Piper::new(config).unwrap())
        },
        garbage: Some(Failure::Protocol),
        ..Vendor::REQUEST
    },
];

/// A vendor at work: the simulators and the voice.
struct Stage {
    vendor: &'static Vendor,
    simulators: Simulators,
    voice: Arc<dyn Tts>,
}

const PATIENCE: Duration = Duration::from_secs(10);
const SHORT: Duration = Duration::from_millis(1_500);
const SEGMENTS: [&str; 3] = ["Of course, for how many? ", "We have a table at seven. ", "Shall I take it?"];
/// Many segments, to be said in one reply.
const LONG: [&str; 12] = ["Of course, for how many? We have a table at seven. "; 12];

/// Runs a case for every vendor at once. `faults` befall the first requests.
async fn each<F>(patience: Duration, faults: &[FaultKind], case: impl Fn(Stage) -> F)
where
    F: Future<Output = ()>,
{
    static ALL: [Vendor; 9] = VENDORS;
    let cases = ALL.iter().map(|vendor| {
        let case = &case;
        async move {
            let stage = Stage::start(vendor, patience, faults).await;
            let bounded = tokio::time::timeout(Duration::from_secs(60), case(stage)).await;
            assert!(bounded.is_ok(), "{}: took too long", vendor.name);
        }
    });
    join_all(cases).await;
}

impl Stage {
    async fn start(vendor: &'static Vendor, patience: Duration, faults: &[FaultKind]) -> Self {
        // Tones, which cost nothing to make: every word 300 ms.
        let tones = Tones { word: Duration::from_millis(300), half_periods: vec![Duration::from_millis(1)] };
        let first_byte = Duration::from_millis(20);
        let voice = VoiceConfig { first_byte, speed_over_real_time: 12.0, tones: Some(tones), ..Default::default() };
        let faults = faults.iter().map(|&kind| Fault { service: Service::Tts, kind, count: 1 }).collect();
        let config = SimulatorConfig { key: Some("k-1".into()), voice, faults, ..Default::default() };
        let simulators = Simulators::start(config).await.unwrap();
        let voice = (vendor.voice)(&simulators, Secret::new("k-1"), patience);
        Self { vendor, simulators, voice }
    }

    fn open(&self, rate: SampleRate) -> TtsStream {
        self.voice.open(TtsSpec { voice: None, language: "en-US".into(), speed: 1.0, rate })
    }

    /// Has segments spoken.
    async fn say(&self, segments: &[&str]) -> Said {
        let mut stream = self.open(SampleRate::HZ_8000);
        for segment in segments {
            assert!(stream.speak((*segment).to_owned()), "{}", self.vendor.name);
        }
        stream.end();
        Said::of(&mut stream).await
    }

    /// Waits until nothing is being served any more.
    async fn until_quiet(&self) {
        loop {
            let log = self.simulators.received().tts;
            if log.completed + log.broken_off + log.refused == log.requests {
                return;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

/// What was said.
#[derive(Debug)]
struct Said {
    length: Duration,
    samples: usize,
    words: Vec<WordTime>,
    last: TtsEvent,
}

impl Said {
    async fn of(stream: &mut TtsStream) -> Self {
        let (mut length, mut samples, mut words) = (Duration::ZERO, 0, Vec::new());
        loop {
            match stream.recv().await.expect("a last event") {
                TtsEvent::Audio { samples: more, rate } => {
                    samples += more.len();
                    length += rate.duration_of(more.len());
                }
                TtsEvent::Words(more) => words.extend(more),
                last => return Self { length, samples, words, last },
            }
        }
    }

    fn failure(&self) -> Option<Failure> {
        match &self.last {
            TtsEvent::Failed(error) => Some(error.kind),
            _ => None,
        }
    }

    /// Checks that all of `segments` was said and told at its place.
    fn check(&self, vendor: &Vendor, segments: &[&str]) {
        let (name, text) = (vendor.name, segments.concat());
        assert_eq!(self.last, TtsEvent::Ended, "{name}");
        let words = text.split_whitespace().count() as u32;
        assert!(self.length > Duration::from_millis(200) * words, "{name}: {:?} for {words} words", self.length);
        assert!(self.length < Duration::from_millis(700) * words, "{name}: {:?} for {words} words", self.length);
        let ends: Vec<usize> = self.words.iter().map(|word| word.text_end).collect();
        let end_of = |end: &mut usize, piece: &str| {
            *end += piece.len();
            Some(*end)
        };
        let expected: Vec<usize> = match vendor.tells_words {
            true => text
                .split_inclusive(' ')
                .scan(0, |end, word| end_of(end, word).map(|end| end - (word.len() - word.trim_end().len())))
                .collect(),
            false => segments.iter().scan(0, |end, segment| end_of(end, segment)).collect(),
        };
        assert_eq!(ends, expected, "{name}: every word at its place");
        assert!(self.words.iter().all(|word| word.start <= word.end), "{name}: {:?}", self.words);
        let slack = Duration::from_millis(3);
        assert!(
            self.words.windows(2).all(|pair| pair[0].end <= pair[1].start + slack),
            "{name}: words follow one another: {:?}",
            self.words
        );
        let last = self.words.last().map(|word| word.end).unwrap();
        assert!(
            last <= self.length + slack && last + Duration::from_millis(400) > self.length,
            "{name}: {last:?} of {:?}",
            self.length
        );
    }
}

#[tokio::test]
async fn a_reply_is_spoken_at_every_rate_with_its_words() {
    each(PATIENCE, &[], |stage| async move {
        let reference = stage.say(&SEGMENTS).await;
        reference.check(stage.vendor, &SEGMENTS);
        for rate in [SampleRate::HZ_16000, SampleRate::HZ_24000] {
            let mut stream = stage.open(rate);
            for segment in SEGMENTS {
                assert!(stream.speak(segment.to_owned()));
            }
            stream.end();
            let said = Said::of(&mut stream).await;
            said.check(stage.vendor, &SEGMENTS);
            let name = stage.vendor.name;
            assert!(said.length.abs_diff(reference.length) < Duration::from_millis(20), "{name}: {:?}", said.length);
        }
        stage.until_quiet().await;
        let log = stage.simulators.received().tts;
        assert_eq!((log.broken_off, log.refused), (0, 0), "{}: {log:?}", stage.vendor.name);
    })
    .await;
}

#[tokio::test]
async fn letters_of_any_script_keep_their_places() {
    each(PATIENCE, &[], |stage| async move {
        let segments = ["Grüß Gott, señor O’Brien! ", "Ça coûte 5 €, “naïve” question? ", "Ёлка 日本 ok."];
        stage.say(&segments).await.check(stage.vendor, &segments);
    })
    .await;
}

#[tokio::test]
async fn a_reply_without_words_ends_without_sound() {
    each(PATIENCE, &[], |stage| async move {
        for segments in [&[][..], &[" ", "\n"][..]] {
            let said = stage.say(segments).await;
            assert_eq!((said.samples, said.words.len(), said.last), (0, 0, TtsEvent::Ended), "{}", stage.vendor.name);
        }
        stage.say(&SEGMENTS).await.check(stage.vendor, &SEGMENTS);
    })
    .await;
}

#[tokio::test]
async fn a_reply_dropped_at_any_moment_stops_and_is_not_heard_in_the_next() {
    each(PATIENCE, &[], |stage| async move {
        let name = stage.vendor.name;
        let reference = stage.say(&SEGMENTS).await.samples;
        // How many pieces of sound are heard before it is dropped; `None`: not even the text was handed over.
        for moment in [None, Some(0), Some(1), Some(2), Some(5)] {
            let mut stream = stage.open(SampleRate::HZ_8000);
            if let Some(pieces) = moment {
                for segment in LONG {
                    assert!(stream.speak(segment.to_owned()), "{name}");
                }
                let mut heard = 0;
                while heard < pieces {
                    let event = stream.recv().await.expect("sound");
                    heard += usize::from(matches!(event, TtsEvent::Audio { .. }));
                    assert!(!matches!(event, TtsEvent::Ended | TtsEvent::Failed(_)), "{name}: {event:?}");
                }
            }
            drop(stream);
            let said = stage.say(&SEGMENTS).await;
            assert_eq!((said.samples, &said.last), (reference, &TtsEvent::Ended), "{name}: dropped after {moment:?}");
            said.check(stage.vendor, &SEGMENTS);
        }
        stage.until_quiet().await;
    })
    .await;
}

#[tokio::test]
async fn slow_services_are_waited_for() {
    let slow = Duration::from_millis(400);
    each(PATIENCE, &[FaultKind::Delay(slow), FaultKind::Connect(slow)], |stage| async move {
        for _ in 0..2 {
            stage.say(&SEGMENTS).await.check(stage.vendor, &SEGMENTS);
        }
    })
    .await;
}

#[tokio::test]
async fn silence_is_a_timeout() {
    for kind in [FaultKind::Blackhole, FaultKind::Stall(After::Units(0)), FaultKind::Stall(After::Units(3))] {
        each(SHORT, &[kind], |stage| async move {
            let said = stage.say(&["How can I help you on this fine day, dear caller?"]).await;
            assert_eq!(said.failure(), Some(Failure::Timeout), "{}: {said:?}", stage.vendor.name);
            assert_eq!(said.samples > 0, kind == FaultKind::Stall(After::Units(3)), "{}: {said:?}", stage.vendor.name);
            let said = stage.say(&SEGMENTS).await;
            said.check(stage.vendor, &SEGMENTS);
        })
        .await;
    }
}

#[tokio::test]
async fn a_connection_that_breaks_in_a_word_is_a_failure_after_the_sound_before_it() {
    each(PATIENCE, &[FaultKind::Drop(After::Units(8))], |stage| async move {
        let said = stage.say(&LONG[..1]).await;
        assert_eq!(said.failure(), Some(Failure::Unavailable), "{}: {said:?}", stage.vendor.name);
        assert!(said.samples > 0, "{}: what came before is heard", stage.vendor.name);
        stage.say(&SEGMENTS).await.check(stage.vendor, &SEGMENTS);
    })
    .await;
}

#[tokio::test]
async fn what_is_not_the_protocol_is_not_taken_for_speech() {
    each(SHORT, &[FaultKind::Garbage], |stage| async move {
        let said = stage.say(&["How can I help you?"]).await;
        match stage.vendor.garbage {
            Some(kind) => {
                assert_eq!((said.failure(), said.samples), (Some(kind), 0), "{}: {said:?}", stage.vendor.name)
            }
            None => assert!(said.samples < 80, "{}: {said:?}", stage.vendor.name),
        }
    })
    .await;
}

#[tokio::test]
async fn refusals_say_what_kind_they_are_and_hold_no_key() {
    for status in [401, 402, 403, 429, 500, 503] {
        each(PATIENCE, &[FaultKind::Status(status)], |stage| async move {
            let (vendor, said) = (stage.vendor, stage.say(&["How can I help you?"]).await);
            let kind = match status {
                401 => Failure::Auth,
                402 => Failure::Quota,
                403 => vendor.forbidden,
                429 => Failure::RateLimit,
                _ => Failure::Unavailable,
            };
            let TtsEvent::Failed(error) = &said.last else { panic!("{}: {said:?}", vendor.name) };
            assert_eq!(error.kind, kind, "{} {status}: {error}", vendor.name);
            assert!(!error.message.contains("k-1") && !error.message.contains("help"), "{}: {error}", vendor.name);
            stage.say(&SEGMENTS).await.check(vendor, &SEGMENTS);
        })
        .await;
    }
}

#[tokio::test]
async fn a_wrong_key_is_refused() {
    each(PATIENCE, &[], |stage| async move {
        let voice = (stage.vendor.voice)(&stage.simulators, Secret::new("k-2"), PATIENCE);
        let said = Stage { voice, ..stage }.say(&["How can I help you?"]).await;
        let expected = (!["kokoro", "piper"].contains(&stage.vendor.name)).then_some(Failure::Auth);
        assert_eq!(said.failure(), expected, "{}: {said:?}", stage.vendor.name);
    })
    .await;
}

#[tokio::test]
async fn a_listener_who_does_not_read_holds_the_voice_back_and_loses_nothing() {
    each(PATIENCE, &[], |stage| async move {
        let mut slow = stage.open(SampleRate::HZ_8000);
        for segment in LONG {
            assert!(slow.speak(segment.to_owned()));
        }
        slow.end();
        // Others are not held up by one that does not read.
        for _ in 0..3 {
            stage.say(&SEGMENTS).await.check(stage.vendor, &SEGMENTS);
        }
        Said::of(&mut slow).await.check(stage.vendor, &LONG);
    })
    .await;
}

#[tokio::test]
async fn a_model_that_pauses_between_segments_does_not_end_the_reply() {
    each(PATIENCE, &[], |stage| async move {
        let mut stream = stage.open(SampleRate::HZ_8000);
        for segment in SEGMENTS {
            assert!(stream.speak(segment.to_owned()), "{}", stage.vendor.name);
            // The vendor has said all it has, and then some (Cartesia ends a context after a second).
            tokio::time::sleep(Duration::from_millis(1_400)).await;
        }
        stream.end();
        Said::of(&mut stream).await.check(stage.vendor, &SEGMENTS);
    })
    .await;
}

#[tokio::test]
async fn replies_at_once_do_not_mix() {
    each(PATIENCE, &[], |stage| async move {
        let texts = [&SEGMENTS[..1], &SEGMENTS[..2], &SEGMENTS[..], &SEGMENTS[1..], &SEGMENTS[2..]];
        for _ in 0..2 {
            let all = join_all(texts.iter().map(|segments| stage.say(segments))).await;
            for (segments, reply) in texts.iter().zip(&all) {
                reply.check(stage.vendor, segments);
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_connection_that_is_kept_serves_the_next_reply_and_is_replaced_when_dead() {
    each(PATIENCE, &[], |stage| async move {
        let Stage { vendor, simulators, voice } = stage;
        if !vendor.keeps {
            return;
        }
        let stage = Stage { vendor, simulators, voice };
        stage.say(&SEGMENTS).await.check(vendor, &SEGMENTS);
        let address = stage.simulators.address();
        let Stage { simulators, voice, .. } = stage;
        drop(simulators);
        let config = SimulatorConfig { address, ..Default::default() };
        let simulators = loop {
            // The listener before is about to close.
            match Simulators::start(config.clone()).await {
                Ok(simulators) => break simulators,
                Err(_) => tokio::task::yield_now().await,
            }
        };
        let stage = Stage { vendor, simulators, voice };
        stage.say(&SEGMENTS).await.check(vendor, &SEGMENTS);
        assert_eq!(stage.simulators.received().tts.requests, 1, "{}", vendor.name);
    })
    .await;
}

#[tokio::test]
async fn voices_have_names_and_speeds() {
    each(PATIENCE, &[], |stage| async move {
        // The murmur minds a speed, which tones do not.
        let simulators = Simulators::start(SimulatorConfig::default()).await.unwrap();
        let voice = (stage.vendor.voice)(&simulators, Secret::new("k-1"), PATIENCE);
        let stage = &Stage { simulators, voice, ..stage };
        let name = stage.vendor.name;
        let spec =
            |speed| TtsSpec { voice: Some("v".into()), language: "en-US".into(), speed, rate: SampleRate::HZ_8000 };
        let speeds = stage.voice.speeds(&spec(1.0));
        assert!(speeds.contains(&1.0), "{name}");
        assert!(stage.voice.voice_name(&spec(1.0)).is_some_and(|voice| voice.ends_with(" v")), "{name}");
        if stage.vendor.by_request || name.starts_with("eleven") || name == "cartesia" {
            let length = async |speed| {
                let spec = TtsSpec { voice: None, ..spec(speed) };
                let mut stream = stage.voice.open(spec);
                assert!(stream.speak(SEGMENTS.concat()) && stream.end());
                let said = Said::of(&mut stream).await;
                assert_eq!(said.last, TtsEvent::Ended, "{name}");
                said.length
            };
            let (usual, fast) = (length(1.0).await, length(1.2).await);
            let is_faster = usual.as_secs_f64() / fast.as_secs_f64();
            let wanted = if speeds.contains(&1.2) { 1.2 } else { 1.0 };
            assert!((is_faster - wanted).abs() < 0.05, "{name}: {is_faster}");
        }
    })
    .await;
}
