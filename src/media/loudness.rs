//! Every voice as loud as every other.

use std::collections::VecDeque;
use std::time::Duration;

use crate::audio::{ActiveLevel, SampleRate, level};
use crate::conversation::ReplyId;

use super::playout::Playout;

/// Brings each voice to [`Loudness::TARGET_DBFS`] and keeps what is amplified from clipping.
///
/// A voice's level is measured over all it has said (ITU-T P.56), so its gain settles within its first sentences and then
/// stays: it moves only when the level turns out to be another by more than a decibel, and no faster than
/// [`Loudness::SLEW_DB`] a second but between two replies. What is known of a voice from earlier calls is believed until
/// there is enough of this one.
#[derive(Debug)]
pub(super) struct Loudness {
    enabled: bool,
    voices: [Voice; 2],
    /// Who speaks which reply. At most [`Playout::REPLIES`].
    replies: VecDeque<Spoken>,
    /// The factor at the end of the last packet.
    factor: f32,
}

#[derive(Debug)]
struct Voice {
    known: Option<f32>,
    meter: ActiveLevel,
    /// Decibels it gets.
    gain: f32,
}

#[derive(Clone, Copy, Debug)]
struct Spoken {
    reply: ReplyId,
    rank: u8,
    /// The gain of a voice that has been replaced, for what it still has to say.
    kept: Option<f32>,
}

impl Loudness {
    /// The active speech level every voice is brought to.
    pub(super) const TARGET_DBFS: f32 = -20.0;
    /// The most that is done to a voice, in decibels either way.
    const MOST_DB: f32 = 12.0;
    /// What is nearer than this is left alone.
    const NEAR_DB: f32 = 1.0;
    /// How fast a gain moves while its voice speaks, a second.
    const SLEW_DB: f32 = 4.0;
    /// How fast the gain comes back after a peak, a second.
    const RELEASE_DB: f32 = 30.0;
    /// The loudest sample there may be: 1 dB below full scale.
    const CEILING: f32 = 29_204.0;
    /// Seconds of speech before a voice is judged before the first word of a reply, in the middle of one, and for others.
    const FIRST: f32 = 0.15;
    const SOON: f32 = 0.5;
    const SURE: f32 = 3.0;
    /// For how many seconds of speech what was known of a voice stands.
    const TRUST: f32 = 10.0;

    /// What is known of the voices by rank, in dBFS of active speech. Not enabled it does nothing.
    pub(super) fn new(enabled: bool, known: [Option<f32>; 2], rate: SampleRate) -> Self {
        let voices = known.map(|known| Voice::new(known, rate));
        Self { enabled, voices, replies: VecDeque::with_capacity(Playout::REPLIES), factor: 1.0 }
    }

    /// The voice of `rank` speaks a reply.
    pub(super) fn expect(&mut self, reply: ReplyId, rank: u8) {
        if self.replies.iter().any(|spoken| spoken.reply == reply) {
            return;
        }
        if self.replies.len() == Playout::REPLIES {
            self.replies.pop_front();
        }
        self.replies.push_back(Spoken { reply, rank: rank.min(1), kept: None });
    }

    /// Another voice is the first from here on; what the one before still says stays as it is.
    pub(super) fn change_voice(&mut self, rate: SampleRate) {
        let [first, _] = &mut self.voices;
        for spoken in self.replies.iter_mut().filter(|spoken| spoken.rank == 0) {
            spoken.kept.get_or_insert(first.gain);
        }
        *first = Voice::new(None, rate);
    }

    /// Sound of a reply has come.
    pub(super) fn hear(&mut self, reply: ReplyId, samples: &[i16], rate: SampleRate) {
        if self.enabled
            && let Some(voice) = self.voice(reply)
        {
            voice.meter.push(samples, rate);
        }
    }

    /// What each voice was found to be, in dBFS, once there was enough of it.
    pub(super) fn found(&self) -> [Option<f32>; 2] {
        let sure = |voice: &Voice| voice.meter.level().filter(|(_, seconds)| *seconds >= Self::SURE);
        self.voices.each_ref().map(|voice| sure(voice).map(|(level, _)| (level * 10.0).round() / 10.0))
    }

    /// Whether it does anything.
    pub(super) const fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// The factor of what was sent last.
    pub(super) const fn factor(&self) -> f32 {
        self.factor
    }

