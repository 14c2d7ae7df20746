//! The keys of one direction of one protocol, and what is done with them.

use std::fmt;

use aes::cipher::generic_array::GenericArray;
use aes::cipher::{InnerIvInit, KeyInit, StreamCipher};
use aes::{Aes128, Aes256};
use ctr::{Ctr128BE, CtrCore, flavors::Ctr128BE as Counter};
use hmac::{Hmac, Mac};
use sha1::Sha1;

use super::key::{SrtpKey, SrtpSuite};

/// The session keys of SRTP or of SRTCP in one direction (RFC 3711 section 4.3).
#[derive(Clone)]
pub(super) struct Session {
    cipher: Cipher,
    salt: [u8; SrtpKey::SALT],
    mac: Hmac<Sha1>,
}

/// Which keys are derived: the first of three labels (RFC 3711 section 4.3.2).
#[derive(Clone, Copy, Debug)]
pub(super) enum Protocol {
    Rtp = 0,
    Rtcp = 3,
}

/// SRTCP tags are 80 bits in every suite.
pub(super) const RTCP_TAG: usize = 10;
/// The part of an RTCP packet that is not encrypted.
pub(super) const RTCP_HEADER: usize = 8;
/// The SRTCP index and its flag.
pub(super) const RTCP_INDEX: usize = 4;
/// Set: the packet is encrypted.
pub(super) const ENCRYPTED: u32 = 1 << 31;

const AUTH_KEY: usize = 20;

#[derive(Clone)]
enum Cipher {
    Aes128(Aes128),
    Aes256(Aes256),
}

impl Session {
    /// Derives the keys. There is no key derivation rate: they hold for the life of the master key.
    pub(super) fn new(key: &SrtpKey, protocol: Protocol) -> Self {
        let master = Cipher::new(key.suite(), key.master());
        let derive = |label: u8, bytes: &mut [u8]| {
            let mut iv = padded(&key.salt());
            iv[7] ^= label;
            bytes.fill(0);
            master.xor(&iv, bytes);
        };
        let first = protocol as u8;
        let (mut cipher, mut auth, mut salt) = ([0; 32], [0; AUTH_KEY], [0; SrtpKey::SALT]);
        let cipher = &mut cipher[..key.suite().key_len()];
        derive(first, cipher);
        derive(first + 1, &mut auth);
        derive(first + 2, &mut salt);
        Self {
            cipher: Cipher::new(key.suite(), cipher),
            salt,
            mac: <Hmac<Sha1> as Mac>::new_from_slice(&auth).expect("HMAC takes keys of any length"),
        }
    }

    /// Encrypts or decrypts (RFC 3711 section 4.1.1).
    pub(super) fn xor(&self, ssrc: u32, index: u64, bytes: &mut [u8]) {
        let mut iv = padded(&self.salt);
        for (byte, ssrc) in iv[4..8].iter_mut().zip(ssrc.to_be_bytes()) {
            *byte ^= ssrc;
        }
        // The index has 48 bits.
        for (byte, index) in iv[8..14].iter_mut().zip(&index.to_be_bytes()[2..]) {
            *byte ^= index;
        }
        self.cipher.xor(&iv, bytes);
    }

    /// The tag of `bytes`, and behind them the rollover counter for RTP.
    pub(super) fn tag(&self, bytes: &[u8], rollover: Option<u32>) -> [u8; AUTH_KEY] {
        self.mac_of(bytes, rollover).finalize().into_bytes().into()
    }

    /// Whether `tag` is the beginning of the tag of `bytes`; takes the same time whichever of its bits are wrong.
    pub(super) fn verifies(&self, bytes: &[u8], rollover: Option<u32>, tag: &[u8]) -> bool {
        self.mac_of(bytes, rollover).verify_truncated_left(tag).is_ok()
    }

    fn mac_of(&self, bytes: &[u8], rollover: Option<u32>) -> Hmac<Sha1> {
        let mut mac = self.mac.clone();
        mac.update(bytes);
        if let Some(rollover) = rollover {
            mac.update(&rollover.to_be_bytes());
        }
        mac
    }

    #[cfg(test)]
    pub(super) fn with_keys(suite: SrtpSuite, cipher: &[u8], salt: [u8; SrtpKey::SALT]) -> Self {
        let mac = <Hmac<Sha1> as Mac>::new_from_slice(&[]).unwrap();
        Self { cipher: Cipher::new(suite, cipher), salt, mac }
    }

    #[cfg(test)]
    pub(super) const fn salt(&self) -> [u8; SrtpKey::SALT] {
        self.salt
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Session")
    }
}

impl Cipher {
    fn new(suite: SrtpSuite, key: &[u8]) -> Self {
        match suite {
            SrtpSuite::Aes128Sha1Tag80 | SrtpSuite::Aes128Sha1Tag32 => {
                Self::Aes128(Aes128::new_from_slice(key).expect("the suite's own length"))
            }
            SrtpSuite::Aes256Sha1Tag80 | SrtpSuite::Aes256Sha1Tag32 => {
                Self::Aes256(Aes256::new_from_slice(key).expect("the suite's own length"))
            }
        }
    }

    /// Applies the key stream that begins with this counter.
    fn xor(&self, iv: &[u8; 16], bytes: &mut [u8]) {
        let iv = GenericArray::from_slice(iv);
        match self {
            Self::Aes128(aes) => {
                let core = CtrCore::<_, Counter>::inner_iv_init(aes, iv);
                Ctr128BE::<&Aes128>::from_core(core).apply_keystream(bytes);
            }
            Self::Aes256(aes) => {
                let core = CtrCore::<_, Counter>::inner_iv_init(aes, iv);
                Ctr128BE::<&Aes256>::from_core(core).apply_keystream(bytes);
            }
        }
    }
}

/// A salt times 2^16.
fn padded(salt: &[u8; SrtpKey::SALT]) -> [u8; 16] {
    let mut iv = [0; 16];
    iv[..SrtpKey::SALT].copy_from_slice(salt);
    iv
}

/// Why a packet was not protected or not opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum SrtpError {
    /// Too short, or no RTP at all.
    Malformed,
    /// The tag is not the packet's: another key, or somebody changed it.
    BadTag,
    /// It came before, or is too old to tell.
    Replayed,
    /// More sources than one call has.
    Sources,
    /// The key has protected as many packets as it may.
    Expired,
    /// No room for the tag.
    Room,
}

impl fmt::Display for SrtpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "packet is too short or not RTP",
            Self::BadTag => "authentication tag is wrong",
            Self::Replayed => "packet came before or is too old",
            Self::Sources => "too many sources on one line",
            Self::Expired => "the key has protected as many packets as it may",
            Self::Room => "no room for the authentication tag",
        })
    }
}

impl std::error::Error for SrtpError {}
