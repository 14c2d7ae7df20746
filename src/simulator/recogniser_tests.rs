use std::sync::Arc;

use super::*;
use crate::simulator::prompter::Cue;
use crate::simulator::script::{Line, LineScript};
use crate::simulator::voice::Speech;

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A recogniser and its client, in virtual time: 20 ms packets, each sent when its last sample was spoken.
struct Bench {
    recogniser: Recogniser,
    start: Instant,
    now: Instant,
    /// What came, and when.
    reports: Vec<(Duration, Report)>,
}

impl Bench {
    fn new(lines: impl IntoIterator<Item = Line>) -> Self {
        let options = Options {
            rate: SampleRate::HZ_8000,
            interim_results: true,
            endpointing: Some(ms(10)),
            utterance_end: Some(ms(1_000)),
            vad_events: true,
        };
        let lines = Lines::new(Arc::new(LineScript::new(lines)));
        let start = Instant::now();
        let recogniser = Recogniser::new(options, RecogniserConfig::default(), lines);
        Self { recogniser, start, now: start, reports: Vec::new() }
    }

    fn send(&mut self, samples: &[i16]) -> &mut Self {
        for packet in samples.chunks(160) {
            let next = self.now + ms(20);
            while let Some(due) = self.recogniser.poll_timeout().filter(|&due| due <= next) {
                self.recogniser.handle_timeout(due);
                self.collect(due);
            }
            self.now = next;
            self.recogniser.hear(packet, self.now);
            self.collect(self.now);
        }
        self
    }

    fn collect(&mut self, at: Instant) {
        while let Some(report) = self.recogniser.poll_report() {
            self.reports.push((at - self.start, report));
        }
    }

    fn silence(&mut self, ms: usize) -> &mut Self {
        self.send(&vec![0; ms * 8])
    }

    /// Speech of about `words` × 300 ms; gives its exact length without the closing gap.
    fn speak(&mut self, words: usize) -> Duration {
        let text = vec!["question"; words].join(" ");
        let mut speech = Speech::plan(&text, "alice", 1.0, SampleRate::HZ_8000);
        let samples = speech.make(u32::MAX);
        self.send(&samples);
        speech.length()
    }

    fn finals(&self) -> Vec<(Duration, String, bool, bool)> {
        let results = self.reports.iter().filter_map(|(at, report)| match report {
            Report::Results(r) if r.is_final => Some((*at, text(r), r.speech_final, r.from_finalize)),
            _ => None,
        });
        results.collect()
    }

    fn interims(&self) -> Vec<(Duration, String)> {
        let results = self.reports.iter().filter_map(|(at, report)| match report {
            Report::Results(r) if !r.is_final => Some((*at, text(r))),
            _ => None,
        });
        results.collect()
    }
}

fn text(results: &Results) -> String {
    results.words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ")
}

#[test]
fn words_come_one_by_one_and_the_final_250_ms_after_the_voice() {
    let mut bench = Bench::new([Line::new("Can I ask you something")]);
    bench.silence(500);
    let voice = bench.speak(5);
    bench.silence(1_500);
    let interims = bench.interims();
    assert!(interims.len() >= 3, "{interims:?}");
    assert!(interims.windows(2).all(|pair| pair[1].1.starts_with(&pair[0].1) && pair[1].0 > pair[0].0));
    let finals = bench.finals();
    let [(at, text, true, false)] = finals.as_slice() else { panic!("{finals:?}") };
    assert_eq!(text, "Can I ask you something");
    let after = *at - (ms(500) + voice);
    // The last syllable fades out for 40 ms: its end is heard a little before it is over.
    assert!((ms(200)..=ms(255)).contains(&after), "final {after:?} after the voice");
    let started =
        bench.reports.iter().find_map(|(_, r)| if let Report::SpeechStarted(at) = r { Some(*at) } else { None });
    assert!(started.is_some_and(|at| (ms(480)..ms(540)).contains(&at)), "{started:?}");
    let ends: Vec<_> = bench.reports.iter().filter(|(_, r)| matches!(r, Report::UtteranceEnd(_))).collect();
    assert_eq!(ends.len(), 1);
}

#[test]
fn finalize_brings_the_final_at_once_and_only_once() {
    let mut bench = Bench::new([Line::new("Can I ask you something")]);
    bench.speak(5);
    bench.silence(100);
    let asked = bench.now;
    bench.recogniser.finalize(asked);
    bench.silence(1_000);
    let finals = bench.finals();
    let [(at, text, true, true)] = finals.as_slice() else { panic!("{finals:?}") };
    assert_eq!(text, "Can I ask you something");
    assert_eq!(*at, asked - bench.start + ms(20));
}

