//! Speech of the replies, kept until it is sent, and for a moment after.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::audio::{Resampler, SampleRate, level};
use crate::conversation::ReplyId;

use super::pool::{Pool, Tape};

/// How much of a reply was heard when it was cut.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Cut {
    /// How much of its sound.
    pub heard: Duration,
    /// The share of the energy received so far that was heard, 0 to 1.
    pub share: f32,
}

/// The speech of up to [`Playout::REPLIES`] living replies at the line's rate, played one after the other.
///
/// Bounded to [`Playout::MOST`] of unsent sound in all; what comes beyond is dropped and reported. Of what was sent
/// enough is kept to step back.
#[derive(Debug)]
pub(super) struct Playout {
    rate: SampleRate,
    pool: Pool,
    tracks: Vec<Track>,
    /// Replies that are over, newest last. At most [`Playout::REMEMBERED`].
    over: VecDeque<(ReplyId, Cut)>,
    plays: u32,
    /// How much speech must be there before a reply starts, and what that is at least.
    start: Duration,
    least_start: Duration,
    held: bool,
    /// The reply whose turn it is, and whether one that may be heard has started: looked for when that changes, not with
    /// every packet.
    current: Option<usize>,
    audible: bool,
}

#[derive(Debug)]
struct Track {
    reply: Option<ReplyId>,
    /// Its turn among those that may be heard; `None`: only expected.
    turn: Option<u32>,
    tape: Tape,
    /// The next sample to be sent, and the furthest that was.
    position: u64,
    furthest: u64,
    /// How far it had been heard when it was held: what is played again after that was heard all the same.
    floor: u64,
    energy_in: u64,
    energy_out: u64,
    complete: bool,
    running: bool,
    started: bool,
    /// The next sound follows an interruption of its own making.
    rejoins: bool,
    underran: bool,
    /// All of it was sent.
    sent: bool,
    waits_since: Option<Instant>,
    resampler: Option<Resampler>,
    /// Samples of the resampler's delay still to be left out.
    lead_in: usize,
}

/// What was taken for one packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Taken {
    /// Whose sound, if any.
    pub(super) reply: Option<ReplyId>,
    /// How many samples of it.
    pub(super) samples: usize,
    /// Where in the reply they end.
    pub(super) position: u64,
    /// The first sound of the reply.
    pub(super) first: bool,
    /// It follows an underrun.
    pub(super) rejoined: bool,
    /// More was due but had not come.
    pub(super) underrun: Option<ReplyId>,
    /// The last sound of the reply.
    pub(super) last: bool,
}

impl Playout {
    /// The most replies alive at once: eight that wait to be heard, a second voice for one of them, something said in
    /// between, and what a failure and the end have the agent say.
    pub(super) const REPLIES: usize = 12;
    /// The most sound that waits.
    pub(super) const MOST: Duration = Duration::from_secs(10);
    /// With this much waiting no more is wanted.
    pub(super) const ENOUGH: Duration = Duration::from_secs(5);
    /// The reply that is being heard wants more below this, however much waits behind it.
    const NEXT: Duration = Duration::from_secs(2);
    /// The furthest step back.
    pub(super) const REWIND: Duration = Duration::from_millis(300);
    const REMEMBERED: usize = 16;
    const START: Duration = Duration::from_millis(40);
    const LONGEST_START: Duration = Duration::from_millis(200);

    /// Nothing to play, to be taken in packets of `ptime`. `history` of sent sound is kept for stepping back.
    pub(super) fn new(rate: SampleRate, history: Duration, ptime: Duration) -> Self {
        let start = Self::START.max(ptime);
        let pool = Pool::new(rate, Self::MOST, history);
        let tracks = (0..Self::REPLIES).map(|_| Track::empty()).collect();
        let over = VecDeque::with_capacity(Self::REMEMBERED);
        Self {
            rate,
            pool,
            tracks,
            over,
            plays: 0,
            start,
            least_start: start,
            held: false,
            current: None,
            audible: false,
        }
    }

    /// A reply is alive: its sound is kept from now on.
    pub(super) fn expect(&mut self, reply: ReplyId) {
        if self.find(reply).is_some() || self.over.iter().any(|(over, _)| *over == reply) {
            return;
        }
        // With no room left, the oldest reply that nobody asked to hear goes.
        let index = self.tracks.iter().position(|track| track.reply.is_none()).or_else(|| {
            let waiting = self.tracks.iter().enumerate().filter(|(_, track)| track.turn.is_none());
            waiting.min_by_key(|(_, track)| track.reply).map(|(index, _)| index)
        });
        if let Some(index) = index {
            if let Some(evicted) = self.tracks[index].reply {
                self.forget(evicted);
            }
            self.tracks[index].reply = Some(reply);
        }
    }

