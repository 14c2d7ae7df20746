//! A scenario file: what the caller does, how the services behave, what must come of it.
//!
//! One statement a line; `#` begins a comment; text stands in double quotes (`\"` is one inside it). Times are milliseconds (`1200`), or carry a
//! unit (`300ms`, `1.5s`). A moment is a time since the call was answered (`1200`) or since the agent's n-th utterance
//! was first heard (`a2+500`).
//!
//! ```text
//! agent begin="Hello." prompt="Be brief." sensitivity=0.8 direction=outbound record=no transfer="+14155550100"
//! set endpoint_normal=400ms                any field of Timing
//! network seed=4 loss=0.1 delay=5 jitter=60 duplicate=0.01
//! line pcma | line buffered                the codec, or a gateway that buffers (60 ms lead, marks)
//! stt interim=200 final=250                lags behind the words and behind the end of the voice; final=never
//! llm first=300 token=16                   to the first token, then between tokens
//! tts first=120 word=300 times=no          to the first sound, length of a word, whether word times are told
//! reply "Sure. What time?"                 the model's answers, in the order it is asked …
//! reply "Well" then-stall                  … sends this and then nothing
//! reply tool end_call "{}"                 … asks for a tool; `reply "Bye." tool end_call "{}"` after a text
//! reply fail unavailable                   … fails
//! tool end_call 500 "done"                 how long a tool takes and what it answers; timeout=15s filler="…"
//! transfer 20s fail                        what comes of a transfer: ok fail refused unsupported never
//!
//! 0 says 1200 "book a table for two"       the caller speaks for 1200 ms; the recogniser hears these words
//! 0 says 1200 "book a table" final=900     … with its own lag; `final=never`
//! a1+900 cough 160                         sounds without words: cough, hum (voice), noise=-40 (dBFS)
//! 1450 hears final "book a"                what the recogniser says, by hand (interim final eager resumed end-of-turn)
//! 3000 digit 5 | 3000 say "…" | 3000 interrupt | 3000 transfer | 3000 end | 9000 hangup | 0 hold | 900 unhold
//! 0 tts blackhole | 0 tts fail unavailable | 900 tts ok | 0 stt fail timeout | 0 line dead
//! run 10000                                how long to run
//!
//! expect commit 1450..1700                 the first such moment; `#2` the second; `never commit`
//! expect audio #2 ..2150                   the agent's second utterance is first heard
//! expect line 2 agent "Sure." cut          the transcript's second line; `~"…"` contains
//! expect generations 1                     runs of the language model
//! expect gap ..900                         the longest silence inside the agent's utterances
//! expect ended user_hangup 9000..9400
//! ```

use std::fmt;
use std::time::Duration;

use crate::audio::Codec;
use crate::call::{CallSpec, Direction, LineSpec, ToolRule};
use crate::conversation::{Digit, Failure, Pii, ToolSpec, TranscriptKind, TransferEnd};

use super::NetworkSpec;
use super::words::{Args, Word, split};

/// One scenario, read from its file.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What it is called.
    pub name: String,
    /// The call.
    pub spec: CallSpec,
    /// The caller's line to us.
    pub network: NetworkSpec,
    pub(super) stt: SttScript,
    pub(super) llm: LlmScript,
    pub(super) tts: TtsScript,
    pub(super) tools: Vec<ToolScript>,
    pub(super) transfer: TransferScript,
    pub(super) steps: Vec<Step>,
    /// What must come of it.
    pub expectations: Vec<Expectation>,
    /// How long it runs at the most.
    pub length: Duration,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct SttScript {
    pub(super) interim_lag: Duration,
    pub(super) final_lag: Option<Duration>,
}

#[derive(Clone, Debug)]
pub(super) struct LlmScript {
    pub(super) first_token: Duration,
    pub(super) per_token: Duration,
    pub(super) replies: Vec<ReplyScript>,
}

#[derive(Clone, Debug)]
pub(super) enum ReplyScript {
    Text(String),
    TextThenStall(String),
    Tool { text: String, name: String, arguments: String },
    Fail(Failure),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct TtsScript {
    pub(super) first_byte: Duration,
    pub(super) per_word: Duration,
    pub(super) word_times: bool,
}

#[derive(Clone, Debug)]
pub(super) struct ToolScript {
    pub(super) name: String,
    pub(super) takes: Duration,
    pub(super) answer: String,
}

/// How a transfer ends, and after how long; `None`: nobody ever says.
#[derive(Clone, Copy, Debug)]
pub(super) struct TransferScript {
    pub(super) takes: Duration,
    pub(super) end: Option<TransferEnd>,
}

/// A moment of a scenario.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct When {
    /// The agent's n-th utterance, from 1; 0: the answer.
    pub(super) anchor: usize,
    pub(super) offset: Duration,
}