#[test]
fn finalize_with_nothing_heard_is_answered_with_nothing() {
    let mut bench = Bench::new([Line::new("hello")]);
    bench.silence(100);
    bench.recogniser.finalize(bench.now);
    bench.silence(100);
    assert_eq!(bench.finals().iter().map(|f| (f.1.as_str(), f.3)).collect::<Vec<_>>(), [("", true)]);
}

#[test]
fn a_cough_has_no_words_and_uses_up_no_line() {
    let mut bench = Bench::new([Line::new("Hello there my friend").between(ms(600), ms(9_000))]);
    bench.silence(300);
    bench.speak(1);
    bench.silence(600);
    bench.speak(4);
    bench.silence(600);
    let texts: Vec<_> = bench.finals().into_iter().map(|f| f.1).collect();
    assert_eq!(texts, ["", "Hello there my friend"]);
}

#[test]
fn an_agreeing_hum_between_sentences_finds_its_own_line() {
    let mut bench = Bench::new([
        Line::new("First I have a question").between(ms(900), ms(9_000)),
        Line::new("Mm-hmm.").between(ms(150), ms(800)),
        Line::new("Thank you very much").between(ms(900), ms(9_000)),
    ]);
    for words in [5, 1, 5] {
        bench.silence(500);
        bench.speak(words);
    }
    bench.silence(500);
    let texts: Vec<_> = bench.finals().into_iter().map(|f| f.1).collect();
    assert_eq!(texts, ["First I have a question", "Mm-hmm.", "Thank you very much"]);
    let hums = bench.interims().into_iter().filter(|(at, text)| text == "Mm-hmm." && *at < ms(2_000));
    assert_eq!(hums.count(), 0, "the beginning of a sentence is not taken for a hum");
}

#[test]
fn a_line_with_a_length_goes_on_after_a_pause() {
    let lasts = Speech::plan(&["question"; 8].join(" "), "alice", 1.0, SampleRate::HZ_8000).length();
    let mut bench = Bench::new([Line::new("one two three four five six ten eight").lasting(lasts), Line::new("next")]);
    bench.speak(4);
    bench.silence(700);
    bench.speak(4);
    bench.silence(700);
    bench.speak(3);
    bench.silence(700);
    let texts: Vec<_> = bench.finals().into_iter().map(|f| f.1).collect();
    assert_eq!(texts.len(), 3, "{texts:?}");
    assert!(texts[0].starts_with("one two") && !texts[0].contains("six"), "{texts:?}");
    assert_eq!(format!("{} {}", texts[0], texts[1]), "one two three four five six ten eight");
    assert_eq!(texts[2], "next");
}

#[test]
fn a_long_speech_has_several_finals_but_one_end() {
    let line = "this is a long story about a trip that took us over the mountains and down to the sea and then home again \
                because we had forgotten the keys";
    let mut bench = Bench::new([Line::new(line)]);
    bench.speak(24);
    bench.silence(800);
    let finals = bench.finals();
    assert!(finals.len() >= 2, "{finals:?}");
    assert_eq!(finals.iter().filter(|f| f.2).count(), 1);
    assert_eq!(finals.iter().map(|f| f.1.as_str()).collect::<Vec<_>>().join(" "), line);
}

#[test]
fn audio_sent_faster_than_real_time_is_cut_by_its_own_clock() {
    let mut bench = Bench::new([Line::new("first thing"), Line::new("second thing")]);
    let mut all = Vec::new();
    for _ in 0..2 {
        all.extend(Speech::plan("question question question", "alice", 1.0, SampleRate::HZ_8000).make(u32::MAX));
        all.extend(vec![0; 8_000]);
    }
    bench.recogniser.hear(&all, bench.now);
    bench.collect(bench.now);
    let texts: Vec<_> = bench.finals().into_iter().map(|f| f.1).collect();
    assert_eq!(texts, ["first thing", "second thing"]);
}

#[test]
fn results_tile_the_audio_and_words_lie_within_their_results() {
    let mut bench = Bench::new([Line::new("hello my friend"), Line::new("and another one")]);
    for _ in 0..2 {
        bench.speak(3);
        bench.silence(600);
    }
    let mut end = Duration::ZERO;
    for (_, report) in &bench.reports {
        let Report::Results(results) = report else { continue };
        assert!(results.start >= end);
        for word in &results.words {
            assert!(
                word.start >= results.start && word.end <= results.start + results.duration && word.end > word.start
            );
        }
        if results.is_final {
            end = results.start + results.duration;
        }
    }
}

