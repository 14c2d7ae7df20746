//! What is done at a moment of a scenario.

use std::time::Duration;

use crate::call::{KeyRules, Update};
use crate::conversation::{Ambience, Digit, Failure, Pii, TranscriptKind};

use super::value::{When, count, duration, duration_or_never, failure};
use crate::world::words::Args;

#[derive(Clone, Debug)]
pub(in crate::world) struct Step {
    pub(in crate::world) when: When,
    pub(in crate::world) deed: Deed,
}

#[derive(Clone, Debug)]
pub(in crate::world) enum Deed {
    Says {
        length: Duration,
        text: String,
        final_lag: Option<Duration>,
    },
    Cough(Duration),
    Hum(Duration),
    Noise {
        length: Duration,
        dbfs: f64,
    },
    Babble {
        length: Duration,
        dbfs: f64,
    },
    /// One tone, or two at once, in hertz.
    Beep {
        length: Duration,
        hz: Vec<f32>,
    },
    Hears(TranscriptKind, String),
    Digit(Digit),
    Say {
        text: String,
        interruptible: bool,
    },
    Interrupt,
    /// To this number; `None`: to the agent's.
    Transfer(Option<Pii<String>>),
    Update(Update),
    Collect(KeyRules),
    Keys {
        keys: Vec<Digit>,
        events: bool,
        tones: bool,
    },
    End,
    Hangup,
    Hold(bool),
    LineDead,
    LineUp,
    LineRestarts,
    Tts {
        rank: u8,
        fault: Fault,
    },
    SttFails(Failure),
    SttDrops(Duration),
    SttDeaf,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::world) enum Fault {
    None,
    Blackhole,
    Fail(Failure),
    /// Nothing after so much sound of an utterance.
    Stall(Duration),
    /// Failure after so much sound of an utterance.
    Break(Duration),
}

