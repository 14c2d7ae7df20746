//! Packets in; frames, activity and keys out.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::audio::{BeepDetector, Codec, Frame, SampleRate};
use crate::conversation::{Backdrop, Digit};
use crate::rtp::{Header, Packet, PayloadType, ReportBlock, Ssrc, TelephoneEvent};

use super::InboundReport;
use super::activity::{Activity, Change};
use super::continuity::{Continuity, Placement};
use super::decoders::Decoders;
use super::drift::Drift;
use super::dtmf::DtmfReceiver;
use super::echo::Echo;
use super::formats::{Format, Formats};
use super::jitter::{Inserted, Jitter, Kind, Slot};
use super::keys::KeyEar;
use super::reception::Reception;
use super::source::{Admission, Source};

/// What the inbound side of a line is told once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InboundSpec {
    /// The codec the other side sends.
    pub codec: Codec,
    /// Its payload type.
    pub payload_type: PayloadType,
    /// What else it may send, packet by packet.
    pub others: Formats,
    /// The payload type of comfort noise beside 13, which is always taken for it.
    pub comfort_noise: PayloadType,
    /// The payload type of telephone events; `None`: keys come another way.
    pub telephone_event: Option<PayloadType>,
}

impl InboundSpec {
    /// A line with one codec and nothing else.
    pub const fn new(codec: Codec, payload_type: PayloadType) -> Self {
        let (others, comfort_noise) = (Formats::NONE, Inbound::COMFORT_NOISE);
        Self { codec, payload_type, others, comfort_noise, telephone_event: None }
    }

    /// Every format, the first one first.
    pub fn formats(&self) -> Formats {
        let first = Format { payload_type: self.payload_type, codec: self.codec };
        std::iter::once(first).chain(self.others.iter()).collect()
    }
}

/// What was heard, in order.
#[derive(Clone, Copy, PartialEq, Debug)]
#[non_exhaustive]
pub enum Heard {
    /// The first packet of the line has come. Told once.
    Up,
    /// The next piece of sound: received, concealed, or comfort noise. Frames follow one another without a gap, from the
    /// first packet on, and keep to the clock.
    Frame(Frame),
    /// The caller's voice goes on; told for every voiced hop.
    Voice {
        /// The call time of the stretch's first voiced sample.
        began: Instant,
        /// How much of it was voiced so far.
        voiced: Duration,
        /// What lies under it.
        over: Backdrop,
    },
    /// The voice that was told of last was our own, come back: there was none.
    Echo,
    /// The caller has been quiet for 200 ms.
    Silence {
        /// The call time of the end of the last voiced sample.
        since: Instant,
    },
    /// The caller pressed a key: a telephone event, or tones in the sound, told once when it is both.
    Digit(Digit),
    /// An answering machine's beep has ended; told only while [`Inbound::listen_for_beep`] asks for it.
    Beep {
        /// How long it lasted.
        length: Duration,
        /// The call time of its end, some 100 ms ago.
        ended: Instant,
    },
    /// Nothing came for 15 s, or for 30 s from the beginning: neither sound nor RTCP. Told once, until something comes
    /// again.
    Lost,
}