    /// A reply may be heard, after those asked for before it.
    pub(super) fn play(&mut self, reply: ReplyId) {
        self.expect(reply);
        let turn = self.plays;
        if let Some(track) = self.find(reply)
            && track.turn.is_none()
        {
            track.turn = Some(turn);
            self.plays += 1;
            self.choose();
        }
    }

    /// Takes sound of a reply and says how many samples were not taken: all of them when the reply is not alive
    /// (`Err`), some when there is no room (`Ok`).
    pub(super) fn speech(
        &mut self,
        reply: ReplyId,
        sound: &[i16],
        rate: SampleRate,
        now: Instant,
    ) -> Result<usize, usize> {
        let line = self.rate;
        let room = self.room();
        let Some(index) = self.tracks.iter().position(|track| track.reply == Some(reply)) else {
            return Err(sound.len());
        };
        let track = &mut self.tracks[index];
        if track.complete {
            return Err(sound.len());
        }
        let mut resampler = match track.resampler.take() {
            Some(kept) if kept.from() == rate => kept,
            _ => {
                let made = Resampler::new(rate, line);
                track.lead_in = line.samples_in(made.delay());
                made
            }
        };
        let mut writer = Writer { track, pool: &mut self.pool, room, dropped: 0 };
        resampler.process(sound, |piece| writer.write(piece));
        let dropped = writer.dropped as u64 * u64::from(rate.hz()) / u64::from(line.hz());
        track.resampler = Some(resampler);
        if track.tape.end() > track.position && !track.running {
            track.waits_since.get_or_insert(now);
        }
        Ok(dropped as usize)
    }

    /// All sound of a reply has come.
    pub(super) fn speech_ended(&mut self, reply: ReplyId) {
        let room = self.room();
        let Some(index) = self.tracks.iter().position(|track| track.reply == Some(reply)) else { return };
        let track = &mut self.tracks[index];
        if let Some(mut resampler) = track.resampler.take() {
            if !track.complete {
                let mut writer = Writer { track, pool: &mut self.pool, room, dropped: 0 };
                resampler.finish(|piece| writer.write(piece));
            }
            track.resampler = Some(resampler);
        }
        track.complete = true;
    }

    /// Whether sound for a whole packet is there and may be heard.
    pub(super) fn is_ready(&self, samples: usize, now: Instant) -> bool {
        self.current().is_some_and(|index| {
            let track = &self.tracks[index];
            let waiting = track.waiting();
            let enough = waiting >= samples || (track.complete && waiting > 0);
            let may_start = track.running
                || track.complete
                || waiting >= self.rate.samples_in(self.start)
                || track.waits_since.is_some_and(|since| since + self.start <= now);
            may_start && (enough || (!track.running && waiting > 0))
        })
    }

    /// When a reply that waits for more sound starts with what it has.
    pub(super) fn wakes_at(&self) -> Option<Instant> {
        let track = &self.tracks[self.current()?];
        if track.running || track.complete { None } else { track.waits_since.map(|since| since + self.start) }
    }

    /// Takes the sound of the next packet; what is not filled is left as it is.
    pub(super) fn take(&mut self, packet: &mut [i16], now: Instant) -> Taken {
        let ready = self.is_ready(packet.len(), now);
        let Some(index) = self.current() else { return Taken::default() };
        let track = &mut self.tracks[index];
        if !track.running && !ready {
            return Taken::default();
        }
        track.running = true;
        track.waits_since = None;
        let taken = track.tape.read(&self.pool, track.position, packet);
        let sound = packet.get(..taken).unwrap_or_default();
        let new = (track.position + taken as u64).saturating_sub(track.furthest).min(taken as u64) as usize;
        track.energy_out += level::energy(sound.get(taken - new..).unwrap_or_default());
        track.position += taken as u64;
        track.furthest = track.furthest.max(track.position);
        let missing = taken < packet.len() && !track.complete;
        let told = Taken {
            reply: track.reply.filter(|_| taken > 0),
            samples: taken,
            position: track.position,
            first: taken > 0 && !track.started,
            rejoined: taken > 0 && std::mem::take(&mut track.rejoins),
            underrun: track.reply.filter(|_| missing),
            last: taken > 0 && track.complete && track.waiting() == 0,
        };
        track.started |= taken > 0;
        self.audible |= track.started;
        if missing {
            (track.running, track.rejoins, track.underran) = (false, true, true);
            self.start = (self.start * 3 / 2).min(Self::LONGEST_START);
        }
        self.pool.trim(&mut track.tape, track.position);
        told
    }

