//! What a configuration says, and what is said about a bad one.

use std::time::Duration;

use super::*;

mod documents;
mod vendors;

const AGENT: &str = "[[agents]]\nid = \"desk\"\nsystem_prompt = \"Be brief.\"\n";

fn parse(text: &str, env: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let env = |name: &str| env.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
    Config::parse("a.toml", text, None, &env)
}

fn problems(text: &str, env: &[(&str, &str)]) -> String {
    parse(text, env).expect_err("the configuration is bad").to_string()
}

#[test]
fn the_example_is_valid_and_runs_on_simulators_without_keys() {
    let text = include_str!("../../agentphone.example.toml");
    let config = parse(text, &[]).unwrap();
    assert_eq!(config.simulated(), ["stt", "llm", "tts"]);
    assert_eq!(
        [config.stt.stand_in, config.llm.stage.stand_in, config.tts.stage.stand_in],
        [Some("DEEPGRAM"), Some("OPENAI"), Some("ELEVENLABS")]
    );
    assert_eq!(config.agents.len(), 1);
    assert_eq!(config.agents[0].id, "front-desk");
    // What is commented out must be right as well.
    let all: String = text
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(rest) if rest.starts_with('[') || rest.contains(" = ") => format!("{rest}\n"),
            _ => format!("{line}\n"),
        })
        .filter(|line| !line.contains("api_keys_file"))
        .collect();
    let config = parse(&all, &[]).unwrap();
    assert_eq!(config.llm.tiers.turbo.as_deref(), Some("gpt-4o-mini"));
    assert_eq!(config.rtp.advertise, Some("203.0.113.7".parse().unwrap()));
    assert!(config.rtp.require_srtp);
    assert_eq!(config.simulated(), [""; 0]);
}

#[test]
fn defaults_fill_what_is_not_said() {
    let config = parse(AGENT, &[]).unwrap();
    assert_eq!(config.server.listen, "127.0.0.1:8080".parse().unwrap());
    assert_eq!(config.server.drain, Duration::from_secs(30));
    assert_eq!(config.engine.max_calls, 100);
    assert_eq!((config.rtp.ports, config.rtp.ptime), (10_000..=20_000, Duration::from_millis(20)));
    assert_eq!((config.rtp.require_srtp, config.rtp.rest), (false, Duration::from_secs(30)));
    assert_eq!(config.recording, None);
    let agent = &config.agents[0];
    assert_eq!((agent.name.as_str(), agent.language.as_str()), ("desk", "en-US"));
    assert_eq!((agent.interruption_sensitivity, agent.max_silence_ms, agent.voice_speed), (0.8, None, 1.0));
    assert_eq!(agent.speculation_percent, 30);
    assert_eq!(agent.model_tier, ModelTier::Balanced);
    assert!(!agent.disable_recording);
}

#[test]
fn recordings_have_a_place_and_a_format() {
    for (said, format) in [
        ("", RecordingFormat::Pcm16),
        ("format = \"ulaw\"\n", RecordingFormat::Ulaw),
        ("format = \"opus\"\n", RecordingFormat::Opus),
    ] {
        let config = parse(&format!("[recording]\ndir = \"kept\"\n{said}{AGENT}"), &[]).unwrap();
        assert_eq!(config.recording, Some(Recording { directory: "kept".into(), format }));
    }
}

#[test]
fn an_agent_has_lines_and_waits_of_its_own() {
    let own = "idlePrompts = false\nmaxSilenceMs = 120000\n[agents.lines]\ngoodbye = \"Bye now.\"\nfiller = \"\"\n\
               backchannels = [\"hm\", \"ja ja\"]\n[agents.timing]\nendpoint_normal = \"0.4s\"\nhold_after = 120\n\
               idle_prompts = 3\n";
    let config = parse(&format!("{AGENT}{own}"), &[]).unwrap();
    let agent = &config.agents[0];
    assert_eq!((agent.idle_prompts, agent.max_silence_ms), (false, Some(120_000)));
    assert_eq!(agent.lines.texts, [("goodbye", "Bye now.".to_owned()), ("filler", String::new())]);
    assert_eq!(agent.lines.backchannels, Some(vec!["hm".to_owned(), "ja ja".to_owned()]));
    assert_eq!(agent.timing, [("hold_after", 120_000_000), ("endpoint_normal", 400_000_000), ("idle_prompts", 3)]);
}

