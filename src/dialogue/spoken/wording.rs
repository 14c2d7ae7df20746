//! One text as it is written and as it is spoken.

/// A text in two wordings, the written and the spoken, and which parts of them belong together.
///
/// ```text
/// written   It costs |$5.20         | today.
/// spoken    It costs |five dollars …| today.
/// ```
///
/// Between the replaced spans both are the same, byte for byte. The conversation is told in the written wording, the voice is
/// given the spoken one, and the times of its words count there.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(in crate::dialogue) struct Wording {
    written: String,
    spoken: String,
    /// What differs, in order; neither side of a span is inside another.
    spans: Vec<Span>,
}

/// A part that is spoken otherwise than it is written, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Span {
    written: (usize, usize),
    spoken: (usize, usize),
}

impl Wording {
    /// A text that is spoken as it is written.
    pub(in crate::dialogue) fn plain(text: String) -> Self {
        Self { spoken: text.clone(), written: text, spans: Vec::new() }
    }

    /// As it is written.
    pub(in crate::dialogue) fn written(&self) -> &str {
        &self.written
    }

    /// As it is spoken.
    pub(in crate::dialogue) fn spoken(&self) -> &str {
        &self.spoken
    }

    pub(in crate::dialogue) fn is_empty(&self) -> bool {
        self.written.is_empty()
    }

    /// Appends what is spoken as it is written.
    pub(super) fn keep(&mut self, text: &str) {
        self.written.push_str(text);
        self.spoken.push_str(text);
    }

    /// Appends what is written so and spoken so; neither is empty, nor begins or ends in white space.
    pub(super) fn replace(&mut self, written: &str, spoken: &str) {
        if written == spoken {
            return self.keep(written);
        }
        let from = (self.written.len(), self.spoken.len());
        self.written.push_str(written);
        self.spoken.push_str(spoken);
        self.spans.push(Span { written: (from.0, self.written.len()), spoken: (from.1, self.spoken.len()) });
    }

    /// Appends another text.
    pub(in crate::dialogue) fn push(&mut self, other: &Self) {
        let (written, spoken) = (self.written.len(), self.spoken.len());
        self.written.push_str(&other.written);
        self.spoken.push_str(&other.spoken);
        self.spans.extend(other.spans.iter().map(|span| Span {
            written: (written + span.written.0, written + span.written.1),
            spoken: (spoken + span.spoken.0, spoken + span.spoken.1),
        }));
    }

    /// Where the written wording stands when so many bytes of the spoken one were heard.
    ///
    /// A written word of which anything is replaced counts when all of it was heard, so that a number is never cut; any other
    /// place is itself. Grows with `at`, and the whole of one is the whole of the other.
    pub(in crate::dialogue) fn to_written(&self, at: usize) -> usize {
        if at >= self.spoken.len() {
            return self.written.len();
        }
        let at = floor_char_boundary(&self.spoken, at);
        let known = self.spans.partition_point(|span| span.spoken.1 <= at);
        let behind = known.checked_sub(1).and_then(|last| self.spans.get(last));
        let (written, spoken) = behind.map_or((0, 0), |span| (span.written.1, span.spoken.1));
        let next = self.spans.get(known);
        match next.filter(|span| span.spoken.0 < at) {
            Some(span) => self.word_begin(span.written.0),
            None => {
                let place = written + (at - spoken);
                let rest = self.rest_of_word(place);
                let begin = self.word_begin(place);
                let is_ahead = next.is_some_and(|span| span.written.0 < place + rest.len());
                let is_behind = behind.is_some_and(|span| span.written.1 > begin);
                let is_cut = is_ahead || (is_behind && rest.contains(char::is_alphanumeric));
                if is_cut { begin } else { place }
            }
        }
    }

    /// Where the spoken wording stands at a place of the written one; inside a replaced part, where that begins.
    pub(in crate::dialogue) fn to_spoken(&self, at: usize) -> usize {
        if at >= self.written.len() {
            return self.spoken.len();
        }
        let at = floor_char_boundary(&self.written, at);
        let known = self.spans.partition_point(|span| span.written.1 <= at);
        let behind = known.checked_sub(1).and_then(|last| self.spans.get(last));
        let (written, spoken) = behind.map_or((0, 0), |span| (span.written.1, span.spoken.1));
        match self.spans.get(known).filter(|span| span.written.0 < at) {
            Some(span) => span.spoken.0,
            None => spoken + (at - written),
        }
    }

    /// What is spoken from a place of the written wording on.
    pub(in crate::dialogue) fn spoken_from(&self, at: usize) -> &str {
        self.spoken.get(self.to_spoken(at)..).unwrap_or_default()
    }

    fn rest_of_word(&self, place: usize) -> &str {
        let rest = self.written.get(place..).unwrap_or_default();
        rest.split(char::is_whitespace).next().unwrap_or_default()
    }

