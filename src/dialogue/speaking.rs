//! The agent's side: replies from the model to the caller's ear.

use std::time::{Duration, Instant};

use crate::conversation::{Failure, GenerationEnd, ReplyId, WordTime};

use super::machine::{Cut, Dialogue, Floor, why};
use super::reply::{Purpose, Reply};
use super::segment::Segmenter;
use super::timer::Timer;
use super::{Action, DialogueEvent};

/// The most replies under way: more lines from outside are refused, and the model is asked when one has been heard.
/// What a failure or the end has the agent say comes on top.
const MAX_REPLIES: usize = 8;
/// From this many keys on the agent's repeating them is hidden too.
const SECRET_KEYS: usize = 4;

impl Dialogue {
    /// Has the first words synthesised before the line is up.
    pub(super) fn greet(&mut self, now: Instant) {
        let line = self.spec.begin_message.clone();
        self.script(Purpose::Greeting, &line, now);
    }

    /// When the greeting may be heard.
    pub(super) fn greeting_at(&self) -> Option<Instant> {
        self.replies.front().filter(|reply| reply.purpose == Purpose::Greeting && !reply.playing)?;
        self.greeting_due()
    }

    /// Speaks a line that is not the model's; `None` when there is nothing to speak.
    pub(super) fn script(&mut self, purpose: Purpose, line: &str, now: Instant) -> Option<ReplyId> {
        let mut reply = Reply::new(ReplyId(0), purpose);
        reply.segmenter = Segmenter::new(&self.normaliser);
        let mut segments = reply.segmenter.push(line);
        segments.extend(reply.segmenter.finish());
        let text = segments.concat();
        if text.is_empty() {
            return None;
        }
        reply.id = self.next_id();
        reply.voice = reply.id;
        // However often it has to be begun: a notice stays a notice.
        reply.interruptible = purpose != Purpose::Greeting || self.spec.begin_interruptible;
        let id = reply.id;
        self.replies.push_back(reply);
        self.speak(id, text, now);
        self.close_text(id, now);
        Some(id)
    }

    /// Words from outside.
    pub(super) fn say(&mut self, text: &str, interruptible: bool, now: Instant) {
        if self.ending.is_some() || self.replies.len() >= MAX_REPLIES {
            let inputs = format!("ending {}, {} replies wait", self.ending.is_some(), self.replies.len());
            return self.drop_event("words from outside", "limit.replies", inputs);
        }
        if let Some(id) = self.script(Purpose::Say, text, now)
            && let Some(reply) = self.reply(id)
        {
            reply.interruptible = interruptible;
        }
    }

    /// Falls silent and listens.
    pub(super) fn fall_silent(&mut self, now: Instant) {
        let front = self.replies.front().map(|reply| reply.id);
        self.owed = None;
        self.forget_goodbye();
        for reply in &mut self.replies {
            reply.interruptible = true;
        }
        self.drop_replies(None);
        self.turn.forget_words(now);
        if let Some(reply) = front {
            self.tell(DialogueEvent::Interrupted { reply, why: why("command.interrupt", "") });
        }
    }

    /// Has the model answer what it has not been given yet.
    pub(super) fn answer_owed(&mut self, now: Instant) {
        let Some(id) = self.owed else { return };
        let is_writing = self.replies.iter().any(|reply| reply.generating) || self.replies.len() >= MAX_REPLIES;
        let is_caller_on = self.voice.is_confirmed() || self.turn.is_open();
        if is_writing || is_caller_on || self.cut.is_some() || !self.tools.is_empty() || self.ending.is_some() {
            return;
        }
        // Whoever waits for a transfer is answered when it has failed; a machine that listens to nothing is not.
        if self.transfer.is_some() || self.answer.is_mute() {
            return;
        }
        self.owed = None;
        let segmenter = Segmenter::new(&self.normaliser);
        self.replies.push_back(Reply { segmenter, ..Reply::answer(id, &self.spec.timing, now) });
        let messages = self.history.prompt();
        self.act(Action::Generate { reply: id, rank: 0, messages });
    }

