//! A recogniser that speaks the protocol of sherpa-onnx's streaming server: `GET /sherpa`, which stands for its root.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State as Shared;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Message, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::get;
use serde_json::json;

use crate::audio::SampleRate;

use super::hearing::seconds;
use super::recogniser::{Options, Report};
use super::sound::Coding;
use super::state::State;
use super::streaming::{Dialect, Draft, End, Stream, serve};
use super::vosk::{bare_text, open_local};

/// Its path.
pub(super) fn routes() -> Router<Arc<State>> {
    Router::new().route("/sherpa", get(open))
}

async fn open(
    Shared(state): Shared<Arc<State>>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    match open_local(&state, upgrade).await {
        Ok((upgrade, session)) => serve(upgrade, session, Sherpa::default()),
        Err(refusal) => refusal,
    }
}

/// One stream: 32-bit floats of 16 kHz in, texts that grow within a segment out.
#[derive(Default)]
struct Sherpa {
    segment: u32,
    draft: Draft,
    /// Bytes of a float that is not complete yet.
    partial: Vec<u8>,
}

impl Sherpa {
    fn samples(&mut self, bytes: &[u8]) -> Vec<i16> {
        self.partial.extend_from_slice(bytes);
        let whole = self.partial.len() / 4 * 4;
        let rest = self.partial.split_off(whole);
        let bytes = std::mem::replace(&mut self.partial, rest);
        let float = |quad: &[u8]| quad.try_into().map_or(0.0, f32::from_le_bytes);
        // Integers taken for floats are next to nothing, or no number at all: nothing is heard of them.
        bytes.chunks_exact(4).map(|quad| (float(quad) * 32_767.0) as i16).collect()
    }
}

impl Dialect for Sherpa {
    fn open(&mut self, stream: &mut Stream) {
        let options = Options {
            rate: SampleRate::HZ_16000,
            interim_results: true,
            endpointing: Some(ENDPOINT),
            utterance_end: None,
            vad_events: false,
        };
        stream.begin(options, Coding::Pcm16);
    }

    fn take(&mut self, message: Message, stream: &mut Stream) -> Result<(), End> {
        match message {
            Message::Close(_) => Err(End::Left),
            Message::Binary(bytes) => {
                let samples = self.samples(&bytes);
                stream.hear_samples(&samples);
                Ok(())
            }
            Message::Text(text) if text.as_str() == "Done" => {
                stream.count("CloseStream");
                Err(End::Done)
            }
            Message::Text(_) => Err(End::Close(1003, "")),
            Message::Ping(_) | Message::Pong(_) => Ok(()),
        }
    }

    fn report(&mut self, report: &Report, stream: &mut Stream) {
        let Report::Results(results) = report else { return };
        self.draft.add(results);
        let words: Vec<_> = self.draft.words().cloned().collect();
        let text = bare_text(&words).to_uppercase();
        if results.is_final && !text.is_empty() {
            stream.session.note_text(&text);
        }
        let start = words.first().map_or(results.start, |word| word.start);
        let times: Vec<f64> = words.iter().map(|word| seconds(word.start.saturating_sub(start))).collect();
        stream.tell(&json!({
            "text": text, "tokens": text.split(' ').collect::<Vec<_>>(), "timestamps": times, "ys_probs": [],
            "lm_probs": [], "context_scores": [], "segment": self.segment, "words": [], "start_time": seconds(start),
            "is_final": results.is_final, "is_eof": false,
        }));
        if results.is_final {
            self.segment += 1;
            self.draft = Draft::default();
        }
    }

    fn farewell(&mut self, stream: &mut Stream) {
        stream.tell_text("Done!", false);
    }
}

/// The silence that ends a segment which holds words.
const ENDPOINT: Duration = Duration::from_millis(1_200);
