//! What the services of a log did, as statements of a scenario: their answers, their pace, and what ailed the voice.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use crate::call::DialogueSpec;
use crate::conversation::{Failure, ReplyId, ToolCall, TransferEnd};

use super::{agent, millis, quotable};

/// What the services did so far.
#[derive(Default)]
pub(super) struct Services {
    pub(super) replies: BTreeMap<ReplyId, Reply>,
    pub(super) tools: Vec<Tool>,
    pub(super) transfers: Vec<Transfer>,
}

/// One run of the model, and its voice.
#[derive(Default)]
pub(super) struct Reply {
    /// By which model or voice: 0 is the first choice.
    pub(super) rank: u8,
    pub(super) asked: Option<Duration>,
    pub(super) tokens: Vec<Duration>,
    pub(super) text: String,
    pub(super) calls: Vec<ToolCall>,
    pub(super) failed: Option<Failure>,
    pub(super) ended: bool,
    pub(super) handed: Option<Duration>,
    pub(super) first_sound: Option<Duration>,
    pub(super) last_sound: Option<Duration>,
    pub(super) sound: Duration,
    pub(super) words: u32,
    pub(super) has_word_times: bool,
    pub(super) spoken: bool,
    pub(super) voice_failed: Option<(Duration, Failure)>,
    /// When its voice was no longer wanted.
    pub(super) silenced: Option<Duration>,
}

pub(super) struct Tool {
    pub(super) call: ToolCall,
    pub(super) asked: Duration,
    pub(super) answer: Option<(Duration, String)>,
}

pub(super) struct Transfer {
    pub(super) asked: Duration,
    pub(super) end: Option<(Duration, TransferEnd)>,
}

/// What ailed a voice while one reply was spoken.
pub(super) struct Trouble {
    pub(super) from: Duration,
    pub(super) until: Duration,
    pub(super) rank: u8,
    pub(super) what: String,
}

/// A voice that has delivered less than it was handed and says nothing for so long has stalled.
const STALLED: Duration = Duration::from_millis(500);
/// How much of a sound that was delivered may still be unheard when its voice has stalled.
const UNHEARD: Duration = Duration::from_millis(500);
/// What is not known because it never happened is as in any scenario.
const FIRST_TOKEN: Duration = Duration::from_millis(300);
const PER_TOKEN: Duration = Duration::from_millis(16);
const FIRST_SOUND: Duration = Duration::from_millis(120);
const PER_WORD: Duration = Duration::from_millis(300);
/// Shorter words cannot be told from silence.
const SHORTEST_WORD: Duration = Duration::from_millis(20);

impl Services {
    pub(super) fn reply(&mut self, id: ReplyId) -> &mut Reply {
        self.replies.entry(id).or_default()
    }

    fn of_rank(&self, rank: u8) -> impl Iterator<Item = &Reply> {
        self.replies.values().filter(move |reply| reply.rank == rank)
    }

    fn first_token(&self, rank: u8) -> Option<Duration> {
        median(self.of_rank(rank).filter_map(|reply| reply.tokens.first()?.checked_sub(reply.asked?)))
    }

    fn first_sound(&self, rank: u8) -> Option<Duration> {
        median(self.of_rank(rank).filter_map(|reply| reply.first_sound?.checked_sub(reply.handed?)))
    }

    fn per_word(&self) -> Duration {
        let whole = self.replies.values().filter(|reply| reply.spoken && reply.words > 0);
        median(whole.map(|reply| reply.sound / reply.words)).unwrap_or(PER_WORD).max(SHORTEST_WORD)
    }

    /// What ailed the voices, in order; `end`: of the log.
    pub(super) fn troubles(&self, end: Duration) -> Vec<Trouble> {
        let word = self.per_word();
        let mut troubles = Vec::new();
        for reply in self.replies.values() {
            let Some(handed) = reply.handed else { continue };
            let after = reply.sound.as_millis();
            let (what, until) = match reply.voice_failed {
                Some((at, failure)) if reply.sound.is_zero() => (format!("fail {}", failure.name()), at),
                Some((at, _)) => (format!("break {after}"), at),
                None if reply.has_stalled(word, end) => {
                    let what = if reply.sound.is_zero() { "blackhole".into() } else { format!("stall {after}") };
                    (what, reply.silenced.unwrap_or(end))
                }
                None => continue,
            };
            // The next reply of this voice is asked for when it is well again, or ill anew.
            let next = self.of_rank(reply.rank).filter_map(|other| other.handed).filter(|&at| at > handed).min();
            let until = until.min(next.map_or(end, |next| next.saturating_sub(AHEAD)));
            let from = handed.saturating_sub(AHEAD);
            troubles.push(Trouble { from, until: until.max(handed), rank: reply.rank, what });
        }
        troubles
    }

