//! One field of a line: text without spaces, bytes, spec.

use std::fmt::Write as _;
use std::time::Duration;

use crate::audio::Codec;
use crate::conversation::{Denoising, Pii, ToolSpec};
use crate::dialogue::{
    Backups, DialogueSpec, Direction, Normalise, Pronunciation, Screening, Speculation, SttMode, Timing, ToolRule,
};
use crate::rtp::PayloadType;

use super::super::{Ambience, CallSpec, LineSpec, RtcpSpec, SoundSpec};

/// Appends `text` so that it is one field: no spaces, no control characters, never empty.
pub(super) fn put_text(line: &mut String, text: &str) {
    if text.is_empty() {
        line.push('%');
    }
    for character in text.chars() {
        if character <= ' ' || character == '%' || character == '\u{7f}' {
            let _ = write!(line, "%{:02x}", character as u32);
        } else {
            line.push(character);
        }
    }
}

/// The text of a field written by [`put_text`]; `None` when an escape is broken.
pub(super) fn text(field: &str) -> Option<String> {
    if field == "%" {
        return Some(String::new());
    }
    let mut text = String::with_capacity(field.len());
    let mut rest = field;
    while let Some(at) = rest.find('%') {
        text.push_str(&rest[..at]);
        let code = rest.get(at + 1..at + 3)?;
        text.push(char::from(u8::from_str_radix(code, 16).ok().filter(u8::is_ascii)?));
        rest = &rest[at + 3..];
    }
    text.push_str(rest);
    Some(text)
}

/// Appends bytes as base64; `-` when there are none.
pub(super) fn put_bytes(line: &mut String, bytes: &[u8]) {
    if bytes.is_empty() {
        line.push('-');
    } else {
        base64_simd::STANDARD.encode_append(bytes, line);
    }
}

/// The bytes of a field written by [`put_bytes`].
pub(super) fn bytes(field: &str) -> Option<Vec<u8>> {
    if field == "-" { Some(Vec::new()) } else { base64_simd::STANDARD.decode_to_vec(field).ok() }
}

