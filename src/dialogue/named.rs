//! The settings of [`Timing`] by name, for scenario files, call logs and configuration.

use std::time::Duration;

use super::Timing;

/// Gives [`Timing`] its settings by name; the compiler sees to it that none is forgotten.
macro_rules! named_timings {
    ($($duration:ident),* ; $($count:ident),*) => {
        impl Timing {
            /// Every setting by its field's name: nanoseconds, or a plain count.
            pub fn named(&self) -> impl Iterator<Item = (&'static str, u64)> {
                let Self { $($duration,)* $($count,)* } = *self;
                [
                    $((stringify!($duration), u64::try_from($duration.as_nanos()).unwrap_or(u64::MAX)),)*
                    $((stringify!($count), u64::from($count)),)*
                ]
                .into_iter()
            }

            /// Sets one by name; `false` when there is no such setting or the value does not fit.
            pub fn set_named(&mut self, name: &str, value: u64) -> bool {
                match name {
                    $(stringify!($duration) => self.$duration = Duration::from_nanos(value),)*
                    $(stringify!($count) => match value.try_into() {
                        Ok(value) => self.$count = value,
                        Err(_) => return false,
                    },)*
                    _ => return false,
                }
                true
            }

            /// What a setting is set to by a text: `400ms`, `1.5s`, `400` (milliseconds), at most a day; a plain count up to
            /// 10 000 for `idle_prompts` and `turn_words`. `None`: there is no such setting, or it cannot be that.
            pub fn read_named(name: &str, text: &str) -> Option<(&'static str, u64)> {
                match name {
                    $(stringify!($duration) => Some((stringify!($duration), nanos(text)?)),)*
                    $(stringify!($count) => {
                        let count = text.trim().parse().ok().filter(|count| *count <= MOST)?;
                        Some((stringify!($count), count))
                    })*
                    _ => None,
                }
            }
        }
    };
}

/// The highest count.
const MOST: u64 = 10_000;
/// No wait is longer.
const LONGEST: Duration = Duration::from_secs(24 * 3_600);

/// `400ms`, `1.5s` or `400`, in nanoseconds.
fn nanos(text: &str) -> Option<u64> {
    let text = text.trim();
    let (number, unit) = match text.strip_suffix("ms") {
        Some(number) => (number, 0.001),
        None => text.strip_suffix('s').map_or((text, 0.001), |number| (number, 1.0)),
    };
    let seconds = number.trim().parse::<f64>().ok()? * unit;
    let wait = Duration::try_from_secs_f64((seconds * 1e6).round() / 1e6).ok()?;
    u64::try_from(wait.as_nanos()).ok().filter(|_| wait <= LONGEST)
}

// One setting a line, so that additions do not touch each other.
#[rustfmt::skip]
named_timings!(
    duck_after,
    hold_after,
    hold_noisy,
    hold_echo,
    interrupt_after,
    resume_after,
    verdict_after,
    verdict_cap,
    resume_rewind,
    backchannel_boundary,
    endpoint_confident,
    endpoint_normal,
    endpoint_unsure,
    endpoint_cap,
    endpoint_yes_no,
    endpoint_entity,
    endpoint_entity_cap,
    pause_floor,
    pause_ceiling,
    turn_limit,
    final_wait,
    interim_grace,
    think_after,
    think_quiet,
    think_speech,
    rehear_after,
    stuck_turn,
    noise_after,
    noise_after_noisy,
    noise_memory,
    merge_audio,
    hedge_first_token,
    first_token,
    model_stall,
    whole_answer,
    hedge_first_audio,
    first_audio,
    audio_stall,
    segment_flush,
    idle_prompt,
    idle_end,
    max_silence,
    max_duration,
    duration_warning,
    tool,
    filler_after,
    filler_again,
    transfer,
    transfer_comfort,
    key_wait,
    key_total,
    greeting_delay,
    greeting_latest,
    hello_wait,
    monologue,
    beep_pause,
    voicemail_silence,
    menu_pause,
    machine_wait,
    hold_wait,
    drain,
    goodbye_cap,
    goodbye_most
    ;
    idle_prompts,
    turn_words
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_read_as_people_write_it_and_refused_when_it_cannot_be_that() {
        let read = |name, text| Timing::read_named(name, text).map(|(_, value)| value);
        for text in ["400ms", "0.4s", "400", " 400 ms"] {
            assert_eq!(read("endpoint_normal", text), Some(400_000_000), "{text}");
        }
        assert_eq!(read("idle_prompts", "3"), Some(3));
        for (name, text) in [
            ("endpoint_normal", "soon"),
            ("endpoint_normal", "-1"),
            ("endpoint_normal", "NaN"),
            ("endpoint_normal", "90000s"),
            ("idle_prompts", "2s"),
            ("idle_prompts", "10001"),
            ("endpoint_odd", "1"),
        ] {
            assert_eq!(read(name, text), None, "{name} {text}");
        }
    }
}
