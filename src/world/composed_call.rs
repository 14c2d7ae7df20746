//! One long call made of the situations that every call may come into, in an order nobody chose.

use std::fmt::Write as _;

use super::Random;

/// A call composed of situations of the numbered scenarios, one after the other, as a scenario file: how it opens, what
/// comes in between in any order, and how it ends. What is left of one situation meets the next. The same seed gives the
/// same call.
///
/// It expects nothing: what holds for every call is checked of it.
pub fn composed_call(seed: u64) -> String {
    let mut random = Random::new(seed ^ 0x63_6f_6d_70);
    let mut file = format!("# Situations of the other scenarios in a row, as the seed {seed} has drawn them.\n");
    let (name, opening) = OPENINGS[below(&mut random, OPENINGS.len())];
    let _ = writeln!(file, "# {name}\n{opening}");
    settings(&mut file, &mut random, seed);
    let mut at = 5_000;
    for _ in 0..6 + random.below(7) {
        let situation = &SITUATIONS[below(&mut random, SITUATIONS.len())];
        put(&mut file, situation, at);
        // Sometimes the next one begins before this one is over, sometimes long after.
        at += match random.below(6) {
            0 => situation.lasts / 2,
            1 => situation.lasts + 5_000,
            _ => situation.lasts,
        } + random.below(700);
    }
    if random.happens(0.6) {
        let ending = &ENDINGS[below(&mut random, ENDINGS.len())];
        put(&mut file, ending, at);
        at += ending.lasts;
    }
    let _ = writeln!(file, "run {}", at + 6_000);
    file
}

/// How the services and the line are for the whole call.
fn settings(file: &mut String, random: &mut Random, seed: u64) {
    file.push_str(TOOLS);
    let _ = writeln!(file, "llm first={} token={}", 150 + random.below(500), 8 + random.below(24));
    let times = if random.happens(0.7) { "yes" } else { "no" };
    let _ = writeln!(file, "tts first={} word={} times={times}", 80 + random.below(200), 220 + 20 * random.below(8));
    let _ = writeln!(file, "stt interim={} final={}", 100 + random.below(200), 150 + random.below(400));
    if random.happens(0.5) {
        let _ = writeln!(file, "network seed={seed} loss=0.0{} delay=20 jitter={}", random.below(9), random.below(60));
    }
    if random.happens(0.15) {
        file.push_str("line buffered\n");
    }
    if random.happens(0.5) {
        file.push_str("llm backup=300\ntts backup=120\nstt backup=ok\n");
    }
    if random.happens(0.3) {
        file.push_str("agent backchannel=yes\n");
    }
}

/// Writes a situation that begins at `at`: `+300 …` becomes a moment of the call, other statements stay.
fn put(file: &mut String, situation: &Situation, at: u64) {
    let _ = writeln!(file, "# {}", situation.name);
    for line in situation.lines.lines().map(str::trim) {
        let _ = match line.strip_prefix('+').and_then(|line| line.split_once(' ')) {
            Some((after, deed)) => writeln!(file, "{} {deed}", at + after.parse().unwrap_or(0)),
            None => writeln!(file, "{line}"),
        };
    }
}

fn below(random: &mut Random, bound: usize) -> usize {
    usize::try_from(random.below(bound as u64)).unwrap_or(0)
}

/// Something a call may come into.
struct Situation {
    /// The scenario it is taken from.
    name: &'static str,
    /// Milliseconds from its beginning to where the next may begin.
    lasts: u64,
    lines: &'static str,
}

const fn situation(name: &'static str, lasts: u64, lines: &'static str) -> Situation {
    Situation { name, lasts, lines }
}

const TOOLS: &str = "agent transfer=\"+14155550100\"\ntransfer 3s refused\ntransfer 9s fail\n\
                     tool lookup 500 \"It is there.\"\ntool slow 5s \"It took a while.\"\n\
                     tool slowest 11s \"It took long.\" timeout=15s\n";

