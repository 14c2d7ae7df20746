//! Callers on Twilio Media Streams: a WebSocket each, and a far side that plays what it is sent at the pace of speech.
//!
//! The other end may be any engine of that protocol, so nothing here is shared with `gateway`.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use serde_json::json;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;

use super::rtp::Measured;
use super::sound::{PTIME, Script};
use super::talk::Talk;

/// Callers on Twilio Media Streams; they hang up when it is dropped.
#[derive(Debug)]
pub(super) struct Callers {
    script: Arc<Script>,
    url: String,
    measured: Arc<Mutex<Measured>>,
    lines: Vec<Arc<Mutex<Line>>>,
    tasks: JoinSet<()>,
}

/// One caller and the far side of its line.
#[derive(Debug)]
struct Line {
    talk: Talk,
    playout: Playout,
    is_dropped: bool,
}

/// What the far side does with the sound it is sent: plays it, one piece after the other.
#[derive(Debug, Default)]
struct Playout {
    /// Pieces and marks that have not begun to sound, each with its time.
    waiting: VecDeque<(Instant, Piece)>,
    /// When everything received so far will have sounded.
    until: Option<Instant>,
}

#[derive(Debug)]
enum Piece {
    Sound(Vec<u8>),
    Mark(String),
}

/// What an engine sends.
#[derive(Deserialize)]
struct Incoming {
    event: String,
    media: Option<Media>,
    mark: Option<Mark>,
}

#[derive(Deserialize)]
struct Media {
    payload: String,
}

#[derive(Deserialize)]
struct Mark {
    name: String,
}

/// A far side that ran dry longer ago than this was not waiting for the next piece.
const SPURT: Duration = Duration::from_millis(200);
/// What counts as late.
const LATE: Duration = Duration::from_millis(5);
/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);

impl Callers {
    /// Nobody yet.
    pub(super) fn new(script: Arc<Script>, url: String) -> Self {
        Self { script, url, measured: Arc::default(), lines: Vec::new(), tasks: JoinSet::new() }
    }

    /// How many have called.
    pub(super) fn count(&self) -> usize {
        self.lines.len()
    }

    /// One more calls.
    pub(super) fn call(&mut self) {
        let talk = Talk::new(Arc::clone(&self.script), Instant::now());
        let line = Arc::new(Mutex::new(Line { talk, playout: Playout::default(), is_dropped: false }));
        self.lines.push(Arc::clone(&line));
        let (url, measured, n) = (self.url.clone(), Arc::clone(&self.measured), self.lines.len());
        self.tasks.spawn(async move {
            converse(&url, n, &line, &measured).await;
            // A task that is not aborted ends because the other side hung up or never answered.
            let mut line = lock(&line);
            line.is_dropped = true;
            line.talk.dropped();
        });
    }

    /// Takes what was measured; measuring begins anew.
    pub(super) fn take(&self) -> Measured {
        let mut measured = std::mem::take(&mut *lock(&self.measured));
        for line in &self.lines {
            measured.tally.add(&lock(line).talk.take());
        }
        measured
    }
}