#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) when: When,
    pub(super) deed: Deed,
}

#[derive(Clone, Debug)]
pub(super) enum Deed {
    Says { length: Duration, text: String, final_lag: Option<Duration> },
    Cough(Duration),
    Hum(Duration),
    Noise { length: Duration, dbfs: f64 },
    Hears(TranscriptKind, String),
    Digit(Digit),
    Say(String),
    Interrupt,
    Transfer,
    End,
    Hangup,
    Hold(bool),
    LineDead,
    Tts(Fault),
    SttFails(Failure),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fault {
    None,
    Blackhole,
    Fail(Failure),
}

/// One thing that must come of a scenario, with the line it was written on.
#[derive(Clone, PartialEq, Debug)]
pub struct Expectation {
    /// The line in the file, from 1.
    pub line: usize,
    /// The statement as written.
    pub text: String,
    pub(super) what: What,
}

#[derive(Clone, PartialEq, Debug)]
pub(super) enum What {
    /// The n-th moment of this kind lies in the range.
    Moment {
        kind: String,
        nth: usize,
        from: When,
        to: Option<When>,
    },
    Never(String),
    Line {
        nth: usize,
        agent: bool,
        text: String,
        exact: bool,
        cut: Option<bool>,
    },
    Lines(usize),
    Generations(usize),
    Gap(Duration),
    Ended {
        reason: String,
        from: When,
        to: Option<When>,
    },
}

/// Why a scenario file cannot be read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BadScenario {
    /// Which line, from 1.
    pub line: usize,
    /// What is wrong there and what was expected.
    pub problem: String,
}

impl fmt::Display for BadScenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.problem)
    }
}

impl std::error::Error for BadScenario {}

impl Scenario {
    /// Reads a scenario file.
    pub fn parse(name: &str, file: &str) -> Result<Self, BadScenario> {
        let mut scenario = Self {
            name: name.to_owned(),
            spec: CallSpec { seed: 1, ..CallSpec::new(crate::call::DialogueSpec::default()) },
            network: NetworkSpec::default(),
            stt: SttScript { interim_lag: Duration::from_millis(200), final_lag: Some(Duration::from_millis(250)) },
            llm: LlmScript {
                first_token: Duration::from_millis(300),
                per_token: Duration::from_millis(16),
                replies: Vec::new(),
            },
            tts: TtsScript {
                first_byte: Duration::from_millis(120),
                per_word: Duration::from_millis(300),
                word_times: true,
            },
            tools: Vec::new(),
            transfer: TransferScript { takes: Duration::ZERO, end: Some(TransferEnd::Unsupported) },
            steps: Vec::new(),
            expectations: Vec::new(),
            length: Duration::from_secs(10),
        };
        for (index, text) in file.lines().enumerate() {
            let line = index + 1;
            let words = split(text).map_err(|problem| BadScenario { line, problem })?;
            if !words.is_empty() {
                scenario.statement(line, text.trim(), &words).map_err(|problem| BadScenario { line, problem })?;
            }
        }
        Ok(scenario)
    }

    /// The same call over a gateway that buffers (60 ms lead, marks), with no expectations: times differ.
    #[must_use]
    pub fn over_a_buffering_line(mut self) -> Self {
        self.spec.line.lead = Duration::from_millis(60);
        self.spec.line.far_buffer = true;
        self.expectations.clear();
        self
    }

    /// The same call with a voice that tells no word times, with no expectations: cuts differ by a word.
    #[must_use]
    pub fn without_word_times(mut self) -> Self {
        self.tts.word_times = false;
        self.expectations.clear();
        self
    }

