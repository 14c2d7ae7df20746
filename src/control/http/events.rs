//! `/v1/calls/{id}/events`: a call as it happens, as server-sent events.
//!
//! First `connected`, then everything that was, then everything that happens, at last `ended`. A comment every 15 s keeps
//! readers with a timeout content. Framing: one `data` line an event, ASCII only, chunked.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::time::timeout;

use crate::control::wire::{Connected, Ended, EventData};
use crate::control::{Api, Found, LiveCall};
use crate::engine::Event;
use crate::store::{CallRecord, EventRecord};

use super::Refusal;
use super::calls;
use super::segment::Segment;

/// The official Python client gives up after 30 s of silence.
const HEARTBEAT: Duration = Duration::from_secs(15);

pub(super) async fn all(State(api): State<Arc<Api>>, Segment(id): Segment) -> Result<Response, Refusal> {
    let stream = match calls::find(&api, &id)? {
        Found::Over(record) => Telling::over(&record),
        Found::Live(call) => Telling::live(call).await,
    };
    let frames = stream::unfold(stream, |mut telling| async {
        let frame = telling.next().await?;
        Some((Ok::<_, Infallible>(frame), telling))
    });
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8")),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        // Proxies that buffer would hold the events back.
        (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    Ok((headers, Body::from_stream(frames)).into_response())
}

/// One listener's place in a call.
struct Telling {
    ready: VecDeque<Bytes>,
    live: Option<(Arc<LiveCall>, broadcast::Receiver<Event>)>,
}

impl Telling {
    fn over(record: &CallRecord) -> Self {
        let mut ready = VecDeque::from([frame(&Connected::record(record))]);
        ready.extend(record.events.iter().map(frame));
        ready.push_back(frame(&Ended::record(record)));
        Self { ready, live: None }
    }

    async fn live(call: Arc<LiveCall>) -> Self {
        // Subscribed first, so that nothing falls between the past and the present.
        let Some(subscription) = call.subscribe().await else { return Self::over(&call.ended().await) };
        let mut ready = VecDeque::from([frame(&Connected::record(&call.record().await))]);
        ready.extend(subscription.past.iter().filter_map(|event| call.tell(event)).map(|event| frame(&event)));
        Self { ready, live: Some((call, subscription.live)) }
    }

    /// The next bytes; `None` after `ended`.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(frame) = self.ready.pop_front() {
                return Some(frame);
            }
            let (call, events) = self.live.as_mut()?;
            match timeout(HEARTBEAT, events.recv()).await {
                Err(_) => return Some(Bytes::from_static(b": heartbeat\n\n")),
                Ok(Ok(event)) => self.ready.extend(call.tell(&event).map(|event| frame(&event))),
                Ok(Err(RecvError::Lagged(missed))) => self.ready.push_back(frame(&EventData::missed(missed))),
                Ok(Err(RecvError::Closed)) => {
                    let record = call.ended().await;
                    self.ready.push_back(frame(&Ended::record(&record)));
                    self.live = None;
                }
            }
        }
    }
}

fn frame(event: &EventRecord) -> Bytes {
    Bytes::from(format!("event: {}\ndata: {}\n\n", event.name, event.data))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_a_name_one_data_line_and_an_empty_line() {
        let event = EventRecord { name: "turn", data: crate::control::wire::ascii(&"a\nb\u{2028}é😀") };
        assert_eq!(&frame(&event)[..], b"event: turn\ndata: \"a\\nb\\u2028\\u00e9\\ud83d\\ude00\"\n\n");
    }
}