/// A bench whose recogniser is told what is said.
fn prompted() -> (Bench, Lines) {
    let mut bench = Bench::new([]);
    let lines = Lines::new(Arc::new(LineScript::prompted()));
    let options = Options { endpointing: Some(ms(300)), ..bench.recogniser.options };
    bench.recogniser = Recogniser::new(options, RecogniserConfig::default(), lines.clone());
    (bench, lines)
}

fn cue(text: &str, lasts: u64, final_after: Option<u64>) -> Cue {
    Cue { text: text.into(), lasts: ms(lasts), word_ends: Vec::new(), final_after: final_after.map(ms) }
}

/// A steady voice.
fn hum(ms: usize) -> Vec<i16> {
    (0..ms * 8).map(|n| if n / 30 % 2 == 0 { 4_000 } else { -4_000 }).collect()
}

#[test]
fn a_cue_gives_words_their_times_and_the_final_its_own() {
    let (mut bench, lines) = prompted();
    bench.silence(500);
    lines.cue(cue("book a table for", 1_200, Some(250)));
    bench.send(&hum(1_200));
    bench.recogniser.finalize(bench.now);
    bench.silence(1_000);
    let interims = bench.interims();
    assert_eq!(interims.len(), 4, "{interims:?}");
    for (n, (at, text)) in interims.iter().enumerate() {
        // 200 ms behind the end of each word, and what a packet takes.
        let due = ms(500 + 300 * (n as u64 + 1) + 200);
        assert!((due..=due + ms(40)).contains(at), "{text}: {at:?}");
    }
    let finals = bench.finals();
    let [(at, text, false, false)] = finals.as_slice() else { panic!("{finals:?}") };
    assert_eq!(text, "book a table for");
    assert!((ms(1_930)..=ms(1_990)).contains(at), "{at:?}");
}

#[test]
fn a_cue_with_pauses_is_heard_piece_by_piece_and_a_cough_says_nothing() {
    let (mut bench, lines) = prompted();
    let word_ends = vec![ms(300), ms(1_300), ms(2_300)];
    lines.cue(Cue { word_ends, ..cue("four one five", 2_300, Some(250)) });
    bench.send(&hum(300)).silence(700).send(&hum(300)).silence(700).send(&hum(300)).silence(700);
    lines.cue(cue("", 160, Some(250)));
    bench.send(&hum(160)).silence(1_000);
    let texts: Vec<String> = bench.finals().into_iter().map(|(_, text, ..)| text).collect();
    assert_eq!(texts, ["four", "one", "five", ""]);
}

#[test]
fn another_cue_ends_what_was_being_heard_and_noise_does_not_prolong_a_cue() {
    let (mut bench, lines) = prompted();
    lines.cue(cue("one two", 600, Some(250)));
    bench.send(&hum(600)).silence(100);
    lines.cue(cue("three", 400, Some(250)));
    bench.send(&hum(1_000)).silence(500);
    let finals = bench.finals();
    let texts: Vec<&str> = finals.iter().map(|(_, text, ..)| text.as_str()).collect();
    assert_eq!(texts, ["one two", "three"]);
    assert!((ms(1_350)..=ms(1_420)).contains(&finals[1].0), "{finals:?}");
}

#[test]
fn a_cue_without_a_final_has_interims_alone_and_the_next_is_heard() {
    let (mut bench, lines) = prompted();
    lines.cue(cue("never settled", 600, None));
    bench.send(&hum(600)).silence(2_000);
    assert_eq!((bench.interims().len(), bench.finals().len()), (2, 0));
    lines.cue(cue("settled", 600, Some(100)));
    bench.send(&hum(600)).silence(500);
    assert_eq!(bench.finals().iter().map(|(_, text, ..)| text.as_str()).collect::<Vec<_>>(), ["settled"]);
}

#[test]
fn what_it_is_made_to_say_is_reported_whatever_it_hears() {
    let (mut bench, _) = prompted();
    bench.silence(100);
    bench.recogniser.utter(&Utter { text: "out of the blue".into(), is_final: true, speech_final: true });
    bench.silence(20);
    let finals = bench.finals();
    assert!(matches!(finals.as_slice(), [(_, text, true, false)] if text == "out of the blue"), "{finals:?}");
}
