//! The agent's text → words that a voice can say.
//!
//! ```text
//! model → speakable (no markup) → segment → Normaliser → Wording ─ spoken → voice
//!                                                              └─ written → history
//! ```
//!
//! Numbers, money, dates, times, addresses, codes and abbreviations are put into the words of the call's language. Where
//! the right words depend on what only grammar knows ("1" before a noun, "3/4"), or where a language is not known, the text
//! is left to the voice as it is. One file a concern, one a language.

mod abbreviation;
mod address;
pub(super) mod border;
mod calendar;
mod codes;
mod dictionary;
mod fraction;
mod grammar;
mod normaliser;
mod number;
mod ordinal;
mod quantity;
mod site;
#[cfg(test)]
mod tests;
mod wording;

mod de;
mod en;
mod es;
mod fr;
mod it;
mod pt;

pub use dictionary::Pronunciation;
pub(super) use grammar::Grammar;
pub use normaliser::Normalise;
pub(super) use normaliser::Normaliser;
pub(super) use wording::Wording;