/// The inbound side of a call: packets to frames, activity and keys.
///
/// Our listener is a machine: it needs order, not smoothness, so an in-order packet waits for nothing. After every
/// `handle_…` drain [`poll`](Inbound::poll); nothing is decoded before it is asked for. After `new` nothing allocates.
#[derive(Debug)]
pub struct Inbound {
    spec: InboundSpec,
    formats: Formats,
    source: Source,
    /// A packet that may begin a new stream, and whether it was counted as foreign.
    suspect: Slot,
    suspect_foreign: bool,
    /// The packet that is being taken in.
    incoming: Slot,
    jitter: Jitter,
    continuity: Continuity,
    decoders: Decoders,
    /// The packet whose turn it is, once what lies before it was handed out.
    pending: Slot,
    activity: Activity,
    echo: Option<Echo>,
    events: DtmfReceiver,
    keys: KeyEar,
    /// While beeps are listened for.
    beep: Option<BeepDetector>,
    /// What is to be handed out before the decoded frame.
    due: Due,
    /// Small things to tell. At most [`Inbound::NOTES`].
    notes: VecDeque<Note>,
    /// The end of the last frame handed out, on the call's clock.
    handed: Option<Instant>,
    /// The format of the last packet with sound, the timestamp after it, and when it came.
    expected: Option<(u8, u32, Instant)>,
    /// The format of the packet before: another one's timestamps may count another clock.
    format: u8,
    /// Arrival and timestamp of the packet before, and the jitter in nanoseconds.
    transit: Option<(Instant, u32)>,
    jitter_nanos: f64,
    reception: Reception,
    drift: Drift,
    length: Duration,
    /// How much of the sound up to now was made up, without a break.
    missing: Duration,
    lost_at: Option<Instant>,
    held: bool,
    now: Instant,
    report: InboundReport,
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

#[derive(Clone, Copy, Debug)]
enum Note {
    Up,
    Change(Change),
    Beep { length: Duration, ended: Instant },
    Digit(Digit),
    Lost,
}

impl Inbound {
    /// Nothing for this long after something: the media is lost.
    pub const LOST: Duration = Duration::from_secs(15);
    /// Nothing for this long from the beginning: the media is lost.
    pub const LOST_INITIALLY: Duration = Duration::from_secs(30);
    /// How long a key may have sounded before it is recognised: two pieces of 12.75 ms and what is left of two frames.
    pub const KEY_ONSET: Duration = Duration::from_millis(60);
    /// The most notes that wait to be told; what comes beyond them is left out.
    const NOTES: usize = 2 * Activity::MOST_CHANGES;
    /// Comfort noise (RFC 3389), which phones send whether it was agreed or not.
    pub const COMFORT_NOISE: PayloadType = PayloadType(13);
    /// A pause in the timestamps shorter than this is taken for a sender that counts wrongly.
    const LEAST_PAUSE: Duration = Duration::from_millis(60);
    /// A timestamp this far off is a restarted clock.
    const CLOCK_JUMP: Duration = Duration::from_secs(1);

    /// A line on which nothing has come yet.
    pub fn new(spec: InboundSpec, now: Instant) -> Self {
        let formats = spec.formats();
        let decoders = Decoders::new(&formats);
        let rate = decoders.rate();
        let room = formats.iter().map(|format| format.codec.longest_payload()).max().unwrap_or(0);
        Self {
            spec,
            formats,
            source: Source::default(),
            suspect: Slot::empty(room, now),
            suspect_foreign: false,
            incoming: Slot::empty(room, now),
            jitter: Jitter::new(room, now),
            continuity: Continuity::default(),
            decoders,
            pending: Slot::empty(room, now),
            activity: Activity::new(rate),
            echo: Echo::new(rate, now),
            events: DtmfReceiver::default(),
            keys: KeyEar::new(rate),
            beep: None,
            due: Due { conceal: Duration::ZERO, silence: Duration::ZERO, packet: None, end: now },
            notes: VecDeque::with_capacity(Self::NOTES),
            handed: None,
            expected: None,
            format: 0,
            transit: None,
            jitter_nanos: 0.0,
            reception: Reception::default(),
            drift: Drift::default(),
            length: Continuity::STEP,
            missing: Duration::ZERO,
            lost_at: Some(now + Self::LOST_INITIALLY),
            held: false,
            now,
            report: InboundReport::default(),
        }
    }

    /// The line is up: from this moment on something should come.
    pub fn answer(&mut self, now: Instant) {
        self.now = self.now.max(now);
        if self.report.received == 0 {
            self.lost_at = Some(now + Self::LOST_INITIALLY);
        }
    }

