//! What wakes a call.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::time::Sleep;

use super::bells::Bells;
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
    /// Who of them has something to tell.
    pub(super) bells: CallBells,
    /// Where the line writes its datagrams.
    pub(super) buffer: Box<[u8]>,
    /// Which source was served last: the others come first, so that none can starve another.
    pub(super) served: usize,
    /// How often the line has come before a deadline that had passed.
    pub(super) in_a_row: u32,
}

/// The kinds of sources, for taking turns. Each has its bell.
const SOURCES: usize = 7;
/// The line among them.
const LINE: usize = 0;
/// The replies' streams, among them the voices' that are left unread until more speech is wanted.
const REPLIES: usize = 3;
/// The room a recogniser has: asked as long as something waits for it.
const ROOM: usize = 5;
/// The bell of the timer, which comes before them.
const TIMER: usize = SOURCES;
/// The bells of a call.
pub(super) type CallBells = Bells<{ SOURCES + 1 }>;
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
        let Self {
            leg,
            line_open,
            hearing,
            replies,
            spare,
            tools,
            requests,
            stop,
            timer,
            bells,
            buffer,
            served,
            in_a_row,
        } = self;
        if timer.set(deadline) {
            bells.ring(TIMER);
        }
        // A full channel forgets whom to wake when a wait for it is dropped, so this lives as long as we wait.
        let mut room = pin!(hearing.room());
        let has_room = |room: Pin<&mut Option<_>>| room.is_some();
        let mut poll_source = |source, task: &Waker| {
            // What the call wants and what waits change without a bell, so these two are asked as long as they are there.
            let asks_always = match source {
                REPLIES => !replies.is_empty(),
                ROOM => has_room(room.as_mut()),
                _ => false,
            };
            let waker = match bells.take(source) {
                Some(waker) => waker,
                None if asks_always => task,
                None => return Poll::Pending,
            };
            let cx = &mut Context::from_waker(waker);
            let wake = match source {
                LINE if *line_open => leg.line.poll_recv(buffer, cx).map(Wake::Line),
                LINE => Poll::Pending,
                1 => match requests.poll_recv(cx) {
                    Poll::Ready(Some(request)) => Poll::Ready(Wake::Request(request)),
                    // Nobody has a handle any more: the call goes on.
                    Poll::Ready(None) | Poll::Pending => Poll::Pending,
                },
                2 => hearing.poll_event(cx).map(Wake::Stt),
                REPLIES => {
                    spare.poll(cx);
                    replies.poll_event(&wants_speech, cx).map(|(reply, event)| Wake::Reply(reply, event))
                }
                4 => tools.poll_result(cx).map(Wake::Tool),
                ROOM => match room.as_mut().as_pin_mut() {
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
            if wake.is_ready() {
                // There may be more.
                bells.ring(source);
            }
            wake
        };
        poll_fn(|task| {
            bells.wake(task.waker());
            if let Some(waker) = bells.take(TIMER)
                && let Poll::Ready(due) = timer.poll_due(&mut Context::from_waker(waker))
            {
                if is_held_up(due, Instant::now(), *in_a_row) {
                    // Its bell may be silent: the runtime has not looked at its socket.
                    bells.ring(LINE);
                    if let Poll::Ready(wake) = poll_source(LINE, task.waker()) {
                        return Poll::Ready(wake);
                    }
                }
                return Poll::Ready(Wake::Deadline);
            }
            for step in 1..=SOURCES {
                let source = (*served + step) % SOURCES;
                if let Poll::Ready(wake) = poll_source(source, task.waker()) {
                    *served = source;
                    return Poll::Ready(wake);
                }
            }
            Poll::Pending
        })
        .await
    }

    /// Asks every source at the next wake: one of them may be another than the one that was asked last.
    pub(super) fn look_again(&self) {
        self.bells.ring_all();
    }

    /// Something was sent over the line, which may still owe it a look.
    pub(super) fn sent(&self) {
        if !self.leg.line.sends_at_once() {
            self.bells.ring(LINE);
        }
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

    /// Whether it is to be asked again.
    fn set(&mut self, deadline: Option<Instant>) -> bool {
        let changes = deadline != self.deadline;
        if changes && let Some(at) = deadline {
            self.sleep.as_mut().reset(at.into());
        }
        self.deadline = deadline;
        changes
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
