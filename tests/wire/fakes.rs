//! Services that are there and do the least: the recogniser hears nothing, the model says one sentence, the voice hums.

use std::f32::consts::TAU;
use std::sync::Arc;

use agentphone::control::{Agent, Options, Profile, Voice};
use agentphone::conversation::{GenerationEnd, ToolCall, ToolResult};
use agentphone::engine::{DialogueSpec, LlmSettings, Providers, SampleRate, Standby, SttSpec, TtsSpec};
use agentphone::provider::{
    Llm, LlmEvent, LlmRequest, LlmStream, Stt, SttStream, ToolStream, Tools, Tts, TtsCommand, TtsEvent, TtsStream,
};

/// The agent `front-desk`.
pub fn agent() -> Agent {
    let dialogue = DialogueSpec {
        system_prompt: "Be brief.".into(),
        begin_message: "Hello, this is the front desk.".into(),
        ..DialogueSpec::default()
    };
    Agent {
        profile: Profile {
            id: "front-desk".into(),
            name: "Front desk".into(),
            description: None,
            model_tier: "balanced".into(),
        },
        dialogue,
        providers: Providers {
            stt: Arc::new(Deaf),
            llm: Arc::new(Terse),
            tts: Arc::new(Hum),
            tools: Arc::new(NoTools),
        },
        stt: SttSpec { language: "en-US".into(), rate: SampleRate::HZ_8000, model: None },
        llm: LlmSettings::default(),
        tts: TtsSpec { voice: None, language: "en-US".into(), speed: 1.0, rate: SampleRate::HZ_8000 },
        standby: Standby::default(),
        options: Options::default(),
    }
}

/// The one voice.
pub fn voice() -> Voice {
    Voice {
        id: "hum".into(),
        name: "Hum".into(),
        provider: "fake".into(),
        gender: Some("neutral".into()),
        accent: None,
    }
}

#[derive(Debug)]
struct Deaf;

impl Stt for Deaf {
    fn open(&self, _: SttSpec) -> SttStream {
        SttStream::spawn(|mut commands, events| async move {
            while commands.recv().await.is_some() {}
            drop(events);
        })
    }
}

#[derive(Debug)]
struct Terse;

impl Llm for Terse {
    fn open(&self, _: LlmRequest) -> LlmStream {
        LlmStream::spawn(|events| async move {
            let _ = events.send(LlmEvent::Token("Certainly.".into())).await;
            let _ = events.send(LlmEvent::Ended { end: GenerationEnd::Stop, usage: None }).await;
        })
    }
}

#[derive(Debug)]
struct Hum;

impl Tts for Hum {
    fn open(&self, spec: TtsSpec) -> TtsStream {
        TtsStream::spawn(move |mut commands, events| async move {
            while let Some(TtsCommand::Speak(text)) = commands.recv().await {
                // 60 ms a character: about the pace of speech.
                let count = text.len() * spec.rate.hz() as usize * 60 / 1_000;
                let step = TAU * 200.0 / spec.rate.hz() as f32;
                let samples = (0..count).map(|n| ((n as f32 * step).sin() * 8_000.0) as i16).collect();
                if events.send(TtsEvent::Audio { samples, rate: spec.rate }).await.is_err() {
                    return;
                }
            }
            let _ = events.send(TtsEvent::Ended).await;
        })
    }
}

#[derive(Debug)]
struct NoTools;

impl Tools for NoTools {
    fn open(&self, call: ToolCall) -> ToolStream {
        ToolStream::spawn(|result| async move {
            let _ = result.send(ToolResult { id: call.id, content: "There are no tools.".into() }).await;
        })
    }
}
