//! The loop of one call.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::{mpsc, watch};

use super::files::Files;
use super::handle::Request;
use super::hearing::Hearing;
use super::journal::Journal;
use super::ledger::Ledger;
use super::log::LogSink;
use super::loudness::VoiceLevels;
use super::recording::Recording;
use super::replies::ReplyEvent;
use super::services::Services;
use super::spare::Spare;
use super::stats::{Counters, Totals};
use super::wake::{CallBells, Sources, Timer, ToolRuns, Wake, is_held_up};
use super::{CallId, Outcome, ServiceCounters, Start};
use crate::call::{Call, Command, EndReason, Event, EventKind, Format, Input, LineSpec, Output, RtcpSpec};
use crate::conversation::{Digit, Failure, ReplyId, Service, TransferEnd};
use crate::gateway::{Leg, LegEvent, LegMedia, LegTransfer};
use crate::provider::{LlmEvent, ProviderError, SttEvent, TtsEvent};

/// One call and everything at work for it: owned by one task, which runs it from beginning to end.
pub(super) struct Driver {
    id: CallId,
    began: Instant,
    call: Call,
    sources: Sources,
    services: Services,
    journal: Journal,
    recording: Option<Recording>,
    log: Option<LogSink>,
    counters: Arc<Counters>,
    /// What is known of voices from other calls.
    levels: Arc<VoiceLevels>,
    /// How the services did, but for what `sources` count themselves.
    served: ServiceCounters,
    /// What they will be billed for, and how each question went.
    ledger: Ledger,
    /// What `counters` have been told of this call, and when.
    told: (Totals, Instant),
    /// Services that failed while an output was carried out: told to the call with the next wake.
    failed: Vec<(Service, Option<ReplyId>, ProviderError)>,
    /// The line could not do a transfer it was asked for: told to the call with the next wake.
    transfer_refused: bool,
    /// Whether the other side is yet to answer.
    ringing: bool,
    /// The deadline that woke the call, until a packet has left for it.
    due: Option<Instant>,
    /// When a stopping engine waits no longer for the call's own end.
    stop_at: Option<Instant>,
}

/// The largest datagram a line may give: an Ethernet frame's worth. Longer ones are cut by the socket.
const DATAGRAM: usize = 2_048;
/// Wakes in a row after which other tasks of this thread get their turn.
const WAKES_PER_TURN: u32 = 64;
/// How often the engine's totals learn of a live call.
const TELL_INTERVAL: Duration = Duration::from_secs(5);
/// How long a call may take to end once the engine has told it to.
const STOP_GRACE: Duration = Duration::from_secs(2);
/// How long the other side may take to answer our goodbye.
const FAREWELL: Duration = Duration::from_secs(1);

/// What all calls of an engine share.
#[derive(Clone, Debug)]
pub(super) struct Shared {
    pub(super) counters: Arc<Counters>,
    pub(super) levels: Arc<VoiceLevels>,
    pub(super) files: Files,
}

impl Driver {
    /// A call that is about to begin, its recogniser connecting.
    pub(super) fn new(
        start: Start,
        requests: mpsc::Receiver<Request>,
        mut stop: watch::Receiver<bool>,
        shared: &Shared,
    ) -> Self {
        let Shared { counters, levels, files } = shared;
        let Start { id, call: mut spec, leg, providers, stt, llm, tts, standby, recording, log } = start;
        let began = Instant::now();
        let (rate, ringing) = (line_spec(&leg).rate(), leg.ringing);
        if spec.dialogue.transfer_number.is_some() && !leg.line.can_transfer() {
            tracing::warn!(call = %id, "this line cannot transfer: the model is not offered it");
            spec.dialogue.transfer_number = None;
        }
        let services = Services::new(providers, (stt, llm, tts), standby, &spec.dialogue.offered_tools(), rate, began);
        let mut ledger = Ledger::default();
        ledger.listens(services.hearer(0));
        services.warm();
        spec.line = line_spec(&leg);
        spec.record = recording.is_some();
        spec.dialogue.backups = services.backups();
        spec.voices = services.voice_names().each_ref().map(|name| levels.level(name.as_ref()));
        let sources = Sources {
            leg,
            line_open: true,
            hearing: Hearing::new(rate, services.hear(0)),
            replies: Default::default(),
            spare: Spare::default(),
            tools: ToolRuns::default(),
            requests,
            // An engine that is gone stops its calls too.
            stop: Some(Box::pin(async move { _ = stop.wait_for(|stop| *stop).await })),
            timer: Timer::new(began),
            bells: CallBells::new(),
            buffer: vec![0; DATAGRAM].into_boxed_slice(),
            served: 0,
            in_a_row: 0,
        };
        Self {
            id,
            began,
            log: log.map(|path| LogSink::new(files.create(path), &spec, began)),
            call: Call::new(spec, began),
            sources,
            services,
            journal: Journal::new(began),
            recording: recording.map(|spec| Recording::new(files, spec, rate)),
            counters: Arc::clone(counters),
            levels: Arc::clone(levels),
            served: ServiceCounters::default(),
            ledger,
            told: (Totals::default(), began),
            failed: Vec::new(),
            transfer_refused: false,
            ringing,
            due: None,
            stop_at: None,
        }
    }

