//! The caller's side: voice, words and keys, and when a turn is committed.

use std::time::{Duration, Instant};

use crate::conversation::{Backdrop, Failure, Service, Transcript, TranscriptKind};

use super::DialogueEvent;
use super::endpointing::{CONFIRMED, Endpoint, Turn, append};
use super::machine::{Committed, Dialogue, Floor, why};
use super::reply::Purpose;
use super::speculation::Thought;
use super::timer::Timer;
use super::words::normalise;

/// Nobody says a word in less.
const SAID_WITHIN: Duration = Duration::from_millis(100);
/// Words that repeat what was just committed are the recogniser's, not the caller's, for this long.
const LATE_WORDS: Duration = Duration::from_secs(3);
/// A voice so young may still be a click; a turn is not ended over it.
const ONSET: Duration = Duration::from_millis(100);

impl Dialogue {
    /// A voiced hop.
    pub(super) fn voice(&mut self, began: Instant, voiced: Duration, over: Backdrop, now: Instant) {
        if self.is_on_hold() {
            return;
        }
        self.voice.over = over;
        self.remember_noise(now);
        if self.voice.current.is_none() {
            self.follow_run(began);
        }
        self.voice.current = Some((began, voiced));
        self.voice_told = Some(now);
        if self.wordless(now) >= self.noise_after() && !self.voice.is_noise {
            self.take_for_noise(now);
        }
        if self.voice.is_noise {
            return;
        }
        if voiced >= CONFIRMED {
            let is_stale = self.turn.stopped.is_some_and(|at| at + self.spec.timing.endpoint_cap < began);
            if is_stale && !self.turn.is_open() {
                self.turn = Turn::default();
            }
            self.learn_pause(began);
            self.note_heard_before(began, over);
            self.turn.voice(began, voiced, now);
            self.hear_on(now);
            self.announce();
            self.callee_talks(began, now);
        }
        self.weigh(now);
    }

    /// The voice has ended.
    pub(super) fn silence(&mut self, since: Instant, now: Instant) {
        let Some((_, voiced)) = self.voice.current.take() else { return };
        let since = since.min(now);
        let was_noise = std::mem::take(&mut self.voice.is_noise);
        self.voice.stopped = Some(since);
        self.voice.last_voiced = voiced;
        if voiced >= CONFIRMED && !was_noise {
            self.turn.stopped = Some(since);
            self.turn.quiet_at = Some(now);
            self.turn.finalized = false;
            self.quiet_since = self.quiet_since.max(since);
        }
        self.weigh(now);
    }

    /// The recogniser's words.
    pub(super) fn transcript(&mut self, transcript: &Transcript, now: Instant) {
        if let Some(since) = self.line_held {
            return self.words_on_hold(since, transcript, now);
        }
        let settled = matches!(transcript.kind, TranscriptKind::Final | TranscriptKind::EndOfTurn);
        let text = self.without_own_words(transcript.text.clone(), now);
        let text = match self.new_words(&Transcript { text, ..transcript.clone() }, now) {
            Some(text) => text,
            None => return,
        };
        let transcript = Transcript { text, ..transcript.clone() };
        if !transcript.text.trim().is_empty() {
            self.words_at = now;
            self.announce();
            self.tell(DialogueEvent::CallerHeard { text: transcript.text.trim().to_owned(), settled });
        }
        self.turn.hear(&transcript, now);
        self.recognise(now);
        self.cue(transcript.kind, now);
        if self.voice.is_noise {
            // Over noise only the words tell when the caller stops.
            self.turn.stopped = None;
        }
        self.weigh(now);
        if settled {
            self.words_settled(now);
        }
    }

