use super::*;
use crate::media::InboundSpec;
use crate::rtp::{Header, PayloadType};

const SPEC: RtcpSpec = RtcpSpec { ntp: 0xE123_4567_8000_0000 };
const OURS: Ssrc = Ssrc(1);
const THEIRS: Ssrc = Ssrc(2);

#[expect(clippy::disallowed_methods, reason = "a test needs some instant to begin with")]
fn start() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn packet(ssrc: Ssrc, sequence: u16) -> PacketBuf {
    let timestamp = u32::from(sequence) * 160;
    let header = Header { marker: false, payload_type: PayloadType(0), sequence, timestamp, ssrc };
    PacketBuf::write(header, |room| {
        room[..160].fill(0xFF);
        160
    })
}

/// A call's two sides as reporting sees them, with a packet each way every 20 ms.
struct Stage {
    begun: Instant,
    now: Instant,
    sequence: u16,
    inbound: Inbound,
    reports: Reports,
    sent: Vec<(Instant, RtcpBuf)>,
}

impl Stage {
    fn new(seed: u64) -> Self {
        let now = start();
        let spec = InboundSpec::new(Codec::Pcmu, PayloadType(0));
        let mut reports = Reports::new(SPEC, Codec::Pcmu, seed, now);
        reports.answer(now);
        Self { begun: now, now, sequence: 0, inbound: Inbound::new(spec, now), reports, sent: Vec::new() }
    }

    /// Goes on for `length`; packets of the other side for which `lost` says so do not come.
    fn run(&mut self, length: Duration, lost: impl Fn(u16) -> bool) {
        let end = self.now + length;
        while self.now < end {
            self.sequence += 1;
            self.reports.transmitted(&packet(OURS, self.sequence), self.now);
            if !lost(self.sequence) {
                self.inbound.handle_packet(packet(THEIRS, self.sequence).as_bytes(), self.now);
            }
            self.inbound.handle_timeout(self.now);
            while self.inbound.poll().is_some() {}
            let next = self.now + PTIME;
            while let Some(due) = self.reports.poll_timeout().filter(|due| *due < next) {
                let report = self.reports.handle_timeout(&mut self.inbound, due.max(self.now)).unwrap();
                self.sent.push((due, report));
            }
            self.now = next;
        }
    }

    fn told(&mut self, block: ReportBlock, info: Option<SenderInfo>) {
        let datagram = RtcpBuf::write(THEIRS, info, Some(block), "them", false);
        self.reports.handle(datagram.as_bytes(), self.inbound.ssrc(), self.now);
    }

    fn quality(&self) -> Quality {
        self.reports.quality(&self.inbound)
    }
}

fn block() -> ReportBlock {
    ReportBlock { ssrc: OURS, fraction: 0, lost: 0, highest: 0, jitter: 0, last_report: 0, since: 0 }
}

