//! `agentphone check`: asks every configured service for the least it can do, and says what is wrong in words that mend it.
//!
//! A recogniser is given a second of silence, a model writes some words, a voice says one. Models of tiers and voices of
//! agents are tried too: what is unknown is found here and not in the first call. Services are tried side by side, what one
//! service is asked one after the other; nothing takes longer than [`PATIENCE`].

use std::sync::Arc;
use std::time::{Duration, Instant};

use agentphone::config::{self, Config};
use agentphone::conversation::{Failure, Message, Role};
use agentphone::engine::{Frame, Llm, SampleRate, Stt, SttSpec, Timing, Tts, TtsSpec};
use agentphone::provider::{LlmEvent, LlmRequest, ProviderError, SttEvent, TtsEvent};
use tokio::task::JoinHandle;

use super::build::{Built, Services};
use super::say;

/// How long one question may take, connecting included: longer than a recogniser's own patience with a connection.
const PATIENCE: Duration = Duration::from_secs(12);
/// How much silence a recogniser is given, in pieces as of a line.
const SILENCE: Duration = Duration::from_secs(1);
/// One of those pieces.
const PIECE: Duration = Duration::from_millis(20);
/// More voices of agents than this are not tried.
const MOST_VOICES: usize = 10;
/// The most a model writes: some vendors refuse to write less.
const TOKENS: u32 = 16;

/// What a service is, for a line of the report.
#[derive(Clone, Debug)]
struct Subject {
    /// `stt`, `llm backup` …
    stage: String,
    /// The vendor, and what is asked of it.
    who: String,
}

/// What came of one question.
#[derive(Clone, PartialEq, Debug)]
enum Found {
    /// It answered: after this time, and in this manner.
    Well {
        first: Duration,
        /// Longer than that keeps a caller waiting.
        usual: Duration,
        how: String,
    },
    /// It did not.
    Wrong(ProviderError),
    /// It was not asked: the one before could not be reached either.
    Skipped,
}

type Finding = (Subject, Found);

/// Checks the services of a configuration and says a line about each; `true` when nothing is wrong.
pub async fn check(config: &Config, services: &Services) -> bool {
    let stages: Vec<JoinHandle<Vec<Finding>>> = vec![
        tokio::spawn(hear(recognisers(config, services))),
        tokio::spawn(think(models(config, services))),
        tokio::spawn(speak(voices(config, services))),
    ];
    let simulated = config.simulated();
    let mut is_well = true;
    for stage in stages {
        // A question that panicked has answered nothing.
        let Ok(findings) = stage.await else {
            is_well = false;
            continue;
        };
        for (subject, found) in findings {
            let note = if simulated.iter().any(|name| subject.stage == *name) { " (SIMULATED)" } else { "" };
            is_well &= !matches!(found, Found::Wrong(_));
            say(&format!("{:<11} {:<40} {}", subject.stage, format!("{}{note}", subject.who), found.words()));
        }
    }
    is_well
}

impl Found {
    fn words(&self) -> String {
        match self {
            Self::Well { first, usual, how } => {
                let slow = match first > usual {
                    true => format!(
                        "; SLOW: more than {} ms keep callers waiting, so choose a nearer host, a faster model or a backup",
                        usual.as_millis()
                    ),
                    false => String::new(),
                };
                format!("ok     reachable, authorised, {how} after {} ms{slow}", first.as_millis())
            }
            Self::Wrong(error) => {
                let what = match error.kind {
                    Failure::Auth => "reachable, not authorised",
                    Failure::Quota => "reachable, authorised, without credit",
                    Failure::RateLimit => "reachable, authorised, over its limit",
                    Failure::BadRequest => "reachable, does not know what it is asked for",
                    Failure::Unavailable => "not reachable",
                    Failure::Timeout => "no answer",
                    Failure::Protocol => "reachable, not understood",
                };
                format!("WRONG  {what}: {}", error.message)
            }
            Self::Skipped => "-      not tried".to_owned(),
        }
    }

    /// Whether the next question would find the same.
    fn is_final(&self) -> bool {
        matches!(self, Self::Wrong(error) if error.kind != Failure::BadRequest)
    }
}

/// Asks one service its questions one after the other, as long as it can be reached.
async fn ask_all<Q, F: Future<Output = Found>>(questions: Vec<(Subject, Q)>, ask: impl Fn(Q) -> F) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    for (subject, question) in questions {
        let is_lost = findings.iter().any(|(_, found)| found.is_final());
        let found = if is_lost { Found::Skipped } else { ask(question).await };
        findings.push((subject, found));
    }
    findings
}

