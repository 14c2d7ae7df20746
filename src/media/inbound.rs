//! Packets in; frames, activity and keys out.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::audio::{BeepDetector, Codec, Frame, SampleRate};
use crate::conversation::{Denoising, Digit};
use crate::rtp::{Header, Packet, PayloadType, ReportBlock, Ssrc, TelephoneEvent};

use super::activity::{Activity, Change};
use super::assembly::Assembly;
use super::cleaning::Cleaning;
use super::dtmf::DtmfReceiver;
use super::echo::Echo;
use super::formats::{Format, Formats};
use super::interarrival::Interarrival;
use super::jitter::{Inserted, Kind, Slot};
use super::keys::KeyEar;
use super::reception::Reception;
use super::source::{Admission, Source};
use super::{Heard, InboundReport};

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
    /// What is taken out of the sound before the recogniser gets it.
    pub denoising: Denoising,
    /// Whether the recogniser gets voices at about one level.
    pub auto_gain: bool,
}

impl InboundSpec {
    /// A line with one codec and nothing else.
    pub const fn new(codec: Codec, payload_type: PayloadType) -> Self {
        let (others, comfort_noise) = (Formats::NONE, Inbound::COMFORT_NOISE);
        let (denoising, auto_gain) = (Denoising::None, false);
        Self { codec, payload_type, others, comfort_noise, telephone_event: None, denoising, auto_gain }
    }

    /// Every format, the first one first.
    pub fn formats(&self) -> Formats {
        let first = Format { payload_type: self.payload_type, codec: self.codec };
        std::iter::once(first).chain(self.others.iter()).collect()
    }
}

