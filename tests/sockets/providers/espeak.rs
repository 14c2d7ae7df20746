use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use agentphone::audio::SampleRate;
use agentphone::conversation::Failure;
use agentphone::provider::{Espeak, EspeakConfig, Tts, TtsEvent, TtsSpec, TtsStream};

use super::server::bounded;

/// The beginning of a WAV file at 22.05 kHz, for `printf`.
const HEADER: &str = r"RIFF\377\377\377\377WAVEfmt \020\000\000\000\001\000\001\000\042\126\000\000\104\254\000\000\002\000\020\000data\377\377\377\377";

/// A folder with a program in place of espeak-ng. It goes when dropped.
struct Program(PathBuf);

impl Program {
    fn new(name: &str, script: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("agentphone-espeak-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let program = folder.join("espeak");
        let header = format!("printf '{HEADER}'");
        let script = script.replace("HEADER", &header).replace("FOLDER", &folder.display().to_string());
        fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        Self(folder)
    }

    fn open(&self, patience: Duration) -> TtsStream {
        let config = EspeakConfig { program: self.0.join("espeak"), patience, ..Default::default() };
        Espeak::new(config).unwrap().open(spec())
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.join(name)).unwrap_or_default()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn spec() -> TtsSpec {
    TtsSpec { voice: None, language: "en-GB".into(), speed: 1.2, rate: SampleRate::HZ_8000 }
}

/// The samples, the rate and the last event.
async fn all(mut stream: TtsStream) -> (Vec<i16>, Option<SampleRate>, TtsEvent) {
    let (mut sound, mut at) = (Vec::new(), None);
    loop {
        match bounded(stream.recv()).await.expect("a last event") {
            TtsEvent::Audio { samples, rate } => {
                sound.extend(samples);
                at = Some(rate);
            }
            TtsEvent::Words(_) => {}
            last => return (sound, at, last),
        }
    }
}

const PATIENCE: Duration = Duration::from_secs(10);

#[tokio::test]
async fn text_goes_in_at_the_standard_input_and_sound_comes_out_of_the_standard_output() {
    let program = Program::new("says", "echo \"$@\" >> FOLDER/arguments\nHEADER\ncat");
    let mut stream = program.open(PATIENCE);
    for text in ["Say; `rm`. ", "-v bye!!"] {
        assert!(stream.speak(text.to_owned()));
    }
    stream.end();
    let (sound, rate, last) = all(stream).await;
    let bytes: Vec<u8> = sound.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    assert_eq!((String::from_utf8(bytes).unwrap().as_str(), last), ("Say; `rm`.-v bye!!", TtsEvent::Ended));
    assert_eq!(rate, SampleRate::new(22_050));
    let arguments = program.read("arguments");
    assert_eq!(arguments, "-v en-gb -s 210 -b 1 --stdin --stdout\n".repeat(2));
}

#[tokio::test]
async fn a_dropped_reply_ends_its_process() {
    let program = Program::new("hangs", "echo $$ > FOLDER/pid\nHEADER\nprintf '\\001\\000\\002\\000'\nexec sleep 1000");
    let mut stream = program.open(PATIENCE);
    stream.speak("Hello.".into());
    assert!(matches!(bounded(stream.recv()).await, Some(TtsEvent::Audio { .. })));
    let process = Path::new("/proc").join(program.read("pid").trim());
    assert!(process.join("stat").exists(), "it runs");
    drop(stream);
    bounded(async {
        while process.exists() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_process_that_hangs_fails_or_says_no_wav_is_a_failure() {
    for (name, script, kind) in [
        ("stalls", "exec sleep 1000", Failure::Timeout),
        ("fails", "cat > /dev/null\nexit 1", Failure::BadRequest),
        ("text", "cat", Failure::Protocol),
    ] {
        let program = Program::new(name, script);
        let mut stream = program.open(if name == "stalls" { Duration::from_millis(300) } else { PATIENCE });
        stream.speak("Hello.".into());
        stream.end();
        let TtsEvent::Failed(error) = all(stream).await.2 else { panic!("{name}") };
        assert_eq!(error.kind, kind, "{name}: {error}");
        assert!(!error.message.contains("Hello"), "{name}: {error}");
    }
}

/// Where it is installed.
#[tokio::test]
async fn the_true_program_is_understood() {
    let Ok(voice) = Espeak::new(EspeakConfig::default()) else { return };
    for (language, text) in [("en-US", "Good day, how may I help?"), ("de-AT", "Grüß Gott, was darf es sein?")] {
        let mut stream = voice.open(TtsSpec { language: language.into(), speed: 1.0, ..spec() });
        stream.speak(text.into());
        stream.end();
        let (sound, rate, last) = all(stream).await;
        assert_eq!((rate, last), (SampleRate::new(22_050), TtsEvent::Ended), "{language}");
        assert!((22_050..4 * 22_050).contains(&sound.len()), "{language}: {} samples", sound.len());
        assert!(sound.iter().any(|sample| sample.unsigned_abs() > 3_000), "{language}: it is heard");
    }
}
