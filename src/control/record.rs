//! From what the engine tells to what the store keeps.

use std::sync::Arc;
use std::time::SystemTime;

use crate::engine::{
    Account, Cost, Event, EventKind, Hedges, InboundReport, LegCounters, OutboundReport, Outcome, Pii, Quality,
    ServiceCounters, Speaker, SpeculationReport, Voiceless, Waterfall,
};
use crate::store::{CallRecord, CostRecord, Counter, EventRecord, LineRecord, Side, TurnRecord, Value};

use super::Catalogue;
use super::wire::EventData;

/// What is known of a call when it starts.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub(super) id: String,
    pub(super) agent_id: String,
    pub(super) agent_name: String,
    pub(super) direction: &'static str,
    pub(super) from: Pii<String>,
    pub(super) to: Pii<String>,
    pub(super) transport: &'static str,
    pub(super) codec: &'static str,
    pub(super) local: Option<String>,
    pub(super) stream_sid: Option<String>,
    pub(super) call_sid: Option<String>,
    pub(super) started: SystemTime,
    pub(super) recording: Option<String>,
    pub(super) catalogue: Arc<Catalogue>,
}

impl Facts {
    /// The record of a call under way.
    pub(super) fn live(&self, (report, leg, services, costs): &Account) -> CallRecord {
        CallRecord {
            id: self.id.clone(),
            agent_id: self.agent_id.clone(),
            agent_name: self.agent_name.clone(),
            direction: self.direction.into(),
            from: self.from.reveal().clone(),
            to: self.to.reveal().clone(),
            transport: self.transport.into(),
            codec: self.codec.into(),
            local: self.local.clone(),
            stream_sid: self.stream_sid.clone(),
            call_sid: self.call_sid.clone(),
            status: "in-progress".into(),
            reason: None,
            started: self.started,
            ended: None,
            answered: report.answered,
            answered_by: report.answered_by.map(|by| by.name().into()),
            lines: report.lines.iter().map(line).collect(),
            turns: report.turns.iter().map(turn).collect(),
            holds: report.holds,
            interruptions: report.interruptions,
            silenced: report.silenced.clone(),
            speculation: speculation(&report.speculation),
            hedges: hedges(&report.hedges),
            dropped: report.dropped,
            inbound: inbound(&report.inbound).into_iter().chain(voiceless(&report.voiceless)).collect(),
            outbound: outbound(&report.outbound),
            line: counters(leg),
            quality: quality(&report.quality),
            services: service_counters(services),
            costs: costs.iter().map(|used| self.cost(used)).collect(),
            currency: self.catalogue.prices.as_ref().map(|prices| prices.currency.clone()),
            unrecorded: report.unrecorded,
            recording: self.recording.clone(),
            events: Vec::new(),
        }
    }

    /// The record of a call that is over; `now` stands in for its end when the call could not tell it.
    pub(super) fn over(&self, outcome: &Outcome, now: SystemTime) -> CallRecord {
        let Outcome { report, leg, services, costs, .. } = outcome;
        let mut record = self.live(&(report.clone(), *leg, *services, costs.clone()));
        let reason = match outcome.report.ended {
            Some((at, reason)) => {
                record.ended = Some(self.started + at);
                reason.name()
            }
            None => {
                record.ended = Some(now);
                "error_internal"
            }
        };
        record.status = if reason.starts_with("error_") { "failed" } else { "completed" }.into();
        record.reason = Some(reason.into());
        record.events = outcome.events.iter().filter_map(|event| self.event(event)).collect();
        record
    }

    fn cost(&self, used: &Cost) -> CostRecord {
        CostRecord {
            service: used.service.name(),
            vendor: used.vendor.clone(),
            model: used.model.clone(),
            requests: used.requests,
            prompt_tokens: used.prompt_tokens,
            completion_tokens: used.completion_tokens,
            estimated_tokens: used.estimated_tokens,
            characters: used.characters,
            audio: used.audio,
            price: self.catalogue.prices.as_ref().and_then(|prices| prices.of(used)),
        }
    }

    /// An event as it is told; `None` for the end, which is told once the record is complete.
    pub(super) fn event(&self, event: &Event) -> Option<EventRecord> {
        let ended = matches!(event.kind, EventKind::Ended { .. });
        (!ended).then(|| EventData::record(&self.id, self.started, event))
    }
}

