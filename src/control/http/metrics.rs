//! `/metrics`: the engine's numbers in Prometheus' text format (version 0.0.4).
//!
//! No label ever holds an id, a number or a word: there are `le`, and what the services put on their own counters
//! (`vendor`).

use std::fmt::{Display, Write};
use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use crate::control::Api;
use crate::engine::{EngineStats, Histogram};

pub(super) async fn text(State(api): State<Arc<Api>>) -> Response {
    let mut page = Page(String::with_capacity(8 << 10));
    page.engine(&api.calls.engine().stats());
    page.gauge("calls_stored", "Ended calls whose record is kept.", api.calls.store().len());
    page.counter("calls_forgotten_total", "Ended calls whose record had to make room.", api.calls.store().dropped());
    if let Some(handle) = &api.metrics {
        page.0.push_str(&handle.render());
    }
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    ([(CONTENT_TYPE, kind)], page.0).into_response()
}

struct Page(String);

impl Page {
    fn engine(&mut self, stats: &EngineStats) {
        self.gauge("calls_live", "Calls admitted and not over.", stats.live);
        self.gauge("calls_capacity", "The most calls at one time.", stats.capacity);
        self.gauge("draining", "1 while the engine admits no call because it is stopping.", u8::from(stats.draining));
        let totals = &stats.totals;
        for (name, help, value) in [
            ("calls_started_total", "Calls started.", stats.started),
            ("calls_refused_total", "Calls refused because there was no room.", stats.refused),
            ("calls_ended_total", "Calls that are over.", stats.ended),
            ("calls_panicked_total", "Calls that ended by a bug of the engine.", stats.panicked),
            ("writes_dropped_total", "Pieces of recordings and logs the disk was too slow for.", stats.writes_dropped),
            ("rtp_packets_received_total", "RTP packets accepted.", totals.packets_received),
            ("rtp_packets_sent_total", "RTP packets sent.", totals.packets_sent),
            ("rtp_packets_lost_total", "RTP packets that never came.", totals.packets_lost),
            ("rtp_packets_late_total", "RTP packets that came too late.", totals.packets_late),
            ("rtp_packets_duplicate_total", "RTP packets that came twice.", totals.packets_duplicate),
            ("rtp_packets_reordered_total", "RTP packets out of order but in time.", totals.packets_reordered),
            ("media_malformed_total", "Datagrams and messages that were not understood.", totals.malformed),
            ("rtp_foreign_ssrc_total", "RTP packets of a source not listened to.", totals.foreign_ssrc),
            ("media_foreign_source_total", "Datagrams of a foreign address.", totals.foreign_source),
            ("media_rate_limited_total", "Packets over a line's rate limit.", totals.rate_limited),
            ("srtp_bad_tag_total", "SRTP packets whose authentication tag was wrong.", totals.srtp_bad_tag),
            ("srtp_replayed_total", "SRTP packets that came before.", totals.srtp_replayed),
            ("rtcp_reports_sent_total", "RTCP reports sent.", totals.reports_sent),
            ("rtcp_reports_received_total", "RTCP reports received.", totals.reports_received),
            ("rtp_packets_lost_remote_total", "RTP packets sent that RTCP says were lost.", totals.remote_lost),
            ("media_send_failed_total", "Packets that could not be sent.", totals.send_failed),
            ("playout_underruns_total", "Times speech was due but had not come.", totals.underruns),
            ("turns_total", "Turns answered.", totals.turns),
            ("holds_total", "Times an agent was silenced for the moment.", totals.holds),
            ("interruptions_total", "Times an agent was cut.", totals.interruptions),
            ("thoughts_total", "Runs of the model begun before a turn was over.", totals.thoughts),
            ("thoughts_kept_total", "Those that became the answer.", totals.thoughts_kept),
            ("thought_tokens_wasted_total", "Tokens of those dropped, estimated.", totals.thought_tokens_wasted),
            ("results_dropped_total", "Late or unknown results of services.", totals.results_dropped),
        ] {
            self.counter(name, help, value);
        }
        let concealed = totals.concealed.as_secs_f64();
        self.counter("concealed_seconds_total", "Sound made up for sound that did not come.", concealed);
        for (name, help, histogram) in [
            ("answer_delay_seconds", "From the caller's last word to the first packet out.", &stats.answer_delay),
            ("silence_delay_seconds", "From a barge-in to the first silent packet.", &stats.silence_delay),
            ("pacing_lateness_seconds", "How late packets left.", &stats.pacing_lateness),
        ] {
            self.histogram(name, help, histogram);
        }
        for (name, help, scores) in [
            (
                "call_mos_inbound",
                "Mean opinion scores of callers' sound, estimated by the E-model.",
                &stats.mos_inbound,
            ),
            ("call_mos_outbound", "Those of the agents' sound, where RTCP tells.", &stats.mos_outbound),
        ] {
            self.head(name, help, "summary");
            self.line(name, "_sum", scores.sum);
            self.line(name, "_count", scores.count);
        }
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.head(name, help, "gauge");
        self.line(name, "", value);
    }

    fn counter(&mut self, name: &str, help: &str, value: impl Display) {
        self.head(name, help, "counter");
        self.line(name, "", value);
    }

    fn histogram(&mut self, name: &str, help: &str, histogram: &Histogram) {
        self.head(name, help, "histogram");
        let mut so_far = 0;
        for (bound, count) in histogram.bounds.iter().zip(&histogram.counts) {
            so_far += count;
            self.line(name, &format!("_bucket{{le=\"{}\"}}", bound.as_secs_f64()), so_far);
        }
        self.line(name, "_bucket{le=\"+Inf\"}", histogram.count());
        self.line(name, "_sum", histogram.sum.as_secs_f64());
        self.line(name, "_count", histogram.count());
    }

    fn head(&mut self, name: &str, help: &str, kind: &str) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.0, "# HELP agentphone_{name} {help}\n# TYPE agentphone_{name} {kind}");
    }

    fn line(&mut self, name: &str, suffix: &str, value: impl Display) {
        let _ = writeln!(self.0, "agentphone_{name}{suffix} {value}");
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn buckets_are_cumulative_and_end_with_all() {
        const BOUNDS: &[Duration] = &[Duration::from_millis(200), Duration::from_millis(1_500)];
        let histogram = Histogram { bounds: BOUNDS, counts: vec![2, 1, 4], sum: Duration::from_millis(9_250) };
        let mut page = Page(String::new());
        page.histogram("d_seconds", "Help.", &histogram);
        assert_eq!(
            page.0,
            "# HELP agentphone_d_seconds Help.\n# TYPE agentphone_d_seconds histogram\n\
             agentphone_d_seconds_bucket{le=\"0.2\"} 2\nagentphone_d_seconds_bucket{le=\"1.5\"} 3\n\
             agentphone_d_seconds_bucket{le=\"+Inf\"} 7\nagentphone_d_seconds_sum 9.25\nagentphone_d_seconds_count 7\n"
        );
    }
}