    /// Takes one datagram as it came from the line. Whatever it holds, the worst it does is count.
    pub fn handle_packet(&mut self, datagram: &[u8], now: Instant) {
        self.now = self.now.max(now);
        let now = self.now;
        if Packet::is_rtcp(datagram) {
            self.report.rtcp += 1;
            // A sender without sound to send (silence suppression, mute) still reports: it is there.
            if !self.held {
                self.lost_at = self.lost_at.max(Some(now + Self::LOST));
            }
            return;
        }
        let Ok(packet) = Packet::parse(datagram) else {
            self.report.malformed += 1;
            return;
        };
        let kind = self.kind(&packet.header);
        if kind == Kind::Nothing && !self.source.is_current(packet.header.ssrc) {
            self.report.unknown_payload += 1;
            return;
        }
        if !self.incoming.fill(kind, packet.header.timestamp, packet.payload, now) {
            self.report.undecodable += 1;
            return;
        }
        self.incoming.marker = packet.header.marker;
        let known = self.source.is_current(packet.header.ssrc);
        match self.source.admit(&packet.header, self.jitter.end(), now) {
            Admission::At(place) => {
                self.reception.received(place);
                self.accept(place);
            }
            Admission::Restart(place) => {
                self.reception.begin(packet.header.ssrc, packet.header.sequence, place);
                self.restart(place);
                self.accept(place);
            }
            Admission::RestartWithSuspect(place) => {
                // The suspect was counted when it came; it has turned out to be neither foreign nor late.
                let counted = if self.suspect_foreign { &mut self.report.foreign } else { &mut self.report.late };
                *counted = counted.saturating_sub(1);
                self.reception.begin(packet.header.ssrc, packet.header.sequence.wrapping_sub(1), place);
                self.reception.received(place + 1);
                self.restart(place);
                std::mem::swap(&mut self.suspect, &mut self.incoming);
                self.accept(place);
                std::mem::swap(&mut self.suspect, &mut self.incoming);
                self.accept(place + 1);
            }
            Admission::Suspect => {
                *(if known { &mut self.report.late } else { &mut self.report.foreign }) += 1;
                self.suspect_foreign = !known;
                std::mem::swap(&mut self.suspect, &mut self.incoming);
            }
        }
    }

    /// What leaves for the other side from `now` on: it may come back.
    pub fn sent(&mut self, frame: &Frame, now: Instant) {
        if let Some(echo) = &mut self.echo {
            echo.sent(frame, now);
        }
    }

    /// The deadline of [`poll_timeout`](Inbound::poll_timeout) has come. Early calls do nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = self.now.max(now);
        self.jitter.handle_timeout(self.now);
        if !self.held && self.lost_at.is_some_and(|at| at <= self.now) {
            self.lost_at = None;
            self.note(Note::Lost);
        }
    }

    /// The next thing heard.
    pub fn poll(&mut self) -> Option<Heard> {
        if let Some(note) = self.notes.pop_front() {
            return Some(match note {
                Note::Up => Heard::Up,
                Note::Beep { length, ended } => Heard::Beep { length, ended },
                Note::Change(Change::Voice { began, voiced, over }) => Heard::Voice { began, voiced, over },
                Note::Change(Change::Echo) => Heard::Echo,
                Note::Change(Change::Silence { since }) => Heard::Silence { since },
                Note::Digit(digit) => Heard::Digit(digit),
                Note::Lost => Heard::Lost,
            });
        }
        let (mut frame, end) = self.next_frame()?;
        self.handed = Some(end);
        let had_key = self.keys.is_sounding();
        if let Some(digit) = self.keys.hear(&mut frame, self.missing, self.now) {
            self.report.digits += 1;
            self.note(Note::Digit(digit));
        }
        if self.keys.is_sounding()
            && !had_key
            && let Some(change) = self.activity.break_off()
        {
            // The beginning of a tone, before it was certain, may have sounded like a voice.
            self.note(Note::Change(change));
        }
        if let Some(echo) = &mut self.echo {
            echo.came(&frame, end);
        }
        let notes = &mut self.notes;
        self.activity.push(&frame, end, self.echo.as_mut(), |change| {
            if notes.len() < Self::NOTES {
                notes.push_back(Note::Change(change));
            }
        });
        if let Some(detector) = &mut self.beep {
            detector.push(&frame, |beep| {
                if notes.len() < Self::NOTES {
                    let ended = end.checked_sub(beep.ago).unwrap_or(end);
                    notes.push_back(Note::Beep { length: beep.length, ended });
                }
            });
        }
        Some(Heard::Frame(frame))
    }

