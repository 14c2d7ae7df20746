//! A server on a loopback port, gone when it is dropped.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use agentphone::control::{Api, ApiConfig, Catalogue, Keys, Recordings, http};
use agentphone::engine::{Engine, EngineConfig, Pii, RecordingFormat};
use agentphone::gateway::{RtpConfig, RtpGateway};
use agentphone::store::{Limits, Store};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::fakes;

pub struct Door {
    pub address: SocketAddr,
    pub api: Arc<Api>,
    task: JoinHandle<()>,
}

impl Door {
    /// A door with one agent, `front-desk`, that opens to these keys.
    pub async fn open(keys: &[&str], max_calls: usize) -> Self {
        Self::open_within(keys, max_calls, http::Limits::default()).await
    }

    /// The same, with limits of its own.
    pub async fn open_within(keys: &[&str], max_calls: usize, limits: http::Limits) -> Self {
        Self::build(keys, max_calls, limits, None, None).await
    }

    /// The same, with recordings and logs in this directory.
    pub async fn open_keeping(directory: &Path) -> Self {
        let recordings = Recordings { directory: directory.to_owned(), format: RecordingFormat::Ulaw };
        Self::build(&[], 4, http::Limits::default(), Some(recordings), Some(directory.to_owned())).await
    }

    async fn build(
        keys: &[&str],
        max_calls: usize,
        limits: http::Limits,
        recordings: Option<Recordings>,
        logs: Option<PathBuf>,
    ) -> Self {
        let keys = keys.iter().map(|key| Pii::new((*key).to_owned())).collect();
        let api = Arc::new(Api::new(ApiConfig {
            engine: Engine::new(EngineConfig { max_calls, ..EngineConfig::default() }),
            store: Arc::new(Store::new(Limits::default())),
            agents: vec![fakes::agent()],
            keys: Keys::new(keys),
            // A range of its own a test process: two runs at one time find other ports.
            rtp: Arc::new(RtpGateway::new(RtpConfig { ports: 20_000..=29_999, ..RtpConfig::default() })),
            recordings,
            logs,
            simulated: vec!["llm"],
            catalogue: Catalogue { voices: vec![fakes::voice()], ..Catalogue::default() },
            metrics: None,
        }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let served = Arc::clone(&api);
        let task = tokio::spawn(http::serve(listener, served, limits, std::future::pending()));
        Self { address, api, task }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.task.abort();
    }
}
