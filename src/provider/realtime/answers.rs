//! The responses of one session: whose they are, and what has come of them.

use std::time::Duration;

use tokio::sync::mpsc;

use crate::audio::SampleRate;
use crate::conversation::{GenerationEnd, ToolCall};
use crate::provider::{LlmEvent, ProviderError, Secret, http};

use super::VENDOR;
use super::ends::{Sound, WAITING};
use super::mirror::{Answered, letters};
use super::wire::{ErrorBody, Response};

/// One response that was asked for.
#[derive(Debug)]
struct Answer {
    number: u64,
    /// The server's name of it, once it has begun.
    response: Option<String>,
    item: String,
    transcript: String,
    bytes: u64,
    rate: SampleRate,
    /// Who reads its words; `None`: it is read aloud, and its words are known.
    words: Option<mpsc::Sender<LlmEvent>>,
    sound: mpsc::Sender<Sound>,
    /// The other end of `sound`, until a voice has taken it.
    unheard: Option<mpsc::Receiver<Sound>>,
    /// A tool was asked for.
    calls: bool,
    given_up: bool,
}

/// The responses asked for and not over, and those whose sound waits for a voice.
#[derive(Debug, Default)]
pub(super) struct Answers {
    live: Vec<Answer>,
    /// Sound of responses that are over, not taken yet: the words, and the sound. The newest last.
    complete: Vec<(String, mpsc::Receiver<Sound>)>,
}

impl Answers {
    /// Sounds of answers that wait for a voice at once; older ones were not wanted.
    const MOST_UNHEARD: usize = 4;
    /// The longest answer, in bytes of its sound: ten minutes of 24 kHz.
    const LONGEST: u64 = 600 * 48_000;

    /// An answer to the conversation was asked for.
    pub(super) fn asked(&mut self, number: u64, rate: SampleRate, words: mpsc::Sender<LlmEvent>) {
        let (sound, unheard) = mpsc::channel(WAITING);
        self.live.push(Answer::new(number, rate, Some(words), sound, Some(unheard)));
    }

    /// A text was asked to be read aloud.
    pub(super) fn reads(&mut self, number: u64, rate: SampleRate, sound: mpsc::Sender<Sound>) {
        self.live.push(Answer::new(number, rate, None, sound, None));
    }

    /// Whether the conversation has an answer under way: it takes one at a time.
    pub(super) fn is_answering(&self) -> bool {
        self.live.iter().any(|answer| answer.words.is_some())
    }

    /// The sound of the answer that begins with these words.
    pub(super) fn take_sound(&mut self, words: &str) -> Option<mpsc::Receiver<Sound>> {
        let wanted = letters(words);
        let fits = |transcript: &str| {
            let said = letters(transcript);
            let same = said.chars().zip(wanted.chars()).take_while(|(a, b)| a == b).count();
            // The first words of both, as far as there are any.
            same >= said.chars().count().min(wanted.chars().count()).min(ALIKE) && same > 0
        };
        let live = self.live.iter_mut().rev().find(|answer| answer.unheard.is_some() && fits(&answer.transcript));
        if let Some(sound) = live.and_then(|answer| answer.unheard.take()) {
            return Some(sound);
        }
        let at = self.complete.iter().rposition(|(transcript, _)| fits(transcript))?;
        Some(self.complete.remove(at).1)
    }

    /// The server has begun the response of this number; `true`: nobody wants it any more.
    pub(super) fn begun(&mut self, number: u64, response: &str) -> bool {
        match self.live.iter_mut().find(|answer| answer.number == number) {
            Some(answer) => {
                answer.response = Some(response.to_owned());
                answer.given_up
            }
            None => false,
        }
    }

    /// More words of a response.
    pub(super) fn words(&mut self, response: &str, item: &str, delta: &str) {
        let Some(answer) = self.of(response) else { return };
        item.clone_into(&mut answer.item);
        answer.transcript.push_str(delta);
        if !delta.is_empty() {
            answer.tell(LlmEvent::Token(delta.to_owned()));
        }
    }

    /// More sound of a response; `false`: it is longer than any answer, and to be stopped.
    pub(super) fn sound(&mut self, response: &str, bytes: Vec<u8>) -> bool {
        let Some(answer) = self.of(response) else { return true };
        answer.bytes += bytes.len() as u64;
        let piece = Sound::Piece(bytes, answer.rate);
        // Who reads it holds nothing back before its own queue is full; who is gone wants nothing.
        let is_full = matches!(answer.sound.try_send(piece), Err(mpsc::error::TrySendError::Full(_)));
        !is_full && answer.bytes <= Self::LONGEST
    }

    /// A tool that a response wants run.
    pub(super) fn call(&mut self, response: &str, call: ToolCall) {
        let Some(answer) = self.of(response) else { return };
        answer.calls = true;
        answer.tell(LlmEvent::ToolCall(call));
    }

