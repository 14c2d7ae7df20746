//! What the caller says, told to the recogniser as it is said.

use std::time::Duration;

/// What the caller is about to say: told with [`Simulators::cue`](super::Simulators::cue) when its sound begins.
///
/// The recogniser still hears for itself that there is a voice and when it pauses; the cue tells it the words and their
/// times. It holds for the next voice that begins, and ends what it was hearing before.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cue {
    /// The words; empty: a sound without words (a cough), of which nothing is reported.
    pub text: String,
    /// How long the sound is, pauses included. What is heard after it belongs to nobody.
    pub lasts: Duration,
    /// When each word ends, from the beginning of the sound; empty: the words take equal shares.
    pub word_ends: Vec<Duration>,
    /// How long after the voice the final comes; `None`: never. A `Finalize` neither hastens it nor is answered.
    pub final_after: Option<Duration>,
}

impl Cue {
    /// The words and when they end.
    pub(super) fn words(&self) -> (Vec<String>, Vec<Duration>) {
        let words: Vec<String> = self.text.split_whitespace().map(str::to_owned).collect();
        let count = words.len().max(1) as u32;
        let ends = match self.word_ends.len() == words.len() {
            true => self.word_ends.clone(),
            false => (1..=words.len() as u32).map(|n| self.lasts * n / count).collect(),
        };
        (words, ends)
    }
}

/// What a recogniser is made to report, whatever it hears.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Utter {
    /// The words.
    pub text: String,
    /// Whether they will not change any more.
    pub is_final: bool,
    /// Whether the speaker has paused for the endpointing time.
    pub speech_final: bool,
}

/// What befalls the recogniser's open streams at once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Order {
    /// Their connections are dropped.
    Drop,
    /// They report this.
    Report(Utter),
}

/// Orders that may wait for a busy stream.
pub(super) const ORDERS: usize = 64;