    /// A piece of the model's text.
    pub(super) fn token(&mut self, id: ReplyId, text: &str, now: Instant) {
        let timing = self.spec.timing;
        let Some(id) = self.written_by(id) else { return };
        let Some(reply) = self.reply(id).filter(|reply| reply.generating) else {
            return self.second_token(id, text, now);
        };
        let segments = reply.segmenter.push(text);
        reply.flush_due = reply.segmenter.is_waiting().then_some(now + timing.segment_flush);
        if !reply.text.is_empty() {
            reply.token_due = Some(now + timing.first_token);
        }
        for segment in segments {
            self.speak(id, segment, now);
        }
    }

    /// Hands text to the voice.
    pub(super) fn speak(&mut self, id: ReplyId, mut text: String, now: Instant) {
        self.favour(id, now);
        let timing = self.spec.timing;
        let id = self.made_of(id);
        let Some(reply) = self.reply(id) else { return };
        if reply.backup.goes_on()
            && reply.text.written().chars().next_back().is_some_and(|last| !last.is_whitespace() && is_spaced(last))
            && text.chars().next().is_some_and(|first| first.is_alphanumeric() && is_spaced(first))
        {
            // The words before were another model's, which ended them without a space.
            text.insert(0, ' ');
        }
        let wording = self.normaliser.put(&text);
        let Some(reply) = self.reply(id) else { return };
        reply.text.push(&wording);
        reply.spoken = Some(now);
        if reply.generating {
            reply.token_due = Some(now + timing.first_token);
        }
        if reply.is_last_of_voice {
            // Its backup will be given this with whatever else was not heard.
            return;
        }
        if !reply.ready || reply.starved.is_some() {
            reply.awaits.get_or_insert(now);
        }
        let (voice, rank, rival) = (reply.voice, u8::from(reply.backup.speaks), reply.backup.rival_id());
        let text = wording.spoken().to_owned();
        self.act(Action::Synthesize { reply: voice, rank, text: text.clone() });
        if let Some(rival) = rival {
            self.act(Action::Synthesize { reply: rival, rank: 1, text });
        }
    }

    /// No more text comes for a reply.
    pub(super) fn close_text(&mut self, id: ReplyId, now: Instant) {
        if self.write_no_more(id) {
            return;
        }
        let Some(reply) = self.reply(id) else { return };
        if reply.end_starving(now) {
            reply.starved = Some(now);
        }
        if reply.text.is_empty() || reply.is_last_of_voice {
            return;
        }
        if reply.backup.from > 0
            && reply.text.written().get(reply.backup.from..).is_none_or(|rest| rest.trim().is_empty())
        {
            return self.end_spent(id, now);
        }
        for voice in [Some(reply.voice), reply.backup.rival_id()].into_iter().flatten() {
            self.act(Action::EndSpeech { reply: voice });
        }
    }

    /// The model is done with a reply, or done for; whether it had been before.
    pub(super) fn write_no_more(&mut self, id: ReplyId) -> bool {
        let Some(reply) = self.reply(id) else { return true };
        reply.generating = false;
        (reply.token_due, reply.answer_due, reply.flush_due) = (None, None, None);
        std::mem::replace(&mut reply.closed, true)
    }

    /// Tokens have paused: what there is is spoken.
    pub(super) fn flush_segments(&mut self, now: Instant) {
        let due = self.replies.iter_mut().filter(|reply| reply.flush_due.is_some_and(|at| at <= now));
        let segments: Vec<_> = due
            .map(|reply| {
                reply.flush_due = None;
                (reply.id, reply.segmenter.flush())
            })
            .collect();
        for (id, segment) in segments {
            if let Some(segment) = segment {
                self.speak(id, segment, now);
            }
        }
        self.flush_second_runs(now);
    }