    /// A response is over. What was given of it, when it is part of the conversation.
    pub(super) fn done(&mut self, response: &Response, key: &Secret) -> Option<Answered> {
        let number = response.number();
        let is_it = |answer: &Answer| answer.response.as_ref() == Some(&response.id) || Some(answer.number) == number;
        let answer = self.live.remove(self.live.iter().position(is_it)?);
        let details = response.status_details.clone().unwrap_or_default();
        let outcome = match (response.status.as_str(), details.reason.as_deref()) {
            ("completed", _) if answer.calls => Ok(GenerationEnd::ToolCalls),
            ("completed" | "cancelled", _) => Ok(GenerationEnd::Stop),
            ("incomplete", Some("content_filter")) => Ok(GenerationEnd::Filtered),
            ("incomplete", _) => Ok(GenerationEnd::Length),
            _ => Err(failed(&details.error.unwrap_or_default(), key)),
        };
        let last = match &outcome {
            Ok(end) => LlmEvent::Ended { end: *end, usage: response.used() },
            Err(error) => LlmEvent::Failed(error.clone()),
        };
        answer.tell(last);
        self.settle(answer, outcome.err())
    }

    /// Nobody wants the answer of this number any more; the response that is to be stopped.
    pub(super) fn give_up(&mut self, number: u64) -> Option<String> {
        let answer = self.live.iter_mut().find(|answer| answer.number == number)?;
        answer.given_up = true;
        answer.response.clone()
    }

    /// The answer of this number was refused.
    pub(super) fn refused(&mut self, number: u64, error: &ProviderError) {
        if let Some(at) = self.live.iter().position(|answer| answer.number == number) {
            let answer = self.live.remove(at);
            answer.tell(LlmEvent::Failed(error.clone()));
            self.settle(answer, Some(error.clone()));
        }
    }

    /// The connection is gone, and with it all that was asked for.
    pub(super) fn lost(&mut self, error: &ProviderError) {
        for answer in std::mem::take(&mut self.live) {
            answer.tell(LlmEvent::Failed(error.clone()));
            self.settle(answer, Some(error.clone()));
        }
    }

    /// Ends the sound of an answer that is over, and keeps it if no voice has taken it yet.
    fn settle(&mut self, answer: Answer, error: Option<ProviderError>) -> Option<Answered> {
        let last = error.map_or(Sound::End, Sound::Failed);
        // A full queue ends without its last word, which tells as much; who is gone wants nothing.
        let _ = answer.sound.try_send(last);
        let given =
            Answered { item: answer.item.clone(), transcript: answer.transcript.clone(), sound: answer.length() };
        if let Some(unheard) = answer.unheard.filter(|_| !answer.given_up) {
            if self.complete.len() >= Self::MOST_UNHEARD {
                self.complete.remove(0);
            }
            self.complete.push((answer.transcript, unheard));
        }
        (answer.words.is_some() && !given.item.is_empty()).then_some(given)
    }

    fn of(&mut self, response: &str) -> Option<&mut Answer> {
        self.live.iter_mut().find(|answer| answer.response.as_deref() == Some(response) && !answer.given_up)
    }
}

impl Answer {
    fn new(
        number: u64,
        rate: SampleRate,
        words: Option<mpsc::Sender<LlmEvent>>,
        sound: mpsc::Sender<Sound>,
        unheard: Option<mpsc::Receiver<Sound>>,
    ) -> Self {
        Self {
            number,
            response: None,
            item: String::new(),
            transcript: String::new(),
            bytes: 0,
            rate,
            words,
            sound,
            unheard,
            calls: false,
            given_up: false,
        }
    }

    fn tell(&self, event: LlmEvent) {
        if let Some(words) = &self.words {
            // The queue holds more than any answer has; who is gone wants nothing.
            let _ = words.try_send(event);
        }
    }

    /// How long its sound is.
    fn length(&self) -> Duration {
        let bytes_per_second = if self.rate == SampleRate::HZ_8000 { 8_000 } else { 2 * u64::from(self.rate.hz()) };
        Duration::from_millis(self.bytes * 1_000 / bytes_per_second)
    }
}

/// What an error of the server means.
pub(super) fn failed(error: &ErrorBody, key: &Secret) -> ProviderError {
    let codes: Vec<_> = error.codes().iter().filter_map(|code| http::code(code)).collect();
    let codes = http::listed(&codes, key).map_or_else(String::new, |codes| format!(" ({codes})"));
    VENDOR.failure(error.failure(), &format!("refused or broke off what was asked{codes}"))
}

/// So many letters alike at the beginning make two texts the same.
const ALIKE: usize = 12;
