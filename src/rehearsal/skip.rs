//! What a scenario wants that cannot be had over RTP and the services' protocols.

use crate::conversation::{Failure, TranscriptKind, TransferEnd};
use crate::world::{AnswerEnd, Part, Scenario, VoiceTrouble, What};

/// Every reason for which `scenario` cannot be played over RTP, each once; empty: it can.
pub(super) fn reasons(scenario: &Scenario, part: &Part) -> Vec<String> {
    let mut reasons = Vec::new();
    if scenario.spec.line.far_buffer {
        reasons.push("not over rtp: `line buffered`: plain RTP is played as it comes".to_owned());
    }
    if scenario.network.echo.is_some() {
        reasons.push(
            "not over rtp: `network echo`: the caller's telephone sends nothing back of what it plays".to_owned(),
        );
    }
    let transfers = part.acts.iter().any(|act| matches!(act.what, What::Transfer(_)))
        || part.answers.iter().any(|answer| answer.tools.iter().any(|(name, _)| name == TRANSFER_TOOL));
    if transfers && part.transfers.iter().any(|end| *end != Some(TransferEnd::Unsupported)) {
        reasons.push("not over rtp: `transfer`: a plain RTP line hands nobody on and says so at once".to_owned());
    }
    reasons.extend(part.acts.iter().filter_map(|act| act_reason(&act.what)));
    let backup = part.backups.model.iter().flat_map(|model| &model.answers);
    for answer in part.answers.iter().chain(backup) {
        if let AnswerEnd::Fails(failure) = answer.end
            && status(failure).is_none()
        {
            reasons.push(format!("not over rtp: `reply fail {}`: no HTTP status means that", failure.name()));
        }
    }
    reasons.sort();
    reasons.dedup();
    reasons
}

fn act_reason(what: &What) -> Option<String> {
    let because = |what: &str, why: &str| Some(format!("not over rtp: `{what}`: {why}"));
    match what {
        What::Hears(TranscriptKind::Eager, _) => {
            because("hears eager", "the simulated recogniser's protocol has no eager end of turn")
        }
        What::Hears(TranscriptKind::Resumed, _) => {
            because("hears resumed", "the simulated recogniser's protocol has no resumed turn")
        }
        What::Voice { trouble: Some(VoiceTrouble::Fails(failure)), .. } if status(*failure).is_none() => {
            because(&format!("tts fail {}", failure.name()), "no HTTP status means that")
        }
        What::RecogniserFails(failure) if !is_final_refusal(*failure) => because(
            &format!("stt fail {}", failure.name()),
            "a recogniser that is away is dialled again for 9 s before it counts as failed; `auth`, `quota` and \
             `bad-request` fail at once",
        ),
        What::Hold(held) => {
            because(if *held { "hold" } else { "unhold" }, "a plain RTP line has no way to say that it is held")
        }
        _ => None,
    }
}

/// The tool by which the model hands the caller on.
const TRANSFER_TOOL: &str = "transfer_call";

/// The HTTP status by which a service says that it fails so.
pub(super) fn status(failure: Failure) -> Option<u16> {
    match failure {
        Failure::Auth => Some(401),
        Failure::Quota => Some(402),
        Failure::RateLimit => Some(429),
        Failure::BadRequest => Some(400),
        Failure::Unavailable => Some(503),
        Failure::Timeout => Some(504),
        _ => None,
    }
}

/// Whether a recogniser that refuses so is not dialled again.
fn is_final_refusal(failure: Failure) -> bool {
    matches!(failure, Failure::Auth | Failure::Quota | Failure::BadRequest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reasons_of(file: &str) -> Vec<String> {
        let scenario = Scenario::parse("t", file).unwrap();
        reasons(&scenario, &scenario.part())
    }

    #[test]
    fn what_cannot_be_done_over_rtp_is_named_once_with_its_reason() {
        let found = reasons_of(
            "line buffered\n0 hold\n1 transfer\ntransfer 20s fail\nnetwork echo=180:-12\n900 hears eager \"x\"\n950 hears eager \"xy\"\n3000 stt fail unavailable\n\
             reply fail protocol\n0 says 300 \"fine\"\n",
        );
        assert_eq!(found.len(), 7, "{found:?}");
        assert!(found.iter().all(|reason| reason.starts_with("not over rtp: `")), "{found:?}");
        // In words, not in the names of types.
        assert!(!found.iter().any(|reason| reason.contains(['(', '{', '"'])), "{found:?}");
    }

    #[test]
    fn what_can_be_done_has_no_reason_against_it() {
        let file = "0 says 300 \"a\"\n0 cough 100\n0 hum 100\n0 noise 100\n0 hears final \"x\"\n0 digit 5\n0 say \"x\"\n\
                    0 interrupt\n0 end\n0 hangup\n0 line dead\n0 tts blackhole\n0 tts fail unavailable\n0 tts ok\n\
                    0 keys \"12#\" both\n0 babble 300\n0 beep 300 440+480hz\n0 transfer\n0 update prompt=\"x\"\n\
                    0 collect most=2\n0 say \"x\" uninterruptible\n0 line up\n0 line restart\n0 stt fail auth\nreply fail timeout\nreply \"x\" then-stall\n";
        assert_eq!(reasons_of(file), [] as [String; 0]);
    }
}
