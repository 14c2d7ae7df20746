//! What the doors stand before.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use metrics_exporter_prometheus::PrometheusHandle;

use crate::engine::{Engine, Gateway};
use crate::store::Store;

use super::{Agent, Calls, Catalogue, Keys, Recordings};

/// What an [`Api`] is made of.
pub struct ApiConfig {
    /// The engine that holds the calls.
    pub engine: Engine,
    /// Where ended calls are kept.
    pub store: Arc<Store>,
    /// Who can be called.
    pub agents: Vec<Agent>,
    /// Who may come in.
    pub keys: Keys,
    /// Where RTP lines come from.
    pub rtp: Arc<dyn Gateway>,
    /// Where recordings go; `None`: nothing is recorded.
    pub recordings: Option<Recordings>,
    /// Where call logs go; `None`: none are written.
    pub logs: Option<PathBuf>,
    /// Stages played by the simulator.
    pub simulated: Vec<&'static str>,
    /// What is known of the services.
    pub catalogue: Catalogue,
    /// What the services count of themselves, for `/metrics`; `None`: nobody recorded it.
    pub metrics: Option<PrometheusHandle>,
}

/// The deeds the outside can ask for, and those who may ask.
pub struct Api {
    pub(super) calls: Calls,
    pub(super) agents: Vec<Agent>,
    pub(super) keys: Keys,
    pub(super) rtp: Arc<dyn Gateway>,
    pub(super) simulated: Vec<&'static str>,
    pub(super) metrics: Option<PrometheusHandle>,
    pub(super) started: SystemTime,
    draining: AtomicBool,
}

impl Api {
    /// An API over these parts.
    pub fn new(config: ApiConfig) -> Self {
        let ApiConfig { engine, store, agents, keys, rtp, recordings, logs, simulated, catalogue, metrics } = config;
        let calls = Calls::new(engine, store, recordings, logs, Arc::new(catalogue));
        let started = SystemTime::now();
        Self { calls, agents, keys, rtp, simulated, metrics, started, draining: AtomicBool::new(false) }
    }

    /// The calls.
    pub fn calls(&self) -> &Calls {
        &self.calls
    }

    /// From here on no call is admitted, and `/readyz` says so.
    pub fn stop_admitting(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Whether no call is admitted any more.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    pub(super) fn agent(&self, id: &str) -> Option<&Agent> {
        self.agents.iter().find(|agent| agent.profile.id == id)
    }
}
