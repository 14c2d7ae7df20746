//! Fixed lines spoken from memory: greetings, fillers and apologies sound alike in every call.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc::{Receiver, Sender};

use crate::audio::SampleRate;
use crate::conversation::WordTime;

use super::{Tts, TtsCommand, TtsEvent, TtsSpec, TtsStream};

/// The sound of fixed lines, shared by calls. Bounded in bytes; what was not used for the longest time goes first.
#[derive(Debug)]
pub struct SoundCache {
    kept: Mutex<Kept>,
    most: usize,
}

#[derive(Default, Debug)]
struct Kept {
    sounds: HashMap<Key, (Arc<Sound>, u64)>,
    bytes: usize,
    /// Counts uses.
    now: u64,
}

/// What makes two sounds the same.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Key {
    voice: String,
    language: String,
    /// In thousandths.
    speed: u32,
    rate: SampleRate,
    text: String,
}

/// A piece of a fixed line as a voice said it.
#[derive(Clone, PartialEq, Default, Debug)]
struct Sound {
    pieces: Vec<(Vec<i16>, SampleRate)>,
    /// Counted from the piece's own beginning.
    words: Vec<WordTime>,
}

impl Sound {
    fn bytes(&self) -> usize {
        let samples: usize = self.pieces.iter().map(|(samples, _)| samples.len()).sum();
        samples * size_of::<i16>() + self.words.len() * size_of::<WordTime>()
    }

    fn length(&self) -> Duration {
        self.pieces.iter().map(|(samples, rate)| rate.duration_of(samples.len())).sum()
    }
}

impl Default for SoundCache {
    fn default() -> Self {
        Self::new(Self::BYTES)
    }
}

impl SoundCache {
    /// Bytes kept unless told otherwise: a quarter of an hour at 8 kHz.
    pub const BYTES: usize = 16 * 1024 * 1024;

    /// Room for so many bytes of sound.
    pub fn new(most: usize) -> Self {
        Self { kept: Mutex::default(), most }
    }

    /// How many bytes are kept.
    pub fn bytes(&self) -> usize {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).bytes
    }

    fn find(&self, key: &Key) -> Option<Arc<Sound>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.now += 1;
        let now = kept.now;
        let found = kept.sounds.get_mut(key).map(|(sound, used)| {
            *used = now;
            Arc::clone(sound)
        });
        let result = if found.is_some() { "hit" } else { "miss" };
        metrics::counter!("agentphone_speech_cache_total", "result" => result).increment(1);
        found
    }

    fn keep(&self, key: Key, sound: Sound) {
        let bytes = sound.bytes() + key.text.len();
        // One line is not to push out all others.
        if bytes > self.most / 4 || sound.pieces.is_empty() {
            return;
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.now += 1;
        let now = kept.now;
        let size = |key: &Key, sound: &Sound| sound.bytes() + key.text.len();
        if let Some((before, _)) = kept.sounds.insert(key.clone(), (Arc::new(sound), now)) {
            kept.bytes -= size(&key, &before);
        }
        kept.bytes += bytes;
        while kept.bytes > self.most {
            let oldest = kept.sounds.iter().min_by_key(|(_, (_, used))| *used).map(|(key, _)| key.clone());
            let Some((key, (sound, _))) = oldest.and_then(|key| kept.sounds.remove_entry(&key)) else { return };
            kept.bytes -= size(&key, &sound);
        }
    }
}

/// A voice whose fixed lines are spoken from a cache. What a model says goes to the voice itself, and is never kept.
#[derive(Clone, Debug)]
pub struct Cached {
    voice: Arc<dyn Tts>,
    cache: Arc<SoundCache>,
    lines: Arc<[String]>,
}

impl Cached {
    /// `voice` with the `lines` of one call that are said word by word as they are.
    pub fn new(voice: Arc<dyn Tts>, cache: Arc<SoundCache>, lines: Arc<[String]>) -> Self {
        Self { voice, cache, lines }
    }
}

impl Tts for Cached {
    fn speeds(&self, spec: &TtsSpec) -> RangeInclusive<f32> {
        self.voice.speeds(spec)
    }

