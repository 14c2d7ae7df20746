//! Voices over `POST /audio/speech`: one request a segment, the next one under way while the former is heard.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use serde_json::{Map, Value, json};
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::time::{Instant, timeout, timeout_at};
use url::Url;

use crate::audio::SampleRate;
use crate::conversation::{Failure, WordTime};
use crate::provider::warmth::Warmth;
use crate::provider::{AbortOnDrop, ProviderError, Secret, Tts, TtsCommand, TtsEvent, TtsSpec, TtsStream, http};

use super::body::BodyReader;
use super::{SPEECH, address};

/// Requests under way at once: the one that is heard and the one after it.
const REQUESTS: usize = 2;
/// Chunks a request may be ahead of what is heard; then its socket holds the server back.
const CHUNKS: usize = 8;
/// The longest text of one request, in characters.
const INPUT: usize = 4_096;

/// How to reach a voice.
#[derive(Clone, PartialEq, Debug)]
pub struct OpenAiSpeechConfig {
    /// Where it is: `https://api.openai.com/v1`, `http://127.0.0.1:8880` (Kokoro-FastAPI), and so on.
    pub base_url: String,
    /// The key; empty for a server that asks for none.
    pub key: Secret,
    /// The model.
    pub model: String,
    /// The voice for calls that name none.
    pub voice: String,
    /// The rate of the raw samples the server sends; OpenAI's is 24 kHz.
    pub rate: SampleRate,
    /// How long the first sound of a segment may take, connecting included.
    pub first_audio: Duration,
    /// How long the sound may pause after that.
    pub idle: Duration,
    /// Further fields of the request, `instructions` say; they win over ours. With `response_format` as `wav`, the rate
    /// is read from the file.
    pub extra: Map<String, Value>,
}

impl Default for OpenAiSpeechConfig {
    fn default() -> Self {
        Self {
            base_url: "https://api.openai.com/v1".to_owned(),
            key: Secret::default(),
            model: "gpt-4o-mini-tts".to_owned(),
            voice: "alloy".to_owned(),
            rate: SampleRate::HZ_24000,
            first_audio: Duration::from_secs(10),
            idle: Duration::from_secs(5),
            extra: Map::new(),
        }
    }
}

/// The voice. The protocol has no word times: the end of each segment is told as if it were one word, so that what was
/// heard can be anchored there.
#[derive(Clone, Debug)]
pub struct OpenAiSpeech(Arc<Service>);

#[derive(Debug)]
struct Service {
    config: OpenAiSpeechConfig,
    url: Url,
    authorization: Option<HeaderValue>,
    client: reqwest::Client,
    warmth: Warmth,
}

impl OpenAiSpeech {
    /// A voice; the error says which setting is wrong. Nothing is connected yet.
    pub fn new(config: OpenAiSpeechConfig) -> Result<Self, ProviderError> {
        let url = address(&SPEECH, &config.base_url, "audio/speech")?;
        let authorization = match config.key.is_empty() {
            true => None,
            false => Some(SPEECH.key_header("Bearer ", &config.key)?),
        };
        let client = http::client(&SPEECH, &url)?;
        Ok(Self(Arc::new(Service { config, url, authorization, client, warmth: Warmth::default() })))
    }
}

impl Tts for OpenAiSpeech {
    fn speeds(&self, _spec: &TtsSpec) -> RangeInclusive<f32> {
        if self.0.has_speeds() { 0.25..=4.0 } else { 1.0..=1.0 }
    }

    fn voice_name(&self, spec: &TtsSpec) -> Option<String> {
        let config = &self.0.config;
        Some(format!("openai {} {}", config.model, spec.voice.as_ref().unwrap_or(&config.voice)))
    }

    fn warm(&self) {
        self.0.warmth.open(&self.0.client, &self.0.url);
    }

    fn open(&self, spec: TtsSpec) -> TtsStream {
        let service = Arc::clone(&self.0);
        TtsStream::spawn(move |commands, events| async move {
            let reply = Reply { service, spec, events: events.clone(), text: 0, blanks: 0, sound: Sound::default() };
            let last = match reply.speak(commands).await {
                Ok(()) => TtsEvent::Ended,
                Err(error) => TtsEvent::Failed(error),
            };
            // Fails only when nobody listens.
            let _ = events.send(last).await;
        })
    }
}

/// One reply being spoken.
struct Reply {
    service: Arc<Service>,
    spec: TtsSpec,
    events: Sender<TtsEvent>,
    /// Where in the reply's text the segment that is heard begins, in bytes.
    text: usize,
    /// Blanks that were not asked for and belong to the next segment, in bytes.
    blanks: usize,
    /// The sound given out so far.
    sound: Sound,
}

