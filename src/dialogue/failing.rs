//! Models and voices that are late or dead: nobody is left in silence.

use std::time::Instant;

use crate::conversation::{Failure, ReplyId, Service};

use super::hedging::Backup;
use super::machine::{Dialogue, why};
use super::reply::{Purpose, Reply};
use super::spoken::Wording;
use super::{Action, DialogueEvent, EndReason};

/// A second failure in a row ends the call.
const FAILURES: u32 = 2;

impl Dialogue {
    /// The model has kept silent for too long.
    pub(super) fn model_late(&mut self, due: fn(&Reply) -> Option<Instant>, rule: &'static str, now: Instant) {
        let late: Vec<_> = self.replies.iter().filter(|r| due(r).is_some_and(|at| at <= now)).map(|r| r.id).collect();
        for id in late {
            // Both have had their time.
            self.drop_second_run(id);
            self.llm_failed(id, Failure::Timeout, rule, now);
        }
    }

    /// The model has failed a reply.
    pub(super) fn llm_failed(&mut self, id: ReplyId, failure: Failure, rule: &'static str, now: Instant) {
        let is_dead = failure != Failure::Timeout;
        if is_dead && (self.back_up_model(id, failure, rule, now) || self.go_on_behind(id, failure, rule, now)) {
            return;
        }
        let Some(reply) = self.reply(id).filter(|reply| reply.generating) else { return };
        reply.broken = true;
        let (is_mute, hangs_up) = (reply.text.is_empty(), reply.hangs_up);
        let deed = if is_mute { "nothing was spoken: apology" } else { "what there is is spoken" };
        self.tell(DialogueEvent::ServiceFailed { service: Service::Llm, failure, why: why(rule, deed) });
        if is_mute {
            self.drop_reply(id);
            match hangs_up {
                Some((reason, _)) => self.finish(reason, "goodbye.failed", now),
                None => self.apologise(Service::Llm, Purpose::Answer, now),
            }
        } else {
            self.failures = self.failures.saturating_add(1);
            let writer = self.writer_of(id);
            self.act(Action::CancelModel { reply: writer });
            self.close_text(id, now);
        }
    }

    /// The voice has kept silent for too long.
    pub(super) fn voice_late(&mut self, rule: &'static str, now: Instant) {
        let (timing, has_backup) = (self.spec.timing, self.spec.backups.tts);
        let is_late = |reply: &&Reply| {
            let stall = || reply.stall_due(&timing, has_backup);
            let due = if rule == "tts.stall" { stall() } else { reply.audio_due(&timing) };
            due.is_some_and(|at| at <= now)
        };
        let late: Vec<_> = self.replies.iter().filter(is_late).map(|reply| (reply.id, reply.voice)).collect();
        for (id, voice) in late {
            // Both have had their time.
            self.drop_rival(id);
            self.tts_failed(voice, Failure::Timeout, rule, now);
        }
    }

    /// The voice has failed a reply. What had come of one that is being heard is heard out first.
    pub(super) fn tts_failed(&mut self, voice: ReplyId, failure: Failure, rule: &'static str, now: Instant) {
        if self.rival_failed(voice, failure, rule) {
            return;
        }
        let has_backup = self.spec.backups.tts;
        let Some(reply) = self.voiced(voice).filter(|reply| !reply.is_last_of_voice) else { return };
        if reply.ready && reply.length.is_some_and(|length| !length.is_zero()) {
            let what = "failure of a voice that had delivered everything";
            return self.drop_event(what, "late.delivered", rule);
        }
        if has_backup && reply.backup.can_replace_voice() {
            return self.change_voice(voice, failure, rule, now);
        }
        let id = reply.id;
        reply.broken = true;
        let has_more = reply.started.is_some() && reply.starved.is_none();
        reply.is_last_of_voice = has_more;
        let deed = match (has_more, reply.is_sounding()) {
            (true, _) => "what has come is heard out",
            (false, true) => "cut where it was heard",
            (false, false) => "nothing was heard",
        };
        self.tell(DialogueEvent::ServiceFailed { service: Service::Tts, failure, why: why(rule, deed) });
        if has_more {
            self.stop_services(id);
            self.write_no_more(id);
        } else {
            self.give_up_voice(id, now);
        }
    }

    /// Nothing more is heard of a reply whose voice has failed: the caller is told.
    pub(super) fn give_up_voice(&mut self, id: ReplyId, now: Instant) {
        let Some(reply) = self.reply(id) else { return };
        let (purpose, hangs_up) = (reply.purpose, reply.hangs_up);
        self.drop_reply(id);
        match hangs_up {
            // There was nothing left to say but goodbye.
            Some((reason, _)) => self.finish(reason, "goodbye.failed", now),
            None => self.apologise(Service::Tts, purpose, now),
        }
    }

    /// A reply should long have been heard: the playout was lost.
    pub(super) fn playout_late(&mut self, now: Instant) {
        let late =
            self.replies.front().filter(|front| front.overdue().is_some_and(|at| at <= now)).map(|front| front.id);
        if let Some(id) = late {
            self.tell(DialogueEvent::Unstuck { why: why("playout.overdue", "the reply is cut") });
            self.drop_reply(id);
        }
    }