#[test]
fn an_agent_says_words_its_own_way_and_fixed_lines_are_kept() {
    let own = "normalise = \"light\"\n[[agents.pronunciations]]\nwritten = \"SQL\"\nspoken = \"sequel\"\n\
               [[agents.pronunciations]]\nwritten = \"Dr. No\"\nspoken = \"doctor no\"\n";
    let config = parse(&format!("[engine]\nkept_speech_mb = 2\n{AGENT}{own}"), &[]).unwrap();
    let agent = &config.agents[0];
    assert_eq!(agent.normalise, "light");
    let words = [("SQL", "sequel"), ("Dr. No", "doctor no")];
    let words = words.map(|(written, spoken)| (written.to_owned(), spoken.to_owned()));
    assert_eq!(agent.pronunciations, words);
    assert_eq!(config.engine.kept_speech, 2 << 20);

    let inline = "pronunciations = [{ written = \"SQL\", spoken = \"sequel\" }]\n";
    let config = parse(&format!("{AGENT}{inline}"), &[]).unwrap();
    assert_eq!(config.agents[0].pronunciations, words[..1]);
    assert_eq!((config.agents[0].normalise, config.engine.kept_speech), ("full", 16 << 20));

    for (own, problem) in [
        ("normalise = \"some\"\n", "[[agents]] normalise: found \"some\""),
        ("[[agents.pronunciations]]\nwritten = \"SQL\"\n", "spoken: is missing"),
        ("[[agents.pronunciations]]\nwritten = \"!\"\nspoken = \"bang\"\n", "written: found \"!\", expected a word"),
        ("[[agents.pronunciations]]\nwritten = \"a\"\nspoken = \"b\"\nsay = 1\n", "say: unknown key"),
    ] {
        let found = problems(&format!("{AGENT}{own}"), &[]);
        assert!(found.contains(problem), "{own}: {found}");
    }
}

#[test]
fn a_line_or_wait_that_does_not_exist_is_told_with_one_that_does() {
    for (own, problem) in [
        ("[agents.timing]\nendpoint_norml = 3\n", "unknown key; did you mean `endpoint_normal`?"),
        ("[agents.timing]\nendpoint_normal = \"soon\"\n", "expected a time up to a day"),
        ("[agents.timing]\nendpoint_normal = \"-1s\"\n", "expected a time up to a day"),
        ("[agents.timing]\nidle_prompts = \"2s\"\n", "expected a count"),
        ("[agents.lines]\ngoodby = \"Bye.\"\n", "unknown key; did you mean `goodbye`?"),
        ("[agents.lines]\nbackchannels = [1]\n", "expected at most 20 texts"),
    ] {
        let found = parse(&format!("{AGENT}{own}"), &[]).unwrap_err().to_string();
        assert!(found.contains(problem), "{own}: {found}");
    }
}

#[test]
fn both_spellings_say_the_same() {
    let snake = "[server]\ndrain_seconds = 3\n[engine]\nmax_calls = 7\n[llm]\nmax_tokens = 9\n[[agents]]\n\
                 id = \"a\"\nsystem_prompt = \"p\"\nbegin_message = \"b\"\nmodel_tier = \"max\"\n\
                 interruption_sensitivity = 0\nmax_silence_ms = 10_000\nvoice_speed = 2\nspeculation_percent = 0\n";
    let camel = "[server]\ndrainSeconds = 3\n[engine]\nmaxCalls = 7\n[llm]\nmaxTokens = 9\n[[agents]]\n\
                 id = \"a\"\nsystemPrompt = \"p\"\nbeginMessage = \"b\"\nmodelTier = \"max\"\n\
                 interruptionSensitivity = 0\nmaxSilenceMs = 10_000\nvoiceSpeed = 2\nspeculationPercent = 0\n";
    let config = parse(snake, &[]).unwrap();
    assert_eq!(config, parse(camel, &[]).unwrap());
    assert_eq!(config.agents[0].begin_message.as_deref(), Some("b"));
    assert_eq!(config.llm.max_tokens, Some(9));
    let both = format!("{AGENT}systemPrompt = \"q\"\n");
    assert_eq!(problems(&both, &[]), "a.toml:4: [[agents]] system_prompt: is given in both spellings; keep one");
}

