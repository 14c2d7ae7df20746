//! Order for packets that come out of order.

use std::time::{Duration, Instant};

/// The reorder window of a listener that is a machine: a packet that is next in order waits for nothing; one behind a gap
/// waits only while the gap may still be filled.
///
/// Bounded to [`Jitter::SLOTS`] packets of the longest payload. `new` allocates room for [`Jitter::AT_ONCE`]; more is made
/// when more packets than ever before wait, and kept. What was used last is used next: in order, all packets pass through
/// one slot.
#[derive(Debug)]
pub(super) struct Jitter {
    slots: Vec<Slot>,
    /// Which slot each place has, by its [`index`].
    kept: [Option<u8>; Jitter::SLOTS],
    /// The slots that nothing is in, and how long a payload may be.
    free: Vec<u8>,
    room: usize,
    /// The place to be handed out next.
    next: u64,
    /// Gaps before this place are given up.
    until: u64,
    /// The first place beyond every packet seen.
    end: u64,
    stored: usize,
    /// Places skipped at once before `next`.
    skipped: u64,
    /// Bit n: the packet of place `next - 1 - n` has come.
    seen: u128,
    window: Duration,
    in_order: u32,
    /// Since when the gap that was given up last had been waited for.
    given_up: Option<Instant>,
}

/// One packet, kept.
#[derive(Debug)]
pub(super) struct Slot {
    place: Option<u64>,
    pub(super) kind: Kind,
    pub(super) at: Instant,
    pub(super) timestamp: u32,
    /// The sender says that sound begins here.
    pub(super) marker: bool,
    len: usize,
    payload: Box<[u8]>,
}

/// What a packet carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// Sound in the format of this number.
    Sound(u8),
    /// A telephone event: no sound at this time.
    Event,
    /// Comfort noise: no sound from here on.
    Noise,
    /// Something else that took a sequence number.
    Nothing,
}

/// A packet whose turn it is.
#[derive(Debug)]
pub(super) struct Popped<'a> {
    /// How many packets before it never came.
    pub(super) lost: u64,
    /// When the packet behind it came, if it is already here.
    pub(super) behind: Option<Instant>,
    /// The packet.
    pub(super) packet: &'a Slot,
}

/// What became of an inserted packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Inserted {
    /// It is next, or waits behind a gap.
    Kept,
    /// It filled a gap in time.
    Reordered,
    /// Its place had been given up.
    Late,
    /// It came before.
    Duplicate,
    /// There was no room.
    Full,
}

impl Jitter {
    /// The most packets that wait: 320 ms at 10 ms a packet.
    pub(super) const SLOTS: usize = 32;
    /// For so many there is room from the beginning: 120 ms at 20 ms a packet, and two.
    const AT_ONCE: usize = 8;
    /// How long a gap is waited for: at first, at least, at most.
    pub(super) const WINDOW: Duration = Duration::from_millis(50);
    const LEAST: Duration = Duration::from_millis(20);
    const MOST: Duration = Duration::from_millis(120);

    /// An empty buffer for payloads of up to `room` bytes.
    pub(super) fn new(room: usize, now: Instant) -> Self {
        // Places begin far above zero so that packets older than the first have places too.
        let first = 1 << 20;
        Self {
            slots: (0..Self::AT_ONCE).map(|_| Slot::empty(room, now)).collect(),
            kept: [None; Self::SLOTS],
            free: {
                let mut free = Vec::with_capacity(Self::SLOTS);
                free.extend((0..Self::AT_ONCE as u8).rev());
                free
            },
            room,
            next: first,
            until: first,
            end: first,
            stored: 0,
            skipped: 0,
            seen: 0,
            window: Self::WINDOW,
            in_order: 0,
            given_up: None,
        }
    }

    /// The first place beyond every packet seen.
    pub(super) const fn end(&self) -> u64 {
        self.end
    }

    /// How long a gap is waited for at present.
    #[cfg(test)]
    pub(super) const fn window(&self) -> Duration {
        self.window
    }

