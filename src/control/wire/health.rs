//! Health.

use serde::Serialize;

/// `GET /healthz` and `GET /readyz`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// `ok` or `draining`.
    pub status: &'static str,
    /// The version of this server.
    pub version: &'static str,
    /// Calls under way.
    pub live_calls: usize,
    /// Stages played by the simulator: `stt`, `llm`, `tts`.
    pub simulated: Vec<&'static str>,
    /// Services taken for gone, with their vendor: what stands by is asked in their place.
    pub open_circuits: Vec<String>,
}