    fn voice_name(&self, spec: &TtsSpec) -> Option<String> {
        self.voice.voice_name(spec)
    }

    fn open(&self, spec: TtsSpec) -> TtsStream {
        // A voice without a name cannot be told from another.
        let Some(name) = self.voice.voice_name(&spec) else { return self.voice.open(spec) };
        let cached = self.clone();
        TtsStream::spawn(move |commands, events| async move {
            let reply = Reply { cached, name, spec, events, live: None, said: String::new(), time: Duration::ZERO };
            // An error only says that nobody listens.
            let _ = reply.run(commands).await;
        })
    }
}

/// One reply being spoken.
struct Reply {
    cached: Cached,
    name: String,
    spec: TtsSpec,
    events: Sender<TtsEvent>,
    /// The voice for what is not fixed.
    live: Option<TtsStream>,
    /// The fixed text so far.
    said: String,
    /// How long its sound is.
    time: Duration,
}

/// Nobody listens any more.
struct Gone;

impl Reply {
    async fn run(mut self, mut commands: Receiver<TtsCommand>) -> Result<(), Gone> {
        if commands.is_empty() {
            // Opened ahead of its words: so that its connection is there when they come.
            self.live = Some(self.open());
        }
        loop {
            tokio::select! {
                biased;
                command = commands.recv() => match command {
                    Some(TtsCommand::Speak(text)) if self.is_fixed(&text) => if !self.recite(text).await? {
                        return Ok(());
                    },
                    Some(TtsCommand::Speak(text)) => return self.relay(text, commands).await,
                    Some(TtsCommand::End) | None => return self.tell(TtsEvent::Ended).await,
                },
                event = next(&mut self.live) => return self.tell(event.unwrap_or(TtsEvent::Ended)).await,
            }
        }
    }

    fn open(&self) -> TtsStream {
        self.cached.voice.open(self.spec.clone())
    }

    async fn tell(&self, event: TtsEvent) -> Result<(), Gone> {
        self.events.send(event).await.map_err(|_| Gone)
    }

    /// Whether `text` goes on with one of the lines.
    fn is_fixed(&self, text: &str) -> bool {
        let front = format!("{}{text}", self.said);
        let front = front.trim_end();
        let goes_on = |line: &String| {
            let rest = line.trim().strip_prefix(front.trim_start());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace) || !rest.is_ascii())
        };
        !text.trim().is_empty() && self.cached.lines.iter().any(goes_on)
    }

    /// Says a piece of a fixed line; `false` when the voice failed at it.
    async fn recite(&mut self, text: String) -> Result<bool, Gone> {
        let key = Key {
            voice: self.name.clone(),
            language: self.spec.language.clone(),
            speed: (self.spec.speed * 1_000.0).round() as u32,
            rate: self.spec.rate,
            text: text.clone(),
        };
        if let Some(sound) = self.cached.cache.find(&key) {
            for (samples, rate) in &sound.pieces {
                self.tell(TtsEvent::Audio { samples: samples.clone(), rate: *rate }).await?;
            }
            self.tell_words(sound.words.clone()).await?;
            self.pass(&text, sound.length());
            return Ok(true);
        }
        let mut voice = self.open();
        let mut sound = Sound::default();
        if !(voice.speak(text.clone()) && voice.end()) {
            // Why it takes nothing is among its events.
            tracing::debug!("the voice takes no fixed line");
        }
        loop {
            match voice.recv().await {
                Some(TtsEvent::Audio { samples, rate }) => {
                    sound.pieces.push((samples.clone(), rate));
                    self.tell(TtsEvent::Audio { samples, rate }).await?;
                }
                Some(TtsEvent::Words(words)) => {
                    sound.words.extend_from_slice(&words);
                    self.tell_words(words).await?;
                }
                Some(TtsEvent::Ended) => {
                    self.pass(&text, sound.length());
                    self.cached.cache.keep(key, sound);
                    return Ok(true);
                }
                Some(failed @ TtsEvent::Failed(_)) => {
                    self.tell(failed).await?;
                    return Ok(false);
                }
                None => return Ok(false),
            }
        }
    }

    fn pass(&mut self, text: &str, length: Duration) {
        self.said.push_str(text);
        self.time += length;
    }

    async fn tell_words(&self, words: Vec<WordTime>) -> Result<(), Gone> {
        let place = |word: WordTime| WordTime {
            text_end: word.text_end + self.said.len(),
            start: word.start + self.time,
            end: word.end + self.time,
        };
        if words.is_empty() { Ok(()) } else { self.tell(TtsEvent::Words(words.into_iter().map(place).collect())).await }
    }

    /// Leaves this text and all that follows to the voice.
    async fn relay(mut self, text: String, mut commands: Receiver<TtsCommand>) -> Result<(), Gone> {
        let mut live = self.live.take().unwrap_or_else(|| self.open());
        // A voice that takes no more says why among its events.
        let mut takes = live.speak(text);
        loop {
            tokio::select! {
                command = commands.recv(), if takes => takes = match command {
                    Some(TtsCommand::Speak(text)) => live.speak(text),
                    Some(TtsCommand::End) => live.end(),
                    None => false,
                },
                event = live.recv() => match event {
                    Some(TtsEvent::Words(words)) => self.tell_words(words).await?,
                    Some(last @ (TtsEvent::Ended | TtsEvent::Failed(_))) => return self.tell(last).await,
                    // Waits while the listener is full, and so holds the voice back.
                    Some(event) => self.tell(event).await?,
                    None => return Ok(()),
                },
            }
        }
    }
}