    /// The model has said everything.
    pub(super) fn generation_ended(&mut self, id: ReplyId, end: GenerationEnd, now: Instant) {
        let Some(id) = self.written_by(id) else { return };
        let is_second = self.second_ended(id, end, now);
        let id = self.made_of(id);
        let Some(reply) = self.reply(id).filter(|reply| reply.generating) else { return };
        let rest = if is_second { None } else { reply.segmenter.finish() };
        if let Some(rest) = rest {
            self.speak(id, rest, now);
        } else if self.back_up_model(id, Failure::Protocol, "llm.empty", now) {
            return;
        }
        let Some(reply) = self.reply(id) else { return };
        let (is_mute, calls, hangs_up) = (reply.text.is_empty(), reply.calls, reply.hangs_up);
        self.close_text(id, now);
        if !is_mute {
            self.history.ask_again(false);
            return;
        }
        // Nothing to speak: only tools, only the wish to hang up, or nothing at all.
        self.replies.retain(|reply| reply.id != id);
        match hangs_up {
            Some((reason, may_stay)) => {
                let line = self.spec.goodbye.clone();
                self.say_last(&line, reason, "tool.end-call", may_stay, now);
            }
            // A menu may be left to go on.
            None if calls > 0 || self.answer.is_menu() => {}
            None => {
                self.model_mute(&format!("the model ended ({end:?}) without a word"), now);
            }
        }
    }

    /// There is sound.
    pub(super) fn speech_ready(&mut self, id: ReplyId, now: Instant) {
        self.in_between_ready(id);
        self.voice_wins(id, now);
        if let Some(reply) = self.voiced(id).filter(|reply| !reply.text.is_empty() && !reply.is_last_of_voice) {
            reply.ready = true;
            reply.awaits = None;
            reply.end_starving(now);
        }
    }

    /// The playout has run dry.
    pub(super) fn speech_starved(&mut self, id: ReplyId, now: Instant) {
        let has_backup = self.spec.backups.tts;
        let Some(reply) = self.voiced(id).filter(|reply| reply.length.is_none()) else { return };
        reply.starved = Some(now);
        if reply.is_last_of_voice {
            let (id, can_move) = (reply.id, has_backup && reply.backup.has_voice_left());
            if can_move { self.leave_voice(id, now) } else { self.give_up_voice(id, now) }
        }
    }

    /// When words are spoken.
    pub(super) fn word_times(&mut self, id: ReplyId, words: &[WordTime]) {
        if let Some(reply) = self.voiced(id) {
            reply.add_words(words);
        } else if let Some(cut) = self.cut.as_mut().filter(|cut| cut.reply.voice == id) {
            cut.reply.add_words(words);
        } else {
            self.rival_words(id, words);
        }
    }

    /// The voice has delivered everything.
    pub(super) fn speech_ended(&mut self, id: ReplyId, length: Duration, now: Instant) {
        if self.rival_failed(id, Failure::Protocol, "tts.no-sound") {
            return;
        }
        let Some(reply) = self.voiced(id).filter(|reply| !reply.is_last_of_voice) else { return };
        reply.length = Some(length);
        reply.end_starving(now);
        reply.awaits = None;
        if !reply.ready || length.is_zero() {
            self.tts_failed(id, Failure::Protocol, "tts.no-sound", now);
        }
    }

    /// Lets the first reply be heard, if nothing speaks against it.
    pub(super) fn play_next(&mut self, now: Instant) {
        let is_caller_on = self.voice.is_confirmed();
        if self.answered.is_none() || self.is_on_hold() || self.cut.is_some() {
            return;
        }
        if self.replies.front().is_some_and(|front| !self.may_be_heard(front, now)) {
            return;
        }
        if matches!(self.floor, Floor::Held { .. }) {
            // The caller may be taking the floor from a reply whose backup is to go on with it.
            return;
        }
        let withheld = self.withheld;
        let Some(front) = self.replies.front_mut().filter(|front| front.ready && !front.playing) else { return };
        if front.interruptible && (is_caller_on || withheld) {
            if !std::mem::replace(&mut self.withheld, true) {
                let (reply, voiced) = (front.id, self.voice.current.map_or(0, |(_, voiced)| voiced.as_millis()));
                let inputs = format!("voiced {voiced} ms, the answer is ready");
                self.tell(DialogueEvent::Withheld { reply, why: why("floor.withheld", inputs) });
            }
            return;
        }
        front.playing = true;
        let reply = front.voice;
        self.floor = Floor::Free;
        self.withheld = false;
        self.act(Action::Play { reply });
    }

    /// The first packet has left.
    pub(super) fn playout_started(&mut self, id: ReplyId, now: Instant) {
        if let Some(front) = self.replies.front_mut().filter(|front| front.voice == id && front.playing) {
            front.sounding.get_or_insert(now);
            if front.started.is_none() {
                (front.started, front.held) = (Some(now), Duration::ZERO);
            }
            let purpose = front.purpose;
            self.heard_by(purpose);
        }
    }

