//! GROUND · what is said: messages, transcripts, tool calls, digits; where a call seems to come from.
//!
//! May import: nothing of this crate. Must never know: who speaks first; any vendor's JSON.

mod ambience;
mod variables;

use std::fmt;
use std::time::Duration;

pub use ambience::Ambience;
pub use variables::{Filled, Variables};

/// One reply of the agent: a run of the language model, or a scripted line (greeting, apology), and its speech.
///
/// Monotonic within a call. Everything a service sends back carries the id of the reply it belongs to, so that late
/// results of a dead reply can be dropped in one place.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ReplyId(pub u32);

impl fmt::Display for ReplyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// What lies under a voice.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Backdrop {
    /// Nothing to speak of.
    #[default]
    Quiet,
    /// Steady noise.
    Noise,
    /// Our own voice, come back.
    Echo,
}

/// What is taken out of the caller's sound before the recogniser gets it.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Denoising {
    /// Nothing.
    None,
    /// Noise, as long as the line is noisy: a clean line is left as it is, to the bit.
    #[default]
    Noise,
    /// Noise, from the first sample to the last. Of other people's speech it takes what its model takes for noise (a
    /// murmur more than a voice); a second person who speaks up is heard on.
    NoiseAndSpeech,
}

impl Denoising {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::None, Self::Noise, Self::NoiseAndSpeech];

    /// The name in the API (`denoisingMode`), which has none for nothing: here it is `none`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Noise => "noise-cancellation",
            Self::NoiseAndSpeech => "noise-and-background-speech-cancellation",
        }
    }

    /// The mode of this name; `off` is `none` too.
    pub fn from_name(name: &str) -> Option<Self> {
        let name = if name == "off" { "none" } else { name };
        Self::ALL.into_iter().find(|mode| mode.name() == name)
    }
}

/// Who a message is from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// Instructions to the model.
    System,
    /// The caller.
    User,
    /// The agent.
    Assistant,
    /// The result of a tool.
    Tool,
}

/// One message of the history the language model is given.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// Who it is from.
    pub role: Role,
    /// The text; for the agent, what the caller really heard.
    pub content: String,
    /// Tools the agent asked for in this message.
    pub tool_calls: Vec<ToolCall>,
    /// For [`Role::Tool`]: the id of the call this answers.
    pub tool_call_id: Option<String>,
}

impl Message {
    /// A message that is only text.
    pub fn text(role: Role, content: impl Into<String>) -> Self {
        Self { role, content: content.into(), tool_calls: Vec::new(), tool_call_id: None }
    }
}

/// A tool the model wants run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ToolCall {
    /// The model's id for it.
    pub id: String,
    /// Which tool.
    pub name: String,
    /// Its arguments as the JSON text the model wrote.
    pub arguments: String,
}

/// What a tool answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ToolResult {
    /// The id of the call it answers.
    pub id: String,
    /// The answer, as text for the model.
    pub content: String,
}

/// A tool the model may call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ToolSpec {
    /// Its name.
    pub name: String,
    /// What it is for, for the model.
    pub description: String,
    /// JSON Schema of its arguments, as text.
    pub parameters: String,
}

/// Words of the caller as a recogniser reports them.
#[derive(Clone, PartialEq, Debug)]
pub struct Transcript {
    /// How settled it is.
    pub kind: TranscriptKind,
    /// The text. An interim replaces the interim before it; finals follow one another.
    pub text: String,
    /// 0 to 1.
    pub confidence: f32,
    /// Where its audio ends, counted in audio sent to the recogniser since the call began; `None` when unknown.
    pub audio_end: Option<Duration>,
}

/// How settled a [`Transcript`] is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TranscriptKind {
    /// May still change.
    Interim,
    /// Will not change; the utterance may go on.
    Final,
    /// The recogniser thinks the turn may be over (text may still change).
    Eager,
    /// The caller went on after an eager end of turn.
    Resumed,
    /// Final, and the recogniser says the turn is over.
    EndOfTurn,
}

/// When one word of a reply is spoken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WordTime {
    /// Where the word ends in the text handed to the voice for this reply, in bytes from its start.
    pub text_end: usize,
    /// When it begins, counted in the reply's audio.
    pub start: Duration,
    /// When it ends.
    pub end: Duration,
}

