//! Backups: a second run of the model or a second voice for a reply whose first is late or has failed.
//!
//! ```text
//! model   asked ─── 1.5 s, nothing to speak ──→ backup asked too ──→ the first with something to speak wins
//!               ├── failed before that ───────→ backup in its place
//!               └── failed in mid-answer, or 2 s without a word of it ────→ backup goes on behind what was spoken
//! voice   asked ─── 0.7 s, no sound ──────────→ backup asked too ──→ the first with sound wins
//!               └── failed, or stalled while it was heard ─────────→ backup goes on from the next unheard word
//! ```
//!
//! A reply has one id for the conversation: its history, its tools, its events. Its backup voice works under an id of its
//! own, so that late sound of the first is never taken for the second's.

use std::time::{Duration, Instant};

use crate::conversation::{Failure, GenerationEnd, ReplyId, Service, WordTime};

use super::machine::{Dialogue, Floor, why};
use super::reply::Reply;
use super::segment::{Segmenter, speaks};
use super::{Action, DialogueEvent, Timing};

/// How long a first choice that was late or has failed gets no head start.
const SLOW_FOR: Duration = Duration::from_secs(30);

/// Until when first choices that were late or have failed get no head start.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Slow {
    llm: Option<Instant>,
    tts: Option<Instant>,
}

/// A first choice was late. To have lost a race without a head start says nothing: it may only be the slower of two.
fn mark_slow(until: &mut Option<Instant>, now: Instant) {
    if until.is_none_or(|until| now >= until) {
        *until = Some(now + SLOW_FOR);
    }
}

/// What backups do for one reply.
#[derive(Clone, Debug, Default)]
pub(super) struct Backup {
    /// A second run of the model, while neither has given anything to speak.
    run: Option<Run>,
    /// Whether the model's backup was asked.
    has_run: bool,
    /// The run of the backup that goes on writing a reply of which some was spoken, under an id of its own.
    writer: Option<ReplyId>,
    /// A second voice, while neither has given any sound.
    rival: Option<Rival>,
    /// Whether the voice's backup was asked, and was not beaten by the first.
    has_voice: bool,
    /// Whether the reply is spoken by the backup.
    pub(super) speaks: bool,
    /// The voice has failed, and what was heard of it is about to be known.
    moves: bool,
    /// Where in the text the voice begins: what stands before was heard from an earlier one …
    pub(super) from: usize,
    /// … for so long.
    pub(super) heard: Duration,
}

/// A second run of the model.
#[derive(Clone, Debug)]
struct Run {
    id: ReplyId,
    segmenter: Segmenter,
    flush_due: Option<Instant>,
}

/// A second voice.
#[derive(Clone, Debug)]
struct Rival {
    id: ReplyId,
    words: Vec<WordTime>,
}

impl Backup {
    /// What a reply has that no voice is to speak again.
    pub(super) fn none() -> Self {
        Self { has_voice: true, speaks: true, ..Self::default() }
    }

    /// Whether the model's backup goes on with what the first choice began.
    pub(super) fn goes_on(&self) -> bool {
        self.writer.is_some()
    }

    /// Whether its voice can still be replaced by one that was not asked yet.
    pub(super) fn has_voice_left(&self) -> bool {
        !self.has_voice
    }

    /// Whether its voice can be replaced if it fails now.
    pub(super) fn can_replace_voice(&self) -> bool {
        !self.has_voice || self.rival.is_some()
    }

    /// The ids under which backups work for the reply beside its own.
    pub(super) fn ids(&self) -> impl Iterator<Item = ReplyId> {
        self.run.as_ref().map(|run| run.id).into_iter().chain(self.writer).chain(self.rival_id())
    }

    /// The voice that runs beside the first.
    pub(super) fn rival_id(&self) -> Option<ReplyId> {
        self.rival.as_ref().map(|rival| rival.id)
    }

    /// When what a second run has pending is spoken.
    pub(super) fn flush_due(&self) -> Option<Instant> {
        self.run.as_ref()?.flush_due
    }
}

