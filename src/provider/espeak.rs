//! espeak-ng as a child process: a voice with no account and no network, where it is installed.

use std::io::{Read, Write};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;

use crate::conversation::Failure;

use super::voice::{Chunks, SoundReader, Source, open_segments};
use super::{ProviderError, Tts, TtsSpec, TtsStream};

/// Words a minute at speed 1.0, as the program has it.
const WORDS_A_MINUTE: f32 = 175.0;
/// The speeds between 80 and 450 words a minute, which is what the program takes.
const SPEEDS: RangeInclusive<f32> = 0.5..=2.5;
/// Processes at once; more wait. One takes a few milliseconds for a segment.
const PROCESSES: usize = 8;
/// Bytes read at a time.
const BLOCK: usize = 8 * 1024;
/// Blocks that may wait; then the program waits with its full pipe.
const BLOCKS: usize = 4;

/// How to run espeak-ng.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EspeakConfig {
    /// The program: a name that is looked for in `PATH`, or a path.
    pub program: PathBuf,
    /// The voice for calls that name none, `en-us` or `de+f3`; empty: one for the language of the call.
    pub voice: String,
    /// How long the sound may keep waiting, at the beginning and later.
    pub patience: Duration,
}

impl Default for EspeakConfig {
    fn default() -> Self {
        Self { program: "espeak-ng".into(), voice: String::new(), patience: Duration::from_secs(5) }
    }
}

/// The voice, at 22.05 kHz. The end of each segment is told as if it were one word.
#[derive(Clone, Debug)]
pub struct Espeak(Arc<Service>);

#[derive(Debug)]
struct Service {
    config: EspeakConfig,
    processes: Semaphore,
}

impl Espeak {
    /// A voice; the error says that the program is not there.
    pub fn new(config: EspeakConfig) -> Result<Self, ProviderError> {
        let name = &config.program;
        let is_path = name.components().count() > 1;
        let path = std::env::var_os("PATH").unwrap_or_default();
        let is_there = match is_path {
            true => name.is_file(),
            false => std::env::split_paths(&path).any(|folder| folder.join(name).is_file()),
        };
        if !is_there {
            return Err(missing());
        }
        Ok(Self(Arc::new(Service { config, processes: Semaphore::new(PROCESSES) })))
    }
}

impl Tts for Espeak {
    fn speeds(&self, _spec: &TtsSpec) -> RangeInclusive<f32> {
        SPEEDS
    }

    fn voice_name(&self, spec: &TtsSpec) -> Option<String> {
        Some(format!("espeak-ng {}", self.0.voice(spec)))
    }

    fn open(&self, spec: TtsSpec) -> TtsStream {
        open_segments(Arc::clone(&self.0), spec)
    }
}

impl Service {
    /// The voice of a call. What could be taken for something else than a name is left out: it becomes an argument.
    fn voice(&self, spec: &TtsSpec) -> String {
        let named = spec.voice.as_deref().unwrap_or(&self.config.voice);
        let is_name = |c: char| c.is_ascii_alphanumeric() || "-_+".contains(c);
        let is_voice = named.starts_with(|c: char| c.is_ascii_alphanumeric()) && named.chars().all(is_name);
        if is_voice { named.to_owned() } else { language(&spec.language) }
    }