/// A key of the telephone.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digit(char);

impl Digit {
    /// `0`–`9`, `*`, `#`, `A`–`D`; anything else is `None`.
    pub fn new(key: char) -> Option<Self> {
        let key = key.to_ascii_uppercase();
        matches!(key, '0'..='9' | '*' | '#' | 'A'..='D').then_some(Self(key))
    }

    /// The key as printed on it.
    pub const fn as_char(self) -> char {
        self.0
    }

    /// The event code of RFC 4733 section 3.2.
    pub const fn event_code(self) -> u8 {
        match self.0 {
            '*' => 10,
            '#' => 11,
            'A'..='D' => self.0 as u8 - b'A' + 12,
            _ => self.0 as u8 - b'0',
        }
    }

    /// The key of an event code; `None` for events that are not keys (flash is 16).
    pub const fn from_event_code(code: u8) -> Option<Self> {
        match code {
            0..=9 => Some(Self((b'0' + code) as char)),
            10 => Some(Self('*')),
            11 => Some(Self('#')),
            12..=15 => Some(Self((b'A' + code - 12) as char)),
            _ => None,
        }
    }
}

impl fmt::Debug for Digit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What a caller types may be a card number.
        f.write_str("Digit(_)")
    }
}

/// How a run of the language model ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GenerationEnd {
    /// It said what it had to say.
    Stop,
    /// It hit its limit of tokens.
    Length,
    /// It waits for tools.
    ToolCalls,
    /// The vendor's filter cut it.
    Filtered,
}

/// One of the services a call leans on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Service {
    /// Speech to text.
    Stt,
    /// The language model.
    Llm,
    /// Text to speech.
    Tts,
    /// A tool of the agent.
    Tool,
}

impl Service {
    /// A short lower-case name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stt => "stt",
            Self::Llm => "llm",
            Self::Tts => "tts",
            Self::Tool => "tool",
        }
    }
}

/// Why a service failed, in the few kinds that call for different deeds.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Failure {
    /// The key was refused.
    Auth,
    /// The account is out of money or quota.
    Quota,
    /// Too many requests for the moment.
    RateLimit,
    /// The request itself was refused.
    BadRequest,
    /// The service is down or closed the connection.
    Unavailable,
    /// It did not answer in time.
    Timeout,
    /// It answered something that is not its protocol.
    Protocol,
}

impl Failure {
    /// A short lower-case name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Quota => "quota",
            Self::RateLimit => "rate-limit",
            Self::BadRequest => "bad-request",
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
            Self::Protocol => "protocol",
        }
    }
}

/// How handing the caller to someone else ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum TransferEnd {
    /// Somebody took the call: it is no longer ours.
    Taken,
    /// Nobody answered in time.
    NoAnswer,
    /// The other end was busy or refused.
    Refused,
    /// This line has no way to hand a caller on.
    Unsupported,
}

impl TransferEnd {
    /// Every one of them.
    pub const ALL: [Self; 4] = [Self::Taken, Self::NoAnswer, Self::Refused, Self::Unsupported];

    /// A short lower-case name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::NoAnswer => "no-answer",
            Self::Refused => "refused",
            Self::Unsupported => "unsupported",
        }
    }
}

/// Something private on its way through the house: printed as `‹private›`, taken out only on purpose.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Pii<T>(T);

impl<T> Pii<T> {
    /// Wraps a private value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value, for the one place that needs it.
    pub const fn reveal(&self) -> &T {
        &self.0
    }

    /// The value itself, owned.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> fmt::Debug for Pii<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("‹private›")
    }
}

impl<T> fmt::Display for Pii<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("‹private›")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_survives_its_event_code() {
        for key in "0123456789*#ABCD".chars() {
            let digit = Digit::new(key).unwrap();
            assert_eq!(Digit::from_event_code(digit.event_code()), Some(digit));
        }
        assert_eq!(Digit::from_event_code(16), None);
        assert_eq!(Digit::new('x'), None);
    }

    #[test]
    fn private_values_and_digits_do_not_print() {
        assert_eq!(format!("{:?} {}", Pii::new("+14155550100"), Pii::new(7)), "‹private› ‹private›");
        assert_eq!(format!("{:?}", Digit::new('7')), "Some(Digit(_))");
    }
}
