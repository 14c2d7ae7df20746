//! The services of a scenario: what they will say, and when.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::audio::SampleRate;
use crate::call::log::Owned;
use crate::conversation::{
    Failure, GenerationEnd, ReplyId, Service, ToolCall, ToolResult, Transcript, TranscriptKind, WordTime,
};

use super::scenario::{Ear, Fault, LlmScript, ReplyScript, Scenario, SttScript, ToolScript, TransferScript, TtsScript};
use super::sound;

/// Something a service will say.
pub(super) struct Said {
    pub(super) at: Duration,
    /// For which reply; cancelled replies go quiet after [`LATE`].
    pub(super) reply: Option<ReplyId>,
    pub(super) input: Owned,
}

/// Something a recogniser will say, if its connection still stands then.
pub(super) struct Words {
    pub(super) at: Duration,
    connection: u32,
    utterance: usize,
    pub(super) input: Owned,
}

/// What the caller said, for a recogniser that is to hear it again.
#[derive(Debug)]
struct Utterance {
    start: Duration,
    length: Duration,
    text: String,
    final_lag: Option<Duration>,
    is_settled: bool,
}

/// How long after its cancellation a service may still say something: cancelling is never instant.
pub(super) const LATE: Duration = Duration::from_millis(30);

/// How long another recogniser's connection takes.
const CONNECTING: Duration = Duration::from_millis(100);

/// Hears, thinks, speaks and does, as the scenario says.
#[derive(Debug)]
pub(super) struct Services {
    stt: SttScript,
    llm: LlmScript,
    tts: TtsScript,
    tools: Vec<ToolScript>,
    transfers: Vec<TransferScript>,
    /// How often each tool ran, and how often the caller was handed on.
    ran: BTreeMap<String, usize>,
    transferred: usize,
    utterances: Vec<Utterance>,
    /// The recogniser's connections so far.
    connections: u32,
    /// When the present one came up.
    connected: Duration,
    is_deaf: bool,
    /// The voices' faults, by rank.
    pub(super) tts_faults: [Fault; 2],
    pub(super) generations: usize,
    /// Text sent to the model and received from it, in bytes.
    pub(super) model_text: usize,
    /// Who was given the first choice's last answer.
    answering: Option<ReplyId>,
    /// Runs by rank.
    runs: [usize; 2],
    speaking: BTreeMap<ReplyId, Speaking>,
}

#[derive(Debug, Default)]
struct Speaking {
    bytes: usize,
    sound: Duration,
    /// When the next sound can be delivered.
    ready: Duration,
    words: u32,
    rank: u8,
    is_stalled: bool,
}

impl Services {
    pub(super) fn new(scenario: &Scenario) -> Self {
        Self {
            stt: scenario.stt,
            llm: scenario.llm.clone(),
            tts: scenario.tts,
            tools: scenario.tools.clone(),
            transfers: scenario.transfers.clone(),
            ran: BTreeMap::new(),
            transferred: 0,
            utterances: Vec::new(),
            connections: 0,
            connected: Duration::ZERO,
            is_deaf: false,
            tts_faults: [Fault::None; 2],
            generations: 0,
            model_text: 0,
            answering: None,
            runs: [0; 2],
            speaking: BTreeMap::new(),
        }
    }

    /// What the recogniser makes of words spoken from `start` on.
    pub(super) fn hear(
        &mut self,
        start: Duration,
        length: Duration,
        text: &str,
        final_lag: Option<Duration>,
    ) -> Vec<Words> {
        let final_lag = match final_lag {
            Some(Duration::MAX) => self.stt.final_lag,
            other => other,
        };
        let text = text.to_owned();
        self.utterances.push(Utterance { start, length, text, final_lag, is_settled: false });
        self.words_of(self.utterances.len() - 1)
    }