impl Reply {
    /// When the model's backup is asked too, if there is one.
    pub(super) fn model_hedge_due(&self, timing: &Timing) -> Option<Instant> {
        let goes_on = self.can_be_continued();
        let may = (self.is_unwritten() || goes_on) && !self.backup.has_run;
        let asked = self.token_due.filter(|_| may)?.checked_sub(timing.first_token)?;
        Some(asked + if goes_on { timing.model_stall } else { timing.hedge_first_token })
    }

    /// When the voice's backup is asked too, if there is one.
    pub(super) fn voice_hedge_due(&self, timing: &Timing) -> Option<Instant> {
        let awaits = self.awaits.filter(|_| self.backup.has_voice_left())?.max(self.first_since?);
        // A voice that has spoken already has at least the patience of a stall, however slow another one was.
        let least = if self.ready { timing.audio_stall } else { Duration::ZERO };
        Some(awaits + timing.hedge_first_audio.max(least))
    }

    /// Whether its model has stopped at words, so that another run can go on behind them.
    fn can_be_continued(&self) -> bool {
        self.generating && !self.text.is_empty() && self.calls == 0 && self.hangs_up.is_none()
    }

    /// Whether the model has given it nothing that another run could not give instead.
    fn is_unwritten(&self) -> bool {
        self.generating && self.text.is_empty() && self.calls == 0 && self.hangs_up.is_none()
    }
}

impl Dialogue {
    /// The waits before a backup is asked: none for a while after the first choice was late or has failed. It is asked as
    /// well all the same, and is waited for again as soon as it wins.
    pub(super) fn hedge_timing(&self, now: Instant) -> Timing {
        let mut timing = self.spec.timing;
        if self.slow.llm.is_some_and(|until| now < until) {
            timing.hedge_first_token = Duration::ZERO;
        }
        if self.slow.tts.is_some_and(|until| now < until) {
            timing.hedge_first_audio = Duration::ZERO;
        }
        timing
    }

    /// Models that are late get their backup beside them.
    pub(super) fn hedge_models(&mut self, now: Instant) {
        let timing = self.hedge_timing(now);
        let is_due = |reply: &&Reply| reply.model_hedge_due(&timing).is_some_and(|at| at <= now);
        let late: Vec<_> = self.replies.iter().filter(is_due).map(|reply| reply.id).collect();
        for id in late {
            let backup = self.next_id();
            if self.ask_to_go_on(id, backup, "llm.continue-hedge") {
                continue;
            }
            let run = Run { id: backup, segmenter: Segmenter::new(&self.normaliser), flush_due: None };
            let Some(reply) = self.reply(id) else { continue };
            (reply.backup.has_run, reply.backup.run) = (true, Some(run));
            let inputs = format!("nothing to speak after {} ms", timing.hedge_first_token.as_millis());
            self.ask_backup_model(id, backup, "llm.hedge", inputs);
        }
    }

    /// The model has given a reply nothing and will not: its backup does, if it has one left; whether it has.
    pub(super) fn back_up_model(&mut self, id: ReplyId, failure: Failure, rule: &'static str, now: Instant) -> bool {
        let has_model = self.spec.backups.llm;
        let Some(reply) = self.reply(id).filter(|reply| reply.is_unwritten()) else { return false };
        if reply.backup.run.is_some() {
            self.tell_failed(Service::Llm, failure, rule, "its backup was asked already: that one answers");
            return self.run_wins(id, true);
        }
        if !has_model || reply.backup.has_run {
            return false;
        }
        reply.backup.has_run = true;
        self.slow.llm = Some(now + SLOW_FOR);
        self.tell_failed(Service::Llm, failure, rule, "its backup is asked");
        let (backup, segmenter) = (self.next_id(), Segmenter::new(&self.normaliser));
        if let Some(reply) = self.reply(id) {
            reply.segmenter = segmenter;
            reply.flush_due = None;
            reply.rename(backup);
        }
        self.act(Action::Cancel { reply: id });
        self.ask_backup_model(id, backup, "llm.backup", "the first choice gave nothing".into());
        true
    }

