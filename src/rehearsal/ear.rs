//! The caller's ear in real time: when the agent is heard, and where one utterance ends and the next begins.

use std::time::{Duration, Instant};

use crate::audio::Codec;
use crate::rtp::Packet;
use crate::world::Receiver;

/// How utterances of the agent are told apart.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Hearing {
    /// By the silence between them: at least this long, longer than any inside one.
    ByPauses(Duration),
    /// By the tone of the voice, one of these half periods in samples of 8 kHz: each reply has its own.
    ByTones(Vec<u32>),
}

/// One utterance of the agent, as it was heard.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Utterance {
    /// When its first audible packet came.
    pub began: Instant,
    /// When its last did.
    pub last: Instant,
    /// How much of it sounded, the gaps between words left out.
    pub sounded: Duration,
    tone: Option<usize>,
}

/// An ear at the end of an RTP line.
#[derive(Debug)]
pub struct Ear {
    receiver: Receiver,
    hearing: Hearing,
    /// When each packet came, and whether the agent was audible in it.
    heard: Vec<(Instant, bool)>,
    utterances: Vec<Utterance>,
    /// Sound whose tone is not known yet: since when, and how much.
    pending: Option<(Instant, Duration)>,
    /// The next new tone goes on with the current utterance: another voice takes over.
    is_taken_over: bool,
    longest_gap: Duration,
    /// Sequence number and timestamp of the last packet.
    last: Option<(u16, u32)>,
    problems: Vec<String>,
}

/// What counts as the agent's voice: above the last steps of a µ-law fade.
const AUDIBLE: u16 = 120;
/// A sound that is cut is faded out so fast.
const DYING_AWAY: Duration = Duration::from_millis(6);
/// What a tone's samples exceed, softened and all.
const LOUD: u16 = 300;
/// Silence within which a packet too short to have a tone belongs to what was heard last.
const WORD_GAP: Duration = Duration::from_millis(150);
/// The same tone after this much silence is said anew: no utterance pauses so long.
const ANEW: Duration = Duration::from_secs(3);
/// Packets that are remembered: four hours.
const MOST_PACKETS: usize = 720_000;
/// Problems that are told.
const MOST_PROBLEMS: usize = 20;

impl Ear {
    /// An ear that has heard nothing.
    pub fn new(codec: Codec, hearing: Hearing) -> Self {
        Self {
            receiver: Receiver::new(codec),
            hearing,
            heard: Vec::new(),
            utterances: Vec::new(),
            pending: None,
            is_taken_over: false,
            longest_gap: Duration::ZERO,
            last: None,
            problems: Vec::new(),
        }
    }

    /// Hears a datagram that came at `now`. When the agent's n-th utterance (from 1) is recognised as a new one, says so.
    pub fn hear(&mut self, datagram: &[u8], now: Instant) -> Option<usize> {
        if Packet::is_rtcp(datagram) {
            return None;
        }
        let Ok(packet) = Packet::parse(datagram) else {
            self.problem("the call sent something that is not RTP".into());
            return None;
        };
        self.follow(&packet);
        let frame = self.receiver.hear(packet.payload)?;
        let samples = frame.samples();
        // To the sample: a packet in which the sound only dies away is silence from there on.
        let last = samples.iter().rposition(|sample| sample.unsigned_abs() > AUDIBLE);
        let tail = last.map_or(Duration::ZERO, |last| frame.rate().duration_of(last + 1));
        let audible = tail > DYING_AWAY;
        if self.heard.len() < MOST_PACKETS {
            self.heard.push(if audible { (now, true) } else { (now + tail, false) });
        }
        if !audible {
            return None;
        }
        let loud = samples.iter().filter(|sample| sample.unsigned_abs() > LOUD).count();
        let sounded = Duration::from_micros(loud as u64 * 125);
        let before = self.utterances.len();
        match &self.hearing {
            Hearing::ByPauses(pause) => match self.utterances.last() {
                Some(current) if now - current.last < *pause => self.go_on(now, sounded),
                _ => self.begin(now, now, sounded, None),
            },
            Hearing::ByTones(half_periods) => {
                let tone = tone(samples, half_periods);
                let current = self.utterances.last().map(|current| (current.tone, now - current.last));
                match (tone, current) {
                    (Some(_), Some((of, silence))) if of == tone && silence < ANEW => self.go_on(now, sounded),
                    (Some(_), Some(_)) if self.is_taken_over => {
                        self.is_taken_over = false;
                        self.go_on(now, sounded);
                        if let Some(current) = self.utterances.last_mut() {
                            current.tone = tone;
                        }
                    }
                    (Some(_), _) => {
                        let (since, more) = self.pending.take().unwrap_or((now, Duration::ZERO));
                        self.begin(since, now, sounded + more, tone);
                    }
                    (None, Some((_, silence))) if silence <= WORD_GAP => self.go_on(now, sounded),
                    (None, _) => {
                        let (since, more) = self.pending.unwrap_or((now, Duration::ZERO));
                        self.pending = Some((since, more + sounded));
                    }
                }
            }
        }
        (self.utterances.len() > before).then_some(self.utterances.len())
    }

