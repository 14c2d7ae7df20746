//! What the clients of the language models add to the time a model takes: `cargo bench --bench providers`.
//!
//! The simulated model gives its first token a fixed time after it has been asked; whatever a token comes later than that
//! is ours, the loopback's and the simulator's own. 100 streams at once, each on a connection that is open already, each
//! from a moment of its own. Without `--bench`, as a test, a few streams only.
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#![expect(clippy::print_stdout, reason = "its figures are its output")]

use std::error::Error;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use agentphone::conversation::{Message, Role};
use agentphone::provider::{
    Anthropic, AnthropicConfig, Llm, LlmEvent, LlmRequest, OpenAiChat, OpenAiChatConfig, OpenAiResponses,
    OpenAiResponsesConfig, Secret,
};
use agentphone::simulator::{ModelConfig, SimulatorConfig, Simulators};
use futures_util::future::join_all;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

/// From the request to the first token, in the simulator.
const FIRST_TOKEN: Duration = Duration::from_millis(300);
/// The streams of a round begin within this time.
const SPREAD: Duration = Duration::from_millis(250);

fn main() -> Result<(), Box<dyn Error>> {
    let is_bench = std::env::args().any(|argument| argument == "--bench");
    let (streams, rounds) = if is_bench { (100, 20) } else { (5, 1) };
    let simulators = simulators()?;
    let key = Secret::new("simulated");
    let chat = OpenAiChatConfig { base_url: simulators.openai_url(), key: key.clone(), ..Default::default() };
    let responses = OpenAiResponsesConfig { base_url: simulators.openai_url(), key: key.clone(), ..Default::default() };
    let anthropic = AnthropicConfig { base_url: simulators.anthropic_url(), key, ..Default::default() };
    let models: [(&str, Arc<dyn Llm>); 3] = [
        ("chat", Arc::new(OpenAiChat::new(chat)?)),
        ("responses", Arc::new(OpenAiResponses::new(responses)?)),
        ("anthropic", Arc::new(Anthropic::new(anthropic)?)),
    ];
    let runtime = single()?;
    println!("{streams} streams at once, {rounds} rounds; first token later than the model's, in ms");
    for (name, model) in models {
        let before = simulators.connections();
        let mut late = Vec::new();
        for round in 0..=rounds {
            let told = runtime.block_on(join_all((0..streams).map(|n| first_token(&*model, SPREAD * n / streams))));
            // The first round opens the connections.
            if round > 0 {
                late.extend(told.into_iter().flatten());
            }
        }
        let opened = simulators.connections() - before;
        let expected = (streams * rounds) as usize;
        if late.len() != expected {
            return Err(format!("{name}: {} of {expected} answers came", late.len()).into());
        }
        late.sort();
        let at = |part: f64| late[((late.len() - 1) as f64 * part) as usize].as_secs_f64() * 1_000.0;
        println!("{name:10} p50 {:.2}  p90 {:.2}  p99 {:.2}  ({opened} connections)", at(0.5), at(0.9), at(0.99));
    }
    Ok(())
}

/// How much later than the model's the first token comes; `None` when none does.
async fn first_token(model: &dyn Llm, after: Duration) -> Option<Duration> {
    tokio::time::sleep(after).await;
    let messages = vec![Message::text(Role::System, "Be brief."), Message::text(Role::User, "What can you do?")];
    let request = LlmRequest { model: None, messages, tools: Vec::new(), max_tokens: None, temperature: None };
    let began = Instant::now();
    let mut stream = model.open(request);
    let mut first = None;
    while let Some(event) = stream.recv().await {
        if let (LlmEvent::Token(_), None) = (&event, first) {
            first = Some(began.elapsed().saturating_sub(FIRST_TOKEN));
        }
        if matches!(event, LlmEvent::Failed(_)) {
            return None;
        }
    }
    first
}

/// Simulators on a thread of their own, so that they and the clients take turns at nothing but the cores.
fn simulators() -> Result<Simulators, Box<dyn Error>> {
    let model = ModelConfig { first_token: FIRST_TOKEN, tokens_per_second: 60.0, ..ModelConfig::default() };
    let config = SimulatorConfig { model, ..SimulatorConfig::default() };
    let (sender, started) = oneshot::channel();
    let runtime = single()?;
    thread::spawn(move || {
        runtime.block_on(async {
            let simulators = Simulators::start(config).await;
            // Fails only when the benchmark is over.
            let _ = sender.send(simulators);
            std::future::pending::<()>().await;
        });
    });
    Ok(started.blocking_recv()??)
}

fn single() -> Result<Runtime, std::io::Error> {
    Builder::new_current_thread().enable_all().build()
}
