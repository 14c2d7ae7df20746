//! How good a call sounds: the E-model (ITU-T G.107) on what RTP and RTCP tell.

use std::time::Duration;

use crate::audio::Codec;

/// How both directions of a call are judged. A mean opinion score (MOS) goes from 1 (bad) to 4.4, the best of narrow band.
///
/// It is an estimate from loss, burstiness and delay, with the default values of G.107 for everything else: it does not
/// listen to the sound.
#[derive(Clone, Copy, PartialEq, Default, Debug)]
pub struct Quality {
    /// The caller's sound as it came to us; `None`: too little came.
    pub inbound: Option<f32>,
    /// The agent's sound as the other side reports that it came; `None`: no report.
    pub outbound: Option<f32>,
    /// To the other side and back, the mean of the last reports; `None`: not known.
    pub round_trip: Option<Duration>,
    /// Packets of ours that the other side says were lost.
    pub remote_lost: u64,
    /// The interarrival jitter the other side reports.
    pub remote_jitter: Duration,
    /// RTCP reports sent.
    pub reports_sent: u64,
    /// RTCP reports of the other side that were understood.
    pub reports_received: u64,
}

/// What the E-model is asked about one direction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Path {
    pub(super) codec: Codec,
    /// From mouth to ear.
    pub(super) delay: Duration,
    /// Probability that a packet is missed, 0 to 1.
    pub(super) loss: f64,
    /// How many packets are missed in a row, on average.
    pub(super) burst: f64,
}

impl Path {
    /// The mean opinion score.
    pub(super) fn mos(&self) -> f32 {
        let rating = (BEST - self.delay_impairment() - self.loss_impairment()).clamp(0.0, 100.0);
        // G.107 annex B. Below about 6.5 the polynomial dips under 1.
        let mos = 1.0 + 0.035 * rating + rating * (rating - 60.0) * (100.0 - rating) * 7e-6;
        mos.max(1.0) as f32
    }

    /// Id, in the well-known approximation by two lines (Cole and Rosenbluth 2001).
    fn delay_impairment(&self) -> f64 {
        let millis = self.delay.as_secs_f64() * 1_000.0;
        0.024 * millis + 0.11 * (millis - 177.3).max(0.0)
    }

    /// Ie,eff (G.107 section 7.2).
    fn loss_impairment(&self) -> f64 {
        let (equipment, robustness) = impairment(self.codec);
        let percent = self.loss.clamp(0.0, 1.0) * 100.0;
        // How much longer the gaps are than those of independent losses.
        let ratio = (self.burst * (1.0 - self.loss)).clamp(1.0, 8.0);
        equipment + (95.0 - equipment) * percent / (percent / ratio + robustness)
    }
}

/// R with every other value of G.107 at its default.
const BEST: f64 = 93.2;

/// Ie and Bpl of a codec (ITU-T G.113 appendix I: G.711 with concealment). Codecs without a figure on the narrow-band
/// scale are taken for as robust.
const fn impairment(_codec: Codec) -> (f64, f64) {
    (0.0, 25.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mos(delay: u64, loss: f64, burst: f64) -> f32 {
        Path { codec: Codec::Pcmu, delay: Duration::from_millis(delay), loss, burst }.mos()
    }

    #[test]
    fn a_perfect_line_scores_what_g_107_says_it_does() {
        // G.107 table: R = 93.2 is MOS 4.41.
        assert!((mos(0, 0.0, 1.0) - 4.41).abs() < 0.005, "{}", mos(0, 0.0, 1.0));
    }

    #[test]
    fn known_points_of_the_model_come_out() {
        // By hand: 5 % random loss: Ie,eff = 95·5/(5/0.95.. + 25.1); 150 ms: Id = 3.6.
        let ratio = 1.0_f64;
        let rating = 93.2 - 95.0 * 5.0 / (5.0 / ratio + 25.1) - 3.6;
        let expected = 1.0 + 0.035 * rating + rating * (rating - 60.0) * (100.0 - rating) * 7e-6;
        assert!((f64::from(mos(150, 0.05, 1.0)) - expected).abs() < 1e-4);
        assert!((mos(150, 0.05, 1.0) - 3.77).abs() < 0.03, "{}", mos(150, 0.05, 1.0));
        assert!((mos(400, 0.0, 1.0) - 3.11).abs() < 0.06, "{}", mos(400, 0.0, 1.0));
    }

    #[test]
    fn loss_bursts_and_delay_only_make_it_worse() {
        let mut last = 5.0;
        for loss in [0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0] {
            let score = mos(100, loss, 1.0);
            assert!(score < last && score >= 1.0);
            last = score;
        }
        assert!(mos(100, 0.05, 3.0) < mos(100, 0.05, 1.0));
        assert!(mos(300, 0.05, 1.0) < mos(100, 0.05, 1.0));
        assert!(mos(60_000, 1.0, 100.0) >= 1.0);
    }
}