/// Appends the spec as one line of fields.
pub(super) fn put_spec(line: &mut String, spec: &CallSpec) {
    // Taken apart in full: a field that is added to one of the specs does not compile until it is written here.
    let CallSpec {
        line: wire,
        dialogue,
        last_resort: last_resort_sound,
        sound: SoundSpec { denoising, auto_gain, ambience, level_voices },
        voices,
        record,
        seed,
    } = spec;
    // The rest of the line stands behind, by name.
    let LineSpec { codec, payload_type, telephone_event, lead, far_buffer, rtcp, .. } = wire;
    let DialogueSpec {
        direction,
        language,
        stt_mode,
        system_prompt,
        begin_message,
        begin_interruptible,
        tools,
        interruption_sensitivity,
        apology,
        repeat_request,
        idle_prompt,
        goodbye,
        filler,
        tool_rules,
        transfer_number,
        transfer_failed,
        transfer_wait,
        handing_over,
        welcome_back,
        redact_keys,
        answer_detection,
        voicemail_message,
        screening,
        duration_warning,
        last_resort,
        cut_in,
        backchannel,
        backchannels,
        normalise,
        pronunciations,
        backups,
        speculation,
        timing,
    } = dialogue;
    let event = telephone_event.map_or(-1, |payload_type| i16::from(payload_type.0));
    let _ = write!(
        line,
        "spec {} {} {} {} {} {} {} ",
        codec.name(),
        payload_type.0,
        event,
        lead.as_nanos(),
        u8::from(*far_buffer),
        u8::from(*record),
        seed
    );
    line.push_str(direction.name());
    // In the order of `texts_mut`.
    for text in [system_prompt, begin_message, apology, repeat_request, idle_prompt, goodbye, filler] {
        line.push(' ');
        put_text(line, text);
    }
    let _ = write!(line, " {:x} {}", interruption_sensitivity.to_bits(), tools.len());
    for ToolSpec { name, description, parameters } in tools {
        for text in [name, description, parameters] {
            line.push(' ');
            put_text(line, text);
        }
    }
    for (name, value) in timing.named() {
        let _ = write!(line, " {name}={value}");
    }
    // Options that came later stand behind, by name, so that older logs can still be read.
    let Backups { stt, llm, tts } = *backups;
    for ToolRule { name, timeout, filler } in tool_rules {
        let timeout = timeout.map_or_else(|| "-".into(), |timeout| timeout.as_nanos().to_string());
        let filler = filler.as_ref().map_or_else(|| "-".into(), |filler| format!("+{filler}"));
        put_option(line, "tool_rule", &format!("{timeout} {name} {filler}"));
    }
    if let Some(number) = transfer_number {
        put_option(line, "transfer_number", number.reveal());
    }
    if *redact_keys {
        put_option(line, "redact_keys", "1");
    }
    put_option(line, "denoise", denoising.name());
    if *auto_gain {
        put_option(line, "auto_gain", "1");
    }
    put_option(line, "bed", ambience.name());
    if *level_voices {
        put_option(line, "level_voices", "1");
    }
    if *voices != [None; 2] {
        let bits = voices.map(|level| level.map_or_else(|| "-".into(), |level: f32| format!("{:x}", level.to_bits())));
        put_option(line, "voices", &bits.join(","));
    }
    put_option(line, "transfer_failed", transfer_failed);
    put_option(line, "transfer_wait", transfer_wait);
    put_option(line, "handing_over", handing_over);
    put_option(line, "welcome_back", welcome_back);
    if !answer_detection {
        put_option(line, "answer-detection", "0");
    }
    if let Some(message) = voicemail_message {
        put_option(line, "voicemail-message", message);
    }
    if let Some(Screening { identity, purpose }) = screening {
        put_option(line, "screening-identity", identity);
        put_option(line, "screening-purpose", purpose);
    }
    if let Some(RtcpSpec { ntp }) = rtcp {
        put_option(line, "rtcp", &ntp.to_string());
    }
    put_option(line, "duration_warning", duration_warning);
    put_option(line, "last_resort", last_resort);
    if let Some(sound) = last_resort_sound {
        line.push_str(" @last_resort_sound=");
        put_bytes(line, sound);
    }
    put_option(line, "backups", &format!("{}{}{}", u8::from(stt), u8::from(llm), u8::from(tts)));
    let Speculation { enabled, tries, share } = *speculation;
    put_option(line, "speculation", &format!("{},{tries},{share}", u8::from(enabled)));
    put_option(line, "begin-interruptible", if *begin_interruptible { "yes" } else { "no" });
    put_option(line, "language", language);
    put_option(line, "stt_mode", stt_mode.name());
    put_option(line, "cut_in", cut_in);
    put_option(line, "backchannel", if *backchannel { "1" } else { "0" });
    put_option(line, "backchannels", &backchannels.join("\n"));
    put_option(line, "normalise", normalise.name());
    for Pronunciation { written, spoken } in pronunciations {
        put_option(line, "pronunciation", &format!("{written}\n{spoken}"));
    }
    for (name, value) in super::line::options(wire) {
        put_option(line, name, &value);
    }
}

/// Appends an option by its name; [`set_option`] reads it.
fn put_option(line: &mut String, name: &str, value: &str) {
    let _ = write!(line, " @{name}=");
    put_text(line, value);
}

