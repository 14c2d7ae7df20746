//! A live session as the shared session speaks it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use url::Url;

use crate::audio::SampleRate;
use crate::conversation::{Failure, Transcript, TranscriptKind};
use crate::provider::http::{self, Vendor};
use crate::provider::listening::{Coding, Dialect, Habits, Heard, Route, Timeline, Unreadable};
use crate::provider::websocket::Dialer;
use crate::provider::{ProviderError, Secret, SttSpec};

use super::wire::{KEEP_ALIVE, NewSession, STOP_RECORDING, ServerMessage};
use super::{Service, VENDOR};

/// The rates it takes.
const RATES: [u32; 5] = [8_000, 16_000, 32_000, 44_100, 48_000];
/// How long a session may take to be granted.
const GRANT: Duration = Duration::from_secs(5);

/// One stream's live sessions.
pub(super) struct Live {
    service: Arc<Service>,
    request: Value,
    rate: SampleRate,
    /// A voice or words that are not settled yet.
    is_open: bool,
}

impl Live {
    /// The protocol of a stream of `spec`.
    pub(super) fn new(service: Arc<Service>, spec: &SttSpec) -> Self {
        let rate = if RATES.contains(&spec.rate.hz()) { spec.rate } else { SampleRate::HZ_16000 };
        Self { request: service.request(spec, rate), service, rate, is_open: false }
    }
}

impl Service {
    /// What a session is asked for with.
    fn request(&self, spec: &SttSpec, rate: SampleRate) -> Value {
        let config = &self.config;
        let (encoding, bits) = if Coding::of(rate) == Coding::Mulaw { ("wav/ulaw", 8) } else { ("wav/pcm", 16) };
        let language = spec.language.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase();
        let language = match language.as_str() {
            "" | "multi" => json!({"languages": [], "code_switching": true}),
            language => json!({"languages": [language], "code_switching": false}),
        };
        let mut request = json!({
            "encoding": encoding,
            "bit_depth": bits,
            "sample_rate": rate.hz(),
            "channels": 1,
            "model": spec.model.as_deref().unwrap_or(&config.model),
            "endpointing": rounded(config.endpointing),
            "maximum_duration_without_endpointing": rounded(config.longest_utterance),
            "language_config": language,
            "messages_config": {
                "receive_partial_transcripts": true,
                "receive_final_transcripts": true,
                "receive_speech_events": true,
                "receive_acknowledgments": false,
                "receive_lifecycle_events": false,
            },
        });
        if !config.keyterms.is_empty()
            && let Some(fields) = request.as_object_mut()
        {
            let words = json!({"custom_vocabulary": true, "custom_vocabulary_config": {"vocabulary": config.keyterms}});
            fields.insert("realtime_processing".to_owned(), words);
        }
        request
    }

    /// Asks for a session and says where it is.
    async fn grant(&self, request: &Value) -> Result<Route, ProviderError> {
        let mut asked = self.client.post(self.live.clone()).json(request);
        if let Some(key) = &self.key {
            asked = asked.header("x-gladia-key", key.clone());
        }
        let response = asked.timeout(GRANT).send().await.map_err(|error| VENDOR.transport(&error))?;
        if !response.status().is_success() {
            return Err(http::refusal(&VENDOR, response, &self.config.key).await);
        }
        let strange = |what| VENDOR.failure(Failure::Protocol, what);
        let granted = response.json::<NewSession>().await;
        let granted = granted.map_err(|error| match error.is_decode() {
            true => strange("granted a session without an address"),
            false => VENDOR.transport(&error),
        })?;
        let url = Url::parse(&granted.url).ok().filter(|url| matches!(url.scheme(), "ws" | "wss"));
        let url = url.ok_or_else(|| strange("granted a session whose address is none"))?;
        Ok(Route { url, headers: Vec::new() })
    }
}

/// A setting as it was written: the nearest decimal, not the nearest binary fraction.
fn rounded(seconds: f32) -> f64 {
    (f64::from(seconds) * 1_000.0).round() / 1_000.0
}

impl Dialect for Live {
    fn vendor(&self) -> &Vendor {
        &VENDOR
    }

    fn key(&self) -> &Secret {
        &self.service.config.key
    }

    fn dialer(&self) -> &Dialer {
        &self.service.dialer
    }

    fn habits(&self) -> Habits {
        Habits::easy(Coding::of(self.rate), self.rate)
    }