    /// Runs the call to its end. Reads the clock once per wake.
    pub(super) async fn run(&mut self) {
        let mut now = self.began;
        if !self.ringing {
            self.tell(&Input::Answered, now);
        }
        let (mut wakes, mut has_looked) = (0, false);
        loop {
            self.carry_out_all(now);
            self.sources.spare.expire(now);
            if self.call.is_over() || self.stop_at.is_some_and(|stop_at| stop_at <= now) {
                return;
            }
            if now.saturating_duration_since(self.told.1) >= TELL_INTERVAL {
                self.tell_counters(now);
            }
            wakes += 1;
            if wakes % WAKES_PER_TURN == 0 {
                tokio::task::yield_now().await;
            }
            if let Some((service, reply, error)) = self.failed.pop() {
                now = Instant::now();
                self.service_failed(service, reply, &error, now);
                continue;
            }
            if std::mem::take(&mut self.transfer_refused) {
                now = Instant::now();
                self.tell(&Input::TransferEnded(TransferEnd::Unsupported), now);
                continue;
            }
            let deadline = self.call.poll_timeout().into_iter().chain(self.stop_at).min();
            let wake = self.sources.next(|reply| self.call.wants_speech(reply), deadline).await;
            now = Instant::now();
            let is_line = matches!(wake, Wake::Line(_));
            self.handle(wake, now);
            // Whatever woke us, a deadline that has passed meanwhile is not kept waiting, but for what came before it.
            if let Some(due) = self.call.poll_timeout().filter(|due| *due <= now) {
                if is_held_up(due, now, self.sources.in_a_row) && (is_line || !has_looked) {
                    self.sources.in_a_row += u32::from(is_line);
                    if !std::mem::replace(&mut has_looked, true) {
                        // The runtime looks at its sockets.
                        tokio::task::yield_now().await;
                    }
                    continue;
                }
                self.due = Some(due);
                self.handle_timeout(now);
            }
            (self.sources.in_a_row, has_looked) = (0, false);
        }
    }

    /// Says goodbye, completes the files and sums the call up. `panicked`: the call was cut short by a bug.
    pub(super) async fn finish(mut self: Box<Self>, panicked: bool) -> Outcome {
        self.sources.requests.close();
        self.sources.leg.line.close();
        let farewell =
            async { while self.sources.leg.line.recv(&mut self.sources.buffer).await != LegEvent::Closed {} };
        // A far side that does not answer has been told all the same.
        let _ = tokio::time::timeout(FAREWELL, farewell).await;
        let now = Instant::now();
        let forced = match () {
            () if panicked => Some(EndReason::ServiceFailure),
            () if !self.call.is_over() => Some(EndReason::Shutdown),
            () => None,
        };
        let at = now.saturating_duration_since(self.began);
        if let Some(reason) = forced {
            self.journal.push(Event { at, kind: EventKind::Ended { reason } });
        }
        self.tell_counters(now);
        let mut report = self.call.report();
        report.ended = report.ended.map(|(at, reason)| (at, self.reason(reason))).or(forced.map(|reason| (at, reason)));
        self.counters.score(&report.quality);
        for (name, level) in self.services.voice_names().into_iter().zip(report.voices) {
            if let (Some(name), Some(level)) = (name, level) {
                self.levels.learn(name, level);
            }
        }
        if let Some(recording) = &mut self.recording {
            recording.end();
            report.unrecorded += recording.lost();
        }
        let services = self.service_counters();
        self.ledger.close(|reply| self.sources.replies.usage(reply), now);
        if let Some(recording) = self.recording {
            recording.finish().await;
        }
        if let Some(log) = self.log {
            log.finish().await;
        }
        let (leg, costs) = (self.sources.leg.line.counters(), self.ledger.costs());
        Outcome { report, leg, services, costs, events: self.journal.close() }
    }

