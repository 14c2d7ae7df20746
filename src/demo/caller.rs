//! The caller: a telephone made of one UDP socket, two clocks and an ear.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::net::UdpSocket;
use tokio::sync::mpsc;

use crate::audio::wav::Wav;
use crate::audio::{Codec, Decoder, Encoder, Resampler};
use crate::rtp::{Header, Packet, PacketBuf, PayloadType, Ssrc};

use super::script::{Cue, Deed, Sound, Step};

/// What the caller tells while it is on the telephone.
#[derive(Clone, Debug)]
pub(super) enum Told {
    /// It did something.
    Did { what: &'static str },
    /// It has hung up, or has nothing left to do.
    Done,
}

/// What the caller measured with its own ear and clock.
#[derive(Clone, Debug, Default)]
pub(super) struct Measured {
    /// From the first sample of each interruption to the first packet without the agent's voice.
    pub(super) silenced: Vec<Duration>,
    /// Whether it got to the end of its script.
    pub(super) done: bool,
    /// Packets sent.
    pub(super) sent: u64,
    /// Packets received.
    pub(super) received: u64,
    /// How far the time between two packets of the engine was from 20 ms, each.
    pub(super) spacing: Vec<Duration>,
}

/// Plays `steps` to the engine at `engine` until they are done or the engine hangs up (`over`).
pub(super) async fn call(
    socket: &UdpSocket,
    engine: SocketAddr,
    steps: &[Step],
    tell: mpsc::Sender<Told>,
    mut over: tokio::sync::watch::Receiver<bool>,
) -> io::Result<Measured> {
    let mut phone = Phone::new();
    let mut buffer = [0; 2_048];
    let mut due = tokio::time::Instant::now();
    let mut steps = steps.iter();
    let mut next = steps.next();
    while let Some(step) = next {
        tokio::select! {
            received = socket.recv_from(&mut buffer) => {
                if let Ok((length, _)) = received {
                    phone.hear(&buffer[..length], Instant::now());
                }
            }
            () = tokio::time::sleep_until(due) => {
                due += PTIME;
                let now = Instant::now();
                if phone.playing.is_empty() && phone.is_cued(step.cue, now) {
                    match step.deed {
                        Deed::HangUp => {
                            let _ = tell.send(Told::Done).await;
                            return Ok(Measured { done: true, ..phone.measured() });
                        }
                        Deed::Play(sound) => {
                            phone.play(sound, now)?;
                            let _ = tell.send(Told::Did { what: sound.name }).await;
                            next = steps.next();
                        }
                    }
                }
                let packet = phone.packet();
                // A refused port is the engine's business to notice.
                let _ = socket.send_to(packet.as_bytes(), engine).await;
            }
            _ = over.wait_for(|over| *over) => break,
        }
    }
    let _ = tell.send(Told::Done).await;
    Ok(phone.measured())
}

/// How long a deed takes the caller.
pub(super) fn length(deed: Deed) -> Duration {
    match deed {
        Deed::Play(sound) => Wav::parse(sound.file).map_or(Duration::ZERO, |wav| wav.duration()),
        Deed::HangUp => Duration::ZERO,
    }
}

const PTIME: Duration = Duration::from_millis(20);

struct Phone {
    encoder: Encoder,
    decoder: Decoder,
    playing: std::collections::VecDeque<i16>,
    sequence: u16,
    timestamp: u32,
    sent: u64,
    /// When each packet of the engine came, and whether the agent was audible in it.
    heard: Vec<(Instant, bool)>,
    /// The agent's current or last utterance: its first and its last audible packet.
    utterance: Option<(Instant, Instant)>,
    /// Whether the caller has spoken since that utterance ended.
    answered: bool,
    /// When the first sample of each interruption was spoken.
    interruptions: Vec<Instant>,
}

/// Silence this long ends an utterance of the agent; the pauses inside one are shorter.
const UTTERANCE_GAP: Duration = Duration::from_millis(650);

impl Phone {
    fn new() -> Self {
        Self {
            encoder: Encoder::new(Codec::Pcmu),
            decoder: Decoder::new(Codec::Pcmu),
            playing: std::collections::VecDeque::new(),
            sequence: 4_711,
            timestamp: 160_000,
            sent: 0,
            heard: Vec::new(),
            utterance: None,
            answered: true,
            interruptions: Vec::new(),
        }
    }