    /// What the present connection makes of an utterance: it hears what was said before it came up all at once.
    fn words_of(&self, utterance: usize) -> Vec<Words> {
        let Some(Utterance { start, length, text, final_lag, .. }) = self.utterances.get(utterance) else {
            return Vec::new();
        };
        let words: Vec<&str> = text.split_whitespace().collect();
        let (connection, connected) = (self.connections, self.connected);
        let heard = |at: Duration, input| Words { at: at.max(connected), connection, utterance, input };
        let mut said = Vec::new();
        for count in 1..=words.len() {
            let spoken = (*start + *length * count as u32 / words.len() as u32).max(connected);
            let transcript = transcript(TranscriptKind::Interim, &words[..count].join(" "));
            said.push(heard(spoken + self.stt.interim_lag, transcript));
        }
        let (eager, settled) = match self.stt.eager_lag {
            Some(lag) => (Some(lag), TranscriptKind::EndOfTurn),
            None => (None, TranscriptKind::Final),
        };
        for (lag, kind) in [(eager, TranscriptKind::Eager), (*final_lag, settled)] {
            if let Some(lag) = lag {
                let at = (*start + *length).max(connected) + lag;
                said.retain(|earlier| earlier.at < at);
                said.push(heard(at, transcript(kind, text)));
            }
        }
        said
    }

    /// Whether words come through: their connection still stands, and hears. What is settled is not said again.
    pub(super) fn comes_through(&mut self, words: &Words) -> bool {
        let comes = words.connection == self.connections && !self.is_deaf;
        if let (true, Owned::Transcript(transcript)) = (comes, &words.input)
            && let Some(utterance) = self.utterances.get_mut(words.utterance)
        {
            utterance.is_settled |= matches!(transcript.kind, TranscriptKind::Final | TranscriptKind::EndOfTurn);
        }
        comes
    }

    /// The recogniser's connection is reset; it comes back after `outage` and hears what it missed.
    pub(super) fn drop_stt(&mut self, outage: Duration, now: Duration) -> Vec<Words> {
        self.connect(now + outage, Duration::ZERO)
    }

    /// The recogniser's connection hears nothing.
    pub(super) fn deafen_stt(&mut self) {
        self.is_deaf = true;
    }

    /// Another recogniser, or the same over a new connection, hears what was said since then.
    pub(super) fn rehear(&mut self, since: Duration, now: Duration) -> Result<Vec<Words>, Said> {
        self.is_deaf = self.stt.backup == Some(Ear::Deaf);
        if self.stt.backup == Some(Ear::Fails) {
            return Err(self.fail_stt(Failure::Unavailable, now));
        }
        Ok(self.connect(now + CONNECTING, since))
    }

    fn connect(&mut self, at: Duration, since: Duration) -> Vec<Words> {
        self.connections += 1;
        self.connected = at;
        let missed = |utterance: &Utterance| !utterance.is_settled && utterance.start + utterance.length >= since;
        let missed: Vec<usize> = (0..self.utterances.len()).filter(|&at| missed(&self.utterances[at])).collect();
        missed.into_iter().flat_map(|utterance| self.words_of(utterance)).collect()
    }