    /// Gives a packet's speech of a reply its loudness. `next` is the peak of what follows it, as far as it has come;
    /// `first`: the reply begins with it.
    pub(super) fn apply(
        &mut self,
        speech: &mut [i16],
        next: impl FnOnce() -> u16,
        reply: ReplyId,
        first: bool,
        lasts: Duration,
    ) {
        if !self.enabled {
            return;
        }
        let seconds = lasts.as_secs_f32();
        let kept = self.replies.iter().find(|spoken| spoken.reply == reply).and_then(|spoken| spoken.kept);
        let decibels = match (kept, self.voice(reply)) {
            (Some(kept), _) => kept,
            (None, Some(voice)) => voice.follow(first, seconds),
            (None, None) => 0.0,
        };
        let wanted = level::gain(decibels);
        let allowed = |peak: u16| Self::CEILING / f32::from(peak).max(1.0);
        let begins = if first { wanted } else { self.factor };
        // Only what is amplified can clip.
        let (begins, ends) = if begins <= 1.0 && wanted <= 1.0 {
            (begins, wanted)
        } else {
            let most = allowed(level::peak(speech));
            let release = begins.min(most) * level::gain(Self::RELEASE_DB * seconds);
            let lower = wanted.min(1.0);
            (begins.min(most.max(lower)), wanted.min(release).min(most.max(lower)).min(allowed(next()).max(lower)))
        };
        self.factor = ends;
        scale(speech, begins, ends);
    }

    fn voice(&mut self, reply: ReplyId) -> Option<&mut Voice> {
        let spoken = self.replies.iter().find(|spoken| spoken.reply == reply).filter(|spoken| spoken.kept.is_none())?;
        self.voices.get_mut(usize::from(spoken.rank))
    }
}

impl Voice {
    fn new(known: Option<f32>, rate: SampleRate) -> Self {
        let gain = known.map_or(0.0, |level| wanted(level, 0.0));
        Self { known, meter: ActiveLevel::new(rate), gain }
    }

    /// Its gain in decibels for the next packet.
    fn follow(&mut self, first: bool, seconds: f32) -> f32 {
        let enough = if first { Loudness::FIRST } else { Loudness::SOON };
        let heard = self.meter.level().filter(|(_, spoken)| *spoken >= enough);
        let level = match (self.known, heard) {
            // What was known counts as much as so many seconds more of it.
            (Some(known), Some((level, spoken))) => known + (level - known) * spoken / (spoken + Loudness::TRUST),
            (None, Some((level, _))) => level,
            (_, None) => return self.gain,
        };
        let step = if first { f32::INFINITY } else { Loudness::SLEW_DB * seconds };
        self.gain += (wanted(level, self.gain) - self.gain).clamp(-step, step);
        self.gain
    }
}

/// The gain for a voice of this level that has this one.
fn wanted(level: f32, gain: f32) -> f32 {
    let ideal = (Loudness::TARGET_DBFS - level).clamp(-Loudness::MOST_DB, Loudness::MOST_DB);
    match () {
        // A voice that is right by itself is left as it is, to the sample.
        () if ideal.abs() < Loudness::NEAR_DB && gain == 0.0 => 0.0,
        () if (ideal - gain).abs() < Loudness::NEAR_DB => gain,
        () => ideal,
    }
}

