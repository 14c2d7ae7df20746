//! A scenario file: what the caller does, how the services behave, what must come of it.
//!
//! One statement a line; `#` begins a comment; text stands in double quotes (`\"` is one inside it). Times are milliseconds (`1200`), or carry a
//! unit (`300ms`, `1.5s`). A moment is a time since the call was answered (`1200`) or since the agent's n-th utterance
//! was first heard (`a2+500`).
//!
//! ```text
//! agent begin="Hello." prompt="Be brief." sensitivity=0.8 direction=outbound record=no speculation=no
//! agent transfer="+14155550100" redact=no  where callers may be handed to; whether keys are hidden in transcripts
//! agent begin-interruptible=no             the greeting is played to its end, whoever talks
//! agent voicemail="Please call back." identity="Anna" purpose="your visit" detect=no   who answers an outbound call
//! agent language=de-AT stt=accurate        whose small words count; how sure the recogniser must be (fast)
//! agent ambience=office                    what lies under its voice: none office coffee-shop outdoor
//! agent backchannel=yes                    the agent says "mm-hmm" while the caller speaks at length
//! agent goodbye="Bye." idle="Still there?"   what it says of its own accord: apology repeat idle goodbye filler cut-in
//!                                          transfer-failed transfer-wait warning last-resort; backchannels="uh-huh|mm-hmm"
//! agent denoising=none auto-gain=yes       what the recogniser gets (noise-cancellation; none: as it came)
//! set endpoint_normal=400ms                any field of Timing
//! network seed=4 loss=0.1 delay=5 jitter=60 duplicate=0.01
//! network echo=180:-12                     the caller's phone sends back what it plays, 180 ms later, 12 dB softer
//! line pcma | line g722 | line opus        the codec (also `l16/16000` …); `line buffered`: a gateway that buffers
//!                                          (60 ms lead, marks)
//! stt interim=200 final=250                lags behind the words and behind the end of the voice; final=never
//! stt eager=100                            it announces the end of a turn so long after the voice, and its final ends it
//! llm first=300 token=16                   to the first token, then between tokens
//! tts first=120 word=300 times=no          to the first sound, length of a word, whether word times are told
//! llm backup=300 | tts backup=120          there is a backup, so late; `never`: one that is dead too
//! stt backup=ok                            there is another recogniser; `deaf` or `fail`: one that is dead too
//! reply "Sure. What time?"                 the model's answers, in the order it is asked …
//! reply "Well" then-stall                  … sends this and then nothing
//! reply tool end_call "{}"                 … asks for a tool; `reply "Bye." tool end_call "{}"` after a text
//! reply "…" tool a "{}" tool b "{}"       … asks for two
//! reply fail unavailable                   … fails
//! backup "Sure."                           the backup model's answers, as above; without: those of the first choice
//! tool look 500 "done"                     how long a tool takes (or `never`) and what it answers; timeout=15s filler="…"
//!                                          the n-th such line for its n-th run, the last for all after it
//! transfer 20s fail                        what comes of a transfer: ok fail refused unsupported never; each in turn
//!
//! 0 says 1200 "book a table for two"       the caller speaks for 1200 ms; the recogniser hears these words
//! 0 says 1200 "book a table" final=900     … with its own lag; `final=never`
//! a1+900 babble 3000 level=-30             five other people talking, at this level
//! a1+900 cough 160                         sounds without words: cough, hum (voice), noise=-40 (dBFS)
//! 9000 beep 400 1000hz                     a tone; `440+480hz`: two at once
//! 1450 hears final "book a"                what the recogniser says, by hand (interim final eager resumed end-of-turn)
//! 3000 say "…" | 3000 say "…" uninterruptible
//! 3000 digit 5 | 3000 say "…" | 3000 interrupt | 3000 transfer "+14155550100" | 3000 end | 9000 hangup | 0 hold | 900 unhold
//! 3000 keys "123#" both                   the caller presses keys: as events (RFC 4733), as tones in the sound, or both
//! 3000 collect most=4 terminator=* redact=yes   from here on the caller's keys are asked for
//! 2000 update prompt="…" voice="…" speed=1.2 sensitivity=0.5 ambience=office denoising=none   other settings for what comes next
//! 0 tts blackhole | 0 tts fail unavailable | 900 tts ok | 0 stt fail timeout | 0 line dead
//! 700 line restart                         the caller's stream begins anew: other SSRC, sequence and timestamps
//! 50 line up                               the line's first packet comes then, not with the answer
//! 0 tts stall 1000 | 0 tts break 1000      after so much of an utterance no more comes, or it fails
//! 0 tts backup blackhole                   the backup voice, likewise
//! 900 stt drop 300                         its connection is reset; it comes back so late and hears what it missed
//! 0 stt deaf                               its connection hears nothing; a new one does
//! run 10000                                how long to run
//!
//! expect commit 1450..1700                 the first such moment; `#2` the second; `never commit`
//! expect kept 1600..1700                   a run begun ahead (`thinks`) becomes the answer, or is `dropped`
//! expect answered-by ~"human" ..1200        the first such moment whose text contains this; `#2 ~"…"` the second such
//! expect audio #2 ..2150                   the agent's second utterance is first heard
//! expect line 2 agent "Sure." cut          the transcript's second line; `~"…"` contains
//! expect generations 1                     runs of the language model
//! expect gap ..900                         the longest silence inside the agent's utterances
//! expect ended user_hangup 9000..9400
//! ```

