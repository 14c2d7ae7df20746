//! The caller's keys: each once however it comes, and none in speech.
#![expect(clippy::disallowed_methods, reason = "virtual time is counted from some instant")]

use std::path::Path;
use std::time::{Duration, Instant};

use agentphone::audio::level::scale;
use agentphone::audio::tone::{KeyDetector, Tone};
use agentphone::audio::wav::Wav;
use agentphone::audio::{Codec, Encoder, Frame, SampleRate, resample_all};
use agentphone::media::{Heard, Inbound, InboundSpec};
use agentphone::rtp::{Header, PacketBuf, PayloadType, Ssrc, TelephoneEvent};

const RATE: SampleRate = SampleRate::HZ_8000;
const PTIME: Duration = Duration::from_millis(20);
const KEYS: &str = "0123456789*#ABCD";

/// How a key travels.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Way {
    /// As telephone events that take the place of the sound (RFC 4733).
    Events,
    /// As tones in the sound.
    Tones,
    /// Tones for the first 40 ms, until the sender has noticed and goes over to events.
    Leaking,
    /// Tones in the sound, and events beside them.
    Both,
}

#[test]
fn every_key_comes_once_at_five_percent_of_loss() {
    for way in [Way::Events, Way::Tones, Way::Leaking, Way::Both] {
        let (mut wrong, mut pressed) = (0, 0);
        for seed in 1..=25 {
            let mut dice = Dice(seed);
            let keys: String = (0..16).map(|_| KEYS.as_bytes()[dice.below(16)] as char).collect();
            let told = told(way, &keys, 5, &mut dice);
            pressed += keys.len();
            if told != keys {
                println!("{way:?}, seed {seed}: pressed {keys}, told {told}");
                wrong += 1;
            }
        }
        assert_eq!(wrong, 0, "{way:?}: runs with a wrong key, of {pressed} keys");
    }
}

#[test]
fn no_key_is_heard_in_speech() {
    let mut heard = Duration::ZERO;
    for (name, samples) in speech() {
        assert_eq!(keys_in(&samples), "", "{name}");
        heard += RATE.duration_of(samples.len());
    }
    assert!(heard > Duration::from_secs(200), "{heard:?}");
}

#[test]
#[ignore = "takes minutes: nightly"]
fn no_key_is_heard_in_half_an_hour_of_speech() {
    let mut heard = Duration::ZERO;
    // Other throats and speeds: what was recorded at one rate is played at another. In turn as loud as it is, softly, and
    // so loud that it is clipped.
    let loudness = [1.0, 0.1, 6.0];
    for (n, hz) in [6_400, 6_800, 7_200, 7_600, 8_000, 8_400, 8_900, 9_400, 10_000, 10_600].into_iter().enumerate() {
        let from = SampleRate::new(hz).expect("a rate");
        for (name, samples) in speech() {
            let mut samples = resample_all(&samples, from, RATE);
            scale(&mut samples, loudness[n % loudness.len()]);
            assert_eq!(keys_in(&samples), "", "{name} as if at {hz} Hz");
            heard += RATE.duration_of(samples.len());
        }
    }
    assert!(heard > Duration::from_secs(30 * 60), "{heard:?}");
}

/// The voices of people, which nobody here made: every WAV file at 8 kHz below `AGENTPHONE_SPEECH`.
#[test]
#[ignore = "needs recordings: tests/interop/run keys_in_speech"]
fn no_key_is_heard_in_other_recordings() {
    let mut folders = vec![std::path::PathBuf::from(std::env::var_os("AGENTPHONE_SPEECH").expect("a folder"))];
    let (mut heard, mut told) = (Duration::ZERO, Vec::new());
    while let Some(folder) = folders.pop() {
        folders.extend(std::fs::read_dir(&folder).expect("a folder").filter_map(|entry| {
            let path = entry.expect("a file").path();
            path.is_dir().then_some(path)
        }));
        for (name, samples) in speech_in(&folder) {
            heard += RATE.duration_of(samples.len());
            let keys = keys_in(&samples);
            if !keys.is_empty() {
                told.push(format!("{name}: {keys}"));
            }
        }
    }
    println!("{} minutes of speech, keys: {told:?}", heard.as_secs() / 60);
    assert!(heard > Duration::from_secs(30 * 60), "{heard:?}");
    assert!(told.is_empty(), "{told:?}");
}