    /// Where the written word at a place begins; a part that is spoken as one is one word, whatever spaces are in it.
    fn word_begin(&self, mut place: usize) -> usize {
        loop {
            let before = self.written.get(..place).unwrap_or_default();
            let space = before.char_indices().rev().find(|(_, c)| c.is_whitespace());
            let begin = space.map_or(0, |(at, c)| at + c.len_utf8());
            let known = self.spans.partition_point(|span| span.written.1 <= begin);
            match self.spans.get(known).filter(|span| span.written.0 < begin) {
                Some(span) => place = span.written.0,
                None => return begin,
            }
        }
    }
}

/// The nearest border of a letter at or before `at`.
fn floor_char_boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bill() -> Wording {
        let mut wording = Wording::default();
        wording.keep("It costs (");
        wording.replace("$5 million", "five million dollars");
        wording.keep(") today, pre-");
        wording.replace("2020", "twenty twenty");
        wording.keep("s.");
        wording
    }

    #[test]
    fn a_cut_inside_a_replaced_part_is_a_cut_before_its_word() {
        let wording = bill();
        for (spoken, written) in [
            ("", ""),
            ("It costs", "It costs"),
            ("It costs (", "It costs "),
            ("It costs (five", "It costs "),
            ("It costs (five million", "It costs "),
            ("It costs (five million dollars", "It costs ($5 million"),
            ("It costs (five million dollars)", "It costs ($5 million)"),
            ("It costs (five million dollars) tod", "It costs ($5 million) tod"),
            ("It costs (five million dollars) today, pre-", "It costs ($5 million) today, "),
            ("It costs (five million dollars) today, pre-twenty", "It costs ($5 million) today, "),
            ("It costs (five million dollars) today, pre-twenty twenty", "It costs ($5 million) today, "),
            ("It costs (five million dollars) today, pre-twenty twentys", "It costs ($5 million) today, pre-2020s"),
            (wording.spoken(), wording.written()),
        ] {
            assert!(wording.spoken().starts_with(spoken), "{spoken:?}");
            assert_eq!(&wording.written()[..wording.to_written(spoken.len())], written, "{spoken:?}");
        }
        assert_eq!(wording.to_written(usize::MAX), wording.written().len());
    }

    #[test]
    fn what_was_not_heard_is_spoken_again_from_the_beginning_of_its_word() {
        let wording = bill();
        let heard = "It costs (five mill".len();
        assert!(wording.spoken_from(wording.to_written(heard)).starts_with("(five million dollars) today"));
        assert_eq!(wording.spoken_from("It costs ($5 million) ".len()), "today, pre-twenty twentys.");
        assert_eq!(wording.spoken_from(usize::MAX), "");
        assert_eq!(Wording::plain("a b".into()).spoken_from(2), "b");
    }

    /// Words with and without replaced parts in them.
    fn pieces() -> impl Strategy<Value = Vec<(String, Option<String>)>> {
        let kept = "[a-zé ,.(]{0,6}";
        let piece = prop_oneof![
            kept.prop_map(|kept| (kept, None)),
            ("[0-9$€é]{1,3}( [0-9$€é]{1,2})?", "[a-zé]{1,4}( [a-zé,]{1,4})?")
                .prop_map(|(written, spoken)| (written, Some(spoken))),
        ];
        prop::collection::vec(piece, 0..12)
    }

    proptest! {
        #[test]
        fn the_two_wordings_belong_together_at_every_place(first in pieces(), second in pieces()) {
            let build = |pieces: &[(String, Option<String>)]| {
                let mut wording = Wording::default();
                for (written, spoken) in pieces {
                    match spoken {
                        Some(spoken) => wording.replace(written, spoken),
                        None => wording.keep(written),
                    }
                }
                wording
            };
            let mut wording = build(&first);
            wording.push(&build(&second));
            let all: Vec<_> = first.iter().chain(&second).collect();
            prop_assert_eq!(wording.written(), all.iter().map(|(written, _)| written.as_str()).collect::<String>());

            let mut last = 0;
            for at in 0..=wording.spoken().len() + 3 {
                let written = wording.to_written(at);
                prop_assert!(written >= last, "{} then {} at {} of {:?}", last, written, at, wording);
                last = written;
                prop_assert!(written <= wording.written().len());
                if !wording.spoken().is_char_boundary(at.min(wording.spoken().len())) { continue; }
                prop_assert!(wording.written().is_char_boundary(written), "{} of {:?}", written, wording);
                prop_assert!(at >= wording.spoken().len() || wording.to_spoken(written) <= at, "{} of {:?}", at, wording);
                // No place is inside a replaced part, nor inside a word that has one, unless only marks follow.
                for span in &wording.spans {
                    prop_assert!(written <= span.written.0 || written >= span.written.1, "{} of {:?}", at, wording);
                }
            }
            prop_assert_eq!(last, wording.written().len());
            let mut last = 0;
            for at in 0..=wording.written().len() + 3 {
                let spoken = wording.to_spoken(at);
                prop_assert!(spoken >= last && spoken <= wording.spoken().len(), "{} of {:?}", at, wording);
                last = spoken;
            }
            prop_assert_eq!(last, wording.spoken().len());
        }
    }
}
