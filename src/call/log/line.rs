//! What a line is besides its codec, as options of a call log.

use std::time::Duration;

use crate::audio::{Codec, OpusSettings};
use crate::media::Format;
use crate::rtp::PayloadType;

use super::super::LineSpec;

/// The options of a line that differ from those of a plain one, by name.
pub(super) fn options(line: &LineSpec) -> Vec<(&'static str, String)> {
    let usual = LineSpec::rtp(line.codec);
    // Taken apart in full: what is added to a line does not compile until it is written, here or in `fields`.
    let LineSpec {
        codec: _,
        payload_type: _,
        others,
        comfort_noise,
        ptime,
        dtx,
        opus,
        telephone_event: _,
        lead: _,
        far_buffer: _,
        rtcp: _,
    } = *line;
    let mut options = Vec::new();
    if others != usual.others {
        let format = |format: Format| format!("{}:{}", format.payload_type.0, format.codec.name());
        options.push(("line_others", others.iter().map(format).collect::<Vec<_>>().join(",")));
    }
    if comfort_noise != usual.comfort_noise {
        options.push(("line_comfort_noise", comfort_noise.0.to_string()));
    }
    if ptime != usual.ptime {
        options.push(("line_ptime", ptime.as_nanos().to_string()));
    }
    if dtx != usual.dtx {
        options.push(("line_dtx", u8::from(dtx).to_string()));
    }
    if opus != usual.opus {
        let OpusSettings { bitrate, playback_rate, fec, loss, complexity } = opus;
        options.push(("line_opus", format!("{bitrate},{playback_rate},{},{loss},{complexity}", u8::from(fec))));
    }
    options
}

/// Sets one of them; `None`: it is not known.
pub(super) fn set(line: &mut LineSpec, option: &str, value: &str) -> Option<()> {
    match option {
        "line_others" => {
            for format in value.split(',') {
                let (payload_type, codec) = format.split_once(':')?;
                let payload_type = PayloadType(payload_type.parse().ok()?);
                line.others.push(Format { payload_type, codec: Codec::from_name(codec)? }).then_some(())?;
            }
        }
        "line_comfort_noise" => line.comfort_noise = PayloadType(value.parse().ok()?),
        "line_ptime" => line.ptime = Duration::from_nanos(value.parse().ok()?),
        "line_dtx" => line.dtx = value == "1",
        "line_opus" => {
            let mut numbers = value.split(',').map(|number| number.parse::<u32>().ok());
            let mut next = || numbers.next()?;
            line.opus = OpusSettings {
                bitrate: next()?,
                playback_rate: next()?,
                fec: next()? == 1,
                loss: next()?.try_into().ok()?,
                complexity: next()?.try_into().ok()?,
            };
        }
        _ => return None,
    }
    Some(())
}