/// The keys told of a sequence, each 80 to 140 ms long with 80 to 160 ms of silence behind it, when so many packets of a
/// hundred are lost.
fn told(way: Way, keys: &str, loss: usize, dice: &mut Dice) -> String {
    let spec = InboundSpec { telephone_event: Some(PayloadType(101)), ..InboundSpec::new(Codec::Pcmu, PayloadType(0)) };
    let start = Instant::now() + Duration::from_secs(10);
    let mut line =
        Line { inbound: Inbound::new(spec, start), now: start, sequence: 0, timestamp: 0, told: String::new() };
    let mut encoder = Encoder::new(Codec::Pcmu);
    let mut sound = |samples: &[i16; 160]| {
        let mut payload = [0; 160];
        encoder.encode(samples, &mut payload);
        payload
    };
    for _ in 0..10 {
        line.send(PayloadType(0), line.timestamp, &sound(&[0; 160]), false);
        line.tick();
    }
    for key in keys.chars() {
        let mut tone = Tone::key(key, RATE).expect("a key");
        let begun = line.timestamp;
        let frames = 4 + dice.below(4);
        for frame in 0..frames {
            let mut samples = [0; 160];
            tone.fill(&mut samples);
            let (tones, events) = match way {
                Way::Events => (false, true),
                Way::Tones => (true, false),
                Way::Leaking => (frame < 2, frame >= 2),
                Way::Both => (true, true),
            };
            if tones {
                line.send(PayloadType(0), line.timestamp, &sound(&samples), dice.below(100) < loss);
            }
            if events {
                let ends = frame + 1 == frames;
                // The event begins where the sender noticed the key.
                let begun = if way == Way::Leaking { begun + 320 } else { begun };
                let duration = (line.timestamp + 160 - begun) as u16;
                for _ in 0..if ends { 3 } else { 1 } {
                    let event = TelephoneEvent { event: code(key), end: ends, volume: 10, duration };
                    line.send(PayloadType(101), begun, &event.to_bytes(), dice.below(100) < loss);
                }
            }
            line.tick();
        }
        for _ in 0..4 + dice.below(5) {
            line.send(PayloadType(0), line.timestamp, &sound(&[0; 160]), dice.below(100) < loss);
            line.tick();
        }
    }
    for _ in 0..20 {
        line.tick();
    }
    line.told
}

struct Line {
    inbound: Inbound,
    now: Instant,
    sequence: u16,
    timestamp: u32,
    told: String,
}

impl Line {
    fn send(&mut self, payload_type: PayloadType, timestamp: u32, payload: &[u8], lost: bool) {
        let header = Header { marker: false, payload_type, sequence: self.sequence, timestamp, ssrc: Ssrc(1) };
        self.sequence = self.sequence.wrapping_add(1);
        if lost {
            return;
        }
        let packet = PacketBuf::write(header, |into| {
            into[..payload.len()].copy_from_slice(payload);
            payload.len()
        });
        self.inbound.handle_packet(packet.as_bytes(), self.now);
        self.listen();
    }

    /// 20 ms pass.
    fn tick(&mut self) {
        self.timestamp += 160;
        let next = self.now + PTIME;
        while let Some(due) = self.inbound.poll_timeout().filter(|due| *due <= next) {
            self.inbound.handle_timeout(due);
            self.listen();
        }
        self.now = next;
    }

    fn listen(&mut self) {
        while let Some(heard) = self.inbound.poll() {
            if let Heard::Digit(digit) = heard {
                self.told.push(digit.as_char());
            }
        }
    }
}

/// The event code of a key (RFC 4733 section 3.2).
fn code(key: char) -> u8 {
    "0123456789*#ABCD".find(key).expect("a key") as u8
}

/// Every fixture with a voice at 8 kHz.
fn speech() -> Vec<(String, Vec<i16>)> {
    speech_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/audio"))
}

/// Every recording at 8 kHz in this folder but the keys.
fn speech_in(folder: &Path) -> Vec<(String, Vec<i16>)> {
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("a file").path()).collect();
    paths.sort();
    let sounds = paths.into_iter().filter(|path| path.extension().is_some_and(|kind| kind == "wav"));
    let named = sounds.filter_map(|path| {
        let name = path.file_stem()?.to_str()?.to_owned();
        let wav = Wav::parse(&std::fs::read(&path).ok()?).ok()?;
        (name != "dtmf" && wav.rate() == RATE).then(|| (name, wav.into_mono()))
    });
    named.collect()
}

fn keys_in(samples: &[i16]) -> String {
    let mut detector = KeyDetector::new(RATE);
    let mut keys = String::new();
    for piece in samples.chunks(160) {
        detector.push(&Frame::from_samples(RATE, piece).expect("20 ms"), |key| keys.push(key));
    }
    keys
}

/// A small generator of numbers (SplitMix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % end as u64) as usize
    }
}