const OPENINGS: [(&str, &str); 8] = [
    ("02 begin message", "agent begin=\"Hello, this is the garage. What can I do for you?\""),
    ("03 the caller speaks first", "agent begin=\"\"\n600 says 700 \"hello\"\nreply \"Hello. What can I do for you?\""),
    (
        "04 talk over the greeting",
        "agent begin=\"Hello, this is the garage. What can I do for you on this fine day?\"\n\
         1000 says 1200 \"yes hi I need help\"\nreply \"Gladly. What is it?\"",
    ),
    (
        "44 a greeting that may not be talked down",
        "agent begin=\"This call may be recorded for quality.\" begin-interruptible=no\n900 says 900 \"all right\"\n\
         reply \"How can I help you?\"",
    ),
    ("02 media that is late", "agent begin=\"Hello, this is the garage.\"\n900 line up"),
    (
        "41 an outbound hello",
        "agent direction=outbound begin=\"Hi, this is Anna from Acme, is this John?\"\n700 says 500 \"hello\"\n\
         3900 says 500 \"yes it is\"\nreply \"Wonderful.\"",
    ),
    (
        "41 a callee who says nothing",
        "agent direction=outbound begin=\"Hi, this is Anna from Acme.\"\n4000 says 600 \"who is there\"\nreply \"It is Anna.\"",
    ),
    (
        "41 a call screening",
        "agent direction=outbound begin=\"Hi, am I speaking with John?\" identity=\"Anna from Acme\" purpose=\"your car\"\n\
         300 says 2500 \"please say your name and why you are calling\"\n9500 says 600 \"hello\"",
    ),
];

