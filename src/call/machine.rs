//! The call itself: one struct, five verbs.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::audio::{LAST_RESORT, SampleRate, g711};
use crate::conversation::{ReplyId, Service};
use crate::dialogue::{Action, Command, Dialogue, DialogueEvent, EndReason, Fact, Update};
use crate::media::{Heard, Inbound, InboundSpec, Outbound, OutboundSpec, Quality, Recorder, Reports, Sent};
use crate::rtp::Packet;

use super::replies::Replies;
use super::timeline::{Line, Report, Speaker, Stopwatch};
use super::voiceless::VoicelessEar;
use super::{CallSpec, Event, EventKind, Input, Output, Stereo};

/// One phone call. Told the time, owned by one body, failing at nothing.
///
/// After every `handle_…` drain [`poll_output`](Call::poll_output) until it is empty, then wait for the next input or
/// until [`poll_timeout`](Call::poll_timeout).
///
/// ```
/// use agentphone::call::{Call, CallSpec, DialogueSpec, Input, Output};
/// use std::time::{Duration, Instant};
///
/// let start = Instant::now();
/// let spec = CallSpec::new(DialogueSpec { begin_message: "Hello.".into(), ..DialogueSpec::default() });
/// let mut call = Call::new(spec, start);
/// call.handle_input(Input::Answered, start);
/// // The greeting is asked for at once, and packets of silence begin to flow.
/// let outputs: Vec<Output> = std::iter::from_fn(|| call.poll_output()).collect();
/// assert!(outputs.iter().any(|output| matches!(output, Output::Synthesize { text, .. } if text.starts_with("Hello"))));
/// assert!(call.poll_timeout().is_some_and(|due| due <= start + Duration::from_millis(20)));
/// ```
#[derive(Debug)]
pub struct Call {
    begun: Instant,
    inbound: Inbound,
    outbound: Outbound,
    /// On lines that carry reports.
    reports: Option<Reports>,
    dialogue: Dialogue,
    /// At this rate, from the answer on; `None`: not at all.
    record: Option<SampleRate>,
    recorder: Option<Recorder>,
    replies: Replies,
    /// What is played when every voice is down, in µ-law at 8 kHz; `None`: what is built in.
    last_resort: Option<Vec<u8>>,
    stopwatch: Stopwatch,
    /// The beginning of the last voice heard since the reply that is being heard began, or still going on then.
    voice: Option<Duration>,
    /// The reply and the beginning of the voice that silenced it, until the first silent packet has left.
    silencing: Option<(ReplyId, Duration)>,
    voiceless: VoicelessEar,
    report: Report,
    outputs: VecDeque<Output>,
}

impl Call {
    /// A call that has not been answered. The agent's first words may be asked for already, so drain the outputs.
    pub fn new(spec: CallSpec, now: Instant) -> Self {
        let CallSpec { line, dialogue, last_resort, sound, voices, record, seed } = spec;
        let inbound = InboundSpec {
            codec: line.codec,
            payload_type: line.payload_type,
            others: line.others,
            comfort_noise: line.comfort_noise,
            telephone_event: line.telephone_event,
            denoising: sound.denoising,
            auto_gain: sound.auto_gain,
        };
        let outbound = OutboundSpec {
            codec: line.codec,
            payload_type: line.payload_type,
            rate: line.rate(),
            ptime: line.ptime,
            dtx: line.dtx,
            comfort_noise: line.comfort_noise,
            opus: line.opus,
            telephone_event: line.telephone_event,
            lead: line.lead,
            far_buffer: line.far_buffer,
            ambience: sound.ambience,
            level_voices: sound.level_voices,
            voices,
            seed,
        };
        let mut call = Self {
            begun: now,
            inbound: Inbound::new(inbound, now),
            outbound: Outbound::new(outbound, now),
            reports: line.rtcp.map(|spec| Reports::new(spec, line.codec, seed, now)),
            dialogue: Dialogue::new(dialogue, now),
            recorder: None,
            record: record.then(|| line.rate()),
            replies: Replies::default(),
            last_resort,
            stopwatch: Stopwatch::default(),
            voice: None,
            silencing: None,
            voiceless: VoicelessEar::default(),
            report: Report::default(),
            outputs: VecDeque::with_capacity(OUTPUTS),
        };
        call.settle(now);
        call
    }

