//! Voices that are asked once for each segment, the next one under way while the former is heard.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{self, Receiver, Sender};

use crate::audio::SampleRate;
use crate::conversation::WordTime;
use crate::provider::{AbortOnDrop, ProviderError, TtsCommand, TtsEvent, TtsSpec, TtsStream};

/// Requests under way at once: the one that is heard and the one after it.
const REQUESTS: usize = 2;
/// Chunks a request may be ahead of what is heard; then its socket holds the server back.
const CHUNKS: usize = 8;

/// Samples with their rate, or why there are no more.
pub(in crate::provider) type Chunk = Result<(Vec<i16>, SampleRate), ProviderError>;
/// Where the sound of one segment goes.
pub(in crate::provider) type Chunks = Sender<Chunk>;

/// A voice that speaks one segment at a request.
pub(in crate::provider) trait Source: Send + Sync + fmt::Debug + 'static {
    /// The longest text of one request, in characters.
    const LONGEST: usize;

    /// Asks for the sound of `text`, which has no blanks around it, and hands it on. Dropping it breaks the request off.
    fn fetch(
        &self,
        spec: &TtsSpec,
        text: &str,
        chunks: &Chunks,
    ) -> impl Future<Output = Result<(), ProviderError>> + Send;
}

/// Speaks one reply with `source`. There are no word times: the end of each segment is told as if it were one word, so that
/// what was heard can be anchored there.
pub(in crate::provider) fn open<S: Source>(source: Arc<S>, spec: TtsSpec) -> TtsStream {
    TtsStream::spawn(move |commands, events| async move {
        let reply = Reply { source, spec, events: events.clone(), text: 0, blanks: 0, sound: Sound::default() };
        let last = match reply.speak(commands).await {
            Ok(()) => TtsEvent::Ended,
            Err(error) => TtsEvent::Failed(error),
        };
        // Fails only when nobody listens.
        let _ = events.send(last).await;
    })
}

/// One reply being spoken.
struct Reply<S> {
    source: Arc<S>,
    spec: TtsSpec,
    events: Sender<TtsEvent>,
    /// Where in the reply's text the segment that is heard begins, in bytes.
    text: usize,
    /// Blanks that were not asked for and belong to the next segment, in bytes.
    blanks: usize,
    /// The sound given out so far.
    sound: Sound,
}

/// How much sound there was, exactly: rounding each chunk would add up.
#[derive(Clone, Copy, Default, Debug)]
struct Sound {
    /// What came at another rate, before.
    before: Duration,
    samples: usize,
    rate: Option<SampleRate>,
}

impl Sound {
    fn add(&mut self, samples: usize, rate: SampleRate) {
        if self.rate != Some(rate) {
            *self = Self { before: self.length(), samples: 0, rate: Some(rate) };
        }
        self.samples += samples;
    }

    fn length(&self) -> Duration {
        self.before + self.rate.map_or(Duration::ZERO, |rate| rate.duration_of(self.samples))
    }
}

/// One segment on its way: its samples and, when its request fails, why.
struct Segment {
    bytes: usize,
    chunks: Receiver<Chunk>,
    _task: AbortOnDrop,
}

impl<S: Source> Reply<S> {
    async fn speak(mut self, mut commands: Receiver<TtsCommand>) -> Result<(), ProviderError> {
        let mut pieces: VecDeque<String> = VecDeque::new();
        let mut segments: VecDeque<Segment> = VecDeque::new();
        let mut began = Duration::ZERO;
        let mut open = true;
        loop {
            while segments.len() < REQUESTS
                && let Some(piece) = pieces.pop_front()
            {
                if piece.trim().is_empty() {
                    // Nothing to say: it must not take the place of the next request.
                    self.blanks += piece.len();
                } else {
                    segments.push_back(self.request(piece));
                }
            }
            if !open && segments.is_empty() {
                return Ok(());
            }
            tokio::select! {
                // One command's pieces at a time: what else waits, waits in the bounded queue.
                command = commands.recv(), if open && pieces.is_empty() => match command {
                    Some(TtsCommand::Speak(text)) => pieces.extend(split(&text, S::LONGEST)),
                    Some(TtsCommand::End) | None => open = false,
                },
                chunk = next(&mut segments), if !segments.is_empty() => match chunk {
                    Some(Ok((samples, rate))) => self.hear(samples, rate).await,
                    Some(Err(error)) => return Err(error),
                    None => {
                        let bytes = segments.pop_front().map_or(0, |segment| segment.bytes);
                        self.anchor(bytes, std::mem::replace(&mut began, self.sound.length())).await;
                    }
                },
            }
        }
    }

    /// Asks for one segment; a task of its own reads it, so that it comes in while the former is heard.
    fn request(&mut self, text: String) -> Segment {
        let (sender, chunks) = mpsc::channel(CHUNKS);
        let bytes = std::mem::take(&mut self.blanks) + text.len();
        let (source, spec) = (Arc::clone(&self.source), self.spec.clone());
        let task = AbortOnDrop::spawn(async move {
            if let Err(error) = source.fetch(&spec, text.trim(), &sender).await {
                // Fails only when nobody listens.
                let _ = sender.send(Err(error)).await;
            }
        });
        Segment { bytes, chunks, _task: task }
    }

    async fn hear(&mut self, samples: Vec<i16>, rate: SampleRate) {
        if samples.is_empty() {
            return;
        }
        self.sound.add(samples.len(), rate);
        // Fails only when nobody listens.
        let _ = self.events.send(TtsEvent::Audio { samples, rate }).await;
    }

    async fn anchor(&mut self, bytes: usize, began: Duration) {
        self.text += bytes;
        let end = self.sound.length();
        if end > began {
            let word = WordTime { text_end: self.text, start: began, end };
            // Fails only when nobody listens.
            let _ = self.events.send(TtsEvent::Words(vec![word])).await;
        }
    }
}

async fn next(segments: &mut VecDeque<Segment>) -> Option<Chunk> {
    segments.front_mut()?.chunks.recv().await
}

/// `text` in pieces that one request may hold, cut behind blanks where there are some.
fn split(text: &str, longest: usize) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((limit, _)) = rest.char_indices().nth(longest) {
        let (front, _) = rest.split_at(limit);
        let cut = front
            .rfind(char::is_whitespace)
            .map_or(limit, |blank| blank + front[blank..].chars().next().map_or(0, char::len_utf8));
        let (piece, behind) = rest.split_at(cut);
        pieces.push(piece.to_owned());
        rest = behind;
    }
    if !rest.is_empty() {
        pieces.push(rest.to_owned());
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_words_and_loses_nothing() {
        const LONGEST: usize = 4_096;
        let text = "größer ".repeat(1_500);
        let pieces = split(&text, LONGEST);
        assert_eq!(pieces.concat(), text);
        assert_eq!(pieces.len(), 3);
        assert!(pieces.iter().all(|piece| piece.ends_with(' ') && piece.chars().count() <= LONGEST));
        let solid = "ß".repeat(LONGEST + 1);
        assert_eq!(split(&solid, LONGEST).concat(), solid);
        assert_eq!(split("", LONGEST), Vec::<String>::new());
    }
}