fn subject<S: ?Sized>(stage: &str, built: &Built<S>, what: Option<&str>) -> Subject {
    let what = what.map_or_else(String::new, |what| format!(" {what}"));
    Subject { stage: stage.to_owned(), who: format!("{} {}{what}", built.vendor, built.model).trim().to_owned() }
}

fn in_time(found: Result<Found, tokio::time::error::Elapsed>) -> Found {
    let slow =
        || ProviderError::new(Failure::Timeout, "nothing came in time; check the address, the network and its load");
    found.unwrap_or_else(|_| Found::Wrong(slow()))
}

// --- hearing

type Recogniser = (Arc<dyn Stt>, String);

fn recognisers(config: &Config, services: &Services) -> Vec<Vec<(Subject, Recogniser)>> {
    let language = config.agents.first().map_or_else(|| "en-US".to_owned(), |agent| agent.language.clone());
    let built = [("stt", Some(&services.stt)), ("stt backup", services.backups.stt.as_ref())];
    let built = built.into_iter().filter_map(|(stage, built)| Some((stage, built?)));
    built
        .map(|(stage, built)| vec![(subject(stage, built, None), (Arc::clone(&built.service), language.clone()))])
        .collect()
}

async fn hear(services: Vec<Vec<(Subject, Recogniser)>>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for questions in services {
        findings.extend(ask_all(questions, |(stt, language)| async move { listen(&*stt, language).await }).await);
    }
    findings
}

/// A second of silence, and the question what was heard.
async fn listen(stt: &dyn Stt, language: String) -> Found {
    let rate = SampleRate::HZ_8000;
    let mut stream = stt.open(SttSpec { language, rate, model: None });
    let usual = stt.final_wait();
    let mut clock = tokio::time::interval(PIECE);
    let mut sent = Duration::ZERO;
    let answer = async {
        while sent < SILENCE {
            tokio::select! {
                // Faster than it is spoken some vendors take no sound.
                _ = clock.tick() => {
                    stream.send(&Frame::<160>::silence(rate, PIECE));
                    sent += PIECE;
                }
                event = stream.recv() => if let Some(found) = failed(event) {
                    return found;
                },
            }
        }
        stream.finalize();
        let asked = Instant::now();
        loop {
            let event = stream.recv().await;
            if let Some(SttEvent::Transcript(_)) = event {
                let how = "answered the end of a second of silence".to_owned();
                return Found::Well { first: asked.elapsed(), usual, how };
            }
            if let Some(found) = failed(event) {
                return found;
            }
        }
    };
    in_time(tokio::time::timeout(PATIENCE, answer).await)
}

fn failed(event: Option<SttEvent>) -> Option<Found> {
    match event {
        Some(SttEvent::Failed(error)) => Some(Found::Wrong(error)),
        None => Some(Found::Wrong(ProviderError::new(Failure::Unavailable, "the recogniser's stream ended early"))),
        Some(_) => None,
    }
}

// --- thinking

type Model = (Arc<dyn Llm>, Option<String>, Option<f32>);

fn models(config: &Config, services: &Services) -> Vec<Vec<(Subject, Model)>> {
    let temperature = config.llm.temperature;
    let tiers = &config.llm.tiers;
    let question = |stage: &str, built: &Built<dyn Llm>, model: Option<String>| {
        let mut who = subject(stage, built, None);
        if let Some(model) = &model {
            who.who = format!("{} {model}", built.vendor);
        }
        (who, (Arc::clone(&built.service), model, temperature))
    };
    let mut first = vec![question("llm", &services.llm, None)];
    for (tier, model) in [("turbo", &tiers.turbo), ("balanced", &tiers.balanced), ("max", &tiers.max)] {
        if let Some(model) = model.as_ref().filter(|model| **model != services.llm.model) {
            first.push(question(&format!("llm {tier}"), &services.llm, Some(model.clone())));
        }
    }
    let backup = services.backups.llm.as_ref().map(|backup| vec![question("llm backup", backup, None)]);
    [first].into_iter().chain(backup).collect()
}

async fn think(services: Vec<Vec<(Subject, Model)>>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for questions in services {
        let ask = |(llm, model, temperature): Model| async move { answer(&*llm, model, temperature).await };
        findings.extend(ask_all(questions, ask).await);
    }
    findings
}

