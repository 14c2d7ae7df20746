//! Words and languages as vendors tell and take them.

use std::time::Duration;

use crate::conversation::{Transcript, TranscriptKind};

/// How sure a recogniser is taken to be that does not say.
pub(in crate::provider) const UNTOLD_CONFIDENCE: f32 = 0.9;

/// What was said, without the blanks around it.
pub(in crate::provider) fn words(
    kind: TranscriptKind,
    text: &str,
    confidence: f32,
    audio_end: Option<Duration>,
) -> Transcript {
    Transcript { kind, text: text.trim().to_owned(), confidence: confidence.clamp(0.0, 1.0), audio_end }
}

/// The mean of some confidences; [`UNTOLD_CONFIDENCE`] when there are none.
pub(in crate::provider) fn mean_confidence(confidences: impl IntoIterator<Item = f32>) -> f32 {
    let (sum, count) = confidences.into_iter().fold((0.0, 0.0), |(sum, count), next| (sum + next, count + 1.0));
    if count > 0.0 { sum / count } else { UNTOLD_CONFIDENCE }
}

/// The ISO 639 code of a BCP 47 tag: `en` of `en-US`. `None` when it has none: `multi`, or nothing at all.
pub(in crate::provider) fn language_code(tag: &str) -> Option<String> {
    let code = tag.split(['-', '_']).next().unwrap_or_default();
    let is_code = (2..=3).contains(&code.len()) && code.chars().all(|c| c.is_ascii_alphabetic());
    is_code.then(|| code.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_gives_its_language() {
        let codes = ["en-US", "de", "PT_br", "cmn-Hans-CN", "multi", "", "e", "12-x"].map(language_code);
        let expected = [Some("en"), Some("de"), Some("pt"), Some("cmn"), None, None, None, None];
        assert_eq!(codes, expected.map(|code| code.map(str::to_owned)));
    }

    #[test]
    fn a_vendor_that_tells_no_confidence_is_taken_for_fairly_sure() {
        assert!((mean_confidence([0.5, 1.0]) - 0.75).abs() < 1e-6);
        assert!((mean_confidence([]) - UNTOLD_CONFIDENCE).abs() < 1e-6);
    }
}