    /// Whether another voice may take over: then the next new tone goes on with the current utterance.
    pub fn expect_another_voice(&mut self, expected: bool) {
        self.is_taken_over = expected;
    }

    /// The agent's utterances so far.
    pub fn utterances(&self) -> &[Utterance] {
        &self.utterances
    }

    /// The longest silence inside one of them.
    pub fn longest_gap(&self) -> Duration {
        self.longest_gap
    }

    /// When each packet came, and whether the agent was audible in it.
    pub fn packets(&self) -> &[(Instant, bool)] {
        &self.heard
    }

    /// What should not have been heard.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }

    /// From `spoken` to the first packet of the silence that follows: the one after the last audible packet before a
    /// pause of at least `pause`. `None`: no such pause was heard.
    pub fn silence_after(&self, spoken: Instant, pause: Duration) -> Option<Duration> {
        silence_after(&self.heard, spoken, pause)
    }

    fn begin(&mut self, began: Instant, now: Instant, sounded: Duration, tone: Option<usize>) {
        self.utterances.push(Utterance { began, last: now, sounded, tone });
    }

    fn go_on(&mut self, now: Instant, sounded: Duration) {
        let (since, more) = self.pending.take().unwrap_or((now, Duration::ZERO));
        if let Some(current) = self.utterances.last_mut() {
            self.longest_gap = self.longest_gap.max(since.saturating_duration_since(current.last));
            current.last = now;
            current.sounded += sounded + more;
        }
    }

    /// The stream has to be contiguous, whatever is said in it.
    fn follow(&mut self, packet: &Packet<'_>) {
        let (sequence, timestamp) = (packet.header.sequence, packet.header.timestamp);
        if let Some((last_sequence, last_timestamp)) = self.last {
            let steps = u32::from(sequence.wrapping_sub(last_sequence));
            let (samples, units) = (timestamp.wrapping_sub(last_timestamp), self.receiver.units());
            // A datagram that the system lost is its fault; a timestamp that does not keep step is the sender's.
            if steps == 0 || samples == 0 || !samples.is_multiple_of(units) || samples < steps * units {
                self.problem("the stream is not contiguous".into());
            }
        }
        self.last = Some((sequence, timestamp));
    }

    fn problem(&mut self, problem: String) {
        if self.problems.len() < MOST_PROBLEMS {
            self.problems.push(problem);
        }
    }
}

/// Which of the tones a packet carries; `None` when it holds too little sound to tell.
fn tone(samples: &[i16], half_periods: &[u32]) -> Option<usize> {
    let loud = samples.iter().filter(|sample| sample.unsigned_abs() > LOUD).count();
    if loud * 4 < samples.len() * 3 {
        return None;
    }
    let edges = samples.windows(2).filter(|pair| (pair[0] > 0) != (pair[1] > 0)).count() as f64;
    let off = |half: u32| (samples.len() as f64 / f64::from(half.max(1)) - edges).abs();
    let nearest = half_periods.iter().enumerate().min_by(|(_, a), (_, b)| off(**a).total_cmp(&off(**b)))?;
    (off(*nearest.1) <= 1.2).then_some(nearest.0)
}