/// Sets an option of [`put_option`]; `None` when there is no such option or the value is none of its.
fn set_option(dialogue: &mut DialogueSpec, name: &str, value: &str) -> Option<()> {
    match name {
        "backups" => {
            let [stt, llm, tts] = value.as_bytes() else { return None };
            dialogue.backups = Backups { stt: *stt == b'1', llm: *llm == b'1', tts: *tts == b'1' };
        }
        "speculation" => {
            let mut fields = value.split(',');
            let enabled = fields.next()? == "1";
            let (tries, share) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
            dialogue.speculation = Speculation { enabled, tries, share };
        }
        "begin-interruptible" => dialogue.begin_interruptible = value == "yes",
        "tool_rule" => {
            let mut parts = value.splitn(3, ' ');
            let timeout = match parts.next()? {
                "-" => None,
                nanos => Some(Duration::from_nanos(nanos.parse().ok()?)),
            };
            let name = parts.next()?.to_owned();
            let filler = parts.next()?.strip_prefix('+').map(str::to_owned);
            dialogue.tool_rules.push(ToolRule { name, timeout, filler });
        }
        "transfer_number" => dialogue.transfer_number = Some(Pii::new(value.to_owned())),
        "redact_keys" => dialogue.redact_keys = value == "1",
        "transfer_failed" => value.clone_into(&mut dialogue.transfer_failed),
        "transfer_wait" => value.clone_into(&mut dialogue.transfer_wait),
        "handing_over" => value.clone_into(&mut dialogue.handing_over),
        "welcome_back" => value.clone_into(&mut dialogue.welcome_back),
        "answer-detection" => dialogue.answer_detection = value == "1",
        "voicemail-message" => dialogue.voicemail_message = Some(value.to_owned()),
        "screening-identity" => screening(dialogue).identity = value.to_owned(),
        "screening-purpose" => screening(dialogue).purpose = value.to_owned(),
        "duration_warning" => dialogue.duration_warning = value.to_owned(),
        "last_resort" => dialogue.last_resort = value.to_owned(),
        "language" => dialogue.language = value.to_owned(),
        "cut_in" => dialogue.cut_in = value.to_owned(),
        "backchannel" => dialogue.backchannel = value == "1",
        "backchannels" => dialogue.backchannels = value.lines().map(str::to_owned).collect(),
        "normalise" => dialogue.normalise = Normalise::from_name(value)?,
        "pronunciation" => {
            let (written, spoken) = value.split_once('\n')?;
            dialogue.pronunciations.push(Pronunciation { written: written.to_owned(), spoken: spoken.to_owned() });
        }
        "stt_mode" => dialogue.stt_mode = SttMode::from_name(value)?,
        _ => return None,
    }
    Some(())
}

fn screening(dialogue: &mut DialogueSpec) -> &mut Screening {
    dialogue.screening.get_or_insert_with(|| Screening { identity: String::new(), purpose: String::new() })
}