    /// Everything was heard.
    pub(super) fn playout_ended(&mut self, id: ReplyId, _heard: Duration, now: Instant) {
        self.in_between_heard(id);
        if self.replies.front().is_none_or(|front| front.voice != id || !front.playing) {
            return;
        }
        if let Some(reply) = self.replies.pop_front() {
            self.heard_out(&reply, now);
        }
    }

    /// Everything was heard of a reply that is under way no more.
    pub(super) fn heard_out(&mut self, reply: &Reply, now: Instant) {
        if self.floor == Floor::Ducked {
            self.act(Action::Unduck);
        }
        self.floor = Floor::Free;
        self.withheld = false;
        self.quiet_since = now;
        if !matches!(reply.purpose, Purpose::Prompt | Purpose::Filler) {
            self.words_at = now;
        }
        if reply.generating {
            self.act(Action::Cancel { reply: reply.id });
        }
        if reply.purpose == Purpose::Answer && !reply.broken {
            self.failures = 0;
        }
        let purpose = reply.purpose;
        self.write(reply, reply.text.written(), reply.broken, now);
        self.asked_in(purpose, now);
        if reply.purpose == Purpose::Filler {
            self.tools.filled(now);
        }
        if let Some((reason, _)) = reply.hangs_up {
            self.finish(reason, "goodbye.heard", now);
        }
    }

    /// What was heard of a reply that was flushed.
    pub(super) fn flushed(&mut self, id: ReplyId, heard: Duration, share: f32, now: Instant) {
        if self.move_voice(id, heard, share, now) || self.cut.as_ref().is_none_or(|cut| cut.reply.voice != id) {
            return;
        }
        let Some(cut) = self.cut.take() else { return };
        self.quiet_since = now;
        let reply = &cut.reply;
        let text = reply.heard(heard, share).to_owned();
        let is_whole = reply.is_whole(&text);
        let words = text.split_whitespace().count();
        let before = cut.takes_back.map(|overlap| (reply.backup.heard + heard).saturating_sub(overlap));
        let is_taken_back = before.is_some_and(|before| {
            let of_voice = before.saturating_sub(reply.backup.heard);
            let words = reply.heard(of_voice, share * of_voice.as_secs_f32() / heard.as_secs_f32().max(0.001));
            before < self.spec.timing.merge_audio && words.split_whitespace().count() < 2
        });
        if is_taken_back && reply.calls == 0 {
            self.carry_turn();
            self.own_words.said(&text, now);
            if !text.is_empty() {
                let text = self.without_keys(&text, SECRET_KEYS);
                let inputs = format!("heard {} ms: too little to count", heard.as_millis());
                let why = why("heard.taken-back", inputs);
                self.tell(DialogueEvent::AgentSaid { reply: reply.id, text, interrupted: true, why });
            }
            return;
        }
        if words > 0 && reply.purpose == Purpose::Answer && !reply.broken {
            self.failures = 0;
        }
        self.write(reply, &text, !is_whole, now);
    }

    /// Writes what was heard, once.
    fn write(&mut self, reply: &Reply, text: &str, interrupted: bool, now: Instant) {
        self.own_words.said(text, now);
        // What is only said to pass the time is not part of the conversation.
        if reply.purpose != Purpose::Filler {
            self.history.heard(reply.id, text, interrupted);
        }
        // A single key is no secret, and would be found in any answer.
        let text = self.without_keys(text.trim(), SECRET_KEYS);
        if !text.is_empty() {
            let by = if reply.words.is_empty() { "the share that was played" } else { "word times" };
            let count = |text: &str| text.split_whitespace().count();
            let inputs = format!("{} of {} words, by {by}", count(&text), count(reply.text.written()));
            let why = why(if interrupted { "heard.cut" } else { "heard.whole" }, inputs);
            self.tell(DialogueEvent::AgentSaid { reply: reply.id, text, interrupted, why });
        }
    }