    /// The model has failed in mid-answer: its backup goes on behind what was spoken, if it has one left; whether it has.
    pub(super) fn go_on_behind(&mut self, id: ReplyId, failure: Failure, rule: &'static str, now: Instant) -> bool {
        let token_due = Some(now + self.spec.timing.first_token);
        let Some(reply) = self.reply(id).filter(|reply| reply.can_be_continued()) else { return false };
        let (is_asked, has_run) = (reply.backup.run.is_some(), reply.backup.has_run);
        if !is_asked && (has_run || !self.spec.backups.llm) {
            return false;
        }
        let segmenter = Segmenter::new(&self.normaliser);
        if let Some(reply) = self.reply(id) {
            // What was written and not spoken is written again.
            (reply.segmenter, reply.flush_due) = (segmenter, None);
            reply.token_due = token_due;
        }
        let deed = if is_asked { "its backup was asked already: that one goes on" } else { "its backup goes on" };
        self.tell_failed(Service::Llm, failure, rule, deed);
        self.slow.llm = Some(now + SLOW_FOR);
        if is_asked {
            return true;
        }
        self.act(Action::CancelModel { reply: id });
        let backup = self.next_id();
        self.ask_to_go_on(id, backup, "llm.continue")
    }

    /// Asks the model's backup to go on behind what was spoken of a reply. `false`: nothing of it was spoken.
    fn ask_to_go_on(&mut self, id: ReplyId, backup: ReplyId, rule: &'static str) -> bool {
        let segmenter = Segmenter::new(&self.normaliser);
        let Some(reply) = self.reply(id).filter(|reply| reply.can_be_continued()) else { return false };
        let run = Run { id: backup, segmenter, flush_due: None };
        (reply.backup.has_run, reply.backup.run) = (true, Some(run));
        let text = reply.text.written().to_owned();
        let inputs = format!("{} bytes were spoken, then none came", text.len());
        self.tell(DialogueEvent::Hedged {
            service: Service::Llm,
            reply: Some(id),
            backup: Some(backup),
            why: why(rule, inputs),
        });
        let messages = self.history.prompt_behind(text);
        self.act(Action::Generate { reply: backup, rank: 1, messages });
        true
    }

    /// The reply that this run writes: its own, or the one that it goes on with. `None`: another goes on with that one.
    pub(super) fn written_by(&self, id: ReplyId) -> Option<ReplyId> {
        let is_left = self.replies.iter().any(|reply| reply.id == id && reply.backup.writer.is_some());
        (!is_left).then(|| self.made_of(id))
    }

    /// The reply that is made of what this run writes.
    pub(super) fn made_of(&self, id: ReplyId) -> ReplyId {
        let goes_on = self.replies.iter().find(|reply| reply.backup.writer == Some(id));
        goes_on.map_or(id, |reply| reply.id)
    }

    /// Under which id a reply is being written.
    pub(super) fn writer_of(&self, id: ReplyId) -> ReplyId {
        self.replies.iter().find(|reply| reply.id == id).and_then(|reply| reply.backup.writer).unwrap_or(id)
    }

    fn ask_backup_model(&mut self, id: ReplyId, backup: ReplyId, rule: &'static str, inputs: String) {
        let why = why(rule, inputs);
        self.tell(DialogueEvent::Hedged { service: Service::Llm, reply: Some(id), backup: Some(backup), why });
        let messages = self.history.prompt();
        self.act(Action::Generate { reply: backup, rank: 1, messages });
    }

    /// Of two runs for a reply one has won: the reply's own, or with `second` the other, whose id it takes. `true`: there
    /// were two.
    fn run_wins(&mut self, id: ReplyId, second: bool) -> bool {
        let Some(reply) = self.reply(id) else { return false };
        let Some(run) = reply.backup.run.take() else { return false };
        if second && !reply.text.is_empty() {
            reply.backup.writer = Some(run.id);
            (reply.segmenter, reply.flush_due) = (run.segmenter, run.flush_due);
            self.act(Action::CancelModel { reply: id });
            return true;
        }
        let loser = if second {
            reply.rename(run.id);
            reply.segmenter = run.segmenter;
            reply.flush_due = run.flush_due;
            id
        } else {
            run.id
        };
        self.act(Action::Cancel { reply: loser });
        true
    }

