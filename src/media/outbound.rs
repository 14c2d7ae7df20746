//! Speech in; paced packets out.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::audio::{Codec, Encoder, Frame, OpusSettings, Resampler, SampleRate};
use crate::conversation::{Ambience, Digit, ReplyId};
use crate::rtp::{Header, PacketBuf, PayloadType, Ssrc};

use super::OutboundReport;
use super::bed::Bed;
use super::dtmf::{DtmfSender, KeyPacket};
use super::dtx::{Deed, Dtx};
use super::far::Far;
use super::inbound::Inbound;
use super::key_tone::KeyTone;
use super::loudness::Loudness;
use super::mixer::Mixer;
use super::pacer::Pacer;
use super::playout::{Cut, Playout, Taken, duration};

/// What the outbound side of a line is told once.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct OutboundSpec {
    /// The codec we send.
    pub codec: Codec,
    /// Its payload type.
    pub payload_type: PayloadType,
    /// Samples a second of everything on this line: what the widest of its formats has.
    pub rate: SampleRate,
    /// What one packet holds: 10, 20, 30, 40 or 60 ms. Another length, or one the codec has not, is 20 ms; a far side that
    /// buffers is always sent 20 ms.
    pub ptime: Duration,
    /// Whether long silence is not sent. Only where the other side was told.
    pub dtx: bool,
    /// The payload type of the comfort noise that is sent for it.
    pub comfort_noise: PayloadType,
    /// How Opus is sent.
    pub opus: OpusSettings,
    /// The payload type of telephone events; `None`: keys go another way.
    pub telephone_event: Option<PayloadType>,
    /// How much speech may be sent ahead of time to a far side that buffers, at most 60 ms; other lines have no lead.
    pub lead: Duration,
    /// Whether the far side buffers: it can be cleared and answers marks.
    pub far_buffer: bool,
    /// What lies under the speech.
    pub ambience: Ambience,
    /// Whether every voice is brought to the same loudness.
    pub level_voices: bool,
    /// What is known of the voices by rank: active speech level (ITU-T P.56) in dBFS.
    pub voices: [Option<f32>; 2],
    /// Where SSRC, first sequence number, first timestamp and the moment the ambience begins with come from.
    pub seed: u64,
}

impl OutboundSpec {
    /// A plain line: the codec's own rate, 20 ms a packet, every silence sent.
    pub const fn new(codec: Codec, payload_type: PayloadType) -> Self {
        Self {
            codec,
            payload_type,
            rate: codec.sample_rate(),
            ptime: Pacer::PTIME,
            dtx: false,
            comfort_noise: Inbound::COMFORT_NOISE,
            opus: OpusSettings::USUAL,
            telephone_event: None,
            lead: Duration::ZERO,
            far_buffer: false,
            ambience: Ambience::None,
            level_voices: false,
            voices: [None; 2],
            seed: 0,
        }
    }
}

/// What has to be done, and what has happened, in order. `P` and `F` are what comes with a packet and with a frame: they
/// themselves, or nothing where they are [left in their places](Outbound::poll_in_place).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Sent<P = PacketBuf, F = Frame> {
    /// Send this packet now.
    Packet(P),
    /// Tell the far side to throw away what it has buffered.
    ClearFar,
    /// Ask the far side to tell when everything so far was played.
    Mark(u32),
    /// What was put in the packet, for the recorder.
    Frame(F),
    /// It was far too late for the packets of this time: they never leave, and the next one is stamped that much later.
    Skipped(Duration),
    /// The first packet of a reply has just left.
    Started {
        /// Which.
        reply: ReplyId,
    },
    /// All of a reply was heard.
    Ended {
        /// Which.
        reply: ReplyId,
        /// Its length.
        heard: Duration,
    },
    /// After a hold or a flush of something audible: the next packet, which is without any speech, has just left. Not
    /// told when another reply's speech was in it.
    Silenced,
    /// Speech of a reply was due but had not come.
    Underrun {
        /// Which.
        reply: ReplyId,
    },
}

