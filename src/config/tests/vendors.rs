//! Which vendor a stage gets, and what it takes.

use super::{AGENT, parse, problems};
use crate::config::*;

/// Who serves the three stages with `text` before the agent and this environment.
fn names(text: &str, env: &[(&str, &str)]) -> [&'static str; 3] {
    let config = parse(&format!("{text}\n{AGENT}"), env).unwrap_or_else(|error| panic!("{text}: {error}"));
    [config.stt.name, config.llm.stage.name, config.tts.stage.name]
}

#[test]
fn a_stage_that_names_none_takes_the_first_vendor_there_is_a_key_for() {
    let keys = [("DEEPGRAM_API_KEY", "dg-1"), ("OPENAI_API_KEY", "sk-1"), ("ELEVENLABS_API_KEY", "el-1")];
    let groq = ("GROQ_API_KEY", "gq-1");
    assert_eq!(names("", &keys), ["deepgram", "openai", "elevenlabs"], "the usual ones");
    assert_eq!(names("", &keys[1..2]), ["openai"; 3], "one key is enough");
    assert_eq!(names("", &[keys[0], groq, keys[2]]), ["deepgram", "groq", "elevenlabs"]);
    assert_eq!(names("", &[keys[0], keys[1], groq, keys[2]]), ["deepgram", "openai", "elevenlabs"], "in their order");
    assert_eq!(names("[llm]\nprovider = \"groq\"", &[&keys[..], &[groq]].concat())[1], "groq", "what is named counts");
    // A place or a key without a name is the usual vendor's.
    let place = "[llm]\nbase_url = \"http://127.0.0.1:1/v1\"";
    assert_eq!(names(place, &[keys[0], groq, keys[2]])[1], "openai");
    assert_eq!(names("", &[("DEEPGRAM_API_KEY", " "), ("OPENAI_API_KEY", "")]), ["simulator"; 3], "blanks are no key");
}

#[test]
fn a_base_url_alone_makes_real_what_is_usual_or_ones_own() {
    let config = parse(
        &format!(
            "{AGENT}[llm]\nmodel = \"llama3.2\"\n[stt]\nprovider = \"simulator\"\n[tts]\nprovider = \"simulator\"\n"
        ),
        &[("OLLAMA_BASE_URL", "http://127.0.0.1:11434/v1")],
    )
    .unwrap();
    assert_eq!((config.llm.stage.name, config.llm.stage.vendor), ("ollama", LlmVendor::OpenAi));
    assert_eq!((config.llm.stage.model.as_deref(), &config.llm.stage.key), (Some("llama3.2"), &None));
    // A server that has a model does not hear and speak for that.
    let told = problems(AGENT, &[("OPENAI_BASE_URL", "http://127.0.0.1:11434/v1")]);
    assert!(told.contains("DEEPGRAM_API_KEY: is not set") && told.contains("ELEVENLABS_API_KEY: is not set"), "{told}");
}

#[test]
fn a_server_of_ones_own_needs_neither_key_nor_address() {
    let rest = "[stt]\nprovider = \"simulator\"\n[tts]\nprovider = \"simulator\"\n";
    for (name, url) in [("ollama", "http://127.0.0.1:11434/v1"), ("vllm", "http://127.0.0.1:8000/v1")] {
        let text = format!("{rest}[llm]\nprovider = \"{name}\"\nmodel = \"m\"\n{AGENT}");
        let config = parse(&text, &[]).unwrap();
        assert_eq!((config.llm.stage.base_url.as_deref(), &config.llm.stage.key), (Some(url), &None));
        assert_eq!(config.simulated(), ["stt", "tts"]);
        let told = problems(&text.replace("model = \"m\"\n", ""), &[]);
        assert!(told.contains(&format!("[llm] model: is missing; expected the name of a model that {name}")), "{told}");
    }
    // It still is a real service: what stands beside it for want of a key is told.
    let text = format!("[llm]\nprovider = \"llamacpp\"\n{AGENT}");
    assert_eq!(problems(&text, &[]).lines().count(), 2);
}

