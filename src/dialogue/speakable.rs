//! Model text → text that can be spoken.

/// Takes out of a stream of model text what a voice cannot speak: Markdown, code blocks, link targets, tags, emoji.
///
/// Works character by character, so that it does not matter where the model's tokens are cut. Line breaks that end an
/// item, a heading or a paragraph become full stops; all other white space becomes single spaces.
#[derive(Clone, Debug)]
pub(super) struct Speakable {
    skip: Skip,
    backticks: u8,
    /// A character whose meaning depends on the next one.
    held: Option<char>,
    line: Line,
    newlines: u8,
    space: bool,
    last: Option<char>,
}

/// What is being left out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Skip {
    Nothing,
    /// A code block, until three backticks.
    Fence,
    /// A link's target, until its bracket closes or it is longer than any link.
    Target(u16),
    /// A tag, likewise.
    Tag(u16),
}

/// Where in its line the next character stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Line {
    /// Before the first character that is spoken.
    Start,
    /// In plain text.
    Text,
    /// In an item or heading: it ends like a sentence.
    Item,
}

/// Longest link target or tag that is left out, in characters.
const LONGEST_SKIP: u16 = 2_048;

impl Default for Speakable {
    fn default() -> Self {
        Self { skip: Skip::Nothing, backticks: 0, held: None, line: Line::Start, newlines: 0, space: false, last: None }
    }
}

impl Speakable {
    /// Cleans `text` and appends it to `out`.
    pub(super) fn push(&mut self, text: &str, out: &mut String) {
        for c in text.chars() {
            self.take(c, out);
        }
    }

    fn take(&mut self, c: char, out: &mut String) {
        if c == '`' {
            self.backticks = self.backticks.saturating_add(1);
            if self.backticks == 3 {
                self.skip = if self.skip == Skip::Fence { Skip::Nothing } else { Skip::Fence };
                self.newlines = self.newlines.max(1);
            }
            return;
        }
        self.backticks = 0;
        self.skip = match self.skip {
            Skip::Nothing => Skip::Nothing,
            Skip::Fence => return,
            Skip::Target(_) if c == ')' => return self.skip = Skip::Nothing,
            Skip::Tag(_) if c == '>' => return self.skip = Skip::Nothing,
            Skip::Target(left) => return self.skip = if left == 0 { Skip::Nothing } else { Skip::Target(left - 1) },
            Skip::Tag(left) => return self.skip = if left == 0 { Skip::Nothing } else { Skip::Tag(left - 1) },
        };
        if let Some(held) = self.held.take() {
            match held {
                ']' if c == '(' => return self.skip = Skip::Target(LONGEST_SKIP),
                '<' if c.is_ascii_alphabetic() || c == '/' => return self.skip = Skip::Tag(LONGEST_SKIP),
                '_' if c.is_alphanumeric() && self.last.is_some_and(char::is_alphanumeric) && !self.space => {
                    self.emit('_', out);
                }
                // A list's marker is followed by white space; a minus or a dash is not.
                '-' | '+' if self.line == Line::Start && c.is_whitespace() => {
                    self.line = Line::Item;
                    self.newlines = self.newlines.max(2);
                }
                '-' | '+' if self.line == Line::Start && c == held => {
                    self.held = Some(held);
                    return;
                }
                '-' | '+' => self.emit(held, out),
                _ => {}
            }
        }
        match c {
            '\n' | '\r' => self.newline(c),
            c if c.is_whitespace() => self.space = true,
            '#' | '>' | '*' | '•' if self.line == Line::Start => {
                self.line = Line::Item;
                self.newlines = self.newlines.max(2);
            }
            '-' | '+' if self.line == Line::Start => self.held = Some(c),
            '_' | ']' | '<' => self.held = Some(c),
            '*' | '[' | '~' | '>' | '\\' => {}
            '#' if self.line == Line::Item && self.last.is_none() => {}
            '|' => self.space = true,
            c if c.is_control() || is_pictograph(c) => {}
            c => self.emit(c, out),
        }
    }

    fn newline(&mut self, c: char) {
        if c == '\n' {
            self.newlines = self.newlines.saturating_add(if self.line == Line::Item { 2 } else { 1 });
        }
        self.line = Line::Start;
        self.space = true;
    }

    fn emit(&mut self, c: char, out: &mut String) {
        if let Some(last) = self.last {
            if self.newlines >= 2 && last.is_alphanumeric() {
                out.push('.');
            }
            if last != ' ' && (self.space || self.newlines > 0) {
                out.push(' ');
            }
        }
        self.newlines = 0;
        self.space = false;
        if self.line == Line::Start {
            self.line = Line::Text;
        }
        self.last = Some(c);
        out.push(c);
    }

    /// Gives out the white space that has come since the last character; `false`: the word may go on.
    pub(super) fn end_word(&mut self, out: &mut String) -> bool {
        match self.last {
            Some(' ') => true,
            Some(_) if self.space || self.newlines > 0 => {
                out.push(' ');
                self.last = Some(' ');
                true
            }
            _ => false,
        }
    }
}

/// Whether a character is a picture: emoji and their modifiers, dingbats, arrows, box drawing.
fn is_pictograph(c: char) -> bool {
    matches!(u32::from(c),
        0x200B..=0x200D | 0x2190..=0x21FF | 0x2300..=0x23FF | 0x2500..=0x27BF | 0x2900..=0x297F | 0x2B00..=0x2BFF
        | 0xFE00..=0xFE0F | 0xFEFF | 0xE000..=0xF8FF | 0x1F000..=0x1FAFF | 0xE0000..=0xE0FFF)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clean(text: &str) -> String {
        let mut out = String::new();
        Speakable::default().push(text, &mut out);
        out
    }

    #[test]
    fn markdown_emoji_and_code_are_not_spoken() {
        for (model, spoken) in [
            ("**Sure!** I can *do* that 😀👍🏽.", "Sure! I can do that ."),
            ("# Plan\nFirst this.", "Plan. First this."),
            ("We have:\n- apples\n- pears\n\nAnything else?", "We have: apples. pears. Anything else?"),
            ("* one\n* two", "one. two"),
            ("See [our site](https://example.com/a?b=c) now", "See our site now"),
            ("Run this:\n```sh\nrm -rf /\n```\nDone.", "Run this: Done."),
            ("Use `cargo test` here", "Use cargo test here"),
            ("mail john_doe@example.com, __really__", "mail john_doe@example.com, really"),
            ("a <break time=\"1s\"/> b <b>bold</b>", "a b bold"),
            ("| a | b |", "a b"),
            ("It is -5 degrees", "It is -5 degrees"),
            ("-5 degrees", "-5 degrees"),
            ("---\nNext", "Next"),
            ("A line\nthat wraps", "A line that wraps"),
            ("well-known e-mail — yes", "well-known e-mail — yes"),
            ("~~old~~ new", "old new"),
        ] {
            assert_eq!(clean(model), spoken, "{model:?}");
        }
    }

    #[test]
    fn it_does_not_matter_where_tokens_are_cut() {
        let text = "# Hi\n- a [b](c) `x` **d** e_f\n```\ncode\n``` <i>g</i> h 😀 3.5 — j";
        let whole = clean(text);
        let mut out = String::new();
        let mut speakable = Speakable::default();
        for c in text.chars() {
            speakable.push(&c.to_string(), &mut out);
        }
        assert_eq!(out, whole);
    }

    #[test]
    fn an_unclosed_link_or_tag_does_not_swallow_the_answer() {
        let text = format!("a [b](c{} the end", "x ".repeat(2_000));
        assert!(clean(&text).ends_with("the end"));
    }
}