    /// Something happened.
    pub fn handle_input(&mut self, input: Input<'_>, now: Instant) {
        if self.is_over() {
            return;
        }
        match input {
            Input::Packet(datagram) => {
                self.inbound.handle_packet(datagram, now);
                if let Some(reports) = &mut self.reports
                    && Packet::is_rtcp(datagram)
                {
                    reports.handle(datagram, self.inbound.ssrc(), now);
                }
            }
            Input::Played { mark } => self.outbound.handle_played(mark, now),
            Input::Answered => self.answered(now),
            Input::Digit(digit) => {
                if self.inbound.is_new_key(digit, now) {
                    self.digit(digit, now);
                }
            }
            Input::Held(held) => {
                self.inbound.set_held(held, now);
                self.dialogue.handle(Fact::Hold { held }, now);
            }
            Input::Transcript(transcript) => self.dialogue.handle(Fact::Transcript(transcript), now),
            Input::ToolResult(result) => self.dialogue.handle(Fact::ToolResult(result), now),
            Input::TransferEnded(end) => self.dialogue.handle(Fact::TransferEnded(end), now),
            Input::Command(command) => {
                if let Command::Update(Update { denoising, ambience, voice, .. }) = command {
                    if let Some(denoising) = denoising {
                        self.inbound.set_denoising(*denoising);
                    }
                    if let Some(ambience) = ambience {
                        self.outbound.set_ambience(*ambience);
                    }
                    if voice.is_some() {
                        self.outbound.change_voice();
                    }
                }
                self.dialogue.handle(Fact::Command(command), now);
            }
            Input::Closed => self.dialogue.handle(Fact::Closed, now),
            Input::Failed { service, reply: None, failure } => {
                self.dialogue.handle(Fact::Failed { service, reply: None, failure }, now);
            }
            Input::Token { reply, .. }
            | Input::ToolCall { reply, .. }
            | Input::GenerationEnded { reply, .. }
            | Input::Speech { reply, .. }
            | Input::WordTimes { reply, .. }
            | Input::SpeechEnded { reply }
            | Input::Failed { reply: Some(reply), .. } => {
                // The one place where late results of dead replies are dropped and counted.
                if self.replies.is_alive(reply) {
                    self.result(reply, input, now);
                } else {
                    self.report.dropped += 1;
                }
            }
        }
        self.settle(now);
    }

