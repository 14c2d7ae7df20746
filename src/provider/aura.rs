//! Deepgram's voices: streaming speech over `/v1/speak`, one connection a reply.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::json;
use url::Url;

use crate::conversation::Failure;

use super::http::{self, Vendor};
use super::voice::{Dialect, Door, Format, Heard, Meaning, Spoken, open_stream};
use super::websocket::{Dialer, Received};
use super::{ProviderError, Secret, Tts, TtsSpec, TtsStream};

const VENDOR: Vendor = Vendor { name: "deepgram speech", key: "DEEPGRAM_API_KEY", base_url: "DEEPGRAM_BASE_URL" };
/// Flushes of one connection within [`WINDOW`]; the vendor takes 20, and the last must always go through.
const FLUSHES: usize = 18;
/// The stretch of time in which flushes are counted.
const WINDOW: Duration = Duration::from_secs(60);
/// The longest text of one message, in characters.
const TEXT: usize = 2_000;

/// How to reach Deepgram's voices, or a server that speaks their protocol.
#[derive(Clone, PartialEq, Debug)]
pub struct AuraConfig {
    /// Where it is: `https://api.deepgram.com`, or a plain `ws://` server nearby.
    pub base_url: String,
    /// The key; empty for a server that asks for none.
    pub key: Secret,
    /// The voice for calls that name none; model and language are part of its name.
    pub voice: String,
    /// How long the first sound may take once there is text, and any further sound once the text is complete.
    pub patience: Duration,
    /// More parameters of the query, as Deepgram names them.
    pub extra: Vec<(String, String)>,
}

impl Default for AuraConfig {
    fn default() -> Self {
        Self {
            base_url: "https://api.deepgram.com".to_owned(),
            key: Secret::default(),
            voice: "aura-2-thalia-en".to_owned(),
            patience: Duration::from_secs(10),
            extra: Vec::new(),
        }
    }
}

/// The voice. The protocol has no word times: the end of each segment is told as if it were one word, so that what was
/// heard can be anchored there.
#[derive(Clone, Debug)]
pub struct Aura(Arc<Service>);

#[derive(Debug)]
struct Service {
    config: AuraConfig,
    url: Url,
    door: Arc<Door>,
}

impl Aura {
    /// A voice; the error says which setting is wrong. Nothing is connected yet.
    pub fn new(config: AuraConfig) -> Result<Self, ProviderError> {
        let base = http::as_websocket(VENDOR.base(&config.base_url)?);
        let key = match config.key.is_empty() {
            true => None,
            false => Some(VENDOR.key_header("Token ", &config.key)?),
        };
        let door = Door {
            vendor: VENDOR,
            key: config.key.clone(),
            headers: key.into_iter().map(|key| ("authorization", key)).collect(),
            farewell: Some(r#"{"type":"Close"}"#),
            dialer: Dialer::new(VENDOR, &base)?,
            // Sound is not labelled, and a `Clear` is answered only behind what is under way.
            pool: None,
            patience: config.patience,
        };
        let url = http::endpoint(&base, "v1/speak");
        Ok(Self(Arc::new(Service { config, url, door: Arc::new(door) })))
    }
}

impl Tts for Aura {
    fn speeds(&self, _spec: &TtsSpec) -> RangeInclusive<f32> {
        1.0..=1.0
    }

    fn voice_name(&self, spec: &TtsSpec) -> Option<String> {
        Some(format!("deepgram {}", spec.voice.as_ref().unwrap_or(&self.0.config.voice)))
    }

    fn open(&self, spec: TtsSpec) -> TtsStream {
        let service = &self.0;
        let format = Format::nearest(spec.rate);
        let mut url = service.url.clone();
        url.query_pairs_mut()
            .append_pair("model", spec.voice.as_deref().unwrap_or(&service.config.voice))
            .append_pair("encoding", if format == Format::Ulaw { "mulaw" } else { "linear16" })
            .append_pair("sample_rate", &format.rate().hz().to_string())
            .extend_pairs(&service.config.extra);
        let reply = Reply { format, key: service.config.key.clone(), ..Reply::default() };
        open_stream(Arc::clone(&service.door), url, reply)
    }
}

/// The messages of one reply.
#[derive(Debug)]
struct Reply {
    format: Format,
    key: Secret,
    /// Texts handed over.
    texts: usize,
    /// How many texts each flush that is not answered completes.
    flushed: VecDeque<usize>,
    /// When flushes were sent.
    at: VecDeque<Instant>,
    /// Texts that have been flushed.
    complete: usize,
    ended: bool,
}

impl Default for Reply {
    fn default() -> Self {
        Self {
            format: Format::Ulaw,
            key: Secret::default(),
            texts: 0,
            flushed: VecDeque::new(),
            at: VecDeque::new(),
            complete: 0,
            ended: false,
        }
    }
}

impl Reply {
    fn flush(&mut self, now: Instant) -> String {
        self.at.push_back(now);
        self.flushed.push_back(self.texts);
        self.complete = self.texts;
        json!({"type": "Flush"}).to_string()
    }

