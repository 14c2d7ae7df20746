//! The bed of sound under what the agent says.

use std::time::Duration;

use crate::audio::level::{self, Ramp, Shape};
use crate::audio::{Frame, SampleRate, ambience};
use crate::conversation::Ambience;

/// Plays one place's bed round and round, from a moment of the call's own, and glides into another one when asked.
///
/// It costs an addition a sample; what it plays belongs to all calls.
#[derive(Debug)]
pub(super) struct Bed {
    rate: SampleRate,
    seed: u64,
    wanted: Ambience,
    playing: Option<Loop>,
    /// What was played before, on its way out.
    leaving: Option<Loop>,
    /// Silent for a moment, while keys take the place of the sound.
    muted: bool,
    mute: Ramp,
}

impl Bed {
    /// How long one bed takes to come, or to go.
    const GLIDE: Duration = Duration::from_millis(500);
    /// How long it takes to give way to keys, and to come back.
    const SEAM: Duration = Duration::from_millis(5);

    /// Begins with the first frame. `seed` says where in the bed.
    pub(super) fn new(wanted: Ambience, seed: u64, rate: SampleRate) -> Self {
        let mute = Ramp::new(1.0, 1.0, Duration::ZERO, rate, Shape::RaisedCosine);
        Self { rate, seed, wanted, playing: None, leaving: None, muted: false, mute }
    }

    /// From here on this one.
    pub(super) fn want(&mut self, ambience: Ambience) {
        self.wanted = ambience;
    }

    /// Whether anything of it is to be heard.
    pub(super) fn is_audible(&self) -> bool {
        (self.playing.is_some() || self.leaving.is_some()) && !self.muted
    }

    /// Gives way, or comes back.
    pub(super) fn mute(&mut self, muted: bool) {
        if self.muted != muted {
            self.muted = muted;
            self.mute.turn(if muted { 0.0 } else { 1.0 }, Self::SEAM, self.rate);
        }
    }

    /// Adds its next piece to a frame.
    pub(super) fn mix(&mut self, frame: &mut Frame) {
        self.follow();
        let mute = &mut self.mute;
        let is_silent = self.muted && mute.is_steady();
        if is_silent || (self.playing.is_none() && self.leaving.is_none()) {
            return;
        }
        let is_plain = mute.is_steady() && !self.muted && self.leaving.is_none();
        match &mut self.playing {
            Some(playing) if is_plain && playing.gain.is_steady() => playing.add(frame.samples_mut()),
            _ => {
                let mut sum: Frame = Frame::empty(frame.rate());
                sum.grow(frame.samples().len());
                for one in [&mut self.playing, &mut self.leaving].into_iter().flatten() {
                    let mut piece: Frame = Frame::empty(frame.rate());
                    one.add(piece.grow(frame.samples().len()));
                    one.gain.apply(piece.samples_mut());
                    level::mix(sum.samples_mut(), piece.samples());
                }
                mute.apply(sum.samples_mut());
                level::mix(frame.samples_mut(), sum.samples());
            }
        }
        self.leaving.take_if(|leaving| leaving.gain.is_steady());
    }

    /// Begins to glide into what is wanted, one change at a time.
    fn follow(&mut self) {
        let plays = self.playing.as_ref().map_or(Ambience::None, |playing| playing.place);
        let is_settled = self.leaving.is_none() && self.playing.as_ref().is_none_or(|playing| playing.gain.is_steady());
        if plays == self.wanted || !is_settled {
            return;
        }
        self.leaving = self.playing.take();
        if let Some(leaving) = &mut self.leaving {
            leaving.gain = Ramp::new(1.0, 0.0, Self::GLIDE, self.rate, Shape::RaisedCosine);
        }
        self.playing = sound_of(self.wanted, self.rate).filter(|sound| !sound.is_empty()).map(|sound| Loop {
            place: self.wanted,
            sound,
            // A call's own moment, another one in each place.
            at: (self.seed.rotate_left(17 * self.wanted as u32) % sound.len() as u64) as usize,
            gain: Ramp::new(0.0, 1.0, Self::GLIDE, self.rate, Shape::RaisedCosine),
        });
        if self.playing.is_none() {
            // At a rate there is no bed for: nothing more is to be done.
            self.wanted = Ambience::None;
        }
    }
}

/// Makes a place's bed for a line of this rate, so that the first call to play it need not: a few tenths of a
/// second of work, once.
pub fn prepare_ambience(ambience: Ambience, rate: SampleRate) {
    sound_of(ambience, rate);
}

fn sound_of(ambience: Ambience, rate: SampleRate) -> Option<&'static [i16]> {
    match ambience {
        Ambience::None => None,
        Ambience::Office => ambience::office(rate),
        Ambience::CoffeeShop => ambience::coffee_shop(rate),
        Ambience::Outdoor => ambience::outdoor(rate),
    }
}