/// How much sound there was, exactly: rounding each chunk would add up.
#[derive(Clone, Copy, Default, Debug)]
struct Sound {
    /// What came at another rate, before.
    before: Duration,
    samples: usize,
    rate: Option<SampleRate>,
}

impl Sound {
    fn add(&mut self, samples: usize, rate: SampleRate) {
        if self.rate != Some(rate) {
            *self = Self { before: self.length(), samples: 0, rate: Some(rate) };
        }
        self.samples += samples;
    }

    fn length(&self) -> Duration {
        self.before + self.rate.map_or(Duration::ZERO, |rate| rate.duration_of(self.samples))
    }
}

/// One segment on its way: its samples and, when its request fails, why.
struct Segment {
    bytes: usize,
    chunks: Receiver<Result<(Vec<i16>, SampleRate), ProviderError>>,
    _task: AbortOnDrop,
}

impl Reply {
    async fn speak(mut self, mut commands: Receiver<TtsCommand>) -> Result<(), ProviderError> {
        let mut pieces: VecDeque<String> = VecDeque::new();
        let mut segments: VecDeque<Segment> = VecDeque::new();
        let mut began = Duration::ZERO;
        let mut open = true;
        loop {
            while segments.len() < REQUESTS
                && let Some(piece) = pieces.pop_front()
            {
                if piece.trim().is_empty() {
                    // Nothing to say: it must not take the place of the next request.
                    self.blanks += piece.len();
                } else {
                    segments.push_back(self.request(piece));
                }
            }
            if !open && segments.is_empty() {
                return Ok(());
            }
            tokio::select! {
                // One command's pieces at a time: what else waits, waits in the bounded queue.
                command = commands.recv(), if open && pieces.is_empty() => match command {
                    Some(TtsCommand::Speak(text)) => pieces.extend(split(&text)),
                    Some(TtsCommand::End) | None => open = false,
                },
                chunk = next(&mut segments), if !segments.is_empty() => match chunk {
                    Some(Ok((samples, rate))) => self.hear(samples, rate).await,
                    Some(Err(error)) => return Err(error),
                    None => {
                        let bytes = segments.pop_front().map_or(0, |segment| segment.bytes);
                        self.anchor(bytes, std::mem::replace(&mut began, self.sound.length())).await;
                    }
                },
            }
        }
    }

    /// Asks for one segment; a task of its own reads it, so that it comes in while the former is heard.
    fn request(&mut self, text: String) -> Segment {
        let (sender, chunks) = mpsc::channel(CHUNKS);
        let bytes = std::mem::take(&mut self.blanks) + text.len();
        let service = Arc::clone(&self.service);
        let body = service.body(&self.spec, &text);
        let task = AbortOnDrop::spawn(async move {
            if let Err(error) = service.fetch(&body, &sender).await {
                // Fails only when nobody listens.
                let _ = sender.send(Err(error)).await;
            }
        });
        Segment { bytes, chunks, _task: task }
    }

    async fn hear(&mut self, samples: Vec<i16>, rate: SampleRate) {
        if samples.is_empty() {
            return;
        }
        self.sound.add(samples.len(), rate);
        // Fails only when nobody listens.
        let _ = self.events.send(TtsEvent::Audio { samples, rate }).await;
    }

    async fn anchor(&mut self, bytes: usize, began: Duration) {
        self.text += bytes;
        let end = self.sound.length();
        if end > began {
            let word = WordTime { text_end: self.text, start: began, end };
            // Fails only when nobody listens.
            let _ = self.events.send(TtsEvent::Words(vec![word])).await;
        }
    }
}

async fn next(segments: &mut VecDeque<Segment>) -> Option<Result<(Vec<i16>, SampleRate), ProviderError>> {
    segments.front_mut()?.chunks.recv().await
}

impl Service {
    /// Whether the model minds the speed it is asked for: OpenAI's models that take instructions do not.
    fn has_speeds(&self) -> bool {
        !self.config.model.starts_with("gpt-")
    }

    fn body(&self, spec: &TtsSpec, text: &str) -> Value {
        let mut body = json!({
            "model": self.config.model,
            "input": text.trim(),
            "voice": spec.voice.as_deref().unwrap_or(&self.config.voice),
            "response_format": "pcm",
        });
        if let Some(fields) = body.as_object_mut() {
            if self.has_speeds() && (spec.speed - 1.0).abs() > 0.001 {
                fields.insert("speed".to_owned(), json!(f64::from(spec.speed.clamp(0.25, 4.0))));
            }
            fields.extend(self.config.extra.clone());
        }
        body
    }

