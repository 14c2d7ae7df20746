//! The messages (Twilio "Media Streams - WebSocket Messages"), read in place and written whole.
//!
//! Ids and counters are strings on this wire. Unknown fields are ignored, unknown events refused.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write;

use base64_simd::{Out, STANDARD};
use serde::Deserialize;

/// What Twilio tells.
#[derive(Debug)]
pub(super) enum Incoming<'a> {
    /// The first message.
    Connected,
    /// What the stream is.
    Start(Start<'a>),
    /// A piece of the caller's sound.
    Media(Media<'a>),
    /// A key.
    Dtmf(char),
    /// A mark of ours came back.
    Mark(u32),
    /// The stream is over.
    Stop,
}

/// A message that is not this protocol's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Malformed;

/// The body of `start`.
#[derive(Deserialize, Debug)]
#[serde(rename_all = "camelCase")]
pub(super) struct Start<'a> {
    #[serde(borrow)]
    pub(super) stream_sid: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) call_sid: Cow<'a, str>,
    #[serde(default)]
    pub(super) custom_parameters: BTreeMap<String, String>,
    #[serde(borrow)]
    pub(super) media_format: Format<'a>,
}

/// How the sound is encoded. Always read, never assumed.
#[derive(Deserialize, Debug)]
#[serde(rename_all = "camelCase")]
pub(super) struct Format<'a> {
    #[serde(borrow)]
    pub(super) encoding: Cow<'a, str>,
    pub(super) sample_rate: u32,
    pub(super) channels: u32,
}

/// The body of `media`.
#[derive(Deserialize)]
pub(super) struct Media<'a> {
    #[serde(borrow)]
    track: Option<&'a str>,
    #[serde(borrow)]
    chunk: Cow<'a, str>,
    #[serde(borrow)]
    timestamp: Cow<'a, str>,
    #[serde(borrow)]
    payload: Cow<'a, str>,
}

impl std::fmt::Debug for Media<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Media(chunk {}, {} characters)", self.chunk, self.payload.len())
    }
}

impl Media<'_> {
    /// Counts the pieces of the caller's sound, from 1.
    pub(super) fn chunk(&self) -> Result<u64, Malformed> {
        self.chunk.parse().map_err(|_| Malformed)
    }

    /// Milliseconds since the stream began.
    pub(super) fn timestamp(&self) -> Result<u64, Malformed> {
        self.timestamp.parse().map_err(|_| Malformed)
    }

    /// Decodes the sound into the front of `room` and says how many bytes it is.
    pub(super) fn payload(&self, room: &mut [u8]) -> Result<usize, Malformed> {
        let decoded = STANDARD.decoded_length(self.payload.as_bytes()).map_err(|_| Malformed)?;
        let room = room.get_mut(..decoded).ok_or(Malformed)?;
        let bytes = STANDARD.decode(self.payload.as_bytes(), Out::from_slice(room)).map_err(|_| Malformed)?;
        Ok(bytes.len())
    }
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    event: Cow<'a, str>,
    #[serde(borrow)]
    start: Option<Start<'a>>,
    #[serde(borrow)]
    media: Option<Media<'a>>,
    #[serde(borrow)]
    dtmf: Option<Dtmf<'a>>,
    #[serde(borrow)]
    mark: Option<Mark<'a>>,
}

#[derive(Deserialize)]
struct Dtmf<'a> {
    #[serde(borrow)]
    digit: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Mark<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
}

/// Reads one text message in place.
pub(super) fn parse(text: &[u8]) -> Result<Incoming<'_>, Malformed> {
    let message: Message<'_> = serde_json::from_slice(text).map_err(|_| Malformed)?;
    Ok(match &*message.event {
        "connected" => Incoming::Connected,
        "start" => Incoming::Start(message.start.ok_or(Malformed)?),
        "media" => {
            let media = message.media.ok_or(Malformed)?;
            // Only `inbound` comes on a bidirectional stream; our own sound coming back would be heard as the caller.
            if media.track.is_some_and(|track| track != "inbound") {
                return Err(Malformed);
            }
            Incoming::Media(media)
        }
        "dtmf" => Incoming::Dtmf(key(&message.dtmf.ok_or(Malformed)?.digit).ok_or(Malformed)?),
        "mark" => Incoming::Mark(message.mark.and_then(|mark| mark.name.parse().ok()).ok_or(Malformed)?),
        "stop" => Incoming::Stop,
        _ => return Err(Malformed),
    })
}

fn key(digit: &str) -> Option<char> {
    let mut characters = digit.chars();
    let key = characters.next().map(|key| key.to_ascii_uppercase())?;
    (characters.next().is_none() && matches!(key, '0'..='9' | '*' | '#' | 'A'..='D')).then_some(key)
}

/// Writes the messages of one stream.
#[derive(Debug)]
pub(super) struct Writer {
    /// The stream's id as a JSON string, quotes included.
    stream_sid: String,
}

impl Writer {
    /// For the stream of this id.
    pub(super) fn new(stream_sid: &str) -> Self {
        Self { stream_sid: serde_json::Value::from(stream_sid).to_string() }
    }

