//! Packets at their places to one stream of dated frames.

use std::time::{Duration, Instant};

use crate::audio::{Frame, SampleRate};

use super::InboundReport;
use super::continuity::{Continuity, Placement};
use super::decoders::Decoders;
use super::drift::Drift;
use super::formats::Formats;
use super::jitter::{Inserted, Jitter, Kind, Slot};
use super::reception::Reception;

/// Hands out what came, in order and decoded, what is made up in the place of what did not, and the call time of each.
///
/// ```text
///   insert ── jitter ── take_packet ── due: concealment, silence, packet ── decoders, drift ── next
///                           └ continuity: how much of each
/// ```
#[derive(Debug)]
pub(super) struct Assembly {
    jitter: Jitter,
    continuity: Continuity,
    decoders: Decoders,
    drift: Drift,
    /// The packet whose turn it is, once what lies before it was handed out.
    pending: Slot,
    /// What is to be handed out before the decoded frame.
    due: Due,
    /// The end of the last frame handed out, on the call's clock.
    handed: Option<Instant>,
    /// The format of the last packet with sound, the timestamp after it, and when it came.
    expected: Option<(u8, u32, Instant)>,
    /// How long the last packet with sound was.
    length: Duration,
    /// How much of the sound up to now was made up, without a break.
    missing: Duration,
}

/// Sound on its way out: concealment, then silence, then the pending packet.
#[derive(Clone, Copy, Debug)]
struct Due {
    conceal: Duration,
    silence: Duration,
    /// How long the pending packet lasts, and its format.
    packet: Option<(Duration, u8)>,
    /// The call time of the end of all of it.
    end: Instant,
}

impl Assembly {
    /// A stream of which nothing has come, with payloads of up to `room` bytes.
    pub(super) fn new(formats: &Formats, room: usize, now: Instant) -> Self {
        Self {
            jitter: Jitter::new(room, now),
            continuity: Continuity::default(),
            decoders: Decoders::new(formats),
            drift: Drift::default(),
            pending: Slot::empty(room, now),
            due: Due::nothing(now),
            handed: None,
            expected: None,
            length: Continuity::STEP,
            missing: Duration::ZERO,
        }
    }

    /// Samples a second of every frame.
    pub(super) const fn rate(&self) -> SampleRate {
        self.decoders.rate()
    }

    /// What a second counts in the timestamps of a format.
    pub(super) fn clock(&self, format: u8) -> u32 {
        self.decoders.codec(format).map_or(8_000, |codec| codec.clock_rate())
    }

    /// How much of the sound up to the last frame's end was made up, without a break.
    pub(super) const fn missing(&self) -> Duration {
        self.missing
    }

    /// Samples put in or left out because the sender's clock is not ours.
    pub(super) const fn adjusted(&self) -> u64 {
        self.drift.adjusted()
    }

    /// The first place beyond every packet seen.
    pub(super) const fn end(&self) -> u64 {
        self.jitter.end()
    }

    /// A packet came; perhaps it still waits for one before it.
    pub(super) fn heard(&mut self, at: Instant) {
        self.continuity.heard(at);
    }

    /// Keeps a packet at its place.
    pub(super) fn insert(&mut self, place: u64, packet: &Slot) -> Inserted {
        self.jitter.insert(place, packet)
    }

    /// A new stream begins at `place`; gaps before it are given up.
    pub(super) fn restart(&mut self, place: u64) {
        self.jitter.give_up_before(place);
        self.expected = None;
        self.decoders.restart();
        self.drift.reset();
    }

    /// Lets go of everything up to `place` without listening to it; says how many packets of it never came.
    pub(super) fn pass_over(&mut self, place: u64, now: Instant) -> u64 {
        self.due = Due::nothing(now);
        self.jitter.give_up_before(place);
        let mut lost = 0;
        while let Some(popped) = self.jitter.pop() {
            lost += popped.lost;
        }
        lost
    }

