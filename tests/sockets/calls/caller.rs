//! A call with a caller who plays recordings, and all that was heard of it.

use std::sync::Arc;
use std::time::Duration;

use agentphone::audio::wav::Wav;
use agentphone::audio::{Codec, Decoder, Encoder};
use agentphone::engine::{
    CallHandle, CallId, CallSpec, DialogueEvent, DialogueSpec, Engine, EngineConfig, EventKind, Instances, LlmSettings,
    Outcome, Providers, SampleRate, Speaker, Standby, Start, SttSpec, Subscription, TtsSpec,
};
use agentphone::gateway::loopback::{self, LoopbackPeer};
use agentphone::provider::{
    Deepgram, DeepgramConfig, ElevenLabs, ElevenLabsConfig, NoTools, OpenAiChat, OpenAiChatConfig, Secret,
};
use agentphone::rtp::{Header, Packet, PacketBuf, PayloadType, Ssrc};
use agentphone::simulator::{SimulatorConfig, Simulators};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};

const PATIENCE: Duration = Duration::from_secs(30);
const PTIME: Duration = Duration::from_millis(20);

/// What the caller says, and when, since the call began.
pub type Script = Vec<(Duration, &'static [u8])>;

/// A packet of the agent: its time on the agent's clock, since the first one, and whether it is more than silence.
pub type Heard = Vec<(Duration, bool)>;

/// A call under way.
pub struct Call {
    _engine: Engine,
    pub handle: CallHandle,
    pub events: Subscription,
    caller: JoinHandle<Heard>,
}

pub async fn simulators(config: SimulatorConfig) -> Simulators {
    Simulators::start(config).await.unwrap()
}

/// Starts a call with the services of `first`, and those of `second` standing by.
pub async fn call(first: &Simulators, second: Option<&Simulators>, dialogue: DialogueSpec, script: Script) -> Call {
    call_knowing(&Instances::default(), first, second, dialogue, script).await
}

/// The same, with what other calls know of the services.
pub async fn call_knowing(
    known: &Instances,
    first: &Simulators,
    second: Option<&Simulators>,
    dialogue: DialogueSpec,
    script: Script,
) -> Call {
    let key = || Secret::new("k");
    let stt = |at: &Simulators| -> Arc<Deepgram> {
        let config = DeepgramConfig { base_url: at.deepgram_url(), key: key(), ..Default::default() };
        Arc::new(Deepgram::new(config).unwrap())
    };
    let llm = |at: &Simulators| -> Arc<OpenAiChat> {
        let config = OpenAiChatConfig { base_url: at.openai_url(), key: key(), ..Default::default() };
        Arc::new(OpenAiChat::new(config).unwrap())
    };
    let tts = |at: &Simulators| -> Arc<ElevenLabs> {
        let config = ElevenLabsConfig { base_url: at.elevenlabs_url(), key: key(), ..Default::default() };
        Arc::new(ElevenLabs::new(config).unwrap())
    };
    let rate = SampleRate::HZ_8000;
    let ears = SttSpec { language: "en-US".into(), rate, model: None };
    let voice = TtsSpec { voice: None, language: "en-US".into(), speed: 1.0, rate };
    let standby = second.map_or_else(Standby::default, |at| Standby {
        stt: Some((stt(at), ears.clone())),
        llm: Some((llm(at), LlmSettings::default())),
        tts: Some((tts(at), voice.clone())),
        instances: known.clone(),
    });
    let providers = Providers { stt: stt(first), llm: llm(first), tts: tts(first), tools: Arc::new(NoTools) };
    let mut spec = CallSpec::new(dialogue);
    spec.dialogue.timing.final_wait = providers.stt.final_wait();
    let (leg, peer) = loopback::pair(Codec::Pcmu);
    let engine = Engine::new(EngineConfig::default());
    let start = Start {
        id: CallId::random(),
        call: spec,
        leg,
        providers,
        stt: ears,
        llm: LlmSettings::default(),
        tts: voice,
        standby,
        recording: None,
        log: None,
    };
    let handle = engine.start(engine.reserve().unwrap(), start);
    let caller = tokio::spawn(speak(peer, script));
    let events = handle.subscribe().await.unwrap();
    Call { _engine: engine, handle, events, caller }
}

impl Call {
    /// Waits until the agent has said so much of its own, greeting included.
    pub async fn said(&mut self, count: usize) {
        let said = |kind: &EventKind| matches!(kind, EventKind::Dialogue(DialogueEvent::AgentSaid { .. }));
        let mut left = count - self.events.past.iter().filter(|event| said(&event.kind)).count().min(count);
        let wait = async {
            while left > 0 {
                let event = self.events.live.recv().await.expect("the call goes on");
                left -= usize::from(said(&event.kind));
            }
        };
        timeout(PATIENCE, wait).await.expect("the agent speaks");
    }

    /// Hangs up: the record, and what was heard.
    pub async fn over(self) -> (Arc<Outcome>, Heard) {
        self.handle.hang_up();
        let outcome = timeout(PATIENCE, self.handle.ended()).await.expect("the call ends");
        (outcome, timeout(PATIENCE, self.caller).await.unwrap().unwrap())
    }
}

/// The lines of a record: who and what.
pub fn lines(outcome: &Outcome) -> Vec<(Speaker, &str)> {
    outcome.report.lines.iter().map(|line| (line.speaker, line.text.trim())).collect()
}

/// Plays the script in real time until the line is closed.
async fn speak(mut peer: LoopbackPeer, script: Script) -> Heard {
    let script: Vec<(usize, Vec<i16>)> =
        script.into_iter().map(|(at, wav)| (samples(at), Wav::parse(wav).unwrap().into_mono())).collect();
    let (mut encoder, mut decoder) = (Encoder::new(Codec::Pcmu), Decoder::new(Codec::Pcmu));
    let (mut heard, mut first, mut sent) = (Heard::new(), None, 0u16);
    let mut ptime = interval(PTIME);
    ptime.set_missed_tick_behavior(MissedTickBehavior::Burst);
    loop {
        tokio::select! {
            packet = peer.recv() => {
                let Some(packet) = packet else { return heard };
                let packet = Packet::parse(packet.as_bytes()).unwrap();
                let begin = *first.get_or_insert(packet.header.timestamp);
                let at = SampleRate::HZ_8000.duration_of(packet.header.timestamp.wrapping_sub(begin) as usize);
                let sound = decoder.decode(packet.payload).unwrap();
                heard.push((at, sound.samples().iter().any(|sample| sample.unsigned_abs() > 300)));
            }
            _ = ptime.tick() => {
                let begin = usize::from(sent) * samples(PTIME);
                let frame: Vec<i16> = (begin..begin + samples(PTIME)).map(|at| {
                    let voice = |(from, sound): &(usize, Vec<i16>)| at.checked_sub(*from).and_then(|n| sound.get(n).copied());
                    script.iter().find_map(voice).unwrap_or_default()
                }).collect();
                let timestamp = u32::from(sent) * samples(PTIME) as u32;
                let header =
                    Header { marker: sent == 0, payload_type: PayloadType(0), sequence: sent, timestamp, ssrc: Ssrc(7) };
                peer.send(PacketBuf::write(header, |room| encoder.encode(&frame, &mut room[..160])).as_bytes());
                sent += 1;
            }
        }
    }
}

fn samples(time: Duration) -> usize {
    SampleRate::HZ_8000.samples_in(time)
}