fn sender(report: &RtcpBuf) -> (SenderInfo, Option<ReportBlock>) {
    match Rtcp::parse(report.as_bytes()).unwrap().next() {
        Some(Rtcp::Sender { ssrc: OURS, info, blocks }) => (info, blocks.iter().next()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn reports_leave_every_five_seconds_or_so_and_never_in_step() {
    let mut stage = Stage::new(3);
    stage.run(Duration::from_secs(600), |_| false);
    let times: Vec<Duration> = stage.sent.iter().map(|(at, _)| *at - stage.begun).collect();
    let apart: Vec<Duration> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    // 0.5 to 1.5 of 5 s by e − 3/2: 2.05 s to 6.16 s.
    assert!(apart.iter().all(|apart| (ms(2_050)..ms(6_160)).contains(apart)), "{apart:?}");
    assert!((ms(1_020)..ms(3_080)).contains(&times[0]), "{:?}", times[0]);
    let mean = apart.iter().sum::<Duration>() / apart.len() as u32;
    assert!((ms(3_800)..ms(4_400)).contains(&mean), "{mean:?}");
    assert_ne!(times[0], {
        let mut other = Stage::new(4);
        other.run(Duration::from_secs(10), |_| false);
        other.sent[0].0 - other.begun
    });
}

#[test]
fn a_report_tells_what_was_sent_and_what_was_lost() {
    let mut stage = Stage::new(3);
    stage.run(Duration::from_secs(20), |sequence| sequence % 10 == 0);
    let (at, report) = *stage.sent.last().unwrap();
    let (info, heard) = sender(&report);
    let passed = at - stage.begun;
    let packets = passed.as_millis() as u32 / 20 + 1;
    assert!(info.packets.abs_diff(packets) <= 1 && info.octets == info.packets * 160, "{info:?}");
    assert!(info.timestamp.abs_diff(160 + passed.as_millis() as u32 * 8) <= 160, "{info:?}");
    let seconds = (info.ntp - SPEC.ntp) as f64 / 4_294_967_296.0;
    assert!((seconds - passed.as_secs_f64()).abs() < 0.021, "{seconds}");
    let heard = heard.unwrap();
    assert_eq!(heard.ssrc, THEIRS);
    assert!((20..=30).contains(&heard.fraction), "a tenth of 256: {}", heard.fraction);
    assert!(heard.lost.unsigned_abs().abs_diff(packets / 10) <= 1, "{heard:?}");
    assert_eq!((heard.last_report, heard.since), (0, 0), "nobody told us anything");
}

#[test]
fn the_way_there_and_back_is_what_passed_but_for_what_the_report_waited() {
    let mut stage = Stage::new(3);
    stage.run(Duration::from_secs(10), |_| false);
    let (left, report) = *stage.sent.last().unwrap();
    let (info, _) = sender(&report);
    stage.now = left + ms(80 + 1_500);
    let heard = ReportBlock { last_report: (info.ntp >> 16) as u32, since: compact(ms(1_500)), ..block() };
    stage.told(heard, None);
    let trip = stage.quality().round_trip.unwrap();
    // The report was written at the tick at or after its deadline.
    assert!(trip.abs_diff(ms(80)) <= PTIME, "{trip:?}");
    // A clock that runs backwards says nothing.
    stage.told(ReportBlock { since: compact(Duration::from_secs(60)), ..heard }, None);
    assert_eq!(stage.quality().round_trip, Some(trip));
}

#[test]
fn our_report_answers_theirs() {
    let mut stage = Stage::new(3);
    stage.run(Duration::from_secs(1), |_| false);
    let info = SenderInfo { ntp: 0x1111_2222_3333_4444, timestamp: 0, packets: 50, octets: 8_000 };
    stage.told(block(), Some(info));
    let told = stage.now;
    stage.run(Duration::from_secs(8), |_| false);
    let (at, report) = stage.sent.iter().find(|(at, _)| *at > told).unwrap();
    let heard = sender(report).1.unwrap();
    assert_eq!(heard.last_report, 0x2222_3333);
    let since = Duration::from_secs_f64(f64::from(heard.since) / 65_536.0);
    assert!(since.abs_diff(*at - told) <= PTIME, "{since:?}");
}

#[test]
fn both_directions_are_scored_each_by_what_is_known_of_it() {
    let mut stage = Stage::new(3);
    assert_eq!(stage.quality(), Quality::default());
    stage.run(Duration::from_secs(60), |sequence| sequence % 20 == 0);
    let quality = stage.quality();
    assert_eq!(quality.outbound, None, "nobody told");
    assert!(quality.inbound.is_some_and(|mos| (3.6..4.1).contains(&mos)), "{quality:?}");
    assert!(quality.reports_sent >= 10 && quality.reports_received == 0);
    stage.told(ReportBlock { lost: 600, jitter: 80, ..block() }, None);
    let quality = stage.quality();
    assert!(quality.outbound.is_some_and(|mos| mos < quality.inbound.unwrap()), "{quality:?}");
    assert_eq!((quality.remote_lost, quality.remote_jitter, quality.reports_received), (600, ms(10), 1));
    stage.told(ReportBlock { ssrc: Ssrc(99), lost: 9_999, ..block() }, None);
    assert_eq!(stage.quality().remote_lost, 600, "that was about somebody else");
}

#[test]
fn the_last_report_says_goodbye_and_no_more_are_due() {
    let mut stage = Stage::new(3);
    assert!(stage.reports.leave(&mut stage.inbound, stage.now).is_none(), "nothing was sent");
    let mut stage = Stage::new(3);
    stage.run(Duration::from_secs(1), |_| false);
    let last = stage.reports.leave(&mut stage.inbound, stage.now).unwrap();
    let bye =
        Rtcp::parse(last.as_bytes()).unwrap().any(|packet| matches!(packet, Rtcp::Bye(who) if who.contains(OURS)));
    assert!(bye);
    assert_eq!(stage.reports.poll_timeout(), None);
}