    /// Keeps a packet at its place.
    pub(super) fn insert(&mut self, place: u64, packet: &Slot) -> Inserted {
        if place < self.next {
            let back = self.next - 1 - place;
            if back < u64::from(u128::BITS) && self.seen >> back & 1 == 1 {
                return Inserted::Duplicate;
            }
            if back < u64::from(u128::BITS) {
                self.seen |= 1 << back;
            }
            if let Some(since) = self.given_up {
                self.learn(packet.at.saturating_duration_since(since));
            }
            return Inserted::Late;
        }
        if place - self.next >= Self::SLOTS as u64 {
            if self.stored > 0 {
                // Whatever waits is let go, so that the next packet finds room.
                self.until = self.end;
                self.end = self.end.max(place + 1);
                return Inserted::Full;
            }
            self.skipped += place - self.next;
            self.seen = shifted(self.seen, place - self.next);
            (self.next, self.until) = (place, self.until.max(place));
        }
        let since = self.waiting_since();
        let fills = place < self.end;
        match self.kept[index(place)].and_then(|slot| self.slots.get(usize::from(slot))) {
            Some(taken) if taken.place == Some(place) => return Inserted::Duplicate,
            Some(_) => return Inserted::Full,
            None => {}
        }
        let number = self.free.pop().unwrap_or_else(|| {
            // Every other place is kept in a slot of its own, so there are fewer of those than places.
            self.slots.push(Slot::empty(self.room, packet.at));
            (self.slots.len() - 1) as u8
        });
        let Some(slot) = self.slots.get_mut(usize::from(number)) else { return Inserted::Full };
        slot.copy(packet);
        slot.place = Some(place);
        self.kept[index(place)] = Some(number);
        self.stored += 1;
        self.end = self.end.max(place + 1);
        if fills && let Some(since) = since {
            self.learn(packet.at.saturating_duration_since(since));
            return Inserted::Reordered;
        }
        self.in_order += 1;
        if self.in_order >= 50 {
            self.in_order = 0;
            self.window = self.window.saturating_sub(Duration::from_millis(1)).max(Self::LEAST);
            // What has waited for as long as the shorter window is due already.
            self.handle_timeout(packet.at);
        }
        Inserted::Kept
    }

    /// Gives up every gap before `place`.
    pub(super) fn give_up_before(&mut self, place: u64) {
        self.until = self.until.max(place.min(self.end));
    }

    /// Gives up the gaps that were waited for long enough.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return;
        }
        self.given_up = self.waiting_since();
        for slot in &self.slots {
            if let Some(place) = slot.place
                && slot.at + self.window <= now
            {
                self.until = self.until.max(place);
            }
        }
    }

    /// When the gap in front is given up; `None`: nothing waits.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.waiting_since().map(|since| since + self.window)
    }

    /// Takes the next packet.
    pub(super) fn pop(&mut self) -> Option<Popped<'_>> {
        if self.stored == 0 {
            return None;
        }
        let mut place = self.next;
        while self.slot(place).is_none() {
            if place >= self.until {
                return None;
            }
            place += 1;
        }
        let gap = place - self.next;
        let lost = gap + std::mem::take(&mut self.skipped);
        self.seen = shifted(self.seen, gap + 1) | 1;
        self.next = place + 1;
        self.until = self.until.max(self.next);
        self.stored -= 1;
        let behind = self.slot(place + 1).map(|slot| slot.at);
        let number = self.kept[index(place)].take()?;
        self.free.push(number);
        let slot = self.slots.get_mut(usize::from(number))?;
        slot.place = None;
        Some(Popped { lost, behind, packet: slot })
    }

    /// What is kept for a place.
    fn slot(&self, place: u64) -> Option<&Slot> {
        let slot = self.slots.get(usize::from(self.kept[index(place)]?))?;
        (slot.place == Some(place)).then_some(slot)
    }

    /// Since when something waits behind the gap in front.
    fn waiting_since(&self) -> Option<Instant> {
        if self.stored == 0 || self.slot(self.next).is_some() {
            return None;
        }
        self.slots.iter().filter(|slot| slot.place.is_some()).map(|slot| slot.at).min()
    }

    /// A packet took this long to come after it was missed: wait a little longer than that for the next one.
    fn learn(&mut self, took: Duration) {
        self.in_order = 0;
        if took <= 2 * Self::MOST {
            self.window = self.window.max(took + took / 4 + Duration::from_millis(5)).min(Self::MOST);
        }
    }
}

