//! Voices in real calls: known again, and at speeds they have not.

use std::ops::RangeInclusive;

use super::*;
use crate::conversation::WordTime;

/// A voice that says every word in 300 ms at its only speed, as loud as it likes, and tells the words.
#[derive(Debug)]
struct Plain {
    peak: i16,
}

const WORD: Duration = Duration::from_millis(300);

impl Tts for Plain {
    fn speeds(&self, _spec: &TtsSpec) -> RangeInclusive<f32> {
        1.0..=1.0
    }

    fn voice_name(&self, spec: &TtsSpec) -> Option<String> {
        Some(format!("plain {}", spec.voice.as_deref().unwrap_or("usual")))
    }

    fn open(&self, spec: TtsSpec) -> TtsStream {
        assert!((spec.speed - 1.0).abs() < 0.001, "it was asked for {}", spec.speed);
        let peak = self.peak;
        TtsStream::spawn(move |mut commands, events| async move {
            let (mut at, mut text_end) = (Duration::ZERO, 0);
            while let Some(TtsCommand::Speak(text)) = commands.recv().await {
                for word in text.split_inclusive(' ') {
                    let samples = (0..spec.rate.samples_in(WORD)).map(|n| if n % 40 < 20 { peak } else { -peak });
                    let time = WordTime { text_end: text_end + word.trim_end().len(), start: at, end: at + WORD };
                    (at, text_end) = (at + WORD, text_end + word.len());
                    let audio = TtsEvent::Audio { samples: samples.collect(), rate: spec.rate };
                    if events.send(audio).await.is_err() || events.send(TtsEvent::Words(vec![time])).await.is_err() {
                        return;
                    }
                }
            }
            // Fails only when nobody listens.
            let _ = events.send(TtsEvent::Ended).await;
        })
    }
}

#[tokio::test]
async fn a_voice_heard_in_one_call_is_known_in_the_next() {
    let engine = engine(1);
    let log = std::env::temp_dir().join(format!("agentphone-{}.log", CallId::random()));
    let mut specs = Vec::new();
    for _ in 0..2 {
        let (mut providers, backstage) = backstage();
        providers.tts = Arc::new(Plain { peak: 1_000 });
        let (mut start, mut peer) = start(providers);
        start.call.sound.level_voices = true;
        // Long enough to be judged; its sound comes at once.
        start.call.dialogue.begin_message = "one two three four five six seven eight nine ten eleven twelve.".into();
        start.log = Some(log.clone());
        let handle = engine.start(engine.reserve().unwrap(), start);
        let heard = async {
            while handle.report().await.is_some_and(|report| report.0.voices[0].is_none()) {
                sound(&mut peer).await;
            }
        };
        timeout(PATIENCE, heard).await.expect("the voice is judged");
        assert!(handle.command(Command::End));
        let outcome = ended(&handle).await;
        let level = outcome.report.voices[0].expect("judged");
        assert!((level - -30.3).abs() < 0.5, "{level}");
        let text = std::fs::read_to_string(&log).unwrap();
        specs.push(text.lines().find(|line| line.contains("spec ")).unwrap().to_owned());
        drop(backstage);
    }
    std::fs::remove_file(&log).unwrap();
    assert!(!specs[0].contains("@voices=") && specs[1].contains("@voices="), "known from the second call on");
}

/// A voice that counts its streams.
#[derive(Debug)]
struct Counted(Plain, Arc<AtomicUsize>);

impl Tts for Counted {
    fn voice_name(&self, spec: &TtsSpec) -> Option<String> {
        self.0.voice_name(spec)
    }

    fn open(&self, spec: TtsSpec) -> TtsStream {
        self.1.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        self.0.open(spec)
    }
}

#[tokio::test]
async fn a_greeting_is_synthesised_in_the_first_call_and_remembered_in_the_next() {
    let engine = Engine::new(EngineConfig { max_calls: 1, kept_speech: 1 << 20, ..EngineConfig::default() });
    let streams = Arc::new(AtomicUsize::new(0));
    for _ in 0..2 {
        let (mut providers, backstage) = backstage();
        providers.tts = Arc::new(Counted(Plain { peak: 1_000 }, Arc::clone(&streams)));
        let (mut start, mut peer) = start(providers);
        start.call.dialogue.begin_message = "Good day to you.".into();
        let handle = engine.start(engine.reserve().unwrap(), start);
        sound(&mut peer).await;
        let kept = async {
            while engine.kept_speech() == 0 {
                sound(&mut peer).await;
            }
        };
        timeout(PATIENCE, kept).await.expect("the greeting is kept");
        assert!(handle.command(Command::End));
        ended(&handle).await;
        drop(backstage);
    }
    assert_eq!(streams.load(std::sync::atomic::Ordering::SeqCst), 1, "asked once for both calls");
}

#[tokio::test]
async fn what_was_heard_of_a_voice_made_faster_is_right_to_the_word() {
    let engine = engine(1);
    let (mut providers, backstage) = backstage();
    providers.tts = Arc::new(Plain { peak: 9_000 });
    let (mut start, mut peer) = start(providers);
    start.tts.speed = 2.0;
    start.call.dialogue.begin_message = "one two three four five six seven eight nine ten eleven twelve.".into();
    let handle = engine.start(engine.reserve().unwrap(), start);
    let mut subscription = handle.subscribe().await.unwrap();
    // 800 ms of it: five words of 150 ms, and a part of the sixth.
    for _ in 0..40 {
        sound(&mut peer).await;
    }
    assert!(handle.command(Command::Interrupt));
    let said = |kind: &EventKind| matches!(kind, EventKind::Dialogue(DialogueEvent::AgentSaid { .. }));
    quiet_caller(&mut peer, event(&mut subscription, said)).await;
    let outcome = {
        assert!(handle.command(Command::End));
        ended(&handle).await
    };
    let line = &outcome.report.lines[0];
    let words = line.text.split_whitespace().count();
    assert!(line.interrupted && (5..=8).contains(&words), "{:?}", line.text);
    drop(backstage);
}
