//! How one conversation is to be held.

use std::time::Duration;

use crate::conversation::{Pii, ToolSpec};

use super::language::Language;
use super::{Normalise, Pronunciation, Screening};

/// Who called whom.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Direction {
    /// The other side called the agent.
    Inbound,
    /// The agent called the other side.
    Outbound,
    /// A browser.
    Web,
}

impl Direction {
    /// The stable name of the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
            Self::Web => "web",
        }
    }
}

/// How sure the recogniser's words must be before they are answered.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum SttMode {
    /// An interim that has not become final in time is answered: [`Timing::final_wait`] and [`Timing::interim_grace`]
    /// after the voice.
    #[default]
    Fast,
    /// An interim is answered only when the final has had its whole time, counted from the last word that came, and
    /// 200 ms more; one that holds a value (digits, a spelling, an address, a date) or the name that was asked for, only
    /// [`Timing::endpoint_cap`] after the voice. The recogniser is never hurried for its final.
    Accurate,
}

impl SttMode {
    /// The stable name of the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Accurate => "accurate",
        }
    }

    /// The mode of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Fast, Self::Accurate].into_iter().find(|mode| mode.name() == name)
    }
}

/// Everything the dialogue is told once, at the start.
#[derive(Clone, PartialEq, Debug)]
pub struct DialogueSpec {
    /// Who called whom.
    pub direction: Direction,
    /// The language of the conversation, BCP 47: whose small words tell when a turn is over. English, German, Spanish,
    /// French, Italian, Dutch and Portuguese are known; others are judged by punctuation and time alone.
    pub language: String,
    /// How sure the recogniser's words must be before they are answered.
    pub stt_mode: SttMode,
    /// Instructions to the model.
    pub system_prompt: String,
    /// The agent's first words; empty: the caller speaks first.
    pub begin_message: String,
    /// Whether the caller may talk them down; a legal notice says no.
    pub begin_interruptible: bool,
    /// What the model may call.
    pub tools: Vec<ToolSpec>,
    /// 0: the agent is never interrupted; 1: it stops at the first sound.
    pub interruption_sensitivity: f32,
    /// Said when no answer could be made.
    pub apology: String,
    /// Said when the caller was heard but not understood.
    pub repeat_request: String,
    /// Said when the caller has been silent for a while.
    pub idle_prompt: String,
    /// Said before hanging up on silence.
    pub goodbye: String,
    /// Said while the caller waits for a tool; empty: nothing.
    pub filler: String,
    /// What holds for single tools.
    pub tool_rules: Vec<ToolRule>,
    /// Whom the model may hand the caller to; `None`: nobody, and the tool is not offered.
    pub transfer_number: Option<Pii<String>>,
    /// Said when a transfer has come to nothing.
    pub transfer_failed: String,
    /// Said again and again while a transfer rings on; empty: nothing.
    pub transfer_wait: String,
    /// Said before the caller is handed to [`transfer_number`](Self::transfer_number) because services fail again and again.
    pub handing_over: String,
    /// Said when the other side has taken us back after a long hold and nothing else is to be said; empty: nothing.
    pub welcome_back: String,
    /// Whether the caller's keys are kept out of what is told, written and recorded; the model is told them.
    pub redact_keys: bool,
    /// Whether an outbound call finds out who answered it: a person, a voicemail, a screening, a menu, or a queue. (An
    /// inbound call never does.)
    pub answer_detection: bool,
    /// Said to a voicemail after its beep, before hanging up; `None`: hang up at once.
    pub voicemail_message: Option<String>,
    /// What a call screening is told; `None`: the model answers it.
    pub screening: Option<Screening>,
    /// Said some time before the longest call ends; empty: nothing.
    pub duration_warning: String,
    /// What the sound says that is kept for the case that every voice is down; empty: there is none.
    pub last_resort: String,
    /// Said to a caller who has had the floor for longer than [`Timing::turn_limit`] allows.
    pub cut_in: String,
    /// Whether the agent says a short "mm-hmm" now and then while the caller speaks at length.
    pub backchannel: bool,
    /// What it then says, one after the other.
    pub backchannels: Vec<String>,
    /// How much of the agent's text is put into words before the voice is given it.
    pub normalise: Normalise,
    /// Words the voice is to say otherwise than they are written; the first 1 000 count.
    pub pronunciations: Vec<Pronunciation>,
    /// Which services have a backup to fall back on.
    pub backups: Backups,
    /// Whether and how far the agent thinks ahead.
    pub speculation: Speculation,
    /// The clock's rules.
    pub timing: Timing,
}