    /// What of a transcript was not committed already; `None`: nothing, it is only the late form of committed words.
    ///
    /// Only words that were taken as final before the recogniser said so can come again.
    fn new_words(&mut self, transcript: &Transcript, now: Instant) -> Option<String> {
        let settled = matches!(transcript.kind, TranscriptKind::Final | TranscriptKind::EndOfTurn);
        let unchanged = Some(transcript.text.clone());
        let Some(committed) = self.committed.clone() else { return unchanged };
        let (old, new) = (normalise(&committed.promoted), normalise(&transcript.text));
        // Who has spoken up since and stopped again, after a voice long enough, may well have said the same once more.
        let least = SAID_WITHIN * u32::try_from(new.len()).unwrap_or(u32::MAX);
        let spoke_again = self.turn.began.filter(|&began| began > committed.at).is_some_and(|began| {
            self.turn.stopped.is_some_and(|stopped| stopped.saturating_duration_since(began) >= least)
        });
        if old.is_empty() || new.is_empty() || spoke_again || (now > committed.at + LATE_WORDS && !committed.goes_on) {
            return unchanged;
        }
        if committed.goes_on {
            // The recogniser is still at the words that were cut in on.
            if settled {
                self.forget_promoted();
            }
            return Some(tail(&transcript.text, old.len())).filter(|tail| settled || !tail.is_empty());
        }
        if new == old || (!settled && old.starts_with(&new)) {
            if settled {
                self.forget_promoted();
            }
            return None;
        }
        let continues = new.starts_with(&old);
        if !continues && self.turn.began.is_some() {
            return unchanged;
        }
        let is_unheard = match self.replies.front() {
            Some(front) => front.purpose == Purpose::Answer && front.interruptible && !front.is_sounding(),
            None => self.owed.is_some(),
        };
        if is_unheard {
            // Other words than those the unheard answer was made for: they take their place.
            self.forget_promoted();
            self.take_back();
            if let Some(kept) = self.turn.carried.strip_suffix(committed.promoted.as_str()) {
                self.turn.carried = kept.trim_end().to_owned();
                self.turn.replaces = Some(committed.promoted);
            }
            return unchanged;
        }
        if settled {
            self.forget_promoted();
        }
        if continues {
            // The words that were answered, and a tail.
            return Some(tail(&transcript.text, old.len()));
        }
        if settled {
            self.drop_event("late correction of words already answered", "late.answered", "the answer was heard");
        }
        None
    }

    fn forget_promoted(&mut self) {
        if let Some(committed) = &mut self.committed {
            committed.promoted.clear();
        }
    }

    fn announce(&mut self) {
        if !self.turn.announced {
            self.turn.announced = true;
            self.tell(DialogueEvent::CallerStarted);
        }
    }

    pub(super) fn arm_listening(&mut self, now: Instant) {
        let timing = self.spec.timing;
        self.timers.set(Timer::VoiceLost, self.voice_lost_at());
        let listens = !self.is_on_hold() && self.cut.is_none();
        let onset = self.voice.current.filter(|_| !self.voice.is_noise).map(|(began, _)| began + ONSET);
        let endpoint = self
            .endpoint()
            .filter(|_| listens && !self.voice.is_confirmed() && self.may_commit())
            .map(|endpoint| onset.map_or(endpoint.settled, |onset| endpoint.settled.max(onset)));
        let finalize = self
            .turn
            .stopped
            .filter(|_| listens && !self.turn.finalized && !self.turn.is_final() && self.voice.current.is_none())
            .and(self.turn.quiet_at)
            // A noise may have covered the moment.
            .map(|quiet| (quiet + self.turn.finalize_delay(&self.manner())).max(now));
        let stuck = self
            .turn
            .stopped
            .zip(self.turn.began)
            .filter(|_| {
                listens
                    && !self.answer.is_machine()
                    && !self.turn.is_open()
                    && self.turn.voiced >= timing.interrupt_after
            })
            .filter(|_| self.replies.is_empty() && self.tools.is_empty() && self.owed.is_none())
            // Who has heard the agent meanwhile has as long to speak up again.
            .map(|(stopped, began)| {
                let asked = stopped.max(self.quiet_since) + timing.endpoint_cap;
                (began + timing.stuck_turn).max(asked).max(now)
            });
        let verdict = self.verdict_at().filter(|_| listens);
        self.timers.set(Timer::Endpoint, endpoint);
        self.timers.set(Timer::Finalize, finalize);
        self.timers.set(Timer::Stuck, stuck);
        self.timers.set(Timer::Verdict, verdict);
    }

    /// Whether the end of the caller's turn would change anything now.
    fn may_commit(&self) -> bool {
        if !self.hears_turns() {
            return false;
        }
        let Some(front) = self.replies.front() else { return true };
        // A greeting that nobody hears yet answers what is said, whoever may talk it down.
        let is_to_greet = front.purpose == Purpose::Greeting && !front.is_sounding();
        (front.interruptible || is_to_greet)
            && front.hangs_up.is_none()
            && !matches!(self.floor, Floor::Held { .. })
            && (self.barge_in.is_allowed || !front.is_sounding())
    }