/// Some words of an answer.
async fn answer(llm: &dyn Llm, model: Option<String>, temperature: Option<f32>) -> Found {
    let messages = vec![Message::text(Role::User, "Say one.")];
    let request = LlmRequest { model, messages, tools: Vec::new(), max_tokens: Some(TOKENS), temperature };
    let usual = Timing::default().hedge_first_token;
    let asked = Instant::now();
    let answer = async {
        let mut stream = llm.open(request);
        let mut first = None;
        loop {
            match stream.recv().await {
                // All of it is waited for: some vendors fail after the first word.
                Some(LlmEvent::Ended { .. }) => {
                    let first = first.unwrap_or_else(|| asked.elapsed());
                    return Found::Well { first, usual, how: "first token".to_owned() };
                }
                Some(LlmEvent::Failed(error)) => return Found::Wrong(error),
                Some(_) => _ = first.get_or_insert_with(|| asked.elapsed()),
                None => {
                    return Found::Wrong(ProviderError::new(Failure::Unavailable, "the model's stream ended early"));
                }
            }
        }
    };
    in_time(tokio::time::timeout(PATIENCE, answer).await)
}

// --- speaking

type Voice = (Arc<dyn Tts>, Option<String>, String);

fn voices(config: &Config, services: &Services) -> Vec<Vec<(Subject, Voice)>> {
    let language = config.agents.first().map_or_else(|| "en-US".to_owned(), |agent| agent.language.clone());
    let question = |stage: &str, built: &Built<dyn Tts>, voice: Option<String>, language: String| {
        let who = subject(stage, built, voice.as_deref());
        (who, (Arc::clone(&built.service), voice, language))
    };
    let usual = |tts: &config::Tts| tts.voice.as_ref().map(|voice| tts.voice_id(voice).to_owned());
    let mut first = vec![question("tts", &services.tts, usual(&config.tts), language.clone())];
    let mut known = vec![usual(&config.tts)];
    for agent in &config.agents {
        let voice = agent.voice.as_ref().filter(|voice| *voice != "11labs-Brian");
        let voice = voice.map(|voice| config.tts.voice_id(voice).to_owned());
        if voice.is_some() && !known.contains(&voice) && known.len() <= MOST_VOICES {
            known.push(voice.clone());
            first.push(question("tts voice", &services.tts, voice, agent.language.clone()));
        }
    }
    let backup = services.backups.tts.as_ref().zip(config.backups.tts.as_ref());
    let backup = backup.map(|(built, tts)| vec![question("tts backup", built, usual(tts), language)]);
    [first].into_iter().chain(backup).collect()
}

async fn speak(services: Vec<Vec<(Subject, Voice)>>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for questions in services {
        let ask = |(tts, voice, language): Voice| async move { pronounce(&*tts, voice, language).await };
        findings.extend(ask_all(questions, ask).await);
    }
    findings
}

/// A word, spoken.
async fn pronounce(tts: &dyn Tts, voice: Option<String>, language: String) -> Found {
    let line = SampleRate::HZ_8000;
    let usual = Timing::default().hedge_first_audio;
    let asked = Instant::now();
    let answer = async {
        let mut stream = tts.open(TtsSpec { voice, language, speed: 1.0, rate: line });
        // A voice that takes no text says why among its events.
        let _ = stream.speak("One.".to_owned()) && stream.end();
        let mut first = None;
        loop {
            match stream.recv().await {
                Some(TtsEvent::Audio { samples, rate }) if !samples.is_empty() => {
                    first.get_or_insert_with(|| (asked.elapsed(), rate));
                }
                Some(TtsEvent::Ended) => {
                    let Some((first, rate)) = first else {
                        return Found::Wrong(ProviderError::new(Failure::Protocol, "the voice ended without a sound"));
                    };
                    let made = if rate == line { "" } else { ", brought to a line's 8 kHz here," };
                    return Found::Well { first, usual, how: format!("sound at {} Hz{made}", rate.hz()) };
                }
                Some(TtsEvent::Failed(error)) => return Found::Wrong(error),
                Some(_) => {}
                None => {
                    return Found::Wrong(ProviderError::new(Failure::Unavailable, "the voice's stream ended early"));
                }
            }
        }
    };
    in_time(tokio::time::timeout(PATIENCE, answer).await)
}