const SITUATIONS: [Situation; 43] = [
    situation(
        "01 happy turn",
        7_000,
        "+0 says 1200 \"book a table for two\"\nreply \"For two, gladly. At what time?\"",
    ),
    situation(
        "05 cough during speech",
        9_000,
        "+0 says 1000 \"what is on the menu\"\n+3600 cough 160\n\
         reply \"We have fish with rice, a soup of the day, and three kinds of cake with coffee.\"",
    ),
    situation(
        "06 mm-hmm during speech",
        9_000,
        "+0 says 1000 \"how do I get there\"\n+3900 says 300 \"mm-hmm\"\n\
         reply \"You take the second street on the left, and then go on until you see the church.\"",
    ),
    situation(
        "07 yeah as an answer",
        8_000,
        "+0 says 900 \"a table on friday\"\n+4300 says 200 \"yeah\"\nreply \"Shall I book it?\"\nreply \"It is booked.\"",
    ),
    situation(
        "08 stop word",
        8_000,
        "+0 says 1000 \"tell me everything\"\n+3800 says 250 \"stop\"\n\
         reply \"That would be a very long story with many people and places in it.\"\nreply \"Of course.\"",
    ),
    situation(
        "09 real barge-in",
        10_000,
        "+0 says 1200 \"book a table for monday\"\n+4000 says 1500 \"no wait I meant Tuesday\"\n\
         reply \"I have you down for Monday evening at half past seven, is that right?\"\nreply \"Tuesday it is.\"",
    ),
    situation(
        "10 barge-in at the last word",
        7_000,
        "+0 says 900 \"are you open\"\n+2900 says 700 \"and tomorrow\"\nreply \"Yes, we are.\"\nreply \"Tomorrow too.\"",
    ),
    situation(
        "11 barge-in before the audio",
        8_000,
        "+0 says 1200 \"book a table for two\"\n+1850 says 900 \"actually three people\"\nreply \"For two.\"\n\
         reply \"For three.\"",
    ),
    situation(
        "12 barge-in after two words",
        8_000,
        "+0 says 1000 \"when do you close\"\n+2700 says 1000 \"on a sunday I mean\"\nreply \"We close at nine every day.\"\n\
         reply \"On Sunday at six.\"",
    ),
    situation(
        "13 double interruption",
        11_000,
        "+0 says 1000 \"tell me about the room\"\n+3600 says 900 \"no the garden\"\n+6600 says 900 \"no the kitchen\"\n\
         reply \"The room is large and bright and looks out on the sea.\"\n\
         reply \"The garden is small, with an old tree and a bench under it.\"\nreply \"It is new.\"",
    ),
    situation(
        "14 pause in mid-thought",
        8_000,
        "+0 says 800 \"I would like to\"\n+1700 says 900 \"change my address\"\nreply \"What is the new one?\"",
    ),
    situation(
        "15 slow digits",
        15_000,
        "+0 says 900 \"my number is\"\n+1600 says 300 \"four\"\n+2600 says 300 \"one five\"\n+3600 says 300 \"five five\"\n\
         +4600 says 300 \"five zero\"\n+5600 says 400 \"one nine nine\"\nreply \"Thank you, I have that.\"",
    ),
    situation(
        "16 spelled e-mail",
        10_000,
        "+0 says 1600 \"it is j o h n at\"\n+2800 says 900 \"example dot com\"\nreply \"Thank you.\"",
    ),
    situation("17 trailing um", 8_000, "+0 says 1000 \"my name is um\"\nreply \"Yes?\""),
    situation("18 late final", 8_000, "+0 says 1100 \"do you have parking\" final=900\nreply \"Behind the house.\""),
    situation("19 no final ever", 11_000, "+0 says 1500 \"hello can you hear me\" final=never\nreply \"I can.\""),
    situation("19 voice without words", 12_000, "+0 hum 1500"),
    situation(
        "20 final before the voice ends",
        7_000,
        "+0 hum 1200\n+1050 hears final \"what does it cost\"\nreply \"Twelve euros.\"",
    ),
    situation(
        "21 two finals of one utterance",
        7_000,
        "+0 hum 1300\n+1450 hears final \"book a\"\n+1600 hears final \"table\"\nreply \"For when?\"",
    ),
    situation("22 text without a voice", 6_000, "+0 hears final \"hello?\"\nreply \"I am here.\""),
    situation("23 noise", 9_000, "+0 noise 6000 level=-32"),
    situation(
        "23 babble over the agent",
        10_000,
        "+0 says 900 \"tell me more\"\n+3000 babble 3000 level=-32\n\
         reply \"There is a pool, a garden, and a terrace with a view of the hills.\"",
    ),
    situation(
        "25 own words come back",
        9_000,
        "+0 says 900 \"when are you open\"\n+4300 hears final \"the office is open\"\n\
         reply \"The office is open from nine to five on every day of the week.\"",
    ),
    situation(
        "26 eager hit",
        7_000,
        "+0 hum 1200\n+1300 hears eager \"a taxi to the station\"\n+1600 hears end-of-turn \"a taxi to the station\"\n\
         reply \"It is on its way.\"",
    ),
    situation(
        "27 eager miss",
        8_000,
        "+0 hum 900\n+1000 hears eager \"a taxi\"\n+1300 hears resumed \"\"\n+1350 hum 900\n\
         +2500 hears end-of-turn \"a taxi to the station at nine\"\nreply \"At nine, then.\"",
    ),
    situation(
        "28 a tool ahead of the turn",
        8_000,
        "+0 hum 1000\n+1100 hears eager \"look it up\"\n+1400 hears end-of-turn \"look it up\"\n\
         reply tool lookup \"{}\"\nreply \"I have it.\"",
    ),
    situation(
        "29 slow tool",
        13_000,
        "+0 says 1000 \"is my car ready\"\nreply \"Let me see.\" tool slow \"{}\"\nreply \"It is ready.\"",
    ),
    situation(
        "30 talk during a tool",
        13_000,
        "+0 says 1000 \"book a room\"\n+3500 says 1100 \"also add parking\"\nreply tool slow \"{}\"\n\
         reply \"Room and parking are booked.\"",
    ),
    situation(
        "31 a tool's answer is interrupted",
        10_000,
        "+0 says 900 \"what did I order\"\n+4200 says 900 \"thank you I remember\"\nreply tool lookup \"{}\"\n\
         reply \"You have ordered two chairs, a table, a lamp, and a carpet.\"\nreply \"Good.\"",
    ),
    situation(
        "32 the voice says nothing",
        14_000,
        "+0 tts blackhole\n+100 says 900 \"are you there\"\n+9000 tts ok\nreply \"Yes, I am here for you.\"",
    ),
    situation(
        "33 the voice stalls",
        14_000,
        "+0 tts stall 1000\n+100 says 900 \"count to ten\"\n+8000 tts ok\n\
         reply \"one two three four five six seven eight nine ten\"",
    ),
    situation(
        "34 the model stalls",
        14_000,
        "+0 says 900 \"how is the weather\"\nreply \"Well\" then-stall\nreply \"Fine.\"",
    ),
    situation("34 the model fails", 9_000, "+0 says 900 \"what time is it\"\nreply fail unavailable\nreply \"Noon.\""),
    situation(
        "35 the recogniser is reset",
        9_000,
        "+0 says 2000 \"I would like to speak about my invoice\"\n+600 stt drop 300\nreply \"Which one?\"",
    ),
    situation("36 a caller who is silent", 18_000, "+17000 says 600 \"I am back\"\nreply \"Welcome back.\""),
    situation(
        "37 a very slow tool",
        19_000,
        "+0 says 1000 \"find the report\"\nreply tool slowest \"{}\"\nreply \"Here it is.\"",
    ),
    situation(
        "42 the agent presses keys",
        8_000,
        "+0 says 900 \"press one\"\nreply tool send_dtmf \"{\\\"digits\\\":\\\"1\\\"}\"",
    ),
    situation(
        "43 keys over the agent",
        10_000,
        "+0 say \"Please type your number, and press the hash key at the end.\"\n+1800 keys \"123#\" both\n\
         reply \"One two three.\"",
    ),
    situation(
        "43 keys that were asked for",
        10_000,
        "+0 collect most=4\n+500 keys \"4711\" tones\nreply \"Thank you.\"",
    ),
    situation(
        "44 an uninterruptible notice",
        9_000,
        "+0 say \"This is a legal notice that has to be heard to its end.\" uninterruptible\n\
         +1500 says 900 \"what was that\"\nreply \"A notice.\"",
    ),
    situation("45 hold", 12_000, "+0 hold\n+8000 unhold\n+9000 says 700 \"sorry for that\"\nreply \"No problem.\""),
    situation("47 a new stream", 6_000, "+300 line restart\n+600 says 900 \"can you hear me\"\nreply \"I can.\""),
    situation(
        "48 transfer fails",
        16_000,
        "+0 says 900 \"may I talk to a person\"\nreply \"I'll connect you.\" tool transfer_call \"{}\"\n\
         +10000 says 700 \"and now\"\nreply \"I'll take a message.\"",
    ),
];

