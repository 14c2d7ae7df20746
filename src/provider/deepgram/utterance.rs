//! Results to transcripts.

use std::time::Duration;

use crate::conversation::{Transcript, TranscriptKind};

use super::wire::{Results, UtteranceEnd};

/// Turns the results of one connection after another into transcripts.
///
/// The pieces of an utterance follow one another: a [`Final`](TranscriptKind::Final) carries only the words frozen by
/// it, an [`Interim`](TranscriptKind::Interim) only the words after the last final, an
/// [`EndOfTurn`](TranscriptKind::EndOfTurn) only the words frozen together with it, often none. So at any moment the
/// utterance is all finals since the last end of turn, then the last interim; its end is those finals and the end of
/// turn's own text.
#[derive(Clone, Default, Debug)]
pub(super) struct Utterance {
    /// Where the sound of this connection begins, in sound of the call.
    base: Duration,
    /// Whether words were frozen since the last end of turn.
    has_final: bool,
    /// How sure the last frozen words were.
    confidence: f32,
    /// Where they end.
    last_word_end: Option<Duration>,
}

impl Utterance {
    /// A new connection's sound begins at `base`. The utterance goes on.
    pub(super) fn rebase(&mut self, base: Duration) {
        self.base = base;
    }

    /// Where a settled stretch of sound ends, in sound of the call; `None` while nothing is settled by `results`.
    pub(super) fn settled_until(&self, results: &Results) -> Option<Duration> {
        results.is_final.then(|| self.at(results.start + results.duration)).flatten()
    }

    /// The transcript that `results` amount to, if any.
    ///
    /// An answer to `Finalize` gives a final even without words, so that nobody waits for words that will not come.
    pub(super) fn results(&mut self, results: &Results) -> Option<Transcript> {
        let best = results.channel.alternatives.first();
        let text = best.map_or("", |best| best.transcript.trim());
        let word_end =
            best.and_then(|best| best.words.last()).map_or(results.start + results.duration, |word| word.end);
        let audio_end = self.at(word_end);
        let confidence = best.map_or(0.0, |best| best.confidence.clamp(0.0, 1.0));
        if !results.is_final {
            return (!text.is_empty()).then(|| transcript(TranscriptKind::Interim, text, confidence, audio_end));
        }
        if !text.is_empty() {
            self.has_final = true;
            self.confidence = confidence;
            self.last_word_end = audio_end;
        }
        if results.from_finalize {
            // We asked because we heard the pause ourselves: that it is over now is no news, and no gap need be told.
            self.has_final = false;
            return Some(transcript(TranscriptKind::Final, text, confidence, audio_end));
        }
        if results.speech_final && self.has_final {
            let (confidence, audio_end) = (self.confidence, self.last_word_end);
            self.has_final = false;
            return Some(transcript(TranscriptKind::EndOfTurn, text, confidence, audio_end));
        }
        (!text.is_empty()).then(|| transcript(TranscriptKind::Final, text, confidence, audio_end))
    }

    /// The end of turn that a gap between words amounts to; `None` when the turn has ended already.
    pub(super) fn utterance_end(&mut self, end: &UtteranceEnd) -> Option<Transcript> {
        if !std::mem::take(&mut self.has_final) {
            return None;
        }
        let told = end.last_word_end.filter(|&seconds| seconds >= 0.0).and_then(|seconds| self.at(seconds));
        Some(transcript(TranscriptKind::EndOfTurn, "", self.confidence, told.or(self.last_word_end)))
    }

    fn at(&self, seconds: f64) -> Option<Duration> {
        Duration::try_from_secs_f64(seconds).ok().and_then(|offset| self.base.checked_add(offset))
    }
}

fn transcript(kind: TranscriptKind, text: &str, confidence: f32, audio_end: Option<Duration>) -> Transcript {
    Transcript { kind, text: text.to_owned(), confidence, audio_end }
}