    /// Whether a flush more is surely taken.
    fn may_flush(&mut self, now: Instant) -> bool {
        while self.at.front().is_some_and(|at| now.saturating_duration_since(*at) >= WINDOW) {
            self.at.pop_front();
        }
        self.at.len() < FLUSHES
    }
}

impl Dialect for Reply {
    fn format(&self) -> Format {
        self.format
    }

    fn begin(&mut self) -> Option<String> {
        None
    }

    fn text(&mut self, text: &str) -> Vec<String> {
        let letters: Vec<char> = text.chars().collect();
        let speak = |text: &[char]| json!({"type": "Speak", "text": text.iter().collect::<String>()}).to_string();
        let mut messages: Vec<String> = letters.chunks(TEXT).map(speak).collect();
        self.texts += 1;
        let now = Instant::now();
        if self.may_flush(now) {
            messages.push(self.flush(now));
        }
        messages
    }

    fn end(&mut self) -> Vec<String> {
        self.ended = true;
        if self.complete == self.texts { Vec::new() } else { vec![self.flush(Instant::now())] }
    }

    fn is_complete(&self) -> bool {
        self.ended && self.flushed.is_empty()
    }

    fn read(&mut self, received: Received, heard: &mut Heard) -> Result<Meaning, ProviderError> {
        let text = match received {
            Received::Text(text) => text,
            Received::Binary(bytes) => {
                heard.audio = bytes.to_vec();
                return Ok(Meaning::Ours);
            }
            Received::Life => return Ok(Meaning::Nothing),
            Received::Closed { code, reason } => return Err(self.closed(code, &reason)),
        };
        let Ok(message) = serde_json::from_str::<Message>(&text) else { return Ok(Meaning::Garbage) };
        match message.kind.as_str() {
            "Flushed" => {
                heard.spoken = self.flushed.pop_front().map(Spoken::Texts);
                heard.done = self.is_complete();
            }
            "Warning" => tracing::debug!(vendor = VENDOR.name, "warned"),
            "Error" => {
                let codes: Vec<String> = [message.code, message.err_code].into_iter().flatten().collect();
                let codes: Vec<String> = codes.iter().filter_map(|code| http::code(code)).collect();
                let kind = http::failure_named(&codes).unwrap_or(Failure::Unavailable);
                let codes = http::listed(&codes, &self.key).unwrap_or_else(|| "no code".to_owned());
                return Err(VENDOR.failure(kind, &format!("refused or failed ({codes})")));
            }
            _ => {}
        }
        Ok(Meaning::Ours)
    }
}

impl Reply {
    /// A connection that closed before all sound was delivered: `1008` is a refusal of what was sent, `DATA-0001` too many
    /// characters a minute.
    fn closed(&self, code: Option<u16>, reason: &str) -> ProviderError {
        let kind = match code {
            _ if reason.contains("DATA-0001") => Failure::RateLimit,
            Some(1003 | 1008 | 1009) => Failure::BadRequest,
            _ => Failure::Unavailable,
        };
        let code = code.map_or_else(|| "lost".to_owned(), |code| code.to_string());
        VENDOR.failure(kind, &format!("the connection was closed before the end ({code})"))
    }
}

/// A message of the server.
#[derive(Deserialize, Default, Debug)]
#[serde(default)]
struct Message {
    #[serde(rename = "type")]
    kind: String,
    code: Option<String>,
    err_code: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flushes(messages: &[String]) -> usize {
        messages.iter().filter(|message| message.contains("Flush")).count()
    }

    #[test]
    fn a_reply_of_many_segments_stays_below_the_limit_of_flushes() {
        let mut reply = Reply::default();
        let sent: Vec<String> = (0..40).flat_map(|_| reply.text("One more. ")).collect();
        assert_eq!(flushes(&sent), FLUSHES);
        assert_eq!(flushes(&reply.end()), 1, "what was not flushed is at the end");
        let answer = Received::Text(r#"{"type":"Flushed","sequence_id":0}"#.into());
        let mut told = Vec::new();
        loop {
            let mut heard = Heard::default();
            reply.read(answer.clone(), &mut heard).unwrap();
            if let Some(Spoken::Texts(count)) = heard.spoken {
                told.push(count);
            }
            if heard.done {
                break;
            }
        }
        assert_eq!((told.len(), told.first(), told.last()), (FLUSHES + 1, Some(&1), Some(&40)));
    }

    #[test]
    fn a_long_text_goes_out_in_messages_the_vendor_takes() {
        let sent = Reply::default().text(&"größer ".repeat(700));
        assert_eq!(sent.len(), 4, "three texts and a flush");
    }
}
