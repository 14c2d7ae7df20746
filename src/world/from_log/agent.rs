//! The agent of a log as statements of a scenario.

use std::fmt::Write as _;
use std::time::Duration;

use crate::call::{Ambience, CallSpec, DialogueSpec, Screening, Speculation, Timing, ToolRule};
use crate::conversation::Denoising;
use crate::world::scenario::{SPOKEN, spoken};

use super::{millis, quotable};

/// Appends what the call was started with, as far as it is not the default.
pub(super) fn put_agent(file: &mut String, spec: &CallSpec) {
    let mut dialogue = spec.dialogue.clone();
    let yes_no = |value: bool| if value { "yes" } else { "no" };
    let _ = writeln!(
        file,
        "agent begin=\"{}\" prompt=\"{}\" sensitivity={} direction={}",
        quotable(&dialogue.begin_message),
        quotable(&dialogue.system_prompt),
        dialogue.interruption_sensitivity,
        if dialogue.direction == crate::call::Direction::Outbound { "outbound" } else { "inbound" },
    );
    if !dialogue.begin_interruptible {
        let _ = writeln!(file, "agent begin-interruptible=no");
    }
    if !dialogue.answer_detection {
        let _ = writeln!(file, "agent detect=no");
    }
    if !spec.record {
        let _ = writeln!(file, "agent record=no");
    }
    if spec.sound.denoising != Denoising::default() {
        let _ = writeln!(file, "agent denoising={}", spec.sound.denoising.name());
    }
    if spec.sound.auto_gain {
        let _ = writeln!(file, "agent auto-gain=yes");
    }
    if spec.sound.ambience != Ambience::None {
        let _ = writeln!(file, "agent ambience={}", spec.sound.ambience.name());
    }
    if dialogue.redact_keys {
        let _ = writeln!(file, "agent redact=yes");
    }
    if let Some(number) = &dialogue.transfer_number {
        let _ = writeln!(file, "agent transfer=\"{}\"", quotable(number.reveal()));
    }
    if let Some(message) = &dialogue.voicemail_message {
        let _ = writeln!(file, "agent voicemail=\"{}\"", quotable(message));
    }
    if let Some(Screening { identity, purpose }) = &dialogue.screening {
        let _ = writeln!(file, "agent identity=\"{}\" purpose=\"{}\"", quotable(identity), quotable(purpose));
    }
    let _ = writeln!(
        file,
        "agent language=\"{}\" stt={} backchannel={}",
        quotable(&dialogue.language),
        dialogue.stt_mode.name(),
        yes_no(dialogue.backchannel)
    );
    let mut defaults = DialogueSpec::default();
    if dialogue.backchannels != defaults.backchannels {
        let _ = writeln!(file, "agent backchannels=\"{}\"", quotable(&dialogue.backchannels.join("|")));
    }
    for name in SPOKEN {
        let default = spoken(&mut defaults, name).cloned();
        if let Some(text) = spoken(&mut dialogue, name).filter(|text| Some(&**text) != default.as_ref()) {
            let _ = writeln!(file, "agent {name}=\"{}\"", quotable(text));
        }
    }
    let timing = Timing::default();
    for ((name, value), (_, default)) in dialogue.timing.named().zip(timing.named()) {
        if value != default {
            // Counts are small; no wait of less than a microsecond means anything.
            let _ = match value {
                0..1_000 => writeln!(file, "set {name}={value}"),
                _ => writeln!(file, "set {name}={}ms", millis(Duration::from_nanos(value))),
            };
        }
    }
    let Speculation { enabled, tries, share } = dialogue.speculation;
    if dialogue.speculation != Speculation::default() {
        let enabled = yes_no(enabled);
        let _ = writeln!(file, "set speculation={enabled} speculation_tries={tries} speculation_share={share}");
    }
    let line = &spec.line;
    let _ = writeln!(file, "line {}", line.codec.name());
    if line.far_buffer {
        let _ = writeln!(file, "line buffered");
    }
}

/// What a tool's line says of its rules.
pub(super) fn tool_rules(dialogue: &DialogueSpec, name: &str) -> String {
    let mut rules = String::new();
    if let Some(ToolRule { timeout, filler, .. }) = dialogue.tool_rules.iter().find(|rule| rule.name == name) {
        if let Some(timeout) = timeout {
            let _ = write!(rules, " timeout={}", millis(*timeout));
        }
        if let Some(filler) = filler {
            let _ = write!(rules, " filler=\"{}\"", quotable(filler));
        }
    }
    rules
}