    /// The caller is done.
    pub(super) fn endpoint_reached(&mut self, now: Instant) {
        let Some(endpoint) = self.endpoint() else { return };
        if self.callee_done(&endpoint, now) {
            return;
        }
        let meaning = self.meaning();
        let is_backchannel = meaning.real == 0 && self.turn.has_text() && self.turn.keys.is_empty();
        match self.replies.front().map(|front| (front.purpose, front.is_sounding(), front.id)) {
            Some((Purpose::Greeting, false, id)) => {
                // "Hello?" is answered by the greeting that is on its way.
                self.withheld = false;
                self.commit(&endpoint, Some(id), now);
            }
            Some(_) if is_backchannel => {
                self.withheld = false;
                self.drop_backchannel("barge-in.backchannel", now);
            }
            // Words that came without enough voice to hold the agent; the commit follows when the cut is known.
            Some((_, true, _)) if self.turn.has_text() => self.interrupt("barge-in.text", now),
            Some((Purpose::Answer, false, _)) => self.take_back(),
            Some((_, _, _)) => self.drop_replies(None),
            None => {
                self.commit(&endpoint, None, now);
            }
        }
    }

    /// Writes the turn and has it answered, by `answer` when that is already on its way.
    pub(super) fn commit(&mut self, endpoint: &Endpoint, answer: Option<crate::conversation::ReplyId>, now: Instant) {
        let turn = std::mem::take(&mut self.turn);
        let mut new = turn.text();
        let shown = self.keys_committed(&new, &turn.keys);
        append(&mut new, &turn.keys);
        let mut text = turn.carried.clone();
        append(&mut text, &new);
        self.history.user(text.clone());
        let thought = self.keep_thought(answer.is_some());
        let reply = match answer.or(thought.as_ref().map(Thought::id)) {
            Some(reply) => reply,
            None => self.next_id(),
        };
        self.turns = self.turns.saturating_add(1);
        self.idle_prompts = 0;
        self.tools.new_turn();
        self.has_asked_again = false;
        self.history.ask_again(false);
        self.quiet_since = now;
        let longer = self.pauses.longer().as_millis();
        let inputs = format!(
            "delay {} ms, decided {} ms ago, words {}, confidence {:.2}{}{}",
            endpoint.delay.as_millis(),
            now.saturating_duration_since(endpoint.decided).as_millis(),
            text.split_whitespace().count(),
            turn.confidence(),
            if endpoint.promoted { ", interim taken as final" } else { "" },
            if longer > 0 { format!(", {longer} ms for this caller's pauses") } else { String::new() },
        );
        self.pauses.turn_ended();
        self.tell(DialogueEvent::TurnCommitted {
            turn: self.turns,
            reply,
            text: if new.is_empty() { self.without_keys(&text, 1) } else { shown },
            replaces: turn.replaces.clone(),
            confidence: turn.confidence(),
            stopped: turn.stopped.map(|at| self.since_begin(at)),
            decided: self.since_begin(endpoint.decided.min(now)),
            settled: self.since_begin(endpoint.settled.min(now)),
            why: why(endpoint.rule, inputs),
        });
        let promoted = if endpoint.promoted { turn.interim().to_owned() } else { String::new() };
        self.committed =
            Some(Committed { at: now, promoted, stopped: turn.stopped, sounds: endpoint.sounds, goes_on: false });
        match thought {
            Some(thought) => self.answer_with(thought, now),
            None if answer.is_none() => self.owed = Some(reply),
            None => {}
        }
    }

    /// Commits what there is of a turn, for the record: nobody will answer it.
    pub(super) fn commit_record(&mut self, now: Instant) {
        if !self.turn.is_open() {
            return;
        }
        self.drop_thought("speculation.overtaken", "the call ends");
        let at = self.turn.stopped.unwrap_or(now).min(now);
        let endpoint = Endpoint { settled: now, ..Endpoint::at(at, "endpoint.closed", Duration::ZERO) };
        self.commit(&endpoint, None, now);
        self.owed = None;
    }

    /// Voice, and no words: the caller is asked again.
    pub(super) fn ask_to_repeat(&mut self, now: Instant) {
        let inputs = format!("voiced {} ms, no words", self.turn.voiced.as_millis());
        self.turn = Turn::default();
        self.tell(DialogueEvent::Unstuck { why: why("turn.stuck", inputs) });
        let line = self.spec.repeat_request.clone();
        self.quiet_since = now;
        self.script(Purpose::Prompt, &line, now);
    }

    /// There is no recogniser any more.
    pub(super) fn stt_failed(&mut self, failure: Failure, now: Instant) {
        if std::mem::take(&mut self.has_spare_stt) {
            return self.replace_stt(failure, now);
        }
        if !std::mem::take(&mut self.has_stt) {
            return;
        }
        let why = why("stt.failed", "no recogniser is left");
        self.tell(DialogueEvent::ServiceFailed { service: Service::Stt, failure, why });
        self.words_settled(now);
        self.end_deaf(now);
    }
}

/// The words of a text behind the first `known`.
fn tail(text: &str, known: usize) -> String {
    text.split_whitespace().filter(|word| !normalise(word).is_empty()).skip(known).collect::<Vec<_>>().join(" ")
}
