//! Master keys, and the line of SDP that carries them (RFC 4568).

use std::fmt;

/// How packets are encrypted and authenticated.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum SrtpSuite {
    /// AES in counter mode with a key of 128 bits, tags of 80 bits (RFC 4568 section 6.2.1).
    Aes128Sha1Tag80,
    /// The same with tags of 32 bits; RTCP keeps 80 (RFC 4568 section 6.2.2).
    Aes128Sha1Tag32,
    /// AES in counter mode with a key of 256 bits, tags of 80 bits (RFC 6188).
    Aes256Sha1Tag80,
    /// The same with tags of 32 bits; RTCP keeps 80.
    Aes256Sha1Tag32,
}

impl SrtpSuite {
    /// All of them, in the order of preference.
    pub const ALL: [Self; 4] =
        [Self::Aes256Sha1Tag80, Self::Aes128Sha1Tag80, Self::Aes256Sha1Tag32, Self::Aes128Sha1Tag32];

    /// The name in SDP.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aes128Sha1Tag80 => "AES_CM_128_HMAC_SHA1_80",
            Self::Aes128Sha1Tag32 => "AES_CM_128_HMAC_SHA1_32",
            Self::Aes256Sha1Tag80 => "AES_256_CM_HMAC_SHA1_80",
            Self::Aes256Sha1Tag32 => "AES_256_CM_HMAC_SHA1_32",
        }
    }

    /// The suite of a name in SDP.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|suite| suite.name() == name)
    }

    /// How many bytes its master key has.
    pub const fn key_len(self) -> usize {
        match self {
            Self::Aes128Sha1Tag80 | Self::Aes128Sha1Tag32 => 16,
            Self::Aes256Sha1Tag80 | Self::Aes256Sha1Tag32 => 32,
        }
    }

    /// How many bytes the tag of an RTP packet has.
    pub const fn tag_len(self) -> usize {
        match self {
            Self::Aes128Sha1Tag80 | Self::Aes256Sha1Tag80 => 10,
            Self::Aes128Sha1Tag32 | Self::Aes256Sha1Tag32 => 4,
        }
    }

    /// How many bytes key and salt have together.
    pub const fn secret_len(self) -> usize {
        self.key_len() + SrtpKey::SALT
    }
}

/// The master key and salt of one direction. Never printed.
#[derive(Clone)]
pub struct SrtpKey {
    suite: SrtpSuite,
    /// Key, then salt.
    secret: [u8; SrtpKey::LONGEST],
    lifetime: u64,
}

impl SrtpKey {
    /// How many bytes the salt has.
    pub const SALT: usize = 14;
    /// The longest key and salt.
    pub const LONGEST: usize = 32 + Self::SALT;
    /// The most packets one key may protect (RFC 3711 section 9.2).
    pub const LONGEST_LIFE: u64 = 1 << 48;

    /// The key whose master key and salt are the first bytes of `secret`, however many the suite takes; `None` when
    /// there are too few.
    pub fn new(suite: SrtpSuite, secret: &[u8]) -> Option<Self> {
        let mut bytes = [0; Self::LONGEST];
        let length = suite.secret_len();
        bytes.get_mut(..length)?.copy_from_slice(secret.get(..length)?);
        Some(Self { suite, secret: bytes, lifetime: Self::LONGEST_LIFE })
    }

    /// What it is for.
    pub const fn suite(&self) -> SrtpSuite {
        self.suite
    }

    /// How many packets it may protect.
    pub const fn lifetime(&self) -> u64 {
        self.lifetime
    }

    pub(super) fn master(&self) -> &[u8] {
        &self.secret[..self.suite.key_len()]
    }

    pub(super) fn salt(&self) -> [u8; Self::SALT] {
        let mut salt = [0; Self::SALT];
        salt.copy_from_slice(&self.secret[self.suite.key_len()..self.suite.secret_len()]);
        salt
    }
}

impl fmt::Debug for SrtpKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SrtpKey({})", self.suite.name())
    }
}

/// One `a=crypto` attribute: a key under a tag.
#[derive(Clone, Debug)]
pub struct SdesCrypto {
    /// Which of an offer's attributes it is, or answers.
    pub tag: u32,
    /// The key.
    pub key: SrtpKey,
}