    fn start(&self, spec: &TtsSpec, text: &str) -> Result<(Running, std::process::ChildStdout), ProviderError> {
        let speed = spec.speed.clamp(*SPEEDS.start(), *SPEEDS.end()) * WORDS_A_MINUTE;
        let child = Command::new(&self.config.program)
            .args(["-v", &self.voice(spec), "-s", &format!("{speed:.0}"), "-b", "1", "--stdin", "--stdout"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let mut running = Running(child.map_err(|_| missing())?);
        let pipes = (running.0.stdin.take(), running.0.stdout.take());
        let (Some(mut stdin), Some(stdout)) = pipes else { return Err(failed("has no pipes")) };
        // No longer than a pipe takes without waiting.
        stdin.write_all(plain(text).as_bytes()).map_err(|_| failed("ended before it had read its text"))?;
        Ok((running, stdout))
    }
}

impl Source for Service {
    const LONGEST: usize = 2_000;

    async fn fetch(&self, spec: &TtsSpec, text: &str, chunks: &Chunks) -> Result<(), ProviderError> {
        // Never closed.
        let _permit = self.processes.acquire().await;
        let (mut running, stdout) = self.start(spec, text)?;
        let (blocks, mut read) = mpsc::channel(BLOCKS);
        // Ends with the program, which ends when this is dropped.
        tokio::task::spawn_blocking(move || relay(stdout, &blocks));
        let slow = |_| ProviderError::new(Failure::Timeout, "espeak-ng: no sound in time; is the machine overloaded?");
        let mut reader = SoundReader::wav();
        while let Some(block) = timeout(self.config.patience, read.recv()).await.map_err(slow)? {
            let samples = reader.push(&block).map_err(failed)?;
            if chunks.send(Ok((samples, reader.rate()))).await.is_err() {
                return Ok(());
            }
        }
        if !running.ended_well() {
            return Err(ProviderError::new(
                Failure::BadRequest,
                "espeak-ng: failed; check voice and language (`espeak-ng --voices` lists them)",
            ));
        }
        // Fails only when nobody listens.
        let _ = chunks.send(Ok((reader.finish(), reader.rate()))).await;
        Ok(())
    }
}

/// A process that ends with its owner.
#[derive(Debug)]
struct Running(Child);

impl Running {
    /// Whether it said all it was given. Called when its output has ended, as it is about to.
    fn ended_well(&mut self) -> bool {
        self.0.wait().is_ok_and(|status| status.success())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself; waiting for one that was killed takes no time, and leaves none behind.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Hands on what a program writes, until it ends or nobody reads.
fn relay(mut stdout: std::process::ChildStdout, blocks: &mpsc::Sender<Vec<u8>>) {
    let mut block = vec![0; BLOCK];
    while let Ok(count @ 1..) = stdout.read(&mut block) {
        if blocks.blocking_send(block.get(..count).unwrap_or_default().to_vec()).is_err() {
            return;
        }
    }
}

/// `text` without what the program takes for more than text: `[[…]]` holds phonemes.
fn plain(text: &str) -> String {
    text.replace("[[", "[ [").replace('\0', " ")
}

/// The program's name for a language: few have one for a region of their own.
fn language(tag: &str) -> String {
    const REGIONS: [&str; 8] = ["en-us", "en-gb", "es-419", "pt-br", "fr-be", "fr-ch", "zh-hk", "en-029"];
    let tag = tag.to_ascii_lowercase();
    let primary = tag.split('-').next().unwrap_or_default();
    match (tag.as_str(), primary) {
        ("zh-hk", _) => "yue".to_owned(),
        (region, _) if REGIONS.contains(&region) => region.to_owned(),
        (_, "en") => "en-us".to_owned(),
        (_, "zh") => "cmn".to_owned(),
        (_, "no") => "nb".to_owned(),
        (_, primary) if primary.chars().all(|c| c.is_ascii_alphanumeric()) && !primary.is_empty() => primary.to_owned(),
        _ => "en-us".to_owned(),
    }
}

fn missing() -> ProviderError {
    ProviderError::new(
        Failure::Unavailable,
        "espeak-ng: the program is not there; install it (`apt-get install espeak-ng`) or name its path",
    )
}

fn failed(what: &str) -> ProviderError {
    ProviderError::new(Failure::Protocol, format!("espeak-ng: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::SampleRate;

    fn spec(voice: Option<&str>, language: &str) -> TtsSpec {
        TtsSpec { voice: voice.map(str::to_owned), language: language.into(), speed: 1.0, rate: SampleRate::HZ_8000 }
    }

    #[test]
    fn a_voice_is_a_name_and_never_an_option() {
        let service = Service { config: EspeakConfig::default(), processes: Semaphore::new(1) };
        for (voice, language, expected) in [
            (None, "en-US", "en-us"),
            (None, "de-AT", "de"),
            (None, "zh-CN", "cmn"),
            (Some("de+f3"), "en-US", "de+f3"),
            (Some("-w/tmp/file"), "en-GB", "en-gb"),
            (Some("../x"), "fr", "fr"),
            (None, "--", "en-us"),
        ] {
            assert_eq!(service.voice(&spec(voice, language)), expected);
        }
    }

    #[test]
    fn a_program_that_is_not_there_is_told_at_the_start() {
        for program in ["espeak-ng-that-is-not-there", "/nowhere/espeak-ng"] {
            let error = Espeak::new(EspeakConfig { program: program.into(), ..Default::default() }).unwrap_err();
            assert_eq!(error.kind, Failure::Unavailable);
            assert!(error.message.contains("install"), "{error}");
        }
    }

    #[test]
    fn text_is_only_text() {
        assert_eq!(plain("Say [[h@loU]] now"), "Say [ [h@loU]] now");
    }
}