/// Reads the line of [`put_spec`]. Timings this version does not know are refused, missing ones keep their default.
pub(super) fn spec(line: &str) -> Option<CallSpec> {
    let mut fields = line.strip_prefix("spec ")?.split(' ');
    let mut next = || fields.next();
    let codec = Codec::from_name(next()?)?;
    let payload_type = PayloadType(next()?.parse().ok()?);
    let event: i16 = next()?.parse().ok()?;
    let lead = Duration::from_nanos(next()?.parse().ok()?);
    let far_buffer = next()? == "1";
    let record = next()? == "1";
    let seed = next()?.parse().ok()?;
    let direction = [Direction::Inbound, Direction::Outbound, Direction::Web].into_iter().find({
        let name = next()?;
        move |direction| direction.name() == name
    })?;
    let mut dialogue = DialogueSpec { direction, ..DialogueSpec::default() };
    // Calls whose logs do not tell of it did not think ahead.
    dialogue.speculation.enabled = false;
    // And their voices were given what the model wrote.
    dialogue.normalise = Normalise::Off;
    for slot in texts_mut(&mut dialogue) {
        *slot = text(next()?)?;
    }
    dialogue.interruption_sensitivity = f32::from_bits(u32::from_str_radix(next()?, 16).ok()?);
    let tools: usize = next()?.parse().ok()?;
    for _ in 0..tools {
        dialogue.tools.push(ToolSpec { name: text(next()?)?, description: text(next()?)?, parameters: text(next()?)? });
    }
    // Nor was anything done to their sound.
    let untouched = SoundSpec { denoising: Denoising::None, ..SoundSpec::default() };
    let (mut timing, mut sound, mut last_resort) = (Timing::default(), untouched, None);
    let mut line = LineSpec::rtp(codec);
    let (mut rtcp, mut voices) = (None, [None; 2]);
    for setting in fields {
        let (name, value) = setting.split_once('=')?;
        match name.strip_prefix('@') {
            // Written by versions that did nothing about them.
            Some("denoising" | "ambience") => {}
            Some("denoise") => sound.denoising = named(&Denoising::ALL, Denoising::name, &text(value)?)?,
            Some("auto_gain") => sound.auto_gain = value == "1",
            Some("bed") => sound.ambience = Ambience::from_name(&text(value)?)?,
            Some("level_voices") => sound.level_voices = value == "1",
            Some("voices") => {
                let mut levels = value.split(',').map(|level| match level {
                    "-" => Some(None),
                    bits => Some(Some(f32::from_bits(u32::from_str_radix(bits, 16).ok()?))),
                });
                voices = [levels.next()??, levels.next()??];
            }
            Some(option) if option.starts_with("line_") => super::line::set(&mut line, option, &text(value)?)?,
            Some("rtcp") => rtcp = Some(RtcpSpec { ntp: value.parse().ok()? }),
            Some("last_resort_sound") => last_resort = Some(bytes(value)?),
            Some(option) => set_option(&mut dialogue, option, &text(value)?)?,
            None => timing.set_named(name, value.parse().ok()?).then_some(())?,
        }
    }
    dialogue.timing = timing;
    let telephone_event = u8::try_from(event).ok().map(PayloadType);
    let line = LineSpec { codec, payload_type, telephone_event, lead, far_buffer, rtcp, ..line };
    Some(CallSpec { line, dialogue, last_resort, sound, voices, record, seed })
}

fn named<T: Copy>(all: &[T], name: fn(T) -> &'static str, wanted: &str) -> Option<T> {
    all.iter().copied().find(|one| name(*one) == wanted)
}

