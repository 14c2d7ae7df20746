//! Which packets came already (RFC 3711 section 3.3.2), and which rollover one belongs to.

/// The last 128 packets of one source, by index.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Window {
    highest: Option<u64>,
    /// Bit n: `highest - n` came.
    came: u128,
}

impl Window {
    /// How far behind the highest a packet may be.
    pub(super) const WIDTH: u64 = u128::BITS as u64;

    /// Whether a packet with this index may be taken: it is new, and not too old to tell.
    pub(super) fn admits(&self, index: u64) -> bool {
        let Some(highest) = self.highest else { return true };
        match highest.checked_sub(index) {
            None => true,
            Some(behind) => behind < Self::WIDTH && self.came >> behind & 1 == 0,
        }
    }

    /// A packet with this index was authentic.
    pub(super) fn take(&mut self, index: u64) {
        let Some(highest) = self.highest else {
            (self.highest, self.came) = (Some(index), 1);
            return;
        };
        if let Some(ahead) = index.checked_sub(highest) {
            let by = u32::try_from(ahead).unwrap_or(u32::MAX);
            self.came = self.came.checked_shl(by).unwrap_or(0) | 1;
            self.highest = Some(index);
        } else if highest - index < Self::WIDTH {
            self.came |= 1 << (highest - index);
        }
    }

    /// The index of the packet with this number on the wire: the one nearest to the highest (RFC 3711 section 3.3.1 and
    /// appendix A). `None`: before the first packet of all, or after the last one a key may protect.
    pub(super) fn index(&self, sequence: u16) -> Option<u64> {
        let Some(highest) = self.highest else { return Some(sequence.into()) };
        let (rollover, last) = (highest >> 16, highest as u16);
        let rollover = if last < HALF {
            if sequence > last.saturating_add(HALF) { rollover.checked_sub(1)? } else { rollover }
        } else if sequence < last - HALF {
            rollover + 1
        } else {
            rollover
        };
        let index = rollover << 16 | u64::from(sequence);
        (index < 1 << 48).then_some(index)
    }

    #[cfg(test)]
    pub(super) fn starting_at(index: u64) -> Self {
        let mut window = Self::default();
        window.take(index);
        window
    }
}

const HALF: u16 = 1 << 15;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_that_wrap_belong_to_the_next_rollover_and_late_ones_to_the_one_before() {
        assert_eq!(Window::default().index(65_535), Some(65_535));
        let window = Window::starting_at(65_534);
        assert_eq!(window.index(65_535), Some(65_535));
        assert_eq!(window.index(1), Some(65_537));
        assert_eq!(window.index(40_000), Some(40_000));
        let window = Window::starting_at(65_540);
        assert_eq!(window.index(65_530), Some(65_530));
        assert_eq!(window.index(9), Some(65_545));
        assert_eq!(Window::starting_at(3).index(65_530), None, "before the first packet of all");
        assert_eq!(Window::starting_at((1 << 48) - 1).index(0), None, "the key is used up");
    }

    #[test]
    fn what_came_is_refused_and_so_is_what_is_too_old_to_tell() {
        let mut window = Window::starting_at(1_000);
        assert!(!window.admits(1_000) && window.admits(999) && window.admits(1_001));
        window.take(1_127);
        assert!(window.admits(1_001) && !window.admits(1_000) && !window.admits(999));
        window.take(1_128);
        assert!(!window.admits(1_000), "left the window");
    }

    proptest! {
        #[test]
        fn each_index_is_taken_at_most_once(indices in prop::collection::vec(0u64..600, 1..400)) {
            let (mut window, mut seen) = (Window::default(), std::collections::BTreeSet::new());
            for index in indices {
                if window.admits(index) {
                    window.take(index);
                    prop_assert!(seen.insert(index));
                }
            }
        }

        #[test]
        fn the_guess_is_right_within_half_a_cycle(start in 40_000u64..1 << 40, step in -32_767i64..32_767) {
            let truth = start.saturating_add_signed(step);
            prop_assert_eq!(Window::starting_at(start).index(truth as u16), Some(truth));
        }
    }
}
