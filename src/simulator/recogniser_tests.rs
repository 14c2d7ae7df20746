use std::sync::Arc;

use super::*;
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