/// One call, until the engine ends it.
async fn converse(url: &str, n: usize, line: &Mutex<Line>, measured: &Mutex<Measured>) -> Option<()> {
    let connect = tokio_tungstenite::connect_async(url);
    let (mut socket, _) = tokio::time::timeout(CONNECT, connect).await.ok()?.ok()?;
    let sid = format!("MZ{n:032x}");
    let connected = json!({"event": "connected", "protocol": "Call", "version": "1.0.0"});
    let start = json!({
        "event": "start", "sequenceNumber": "1", "streamSid": sid,
        "start": {
            "accountSid": "AC00000000000000000000000000000000", "streamSid": sid, "callSid": format!("CA{n:032x}"),
            "tracks": ["inbound"], "customParameters": {},
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8_000, "channels": 1},
        },
    });
    for message in [connected, start] {
        socket.send(Message::text(message.to_string())).await.ok()?;
    }
    let began = Instant::now();
    // Callers of one moment are spread over a packet's time.
    let mut due = began + PTIME * (n as u32 * 17 % 40) / 40;
    let mut sent = 0u64;
    loop {
        tokio::select! {
            biased;
            () = tokio::time::sleep_until(due.into()) => {
                let (payload, marks) = {
                    let mut line = lock(line);
                    let marks = line.sound_until(due);
                    (line.talk.packet(due), marks)
                };
                lock(measured).own_lateness.note(Instant::now().saturating_duration_since(due));
                sent += 1;
                let media = json!({
                    "event": "media", "sequenceNumber": (sent + 1).to_string(), "streamSid": sid,
                    "media": {
                        "track": "inbound", "chunk": sent.to_string(),
                        "timestamp": (sent * 20).to_string(), "payload": base64_simd::STANDARD.encode_to_string(payload),
                    },
                });
                socket.feed(Message::text(media.to_string())).await.ok()?;
                for name in marks {
                    let mark = json!({"event": "mark", "streamSid": sid, "mark": {"name": name}});
                    socket.feed(Message::text(mark.to_string())).await.ok()?;
                }
                socket.flush().await.ok()?;
                due += PTIME;
            }
            message = socket.next() => {
                let Message::Text(text) = message?.ok()? else { continue };
                let Ok(incoming) = serde_json::from_str::<Incoming>(&text) else { continue };
                let now = Instant::now();
                match (incoming.event.as_str(), incoming.media, incoming.mark) {
                    ("media", Some(media), _) => {
                        let Ok(sound) = base64_simd::STANDARD.decode_to_vec(media.payload) else { continue };
                        let late = lock(line).playout.take(sound, now);
                        let mut measured = lock(measured);
                        measured.received += 1;
                        if let Some(late) = late {
                            measured.late += u64::from(late > LATE);
                            measured.lateness.note(late);
                        }
                    }
                    ("mark", _, Some(mark)) => lock(line).playout.mark(mark.name, now),
                    ("clear", ..) => {
                        let mut line = lock(line);
                        line.sound_until(now);
                        line.playout.clear(now);
                    }
                    _ => {}
                }
            }
        }
    }
}

impl Line {
    /// Everything that begins to sound by `now` is heard; the marks passed are given back.
    fn sound_until(&mut self, now: Instant) -> Vec<String> {
        let mut marks = Vec::new();
        while let Some((at, _)) = self.playout.waiting.front()
            && *at <= now
        {
            match self.playout.waiting.pop_front() {
                Some((at, Piece::Sound(sound))) => self.talk.hear(&sound, at),
                Some((_, Piece::Mark(name))) => marks.push(name),
                None => {}
            }
        }
        marks
    }
}

impl Playout {
    /// Takes a piece that came at `now`; how late it was for a far side that had just run dry.
    fn take(&mut self, sound: Vec<u8>, now: Instant) -> Option<Duration> {
        let at = self.until.map_or(now, |until| until.max(now));
        let dry = self.until.map(|until| now.saturating_duration_since(until)).filter(|dry| *dry < SPURT);
        self.until = Some(at + Duration::from_micros(sound.len() as u64 * 125));
        self.waiting.push_back((at, Piece::Sound(sound)));
        dry
    }

    fn mark(&mut self, name: String, now: Instant) {
        let at = self.until.map_or(now, |until| until.max(now));
        self.waiting.push_back((at, Piece::Mark(name)));
    }

    /// What has not begun to sound never does; marks come back at once.
    fn clear(&mut self, now: Instant) {
        self.waiting.retain_mut(|(at, piece)| {
            *at = now;
            matches!(piece, Piece::Mark(_))
        });
        self.until = self.until.map(|until| until.min(now));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_far_side_plays_one_piece_after_the_other_and_forgets_them_when_told() {
        let now = Instant::now();
        let mut playout = Playout::default();
        assert_eq!(playout.take(vec![0; 160], now), None);
        assert_eq!(playout.take(vec![0; 160], now + Duration::from_millis(1)), Some(Duration::ZERO));
        playout.mark("a".into(), now + Duration::from_millis(2));
        let starts: Vec<_> = playout.waiting.iter().map(|(at, _)| (*at - now).as_millis()).collect();
        assert_eq!(starts, [0, 20, 40]);
        assert_eq!(
            playout.take(vec![0; 160], now + Duration::from_millis(47)),
            Some(Duration::from_millis(7)),
            "ran dry"
        );
        playout.clear(now + Duration::from_millis(50));
        assert!(matches!(playout.waiting.make_contiguous(), [(_, Piece::Mark(name))] if name == "a"));
        assert_eq!(playout.take(vec![0; 160], now + Duration::from_secs(3)), None, "nobody waited for it");
    }
}
