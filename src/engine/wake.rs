//! What wakes a call.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::time::Sleep;

use super::handle::Request;
use super::hearing::Hearing;
use super::replies::{Replies, ReplyEvent, poll_once};
use super::spare::Spare;
use crate::conversation::{ReplyId, ToolCall, ToolResult};
use crate::gateway::{Leg, LegEvent};
use crate::provider::{SttEvent, ToolStream, Tools};

/// One thing that happened.
#[derive(Debug)]
pub(super) enum Wake {
    /// The line has something; a datagram is in the buffer.
    Line(LegEvent),
    /// Someone outside asks.
    Request(Request),
    /// The recogniser; `None`: its stream has ended.
    Stt(Option<SttEvent>),
    /// The recogniser has room for the sound that waits for it.
    SttRoom,
    /// A service of a reply.
    Reply(ReplyId, ReplyEvent),
    /// A tool has answered.
    Tool(ToolResult),
    /// The call's deadline has come.
    Deadline,
    /// The engine stops.
    Stop,
}

/// Everything a call may be woken by.
pub(super) struct Sources {
    pub(super) leg: Leg,
    /// Whether the line still has something to tell.
    pub(super) line_open: bool,
    pub(super) hearing: Hearing,
    pub(super) replies: Replies,
    pub(super) spare: Spare,
    pub(super) tools: ToolRuns,
    pub(super) requests: mpsc::Receiver<Request>,
    /// Ends when the engine stops; `None` once it has.
    pub(super) stop: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    pub(super) timer: Timer,
    /// Where the line writes its datagrams.
    pub(super) buffer: Box<[u8]>,
    /// Which source was served last: the others come first, so that none can starve another.
    pub(super) served: usize,
    /// How often the line has come before a deadline that had passed.
    pub(super) in_a_row: u32,
}

/// The kinds of sources, for taking turns.
const SOURCES: usize = 7;
/// The line among them.
const LINE: usize = 0;
/// A deadline that is met this much later was not met by us: the machine slept, or other processes had our cores.
const HELD_UP: Duration = Duration::from_millis(10);
/// What may come before such a deadline: more than a second of packets, so that a flood never keeps a call from its pacer.
const CAUGHT_UP: u32 = 64;

/// Whether what the line has waiting comes before the deadline `due`, after `in_a_row` that did.
pub(super) fn is_held_up(due: Instant, now: Instant, in_a_row: u32) -> bool {
    in_a_row < CAUGHT_UP && now.saturating_duration_since(due) > HELD_UP
}

impl Sources {
    /// Waits for the next thing. The deadline comes before everything else, unless we were [held up](HELD_UP): what came
    /// meanwhile is older than that. The rest take turns. Cancel-safe.
    pub(super) async fn next(&mut self, wants_speech: impl Fn(ReplyId) -> bool, deadline: Option<Instant>) -> Wake {
        let Self { leg, line_open, hearing, replies, spare, tools, requests, stop, timer, buffer, served, in_a_row } =
            self;
        timer.set(deadline);
        // A socket and a full channel forget whom to wake when a wait for them is dropped, so these live as long as we
        // wait. The streams are the other ends of channels, which remember.
        let mut line = line_open.then(|| leg.line.recv(buffer));
        let mut room = pin!(hearing.room());
        let mut poll_source = |source, cx: &mut Context<'_>| match source {
            LINE => line.as_mut().map_or(Poll::Pending, |line| line.as_mut().poll(cx)).map(Wake::Line),
            1 => match requests.poll_recv(cx) {
                Poll::Ready(Some(request)) => Poll::Ready(Wake::Request(request)),
                // Nobody has a handle any more: the call goes on.
                Poll::Ready(None) | Poll::Pending => Poll::Pending,
            },
            2 => hearing.poll_event(cx).map(Wake::Stt),
            3 => {
                spare.poll(cx);
                replies.poll_event(&wants_speech, cx).map(|(reply, event)| Wake::Reply(reply, event))
            }
            4 => tools.poll_result(cx).map(Wake::Tool),
            5 => match room.as_mut().as_pin_mut() {
                Some(room) => room.poll(cx).map(|()| Wake::SttRoom),
                None => Poll::Pending,
            },
            _ => match stop {
                Some(stopped) => stopped.as_mut().poll(cx).map(|()| {
                    *stop = None;
                    Wake::Stop
                }),
                None => Poll::Pending,
            },
        };
        poll_fn(|cx| {
            if let Poll::Ready(due) = timer.poll_due(cx) {
                if is_held_up(due, Instant::now(), *in_a_row)
                    && let Poll::Ready(wake) = poll_source(LINE, cx)
                {
                    return Poll::Ready(wake);
                }
                return Poll::Ready(Wake::Deadline);
            }
            for step in 1..=SOURCES {
                let source = (*served + step) % SOURCES;
                if let Poll::Ready(wake) = poll_source(source, cx) {
                    *served = source;
                    return Poll::Ready(wake);
                }
            }
            Poll::Pending
        })
        .await
    }
}

/// The tools at work for a call.
#[derive(Debug, Default)]
pub(super) struct ToolRuns {
    running: Vec<(String, ToolStream)>,
    refused: Vec<ToolResult>,
}

impl ToolRuns {
    /// Tools that may run at once; more are answered with an error the model can read.
    pub(super) const MAX: usize = 16;

    /// Runs a tool.
    pub(super) fn invoke(&mut self, tools: &dyn Tools, call: ToolCall) {
        if self.running.len() >= Self::MAX {
            self.refused.push(failure(call.id, "error: too many tools are running"));
        } else {
            self.running.push((call.id.clone(), tools.open(call)));
        }
    }

    /// Stops the tool that was asked for by this id, the one that has run longest if there are several.
    pub(super) fn cancel(&mut self, call: &str) {
        if let Some(index) = self.running.iter().position(|(id, _)| id == call) {
            self.running.remove(index);
        }
    }

    /// The next result; pending forever when no tool runs. Nothing is lost between two polls.
    fn poll_result(&mut self, cx: &mut Context<'_>) -> Poll<ToolResult> {
        if let Some(result) = self.refused.pop() {
            return Poll::Ready(result);
        }
        for index in 0..self.running.len() {
            let Some((_, stream)) = self.running.get_mut(index) else { continue };
            if let Poll::Ready(result) = poll_once(stream.recv(), cx) {
                let (id, _) = self.running.remove(index);
                return Poll::Ready(result.unwrap_or_else(|| failure(id, "error: the tool did not answer")));
            }
        }
        Poll::Pending
    }
}

fn failure(id: String, content: &str) -> ToolResult {
    ToolResult { id, content: content.into() }
}

/// One deadline that is moved often.
pub(super) struct Timer {
    sleep: Pin<Box<Sleep>>,
    deadline: Option<Instant>,
}

impl Timer {
    /// A timer with no deadline.
    pub(super) fn new(now: Instant) -> Self {
        Self { sleep: Box::pin(tokio::time::sleep_until(now.into())), deadline: None }
    }

    fn set(&mut self, deadline: Option<Instant>) {
        if let Some(at) = deadline
            && deadline != self.deadline
        {
            self.sleep.as_mut().reset(at.into());
        }
        self.deadline = deadline;
    }

    /// The deadline, once it has come.
    fn poll_due(&mut self, cx: &mut Context<'_>) -> Poll<Instant> {
        let Some(deadline) = self.deadline else { return Poll::Pending };
        self.sleep.as_mut().poll(cx).map(|()| {
            // A sleep that has fired stays fired until it is reset.
            self.deadline = None;
            deadline
        })
    }
}
