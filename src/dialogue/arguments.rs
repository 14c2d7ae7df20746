//! The arguments of the built-in tools.

/// The text, or the number as it is written, that stands under `key` in a flat JSON object; `None` when it is not there
/// or the object is not flat. What a model writes for a built-in tool is no more than that, and nothing else of JSON is
/// known here.
pub(super) fn text_of(arguments: &str, key: &str) -> Option<String> {
    let mut rest = arguments.trim_start().strip_prefix('{')?;
    loop {
        rest = rest.trim_start();
        rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
        let (name, after) = text(rest)?;
        rest = after.trim_start().strip_prefix(':')?.trim_start();
        let value = if rest.starts_with('"') {
            let (value, after) = text(rest)?;
            rest = after;
            value
        } else {
            let (value, after) = rest.split_at(rest.find([',', '}'])?);
            rest = after;
            value.trim().to_owned()
        };
        if value.starts_with(['{', '[']) {
            return None;
        }
        if name == key {
            return Some(value);
        }
    }
}

/// A text in its quotes, and what follows it.
fn text(from: &str) -> Option<(String, &str)> {
    let body = from.strip_prefix('"')?;
    let mut value = String::new();
    let mut characters = body.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, body.get(at + 1..)?)),
            '\\' => match characters.next()?.1 {
                'u' => {
                    let code: String = characters.by_ref().take(4).map(|(_, digit)| digit).collect();
                    let code = u32::from_str_radix(&code, 16).ok()?;
                    value.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
                }
                'n' => value.push('\n'),
                't' => value.push('\t'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_or_a_number_is_found_by_its_key() {
        let digits = |arguments| text_of(arguments, "digits");
        assert_eq!(digits(r#"{"digits":"1w2#"}"#).as_deref(), Some("1w2#"));
        assert_eq!(digits(r#" { "why" : "a \"menu\", it said" , "digits" : 12 } "#).as_deref(), Some("12"));
        assert_eq!(digits(r#"{"n":1,"digits":"\u0031"}"#).as_deref(), Some("1"));
        assert_eq!(digits(r#"{"digits":""}"#).as_deref(), Some(""));
    }

    #[test]
    fn what_is_no_flat_object_or_has_no_such_key_gives_nothing() {
        for arguments in ["", "{}", "{", "[1]", "\"1\"", r#"{"keys":"1"}"#, r#"{"digits":["1"]}"#, r#"{"digits":"1"#] {
            assert_eq!(text_of(arguments, "digits"), None, "{arguments}");
        }
    }
}
