//! What the caller has heard of what was sent ahead of time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::audio::SampleRate;
use crate::conversation::ReplyId;

use super::pacer::Pacer;

/// Estimates how far the far side has played, from when each packet belongs and from the marks it answers.
///
/// Marks carry an epoch: a gateway that is told to clear answers all outstanding marks as if they had been played, so a
/// mark from before a clear counts only if its sound ended before the clear.
#[derive(Debug)]
pub(super) struct Far {
    rate: SampleRate,
    /// Packets with speech that may not be heard yet. At most [`Far::PACKETS`].
    packets: VecDeque<Ahead>,
    /// Marks not answered yet, oldest first. At most [`Far::MARKS`].
    marks: VecDeque<Mark>,
    /// How much later the far side plays than it could, as its marks tell.
    delay: Option<Duration>,
    /// A lower bound that a mark has proved.
    proved: Option<(ReplyId, u64)>,
    next_mark: u32,
    epoch: u32,
    cleared_at: Option<Instant>,
    marked_at: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Ahead {
    reply: ReplyId,
    position: u64,
    samples: usize,
    until: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Mark {
    mark: u32,
    reply: ReplyId,
    position: u64,
    until: Instant,
    epoch: u32,
}

impl Far {
    /// Sound that may be on its way at once: one second and more.
    const PACKETS: usize = 64;
    /// Marks that may be unanswered; the oldest is forgotten beyond.
    const MARKS: usize = 64;
    /// A mark at least this often.
    const EVERY: Duration = Duration::from_millis(500);
    /// The most the far side is believed to lag.
    pub(super) const MOST_DELAY: Duration = Duration::from_millis(500);

    /// Nothing was sent.
    pub(super) fn new(rate: SampleRate) -> Self {
        Self {
            rate,
            packets: VecDeque::with_capacity(Self::PACKETS),
            marks: VecDeque::with_capacity(Self::MARKS),
            delay: None,
            proved: None,
            next_mark: 0,
            epoch: 0,
            cleared_at: None,
            marked_at: None,
        }
    }

    /// A packet with speech was sent whose sound begins at `belongs`; `Some`: send this mark behind it.
    pub(super) fn sent(
        &mut self,
        reply: ReplyId,
        position: u64,
        samples: usize,
        belongs: Instant,
        last: bool,
    ) -> Option<u32> {
        if self.packets.len() == Self::PACKETS {
            self.packets.pop_front();
        }
        let until = belongs + Pacer::PTIME;
        self.packets.push_back(Ahead { reply, position, samples, until });
        let marked_at = *self.marked_at.get_or_insert(belongs);
        if !last && until.saturating_duration_since(marked_at) < Self::EVERY {
            return None;
        }
        self.marked_at = if last { None } else { Some(until) };
        let mark = self.next_mark;
        self.next_mark = self.next_mark.wrapping_add(1);
        if self.marks.len() == Self::MARKS {
            self.marks.pop_front();
        }
        self.marks.push_back(Mark { mark, reply, position, until, epoch: self.epoch });
        Some(mark)
    }

    /// The far side says that it has played up to a mark, or thrown it away.
    pub(super) fn played(&mut self, mark: u32, now: Instant) {
        let Some(index) = self.marks.iter().position(|sent| sent.mark == mark) else { return };
        let Some(sent) = self.marks.get(index).copied() else { return };
        self.marks.drain(..=index);
        if sent.epoch == self.epoch {
            let late = now.saturating_duration_since(sent.until).min(Self::MOST_DELAY);
            self.delay = Some(self.delay.map_or(late, |delay| (delay * 3 + late) / 4));
        } else if self.cleared_at.is_none_or(|at| sent.until + self.delay() > at) {
            return;
        }
        let before = self.proved.filter(|(reply, _)| *reply == sent.reply).map_or(0, |(_, position)| position);
        self.proved = Some((sent.reply, sent.position.max(before)));
    }

    /// The far side is told to throw away what it has.
    pub(super) fn clear(&mut self, now: Instant) {
        self.packets.clear();
        self.epoch = self.epoch.wrapping_add(1);
        (self.cleared_at, self.marked_at) = (Some(now), None);
    }

    /// How much the caller has heard of a reply of which `position` samples were sent.
    pub(super) fn heard(&self, reply: ReplyId, position: u64, now: Instant) -> u64 {
        let mut heard = position;
        for packet in self.packets.iter().filter(|packet| packet.reply == reply) {
            let left = (packet.until + self.delay()).saturating_duration_since(now).min(Pacer::PTIME);
            // The end of a short last packet is silence.
            let begins = packet.position - packet.samples as u64;
            let played = self.rate.samples_in(Pacer::PTIME - left).min(packet.samples) as u64;
            if left > Duration::ZERO {
                heard = heard.min(begins + played);
            }
        }
        let proved = self.proved.filter(|(proved, _)| *proved == reply).map_or(0, |(_, position)| position);
        heard.max(proved.min(position))
    }

    /// When everything sent of a reply will have been heard.
    pub(super) fn heard_at(&self, reply: ReplyId) -> Option<Instant> {
        let last = self.packets.iter().rev().find(|packet| packet.reply == reply)?;
        let proved = self.proved.is_some_and(|(proved, position)| proved == reply && position >= last.position);
        if proved { None } else { Some(last.until + self.delay()) }
    }

    fn delay(&self) -> Duration {
        self.delay.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPLY: ReplyId = ReplyId(1);

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to begin with")]
    fn start() -> Instant {
        Instant::now() + Duration::from_secs(10)
    }

    /// Four packets sent at once at `t`, belonging at t, t+20, t+40, t+60; the mark behind the last.
    fn ahead(t: Instant) -> (Far, Option<u32>) {
        let mut far = Far::new(SampleRate::HZ_8000);
        let mut mark = None;
        for n in 0..4u32 {
            mark = far.sent(REPLY, 160 * u64::from(n + 1), 160, t + ms(20) * n, n == 3);
        }
        (far, mark)
    }

    #[test]
    fn without_marks_the_clock_tells_what_was_heard() {
        let t = start();
        let (far, mark) = ahead(t);
        assert_eq!(mark, Some(0));
        for (at, heard) in [(0, 0), (10, 80), (20, 160), (50, 400), (80, 640), (500, 640)] {
            assert_eq!(far.heard(REPLY, 640, t + ms(at)), heard, "at {at} ms");
        }
        assert_eq!(far.heard_at(REPLY), Some(t + ms(80)));
    }

    #[test]
    fn a_mark_proves_what_was_heard_and_tells_the_delay() {
        let t = start();
        let (mut far, mark) = ahead(t);
        far.played(mark.unwrap(), t + ms(180));
        assert_eq!(far.heard(REPLY, 640, t + ms(180)), 640);
        assert_eq!(far.heard_at(REPLY), None);
        far.sent(ReplyId(2), 160, 160, t + ms(1_000), false);
        assert_eq!(far.heard(ReplyId(2), 160, t + ms(1_100)), 0, "played 100 ms late");
        assert_eq!(far.heard(ReplyId(2), 160, t + ms(1_110)), 80);
    }

    #[test]
    fn marks_thrown_back_by_a_clear_prove_nothing() {
        let t = start();
        let (mut far, mark) = ahead(t);
        far.clear(t + ms(30));
        far.played(mark.unwrap(), t + ms(31));
        assert_eq!(far.proved, None);
        assert_eq!(far.delay, None);
    }

    #[test]
    fn a_mark_whose_sound_ended_before_the_clear_counts() {
        let t = start();
        let (mut far, mark) = ahead(t);
        far.clear(t + ms(90));
        far.played(mark.unwrap(), t + ms(95));
        assert_eq!(far.proved, Some((REPLY, 640)));
    }

    #[test]
    fn a_long_reply_is_marked_every_half_second_and_at_its_end() {
        let t = start();
        let mut far = Far::new(SampleRate::HZ_8000);
        let marks: Vec<_> = (0..60u32)
            .filter(|&n| far.sent(REPLY, 160 * u64::from(n + 1), 160, t + ms(20) * n, n == 59).is_some())
            .collect();
        assert_eq!(marks, [24, 49, 59]);
    }
}