    /// Drops every reply that may be interrupted: silence first, then the services.
    ///
    /// `takes_back`: the caller may be going on with the turn that the first one answers, having spoken over it so long.
    pub(super) fn drop_replies(&mut self, takes_back: Option<Duration>) {
        let floor = std::mem::replace(&mut self.floor, Floor::Free);
        self.withheld = false;
        let (dropped, kept): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.replies).into_iter().partition(|reply| reply.interruptible);
        self.replies = kept.into();
        if let Some(transfer) = self.transfer.as_mut().filter(|_| !dropped.is_empty()) {
            transfer.words_cut();
        }
        for reply in &dropped {
            self.flush(reply);
        }
        for reply in &dropped {
            self.cancel(reply);
        }
        if floor == Floor::Ducked {
            self.act(Action::Unduck);
        }
        for reply in dropped {
            if reply.is_sounding() {
                self.cut = Some(Cut { reply, takes_back });
            } else if reply.calls > 0 {
                // Its tools run on; of its words nothing was heard.
                self.history.heard(reply.id, "", true);
            }
        }
    }

    /// Throws away the sound of a reply.
    fn flush(&mut self, reply: &Reply) {
        for voice in [Some(reply.voice), reply.backup.rival_id()].into_iter().flatten() {
            self.act(Action::Flush { reply: voice });
        }
    }

    /// Drops one reply, whoever may interrupt it.
    pub(super) fn drop_reply(&mut self, id: ReplyId) {
        let Some(at) = self.replies.iter().position(|reply| reply.id == id) else { return };
        let Some(reply) = self.replies.remove(at) else { return };
        self.flush(&reply);
        self.cancel(&reply);
        if at == 0 {
            if self.floor == Floor::Ducked {
                self.act(Action::Unduck);
            }
            self.floor = Floor::Free;
            self.withheld = false;
        }
        if reply.is_sounding() {
            self.cut = Some(Cut { reply, takes_back: None });
        } else if reply.calls > 0 {
            self.history.heard(id, "", true);
        }
    }

    /// Drops the lines that are not worth hearing any more, unless they are being heard; whether there were any.
    pub(super) fn drop_unheard(&mut self, purpose: Purpose) -> bool {
        let ids: Vec<_> =
            self.replies.iter().filter(|r| r.purpose == purpose && !r.is_sounding()).map(|r| r.id).collect();
        for &id in &ids {
            self.drop_reply(id);
        }
        !ids.is_empty()
    }

    pub(super) fn arm_replies(&mut self, now: Instant) {
        let timing = self.spec.timing;
        if let Some(front) = self.replies.front_mut() {
            front.first_since.get_or_insert(now);
        }
        let earliest = |due: &dyn Fn(&Reply) -> Option<Instant>| self.replies.iter().filter_map(due).min();
        let is_held = self.is_on_hold() || matches!(self.floor, Floor::Held { .. });
        let (backups, hedges) = (self.spec.backups, self.hedge_timing(now));
        // A service that has just been found slow shortens a wait that had begun.
        let from_now = |due: Option<Instant>| due.map(|at| at.max(now));
        let flush = |reply: &Reply| reply.flush_due.into_iter().chain(reply.backup.flush_due()).min();
        let dues = [
            (Timer::HedgeModel, from_now(earliest(&|reply| reply.model_hedge_due(&hedges)).filter(|_| backups.llm))),
            (Timer::HedgeVoice, from_now(earliest(&|reply| reply.voice_hedge_due(&hedges)).filter(|_| backups.tts))),
            (Timer::FirstToken, earliest(&|reply| reply.token_due)),
            (Timer::WholeAnswer, earliest(&|reply| reply.answer_due)),
            (Timer::SegmentFlush, earliest(&flush)),
            (Timer::FirstAudio, earliest(&|reply| reply.audio_due(&timing))),
            (Timer::Stall, earliest(&|reply| reply.stall_due(&timing, backups.tts))),
            (Timer::Overdue, self.replies.front().filter(|_| !is_held).and_then(Reply::overdue)),
        ];
        for (timer, at) in dues {
            self.timers.set(timer, at);
        }
    }
}

/// Whether words written with such letters have spaces between them (those of Chinese and Japanese have none).
const fn is_spaced(letter: char) -> bool {
    (letter as u32) < 0x2E80
}