    fn statement(&mut self, line: usize, text: &str, words: &[Word]) -> Result<(), String> {
        let mut args = Args::after_first(words);
        match words[0].bare()? {
            "agent" => self.agent(&mut args)?,
            "set" => {
                while let Some((name, value)) = args.setting() {
                    let number = match name {
                        "idle_prompts" => value.parse().map_err(|_| format!("`{value}` is no count"))?,
                        _ => duration(value)?.as_nanos() as u64,
                    };
                    if !self.spec.dialogue.timing.set_named(name, number) {
                        return Err(format!("no timing is called `{name}`"));
                    }
                }
            }
            "network" => {
                while let Some((name, value)) = args.setting() {
                    let number = || value.parse::<f64>().map_err(|_| format!("`{value}` is no number"));
                    match name {
                        "seed" => self.network.seed = number()? as u64,
                        "loss" => self.network.loss = number()?,
                        "duplicate" => self.network.duplicate = number()?,
                        "delay" => self.network.delay = duration(value)?,
                        "jitter" => self.network.jitter = duration(value)?,
                        _ => return Err(format!("a network has no `{name}`")),
                    }
                }
            }
            "line" => match args.word()?.bare()? {
                "buffered" => {
                    self.spec.line.lead = Duration::from_millis(60);
                    self.spec.line.far_buffer = true;
                }
                name => {
                    let codec = Codec::from_name(name).ok_or(format!("`{name}` is no codec"))?;
                    self.spec.line = LineSpec::rtp(codec);
                }
            },
            "stt" => {
                while let Some((name, value)) = args.setting() {
                    match name {
                        "interim" => self.stt.interim_lag = duration(value)?,
                        "final" => self.stt.final_lag = duration_or_never(value)?,
                        _ => return Err(format!("the recogniser has no `{name}`")),
                    }
                }
            }
            "llm" => {
                while let Some((name, value)) = args.setting() {
                    match name {
                        "first" => self.llm.first_token = duration(value)?,
                        "token" => self.llm.per_token = duration(value)?,
                        _ => return Err(format!("the model has no `{name}`")),
                    }
                }
            }
            "tts" => {
                while let Some((name, value)) = args.setting() {
                    match name {
                        "first" => self.tts.first_byte = duration(value)?,
                        "word" => self.tts.per_word = duration(value)?,
                        "times" => self.tts.word_times = value == "yes",
                        _ => return Err(format!("the voice has no `{name}`")),
                    }
                }
            }
            "reply" => {
                let reply = reply(&mut args)?;
                self.llm.replies.push(reply);
            }
            "tool" => {
                let name = args.word()?.bare()?.to_owned();
                let takes = duration(args.word()?.bare()?)?;
                let answer = args.word()?.text.clone();
                self.spec.dialogue.tools.push(ToolSpec {
                    name: name.clone(),
                    description: name.clone(),
                    parameters: "{\"type\":\"object\"}".into(),
                });
                let mut rule = ToolRule { name: name.clone(), ..ToolRule::default() };
                while let Some((setting, value)) = args.setting() {
                    match setting {
                        "timeout" => rule.timeout = Some(duration(value)?),
                        "filler" => rule.filler = Some(value.to_owned()),
                        _ => return Err(format!("a tool has no `{setting}`")),
                    }
                }
                if (&rule.timeout, &rule.filler) != (&None, &None) {
                    self.spec.dialogue.tool_rules.push(rule);
                }
                self.tools.push(ToolScript { name, takes, answer });
            }
            "transfer" => {
                let takes = duration(args.word()?.bare()?)?;
                let end = match args.word()?.bare()? {
                    "ok" => Some(TransferEnd::Taken),
                    "fail" => Some(TransferEnd::NoAnswer),
                    "refused" => Some(TransferEnd::Refused),
                    "unsupported" => Some(TransferEnd::Unsupported),
                    "never" => None,
                    other => return Err(format!("a transfer cannot end `{other}`")),
                };
                self.transfer = TransferScript { takes, end };
            }
            "run" => self.length = duration(args.word()?.bare()?)?,
            "expect" => {
                let what = expectation(&mut args)?;
                self.expectations.push(Expectation { line, text: text.to_owned(), what });
            }
            moment => {
                let when = when(moment)?;
                let deed = deed(&mut args)?;
                self.steps.push(Step { when, deed });
            }
        }
        args.done()
    }

    fn agent(&mut self, args: &mut Args<'_>) -> Result<(), String> {
        let dialogue = &mut self.spec.dialogue;
        while let Some((name, value)) = args.setting() {
            match name {
                "begin" => dialogue.begin_message = value.to_owned(),
                "prompt" => dialogue.system_prompt = value.to_owned(),
                "sensitivity" => {
                    dialogue.interruption_sensitivity = value.parse().map_err(|_| format!("`{value}` is no number"))?;
                }
                "direction" => {
                    dialogue.direction = match value {
                        "inbound" => Direction::Inbound,
                        "outbound" => Direction::Outbound,
                        _ => return Err(format!("`{value}` is no direction")),
                    }
                }
                "transfer" => dialogue.transfer_number = Some(Pii::new(value.to_owned())),
                "record" => self.spec.record = value == "yes",
                _ => return Err(format!("an agent has no `{name}`")),
            }
        }
        Ok(())
    }
}

