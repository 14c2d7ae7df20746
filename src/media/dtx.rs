//! Silence that is not sent (discontinuous transmission).

use std::time::Duration;

/// Decides which packets of silence are sent. Only where it was agreed: a listener that does not know of it takes the
/// pause for loss.
///
/// ```text
///   voice ▮▮▮▮▮▮ silence                                       voice
///   sent  ▮▮▮▮▮▮ ▯▯▯▯▯▯▯▯▯▯ n         n         n         n     ▮▮▮   n: comfort noise
///                └ HANGOVER ┘└ REFRESH ┘                        └ marker
/// ```
#[derive(Clone, Debug)]
pub(super) struct Dtx {
    enabled: bool,
    ptime: Duration,
    /// How long it has been silent, and for how long nothing was said of it.
    silent: Duration,
    untold: Duration,
    paused: bool,
}

/// What is done with a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Deed {
    /// It is sent; whether it ends a pause.
    Send {
        /// Nothing, or comfort noise, was sent before it.
        resumes: bool,
    },
    /// The other side is told that nothing follows.
    Noise,
    /// Nothing is sent.
    Nothing,
}

impl Dtx {
    /// So much silence is sent behind every sound: a reply may go on, and what was cut is seen to have ended.
    pub(super) const HANGOVER: Duration = Duration::from_millis(200);
    /// How often the other side is told that nothing follows; NAT bindings live on it too.
    pub(super) const REFRESH: Duration = Duration::from_millis(400);

    pub(super) const fn new(enabled: bool, ptime: Duration) -> Self {
        Self { enabled, ptime, silent: Duration::ZERO, untold: Duration::ZERO, paused: false }
    }

    /// What is done with the next packet.
    pub(super) fn next(&mut self, is_silent: bool) -> Deed {
        if !is_silent || !self.enabled {
            self.silent = Duration::ZERO;
            return Deed::Send { resumes: std::mem::take(&mut self.paused) };
        }
        if self.silent < Self::HANGOVER {
            self.silent += self.ptime;
            return Deed::Send { resumes: false };
        }
        if !self.paused || self.untold >= Self::REFRESH {
            (self.paused, self.untold) = (true, self.ptime);
            return Deed::Noise;
        }
        self.untold += self.ptime;
        Deed::Nothing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(enabled: bool, packets: &str) -> String {
        let mut dtx = Dtx::new(enabled, Duration::from_millis(20));
        let deed = |packet: char| match dtx.next(packet == '.') {
            Deed::Send { resumes: false } => 's',
            Deed::Send { resumes: true } => 'S',
            Deed::Noise => 'n',
            Deed::Nothing => '-',
        };
        packets.chars().map(deed).collect()
    }

    #[test]
    fn silence_is_sent_where_nothing_else_was_agreed() {
        assert_eq!(told(false, &".".repeat(40)), "s".repeat(40));
    }

    #[test]
    fn a_pause_is_told_and_told_again_and_ends_with_the_first_sound() {
        let packets = "vv".to_owned() + &".".repeat(32) + "vv..v";
        let expected = "ss".to_owned() + &"s".repeat(10) + "n" + &"-".repeat(19) + "n-" + "Ssss" + "s";
        assert_eq!(told(true, &packets), expected);
    }
}
