//! How far a call told as a scenario is the call of the log.

use std::time::Duration;

use crate::call::log::Decision;

use super::replay::Changed;
use super::{Outcome, Replayed};

/// How far the decisions of a call that was told as a scenario are those of its log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Faith {
    /// Decisions of the log that the telling makes as well, in order, by the same rule and at about the same time.
    pub reproduced: usize,
    /// Decisions of the log.
    pub logged: usize,
    /// Decisions of the telling.
    pub told: usize,
    /// The first that is missing, new, or another.
    pub mismatch: Option<Changed>,
}

impl Faith {
    /// How far apart one decision may be in the log and in the telling.
    pub const NEAR: Duration = Duration::from_millis(300);

    /// Whether conclusions may be drawn from the telling: nine of ten decisions, and of ten it makes, are the log's.
    pub const fn is_enough(&self) -> bool {
        let all = if self.logged > self.told { self.logged } else { self.told };
        self.reproduced * 10 >= all * 9
    }
}

/// Compares the decisions of a log, as they are made by this version, with those of its telling under the same policy.
/// Times count from the answer. Of both at most the first 2 000 are compared.
pub fn faith(replayed: &Replayed, told: &Outcome) -> Faith {
    let logged = timed(&replayed.decided, replayed.report.answered);
    let mut made = timed(&told.decisions, told.report.answered);
    if !replayed.is_whole || replayed.report.ended.is_none() {
        // Beyond the end of the log nothing is known.
        let last = replayed.last.saturating_sub(replayed.report.answered.unwrap_or_default()) + Faith::NEAR;
        made.retain(|decision| decision.at <= last);
    }
    let after = logged.iter().zip(&made).take_while(|(logged, made)| is_near(logged, made)).count();
    let (was, is) = (logged.get(after).cloned(), made.get(after).cloned());
    let mismatch = (was.is_some() || is.is_some()).then_some(Changed { after, was, is });
    Faith { reproduced: in_common(&logged, &made), logged: logged.len(), told: made.len(), mismatch }
}

/// Decisions with their times since the answer; that somebody is heard is none.
fn timed(decisions: &[Decision], answered: Option<Duration>) -> Vec<Decision> {
    let since = |decision: &Decision| decision.at.saturating_sub(answered.unwrap_or_default());
    let decisions = decisions.iter().filter(|decision| decision.kind != "caller").take(MOST);
    decisions
        .map(|decision| {
            // By what it is known how much was heard depends on the voice.
            let rule = if decision.kind.starts_with("said") { "".into() } else { decision.rule.clone() };
            Decision { at: since(decision), rule, ..decision.clone() }
        })
        .collect()
}

fn is_near(one: &Decision, other: &Decision) -> bool {
    one.kind == other.kind && one.rule == other.rule && one.at.abs_diff(other.at) <= Faith::NEAR
}

/// The length of the longest series both have in common.
fn in_common(one: &[Decision], other: &[Decision]) -> usize {
    let mut row = vec![0; other.len() + 1];
    for decision in one {
        let mut diagonal = 0;
        for (index, against) in other.iter().enumerate() {
            let above = row[index + 1];
            row[index + 1] = if is_near(decision, against) { diagonal + 1 } else { above.max(row[index]) };
            diagonal = above;
        }
    }
    row.last().copied().unwrap_or_default()
}

/// The most decisions that are compared.
const MOST: usize = 2_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn decision(at: u64, kind: &'static str, rule: &'static str) -> Decision {
        let at = Duration::from_millis(at);
        Decision { at, kind: kind.into(), reply: None, rule: rule.into(), inputs: String::new() }
    }

    #[test]
    fn what_is_made_by_another_rule_or_at_another_time_is_not_reproduced() {
        let logged = [decision(100, "held", "a"), decision(900, "resumed", "b"), decision(2_000, "commit", "c")];
        assert_eq!(in_common(&logged, &logged), 3);
        let told = [decision(150, "held", "a"), decision(900, "resumed", "x"), decision(2_300, "commit", "c")];
        assert_eq!(in_common(&logged, &told), 2);
        let late = [decision(401, "held", "a"), decision(500, "ducked", "a"), decision(2_000, "commit", "c")];
        assert_eq!(in_common(&logged, &late), 1);
        assert_eq!((in_common(&logged, &[]), in_common(&[], &logged)), (0, 0));
    }

    #[test]
    fn nine_of_ten_is_enough_also_of_what_is_told_besides() {
        let faith = |reproduced, logged, told| Faith { reproduced, logged, told, mismatch: None }.is_enough();
        assert!(faith(9, 10, 10) && faith(0, 0, 0));
        assert!(!faith(8, 10, 8) && !faith(9, 9, 11));
    }
}
