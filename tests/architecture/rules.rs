//! The rules of the house, each a function from the sources to what breaks it.

use std::collections::BTreeSet;

use crate::lex::{self, Token};
use crate::paths;

/// A source file below `src`, its path with forward slashes: `audio/frame.rs`.
#[derive(Clone, Debug)]
pub struct Source {
    /// The path below `src`.
    pub path: String,
    /// What it says.
    pub text: String,
}

/// Each room with what it may import: a room, or one name of a room.
const ARROWS: &[(&str, &[&str])] = &[
    ("audio", &[]),
    ("rtp", &[]),
    ("conversation", &[]),
    (
        "media",
        &[
            "audio",
            "rtp",
            "conversation::Ambience",
            "conversation::Backdrop",
            "conversation::Denoising",
            "conversation::Digit",
            "conversation::ReplyId",
        ],
    ),
    ("dialogue", &["conversation"]),
    ("call", &["media", "dialogue", "audio", "rtp", "conversation"]),
    ("gateway", &["audio", "rtp"]),
    ("provider", &["audio", "conversation"]),
    ("simulator", &["audio", "conversation"]),
    ("engine", &["call", "gateway", "provider", "audio", "rtp", "conversation"]),
    ("world", &["call", "rtp", "audio", "conversation"]),
    ("store", &[]),
    ("config", &["conversation::Pii", "call::Timing"]),
    ("control", &["engine", "store"]),
    ("demo", &["engine", "simulator", "gateway", "provider", "config", "audio", "rtp", "world", "rehearsal"]),
    ("rehearsal", &["engine", "world", "simulator", "gateway", "provider", "audio", "rtp", "conversation"]),
    ("cli", &["engine", "world", "rehearsal", "bench", "config", "control", "provider", "simulator", "conversation"]),
    ("bench", &["engine", "world", "simulator", "gateway", "audio", "rtp"]),
];

/// Rooms that live in virtual time: no runtime, no socket, no thread.
const NO_RUNTIME: &[&str] = &["audio", "rtp", "conversation", "media", "dialogue", "call", "world"];
/// Rooms that are told the time and are given their randomness.
const NO_CLOCK: &[&str] = &["audio", "rtp", "conversation", "media", "dialogue", "call"];
/// Rooms one owner holds: nothing in them is shared between threads.
const NO_SHARING: &[&str] = &["media", "dialogue", "call"];
/// Where JSON and TOML may be known, as prefixes of paths.
const SERDE: &[&str] =
    &["control/", "provider/", "simulator/", "gateway/websocket/", "store", "config", "bench/", "demo/", "main.rs"];
/// The files of `provider` that hold its traits: no vendor's JSON.
const SEAMS: &[&str] =
    &["provider/mod.rs", "provider/llm.rs", "provider/stt.rs", "provider/tts.rs", "provider/tools.rs"];

const LONGEST_FILE: usize = 700;
const LONG_FILE: usize = 400;

/// Everything that breaks a rule, one sentence each with file and line; empty if the house stands.
pub fn violations(sources: &[Source]) -> Vec<String> {
    let test_only = test_only_paths(sources);
    let mut found = Vec::new();
    for source in sources {
        found.extend(too_long(source));
        found.extend(unsigned_door(source));
        if test_only.iter().any(|path| source.path.starts_with(path)) {
            continue;
        }
        let all = lex::tokens(&source.text);
        let (tokens, _) = paths::outside_tests(&all);
        if source.path == "lib.rs" {
            found.extend(definition(source, &tokens));
        } else if source.path != "main.rs" {
            found.extend(forbidden_arrows(source, &tokens));
        }
        found.extend(forbidden_words(source, &tokens));
    }
    found
}

/// Files that are long enough to look for a second thing within.
pub fn long_files(sources: &[Source]) -> Vec<String> {
    let lines = |source: &Source| source.text.lines().count();
    sources.iter().filter(|s| lines(s) > LONG_FILE).map(|s| format!("{}: {} lines", s.path, lines(s))).collect()
}

/// The room a file belongs to: its folder below `src`, or its own name.
fn room(path: &str) -> &str {
    let first = path.split('/').next().unwrap_or(path);
    first.strip_suffix(".rs").unwrap_or(first)
}

/// Where a file sits in the module tree: `["audio", "frame"]`.
fn module(path: &str) -> Vec<String> {
    let stem = path.strip_suffix(".rs").unwrap_or(path);
    stem.split('/').filter(|part| *part != "mod").map(str::to_owned).collect()
}

