//! Character times to word times.

use std::time::Duration;

use crate::conversation::WordTime;

use super::wire::Alignment;

/// How far ahead in the text a character is looked for when the voice's spelling differs from ours, in bytes.
const LOOK_AHEAD: usize = 24;

/// Follows the voice through the text of a reply and tells each word once it has been spoken.
///
/// Alignments begin again at zero with each group of chunks; the group's own beginning is counted in sound received,
/// which is the truth. The characters are matched with the text as it was handed over, so that a word's end is a place
/// in that text whatever the voice made of numbers or blanks.
#[derive(Clone, Default, Debug)]
pub(super) struct WordClock {
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
    pub(super) fn push_text(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Takes the alignment of a chunk whose sound begins at `begin` of the reply and appends the words that it ends.
    pub(super) fn push(&mut self, alignment: &Alignment, begin: Duration, words: &mut Vec<WordTime>) {
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

    /// The sound is complete: appends the word that was being spoken.
    pub(super) fn finish(&mut self, words: &mut Vec<WordTime>) {
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

    proptest! {
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