#[cfg(test)]
mod tests {
    use super::super::wire::ServerMessage;
    use super::*;

    fn results(text: &str, flags: &str, start: f64, duration: f64) -> Results {
        let json = format!(
            r#"{{"type":"Results","channel_index":[0,1],"start":{start},"duration":{duration},"is_final":{},
                "speech_final":{},"from_finalize":{},"channel":{{"alternatives":[{{"transcript":"{text}",
                "confidence":0.9,"words":[]}}]}},"metadata":{{}}}}"#,
            flags.contains('f'),
            flags.contains('s'),
            flags.contains('z'),
        );
        match serde_json::from_str(&json).unwrap() {
            ServerMessage::Results(results) => results,
            other => panic!("{other:?}"),
        }
    }

    fn told(transcript: Option<Transcript>) -> Option<(TranscriptKind, String, Option<u128>)> {
        transcript.map(|t| (t.kind, t.text, t.audio_end.map(|end| end.as_millis())))
    }

    #[test]
    fn finals_and_the_end_of_turn_make_up_the_utterance() {
        use TranscriptKind::{EndOfTurn, Final, Interim};
        let mut utterance = Utterance::default();
        let steps = [
            (results("", "", 0.0, 1.0), None),
            (results("I would", "", 0.0, 1.5), Some((Interim, "I would".into(), Some(1_500)))),
            (results("I would like", "f", 0.0, 2.0), Some((Final, "I would like".into(), Some(2_000)))),
            (results("to book", "", 2.0, 0.5), Some((Interim, "to book".into(), Some(2_500)))),
            (results("to book a table.", "fs", 2.0, 1.5), Some((EndOfTurn, "to book a table.".into(), Some(3_500)))),
            (results("", "fs", 3.5, 1.0), None),
        ];
        for (results, expected) in steps {
            assert_eq!(told(utterance.results(&results)), expected);
        }
        let late = UtteranceEnd { last_word_end: Some(3.4) };
        assert_eq!(told(utterance.utterance_end(&late)), None, "the turn has ended already");
    }

    #[test]
    fn a_gap_ends_the_turn_when_endpointing_did_not() {
        let mut utterance = Utterance::default();
        utterance.results(&results("hello", "f", 0.0, 1.0));
        let unknown = UtteranceEnd { last_word_end: Some(-1.0) };
        assert_eq!(
            told(utterance.utterance_end(&unknown)),
            Some((TranscriptKind::EndOfTurn, String::new(), Some(1_000)))
        );
        assert_eq!(told(utterance.utterance_end(&unknown)), None);
    }

    #[test]
    fn an_answer_to_finalize_is_told_even_without_words_and_ends_no_turn() {
        let mut utterance = Utterance::default();
        let forced = results("hello", "fsz", 0.0, 1.0);
        assert_eq!(told(utterance.results(&forced)), Some((TranscriptKind::Final, "hello".into(), Some(1_000))));
        assert_eq!(told(utterance.utterance_end(&UtteranceEnd { last_word_end: Some(1.0) })), None);
        assert_eq!(
            told(utterance.results(&results("", "fz", 1.0, 0.5))),
            Some((TranscriptKind::Final, String::new(), Some(1_500)))
        );
    }

    #[test]
    fn times_of_a_later_connection_count_from_the_begin_of_the_call() {
        let mut utterance = Utterance::default();
        utterance.rebase(Duration::from_secs(60));
        let settled = results("hello", "f", 1.0, 0.5);
        assert_eq!(utterance.settled_until(&settled), Some(Duration::from_millis(61_500)));
        assert_eq!(utterance.results(&settled).unwrap().audio_end, Some(Duration::from_millis(61_500)));
        assert_eq!(utterance.settled_until(&results("hello", "", 1.0, 0.5)), None);
        assert_eq!(utterance.settled_until(&results("", "f", -9.0, 0.5)), None, "nonsense is not a time");
    }
}
