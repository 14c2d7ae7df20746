//! Beds of sound that are ready before a call needs them.

use crate::audio::SampleRate;
use crate::call::{Ambience, prepare_ambience};

/// Waits until a place's bed is there for every rate lines work at: a few tenths of a second the first time a place is
/// asked for, nothing from then on. It is made beside the calls, not in the way of any. A call whose ambience nobody made
/// ready makes it itself.
pub async fn ready_ambience(ambience: Ambience) {
    if ambience == Ambience::None {
        return;
    }
    let work = move || [SampleRate::HZ_8000, SampleRate::HZ_16000].map(|rate| prepare_ambience(ambience, rate));
    if let Err(error) = tokio::task::spawn_blocking(work).await {
        tracing::error!(%error, "no bed of sound could be made");
    }
}