    /// After a failure: say so, or, when services fail again and again, end the call.
    pub(super) fn apologise(&mut self, service: Service, purpose: Purpose, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        if self.ending.is_some() {
            return;
        }
        if service == Service::Tts {
            if self.failures >= FAILURES {
                if self.may_hand_over() {
                    self.play_kept(Purpose::Apology, now);
                    return self.hand_over("no voice is left", now);
                }
                return self.end_with_kept(EndReason::ServiceFailure, now);
            }
            if self.spec.backups.tts || purpose == Purpose::Filler {
                // Two voices have failed: a third try would be silence again. And who waits for a tool has nothing to say
                // again.
                self.tools.filled(now);
                self.quiet_since = now;
                self.play_kept(Purpose::Apology, now);
                return;
            }
        }
        if self.failures >= FAILURES && self.may_hand_over() {
            let line = self.spec.handing_over.clone();
            self.script(Purpose::Say, &line, now);
            return self.hand_over("no answer could be made again", now);
        }
        if self.failures >= FAILURES {
            let line = self.spec.goodbye.clone();
            return self.say_last(&line, EndReason::ServiceFailure, "services.failed", false, now);
        }
        // A greeting nobody heard is tried once more; anything else has lost its moment.
        let line = match purpose {
            Purpose::Greeting => self.spec.begin_message.clone(),
            _ => self.spec.apology.clone(),
        };
        let purpose = if purpose == Purpose::Greeting { purpose } else { Purpose::Apology };
        self.quiet_since = now;
        self.script(purpose, &line, now);
    }

    /// The model has ended without a word to speak, which is no failure of its service: it is asked once more, then the
    /// caller is.
    pub(super) fn model_mute(&mut self, why_ended: &str, now: Instant) {
        let asks_caller = std::mem::replace(&mut self.has_asked_again, true);
        let deed = if asks_caller { "the caller is asked again" } else { "the model is asked again" };
        self.tell(DialogueEvent::Unstuck { why: why("llm.empty", format!("{why_ended}: {deed}")) });
        if self.ending.is_some() {
            return;
        }
        self.history.ask_again(!asks_caller);
        if asks_caller {
            self.quiet_since = now;
            let line = self.spec.repeat_request.clone();
            self.script(Purpose::Prompt, &line, now);
        } else if self.owed.is_none() {
            self.owed = Some(self.next_id());
        }
    }

    /// Whether a caller for whom no answer can be made can be handed to a person, which is tried once.
    fn may_hand_over(&self) -> bool {
        self.spec.transfer_number.is_some() && !self.has_handed_over && self.transfer.is_none() && self.ending.is_none()
    }

    /// Hands the caller to a person, once what is under way was heard.
    fn hand_over(&mut self, inputs: &str, now: Instant) {
        self.has_handed_over = true;
        self.failures = 0;
        self.owed = None;
        self.quiet_since = now;
        self.tell(DialogueEvent::Unstuck { why: why("services.handed-over", inputs) });
        self.transfer_ordered(None, now);
    }

    /// There is no recogniser any more: the caller is handed to a person, or told, and the call ends.
    pub(super) fn end_deaf(&mut self, now: Instant) {
        if self.may_hand_over() {
            for reply in &mut self.replies {
                reply.interruptible = true;
            }
            self.drop_replies(None);
            let line = self.spec.handing_over.clone();
            self.script(Purpose::Say, &line, now);
            return self.hand_over("no recogniser is left", now);
        }
        let line = self.spec.apology.clone();
        self.say_last(&line, EndReason::ServiceFailure, "stt.failed", false, now);
    }

    /// Plays the sound that is kept for the case that every voice is down, as a reply of its own; `None`: there is none.
    fn play_kept(&mut self, purpose: Purpose, now: Instant) -> Option<ReplyId> {
        let text = self.spec.last_resort.trim().to_owned();
        if text.is_empty() {
            return None;
        }
        let id = self.next_id();
        let mut reply = Reply::new(id, purpose);
        (reply.text, reply.closed, reply.awaits) = (Wording::plain(text), true, Some(now));
        reply.backup = Backup::none();
        self.replies.push_back(reply);
        self.tell(DialogueEvent::Unstuck { why: why("tts.kept", "no voice is left: the kept sound is played") });
        self.act(Action::PlayKept { reply: id });
        Some(id)
    }

    /// Nobody can speak any more: the kept sound is played, then we hang up.
    fn end_with_kept(&mut self, reason: EndReason, now: Instant) {
        for reply in &mut self.replies {
            reply.interruptible = true;
        }
        self.drop_replies(None);
        self.owed = None;
        match self.play_kept(Purpose::Goodbye, now) {
            Some(id) => {
                if let Some(reply) = self.reply(id) {
                    reply.interruptible = false;
                    reply.hangs_up = Some((reason, false));
                }
                self.drain_goodbye(reason, "services.failed", false, now);
            }
            None => self.finish(reason, "services.failed", now),
        }
    }
}