    /// When to call [`handle_timeout`](Inbound::handle_timeout) at the latest.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.held {
            return None;
        }
        [self.jitter.deadline(), self.continuity.deadline(), self.lost_at].into_iter().flatten().min()
    }

    /// The other side has put us on hold, or has taken us back. While it holds us nothing is produced (what comes is
    /// music), and nothing is missed.
    pub fn set_held(&mut self, held: bool, now: Instant) {
        self.now = self.now.max(now);
        if held == self.held {
            return;
        }
        self.held = held;
        if held {
            self.keys.reset();
            if let Some(change) = self.activity.reset() {
                self.note(Note::Change(change));
            }
            if let Some(echo) = &mut self.echo {
                echo.reset();
            }
            self.due = Due { conceal: Duration::ZERO, silence: Duration::ZERO, packet: None, end: self.now };
            self.jitter.give_up_before(self.jitter.end());
            self.pass_over();
            self.lost_at = None;
        } else {
            self.continuity = Continuity::default();
            self.decoders.reset();
            self.drift.reset();
            self.expected = None;
            self.lost_at = Some(self.now + Self::LOST);
        }
    }

    /// Whether a key that a gateway tells of is new: not one that was just heard in the sound.
    pub fn is_new_key(&mut self, digit: Digit, now: Instant) -> bool {
        self.now = self.now.max(now);
        self.keys.is_new(digit, self.now)
    }

    /// Whether a key sounded in the frame that was handed out last. It was silenced there; up to
    /// [`Inbound::KEY_ONSET`] of its beginning had been handed out before it was recognised.
    pub const fn hears_key(&self) -> bool {
        self.keys.is_sounding()
    }

    /// Begins or stops to listen for an answering machine's beep. Off at first: it is work for every frame.
    pub fn listen_for_beep(&mut self, wanted: bool) {
        if wanted != self.beep.is_some() {
            self.beep = wanted.then(|| BeepDetector::new(self.rate()));
        }
    }

    /// Samples a second of every frame that is handed out: the rate of the widest format.
    pub const fn rate(&self) -> SampleRate {
        self.decoders.rate()
    }

    /// What happened so far, in numbers.
    pub fn report(&self) -> InboundReport {
        let jitter = Duration::from_nanos(self.jitter_nanos as u64);
        InboundReport { jitter, adjusted: self.drift.adjusted(), ..self.report }
    }

    /// What is to be reported on the other side's stream, but for what its own reports told; what was lost counts from
    /// the call before. `None`: nothing has come.
    pub(super) fn report_block(&mut self) -> Option<ReportBlock> {
        self.reception.block(Duration::from_nanos(self.jitter_nanos as u64), self.spec.codec.clock_rate())
    }

    /// How many packets are missed in a row, on average; `None`: none was.
    pub(super) fn burst(&self) -> Option<f64> {
        self.reception.burst()
    }

    /// Whom we listen to.
    pub fn ssrc(&self) -> Option<Ssrc> {
        self.reception.ssrc()
    }

    fn kind(&self, header: &Header) -> Kind {
        let format = self.formats.iter().position(|format| format.payload_type == header.payload_type);
        if let Some(format) = format.and_then(|format| u8::try_from(format).ok()) {
            Kind::Sound(format)
        } else if Some(header.payload_type) == self.spec.telephone_event {
            Kind::Event
        } else if [Self::COMFORT_NOISE, self.spec.comfort_noise].contains(&header.payload_type) {
            Kind::Noise
        } else {
            Kind::Nothing
        }
    }

    /// Takes in the incoming packet at its place.
    fn accept(&mut self, place: u64) {
        let Slot { kind, timestamp, at, .. } = self.incoming;
        match kind {
            Kind::Nothing => self.report.unknown_payload += 1,
            Kind::Noise => self.report.comfort_noise += 1,
            Kind::Event | Kind::Sound(_) => {
                if self.report.received == 0 {
                    self.note(Note::Up);
                }
                self.report.received += 1;
            }
        }
        if let Kind::Sound(format) = kind {
            self.measure_jitter(format, timestamp, at);
        }
        if kind != Kind::Nothing && !self.held {
            self.lost_at = Some(at + Self::LOST);
            self.continuity.heard(at);
        }
        let inserted = self.jitter.insert(place, &self.incoming);
        if self.held {
            // Kept in order, but not listened to.
            self.jitter.give_up_before(place);
            self.pass_over();
        }
        match inserted {
            Inserted::Kept => {}
            Inserted::Reordered => self.report.reordered += 1,
            Inserted::Late => {
                self.report.late += 1;
                self.report.lost = self.report.lost.saturating_sub(1);
            }
            Inserted::Duplicate => {
                self.report.duplicate += 1;
                return;
            }
            Inserted::Full => self.report.overflow += 1,
        }
        if kind == Kind::Event {
            match TelephoneEvent::parse(self.incoming.payload()) {
                Ok(event) => {
                    self.keys.event_came(at);
                    if let Some(digit) = self.events.handle(event, timestamp, at)
                        && self.keys.is_new(digit, at)
                    {
                        self.report.digits += 1;
                        self.note(Note::Digit(digit));
                    }
                }
                Err(_) => self.report.undecodable += 1,
            }
        }
    }

    /// Lets go of what may be handed out without listening to it.
    fn pass_over(&mut self) {
        while let Some(popped) = self.jitter.pop() {
            self.report.lost += popped.lost;
        }
    }

    /// A new stream begins at `place`; what waits of the old one is let go.
    fn restart(&mut self, place: u64) {
        self.jitter.give_up_before(place);
        self.events.reset();
        self.keys.reset();
        self.transit = None;
        self.expected = None;
        self.decoders.restart();
        self.drift.reset();
        if self.report.received > 0 {
            self.report.restarts += 1;
        }
    }

    /// RFC 3550 section 6.4.1 and appendix A.8, in nanoseconds.
    fn measure_jitter(&mut self, format: u8, timestamp: u32, at: Instant) {
        if std::mem::replace(&mut self.format, format) != format {
            self.transit = None;
        }
        if let Some((before, stamp)) = self.transit {
            let apart = at.saturating_duration_since(before).as_nanos() as f64;
            let sent = f64::from(timestamp.wrapping_sub(stamp) as i32) * 1e9 / f64::from(self.clock(format));
            let difference = (apart - sent).abs();
            if difference < Self::CLOCK_JUMP.as_nanos() as f64 {
                self.jitter_nanos += (difference - self.jitter_nanos) / 16.0;
            }
        }
        self.transit = Some((at, timestamp));
    }

    /// The next frame and the call time of its last sample.
    fn next_frame(&mut self) -> Option<(Frame, Instant)> {
        if self.held {
            return None;
        }
        loop {
            if self.due.conceal > Duration::ZERO {
                return Some(self.next_concealed());
            }
            if self.due.silence > Duration::ZERO {
                let piece = self.due.silence.min(Continuity::STEP);
                self.due.silence -= piece;
                self.report.filled += piece;
                let end = self.dated(self.left_after());
                self.missing = Duration::ZERO;
                self.drift.made_up(piece);
                return Some((self.decoders.quiet(piece), end));
            }
            if let Some((length, format)) = self.due.packet.take() {
                let decoded = self.decoders.decode(format, self.pending.payload());
                let frame = match decoded {
                    Ok(mut frame) => {
                        self.missing = Duration::ZERO;
                        self.drift.received(&mut frame, self.due.end);
                        frame
                    }
                    Err(_) => {
                        // It looked like a packet of its codec and is none: as good as lost.
                        self.report.undecodable += 1;
                        self.made_up(length);
                        self.decoders.lost(length, None)
                    }
                };
                return Some((frame, self.dated(self.due.end)));
            }
            if !self.take_packet() {
                let filled = self.continuity.filled();
                let end = self.continuity.fill(self.now)?;
                let concealed = filled < CONCEALABLE && !self.decoders.is_paused();
                *(if concealed { &mut self.report.concealed } else { &mut self.report.filled }) += Continuity::STEP;
                self.made_up(Continuity::STEP);
                return Some((self.decoders.lost(Continuity::STEP, None), self.dated(end)));
            }
        }
    }

    /// Sound is made up for what has not come.
    fn made_up(&mut self, piece: Duration) {
        self.report.gaps += u64::from(self.missing.is_zero());
        self.missing = self.missing.saturating_add(piece);
        self.drift.made_up(piece);
    }

    /// The next piece of what was lost before the pending packet. The last piece may be in that packet.
    fn next_concealed(&mut self) -> (Frame, Instant) {
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
        self.report.concealed += piece;
        let end = self.dated(self.left_after());
        self.made_up(piece);
        let next = copies.filter(|_| is_last).map(|(_, format)| (format, self.pending.payload()));
        (self.decoders.lost(piece, next), end)
    }

    /// Lines up the next packet that may be handed out; `false`: there is none.
    fn take_packet(&mut self) -> bool {
        let Some(popped) = self.jitter.pop() else { return false };
        self.report.lost += popped.lost;
        self.reception.missed(popped.lost);
        let lost = self.length.saturating_mul(u32::try_from(popped.lost).unwrap_or(u32::MAX));
        let (packet, behind) = (popped.packet, popped.behind);
        let (at, timestamp, marker, kind) = (packet.at, packet.timestamp, packet.marker, packet.kind);
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
            self.report.undecodable += 1;
            return true;
        };
        self.pending.copy(packet);
        self.length = length;
        // A packet that came late behind one that is already here is as old as its place says.
        let end = behind.and_then(|behind| behind.checked_sub(length)).map_or(at, |latest| latest.min(at));
        let unsent = self.unsent(format, timestamp, marker, length, at);
        match self.continuity.place(length, lost, unsent, at) {
            Placement::After { conceal, silence } => {
                self.due = Due { conceal, silence, packet: Some((length, format)), end };
            }
            Placement::Late => {
                self.report.late += 1;
                self.decoders.catch_up(format, self.pending.payload());
            }
        }
        true
    }

    /// How much sound the timestamp says was never sent before this packet.
    fn unsent(&mut self, format: u8, timestamp: u32, marker: bool, length: Duration, at: Instant) -> Duration {
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
        if !pause && apart >= Self::CLOCK_JUMP {
            self.report.restarts += 1;
        }
        // Who marks the beginning of sound has really paused.
        let least = if marker { length } else { Self::LEAST_PAUSE };
        if pause && apart >= least { apart } else { Duration::ZERO }
    }

    /// What a second counts in the timestamps of a format.
    fn clock(&self, format: u8) -> u32 {
        self.decoders.codec(format).unwrap_or(self.spec.codec).clock_rate()
    }

    /// Where the piece that was just taken from what is due ends.
    fn left_after(&self) -> Instant {
        let packet = self.due.packet.map_or(Duration::ZERO, |(length, _)| length);
        let left = self.due.conceal + self.due.silence + packet;
        self.due.end.checked_sub(left).unwrap_or(self.due.end)
    }

    /// Sound is never older than the sound before it.
    fn dated(&self, end: Instant) -> Instant {
        self.handed.map_or(end, |handed| handed.max(end))
    }

    fn note(&mut self, note: Note) {
        if self.notes.len() < Self::NOTES {
            self.notes.push_back(note);
        }
    }
}

/// So much made-up sound still resembles what came before; beyond it is comfort noise.
const CONCEALABLE: Duration = Duration::from_millis(60);

#[cfg(test)]
mod tests;
