//! Troubles on command.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::conversation::Service;

/// A trouble that befalls the next requests of a service.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fault {
    /// Which one: [`Service::Stt`], [`Service::Llm`] or [`Service::Tts`] (both voices). A tool has no simulator.
    pub service: Service,
    /// What happens.
    pub kind: FaultKind,
    /// To how many requests or connections, the next one first.
    pub count: u32,
}

/// What goes wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum FaultKind {
    /// The first token, sound or transcript comes this much later.
    Delay(Duration),
    /// The request or connection is answered this much later: a far-away server, a slow handshake.
    Connect(Duration),
    /// It falls silent there and keeps the connection open.
    Stall(After),
    /// It drops the connection there without a word.
    Drop(After),
    /// It says there that it has failed, inside an answer that began well, as far as its protocol has words for that;
    /// otherwise it drops the connection.
    Error(After),
    /// The request is refused with this HTTP status.
    Status(u16),
    /// It answers something that is not its protocol.
    Garbage,
    /// It accepts the connection and never answers.
    Blackhole,
}

/// How far a service gets before its trouble.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum After {
    /// So many tokens, pieces of sound or transcripts.
    Units(u32),
    /// So long after the request.
    Time(Duration),
}

/// The troubles that wait.
#[derive(Debug, Default)]
pub(super) struct Faults {
    waiting: Mutex<VecDeque<Fault>>,
}

impl Faults {
    /// Troubles that may wait; more are refused.
    const MOST: usize = 256;

    /// Adds one; `false` when too many wait or the service has no simulator.
    pub(super) fn add(&self, fault: Fault) -> bool {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() >= Self::MOST || fault.service == Service::Tool {
            return false;
        }
        if fault.count > 0 {
            waiting.push_back(fault);
        }
        true
    }

    /// Forgets all.
    pub(super) fn clear(&self) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Forgets those of one service.
    pub(super) fn clear_of(&self, service: Service) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).retain(|fault| fault.service != service);
    }

    /// The trouble of a request that came at `now`.
    pub(super) fn take(&self, service: Service, now: Instant) -> Trouble {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(at) = waiting.iter().position(|fault| fault.service == service) else {
            return Trouble { kind: None, since: now };
        };
        let kind = waiting.get_mut(at).map(|fault| {
            fault.count -= 1;
            (fault.kind, fault.count)
        });
        if kind.is_some_and(|(_, left)| left == 0) {
            waiting.remove(at);
        }
        Trouble { kind: kind.map(|(kind, _)| kind), since: now }
    }
}

/// What befalls one request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trouble {
    kind: Option<FaultKind>,
    since: Instant,
}

/// How a trouble cuts a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Cut {
    /// Fall silent.
    Stall,
    /// Drop the connection.
    Drop,
}

impl Trouble {
    /// It is over.
    pub(super) fn heal(&mut self) {
        self.kind = None;
    }

    /// The status to refuse the request with.
    pub(super) fn status(&self) -> Option<u16> {
        match self.kind {
            Some(FaultKind::Status(status)) => Some(status),
            _ => None,
        }
    }

    /// How much later the first unit comes.
    pub(super) fn delay(&self) -> Duration {
        match self.kind {
            Some(FaultKind::Delay(delay)) => delay,
            _ => Duration::ZERO,
        }
    }

    /// When the request may be answered.
    pub(super) fn answer_due(&self) -> Option<Instant> {
        match self.kind {
            Some(FaultKind::Connect(delay)) => Some(self.since + delay),
            _ => None,
        }
    }

    /// Whether a stream that is dropped says so before.
    pub(super) fn is_told(&self) -> bool {
        matches!(self.kind, Some(FaultKind::Error(_)))
    }

    /// Whether something else than the protocol is to be sent.
    pub(super) fn is_garbage(&self) -> bool {
        self.kind == Some(FaultKind::Garbage)
    }

    /// Whether nothing is ever to be sent.
    pub(super) fn is_blackhole(&self) -> bool {
        self.kind == Some(FaultKind::Blackhole)
    }

    /// When the stream is cut by the clock.
    pub(super) fn cut_due(&self) -> Option<(Instant, Cut)> {
        self.cut().and_then(|(after, cut)| match after {
            After::Time(time) => Some((self.since + time, cut)),
            After::Units(_) => None,
        })
    }

    /// Whether the stream is cut when `sent` units have been sent.
    pub(super) fn cut_after(&self, sent: u32) -> Option<Cut> {
        self.cut().and_then(|(after, cut)| match after {
            After::Units(units) if sent >= units => Some(cut),
            _ => None,
        })
    }