    /// A piece of the agent's sound.
    pub(super) fn media(&self, payload: &[u8]) -> String {
        let mut text = self.message("media", 32 + STANDARD.encoded_length(payload.len()));
        text.push_str(r#","media":{"payload":""#);
        STANDARD.encode_append(payload, &mut text);
        text.push_str(r#""}}"#);
        text
    }

    /// "Tell when everything before this was played."
    pub(super) fn mark(&self, mark: u32) -> String {
        let mut text = self.message("mark", 32);
        // Writing to a `String` cannot fail.
        let _ = write!(text, r#","mark":{{"name":"{mark}"}}}}"#);
        text
    }

    /// "Throw away what was not played."
    pub(super) fn clear(&self) -> String {
        let mut text = self.message("clear", 1);
        text.push('}');
        text
    }

    fn message(&self, event: &str, more: usize) -> String {
        let mut text = String::with_capacity(32 + self.stream_sid.len() + more);
        text.push_str(r#"{"event":""#);
        text.push_str(event);
        text.push_str(r#"","streamSid":"#);
        text.push_str(&self.stream_sid);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_messages_of_a_call_are_read() {
        let connected = br#"{"event":"connected","protocol":"Call","version":"1.0.0"}"#;
        assert!(matches!(parse(connected), Ok(Incoming::Connected)));

        let start = br#"{"event":"start","sequenceNumber":"1","streamSid":"MZ1","start":{"streamSid":"MZ1",
            "accountSid":"AC1","callSid":"CA1","tracks":["inbound"],"customParameters":{"k":"v"},
            "mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1}}}"#;
        let Ok(Incoming::Start(start)) = parse(start) else { panic!("not a start") };
        assert_eq!((&*start.stream_sid, &*start.call_sid), ("MZ1", "CA1"));
        assert_eq!(start.custom_parameters.get("k").map(String::as_str), Some("v"));
        let format = start.media_format;
        assert_eq!((&*format.encoding, format.sample_rate, format.channels), ("audio/x-mulaw", 8_000, 1));

        let media = br#"{"event":"media","sequenceNumber":"2","streamSid":"MZ1",
            "media":{"track":"inbound","chunk":"17","timestamp":"345","payload":"\/\/7+AA=="}}"#;
        let Ok(Incoming::Media(media)) = parse(media) else { panic!("not media") };
        let mut room = [0; 8];
        assert_eq!((media.chunk(), media.timestamp(), media.payload(&mut room)), (Ok(17), Ok(345), Ok(4)));
        assert_eq!(room, [0xFF, 0xFE, 0xFE, 0, 0, 0, 0, 0]);
        assert_eq!(media.payload(&mut room[..3]), Err(Malformed), "no room");

        let dtmf =
            br#"{"event":"dtmf","sequenceNumber":"9","streamSid":"MZ1","dtmf":{"track":"inbound_track","digit":"4"}}"#;
        assert!(matches!(parse(dtmf), Ok(Incoming::Dtmf('4'))));
        let mark = br#"{"event":"mark","sequenceNumber":"12","streamSid":"MZ1","mark":{"name":"7"}}"#;
        assert!(matches!(parse(mark), Ok(Incoming::Mark(7))));
        let stop =
            br#"{"event":"stop","sequenceNumber":"99","streamSid":"MZ1","stop":{"accountSid":"AC1","callSid":"CA1"}}"#;
        assert!(matches!(parse(stop), Ok(Incoming::Stop)));
    }

    #[test]
    fn what_is_not_the_protocol_is_refused() {
        for text in [
            "",
            "null",
            "[]",
            r#"{"event":7}"#,
            r#"{"event":"media"}"#,
            r#"{"event":"start","start":{}}"#,
            r#"{"event":"mark","mark":{"name":"theirs"}}"#,
            r#"{"event":"dtmf","dtmf":{"digit":"12"}}"#,
            r#"{"event":"dtmf","dtmf":{"digit":"w"}}"#,
            r#"{"event":"media","media":{"track":"outbound","chunk":"1","timestamp":"5","payload":""}}"#,
            r#"{"event":"surprise"}"#,
        ] {
            assert!(matches!(parse(text.as_bytes()), Err(Malformed)), "{text}");
        }
    }

    #[test]
    fn our_messages_match_their_goldens() {
        let writer = Writer::new("MZ1");
        assert_eq!(
            writer.media(&[0xFF, 0xFE, 0xFE]),
            r#"{"event":"media","streamSid":"MZ1","media":{"payload":"//7+"}}"#
        );
        assert_eq!(writer.mark(7), r#"{"event":"mark","streamSid":"MZ1","mark":{"name":"7"}}"#);
        assert_eq!(writer.clear(), r#"{"event":"clear","streamSid":"MZ1"}"#);
        assert_eq!(Writer::new("a\"b\\").clear(), r#"{"event":"clear","streamSid":"a\"b\\"}"#);
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn random_fields_never_panic(chunk in ".{0,24}", timestamp in ".{0,24}", payload in ".{0,64}", room in 0usize..64) {
            let media = serde_json::json!({ "chunk": chunk, "timestamp": timestamp, "payload": payload });
            let text = serde_json::json!({ "event": "media", "media": media }).to_string();
            if let Ok(Incoming::Media(media)) = parse(text.as_bytes()) {
                let _ = (media.chunk(), media.timestamp(), media.payload(&mut vec![0; room]));
            }
        }

        #[test]
        fn sound_survives_the_wire(sound in prop::collection::vec(any::<u8>(), 0..480)) {
            let text = Writer::new("MZ1").media(&sound);
            let text = text.replace(r#""payload""#, r#""chunk":"1","timestamp":"5","payload""#);
            let Ok(Incoming::Media(media)) = parse(text.as_bytes()) else { panic!("not media") };
            let mut room = [0; 480];
            let length = media.payload(&mut room).unwrap();
            prop_assert_eq!(&room[..length], &sound[..]);
        }
    }
}