/// The files and folders that belong to modules declared under `#[cfg(test)]`.
fn test_only_paths(sources: &[Source]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for source in sources {
        let tokens = lex::tokens(&source.text);
        let folder = module(&source.path).join("/");
        for name in paths::outside_tests(&tokens).1 {
            found.extend([format!("{folder}/{name}.rs"), format!("{folder}/{name}/")]);
        }
    }
    found
}

fn forbidden_arrows(source: &Source, tokens: &[Token<'_>]) -> Vec<String> {
    let from = room(&source.path);
    let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == from) else {
        return vec![format!("{}: `{from}` is no room of the house", source.path)];
    };
    let mut found = Vec::new();
    for import in paths::imports(tokens, &module(&source.path)) {
        let to = import.path.first().map_or("the crate root", String::as_str);
        let named = import.path.iter().take(2).cloned().collect::<Vec<_>>().join("::");
        if to != from && !allowed.contains(&to) && !allowed.contains(&named.as_str()) {
            let named = if named.is_empty() { to } else { &named };
            found.push(format!("{}:{}: `{from}` must not import `{named}`", source.path, import.line));
        }
    }
    found
}

fn forbidden_words(source: &Source, tokens: &[Token<'_>]) -> Vec<String> {
    let room = room(&source.path);
    let path = source.path.as_str();
    let serde = SERDE.iter().any(|allowed| path.starts_with(allowed)) && !SEAMS.contains(&path);
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let after = |offset: usize| tokens.get(at + offset).map_or("", |token| token.text);
        let runtime = NO_RUNTIME.contains(&room);
        let clockless = NO_CLOCK.contains(&room);
        let owned = NO_SHARING.contains(&room);
        let broken = match token.text {
            "tokio" | "futures_util" | "reqwest" | "axum" if runtime => "has no runtime",
            "UdpSocket" | "TcpStream" | "TcpListener" if runtime => "has no sockets",
            "SystemTime" if runtime => "is told the time",
            "Instant" if clockless && (after(1), after(2)) == ("::", "now") => "is told the time",
            "HashMap" | "HashSet" if runtime => "keeps an order that replays (`BTreeMap`)",
            "Arc" | "Mutex" | "RwLock" | "mpsc" if owned => "has one owner",
            "rand" | "getrandom" | "fastrand" | "thread_rng" if clockless => "is given its randomness as a seed",
            "serde" | "serde_json" | "toml" if !serde => "knows no JSON and no TOML",
            _ => continue,
        };
        found.push(format!("{path}:{}: `{}`: {room} {broken}", token.line, token.text));
    }
    found
}

/// `lib.rs` declares rooms and shows the public face; it defines nothing.
fn definition(source: &Source, tokens: &[Token<'_>]) -> Option<String> {
    let mut at = 0;
    while at < tokens.len() {
        let text = |offset: usize| tokens.get(at + offset).map_or("", |token| token.text);
        match text(0) {
            "#" => at += 1 + tokens[at + 1..].iter().position(|token| token.text == "]")? + 1,
            "pub" | "(" | ")" | "crate" => at += 1,
            "mod" if text(2) == ";" => at += 3,
            "use" => at += tokens[at..].iter().position(|token| token.text == ";")? + 1,
            other => return Some(format!("{}:{}: defines something (`{other}`)", source.path, tokens[at].line)),
        }
    }
    None
}

/// A room's door says what the room is, what it may import and what it must never know.
fn unsigned_door(source: &Source) -> Vec<String> {
    let parts: Vec<&str> = source.path.split('/').collect();
    let door = matches!(parts.as_slice(), [_, "mod.rs"]);
    let mut found = Vec::new();
    if parts.last() == Some(&"mod.rs") && !source.text.starts_with("//!") {
        found.push(format!("{}:1: does not begin by saying what it is (`//!`)", source.path));
    }
    for sign in ["May import", "Must never know"] {
        let signed = source.text.lines().take_while(|line| line.starts_with("//!")).any(|line| line.contains(sign));
        if door && !signed {
            found.push(format!("{}:1: does not say \"{sign}\"", source.path));
        }
    }
    found
}

fn too_long(source: &Source) -> Option<String> {
    let lines = source.text.lines().count();
    (lines > LONGEST_FILE).then(|| format!("{}: {lines} lines, {LONGEST_FILE} at most", source.path))
}