    /// A run has given something to speak or a tool to call: it is the one the reply is made of.
    pub(super) fn favour(&mut self, id: ReplyId, now: Instant) {
        let second = self.replies.iter().find(|reply| reply.backup.run.as_ref().is_some_and(|run| run.id == id));
        match second.map(|reply| reply.id) {
            Some(first) => {
                let failure = Failure::Timeout;
                self.tell_failed(Service::Llm, failure, "llm.hedge", "the backup was first: it answers");
                mark_slow(&mut self.slow.llm, now);
                self.run_wins(first, true);
            }
            None => {
                if self.run_wins(id, false) {
                    self.slow.llm = None;
                }
            }
        }
    }

    /// A piece of a second run's text.
    pub(super) fn second_token(&mut self, id: ReplyId, text: &str, now: Instant) {
        let flush = self.spec.timing.segment_flush;
        let Some(run) = self.second_run(id) else { return };
        let segments = run.segmenter.push(text);
        run.flush_due = run.segmenter.is_waiting().then_some(now + flush);
        for segment in segments {
            self.speak(id, segment, now);
        }
    }

    /// Tokens of second runs have paused: what there is is spoken.
    pub(super) fn flush_second_runs(&mut self, now: Instant) {
        let due = self.replies.iter_mut().filter_map(|reply| reply.backup.run.as_mut());
        let due = due.filter(|run| run.flush_due.is_some_and(|at| at <= now));
        let segments: Vec<_> = due
            .map(|run| {
                run.flush_due = None;
                (run.id, run.segmenter.flush())
            })
            .collect();
        for (id, segment) in segments {
            if let Some(segment) = segment {
                self.speak(id, segment, now);
            }
        }
    }

    /// A second run has ended. What it had left is spoken; `true`: the reply is made of it and has ended.
    pub(super) fn second_ended(&mut self, id: ReplyId, end: GenerationEnd, now: Instant) -> bool {
        let Some(run) = self.second_run(id) else { return false };
        match run.segmenter.finish() {
            Some(rest) => self.speak(id, rest, now),
            None => {
                self.second_failed(id, Failure::Protocol, "llm.empty", &format!("the backup ended ({end:?}) empty"));
                return false;
            }
        }
        true
    }

    /// A second run has failed: the first is waited for. `false`: there is no such run.
    pub(super) fn second_failed(&mut self, id: ReplyId, failure: Failure, rule: &'static str, inputs: &str) -> bool {
        let reply = self.replies.iter_mut().find(|reply| reply.backup.run.as_ref().is_some_and(|run| run.id == id));
        let Some(reply) = reply else { return false };
        reply.backup.run = None;
        self.tell_failed(Service::Llm, failure, rule, inputs);
        self.act(Action::Cancel { reply: id });
        true
    }

    /// Gives up both runs but the reply's own, which is given up next.
    pub(super) fn drop_second_run(&mut self, id: ReplyId) {
        self.run_wins(id, false);
    }

    fn second_run(&mut self, id: ReplyId) -> Option<&mut Run> {
        self.replies.iter_mut().filter_map(|reply| reply.backup.run.as_mut()).find(|run| run.id == id)
    }

    /// Voices that are late get their backup beside them; one that has been heard and then stalled is replaced.
    pub(super) fn hedge_voices(&mut self, now: Instant) {
        let timing = self.hedge_timing(now);
        let is_due = |reply: &&Reply| reply.voice_hedge_due(&timing).is_some_and(|at| at <= now);
        let late: Vec<_> = self.replies.iter().filter(is_due).map(|r| (r.id, r.voice, r.ready)).collect();
        for (id, voice, has_spoken) in late {
            if has_spoken {
                self.tts_failed(voice, Failure::Timeout, "tts.stall", now);
                continue;
            }
            let rival = self.next_id();
            let Some(reply) = self.reply(id) else { continue };
            (reply.backup.has_voice, reply.backup.rival) = (true, Some(Rival { id: rival, words: Vec::new() }));
            let (text, closed) = (reply.text.spoken().to_owned(), reply.closed);
            let inputs = format!("no sound after {} ms", timing.hedge_first_audio.as_millis());
            self.tell_backup_voice(id, rival, "tts.hedge", inputs);
            self.act(Action::Synthesize { reply: rival, rank: 1, text });
            if closed {
                self.act(Action::EndSpeech { reply: rival });
            }
        }
    }

