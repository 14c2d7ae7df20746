//! When letters or words are spoken, as voices tell it, to word times of a text.

use std::time::Duration;

use serde::Deserialize;

use crate::conversation::WordTime;

/// How far ahead in the text a character is looked for when the voice's spelling differs from ours, in bytes.
const LOOK_AHEAD: usize = 24;

/// When each character of the text is spoken, in milliseconds from the beginning of a group of chunks.
#[derive(Clone, Deserialize, Default, Debug)]
#[serde(default)]
pub(in crate::provider) struct Alignment {
    pub chars: Vec<String>,
    #[serde(rename = "charStartTimesMs")]
    pub starts: Vec<f64>,
    #[serde(rename = "charDurationsMs", alias = "charsDurationsMs")]
    pub durations: Vec<f64>,
}

/// Follows the voice through the text of a reply and tells each word once it has been spoken.
///
/// Alignments begin again at zero with each group of chunks; the group's own beginning is counted in sound received,
/// which is the truth. The characters are matched with the text as it was handed over, so that a word's end is a place
/// in that text whatever the voice made of numbers or blanks.
#[derive(Clone, Default, Debug)]
pub(in crate::provider) struct WordClock {
    text: String,
    cursor: usize,
    /// Where the present group begins in the reply's sound.
    group: Duration,
    /// When the last character of the present group began.
    last_start: Option<Duration>,
    /// The word being spoken: when it began and when its last character ends.
    word: Option<(Duration, Duration)>,
}

