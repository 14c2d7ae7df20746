//! Speeds that a voice has not.

use crate::audio::Tempo;
use crate::conversation::WordTime;

use super::{Tts, TtsCommand, TtsEvent, TtsSpec, TtsStream};

/// Opens a stream of a voice at whatever speed is asked for: as near to it as the voice can by itself, the rest by
/// stretching its sound. Word times move with the sound.
pub(crate) fn open(tts: &dyn Tts, spec: TtsSpec) -> TtsStream {
    let speeds = tts.speeds(&spec);
    let own = spec.speed.max(*speeds.start()).min(*speeds.end());
    let rest = spec.speed / own;
    if !rest.is_finite() || (rest - 1.0).abs() < NEAR {
        return tts.open(spec);
    }
    let voice = tts.open(TtsSpec { speed: own, ..spec });
    TtsStream::spawn(
        move |commands, events| async move { Relay { voice, rest, tempo: None }.run(commands, events).await },
    )
}

/// What is nearer to a voice's own speed than this is not heard to differ.
const NEAR: f32 = 0.01;

/// Stands between a voice and its owner.
struct Relay {
    voice: TtsStream,
    rest: f32,
    tempo: Option<Tempo>,
}

type Commands = tokio::sync::mpsc::Receiver<TtsCommand>;
type Events = tokio::sync::mpsc::Sender<TtsEvent>;

impl Relay {
    async fn run(mut self, mut commands: Commands, events: Events) {
        let mut takes = true;
        loop {
            tokio::select! {
                // A voice that takes no more says why among its events.
                command = commands.recv(), if takes => takes = match command {
                    Some(TtsCommand::Speak(text)) => self.voice.speak(text),
                    Some(TtsCommand::End) => self.voice.end(),
                    None => false,
                },
                event = self.voice.recv() => {
                    let Some(event) = event else { return };
                    let is_last = matches!(event, TtsEvent::Ended | TtsEvent::Failed(_));
                    for event in self.moved(event) {
                        // Waits while the listener is full, and so holds the voice back.
                        if events.send(event).await.is_err() {
                            return;
                        }
                    }
                    if is_last {
                        return;
                    }
                },
            }
        }
    }

    /// What becomes of an event.
    fn moved(&mut self, event: TtsEvent) -> Vec<TtsEvent> {
        match event {
            TtsEvent::Audio { samples, rate } => {
                let mut out = Vec::with_capacity(2);
                if self.tempo.as_ref().is_some_and(|tempo| tempo.rate() != rate) {
                    out.extend(self.rest());
                }
                let tempo = self.tempo.get_or_insert_with(|| Tempo::new(rate, self.rest));
                let samples = tempo.process(&samples);
                if !samples.is_empty() {
                    out.push(TtsEvent::Audio { samples, rate });
                }
                out
            }
            TtsEvent::Words(words) => {
                let moved = |word: WordTime| WordTime {
                    start: word.start.div_f32(self.rest),
                    end: word.end.div_f32(self.rest),
                    ..word
                };
                vec![TtsEvent::Words(words.into_iter().map(moved).collect())]
            }
            last @ (TtsEvent::Ended | TtsEvent::Failed(_)) => self.rest().into_iter().chain([last]).collect(),
        }
    }

    /// The sound that is still held back.
    fn rest(&mut self) -> Option<TtsEvent> {
        let mut tempo = self.tempo.take()?;
        let samples = tempo.finish();
        (!samples.is_empty()).then(|| TtsEvent::Audio { samples, rate: tempo.rate() })
    }
}

#[cfg(test)]
mod tests {
    use std::ops::RangeInclusive;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use super::*;
    use crate::audio::SampleRate;
    use crate::conversation::Failure;
    use crate::provider::ProviderError;

    const RATE: SampleRate = SampleRate::HZ_8000;

    /// A voice with a few speeds of its own: 300 ms a word at 1.0, each told when it has been spoken.
    #[derive(Debug)]
    struct Slow {
        speeds: RangeInclusive<f32>,
        asked: Arc<Mutex<Vec<f32>>>,
        fails: bool,
    }

    impl Slow {
        fn new(speeds: RangeInclusive<f32>) -> Self {
            Self { speeds, asked: Arc::default(), fails: false }
        }
    }