    /// Begins anew after what was passed over.
    pub(super) fn resume(&mut self) {
        self.continuity = Continuity::default();
        self.decoders.reset();
        self.drift.reset();
        self.expected = None;
    }

    /// Gives up the gaps that were waited for long enough.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.jitter.handle_timeout(now);
    }

    /// When a gap is given up or sound is made up, if nothing comes.
    pub(super) fn deadline(&self) -> Option<Instant> {
        [self.jitter.deadline(), self.continuity.deadline()].into_iter().flatten().min()
    }

    /// Makes the next [`frame`](Self::frame) and gives the call time of its last sample, which is never before that of the
    /// frame before.
    pub(super) fn next(
        &mut self,
        now: Instant,
        report: &mut InboundReport,
        reception: &mut Reception,
    ) -> Option<Instant> {
        let end = self.next_piece(now, report, reception)?;
        // Sound is never older than the sound before it.
        let end = self.handed.map_or(end, |handed| handed.max(end));
        self.handed = Some(end);
        Some(end)
    }

    /// The frame that was made last.
    pub(super) const fn frame(&self) -> &Frame {
        self.decoders.frame()
    }

    /// The frame that was made last, to be changed.
    pub(super) const fn frame_mut(&mut self) -> &mut Frame {
        self.decoders.frame_mut()
    }

    fn next_piece(&mut self, now: Instant, report: &mut InboundReport, reception: &mut Reception) -> Option<Instant> {
        loop {
            if self.due.conceal > Duration::ZERO {
                return Some(self.next_concealed(report));
            }
            if self.due.silence > Duration::ZERO {
                let piece = self.due.silence.min(Continuity::STEP);
                self.due.silence -= piece;
                report.filled += piece;
                let end = self.left_after();
                self.missing = Duration::ZERO;
                self.drift.made_up(piece);
                self.decoders.quiet(piece);
                return Some(end);
            }
            if let Some((length, format)) = self.due.packet.take() {
                if self.decoders.decode(format, self.pending.payload()).is_ok() {
                    self.missing = Duration::ZERO;
                    self.drift.received(self.decoders.frame_mut(), self.due.end);
                } else {
                    // It looked like a packet of its codec and is none: as good as lost.
                    report.undecodable += 1;
                    self.made_up(length, report);
                    self.decoders.lost(length, None);
                }
                return Some(self.due.end);
            }
            if !self.take_packet(report, reception) {
                let filled = self.continuity.filled();
                let end = self.continuity.fill(now)?;
                let concealed = filled < CONCEALABLE && !self.decoders.is_paused();
                *(if concealed { &mut report.concealed } else { &mut report.filled }) += Continuity::STEP;
                self.made_up(Continuity::STEP, report);
                self.decoders.lost(Continuity::STEP, None);
                return Some(end);
            }
        }
    }

    /// Sound is made up for what has not come.
    fn made_up(&mut self, piece: Duration, report: &mut InboundReport) {
        report.gaps += u64::from(self.missing.is_zero());
        self.missing = self.missing.saturating_add(piece);
        self.drift.made_up(piece);
    }

    /// The next piece of what was lost before the pending packet. The last piece may be in that packet.
    fn next_concealed(&mut self, report: &mut InboundReport) -> Instant {
        let copies = self.due.packet.filter(|(_, format)| self.decoders.has_copies(*format));
        let copied = copies.map_or(Duration::ZERO, |(length, _)| length);
        let left = self.due.conceal;
        let is_last = copied == left && self.due.silence == Duration::ZERO;
        let piece = match left.saturating_sub(copied) {
            Duration::ZERO if is_last => left,
            Duration::ZERO => left.min(Continuity::STEP),
            before => before.min(Continuity::STEP),
        };
        self.due.conceal -= piece;
        report.concealed += piece;
        let end = self.left_after();
        self.made_up(piece, report);
        let next = copies.filter(|_| is_last).map(|(_, format)| (format, self.pending.payload()));
        self.decoders.lost(piece, next);
        end
    }

    /// Lines up the next packet that may be handed out; `false`: there is none.
    fn take_packet(&mut self, report: &mut InboundReport, reception: &mut Reception) -> bool {
        let Some(popped) = self.jitter.pop() else { return false };
        report.lost += popped.lost;
        reception.missed(popped.lost);
        let lost = self.length.saturating_mul(u32::try_from(popped.lost).unwrap_or(u32::MAX));
        let (packet, behind) = (popped.packet, popped.behind);
        let (at, kind) = (packet.at, packet.kind);
        let format = match kind {
            Kind::Sound(format) => format,
            Kind::Event | Kind::Noise => {
                if kind == Kind::Noise
                    && let Some(level) = packet.payload().first()
                {
                    self.decoders.pause(*level);
                }
                let silence = self.continuity.silent(at);
                let conceal = if self.decoders.is_paused() { Duration::ZERO } else { lost.min(silence) };
                self.due = Due { conceal, silence: silence - conceal, packet: None, end: at };
                return true;
            }
            Kind::Nothing => return true,
        };
        let Ok(length) = self.decoders.length(format, packet.payload()) else {
            report.undecodable += 1;
            return true;
        };
        self.pending.copy(packet);
        self.length = length;
        // A packet that came late behind one that is already here is as old as its place says.
        let end = behind.and_then(|behind| behind.checked_sub(length)).map_or(at, |latest| latest.min(at));
        let unsent = self.unsent(format, length, report);
        match self.continuity.place(length, lost, unsent, at) {
            Placement::After { conceal, silence } => {
                self.due = Due { conceal, silence, packet: Some((length, format)), end };
            }
            Placement::Late => {
                report.late += 1;
                self.decoders.catch_up(format, self.pending.payload());
            }
        }
        true
    }

    /// How much sound the pending packet's timestamp says was never sent before it.
    fn unsent(&mut self, format: u8, length: Duration, report: &mut InboundReport) -> Duration {
        let Slot { at, timestamp, marker, .. } = self.pending;
        let clock = u64::from(self.clock(format));
        let units = (length.as_nanos() * u128::from(clock) + 500_000_000) / 1_000_000_000;
        let expected = self.expected.replace((format, timestamp.wrapping_add(units as u32), at));
        // Another format may count another clock (RFC 7160): its first packet says nothing.
        let Some((_, expected, before)) = expected.filter(|(before, ..)| self.clock(*before) == self.clock(format))
        else {
            return Duration::ZERO;
        };
        let step = timestamp.wrapping_sub(expected) as i32;
        let apart = Duration::from_nanos(u64::from(step.unsigned_abs()) * 1_000_000_000 / clock);
        let passed = at.saturating_duration_since(before);
        let pause = step > 0 && passed >= apart / 2;
        if !pause && apart >= CLOCK_JUMP {
            report.restarts += 1;
        }
        // Who marks the beginning of sound has really paused.
        let least = if marker { length } else { LEAST_PAUSE };
        if pause && apart >= least { apart } else { Duration::ZERO }
    }

    /// Where the piece that was just taken from what is due ends.
    fn left_after(&self) -> Instant {
        let packet = self.due.packet.map_or(Duration::ZERO, |(length, _)| length);
        let left = self.due.conceal + self.due.silence + packet;
        self.due.end.checked_sub(left).unwrap_or(self.due.end)
    }
}

impl Due {
    const fn nothing(end: Instant) -> Self {
        Self { conceal: Duration::ZERO, silence: Duration::ZERO, packet: None, end }
    }
}

/// So much made-up sound still resembles what came before; beyond it is comfort noise.
const CONCEALABLE: Duration = Duration::from_millis(60);
/// A pause in the timestamps shorter than this is taken for a sender that counts wrongly.
const LEAST_PAUSE: Duration = Duration::from_millis(60);
/// A timestamp this far off is a restarted clock.
const CLOCK_JUMP: Duration = Duration::from_secs(1);
