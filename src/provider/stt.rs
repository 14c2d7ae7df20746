//! Speech to text.

use std::fmt;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::audio::{Frame, SampleRate};
use crate::conversation::Transcript;

use super::{AbortOnDrop, ProviderError};

/// A recogniser.
pub trait Stt: Send + Sync + fmt::Debug {
    /// Opens a stream for one call. Connecting happens behind the stream; what is sent meanwhile is kept.
    fn open(&self, spec: SttSpec) -> SttStream;

    /// How long this vendor's final may take after the voice ended, 99 times of 100.
    fn final_wait(&self) -> Duration {
        usual_final_wait("")
    }
}

/// How long the final of a vendor may take after the voice ended, 99 times of 100; one that is not known has a second.
/// The figures are those of the field's published measurements.
pub fn usual_final_wait(vendor: &str) -> Duration {
    const KNOWN: [(&str, u64); 7] = [
        ("deepgram", 350),
        ("soniox", 350),
        ("assemblyai", 420),
        ("elevenlabs", 410),
        ("gladia", 1_490),
        ("openai transcription", 1_660),
        ("speechmatics", 740),
    ];
    let known = KNOWN.into_iter().find(|(name, _)| *name == vendor).map(|(_, millis)| millis);
    Duration::from_millis(known.unwrap_or(1_000))
}

/// What a recogniser is told once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SttSpec {
    /// BCP 47 language, `en-US`.
    pub language: String,
    /// Rate of the frames that will come.
    pub rate: SampleRate,
    /// Model name; `None`: the vendor's telephone default.
    pub model: Option<String>,
}

/// What the owner tells the task behind an [`SttStream`].
#[derive(Clone, Debug)]
pub enum SttCommand {
    /// More of the caller's sound.
    Audio {
        /// Its rate: that of [`SttSpec`].
        rate: SampleRate,
        /// At most 120 ms.
        samples: Box<[i16]>,
    },
    /// Give what you have.
    Finalize,
}

/// What a recogniser tells.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum SttEvent {
    /// Words. Finals follow one another; an interim holds only the words after the last final and replaces the interim
    /// before it; the text of an end of turn, often empty, belongs behind the finals. A final without text answers
    /// [`SttCommand::Finalize`] when there was nothing to settle.
    Transcript(Transcript),
    /// The connection was lost and is up again; everything since the last settled words was sent again.
    Reconnected {
        /// The sound that had to make room meanwhile and was never sent.
        lost: Duration,
    },
    /// It is over: no words will come any more.
    Failed(ProviderError),
}

/// One open recogniser. Dropping it closes the connection.
#[derive(Debug)]
pub struct SttStream {
    commands: mpsc::Sender<SttCommand>,
    events: mpsc::Receiver<SttEvent>,
    dropped: u64,
    _task: AbortOnDrop,
}

impl SttStream {
    /// Two seconds of 20 ms frames: what may wait while the socket is busy.
    pub const COMMANDS: usize = 100;
    /// More than any vendor sends between two turns of a driver.
    pub const EVENTS: usize = 64;

    /// A stream whose `task` reads the commands and writes the events.
    pub fn spawn<F>(task: impl FnOnce(mpsc::Receiver<SttCommand>, mpsc::Sender<SttEvent>) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (commands, command_receiver) = mpsc::channel(Self::COMMANDS);
        let (event_sender, events) = mpsc::channel(Self::EVENTS);
        Self { commands, events, dropped: 0, _task: AbortOnDrop::spawn(task(command_receiver, event_sender)) }
    }

    /// Hands over sound. Never waits: when the task is more than two seconds behind, the frame is dropped and counted,
    /// here and in `agentphone_stt_audio_dropped_total`.
    pub fn send<const N: usize>(&mut self, frame: &Frame<N>) {
        let sound = SttCommand::Audio { rate: frame.rate(), samples: frame.samples().into() };
        if self.commands.try_send(sound).is_err() {
            self.dropped += 1;
            count_dropped_audio();
        }
    }

    /// Whether there is room for a frame or a request; `false` also once the task has ended.
    pub fn has_room(&self) -> bool {
        self.commands.capacity() > 0 && !self.commands.is_closed()
    }

    /// Waits until there is room; forever once the task has ended, which [`recv`](Self::recv) tells. A wait that is
    /// dropped loses its place.
    pub fn room(&self) -> impl Future<Output = ()> + Send + use<> {
        let commands = self.commands.clone();
        async move {
            if commands.reserve().await.is_err() {
                std::future::pending().await
            }
        }
    }

    /// Asks for what it has.
    pub fn finalize(&mut self) {
        if self.commands.try_send(SttCommand::Finalize).is_err() {
            self.dropped += 1;
        }
    }

    /// The next event; `None` once the task has ended. Cancel-safe.
    pub async fn recv(&mut self) -> Option<SttEvent> {
        self.events.recv().await
    }

    /// Frames that could not be handed over.
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }
}

/// Counts a frame of a caller that no recogniser will hear.
pub(super) fn count_dropped_audio() {
    metrics::counter!("agentphone_stt_audio_dropped_total").increment(1);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::Piece;

    #[test]
    fn each_vendors_final_has_its_own_time() {
        let waits =
            ["deepgram", "assemblyai", "elevenlabs", "somebody"].map(|vendor| usual_final_wait(vendor).as_millis());
        assert_eq!(waits, [350, 420, 410, 1_000]);
    }

    #[tokio::test]
    async fn sound_for_a_task_that_is_two_seconds_behind_is_dropped_and_counted() {
        let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
        let _guard = metrics::set_default_local_recorder(&recorder);
        let mut stream = SttStream::spawn(|commands, _events| async move {
            let _commands = commands;
            std::future::pending().await
        });
        for _ in 0..SttStream::COMMANDS {
            stream.send(&Piece::silence(SampleRate::HZ_8000, Duration::from_millis(20)));
        }
        assert_eq!(stream.dropped(), 0);
        for _ in 0..3 {
            stream.send(&Piece::silence(SampleRate::HZ_8000, Duration::from_millis(20)));
        }
        assert_eq!(stream.dropped(), 3);
        let page = recorder.handle().render();
        assert!(page.contains("agentphone_stt_audio_dropped_total 3\n"), "{page}");
    }
}