impl Sent<(), ()> {
    /// The same with the packet and the frame.
    fn with(self, packet: impl FnOnce() -> PacketBuf, frame: impl FnOnce() -> Frame) -> Sent {
        match self {
            Self::Packet(()) => Sent::Packet(packet()),
            Self::ClearFar => Sent::ClearFar,
            Self::Mark(mark) => Sent::Mark(mark),
            Self::Frame(()) => Sent::Frame(frame()),
            Self::Skipped(length) => Sent::Skipped(length),
            Self::Started { reply } => Sent::Started { reply },
            Self::Ended { reply, heard } => Sent::Ended { reply, heard },
            Self::Silenced => Sent::Silenced,
            Self::Underrun { reply } => Sent::Underrun { reply },
        }
    }
}

/// The outbound side of a call: a reply's sound to paced packets, and to the sample what was heard of it.
///
/// From [`answer`](Outbound::answer) on a packet leaves every 20 ms (or whatever was agreed), silence included unless it
/// was agreed to leave it out: one SSRC, contiguous sequence numbers, timestamps that run with the sound. A reply is [expected](Outbound::expect) (its sound is accepted),
/// [played](Outbound::play) (it may be heard) and over when it was [heard](Sent::Ended) or [flushed](Outbound::flush).
/// After a hold or a flush the next packet is silent but for its first 5 ms, in which the word dies away; they count as
/// not heard.
///
/// After every call drain [`poll`](Outbound::poll); a packet is made when it is asked for. On the packet path nothing
/// allocates after `new`.
#[derive(Debug)]
pub struct Outbound {
    spec: OutboundSpec,
    rate: SampleRate,
    units: u32,
    ptime: Duration,
    encoder: Encoder,
    /// From the line's rate to the codec's; `None`: they are one.
    resampler: Option<Resampler>,
    dtx: Dtx,
    playout: Playout,
    mixer: Mixer,
    pacer: Pacer,
    far: Far,
    keys: DtmfSender,
    /// The key that is being sent, on a line that sends it as sound.
    tone: KeyTone,
    ssrc: Ssrc,
    sequence: u16,
    timestamp: u32,
    /// What follows the packet that was handed out. At most a few.
    after: VecDeque<After>,
    /// The packet and the sound that were made last.
    packet: PacketBuf,
    frame: Frame,
    /// Replies sent in full that are not heard in full yet. At most one per living reply.
    ending: VecDeque<(ReplyId, u64)>,
    /// The packet before held speech.
    talking: bool,
    /// Speech was there to be sent when last looked at.
    ready: bool,
    silencing: bool,
    clear: bool,
    now: Instant,
    report: OutboundReport,
}

#[derive(Clone, Copy, Debug)]
enum After {
    Started(ReplyId),
    Frame,
    Mark(u32),
    Silenced,
    Underrun(ReplyId),
}

impl Outbound {
    /// Later than this counts as late.
    const LATE: Duration = Duration::from_millis(5);