#[test]
fn a_key_or_a_base_url_makes_a_stage_real() {
    let env = [("DEEPGRAM_API_KEY", "dg-secret"), ("OPENAI_BASE_URL", "http://127.0.0.1:11434/v1")];
    let text = format!("{AGENT}[llm]\nbase_url = \"http://127.0.0.1:1/v1\"\n[tts]\nprovider = \"openai\"\n");
    let config = parse(&text, &env).unwrap();
    assert_eq!(config.simulated(), [""; 0]);
    assert_eq!(config.stt.key.as_ref().unwrap().reveal(), "dg-secret");
    assert_eq!(config.llm.stage.base_url.as_deref(), Some("http://127.0.0.1:11434/v1"), "the environment outranks");
    assert_eq!(config.tts.stage.vendor, TtsVendor::OpenAi);
    assert_eq!(config.tts.stage.key, None);
    let text = format!("{AGENT}[stt]\nprovider = \"simulator\"\n[tts]\nprovider = \"openai\"\n");
    let config = parse(&text, &env).unwrap();
    assert_eq!(config.simulated(), ["stt"]);
    assert_eq!(config.stt.stand_in, None, "it was asked for");
}

#[test]
fn a_backup_is_configured_like_its_stage_and_may_have_a_key_of_its_own() {
    let keys = [
        ("DEEPGRAM_API_KEY", "dg-secret"),
        ("OPENAI_API_KEY", "sk-secret"),
        ("OPENAI_BASE_URL", "https://first.example/v1"),
        ("ELEVENLABS_API_KEY", "el-secret"),
        ("GROQ_API_KEY", "gq-secret"),
    ];
    let text = format!(
        "{AGENT}[stt]\nbackup = {{ provider = \"deepgram\", base_url = \"wss://eu.example\" }}\n\
         [llm.backup]\nprovider = \"openai\"\nmodel = \"llama\"\nbaseUrl = \"https://api.groq.com/openai/v1\"\n\
         keyEnv = \"GROQ_API_KEY\"\n[tts.backup]\nprovider = \"openai\"\nvoice = \"alloy\"\n"
    );
    let config = parse(&text, &keys).unwrap();
    let Backups { stt: Some(stt), llm: Some(llm), tts: Some(tts) } = &config.backups else { panic!("{config:?}") };
    let revealed = |key: &Option<crate::conversation::Pii<String>>| key.as_ref().map(|key| key.reveal().clone());
    assert_eq!((stt.base_url.as_deref(), revealed(&stt.key)), (Some("wss://eu.example"), Some("dg-secret".into())));
    let url = "https://api.groq.com/openai/v1";
    assert_eq!(llm.base_url.as_deref(), Some(url), "its own address outranks the environment's");
    assert_eq!((llm.model.as_deref(), revealed(&llm.key)), (Some("llama"), Some("gq-secret".into())));
    assert_eq!((tts.stage.vendor, tts.voice.as_deref()), (TtsVendor::OpenAi, Some("alloy")));
    assert_eq!(tts.stage.base_url.as_deref(), Some("https://first.example/v1"));
    assert_eq!(config.llm.stage.base_url.as_deref(), Some("https://first.example/v1"));
    assert!(!format!("{config:?}").contains("-secret"));
    assert_eq!(parse(AGENT, &keys).unwrap().backups, Backups::default());
    // Beside stages that are simulated for want of keys, so is their backup.
    let config = parse(&format!("{AGENT}[tts.backup]\nprovider = \"openai\"\n"), &[]).unwrap();
    assert_eq!(config.backups.tts.unwrap().stage.vendor, TtsVendor::Simulator);
}