    fn hear(&mut self, datagram: &[u8], now: Instant) {
        let Ok(packet) = Packet::parse(datagram) else { return };
        let Ok(frame) = self.decoder.decode(packet.payload) else { return };
        let audible = frame.samples().iter().any(|sample| sample.unsigned_abs() > AUDIBLE);
        self.heard.push((now, audible));
        if !audible {
            return;
        }
        self.utterance = match self.utterance {
            Some((began, last)) if now - last < UTTERANCE_GAP => Some((began, now)),
            _ => {
                self.answered = false;
                Some((now, now))
            }
        };
    }

    fn is_cued(&self, cue: Cue, now: Instant) -> bool {
        match (cue, self.utterance) {
            (Cue::AfterAgent(pause), Some((_, last))) => !self.answered && now - last >= pause,
            // In the middle of a word, so that falling silent can be heard.
            (Cue::WhileAgent(after), Some((began, last))) => now - last <= PTIME * 2 && now - began >= after,
            (_, None) => false,
        }
    }

    fn play(&mut self, sound: Sound, now: Instant) -> io::Result<()> {
        let wav = Wav::parse(sound.file).map_err(io::Error::other)?;
        let mut resampler = Resampler::new(wav.rate(), Codec::Pcmu.sample_rate());
        resampler.process(&wav.into_mono(), |samples| self.playing.extend(samples));
        // The packet that is about to be sent holds the 20 ms before it: its first sample was spoken then.
        if sound.interrupts {
            self.interruptions.push(now - PTIME);
        }
        // Whatever the agent says next is a new utterance to answer.
        self.answered = true;
        Ok(())
    }

    fn packet(&mut self) -> PacketBuf {
        let mut samples = [0i16; 160];
        for (sample, playing) in samples.iter_mut().zip(self.playing.drain(..self.playing.len().min(160))) {
            *sample = playing;
        }
        let header = Header {
            marker: self.sent == 0,
            payload_type: PayloadType(Codec::Pcmu.static_payload_type()),
            sequence: self.sequence,
            timestamp: self.timestamp,
            ssrc: Ssrc(0x0dd5_ca11),
        };
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(160);
        self.sent += 1;
        PacketBuf::write(header, |payload| self.encoder.encode(&samples, &mut payload[..160]))
    }

    fn measured(&self) -> Measured {
        let silenced = self.interruptions.iter().filter_map(|&spoken| silence_after(&self.heard, spoken)).collect();
        let spacing = self.heard.windows(2).map(|pair| (pair[1].0 - pair[0].0).abs_diff(PTIME)).collect();
        Measured { silenced, done: false, sent: self.sent, received: self.heard.len() as u64, spacing }
    }
}

/// What counts as the agent's voice: above the last steps of a µ-law fade.
const AUDIBLE: u16 = 120;

/// From `spoken` to the first packet of the silence that follows: the one after the last audible packet before a pause
/// longer than any inside an utterance.
fn silence_after(heard: &[(Instant, bool)], spoken: Instant) -> Option<Duration> {
    let mut last_audible = None;
    for (index, &(at, audible)) in heard.iter().enumerate() {
        if audible {
            last_audible = Some(index);
        } else if at < spoken {
            continue;
        } else if let Some(last) = last_audible
            && at - heard[last].0 >= UTTERANCE_GAP
        {
            // An agent that was between two words is silent from the first sample on.
            return heard.get(last + 1).map(|(at, _)| at.saturating_duration_since(spoken));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ear_finds_the_first_silent_packet_and_not_a_pause_between_words() {
        let start = Instant::now();
        let mut heard = Vec::new();
        for packet in 0..200u32 {
            // Audible for a second, with a gap of three packets at 300 ms.
            let audible = packet < 50 && !(15..18).contains(&packet);
            heard.push((start + PTIME * packet, audible));
        }
        let spoken = start + Duration::from_millis(250);
        assert_eq!(silence_after(&heard, spoken), Some(Duration::from_millis(750)));
        assert_eq!(silence_after(&heard[..60], spoken), None);
    }
}
