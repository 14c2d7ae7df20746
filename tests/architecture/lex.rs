//! Rust source as words and marks: comments, strings, characters and lifetimes are gone, lines are kept.

/// One word (identifier, keyword or number) or mark (`::` or one punctuation character).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Token<'a> {
    /// Its text; a raw identifier's without `r#`.
    pub text: &'a str,
    /// The line it is on, from 1.
    pub line: usize,
}

/// The tokens of a source file.
pub fn tokens(source: &str) -> Vec<Token<'_>> {
    Lexer { source, at: 0, line: 1 }.collect()
}

struct Lexer<'a> {
    source: &'a str,
    at: usize,
    line: usize,
}

impl<'a> Iterator for Lexer<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            let rest = &self.source[self.at..];
            let first = rest.chars().next()?;
            if first.is_whitespace() {
                self.skip(first.len_utf8());
            } else if rest.starts_with("//") {
                self.skip(rest.find('\n').unwrap_or(rest.len()));
            } else if rest.starts_with("/*") {
                self.skip(block_comment(rest));
            } else if let Some(length) = string(rest).or_else(|| character(rest)) {
                self.skip(length);
            } else if first == '\'' {
                let name = rest[1..].find(|c| !is_word(c)).unwrap_or(rest.len() - 1);
                self.skip(1 + name);
            } else if rest.starts_with("r#") && rest[2..].starts_with(is_word) {
                self.skip(2);
            } else {
                let length = match first {
                    _ if is_word(first) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
                    _ if rest.starts_with("::") => 2,
                    _ => first.len_utf8(),
                };
                let token = Token { text: &rest[..length], line: self.line };
                self.skip(length);
                return Some(token);
            }
        }
    }
}

impl Lexer<'_> {
    fn skip(&mut self, length: usize) {
        let skipped = &self.source[self.at..self.at + length];
        self.line += skipped.matches('\n').count();
        self.at += length;
    }
}

/// Whether `c` may be part of a word.
pub fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The length of the block comment at the start, nested ones included.
fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        if rest.as_bytes()[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest.as_bytes()[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                break;
            }
        } else {
            at += 1;
        }
    }
    at.min(rest.len())
}

/// The length of the string literal at the start, if there is one: plain, byte, C or raw.
fn string(rest: &str) -> Option<usize> {
    let prefix = ["br", "cr", "r", "b", "c", ""].into_iter().find(|prefix| {
        let after = rest.strip_prefix(prefix).map(|after| if prefix.ends_with('r') { unhashed(after) } else { after });
        after.is_some_and(|after| after.starts_with('"'))
    })?;
    if prefix.ends_with('r') {
        let hashes = rest[prefix.len()..].bytes().take_while(|byte| *byte == b'#').count();
        let open = prefix.len() + hashes + 1;
        let close = format!("\"{}", "#".repeat(hashes));
        return Some(rest[open..].find(&close).map_or(rest.len(), |end| open + end + close.len()));
    }
    Some(quoted(rest, prefix.len(), b'"'))
}

fn unhashed(rest: &str) -> &str {
    rest.trim_start_matches('#')
}

/// The length of the character or byte literal at the start, if there is one; a lifetime is none.
fn character(rest: &str) -> Option<usize> {
    let open = usize::from(rest.starts_with("b'"));
    let inside = rest[open..].strip_prefix('\'')?;
    let mut chars = inside.chars();
    match chars.next()? {
        '\\' => Some(quoted(rest, open, b'\'')),
        one => (chars.next()? == '\'').then(|| open + 1 + one.len_utf8() + 1),
    }
}

/// Where the literal ends whose opening `quote` is at `open`.
fn quoted(rest: &str, open: usize, quote: u8) -> usize {
    let mut escaped = false;
    for (at, byte) in rest.bytes().enumerate().skip(open + 1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            _ if byte == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

#[test]
fn comments_strings_characters_and_lifetimes_are_no_tokens() {
    let source = r###"
        //! crate::a
        /* crate::b /* nested */ crate::c */
        fn f<'a>(x: &'a str) -> char { let _ = ("crate::d \" crate::e", r#"crate::f" crate::g"#, b"\\", br"\"); '\'' }
        const Q: (char, u8) = ('"', b'"'); r#type :: end
    "###;
    let words: Vec<&str> =
        tokens(source).iter().map(|token| token.text).filter(|text| text.starts_with(is_word)).collect();
    let expected = ["fn", "f", "x", "str", "char", "let", "_", "const", "Q", "char", "u8", "type", "end"];
    assert_eq!(words, expected.as_slice());
    assert_eq!(tokens("a\n/*\n*/ b\n\"\n\" c").iter().map(|token| token.line).collect::<Vec<_>>(), [1, 3, 5]);
}
