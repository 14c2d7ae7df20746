//! The services of a scenario: what they will say, and when.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::audio::SampleRate;
use crate::call::log::Owned;
use crate::conversation::{
    Failure, GenerationEnd, ReplyId, Service, ToolCall, ToolResult, Transcript, TranscriptKind, WordTime,
};

use super::scenario::{Fault, LlmScript, ReplyScript, Scenario, SttScript, ToolScript, TransferScript, TtsScript};
use super::sound;

/// Something a service will say.
pub(super) struct Said {
    pub(super) at: Duration,
    /// For which reply; cancelled replies go quiet after [`LATE`].
    pub(super) reply: Option<ReplyId>,
    pub(super) input: Owned,
}

/// How long after its cancellation a service may still say something: cancelling is never instant.
pub(super) const LATE: Duration = Duration::from_millis(30);

/// Hears, thinks, speaks and does, as the scenario says.
#[derive(Debug)]
pub(super) struct Services {
    stt: SttScript,
    llm: LlmScript,
    tts: TtsScript,
    tools: Vec<ToolScript>,
    transfer: TransferScript,
    pub(super) stt_failed: bool,
    pub(super) tts_fault: Fault,
    pub(super) generations: usize,
    speaking: BTreeMap<ReplyId, Speaking>,
}

#[derive(Debug, Default)]
struct Speaking {
    bytes: usize,
    sound: Duration,
    /// When the next sound can be delivered.
    ready: Duration,
    words: u32,
}

impl Services {
    pub(super) fn new(scenario: &Scenario) -> Self {
        Self {
            stt: scenario.stt,
            llm: scenario.llm.clone(),
            tts: scenario.tts,
            tools: scenario.tools.clone(),
            transfer: scenario.transfer,
            stt_failed: false,
            tts_fault: Fault::None,
            generations: 0,
            speaking: BTreeMap::new(),
        }
    }