use std::fmt;
use std::time::Duration;

use crate::audio::{Codec, SampleRate, g711};
use crate::call::{CallSpec, DialogueSpec, Direction, LineSpec, Screening, SttMode, ToolRule};
use crate::conversation::{Ambience, Pii, ToolSpec};

use super::caller::PTIME;
use super::words::{Args, Word, split};
use super::{NetworkSpec, sound};

pub(super) use deed::{Deed, Fault, Step};
pub use expectation::Expectation;
pub(super) use expectation::What;
pub(super) use script::{Ear, LlmScript, ReplyScript, SttScript, ToolScript, TransferScript, TtsScript};
pub(super) use value::When;
pub(super) use value::duration;
use value::{duration_or_never, when};

mod deed;
mod expectation;
mod script;
mod value;

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
    /// What comes of each transfer in turn; the last holds for all after it.
    pub(super) transfers: Vec<TransferScript>,
    pub(super) steps: Vec<Step>,
    /// What must come of it.
    pub expectations: Vec<Expectation>,
    /// How long it runs at the most.
    pub length: Duration,
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
    /// Reads a scenario file, for an agent with the default settings.
    pub fn parse(name: &str, file: &str) -> Result<Self, BadScenario> {
        Self::parse_for(&DialogueSpec::default(), name, file)
    }

    /// Reads a scenario file for this agent; what the file says of the agent goes before.
    pub fn parse_for(agent: &DialogueSpec, name: &str, file: &str) -> Result<Self, BadScenario> {
        let mut scenario = Self {
            name: name.to_owned(),
            spec: CallSpec { seed: 1, ..CallSpec::new(agent.clone()) },
            network: NetworkSpec::default(),
            stt: SttScript {
                interim_lag: Duration::from_millis(200),
                final_lag: Some(Duration::from_millis(250)),
                eager_lag: None,
                backup: None,
            },
            llm: LlmScript {
                first_token: Duration::from_millis(300),
                per_token: Duration::from_millis(16),
                replies: Vec::new(),
                backup: None,
                backup_replies: Vec::new(),
            },
            tts: TtsScript {
                first_byte: Duration::from_millis(120),
                backup: None,
                per_word: Duration::from_millis(300),
                word_times: true,
            },
            tools: Vec::new(),
            transfers: Vec::new(),
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
        scenario.spec.dialogue = scenario.spec.dialogue.in_its_language();
        scenario.spec.last_resort = Some(kept(&scenario.spec.dialogue.last_resort, scenario.tts.per_word));
        Ok(scenario)
    }

    /// The same call with other chances: another voice of the caller, another fate of each packet.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.network.seed = seed;
        self
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

    /// Whether a bed of sound ever lies under the agent's voice.
    pub(super) fn has_ambience(&self) -> bool {
        let updates = |step: &Step| matches!(&step.deed, Deed::Update(update) if update.ambience.is_some());
        self.spec.sound.ambience != Ambience::None || self.steps.iter().any(updates)
    }

    fn statement(&mut self, line: usize, text: &str, words: &[Word]) -> Result<(), String> {
        let mut args = Args::after_first(words);
        match words[0].bare()? {
            "agent" => self.agent(&mut args)?,
            "set" => {
                while let Some((name, value)) = args.setting() {
                    super::policy::set(&mut self.spec, &format!("{name}={value}"))?;
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
                        "echo" => self.network.echo = Some(value::echo(value)?),
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
                    if !codec.can_send(PTIME) {
                        return Err(format!("`{name}` has no packets of 20 ms"));
                    }
                    self.spec.line = LineSpec::rtp(codec);
                }
            },
            "stt" => {
                while let Some((name, value)) = args.setting() {
                    match name {
                        "interim" => self.stt.interim_lag = duration(value)?,
                        "final" => self.stt.final_lag = duration_or_never(value)?,
                        "eager" => self.stt.eager_lag = duration_or_never(value)?,
                        "backup" => {
                            self.spec.dialogue.backups.stt = true;
                            self.stt.backup = Some(script::ear(value)?);
                        }
                        _ => return Err(format!("the recogniser has no `{name}`")),
                    }
                }
            }
            "llm" => {
                while let Some((name, value)) = args.setting() {
                    match name {
                        "first" => self.llm.first_token = duration(value)?,
                        "backup" => {
                            self.spec.dialogue.backups.llm = true;
                            self.llm.backup = duration_or_never(value)?;
                        }
                        "token" => self.llm.per_token = duration(value)?,
                        _ => return Err(format!("the model has no `{name}`")),
                    }
                }
            }
            "tts" => {
                while let Some((name, value)) = args.setting() {
                    match name {
                        "first" => self.tts.first_byte = duration(value)?,
                        "backup" => {
                            self.spec.dialogue.backups.tts = true;
                            self.tts.backup = duration_or_never(value)?;
                        }
                        "word" => self.tts.per_word = duration(value)?,
                        "times" => self.tts.word_times = value == "yes",
                        _ => return Err(format!("the voice has no `{name}`")),
                    }
                }
            }
            "reply" => {
                let reply = script::reply(&mut args)?;
                self.llm.replies.push(reply);
            }
            "backup" => {
                let reply = script::reply(&mut args)?;
                self.llm.backup_replies.push(reply);
            }
            "tool" => {
                let name = args.word()?.bare()?.to_owned();
                let takes = duration_or_never(args.word()?.bare()?)?;
                let answer = args.word()?.text.clone();
                if self.tools.iter().all(|tool| tool.name != name) {
                    self.spec.dialogue.tools.push(ToolSpec {
                        name: name.clone(),
                        description: name.clone(),
                        parameters: "{\"type\":\"object\"}".into(),
                    });
                }
                let mut rule = ToolRule { name: name.clone(), ..ToolRule::default() };
                while let Some((setting, value)) = args.setting() {
                    match setting {
                        "timeout" => rule.timeout = Some(duration(value)?),
                        "filler" => rule.filler = Some(value.to_owned()),
                        _ => return Err(format!("a tool has no `{setting}`")),
                    }
                }
                let rules = &self.spec.dialogue.tool_rules;
                if (&rule.timeout, &rule.filler) != (&None, &None) && !rules.contains(&rule) {
                    self.spec.dialogue.tool_rules.push(rule);
                }
                self.tools.push(ToolScript { name, takes, answer });
            }
            "transfer" => self.transfers.push(script::transfer(&mut args)?),
            "run" => self.length = duration(args.word()?.bare()?)?,
            "expect" => {
                let what = expectation::expectation(&mut args)?;
                self.expectations.push(Expectation { line, text: text.to_owned(), what });
            }
            moment => {
                let when = when(moment)?;
                let deed = deed::deed(&mut args)?;
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
                "begin-interruptible" => dialogue.begin_interruptible = value == "yes",
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
                "redact" => dialogue.redact_keys = value == "yes",
                "detect" => dialogue.answer_detection = value == "yes",
                "voicemail" => dialogue.voicemail_message = Some(value.to_owned()),
                "identity" => screening(dialogue).identity = value.to_owned(),
                "purpose" => screening(dialogue).purpose = value.to_owned(),
                "language" => dialogue.language = value.to_owned(),
                "stt" => {
                    dialogue.stt_mode =
                        SttMode::from_name(value).ok_or(format!("`{value}` is neither fast nor accurate"))?;
                }
                "backchannel" => dialogue.backchannel = value == "yes",
                "record" => self.spec.record = value == "yes",
                "denoising" => self.spec.sound.denoising = value::denoising(value)?,
                "auto-gain" => self.spec.sound.auto_gain = value == "yes",
                "ambience" => {
                    self.spec.sound.ambience = Ambience::from_name(value).ok_or(format!("`{value}` is no place"))?;
                }
                "speculation" => dialogue.speculation.enabled = value == "yes",
                "backchannels" => dialogue.backchannels = value.split('|').map(str::to_owned).collect(),
                _ => match spoken(dialogue, name) {
                    Some(text) => value.clone_into(text),
                    None => return Err(format!("an agent has no `{name}`")),
                },
            }
        }
        Ok(())
    }
}