fn reply(args: &mut Args<'_>) -> Result<ReplyScript, String> {
    let first = args.word()?;
    if first.quoted {
        let text = first.text.clone();
        return Ok(match args.next_bare() {
            Some("then-stall") => ReplyScript::TextThenStall(text),
            Some("tool") => {
                let name = args.word()?.bare()?.to_owned();
                ReplyScript::Tool { text, name, arguments: args.word()?.text.clone() }
            }
            Some(other) => return Err(format!("expected `then-stall`, `tool` or nothing, found `{other}`")),
            None => ReplyScript::Text(text),
        });
    }
    match first.bare()? {
        "tool" => {
            let name = args.word()?.bare()?.to_owned();
            Ok(ReplyScript::Tool { text: String::new(), name, arguments: args.word()?.text.clone() })
        }
        "fail" => Ok(ReplyScript::Fail(failure(args.word()?.bare()?)?)),
        other => Err(format!("expected a text, `tool` or `fail`, found `{other}`")),
    }
}

fn deed(args: &mut Args<'_>) -> Result<Deed, String> {
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
        "noise" => {
            let length = duration(args.word()?.bare()?)?;
            let mut dbfs = -40.0;
            while let Some((name, value)) = args.setting() {
                match name {
                    "level" => dbfs = value.parse().map_err(|_| format!("`{value}` is no level in dBFS"))?,
                    _ => return Err(format!("`noise` has no `{name}`")),
                }
            }
            Deed::Noise { length, dbfs }
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
        "say" => Deed::Say(args.word()?.text.clone()),
        "interrupt" => Deed::Interrupt,
        "transfer" => Deed::Transfer,
        "end" => Deed::End,
        "hangup" => Deed::Hangup,
        "hold" => Deed::Hold(true),
        "unhold" => Deed::Hold(false),
        "line" => match args.word()?.bare()? {
            "dead" => Deed::LineDead,
            other => return Err(format!("expected `dead`, found `{other}`")),
        },
        "tts" => Deed::Tts(match args.word()?.bare()? {
            "ok" => Fault::None,
            "blackhole" => Fault::Blackhole,
            "fail" => Fault::Fail(failure(args.word()?.bare()?)?),
            other => return Err(format!("expected `ok`, `blackhole` or `fail`, found `{other}`")),
        }),
        "stt" => match args.word()?.bare()? {
            "fail" => Deed::SttFails(failure(args.word()?.bare()?)?),
            other => return Err(format!("expected `fail`, found `{other}`")),
        },
        other => return Err(format!("nobody can `{other}`")),
    })
}

fn expectation(args: &mut Args<'_>) -> Result<What, String> {
    Ok(match args.word()?.bare()? {
        "never" => What::Never(kind(args.word()?.bare()?)?),
        "line" => {
            let nth = count(args.word()?.bare()?)?;
            let agent = match args.word()?.bare()? {
                "agent" => true,
                "caller" => false,
                other => return Err(format!("expected `agent` or `caller`, found `{other}`")),
            };
            let text = args.word()?;
            let (exact, text) = (!text.contains, text.text.clone());
            let cut = match args.next_bare() {
                None => None,
                Some("cut") => Some(true),
                Some("whole") => Some(false),
                Some(other) => return Err(format!("expected `cut` or `whole`, found `{other}`")),
            };
            What::Line { nth, agent, text, exact, cut }
        }
        "lines" => What::Lines(count(args.word()?.bare()?)?),
        "generations" => What::Generations(count(args.word()?.bare()?)?),
        "gap" => What::Gap(range(args.word()?.bare()?)?.1.ok_or("expected `..` and a length")?.offset),
        "ended" => {
            let reason = args.word()?.bare()?.to_owned();
            let (from, to) = range(args.next_bare().unwrap_or("0.."))?;
            What::Ended { reason, from, to }
        }
        name => {
            let kind = kind(name)?;
            let mut nth = 1;
            let mut word = args.word()?.bare()?;
            if let Some(number) = word.strip_prefix('#') {
                nth = count(number)?;
                word = args.word()?.bare()?;
            }
            let (from, to) = range(word)?;
            What::Moment { kind, nth, from, to }
        }
    })
}

