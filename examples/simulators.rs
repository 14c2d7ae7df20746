//! Simulated speech services for anybody's client: `cargo run --example simulators [--key KEY] [ADDRESS:PORT]`.
//!
//! Prints the base URLs as JSON on its first line and runs until its standard input closes. The recogniser hears a short
//! script, the model answers one, so that a client can assert real values; `POST /simulator/faults` breaks things.

use std::error::Error;
use std::time::Duration;

use agentphone::simulator::{
    Answer, AnswerScript, Line, LineScript, ModelConfig, RecogniserConfig, SimulatorConfig, Simulators, When,
};
use serde_json::json;
use tokio::io::{AsyncReadExt, stdin};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut config = SimulatorConfig {
        recogniser: RecogniserConfig { script: caller(), ..RecogniserConfig::default() },
        model: ModelConfig { script: agent(), ..ModelConfig::default() },
        ..SimulatorConfig::default()
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--key" => config.key = Some(arguments.next().ok_or("--key needs a key")?),
            address => config.address = address.parse()?,
        }
    }
    let simulators = Simulators::start(config).await?;
    let config = simulators.config();
    let urls = json!({
        "anthropic": simulators.anthropic_url(),
        "assemblyai": simulators.assemblyai_url(),
        "cartesia": simulators.cartesia_url(),
        "deepgram": simulators.deepgram_url(),
        "elevenlabs": simulators.elevenlabs_url(),
        "flux": simulators.deepgram_url(),
        "gladia": simulators.gladia_url(),
        "kokoro": simulators.kokoro_url(),
        "openai": simulators.openai_url(),
        "piper": simulators.piper_url(),
        "responses": simulators.openai_url(),
        "rime": simulators.rime_url(),
        "scribe": simulators.elevenlabs_url(),
        "sherpa": simulators.sherpa_url(),
        "soniox": simulators.soniox_url(),
        "speechmatics": simulators.speechmatics_url(),
        "transcription": simulators.openai_url(),
        "vosk": simulators.vosk_url(),
        "told": {
            "final_delay_ms": config.recogniser.final_delay.as_millis() as u64,
            "first_token_ms": config.model.first_token.as_millis() as u64,
            "tokens_per_second": config.model.tokens_per_second,
            "first_byte_ms": config.voice.first_byte.as_millis() as u64,
        },
    });
    #[expect(clippy::print_stdout, reason = "its first line is its interface")]
    {
        println!("{urls}");
    }
    let mut nothing = [0; 64];
    while stdin().read(&mut nothing).await? > 0 {}
    Ok(())
}

/// A cough finds no line: it is shorter than any of them.
fn caller() -> LineScript {
    let sentence = |text: &str| Line::new(text).between(Duration::from_millis(700), Duration::from_secs(30));
    let hum = Line::new("Mm-hmm.").between(Duration::from_millis(350), Duration::from_millis(690));
    LineScript::new([
        sentence("Hello, I would like to book an appointment."),
        hum,
        sentence("Tuesday at two would be perfect."),
    ])
}

fn agent() -> AnswerScript {
    AnswerScript::new([
        Answer::new(When::Says("opening hours".into()), "We are open from nine to five, Monday to Friday."),
        Answer::new(When::Says("book".into()), "One moment, please.")
            .calling("book_appointment", r#"{"day":"Tuesday","time":"14:00"}"#),
        Answer::new(When::ToolResult("confirmed".into()), "You are booked for Tuesday at two."),
        Answer::new(When::Turn(1), "Hello, this is the clinic. How may I help you?"),
    ])
}
