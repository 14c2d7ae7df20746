//! One request for the sound of one segment.

use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use tokio::time::{Instant, timeout, timeout_at};

use crate::audio::SampleRate;
use crate::conversation::Failure;
use crate::provider::http::{self, Vendor};
use crate::provider::{ProviderError, Secret};

use super::body::BodyReader;
use super::segments::Chunks;
use super::sound::{Format, ulaw};

/// A request for sound, and how long it may take.
#[derive(Debug)]
pub(in crate::provider) struct Fetch<'a> {
    /// Whom errors are about.
    pub vendor: &'a Vendor,
    /// The key, so that it is not repeated in an error.
    pub key: &'a Secret,
    /// How long the first sound may take, connecting included.
    pub first_audio: Duration,
    /// How long the sound may pause after that.
    pub idle: Duration,
}

impl Fetch<'_> {
    /// Sends `request` and hands on what `reader` makes of the answer's body.
    pub(in crate::provider) async fn run(
        &self,
        request: reqwest::RequestBuilder,
        mut reader: SoundReader,
        chunks: &Chunks,
    ) -> Result<(), ProviderError> {
        let vendor = self.vendor;
        let slow = |_| vendor.failure(Failure::Timeout, "no sound in time");
        let first_audio = Instant::now() + self.first_audio;
        let sent = timeout_at(first_audio, request.send()).await.map_err(slow)?;
        let mut response = sent.map_err(|error| vendor.transport(&error))?;
        if !response.status().is_success() {
            return Err(http::refusal(vendor, response, self.key).await);
        }
        let content_type =
            response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !is_sound(content_type) {
            return Err(vendor.failure(Failure::Protocol, "the server sent something other than raw or WAV sound"));
        }
        let mut read = timeout_at(first_audio, response.chunk()).await.map_err(slow)?;
        while let Some(bytes) = read.map_err(|error| vendor.transport(&error))? {
            let samples = reader.push(&bytes).map_err(|what| vendor.failure(Failure::Protocol, what))?;
            if chunks.send(Ok((samples, reader.rate()))).await.is_err() {
                return Ok(());
            }
            let stalled = |_| vendor.failure(Failure::Timeout, "the sound stalled");
            read = timeout(self.idle, response.chunk()).await.map_err(stalled)?;
        }
        // Fails only when nobody listens.
        let _ = chunks.send(Ok((reader.finish(), reader.rate()))).await;
        Ok(())
    }
}

/// Makes samples of a body that comes in pieces.
#[derive(Debug)]
pub(in crate::provider) enum SoundReader {
    /// µ-law at 8 kHz.
    Ulaw,
    /// Raw 16-bit samples, or a WAV file of them.
    Linear(BodyReader),
}

impl SoundReader {
    /// A reader for sound in `format`; a WAV header says otherwise.
    pub(in crate::provider) fn new(format: Format) -> Self {
        match format {
            Format::Ulaw => Self::Ulaw,
            Format::Wide | Format::Full => Self::linear(format.rate()),
        }
    }

    /// A reader for 16-bit samples at `rate`; a WAV header says otherwise.
    pub(in crate::provider) fn linear(rate: SampleRate) -> Self {
        Self::Linear(BodyReader::new(rate))
    }

    /// A reader for WAV files of 16-bit samples, which refuses anything else.
    pub(in crate::provider) fn wav() -> Self {
        Self::Linear(BodyReader::wav())
    }

    /// The rate of the samples given so far and from here on.
    pub(in crate::provider) const fn rate(&self) -> SampleRate {
        match self {
            Self::Ulaw => SampleRate::HZ_8000,
            Self::Linear(reader) => reader.rate(),
        }
    }

    /// Takes the next bytes; the error says what is wrong with them.
    pub(in crate::provider) fn push(&mut self, bytes: &[u8]) -> Result<Vec<i16>, &'static str> {
        match self {
            Self::Ulaw => Ok(ulaw(bytes)),
            Self::Linear(reader) => reader.push(bytes),
        }
    }

    /// The body is over: gives what was held back.
    pub(in crate::provider) fn finish(&mut self) -> Vec<i16> {
        match self {
            Self::Ulaw => Vec::new(),
            Self::Linear(reader) => reader.finish(),
        }
    }
}

/// Whether a body of this type may be raw samples. Compressed sound or text played as samples would be a loud noise.
fn is_sound(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    const NOT_RAW: [&str; 9] = [
        "audio/mpeg",
        "audio/mp3",
        "audio/ogg",
        "audio/opus",
        "audio/aac",
        "audio/flac",
        "audio/webm",
        "audio/mp4",
        "",
    ];
    match kind.split_once('/') {
        Some(("audio", _)) => !NOT_RAW.contains(&kind.as_str()),
        Some(("application", subtype)) => subtype == "octet-stream",
        _ => kind.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compressed_sound_is_never_played_as_samples() {
        for good in ["", "audio/pcm", "audio/wav", "audio/x-wav", "application/octet-stream", "audio/L16; rate=24000"] {
            assert!(is_sound(good), "{good}");
        }
        for bad in ["audio/mpeg", "audio/ogg; codecs=opus", "application/json", "text/html"] {
            assert!(!is_sound(bad), "{bad}");
        }
    }
}