    /// A line that is not up yet: speech is accepted, nothing is sent.
    pub fn new(spec: OutboundSpec, now: Instant) -> Self {
        let rate = spec.rate;
        let codec = spec.codec;
        let ptime = if spec.codec.can_send(spec.ptime) && !spec.far_buffer { spec.ptime } else { Pacer::PTIME };
        // L16 at 44.1 and 48 kHz fits into a datagram by 10 ms only.
        let ptime = if codec.can_send(ptime) { ptime } else { Duration::from_millis(10) };
        let mut random = spec.seed;
        let history = if spec.far_buffer {
            Playout::REWIND + Pacer::MOST_LEAD + Far::MOST_DELAY + Pacer::PTIME
        } else {
            Playout::REWIND
        };
        Self {
            spec,
            rate,
            units: codec.clock_rate() * ptime.as_millis() as u32 / 1_000,
            ptime,
            encoder: Encoder::with(codec, spec.opus),
            resampler: (codec.sample_rate() != rate).then(|| Resampler::new(rate, codec.sample_rate())),
            dtx: Dtx::new(spec.dtx && !spec.far_buffer, ptime),
            playout: Playout::new(rate, history, ptime),
            mixer: Mixer::new(
                rate,
                ptime,
                Bed::new(spec.ambience, next_random(&mut spec.seed.rotate_left(32)), rate),
                Loudness::new(spec.level_voices, spec.voices, rate),
            ),
            pacer: Pacer::new(if spec.far_buffer { spec.lead } else { Duration::ZERO }, ptime, now),
            far: Far::new(rate),
            keys: DtmfSender::new(ptime),
            tone: KeyTone::new(rate),
            ssrc: Ssrc(next_random(&mut random) as u32),
            // Far from the wrap: whoever misses the first packets could not tell an encrypted stream's rollover (RFC 3711
            // section 3.3.1).
            sequence: next_random(&mut random) as u16 & 0x7FFF,
            timestamp: next_random(&mut random) as u32,
            after: VecDeque::with_capacity(8),
            packet: PacketBuf::EMPTY,
            frame: Frame::empty(rate),
            ending: VecDeque::with_capacity(Playout::REPLIES),
            talking: false,
            ready: false,
            silencing: false,
            clear: false,
            now,
            report: OutboundReport::default(),
        }
    }

    /// The line is up: packets leave from now on.
    pub fn answer(&mut self, now: Instant) {
        self.tell(now);
        self.pacer.start(self.now);
    }

    /// A reply is alive: its sound is accepted, but not yet heard.
    pub fn expect(&mut self, reply: ReplyId) {
        self.playout.expect(reply);
    }

    /// A reply may be heard, from its beginning, as soon as there is sound and the replies before it are over.
    pub fn play(&mut self, reply: ReplyId, now: Instant) {
        self.tell(now);
        self.playout.play(reply);
    }

    /// Sound of a reply. What belongs to no living reply, and what there is no room for, is dropped and counted.
    pub fn speech(&mut self, reply: ReplyId, samples: &[i16], rate: SampleRate, now: Instant) {
        self.tell(now);
        match self.playout.speech(reply, samples, rate, self.now) {
            Ok(dropped) => {
                self.report.overflow_samples += dropped as u64;
                self.mixer.hear(reply, samples, rate);
            }
            Err(stale) => self.report.stale_samples += stale as u64,
        }
    }

    /// The voice of this rank speaks a reply: each voice has a loudness of its own.
    pub fn spoken_by(&mut self, reply: ReplyId, rank: u8) {
        self.mixer.spoken_by(reply, rank);
    }

    /// Another voice is the first from here on; replies that were expected before keep the one they had.
    pub fn change_voice(&mut self) {
        self.mixer.change_voice();
    }

    /// How loud each voice was found to be by itself, by rank: active speech level in dBFS; `None`: not enough was heard
    /// of it.
    pub fn voices(&self) -> [Option<f32>; 2] {
        self.mixer.voices()
    }

    /// All sound of a reply has come.
    pub fn speech_ended(&mut self, reply: ReplyId, now: Instant) {
        self.tell(now);
        self.playout.speech_ended(reply);
    }

    /// Softer by 12 dB.
    pub fn duck(&mut self, now: Instant) {
        self.tell(now);
        self.mixer.duck(true);
    }

    /// Back to full level.
    pub fn unduck(&mut self, now: Instant) {
        self.tell(now);
        self.mixer.duck(false);
    }

    /// What lies under the speech from here on: it glides from one into the other.
    pub fn set_ambience(&mut self, ambience: Ambience) {
        self.mixer.set_ambience(ambience);
    }

    /// Silent with the next packet; what was not heard is kept, and what comes of it is accepted.
    pub fn hold(&mut self, now: Instant) {
        self.tell(now);
        if self.playout.is_held() {
            return;
        }
        let audible = self.playout.is_audible();
        if audible {
            self.fade();
        }
        let (far, now, buffers) = (&self.far, self.now, self.spec.far_buffer);
        if !self.playout.hold(|reply, sent| if buffers { far.heard(reply, sent, now) } else { sent }) {
            return;
        }
        self.ending.clear();
        if audible {
            self.fall_silent();
        }
    }