    /// What the model answers.
    pub(super) fn generate(&mut self, reply: ReplyId, rank: u8, now: Duration) -> Vec<Said> {
        self.generations += 1;
        let rank = usize::from(rank.min(1));
        let run = self.runs[rank];
        self.runs[rank] += 1;
        if rank == 0 {
            self.answering = Some(reply);
        }
        let first = self.llm.replies.get(if rank == 0 { run } else { self.runs[0].saturating_sub(1) });
        let own = if rank == 0 { None } else { self.llm.backup_replies.get(run) };
        let script = own.or(first).cloned();
        let first_token = if rank == 0 { Some(self.llm.first_token) } else { self.llm.backup };
        let Some(first_token) = first_token else { return Vec::new() };
        let mut at = now + first_token;
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
            ReplyScript::Tools { text, calls } => {
                for token in tokens(&text) {
                    say(at, Owned::Token(reply, token));
                    at += self.llm.per_token;
                }
                for (nth, (name, arguments)) in calls.into_iter().enumerate() {
                    let id =
                        if nth == 0 { format!("call_{}", reply.0) } else { format!("call_{}_{}", reply.0, nth + 1) };
                    say(at, Owned::ToolCall(reply, ToolCall { id, name, arguments }));
                }
                say(at, Owned::GenerationEnded(reply, GenerationEnd::ToolCalls));
            }
            ReplyScript::Fail(failure) => say(at, Owned::Failed(Service::Llm, Some(reply), failure)),
        }
        said
    }

    /// A run that thought ahead was dropped: its answer is still to be given.
    pub(super) fn forget_answer(&mut self, reply: ReplyId) {
        if self.answering.take_if(|answering| *answering == reply).is_some() {
            self.runs[0] -= 1;
        }
    }

    /// What the voice delivers for a piece of text.
    pub(super) fn synthesize(&mut self, reply: ReplyId, rank: u8, text: &str, now: Duration) -> Vec<Said> {
        let speaking = self.speaking.entry(reply).or_default();
        let start = speaking.bytes;
        speaking.bytes += text.len();
        speaking.rank = rank;
        let fault = self.tts_faults[usize::from(rank.min(1))];
        let first_byte = if rank == 0 { Some(self.tts.first_byte) } else { self.tts.backup };
        let Some(first_byte) = first_byte.filter(|_| fault != Fault::Blackhole && !speaking.is_stalled) else {
            speaking.is_stalled = true;
            return Vec::new();
        };
        if let Fault::Fail(failure) = fault {
            let input = Owned::Failed(Service::Tts, Some(reply), failure);
            return vec![Said { at: now + first_byte, reply: Some(reply), input }];
        }
        if speaking.words == 0 {
            speaking.ready = now + first_byte;
        }
        let mut said = Vec::new();
        let mut offset = 0;
        for word in text.split_inclusive(char::is_whitespace) {
            offset += word.len();
            if word.trim().is_empty() {
                continue;
            }
            speaking.ready = speaking.ready.max(now);
            if let Fault::Stall(after) | Fault::Break(after) = fault
                && speaking.sound >= after
            {
                speaking.is_stalled = true;
                if matches!(fault, Fault::Break(_)) {
                    let input = Owned::Failed(Service::Tts, Some(reply), Failure::Unavailable);
                    said.push(Said { at: speaking.ready, reply: Some(reply), input });
                }
                break;
            }
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
        let Some(speaking) = self.speaking.get(&reply) else { return Vec::new() };
        if speaking.is_stalled || matches!(self.tts_faults[usize::from(speaking.rank.min(1))], Fault::Fail(_)) {
            return Vec::new();
        }
        let at = speaking.ready.max(now);
        vec![Said { at, reply: Some(reply), input: Owned::SpeechEnded(reply) }]
    }

    /// What a tool answers.
    pub(super) fn invoke(&mut self, call: &ToolCall, now: Duration) -> Vec<Said> {
        let runs = self.ran.entry(call.name.clone()).or_default();
        let mut scripts = self.tools.iter().filter(|tool| tool.name == call.name);
        let script = scripts.clone().nth(*runs).or_else(|| scripts.next_back());
        *runs += 1;
        let (takes, content) = script.map_or_else(
            || (Some(Duration::ZERO), format!("no such tool: {}", call.name)),
            |tool| (tool.takes, tool.answer.clone()),
        );
        let result = Owned::ToolResult(ToolResult { id: call.id.clone(), content });
        takes.map(|takes| Said { at: now + takes, reply: None, input: result }).into_iter().collect()
    }

    /// What comes of a transfer.
    pub(super) fn transfer(&mut self, now: Duration) -> Vec<Said> {
        let script = self.transfers.get(self.transferred).or(self.transfers.last()).copied();
        self.transferred += 1;
        let TransferScript { takes, end } = script.unwrap_or(TransferScript::UNSUPPORTED);
        end.map(|end| Said { at: now + takes, reply: None, input: Owned::TransferEnded(end) }).into_iter().collect()
    }

    /// The recogniser dies.
    pub(super) fn fail_stt(&mut self, failure: Failure, now: Duration) -> Said {
        self.is_deaf = true;
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
