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
        }
    };
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
