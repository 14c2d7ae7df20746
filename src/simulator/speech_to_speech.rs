//! A speech-to-speech model that speaks OpenAI's Realtime protocol: `GET /v1/realtime?model=…`, sound in and sound out.
//!
//! What it hears are the recogniser's lines, what it answers the model's script, and the voice is that of all simulators. A
//! response with an `input` of its own reads the last text of it aloud. A trouble of the recogniser befalls the connection,
//! one of the model a response.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use serde_json::{Value, json};

use crate::audio::{Codec, SampleRate};
use crate::conversation::Service;

use super::fault::Cut;
use super::hearing::READ;
use super::lines::Lines;
use super::recogniser::{Options, Recogniser, Report};
use super::script::{Answer, When};
use super::sound::{Coding, SoundFormat, SoundReader};
use super::spoken_answer::{Progress, SpokenAnswer};
use super::state::{Key, Session};

/// Serves an admitted session.
pub(super) fn serve(upgrade: WebSocketUpgrade, session: Session) -> Response {
    let upgrade = upgrade.protocols(["realtime"]).max_message_size(LARGEST_MESSAGE).read_buffer_size(READ);
    upgrade.on_upgrade(move |socket| Talk::new(session).serve(socket))
}

/// One open session.
struct Talk {
    session: Session,
    format: SoundFormat,
    out_format: SoundFormat,
    reader: SoundReader,
    recogniser: Recogniser,
    voice: String,
    /// Turns are ended here by silence, not only by the client.
    detects: bool,
    transcribes: bool,
    /// Samples since the last commit.
    uncommitted: usize,
    /// Items committed and not transcribed yet, the oldest first.
    open_items: VecDeque<String>,
    /// Words of lines told as they are said, heard before anybody asked.
    heard: String,
    items: Vec<Item>,
    answers: Vec<SpokenAnswer>,
    out: Vec<Value>,
    ids: u32,
    is_silent: bool,
}

/// One item of the conversation, as far as it matters here.
#[derive(Debug)]
struct Item {
    id: String,
    role: &'static str,
    text: String,
    sound: Duration,
}

impl Talk {
    fn new(session: Session) -> Self {
        let format = SoundFormat::OPENAI_PCM;
        let is_silent = session.trouble.is_blackhole();
        Self {
            recogniser: recogniser(&session, format.rate, None),
            session,
            format,
            out_format: format,
            reader: SoundReader::new(format.coding),
            voice: "alloy".to_owned(),
            detects: true,
            transcribes: false,
            uncommitted: 0,
            open_items: VecDeque::new(),
            heard: String::new(),
            items: Vec::new(),
            answers: Vec::new(),
            out: Vec::new(),
            ids: 0,
            is_silent,
        }
    }

    async fn serve(mut self, mut socket: WebSocket) {
        let state = Arc::clone(&self.session.state);
        let created = json!({"type": "session.created", "session": {"type": "realtime", "id": self.id("sess")}});
        self.out.push(created);
        let mut cut_due = self.session.trouble.cut_due();
        let mut sent = 0;
        loop {
            for mut event in std::mem::take(&mut self.out) {
                match self.session.trouble.cut_after(sent) {
                    Some(Cut::Drop) => return,
                    Some(Cut::Stall) => self.is_silent = true,
                    None => {}
                }
                if self.is_silent {
                    continue;
                }
                if let Some(fields) = event.as_object_mut() {
                    fields.insert("event_id".into(), self.id("event").into());
                }
                let text = if self.session.trouble.is_garbage() { "<html>".to_owned() } else { event.to_string() };
                sent += 1;
                if socket.send(Message::Text(text.into())).await.is_err() {
                    return self.leave();
                }
            }
            let due = self.answers.iter_mut().filter_map(SpokenAnswer::due).min();
            tokio::select! {
                message = socket.recv() => match message {
                    Some(Ok(Message::Text(text))) => self.take(&serde_json::from_str(&text).unwrap_or_default()),
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                    Some(Ok(Message::Binary(_))) => self.wrong("Binary messages are not part of this protocol.", None, &Value::Null),
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return self.leave(),
                },
                () = state.alarm.until_some(self.recogniser.poll_timeout()) => {
                    self.recogniser.handle_timeout(Instant::now());
                    self.listen();
                }
                () = state.alarm.until_some(due) => if self.speak() { return },
                () = state.alarm.until_some(cut_due.map(|(at, _)| at)) => match cut_due.take() {
                    Some((_, Cut::Drop)) => return,
                    _ => self.is_silent = true,
                },
                () = state.stopped() => return,
            }
        }
    }

