//! One scenario from beginning to end.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio::sync::broadcast::error::RecvError;

use crate::conversation::{Service, TranscriptKind};
use crate::engine::{
    CallHandle, CallId, Command, DialogueEvent, Engine, EngineConfig, EngineStats, Event, EventKind, Gateway, LegError,
    LegSpec, LlmSettings, Outcome as Ended, SampleRate, Start, SttSpec, Subscription, TtsSpec,
};
use crate::gateway::{RtpConfig, RtpGateway};
use crate::provider::ProviderError;
use crate::simulator::{Cue, Utter};
use crate::world::{Act, Caller, Failure, Network, Outcome, Part, Recorded, Scenario, What};

use super::account::Account;
use super::ear::{Ear, Hearing};
use super::skip;
use super::stage::{KEPT_TONE, Stage, TONES, Voice};
use super::telephone::{Happened, Lateness, Telephone};

/// How a scenario is rehearsed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// How far a time may lie outside of what is expected.
    pub tolerance: Duration,
    /// Where the replayable log of the call goes, as `<scenario>.log`; `None`: nowhere.
    pub logs: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { tolerance: Duration::from_millis(80), logs: None }
    }
}

/// What came of a rehearsal.
#[derive(Clone, Debug)]
pub struct Rehearsed {
    /// Whether everything was as expected. What was skipped has not passed.
    pub passed: bool,
    /// What happened, and every expectation that was not met; of a scenario that was skipped there is nothing.
    pub outcome: Option<Outcome>,
    /// Why the scenario cannot be played over RTP; then it was not played at all.
    pub skipped: Vec<String>,
    /// Of each sound of the caller, in order: from its first sample to the first packet of the agent's silence, by the
    /// caller's ear. `None`: the agent did not fall silent after it.
    pub silences: Vec<Option<Duration>>,
    /// How late the caller's own packets were: the machine's share.
    pub sending: Lateness,
    /// The engine's own figures, how late its packets left among them.
    pub engine: Option<EngineStats>,
    /// The call's log.
    pub log: Option<PathBuf>,
}

impl Rehearsed {
    /// What should not have happened, or should have and did not.
    pub fn failures(&self) -> &[Failure] {
        self.outcome.as_ref().map_or(&[], |outcome| &outcome.failures)
    }
}

/// Why a scenario could not be rehearsed.
#[derive(Debug)]
#[non_exhaustive]
pub enum RehearsalError {
    /// A socket or file.
    Io(io::Error),
    /// The media socket.
    Leg(LegError),
    /// A service could not be set up.
    Provider(ProviderError),
    /// The engine had no room, or did not keep its word.
    Engine(&'static str),
}

impl fmt::Display for RehearsalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "{error}"),
            Self::Leg(error) => write!(f, "{error}"),
            Self::Provider(error) => write!(f, "{error}"),
            Self::Engine(what) => write!(f, "{what}"),
        }
    }
}

impl std::error::Error for RehearsalError {}

impl From<io::Error> for RehearsalError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Silence this long ends an utterance of a murmuring agent: longer than what a cough may cost it.
const UTTERANCE_PAUSE: Duration = Duration::from_millis(1_200);
/// The agent has fallen silent when nothing is heard of it for so long: longer than any pause within what it says.
const SILENCE: Duration = Duration::from_millis(650);
/// How long a call may take to end once the caller has hung up: longer than it waits for the last words.
const FAREWELL: Duration = Duration::from_secs(8);

/// Plays `scenario` in real time over RTP against an engine, services and sockets of its own, and judges what came of it.
/// Takes as long as the scenario runs and a few seconds more at the most; any number may run at once.
pub async fn rehearse(scenario: &Scenario, settings: &Settings) -> Result<Rehearsed, RehearsalError> {
    let part = scenario.part();
    let skipped = skip::reasons(scenario, &part);
    if !skipped.is_empty() {
        let (sending, engine, silences) = (Lateness::default(), None, Vec::new());
        return Ok(Rehearsed { passed: false, outcome: None, skipped, silences, sending, engine, log: None });
    }
    perform(scenario, &part, Voice::Tones, &Engine::new(EngineConfig::default()), settings).await
}