/// The moments a scenario may expect.
const KINDS: [&str; 17] = [
    "commit",
    "audio",
    "ducked",
    "held",
    "resumed",
    "interrupted",
    "taken-back",
    "silent",
    "backchannel",
    "caller",
    "said",
    "tool",
    "key",
    "transfer",
    "failed",
    "unstuck",
    "ending",
];

fn kind(name: &str) -> Result<String, String> {
    if KINDS.contains(&name) {
        Ok(name.to_owned())
    } else {
        Err(format!("nothing is called `{name}`; known are {}", KINDS.join(", ")))
    }
}

fn count(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| format!("`{text}` is no count"))
}

fn failure(name: &str) -> Result<Failure, String> {
    let all = [
        Failure::Auth,
        Failure::Quota,
        Failure::RateLimit,
        Failure::BadRequest,
        Failure::Unavailable,
        Failure::Timeout,
        Failure::Protocol,
    ];
    all.into_iter().find(|failure| failure.name() == name).ok_or(format!("`{name}` is no kind of failure"))
}

fn range(text: &str) -> Result<(When, Option<When>), String> {
    let (from, to) = text.split_once("..").ok_or(format!("`{text}` is no range: write `1200..1500`"))?;
    let from = if from.is_empty() { When { anchor: 0, offset: Duration::ZERO } } else { when(from)? };
    let to = if to.is_empty() { None } else { Some(when(to)?) };
    Ok((from, to))
}

fn when(text: &str) -> Result<When, String> {
    let (anchor, offset) = match text.strip_prefix('a') {
        Some(rest) => {
            let (nth, offset) = rest.split_once('+').unwrap_or((rest, "0"));
            (count(nth).map_err(|_| format!("`{text}` is neither a moment nor a statement"))?, offset)
        }
        None => (0, text),
    };
    let offset = duration(offset).map_err(|_| format!("`{text}` is neither a moment nor a statement"))?;
    Ok(When { anchor, offset })
}

fn duration(text: &str) -> Result<Duration, String> {
    let (number, scale) = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(number), _) => (number, 0.001),
        (None, Some(number)) => (number, 1.0),
        (None, None) => (text, 0.001),
    };
    number
        .parse()
        .ok()
        .and_then(|number: f64| Duration::try_from_secs_f64(number * scale).ok())
        .filter(|duration| *duration <= Duration::from_secs(86_400))
        .ok_or(format!("`{text}` is no time: write `300`, `300ms` or `1.5s`, at most a day"))
}

fn duration_or_never(text: &str) -> Result<Option<Duration>, String> {
    if text == "never" { Ok(None) } else { duration(text).map(Some) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scenario_is_read_whole() {
        let scenario = Scenario::parse(
            "t",
            "agent begin=\"Hi there.\" sensitivity=0.5   # comment\n\nset endpoint_normal=400ms idle_prompts=3\n\
             network seed=4 loss=0.1 jitter=60\nreply \"Sure. What time?\"\nreply tool end_call \"{}\"\n\
             0 says 1.2s \"book a table\" final=never\na1+900 cough 160\nrun 5s\nexpect commit #2 1450..a1+1700\n\
             expect line 2 agent ~\"Sure\" cut\n",
        )
        .unwrap();
        assert_eq!(scenario.spec.dialogue.begin_message, "Hi there.");
        assert_eq!(scenario.spec.dialogue.timing.endpoint_normal, Duration::from_millis(400));
        assert_eq!(scenario.steps.len(), 2);
        assert_eq!(scenario.steps[1].when, When { anchor: 1, offset: Duration::from_millis(900) });
        assert_eq!(scenario.expectations.len(), 2);
        assert!(matches!(&scenario.expectations[1].what, What::Line { exact: false, cut: Some(true), .. }));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        for (file, problem) in [
            ("\nfrobnicate 3", "line 2: `frobnicate` is neither a moment nor a statement"),
            ("set endpoint_abnormal=3", "line 1: no timing is called `endpoint_abnormal`"),
            ("0 says 100 \"abc", "line 1: a text without its closing quote"),
            ("0 dances", "line 1: nobody can `dances`"),
            ("expect applause 1..2", "line 1: nothing is called `applause`"),
            ("run 3 4", "line 1: did not expect `4`"),
            ("0 says", "line 1: the line ends too early"),
        ] {
            let error = Scenario::parse("t", file).unwrap_err().to_string();
            assert!(error.starts_with(problem), "{error} / {problem}");
        }
    }
}