/// What holds for one tool and not for the others.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct ToolRule {
    /// The tool's name.
    pub name: String,
    /// It is given up after this; `None`: after [`Timing::tool`].
    pub timeout: Option<Duration>,
    /// Said while the caller waits for it, in place of [`DialogueSpec::filler`]; empty: nothing.
    pub filler: Option<String>,
}

/// Which services have a backup to fall back on.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Backups {
    /// Another recogniser.
    pub stt: bool,
    /// Another model.
    pub llm: bool,
    /// Another voice.
    pub tts: bool,
}

/// Whether and how far the agent thinks ahead: the model begins on an answer before the caller's turn is over, and the
/// answer is used only if the turn ends as it was thought about. Its waits are in [`Timing`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Speculation {
    /// Whether it does at all.
    pub enabled: bool,
    /// How often in one turn, at the most.
    pub tries: u32,
    /// Not while the runs dropped so far have cost more than this share of the call's tokens, in percent. Tokens are
    /// estimated, sent and received alike: one for four bytes of text.
    pub share: u32,
}

impl Default for Speculation {
    fn default() -> Self {
        Self { enabled: true, tries: 2, share: 30 }
    }
}

/// What the sound says that is built in for the case that every voice is down.
pub const LAST_RESORT: &str = "I'm sorry, I'm having technical trouble right now.";

impl Default for DialogueSpec {
    fn default() -> Self {
        let lines = &Language::of("en").lines;
        Self {
            direction: Direction::Inbound,
            language: "en".into(),
            stt_mode: SttMode::Fast,
            system_prompt: String::new(),
            begin_message: String::new(),
            begin_interruptible: true,
            tools: Vec::new(),
            interruption_sensitivity: 0.8,
            apology: lines.apology.into(),
            repeat_request: lines.repeat_request.into(),
            idle_prompt: lines.idle_prompt.into(),
            goodbye: lines.goodbye.into(),
            filler: lines.filler.into(),
            tool_rules: Vec::new(),
            transfer_number: None,
            transfer_failed: lines.transfer_failed.into(),
            transfer_wait: lines.transfer_wait.into(),
            handing_over: lines.handing_over.into(),
            welcome_back: lines.welcome_back.into(),
            redact_keys: false,
            answer_detection: true,
            voicemail_message: None,
            screening: None,
            duration_warning: lines.duration_warning.into(),
            last_resort: LAST_RESORT.into(),
            cut_in: lines.cut_in.into(),
            backchannel: false,
            backchannels: lines.backchannels.map(str::to_owned).into(),
            normalise: Normalise::default(),
            pronunciations: Vec::new(),
            backups: Backups::default(),
            speculation: Speculation::default(),
            timing: Timing::default(),
        }
    }
}

