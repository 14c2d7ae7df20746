//! What the caller of a log did with the line: voice, beeps, keys, and when packets came at all.

use std::time::Duration;

use crate::audio::tone::KeyDetector;
use crate::audio::{Beep, BeepDetector, Decoder, Hop, Vad};
use crate::call::LineSpec;
use crate::rtp::{Packet, PayloadType, TelephoneEvent};
use crate::world::caller::PTIME;

/// The caller's side of the line, heard packet by packet.
pub(super) struct Heard {
    payload_type: PayloadType,
    telephone_event: Option<PayloadType>,
    decoder: Decoder,
    vad: Vad,
    beeper: BeepDetector,
    tones: KeyDetector,
    pushed: u64,
    /// When the first packet and the last one came.
    pub(super) first: Option<Duration>,
    pub(super) last: Option<Duration>,
    /// Where each stretch of voice began and where its last voiced hop ended.
    voiced: Vec<(Duration, Duration)>,
    /// Where each beep began.
    beeps: Vec<(Duration, Beep)>,
    keys: Vec<Key>,
    /// The timestamp and the code of the last telephone event.
    event: Option<(u32, u8)>,
}

/// A key that was pressed.
struct Key {
    at: Duration,
    key: char,
    /// It came as telephone events.
    event: bool,
    /// It came as a tone in the sound.
    tone: bool,
}

/// The same key as an event and as a tone within this is one key.
const SAME_KEY: Duration = Duration::from_millis(200);
/// How long a tone sounds before it is known as a key.
const KNOWN: Duration = Duration::from_millis(60);

impl Heard {
    pub(super) fn new(line: &LineSpec) -> Self {
        let rate = line.codec.sample_rate();
        Self {
            payload_type: line.payload_type,
            telephone_event: line.telephone_event,
            decoder: Decoder::new(line.codec),
            vad: Vad::new(rate),
            beeper: BeepDetector::new(rate),
            tones: KeyDetector::new(rate),
            pushed: 0,
            first: None,
            last: None,
            voiced: Vec::new(),
            beeps: Vec::new(),
            keys: Vec::new(),
            event: None,
        }
    }

    /// A datagram came.
    pub(super) fn hear(&mut self, datagram: &[u8], at: Duration) {
        let Ok(packet) = Packet::parse(datagram) else { return };
        self.first.get_or_insert(at);
        self.last = Some(at);
        if Some(packet.header.payload_type) == self.telephone_event {
            return self.hear_event(&packet, at);
        }
        if packet.header.payload_type != self.payload_type {
            return;
        }
        let Ok(mut frame) = self.decoder.decode(packet.payload) else { return };
        self.pushed += frame.samples().len() as u64;
        let (end, rate) = (self.pushed, frame.rate());
        let was_key = self.tones.is_sounding();
        let mut key = None;
        self.tones.push(&frame, |begun| key = Some(begun));
        if let Some(key) = key {
            self.press(key, at.saturating_sub(KNOWN), false);
        }
        // As in a call, the tones of keys are nobody's voice.
        if was_key || self.tones.is_sounding() {
            frame.samples_mut().fill(0);
        }
        let (beeps, voiced) = (&mut self.beeps, &mut self.voiced);
        self.beeper.push(&frame, |beep| beeps.push((at.saturating_sub(beep.ago + beep.length), beep)));
        self.vad.push(&frame, |hop: Hop| {
            if !hop.heard {
                return;
            }
            let after = rate.duration_of(usize::try_from(end.saturating_sub(hop.end)).unwrap_or(0));
            let end = at.saturating_sub(after);
            let began = end.saturating_sub(Vad::HOP);
            match voiced.last_mut() {
                Some((_, last)) if began <= *last + Vad::HANGOVER => *last = end.max(*last),
                _ => voiced.push((began, end)),
            }
        });
    }

    fn hear_event(&mut self, packet: &Packet<'_>, at: Duration) {
        let Ok(event) = TelephoneEvent::parse(packet.payload) else { return };
        let begun = Some((packet.header.timestamp, event.event));
        if std::mem::replace(&mut self.event, begun) == begun {
            return;
        }
        if let Some(key) = crate::conversation::Digit::from_event_code(event.event) {
            // It is sent with the first packet after it was pressed.
            self.press(key.as_char(), at.saturating_sub(PTIME / 2), true);
        }
    }

    fn press(&mut self, key: char, at: Duration, is_event: bool) {
        let other = self.keys.iter_mut().rev().take(4);
        let mut other = other.filter(|known| known.key == key && known.at.abs_diff(at) <= SAME_KEY);
        match other.find(|known| if is_event { !known.event } else { !known.tone }) {
            Some(known) if is_event => known.event = true,
            Some(known) => known.tone = true,
            None => self.keys.push(Key { at, key, event: is_event, tone: !is_event }),
        }
    }

    /// What was done, as statements with their times, in no order.
    pub(super) fn deeds(self) -> impl Iterator<Item = (Duration, String)> {
        let beeps =
            self.beeps.into_iter().map(|(at, beep)| (at, format!("beep {} {:.0}hz", beep.length.as_millis(), beep.hz)));
        let voices = self.voiced.into_iter().map(|(began, end)| (began, format!("hum {}", (end - began).as_millis())));
        let keys = self.keys.into_iter().map(|Key { at, key, event, tone }| {
            let way = match (event, tone) {
                (true, true) => "both",
                (true, false) => "events",
                _ => "tones",
            };
            (at, format!("keys \"{key}\" {way}"))
        });
        beeps.chain(voices).chain(keys)
    }
}