    fn route(&mut self) -> BoxFuture<'static, Result<Route, ProviderError>> {
        let (service, request) = (Arc::clone(&self.service), self.request.clone());
        async move { service.grant(&request).await }.boxed()
    }

    fn opening(&mut self) -> Option<Message> {
        self.is_open = false;
        None
    }

    fn finalize(&mut self, _sent: Duration) -> Option<Message> {
        None
    }

    fn keep_alive(&mut self) -> Option<Message> {
        Some(Message::text(KEEP_ALIVE))
    }

    fn farewell(&self) -> Option<Message> {
        Some(Message::text(STOP_RECORDING))
    }

    fn read(&mut self, text: &str, timeline: &Timeline) -> Result<Vec<Heard>, Unreadable> {
        let data = match serde_json::from_str(text)? {
            ServerMessage::Transcript { data } => data,
            ServerMessage::SpeechStart => {
                self.is_open = true;
                return Ok(Vec::new());
            }
            // Its words are still to come.
            ServerMessage::SpeechEnd | ServerMessage::Other => return Ok(Vec::new()),
        };
        let text = data.utterance.text.trim();
        let end = timeline.seconds(data.utterance.end);
        self.is_open = !data.is_final;
        let mut heard = Vec::new();
        if data.is_final {
            heard.extend(end.map(Heard::Settled));
            heard.push(Heard::Answered);
        }
        if !text.is_empty() {
            heard.push(Heard::Words(Transcript {
                kind: if data.is_final { TranscriptKind::Final } else { TranscriptKind::Interim },
                text: text.to_owned(),
                confidence: data.utterance.confidence.clamp(0.0, 1.0),
                audio_end: end,
            }));
        }
        Ok(heard)
    }

    fn is_between_turns(&self) -> bool {
        !self.is_open
    }

    /// A session that is over (`4403`) or unknown is replaced like any other.
    fn closed(&self, _code: u16, _reason: &str) -> Failure {
        Failure::Unavailable
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Gladia, GladiaConfig};
    use super::*;

    fn live(config: GladiaConfig, language: &str, rate: SampleRate) -> Live {
        let spec = SttSpec { language: language.to_owned(), rate, model: None };
        Live::new(Gladia::new(config).unwrap().0, &spec)
    }

    #[test]
    fn a_session_is_asked_for_in_the_sound_of_the_telephone() {
        let request = live(GladiaConfig::default(), "de-DE", SampleRate::HZ_8000).request;
        assert_eq!((&request["encoding"], &request["bit_depth"]), (&json!("wav/ulaw"), &json!(8)));
        assert_eq!((&request["sample_rate"], &request["endpointing"]), (&json!(8_000), &json!(0.05)));
        assert_eq!(request["language_config"], json!({"languages": ["de"], "code_switching": false}));
        assert_eq!(request.get("realtime_processing"), None);
        let config = GladiaConfig { keyterms: vec!["Zürich".into()], ..Default::default() };
        let wide = live(config, "multi", SampleRate::HZ_24000);
        assert_eq!((wide.habits().rate, wide.habits().coding), (SampleRate::HZ_16000, Coding::Pcm16));
        assert_eq!((&wide.request["encoding"], &wide.request["sample_rate"]), (&json!("wav/pcm"), &json!(16_000)));
        assert_eq!(wide.request["language_config"], json!({"languages": [], "code_switching": true}));
        assert_eq!(wide.request["realtime_processing"]["custom_vocabulary_config"]["vocabulary"], json!(["Zürich"]));
    }

    #[test]
    fn utterances_are_finals_that_settle_their_sound() {
        let mut live = live(GladiaConfig::default(), "en", SampleRate::HZ_8000);
        let timeline = Timeline::new(Duration::from_secs(10));
        let transcript = |text: &str, is_final: bool, end: f64| {
            json!({"type": "transcript", "session_id": "s", "created_at": "t", "data": {"id": "u0", "is_final": is_final,
                "utterance": {"text": text, "start": 0.1, "end": end, "language": "en", "channel": 0, "confidence": 0.9,
                "words": []}}})
            .to_string()
        };
        assert!(live.is_between_turns());
        assert_eq!(live.read(r#"{"type":"speech_start","data":{"time":0.1,"channel":0}}"#, &timeline), Ok(Vec::new()));
        assert!(!live.is_between_turns());
        let words = |kind, text: &str, end| {
            Heard::Words(Transcript { kind, text: text.into(), confidence: 0.9, audio_end: Some(end) })
        };
        let at = |millis| Duration::from_millis(millis);
        assert_eq!(
            live.read(&transcript(" Hello", false, 0.5), &timeline),
            Ok(vec![words(TranscriptKind::Interim, "Hello", at(10_500))])
        );
        assert_eq!(
            live.read(&transcript(" Hello there.", true, 1.0), &timeline),
            Ok(vec![
                Heard::Settled(at(11_000)),
                Heard::Answered,
                words(TranscriptKind::Final, "Hello there.", at(11_000))
            ])
        );
        assert!(live.is_between_turns());
        assert_eq!(live.read(r#"{"type":"end_session"}"#, &timeline), Ok(Vec::new()));
        assert_eq!(live.read("<html>", &timeline), Err(Unreadable));
    }
}
