//! `/v2/listen` as the shared session speaks it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt, ready};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::client::Response;
use url::Url;

use crate::audio::SampleRate;
use crate::conversation::{Failure, Transcript, TranscriptKind};
use crate::provider::http::{self, Vendor};
use crate::provider::listening::{Coding, Dialect, Greeting, Habits, Heard, Idle, Route, Timeline, Unreadable};
use crate::provider::websocket::Dialer;
use crate::provider::{ProviderError, Secret, SttSpec};

use super::super::VENDOR;
use super::super::listen::refusal_codes;
use super::super::wire::CLOSE_STREAM;
use super::Service;
use super::wire::{Event, FORCE_END_TURN, FatalError, ServerMessage, TurnInfo};

/// One stream's `/v2/listen`.
pub(super) struct Turns {
    service: Arc<Service>,
    url: Url,
    rate: SampleRate,
    turn: Turn,
}

/// What is known of the present connection's turn.
#[derive(Default, Debug)]
struct Turn {
    /// All its words, as told last; empty: there is none.
    text: String,
    /// It may be over, and was said to be.
    is_eager: bool,
    /// Up to where the sound was transcribed.
    transcribed: Duration,
    question: Question,
}

/// Our wish to have the turn ended.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
enum Question {
    /// There is none.
    #[default]
    None,
    /// It waits until the sound up to there is transcribed: what came after would begin another turn.
    Waits(Duration),
    /// It was sent.
    Sent,
}

/// Silence at the end of the sound that need not be transcribed before a turn is ended: we ask because of it.
const SILENCE: Duration = Duration::from_millis(160);
/// How long before it is recognised a word may begin.
const ONSET: Duration = Duration::from_secs(2);

impl Turns {
    /// The protocol of a stream of `spec`.
    pub(super) fn new(service: Arc<Service>, spec: &SttSpec) -> Self {
        Self { url: service.address(spec), service, rate: spec.rate, turn: Turn::default() }
    }

    fn failed(&self, error: &FatalError) -> ProviderError {
        let codes: Vec<String> = http::code(&error.code).into_iter().collect();
        let kind = http::failure_named(&codes).unwrap_or(Failure::Unavailable);
        let shown = http::listed(&codes, &self.service.config.key).unwrap_or_else(|| "an error".to_owned());
        VENDOR.failure(kind, &format!("reported {shown}"))
    }
}

impl Dialect for Turns {
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
        Habits {
            // What it looks at at a time.
            least: Duration::from_millis(80),
            most: Duration::from_millis(160),
            greeting: Greeting::Told,
            // A turn that lacks its silence never ends.
            idle: Idle::Silence(Duration::from_millis(500)),
            ..Habits::easy(Coding::of(self.rate), self.rate)
        }
    }

    fn route(&mut self) -> BoxFuture<'static, Result<Route, ProviderError>> {
        let headers = self.service.authorization.iter().map(|key| ("authorization", key.clone())).collect();
        ready(Ok(Route { url: self.url.clone(), headers })).boxed()
    }

    fn opening(&mut self) -> Option<Message> {
        self.turn = Turn::default();
        None
    }

    fn finalize(&mut self, sent: Duration) -> Option<Message> {
        self.turn.question = Question::Waits(sent.saturating_sub(SILENCE));
        self.turn.ask()
    }

    fn farewell(&self) -> Option<Message> {
        Some(Message::text(CLOSE_STREAM))
    }

    fn read(&mut self, text: &str, timeline: &Timeline) -> Result<Vec<Heard>, Unreadable> {
        Ok(match serde_json::from_str(text)? {
            ServerMessage::Connected => vec![Heard::Ready],
            ServerMessage::TurnInfo(info) => self.turn.hear(&info, timeline),
            ServerMessage::Error(error) => vec![Heard::Failed(self.failed(&error))],
            ServerMessage::Other => Vec::new(),
        })
    }

    fn is_between_turns(&self) -> bool {
        self.turn.text.is_empty()
    }

    fn refusal_codes(&self, response: &Response) -> Vec<String> {
        refusal_codes(response)
    }
}