    /// Goes on from `from` in the reply's sound, or else stepped back by `rewind`, fading in over 20 ms. Steps back by no
    /// more than `rewind`, nor than 300 ms.
    pub fn resume(&mut self, from: Option<Duration>, rewind: Duration, now: Instant) {
        self.tell(now);
        if self.playout.resume(from, rewind) {
            self.mixer.resume();
            self.silencing = false;
        }
    }

    /// Forgets a reply and says what was heard of it: nothing, if it never played; all, if it is over.
    pub fn flush(&mut self, reply: ReplyId, now: Instant) -> Cut {
        self.tell(now);
        let Some(position) = self.playout.position(reply) else {
            return self.playout.remembered(reply).unwrap_or_default();
        };
        let started = self.playout.has_started(reply);
        let held = self.playout.is_held();
        let heard = self.heard_samples(reply, position);
        if started && !held {
            self.fade();
        }
        let cut = self.playout.flush(reply, heard);
        self.ending.retain(|(ending, _)| *ending != reply);
        if started {
            self.mixer.unduck();
            if !held {
                self.fall_silent();
            }
        }
        cut
    }

    /// Sends keys between the packets of sound, as telephone events or, on a line without them, as the tones
    /// themselves; speech waits meanwhile. Says how many were taken: no more than 64 may wait.
    pub fn send_digits(&mut self, digits: &[Digit], now: Instant) -> usize {
        self.tell(now);
        self.keys.push(digits)
    }

    /// The far side has played everything before this mark, or has thrown it away.
    pub fn handle_played(&mut self, mark: u32, now: Instant) {
        self.tell(now);
        self.far.played(mark, self.now);
    }

    /// The deadline of [`poll_timeout`](Outbound::poll_timeout) has come. Early calls do nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.tell(now);
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Sent> {
        self.poll_in_place().map(|sent| sent.with(|| self.packet, || self.frame))
    }

    /// The packet that was made last.
    pub const fn packet(&self) -> &PacketBuf {
        &self.packet
    }

    /// What was put in it.
    pub const fn frame(&self) -> &Frame {
        &self.frame
    }

    /// The next thing to do; a packet and its frame stay [here](Outbound::packet) until it is asked for the next packet.
    pub fn poll_in_place(&mut self) -> Option<Sent<(), ()>> {
        if let Some(after) = self.after.pop_front() {
            return Some(match after {
                After::Started(reply) => Sent::Started { reply },
                After::Frame => Sent::Frame(()),
                After::Mark(mark) => Sent::Mark(mark),
                After::Silenced => Sent::Silenced,
                After::Underrun(reply) => Sent::Underrun { reply },
            });
        }
        if std::mem::take(&mut self.clear) {
            return Some(Sent::ClearFar);
        }
        if let Some(ended) = self.ended() {
            return Some(ended);
        }
        let ready = self.is_ready();
        if ready && !self.ready {
            self.pacer.kick(self.now);
        }
        self.ready = ready;
        let skipped = self.pacer.skip(ready, self.now);
        if skipped > 0 {
            self.report.skipped += u64::from(skipped);
            self.timestamp = self.timestamp.wrapping_add(skipped.wrapping_mul(self.units));
            return Some(Sent::Skipped(self.ptime.saturating_mul(skipped)));
        }
        if self.pacer.deadline(ready).is_none_or(|deadline| self.now < deadline) {
            return None;
        }
        let late = self.pacer.lateness(ready, self.now);
        self.report.worst_lateness = self.report.worst_lateness.max(late);
        self.report.late += u64::from(late > Self::LATE);
        // Silence that is not sent: what follows it is told all the same.
        if self.make() { Some(Sent::Packet(())) } else { self.poll_in_place() }
    }

