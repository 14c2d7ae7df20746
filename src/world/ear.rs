//! The caller's ear.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::audio::{Codec, Frame};
use crate::conversation::{Digit, ReplyId};
use crate::rtp::{Packet, TelephoneEvent};

use super::caller::PTIME;
use super::receiver::Receiver;
use super::sound;

/// The caller's ear: whose sound is on the line, and since when.
#[derive(Debug)]
pub(super) struct Ear {
    receiver: Receiver,
    /// What is quieter lies under the voice; 0: nothing does.
    bed: u16,
    pub(super) replies: BTreeSet<u32>,
    /// The kept sound is about to begin.
    pub(super) is_kept_next: bool,
    /// Backup voices, and the replies they speak.
    pub(super) voices: BTreeMap<u32, u32>,
    /// The agent's utterances in the order they were first heard.
    pub(super) utterances: Vec<(u32, Duration)>,
    pub(super) last_audible: Option<Duration>,
    last_sent: Option<(u16, u32, Duration)>,
    /// The timestamp of the agent's last key.
    last_key: Option<u32>,
    pub(super) longest_gap: Duration,
    /// How much sound was heard of each reply.
    pub(super) audible: BTreeMap<u32, Duration>,
    /// How often a reply was resumed, and so some of it heard twice.
    pub(super) rewound: u32,
    idle_rounds: (Duration, u32),
}

pub(super) struct HeardPacket {
    /// The reply that is heard for the first time.
    pub(super) began: Option<u32>,
    /// The reply that is heard, as far as this packet tells.
    pub(super) whose: Option<u32>,
    pub(super) problem: Option<String>,
    /// The packet's sound, when there is any.
    pub(super) sound: Option<Frame>,
}

impl Ear {
    /// An ear on a line in this codec; whether some bed of sound may lie under the voice.
    pub(super) fn new(codec: Codec, has_bed: bool) -> Self {
        Self {
            receiver: Receiver::new(codec),
            bed: if has_bed { LOUDEST_BED } else { 0 },
            replies: BTreeSet::new(),
            is_kept_next: false,
            voices: BTreeMap::new(),
            utterances: Vec::new(),
            last_audible: None,
            last_sent: None,
            last_key: None,
            longest_gap: Duration::ZERO,
            audible: BTreeMap::new(),
            rewound: 0,
            idle_rounds: (Duration::ZERO, 0),
        }
    }

    pub(super) fn expect(&mut self, reply: ReplyId) {
        self.replies.insert(reply.0);
    }

    pub(super) fn hear(&mut self, packet: &Packet<'_>, now: Duration) -> HeardPacket {
        let mut problem = None;
        if let Some((sequence, timestamp, _)) = self.last_sent {
            let step = packet.header.timestamp.wrapping_sub(timestamp);
            if packet.header.sequence != sequence.wrapping_add(1) || step == 0 || step % self.receiver.units() != 0 {
                problem = Some("the stream is not contiguous".to_owned());
            }
        }
        self.last_sent = Some((packet.header.sequence, packet.header.timestamp, now));
        let (mut began, mut whose, mut sound) = (None, None, None);
        let mut heard = self.receiver.hear(packet.payload);
        if let Some(frame) = &mut heard {
            frame.samples_mut().iter_mut().filter(|sample| sample.unsigned_abs() < self.bed).for_each(|bed| *bed = 0);
        }
        if let Some(frame) = heard
            && sound::is_audible(frame.samples())
        {
            sound = Some(frame);
            // Neighbouring replies are told apart; older ones would alias.
            let mut recent: Vec<u32> = self.replies.iter().rev().take(6).copied().collect();
            recent.push(sound::KEPT);
            let current = self.utterances.last().map(|(reply, _)| *reply);
            whose = sound::sounds_like(frame.samples(), &recent);
            let is_kept_again = whose == Some(sound::KEPT) && std::mem::take(&mut self.is_kept_next);
            // Whoever speaks it, it is the same utterance.
            whose = whose.map(|voice| self.voices.get(&voice).copied().unwrap_or(voice));
            if self.bed > 0 {
                // What lies under the edge of a word may make it look like another reply's.
                let is_over = |reply: u32| self.utterances.iter().any(|(earlier, _)| *earlier == reply);
                whose = whose.filter(|reply| current == Some(*reply) || !is_over(*reply));
            }
            match (whose, current) {
                // A filler may overtake the answer it bridges; but nobody is heard again.
                (Some(whose), Some(current))
                    if whose != current
                        && whose != sound::KEPT
                        && self.utterances.iter().any(|(earlier, _)| *earlier == whose) =>
                {
                    problem = Some(format!("reply {whose} is heard again after reply {current}"));
                }
                (Some(whose), current) if is_kept_again || current != Some(whose) => began = Some(whose),
                // The first packet may begin with a fade: the newest reply it can be.
                (None, None) => began = recent.first().copied(),
                _ => {}
            }
            match began {
                Some(reply) => self.utterances.push((reply, now)),
                None => {
                    let gap = self.last_audible.map_or(Duration::ZERO, |last| now.saturating_sub(last));
                    self.longest_gap = self.longest_gap.max(gap);
                }
            }
            if let Some((reply, _)) = self.utterances.last() {
                *self.audible.entry(*reply).or_default() += PTIME;
            }
            self.last_audible = Some(now);
        }
        HeardPacket { began, whose, problem, sound }
    }

    /// The key that begins with a packet of telephone events (RFC 4733).
    pub(super) fn key(&mut self, packet: &Packet<'_>) -> Option<char> {
        // Events keep the timestamp of their beginning; the sound goes on behind them.
        self.last_sent = None;
        let event = TelephoneEvent::parse(packet.payload).ok()?;
        let begins = self.last_key.replace(packet.header.timestamp) != Some(packet.header.timestamp);
        Digit::from_event_code(event.event).filter(|_| begins).map(Digit::as_char)
    }

    /// Whether deadlines came many times at one moment without the clock moving.
    pub(super) fn stuck_at(&mut self, now: Duration) -> bool {
        if self.idle_rounds.0 == now {
            self.idle_rounds.1 += 1;
        } else {
            self.idle_rounds = (now, 1);
        }
        self.idle_rounds.1 > 100
    }
}

/// Above the loudest moment of any bed, and below the virtual voice.
const LOUDEST_BED: u16 = 2_000;
