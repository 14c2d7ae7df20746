//! The voices vendors are known to have.

/// A voice that everybody with an account has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KnownVoice {
    /// The vendor's id.
    pub id: &'static str,
    /// Its name for people.
    pub name: &'static str,
    /// `female`, `male`, `neutral`, or nothing where the vendor does not say.
    pub gender: &'static str,
    /// Where one speaks like that, or nothing where the vendor does not say.
    pub accent: &'static str,
}

/// The voices a vendor is known to have, by its name in the configuration; voices of an account's own are not among them.
pub fn known_voices(vendor: &str) -> &'static [KnownVoice] {
    KNOWN.iter().find(|(name, _)| *name == vendor).map_or(&[], |(_, voices)| voices)
}

const fn voice(id: &'static str, name: &'static str, gender: &'static str, accent: &'static str) -> KnownVoice {
    KnownVoice { id, name, gender, accent }
}

const KNOWN: [(&str, &[KnownVoice]); 4] =
    [("elevenlabs", &ELEVENLABS), ("openai", &OPENAI), ("deepgram", &AURA), ("kokoro", &KOKORO)];

/// The default voices of <https://elevenlabs.io/docs>.
const ELEVENLABS: [KnownVoice; 19] = [
    voice("9BWtsMINqrJLrRacOk9x", "Aria", "female", "american"),
    voice("CwhRBWXzGAHq8TQ4Fs17", "Roger", "male", "american"),
    voice("EXAVITQu4vr4xnSDxMaL", "Sarah", "female", "american"),
    voice("FGY2WhTYpPnrIDTdsKH5", "Laura", "female", "american"),
    voice("IKne3meq5aSn9XLyUdCD", "Charlie", "male", "australian"),
    voice("JBFqnCBsd6RMkjVDRZzb", "George", "male", "british"),
    voice("N2lVS1w4EtoT3dr4eOWO", "Callum", "male", "american"),
    voice("SAz9YHcvj6GT2YYXdXww", "River", "neutral", "american"),
    voice("TX3LPaxmHKxFdv7VOQHJ", "Liam", "male", "american"),
    voice("XB0fDUnXU5powFXDhCwa", "Charlotte", "female", "swedish"),
    voice("Xb7hH8MSUJpSjSDYk0k2", "Alice", "female", "british"),
    voice("XrExE9yKIg1WjnnlVkGX", "Matilda", "female", "american"),
    voice("bIHbv24MWmeRgasZH58o", "Will", "male", "american"),
    voice("cgSgspJ2msm6clMCkdW9", "Jessica", "female", "american"),
    voice("cjVigY5qzO86Huf0OWal", "Eric", "male", "american"),
    voice("iP95p4xoKVk53GoZ742B", "Chris", "male", "american"),
    voice("nPczCjzI2devNBz1zQrb", "Brian", "male", "american"),
    voice("onwK4e9ZLuTAKqWW03F9", "Daniel", "male", "british"),
    voice("pFZP5JQG7iQjIQuC4Bku", "Lily", "female", "british"),
];

/// The `voice` of `POST /v1/audio/speech` in OpenAI's API description.
const OPENAI: [KnownVoice; 11] = [
    voice("alloy", "Alloy", "", ""),
    voice("ash", "Ash", "", ""),
    voice("ballad", "Ballad", "", ""),
    voice("coral", "Coral", "", ""),
    voice("echo", "Echo", "", ""),
    voice("fable", "Fable", "", ""),
    voice("nova", "Nova", "", ""),
    voice("onyx", "Onyx", "", ""),
    voice("sage", "Sage", "", ""),
    voice("shimmer", "Shimmer", "", ""),
    voice("verse", "Verse", "", ""),
];

/// Some of Aura 2, whose models are its voices.
const AURA: [KnownVoice; 8] = [
    voice("aura-2-andromeda-en", "Andromeda", "female", "american"),
    voice("aura-2-apollo-en", "Apollo", "male", "american"),
    voice("aura-2-arcas-en", "Arcas", "male", "american"),
    voice("aura-2-asteria-en", "Asteria", "female", "american"),
    voice("aura-2-draco-en", "Draco", "male", "british"),
    voice("aura-2-helena-en", "Helena", "female", "american"),
    voice("aura-2-orion-en", "Orion", "male", "american"),
    voice("aura-2-thalia-en", "Thalia", "female", "american"),
];

/// Some of Kokoro 82M: the first letter is the accent, the second the gender.
const KOKORO: [KnownVoice; 8] = [
    voice("af_bella", "Bella", "female", "american"),
    voice("af_heart", "Heart", "female", "american"),
    voice("af_nicole", "Nicole", "female", "american"),
    voice("am_fenrir", "Fenrir", "male", "american"),
    voice("am_michael", "Michael", "male", "american"),
    voice("bf_emma", "Emma", "female", "british"),
    voice("bm_fable", "Fable", "male", "british"),
    voice("bm_george", "George", "male", "british"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_vendor_has_a_voice_twice() {
        for (vendor, voices) in KNOWN {
            for (at, voice) in voices.iter().enumerate() {
                assert!(voices.iter().skip(at + 1).all(|other| other.id != voice.id), "{vendor}: {}", voice.id);
            }
        }
        assert_eq!(known_voices("nobody"), []);
    }
}