impl Turn {
    /// What the server says of it.
    fn hear(&mut self, info: &TurnInfo, timeline: &Timeline) -> Vec<Heard> {
        let window_end = Duration::try_from_secs_f64(info.audio_window_end).unwrap_or_default();
        self.transcribed = self.transcribed.max(window_end);
        let text = info.transcript.trim();
        let mut heard = Vec::new();
        let words = |kind| Heard::Words(transcript(kind, info, timeline));
        match info.event {
            Event::StartOfTurn | Event::Update if text.is_empty() => {
                if self.text.is_empty() {
                    heard.push(Heard::Settled(timeline.at(self.transcribed.saturating_sub(ONSET))));
                }
            }
            Event::StartOfTurn | Event::Update => {
                if self.text != text {
                    heard.push(words(TranscriptKind::Interim));
                }
                self.text = text.to_owned();
            }
            Event::EagerEndOfTurn => {
                (self.text, self.is_eager) = (text.to_owned(), true);
                heard.push(words(TranscriptKind::Eager));
            }
            Event::TurnResumed => {
                (self.text, self.is_eager) = (text.to_owned(), false);
                heard.push(words(TranscriptKind::Resumed));
            }
            Event::EndOfTurn => heard.extend(self.end(info, timeline)),
        }
        match self.question {
            Question::Waits(sent) if self.transcribed >= sent && self.text.is_empty() => {
                // There is no turn to be ended, and nobody would answer.
                self.question = Question::None;
                heard.push(Heard::Words(Transcript {
                    kind: TranscriptKind::Final,
                    text: String::new(),
                    confidence: 0.0,
                    audio_end: Some(timeline.at(self.transcribed)),
                }));
                heard.push(Heard::Answered);
            }
            Question::Waits(_) => heard.extend(self.ask().map(Heard::Send)),
            Question::None | Question::Sent => {}
        }
        heard
    }

    fn end(&mut self, info: &TurnInfo, timeline: &Timeline) -> [Heard; 3] {
        // We asked because we heard the pause ourselves: that the turn is over is no news then.
        let is_ours = match info.trigger.as_deref() {
            Some(trigger) => trigger == "manual",
            None => self.question == Question::Sent,
        };
        let kind = if is_ours { TranscriptKind::Final } else { TranscriptKind::EndOfTurn };
        let last = info.words.last().and_then(|word| timeline.seconds(word.end?));
        *self = Self { transcribed: self.transcribed, ..Self::default() };
        [
            Heard::Settled(last.unwrap_or_else(|| timeline.at(self.transcribed))),
            Heard::Words(transcript(kind, info, timeline)),
            Heard::Answered,
        ]
    }

    /// The wish, once it can be told.
    fn ask(&mut self) -> Option<Message> {
        let Question::Waits(sent) = self.question else { return None };
        if self.text.is_empty() || !(self.is_eager || self.transcribed >= sent) {
            return None;
        }
        self.question = Question::Sent;
        Some(Message::text(FORCE_END_TURN))
    }
}