    impl Tts for Slow {
        fn speeds(&self, _spec: &TtsSpec) -> RangeInclusive<f32> {
            self.speeds.clone()
        }

        fn open(&self, spec: TtsSpec) -> TtsStream {
            self.asked.lock().unwrap().push(spec.speed);
            let (length, fails) = (Duration::from_millis(300).div_f32(spec.speed), self.fails);
            TtsStream::spawn(move |mut commands, events| async move {
                let (mut at, mut text_end) = (Duration::ZERO, 0);
                while let Some(TtsCommand::Speak(text)) = commands.recv().await {
                    for word in text.split_inclusive(' ') {
                        text_end += word.trim_end().len();
                        let samples = (0..RATE.samples_in(length)).map(|n| (3_000.0 * (n as f32 * 0.2).sin()) as i16);
                        events.send(TtsEvent::Audio { samples: samples.collect(), rate: RATE }).await.unwrap();
                        let time = WordTime { text_end, start: at, end: at + length };
                        events.send(TtsEvent::Words(vec![time])).await.unwrap();
                        at += length;
                        text_end += word.len() - word.trim_end().len();
                    }
                }
                let failed = TtsEvent::Failed(ProviderError::new(Failure::Auth, "key refused"));
                events.send(if fails { failed } else { TtsEvent::Ended }).await.unwrap();
            })
        }
    }

    fn spec(speed: f32) -> TtsSpec {
        TtsSpec { voice: None, language: "en-US".into(), speed, rate: RATE }
    }

    /// Has it say four words: how long they last, when each is spoken, and the last event.
    async fn said(voice: &Slow, speed: f32) -> (Duration, Vec<(Duration, Duration)>, Option<TtsEvent>) {
        let mut stream = open(voice, spec(speed));
        assert!(stream.speak("one two ".into()) && stream.speak("three four".into()) && stream.end());
        let (mut samples, mut words, mut last) = (0, Vec::new(), None);
        while let Some(event) = stream.recv().await {
            match &event {
                TtsEvent::Audio { samples: piece, rate } => {
                    assert_eq!(*rate, RATE);
                    samples += piece.len();
                }
                TtsEvent::Words(told) => words.extend(told.iter().map(|word| (word.start, word.end))),
                _ => last = Some(event),
            }
        }
        (RATE.duration_of(samples), words, last)
    }

    #[tokio::test]
    async fn what_a_voice_cannot_do_itself_is_done_to_its_sound_and_words_stay_with_it() {
        for (speeds, speed, own) in
            [(1.0..=1.0, 1.5, 1.0), (0.7..=1.2, 2.0, 1.2), (0.7..=1.2, 0.5, 0.7), (1.0..=1.0, 0.6, 1.0)]
        {
            let voice = Slow::new(speeds);
            let (length, words, last) = said(&voice, speed).await;
            assert_eq!(*voice.asked.lock().unwrap(), [own]);
            let expected = Duration::from_millis(1_200).div_f32(speed);
            assert!(length.abs_diff(expected) < expected / 50, "{speed}: {length:?} for {expected:?}");
            for (n, (start, end)) in words.iter().enumerate() {
                let word = expected / 4;
                assert!(start.abs_diff(word * n as u32) < word / 50 && end.abs_diff(word * (n as u32 + 1)) < word / 20);
            }
            assert_eq!((words.len(), last), (4, Some(TtsEvent::Ended)));
        }
    }

    #[tokio::test]
    async fn a_speed_the_voice_has_is_left_to_it() {
        let voice = Slow::new(0.5..=2.0);
        let (length, ..) = said(&voice, 1.5).await;
        assert_eq!(*voice.asked.lock().unwrap(), [1.5]);
        assert!(length.abs_diff(Duration::from_millis(800)) < Duration::from_millis(2));
    }

    #[tokio::test]
    async fn a_voice_that_fails_fails_for_its_owner_as_well() {
        let voice = Slow { fails: true, ..Slow::new(1.0..=1.0) };
        let (_, _, last) = said(&voice, 1.4).await;
        assert!(matches!(last, Some(TtsEvent::Failed(error)) if error.kind == Failure::Auth));
    }
}
