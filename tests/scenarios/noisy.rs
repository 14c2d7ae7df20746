//! What is taken out of the caller's sound changes what the recogniser gets, and no turn.

use std::fs;

use agentphone::conversation::Denoising;
use agentphone::world::{Outcome, Scenario, replay, run};

fn played(more: &str) -> Outcome {
    let file = fs::read_to_string(super::fixtures("scenarios").join("56-noisy-line.scn")).expect("a scenario");
    run(&Scenario::parse("56-noisy-line", &format!("{file}\n{more}")).expect("a scenario with another line"))
}

#[test]
fn the_turns_and_their_times_are_the_same_whatever_is_taken_out_of_the_noise() {
    let usual = played("");
    assert_eq!(usual.report.turns.len(), 2);
    let mut digests = vec![usual.digest];
    for more in [
        format!("agent denoising={}", Denoising::None.name()),
        format!("agent denoising={}", Denoising::NoiseAndSpeech.name()),
        "agent auto-gain=yes".to_owned(),
    ] {
        let outcome = played(&more);
        // The waterfalls too: nobody waits for what is cleaned.
        assert_eq!(outcome.report.turns, usual.report.turns, "{more}");
        assert_eq!(outcome.report.lines, usual.report.lines, "{more}");
        assert!(!digests.contains(&outcome.digest), "{more}: the recogniser got the same sound");
        digests.push(outcome.digest);
        let replayed = replay(&outcome.log).expect("a log of this version");
        assert_eq!((replayed.divergence, replayed.is_whole), (None, true), "{more}");
    }
}

#[test]
fn a_clean_line_is_not_touched() {
    let clean = |more: &str| {
        let file = fs::read_to_string(super::fixtures("scenarios").join("09-real-barge-in.scn")).expect("a scenario");
        run(&Scenario::parse("09-real-barge-in", &format!("{file}\n{more}")).expect("a scenario"))
    };
    assert_eq!(clean("").digest, clean("agent denoising=none\n").digest);
}
