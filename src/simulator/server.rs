//! The listener.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use axum::serve::ListenerExt;
use axum::{Json, Router};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::conversation::Service;

use super::config::SimulatorConfig;
use super::dialect::Dialect;
use super::fault::{Fault, FaultKind, FaultRequest};
use super::prompter::{Cue, Order, Utter};
use super::state::{Received, State};
use super::{
    anthropic, assemblyai, aura, cartesia, chat, deepgram, elevenlabs, flux, gladia, local_voices, multi_context,
    realtime_transcription, responses, rime, scribe, sherpa, soniox, speech, speechmatics, stream_input, transcription,
    vosk,
};

/// Simulated speech services on one listener. Dropping it stops them and ends their connections.
#[derive(Debug)]
pub struct Simulators {
    address: SocketAddr,
    state: Arc<State>,
    _running: watch::Sender<()>,
}

impl Simulators {
    /// Binds the address and serves, on the runtime it is called in. Fails when the address is taken.
    ///
    /// There is no access control on `/simulator/*`: listen on loopback.
    pub async fn start(config: SimulatorConfig) -> Result<Self, io::Error> {
        Self::open(config, |_| {}).await
    }

    /// Simulators for the same call on a listener of their own: the services it falls back on. Streams of speech are
    /// counted over both; so are, with `requests`, the model's requests: then both models answer one request alike.
    pub async fn beside(&self, config: SimulatorConfig, requests: bool) -> Result<Self, io::Error> {
        Self::open(config, |state| state.count_with(&self.state, requests)).await
    }