    /// Tells the call one thing that happened, and its log that it was told.
    fn tell(&mut self, input: &Input<'_>, now: Instant) {
        if let Some(log) = &mut self.log {
            log.input(input, now);
        }
        self.call.handle_input(input.clone(), now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        if let Some(log) = &mut self.log {
            log.timeout(now);
        }
        self.call.handle_timeout(now);
    }

    fn handle(&mut self, wake: Wake, now: Instant) {
        match wake {
            Wake::Line(event) => self.handle_line(event, now),
            Wake::Request(Request::Command(command)) => {
                if let Command::Update(update) = &command {
                    // The voices that speak already go on as they began.
                    self.services.speak_as(update.voice.as_ref(), update.voice_speed);
                    self.sources.spare.discard();
                }
                self.tell(&Input::Command(&command), now);
            }
            Wake::Request(Request::HangUp) => self.tell(&Input::Closed, now),
            Wake::Request(Request::Report(reply)) => {
                // Whoever asked may have stopped waiting.
                let services = self.service_counters();
                let _ =
                    reply.send((self.call.report(), self.sources.leg.line.counters(), services, self.ledger.costs()));
            }
            Wake::Request(Request::Subscribe(reply)) => _ = reply.send(self.journal.subscribe()),
            Wake::Stt(event) => self.handle_stt(event, now),
            Wake::SttRoom => self.sources.hearing.feed(),
            Wake::Reply(reply, ReplyEvent::Llm(event)) => self.handle_llm(reply, event, now),
            Wake::Reply(reply, ReplyEvent::Tts(event)) => self.handle_tts(reply, event, now),
            Wake::Tool(result) => self.tell(&Input::ToolResult(&result), now),
            // The loop looks at the deadline after every wake.
            Wake::Deadline => {}
            Wake::Stop => {
                self.stop_at = Some(now + STOP_GRACE);
                self.tell(&Input::Command(&Command::End), now);
            }
        }
    }

    fn handle_line(&mut self, event: LegEvent, now: Instant) {
        match event {
            LegEvent::Answered => self.tell(&Input::Answered, now),
            LegEvent::Packet(length) => {
                let buffer = std::mem::take(&mut self.sources.buffer);
                self.tell(&Input::Packet(buffer.get(..length).unwrap_or_default()), now);
                self.sources.buffer = buffer;
            }
            LegEvent::Digit(key) => {
                if let Some(digit) = Digit::new(key) {
                    self.tell(&Input::Digit(digit), now);
                }
            }
            LegEvent::Played(mark) => self.tell(&Input::Played { mark }, now),
            LegEvent::Held(held) => self.tell(&Input::Held(held), now),
            LegEvent::TransferEnded(end) => {
                let end = match end {
                    LegTransfer::Taken => TransferEnd::Taken,
                    LegTransfer::NoAnswer => TransferEnd::NoAnswer,
                    LegTransfer::Refused => TransferEnd::Refused,
                };
                self.tell(&Input::TransferEnded(end), now);
            }
            LegEvent::Closed => {
                self.sources.line_open = false;
                self.tell(&Input::Closed, now);
            }
        }
    }

    fn handle_stt(&mut self, event: Option<SttEvent>, now: Instant) {
        let error = match event {
            Some(SttEvent::Transcript(transcript)) => {
                self.ledger.understood(now);
                return self.tell(&Input::Transcript(&transcript), now);
            }
            Some(SttEvent::Reconnected { lost }) => {
                self.served.reconnects += 1;
                self.served.unheard += lost;
                return tracing::info!(call = %self.id, ?lost, "the recogniser was reconnected");
            }
            Some(SttEvent::Failed(error)) => error,
            None => ProviderError::new(Failure::Unavailable, "the recogniser's stream ended early"),
        };
        self.sources.hearing.stop();
        self.ledger.deaf(error.kind, now);
        self.service_failed(Service::Stt, None, &error, now);
    }

    fn handle_llm(&mut self, reply: ReplyId, event: LlmEvent, now: Instant) {
        self.ledger.model_said(reply, &event, now);
        match event {
            LlmEvent::Token(text) => self.tell(&Input::Token { reply, text: &text }, now),
            LlmEvent::ToolCall(call) => self.tell(&Input::ToolCall { reply, call: &call }, now),
            LlmEvent::Ended { end, .. } => self.tell(&Input::GenerationEnded { reply, end }, now),
            LlmEvent::Failed(error) => self.service_failed(Service::Llm, Some(reply), &error, now),
        }
    }

    fn handle_tts(&mut self, reply: ReplyId, event: TtsEvent, now: Instant) {
        self.ledger.voice_said(reply, &event, now);
        match event {
            TtsEvent::Audio { samples, rate } => {
                self.tell(&Input::Speech { reply, samples: &samples, rate }, now);
            }
            TtsEvent::Words(words) => self.tell(&Input::WordTimes { reply, words: &words }, now),
            TtsEvent::Ended => self.tell(&Input::SpeechEnded { reply }, now),
            TtsEvent::Failed(error) => self.service_failed(Service::Tts, Some(reply), &error, now),
        }
    }

    fn service_failed(&mut self, service: Service, reply: Option<ReplyId>, error: &ProviderError, now: Instant) {
        tracing::warn!(call = %self.id, service = service.name(), %error, "a service failed");
        self.tell(&Input::Failed { service, reply, failure: error.kind }, now);
    }

    /// Carries out everything the call wants done.
    fn carry_out_all(&mut self, now: Instant) {
        while let Some(output) = self.call.poll_output() {
            if let Some(log) = &mut self.log {
                log.output(&output);
            }
            self.carry_out(output, now);
        }
        if let Some(log) = &mut self.log {
            log.outputs_done();
        }
        self.due = None;
    }

    fn carry_out(&mut self, output: Output, now: Instant) {
        let Self { sources, services, served, ledger, .. } = self;
        match output {
            Output::Transcribe(_) | Output::Record(_) | Output::Event(_) => {}
            Output::Transmit(_) | Output::Report(_) => sources.sent(),
            // What else there is may open a stream, or end one.
            _ => sources.look_again(),
        }
        match output {
            Output::Transmit(packet) => {
                sources.leg.line.send(&packet);
                if let Some(due) = self.due.take() {
                    self.counters.pacing_lateness.observe(now.saturating_duration_since(due));
                }
            }
            Output::Report(report) => sources.leg.line.send_report(&report),
            Output::ClearFar => sources.leg.line.clear(),
            Output::Mark(mark) => sources.leg.line.mark(mark),
            Output::Transcribe(frame) => {
                ledger.heard(frame.duration());
                sources.hearing.hear(&frame, now.saturating_duration_since(self.began));
            }
            Output::Finalize => sources.hearing.finalize(),
            Output::Rehear { since } => {
                let rank = services.other_ears(sources.hearing.rank());
                tracing::info!(call = %self.id, rank, ?since, "a recogniser hears the last seconds again");
                served.rehears += 1;
                // One that has failed was told of already; one that told no words of a voice is no better.
                ledger.deaf(Failure::Timeout, now);
                ledger.listens(services.hearer(rank));
                ledger.heard(now.saturating_duration_since(self.began).saturating_sub(since));
                sources.hearing.rehear(rank, services.hear(rank), since);
            }
            Output::Generate { reply, rank, messages } => {
                let rank = services.thinker_rank(rank, now);
                served.llm_standby += u64::from(rank > 0);
                match sources.replies.generate(reply, || services.think(rank, messages)) {
                    Ok(()) => ledger.model_asked(reply, services.thinker(rank), now),
                    Err(error) => self.failed.push((Service::Llm, Some(reply), error)),
                }
                // Its words will come sooner than a connection.
                sources.spare.prepare(|| services.speak(0), now);
            }
            Output::Synthesize { reply, rank, text } => {
                let (spare, standby) = (&mut sources.spare, &mut served.tts_standby);
                let open = || match rank {
                    0 => spare.take(now).unwrap_or_else(|| services.speak(0)),
                    _ => {
                        *standby += 1;
                        services.speak(rank)
                    }
                };
                ledger.voice_given(reply, services.speaker(rank), &text, now);
                if let Err(error) = sources.replies.speak(reply, text, open) {
                    ledger.voice_dropped(reply, now);
                    self.failed.push((Service::Tts, Some(reply), error));
                }
            }
            Output::EndSpeech { reply } => {
                if let Err(error) = sources.replies.end(reply) {
                    self.failed.push((Service::Tts, Some(reply), error));
                }
            }
            Output::Cancel { reply } => {
                ledger.model_dropped(reply, sources.replies.usage(reply), now);
                ledger.voice_dropped(reply, now);
                sources.replies.cancel(reply);
            }
            Output::CancelModel { reply } => {
                ledger.model_dropped(reply, sources.replies.usage(reply), now);
                sources.replies.cancel_model(reply);
            }
            Output::CancelVoice { reply } => {
                ledger.voice_dropped(reply, now);
                sources.replies.cancel_voice(reply);
            }
            Output::Invoke { call, .. } => sources.tools.invoke(&*services.tools, call),
            Output::CancelTool { call } => sources.tools.cancel(&call),
            Output::Record(sound) => {
                if let Some(recording) = &mut self.recording {
                    recording.write(&sound);
                }
            }
            Output::Transfer { to } => {
                if let Err(error) = sources.leg.line.transfer(to.reveal()) {
                    tracing::warn!(call = %self.id, %error, "the caller stays");
                    self.transfer_refused = true;
                }
            }
            Output::Close { reason } => {
                tracing::debug!(call = %self.id, reason = reason.name(), "closing the line");
                sources.leg.line.close();
                sources.line_open = false;
            }
            Output::Event(event) => self.observe(event),
        }
    }

    fn observe(&mut self, mut event: Event) {
        match &mut event.kind {
            EventKind::TurnAnswered(turn) => self.counters.answer_delay.observe(turn.waterfall.total()),
            EventKind::Silenced { after, .. } => self.counters.silence_delay.observe(*after),
            EventKind::Ended { reason } => *reason = self.reason(*reason),
            _ => {}
        }
        self.journal.push(event);
    }

    /// Why the call ended, seen from outside: the heart is not told that the whole engine stops.
    fn reason(&self, reason: EndReason) -> EndReason {
        let stopping = self.stop_at.is_some() && reason == EndReason::Ended;
        if stopping { EndReason::Shutdown } else { reason }
    }

    fn service_counters(&self) -> ServiceCounters {
        let Sources { hearing, spare, .. } = &self.sources;
        let unheard = self.served.unheard + hearing.unheard();
        let refused = self.sources.replies.refusals();
        ServiceCounters { unheard, tts_unused: spare.unused(), refused, ..self.served }
    }

    fn tell_counters(&mut self, now: Instant) {
        let totals = Totals::of(&self.call.report(), &self.sources.leg.line.counters());
        self.counters.grow(&self.told.0, &totals);
        self.told = (totals, now);
    }
}

fn line_spec(leg: &Leg) -> LineSpec {
    let media = &leg.media;
    let others = media.others.iter();
    LineSpec {
        codec: leg.codec,
        payload_type: leg.payload_type,
        others: others.map(|&(payload_type, codec)| Format { payload_type, codec }).collect(),
        comfort_noise: media.comfort_noise.unwrap_or(LineSpec::COMFORT_NOISE),
        ptime: media.ptime.unwrap_or(LegMedia::PTIME),
        dtx: media.dtx,
        opus: media.opus,
        telephone_event: leg.telephone_event,
        lead: leg.lead,
        far_buffer: leg.far_buffer,
        rtcp: leg.rtcp.then(|| RtcpSpec { ntp: ntp(SystemTime::now()) }),
    }
}

/// A wall-clock time as an NTP timestamp: seconds since 1900 in 32.32 bits, in the era of 1900 to 2036 and those after it
/// alike.
fn ntp(time: SystemTime) -> u64 {
    const FROM_1900_TO_1970: u64 = 2_208_988_800;
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let seconds = since.as_secs().wrapping_add(FROM_1900_TO_1970);
    (seconds << 32) + (u64::from(since.subsec_nanos()) << 32) / 1_000_000_000
}

#[cfg(test)]
mod tests;
