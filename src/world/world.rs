//! The virtual body: one call, one clock, nothing real.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};
use std::time::{Duration, Instant};

use crate::audio::level;
use crate::call::log::{Decision, Digest, Encoder, Owned};
use crate::call::{Call, Command, DialogueEvent, Event, EventKind, Output, Report};
use crate::conversation::{ReplyId, Service};
use crate::rtp::Packet;

use super::caller::{Caller, PTIME};
use super::check;
use super::ear::Ear;
use super::moment::{Failure, Moment, describe};
use super::network::Network;
use super::scenario::{Deed, Scenario, Step};
use super::services::{self, LATE, Services, Words};
use super::sound;

/// What came of a scenario.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What happened, in order.
    pub moments: Vec<Moment>,
    /// What was decided, in order; noted in virtual time alone.
    pub decisions: Vec<Decision>,
    /// The call's record.
    pub report: Report,
    /// Runs of the language model.
    pub generations: usize,
    /// The text sent to the model and received from it, in bytes; zero where nobody counts it.
    pub model_text: usize,
    /// The longest silence inside one of the agent's utterances, beyond the gap between words.
    pub longest_gap: Duration,
    /// When each of the agent's utterances was first heard, since the answer.
    pub utterances: Vec<Duration>,
    /// How far a time may be off: zero in virtual time.
    pub tolerance: Duration,
    /// The digest of everything the call did.
    pub digest: u64,
    /// How long the call was run, ringing included.
    pub lasted: Duration,
    /// The call's log.
    pub log: String,
    /// What should not have happened, or should have and did not.
    pub failures: Vec<Failure>,
}

impl Outcome {
    /// The timeline as text, one moment a line.
    pub fn timeline(&self) -> String {
        lines(&self.moments)
    }

    /// The part of the timeline in which a failure lies: the moments from 2 s before to 2 s after it, at least ten of
    /// them; all of it for a failure of the whole call.
    pub fn around(&self, failure: &Failure) -> String {
        const NEAR_MS: i64 = 2_000;
        const LEAST: usize = 5;
        let Some(at) = failure.at else { return self.timeline() };
        let middle = self.moments.partition_point(|moment| moment.at < at);
        let first = self.moments.partition_point(|moment| moment.at < at - NEAR_MS).min(middle.saturating_sub(LEAST));
        let last = self.moments.partition_point(|moment| moment.at <= at + NEAR_MS).max(middle + LEAST);
        lines(self.moments.get(first..last.min(self.moments.len())).unwrap_or_default())
    }
}

fn lines(moments: &[Moment]) -> String {
    moments.iter().map(|moment| format!("{}\n", moment.to_string().trim_end())).collect()
}

/// Plays a scenario in virtual time.
pub fn run(scenario: &Scenario) -> Outcome {
    let mut world = World::new(scenario);
    world.run();
    let mut outcome = world.outcome();
    check::check(scenario, &mut outcome);
    outcome
}

/// The call rings this long before it is answered.
pub(super) const RINGING: Duration = Duration::from_millis(500);

struct World<'a> {
    scenario: &'a Scenario,
    /// Virtual time zero.
    base: Instant,
    now: Duration,
    call: Call,
    caller: Caller,
    on_line: bool,
    /// When anything was last to be heard on the line, from either side.
    alive: Duration,
    /// Whether the agent thinks that only a machine hears it.
    is_machine: bool,
    is_held: bool,
    network: Network,
    services: Services,
    queue: BinaryHeap<Reverse<Scheduled>>,
    scheduled: u64,
    cancelled: Vec<(ReplyId, Duration, Part)>,
    /// Tools that were stopped and have not answered.
    given_up: Vec<String>,
    /// When each reply was written down.
    over: BTreeMap<ReplyId, Duration>,
    /// What the voices have to say that the call does not want yet, in order.
    unread: BTreeMap<ReplyId, VecDeque<Owned>>,
    ear: Ear,
    encoder: Encoder,
    log: String,
    digest: Digest,
    moments: Vec<Moment>,
    decisions: Vec<Decision>,
    answered: BTreeSet<u32>,
    violations: Vec<Failure>,
}

struct Scheduled {
    at: Duration,
    order: u64,
    happening: Happening,
}

/// What of a reply's services was cancelled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Part {
    All,
    Model,
    Voice,
}