const ENDINGS: [Situation; 5] = [
    situation(
        "38 the agent ends it",
        9_000,
        "+0 says 900 \"that is all thank you\"\nreply \"Goodbye, have a nice day.\" tool end_call \"{}\"",
    ),
    situation(
        "38 talked into staying",
        14_000,
        "+0 says 900 \"that is all thank you\"\nreply \"Goodbye, have a nice day.\" tool end_call \"{}\"\n\
         +2800 says 1000 \"wait one more thing\"\nreply \"Yes?\"",
    ),
    situation("39 hangs up in mid-speech", 4_000, "+0 says 2000 \"I just wanted to say that\"\n+1500 hangup"),
    situation("36 falls silent for good", 34_000, "+0 says 700 \"let me think\"\nreply \"Take your time.\""),
    situation(
        "49 settings change, then it is ended",
        9_000,
        "+0 update prompt=\"Be short.\" voice=\"other\"\n\
         +500 says 900 \"one more question\"\nreply \"Go on.\"\n+8000 end",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::{Scenario, replay, run};

    #[test]
    fn every_situation_can_be_read_and_a_call_depends_on_its_seed_alone() {
        let all = SITUATIONS.iter().chain(&ENDINGS);
        for situation in all {
            let mut file = TOOLS.to_owned();
            put(&mut file, situation, 1_000);
            Scenario::parse("t", &file).unwrap_or_else(|problem| panic!("{}: {problem}\n{file}", situation.name));
        }
        for (name, opening) in OPENINGS {
            Scenario::parse("t", opening).unwrap_or_else(|problem| panic!("{name}: {problem}"));
        }
        assert_eq!(composed_call(3), composed_call(3));
        assert_ne!(composed_call(3), composed_call(4));
    }

    #[test]
    fn what_holds_for_every_call_holds_for_composed_ones() {
        for seed in 0..2 {
            let file = composed_call(seed);
            let outcome = run(&Scenario::parse("composed", &file).unwrap());
            assert_eq!(outcome.failures, [], "seed {seed}\n{file}\n{}", outcome.timeline());
            assert_eq!(replay(&outcome.log).unwrap().divergence, None, "seed {seed}");
        }
    }
}
