//! Written → spoken, a table a language.

mod english;
mod german;
mod properties;
mod romance;

use super::{Normalise, Normaliser, Pronunciation};
use crate::dialogue::DialogueSpec;

fn normaliser(language: &str, normalise: Normalise) -> Normaliser {
    Normaliser::new(&DialogueSpec { language: language.into(), normalise, ..DialogueSpec::default() })
}

/// Each row as it is written and as it is to be spoken; all that differ are told at once.
fn check(language: &str, rows: &[(&str, &str)]) {
    let normaliser = normaliser(language, Normalise::Full);
    let wrong: Vec<String> = rows
        .iter()
        .filter_map(|(written, spoken)| {
            let wording = normaliser.put(written);
            assert_eq!(wording.written(), *written);
            (wording.spoken() != *spoken)
                .then(|| format!("{written:?}\n  wanted {spoken:?}\n  spoken {:?}", wording.spoken()))
        })
        .collect();
    assert!(wrong.is_empty(), "{language}: {} of {}\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

#[test]
fn the_light_level_leaves_numbers_to_the_voice() {
    let light = normaliser("en", Normalise::Light);
    for (written, spoken) in [
        ("It costs $5.20 on 1/5/2024.", "It costs $5.20 on 1/5/2024."),
        ("Call 555-0100.", "Call five five five, zero one zero zero."),
        ("Mail me@example.com, Dr. Smith.", "Mail me at example dot com, Dr. Smith."),
        ("Order AB-1234.", "Order A B, one two three four."),
    ] {
        assert_eq!(light.put(written).spoken(), spoken);
    }
}

#[test]
fn switched_off_or_in_another_language_only_pronunciations_hold() {
    let pronunciations = vec![Pronunciation { written: "acme".into(), spoken: "ack mee".into() }];
    for (language, normalise) in [("en", Normalise::Off), ("ja", Normalise::Full), ("nl", Normalise::Full)] {
        let spec = DialogueSpec {
            language: language.into(),
            normalise,
            pronunciations: pronunciations.clone(),
            ..DialogueSpec::default()
        };
        let wording = Normaliser::new(&spec).put("Acme: $5, Dr. 5 km at x@y.com.");
        assert_eq!(wording.spoken(), "ack mee: $5, Dr. 5 km at x@y.com.", "{language} {normalise:?}");
    }
}

#[test]
fn a_pronunciation_goes_before_the_rules() {
    let pronunciations = vec![Pronunciation { written: "24/7".into(), spoken: "around the clock".into() }];
    let wording =
        Normaliser::new(&DialogueSpec { pronunciations, ..DialogueSpec::default() }).put("We are open 24/7, (24/7).");
    assert_eq!(wording.spoken(), "We are open around the clock, (around the clock).");
    assert_eq!(wording.to_written("We are open around".len()), "We are open ".len());
}

#[test]
fn names_of_levels_lead_back() {
    for level in [Normalise::Full, Normalise::Light, Normalise::Off] {
        assert_eq!(Normalise::from_name(level.name()), Some(level));
    }
    assert_eq!(Normalise::from_name("loud"), None);
}

#[test]
fn a_telephone_number_with_spaces_can_be_cut_between_its_groups() {
    let wording = normaliser("en", Normalise::Full).put("Call 415 555 0100 now.");
    assert_eq!(wording.spoken(), "Call four one five, five five five, zero one zero zero now.");
    let heard = |words: &str| &wording.written()[..wording.to_written(words.len())];
    assert_eq!(heard("Call four one five,"), "Call 415");
    assert_eq!(heard("Call four one five, five"), "Call 415 ");
    assert_eq!(heard("Call four one five, five five five,"), "Call 415 555");
}
