//! Calls nobody would think of.

use std::fmt::Write as _;

use super::Random;

/// A random call as a scenario file: a caller who talks, coughs, presses keys and interrupts at any moment, over a line and
/// with services that are slow, late, broken or dead. The same seed gives the same call.
///
/// It expects nothing: what holds for every call is checked of it.
pub fn random_call(seed: u64) -> String {
    let mut random = Random::new(seed);
    let mut file = String::new();
    agent(&mut file, &mut random);
    services(&mut file, &mut random, seed);
    backups(&mut file, &mut Random::new(seed ^ 0x62_61_63_6b));
    let length = 8_000 + random.below(32_000);
    let mut at = random.below(3_000);
    while at < length {
        deed(&mut file, &mut random, at);
        at += 100 + random.below(4_000);
    }
    if random.happens(0.3) {
        let _ = writeln!(file, "{} hangup", length - random.below(length / 2));
    }
    if random.happens(0.4) {
        let _ = writeln!(file, "agent backchannel=yes stt={}", pick(&mut random, &["fast", "accurate"]));
        let _ = writeln!(file, "set turn_limit={}s turn_words={}", random.below(9), random.below(20));
    }
    let _ = writeln!(file, "run {length}");
    file
}

fn agent(file: &mut String, random: &mut Random) {
    let begin = pick(random, &["", "Hello.", "Hello, this is the garage. What can I do for you?"]);
    let sensitivity = pick(random, &["0", "0.3", "0.6", "0.8", "0.8", "0.8", "1"]);
    let direction = pick(random, &["inbound", "inbound", "outbound"]);
    let _ = writeln!(file, "agent begin=\"{begin}\" sensitivity={sensitivity} direction={direction}");
    match random.below(4) {
        0 => file.push_str("line pcma\n"),
        1 => file.push_str("line buffered\n"),
        _ => {}
    }
}

fn services(file: &mut String, random: &mut Random, seed: u64) {
    let (loss, duplicate) = (random.below(3) * 4, random.below(2) * 3);
    let _ = writeln!(
        file,
        "network seed={seed} loss=0.{loss:02} duplicate=0.{duplicate:02} delay={} jitter={}",
        random.below(60),
        random.below(90)
    );
    let finals = ["250", "250", "120", "600", "1400", "never"];
    let _ = writeln!(file, "stt interim={} final={}", 80 + random.below(500), pick(random, &finals));
    let _ = writeln!(file, "llm first={} token={}", 100 + random.below(2_200), 5 + random.below(60));
    let times = pick(random, &["yes", "no"]);
    let _ = writeln!(file, "tts first={} word={} times={times}", 60 + random.below(900), 200 + 20 * random.below(12));
    let _ = writeln!(file, "tool lookup {} \"It is there.\"", 100 + random.below(14_000));
    for _ in 0..12 {
        let text = pick(random, &ANSWERS);
        let _ = match random.below(12) {
            0 => writeln!(file, "reply tool lookup \"{{}}\""),
            1 => writeln!(file, "reply \"{text}\" tool lookup \"{{}}\""),
            2 => writeln!(file, "reply \"{text}\" tool end_call \"{{}}\""),
            3 => writeln!(file, "reply \"{text}\" then-stall"),
            4 => writeln!(file, "reply fail {}", pick(random, &FAILURES)),
            5 => writeln!(file, "reply \"\""),
            _ => writeln!(file, "reply \"{text}\""),
        };
    }
}

/// Second services, and how both kinds of voice and the recogniser's connection break down.
fn backups(file: &mut String, random: &mut Random) {
    if random.happens(0.5) {
        let _ = writeln!(file, "llm backup={}", pick(random, &["never", "200", "600", "1500", "4000"]));
    }
    if random.happens(0.5) {
        let _ = writeln!(file, "tts backup={}", pick(random, &["never", "60", "200", "600", "1500"]));
    }
    if random.happens(0.3) {
        let _ = writeln!(file, "stt backup={}", pick(random, &["ok", "ok", "deaf", "fail"]));
    }
    for _ in 0..random.below(4) {
        let text = pick(random, &ANSWERS);
        let _ = match random.below(6) {
            0 => writeln!(file, "backup tool lookup \"{{}}\""),
            1 => writeln!(file, "backup fail {}", pick(random, &FAILURES)),
            2 => writeln!(file, "backup \"{text}\" then-stall"),
            _ => writeln!(file, "backup \"{text}\""),
        };
    }
    for _ in 0..random.below(4) {
        let at = random.below(30_000);
        let much = random.below(3_000);
        let _ = match random.below(6) {
            0 => writeln!(file, "{at} tts stall {much}"),
            1 => writeln!(file, "{at} tts break {much}"),
            2 => writeln!(file, "{at} tts backup {}", pick(random, &["blackhole", "stall 700", "break 700", "ok"])),
            3 => writeln!(file, "{at} stt drop {much}"),
            4 => writeln!(file, "{at} stt deaf"),
            _ => writeln!(file, "{at} tts ok"),
        };
    }
}