fn texts_mut(dialogue: &mut DialogueSpec) -> [&mut String; 7] {
    [
        &mut dialogue.system_prompt,
        &mut dialogue.begin_message,
        &mut dialogue.apology,
        &mut dialogue.repeat_request,
        &mut dialogue.idle_prompt,
        &mut dialogue.goodbye,
        &mut dialogue.filler,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::OpusSettings;
    use crate::media::Format;

    #[test]
    fn any_text_is_one_field_and_comes_back() {
        for original in ["", "%", "hello there", "a\nb\tc%20", "naïve — “ok”", "\u{7f}"] {
            let mut line = String::new();
            put_text(&mut line, original);
            assert!(!line.is_empty() && !line.contains([' ', '\n', '\t']), "{line:?}");
            assert_eq!(text(&line).as_deref(), Some(original));
        }
        assert_eq!(text("%zz"), None);
        assert_eq!(text("abc%2"), None);
    }

    #[test]
    fn a_spec_comes_back_whole() {
        let mut dialogue = DialogueSpec {
            direction: Direction::Outbound,
            system_prompt: "You are brief.\nNever guess.".into(),
            interruption_sensitivity: 0.35,
            begin_interruptible: false,
            tools: vec![ToolSpec { name: "end_call".into(), description: "Ends it.".into(), parameters: "{}".into() }],
            ..DialogueSpec::default()
        };
        dialogue.timing.endpoint_normal = Duration::from_millis(432);
        dialogue.timing.idle_prompts = 5;
        dialogue.answer_detection = false;
        dialogue.voicemail_message = Some("Please call us back.\nThank you.".into());
        dialogue.screening = Some(Screening { identity: "Anna".into(), purpose: String::new() });
        dialogue.backups = Backups { stt: true, llm: false, tts: true };
        dialogue.speculation = Speculation { enabled: false, tries: 3, share: 12 };
        let rule = |timeout, filler| ToolRule { name: "look".into(), timeout, filler };
        dialogue.tool_rules = vec![
            rule(Some(Duration::from_secs(30)), Some("I am looking that up.".into())),
            rule(None, Some(String::new())),
            rule(None, None),
        ];
        dialogue.transfer_number = Some(Pii::new("+1 415 555 0100".into()));
        dialogue.transfer_failed = String::new();
        dialogue.redact_keys = true;
        dialogue.handing_over = "One moment, I will put you through.".into();
        dialogue.welcome_back = String::new();
        let sound = SoundSpec {
            denoising: Denoising::NoiseAndSpeech,
            auto_gain: true,
            ambience: Ambience::CoffeeShop,
            level_voices: true,
        };
        dialogue.last_resort = "Sorry, please call again.".into();
        dialogue.duration_warning = String::new();
        let last_resort = Some(vec![0, 255, 7]);
        dialogue.language = "de-AT".into();
        dialogue.stt_mode = SttMode::Accurate;
        dialogue.cut_in = "One moment!".into();
        dialogue.backchannel = true;
        dialogue.backchannels = vec!["hm".into(), "ja ja".into()];
        dialogue.normalise = Normalise::Light;
        let pronunciation =
            |written: &str, spoken: &str| Pronunciation { written: written.into(), spoken: spoken.into() };
        dialogue.pronunciations = vec![pronunciation("Nguyen", "Win"), pronunciation("SQL", "sequel = 1%")];
        let format = |payload_type, codec| Format { payload_type: PayloadType(payload_type), codec };
        let line = LineSpec {
            others: [format(9, Codec::G722), format(0, Codec::Pcmu)].into_iter().collect(),
            comfort_noise: PayloadType(97),
            ptime: Duration::from_millis(40),
            dtx: true,
            opus: OpusSettings { bitrate: 16_000, fec: false, ..OpusSettings::USUAL },
            rtcp: Some(RtcpSpec { ntp: u64::MAX - 3 }),
            ..LineSpec::rtp(Codec::Opus)
        };
        let voices = [Some(-23.4), None];
        let spec_in = CallSpec { seed: u64::MAX, sound, voices, last_resort, line, ..CallSpec::new(dialogue) };
        let mut line = String::new();
        put_spec(&mut line, &spec_in);
        assert_eq!(spec(&line), Some(spec_in));
        assert_eq!(spec(&line.replace("endpoint_normal", "endpoint_unheard_of")), None);
        assert_eq!(spec(&line.replace("@speculation=0,3,12", "@speculation=0,3")), None);
    }

    #[test]
    fn the_sound_of_a_call_of_an_older_log_stays_as_it_was() {
        let mut line = String::new();
        put_spec(&mut line, &CallSpec::new(DialogueSpec::default()));
        let older = line.replace(" @denoise=", " @denoising=");
        assert_ne!(line, older);
        assert_eq!(spec(&line).map(|spec| spec.sound.denoising), Some(Denoising::Noise));
        assert_eq!(spec(&older).map(|spec| spec.sound.denoising), Some(Denoising::None));
    }

    #[test]
    fn a_call_of_an_older_log_does_not_think_ahead() {
        let mut line = String::new();
        put_spec(&mut line, &CallSpec::new(DialogueSpec::default()));
        let older = line.replace(" @speculation=1,2,30", "");
        assert_ne!(line, older);
        assert_eq!(spec(&line).map(|spec| spec.dialogue.speculation.enabled), Some(true));
        assert_eq!(spec(&older).map(|spec| spec.dialogue.speculation.enabled), Some(false));
    }
}
