//! The smallest scenario that still goes wrong.

use crate::call::DialogueSpec;

use super::moment::{Failure, Moment};
use super::{Outcome, Scenario, run};

/// Takes line after line out of a failing scenario file for as long as it fails in the same way; `None` when it does not
/// fail at all.
///
/// The same way: a failure with the same words, whatever its numbers (that of an expectation, if one is not met), and
/// come by in the same way: when it is a decision that should not have been made, or not then, by the same rule and after
/// the same decisions about the same reply. Lines of `expect` that are met, comments and everything the failure does not
/// need are gone in the end. A file of n lines takes up to n² runs, mostly far fewer.
pub fn minimize(agent: &DialogueSpec, file: &str) -> Option<String> {
    let ways = failures(agent, file);
    let way = ways.iter().find(|way| way.words.starts_with("line ")).or(ways.first())?.clone();
    let fails = |lines: &[&str]| failures(agent, &lines.join("\n")).contains(&way);
    let mut lines: Vec<&str> =
        file.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("# ")).collect();
    if !fails(&lines) {
        // The way hangs on a line's number, not on what it says.
        return Some(file.to_owned());
    }
    let mut chunk = lines.len().div_ceil(2);
    loop {
        let before = lines.len();
        let mut start = 0;
        while start < lines.len() {
            let end = (start + chunk).min(lines.len());
            let without = [&lines[..start], &lines[end..]].concat();
            if fails(&without) {
                lines = without;
            } else {
                start = end;
            }
        }
        match chunk {
            1 if lines.len() == before => break,
            1 => {}
            _ => chunk = chunk.div_ceil(2),
        }
    }
    Some(lines.join("\n") + "\n")
}

/// One way in which a scenario fails.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Way {
    /// The failure's words without its numbers: the line of its expectation may move, and so may its time.
    words: String,
    /// The decisions that led to it, each with its rule.
    decisions: Vec<(&'static str, String)>,
}

/// In which ways a file fails. A file that cannot be read fails in none.
fn failures(agent: &DialogueSpec, file: &str) -> Vec<Way> {
    let Ok(scenario) = Scenario::parse_for(agent, "candidate", file) else { return Vec::new() };
    let outcome = run(&scenario);
    outcome.failures.iter().map(|failure| way(failure, &outcome)).collect()
}

fn way(failure: &Failure, outcome: &Outcome) -> Way {
    let words = failure.text.split(|c: char| c.is_ascii_digit()).collect();
    Way { words, decisions: decisions(failure, outcome) }
}

/// The decisions about the reply that the failure's own moment is about, up to that moment; that moment's alone when it
/// is about none.
fn decisions(failure: &Failure, outcome: &Outcome) -> Vec<(&'static str, String)> {
    let is_its = |moment: &&Moment| Some(moment.at) == failure.at && names(&failure.text, moment.kind);
    let Some(moment) = outcome.moments.iter().find(is_its) else { return Vec::new() };
    let Some(last) = rule(moment) else { return Vec::new() };
    let Some(reply) = reply(moment) else { return vec![(moment.kind, last.to_owned())] };
    let until = outcome.moments.iter().take_while(|other| !std::ptr::eq(*other, moment)).chain([moment]);
    let mut decisions: Vec<(&'static str, String)> = Vec::new();
    for (kind, rule) in until
        .filter(|other| self::reply(other) == Some(reply))
        .filter_map(|other| Some((other.kind, rule(other)?.to_owned())))
    {
        // How often it came and went is of no matter.
        if !decisions.contains(&(kind, rule.clone())) {
            decisions.push((kind, rule));
        }
    }
    decisions
}

/// Whether a failure's text speaks of moments of this kind.
fn names(failure: &str, kind: &str) -> bool {
    failure.split([' ', ':']).any(|word| word == kind)
}

/// The rule behind a moment: `… [barge-in.hold]`.
fn rule(moment: &Moment) -> Option<&str> {
    moment.text.strip_suffix(']')?.rsplit_once('[').map(|(_, rule)| rule)
}

/// The reply a moment is about: `reply 3 …`.
fn reply(moment: &Moment) -> Option<&str> {
    moment.text.strip_prefix("reply ")?.split([' ', ',']).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_failure_does_not_need_is_taken_out() {
        let file = "# A call with much in it.\nagent begin=\"Hello.\" prompt=\"Be brief.\"\nset endpoint_normal=450\n\
                    reply \"On Monday at seven, a table for two by the window.\"\nreply \"Very well.\"\n\
                    a1+1500 says 1200 \"book a table\"\na2+1200 hum 400\n9000 digit 5\nrun 20000\n\
                    expect commit 0..9000\nexpect never held\n";
        let small = minimize(&DialogueSpec::default(), file).unwrap();
        let left: Vec<_> = small.lines().collect();
        assert!(left.contains(&"expect never held") && left.contains(&"a2+1200 hum 400"), "{small}");
        assert!(left.len() <= 6 && !small.contains("endpoint_normal") && !small.contains("digit"), "{small}");
        assert!(!failures(&DialogueSpec::default(), &small).is_empty());
    }

    /// An interruption by a voice and its words stays one: words without a voice would be interrupted by, too, but that is
    /// another story.
    #[test]
    fn a_failure_keeps_the_decisions_that_led_to_it() {
        let file = "agent begin=\"Hello, this is the garage, what can I do for you on this fine day?\"\n\
                    a1+1000 hum 1200\na1+1500 hears interim \"no wait\"\na1+2300 hears final \"no wait I meant Tuesday\"\n\
                    a1+9000 hum 700\na1+9900 hears final \"thank you\"\nrun 16000\nexpect never interrupted\n";
        let small = minimize(&DialogueSpec::default(), file).unwrap();
        assert!(small.contains("a1+1000 hum 1200") && !small.contains("a1+9000"), "{small}");
        let outcome = run(&Scenario::parse("small", &small).unwrap());
        assert!(outcome.moments.iter().any(|moment| moment.kind == "held"), "{}", outcome.timeline());
    }

    #[test]
    fn a_scenario_that_passes_has_no_smallest_failure() {
        assert_eq!(minimize(&DialogueSpec::default(), "0 says 800 \"hello\"\nrun 3000\n"), None);
    }
}