/// What the agent says of its own accord, by name.
pub(super) const SPOKEN: [&str; 10] = [
    "apology",
    "repeat",
    "idle",
    "goodbye",
    "filler",
    "cut-in",
    "transfer-failed",
    "transfer-wait",
    "warning",
    "last-resort",
];

/// One of [`SPOKEN`].
pub(super) fn spoken<'a>(dialogue: &'a mut DialogueSpec, name: &str) -> Option<&'a mut String> {
    Some(match name {
        "apology" => &mut dialogue.apology,
        "repeat" => &mut dialogue.repeat_request,
        "idle" => &mut dialogue.idle_prompt,
        "goodbye" => &mut dialogue.goodbye,
        "filler" => &mut dialogue.filler,
        "cut-in" => &mut dialogue.cut_in,
        "transfer-failed" => &mut dialogue.transfer_failed,
        "transfer-wait" => &mut dialogue.transfer_wait,
        "warning" => &mut dialogue.duration_warning,
        "last-resort" => &mut dialogue.last_resort,
        _ => return None,
    })
}

fn screening(dialogue: &mut DialogueSpec) -> &mut Screening {
    dialogue.screening.get_or_insert_with(|| Screening { identity: String::new(), purpose: String::new() })
}

/// The sound kept for the case that every voice is down, as long as the voices of the scenario would speak it.
fn kept(text: &str, per_word: Duration) -> Vec<u8> {
    let word = sound::agent_word(sound::KEPT, SampleRate::HZ_8000.samples_in(per_word));
    let samples = word.repeat(text.split_whitespace().count());
    let mut bytes = vec![0; samples.len()];
    g711::encode_ulaw(&samples, &mut bytes);
    bytes
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