impl Slot {
    /// A slot with nothing in it, for payloads of up to `room` bytes.
    pub(super) fn empty(room: usize, now: Instant) -> Self {
        let payload = vec![0; room].into_boxed_slice();
        Self { place: None, kind: Kind::Nothing, at: now, timestamp: 0, marker: false, len: 0, payload }
    }

    /// Takes over what another slot of the same room holds.
    pub(super) fn copy(&mut self, other: &Self) {
        self.fill(other.kind, other.timestamp, other.payload(), other.at);
        (self.place, self.marker) = (other.place, other.marker);
    }

    /// Fills it; `false`: the payload is too long.
    pub(super) fn fill(&mut self, kind: Kind, timestamp: u32, payload: &[u8], at: Instant) -> bool {
        let Some(room) = self.payload.get_mut(..payload.len()) else { return false };
        room.copy_from_slice(payload);
        self.len = payload.len();
        (self.place, self.kind, self.timestamp, self.marker, self.at) = (None, kind, timestamp, false, at);
        true
    }

    /// What it carries.
    pub(super) fn payload(&self) -> &[u8] {
        self.payload.get(..self.len).unwrap_or_default()
    }
}

/// Where a place is kept.
const fn index(place: u64) -> usize {
    (place % Jitter::SLOTS as u64) as usize
}

