//! The turns of a call do not depend on how its sound travels.

use std::fs;

use agentphone::audio::{Codec, LinearRate};
use agentphone::world::{Outcome, Scenario, replay, run};

/// What was said and heard, in order: who, and the words.
fn lines(outcome: &Outcome) -> Vec<(String, String)> {
    outcome.report.lines.iter().map(|line| (format!("{:?}", line.speaker), line.text.clone())).collect()
}

fn played(name: &str, more: &str) -> Outcome {
    let file = fs::read_to_string(super::fixtures("scenarios").join(format!("{name}.scn"))).expect("a scenario");
    let scenario = Scenario::parse(name, &format!("{file}\n{more}")).expect("a scenario with another line");
    run(&scenario)
}

#[test]
fn every_codec_carries_the_same_turns_through_a_bad_network() {
    for name in ["01-happy-turn", "02-begin-message", "09-real-barge-in", "14-pause-mid-thought", "29-tool-result"] {
        let usual = lines(&played(name, ""));
        assert!(!usual.is_empty(), "{name}");
        for codec in [Codec::Pcma, Codec::G722, Codec::Opus, Codec::L16(LinearRate::Hz16000)] {
            let outcome = played(name, &format!("line {}\n", codec.name()));
            // A wideband line hears up to 10 ms later (its filters), so the turns are compared, not their times.
            assert_eq!(lines(&outcome), usual, "{name} over {}", codec.name());
            let replayed = replay(&outcome.log).expect("a log of this version");
            assert!(replayed.divergence.is_none(), "{name} over {}: {:?}", codec.name(), replayed.divergence);
            for seed in [3, 4] {
                let network = format!("line {}\nnetwork seed={seed} loss=0.05 delay=20 jitter=40\n", codec.name());
                let turns = lines(&played(name, &network));
                // Where a barge-in cuts may move by a word; who said what may not.
                let ours = |lines: &[(String, String)]| {
                    lines.iter().filter(|(who, _)| who == "Caller").cloned().collect::<Vec<_>>()
                };
                assert_eq!(ours(&turns), ours(&usual), "{name} over {} with loss, seed {seed}", codec.name());
                let speakers =
                    |lines: &[(String, String)]| lines.iter().map(|(who, _)| who.clone()).collect::<Vec<_>>();
                assert_eq!(speakers(&turns), speakers(&usual), "{name} over {} with loss", codec.name());
            }
        }
    }
}
