//! The words of a scenario's lines.

/// One word of a line: bare, quoted, or `name="quoted"` (then the name stands before the text).
#[derive(Clone, Debug)]
pub(super) struct Word {
    name: Option<String>,
    pub(super) text: String,
    pub(super) quoted: bool,
    pub(super) contains: bool,
}

impl Word {
    pub(super) fn bare(&self) -> Result<&str, String> {
        if self.quoted { Err(format!("did not expect the text \"{}\" here", self.text)) } else { Ok(&self.text) }
    }
}

/// The words of a line, up to its comment.
pub(super) fn split(line: &str) -> Result<Vec<Word>, String> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() && !rest.starts_with('#') || rest.strip_prefix('#').is_some_and(starts_with_digit) {
        let bare_end = rest.find(|c: char| c.is_whitespace() || c == '"').unwrap_or(rest.len());
        let (bare, after) = rest.split_at(bare_end);
        if let Some(quoted) = after.strip_prefix('"') {
            let end = closing_quote(quoted).ok_or("a text without its closing quote")?;
            let name = match bare {
                "" | "~" => None,
                _ => Some(bare.strip_suffix('=').ok_or(format!("`{bare}` before a text: write `{bare}=`"))?.to_owned()),
            };
            words.push(Word { name, text: quoted[..end].replace("\\\"", "\""), quoted: true, contains: bare == "~" });
            rest = &quoted[end + 1..];
        } else {
            words.push(Word { name: None, text: bare.to_owned(), quoted: false, contains: false });
            rest = after;
        }
        rest = rest.trim_start();
    }
    Ok(words)
}

/// Where a text ends: at the first quote without a backslash before it.
fn closing_quote(text: &str) -> Option<usize> {
    text.match_indices('"').map(|(at, _)| at).find(|&at| !text[..at].ends_with('\\'))
}

fn starts_with_digit(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
}

/// The words of a statement, taken one after the other.
pub(super) struct Args<'a> {
    words: &'a [Word],
    at: usize,
}

impl<'a> Args<'a> {
    /// What follows the first word.
    pub(super) fn after_first(words: &'a [Word]) -> Self {
        Self { words, at: 1 }
    }

    pub(super) fn word(&mut self) -> Result<&'a Word, String> {
        let word = self.words.get(self.at).ok_or("the line ends too early")?;
        self.at += 1;
        Ok(word)
    }

    pub(super) fn next_bare(&mut self) -> Option<&'a str> {
        let word = self.words.get(self.at).filter(|word| !word.quoted)?;
        self.at += 1;
        Some(&word.text)
    }

    /// The next word when it is a text.
    pub(super) fn next_quoted(&mut self) -> Option<&'a str> {
        let word = self.words.get(self.at).filter(|word| word.quoted && word.name.is_none())?;
        self.at += 1;
        Some(&word.text)
    }

    /// The next word when it is `name=value` or `name="value"`.
    pub(super) fn setting(&mut self) -> Option<(&'a str, &'a str)> {
        let word = self.words.get(self.at)?;
        let setting = match &word.name {
            Some(name) => (name.as_str(), word.text.as_str()),
            None if !word.quoted => word.text.split_once('=')?,
            None => return None,
        };
        self.at += 1;
        Some(setting)
    }

    pub(super) fn done(&self) -> Result<(), String> {
        match self.words.get(self.at) {
            None => Ok(()),
            Some(word) => Err(format!("did not expect `{}`", word.text)),
        }
    }
}
