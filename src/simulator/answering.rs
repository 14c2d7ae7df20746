//! What a simulated model answers, and when, whatever protocol it is asked in.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

use super::script::{Answer, Ending, When};
use super::state::{Refusal, Session};

/// A request in plain words.
#[derive(Clone, Debug, Default)]
pub(super) struct Asked {
    /// Role, text and, of a tool's answer, the id of its call.
    pub(super) messages: Vec<AskedMessage>,
    /// The tools it offers.
    pub(super) tools: Vec<String>,
    /// The most tokens it wants.
    pub(super) most: Option<u32>,
}

/// One message of a request.
#[derive(Clone, Debug)]
pub(super) struct AskedMessage {
    /// `user`, `assistant`, `tool` for its answer, or something else.
    pub(super) role: String,
    pub(super) text: String,
    pub(super) tool_call_id: Option<String>,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug)]
pub(super) enum Halt {
    /// It is to be refused.
    Refused(Refusal),
    /// The simulators have stopped, or the client has gone.
    Over,
}

/// A tool the model wants run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct PlannedCall {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) arguments: String,
}

/// One answer, and when its tokens are due.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) id: String,
    pub(super) tokens: Vec<String>,
    pub(super) calls: Vec<PlannedCall>,
    /// Whether it was cut by the limit of tokens.
    pub(super) is_cut: bool,
    pub(super) ending: Ending,
    pub(super) prompt_tokens: usize,
    /// When the first token is due, and how far apart the others are.
    pub(super) first_due: Instant,
    pub(super) interval: Duration,
}

impl Asked {
    /// What the user said last.
    fn last_said(&self) -> &str {
        self.messages.iter().rev().find(|message| message.role == "user").map_or("", |message| &message.text)
    }

    /// What it says, as a number: the same messages give the same.
    fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for message in &self.messages {
            (&message.role, &message.text, &message.tool_call_id).hash(&mut hasher);
        }
        hasher.finish()
    }

    /// Chooses the answer of a request that is in order; the session is over where there is none.
    pub(super) async fn plan(&self, mut session: Session) -> Result<(Session, Plan), Halt> {
        if session.trouble.is_blackhole() {
            session.swallow().await;
            return Err(Halt::Over);
        }
        session.state.requests().note(self.digest(), session.at);
        let model = &session.state.config.model;
        if model.script.is_counted() {
            // Which one it is shows when it would be given: until then an earlier one may be taken back.
            session.state.alarm.until(session.at + model.first_token).await;
        }
        let plan = self.chosen(&session);
        session.note_text(self.last_said());
        if let Ending::Refusal(status) = plan.ending {
            session.state.alarm.until(plan.first_due).await;
            session.refuse();
            return Err(Halt::Refused(Refusal::Status(status)));
        }
        Ok((session, plan))
    }

    fn chosen(&self, session: &Session) -> Plan {
        let config = &session.state.config.model;
        let turn = self.messages.iter().filter(|message| message.role == "user").count();
        let tool_result = self.messages.last().filter(|message| message.role == "tool");
        let number = session.state.requests().number(self.digest());
        let answer =
            config.script.choose(number, turn, self.last_said(), tool_result.map(|message| message.text.as_str()));
        let mut tokens = tokens(&answer.text);
        let id = session.state.request_id();
        let most = self.most.map_or(usize::MAX, |most| most as usize);
        let is_cut = tokens.len() > most;
        tokens.truncate(most);
        let calls = if is_cut { Vec::new() } else { self.calls(&answer, &id) };
        let words = |message: &AskedMessage| message.text.split_whitespace().count() + 3;
        Plan {
            id,
            tokens,
            calls,
            is_cut,
            ending: answer.ending,
            prompt_tokens: self.messages.iter().map(words).sum(),
            first_due: session.at + answer.first_token.unwrap_or(config.first_token) + session.trouble.delay(),
            interval: Duration::from_secs_f64(1.0 / config.tokens_per_second.clamp(0.1, 100_000.0)),
        }
    }

    fn calls(&self, answer: &Answer, id: &str) -> Vec<PlannedCall> {
        let is_counted = matches!(answer.when, When::Request(_));
        let offered = answer.tool_calls.iter().filter(|call| is_counted || self.tools.contains(&call.name));
        let calls = offered.enumerate().map(|(n, call)| PlannedCall {
            id: format!("call_{id}_{n}"),
            name: call.name.clone(),
            arguments: call.arguments.clone(),
        });
        calls.collect()
    }
}

impl Plan {
    /// When the unit after `sent` others is due.
    pub(super) fn due(&self, sent: u32) -> Instant {
        self.first_due + self.interval * sent
    }

    /// Tokens written.
    pub(super) fn completion_tokens(&self) -> usize {
        self.tokens.len() + self.calls.len() * 10
    }

    /// Waits until it would be complete, for an answer that is given whole; `None` when it never is.
    pub(super) async fn completed(&self, session: Session) -> Option<Session> {
        let units = (self.tokens.len() + self.calls.len()) as u32;
        let due = self.due(units.saturating_sub(1));
        // The cut of a whole answer has no units to count: any stall or drop befalls it entirely.
        let cut = session.trouble.cut_after(u32::MAX);
        if cut.is_some() || self.ending == Ending::Stall || session.pace(0, due).await.is_err() {
            session.swallow().await;
            return None;
        }
        Some(session)
    }
}

/// The arguments of a call in pieces of a few characters.
pub(super) fn pieces(arguments: &str) -> Vec<String> {
    let letters: Vec<char> = arguments.chars().collect();
    letters.chunks(ARGUMENT_PIECE).map(|piece| piece.iter().collect()).collect()
}

/// A text as tokens: words, each with the space before it.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    for letter in text.chars() {
        let starts_word =
            letter.is_whitespace() && tokens.last().is_some_and(|token| !token.ends_with(char::is_whitespace));
        match tokens.last_mut() {
            Some(token) if !starts_word => token.push(letter),
            _ => tokens.push(letter.to_string()),
        }
    }
    tokens
}

const ARGUMENT_PIECE: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_words_with_their_spaces_and_lose_nothing() {
        assert_eq!(tokens("Hello there,  friend."), ["Hello", " there,", "  friend."]);
        assert_eq!(tokens(""), [] as [&str; 0]);
        assert_eq!(tokens(" a\n\nb ").concat(), " a\n\nb ");
    }

    #[test]
    fn arguments_come_in_pieces_that_join_to_the_whole() {
        let arguments = r#"{"day":"Tuesday","at":"2pm","für":"Ä"}"#;
        assert!(pieces(arguments).len() > 3);
        assert_eq!(pieces(arguments).concat(), arguments);
    }
}
