//! The smallest scenario that still goes wrong.

use crate::call::DialogueSpec;

use super::{Scenario, run};

/// Takes line after line out of a failing scenario file for as long as it fails in the same way; `None` when it does not
/// fail at all.
///
/// The same way: a failure with the same words, whatever its numbers; that of an expectation, if one is not met. Lines of `expect` that are met, comments and
/// everything the failure does not need are gone in the end. A file of n lines takes up to n² runs, mostly far fewer.
pub fn minimize(agent: &DialogueSpec, file: &str) -> Option<String> {
    let ways = failures(agent, file);
    let way = ways.iter().find(|way| way.starts_with("line ")).or(ways.first())?.clone();
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

/// In which ways a file fails: the words of its failures. A file that cannot be read fails in none.
fn failures(agent: &DialogueSpec, file: &str) -> Vec<String> {
    let Ok(scenario) = Scenario::parse_for(agent, "candidate", file) else { return Vec::new() };
    run(&scenario).failures.iter().map(|failure| words(&failure.text)).collect()
}

/// A failure's words: the line of its expectation may move, and so may its time.
fn words(failure: &str) -> String {
    failure.split(|c: char| c.is_ascii_digit()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_failure_does_not_need_is_taken_out() {
        let file = "# A call with much in it.\nagent begin=\"Hello.\" prompt=\"Be brief.\"\nset endpoint_normal=450\n\
                    reply \"On Monday at seven, a table for two by the window.\"\nreply \"Very well.\"\n\
                    a1+1500 says 1200 \"book a table\"\na2+1200 cough 160\n9000 digit 5\nrun 20000\n\
                    expect commit 0..9000\nexpect never held\n";
        let small = minimize(&DialogueSpec::default(), file).unwrap();
        let left: Vec<_> = small.lines().collect();
        assert!(left.contains(&"expect never held") && left.contains(&"a2+1200 cough 160"), "{small}");
        assert!(left.len() <= 6 && !small.contains("endpoint_normal") && !small.contains("digit"), "{small}");
        assert!(!failures(&DialogueSpec::default(), &small).is_empty());
    }

    #[test]
    fn a_scenario_that_passes_has_no_smallest_failure() {
        assert_eq!(minimize(&DialogueSpec::default(), "0 says 800 \"hello\"\nrun 3000\n"), None);
    }
}
