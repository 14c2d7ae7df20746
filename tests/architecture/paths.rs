//! Which modules of this crate a source file names, and which of its tokens are compiled outside tests.

use crate::lex::{Token, is_word};

/// A path into this crate.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Import {
    /// From the crate root: `["audio", "Frame"]`. Ends in `*` for a glob; empty for the root itself.
    pub path: Vec<String>,
    /// The line it ends on.
    pub line: usize,
}

/// Every path that starts at `crate`, `agentphone` or `super`, in `use` trees and everywhere else.
///
/// `module` is where the file sits: `["audio", "frame"]`.
pub fn imports(tokens: &[Token<'_>], module: &[String]) -> Vec<Import> {
    let mut found = Vec::new();
    let mut here: Vec<String> = module.to_vec();
    let mut inline: Vec<usize> = Vec::new();
    let (mut depth, mut at) = (0, 0);
    while at < tokens.len() {
        let text = |offset: usize| tokens.get(at + offset).map_or("", |token| token.text);
        let continues = at > 0 && tokens[at - 1].text == "::" && at > 1 && tokens[at - 2].text.starts_with(is_word);
        match text(0) {
            "mod" if text(2) == "{" => {
                here.push(text(1).to_owned());
                inline.push(depth);
                at += 2;
                continue;
            }
            "{" => depth += 1,
            "}" => {
                depth -= 1;
                if inline.last() == Some(&depth) {
                    inline.pop();
                    here.pop();
                }
            }
            "crate" if text(1) != "::" && at > 0 && tokens[at - 1].text == "use" => {
                found.push(Import { path: Vec::new(), line: tokens[at].line });
            }
            "crate" | "agentphone" if text(1) == "::" && !continues => {
                at = tree(tokens, at + 2, Vec::new(), &mut found);
                continue;
            }
            "super" if text(1) == "::" && !continues => {
                at = tree(tokens, at, here.clone(), &mut found);
                continue;
            }
            "self" if text(1) == "::" && text(2) == "super" => {
                at = tree(tokens, at + 2, here.clone(), &mut found);
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// Reads one path or `use` tree below `base`; returns where it ends.
fn tree(tokens: &[Token<'_>], mut at: usize, mut base: Vec<String>, found: &mut Vec<Import>) -> usize {
    while let Some(token) = tokens.get(at) {
        match token.text {
            "{" => {
                at += 1;
                while tokens.get(at).is_some_and(|token| token.text != "}") {
                    at = tree(tokens, at, base.clone(), found);
                    while tokens.get(at).is_some_and(|token| !matches!(token.text, "," | "}")) {
                        at += 1; // `as name`
                    }
                    at += usize::from(tokens.get(at).is_some_and(|token| token.text == ","));
                }
                return at + 1;
            }
            "super" => {
                base.pop();
            }
            "self" => {}
            name => base.push(name.to_owned()),
        }
        let leads_on = tokens.get(at + 1).is_some_and(|token| token.text == "::")
            && tokens
                .get(at + 2)
                .is_some_and(|token| matches!(token.text, "{" | "*") || token.text.starts_with(is_word));
        if !leads_on {
            found.push(Import { path: base, line: token.line });
            return at + 1;
        }
        at += 2;
    }
    at
}

/// The tokens that are compiled outside tests, and the names of the modules that are compiled in tests only.
pub fn outside_tests<'a>(tokens: &[Token<'a>]) -> (Vec<Token<'a>>, Vec<&'a str>) {
    let (mut kept, mut test_modules) = (Vec::new(), Vec::new());
    let mut at = 0;
    while at < tokens.len() {
        let Some(end) = attribute(tokens, at) else {
            kept.push(tokens[at]);
            at += 1;
            continue;
        };
        if !is_cfg_test(&tokens[at..end]) {
            kept.extend(&tokens[at..end]);
            at = end;
        } else if tokens[at + 1].text == "!" {
            return (Vec::new(), test_modules);
        } else {
            at = end;
            while let Some(end) = attribute(tokens, at) {
                at = end;
            }
            let end = item(tokens, at);
            if let Some(name) = tokens[at..end].windows(3).find(|three| three[0].text == "mod" && three[2].text == ";")
            {
                test_modules.push(name[1].text);
            }
            at = end;
        }
    }
    (kept, test_modules)
}

/// The end of the attribute that starts at `at`, if one does.
fn attribute(tokens: &[Token<'_>], at: usize) -> Option<usize> {
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text);
    let open = at + 1 + usize::from(text(at + 1) == "!");
    (text(at) == "#" && text(open) == "[").then(|| closing(tokens, open, "[", "]"))
}

fn is_cfg_test(attribute: &[Token<'_>]) -> bool {
    let words: Vec<&str> = attribute.iter().map(|token| token.text).filter(|text| text.starts_with(is_word)).collect();
    words.first() == Some(&"cfg") && words.contains(&"test") && !words.contains(&"any") && !words.contains(&"not")
}

/// The end of the item that starts at `at`: its `;`, or the end of its body.
fn item(tokens: &[Token<'_>], mut at: usize) -> usize {
    let mut ends_with_body = true;
    while let Some(token) = tokens.get(at) {
        match token.text {
            "use" | "static" | "type" | "let" => ends_with_body = false,
            "const" if tokens.get(at + 1).is_some_and(|token| token.text != "fn") => ends_with_body = false,
            ";" => return at + 1,
            "(" => at = closing(tokens, at, "(", ")") - 1,
            "[" => at = closing(tokens, at, "[", "]") - 1,
            "{" => {
                at = closing(tokens, at, "{", "}") - 1;
                if ends_with_body {
                    return at + 1;
                }
            }
            _ => {}
        }
        at += 1;
    }
    at
}

/// Where the group ends that opens at `at`.
fn closing(tokens: &[Token<'_>], at: usize, open: &str, close: &str) -> usize {
    let mut depth = 0;
    for (offset, token) in tokens[at..].iter().enumerate() {
        depth += i32::from(token.text == open) - i32::from(token.text == close);
        if depth == 0 {
            return at + offset + 1;
        }
    }
    tokens.len()
}

mod tests {
    use super::{imports, outside_tests};
    use crate::lex::tokens;

    #[test]
    fn nested_groups_globs_aliases_and_inline_paths_are_followed() {
        let source = "
            use crate::{audio::{self, Frame as F, codec::*}, rtp};
            use super::super::{call::Call, media};
            mod inner { use super::super::super::store::Row; use super::own; }
            fn f() -> crate::world::World<agentphone::engine::Engine> { self::super::near::<u8>() }
            pub(crate) fn g() { std::crate_::h(); $crate::dialogue::d!() }
        ";
        let module = ["gateway".to_owned(), "leg".to_owned()];
        let found: Vec<String> =
            imports(&tokens(source), &module).iter().map(|import| import.path.join("::")).collect();
        let expected = [
            "audio",
            "audio::Frame",
            "audio::codec::*",
            "rtp",
            "call::Call",
            "media",
            "store::Row",
            "gateway::leg::own",
            "world::World",
            "engine::Engine",
            "gateway::near",
            "dialogue::d",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_only_tests_compile_is_left_out() {
        let source = "
            use a;
            #[cfg(test)] use {b};
            #[cfg(test)] #[path = \"x\"] mod checks;
            #[cfg(all(test, feature = \"engine\"))] mod tests { fn c() {} }
            #[cfg(test)] const fn d() -> [u8; 2] { [0; 2] }
            #[cfg(not(test))] fn e() {}
            #[cfg(any(test, feature = \"engine\"))] fn f() {}
            #[cfg(test)] const G: S = S { x: 1 };
            fn h() {}
        ";
        let tokens = tokens(source);
        let (kept, test_modules) = outside_tests(&tokens);
        let one_letter: Vec<&str> = kept.iter().map(|token| token.text).filter(|text| text.len() == 1).collect();
        let names: Vec<&str> = one_letter.into_iter().filter(|text| text.starts_with(char::is_alphabetic)).collect();
        assert_eq!(names, ["a", "e", "f", "h"]);
        assert_eq!(test_modules, ["checks"]);
    }
}
