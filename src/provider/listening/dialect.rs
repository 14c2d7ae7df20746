//! What differs between the streaming recognisers of vendors.

use std::time::Duration;

use futures_util::future::BoxFuture;
use reqwest::header::HeaderValue;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::client::Response;
use url::Url;

use crate::audio::SampleRate;
use crate::conversation::{Failure, Transcript};
use crate::provider::http::{self, Vendor};
use crate::provider::websocket::Dialer;
use crate::provider::{ProviderError, Secret};

use super::{Coding, Timeline};

/// One vendor's protocol in the mouth of one stream.
///
/// A session calls [`opening`](Self::opening) at the beginning of each connection; what a dialect remembers of the
/// connection before it is void then. Times it reads are told through the [`Timeline`] of the connection, so that they
/// count the call's sound.
pub(in crate::provider) trait Dialect: Send + 'static {
    /// Whom errors are about.
    fn vendor(&self) -> &Vendor;

    /// The key, which no error may repeat.
    fn key(&self) -> &Secret;

    /// What opens the connections.
    fn dialer(&self) -> &Dialer;

    /// How the vendor wants to be treated; the same for the whole stream.
    fn habits(&self) -> Habits;

    /// Where the next connection goes. May itself ask the vendor.
    fn route(&mut self) -> BoxFuture<'static, Result<Route, ProviderError>>;

    /// The first message of a connection, which has just come up.
    fn opening(&mut self) -> Option<Message> {
        None
    }

    /// A piece of sound as a message; never empty.
    fn sound(&mut self, sound: Vec<u8>) -> Message {
        Message::Binary(sound.into())
    }

    /// Asks for what the vendor has of the sound so far, `sent` of it over this connection. `None`: the vendor cannot be
    /// asked, or the question goes out later ([`Heard::Send`]).
    fn finalize(&mut self, sent: Duration) -> Option<Message>;

    /// What keeps a connection without sound open; sent where [`Habits::idle`] says so.
    fn keep_alive(&mut self) -> Option<Message> {
        None
    }

    /// What is said last when the stream is dropped.
    fn farewell(&self) -> Option<Message>;

    /// What a text message means.
    fn read(&mut self, text: &str, timeline: &Timeline) -> Result<Vec<Heard>, Unreadable>;

    /// Whether no words are under way: sound that was answered by none by then is not kept for long.
    fn is_between_turns(&self) -> bool {
        false
    }

    /// What it means that the vendor closed the connection with this code. No other connection is tried after
    /// [`Failure::Auth`] and [`Failure::Quota`].
    fn closed(&self, code: u16, _reason: &str) -> Failure {
        if code == 1008 { Failure::BadRequest } else { Failure::Unavailable }
    }

    /// The short codes of an upgrade that was refused.
    fn refusal_codes(&self, response: &Response) -> Vec<String> {
        let request = response.headers().get("x-request-id").and_then(|id| http::request_id(id.to_str().ok()?));
        let mut codes = http::codes_in(response.body().as_deref().unwrap_or_default());
        codes.extend(request.map(|id| format!("request {id}")));
        codes
    }
}

/// Where a connection goes and what it brings.
#[derive(Clone, Debug)]
pub(in crate::provider) struct Route {
    /// The address, its scheme `ws` or `wss`.
    pub url: Url,
    /// Headers of the upgrade.
    pub headers: Vec<(&'static str, HeaderValue)>,
}

/// How a vendor's connections want to be treated.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(in crate::provider) struct Habits {
    /// How samples are written.
    pub coding: Coding,
    /// Their rate; sound of a call at another rate is resampled.
    pub rate: SampleRate,
    /// The least sound of one message. A shorter rest waits for more, or is filled up with silence when the vendor is
    /// asked for what it has. Zero: each frame goes out as it comes.
    pub least: Duration,
    /// The most sound of one message.
    pub most: Duration,
    /// How many times faster than it was spoken sound that was kept may be sent; `None`: as fast as the connection takes it.
    pub catch_up: Option<f64>,
    /// What the vendor says before anything else.
    pub greeting: Greeting,
    /// What is sent while there is no sound.
    pub idle: Idle,
}

impl Habits {
    /// Those of a vendor that takes any frame at any speed and says nothing first.
    pub const fn easy(coding: Coding, rate: SampleRate) -> Self {
        Self {
            coding,
            rate,
            least: Duration::ZERO,
            most: Duration::from_millis(120),
            catch_up: None,
            greeting: Greeting::None,
            idle: Idle::Message,
        }
    }
}

/// What a vendor says before anything else. One that says nothing in time is given up for another connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::provider) enum Greeting {
    /// Nothing.
    None,
    /// [`Heard::Ready`]; sound may be sent before it.
    Told,
    /// [`Heard::Ready`]; sound waits for it.
    Awaited,
}

/// What is sent while there is no sound.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::provider) enum Idle {
    /// [`Dialect::keep_alive`], each 4 s.
    Message,
    /// Silence of this length, each time there was no sound for as long: the vendor's clock is the sound.
    Silence(Duration),
}

/// What a message of a vendor means.
#[derive(Clone, PartialEq, Debug)]
pub(in crate::provider) enum Heard {
    /// The vendor is ready for sound.
    Ready,
    /// Words. See [`SttEvent::Transcript`](crate::provider::SttEvent::Transcript) for how they follow one another.
    Words(Transcript),
    /// The words up to this moment of the call's sound have been told as final: it is not sent again.
    Settled(Duration),
    /// The last [`Dialect::finalize`] has its answer.
    Answered,
    /// This is to be sent.
    Send(Message),
    /// The vendor cannot go on.
    Failed(ProviderError),
}

/// A message that is not of the vendor's protocol: it is counted and skipped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::provider) struct Unreadable;

impl From<serde_json::Error> for Unreadable {
    fn from(_: serde_json::Error) -> Self {
        Self
    }
}