/// Plays a part that can be played, with this voice of the agent and on this engine.
pub(super) async fn perform(
    scenario: &Scenario,
    part: &Part,
    voice: Voice,
    engine: &Engine,
    settings: &Settings,
) -> Result<Rehearsed, RehearsalError> {
    let stage = Stage::start(part, voice).await?;
    let log = settings.logs.as_ref().map(|folder| folder.join(format!("{}.log", scenario.name)));
    let mut telephone = telephone(scenario, voice).await?;
    let (handle, local) = call(scenario, &stage, engine, &telephone, log.clone()).await?;
    let watched = handle.subscribe().await.ok_or(RehearsalError::Engine("the call ended before it began"))?;
    // A busy machine may take a while to begin it: what the call tells is timed by its own clock.
    let began = watched.began;
    telephone.pick_up(local, began);
    if part.acts.iter().any(|act| matches!(act.what, What::LineUp)) {
        telephone.fall_silent();
    }
    let account = Account::new(began);
    let mut play = Play { part, stage: &stage, telephone, handle: &handle, account, began, sounds: Vec::new() };
    play.run(watched, began, began + scenario.length).await;
    play.account.end(Instant::now());
    // What the record says when the scenario is over, not what comes of hanging up.
    let live = handle.report().await.map(|(report, ..)| report);
    handle.hang_up();
    let ended: Option<std::sync::Arc<Ended>> = tokio::time::timeout(FAREWELL, handle.ended()).await.ok();
    let ended = ended.ok_or(RehearsalError::Engine("the call did not end when the caller hung up"))?;
    let report = if play.account.is_over() { ended.report.clone() } else { live.unwrap_or(ended.report.clone()) };
    let pace = part.pace;
    let (telephone, account) = (play.telephone, play.account);
    // What a murmur's words sound is not known.
    let word = if voice == Voice::Tones { pace.per_word * 4 / 5 } else { Duration::ZERO };
    let silences = play.sounds.iter().map(|&at| telephone.ear().silence_after(at, SILENCE)).collect();
    let generations = stage.generations();
    let mut outcome = account.close(telephone.ear(), report, generations, word, pace.word_times, settings.tolerance);
    scenario.judge(&mut outcome);
    Ok(Rehearsed {
        passed: outcome.failures.is_empty(),
        outcome: Some(outcome),
        skipped: Vec::new(),
        silences,
        sending: telephone.lateness().clone(),
        engine: Some(engine.stats()),
        log,
    })
}

async fn telephone(scenario: &Scenario, voice: Voice) -> io::Result<Telephone> {
    let line = scenario.spec.line;
    let caller = Caller::new(line.codec, line.payload_type, scenario.network.seed.wrapping_add(11));
    let hearing = match voice {
        Voice::Tones => Hearing::ByTones(TONES.into_iter().chain([KEPT_TONE]).collect()),
        Voice::Murmur => Hearing::ByPauses(UTTERANCE_PAUSE),
    };
    let ear = Ear::new(line.codec, hearing);
    Telephone::new(caller, Network::new(scenario.network), ear).await
}

/// Starts the call; where its packets go to.
async fn call(
    scenario: &Scenario,
    stage: &Stage,
    engine: &Engine,
    telephone: &Telephone,
    log: Option<PathBuf>,
) -> Result<(CallHandle, SocketAddr), RehearsalError> {
    let permit = engine.reserve().map_err(|_| RehearsalError::Engine("the engine has no room for one call"))?;
    let gateway = RtpGateway::new(RtpConfig::default());
    let leg = LegSpec::new(scenario.spec.line.codec, Some(telephone.address()?));
    let leg = gateway.open(leg).await.map_err(RehearsalError::Leg)?;
    let local = leg.local.ok_or(RehearsalError::Engine("the RTP gateway gave no address"))?;
    let stt = SttSpec { language: "en-US".into(), rate: SampleRate::HZ_8000, model: None };
    let tts = TtsSpec { voice: None, language: "en-US".into(), speed: 1.0, rate: SampleRate::HZ_8000 };
    let start = Start {
        id: CallId::random(),
        call: scenario.spec.clone(),
        leg,
        providers: stage.providers().map_err(RehearsalError::Provider)?,
        standby: stage.standby(&stt, &tts).map_err(RehearsalError::Provider)?,
        stt,
        llm: LlmSettings::default(),
        tts,
        recording: None,
        log,
    };
    Ok((engine.start(permit, start), local))
}