/// The waits of a conversation. Defaults and their reasons are in `ARCHITECTURE.md`, section "Turn-taking".
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Timing {
    /// Voice this long makes the agent softer.
    pub duck_after: Duration,
    /// Voice this long silences it for the moment.
    pub hold_after: Duration,
    /// … over noise …
    pub hold_noisy: Duration,
    /// … and while the agent's own voice comes back from the line.
    pub hold_echo: Duration,
    /// Voice this long is an interruption with fewer words than it otherwise takes.
    pub interrupt_after: Duration,
    /// Silence this long, with no words pending, means it was none.
    pub resume_after: Duration,
    /// After the voice ends a hold is decided at the latest now …
    pub verdict_after: Duration,
    /// … or, with words pending, now.
    pub verdict_cap: Duration,
    /// How far back a resumed reply may start again.
    pub resume_rewind: Duration,
    /// In the first moments of an utterance a hold needs words.
    pub backchannel_boundary: Duration,
    /// End of turn when the recogniser or the words say so.
    pub endpoint_confident: Duration,
    /// End of turn otherwise.
    pub endpoint_normal: Duration,
    /// End of turn when the words sound unfinished.
    pub endpoint_unsure: Duration,
    /// End of turn at the latest, values apart: after "um".
    pub endpoint_cap: Duration,
    /// End of turn after a yes or a no to a closed question.
    pub endpoint_yes_no: Duration,
    /// End of turn while a value is spelled or counted out …
    pub endpoint_entity: Duration,
    /// … and at the latest, also between two of its parts.
    pub endpoint_entity_cap: Duration,
    /// The caller's own pauses count from this length …
    pub pause_floor: Duration,
    /// … and lengthen the wait after words that sound finished by at most this; zero: they are not learned.
    pub pause_ceiling: Duration,
    /// A turn of the caller is cut in on when it has lasted so long …
    pub turn_limit: Duration,
    /// … or has so many words; zero: never.
    pub turn_words: u32,
    /// How long the recogniser's final may take after the voice ended.
    pub final_wait: Duration,
    /// An interim is taken as final this long after that.
    pub interim_grace: Duration,
    /// The model may begin on words that stay unchanged this long …
    pub think_after: Duration,
    /// … and, when they sound whole, without voice for this long; others after the detector has told of silence.
    pub think_quiet: Duration,
    /// Speech longer than this is not thought about ahead.
    pub think_speech: Duration,
    /// Voice without any text: the recogniser is given it again over a new connection, or its backup is …
    pub rehear_after: Duration,
    /// … and the caller is asked to repeat.
    pub stuck_turn: Duration,
    /// A held reply goes on over a voice that has brought no word for this long …
    pub noise_after: Duration,
    /// … or, on a line that is noisy anyway, for this long.
    pub noise_after_noisy: Duration,
    /// After noise, voice alone does not silence the agent before there was none of it for this long.
    pub noise_memory: Duration,
    /// An answer of which less than this was heard is taken back when the caller goes on.
    pub merge_audio: Duration,
    /// A model that has given nothing to speak for this long gets its backup beside it …
    pub hedge_first_token: Duration,
    /// … and is given up after this.
    pub first_token: Duration,
    /// A model that has begun an answer and gives nothing more for so long gets its backup beside it, to go on behind what
    /// was spoken.
    pub model_stall: Duration,
    /// The model's whole answer is given up after this.
    pub whole_answer: Duration,
    /// A voice that has given no sound for this long gets its backup beside it …
    pub hedge_first_audio: Duration,
    /// … and is given up after this.
    pub first_audio: Duration,
    /// A voice that stalls this long below real time is given up.
    pub audio_stall: Duration,
    /// Text is spoken at the latest this long after the last token.
    pub segment_flush: Duration,
    /// The caller is asked whether they are there after this silence.
    pub idle_prompt: Duration,
    /// How often; 0: never.
    pub idle_prompts: u32,
    /// After the last of these prompts the call ends with this silence; zero: it goes on until [`Timing::max_silence`].
    pub idle_end: Duration,
    /// The caller's silence that ends the call.
    pub max_silence: Duration,
    /// The longest call.
    pub max_duration: Duration,
    /// The caller is warned this long before that.
    pub duration_warning: Duration,
    /// A tool is given up after this.
    pub tool: Duration,
    /// While a tool runs the caller hears nothing for this long, then the filler …
    pub filler_after: Duration,
    /// … and once more after this.
    pub filler_again: Duration,
    /// A transfer that nobody has answered is given up after this.
    pub transfer: Duration,
    /// While it rings the caller is told so each time nothing was heard for this long.
    pub transfer_comfort: Duration,
    /// Keys are a turn this long after the last of them (`#` ends it at once).
    pub key_wait: Duration,
    /// Keys are a turn at the latest this long after the first of them; and so long they are waited for when they were asked
    /// for.
    pub key_total: Duration,
    /// The greeting waits this long after the line's first packet, 150 ms after the first sample in it …
    pub greeting_delay: Duration,
    /// … and at most this long after the answer. (An outbound call's greeting waits for the callee.)
    pub greeting_latest: Duration,
    /// A callee who has not said "hello" is greeted this long after the answer.
    pub hello_wait: Duration,
    /// A callee who talks this long without a pause is taken for an announcement.
    pub monologue: Duration,
    /// A message for a voicemail begins this long after the end of the beep …
    pub beep_pause: Duration,
    /// … or, when none is heard, after this much silence.
    pub voicemail_silence: Duration,
    /// A telephone menu is over after this much silence.
    pub menu_pause: Duration,
    /// A screening or a menu that says nothing more is given up after this.
    pub machine_wait: Duration,
    /// A queue is given up after this.
    pub hold_wait: Duration,
    /// Words still under way when the other side hangs up are waited for this long.
    pub drain: Duration,
    /// A goodbye that does not get on for this long is over …
    pub goodbye_cap: Duration,
    /// … and any goodbye after this.
    pub goodbye_most: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        let ms = Duration::from_millis;
        Self {
            duck_after: ms(60),
            hold_after: ms(96),
            hold_noisy: ms(192),
            hold_echo: ms(320),
            interrupt_after: ms(700),
            resume_after: ms(350),
            verdict_after: ms(700),
            verdict_cap: ms(1_500),
            resume_rewind: ms(300),
            backchannel_boundary: ms(400),
            endpoint_confident: ms(250),
            endpoint_normal: ms(500),
            endpoint_unsure: ms(1_200),
            endpoint_cap: ms(2_500),
            endpoint_yes_no: ms(200),
            endpoint_entity: ms(900),
            endpoint_entity_cap: ms(3_500),
            pause_floor: ms(200),
            pause_ceiling: ms(1_000),
            turn_limit: Duration::ZERO,
            turn_words: 0,
            final_wait: ms(350),
            interim_grace: ms(150),
            think_after: ms(160),
            think_quiet: ms(100),
            think_speech: ms(10_000),
            rehear_after: ms(2_500),
            stuck_turn: ms(4_000),
            noise_after: ms(2_500),
            noise_after_noisy: ms(1_000),
            noise_memory: ms(5_000),
            merge_audio: ms(400),
            hedge_first_token: ms(1_500),
            first_token: ms(5_000),
            model_stall: Duration::from_secs(2),
            whole_answer: ms(20_000),
            hedge_first_audio: ms(700),
            first_audio: ms(2_000),
            audio_stall: ms(600),
            segment_flush: ms(300),
            idle_prompt: ms(8_000),
            idle_prompts: 2,
            idle_end: ms(8_000),
            max_silence: ms(600_000),
            max_duration: ms(3_600_000),
            duration_warning: ms(30_000),
            tool: ms(10_000),
            filler_after: ms(1_200),
            filler_again: ms(6_000),
            transfer: ms(20_000),
            transfer_comfort: ms(8_000),
            key_wait: ms(3_000),
            key_total: ms(15_000),
            greeting_delay: ms(130),
            greeting_latest: ms(400),
            hello_wait: ms(1_500),
            monologue: ms(6_000),
            beep_pause: ms(150),
            voicemail_silence: ms(2_000),
            menu_pause: ms(1_000),
            machine_wait: ms(60_000),
            hold_wait: ms(600_000),
            drain: ms(2_000),
            goodbye_cap: ms(8_000),
            goodbye_most: ms(60_000),
        }
    }
}