fn shifted(bits: u128, by: u64) -> u128 {
    u32::try_from(by).ok().and_then(|by| bits.checked_shl(by)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const FIRST: u64 = 1 << 20;

    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to begin with")]
    fn start() -> Instant {
        Instant::now()
    }

    fn packet(tag: u8, at: Instant) -> Slot {
        let mut slot = Slot::empty(160, at);
        assert!(slot.fill(Kind::Sound(0), 0, &[tag; 160], at));
        slot
    }

    fn drain(jitter: &mut Jitter) -> Vec<(u64, u8)> {
        std::iter::from_fn(|| jitter.pop().map(|popped| (popped.lost, popped.packet.payload()[0]))).collect()
    }

    #[test]
    fn a_packet_in_order_waits_for_nothing() {
        let t = start();
        let mut jitter = Jitter::new(160, t);
        for n in 0..100u8 {
            assert_eq!(jitter.insert(FIRST + u64::from(n), &packet(n, t)), Inserted::Kept);
            assert_eq!(drain(&mut jitter), [(0, n)]);
            assert_eq!(jitter.deadline(), None);
        }
    }

    #[test]
    fn a_gap_is_waited_for_until_its_deadline() {
        let t = start();
        let mut jitter = Jitter::new(160, t);
        jitter.insert(FIRST, &packet(0, t));
        drain(&mut jitter);
        jitter.insert(FIRST + 2, &packet(2, t + 40 * MS));
        jitter.insert(FIRST + 3, &packet(3, t + 60 * MS));
        assert_eq!(drain(&mut jitter), []);
        assert_eq!(jitter.deadline(), Some(t + 90 * MS));
        jitter.handle_timeout(t + 89 * MS);
        assert_eq!(drain(&mut jitter), []);
        jitter.handle_timeout(t + 90 * MS);
        assert_eq!(drain(&mut jitter), [(1, 2), (0, 3)]);
        assert_eq!(jitter.insert(FIRST + 1, &packet(1, t + 95 * MS)), Inserted::Late);
        assert_eq!(jitter.insert(FIRST + 1, &packet(1, t + 96 * MS)), Inserted::Duplicate);
        assert!(jitter.window() > Jitter::WINDOW, "a late packet widens the window");
    }

    #[test]
    fn a_reordered_packet_releases_what_waited_for_it() {
        let t = start();
        let mut jitter = Jitter::new(160, t);
        jitter.insert(FIRST, &packet(0, t));
        drain(&mut jitter);
        jitter.insert(FIRST + 2, &packet(2, t + 40 * MS));
        assert_eq!(jitter.insert(FIRST + 1, &packet(1, t + 41 * MS)), Inserted::Reordered);
        assert_eq!(drain(&mut jitter), [(0, 1), (0, 2)]);
        assert_eq!(jitter.insert(FIRST + 2, &packet(2, t + 42 * MS)), Inserted::Duplicate);
    }

    #[test]
    fn a_second_gap_keeps_its_own_deadline() {
        let t = start();
        let mut jitter = Jitter::new(160, t);
        jitter.insert(FIRST + 1, &packet(1, t));
        jitter.insert(FIRST + 3, &packet(3, t + 30 * MS));
        jitter.handle_timeout(t + 50 * MS);
        assert_eq!(drain(&mut jitter), [(1, 1)]);
        assert_eq!(jitter.deadline(), Some(t + 80 * MS));
    }

    #[test]
    fn a_gap_wider_than_the_buffer_is_skipped_at_once_when_nothing_waits() {
        let t = start();
        let mut jitter = Jitter::new(160, t);
        jitter.insert(FIRST, &packet(0, t));
        drain(&mut jitter);
        jitter.insert(FIRST + 1_001, &packet(1, t));
        assert_eq!(drain(&mut jitter), [(1_000, 1)]);
    }

    #[test]
    fn a_full_buffer_refuses_one_packet_and_lets_the_rest_go() {
        let t = start();
        let mut jitter = Jitter::new(160, t);
        for place in 1..32 {
            jitter.insert(FIRST + place, &packet(place as u8, t));
        }
        assert_eq!(jitter.insert(FIRST + 32, &packet(32, t)), Inserted::Full);
        assert_eq!(drain(&mut jitter).len(), 31);
        assert_eq!(jitter.insert(FIRST + 33, &packet(33, t)), Inserted::Kept);
    }

    #[test]
    fn a_window_that_shrinks_over_a_gap_gives_it_up_at_once() {
        let t = start();
        let mut jitter = Jitter::new(160, t);
        // The fiftieth packet in order makes the window 49 ms, and comes when the gap has been waited for as long.
        for place in 0..48 {
            jitter.insert(FIRST + place, &packet(0, t));
            drain(&mut jitter);
        }
        jitter.insert(FIRST + 49, &packet(49, t));
        assert_eq!(drain(&mut jitter), []);
        jitter.insert(FIRST + 50, &packet(50, t + 49 * MS));
        assert_eq!(jitter.window(), 49 * MS);
        assert_eq!(drain(&mut jitter), [(1, 49), (0, 50)]);
        assert_eq!(jitter.deadline(), None);
    }

    proptest! {
        /// Whatever comes in whatever order: what is due is handed out, so that no deadline is in the past.
        #[test]
        fn no_deadline_is_left_behind(steps in prop::collection::vec((0u32..50, 0u64..60), 0..600)) {
            let (mut now, mut newest) = (start(), FIRST);
            let mut jitter = Jitter::new(160, now);
            for (wait, fate) in steps {
                let then = now + MS * wait / 4;
                while let Some(due) = jitter.deadline().filter(|due| *due <= then) {
                    prop_assert!(due > now, "a spin");
                    now = due;
                    jitter.handle_timeout(now);
                    drain(&mut jitter);
                }
                now = then;
                // Two in sixty are lost, one comes a place or two late.
                newest += 1 + u64::from(fate >= 58);
                jitter.insert(newest - if fate == 57 { 2 } else { 0 }, &packet(0, now));
                drain(&mut jitter);
                prop_assert!(jitter.deadline().is_none_or(|due| due > now), "overdue");
                prop_assert!(jitter.stored < Jitter::SLOTS);
            }
        }
    }

    #[test]
    fn the_window_shrinks_while_nothing_is_reordered() {
        let t = start();
        let mut jitter = Jitter::new(160, t);
        for place in 0..3_000 {
            jitter.insert(FIRST + place, &packet(0, t));
            drain(&mut jitter);
        }
        assert_eq!(jitter.window(), Jitter::LEAST);
    }
}