impl Part {
    /// The part an input comes from.
    fn of(input: &Owned) -> Self {
        match input {
            Owned::Speech(..) | Owned::WordTimes(..) | Owned::SpeechEnded(_) => Self::Voice,
            Owned::Failed(Service::Tts, ..) => Self::Voice,
            _ => Self::Model,
        }
    }
}

enum Happening {
    CallerSends,
    Words(Words),
    Input {
        reply: Option<ReplyId>,
        input: Owned,
    },
    /// A voice is asked again whether its sound is wanted.
    Offer(ReplyId),
    Step(usize),
}

impl PartialEq for Scheduled {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.order) == (other.at, other.order)
    }
}

impl Eq for Scheduled {}

impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Scheduled {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

impl<'a> World<'a> {
    #[expect(
        clippy::disallowed_methods,
        reason = "virtual time is counted from some instant; which one does not matter"
    )]
    fn new(scenario: &'a Scenario) -> Self {
        let base = Instant::now();
        let mut log = String::new();
        let encoder = Encoder::new(&scenario.spec, Encoder::LIMIT, &mut log, base);
        let line = scenario.spec.line;
        let mut world = Self {
            scenario,
            base,
            now: Duration::ZERO,
            call: Call::new(scenario.spec.clone(), base),
            caller: Caller::new(line.codec, line.payload_type, scenario.network.seed.wrapping_add(11)),
            on_line: true,
            alive: RINGING,
            is_machine: false,
            is_held: false,
            network: Network::new(scenario.network),
            services: Services::new(scenario),
            queue: BinaryHeap::new(),
            scheduled: 0,
            cancelled: Vec::new(),
            given_up: Vec::new(),
            over: BTreeMap::new(),
            unread: BTreeMap::new(),
            ear: Ear::new(line.codec, scenario.has_ambience()),
            encoder,
            log,
            digest: Digest::default(),
            moments: Vec::new(),
            decisions: Vec::new(),
            answered: BTreeSet::new(),
            violations: Vec::new(),
        };
        world.schedule(RINGING, Happening::Input { reply: None, input: Owned::Answered });
        if scenario.steps.iter().all(|step| !matches!(step.deed, Deed::LineUp)) {
            world.schedule(RINGING + PTIME, Happening::CallerSends);
        }
        for (index, step) in scenario.steps.iter().enumerate() {
            if step.when.anchor == 0 {
                world.schedule(RINGING + step.when.offset, Happening::Step(index));
            }
        }
        world
    }

    fn run(&mut self) {
        let end = RINGING + self.scenario.length;
        self.drain();
        while !self.call.is_over() {
            let event = self.queue.peek().map(|next| next.0.at);
            let deadline = self.call.poll_timeout().map(|due| due.saturating_duration_since(self.base));
            // Events first: a result and a deadline of the same moment are told in that order.
            let next = match (event, deadline) {
                (Some(event), Some(deadline)) => event.min(deadline),
                (Some(at), None) | (None, Some(at)) => at,
                (None, None) => break,
            };
            if next > end {
                break;
            }
            if next < self.now && event.is_none_or(|event| event > next) && next + STUCK < self.now {
                self.violate(&format!("a deadline stays {:?} in the past", self.now - next));
                break;
            }
            self.now = self.now.max(next);
            if event == Some(next) {
                if let Some(Reverse(scheduled)) = self.queue.pop() {
                    self.happen(scheduled.happening);
                }
            } else {
                let now = self.instant();
                self.encoder.timeout(&mut self.log, now);
                self.call.handle_timeout(now);
                self.drain();
                if self.call.poll_timeout().is_some_and(|due| due <= now) && self.ear.stuck_at(self.now) {
                    self.violate("a deadline does not go away");
                    break;
                }
            }
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::CallerSends => {
                if !self.on_line {
                    return;
                }
                self.check_alive();
                let packets = [Some(self.caller.packet(self.now)), self.caller.event(self.now)];
                for packet in packets.into_iter().flatten() {
                    for delay in self.network.send().into_iter().flatten() {
                        let input = Owned::Packet(packet.as_bytes().to_vec());
                        self.schedule(self.now + delay, Happening::Input { reply: None, input });
                    }
                }
                self.schedule(self.now + PTIME, Happening::CallerSends);
            }
            Happening::Input { reply, input } => {
                if reply.is_some_and(|reply| self.is_quiet(reply, Part::of(&input))) {
                    return;
                }
                match input {
                    Owned::ToolResult(result) if self.is_given_up(&result.id) => {}
                    Owned::Speech(reply, ..) | Owned::WordTimes(reply, _) | Owned::SpeechEnded(reply) => {
                        self.voice(reply, input);
                    }
                    input => self.tell(&input),
                }
            }
            Happening::Words(words) => {
                if self.services.comes_through(&words) {
                    self.tell(&words.input);
                }
            }
            Happening::Offer(reply) => self.offer(reply),
            Happening::Step(index) => {
                let Step { deed, .. } = &self.scenario.steps[index];
                self.act(deed);
            }
        }
    }

    /// Nobody may be left in silence: not while a service is slow or dead, and not while the agent waits for the caller.
    fn check_alive(&mut self) {
        let timing = &self.scenario.spec.dialogue.timing;
        // Who sets it so may have a caller who keeps silent left in silence.
        let is_patient = timing.idle_prompt > check::LIVENESS || timing.idle_prompts == 0 || timing.idle_end.is_zero();
        if self.is_held || self.is_machine || self.caller.is_sounding(self.now) || is_patient {
            self.alive = self.now;
        }
        if self.now > self.alive + check::LIVENESS {
            self.violate("nothing was to be heard for 12 s");
            self.alive = self.now;
        }
    }

    /// Whether a reply was cancelled so long ago that its services have gone quiet.
    fn is_quiet(&self, reply: ReplyId, part: Part) -> bool {
        let is_meant = |cancelled: Part| cancelled == Part::All || cancelled == part;
        let mut cancelled = self.cancelled.iter();
        cancelled.any(|(id, since, part)| *id == reply && is_meant(*part) && self.now > *since + LATE)
    }

    /// Whether a tool was stopped before it answered.
    fn is_given_up(&mut self, call: &str) -> bool {
        let at = self.given_up.iter().position(|id| id == call);
        at.map(|at| self.given_up.remove(at)).is_some()
    }

    /// Whether a reply was written down so long ago that nothing of it may be on its way any more.
    fn is_over(&self, reply: ReplyId) -> bool {
        let slack = LATE + self.scenario.spec.line.lead;
        self.over.get(&reply).is_some_and(|since| self.now > *since + slack)
    }

    /// A voice has something to say: read in order, and only while the call wants it.
    fn voice(&mut self, reply: ReplyId, input: Owned) {
        if let Some(unread) = self.unread.get_mut(&reply) {
            unread.push_back(input);
        } else if self.call.wants_speech(reply) {
            self.tell(&input);
        } else {
            self.unread.insert(reply, VecDeque::from([input]));
            self.schedule(self.now + PTIME, Happening::Offer(reply));
        }
    }

    /// Reads what a voice has had to say, as far as it is wanted.
    fn offer(&mut self, reply: ReplyId) {
        let Some(mut unread) = self.unread.remove(&reply) else { return };
        if self.is_quiet(reply, Part::Voice) {
            return;
        }
        while self.call.wants_speech(reply)
            && let Some(input) = unread.pop_front()
        {
            self.tell(&input);
        }
        if !unread.is_empty() {
            self.unread.insert(reply, unread);
            self.schedule(self.now + PTIME, Happening::Offer(reply));
        }
    }

    fn act(&mut self, deed: &Deed) {
        let now = self.now;
        match deed {
            Deed::Says { length, text, final_lag } => {
                self.moment("caller", format!("speaks for {} ms: \"{text}\"", length.as_millis()));
                self.caller.speak(now, *length);
                let said = self.services.hear(now, *length, text, *final_lag);
                self.schedule_words(said);
            }
            Deed::Cough(length) => {
                self.moment("caller", format!("coughs for {} ms", length.as_millis()));
                self.caller.cough(now, *length);
            }
            Deed::Hum(length) => {
                self.moment("caller", format!("hums for {} ms", length.as_millis()));
                self.caller.speak(now, *length);
            }
            Deed::Noise { length, dbfs } => {
                self.moment("caller", format!("is in noise of {dbfs} dBFS for {} ms", length.as_millis()));
                self.caller.noise(now, *length, *dbfs);
            }
            Deed::Hears(kind, text) => self.tell(&services::transcript(*kind, text)),
            Deed::Keys { keys, events, tones } => {
                self.moment("caller", format!("presses {} keys", keys.len()));
                self.caller.press_keys(now, keys, *events, *tones);
                self.alive = now;
            }
            Deed::Update(update) => self.tell(&Owned::Command(Command::Update(update.clone()))),
            Deed::Collect(rules) => self.tell(&Owned::Command(Command::Collect(*rules))),
            Deed::Digit(digit) => self.tell(&Owned::Digit(*digit)),
            Deed::Babble { length, dbfs } => {
                self.moment("caller", format!("is among people at {dbfs} dBFS for {} ms", length.as_millis()));
                self.caller.babble(now, *length, *dbfs);
            }
            Deed::Say { text, interruptible } => {
                self.tell(&Owned::Command(Command::Say { text: text.clone(), interruptible: *interruptible }));
            }
            Deed::Transfer(to) => self.tell(&Owned::Command(Command::Transfer { to: to.clone() })),
            Deed::Interrupt => self.tell(&Owned::Command(Command::Interrupt)),
            Deed::End => self.tell(&Owned::Command(Command::End)),
            Deed::Hangup => {
                self.moment("caller", "hangs up".into());
                self.on_line = false;
                self.tell(&Owned::Closed);
            }
            Deed::Hold(held) => {
                self.is_held = *held;
                // What is taken up again is stepped back.
                self.ear.rewound += u32::from(!*held);
                self.tell(&Owned::Held(*held));
            }
            Deed::LineDead => self.on_line = false,
            Deed::LineRestarts => {
                self.moment("caller", "is sent as a new stream".into());
                self.caller.restart();
            }
            Deed::LineUp => self.schedule(now, Happening::CallerSends),
            Deed::Beep { length, hz } => {
                let pitch = hz.iter().map(f32::to_string).collect::<Vec<_>>().join("+");
                self.moment("caller", format!("beeps at {pitch} Hz for {} ms", length.as_millis()));
                self.caller.beep(now, *length, hz);
            }
            Deed::Tts { rank, fault } => self.services.tts_faults[usize::from(*rank)] = *fault,
            Deed::SttDrops(outage) => {
                let said = self.services.drop_stt(*outage, now);
                self.schedule_words(said);
            }
            Deed::SttDeaf => self.services.deafen_stt(),
            Deed::SttFails(failure) => {
                let said = self.services.fail_stt(*failure, now);
                self.schedule_all(vec![said]);
            }
        }
    }

    fn tell(&mut self, input: &Owned) {
        let now = self.instant();
        if let Owned::Token(_, text) = input {
            self.services.model_text += text.len();
        }
        self.encoder.input(&input.as_input(), &mut self.log, now);
        self.call.handle_input(input.as_input(), now);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.call.poll_output() {
            self.digest.add(&output);
            self.encoder.output(&output, &mut self.log);
            match output {
                Output::Transmit(packet) => self.hear(packet.as_bytes()),
                Output::Mark(mark) => {
                    // A far side that buffers plays what it was sent: the lead, later.
                    let at = self.now + self.scenario.spec.line.lead;
                    self.schedule(at, Happening::Input { reply: None, input: Owned::Played(mark) });
                }
                Output::Generate { reply, rank, messages } => {
                    let by = if rank == 0 { "" } else { ", by the backup" };
                    self.moment("generate", format!("reply {reply}, {} messages{by}", messages.len()));
                    self.services.model_text += messages.iter().map(|message| message.content.len()).sum::<usize>();
                    let said = self.services.generate(reply, rank, self.now);
                    self.schedule_all(said);
                }
                Output::Synthesize { reply, rank, text } => {
                    self.ear.expect(reply);
                    let by = if rank == 0 { "" } else { ", by the backup" };
                    self.moment("synthesize", format!("reply {reply} \"{}\"{by}", text.trim_end()));
                    let said = self.services.synthesize(reply, rank, &text, self.now);
                    self.schedule_all(said);
                }
                Output::EndSpeech { reply } => {
                    let said = self.services.end_speech(reply, self.now);
                    self.schedule_all(said);
                }
                Output::Cancel { reply } => {
                    self.moment("cancel", format!("reply {reply}"));
                    self.cancelled.push((reply, self.now, Part::All));
                }
                Output::CancelModel { reply } => {
                    self.moment("cancel", format!("the model of reply {reply}"));
                    self.cancelled.push((reply, self.now, Part::Model));
                }
                Output::CancelVoice { reply } => {
                    self.moment("cancel", format!("the voice of reply {reply}"));
                    self.cancelled.push((reply, self.now, Part::Voice));
                }
                Output::Rehear { since } => {
                    self.moment("rehear", format!("what was said since {}", self.since_answer(since)));
                    match self.services.rehear(since, self.now) {
                        Ok(words) => self.schedule_words(words),
                        Err(said) => self.schedule_all(vec![said]),
                    }
                }
                Output::Invoke { call, .. } => {
                    let said = self.services.invoke(&call, self.now);
                    self.schedule_all(said);
                }
                Output::CancelTool { call } => {
                    self.moment("cancel", format!("tool call {call}"));
                    self.given_up.push(call);
                }
                Output::Transfer { .. } => {
                    let said = self.services.transfer(self.now);
                    self.schedule_all(said);
                }
                Output::Event(event) => self.watch(event),
                Output::Close { reason } => self.moment("ended", reason.name().into()),
                Output::ClearFar | Output::Report(_) | Output::Transcribe(_) | Output::Finalize | Output::Record(_) => {
                }
            }
        }
        self.encoder.outputs_done(&mut self.log);
    }

    /// What the caller hears.
    fn hear(&mut self, datagram: &[u8]) {
        let Ok(packet) = Packet::parse(datagram) else {
            self.violate("the call sent something that is not RTP");
            return;
        };
        let events = self.scenario.spec.line.telephone_event;
        if events == Some(packet.header.payload_type) {
            if let Some(key) = self.ear.key(&packet) {
                self.moment("key", format!("{key} is pressed by the agent"));
            }
            return;
        }
        let heard = self.ear.hear(&packet, self.now);
        if let Some(problem) = heard.problem {
            self.violate(&problem);
        }
        if let (Some((delay, decibels)), Some(mut sound)) = (self.scenario.network.echo, heard.sound) {
            level::scale(sound.samples_mut(), level::gain(decibels as f32));
            self.caller.play(self.now + delay, sound.samples().to_vec());
        }
        if let Some(whose) = heard.whose.filter(|&whose| self.is_over(ReplyId(whose))) {
            self.violate(&format!("reply {whose} is heard although it is over"));
        }
        self.alive = self.alive.max(self.ear.last_audible.unwrap_or_default());
        if let Some(reply) = heard.began {
            let what = if reply == sound::KEPT { "the kept sound".into() } else { format!("reply {reply}") };
            self.moment("audio", format!("{what} is first heard"));
            let nth = self.ear.utterances.len();
            let steps = &self.scenario.steps;
            for index in (0..steps.len()).filter(|&index| steps[index].when.anchor == nth) {
                self.schedule(self.now + steps[index].when.offset, Happening::Step(index));
            }
        }
    }

    fn watch(&mut self, event: Event) {
        self.decisions.extend(Decision::of(&event));
        match event.kind {
            EventKind::Dialogue(event) => {
                if let DialogueEvent::AgentSaid { reply, text, interrupted, .. } = &event {
                    self.over.insert(*reply, self.now);
                    self.compare_with_heard(*reply, text, *interrupted);
                }
                if let DialogueEvent::ThoughtDropped { reply, .. } = event {
                    self.services.forget_answer(reply);
                }
                if let DialogueEvent::AnsweredBy { by, .. } = &event {
                    self.is_machine = by.is_machine();
                }
                if let DialogueEvent::Hedged {
                    service: Service::Tts, reply: Some(reply), backup: Some(backup), ..
                } = &event
                {
                    self.ear.voices.insert(backup.0, reply.0);
                }
                if matches!(&event, DialogueEvent::Unstuck { why } if why.rule == "tts.kept") {
                    self.ear.is_kept_next = true;
                    self.ear.audible.remove(&sound::KEPT);
                }
                if matches!(event, DialogueEvent::Resumed { .. }) {
                    self.ear.rewound += 1;
                }
                if let Some((kind, text)) = describe(&event) {
                    self.moment(kind, text);
                }
            }
            EventKind::TurnAnswered(turn) => {
                let waterfall = turn.waterfall;
                if !self.answered.insert(turn.turn) {
                    self.violate(&format!("turn {} is answered twice", turn.turn));
                }
                let parts = waterfall.parts().map(|part| part.as_millis().to_string()).join(" + ");
                self.moment("answered", format!("turn {}: {parts} = {} ms", turn.turn, waterfall.total().as_millis()));
                let stopped = turn.stopped + waterfall.total();
                if stopped.abs_diff(self.now) > Duration::from_millis(1) {
                    self.violate(&format!("turn {}: the waterfall does not sum to the whole", turn.turn));
                }
            }
            EventKind::Silenced { reply, after } => {
                self.moment("silent", format!("reply {reply}, {} ms after the voice began", after.as_millis()));
            }
            EventKind::SoundWithoutVoice { since, why } => {
                let since = self.since_answer(since);
                self.moment("voiceless", format!("sound since {since}, no voice in it [{}]", why.rule));
            }
            EventKind::Answered | EventKind::DigitPressed | EventKind::Ended { .. } => {}
        }
    }

    /// History is what was heard: the words written down and the sound the caller's ear got of them agree within a word,
    /// two where the text had to be guessed from the sound, and one more for each resume, which repeats a word.
    fn compare_with_heard(&mut self, reply: ReplyId, text: &str, is_cut: bool) {
        // The ear counts whole packets: those a word fills in part, too, and one more when it begins in the middle of one.
        let word = self.scenario.tts.per_word.as_millis();
        let packets = (word * 4 / 5).div_ceil(PTIME.as_millis()) + u128::from(!word.is_multiple_of(PTIME.as_millis()));
        let sounding = PTIME.mul_f64(packets as f64);
        let whose = if self.ear.replies.contains(&reply.0) { reply.0 } else { sound::KEPT };
        let sound = self.ear.audible.get(&whose).copied().unwrap_or_default();
        let heard = sound.as_secs_f64() / sounding.as_secs_f64();
        // Codes are spoken key by key.
        let keys = |word: &str| word.chars().filter(|key| key.is_ascii_digit() || *key == '•').count();
        let written = text.split_whitespace().map(|word| keys(word).max(1)).sum::<usize>() as f64;
        // What a buffering far side was sent and then told to throw away was never heard, but the ear counts it.
        let repeated = f64::from(self.ear.rewound) * if self.scenario.spec.line.far_buffer { 2.0 } else { 1.0 };
        // How long a text will be whose voice still speaks is a guess.
        let guessed = if self.scenario.tts.word_times { 0.0 } else { 1.0 + if is_cut { 0.2 * heard } else { 0.0 } };
        let slack = 1.3 + repeated + guessed;
        if (heard - written).abs() > slack {
            self.violate(&format!("history has {written} words of reply {reply}, {heard:.1} were heard"));
        }
    }

    fn outcome(mut self) -> Outcome {
        self.encoder.finish(&mut self.log);
        let answer = |at: Duration| at.saturating_sub(RINGING);
        Outcome {
            report: self.call.report(),
            generations: self.services.generations,
            model_text: self.services.model_text,
            longest_gap: self.ear.longest_gap,
            utterances: self.ear.utterances.iter().map(|(_, at)| answer(*at)).collect(),
            tolerance: Duration::ZERO,
            digest: self.digest.value(),
            lasted: self.now,
            log: self.log,
            failures: self.violations,
            moments: self.moments,
            decisions: self.decisions,
        }
    }

    /// Something happened that must not, now.
    fn violate(&mut self, what: &str) {
        let at = self.since_answer(self.now);
        self.violations.push(Failure::at(at, format!("at {at} ms: {what}")));
    }

    fn moment(&mut self, kind: &'static str, text: String) {
        let at = self.since_answer(self.now);
        self.moments.push(Moment { at, kind, text });
    }

    fn since_answer(&self, at: Duration) -> i64 {
        at.as_millis() as i64 - RINGING.as_millis() as i64
    }

    fn instant(&self) -> Instant {
        self.base + self.now
    }

    fn schedule(&mut self, at: Duration, happening: Happening) {
        self.scheduled += 1;
        self.queue.push(Reverse(Scheduled { at, order: self.scheduled, happening }));
    }

    fn schedule_words(&mut self, words: Vec<Words>) {
        for words in words {
            self.schedule(words.at, Happening::Words(words));
        }
    }

    fn schedule_all(&mut self, said: Vec<services::Said>) {
        for services::Said { at, reply, input } in said {
            self.schedule(at, Happening::Input { reply, input });
        }
    }
}

/// How far in the past a deadline may lie before the world calls it stuck.
const STUCK: Duration = Duration::from_secs(1);