    /// Appends the services' answers and their pace.
    pub(super) fn put(&self, file: &mut String, dialogue: &DialogueSpec) {
        let replies = || self.replies.values();
        let per_token = median(replies().flat_map(|reply| reply.tokens.windows(2)).map(|pair| pair[1] - pair[0]));
        let first_token = self.first_token(0).unwrap_or(FIRST_TOKEN);
        let _ = writeln!(file, "llm first={} token={}", millis(first_token), millis(per_token.unwrap_or(PER_TOKEN)));
        let times = if replies().any(|reply| reply.has_word_times) { "yes" } else { "no" };
        let first_sound = self.first_sound(0).unwrap_or(FIRST_SOUND);
        let _ = writeln!(file, "tts first={} word={} times={times}", millis(first_sound), self.per_word().as_millis());
        let backups = dialogue.backups;
        if backups.llm {
            let _ = writeln!(file, "llm backup={}", self.backup(self.first_token(1), first_token, |reply| reply.asked));
        }
        if backups.tts {
            let _ =
                writeln!(file, "tts backup={}", self.backup(self.first_sound(1), first_sound, |reply| reply.handed));
        }
        if backups.stt {
            file.push_str("stt backup=ok\n");
        }
        for reply in replies().filter(|reply| reply.asked.is_some()) {
            reply.put(file);
        }
        for Tool { call, asked, answer } in &self.tools {
            let (takes, answer) = match answer {
                Some((at, answer)) => (millis(at.saturating_sub(*asked)), answer.as_str()),
                None => ("never".into(), ""),
            };
            let rules = agent::tool_rules(dialogue, &call.name);
            let _ = writeln!(file, "tool {} {takes} \"{}\"{rules}", quotable(&call.name), quotable(answer));
        }
        for Transfer { asked, end } in &self.transfers {
            let _ = match end {
                Some((at, end)) => writeln!(file, "transfer {} {}", millis(at.saturating_sub(*asked)), end_name(*end)),
                None => writeln!(file, "transfer 0 never"),
            };
        }
    }

    /// How late a backup is: as it was, `never` when it was asked in vain, and like the first choice when nobody asked.
    fn backup(&self, was: Option<Duration>, first: Duration, asked: impl Fn(&Reply) -> Option<Duration>) -> String {
        match was {
            Some(was) => millis(was),
            None if self.of_rank(1).any(|reply| asked(reply).is_some()) => "never".into(),
            None => millis(first),
        }
    }
}

impl Reply {
    /// Whether its voice went silent before it had said everything it was handed, while somebody waited for it.
    fn has_stalled(&self, word: Duration, end: Duration) -> bool {
        if self.spoken {
            return false;
        }
        let until = self.silenced.unwrap_or(end);
        let since = self.last_sound.or(self.handed).unwrap_or(until);
        let is_short = self.sound + word < word * self.words || self.sound.is_zero();
        let heard = self.first_sound.map_or(Duration::ZERO, |first| until.saturating_sub(first));
        is_short && until.saturating_sub(since) >= STALLED && self.sound < heard + UNHEARD
    }

    fn put(&self, file: &mut String) {
        let text = quotable(&self.text);
        file.push_str(if self.rank == 0 { "reply " } else { "backup " });
        let _ = match self.failed {
            _ if !self.calls.is_empty() => {
                if !text.is_empty() {
                    let _ = write!(file, "\"{text}\" ");
                }
                let calls = self.calls.iter().map(|call| {
                    let (name, arguments) = (quotable(&call.name), quotable(&call.arguments));
                    format!("tool {name} \"{arguments}\"")
                });
                writeln!(file, "{}", calls.collect::<Vec<_>>().join(" "))
            }
            Some(failure) if text.is_empty() => writeln!(file, "fail {}", failure.name()),
            None if !text.is_empty() || self.ended => writeln!(file, "\"{text}\""),
            _ => writeln!(file, "\"{text}\" then-stall"),
        };
    }
}

/// How long before a voice is asked it falls ill.
const AHEAD: Duration = Duration::from_millis(1);

const fn end_name(end: TransferEnd) -> &'static str {
    match end {
        TransferEnd::Taken => "ok",
        TransferEnd::NoAnswer => "fail",
        TransferEnd::Refused => "refused",
        TransferEnd::Unsupported => "unsupported",
    }
}

fn median(values: impl Iterator<Item = Duration>) -> Option<Duration> {
    let mut values: Vec<Duration> = values.collect();
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}
