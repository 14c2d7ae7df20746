//! Turn messages to transcripts.

use std::time::Duration;

use crate::conversation::{Transcript, TranscriptKind};
use crate::provider::listening::{Heard, Timeline};

use super::wire::Turn;

/// What is known of the turns of the present connection.
///
/// A turn that is formatted ends twice: first with its plain words, then with the formatted ones. The first is told as an
/// eager end, so that thinking may begin; the second is the end. Should it stay away, the next turn brings it.
#[derive(Default, Debug)]
pub(super) struct Turns {
    /// Whether ends come twice.
    formats: bool,
    /// The number of the last turn that has been told to its end.
    ended: Option<u64>,
    /// Its words as told last; empty: there is none.
    text: String,
    /// It may be over, and was said to be.
    is_eager: bool,
    /// The plain words of a turn whose formatted ones are to come.
    plain: Option<Ended>,
    /// We have asked for the end of the turn after so much sound sent over the connection.
    pub(super) asked: Option<Duration>,
}

/// The last words of a turn.
#[derive(Clone, PartialEq, Debug)]
struct Ended {
    order: u64,
    words: Transcript,
    /// Where they end, in the connection's sound.
    until: Duration,
}

impl Turns {
    /// Those of a new connection.
    pub(super) fn new(formats: bool) -> Self {
        Self { formats, ..Self::default() }
    }

    /// Whether no turn is open.
    pub(super) fn is_between(&self) -> bool {
        self.text.is_empty() && self.plain.is_none()
    }

    /// What the server says of a turn.
    pub(super) fn hear(&mut self, turn: &Turn, timeline: &Timeline) -> Vec<Heard> {
        let mut heard = Vec::new();
        if let Some(plain) = self.plain.take_if(|plain| plain.order != turn.turn_order) {
            heard.extend(self.end(plain));
        }
        if self.ended.is_some_and(|ended| turn.turn_order <= ended) {
            return heard;
        }
        let words = transcript(turn, timeline);
        let until = Duration::from_millis(turn.words.last().map_or(0, |word| word.end));
        if turn.end_of_turn && (turn.turn_is_formatted || !self.formats) {
            heard.extend(self.end(Ended { order: turn.turn_order, words, until }));
        } else if turn.end_of_turn {
            let eager = Transcript { kind: TranscriptKind::Eager, ..words.clone() };
            self.plain = Some(Ended { order: turn.turn_order, words, until });
            if !eager.text.is_empty() {
                (self.text, self.is_eager) = (eager.text.clone(), true);
                heard.push(Heard::Words(eager));
            }
        } else if !turn.utterance.is_empty() && !self.is_eager {
            (self.text, self.is_eager) = (words.text.clone(), true);
            heard.push(Heard::Words(Transcript { kind: TranscriptKind::Eager, ..words }));
        } else if self.text != words.text && !words.text.is_empty() {
            let kind =
                if std::mem::take(&mut self.is_eager) { TranscriptKind::Resumed } else { TranscriptKind::Interim };
            self.text = words.text.clone();
            heard.push(Heard::Words(Transcript { kind, ..words }));
        }
        heard
    }

    /// A turn is over.
    fn end(&mut self, ended: Ended) -> Vec<Heard> {
        // We asked because we heard the pause ourselves: that the turn is over is no news then. Words from after the
        // question are of a turn that has ended by itself.
        let is_ours = self.asked.is_some_and(|asked| ended.until <= asked);
        let is_news = is_ours || !ended.words.text.is_empty() || !self.text.is_empty();
        *self = Self { ended: Some(ended.order), ..Self::new(self.formats) };
        let mut heard: Vec<Heard> = ended.words.audio_end.map(Heard::Settled).into_iter().collect();
        if is_news {
            let kind = if is_ours { TranscriptKind::Final } else { TranscriptKind::EndOfTurn };
            heard.extend([Heard::Words(Transcript { kind, ..ended.words }), Heard::Answered]);
        }
        heard
    }
}