fn deed(file: &mut String, random: &mut Random, at: u64) {
    let _ = match random.below(26) {
        0..=9 => {
            let text = pick(random, &SAYINGS);
            let length = text.split_whitespace().count() as u64 * (200 + random.below(250));
            writeln!(file, "{at} says {length} \"{text}\"")
        }
        10 => writeln!(file, "{at} says {} \"{}\" final=never", 300 + random.below(2_000), pick(random, &SAYINGS)),
        11 | 12 => writeln!(file, "{at} cough {}", 60 + random.below(400)),
        13 => writeln!(file, "{at} hum {}", 60 + random.below(6_000)),
        14 => writeln!(file, "{at} noise {} level=-{}", 200 + random.below(8_000), 20 + random.below(40)),
        15 => writeln!(file, "{at} digit {}", pick(random, &["1", "5", "9", "0", "*", "\"#\""])),
        // What a recogniser says at the wrong moment, twice, or of nothing at all.
        16 => writeln!(file, "{at} hears interim \"{}\"", pick(random, &SAYINGS)),
        17 => writeln!(file, "{at} hears final \"{}\"", pick(random, &SAYINGS)),
        18 => writeln!(file, "{at} hears {} \"\"", pick(random, &["final", "interim", "resumed", "end-of-turn"])),
        19 => writeln!(file, "{at} hears {} \"{}\"", pick(random, &["eager", "end-of-turn"]), pick(random, &SAYINGS)),
        20 => writeln!(file, "{at} say \"{}\"", pick(random, &ANSWERS)),
        21 => writeln!(file, "{at} interrupt"),
        22 => writeln!(file, "{at} hold\n{} unhold", at + 50 + random.below(6_000)),
        23 => writeln!(file, "{at} tts blackhole\n{} tts ok", at + 100 + random.below(9_000)),
        24 => writeln!(file, "{at} tts fail {}\n{} tts ok", pick(random, &FAILURES), at + 100 + random.below(9_000)),
        _ if random.happens(0.15) => writeln!(file, "{at} {}", pick(random, &["stt fail timeout", "line dead", "end"])),
        _ => writeln!(
            file,
            "{at} says {} \"{}\"",
            200 + random.below(600),
            pick(random, &["mm-hmm", "yeah", "stop", "no"])
        ),
    };
}

fn pick<'a>(random: &mut Random, from: &[&'a str]) -> &'a str {
    from.get(random.below(from.len() as u64) as usize).copied().unwrap_or_default()
}

const SAYINGS: [&str; 14] = [
    "I would like to book a table for two",
    "yes",
    "no wait I meant Tuesday",
    "hello",
    "mm-hmm",
    "my number is four one five five five five",
    "could you tell me when you open and",
    "um",
    "Thank you. That is all.",
    "what?",
    "stop",
    "my car makes a strange noise when it rains, and I wonder whether you could have a look at it some time this week",
    "j o h n at",
    "please hold the line",
];

const ANSWERS: [&str; 8] = [
    "Sure.",
    "On Monday at seven, a table for two by the window, or on Tuesday at eight, whichever you like better.",
    "Shall I book it?",
    "What is your phone number?",
    "I am sorry to hear that. Let me see what I can do. There is a free place this afternoon at four.",
    "One moment",
    "**Yes**, of course!",
    "Goodbye.",
];

const FAILURES: [&str; 4] = ["unavailable", "timeout", "auth", "protocol"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::{Scenario, replay, run};

    #[test]
    fn a_random_call_can_be_read_and_depends_on_its_seed_alone() {
        for seed in 0..200 {
            let file = random_call(seed);
            Scenario::parse("random", &file).unwrap_or_else(|problem| panic!("seed {seed}: {problem}\n{file}"));
            assert_eq!(file, random_call(seed));
        }
        assert_ne!(random_call(1), random_call(2));
    }

    #[test]
    fn what_holds_for_every_call_holds_for_random_ones() {
        for seed in 0..8 {
            let file = random_call(seed);
            let outcome = run(&Scenario::parse("random", &file).unwrap());
            assert_eq!(outcome.failures, [], "seed {seed}\n{file}\n{}", outcome.timeline());
            assert_eq!(replay(&outcome.log).unwrap().divergence, None, "seed {seed}");
        }
    }
}