    async fn fetch(
        &self,
        body: &Value,
        chunks: &Sender<Result<(Vec<i16>, SampleRate), ProviderError>>,
    ) -> Result<(), ProviderError> {
        let slow = |_| SPEECH.failure(Failure::Timeout, "no sound in time");
        let first_audio = Instant::now() + self.config.first_audio;
        let mut request = self.client.post(self.url.clone()).json(body);
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization.clone());
        }
        let sent = timeout_at(first_audio, request.send()).await.map_err(slow)?;
        let mut response = sent.map_err(|error| SPEECH.transport(&error))?;
        if !response.status().is_success() {
            return Err(http::refusal(&SPEECH, response, &self.config.key).await);
        }
        let content_type =
            response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !is_sound(content_type) {
            return Err(SPEECH.failure(Failure::Protocol, "the server sent something other than raw or WAV sound"));
        }
        let mut reader = BodyReader::new(self.config.rate);
        let mut read = timeout_at(first_audio, response.chunk()).await.map_err(slow)?;
        while let Some(bytes) = read.map_err(|error| SPEECH.transport(&error))? {
            let samples = reader.push(&bytes).map_err(|what| SPEECH.failure(Failure::Protocol, what))?;
            if chunks.send(Ok((samples, reader.rate()))).await.is_err() {
                return Ok(());
            }
            let stalled = |_| SPEECH.failure(Failure::Timeout, "the sound stalled");
            read = timeout(self.config.idle, response.chunk()).await.map_err(stalled)?;
        }
        // Fails only when nobody listens.
        let _ = chunks.send(Ok((reader.finish(), reader.rate()))).await;
        Ok(())
    }
}

/// Whether a body of this type may be raw samples. Compressed sound or text played as samples would be a loud noise.
fn is_sound(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    const NOT_RAW: [&str; 9] = [
        "audio/mpeg",
        "audio/mp3",
        "audio/ogg",
        "audio/opus",
        "audio/aac",
        "audio/flac",
        "audio/webm",
        "audio/mp4",
        "",
    ];
    match kind.split_once('/') {
        Some(("audio", _)) => !NOT_RAW.contains(&kind.as_str()),
        Some(("application", subtype)) => subtype == "octet-stream",
        _ => kind.is_empty(),
    }
}

/// `text` in pieces that one request may hold, cut behind blanks where there are some.
fn split(text: &str) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((limit, _)) = rest.char_indices().nth(INPUT) {
        let (front, _) = rest.split_at(limit);
        let cut = front
            .rfind(char::is_whitespace)
            .map_or(limit, |blank| blank + front[blank..].chars().next().map_or(0, char::len_utf8));
        let (piece, behind) = rest.split_at(cut);
        pieces.push(piece.to_owned());
        rest = behind;
    }
    if !rest.is_empty() {
        pieces.push(rest.to_owned());
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_without_speeds_is_not_asked_for_one() {
        let spec = TtsSpec { voice: None, language: "en-US".into(), speed: 1.5, rate: SampleRate::HZ_8000 };
        for (model, speeds) in [("gpt-4o-mini-tts", 1.0..=1.0), ("tts-1-hd", 0.25..=4.0), ("kokoro", 0.25..=4.0)] {
            let config = OpenAiSpeechConfig { model: model.into(), ..OpenAiSpeechConfig::default() };
            let voice = OpenAiSpeech::new(config).unwrap();
            assert_eq!(voice.0.body(&spec, "Hi.").get("speed").is_some(), speeds.contains(&1.5), "{model}");
            assert_eq!(voice.speeds(&spec), speeds);
            assert_eq!(voice.voice_name(&spec), Some(format!("openai {model} alloy")));
        }
    }

    #[test]
    fn a_long_text_is_cut_between_words_and_loses_nothing() {
        let text = "größer ".repeat(1_500);
        let pieces = split(&text);
        assert_eq!(pieces.concat(), text);
        assert_eq!(pieces.len(), 3);
        assert!(pieces.iter().all(|piece| piece.ends_with(' ') && piece.chars().count() <= INPUT));
        let solid = "ß".repeat(INPUT + 1);
        assert_eq!(split(&solid).concat(), solid);
        assert_eq!(split(""), Vec::<String>::new());
    }

    #[test]
    fn compressed_sound_is_never_played_as_samples() {
        for good in ["", "audio/pcm", "audio/wav", "audio/x-wav", "application/octet-stream", "audio/L16; rate=24000"] {
            assert!(is_sound(good), "{good}");
        }
        for bad in ["audio/mpeg", "audio/ogg; codecs=opus", "application/json", "text/html"] {
            assert!(!is_sound(bad), "{bad}");
        }
    }
}