/// What follows the moment of a line.
pub(super) fn deed(args: &mut Args<'_>) -> Result<Deed, String> {
    Ok(match args.word()?.bare()? {
        "says" => {
            let length = duration(args.word()?.bare()?)?;
            let text = args.word()?.text.clone();
            let mut final_lag = Some(Duration::MAX);
            while let Some((name, value)) = args.setting() {
                match name {
                    "final" => final_lag = duration_or_never(value)?,
                    _ => return Err(format!("`says` has no `{name}`")),
                }
            }
            Deed::Says { length, text, final_lag }
        }
        "cough" => Deed::Cough(duration(args.word()?.bare()?)?),
        "hum" => Deed::Hum(duration(args.word()?.bare()?)?),
        kind @ ("noise" | "babble") => {
            let length = duration(args.word()?.bare()?)?;
            let mut dbfs = -40.0;
            while let Some((name, value)) = args.setting() {
                match name {
                    "level" => dbfs = value.parse().map_err(|_| format!("`{value}` is no level in dBFS"))?,
                    _ => return Err(format!("`{kind}` has no `{name}`")),
                }
            }
            if kind == "noise" { Deed::Noise { length, dbfs } } else { Deed::Babble { length, dbfs } }
        }
        "beep" => {
            let length = duration(args.word()?.bare()?)?;
            let pitch = args.word()?.bare()?;
            let hz: Option<Vec<f32>> =
                pitch.strip_suffix("hz").and_then(|hz| hz.split('+').map(|hz| hz.parse().ok()).collect());
            let hz = hz.filter(|hz| hz.iter().all(|hz| (20.0..4_000.0).contains(hz)));
            Deed::Beep { length, hz: hz.ok_or(format!("`{pitch}` is no pitch: write `1000hz` or `440+480hz`"))? }
        }
        "hears" => {
            let kind = match args.word()?.bare()? {
                "interim" => TranscriptKind::Interim,
                "final" => TranscriptKind::Final,
                "eager" => TranscriptKind::Eager,
                "resumed" => TranscriptKind::Resumed,
                "end-of-turn" => TranscriptKind::EndOfTurn,
                other => return Err(format!("`{other}` is no kind of transcript")),
            };
            Deed::Hears(kind, args.word()?.text.clone())
        }
        "digit" => {
            let key = args.word()?.text.clone();
            let digit = key.chars().next().and_then(Digit::new).filter(|_| key.len() == 1);
            Deed::Digit(digit.ok_or(format!("`{key}` is no key"))?)
        }
        "say" => {
            let text = args.word()?.text.clone();
            let interruptible = match args.next_bare() {
                None => true,
                Some("uninterruptible") => false,
                Some(other) => return Err(format!("expected `uninterruptible` or nothing, found `{other}`")),
            };
            Deed::Say { text, interruptible }
        }
        "interrupt" => Deed::Interrupt,
        "transfer" => Deed::Transfer(args.next_quoted().map(|to| Pii::new(to.to_owned()))),
        "update" => {
            let mut update = Update::default();
            while let Some((name, value)) = args.setting() {
                match name {
                    "prompt" => update.system_prompt = Some(value.to_owned()),
                    "voice" => update.voice = Some(value.to_owned()),
                    "speed" => {
                        update.voice_speed = Some(value.parse().map_err(|_| format!("`{value}` is no number"))?);
                    }
                    "ambience" => {
                        update.ambience = Some(Ambience::from_name(value).ok_or(format!("`{value}` is no place"))?);
                    }
                    "sensitivity" => {
                        update.interruption_sensitivity =
                            Some(value.parse().map_err(|_| format!("`{value}` is no number"))?);
                    }
                    "denoising" => update.denoising = Some(super::value::denoising(value)?),
                    _ => return Err(format!("`update` has no `{name}`")),
                }
            }
            Deed::Update(update)
        }
        "collect" => {
            let mut rules = KeyRules::default();
            while let Some((name, value)) = args.setting() {
                match name {
                    "most" => rules.most = u8::try_from(count(value)?).map_err(|_| format!("`{value}` is too many"))?,
                    "terminator" => rules.terminator = value.chars().next().and_then(Digit::new),
                    "redact" => rules.redact = value == "yes",
                    _ => return Err(format!("`collect` has no `{name}`")),
                }
            }
            Deed::Collect(rules)
        }
        "keys" => {
            let keys = args.word()?.text.clone();
            let keys = keys.chars().map(|key| Digit::new(key).ok_or(format!("`{key}` is no key")));
            let keys = keys.collect::<Result<_, _>>()?;
            let (events, tones) = match args.next_bare() {
                None | Some("events") => (true, false),
                Some("tones") => (false, true),
                Some("both") => (true, true),
                Some(other) => return Err(format!("expected `events`, `tones` or `both`, found `{other}`")),
            };
            Deed::Keys { keys, events, tones }
        }
        "end" => Deed::End,
        "hangup" => Deed::Hangup,
        "hold" => Deed::Hold(true),
        "unhold" => Deed::Hold(false),
        "line" => match args.word()?.bare()? {
            "dead" => Deed::LineDead,
            "up" => Deed::LineUp,
            "restart" => Deed::LineRestarts,
            other => return Err(format!("expected `dead`, `up` or `restart`, found `{other}`")),
        },
        "tts" => {
            let (rank, word) = match args.word()?.bare()? {
                "backup" => (1, args.word()?.bare()?),
                word => (0, word),
            };
            let fault = match word {
                "ok" => Fault::None,
                "blackhole" => Fault::Blackhole,
                "fail" => Fault::Fail(failure(args.word()?.bare()?)?),
                "stall" => Fault::Stall(duration(args.word()?.bare()?)?),
                "break" => Fault::Break(duration(args.word()?.bare()?)?),
                other => return Err(format!("a voice can be ok, blackhole, fail, stall or break, not `{other}`")),
            };
            Deed::Tts { rank, fault }
        }
        "stt" => match args.word()?.bare()? {
            "fail" => Deed::SttFails(failure(args.word()?.bare()?)?),
            "drop" => Deed::SttDrops(duration(args.word()?.bare()?)?),
            "deaf" => Deed::SttDeaf,
            other => return Err(format!("expected `fail`, `drop` or `deaf`, found `{other}`")),
        },
        other => return Err(format!("nobody can `{other}`")),
    })
}
