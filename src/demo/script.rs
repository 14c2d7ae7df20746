//! The conversation of the demo: what the caller does, what the services will say, what must come of it.

use std::time::Duration;

use crate::simulator::{Answer, AnswerScript, Line, LineScript, When};

/// When the caller does something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Cue {
    /// The agent has spoken and has been silent for this long.
    AfterAgent(Duration),
    /// This long after the agent began its current utterance.
    WhileAgent(Duration),
}

/// What the caller does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Deed {
    /// Plays a sound of `fixtures/audio`.
    Play(Sound),
    /// Hangs up.
    HangUp,
}

/// A sound of the caller, part of the program so that the demo needs no files.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Sound {
    /// What it is, for the transcript.
    pub(super) name: &'static str,
    /// The WAV file.
    pub(super) file: &'static [u8],
    /// Whether it is meant to take the floor from the agent.
    pub(super) interrupts: bool,
}

/// One step of the caller.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) cue: Cue,
    pub(super) deed: Deed,
}

macro_rules! sound {
    ($name:literal, $file:literal) => {
        sound!($name, $file, false)
    };
    ($name:literal, $file:literal, $interrupts:literal) => {
        Deed::Play(Sound {
            name: $name,
            file: include_bytes!(concat!("../../fixtures/audio/", $file)),
            interrupts: $interrupts,
        })
    };
}

/// What the caller does, in order.
pub(super) const STEPS: [Step; 8] = [
    Step { cue: Cue::AfterAgent(PAUSE), deed: sound!("speaks", "caller-booking.wav") },
    Step { cue: Cue::AfterAgent(PAUSE), deed: sound!("speaks", "caller-time.wav") },
    Step { cue: Cue::WhileAgent(Duration::from_millis(1_200)), deed: sound!("coughs", "cough.wav") },
    Step { cue: Cue::WhileAgent(Duration::from_millis(3_400)), deed: sound!("hums mm-hmm", "mm-hmm.wav") },
    Step {
        cue: Cue::WhileAgent(Duration::from_millis(8_000)),
        deed: sound!("interrupts", "caller-interrupt.wav", true),
    },
    Step { cue: Cue::AfterAgent(PAUSE), deed: sound!("speaks", "caller-name.wav") },
    Step { cue: Cue::AfterAgent(PAUSE), deed: sound!("speaks", "caller-thanks.wav") },
    Step { cue: Cue::AfterAgent(PAUSE), deed: Deed::HangUp },
];

/// How long the caller lets the agent be silent before speaking.
const PAUSE: Duration = Duration::from_millis(700);

/// The agent of the demo.
pub(super) const SYSTEM_PROMPT: &str =
    "You answer the telephone of the restaurant Lighthouse. Take reservations. Be brief.";
/// Its first words.
pub(super) const BEGIN_MESSAGE: &str = "Hello, this is the Lighthouse. How can I help you?";

/// The caller's words, as the recogniser's script has them, each with what the agent says to it.
pub(super) const EXCHANGES: [(&str, &str); 5] = [
    ("Hi, I'd like to book a table for two, please.", "Of course, a table for two. For which day and time?"),
    ("Tomorrow evening at seven thirty.", INTERRUPTED),
    ("No wait, I meant Tuesday.", "Sorry, Tuesday it is, at seven thirty. What name may I put it under?"),
    ("My name is Alex Morgan.", "Thank you, Alex. Your table is booked. Is there anything else?"),
    ("That's all thank you, goodbye.", "You're welcome. See you on Tuesday. Goodbye!"),
];

/// The answer that is interrupted: long enough for a cough, a hum and an interruption.
pub(super) const INTERRUPTED: &str = "Very well, tomorrow evening at seven thirty, a table for two. The kitchen is open \
    until ten, the terrace until eleven if the weather is fine, and we hold every table for a quarter of an hour. If you \
    need a high chair or have any allergies, please let us know before noon.";

/// What the simulated recogniser will report.
pub(super) fn lines() -> LineScript {
    let long = Duration::from_millis(900);
    let mut lines: Vec<Line> =
        EXCHANGES.iter().map(|(caller, _)| Line::new(*caller).between(long, Duration::from_secs(8))).collect();
    // The hum has its own window; the cough is shorter than any.
    lines.insert(2, Line::new("mm-hmm").between(Duration::from_millis(260), Duration::from_millis(700)));
    LineScript::new(lines)
}

/// What the simulated model will answer.
pub(super) fn answers() -> AnswerScript {
    AnswerScript::new(EXCHANGES.iter().map(|(caller, agent)| Answer::new(When::Says((*caller).to_owned()), *agent)))
}
