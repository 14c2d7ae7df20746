//! A network that loses, delays, reorders and duplicates, the same way every time.

use std::time::Duration;

use super::Random;

/// How bad the line is.
#[derive(Clone, Copy, PartialEq, Default, Debug)]
pub struct NetworkSpec {
    /// Where the randomness starts.
    pub seed: u64,
    /// Probability that a packet is lost, 0 to 1.
    pub loss: f64,
    /// Probability that a packet comes twice.
    pub duplicate: f64,
    /// Every packet takes this long …
    pub delay: Duration,
    /// … and up to this much longer, evenly. More than the packet time means reordering.
    pub jitter: Duration,
    /// The caller's phone sends back what it plays, so much later and by so many decibels softer or louder.
    pub echo: Option<(Duration, f64)>,
}

/// When copies of one packet arrive, counted from its sending.
pub type Delivery = [Option<Duration>; 2];

/// One direction of a line.
#[derive(Clone, Debug)]
pub struct Network {
    spec: NetworkSpec,
    random: Random,
}

impl Network {
    /// A line as `spec` says.
    pub const fn new(spec: NetworkSpec) -> Self {
        Self { spec, random: Random::new(spec.seed) }
    }

    /// What becomes of the next packet.
    pub fn send(&mut self) -> Delivery {
        // Always the same number of draws, so that changing one rate does not reshuffle everything else.
        let lost = self.random.happens(self.spec.loss);
        let doubled = self.random.happens(self.spec.duplicate);
        let first = self.spec.delay + self.spec.jitter.mul_f64(self.random.unit());
        let second = self.spec.delay + self.spec.jitter.mul_f64(self.random.unit());
        if lost { [None, None] } else { [Some(first), doubled.then_some(second)] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_line_and_rates_hold() {
        let spec = NetworkSpec {
            seed: 7,
            loss: 0.1,
            duplicate: 0.02,
            delay: Duration::from_millis(5),
            jitter: Duration::from_millis(40),
            echo: None,
        };
        let deliveries = |spec| {
            let mut network = Network::new(spec);
            (0..10_000).map(|_| network.send()).collect::<Vec<_>>()
        };
        let first = deliveries(spec);
        assert_eq!(first, deliveries(spec));
        let lost = first.iter().filter(|delivery| delivery[0].is_none()).count();
        assert!((900..1_100).contains(&lost), "{lost}");
        let worst = first.iter().filter_map(|delivery| delivery[0]).max().unwrap();
        assert!(worst <= Duration::from_millis(45) && worst > Duration::from_millis(44));
    }
}