#[test]
fn a_host_that_speaks_anothers_protocol_has_its_own_address_key_and_model() {
    let keys = [
        ("GROQ_API_KEY", "gq-1"),
        ("OPENAI_API_KEY", "sk-1"),
        ("DEEPGRAM_API_KEY", "dg-1"),
        ("ELEVENLABS_API_KEY", "el-1"),
    ];
    let text =
        format!("[llm]\nprovider = \"groq\"\n[llm.backup]\nprovider = \"openrouter\"\nkey_env = \"ROUTER\"\n{AGENT}");
    let config = parse(&text, &[&keys[..], &[("ROUTER", "or-1")]].concat()).unwrap();
    let revealed = |stage: &Stage<LlmVendor>| stage.key.as_ref().map(|key| key.reveal().clone());
    let (groq, router) = (&config.llm.stage, config.backups.llm.as_ref().unwrap());
    assert_eq!(
        (groq.base_url.as_deref(), revealed(groq)),
        (Some("https://api.groq.com/openai/v1"), Some("gq-1".into()))
    );
    assert!(groq.model.is_some());
    assert_eq!((router.name, revealed(router)), ("openrouter", Some("or-1".into())));
    assert_eq!(router.base_url.as_deref(), Some("https://openrouter.ai/api/v1"));
    // Without its own key it is not used with another's.
    let told = problems(&format!("[llm]\nprovider = \"groq\"\n{AGENT}"), &keys[1..]);
    assert!(told.starts_with("GROQ_API_KEY: is not set"), "{told}");
    let told = problems(&format!("[llm.backup]\nprovider = \"groq\"\n{AGENT}"), &keys[1..]);
    assert!(told.starts_with("GROQ_API_KEY: is not set; [llm.backup] needs it"), "{told}");
}

#[test]
fn a_stage_may_name_the_variable_with_its_key() {
    let text = format!("[llm]\nprovider = \"openai\"\nkey_env = \"WORK_KEY\"\n{AGENT}");
    let keys = [("WORK_KEY", "sk-work"), ("DEEPGRAM_API_KEY", "dg-1"), ("ELEVENLABS_API_KEY", "el-1")];
    let config = parse(&text, &keys).unwrap();
    assert_eq!(config.llm.stage.key.as_ref().map(|key| key.reveal().as_str()), Some("sk-work"));
    let told = problems(&text.replace("WORK_KEY", "sk-work-oops"), &keys);
    assert!(told.contains("[llm] key_env: expected the name of an environment variable"), "{told}");
    assert!(!told.contains("oops"), "{told}");
}

#[test]
fn a_voice_may_need_nothing_at_all() {
    let text = format!(
        "[stt]\nprovider = \"simulator\"\n[llm]\nprovider = \"ollama\"\nmodel = \"m\"\n[tts]\nprovider = \"espeak\"\n{AGENT}"
    );
    let config = parse(&text, &[]).unwrap();
    assert_eq!((config.tts.stage.vendor, config.simulated()), (TtsVendor::Espeak, vec!["stt"]));
    let told = problems(&text.replace("\"espeak\"", "\"espeak\"\nbase_url = \"http://127.0.0.1:1\""), &[]);
    assert!(told.contains("the espeak runs on this machine and has no base_url"), "{told}");
}

#[test]
fn prices_are_by_vendor_or_by_vendor_and_model() {
    let text = format!(
        "[prices]\ncurrency = \"EUR\"\n[prices.stt]\ndeepgram = 0.0077\n[prices.llm]\nopenai = {{ input = 2, output = 8.0 }}\n\
         \"openai/gpt-4.1-mini\" = {{ input = 0.4, output = 1.6 }}\n[prices.tts]\nelevenlabs = 0.05\n{AGENT}"
    );
    let prices = parse(&text, &[]).unwrap().prices.unwrap();
    assert_eq!((prices.currency.as_str(), &prices.stt[..]), ("EUR", &[("deepgram".to_owned(), 0.0077)][..]));
    assert!(prices.llm.contains(&("openai/gpt-4.1-mini".into(), 0.4, 1.6)) && prices.llm.len() == 2);
    assert_eq!(prices.tts, [("elevenlabs".into(), 0.05)]);
    assert_eq!(parse(AGENT, &[]).unwrap().prices, None);
    for (from, to, expected) in [
        ("\"EUR\"", "\"euro\"", "[prices] currency: found \"euro\", expected three letters"),
        ("= 0.0077", "= -1", "[prices] stt: deepgram: expected a price"),
        ("= 0.05", "= \"cheap\"", "[prices] tts: elevenlabs: expected a price"),
        ("{ input = 2, output = 8.0 }", "2", "[prices] llm: openai: expected { input"),
        ("input = 2,", "in = 2,", "[prices] llm: openai: expected { input"),
    ] {
        let told = problems(&text.replace(from, to), &[]);
        assert!(told.contains(expected), "{to}: {told}");
    }
}

#[test]
fn voices_have_names_of_their_own() {
    let text = format!(
        "[tts]\nvoice = \"warm\"\n[tts.voices]\nwarm = \"nPczCjzI2devNBz1zQrb\"\n\"11labs-Anna\" = \"abc\"\n{AGENT}"
    );
    let tts = parse(&text, &[]).unwrap().tts;
    assert_eq!((tts.voice_id("warm"), tts.voice_id("11labs-Anna")), ("nPczCjzI2devNBz1zQrb", "abc"));
    assert_eq!(tts.voice_id("another"), "another", "what has no name is the vendor's id");
    assert!(problems(&text.replace("\"abc\"", "7"), &[]).contains("[tts] voices: 11labs-Anna: expected a text"));
}