    fn cut(&self) -> Option<(After, Cut)> {
        match self.kind {
            Some(FaultKind::Stall(after)) => Some((after, Cut::Stall)),
            Some(FaultKind::Drop(after) | FaultKind::Error(after)) => Some((after, Cut::Drop)),
            _ => None,
        }
    }
}

/// The body of `POST /simulator/faults`.
///
/// `kind` is `delay` or `connect` (with `ms`), `stall`, `drop` or `error` (with `after`, a number of units, or `ms`; neither: at once),
/// `status` (with `status`), `garbage` or `blackhole`; `service` is `stt`, `llm` or `tts`; `count` is 1 unless given.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FaultRequest {
    service: String,
    kind: String,
    ms: Option<u32>,
    after: Option<u32>,
    status: Option<u16>,
    count: Option<u32>,
}

impl FaultRequest {
    /// The fault it asks for.
    pub(super) fn parse(&self) -> Result<Fault, FaultError> {
        let service = match self.service.as_str() {
            "stt" => Service::Stt,
            "llm" => Service::Llm,
            "tts" => Service::Tts,
            _ => return Err(FaultError("service must be stt, llm or tts")),
        };
        let time = self.ms.map(|ms| Duration::from_millis(ms.into()));
        let after = match (self.after, time) {
            (Some(_), Some(_)) => return Err(FaultError("give after or ms, not both")),
            (units, None) => After::Units(units.unwrap_or(0)),
            (None, Some(time)) => After::Time(time),
        };
        let kind = match self.kind.as_str() {
            "delay" => FaultKind::Delay(time.ok_or(FaultError("delay needs ms"))?),
            "connect" => FaultKind::Connect(time.ok_or(FaultError("connect needs ms"))?),
            "stall" => FaultKind::Stall(after),
            "drop" => FaultKind::Drop(after),
            "error" => FaultKind::Error(after),
            "status" => match self.status {
                Some(status @ 400..=599) => FaultKind::Status(status),
                _ => return Err(FaultError("status needs a status of 400 to 599")),
            },
            "garbage" => FaultKind::Garbage,
            "blackhole" => FaultKind::Blackhole,
            _ => {
                return Err(FaultError(
                    "kind must be delay, connect, stall, drop, error, status, garbage or blackhole",
                ));
            }
        };
        Ok(Fault { service, kind, count: self.count.unwrap_or(1) })
    }
}

/// Why a fault was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct FaultError(&'static str);

impl fmt::Display for FaultError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<Fault, FaultError> {
        serde_json::from_str::<FaultRequest>(json).unwrap().parse()
    }

    #[test]
    fn a_fault_befalls_only_its_service_and_only_count_times() {
        let (faults, now) = (Faults::default(), Instant::now());
        assert!(faults.add(parse(r#"{"service":"llm","kind":"status","status":429,"count":2}"#).unwrap()));
        assert_eq!(faults.take(Service::Tts, now).status(), None);
        assert_eq!(faults.take(Service::Llm, now).status(), Some(429));
        assert_eq!(faults.take(Service::Llm, now).status(), Some(429));
        assert_eq!(faults.take(Service::Llm, now).status(), None);
    }

    #[test]
    fn cuts_come_by_count_or_by_clock() {
        let (faults, now) = (Faults::default(), Instant::now());
        faults.add(parse(r#"{"service":"tts","kind":"stall","after":3}"#).unwrap());
        faults.add(parse(r#"{"service":"tts","kind":"drop","ms":50}"#).unwrap());
        let stall = faults.take(Service::Tts, now);
        assert_eq!((stall.cut_after(2), stall.cut_after(3), stall.cut_due()), (None, Some(Cut::Stall), None));
        let drop = faults.take(Service::Tts, now);
        assert_eq!((drop.cut_after(99), drop.cut_due()), (None, Some((now + Duration::from_millis(50), Cut::Drop))));
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_a_word_on_why() {
        for json in [
            r#"{"service":"fax","kind":"garbage"}"#,
            r#"{"service":"stt","kind":"explode"}"#,
            r#"{"service":"stt","kind":"delay"}"#,
            r#"{"service":"tts","kind":"connect"}"#,
            r#"{"service":"stt","kind":"status","status":200}"#,
            r#"{"service":"stt","kind":"drop","ms":1,"after":1}"#,
        ] {
            assert!(!parse(json).unwrap_err().to_string().is_empty(), "{json}");
        }
        let tool = Fault { service: Service::Tool, kind: FaultKind::Garbage, count: 1 };
        assert!(!Faults::default().add(tool));
    }
}