    /// A reply of which everything was sent since the last time asked: its id and length in samples.
    pub(super) fn finished(&mut self) -> Option<(ReplyId, u64)> {
        let index = self.current()?;
        let track = &mut self.tracks[index];
        let reply = track.reply.filter(|_| track.complete && track.waiting() == 0)?;
        track.sent = true;
        let length = track.position;
        if !track.underran {
            self.start = self.start.saturating_sub(Duration::from_millis(20)).max(self.least_start);
        }
        self.choose();
        Some((reply, length))
    }

    /// Falls silent and keeps everything; `false`: nothing was to be heard. `heard` says how far the caller has heard a
    /// reply of which so many samples were sent.
    pub(super) fn hold(&mut self, heard: impl Fn(ReplyId, u64) -> u64) -> bool {
        let mut any = false;
        for track in &mut self.tracks {
            let (Some(reply), Some(_)) = (track.reply, track.turn) else { continue };
            any = true;
            track.sent = false;
            let sent = track.furthest;
            let heard = heard(reply, track.position);
            if heard < track.position {
                track.position = heard.max(track.tape.begin());
                track.furthest = track.position.max(track.floor);
                track.energy_out = track.energy_out.saturating_sub(track.tape.energy(&self.pool, track.furthest, sent));
            }
            track.floor = track.floor.max(track.furthest);
        }
        self.held |= any;
        self.choose();
        any
    }

    /// Reads what would be taken next, as far as it is there and being heard; says how much that is.
    pub(super) fn peek(&self, into: &mut [i16]) -> usize {
        let track = self.current().and_then(|index| self.tracks.get(index)).filter(|track| track.running);
        track.map_or(0, |track| track.tape.read(&self.pool, track.position, into))
    }

    /// The largest magnitude of what would be taken next, of so many samples.
    pub(super) fn peak(&self, samples: usize) -> u16 {
        let track = self.current().and_then(|index| self.tracks.get(index)).filter(|track| track.running);
        track.map_or(0, |track| track.tape.peak(&self.pool, track.position, samples))
    }

    /// Goes on from `from`, or else stepped back by `rewind`; by no more than that, and by as much as is kept.
    pub(super) fn resume(&mut self, from: Option<Duration>, rewind: Duration) -> bool {
        if !std::mem::take(&mut self.held) {
            return false;
        }
        self.choose();
        let back = self.rate.samples_in(rewind.min(Self::REWIND)) as u64;
        let from = from.map(|from| self.rate.samples_in(from) as u64);
        if let Some(index) = self.current() {
            let track = &mut self.tracks[index];
            let least = track.position.saturating_sub(back).max(track.tape.begin());
            track.position = from.unwrap_or(least).clamp(least, track.position.max(least));
        }
        true
    }

    /// Whether it is held.
    pub(super) const fn is_held(&self) -> bool {
        self.held
    }

    /// Whether some of a reply was sent.
    pub(super) fn has_started(&self, reply: ReplyId) -> bool {
        self.tracks.iter().any(|track| track.reply == Some(reply) && track.started)
    }

    /// Whether a reply that may be heard, or is being heard, has started.
    pub(super) const fn is_audible(&self) -> bool {
        self.audible
    }

    /// How many samples of a living reply were sent.
    pub(super) fn position(&self, reply: ReplyId) -> Option<u64> {
        self.tracks.iter().find(|track| track.reply == Some(reply)).map(|track| track.furthest)
    }

    /// How many samples of a living reply were heard before it was held last.
    pub(super) fn floor(&self, reply: ReplyId) -> u64 {
        self.tracks.iter().find(|track| track.reply == Some(reply)).map_or(0, |track| track.floor)
    }

    /// How much was heard of a reply that is over.
    pub(super) fn remembered(&self, reply: ReplyId) -> Option<Cut> {
        self.over.iter().find(|(over, _)| *over == reply).map(|(_, cut)| *cut)
    }

    /// Forgets a reply of which `heard` samples were heard.
    pub(super) fn flush(&mut self, reply: ReplyId, heard: u64) -> Cut {
        let Some(index) = self.tracks.iter().position(|track| track.reply == Some(reply)) else {
            return self.remembered(reply).unwrap_or_default();
        };
        let track = &self.tracks[index];
        let unheard = track.tape.energy(&self.pool, heard, track.furthest);
        let energy = track.energy_out.saturating_sub(unheard);
        let share = if track.energy_in == 0 { 0.0 } else { (energy as f64 / track.energy_in as f64).min(1.0) as f32 };
        let cut = Cut { heard: duration(self.rate, heard), share };
        if track.turn.is_some() && std::mem::take(&mut self.held) {
            // Whatever else was held goes on in the middle of a wave.
            for track in self.tracks.iter_mut().filter(|track| track.started) {
                track.rejoins = true;
            }
        }
        self.forget(reply);
        self.remember(reply, cut);
        cut
    }