impl WordClock {
    /// Adds text that was handed to the voice.
    pub(in crate::provider) fn push_text(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Takes the alignment of a chunk whose sound begins at `begin` of the reply and appends the words that it ends.
    pub(in crate::provider) fn push(&mut self, alignment: &Alignment, begin: Duration, words: &mut Vec<WordTime>) {
        let times = alignment.starts.iter().zip(&alignment.durations);
        for (number, (letters, (&start, &duration))) in alignment.chars.iter().zip(times).enumerate() {
            let (Some(start), Some(duration)) = (milliseconds(start), milliseconds(duration)) else { continue };
            let goes_back = self.last_start.is_none_or(|last| start <= last);
            if number == 0 && goes_back {
                self.group = begin;
            }
            self.last_start = Some(start);
            let start = self.group.saturating_add(start);
            for letter in letters.chars() {
                self.letter(letter, start, start.saturating_add(duration), words);
            }
        }
    }

    /// Takes a word that the voice says from `start` to `end`, in seconds of the reply, and appends it; its end in the text is
    /// behind the marks that follow it. A word that is spelt otherwise in the text ends where the last known one did.
    pub(in crate::provider) fn push_word(&mut self, word: &str, start: f64, end: f64, words: &mut Vec<WordTime>) {
        let seconds = |value: f64| milliseconds(value * 1_000.0);
        let (Some(start), Some(end)) = (seconds(start), seconds(end)) else { return };
        let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
        // A sign by itself, `€`, is found as it is.
        let bare = if bare.is_empty() { word.trim() } else { bare };
        if !bare.is_empty()
            && let Some(behind) = self.find(bare)
        {
            let rest = self.text.get(behind..).unwrap_or_default();
            let is_mark = |c: char| !c.is_alphanumeric() && !c.is_whitespace();
            self.cursor = behind + rest.find(|c| !is_mark(c)).unwrap_or(rest.len());
        }
        words.push(WordTime { text_end: self.cursor, start, end: end.max(start) });
    }

    /// The place behind the next `word` of the text, if it is near.
    fn find(&self, word: &str) -> Option<usize> {
        let rest = self.text.get(self.cursor..)?;
        let near = rest.char_indices().map(|(at, _)| at).take_while(|at| *at < LOOK_AHEAD + word.len());
        for at in near {
            let mut text = rest.get(at..)?.char_indices();
            let is_same = word.chars().all(|wanted| {
                text.next().is_some_and(|(_, known)| known == wanted || known.to_lowercase().eq(wanted.to_lowercase()))
            });
            if is_same {
                return Some(self.cursor + at + (rest.len() - at - text.as_str().len()));
            }
        }
        None
    }

    /// Says that the text is spoken up to `text_end`, for voices that tell of no words: a stretch that counts as one word.
    pub(in crate::provider) fn push_stretch(
        &mut self,
        text_end: usize,
        start: Duration,
        end: Duration,
        words: &mut Vec<WordTime>,
    ) {
        if text_end > self.cursor && self.text.is_char_boundary(text_end) && end > start {
            self.cursor = text_end;
            words.push(WordTime { text_end, start, end });
        }
    }

    /// How long the text handed over is, in bytes.
    pub(in crate::provider) fn text_length(&self) -> usize {
        self.text.len()
    }

    /// The sound is complete: appends the word that was being spoken.
    pub(in crate::provider) fn finish(&mut self, words: &mut Vec<WordTime>) {
        self.end_word(words);
    }

    fn letter(&mut self, letter: char, start: Duration, end: Duration, words: &mut Vec<WordTime>) {
        if letter.is_whitespace() {
            self.end_word(words);
            return;
        }
        let rest = self.text.get(self.cursor..).unwrap_or_default();
        let blanks = rest.len() - rest.trim_start().len();
        if blanks > 0 {
            self.end_word(words);
            self.cursor += blanks;
        }
        let rest = self.text.get(self.cursor..).unwrap_or_default();
        let near = rest.char_indices().take_while(|(at, _)| *at < LOOK_AHEAD);
        if let Some((at, _)) = near.into_iter().find(|(_, known)| *known == letter) {
            self.cursor += at + letter.len_utf8();
        }
        let began = self.word.map_or(start, |(began, _)| began);
        self.word = Some((began, end.max(began)));
        if self.text.get(self.cursor..).is_some_and(|rest| rest.starts_with(char::is_whitespace)) {
            self.end_word(words);
        }
    }

    fn end_word(&mut self, words: &mut Vec<WordTime>) {
        if let Some((start, end)) = self.word.take() {
            words.push(WordTime { text_end: self.cursor, start, end });
        }
    }
}

fn milliseconds(value: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(value / 1_000.0).ok().filter(|value| *value < Duration::from_secs(86_400))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn aligned(text: &str, start: f64) -> Alignment {
        let chars: Vec<String> = text.chars().map(String::from).collect();
        let starts = (0..chars.len()).map(|n| start + 10.0 * n as f64).collect();
        let durations = vec![10.0; chars.len()];
        Alignment { chars, starts, durations }
    }

    fn told(words: &[WordTime]) -> Vec<(usize, u128, u128)> {
        words.iter().map(|word| (word.text_end, word.start.as_millis(), word.end.as_millis())).collect()
    }

    #[test]
    fn words_end_where_they_end_in_the_text() {
        let mut clock = WordClock::default();
        let mut words = Vec::new();
        clock.push_text("Grüß Gott. ");
        clock.push(&aligned(" Grüß Gott. ", 0.0), Duration::ZERO, &mut words);
        assert_eq!(told(&words), [(6, 10, 50), (12, 60, 110)]);
    }

    #[test]
    fn a_group_that_begins_again_is_placed_behind_the_sound_before_it() {
        let mut clock = WordClock::default();
        let mut words = Vec::new();
        clock.push_text("one two three ");
        clock.push(&aligned("one t", 0.0), Duration::ZERO, &mut words);
        clock.push(&aligned("wo ", 50.0), Duration::from_millis(50), &mut words);
        clock.push(&aligned("three ", 0.0), Duration::from_millis(95), &mut words);
        assert_eq!(told(&words), [(3, 0, 30), (7, 40, 70), (13, 95, 145)]);
    }

    #[test]
    fn another_spelling_does_not_lose_the_place() {
        let mut clock = WordClock::default();
        let mut words = Vec::new();
        clock.push_text("Pay \u{201c}now\u{201d}, please");
        clock.push(&aligned("Pay \"now\", please", 0.0), Duration::ZERO, &mut words);
        assert_eq!(words.len(), 2);
        clock.finish(&mut words);
        assert_eq!(told(&words).last(), Some(&(21, 110, 170)));
        assert!(words.windows(2).all(|pair| pair[0].text_end < pair[1].text_end));
    }

    #[test]
    fn a_word_split_over_two_chunks_is_one_word() {
        let mut clock = WordClock::default();
        let mut words = Vec::new();
        clock.push_text("hello");
        clock.push(&aligned("hel", 0.0), Duration::ZERO, &mut words);
        clock.push(&aligned("lo", 0.0), Duration::from_millis(40), &mut words);
        assert_eq!(told(&words), []);
        clock.finish(&mut words);
        assert_eq!(told(&words), [(5, 0, 60)]);
    }

    #[test]
    fn words_are_found_in_the_text_whatever_stands_around_them() {
        let mut clock = WordClock::default();
        let mut words = Vec::new();
        clock.push_text("\u{201c}Grüß Gott!\u{201d} It is $5, Mr. X.");
        let told_words = ["Grüß", "GOTT", "it", "is", "five", "dollars", "mr", "x"];
        for (n, word) in told_words.iter().enumerate() {
            clock.push_word(word, 0.1 * n as f64, 0.1 * n as f64 + 0.08, &mut words);
        }
        let ends: Vec<usize> = words.iter().map(|word| word.text_end).collect();
        assert_eq!(ends, [9, 18, 21, 24, 24, 24, 32, 35]);
        clock.push_word("late", f64::NAN, 1.0, &mut words);
        assert_eq!(words.len(), told_words.len());
    }

    proptest! {
        #[test]
        fn any_words_give_places_inside_the_text(
            text in "\\PC{0,60}",
            told in proptest::collection::vec(("\\PC{0,8}", any::<f64>(), any::<f64>()), 0..40),
        ) {
            let mut clock = WordClock::default();
            clock.push_text(&text);
            let mut words = Vec::new();
            for (word, start, end) in &told {
                clock.push_word(word, *start, *end, &mut words);
            }
            for word in &words {
                prop_assert!(text.is_char_boundary(word.text_end) && word.start <= word.end);
            }
            prop_assert!(words.windows(2).all(|pair| pair[0].text_end <= pair[1].text_end));
        }

        #[test]
        fn any_alignment_gives_places_inside_the_text(
            text in "[a-zé ]{0,60}",
            chars in proptest::collection::vec("[a-zé ]{0,2}", 0..80),
            starts in proptest::collection::vec(any::<f64>(), 0..80),
        ) {
            let mut clock = WordClock::default();
            clock.push_text(&text);
            let durations = vec![5.0; starts.len()];
            let mut words = Vec::new();
            clock.push(&Alignment { chars, starts, durations }, Duration::ZERO, &mut words);
            clock.finish(&mut words);
            for word in &words {
                prop_assert!(text.is_char_boundary(word.text_end) && word.start <= word.end);
            }
            prop_assert!(words.windows(2).all(|pair| pair[0].text_end <= pair[1].text_end));
        }
    }
}