    /// The client has left: this protocol has no other end.
    fn leave(mut self) {
        self.session.complete();
    }

    /// Goes on with the responses that are due; `true`: the connection is to be dropped.
    fn speak(&mut self) -> bool {
        let now = Instant::now();
        let (mut ended, mut drop) = (Vec::new(), false);
        for (n, answer) in self.answers.iter_mut().enumerate() {
            if answer.due().is_none_or(|due| due > now) {
                continue;
            }
            match answer.go_on(&mut self.out) {
                Progress::More => {}
                Progress::Done => ended.push(n),
                Progress::Cut(Cut::Drop) => drop = true,
                Progress::Cut(Cut::Stall) => self.is_silent = true,
            }
        }
        for n in ended.into_iter().rev() {
            let answer = self.answers.remove(n);
            self.keep(&answer);
        }
        drop
    }

    fn keep(&mut self, answer: &SpokenAnswer) {
        if answer.is_part {
            let item = Item {
                id: answer.item.clone(),
                role: "assistant",
                text: answer.transcript.clone(),
                sound: answer.sound,
            };
            self.items.push(item);
        }
    }

    fn id(&mut self, kind: &str) -> String {
        self.ids += 1;
        format!("{kind}_{:06}", self.ids)
    }

    fn wrong(&mut self, message: &str, code: Option<&str>, event: &Value) {
        let id = event.get("event_id").cloned().unwrap_or_default();
        let error =
            json!({"type": "invalid_request_error", "code": code, "message": message, "param": null, "event_id": id});
        self.out.push(json!({"type": "error", "error": error}));
    }

    /// Takes a message of the client.
    fn take(&mut self, event: &Value) {
        let text = |path: &str| event.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
        match event.get("type").and_then(Value::as_str).unwrap_or_default() {
            "session.update" => self.update(event),
            "input_audio_buffer.append" => match base64_simd::STANDARD.decode_to_vec(text("/audio")) {
                Ok(bytes) => self.hear(&bytes),
                Err(_) => self.wrong("The audio is not base64.", Some("invalid_value"), event),
            },
            "input_audio_buffer.commit" if self.uncommitted < self.format.rate.samples_in(LEAST_COMMIT) => {
                let message = "Error committing input audio buffer: buffer too small.";
                self.wrong(message, Some("input_audio_buffer_commit_empty"), event);
            }
            "input_audio_buffer.commit" => {
                self.note("Commit");
                self.commit();
                self.recogniser.finalize(Instant::now());
                match std::mem::take(&mut self.heard) {
                    text if text.is_empty() => self.listen(),
                    text => {
                        if let Some(id) = self.open_items.pop_front() {
                            self.transcribed(&id, text);
                        }
                    }
                }
            }
            "input_audio_buffer.clear" => {
                self.uncommitted = 0;
                self.out.push(json!({"type": "input_audio_buffer.cleared"}));
            }
            "conversation.item.create" => self.create(event),
            "conversation.item.truncate" => self.truncate(event),
            "conversation.item.delete" => {
                self.note("Delete");
                let id = text("/item_id");
                self.items.retain(|item| item.id != id);
                self.out.push(json!({"type": "conversation.item.deleted", "item_id": id}));
            }
            "response.create" => self.respond(event),
            "response.cancel" => self.cancel(event),
            _ => self.wrong("The type of the event is not known.", Some("invalid_value"), event),
        }
    }

