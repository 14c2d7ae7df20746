//! What the dialogue is told.

use std::time::{Duration, Instant};

use crate::conversation::{
    Ambience, Backdrop, Denoising, Digit, Failure, GenerationEnd, Pii, ReplyId, Service, ToolCall, ToolResult,
    Transcript, TransferEnd, WordTime,
};

use super::KeyRules;

/// Something that happened, as far as the dialogue needs to know it.
#[derive(Clone, Debug)]
pub enum Fact<'a> {
    /// The line is up: from this moment the other side hears us.
    Answered,
    /// The first sound has come from the line: the other side is able to hear us.
    MediaUp,
    /// The caller's voice goes on. Told for every voiced hop (10–32 ms).
    Voice {
        /// When this stretch of voice began.
        began: Instant,
        /// How much of it was voiced so far.
        voiced: Duration,
        /// What lies under it.
        over: Backdrop,
    },
    /// The voice that was told of last was the agent's own, come back from the line: there was none.
    Echo,
    /// The caller has been quiet for the detector's hangover (200 ms).
    Silence {
        /// The end of the last voiced sample.
        since: Instant,
    },
    /// Words of the caller.
    Transcript(&'a Transcript),
    /// A key of the telephone.
    Digit(Digit),
    /// An answering machine's beep has ended; listened for as [`Action::ListenForBeep`](super::Action::ListenForBeep) says.
    Beep {
        /// How long it lasted.
        length: Duration,
        /// When it ended.
        ended: Instant,
    },
    /// A piece of the model's text for a reply.
    Token {
        /// Whose text.
        reply: ReplyId,
        /// The piece, as it came.
        text: &'a str,
    },
    /// The model asks for a tool, its arguments complete.
    ToolCall {
        /// Which reply asks.
        reply: ReplyId,
        /// What it asks for.
        call: ToolCall,
    },
    /// The model has said everything for a reply.
    GenerationEnded {
        /// Which reply.
        reply: ReplyId,
        /// How it ended.
        end: GenerationEnd,
    },
    /// The first sound of a reply is ready to be played, or there is sound again after [`Fact::SpeechStarved`].
    SpeechReady {
        /// Which reply.
        reply: ReplyId,
    },
    /// The playout of a reply has run dry although its voice has not delivered everything. Told once for each gap.
    SpeechStarved {
        /// Which reply.
        reply: ReplyId,
    },
    /// When the words of a reply are spoken, in order; later calls continue earlier ones.
    WordTimes {
        /// Which reply.
        reply: ReplyId,
        /// The words.
        words: &'a [WordTime],
    },
    /// The voice has delivered all of a reply's sound; it lasts this long in full.
    SpeechEnded {
        /// Which reply.
        reply: ReplyId,
        /// The whole length of its sound.
        length: Duration,
    },
    /// The first packet of a reply's sound has left.
    PlayoutStarted {
        /// Which reply.
        reply: ReplyId,
    },
    /// Everything queued of a reply has been heard and no more is coming.
    PlayoutEnded {
        /// Which reply.
        reply: ReplyId,
        /// How much of its sound was heard: all of it.
        heard: Duration,
    },
    /// The answer to [`Action::Flush`](super::Action::Flush): how much of the reply was heard before it was cut.
    Flushed {
        /// Which reply.
        reply: ReplyId,
        /// How much of its sound was heard.
        heard: Duration,
        /// The energy-aligned share of the sound synthesised so far that was heard (0–1), for voices without word times.
        share: f32,
    },
    /// A tool has answered (or timed out: then the result says so).
    ToolResult(&'a ToolResult),
    /// The answer to [`Action::Transfer`](super::Action::Transfer).
    TransferEnded(TransferEnd),
    /// A service has failed for good; what could be retried without us was retried.
    Failed {
        /// Which service.
        service: Service,
        /// The reply that needed it; `None` for the recogniser.
        reply: Option<ReplyId>,
        /// In which way.
        failure: Failure,
    },
    /// Someone outside steers the call.
    Command(&'a Command),
    /// The other side has put us on hold, or has taken us back.
    Hold {
        /// Whether we are held.
        held: bool,
    },
    /// The other side is gone.
    Closed,
    /// Nothing has come from the line for too long.
    MediaLost,
}

/// What someone outside may ask of a live call.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum Command {
    /// Say this as the agent.
    Say {
        /// The words.
        text: String,
        /// Whether the caller may talk it down.
        interruptible: bool,
    },
    /// Ask the caller for keys, by these rules; without it keys are taken by the default ones.
    Collect(KeyRules),
    /// Go on with other settings. What is being said finishes as it began; what comes next uses them.
    Update(Update),
    /// Fall silent and listen.
    Interrupt,
    /// Hand the caller to someone else once the agent's words were heard.
    Transfer {
        /// Whom to; `None`: [`DialogueSpec::transfer_number`](super::DialogueSpec::transfer_number).
        to: Option<Pii<String>>,
    },
    /// End the call now.
    End,
}

/// Settings of a live call that change; `None`: as they are.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct Update {
    /// Instructions to the model.
    pub system_prompt: Option<String>,
    /// The vendor's voice id: the body's, the dialogue has no use for it.
    pub voice: Option<String>,
    /// The voice's speed: the body's too.
    pub voice_speed: Option<f32>,
    /// What lies under the voice: the sound's.
    pub ambience: Option<Ambience>,
    /// 0: the agent is never interrupted; 1: it stops at the first sound.
    pub interruption_sensitivity: Option<f32>,
    /// What is taken out of the caller's sound: the body's too.
    pub denoising: Option<Denoising>,
}