impl SdesCrypto {
    /// Reads an attribute, with or without its `a=crypto:`. What this end could not keep to is refused.
    ///
    /// # Errors
    ///
    /// [`BadCrypto`]; its text repeats nothing of the attribute.
    pub fn parse(attribute: &str) -> Result<Self, BadCrypto> {
        let attribute = attribute.trim();
        let attribute = attribute.strip_prefix("a=").unwrap_or(attribute);
        let attribute = attribute.strip_prefix("crypto:").unwrap_or(attribute);
        let mut words = attribute.split_ascii_whitespace();
        let (Some(tag), Some(suite), Some(params)) = (words.next(), words.next(), words.next()) else {
            return Err(BadCrypto::Shape);
        };
        if !(1..=9).contains(&tag.len()) || !tag.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(BadCrypto::Shape);
        }
        let tag = tag.parse().map_err(|_| BadCrypto::Shape)?;
        let suite = SrtpSuite::from_name(suite).ok_or(BadCrypto::Suite)?;
        for session in words {
            // A hint how large a window the sender wishes; ours is wider. What begins with a dash may be ignored.
            if !session.starts_with("WSH=") && !session.starts_with('-') {
                return Err(BadCrypto::Session);
            }
        }
        Ok(Self { tag, key: key(suite, params)? })
    }

    /// The attribute's value as it goes into SDP, behind `a=crypto:`. It is a secret.
    pub fn reveal(&self) -> String {
        let secret = &self.key.secret[..self.key.suite.secret_len()];
        let secret = base64_simd::STANDARD.encode_to_string(secret);
        format!("{} {} inline:{secret}", self.tag, self.key.suite.name())
    }
}

/// `inline:` key and salt, `|` lifetime, `|` MKI (RFC 4568 section 6.1).
fn key(suite: SrtpSuite, params: &str) -> Result<SrtpKey, BadCrypto> {
    if params.contains(';') {
        return Err(BadCrypto::ManyKeys);
    }
    let (method, info) = params.split_once(':').ok_or(BadCrypto::Shape)?;
    if !method.eq_ignore_ascii_case("inline") {
        return Err(BadCrypto::Shape);
    }
    let mut parts = info.split('|');
    let secret = parts.next().unwrap_or_default();
    let secret = base64_simd::STANDARD.decode_to_vec(secret).map_err(|_| BadCrypto::Secret)?;
    if secret.len() != suite.secret_len() {
        return Err(BadCrypto::Secret);
    }
    let mut key = SrtpKey::new(suite, &secret).ok_or(BadCrypto::Secret)?;
    for part in parts {
        if part.contains(':') {
            return Err(BadCrypto::Mki);
        }
        let lifetime = match part.strip_prefix("2^") {
            Some(power) => power.parse().ok().and_then(|power| 1_u64.checked_shl(power)),
            None => part.parse().ok(),
        };
        let possible = 1..=SrtpKey::LONGEST_LIFE;
        key.lifetime = lifetime.filter(|lifetime| possible.contains(lifetime)).ok_or(BadCrypto::Lifetime)?;
    }
    Ok(key)
}

/// Why a crypto attribute cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum BadCrypto {
    /// It is not a tag, a suite and `inline:`.
    Shape,
    /// The suite is none of ours.
    Suite,
    /// The key is not base64 or not as long as its suite wants.
    Secret,
    /// The lifetime is not from 1 to 2^48.
    Lifetime,
    /// A master key identifier.
    Mki,
    /// More than one key.
    ManyKeys,
    /// A session parameter that is not kept.
    Session,
}

impl fmt::Display for BadCrypto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Shape => "is no crypto attribute; expected a tag, a suite and \"inline:\" with the key",
            Self::Suite => {
                "has an unknown suite; expected AES_CM_128_HMAC_SHA1_80, AES_CM_128_HMAC_SHA1_32, \
                 AES_256_CM_HMAC_SHA1_80 or AES_256_CM_HMAC_SHA1_32"
            }
            Self::Secret => "has no key of its suite's length in base64",
            Self::Lifetime => "has a lifetime that is not from 1 to 2^48",
            Self::Mki => "has a master key identifier, which is not supported",
            Self::ManyKeys => "has more than one key, which is not supported",
            Self::Session => "has a session parameter that is not supported",
        })
    }
}

impl std::error::Error for BadCrypto {}