fn silence_after(heard: &[(Instant, bool)], spoken: Instant, pause: Duration) -> Option<Duration> {
    let mut last_audible = None;
    for (index, &(at, audible)) in heard.iter().enumerate() {
        if audible {
            last_audible = Some(index);
        } else if at < spoken {
            continue;
        } else if let Some(last) = last_audible
            && at - heard.get(last)?.0 >= pause
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
    use crate::audio::Encoder;
    use crate::rtp::{Header, PacketBuf, PayloadType, Ssrc};

    const PTIME: Duration = Duration::from_millis(20);
    const UTTERANCE_GAP: Duration = Duration::from_millis(650);

    /// A cut voice dies away in the first 5 ms of the packet after: silence is counted from there, to the sample.
    #[test]
    fn silence_begins_where_the_last_sound_has_died_away() {
        let mut ear = Ear::new(crate::audio::Codec::Pcmu, Hearing::ByPauses(UTTERANCE_GAP));
        let mut encoder = Encoder::new(crate::audio::Codec::Pcmu);
        let start = Instant::now();
        for packet in 0..60u16 {
            let sounding = match packet {
                0..=9 => 160,
                10 => 40,
                _ => 0,
            };
            let samples: Vec<i16> = (0..160).map(|n| if n < sounding { 4_000 } else { 0 }).collect();
            let header = Header {
                marker: false,
                payload_type: PayloadType(0),
                sequence: packet,
                timestamp: u32::from(packet) * 160,
                ssrc: Ssrc(1),
            };
            let datagram = PacketBuf::write(header, |payload| encoder.encode(&samples, &mut payload[..160]));
            ear.hear(datagram.as_bytes(), start + PTIME * u32::from(packet));
        }
        let silence = ear.silence_after(start + PTIME * 5, UTTERANCE_GAP);
        assert_eq!(silence, Some(Duration::from_millis(105)));
    }

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
        assert_eq!(silence_after(&heard, spoken, UTTERANCE_GAP), Some(Duration::from_millis(750)));
        assert_eq!(silence_after(&heard[..60], spoken, UTTERANCE_GAP), None);
    }

    /// What an ear with tones makes of packets, each a half period of its square wave; 0: silence.
    fn hear(ear: &mut Ear, start: Instant, packets: &[u32]) -> Vec<(usize, usize)> {
        let mut encoder = Encoder::new(Codec::Pcmu);
        let mut began = Vec::new();
        for (n, &half) in packets.iter().enumerate() {
            let samples: Vec<i16> = (0..160)
                .map(|i| {
                    if half == 0 {
                        0
                    } else if i / half % 2 == 0 {
                        6_000
                    } else {
                        -6_000
                    }
                })
                .collect();
            let header = Header {
                marker: false,
                payload_type: PayloadType(0),
                sequence: n as u16,
                timestamp: n as u32 * 160,
                ssrc: Ssrc(7),
            };
            let packet = PacketBuf::write(header, |payload| encoder.encode(&samples, &mut payload[..160]));
            began.extend(ear.hear(packet.as_bytes(), start + PTIME * n as u32).map(|nth| (n, nth)));
        }
        began
    }

    #[test]
    fn utterances_are_told_apart_by_their_tones_even_without_a_pause() {
        let start = Instant::now();
        let mut ear = Ear::new(Codec::Pcmu, Hearing::ByTones(vec![4, 5, 6, 8]));
        let began = hear(&mut ear, start, &[0, 4, 4, 0, 0, 0, 4, 6, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 6, 5]);
        assert_eq!(began, [(1, 1), (7, 2), (20, 3)]);
        assert_eq!(ear.longest_gap(), PTIME * 11, "inside the second");
        assert_eq!(ear.utterances()[0].sounded, PTIME * 3);
        assert!(ear.problems().is_empty());
        let silence = [0; 150];
        let again = [silence.as_slice(), &[5]].concat();
        assert_eq!(hear(&mut ear, start + PTIME * 21, &again), [(150, 4)], "said anew");
    }

    #[test]
    fn a_stream_whose_timestamps_do_not_keep_step_is_a_problem() {
        let mut ear = Ear::new(Codec::Pcmu, Hearing::ByPauses(UTTERANCE_GAP));
        let start = Instant::now();
        hear(&mut ear, start, &[0, 0, 0]);
        assert!(ear.problems().is_empty());
        hear(&mut ear, start + PTIME * 3, &[0]);
        assert_eq!(ear.problems().len(), 1);
    }
}