    fn note(&self, kind: &'static str) {
        self.session.state.note(Service::Stt, |log| *log.messages.entry(kind).or_default() += 1);
    }

    fn update(&mut self, event: &Value) {
        let at = |path: &str| event.pointer(path);
        if at("/session/type").and_then(Value::as_str) != Some("realtime") {
            return self.wrong(
                "Missing required parameter: 'session.type'.",
                Some("missing_required_parameter"),
                event,
            );
        }
        let format = |value: &Value| match (value.get("type")?.as_str()?, value.get("rate").and_then(Value::as_u64)) {
            ("audio/pcmu", _) => Some(SoundFormat { coding: Coding::G711(Codec::Pcmu), rate: SampleRate::HZ_8000 }),
            ("audio/pcma", _) => Some(SoundFormat { coding: Coding::G711(Codec::Pcma), rate: SampleRate::HZ_8000 }),
            ("audio/pcm", None | Some(24_000)) => Some(SoundFormat::OPENAI_PCM),
            _ => None,
        };
        let formats = ["/session/audio/input/format", "/session/audio/output/format"].map(|path| at(path).map(format));
        if formats.contains(&Some(None)) {
            return self.wrong("Invalid value for a format.", Some("invalid_value"), event);
        }
        let [input, output] = formats.map(Option::flatten);
        if let Some(voice) = at("/session/audio/output/voice").and_then(Value::as_str) {
            self.voice = voice.chars().take(64).collect();
        }
        self.out_format = output.unwrap_or(self.out_format);
        self.transcribes |= at("/session/audio/input/transcription").is_some_and(Value::is_object);
        let detection = at("/session/audio/input/turn_detection");
        self.detects = detection.map_or(self.detects, |detection| !detection.is_null());
        let silence = detection.and_then(|d| d.get("silence_duration_ms")).and_then(Value::as_u64).unwrap_or(500);
        if input.is_none() && detection.is_none() {
            // It goes on hearing as it did.
            return self.out.push(json!({"type": "session.updated", "session": event.get("session")}));
        }
        self.format = input.unwrap_or(self.format);
        self.reader = SoundReader::new(self.format.coding);
        self.recogniser =
            recogniser(&self.session, self.format.rate, self.detects.then(|| Duration::from_millis(silence)));
        self.out.push(json!({"type": "session.updated", "session": event.get("session")}));
    }

    fn hear(&mut self, bytes: &[u8]) {
        self.note("Audio");
        let samples = self.reader.read(bytes);
        self.uncommitted += samples.len();
        if !self.is_silent {
            self.recogniser.hear(&samples, Instant::now());
            self.listen();
        }
    }

    /// Tells what was heard.
    fn listen(&mut self) {
        while let Some(report) = self.recogniser.poll_report() {
            match report {
                Report::SpeechStarted(at) if self.detects => {
                    let at = u64::try_from(at.as_millis()).unwrap_or(u64::MAX);
                    self.out.push(json!({"type": "input_audio_buffer.speech_started", "audio_start_ms": at}));
                }
                Report::Results(results) if results.is_final => {
                    let words: Vec<_> = results.words.iter().map(|word| word.text.as_str()).collect();
                    let text = words.join(" ");
                    if !results.from_finalize && !self.detects && self.open_items.is_empty() {
                        // Nobody has asked yet.
                        self.heard = [std::mem::take(&mut self.heard), text].join(" ").trim().to_owned();
                        continue;
                    }
                    if !results.from_finalize && self.detects {
                        if text.is_empty() {
                            continue;
                        }
                        let end = u64::try_from((results.start + results.duration).as_millis()).unwrap_or(u64::MAX);
                        self.out.push(json!({"type": "input_audio_buffer.speech_stopped", "audio_end_ms": end}));
                        self.commit();
                    }
                    if let Some(id) = self.open_items.pop_front() {
                        self.transcribed(&id, text);
                    }
                }
                _ => {}
            }
        }
    }