/// All words of a turn. While it lasts, those that may still change are only in the list.
fn transcript(turn: &Turn, timeline: &Timeline) -> Transcript {
    let sum: f32 = turn.words.iter().map(|word| word.confidence.clamp(0.0, 1.0)).sum();
    let listed: Vec<&str> = turn.words.iter().map(|word| word.text.trim()).filter(|word| !word.is_empty()).collect();
    let text = if turn.end_of_turn || listed.is_empty() { turn.transcript.trim().to_owned() } else { listed.join(" ") };
    Transcript {
        kind: TranscriptKind::Interim,
        text,
        confidence: sum / turn.words.len().max(1) as f32,
        audio_end: turn.words.last().map(|word| timeline.at(Duration::from_millis(word.end))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::wire::ServerMessage;
    use super::*;
    use TranscriptKind::{Eager, EndOfTurn, Final, Interim, Resumed};
    use serde_json::json;

    /// A turn message: the words before `|` are in the transcript, all are in the list.
    fn turn(order: u64, text: &str, flags: &str) -> Turn {
        let (done, rest) = text.split_once('|').unwrap_or((text, ""));
        let words = done.split_whitespace().chain(rest.split_whitespace());
        let words: Vec<_> = words
            .enumerate()
            .map(|(n, word)| json!({"text": word, "confidence": 0.5, "start": 100 * n, "end": 100 * n + 90}))
            .collect();
        let utterance = if flags.contains('u') { done.trim() } else { "" };
        let json = json!({"type": "Turn", "turn_order": order, "turn_is_formatted": flags.contains('f'),
            "end_of_turn": flags.contains('e'), "transcript": done.trim(), "end_of_turn_confidence": 0.1, "words": words,
            "utterance": utterance});
        match serde_json::from_value(json).unwrap() {
            ServerMessage::Turn(turn) => turn,
            other => panic!("{other:?}"),
        }
    }

    fn told(heard: &[Heard]) -> Vec<(TranscriptKind, String)> {
        heard
            .iter()
            .filter_map(|heard| match heard {
                Heard::Words(words) => Some((words.kind, words.text.clone())),
                _ => None,
            })
            .collect()
    }

    fn run(turns: &mut Turns, steps: &[(Turn, &[(TranscriptKind, &str)])]) {
        for (turn, expected) in steps {
            let expected: Vec<_> = expected.iter().map(|(kind, text)| (*kind, (*text).to_owned())).collect();
            assert_eq!(told(&turns.hear(turn, &Timeline::default())), expected, "{turn:?}");
        }
    }

    #[test]
    fn a_formatted_turn_ends_twice_and_is_told_once() {
        let mut turns = Turns::new(true);
        run(
            &mut turns,
            &[
                (turn(0, "|hi", ""), &[(Interim, "hi")]),
                (turn(0, "hi |my", ""), &[(Interim, "hi my")]),
                (turn(0, "hi |my", ""), &[]),
                (turn(0, "hi my name", "eu"), &[(Eager, "hi my name")]),
                (turn(0, "Hi, my name.", "ef"), &[(EndOfTurn, "Hi, my name.")]),
                (turn(0, "Hi, my name.", "ef"), &[]),
                (turn(1, "|yes", ""), &[(Interim, "yes")]),
            ],
        );
        assert!(!turns.is_between());
    }

    #[test]
    fn a_turn_whose_formatted_words_stay_away_ends_with_the_next() {
        let mut turns = Turns::new(true);
        run(
            &mut turns,
            &[
                (turn(0, "two", "e"), &[(Eager, "two")]),
                (turn(1, "|sugars", ""), &[(EndOfTurn, "two"), (Interim, "sugars")]),
                (turn(0, "Two.", "ef"), &[]),
            ],
        );
    }

    #[test]
    fn a_pause_within_a_turn_is_an_eager_end_that_may_be_taken_back() {
        let mut turns = Turns::new(false);
        run(
            &mut turns,
            &[
                (turn(0, "I would", "u"), &[(Eager, "I would")]),
                (turn(0, "I would |like", ""), &[(Resumed, "I would like")]),
                (turn(0, "I would like tea", "e"), &[(EndOfTurn, "I would like tea")]),
            ],
        );
    }

    #[test]
    fn an_end_we_asked_for_is_told_even_without_words_and_ends_no_turn() {
        let mut turns = Turns::new(true);
        turns.asked = Some(Duration::from_millis(500));
        run(&mut turns, &[(turn(0, "tea", "e"), &[(Eager, "tea")]), (turn(0, "Tea.", "ef"), &[(Final, "Tea.")])]);
        run(&mut turns, &[(turn(1, "", "ef"), &[])]);
        turns.asked = Some(Duration::from_millis(500));
        let heard = turns.hear(&turn(2, "", "ef"), &Timeline::default());
        assert_eq!(told(&heard), [(Final, String::new())]);
        assert!(heard.contains(&Heard::Answered));
        turns.asked = Some(Duration::from_millis(100));
        run(&mut turns, &[(turn(3, "One more.", "ef"), &[(EndOfTurn, "One more.")])]);
    }

    #[test]
    fn a_turn_is_settled_at_its_last_word() {
        let timeline = Timeline::new(Duration::from_secs(60));
        let heard = Turns::new(false).hear(&turn(0, "tea please", "e"), &timeline);
        assert_eq!(heard[0], Heard::Settled(Duration::from_millis(60_190)));
    }
}