fn transcript(kind: TranscriptKind, info: &TurnInfo, timeline: &Timeline) -> Transcript {
    let sum: f32 = info.words.iter().map(|word| word.confidence.clamp(0.0, 1.0)).sum();
    let end = info.words.last().and_then(|word| word.end).unwrap_or(info.audio_window_end);
    Transcript {
        kind,
        text: info.transcript.trim().to_owned(),
        confidence: sum / info.words.len().max(1) as f32,
        audio_end: timeline.seconds(end),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use TranscriptKind::{Eager, EndOfTurn, Final, Interim, Resumed};
    use serde_json::json;

    const MS: Duration = Duration::from_millis(1);

    fn info(event: &str, text: &str, end: f64, trigger: Option<&str>) -> TurnInfo {
        let words: Vec<_> = text.split(' ').filter(|word| !word.is_empty()).collect();
        let words: Vec<_> =
            words.iter().map(|word| json!({"word": word, "confidence": 0.5, "end": end - 0.2})).collect();
        let json = json!({"type": "TurnInfo", "event": event, "turn_index": 0, "audio_window_start": 0.0,
            "audio_window_end": end, "transcript": text, "words": words, "end_of_turn_confidence": 0.1, "trigger": trigger});
        match serde_json::from_value(json).unwrap() {
            ServerMessage::TurnInfo(info) => info,
            other => panic!("{other:?}"),
        }
    }

    fn told(heard: &[Heard]) -> Vec<(TranscriptKind, &str)> {
        let words = |heard: &'_ Heard| matches!(heard, Heard::Words(_));
        heard
            .iter()
            .filter(|&heard| words(heard))
            .map(|heard| match heard {
                Heard::Words(words) => (words.kind, words.text.as_str()),
                _ => (Final, "no words"),
            })
            .collect()
    }

    #[test]
    fn a_turn_is_told_whole_each_time_and_only_when_it_has_changed() {
        let (mut turn, timeline) = (Turn::default(), Timeline::new(10_000 * MS));
        let steps = [
            (info("Update", "", 0.25, None), vec![]),
            (info("StartOfTurn", "I would", 1.0, None), vec![(Interim, "I would")]),
            (info("Update", "I would", 1.25, None), vec![]),
            (info("EagerEndOfTurn", "I would", 1.5, None), vec![(Eager, "I would")]),
            (info("TurnResumed", "I would like", 1.75, None), vec![(Resumed, "I would like")]),
            (info("Update", "I would like tea", 2.0, None), vec![(Interim, "I would like tea")]),
            (info("EagerEndOfTurn", "I would like tea.", 2.25, None), vec![(Eager, "I would like tea.")]),
            (info("EndOfTurn", "I would like tea.", 2.5, Some("model")), vec![(EndOfTurn, "I would like tea.")]),
        ];
        for (info, expected) in steps {
            assert_eq!(told(&turn.hear(&info, &timeline)), expected, "{info:?}");
        }
        assert!(turn.text.is_empty(), "the turn is over");
    }

    #[test]
    fn a_turn_is_settled_at_its_last_word_and_times_count_the_call() {
        let (mut turn, timeline) = (Turn::default(), Timeline::new(10_000 * MS));
        turn.hear(&info("StartOfTurn", "tea", 1.0, None), &timeline);
        let heard = turn.hear(&info("EndOfTurn", "tea", 1.5, Some("timeout")), &timeline);
        assert_eq!(heard[0], Heard::Settled(11_300 * MS));
        let Heard::Words(words) = &heard[1] else { panic!("{heard:?}") };
        assert_eq!((words.audio_end, words.confidence), (Some(11_300 * MS), 0.5));
        // Silence is not worth keeping, but for the beginning of a word that is yet to be recognised.
        assert_eq!(turn.hear(&info("Update", "", 6.0, None), &timeline), [Heard::Settled(14_000 * MS)]);
    }

    #[test]
    fn a_turn_is_ended_when_the_sound_before_the_wish_has_been_transcribed() {
        let (mut turn, timeline) = (Turn::default(), Timeline::default());
        turn.hear(&info("StartOfTurn", "two", 1.0, None), &timeline);
        turn.question = Question::Waits(1_500 * MS);
        assert_eq!(turn.ask(), None);
        assert!(
            !turn.hear(&info("Update", "two", 1.25, None), &timeline).contains(&Heard::Send(FORCE_END_TURN.into()))
        );
        assert!(
            turn.hear(&info("Update", "two sugars", 1.5, None), &timeline)
                .contains(&Heard::Send(FORCE_END_TURN.into()))
        );
        assert_eq!(turn.hear(&info("Update", "two sugars", 1.75, None), &timeline), [], "once");
        let ended = turn.hear(&info("EndOfTurn", "two sugars", 1.8, Some("manual")), &timeline);
        assert_eq!(told(&ended), [(Final, "two sugars")]);
        assert!(ended.contains(&Heard::Answered));
    }

    #[test]
    fn a_wish_without_a_turn_is_answered_once_the_silence_is_certain() {
        let (mut turn, timeline) = (Turn::default(), Timeline::default());
        turn.question = Question::Waits(1_000 * MS);
        assert_eq!(told(&turn.hear(&info("Update", "", 0.75, None), &timeline)), []);
        let heard = turn.hear(&info("Update", "", 1.0, None), &timeline);
        assert_eq!(told(&heard), [(Final, "")]);
        assert!(heard.contains(&Heard::Answered));
        assert_eq!(turn.question, Question::None);
    }
}