    /// A reply of this many samples was heard in full: forgets it.
    pub(super) fn end(&mut self, reply: ReplyId, length: u64) -> Duration {
        let heard = duration(self.rate, length);
        self.forget(reply);
        self.remember(reply, Cut { heard, share: 1.0 });
        heard
    }

    /// How much sound waits, of all replies.
    pub(super) fn waiting(&self) -> Duration {
        self.rate.duration_of(self.tracks.iter().map(Track::waiting).sum())
    }

    /// Whether more sound of a reply is wanted. What waits behind the reply whose turn it is never starves that one.
    pub(super) fn wants(&self, reply: ReplyId) -> bool {
        if self.waiting() < Self::ENOUGH {
            return true;
        }
        let turns = self.tracks.iter().filter(|track| !track.sent && track.turn.is_some());
        turns
            .min_by_key(|track| track.turn)
            .is_some_and(|next| next.reply == Some(reply) && self.rate.duration_of(next.waiting()) < Self::NEXT)
    }

    fn room(&self) -> usize {
        self.rate.samples_in(Self::MOST).saturating_sub(self.tracks.iter().map(Track::waiting).sum())
    }

    fn remember(&mut self, reply: ReplyId, cut: Cut) {
        if self.over.len() == Self::REMEMBERED {
            self.over.pop_front();
        }
        self.over.push_back((reply, cut));
    }

    fn forget(&mut self, reply: ReplyId) {
        if let Some(track) = self.tracks.iter_mut().find(|track| track.reply == Some(reply)) {
            self.pool.free(&mut track.tape);
            track.clear();
        }
        self.choose();
    }

    fn find(&mut self, reply: ReplyId) -> Option<&mut Track> {
        self.tracks.iter_mut().find(|track| track.reply == Some(reply))
    }

    /// The reply whose turn it is.
    fn current(&self) -> Option<usize> {
        debug_assert_eq!(self.current, self.chosen(), "it is chosen whenever turns change");
        self.current
    }

    /// Turns have changed: whose it is now.
    fn choose(&mut self) {
        self.current = self.chosen();
        self.audible = self.tracks.iter().any(|track| track.turn.is_some() && track.started);
    }

    fn chosen(&self) -> Option<usize> {
        if self.held {
            return None;
        }
        let waiting = self.tracks.iter().enumerate().filter(|(_, track)| !track.sent);
        waiting.filter_map(|(index, track)| track.turn.map(|turn| (turn, index))).min().map(|(_, index)| index)
    }
}

impl Track {
    fn empty() -> Self {
        Self {
            reply: None,
            turn: None,
            tape: Tape::default(),
            position: 0,
            furthest: 0,
            floor: 0,
            energy_in: 0,
            energy_out: 0,
            complete: false,
            running: false,
            started: false,
            rejoins: false,
            underran: false,
            sent: false,
            waits_since: None,
            resampler: None,
            lead_in: 0,
        }
    }

    /// Empties it; what it allocated stays.
    fn clear(&mut self) {
        (self.reply, self.turn, self.waits_since) = (None, None, None);
        (self.position, self.furthest, self.floor) = (0, 0, 0);
        (self.energy_in, self.energy_out) = (0, 0);
        (self.complete, self.running, self.started) = (false, false, false);
        (self.rejoins, self.underran, self.sent) = (false, false, false);
        self.lead_in = 0;
        if let Some(resampler) = &mut self.resampler {
            resampler.reset();
            self.lead_in = resampler.to().samples_in(resampler.delay());
        }
    }

    fn waiting(&self) -> usize {
        self.tape.end().saturating_sub(self.position) as usize
    }
}

/// Writes resampled sound to a track's tape.
struct Writer<'a> {
    track: &'a mut Track,
    pool: &'a mut Pool,
    room: usize,
    dropped: usize,
}

impl Writer<'_> {
    fn write(&mut self, piece: &[i16]) {
        let skipped = self.track.lead_in.min(piece.len());
        self.track.lead_in -= skipped;
        let piece = piece.get(skipped..).unwrap_or_default();
        let fits = piece.get(..piece.len().min(self.room)).unwrap_or_default();
        let written = self.pool.write(&mut self.track.tape, fits);
        self.track.energy_in += level::energy(fits.get(..written).unwrap_or_default());
        self.room -= written;
        self.dropped += piece.len() - written;
    }
}

/// How long so many samples last.
pub(super) fn duration(rate: SampleRate, samples: u64) -> Duration {
    rate.duration_of(usize::try_from(samples).unwrap_or(usize::MAX))
}
