//! What the voice is given is not what the model wrote; history is what the model wrote and the caller heard.

use crate::conversation::Role;
use crate::dialogue::{DialogueSpec, Normalise, Pronunciation};

use super::stage::Stage;

/// Nine written words; the seventh is seven spoken ones, from 1.95 s to 4.05 s.
const PRICE: &str = "the house that you like costs $125,300.50 before the tax is paid and after it.";
const SPOKEN: &str = "the house that you like costs one hundred twenty-five thousand three hundred dollars and fifty cents before \
                      the tax is paid and after it.";

fn speaking(spec: DialogueSpec) -> Stage {
    Stage::new(DialogueSpec { begin_message: PRICE.into(), ..spec }, &["Very well, Tuesday it is."])
}

/// What the model is told that the agent was heard saying.
fn told(stage: &Stage) -> Vec<String> {
    let prompt = stage.prompts.first().expect("the model was asked");
    prompt.iter().filter(|message| message.role == Role::Assistant).map(|message| message.content.clone()).collect()
}

/// What the first voice is given.
fn given(stage: &Stage) -> Vec<String> {
    let lines = stage.log.iter().filter_map(|(_, line)| line.strip_prefix("speak 1 \"")?.strip_suffix('"'));
    lines.map(|text| text.trim_end().to_owned()).collect()
}

#[test]
fn the_voice_gets_words_and_history_what_was_written() {
    let mut stage = speaking(DialogueSpec::default());
    stage.run(12_000);
    assert_eq!(given(&stage), [SPOKEN]);
    assert_eq!(stage.said().first(), Some(&(PRICE.to_owned(), false)));
}

#[test]
fn an_interruption_in_the_middle_of_a_number_is_one_before_it() {
    for begins in [2_200, 2_800, 3_400] {
        let mut stage = speaking(DialogueSpec::default());
        stage.says(begins, begins + 1_500, "no wait I meant Tuesday.");
        stage.run(begins + 8_000);
        assert_eq!(told(&stage), ["the house that you like costs—"], "at {begins}");
    }
    let mut stage = speaking(DialogueSpec::default());
    stage.says(5_300, 6_800, "no wait I meant Tuesday.");
    stage.run(13_000);
    let told = told(&stage);
    assert!(told.len() == 1 && told[0].starts_with("the house that you like costs $125,300.50"), "{told:?}");
}

#[test]
fn without_word_times_a_number_is_not_cut_either() {
    for begins in (1_000..5_500).step_by(300) {
        let mut stage = speaking(DialogueSpec::default());
        stage.wordless_voice = true;
        stage.says(begins, begins + 1_500, "no wait I meant Tuesday.");
        stage.run(begins + 8_000);
        for said in told(&stage) {
            let said = said.trim_end_matches('—');
            let is_word = PRICE.starts_with(said) && PRICE[said.len()..].starts_with([' ', '.']);
            assert!(is_word || said == PRICE.trim_end(), "{said:?} at {begins}");
        }
    }
}

#[test]
fn a_pronunciation_is_spoken_and_its_word_is_told() {
    let pronunciations = vec![Pronunciation { written: "tax".into(), spoken: "levy of the state".into() }];
    let mut stage = speaking(DialogueSpec { pronunciations, normalise: Normalise::Off, ..DialogueSpec::default() });
    stage.run(12_000);
    let spoken = PRICE.replace("tax", "levy of the state");
    assert_eq!(given(&stage), [spoken]);
    assert_eq!(stage.said().first(), Some(&(PRICE.to_owned(), false)));
}
