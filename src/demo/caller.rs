//! The caller: a telephone, and when it does what.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use crate::audio::Codec;
use crate::audio::wav::Wav;
use crate::rehearsal::{Ear, Happened, Hearing, Telephone, recording};
use crate::rtp::PayloadType;
use crate::world::{Caller, Network, NetworkSpec};

use super::script::{Cue, Deed, Sound, Step};

/// What the caller tells while it is on the telephone.
#[derive(Clone, Debug)]
pub(super) enum Told {
    /// It did something.
    Did { what: &'static str },
    /// It has hung up, or has nothing left to do.
    Done,
}

/// What the caller measured with its own ear and clock.
#[derive(Clone, Debug, Default)]
pub(super) struct Measured {
    /// From the first sample of each interruption to the first packet without the agent's voice.
    pub(super) silenced: Vec<Duration>,
    /// Whether it got to the end of its script.
    pub(super) done: bool,
    /// Packets sent.
    pub(super) sent: u64,
    /// Packets received.
    pub(super) received: u64,
    /// How far the time between two packets of the engine was from 20 ms, each.
    pub(super) spacing: Vec<Duration>,
}

/// A telephone of its own, on a network without faults.
pub(super) async fn telephone() -> io::Result<Telephone> {
    let codec = Codec::Pcmu;
    let caller = Caller::new(codec, PayloadType(codec.usual_payload_type()), 4_711);
    let ear = Ear::new(codec, Hearing::ByPauses(UTTERANCE_GAP));
    Telephone::new(caller, Network::new(NetworkSpec::default()), ear).await
}

/// Plays `steps` to the engine at `engine` until they are done or the engine hangs up (`over`).
pub(super) async fn call(
    telephone: Telephone,
    engine: SocketAddr,
    steps: &[Step],
    tell: mpsc::Sender<Told>,
    mut over: tokio::sync::watch::Receiver<bool>,
) -> io::Result<Measured> {
    let mut phone = Phone { telephone, answered: true, interruptions: Vec::new() };
    phone.telephone.pick_up(engine, Instant::now());
    let mut steps = steps.iter();
    let mut next = steps.next();
    while let Some(step) = next {
        let happened = tokio::select! {
            happened = phone.telephone.next() => happened,
            _ = over.wait_for(|over| *over) => break,
        };
        let now = Instant::now();
        match happened {
            // Something to answer.
            Happened::Heard(Some(_)) => phone.answered = false,
            Happened::Sent if phone.telephone.caller().is_idle() && phone.is_cued(step.cue, now) => match step.deed {
                Deed::HangUp => {
                    let _ = tell.send(Told::Done).await;
                    return Ok(Measured { done: true, ..phone.measured() });
                }
                Deed::Play(sound) => {
                    phone.play(sound, now)?;
                    let _ = tell.send(Told::Did { what: sound.name }).await;
                    next = steps.next();
                }
            },
            Happened::Heard(None) | Happened::Sent => {}
        }
    }
    let _ = tell.send(Told::Done).await;
    Ok(phone.measured())
}

/// How long a deed takes the caller.
pub(super) fn length(deed: Deed) -> Duration {
    match deed {
        Deed::Play(sound) => Wav::parse(sound.file).map_or(Duration::ZERO, |wav| wav.duration()),
        Deed::HangUp => Duration::ZERO,
    }
}

const PTIME: Duration = Duration::from_millis(20);
/// Silence this long ends an utterance of the agent; the pauses inside one are shorter.
const UTTERANCE_GAP: Duration = Duration::from_millis(650);

struct Phone {
    telephone: Telephone,
    /// Whether the caller has spoken since the agent's last utterance began.
    answered: bool,
    /// When the first sample of each interruption was spoken.
    interruptions: Vec<Instant>,
}

impl Phone {
    fn is_cued(&self, cue: Cue, now: Instant) -> bool {
        let utterance = self.telephone.ear().utterances().last();
        match (cue, utterance) {
            (Cue::AfterAgent(pause), Some(heard)) => !self.answered && now - heard.last >= pause,
            // In the middle of a word, so that falling silent can be heard.
            (Cue::WhileAgent(after), Some(heard)) => now - heard.last <= PTIME * 2 && now - heard.began >= after,
            (_, None) => false,
        }
    }

    fn play(&mut self, sound: Sound, now: Instant) -> io::Result<()> {
        let samples = recording(sound.file)?;
        let spoken = self.telephone.act(now, |caller, at| caller.play(at, samples));
        if sound.interrupts {
            self.interruptions.push(spoken);
        }
        // Whatever the agent says next is a new utterance to answer.
        self.answered = true;
        Ok(())
    }

    fn measured(&self) -> Measured {
        let ear = self.telephone.ear();
        let silence = |&spoken: &Instant| ear.silence_after(spoken, UTTERANCE_GAP);
        let packets = ear.packets();
        Measured {
            silenced: self.interruptions.iter().filter_map(silence).collect(),
            done: false,
            sent: self.telephone.sent(),
            received: packets.len() as u64,
            spacing: packets.windows(2).map(|pair| (pair[1].0 - pair[0].0).abs_diff(PTIME)).collect(),
        }
    }
}
