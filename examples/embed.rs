//! The library in a backend of your own: an engine, a line in process, and a two-turn conversation.
//!
//! ```text
//! cargo run --example embed
//! ```
//!
//! The services are the simulators of the crate, spoken to over their vendors' real protocols on loopback sockets. For
//! real ones give the providers the vendors' base URLs and your keys; nothing else changes. The line is
//! [`loopback`](agentphone::gateway::loopback): your own media code would hand in RTP packets where this example plays
//! two recorded sentences.
#![expect(clippy::print_stdout, reason = "an example shows what happens")]

use std::collections::VecDeque;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use agentphone::audio::wav::Wav;
use agentphone::audio::{Codec, Encoder};
use agentphone::engine::{
    CallId, CallSpec, DialogueEvent, DialogueSpec, Engine, EngineConfig, Event, EventKind, LlmSettings, Providers,
    SampleRate, Standby, Start, SttSpec, TtsSpec,
};
use agentphone::gateway::loopback::{self, LoopbackPeer};
use agentphone::provider::{
    Deepgram, DeepgramConfig, ElevenLabs, ElevenLabsConfig, NoTools, OpenAiChat, OpenAiChatConfig, Secret,
};
use agentphone::rtp::{Header, PacketBuf, PayloadType, Ssrc};
use agentphone::simulator::{Answer, AnswerScript, Line, LineScript, SimulatorConfig, Simulators, When};

const SENTENCES: [(&str, &[u8]); 2] = [
    ("Hi, I'd like to book a table for two, please.", include_bytes!("../fixtures/audio/caller-booking.wav")),
    ("Tomorrow evening at seven thirty.", include_bytes!("../fixtures/audio/caller-time.wav")),
];

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // 1. The services: here simulated, told what they will hear and say.
    let mut config = SimulatorConfig::default();
    config.recogniser.script = LineScript::new(SENTENCES.map(|(text, _)| Line::new(text)));
    config.model.script = AnswerScript::new([
        Answer::new(When::Says("book a table".into()), "Gladly. For which day and time?"),
        Answer::new(When::Says("seven thirty".into()), "Tomorrow at seven thirty it is. See you then!"),
    ]);
    let services = Simulators::start(config).await?;
    let key = || Secret::new("simulated");
    let providers = Providers {
        stt: Arc::new(Deepgram::new(DeepgramConfig {
            base_url: services.deepgram_url(),
            key: key(),
            ..DeepgramConfig::default()
        })?),
        llm: Arc::new(OpenAiChat::new(OpenAiChatConfig {
            base_url: services.openai_url(),
            key: key(),
            ..OpenAiChatConfig::default()
        })?),
        tts: Arc::new(ElevenLabs::new(ElevenLabsConfig {
            base_url: services.elevenlabs_url(),
            key: key(),
            ..ElevenLabsConfig::default()
        })?),
        tools: Arc::new(NoTools),
    };

    // 2. One call: who the agent is, which line it talks on.
    let engine = Engine::new(EngineConfig::default());
    let permit = engine.reserve()?;
    let (leg, peer) = loopback::pair(Codec::Pcmu);
    let mut agent = DialogueSpec {
        system_prompt: "You take reservations for a restaurant. Be brief.".into(),
        begin_message: "Hello, the Lighthouse, how can I help?".into(),
        ..DialogueSpec::default()
    };
    agent.timing.final_wait = providers.stt.final_wait();
    let call = engine.start(
        permit,
        Start {
            id: CallId::random(),
            call: CallSpec::new(agent),
            leg,
            providers,
            stt: SttSpec { language: "en-US".into(), rate: SampleRate::HZ_8000, model: None },
            llm: LlmSettings::default(),
            tts: TtsSpec { voice: None, language: "en-US".into(), speed: 1.0, rate: SampleRate::HZ_8000 },
            standby: Standby::default(),
            recording: None,
            log: None,
        },
    );

    // 3. Watch it. The caller speaks whenever the agent has finished a sentence, then hangs up.
    let mut events = call.subscribe().await.ok_or("the call ended before it began")?;
    let mut caller = Caller::new(peer);
    let mut sentences = SENTENCES.iter();
    let mut ptime = tokio::time::interval(Duration::from_millis(20));
    loop {
        tokio::select! {
            event = events.live.recv() => {
                let Ok(event) = event else { break };
                print(&event);
                let spoke = matches!(event.kind, EventKind::Dialogue(DialogueEvent::AgentSaid { .. }));
                if spoke {
                    match sentences.next() {
                        Some((_, wav)) => caller.say(wav)?,
                        None => _ = call.hang_up(),
                    }
                }
            }
            _ = ptime.tick() => caller.tick(),
        }
    }

    // 4. The record.
    let outcome = call.ended().await;
    println!("\nturns answered: {}", outcome.report.turns.len());
    for turn in &outcome.report.turns {
        println!("  turn {}: {} ms after the caller stopped", turn.turn, turn.waterfall.total().as_millis());
    }
    if outcome.report.turns.len() == SENTENCES.len() { Ok(()) } else { Err("a turn was not answered".into()) }
}

fn print(event: &Event) {
    let at = event.at.as_secs_f64();
    match &event.kind {
        EventKind::Dialogue(DialogueEvent::TurnCommitted { text, .. }) => println!("{at:>6.2} s  caller  {text}"),
        EventKind::Dialogue(DialogueEvent::AgentSaid { text, .. }) => println!("{at:>6.2} s  agent   {text}"),
        EventKind::Answered => println!("{at:>6.2} s  answered"),
        EventKind::Ended { reason } => println!("{at:>6.2} s  ended: {}", reason.name()),
        _ => {}
    }
}

/// The other end of the line: sends one packet every 20 ms, silence when it has nothing to say.
struct Caller {
    peer: LoopbackPeer,
    encoder: Encoder,
    samples: VecDeque<i16>,
    packets: u16,
}

impl Caller {
    fn new(peer: LoopbackPeer) -> Self {
        Self { peer, encoder: Encoder::new(Codec::Pcmu), samples: VecDeque::new(), packets: 0 }
    }

    fn say(&mut self, wav: &[u8]) -> Result<(), Box<dyn Error>> {
        self.samples.extend(Wav::parse(wav)?.into_mono());
        Ok(())
    }

    fn tick(&mut self) {
        let mut frame = [0i16; 160];
        for (slot, sample) in frame.iter_mut().zip(self.samples.drain(..self.samples.len().min(160))) {
            *slot = sample;
        }
        let header = Header {
            marker: self.packets == 0,
            payload_type: PayloadType(0),
            sequence: self.packets,
            timestamp: u32::from(self.packets) * 160,
            ssrc: Ssrc(0xca11e4),
        };
        self.packets = self.packets.wrapping_add(1);
        let packet = PacketBuf::write(header, |payload| self.encoder.encode(&frame, &mut payload[..160]));
        self.peer.send(packet.as_bytes());
    }
}