/// A scenario under way.
struct Play<'a> {
    part: &'a Part,
    stage: &'a Stage,
    telephone: Telephone,
    handle: &'a CallHandle,
    account: Account,
    began: Instant,
    /// When each of the caller's sounds began.
    sounds: Vec<Instant>,
}

impl Play<'_> {
    /// Plays until `end`, or until the call is over.
    async fn run(&mut self, mut watched: Subscription, began: Instant, end: Instant) {
        for event in &watched.past {
            self.account.watch(event);
        }
        let mut due: Vec<(Instant, &Act)> = Vec::new();
        let part = self.part;
        due.extend(part.acts.iter().filter(|act| act.anchor == 0).map(|act| (began + act.after, act)));
        while !self.account.is_over() {
            // Stable, so that what happens at one moment happens in the order of the file.
            due.sort_by_key(|(at, _)| *at);
            let next = due.first().map_or(end, |(at, _)| (*at).min(end));
            tokio::select! {
                biased;
                event = watched.live.recv() => match event {
                    Ok(event) => self.watch(&event),
                    Err(RecvError::Lagged(missed)) => {
                        self.account.note(Instant::now(), "missed", format!("{missed} events"));
                    }
                    Err(RecvError::Closed) => return,
                },
                () = tokio::time::sleep_until(next.into()) => {
                    let now = Instant::now();
                    if now >= end {
                        return;
                    }
                    while due.first().is_some_and(|(at, _)| *at <= now) {
                        let (at, act) = due.remove(0);
                        self.act(&act.what, at);
                    }
                }
                happened = self.telephone.next() => {
                    let Happened::Heard(Some(nth)) = happened else { continue };
                    let Some(heard) = self.telephone.ear().utterances().get(nth - 1).map(|heard| heard.began) else {
                        continue;
                    };
                    self.account.audio(heard, nth);
                    due.extend(part.acts.iter().filter(|act| act.anchor == nth).map(|act| (heard + act.after, act)));
                }
            }
        }
    }

    /// The call tells something.
    fn watch(&mut self, event: &Event) {
        self.account.watch(event);
        let EventKind::Dialogue(decision) = &event.kind else { return };
        let ear = self.telephone.ear_mut();
        match decision {
            // A backup that takes over in the middle of an utterance goes on with it.
            DialogueEvent::Hedged { service: Service::Tts, .. } => {
                let is_in_the_middle = ear.utterances().len() > self.account.said();
                ear.expect_another_voice(is_in_the_middle);
            }
            DialogueEvent::AgentSaid { .. } => ear.expect_another_voice(false),
            // What was thought of and dropped has used up none of the scenario's answers.
            DialogueEvent::ThoughtDropped { .. } => self.stage.forget_request(self.began + event.at),
            _ => {}
        }
    }

    fn act(&mut self, what: &What, at: Instant) {
        let Self { stage, telephone, handle, account, sounds, .. } = self;
        let wordless = |lasts| Cue { text: String::new(), lasts, word_ends: Vec::new(), final_after: None };
        let (told, done) = match what {
            What::Says { length, text, final_lag } => {
                let (length, text) = (*length, text.clone());
                let told = format!("speaks for {} ms: \"{text}\"", length.as_millis());
                stage.cue(Cue { text, lasts: length, word_ends: Vec::new(), final_after: *final_lag });
                sounds.push(telephone.act(at, |caller, at| caller.speak(at, length)));
                (told, true)
            }
            What::Cough(length) => {
                stage.cue(wordless(*length));
                sounds.push(telephone.act(at, |caller, at| caller.cough(at, *length)));
                (format!("coughs for {} ms", length.as_millis()), true)
            }
            What::Hum(length) => {
                stage.cue(wordless(*length));
                sounds.push(telephone.act(at, |caller, at| caller.speak(at, *length)));
                (format!("hums for {} ms", length.as_millis()), true)
            }
            What::Noise { length, dbfs } => {
                sounds.push(telephone.act(at, |caller, at| caller.noise(at, *length, *dbfs)));
                (format!("is in noise of {dbfs} dBFS for {} ms", length.as_millis()), true)
            }
            What::Plays(Recorded { name, samples, text, word_ends, final_lag }) => {
                let lasts = Duration::from_micros(samples.len() as u64 * 125);
                let (text, word_ends) = (text.clone(), word_ends.clone());
                stage.cue(Cue { text, lasts, word_ends, final_after: *final_lag });
                sounds.push(telephone.act(at, |caller, at| caller.play(at, samples.clone())));
                (format!("plays {name}"), true)
            }
            What::Hears(kind, text) => {
                let is_final = *kind != TranscriptKind::Interim;
                let speech_final = *kind == TranscriptKind::EndOfTurn;
                stage.utter(Utter { text: text.clone(), is_final, speech_final });
                (String::new(), true)
            }
            What::Digit(key) => {
                telephone.act(at, |caller, at| caller.press(at, *key));
                ("presses a key".to_owned(), true)
            }
            What::Say { text, interruptible } => {
                let done = handle.command(Command::Say { text: text.clone(), interruptible: *interruptible });
                (String::new(), done)
            }
            What::Keys { keys, events, tones } => {
                telephone.act(at, |caller, at| caller.press_keys(at, keys, *events, *tones));
                (format!("presses {} keys", keys.len()), true)
            }
            What::Babble { length, dbfs } => {
                sounds.push(telephone.act(at, |caller, at| caller.babble(at, *length, *dbfs)));
                (format!("is among people at {dbfs} dBFS for {} ms", length.as_millis()), true)
            }
            What::Beep { length, hz } => {
                sounds.push(telephone.act(at, |caller, at| caller.beep(at, *length, hz)));
                let pitch = hz.iter().map(f32::to_string).collect::<Vec<_>>().join("+");
                (format!("beeps at {pitch} Hz for {} ms", length.as_millis()), true)
            }
            What::Transfer(to) => (String::new(), handle.command(Command::Transfer { to: to.clone() })),
            What::Update(update) => (String::new(), handle.command(Command::Update(update.clone()))),
            What::Collect(rules) => (String::new(), handle.command(Command::Collect(*rules))),
            What::Interrupt => (String::new(), handle.command(Command::Interrupt)),
            What::End => (String::new(), handle.command(Command::End)),
            What::Hangup => {
                telephone.fall_silent();
                ("hangs up".to_owned(), handle.hang_up())
            }
            What::LineDead => {
                telephone.fall_silent();
                (String::new(), true)
            }
            What::LineUp => {
                telephone.speak_up(at);
                (String::new(), true)
            }
            What::LineRestarts => {
                telephone.act(at, |caller, _| caller.restart());
                ("is sent as a new stream".to_owned(), true)
            }
            What::Voice { backup, trouble } => {
                stage.ail_voice(*backup, *trouble);
                (String::new(), true)
            }
            What::RecogniserDrops(outage) => {
                stage.drop_recogniser(*outage);
                (String::new(), true)
            }
            What::RecogniserDeaf => {
                stage.deafen_recogniser();
                (String::new(), true)
            }
            What::RecogniserFails(failure) => {
                stage.end_recogniser(skip::status(*failure).unwrap_or(500));
                (String::new(), true)
            }
            // Kept out by `skip`.
            What::Hold(_) => (String::new(), false),
        };
        if !told.is_empty() {
            account.note(at, "caller", told);
        }
        if !done {
            account.note(at, "refused", "the call did not take it".to_owned());
        }
    }
}