    fn commit(&mut self) {
        self.uncommitted = 0;
        let id = self.id("item");
        let before = self.items.last().map(|item| item.id.clone());
        self.out.push(json!({"type": "input_audio_buffer.committed", "item_id": id, "previous_item_id": before}));
        let item = json!({"id": id, "type": "message", "role": "user", "content": [{"type": "input_audio", "transcript": null}]});
        self.out.push(json!({"type": "conversation.item.added", "previous_item_id": before, "item": item}));
        self.items.push(Item { id: id.clone(), role: "user", text: String::new(), sound: Duration::ZERO });
        self.open_items.push_back(id);
    }

    fn transcribed(&mut self, id: &str, text: String) {
        if !text.is_empty() {
            self.session.note_text(&text);
        }
        if self.transcribes {
            let event = |kind: &str, name: &str| json!({"type": format!("conversation.item.input_audio_transcription.{kind}"), "item_id": id, "content_index": 0, name: text});
            let usage = json!({"type": "tokens", "total_tokens": text.split_whitespace().count()});
            if !text.is_empty() {
                self.out.push(event("delta", "delta"));
            }
            let mut completed = event("completed", "transcript");
            completed["usage"] = usage;
            self.out.push(completed);
        }
        if let Some(item) = self.items.iter_mut().find(|item| item.id == id) {
            item.text = text;
        }
    }

    fn create(&mut self, event: &Value) {
        self.note("Create");
        let item = event.get("item").cloned().unwrap_or_default();
        let field = |name: &str| item.get(name).and_then(Value::as_str).unwrap_or_default();
        let role = match (field("type"), field("role")) {
            ("function_call_output", _) if !field("call_id").is_empty() => "tool",
            ("message", "user") => "user",
            ("message", "assistant") => "assistant",
            ("message", "system") => "system",
            _ => return self.wrong("Invalid item.", Some("invalid_value"), event),
        };
        let wanted = if role == "assistant" { "output_text" } else { "input_text" };
        let parts = item.get("content").and_then(Value::as_array).cloned().unwrap_or_default();
        if role != "tool" && parts.iter().any(|part| part.get("type").and_then(Value::as_str) != Some(wanted)) {
            return self.wrong("Invalid content of an item.", Some("invalid_value"), event);
        }
        let text = parts.iter().filter_map(|part| part.get("text")?.as_str()).collect::<Vec<_>>().join(" ");
        let text = if role == "tool" { field("output").to_owned() } else { text };
        let id = if field("id").is_empty() { self.id("item") } else { field("id").to_owned() };
        let place = match event.get("previous_item_id").and_then(Value::as_str) {
            None => self.items.len(),
            Some("root") => 0,
            Some(before) => match self.items.iter().position(|item| item.id == before) {
                Some(at) => at + 1,
                None => return self.wrong("The previous item does not exist.", Some("item_not_found"), event),
            },
        };
        let mut told = item;
        told["id"] = id.as_str().into();
        self.out.push(json!({"type": "conversation.item.added", "item": told}));
        self.items.insert(place, Item { id, role, text, sound: Duration::ZERO });
    }

    fn truncate(&mut self, event: &Value) {
        self.note("Truncate");
        let id = event.get("item_id").and_then(Value::as_str).unwrap_or_default();
        let end = event.get("audio_end_ms").and_then(Value::as_u64).map(Duration::from_millis);
        let item = self.items.iter_mut().find(|item| item.id == id && item.role == "assistant");
        match (item, end) {
            (Some(item), Some(end)) if end <= item.sound => {
                let share = end.as_secs_f64() / item.sound.as_secs_f64().max(0.001);
                let keep = (item.text.chars().count() as f64 * share) as usize;
                item.text = item.text.chars().take(keep).collect();
                item.sound = end;
                let end = u64::try_from(end.as_millis()).unwrap_or(u64::MAX);
                self.out.push(json!({"type": "conversation.item.truncated", "item_id": id, "content_index": 0, "audio_end_ms": end}));
            }
            (Some(_), _) => self.wrong("Audio content is already shorter than that.", Some("invalid_value"), event),
            (None, _) => self.wrong("The item does not exist.", Some("item_truncate_invalid_item_id"), event),
        }
    }