    async fn open(config: SimulatorConfig, prepare: impl FnOnce(&mut State)) -> Result<Self, io::Error> {
        let listener = TcpListener::bind(config.address).await?;
        let address = listener.local_addr()?;
        let (running, stopped) = watch::channel(());
        let mut state = State::new(config, stopped)?;
        prepare(&mut state);
        let state = Arc::new(state);
        let router = router(Arc::clone(&state));
        let until = Arc::clone(&state);
        // A token is a small write: Nagle would keep it until the client acknowledged the last one.
        let counted = Arc::clone(&state);
        let listener = listener.tap_io(move |stream| {
            counted.note_connection();
            drop(stream.set_nodelay(true));
        });
        tokio::spawn(async move {
            let stopped = async move { until.stopped().await };
            // Serving fails only with its listener, and then clients see it closed.
            let _ = axum::serve(listener, router).with_graceful_shutdown(stopped).await;
        });
        Ok(Self { address, state, _running: running })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it was told.
    pub fn config(&self) -> &SimulatorConfig {
        &self.state.config
    }

    /// The base URL of the AssemblyAI-like recogniser; clients add `/v3/ws` and use `ws` for `http`.
    pub fn assemblyai_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The base URL of the Gladia-like recogniser; clients add `/v2/live`.
    pub fn gladia_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The recogniser's base URL; clients add `/v1/listen`, or `/v2/listen` for turns, and use `ws` for `http`.
    pub fn deepgram_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The base URL of the model and of one voice; clients add `/chat/completions`, `/responses` and `/audio/speech`.
    pub fn openai_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// The base URL of a model that speaks chat completions in this dialect; clients add `/chat/completions`.
    pub fn chat_url(&self, dialect: Dialect) -> String {
        format!("http://{}{}", self.address, dialect.base())
    }

    /// The base URL of the model that speaks Anthropic's messages; clients add `/v1/messages`.
    pub fn anthropic_url(&self) -> String {
        format!("http://{}/anthropic", self.address)
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> u64 {
        self.state.connections()
    }

    /// The base URL of the other voice; clients add `/v1/text-to-speech/…`, and use `ws` for `http` where they stream text.
    pub fn elevenlabs_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The base URL of the voice with Cartesia's protocol; clients add `/tts/websocket` and use `ws` for `http`.
    pub fn cartesia_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The base URL of the voice with Rime's protocol; clients add `/ws3` and use `ws` for `http`.
    pub fn rime_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The base URL of the voice with Kokoro-FastAPI's protocol; clients add `/v1/audio/speech`.
    pub fn kokoro_url(&self) -> String {
        format!("http://{}/kokoro", self.address)
    }

    /// The address of the voice with Piper's protocol.
    pub fn piper_url(&self) -> String {
        format!("http://{}/piper/synthesize", self.address)
    }

    /// The address of sherpa-onnx's streaming server.
    pub fn sherpa_url(&self) -> String {
        format!("ws://{}/sherpa", self.address)
    }

    /// Soniox's base URL; clients add `/transcribe-websocket`.
    pub fn soniox_url(&self) -> String {
        format!("ws://{}", self.address)
    }

    /// Speechmatics' base URL; clients add `/v2`.
    pub fn speechmatics_url(&self) -> String {
        format!("ws://{}", self.address)
    }

    /// The address of vosk's server.
    pub fn vosk_url(&self) -> String {
        format!("ws://{}/vosk", self.address)
    }

    /// The address of whisper.cpp's server. OpenAI's way to transcribe files is below [`Self::openai_url`].
    pub fn whisper_url(&self) -> String {
        format!("http://{}/inference", self.address)
    }

    /// The environment that points an engine, or anybody's client, at these simulators: names and values.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let key = || self.config().key.clone().unwrap_or_else(|| "simulated".to_owned());
        vec![
            ("ASSEMBLYAI_BASE_URL", self.assemblyai_url()),
            ("ASSEMBLYAI_API_KEY", key()),
            ("DEEPGRAM_BASE_URL", self.deepgram_url()),
            ("DEEPGRAM_API_KEY", key()),
            ("GLADIA_BASE_URL", self.gladia_url()),
            ("GLADIA_API_KEY", key()),
            ("OPENAI_BASE_URL", self.openai_url()),
            ("OPENAI_API_KEY", key()),
            ("ANTHROPIC_BASE_URL", self.anthropic_url()),
            ("ANTHROPIC_API_KEY", key()),
            ("ELEVENLABS_BASE_URL", self.elevenlabs_url()),
            ("ELEVENLABS_API_KEY", key()),
            ("CARTESIA_BASE_URL", self.cartesia_url()),
            ("CARTESIA_API_KEY", key()),
            ("RIME_BASE_URL", self.rime_url()),
            ("RIME_API_KEY", key()),
            ("KOKORO_BASE_URL", self.kokoro_url()),
            ("PIPER_BASE_URL", self.piper_url()),
            ("SHERPA_BASE_URL", self.sherpa_url()),
            ("SONIOX_BASE_URL", self.soniox_url()),
            ("SONIOX_API_KEY", key()),
            ("SPEECHMATICS_BASE_URL", self.speechmatics_url()),
            ("SPEECHMATICS_API_KEY", key()),
            ("VOSK_BASE_URL", self.vosk_url()),
            ("WHISPER_BASE_URL", self.whisper_url()),
        ]
    }

    /// Lets something go wrong; `false` when too many faults wait already or it is for a tool.
    pub fn inject(&self, fault: Fault) -> bool {
        self.state.faults.add(fault)
    }

    /// Forgets the faults that still wait.
    pub fn heal(&self) {
        self.state.faults.clear();
    }

    /// Forgets the faults of one service that still wait.
    pub fn heal_service(&self, service: Service) {
        self.state.faults.clear_of(service);
    }

    /// Tells the recogniser what the caller begins to say; for a [`LineScript::prompted`](super::LineScript::prompted) one.
    pub fn cue(&self, cue: Cue) {
        self.state.lines.cue(cue);
    }

    /// Makes the recogniser's open streams report this, whatever they hear.
    pub fn utter(&self, utter: Utter) {
        // Nobody may be listening.
        let _ = self.state.orders.send(Order::Report(utter));
    }

    /// Takes the model's last request before `before` for not made: its answer, when answers are counted
    /// ([`When::Request`](super::When::Request)), is still to be given.
    pub fn forget_request(&self, before: Instant) {
        self.state.requests().forget(before);
    }

    /// Drops the recogniser's open connections without a word. The next one is served.
    pub fn drop_listeners(&self) {
        // There may be none.
        let _ = self.state.orders.send(Order::Drop);
    }

    /// Has the recogniser's open streams hear nothing any more, though they stay open; when there is none, the next one.
    pub fn deafen_listeners(&self) {
        if self.state.orders.send(Order::Deafen).is_err() {
            self.inject(Fault { service: Service::Stt, kind: FaultKind::Blackhole, count: 1 });
        }
    }

    /// What was received so far.
    pub fn received(&self) -> Received {
        self.state.received()
    }
}

/// Starts simulators, has them announced, and serves until `stop` is ready.
pub async fn run(
    config: SimulatorConfig,
    announce: impl FnOnce(&Simulators),
    stop: impl Future<Output = ()>,
) -> Result<(), io::Error> {
    let simulators = Simulators::start(config).await?;
    announce(&simulators);
    stop.await;
    Ok(())
}

/// All paths. Each vendor's may have one or two segments before it, so that a base URL with a path works too.
fn router(state: Arc<State>) -> Router {
    let vendors = || {
        Router::new()
            .route("/v1/listen", get(deepgram::listen))
            .route("/v1/chat/completions", post(chat::complete))
            .route("/v1/models", get(chat::models))
            .route("/v1/audio/speech", post(speech::speak))
            .route("/v1/text-to-speech/{voice}", post(elevenlabs::speak))
            .route("/v1/text-to-speech/{voice}/stream", post(elevenlabs::speak))
            .route("/v1/text-to-speech/{voice}/stream-input", get(stream_input::open))
            .merge(anthropic::routes())
            .merge(assemblyai::routes())
            .merge(aura::routes())
            .merge(cartesia::routes())
            .merge(flux::routes())
            .merge(gladia::routes())
            .merge(multi_context::routes())
            .merge(responses::routes())
            .merge(rime::routes())
            .merge(realtime_transcription::routes())
            .merge(scribe::routes())
            .merge(sherpa::routes())
            .merge(soniox::routes())
            .merge(speechmatics::routes())
            .merge(transcription::routes())
            .merge(vosk::routes())
    };
    Router::new()
        .merge(vendors())
        .nest("/{prefix}", vendors())
        .nest("/{prefix}/{second}", vendors())
        .merge(local_voices::routes())
        .route("/simulator/faults", post(add_fault).delete(clear_faults))
        .route("/simulator/log", get(received))
        .fallback(any(not_found))
        .with_state(state)
}

/// `POST /simulator/faults`: see [`FaultRequest`].
async fn add_fault(Shared(state): Shared<Arc<State>>, body: axum::body::Bytes) -> Response {
    let refused = |why: String| (StatusCode::BAD_REQUEST, Json(json!({"error": why}))).into_response();
    let request: FaultRequest = match serde_json::from_slice(&body) {
        Ok(request) => request,
        Err(error) => return refused(error.to_string()),
    };
    match request.parse() {
        Err(error) => refused(error.to_string()),
        Ok(fault) if state.faults.add(fault) => (StatusCode::CREATED, Json(json!({"ok": true}))).into_response(),
        Ok(_) => refused("too many faults wait".to_owned()),
    }
}

/// `DELETE /simulator/faults`.
async fn clear_faults(Shared(state): Shared<Arc<State>>) -> StatusCode {
    state.faults.clear();
    StatusCode::NO_CONTENT
}

/// `GET /simulator/log`.
async fn received(Shared(state): Shared<Arc<State>>) -> Json<Received> {
    Json(state.received())
}

async fn not_found() -> Response {
    let paths = "this simulator serves /v1/listen, /v2/listen, /v3/ws, /v1/realtime, /v1/speech-to-text/realtime, \
                 /transcribe-websocket, /v2, /v2/live, /vosk, /sherpa, /inference, /v1/audio/transcriptions, \
                 /v1/chat/completions, /v1/responses, /v1/messages, /v1/models, /v1/audio/speech, \
                 /v1/text-to-speech/{voice}[/stream], /v1/text-to-speech/{voice}/[multi-]stream-input, /v1/speak, \
                 /tts/websocket, /ws3, /kokoro/v1/audio/speech, /piper/synthesize, /simulator/faults and /simulator/log";
    let body = json!({"detail": "Not Found", "error": {"message": paths, "type": "invalid_request_error"}});
    (StatusCode::NOT_FOUND, Json(body)).into_response()
}