/// The next event of a voice; pending forever without one.
async fn next(live: &mut Option<TtsStream>) -> Option<TtsEvent> {
    match live {
        Some(live) => live.recv().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::Failure;
    use crate::provider::ProviderError;

    const RATE: SampleRate = SampleRate::HZ_8000;

    /// A voice that says one sample a byte and a word for each text, and notes what it was given.
    #[derive(Default, Debug)]
    struct Bytes {
        given: Arc<Mutex<Vec<String>>>,
        fails: bool,
    }

    impl Tts for Bytes {
        fn voice_name(&self, spec: &TtsSpec) -> Option<String> {
            Some(spec.voice.clone().unwrap_or_default())
        }

        fn open(&self, _spec: TtsSpec) -> TtsStream {
            let (given, fails) = (Arc::clone(&self.given), self.fails);
            TtsStream::spawn(move |mut commands, events| async move {
                let (mut end, mut at) = (0, Duration::ZERO);
                while let Some(TtsCommand::Speak(text)) = commands.recv().await {
                    given.lock().unwrap().push(text.clone());
                    let samples: Vec<i16> = text.bytes().map(i16::from).collect();
                    let length = RATE.duration_of(samples.len());
                    end += text.len();
                    let _ = events.send(TtsEvent::Audio { samples, rate: RATE }).await;
                    let word = WordTime { text_end: end, start: at, end: at + length };
                    let _ = events.send(TtsEvent::Words(vec![word])).await;
                    at += length;
                }
                let failed = TtsEvent::Failed(ProviderError::new(Failure::Unavailable, "gone"));
                let _ = events.send(if fails { failed } else { TtsEvent::Ended }).await;
            })
        }
    }

    fn spec(voice: &str, speed: f32) -> TtsSpec {
        TtsSpec { voice: Some(voice.into()), language: "en".into(), speed, rate: RATE }
    }

    struct Stage {
        given: Arc<Mutex<Vec<String>>>,
        cached: Cached,
    }

    impl Stage {
        fn new(most: usize, fails: bool) -> Self {
            let given = Arc::default();
            let voice = Arc::new(Bytes { given: Arc::clone(&given), fails });
            let lines = ["Good day. How may I help?", "One moment."].map(str::to_owned).into();
            Self { given, cached: Cached::new(voice, Arc::new(SoundCache::new(most)), lines) }
        }

        /// Says `texts`: the sound as text, the ends of the words, and what the voice itself was given.
        async fn say(&self, spec: TtsSpec, texts: &[&str]) -> (String, Vec<usize>, Vec<String>) {
            self.given.lock().unwrap().clear();
            let mut stream = self.cached.open(spec);
            for text in texts {
                assert!(stream.speak((*text).to_owned()));
            }
            stream.end();
            let (mut heard, mut words) = (Vec::new(), Vec::new());
            let mut length = Duration::ZERO;
            loop {
                match stream.recv().await.unwrap() {
                    TtsEvent::Audio { samples, rate } => {
                        length += rate.duration_of(samples.len());
                        heard.extend(samples.iter().map(|sample| *sample as u8));
                    }
                    TtsEvent::Words(more) => words.extend(more),
                    _ => break,
                }
            }
            assert!(words.windows(2).all(|pair| pair[0].end == pair[1].start), "{words:?}");
            assert_eq!(words.last().map(|word| word.end), Some(length));
            let ends = words.iter().map(|word| word.text_end).collect();
            (String::from_utf8(heard).unwrap(), ends, self.given.lock().unwrap().clone())
        }
    }

    #[tokio::test]
    async fn a_fixed_line_is_asked_for_once_and_sounds_the_same_every_time() {
        let stage = Stage::new(SoundCache::BYTES, false);
        let pieces = ["Good day. ", "How may I help?"];
        let first = stage.say(spec("v", 1.0), &pieces).await;
        assert_eq!(first, (pieces.concat(), vec![10, 25], pieces.map(str::to_owned).to_vec()));
        let second = stage.say(spec("v", 1.0), &pieces).await;
        assert_eq!(second, (first.0, first.1, Vec::new()), "from memory");
        for other in [spec("w", 1.0), spec("v", 1.1), TtsSpec { language: "de".into(), ..spec("v", 1.0) }] {
            assert_eq!(stage.say(other, &pieces).await.2.len(), 2, "another voice, speed or language");
        }
    }

    #[tokio::test]
    async fn what_a_model_says_is_never_kept() {
        let stage = Stage::new(SoundCache::BYTES, false);
        for _ in 0..2 {
            let (heard, _, given) = stage.say(spec("v", 1.0), &["Your code is 1234. ", "One moment."]).await;
            assert_eq!((heard.as_str(), given.len()), ("Your code is 1234. One moment.", 2));
        }
        assert_eq!(stage.cached.cache.bytes(), 0);
        // A model that goes on behind a filler: the filler is from memory, the rest is not.
        let texts = ["One moment. ", "Your code is 1234."];
        assert_eq!(stage.say(spec("v", 1.0), &texts).await.2.len(), 2);
        let (heard, ends, given) = stage.say(spec("v", 1.0), &texts).await;
        assert_eq!(
            (heard.as_str(), ends, given),
            ("One moment. Your code is 1234.", vec![12, 30], vec![texts[1].to_owned()])
        );
    }

    #[tokio::test]
    async fn memory_is_bounded_and_what_is_used_stays() {
        // Room for both lines, and not for a third.
        let stage = Stage::new(400, false);
        for voice in ["a", "b", "a", "c", "a"] {
            stage.say(spec(voice, 1.0), &["One moment."]).await;
        }
        assert!(stage.cached.cache.bytes() <= 400);
        assert!(stage.say(spec("a", 1.0), &["One moment."]).await.2.is_empty());
    }

    #[tokio::test]
    async fn a_line_that_failed_is_tried_again() {
        let stage = Stage::new(SoundCache::BYTES, true);
        for _ in 0..2 {
            assert_eq!(stage.say(spec("v", 1.0), &["One moment."]).await.2.len(), 1);
        }
        assert_eq!(stage.cached.cache.bytes(), 0);
    }

    #[tokio::test]
    async fn a_stream_opened_ahead_connects_before_its_words() {
        let stage = Stage::new(SoundCache::BYTES, false);
        let mut stream = stage.cached.open(spec("v", 1.0));
        tokio::task::yield_now().await;
        assert!(stream.speak("Something new.".into()) && stream.end());
        while !matches!(stream.recv().await, Some(TtsEvent::Ended)) {}
        assert_eq!(*stage.given.lock().unwrap(), ["Something new."]);
    }
}
