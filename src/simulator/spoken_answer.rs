//! One response of a speech-to-speech model on its way: words and sound side by side.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::fault::Cut;
use super::script::Answer;
use super::sound::SoundFormat;
use super::state::{Session, faster};
use super::voice::{Piece, Speech};

/// A response being given.
pub(super) struct SpokenAnswer {
    pub(super) id: String,
    pub(super) item: String,
    /// It belongs to the conversation; otherwise it is given beside it.
    pub(super) is_part: bool,
    metadata: Value,
    session: Session,
    speech: Option<Speech>,
    calls: Vec<(String, String, String)>,
    next: Option<Piece>,
    began: Instant,
    speed: f64,
    format: SoundFormat,
    /// What has been given so far.
    pub(super) transcript: String,
    pub(super) sound: Duration,
    pieces: u32,
    read: usize,
}

/// What became of a response that was asked to go on.
pub(super) enum Progress {
    /// It goes on.
    More,
    /// It is complete.
    Done,
    /// Its trouble has come.
    Cut(Cut),
}

impl SpokenAnswer {
    /// `answer`, to be spoken. `read`: how many words the model has read.
    #[expect(clippy::too_many_arguments, reason = "a response is made in one place")]
    pub(super) fn new(
        session: Session,
        answer: &Answer,
        (id, item): (String, String),
        (metadata, is_part): (Value, bool),
        speech: Speech,
        format: SoundFormat,
        first: Duration,
        read: usize,
    ) -> Self {
        let calls = answer.tool_calls.iter().enumerate();
        let calls = calls.map(|(n, call)| (format!("call_{id}_{n}"), call.name.clone(), call.arguments.clone()));
        Self {
            began: session.at + first + session.trouble.delay(),
            speed: session.state.config.voice.speed_over_real_time,
            speech: (!answer.text.is_empty()).then_some(speech),
            calls: calls.collect(),
            id,
            item,
            is_part,
            metadata,
            session,
            next: None,
            format,
            transcript: String::new(),
            sound: Duration::ZERO,
            pieces: 0,
            read,
        }
    }

    /// The event that says it has begun.
    pub(super) fn created(&self) -> Value {
        json!({"type": "response.created", "response": self.head("in_progress", Value::Null, &json!([]))})
    }

    /// When the next of it is due, or its trouble.
    pub(super) fn due(&mut self) -> Option<Instant> {
        if self.session.trouble.is_blackhole() {
            return None;
        }
        if self.next.is_none() {
            let length = if self.pieces == 0 { FIRST_PIECE_MS } else { PIECE_MS };
            self.next = self.speech.as_mut().and_then(|speech| speech.next_piece(length));
        }
        let due = self.began + self.next.as_ref().map_or(Duration::ZERO, |piece| faster(piece.start_ms, self.speed));
        Some(self.session.trouble.cut_due().map_or(due, |(at, _)| at.min(due)))
    }

    /// Gives what is due.
    pub(super) fn go_on(&mut self, out: &mut Vec<Value>) -> Progress {
        let trouble = &self.session.trouble;
        let by_clock = trouble.cut_due().filter(|(at, _)| *at <= Instant::now()).map(|(_, cut)| cut);
        if let Some(cut) = by_clock.or(trouble.cut_after(self.pieces)) {
            return Progress::Cut(cut);
        }
        if trouble.is_garbage() {
            out.push(Value::from("this is not the protocol"));
            return Progress::Cut(Cut::Stall);
        }
        let Some(piece) = self.next.take() else {
            self.end(out);
            return Progress::Done;
        };
        if self.pieces == 0 {
            let item = json!({"id": self.item, "type": "message", "role": "assistant", "status": "in_progress", "content": []});
            out.push(
                json!({"type": "response.output_item.added", "response_id": self.id, "output_index": 0, "item": item}),
            );
        }
        self.pieces += 1;
        self.sound += self.format.rate.duration_of(piece.samples.len());
        let words: String = piece.chars.iter().map(|char| char.letter).collect();
        self.transcript.push_str(&words);
        let sound = base64_simd::STANDARD.encode_to_string(self.format.encode(&piece.samples));
        out.push(self.part("response.output_audio_transcript.delta", "delta", &words));
        out.push(self.part("response.output_audio.delta", "delta", &sound));
        Progress::More
    }

    /// It was asked to stop.
    pub(super) fn cancel(mut self, out: &mut Vec<Value>) -> Self {
        let details = json!({"type": "cancelled", "reason": "client_cancelled"});
        out.push(
            json!({"type": "response.done", "response": self.head("cancelled", details, &self.output("incomplete"))}),
        );
        self.session.complete();
        self
    }

    fn end(&mut self, out: &mut Vec<Value>) {
        if self.pieces > 0 {
            out.push(self.part("response.output_audio.done", "", ""));
            out.push(self.part("response.output_audio_transcript.done", "transcript", &self.transcript));
        }
        for (index, (id, name, arguments)) in (usize::from(self.pieces > 0)..).zip(&self.calls) {
            let item = json!({"id": format!("item_{id}"), "type": "function_call", "call_id": id, "name": name, "arguments": arguments});
            let common = |kind: &str| json!({"type": kind, "response_id": self.id, "output_index": index, "item_id": item["id"]});
            let mut added = common("response.output_item.added");
            added["item"] = item.clone();
            let mut done = common("response.function_call_arguments.done");
            (done["call_id"], done["name"], done["arguments"]) =
                (id.as_str().into(), name.as_str().into(), arguments.as_str().into());
            out.extend([added, done]);
        }
        let response = self.head("completed", Value::Null, &self.output("completed"));
        out.push(json!({"type": "response.done", "response": response}));
        self.session.complete();
    }

    fn output(&self, status: &str) -> Value {
        let content = json!([{"type": "output_audio", "transcript": self.transcript}]);
        json!([{"id": self.item, "type": "message", "role": "assistant", "status": status, "content": content}])
    }

    fn head(&self, status: &str, details: Value, output: &Value) -> Value {
        let written = self.transcript.split_whitespace().count() + 10 * self.calls.len();
        let usage = json!({"input_tokens": self.read, "output_tokens": written, "total_tokens": self.read + written});
        json!({
            "id": self.id, "object": "realtime.response", "status": status, "status_details": details, "output": output,
            "metadata": self.metadata, "usage": if status == "in_progress" { Value::Null } else { usage },
        })
    }

    fn part(&self, kind: &str, name: &str, value: &str) -> Value {
        let mut event = json!({
            "type": kind, "response_id": self.id, "item_id": self.item, "output_index": 0, "content_index": 0,
        });
        if !name.is_empty() {
            event[name] = value.into();
        }
        event
    }
}

/// What is given at a time, in milliseconds of sound; the first of it comes sooner.
const FIRST_PIECE_MS: u32 = 100;
const PIECE_MS: u32 = 250;