    /// The deadline of [`poll_timeout`](Call::poll_timeout) has come. Early calls do nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.is_over() {
            return;
        }
        // Events before timers: what the sound has to tell is told before the dialogue's deadlines are looked at.
        self.inbound.handle_timeout(now);
        self.settle(now);
        self.outbound.handle_timeout(now);
        self.settle(now);
        self.dialogue.handle_timeout(now);
        self.settle(now);
        if let Some(report) = self.reports.as_mut().and_then(|reports| reports.handle_timeout(&mut self.inbound, now)) {
            self.outputs.push_back(Output::Report(report));
        }
    }

    /// The next thing to carry out.
    pub fn poll_output(&mut self) -> Option<Output> {
        let output = self.outputs.pop_front();
        if self.outputs.is_empty() {
            // The next ones lie where these lay, which is still in the processor's caches.
            self.outputs.clear();
        }
        output
    }

    /// When to call [`handle_timeout`](Call::handle_timeout) at the latest; `None`: nothing is pending.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.is_over() {
            return None;
        }
        let reports = self.reports.as_ref().and_then(Reports::poll_timeout);
        [self.inbound.poll_timeout(), self.outbound.poll_timeout(), self.dialogue.poll_timeout(), reports]
            .into_iter()
            .flatten()
            .min()
    }

    /// Whether there is room for more speech of a reply: while less than 5 s wait in all, for the reply that is being
    /// heard while less than 2 s of it wait, and always for a reply's first sound, so that a long answer does not keep
    /// the next one from being heard of. While there is not, leave that
    /// voice's stream unread: its socket then holds the vendor back. (What is pushed all the same is dropped beyond the
    /// playout's bound, and counted.)
    pub fn wants_speech(&self, reply: ReplyId) -> bool {
        self.outbound.wants_speech(reply) || !self.replies.has_sound(reply)
    }

    /// Whether the call has ended: drop it after draining the outputs.
    pub fn is_over(&self) -> bool {
        self.report.ended.is_some()
    }

    /// The record so far.
    pub fn report(&self) -> Report {
        let unrecorded = self.recorder.as_ref().map_or(Duration::ZERO, Recorder::skipped);
        let (inbound, outbound) = (self.inbound.report(), self.outbound.report());
        let quality = self.reports.as_ref().map_or(Quality::default(), |reports| reports.quality(&self.inbound));
        let (voiceless, voices) = (self.voiceless.heard(), self.outbound.voices());
        Report { inbound, outbound, quality, voiceless, unrecorded, voices, ..self.report.clone() }
    }

    fn answered(&mut self, now: Instant) {
        if self.report.answered.is_some() {
            return;
        }
        self.report.answered = Some(self.since_begin(now));
        self.tell(EventKind::Answered, now);
        self.recorder = self.record.map(|rate| {
            let mut recorder = Recorder::new(rate, now);
            recorder.hold_back(Inbound::KEY_ONSET + Recorder::PIECE);
            recorder
        });
        self.inbound.answer(now);
        self.outbound.answer(now);
        if let Some(reports) = &mut self.reports {
            reports.answer(now);
        }
        self.dialogue.handle(Fact::Answered, now);
    }

    fn digit(&mut self, digit: crate::conversation::Digit, now: Instant) {
        self.tell(EventKind::DigitPressed, now);
        self.dialogue.handle(Fact::Digit(digit), now);
    }

    /// A result of a living reply.
    fn result(&mut self, reply: ReplyId, input: Input<'_>, now: Instant) {
        match input {
            Input::Token { text, .. } => {
                self.stopwatch.token(reply, self.since_begin(now));
                self.dialogue.handle(Fact::Token { reply, text }, now);
            }
            Input::ToolCall { call, .. } => {
                self.stopwatch.token(reply, self.since_begin(now));
                self.dialogue.handle(Fact::ToolCall { reply, call: call.clone() }, now);
            }
            Input::GenerationEnded { end, .. } => {
                self.replies.generated(reply);
                self.dialogue.handle(Fact::GenerationEnded { reply, end }, now);
            }
            Input::Speech { samples, rate, .. } => self.speech(reply, samples, rate, now),
            Input::WordTimes { words, .. } => self.dialogue.handle(Fact::WordTimes { reply, words }, now),
            Input::SpeechEnded { .. } => {
                self.outbound.speech_ended(reply, now);
                let length = self.replies.length(reply);
                self.dialogue.handle(Fact::SpeechEnded { reply, length }, now);
            }
            Input::Failed { service, failure, .. } => {
                if service == Service::Llm {
                    self.replies.generated(reply);
                }
                self.dialogue.handle(Fact::Failed { service, reply: Some(reply), failure }, now);
            }
            _ => {}
        }
    }

    fn speech(&mut self, reply: ReplyId, samples: &[i16], rate: SampleRate, now: Instant) {
        if samples.is_empty() {
            return;
        }
        self.outbound.speech(reply, samples, rate, now);
        if self.replies.add_speech(reply, rate.duration_of(samples.len())) {
            self.stopwatch.audio(reply, self.since_begin(now));
            self.dialogue.handle(Fact::SpeechReady { reply }, now);
        }
    }

    /// The sound kept for the case that every voice is down becomes a reply's, as if a voice had spoken it.
    fn play_kept(&mut self, reply: ReplyId, now: Instant) {
        let kept = self.last_resort.as_deref().unwrap_or(LAST_RESORT);
        let rate = SampleRate::HZ_8000;
        let mut sound = vec![0; kept.len().min(rate.samples_in(LAST_RESORT_MOST))];
        g711::decode_ulaw(kept, &mut sound);
        self.replies.speak(reply);
        self.outbound.expect(reply);
        self.speech(reply, &sound, rate, now);
        self.outbound.speech_ended(reply, now);
        let length = self.replies.length(reply);
        self.dialogue.handle(Fact::SpeechEnded { reply, length }, now);
    }

    /// Carries facts and actions between the sound and the dialogue until both are quiet.
    fn settle(&mut self, now: Instant) {
        // Each round empties all three queues; a round that moves nothing ends it. The bound is a guard: rooms that kept
        // answering each other would otherwise hang the call's task.
        for _ in 0..SETTLE_ROUNDS {
            let mut moved = false;
            while let Some(heard) = self.inbound.poll_in_place() {
                moved = true;
                self.heard(heard, now);
            }
            while let Some(action) = self.dialogue.poll() {
                moved = true;
                self.act(action, now);
                if self.is_over() {
                    return;
                }
            }
            while let Some(sent) = self.outbound.poll_in_place() {
                moved = true;
                self.sent(sent, now);
            }
            if !moved {
                self.replies.settle();
                return;
            }
        }
        debug_assert!(false, "the rooms of a call did not come to rest");
    }

    fn heard(&mut self, heard: Heard<()>, now: Instant) {
        match heard {
            Heard::Frame(()) => {
                let (at, frame) = (self.since_begin(now), self.inbound.frame());
                if let Some(recorder) = &mut self.recorder {
                    recorder.caller(frame, now);
                    if self.dialogue.hides_keys() && self.inbound.hears_key() {
                        recorder.mute_caller(Inbound::KEY_ONSET + frame.duration());
                    }
                }
                // The recording keeps what came; the recogniser gets what is left of it.
                let cleaned = self.inbound.cleaned().unwrap_or(frame);
                self.outputs.extend(cleaned.pieces().map(Output::Transcribe));
                if let Some((since, why)) = self.voiceless.caller(frame, at) {
                    self.tell(EventKind::SoundWithoutVoice { since, why }, now);
                }
            }
            Heard::Voice { began, voiced, over } => {
                self.voiceless.voice();
                self.voice = Some(self.since_begin(began));
                self.dialogue.handle(Fact::Voice { began, voiced, over }, now);
            }
            Heard::Echo => {
                self.voice = None;
                self.dialogue.handle(Fact::Echo, now);
            }
            Heard::Up => self.dialogue.handle(Fact::MediaUp, now),
            Heard::Beep { length, ended } => self.dialogue.handle(Fact::Beep { length, ended }, now),
            Heard::Silence { since } => {
                self.voiceless.silence();
                self.dialogue.handle(Fact::Silence { since }, now);
            }
            Heard::Digit(digit) => self.digit(digit, now),
            Heard::Lost => self.dialogue.handle(Fact::MediaLost, now),
        }
    }

    fn act(&mut self, action: Action, now: Instant) {
        match action {
            Action::Finalize => self.outputs.push_back(Output::Finalize),
            Action::Rehear { since } => self.outputs.push_back(Output::Rehear { since }),
            Action::Generate { reply, rank, messages } => {
                self.replies.generate(reply);
                self.outputs.push_back(Output::Generate { reply, rank, messages });
            }
            Action::Synthesize { reply, rank, text } => {
                self.replies.speak(reply);
                self.outbound.expect(reply);
                self.outbound.spoken_by(reply, rank);
                self.stopwatch.segment(reply, &text, self.since_begin(now));
                self.outputs.push_back(Output::Synthesize { reply, rank, text });
            }
            Action::EndSpeech { reply } => self.outputs.push_back(Output::EndSpeech { reply }),
            Action::Play { reply } => self.outbound.play(reply, now),
            Action::Duck => self.outbound.duck(now),
            Action::Unduck => self.outbound.unduck(now),
            Action::Hold => self.outbound.hold(now),
            Action::Resume { from, rewind } => {
                self.silencing = None;
                self.outbound.resume(from, rewind, now);
            }
            Action::Flush { reply } => {
                let cut = self.outbound.flush(reply, now);
                self.forget_silencing();
                self.dialogue.handle(Fact::Flushed { reply, heard: cut.heard, share: cut.share }, now);
            }
            Action::Cancel { reply } => {
                self.replies.remove(reply);
                self.outputs.push_back(Output::Cancel { reply });
            }
            Action::CancelModel { reply } => {
                self.replies.generated(reply);
                self.outputs.push_back(Output::CancelModel { reply });
            }
            Action::CancelVoice { reply } => {
                self.replies.spoken(reply);
                self.outputs.push_back(Output::CancelVoice { reply });
            }
            Action::PlayKept { reply } => self.play_kept(reply, now),
            Action::Invoke { reply, call } => self.outputs.push_back(Output::Invoke { reply, call }),
            Action::CancelTool { call } => self.outputs.push_back(Output::CancelTool { call }),
            Action::SendDigits(digits) => {
                // Beyond what the line keeps waiting they are lost, and counted.
                let taken = self.outbound.send_digits(&digits, now);
                self.report.dropped += digits.len().saturating_sub(taken) as u64;
            }
            Action::ListenForBeep(wanted) => self.inbound.listen_for_beep(wanted),
            Action::Transfer { to } => self.outputs.push_back(Output::Transfer { to }),
            Action::HangUp(reason) => self.hang_up(reason, now),
            Action::Event(event) => self.decided(event, now),
        }
    }

    fn sent(&mut self, sent: Sent<(), ()>, now: Instant) {
        match sent {
            Sent::Packet(()) => {
                let packet = self.outbound.packet();
                if let Some(reports) = &mut self.reports {
                    reports.transmitted(packet, now);
                }
                self.outputs.push_back(Output::Transmit(*packet));
            }
            Sent::Frame(()) => {
                let (at, frame) = (self.since_begin(now), self.outbound.frame());
                self.inbound.sent(frame, now);
                // A bed is no voice.
                if self.outbound.is_speaking() {
                    self.voiceless.agent(frame, at);
                }
                if let Some(recorder) = &mut self.recorder {
                    recorder.agent(frame, now);
                    while let Some((caller, agent)) = recorder.poll() {
                        self.outputs.push_back(Output::Record(Stereo { caller, agent }));
                    }
                }
            }
            Sent::Skipped(length) => {
                if let Some(recorder) = &mut self.recorder {
                    recorder.agent_skipped(length, now);
                }
            }
            Sent::ClearFar => self.outputs.push_back(Output::ClearFar),
            Sent::Mark(mark) => self.outputs.push_back(Output::Mark(mark)),
            Sent::Started { reply } => {
                (self.voice, self.silencing) = (None, None);
                if let Some(turn) = self.stopwatch.packet(reply, self.since_begin(now)) {
                    push_bounded(&mut self.report.turns, turn);
                    self.tell(EventKind::TurnAnswered(turn), now);
                }
                self.dialogue.handle(Fact::PlayoutStarted { reply }, now);
            }
            Sent::Ended { reply, heard } => {
                self.replies.spoken(reply);
                self.forget_silencing();
                self.dialogue.handle(Fact::PlayoutEnded { reply, heard }, now);
            }
            Sent::Silenced => {
                if let Some((reply, began)) = self.silencing.take() {
                    let after = self.since_begin(now).saturating_sub(began);
                    push_bounded(&mut self.report.silenced, after);
                    self.tell(EventKind::Silenced { reply, after }, now);
                }
            }
            Sent::Underrun { reply } => {
                self.replies.starve(reply);
                self.dialogue.handle(Fact::SpeechStarved { reply }, now);
            }
        }
    }

    /// Forgets who silenced the agent when no silence is about to follow: it was not audible, or is silent already.
    fn forget_silencing(&mut self) {
        if !self.outbound.is_falling_silent() {
            self.silencing = None;
        }
    }

    /// Keeps the record of what the dialogue decided and passes it on.
    fn decided(&mut self, event: DialogueEvent, now: Instant) {
        let at = self.since_begin(now);
        self.report.speculation.note(&event);
        match &event {
            DialogueEvent::ThoughtAhead { reply, .. } => self.stopwatch.ahead(*reply),
            DialogueEvent::TurnCommitted {
                turn, reply, text, replaces, confidence, stopped, decided, settled, ..
            } => {
                self.stopwatch.committed(*turn, *reply, stopped.unwrap_or(*decided), *decided, *settled);
                self.caller_line(text, replaces.as_deref(), *confidence, at);
            }
            DialogueEvent::AgentSaid { text, interrupted, .. } => {
                let line = Line {
                    speaker: Speaker::Agent,
                    text: text.clone(),
                    at,
                    confidence: 1.0,
                    interrupted: *interrupted,
                };
                push_bounded(&mut self.report.lines, line);
            }
            DialogueEvent::Held { reply, voice_began, .. } => {
                self.report.holds += 1;
                self.silencing = Some((*reply, *voice_began));
                self.forget_silencing();
            }
            DialogueEvent::Interrupted { reply, why } => {
                self.report.interruptions += 1;
                // Words that came before enough voice for a hold; a command has no voice to be measured from.
                if self.silencing.is_none() && why.rule != "command.interrupt" {
                    // A voice that has gone on for long is noise, over which only words count.
                    let voice = self.voice.filter(|began| at.saturating_sub(*began) < LONGEST_VOICE);
                    self.silencing = voice.map(|began| (*reply, began));
                    self.forget_silencing();
                }
            }
            DialogueEvent::AnsweredBy { by, .. } => self.report.answered_by = Some(*by),
            DialogueEvent::Hedged { service, .. } => self.report.hedges.count(*service),
            DialogueEvent::Dropped { .. } => self.report.dropped += 1,
            _ => {}
        }
        self.tell(EventKind::Dialogue(event), now);
    }

    /// Words of the caller that follow words nobody has answered yet continue their line, or replace its end.
    fn caller_line(&mut self, text: &str, replaces: Option<&str>, confidence: f32, at: Duration) {
        if let Some(line) = self.report.lines.last_mut()
            && line.speaker == Speaker::Caller
            && line.text.len() < LINE_BYTES
        {
            if let Some(kept) = replaces.and_then(|replaced| line.text.strip_suffix(replaced)) {
                line.text.truncate(kept.trim_end().len());
            }
            if !line.text.is_empty() {
                line.text.push(' ');
            }
            line.text.push_str(text);
            line.at = at;
            line.confidence = line.confidence.min(confidence);
            return;
        }
        let line = Line { speaker: Speaker::Caller, text: text.to_owned(), at, confidence, interrupted: false };
        push_bounded(&mut self.report.lines, line);
    }

    fn hang_up(&mut self, reason: EndReason, now: Instant) {
        if let Some(recorder) = &mut self.recorder {
            recorder.finish(now);
            while let Some((caller, agent)) = recorder.poll() {
                self.outputs.push_back(Output::Record(Stereo { caller, agent }));
            }
        }
        if let Some(report) = self.reports.as_mut().and_then(|reports| reports.leave(&mut self.inbound, now)) {
            self.outputs.push_back(Output::Report(report));
        }
        self.report.ended = Some((self.since_begin(now), reason));
        self.outputs.push_back(Output::Close { reason });
        self.tell(EventKind::Ended { reason }, now);
    }

    fn tell(&mut self, kind: EventKind, now: Instant) {
        let at = self.since_begin(now);
        self.outputs.push_back(Output::Event(Event { at, kind }));
    }

    fn since_begin(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.begun)
    }
}

/// Appends to a part of the record, dropping the oldest entry beyond [`RECORD_ENTRIES`].
fn push_bounded<T>(entries: &mut Vec<T>, entry: T) {
    if entries.len() == RECORD_ENTRIES {
        entries.remove(0);
    }
    entries.push(entry);
}

/// Outputs one input can cause without the queue growing: a burst of released packets and the decisions they lead to.
const OUTPUTS: usize = 8;

/// More than any chain of facts and actions has: hold → flush → cancel → generate is four.
const SETTLE_ROUNDS: usize = 64;

/// Words that interrupt come within this of the voice that speaks them.
const LONGEST_VOICE: Duration = Duration::from_secs(2);

/// The most that is played of the sound kept for the case that every voice is down.
const LAST_RESORT_MOST: Duration = Duration::from_secs(5);

/// How long one line of the record may grow: minutes of uninterrupted talk.
const LINE_BYTES: usize = 16_384;

/// Lines, turns and holds the record of one call keeps: hours of conversation.
const RECORD_ENTRIES: usize = 4_096;

#[cfg(test)]
mod recorded;
#[cfg(test)]
mod tests;