/// Multiplies by a factor that goes evenly from one value to the other.
fn scale(samples: &mut [i16], from: f32, to: f32) {
    if from == 1.0 && to == 1.0 {
        return;
    }
    let step = (to - from) / samples.len().max(1) as f32;
    for (n, sample) in samples.iter_mut().enumerate() {
        let value = f32::from(*sample) * (from + step * (n + 1) as f32);
        // Half away from zero; a float becomes the nearest value an i16 can hold.
        *sample = (value + 0.5f32.copysign(value)) as i16;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: SampleRate = SampleRate::HZ_8000;
    const PTIME: Duration = Duration::from_millis(20);
    const A: ReplyId = ReplyId(1);

    fn talk() -> Vec<i16> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/audio/talk.wav");
        crate::audio::wav::Wav::parse(&std::fs::read(path).unwrap()).unwrap().into_mono()
    }

    /// The recording, so loud.
    fn voice(dbfs: f32) -> Vec<i16> {
        let mut samples = talk();
        let mut meter = ActiveLevel::new(RATE);
        meter.push(&samples, RATE);
        level::scale(&mut samples, level::gain(dbfs - meter.level().unwrap().0));
        samples
    }

    fn active(samples: &[i16]) -> f32 {
        let mut meter = ActiveLevel::new(RATE);
        meter.push(samples, RATE);
        meter.level().unwrap().0
    }

    /// Says it as one reply whose sound comes so long before it is played.
    fn say(loudness: &mut Loudness, reply: ReplyId, sound: &[i16], ahead_ms: usize) -> Vec<i16> {
        loudness.expect(reply, 0);
        let mut came = (ahead_ms * 8).min(sound.len());
        loudness.hear(reply, &sound[..came], RATE);
        let mut said = Vec::new();
        for (n, piece) in sound.chunks(160).enumerate() {
            let mut packet = piece.to_vec();
            let after = &sound[((n + 1) * 160).min(sound.len())..];
            let after = &after[..after.len().min(160)];
            loudness.apply(&mut packet, || level::peak(after), reply, n == 0, PTIME);
            said.extend(packet);
            let more = (came + 160).min(sound.len());
            loudness.hear(reply, &sound[came..more], RATE);
            came = more;
        }
        said
    }

    #[test]
    fn voices_of_two_vendors_end_up_equally_loud() {
        for dbfs in [-31.0, -27.0, -24.0, -14.0] {
            let mut loudness = Loudness::new(true, [None; 2], RATE);
            let sound = voice(dbfs);
            let first = say(&mut loudness, A, &sound, 400);
            let second = say(&mut loudness, ReplyId(2), &sound, 400);
            assert!((active(&second) - Loudness::TARGET_DBFS).abs() < 1.3, "{dbfs}: {}", active(&second));
            let off = (active(&first) - Loudness::TARGET_DBFS).abs();
            assert!(off < 2.5, "{dbfs}: already the first answer, but {off} dB off");
            assert!((loudness.found()[0].unwrap() - dbfs).abs() < 0.5, "{:?}", loudness.found());
        }
    }

    #[test]
    fn a_voice_that_is_right_is_left_as_it_is() {
        let sound = voice(-20.5);
        let mut loudness = Loudness::new(true, [None; 2], RATE);
        // Before anything is known the first words may be taken for louder or softer than the voice is.
        let mut known = Loudness::new(true, [Some(-20.5), None], RATE);
        assert!(say(&mut known, A, &sound, 400) == sound, "to the sample");
        say(&mut loudness, A, &sound, 400);
        assert!((active(&say(&mut loudness, ReplyId(2), &sound, 400)) - -20.0).abs() < 1.3);
        let mut off = Loudness::new(false, [Some(-35.0), None], RATE);
        assert!(say(&mut off, A, &sound, 400) == sound, "not enabled");
    }

    #[test]
    fn what_is_known_of_a_voice_is_right_from_its_first_word() {
        let sound = voice(-29.0);
        let mut loudness = Loudness::new(true, [Some(-29.0), None], RATE);
        let said = say(&mut loudness, A, &sound[..16_000], 40);
        assert!((active(&said) - active(&sound[..16_000]) - 9.0).abs() < 0.1);
    }

    #[test]
    fn nothing_is_done_beyond_twelve_decibels_and_nothing_clips() {
        let sound = voice(-45.0);
        let mut loudness = Loudness::new(true, [Some(-45.0), None], RATE);
        let said = say(&mut loudness, A, &sound, 100);
        assert!((active(&said) - -33.0).abs() < 0.3, "{}", active(&said));
        // A soft voice with a shout in it.
        let mut sound = voice(-30.0);
        let peak = 12_000;
        sound
            .iter_mut()
            .skip(40_000)
            .take(100)
            .enumerate()
            .for_each(|(n, s)| *s = if n % 40 < 20 { peak } else { -peak });
        let mut loudness = Loudness::new(true, [Some(-30.0), None], RATE);
        let said = say(&mut loudness, A, &sound, 100);
        assert!(level::peak(&said) <= Loudness::CEILING as u16 + 1, "{}", level::peak(&said));
        assert!(level::peak(&said[40_000..40_100]) > 25_000, "as loud as it may be");
        let after = active(&said[80_000..]) - active(&sound[80_000..]);
        assert!((after - 10.0).abs() < 1.0, "the gain has come back: {after}");
    }

    #[test]
    fn the_gain_does_not_pump() {
        let sound = voice(-26.0);
        let mut loudness = Loudness::new(true, [None; 2], RATE);
        say(&mut loudness, A, &sound, 400);
        let said = say(&mut loudness, ReplyId(2), &sound, 400);
        let gains: Vec<f32> = sound
            .chunks(1_600)
            .zip(said.chunks(1_600))
            .filter(|(sound, _)| level::dbfs(sound) > -40.0)
            .map(|(sound, said)| level::dbfs(said) - level::dbfs(sound))
            .collect();
        let (least, most) =
            gains.iter().fold((f32::MAX, f32::MIN), |(least, most), gain| (least.min(*gain), most.max(*gain)));
        assert!(gains.len() > 50 && most - least < 1.2, "{least} to {most}");
    }

    #[test]
    fn another_voice_is_judged_by_itself_and_the_old_one_finishes_as_it_was() {
        let (soft, loud) = (voice(-28.0), voice(-14.0));
        let mut loudness = Loudness::new(true, [Some(-28.0), None], RATE);
        loudness.expect(A, 0);
        loudness.change_voice(RATE);
        let rest = say(&mut loudness, A, &soft[..32_000], 200);
        assert!((active(&rest) - active(&soft[..32_000]) - 8.0).abs() < 0.2, "the old one");
        say(&mut loudness, ReplyId(2), &loud, 400);
        let second = say(&mut loudness, ReplyId(3), &loud, 400);
        assert!((active(&second) - -20.0).abs() < 1.3, "the new one: {}", active(&second));
        assert!((loudness.found()[0].unwrap() - -14.0).abs() < 0.5);
    }
}