#[test]
fn a_backup_that_cannot_work_is_refused() {
    let keys = [("DEEPGRAM_API_KEY", "dg-1"), ("OPENAI_API_KEY", "sk-1"), ("ELEVENLABS_API_KEY", "el-1")];
    for (text, env, expected) in [
        ("[tts.backup]\nvoice = \"x\"", &keys[..], "[tts.backup] provider: is missing; expected one of \"elevenlabs\""),
        ("[tts.backup]\nprovider = \"acme\"", &keys, "[tts.backup] provider: found \"acme\", expected one of"),
        ("[stt.backup]\nprovider = \"simulator\"", &keys, "a simulator cannot stand by for a real service"),
        ("[llm.backup]\nprovider = \"openai\"\nkey = \"sk-oops\"", &keys, "[llm.backup] key: keys do not belong"),
        ("[llm.backup]\nprovider = \"openai\"\nkey_env = \"sk-oops\"", &keys, "key_env: expected the name of an"),
        (
            "[llm.backup]\nprovider = \"openai\"\nkey_env = \"GROQ_API_KEY\"",
            &keys,
            "GROQ_API_KEY: is not set; [llm.backup] needs it, or a base_url",
        ),
        ("[llm.backup]\nprovider = \"openai\"\ntemperature = 1", &keys, "[llm.backup] temperature: unknown key"),
        ("[llm.backup]\nprovider = \"openai\"\nbase_url = \"x\"", &keys, "[llm.backup] base_url: is no URL"),
    ] {
        let told = problems(&format!("{text}\n{AGENT}"), env);
        assert!(told.contains(expected), "{text:?}\n told: {told}\n want: {expected}");
        assert!(!told.contains("oops"), "{told}");
    }
    // A server that wants no key may be meant, but then its variable is not named.
    let text = "[llm.backup]\nprovider = \"openai\"\nbase_url = \"https://m.example\"\nkey_env = \"GROQ_API_KEY\"\n";
    let config = parse(&format!("{AGENT}{text}"), &keys).unwrap();
    assert!(config.warnings[0].to_string().starts_with("GROQ_API_KEY: is not set, though [llm.backup] names it"));
    // A key is not sent in the clear to a backup either.
    let text = format!("{AGENT}[llm.backup]\nprovider = \"openai\"\nbase_url = \"http://models.example/v1\"\n");
    let config = parse(&text, &keys).unwrap();
    assert_eq!(config.backups.llm.unwrap().key, None);
    assert!(config.warnings[0].to_string().starts_with("OPENAI_API_KEY: is not sent to http://models.example"));
}

#[test]
fn a_service_left_out_is_not_simulated_beside_a_real_one() {
    let told = problems(AGENT, &[("GROQ_API_KEY", "gq-secret-value")]);
    let lines: Vec<_> = told.lines().collect();
    assert_eq!(lines.len(), 2, "{told}");
    assert!(lines[0].starts_with("DEEPGRAM_API_KEY: is not set"), "{told}");
    assert!(lines[0].contains("or say `provider = \"simulator\"` in [stt]"), "{told}");
    assert!(lines[1].starts_with("ELEVENLABS_API_KEY: is not set"), "{told}");
    assert!(lines[1].contains("ELEVENLABS_BASE_URL") && lines[1].contains("[tts]"), "{told}");
    let told = problems(&format!("{AGENT}[stt]\nbase_url = \"http://127.0.0.1:1\"\n"), &[]);
    assert_eq!(told.lines().count(), 2, "a base URL counts like a key: {told}");
    // A simulator that was asked for is none that stands in.
    let asked = format!("{AGENT}[stt]\nprovider = \"simulator\"\n[tts]\nprovider = \"simulator\"\n");
    let config = parse(&asked, &[("OPENAI_API_KEY", "sk-secret-value")]).unwrap();
    assert_eq!(config.simulated(), ["stt", "tts"]);
    assert_eq!(parse(&asked, &[]).unwrap().simulated(), ["stt", "llm", "tts"]);
    // A wrong base URL is told once, as what it is.
    let told = problems(AGENT, &[("OPENAI_BASE_URL", "nonsense")]);
    assert!(told.contains("OPENAI_BASE_URL: is no URL") && !told.contains("OPENAI_API_KEY"), "{told}");
}

#[test]
fn a_key_does_not_travel_in_the_clear() {
    let keys =
        [("DEEPGRAM_API_KEY", "dg-secret"), ("OPENAI_API_KEY", "sk-secret"), ("ELEVENLABS_API_KEY", "el-secret")];
    for (url, kept) in [
        ("http://models.example/v1", false),
        ("ws://models.example/v1", false),
        ("http://192.168.1.7:8000/v1", false),
        ("http://localhost.example/v1", false),
        ("http://127.0.0.1.example/v1", false),
        ("https://models.example/v1", true),
        ("wss://models.example", true),
        ("http://127.0.0.1:11434/v1", true),
        ("http://localhost:11434/v1", true),
        ("ws://[::1]:9000", true),
    ] {
        let text = format!("{AGENT}[llm]\nbase_url = \"{url}\"\n");
        let from_file = parse(&text, &keys).unwrap();
        let from_env = parse(AGENT, &[&keys[..], &[("OPENAI_BASE_URL", url)]].concat()).unwrap();
        for config in [from_file, from_env] {
            assert_eq!(config.llm.stage.key.is_some(), kept, "{url}");
            assert_eq!(config.llm.stage.base_url.as_deref(), Some(url));
            assert!(config.stt.key.is_some() && config.tts.stage.key.is_some(), "the other keys stay");
            assert_eq!(config.warnings.len(), usize::from(!kept), "{url}");
            for warning in &config.warnings {
                let told = warning.to_string();
                assert!(told.starts_with("OPENAI_API_KEY: is not sent to") && told.contains(url), "{told}");
                assert!(told.contains("use https there") && !told.contains("sk-secret"), "{told}");
            }
        }
    }
}