    /// What the recogniser makes of words spoken from `start` on.
    pub(super) fn hear(&self, start: Duration, length: Duration, text: &str, final_lag: Option<Duration>) -> Vec<Said> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let final_lag = match final_lag {
            Some(Duration::MAX) => self.stt.final_lag,
            other => other,
        };
        let mut said = Vec::new();
        for count in 1..=words.len() {
            let spoken = length * count as u32 / words.len() as u32;
            let transcript = transcript(TranscriptKind::Interim, &words[..count].join(" "));
            said.push(Said { at: start + spoken + self.stt.interim_lag, reply: None, input: transcript });
        }
        if let Some(lag) = final_lag {
            let at = start + length + lag;
            said.retain(|interim| interim.at < at);
            said.push(Said { at, reply: None, input: transcript(TranscriptKind::Final, text) });
        }
        said
    }

    /// What the model answers.
    pub(super) fn generate(&mut self, reply: ReplyId, now: Duration) -> Vec<Said> {
        let script = self.llm.replies.get(self.generations).cloned();
        self.generations += 1;
        let mut at = now + self.llm.first_token;
        let mut said = Vec::new();
        let mut say = |at, input| said.push(Said { at, reply: Some(reply), input });
        let stalls = matches!(script, Some(ReplyScript::TextThenStall(_)));
        match script.unwrap_or_else(|| ReplyScript::Text("All right.".into())) {
            ReplyScript::Text(text) | ReplyScript::TextThenStall(text) => {
                for token in tokens(&text) {
                    say(at, Owned::Token(reply, token));
                    at += self.llm.per_token;
                }
                if !stalls {
                    say(at, Owned::GenerationEnded(reply, GenerationEnd::Stop));
                }
            }
            ReplyScript::Tool { text, name, arguments } => {
                for token in tokens(&text) {
                    say(at, Owned::Token(reply, token));
                    at += self.llm.per_token;
                }
                let call = ToolCall { id: format!("call_{}", reply.0), name, arguments };
                say(at, Owned::ToolCall(reply, call));
                say(at, Owned::GenerationEnded(reply, GenerationEnd::ToolCalls));
            }
            ReplyScript::Fail(failure) => say(at, Owned::Failed(Service::Llm, Some(reply), failure)),
        }
        said
    }

    /// What the voice delivers for a piece of text.
    pub(super) fn synthesize(&mut self, reply: ReplyId, text: &str, now: Duration) -> Vec<Said> {
        let speaking = self.speaking.entry(reply).or_default();
        let start = speaking.bytes;
        speaking.bytes += text.len();
        match self.tts_fault {
            Fault::None => {}
            Fault::Blackhole => return Vec::new(),
            Fault::Fail(failure) => {
                let input = Owned::Failed(Service::Tts, Some(reply), failure);
                return vec![Said { at: now + self.tts.first_byte, reply: Some(reply), input }];
            }
        }
        if speaking.words == 0 {
            speaking.ready = now + self.tts.first_byte;
        }
        let mut said = Vec::new();
        let mut offset = 0;
        for word in text.split_inclusive(char::is_whitespace) {
            offset += word.len();
            if word.trim().is_empty() {
                continue;
            }
            speaking.ready = speaking.ready.max(now);
            let length = SampleRate::HZ_8000.samples_in(self.tts.per_word);
            let times = WordTime {
                text_end: start + offset,
                start: speaking.sound,
                end: speaking.sound + self.tts.per_word * 4 / 5,
            };
            if self.tts.word_times {
                let input = Owned::WordTimes(reply, vec![times]);
                said.push(Said { at: speaking.ready, reply: Some(reply), input });
            }
            let samples = sound::agent_word(reply.0, length);
            let input = Owned::Speech(reply, samples, SampleRate::HZ_8000);
            said.push(Said { at: speaking.ready, reply: Some(reply), input });
            speaking.sound += self.tts.per_word;
            speaking.words += 1;
            // Ten times as fast as it is spoken.
            speaking.ready += self.tts.per_word / 10;
        }
        said
    }

    /// The end of a reply's sound.
    pub(super) fn end_speech(&mut self, reply: ReplyId, now: Duration) -> Vec<Said> {
        if self.tts_fault != Fault::None {
            return Vec::new();
        }
        let at = self.speaking.get(&reply).map_or(now, |speaking| speaking.ready.max(now));
        vec![Said { at, reply: Some(reply), input: Owned::SpeechEnded(reply) }]
    }

    /// What a tool answers.
    pub(super) fn invoke(&self, call: &ToolCall, now: Duration) -> Said {
        let script = self.tools.iter().find(|tool| tool.name == call.name);
        let (takes, content) = script
            .map_or((Duration::ZERO, format!("no such tool: {}", call.name)), |tool| (tool.takes, tool.answer.clone()));
        let result = ToolResult { id: call.id.clone(), content };
        Said { at: now + takes, reply: None, input: Owned::ToolResult(result) }
    }

    /// What comes of a transfer.
    pub(super) fn transfer(&self, now: Duration) -> Vec<Said> {
        let TransferScript { takes, end } = self.transfer;
        end.map(|end| Said { at: now + takes, reply: None, input: Owned::TransferEnded(end) }).into_iter().collect()
    }

    /// The recogniser dies.
    pub(super) fn fail_stt(&mut self, failure: Failure, now: Duration) -> Said {
        self.stt_failed = true;
        Said { at: now, reply: None, input: Owned::Failed(Service::Stt, None, failure) }
    }
}

pub(super) fn transcript(kind: TranscriptKind, text: &str) -> Owned {
    Owned::Transcript(Transcript { kind, text: text.to_owned(), confidence: 0.95, audio_end: None })
}

/// A text as a model streams it: word by word, the space in front.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    for word in text.split_inclusive(' ') {
        match word.strip_suffix(' ') {
            Some(word) => tokens.extend([word.to_owned(), " ".to_owned()]),
            None => tokens.push(word.to_owned()),
        }
    }
    // Join each space to the word after it.
    let mut joined: Vec<String> = Vec::new();
    let mut space = false;
    for token in tokens {
        if token == " " {
            space = true;
        } else if !token.is_empty() {
            joined.push(if space { format!(" {token}") } else { token });
            space = false;
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_join_to_the_text() {
        for text in ["Sure. What time?", "One", "", "a  b"] {
            let joined = tokens(text).concat();
            assert_eq!(joined.split_whitespace().collect::<Vec<_>>(), text.split_whitespace().collect::<Vec<_>>());
        }
        assert_eq!(tokens("Sure. What time?"), ["Sure.", " What", " time?"]);
    }
}