    /// Sound of a voice has come: of two for one reply it is the one that is heard.
    pub(super) fn voice_wins(&mut self, voice: ReplyId, now: Instant) {
        if let Some(reply) = self.replies.iter_mut().find(|reply| reply.backup.rival_id() == Some(voice)) {
            let (id, loser) = (reply.id, reply.voice);
            reply.take_rival();
            mark_slow(&mut self.slow.tts, now);
            self.tell_failed(Service::Tts, Failure::Timeout, "tts.hedge", "the backup was first: it speaks");
            self.act(Action::Flush { reply: loser });
            self.cancel_voice(id, loser);
        } else if let Some(reply) = self.voiced(voice).filter(|reply| reply.backup.rival.is_some()) {
            let id = reply.id;
            // It may yet be needed, should the first fail later on.
            reply.backup.has_voice = false;
            self.slow.tts = None;
            self.drop_rival(id);
        }
    }

    /// Gives up the voice that runs beside a reply's own.
    pub(super) fn drop_rival(&mut self, id: ReplyId) {
        if let Some(rival) = self.reply(id).and_then(|reply| reply.backup.rival.take()) {
            self.act(Action::Flush { reply: rival.id });
            self.act(Action::Cancel { reply: rival.id });
        }
    }

    /// The voice that runs beside a reply's own has failed; `false`: there is no such voice.
    pub(super) fn rival_failed(&mut self, voice: ReplyId, failure: Failure, rule: &'static str) -> bool {
        let reply = self.replies.iter().find(|reply| reply.backup.rival_id() == Some(voice));
        let Some(id) = reply.map(|reply| reply.id) else { return false };
        self.tell_failed(Service::Tts, failure, rule, "it was the backup: the first choice is waited for");
        self.drop_rival(id);
        true
    }

    /// When the words of a voice that runs beside another are spoken.
    pub(super) fn rival_words(&mut self, voice: ReplyId, words: &[WordTime]) {
        let rivals = self.replies.iter_mut().filter_map(|reply| reply.backup.rival.as_mut());
        for rival in rivals.filter(|rival| rival.id == voice) {
            let room = Reply::MAX_WORDS.saturating_sub(rival.words.len());
            rival.words.extend(words.iter().take(room));
        }
    }

    /// The voice of a reply has failed and can be replaced: by the one that runs beside it, or, as soon as what has come
    /// of it was heard, by one that goes on from there.
    pub(super) fn change_voice(&mut self, voice: ReplyId, failure: Failure, rule: &'static str, now: Instant) {
        let Some(reply) = self.voiced(voice) else { return };
        let (id, has_rival) = (reply.id, reply.backup.rival.is_some());
        let has_more = reply.started.is_some() && reply.starved.is_none();
        let deed = match (has_rival, has_more, reply.is_sounding()) {
            (true, _, _) => "its backup was asked already: that one speaks",
            (_, true, _) => "what has come is heard out, then its backup goes on",
            (_, _, true) => "its backup goes on from the next unheard word",
            _ => "its backup speaks",
        };
        self.tell_failed(Service::Tts, failure, rule, deed);
        self.slow.tts = Some(now + SLOW_FOR);
        let Some(reply) = self.reply(id) else { return };
        if has_rival {
            reply.take_rival();
            reply.awaits = Some(now);
            self.act(Action::Flush { reply: voice });
        } else if has_more {
            reply.is_last_of_voice = true;
        }
        self.cancel_voice(id, voice);
        if !has_rival && !has_more {
            self.leave_voice(id, now);
        }
    }

    /// Nothing more is heard of a reply's voice: what was heard of it decides where its backup begins.
    pub(super) fn leave_voice(&mut self, id: ReplyId, now: Instant) {
        let Some(reply) = self.reply(id) else { return };
        (reply.backup.has_voice, reply.backup.moves) = (true, true);
        (reply.ready, reply.starved, reply.awaits) = (false, None, Some(now));
        let voice = reply.voice;
        self.act(Action::Flush { reply: voice });
    }