#[test]
fn keys_of_the_server_can_stand_in_a_path() {
    assert!(parse(AGENT, &[("AGENTPHONE_API_KEY", "sk_live-0.1~Z")]).is_ok());
    for key in ["sk_live_a/b", "sk_live_a%41", "sk_live_a?b", "sk_live_a+b", "sk_live_a=b", "sk_live_a b"] {
        let told = problems(AGENT, &[("AGENTPHONE_API_KEY", key)]);
        assert!(told.starts_with("AGENTPHONE_API_KEY: holds characters a key cannot have"), "{told}");
        assert!(!told.contains("sk_live"), "{told}");
    }
}

#[test]
fn keys_never_print() {
    let env = [
        ("DEEPGRAM_API_KEY", "dg-secret-value"),
        ("OPENAI_API_KEY", "sk-secret-value"),
        ("ELEVENLABS_API_KEY", "el-secret-value"),
        ("AGENTPHONE_API_KEY", "sk_live_secret"),
    ];
    let printed = format!("{:?}", parse(AGENT, &env).unwrap());
    assert!(!printed.contains("secret-value") && !printed.contains("sk_live"), "{printed}");
    let told =
        problems(&format!("{AGENT}[stt]\napi_key = \"dg-secret-value\"\n"), &[("OPENAI_API_KEY", "sk bad-secret")]);
    assert!(!told.contains("secret-value") && !told.contains("bad-secret"), "{told}");
    assert!(told.contains("a.toml:5: [stt] api_key: keys do not belong in the file"), "{told}");
    assert!(told.contains("OPENAI_API_KEY: holds characters"), "{told}");
}

#[test]
fn a_reachable_address_needs_a_key() {
    let open = format!("[server]\nlisten = \"0.0.0.0:8080\"\n{AGENT}");
    let told = problems(&open, &[]);
    assert!(told.starts_with("a.toml:2: [server] listen: found 0.0.0.0:8080, which others can reach"), "{told}");
    let config = parse(&open, &[("AGENTPHONE_API_KEYS", "sk_live_1, sk_live_2")]).unwrap();
    assert_eq!(config.server.keys.len(), 2);
    let over = Config::parse("a.toml", AGENT, Some("[::]:80".parse().unwrap()), &|_| None).unwrap_err();
    assert_eq!(over.problems[0].place, "--listen");
}

