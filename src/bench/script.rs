//! The conversation of a benchmark: what the callers say, what the services make of it.

use std::time::Duration;

use crate::simulator::{Answer, AnswerScript, Line, LineScript, ModelConfig, RecogniserConfig, SimulatorConfig, When};

/// One thing a caller says, and what the agent answers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exchange {
    /// The sound, a WAV file.
    pub(super) file: &'static [u8],
    /// Its words.
    pub(super) says: &'static str,
    /// What the agent says to it.
    pub(super) answer: &'static str,
    /// `None`: said once the agent has finished. Otherwise so long after the agent's answer began, over it.
    pub(super) interrupts_after: Option<Duration>,
}

/// The agent's first words.
pub const GREETING: &str = "Hello, this is the Lighthouse. How can I help you?";
/// What it is told to be.
pub const SYSTEM_PROMPT: &str = "You answer the telephone of the restaurant Lighthouse. Take reservations. Be brief.";

/// Over and over until the call is to end: five turns in about half a minute, one of them taken by interrupting.
pub(super) const EXCHANGES: [Exchange; 5] = [
    Exchange {
        file: include_bytes!("../../fixtures/audio/caller-booking.wav"),
        says: "Hi, I'd like to book a table for two, please.",
        answer: "Of course, a table for two. For which day and time?",
        interrupts_after: None,
    },
    Exchange {
        file: include_bytes!("../../fixtures/audio/caller-time.wav"),
        says: "Tomorrow evening at seven thirty.",
        answer: "Very well, tomorrow evening at seven thirty, a table for two. The kitchen is open until ten, the terrace \
                 until eleven if the weather is fine, and we hold every table for a quarter of an hour.",
        interrupts_after: None,
    },
    Exchange {
        file: include_bytes!("../../fixtures/audio/caller-interrupt.wav"),
        says: "No wait, I meant Tuesday.",
        answer: "Sorry, Tuesday it is, at seven thirty. What name may I put it under?",
        interrupts_after: Some(Duration::from_millis(3_000)),
    },
    Exchange {
        file: include_bytes!("../../fixtures/audio/caller-name.wav"),
        says: "My name is Alex Morgan.",
        answer: "Thank you, Alex. Your table is booked for Tuesday. Is there anything else?",
        interrupts_after: None,
    },
    Exchange {
        file: include_bytes!("../../fixtures/audio/caller-thanks.wav"),
        says: "That's all thank you, goodbye.",
        answer: "You're welcome. We look forward to seeing you on Tuesday. Shall I tell you how to find us?",
        interrupts_after: None,
    },
];

/// The services of a benchmark: every connection of the recogniser hears the conversation from its beginning, over and
/// over; the model answers by what was said.
pub fn services() -> SimulatorConfig {
    let heard = EXCHANGES.map(|exchange| Line::new(exchange.says).between(SHORTEST, LONGEST));
    let answers = EXCHANGES.map(|exchange| Answer::new(When::Says(exchange.says.into()), exchange.answer));
    SimulatorConfig {
        sessions: SESSIONS,
        recogniser: RecogniserConfig {
            script: LineScript { endless: true, ..LineScript::new(heard) },
            ..RecogniserConfig::default()
        },
        model: ModelConfig { script: AnswerScript::new(answers), ..ModelConfig::default() },
        ..SimulatorConfig::default()
    }
}

/// A voice shorter than this is none of the lines.
const SHORTEST: Duration = Duration::from_millis(700);
const LONGEST: Duration = Duration::from_secs(8);
/// Connections for several thousand calls: one of the recogniser each, and one of the voice or the model now and then.
const SESSIONS: usize = 16_384;