fn line(line: &crate::engine::Line) -> LineRecord {
    LineRecord {
        side: match line.speaker {
            Speaker::Caller => Side::Caller,
            Speaker::Agent => Side::Agent,
        },
        text: line.text.clone(),
        at: line.at,
        confidence: line.confidence,
        interrupted: line.interrupted,
    }
}

fn turn(turn: &crate::engine::TurnReport) -> TurnRecord {
    TurnRecord {
        turn: turn.turn,
        reply: turn.reply.0,
        stopped: turn.stopped,
        segment_words: turn.segment_words,
        waterfall: Waterfall::NAMES.into_iter().zip(turn.waterfall.parts()).collect(),
    }
}

fn speculation(report: &SpeculationReport) -> Vec<Counter> {
    vec![
        count("tries", report.tries.into()),
        count("adopted", report.adopted.into()),
        count("dropped", report.dropped.into()),
        count("tokensSpent", report.tokens_spent),
        count("tokensWasted", report.tokens_wasted),
        Counter { name: "savedMs", value: Value::Time(report.saved) },
    ]
}

fn inbound(report: &InboundReport) -> Vec<Counter> {
    vec![
        count("received", report.received),
        count("lost", report.lost),
        count("late", report.late),
        count("duplicate", report.duplicate),
        count("reordered", report.reordered),
        count("malformed", report.malformed),
        count("foreign", report.foreign),
        count("unknownPayload", report.unknown_payload),
        count("undecodable", report.undecodable),
        count("rtcp", report.rtcp),
        count("overflow", report.overflow),
        count("restarts", report.restarts),
        count("gaps", report.gaps),
        count("digits", report.digits),
        count("adjustedSamples", report.adjusted),
        Counter { name: "concealedMs", value: Value::Time(report.concealed) },
        Counter { name: "cleanedMs", value: Value::Time(report.cleaned) },
        Counter { name: "jitterMs", value: Value::Time(report.jitter) },
    ]
}

fn voiceless(heard: &Voiceless) -> [Counter; 2] {
    [
        count("soundWithoutVoice", u64::from(heard.stretches)),
        Counter { name: "soundWithoutVoiceMs", value: Value::Time(heard.total) },
    ]
}

fn outbound(report: &OutboundReport) -> Vec<Counter> {
    vec![
        count("sent", report.sent),
        count("underruns", report.underruns),
        count("staleSamples", report.stale_samples),
        count("overflowSamples", report.overflow_samples),
        count("skipped", report.skipped),
        Counter { name: "worstLatenessMs", value: Value::Time(report.worst_lateness) },
    ]
}

/// What is not known is left out.
fn quality(quality: &Quality) -> Vec<Counter> {
    let score = |name, score: Option<f32>| score.map(|score| Counter { name, value: Value::Score(score) });
    let time = |name, time| Counter { name, value: Value::Time(time) };
    let mut counters: Vec<Counter> = [
        score("inboundMos", quality.inbound),
        score("outboundMos", quality.outbound),
        quality.round_trip.map(|trip| time("roundTripMs", trip)),
    ]
    .into_iter()
    .flatten()
    .collect();
    counters.extend([
        count("reportsSent", quality.reports_sent),
        count("reportsReceived", quality.reports_received),
        count("remoteLost", quality.remote_lost),
        time("remoteJitterMs", quality.remote_jitter),
    ]);
    counters
}

fn hedges(report: &Hedges) -> Vec<Counter> {
    vec![count("stt", u64::from(report.stt)), count("llm", u64::from(report.llm)), count("tts", u64::from(report.tts))]
}

fn counters(leg: &LegCounters) -> Vec<Counter> {
    vec![
        count("foreignSource", leg.foreign_source),
        count("sendFailed", leg.send_failed),
        count("malformed", leg.malformed),
        count("rateLimited", leg.rate_limited),
        count("badTag", leg.bad_tag),
        count("replayed", leg.replayed),
    ]
}

fn service_counters(services: &ServiceCounters) -> Vec<Counter> {
    vec![
        Counter { name: "unheardMs", value: Value::Time(services.unheard) },
        count("sttReconnects", services.reconnects),
        count("sttRehears", services.rehears),
        count("llmStandby", services.llm_standby),
        count("ttsStandby", services.tts_standby),
        count("ttsUnused", services.tts_unused),
        count("repliesRefused", services.refused),
    ]
}

const fn count(name: &'static str, value: u64) -> Counter {
    Counter { name, value: Value::Count(value) }
}