#[test]
fn every_problem_is_told_with_its_place_what_was_found_and_what_was_expected() {
    for (text, expected) in [
        ("[server]\nlisten = \"here\"", "a.toml:2: [server] listen: found \"here\", expected an address and a port"),
        ("[server]\nlisten = 8080", "[server] listen: found an integer, expected a text in quotes"),
        ("[engine]\nmax_calls = 0", "a.toml:2: [engine] max_calls: found 0, expected 1 to 100000"),
        ("[engine]\nmax_calls = -1", "[engine] max_calls: found -1, expected 1 to 100000"),
        ("[engine]\nmax_cals = 1", "[engine] max_cals: unknown key; did you mean `max_calls`?"),
        ("[engine]\nmaxCals = 1", "[engine] maxCals: unknown key; did you mean `max_calls`?"),
        (
            "[engine]\ncolour = 1",
            "[engine] colour: unknown key; known here: max_calls, max_call_seconds, media_threads, cleaned_calls",
        ),
        ("[agnets]", "a.toml:1: agnets: unknown key; did you mean `agents`?"),
        ("[rtp]\nports = \"10000\"", "[rtp] ports: found \"10000\", expected a range of ports"),
        ("[rtp]\nptime = 25", "[rtp] ptime: found 25, expected 10, 20, 30, 40 or 60 milliseconds"),
        ("[rtp]\nports = \"20000-10000\"", "[rtp] ports: found \"20000-10000\", expected a range"),
        ("[rtp]\naddress = \"0.0.0.0\"", "a.toml:1: [rtp] advertise: is missing; expected the address to tell"),
        ("[recording]", "[recording] dir: is missing"),
        ("[recording]\ndir = \"r\"\nformat = \"mp3\"", "[recording] format: found \"mp3\", expected one of \"pcm16\""),
        ("[stt]\nprovider = \"deepgrm\"", "found \"deepgrm\", expected one of \"deepgram\", "),
        ("[stt]\nbase_url = \"localhost:1\"", "[stt] base_url: has the scheme \"localhost\""),
        ("[tts]\nbase_url = \"http://me:pw@h\"", "[tts] base_url: holds a user name or password"),
        ("[tts]\nprovider = \"simulator\"\nbase_url = \"http://h\"", "the simulator runs inside this process"),
        ("[llm]\ntemperature = 2.5", "[llm] temperature: found 2.5, expected 0 to 2"),
        ("[llm]\ntemperature = nan", "[llm] temperature: found NaN, expected 0 to 2"),
        ("[llm.tiers]\nfast = \"m\"", "a.toml:2: [llm.tiers] fast: unknown key"),
        ("llm = 3", "a.toml:1: llm: found an integer, expected a table [llm]"),
        ("[server]\nlisten = ", "a.toml:2: not TOML"),
        ("[server]\nlisten = \"127.0.0.1:1\"\nlisten = \"127.0.0.1:2\"", "a.toml:3: not TOML: duplicate key"),
        ("[[agents]]\nid = \"a b\"\nsystemPrompt = \"p\"", "[[agents]] id: found \"a b\", expected 1 to 64 letters"),
        ("[[agents]]\nsystemPrompt = \"p\"", "[[agents]] id: is missing; expected the agent's name in URLs"),
        ("[[agents]]\nid = \"b\"", "[[agents]] system_prompt: is missing; expected the instructions"),
        ("[[agents]]\nid = \"desk\"\nsystemPrompt = \"p\"", "\"desk\" is the id of another agent too"),
        ("[[agents]]\nid = \"b\"\nsystemPrompt = \"p\"\nvoiceSpeed = 3", "voice_speed: found 3, expected 0.5 to 2"),
        ("[[agents]]\nid = \"b\"\nsystemPrompt = \"p\"\nlanguage = \"English\"", "expected a language code like"),
        ("[[agents]]\nid = \"b\"\nsystemPrompt = \"p\"\nenableMessaging = true", "is not supported yet; leave it out"),
        ("[[agents]]\nid = \"b\"\nsystemPrompt = \"\"", "[[agents]] system_prompt: found an empty text"),
    ] {
        let agent = if text.starts_with("[[") { format!("{text}\n{AGENT}") } else { format!("{text}\n\n{AGENT}") };
        let told = problems(&agent, &[]);
        assert!(told.contains(expected), "{text:?}\n told: {told}\n want: {expected}");
    }
    assert!(problems("", &[]).contains("agents: is missing; expected at least one [[agents]] table"));
}

#[test]
fn all_problems_are_told_at_once_in_the_order_of_the_file() {
    let told = problems("[engine]\nmax_calls = 0\n[server]\nlisten = \"x\"\n[rtp]\nfoo = 1\n", &[]);
    let lines: Vec<_> = told.lines().map(|line| line.split(": ").next().unwrap_or_default()).collect();
    assert_eq!(lines, ["a.toml:1", "a.toml:2", "a.toml:4", "a.toml:6"]);
}

#[test]
fn a_missing_file_says_where_to_start() {
    let error = Config::load("/nonexistent/agentphone.toml".as_ref(), None, &|_| None).unwrap_err();
    assert_eq!(error.to_string(), "/nonexistent/agentphone.toml: no such file; start from agentphone.example.toml");
}

