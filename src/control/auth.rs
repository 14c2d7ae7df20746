//! Who may come in.

use subtle::{Choice, ConstantTimeEq};

use crate::engine::Pii;

/// The keys that open the API. None at all: it is open, which `main` allows on loopback only.
#[derive(Clone, Debug, Default)]
pub struct Keys(Vec<Pii<String>>);

impl Keys {
    /// These keys; empty ones are left out.
    pub fn new(keys: Vec<Pii<String>>) -> Self {
        Self(keys.into_iter().filter(|key| !key.reveal().is_empty()).collect())
    }

    /// Whether no key is needed.
    pub fn is_open(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `offered` is one of the keys. All of them are compared, each in constant time, so that neither how much
    /// of a key was right nor which one it was can be timed. (Its length can.)
    pub fn accept(&self, offered: &str) -> bool {
        let none = Choice::from(0);
        let any = self.0.iter().fold(none, |any, key| any | key.reveal().as_bytes().ct_eq(offered.as_bytes()));
        bool::from(any)
    }

    /// Whether an `Authorization` header opens the API (RFC 6750: `Bearer`, then the key).
    pub fn accept_header(&self, header: Option<&str>) -> bool {
        if self.is_open() {
            return true;
        }
        let Some((scheme, key)) = header.and_then(|header| header.trim().split_once(' ')) else { return false };
        scheme.eq_ignore_ascii_case("bearer") && self.accept(key.trim())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_key_opens() {
        let keys = Keys::new(vec![Pii::new("sk_live_one".into()), Pii::new("sk_live_two".into())]);
        for (header, opens) in [
            (Some("Bearer sk_live_one"), true),
            (Some("bearer  sk_live_two "), true),
            (Some("Bearer sk_live_on"), false),
            (Some("Bearer sk_live_one2"), false),
            (Some("Bearer "), false),
            (Some("Bearer"), false),
            (Some("Basic sk_live_one"), false),
            (Some("sk_live_one"), false),
            (None, false),
        ] {
            assert_eq!(keys.accept_header(header), opens, "{header:?}");
        }
    }

    #[test]
    fn without_keys_everything_is_open_and_an_empty_key_is_none() {
        assert!(Keys::default().accept_header(None));
        assert!(Keys::new(vec![Pii::new(String::new())]).is_open());
        assert!(!Keys::default().accept(""));
    }
}