    /// What was heard of a voice that is being replaced: its backup begins with the next word. `false`: it is not.
    pub(super) fn move_voice(&mut self, voice: ReplyId, heard: Duration, share: f32, now: Instant) -> bool {
        let Some(at) = self.replies.iter().position(|r| r.backup.moves && r.voice == voice) else { return false };
        let backup = self.next_id();
        let Some(reply) = self.replies.get_mut(at) else { return false };
        let id = reply.id;
        reply.move_to(backup, heard, share, now);
        let rest = reply.text.spoken_from(reply.backup.from).to_owned();
        let closed = reply.closed;
        if at == 0 && self.floor == Floor::Ducked {
            self.floor = Floor::Free;
            self.act(Action::Unduck);
        }
        if rest.is_empty() {
            if let Some(reply) = self.reply(id) {
                reply.awaits = None;
            }
            if closed {
                self.end_spent(id, now);
            }
            return true;
        }
        self.tell_backup_voice(id, backup, "tts.backup", format!("heard {} ms", heard.as_millis()));
        self.act(Action::Synthesize { reply: backup, rank: 1, text: rest });
        if closed {
            self.act(Action::EndSpeech { reply: backup });
        }
        true
    }

    /// The voice that is being replaced, of which nothing was told yet.
    pub(super) fn moving_voice(&self) -> Option<ReplyId> {
        self.replies.iter().find(|reply| reply.backup.moves).map(|reply| reply.voice)
    }

    /// All of a reply was heard from a voice that failed at its end.
    pub(super) fn end_spent(&mut self, id: ReplyId, now: Instant) {
        let Some(at) = self.replies.iter().position(|reply| reply.id == id) else { return };
        if let Some(reply) = self.replies.remove(at) {
            self.heard_out(&reply, now);
        }
    }

    /// Stops a voice, and with it the reply's model only where that is done anyway.
    fn cancel_voice(&mut self, id: ReplyId, voice: ReplyId) {
        let is_writing = self.reply(id).is_some_and(|reply| reply.generating && id == voice);
        let action = if is_writing { Action::CancelVoice { reply: voice } } else { Action::Cancel { reply: voice } };
        self.act(action);
    }

    /// Stops everything that works for a reply that is heard out.
    pub(super) fn stop_services(&mut self, id: ReplyId) {
        if let Some(reply) = self.reply(id).cloned() {
            self.cancel(&reply);
        }
    }

    /// Stops everything that works for a reply.
    pub(super) fn cancel(&mut self, reply: &Reply) {
        self.act(Action::Cancel { reply: reply.voice });
        if reply.generating && reply.id != reply.voice {
            self.act(Action::Cancel { reply: reply.id });
        }
        for id in reply.backup.ids() {
            self.act(Action::Cancel { reply: id });
        }
    }

    fn tell_backup_voice(&mut self, id: ReplyId, backup: ReplyId, rule: &'static str, inputs: String) {
        let why = why(rule, inputs);
        self.tell(DialogueEvent::Hedged { service: Service::Tts, reply: Some(id), backup: Some(backup), why });
    }

    fn tell_failed(&mut self, service: Service, failure: Failure, rule: &'static str, deed: &str) {
        self.tell(DialogueEvent::ServiceFailed { service, failure, why: why(rule, deed) });
    }
}

impl Reply {
    /// From here on everything of it goes by this id: nothing of it was spoken.
    fn rename(&mut self, id: ReplyId) {
        (self.id, self.voice) = (id, id);
    }

    /// The voice that ran beside its own becomes its own.
    fn take_rival(&mut self) {
        if let Some(rival) = self.backup.rival.take() {
            self.voice = rival.id;
            self.words = rival.words;
            self.backup.speaks = true;
        }
    }

    /// The backup speaks it from the first word that was not heard.
    fn move_to(&mut self, voice: ReplyId, heard: Duration, share: f32, now: Instant) {
        let known = self.heard(heard, share).len();
        let rest = self.text.written().get(known..).unwrap_or_default();
        let space = if known == 0 { 0 } else { rest.len() - rest.trim_start().len() };
        // Marks alone cannot be spoken: a backup that is given none of them counts from behind them.
        self.backup.from = if speaks(rest) { known + space } else { self.text.written().len() };
        self.backup.heard += heard;
        (self.backup.has_voice, self.backup.speaks, self.backup.moves) = (true, true, false);
        self.voice = voice;
        self.words.clear();
        (self.ready, self.playing, self.is_last_of_voice) = (false, false, false);
        (self.starved, self.length, self.started) = (None, None, None);
        (self.awaits, self.spoken) = (Some(now), Some(now));
    }
}
