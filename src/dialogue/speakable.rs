//! Model text → text that can be spoken.

/// Takes out of a stream of model text what a voice cannot speak: Markdown, code blocks, link targets, tags, emoji.
///
/// Works character by character, so that it does not matter where the model's tokens are cut. Line breaks that end an
/// item, a heading, a row of a table or a paragraph become full stops, the cells of a row are parted by commas; all other
/// white space becomes single spaces.
#[derive(Clone, Debug)]
pub(super) struct Speakable {
    skip: Skip,
    backticks: u8,
    /// A character whose meaning depends on the next one.
    held: Option<char>,
    line: Line,
    /// Whether a cell of a table begins.
    cell: bool,
    /// Digits at the beginning of a line, which may number an item.
    number: String,
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
    /// In a row of a table: likewise.
    Row,
}

/// Longest link target or tag that is left out, in characters.
const LONGEST_SKIP: u16 = 2_048;

impl Default for Speakable {
    fn default() -> Self {
        Self {
            skip: Skip::Nothing,
            backticks: 0,
            held: None,
            line: Line::Start,
            cell: false,
            number: String::new(),
            newlines: 0,
            space: false,
            last: None,
        }
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
                '-' if self.line == Line::Row && self.cell => match c {
                    '-' => return self.held = Some('-'),
                    c if c.is_whitespace() || matches!(c, '|' | ':') => {}
                    _ => self.emit('-', out),
                },
                // Between numbers it is a sign, elsewhere emphasis.
                '*' if c.is_ascii_digit() || (c.is_whitespace() && self.space) => {
                    self.space = true;
                    self.emit('×', out);
                    self.space = true;
                }
                '~' if c == '~' => return,
                '~' if c.is_ascii_digit() && (self.space || self.newlines > 0 || self.last.is_none()) => {
                    self.emit('~', out)
                }
                '<' | '>' if c.is_whitespace() && self.space => self.emit(held, out),
                ']' if c == '(' => return self.skip = Skip::Target(LONGEST_SKIP),
                '<' if c.is_ascii_alphabetic() || matches!(c, '/' | '!') => return self.skip = Skip::Tag(LONGEST_SKIP),
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
        if self.is_numbering(c, out) {
            return;
        }
        match c {
            '\n' | '\r' => self.newline(c),
            c if c.is_whitespace() => self.space = true,
            '#' | '>' | '*' | '•' if self.line == Line::Start => {
                self.line = Line::Item;
                self.newlines = self.newlines.max(2);
            }
            '|' if matches!(self.line, Line::Start | Line::Row) => {
                if self.line == Line::Start {
                    (self.line, self.newlines) = (Line::Row, self.newlines.max(2));
                }
                (self.cell, self.space) = (true, true);
            }
            '-' if self.line == Line::Row && self.cell => self.held = Some(c),
            ':' if self.line == Line::Row && self.cell => {}
            '-' | '+' if self.line == Line::Start => self.held = Some(c),
            '*' if !self.last.is_some_and(|last| last.is_ascii_digit()) => {}
            '[' => self.forget_image(out),
            '_' | ']' | '<' | '*' | '~' | '>' => self.held = Some(c),
            '\\' => {}
            '#' if self.line == Line::Item && self.last.is_none() => {}
            '|' => self.space = true,
            c if c.is_control() || is_pictograph(c) => {}
            c => self.emit(c, out),
        }
    }

    /// Takes a character of what may be an item's number, "1." or "1)" and white space; `false`: it is none of it.
    fn is_numbering(&mut self, c: char, out: &mut String) -> bool {
        const MOST: usize = 3;
        let is_closed = self.number.ends_with(['.', ')']);
        let is_begun = !self.number.is_empty();
        let goes_on = (c.is_ascii_digit() && !is_closed && self.number.len() < MOST)
            || (is_begun && !is_closed && matches!(c, '.' | ')'));
        if self.line == Line::Start && goes_on {
            self.number.push(c);
            return true;
        }
        if is_begun {
            let mut number = std::mem::take(&mut self.number);
            if is_closed && c.is_whitespace() {
                number.pop();
                number.push('.');
                (self.line, self.newlines) = (Line::Item, self.newlines.max(2));
            }
            for c in number.chars() {
                self.emit(c, out);
            }
        }
        false
    }

    /// A link or an image begins: the "!" before an image is no text.
    fn forget_image(&mut self, out: &mut String) {
        let is_image = out.strip_suffix('!').is_some_and(|head| head.is_empty() || head.ends_with(' '));
        if is_image && self.last == Some('!') && !self.space && self.newlines == 0 {
            out.pop();
            self.last = out.chars().next_back();
        }
    }

    /// No more text comes: gives out what was waiting for its meaning.
    pub(super) fn finish(&mut self, out: &mut String) {
        for c in std::mem::take(&mut self.number).chars() {
            self.emit(c, out);
        }
    }

    fn newline(&mut self, c: char) {
        if c == '\n' {
            let ends = matches!(self.line, Line::Item | Line::Row);
            self.newlines = self.newlines.saturating_add(if ends { 2 } else { 1 });
        }
        self.cell = false;
        self.line = Line::Start;
        self.space = true;
    }

    fn emit(&mut self, c: char, out: &mut String) {
        if let Some(last) = self.last {
            if self.newlines >= 2 && last.is_alphanumeric() {
                out.push('.');
            } else if self.cell && self.newlines == 0 && last.is_alphanumeric() {
                out.push(',');
            }
            if last != ' ' && (self.space || self.newlines > 0) {
                out.push(' ');
            }
        }
        self.newlines = 0;
        (self.space, self.cell) = (false, false);
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
        let mut speakable = Speakable::default();
        speakable.push(text, &mut out);
        speakable.finish(&mut out);
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
            ("| a | b |", "a, b"),
            ("Prices:\n\n| Item | Price |\n|:---|---:|\n| Tea | -5 |\n\nDone", "Prices: Item, Price. Tea, -5. Done"),
            ("Steps:\n1. Call us\n2) Pay\n\nThat is 1.5 hours", "Steps: 1. Call us. 2. Pay. That is 1.5 hours"),
            ("2024 was good\n12 of them", "2024 was good 12 of them"),
            ("Look: ![a chart](x.png) nice! [Go](y)", "Look: a chart nice! Go"),
            ("3*4, 3 * 4, **3** or *3* x", "3 × 4, 3 × 4, 3 or 3 x"),
            ("~5, ~~6~~, 3 < 4 > 2 <!-- no --> <3", "~5, 6, 3 < 4 > 2 3"),
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
        let text = "1. x\n|a|-b|\n|--|--|\n12\n3*4 ![k](l) ~5 # Hi\n- a [b](c) `x` **d** e_f\n```\ncode\n``` <i>g</i> h 😀 3.5 — j";
        let whole = clean(text);
        let mut out = String::new();
        let mut speakable = Speakable::default();
        for c in text.chars() {
            speakable.push(&c.to_string(), &mut out);
        }
        speakable.finish(&mut out);
        assert_eq!(out, whole);
    }

    #[test]
    fn an_unclosed_link_or_tag_does_not_swallow_the_answer() {
        let text = format!("a [b](c{} the end", "x ".repeat(2_000));
        assert!(clean(&text).ends_with("the end"));
    }
}