#[test]
fn the_hosted_options_of_the_api_are_read_in_both_spellings() {
    let text = "[[agents]]\nid = \"a\"\nsystemPrompt = \"p\"\ntransferNumber = \"+14155550100\"\nsttMode = \"accurate\"\n\
                enable_backchannel = false\nvoicemailMessage = \"Call back.\"\ncallScreeningIdentity = \"Ada\"\n\
                call_screening_purpose = \"a booking\"\ndenoisingMode = \"noise-and-background-speech-cancellation\"\n\
                ambient_sound = \"coffee-shop\"\nlevelVoices = false\nautoGain = true\nredactKeys = true\ndisableRecording = true\n";
    let agent = parse(text, &[]).unwrap().agents.remove(0);
    assert_eq!(agent.transfer_number.as_ref().map(|number| number.reveal().as_str()), Some("+14155550100"));
    assert!(agent.is_accurate && !agent.enable_backchannel && agent.redact_keys && agent.disable_recording);
    assert_eq!(agent.voicemail_message.as_deref(), Some("Call back."));
    assert_eq!(agent.call_screening_identity.as_deref(), Some("Ada"));
    assert_eq!(agent.call_screening_purpose.as_deref(), Some("a booking"));
    assert_eq!((agent.ambient_sound, agent.level_voices), ("coffee-shop", false));
    assert_eq!((agent.denoising_mode, agent.auto_gain), ("noise-and-background-speech-cancellation", true));
    let plain = parse(AGENT, &[]).unwrap().agents.remove(0);
    assert!(plain.level_voices && plain.enable_backchannel && !plain.is_accurate);
    assert_eq!((plain.transfer_number, plain.custom_tools), (None, Vec::new()));
    assert_eq!((plain.denoising_mode, plain.auto_gain), ("noise-cancellation", false));
    let silenced = text.replace("noise-and-background-speech-cancellation", "none");
    assert_eq!(parse(&silenced, &[]).unwrap().agents[0].denoising_mode, "none");
    let told = problems(&text.replace("+14155550100", "415-555-0100"), &[]);
    assert!(told.contains("transfer_number: expected a number in E.164") && !told.contains("0100\","), "{told}");
}

#[test]
fn custom_tools_are_read_with_their_headers_from_the_environment() {
    let text = "[tools]\nallow_http = true\n[[agents]]\nid = \"a\"\nsystemPrompt = \"p\"\n[[agents.customTools]]\n\
                name = \"look_up\"\ndescription = \"Finds a table.\"\nurl = \"https://example.com/look\"\nmethod = \"GET\"\n\
                timeoutMs = 4000\nexecutionMessage = \"Looking.\"\nheaders = { authorization = \"Bearer ${TOKEN}\" }\n\
                parameters = { type = \"object\", properties = { day = { type = \"string\" } }, required = [\"day\"] }\n\
                [[agents.tools]]\nname = \"quiet\"\ndescription = \"d\"\nurl = \"https://example.com/q\"\n\
                parameters = '{\"type\":\"object\"}'\nspeak_during_execution = false\n";
    let config = parse(text, &[("TOKEN", "secret-token")]).unwrap();
    assert!(config.tools.allow_http && !config.tools.allow_private);
    assert!(!format!("{config:?}").contains("secret-token"));
    let tools = &config.agents[0].custom_tools;
    assert_eq!((tools[0].name.as_str(), tools[0].is_get, tools[0].timeout.as_millis()), ("look_up", true, 4_000));
    assert_eq!(tools[0].headers[0].1.reveal(), "Bearer secret-token");
    let schema: serde_json::Value = serde_json::from_str(&tools[0].parameters).unwrap();
    assert_eq!(schema["properties"]["day"]["type"], "string");
    assert_eq!(tools[0].execution_message.as_deref(), Some("Looking."));
    assert_eq!(
        (tools[1].parameters.as_str(), tools[1].execution_message.as_deref()),
        (r#"{"type":"object"}"#, Some(""))
    );
    assert!(problems(text, &[]).contains("authorization names TOKEN, which is not set"));
    for (from, to, expected) in [
        ("name = \"quiet\"", "name = \"end_call\"", "is the name of a built-in tool"),
        ("name = \"quiet\"", "name = \"look_up\"", "is the name of another tool"),
        ("name = \"quiet\"", "name = \"a b\"", "expected letters, digits"),
        ("name = \"quiet\"", "", "name: is missing"),
        ("timeoutMs = 4000", "timeoutMs = 1", "expected 1000 to 120000"),
        ("parameters = '{\"type\":\"object\"}'", "parameters = '[1]'", "expected a JSON object"),
        ("speak_during_execution = false", "colour = 1", "unknown key"),
    ] {
        let told = problems(&text.replace(from, to), &[("TOKEN", "t")]);
        assert!(told.contains(expected), "{to}: {told}");
    }
}