    fn respond(&mut self, event: &Value) {
        let asked = event.get("response").cloned().unwrap_or_default();
        let is_part = asked.get("conversation").and_then(Value::as_str) != Some("none");
        if is_part && self.answers.iter().any(|answer| answer.is_part) {
            let message = "Conversation already has an active response in progress.";
            return self.wrong(message, Some("conversation_already_has_active_response"), event);
        }
        let state = Arc::clone(&self.session.state);
        let Ok(session) = state.admit(Service::Llm, Key::Later) else {
            let error = json!({"type": "server_error", "code": null, "message": "The server had an error.", "event_id": event.get("event_id")});
            return self.out.push(json!({"type": "error", "error": error}));
        };
        let input = asked.get("input").and_then(Value::as_array);
        let answer = match input.and_then(|input| input.last()?.pointer("/content/0/text")?.as_str()) {
            Some(text) => Answer::new(When::Turn(0), text),
            None => self.answer(),
        };
        session.note_text(if is_part { self.last("user") } else { &answer.text });
        let read = self.items.iter().map(|item| item.text.split_whitespace().count() + 3).sum();
        let ids = (self.id("resp"), self.id("item"));
        let metadata = asked.get("metadata").cloned().unwrap_or_default();
        let number = state.voice_number();
        let speech = state.speech(&answer.text, &self.voice, 1.0, self.out_format.rate, number);
        let first = answer.first_token.unwrap_or(state.config.model.first_token);
        let answer =
            SpokenAnswer::new(session, &answer, ids, (metadata, is_part), speech, self.out_format, first, read);
        self.out.push(answer.created());
        self.answers.push(answer);
    }

    /// What the script answers to the conversation as it stands.
    fn answer(&self) -> Answer {
        let turns = self.items.windows(2).filter(|pair| pair[0].role != "user" && pair[1].role == "user").count();
        let turn = turns + usize::from(self.items.first().is_some_and(|item| item.role == "user"));
        let result = self.items.last().filter(|item| item.role == "tool").map(|item| item.text.as_str());
        self.session.state.config.model.script.choose(turn, turn, self.last("user"), result)
    }

    fn last(&self, role: &str) -> &str {
        self.items.iter().rev().find(|item| item.role == role).map_or("", |item| item.text.as_str())
    }

    fn cancel(&mut self, event: &Value) {
        self.note("Cancel");
        let wanted = event.get("response_id").and_then(Value::as_str);
        let found = self.answers.iter().position(|a| wanted.map_or(a.is_part, |wanted| a.id == wanted));
        match found {
            Some(n) => {
                let answer = self.answers.remove(n).cancel(&mut self.out);
                self.keep(&answer);
            }
            None => {
                self.wrong("Cancellation failed: no active response found.", Some("response_cancel_not_active"), event)
            }
        }
    }
}

fn recogniser(session: &Session, rate: SampleRate, silence: Option<Duration>) -> Recogniser {
    let mut config = session.state.config.recogniser.clone();
    config.final_delay += session.trouble.delay();
    config.finalize_delay += session.trouble.delay();
    let lines =
        if config.script.shared { session.state.lines.clone() } else { Lines::new(Arc::new(config.script.clone())) };
    let endpointing = silence.or((!config.script.prompted).then_some(NEVER));
    let options = Options { rate, interim_results: false, endpointing, utterance_end: None, vad_events: true };
    Recogniser::new(options, config, lines)
}

/// A message holds at most this much.
const LARGEST_MESSAGE: usize = 1 << 20;
/// Less sound than this cannot be committed.
const LEAST_COMMIT: Duration = Duration::from_millis(100);
/// The silence that ends an utterance where only the client ends them.
const NEVER: Duration = Duration::from_secs(3_600);