/// The inbound side of a call: packets to frames, activity and keys.
///
/// Our listener is a machine: it needs order, not smoothness, so an in-order packet waits for nothing. After every
/// `handle_…` drain [`poll`](Inbound::poll); nothing is decoded before it is asked for. After `new` nothing allocates but
/// room for more packets out of order than ever waited before.
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
    assembly: Assembly,
    cleaning: Cleaning,
    activity: Activity,
    echo: Option<Echo>,
    events: DtmfReceiver,
    keys: KeyEar,
    /// While beeps are listened for.
    beep: Option<BeepDetector>,
    /// Small things to tell. At most [`Inbound::NOTES`].
    notes: VecDeque<Note>,
    interarrival: Interarrival,
    reception: Reception,
    lost_at: Option<Instant>,
    held: bool,
    now: Instant,
    report: InboundReport,
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

    /// A line on which nothing has come yet.
    pub fn new(spec: InboundSpec, now: Instant) -> Self {
        let formats = spec.formats();
        let room = formats.iter().map(|format| format.codec.longest_payload()).max().unwrap_or(0);
        let assembly = Assembly::new(&formats, room, now);
        let rate = assembly.rate();
        Self {
            spec,
            formats,
            source: Source::default(),
            suspect: Slot::empty(room, now),
            suspect_foreign: false,
            incoming: Slot::empty(room, now),
            assembly,
            cleaning: Cleaning::new(spec.denoising, spec.auto_gain, rate),
            activity: Activity::new(rate),
            echo: Echo::new(rate, now),
            events: DtmfReceiver::default(),
            keys: KeyEar::new(rate),
            beep: None,
            notes: VecDeque::with_capacity(Self::NOTES),
            interarrival: Interarrival::default(),
            reception: Reception::default(),
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
        match self.source.admit(&packet.header, self.assembly.end(), now) {
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
        self.assembly.handle_timeout(self.now);
        self.cleaning.handle_timeout(self.now);
        if !self.held && self.lost_at.is_some_and(|at| at <= self.now) {
            self.lost_at = None;
            self.note(Note::Lost);
        }
    }

    /// The next thing heard.
    pub fn poll(&mut self) -> Option<Heard> {
        self.poll_in_place().map(|heard| heard.with(|| *self.frame()))
    }

    /// The frame that was heard last.
    pub const fn frame(&self) -> &Frame {
        self.assembly.frame()
    }

    /// The next thing heard; a frame stays [here](Inbound::frame) until it is asked again.
    pub fn poll_in_place(&mut self) -> Option<Heard<()>> {
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
        if self.held {
            return None;
        }
        let end = self.assembly.next(self.now, &mut self.report, &mut self.reception)?;
        let (had_key, missing) = (self.keys.is_sounding(), self.assembly.missing());
        if let Some(digit) = self.keys.hear(self.assembly.frame_mut(), missing, self.now) {
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
        let frame = self.assembly.frame();
        if let Some(echo) = &mut self.echo {
            echo.came(frame, end);
        }
        let is_real = missing.is_zero() && !self.keys.is_sounding();
        self.cleaning.take(frame, is_real, self.now);
        let notes = &mut self.notes;
        self.activity.push(frame, end, self.echo.as_mut(), |change| {
            if notes.len() < Self::NOTES {
                notes.push_back(Note::Change(change));
            }
        });
        if let Some(detector) = &mut self.beep {
            detector.push(frame, |beep| {
                if notes.len() < Self::NOTES {
                    let ended = end.checked_sub(beep.ago).unwrap_or(end);
                    notes.push_back(Note::Beep { length: beep.length, ended });
                }
            });
        }
        Some(Heard::Frame(()))
    }

    /// When to call [`handle_timeout`](Inbound::handle_timeout) at the latest.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.held {
            return None;
        }
        [self.assembly.deadline(), self.cleaning.deadline(), self.lost_at].into_iter().flatten().min()
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
            self.report.lost += self.assembly.pass_over(self.assembly.end(), self.now);
            self.lost_at = None;
        } else {
            self.assembly.resume();
            self.cleaning.reset();
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

    /// The frame that was handed out last as the recogniser is to get it: without noise (then 16 ms older), at a good
    /// level. `None`: as it came.
    pub fn cleaned(&self) -> Option<&Frame> {
        self.cleaning.frame()
    }

    /// How much older the sound of [`cleaned`](Self::cleaned) is than that of the frame.
    pub fn cleaning_delay(&self) -> Duration {
        self.cleaning.delay()
    }

    /// Goes on with something else taken out of the sound. May allocate.
    pub fn set_denoising(&mut self, denoising: Denoising) {
        self.cleaning.set_mode(denoising);
    }

    /// Begins or stops to listen for an answering machine's beep. Off at first: it is work for every frame.
    pub fn listen_for_beep(&mut self, wanted: bool) {
        if wanted != self.beep.is_some() {
            self.beep = wanted.then(|| BeepDetector::new(self.rate()));
        }
    }

    /// Samples a second of every frame that is handed out: the rate of the widest format.
    pub const fn rate(&self) -> SampleRate {
        self.assembly.rate()
    }

    /// What happened so far, in numbers.
    pub fn report(&self) -> InboundReport {
        InboundReport {
            jitter: self.interarrival.jitter(),
            adjusted: self.assembly.adjusted(),
            cleaned: self.cleaning.cleaned(),
            ..self.report
        }
    }

    /// What is to be reported on the other side's stream, but for what its own reports told; what was lost counts from
    /// the call before. `None`: nothing has come.
    pub(super) fn report_block(&mut self) -> Option<ReportBlock> {
        self.reception.block(self.interarrival.jitter(), self.spec.codec.clock_rate())
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
            self.interarrival.came(format, self.assembly.clock(format), timestamp, at);
        }
        if kind != Kind::Nothing && !self.held {
            self.lost_at = Some(at + Self::LOST);
            self.assembly.heard(at);
        }
        let inserted = self.assembly.insert(place, &self.incoming);
        if self.held {
            // Kept in order, but not listened to.
            self.report.lost += self.assembly.pass_over(place, at);
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

    /// A new stream begins at `place`; what waits of the old one is let go.
    fn restart(&mut self, place: u64) {
        self.assembly.restart(place);
        self.events.reset();
        self.keys.reset();
        self.interarrival.restart();
        if self.report.received > 0 {
            self.report.restarts += 1;
        }
    }

    fn note(&mut self, note: Note) {
        if self.notes.len() < Self::NOTES {
            self.notes.push_back(note);
        }
    }
}

#[cfg(test)]
mod tests;