/// A place that is being played.
struct Loop {
    place: Ambience,
    sound: &'static [i16],
    at: usize,
    gain: Ramp,
}

impl Loop {
    /// Adds the next samples.
    fn add(&mut self, samples: &mut [i16]) {
        let mut rest = samples;
        while !rest.is_empty() {
            let piece = self.sound.get(self.at..).unwrap_or_default();
            let length = piece.len().min(rest.len());
            let (now, later) = rest.split_at_mut(length);
            level::mix(now, piece);
            rest = later;
            self.at += length;
            if self.at >= self.sound.len() {
                self.at = 0;
            }
        }
    }
}

impl std::fmt::Debug for Loop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Loop({} at {})", self.place.name(), self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: SampleRate = SampleRate::HZ_8000;
    const PTIME: Duration = Duration::from_millis(20);

    fn heard(bed: &mut Bed, ms: usize) -> Vec<i16> {
        let mut heard = Vec::new();
        for _ in 0..ms / 20 {
            let mut frame = Frame::silence(RATE, PTIME);
            bed.mix(&mut frame);
            heard.extend_from_slice(frame.samples());
        }
        heard
    }

    fn largest_step(sound: &[i16]) -> u32 {
        sound.windows(2).map(|pair| i32::from(pair[0]).abs_diff(i32::from(pair[1]))).max().unwrap_or(0)
    }

    #[test]
    fn where_none_is_wanted_nothing_is_added() {
        let mut bed = Bed::new(Ambience::None, 1, RATE);
        assert_eq!(heard(&mut bed, 100), [0; 800]);
        assert!(!bed.is_audible());
    }

    #[test]
    fn it_comes_slowly_stays_as_loud_and_goes_round_without_an_end() {
        let mut bed = Bed::new(Ambience::Office, 7, RATE);
        let all = heard(&mut bed, 60_000);
        assert!(level::dbfs(&all[..800]) < ambience::LEVEL_DBFS - 8.0, "it fades in");
        for second in all[8_000..].chunks(16_000) {
            assert!((level::dbfs(second) - ambience::LEVEL_DBFS).abs() < 4.0);
        }
        let round = RATE.samples_in(ambience::LENGTH);
        assert_eq!(all[8_000..16_000], all[8_000 + round..16_000 + round]);
        assert!(largest_step(&all) <= largest_step(ambience::office(RATE).unwrap()));
    }

    #[test]
    fn two_calls_do_not_share_a_moment() {
        let [mut one, mut other] = [3u64, 0x9E37_79B9_7F4A_7C15].map(|seed| Bed::new(Ambience::CoffeeShop, seed, RATE));
        let (one, other) = (heard(&mut one, 2_000), heard(&mut other, 2_000));
        let product: f64 = one.iter().zip(&other).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
        let size = f64::from(level::rms(&one)) * f64::from(level::rms(&other)) * one.len() as f64;
        assert!((product / size).abs() < 0.3, "{}", product / size);
    }

    #[test]
    fn another_place_is_glided_into_and_the_last_wish_wins() {
        let mut bed = Bed::new(Ambience::Outdoor, 5, RATE);
        let mut all = heard(&mut bed, 2_000);
        bed.want(Ambience::CoffeeShop);
        all.extend(heard(&mut bed, 100));
        bed.want(Ambience::Office);
        bed.want(Ambience::None);
        bed.want(Ambience::Office);
        all.extend(heard(&mut bed, 3_000));
        assert_eq!(bed.playing.as_ref().map(|playing| playing.place), Some(Ambience::Office));
        assert!(bed.leaving.is_none());
        for piece in all[8_000..].chunks(4_000) {
            assert!(level::dbfs(piece) > ambience::LEVEL_DBFS - 9.0, "it never breaks off");
        }
        bed.want(Ambience::None);
        all.extend(heard(&mut bed, 600));
        assert_eq!(heard(&mut bed, 100), [0; 800]);
        let [a, b, c] = [ambience::office, ambience::coffee_shop, ambience::outdoor].map(|bed| bed(RATE).unwrap());
        let natural = largest_step(a).max(largest_step(b)).max(largest_step(c));
        assert!(largest_step(&all) <= natural * 3 / 2, "{} for {natural}", largest_step(&all));
    }

    #[test]
    fn it_gives_way_and_comes_back_without_a_click() {
        let mut bed = Bed::new(Ambience::Office, 5, RATE);
        heard(&mut bed, 1_000);
        bed.mute(true);
        let going = heard(&mut bed, 20);
        assert!(going[..8].iter().any(|sample| *sample != 0) && going[40..].iter().all(|sample| *sample == 0));
        assert_eq!(heard(&mut bed, 40), [0; 320]);
        bed.mute(false);
        let coming = heard(&mut bed, 40);
        assert!(coming[0] == 0 && level::dbfs(&coming[80..]) > -50.0);
        assert!(largest_step(&coming) <= largest_step(ambience::office(RATE).unwrap()));
    }
}