    /// When to call [`handle_timeout`](Outbound::handle_timeout) at the latest.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if !self.after.is_empty() || self.clear {
            return Some(self.now);
        }
        let packet = self.pacer.deadline(self.is_ready());
        let wakes = packet.and(self.playout.wakes_at()).filter(|at| self.keys.is_idle() && *at > self.now);
        let heard = self.ending.front().and_then(|(reply, _)| self.far.heard_at(*reply));
        [packet, wakes, heard].into_iter().flatten().min()
    }

    /// Whether a reply has begun to be heard and is not over.
    pub fn is_speaking(&self) -> bool {
        self.playout.is_audible()
    }

    /// Whether there is room for more speech of a reply: less than 5 s wait in all, or less than 2 s of the reply whose
    /// turn it is.
    pub fn wants_speech(&self, reply: ReplyId) -> bool {
        self.playout.wants(reply)
    }

    /// Whether something audible was held or flushed and no packet without speech has left since: [`Sent::Silenced`]
    /// follows, unless other speech does.
    pub const fn is_falling_silent(&self) -> bool {
        self.silencing
    }

    /// How much of a reply the caller has heard.
    pub fn heard(&self, reply: ReplyId) -> Duration {
        match self.playout.position(reply) {
            Some(position) => duration(self.rate, self.heard_samples(reply, position)),
            None => self.playout.remembered(reply).unwrap_or_default().heard,
        }
    }

    /// What happened so far, in numbers.
    pub fn report(&self) -> OutboundReport {
        self.report
    }

    fn tell(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    /// Whether the next packet holds speech if it leaves now.
    fn is_ready(&self) -> bool {
        self.keys.is_idle() && self.playout.is_ready(self.rate.samples_in(self.ptime), self.now)
    }

    /// Makes the packet that is due; `false`: it is not sent.
    fn make(&mut self) -> bool {
        let events = self.spec.telephone_event;
        // What is cut by a key dies away before it: behind the key it would have lost its place.
        if self.keys.begins()
            && let Some(frame) = self.mixer.give_way(&self.playout, events.is_some())
        {
            self.frame = frame;
            return self.sound(Taken::default());
        }
        match (self.keys.next(self.timestamp, self.units as u16), events) {
            (Some(KeyPacket::Event { first, timestamp, event, .. }), Some(payload_type)) => {
                let header = self.header(first, payload_type, timestamp);
                self.frame = Frame::silence(self.rate, self.ptime);
                self.book(Taken::default(), true);
                self.report.events += 1;
                self.packet.rewrite(header, |payload| copy(&event.to_bytes(), payload));
                true
            }
            (Some(key), _) => {
                self.frame = Frame::silence(self.rate, self.ptime);
                if let KeyPacket::Event { first, sounds: true, event, .. } = key {
                    self.tone.fill(&mut self.frame, event, first, event.end);
                }
                self.mixer.under(&mut self.frame);
                self.sound(Taken::default())
            }
            (None, _) => {
                let taken = self.mixer.fill(&mut self.frame, &mut self.playout, self.now);
                self.sound(taken)
            }
        }
    }

    /// Makes a packet of the frame's sound; `false`: it is not sent. The marker tells where speech begins after silence
    /// (RFC 3551 section 4.1).
    fn sound(&mut self, taken: Taken) -> bool {
        let is_silent = taken.reply.is_none() && self.frame.samples().iter().all(|&sample| sample == 0);
        let deed = self.dtx.next(is_silent);
        let resumes = deed == Deed::Send { resumes: true };
        let marker = resumes || (taken.reply.is_some() && !self.talking);
        let header = self.header(marker, self.spec.payload_type, self.timestamp);
        match deed {
            Deed::Nothing => {}
            // Opus has its own: a packet of silence says that nothing follows.
            Deed::Noise if self.spec.codec != Codec::Opus => {
                let header = Header { payload_type: self.spec.comfort_noise, ..header };
                self.packet.rewrite(header, |payload| copy(&[NO_NOISE], payload));
            }
            Deed::Noise | Deed::Send { .. } => {
                let Self { packet, frame, encoder, resampler, spec, .. } = self;
                packet.rewrite(header, |payload| {
                    let Some(resampler) = resampler else { return encoder.encode(frame.samples(), payload) };
                    let mut narrow: Frame = Frame::empty(spec.codec.sample_rate());
                    resampler.process(frame.samples(), |piece| _ = narrow.push(piece));
                    encoder.encode(narrow.samples(), payload)
                });
            }
        }
        let is_sent = deed != Deed::Nothing;
        self.book(taken, is_sent);
        is_sent
    }

    /// The next packet's header.
    const fn header(&self, marker: bool, payload_type: PayloadType, timestamp: u32) -> Header {
        Header { marker, payload_type, sequence: self.sequence, timestamp, ssrc: self.ssrc }
    }

    /// Books a packet with the frame's sound in it, sent or not, and lines up what follows it.
    fn book(&mut self, taken: Taken, is_sent: bool) {
        let speech = taken.reply.is_some();
        let belongs = self.pacer.sent(speech, self.now);
        self.timestamp = self.timestamp.wrapping_add(self.units);
        self.sequence = self.sequence.wrapping_add(u16::from(is_sent));
        self.report.sent += u64::from(is_sent);
        if let Some(reply) = taken.reply.filter(|_| taken.first) {
            self.after.push_back(After::Started(reply));
        }
        self.after.push_back(After::Frame);
        if let Some(reply) = taken.reply
            && self.spec.far_buffer
            && let Some(mark) = self.far.sent(reply, taken.position, taken.samples, belongs, taken.last)
        {
            self.after.push_back(After::Mark(mark));
        }
        if let Some(reply) = taken.underrun {
            self.report.underruns += 1;
            self.after.push_back(After::Underrun(reply));
        }
        if std::mem::take(&mut self.silencing) && !speech {
            self.after.push_back(After::Silenced);
        }
        self.talking = speech;
    }

    /// A reply that was heard in full.
    fn ended(&mut self) -> Option<Sent<(), ()>> {
        while self.ending.len() < Playout::REPLIES
            && let Some(finished) = self.playout.finished()
        {
            self.ending.push_back(finished);
        }
        let (reply, length) = *self.ending.front()?;
        if self.spec.far_buffer && self.far.heard_at(reply).is_some_and(|at| self.now < at) {
            return None;
        }
        self.ending.pop_front();
        let heard = self.playout.end(reply, length);
        Some(Sent::Ended { reply, heard })
    }

    fn heard_samples(&self, reply: ReplyId, position: u64) -> u64 {
        if !self.spec.far_buffer {
            return position;
        }
        // What is played again after a hold was heard before: hearing never goes backwards.
        self.far.heard(reply, position, self.now).max(self.playout.floor(reply).min(position))
    }

    /// The next packet begins with the last few milliseconds of what is cut, dying away, so that it does not click. A far
    /// side that buffers has its own edge: what it is playing is thrown away.
    fn fade(&mut self) {
        if self.spec.far_buffer {
            self.mixer.cut();
        } else if self.talking {
            self.mixer.fade(&self.playout);
        }
    }

    /// The next packet is silent; a gateway that buffers throws away what it has and gets that packet at once.
    fn fall_silent(&mut self) {
        self.silencing = true;
        if self.spec.far_buffer {
            self.clear = true;
            self.pacer.restart(self.now);
            self.far.clear(self.now);
        }
    }
}

fn copy(bytes: &[u8], payload: &mut [u8]) -> usize {
    let length = bytes.len().min(payload.len());
    payload.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    length
}

/// −127 dBov (RFC 3389): the quietest there is.
const NO_NOISE: u8 = 127;

/// SplitMix64 (Steele, Lea, Flood 2014): one well-mixed number per step.
fn next_random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod edges;
#[cfg(test)]
mod pressed;
#[cfg(test)]
mod tests;
