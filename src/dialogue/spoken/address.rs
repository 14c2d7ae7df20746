//! Links, names of hosts and e-mail addresses.

use super::grammar::Grammar;
use super::site::{Found, Site};

/// Ends of host names that are told from the end of a sentence without a space behind it.
const DOMAINS: [&str; 34] = [
    "com", "org", "net", "edu", "gov", "io", "ai", "app", "dev", "info", "biz", "shop", "cloud", "tech", "co", "us",
    "uk", "eu", "de", "at", "ch", "fr", "be", "es", "mx", "ar", "it", "pt", "br", "nl", "ca", "au", "tv", "me",
];
/// The most parts of a path that are read out.
const MOST_PARTS: usize = 3;

/// Finds an address.
pub(super) fn find(site: &Site<'_>) -> Option<Found> {
    let word = site.word();
    if let Some((name, host)) = word.split_once('@') {
        let is_mail =
            !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "._-+".contains(c)) && is_host(host);
        let grammar = site.grammar;
        return is_mail
            .then(|| Found::one(word.len(), format!("{} {} {}", say(name, grammar), grammar.at, say(host, grammar))));
    }
    let bare = ["https://", "http://", "mailto:"].into_iter().find_map(|scheme| word.strip_prefix(scheme));
    let has_scheme = bare.is_some();
    let bare = bare.unwrap_or(word);
    let (host, path) = bare.split_once('/').unwrap_or((bare, ""));
    let host = host.split(['?', '#', ':']).next().unwrap_or_default();
    let is_known = host.rsplit('.').next().is_some_and(|end| DOMAINS.contains(&end)) || host.starts_with("www.");
    if !is_host(host) || !(has_scheme || is_known) {
        return None;
    }
    let mut spoken = say(host.strip_prefix("www.").unwrap_or(host), site.grammar);
    // What follows a question mark is for machines.
    let path = path.split(['?', '#']).next().unwrap_or_default();
    for part in path.split('/').filter(|part| !part.is_empty()).take(MOST_PARTS) {
        spoken.push_str(&format!(" {} {}", site.grammar.slash, say(part, site.grammar)));
    }
    Some(Found::one(word.len(), spoken))
}

/// Whether a text is a host's name of at least two parts.
fn is_host(text: &str) -> bool {
    let mut parts = text.split('.');
    let is_part = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '-');
    let end = text.rsplit('.').next().unwrap_or_default();
    let is_word = end.len() >= 2 && end.chars().all(|c| c.is_ascii_lowercase());
    text.contains('.') && is_word && parts.all(is_part)
}

/// The words of a part of an address; the signs in it by name, what stands between them as it is.
fn say(text: &str, grammar: &Grammar) -> String {
    let mut spoken = String::new();
    for c in text.chars() {
        let sign = match c {
            '.' => grammar.dot,
            '-' => grammar.dash,
            '_' => grammar.underscore,
            '+' => grammar.plus,
            '/' => grammar.slash,
            c if c.is_alphanumeric() => {
                spoken.push(c);
                continue;
            }
            _ => "",
        };
        spoken.push(' ');
        spoken.push_str(sign);
        spoken.push(' ');
    }
    spoken.split_whitespace().collect::<Vec<_>>().join(" ")
}
