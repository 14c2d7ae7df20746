//! What a call has asked of its services: what it will be billed for, and how each question went.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Instance;
use crate::conversation::{Failure, ReplyId, Service};
use crate::provider::{LlmEvent, TtsEvent, Usage};

/// What one call has used of one model of one vendor, backups and thoughts that were dropped included.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cost {
    /// What it did.
    pub service: Service,
    /// Whose it is, by the name of the configuration.
    pub vendor: String,
    /// Which model.
    pub model: String,
    /// How often it was asked: answers, replies spoken, recognisers opened.
    pub requests: u64,
    /// Tokens read.
    pub prompt_tokens: u64,
    /// Tokens written.
    pub completion_tokens: u64,
    /// The tokens of answers of which any were estimated: the vendor did not say, or was not heard out.
    pub estimated_tokens: u64,
    /// Characters handed over to be spoken.
    pub characters: u64,
    /// Sound handed over to be recognised, or received from a voice.
    pub audio: Duration,
}

/// Keeps [`Cost`]s of one call, and tells each [`Instance`] how it did.
///
/// A model or voice that is dropped before it has said anything has failed if it was given the time after which a backup
/// is asked: the dialogue goes on without it, and no error of its own ever comes.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    costs: Vec<Cost>,
    open: Vec<Question>,
    /// The recogniser at work.
    listens: Option<Listening>,
}

/// Whom a question goes to, and which model if not the service's own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    pub(super) instance: &'a Arc<Instance>,
    pub(super) model: Option<&'a String>,
}

/// A model or a voice at work for a reply.
#[derive(Debug)]
struct Question {
    reply: ReplyId,
    instance: Arc<Instance>,
    /// Which of the costs it adds to.
    cost: usize,
    asked: Instant,
    is_answered: bool,
    /// Bytes of text written, for a model that fails before it tells its tokens.
    written: usize,
}

#[derive(Debug)]
struct Listening {
    instance: Arc<Instance>,
    cost: usize,
}

/// When a backup is asked too: a model that has said nothing by then, and is dropped, was too slow.
const LATE_MODEL: Duration = Duration::from_millis(1_500);
/// The same for a voice.
const LATE_VOICE: Duration = Duration::from_millis(700);
/// Bytes of text that make a token, about.
const TOKEN: usize = 4;

impl Ledger {
    /// The model works for a reply.
    pub(super) fn model_asked(&mut self, reply: ReplyId, asked: Asked<'_>, now: Instant) {
        // An earlier answer of the same reply was dropped for this one.
        self.model_dropped(reply, None, now);
        self.ask(reply, Service::Llm, asked, now);
    }

    /// A voice is given text for a reply.
    pub(super) fn voice_given(&mut self, reply: ReplyId, asked: Asked<'_>, text: &str, now: Instant) {
        let at = match self.question(reply, Service::Tts) {
            Some(question) => question.cost,
            None => self.ask(reply, Service::Tts, asked, now),
        };
        if let Some(cost) = self.costs.get_mut(at) {
            cost.characters += text.chars().count() as u64;
        }
    }

    /// Something came from the model of a reply.
    pub(super) fn model_said(&mut self, reply: ReplyId, event: &LlmEvent, now: Instant) {
        let Some(question) = self.question(reply, Service::Llm) else { return };
        match event {
            LlmEvent::Token(text) => {
                question.written += text.len();
                question.answer(now);
            }
            LlmEvent::ToolCall(call) => {
                question.written += call.name.len() + call.arguments.len();
                question.answer(now);
            }
            LlmEvent::Ended { usage, .. } => {
                question.answer(now);
                let usage = *usage;
                self.settle(reply, Service::Llm, usage);
            }
            LlmEvent::Failed(error) => self.failed(reply, Service::Llm, error.kind, now),
        }
    }

    /// Something came from the voice of a reply.
    pub(super) fn voice_said(&mut self, reply: ReplyId, event: &TtsEvent, now: Instant) {
        let Some(question) = self.question(reply, Service::Tts) else { return };
        match event {
            TtsEvent::Audio { samples, rate } => {
                question.answer(now);
                let at = question.cost;
                if let Some(cost) = self.costs.get_mut(at) {
                    cost.audio += rate.duration_of(samples.len());
                }
            }
            TtsEvent::Words(_) => {}
            TtsEvent::Ended => {
                question.answer(now);
                self.settle(reply, Service::Tts, None);
            }
            TtsEvent::Failed(error) => self.failed(reply, Service::Tts, error.kind, now),
        }
    }

    /// The model of a reply is dropped; `usage` is what it has cost.
    pub(super) fn model_dropped(&mut self, reply: ReplyId, usage: Option<Usage>, now: Instant) {
        self.dropped(reply, Service::Llm, LATE_MODEL, now);
        self.settle(reply, Service::Llm, usage);
    }

    /// The voice of a reply is dropped.
    pub(super) fn voice_dropped(&mut self, reply: ReplyId, now: Instant) {
        self.dropped(reply, Service::Tts, LATE_VOICE, now);
        self.settle(reply, Service::Tts, None);
    }

    fn dropped(&mut self, reply: ReplyId, service: Service, late: Duration, now: Instant) {
        let Some(question) = self.question(reply, service) else { return };
        if !question.is_answered && now.saturating_duration_since(question.asked) >= late {
            question.instance.failed(now);
        }
    }

    /// A recogniser begins to listen.
    pub(super) fn listens(&mut self, asked: Asked<'_>) {
        let cost = self.cost(asked);
        self.listens = Some(Listening { instance: Arc::clone(asked.instance), cost });
    }

    /// The recogniser is given sound.
    pub(super) fn heard(&mut self, sound: Duration) {
        let cost = self.listens.as_ref().and_then(|listening| self.costs.get_mut(listening.cost));
        if let Some(cost) = cost {
            cost.audio += sound;
        }
    }

    /// The recogniser has told words.
    pub(super) fn understood(&self, now: Instant) {
        if let Some(listening) = &self.listens {
            listening.instance.answered(now);
        }
    }

    /// The recogniser has failed, or is replaced because it told no words; `None` when another one has failed before.
    pub(super) fn deaf(&mut self, failure: Failure, now: Instant) {
        if let Some(listening) = self.listens.take().filter(|_| counts(failure)) {
            listening.instance.failed(now);
        }
    }

    /// The call is over; `usage` is what the answer under way for a reply has cost.
    pub(super) fn close(&mut self, usage: impl Fn(ReplyId) -> Option<Usage>, now: Instant) {
        while let Some((reply, service)) = self.open.first().map(|open| (open.reply, open.instance.service())) {
            match service {
                Service::Llm => self.model_dropped(reply, usage(reply), now),
                _ => self.voice_dropped(reply, now),
            }
        }
    }

    /// What was used so far; tokens of answers under way are still to come.
    pub(super) fn costs(&self) -> Vec<Cost> {
        self.costs.clone()
    }

    fn ask(&mut self, reply: ReplyId, service: Service, asked: Asked<'_>, now: Instant) -> usize {
        let cost = self.cost(asked);
        debug_assert_eq!(asked.instance.service(), service);
        let instance = Arc::clone(asked.instance);
        self.open.push(Question { reply, instance, cost, asked: now, is_answered: false, written: 0 });
        cost
    }

    fn failed(&mut self, reply: ReplyId, service: Service, failure: Failure, now: Instant) {
        if let Some(question) = self.question(reply, service).filter(|_| counts(failure)) {
            question.instance.failed(now);
        }
        self.settle(reply, service, None);
    }

    /// A question is over. Of a model that failed what it wrote is known, and nothing else.
    fn settle(&mut self, reply: ReplyId, service: Service, usage: Option<Usage>) {
        let Some(at) = self.open.iter().position(|open| open.is_for(reply, service)) else { return };
        let Question { cost, written, .. } = self.open.swap_remove(at);
        let Some(cost) = self.costs.get_mut(cost).filter(|_| service == Service::Llm) else { return };
        let written = Usage { completion: written.div_ceil(TOKEN) as u64, is_estimate: true, ..Usage::default() };
        let Usage { prompt, completion, is_estimate } = usage.unwrap_or(written);
        cost.prompt_tokens += prompt;
        cost.completion_tokens += completion;
        cost.estimated_tokens += if is_estimate { prompt + completion } else { 0 };
    }

    fn question(&mut self, reply: ReplyId, service: Service) -> Option<&mut Question> {
        self.open.iter_mut().find(|open| open.is_for(reply, service))
    }

    /// Where the costs of a service are added up, one request more.
    fn cost(&mut self, asked: Asked<'_>) -> usize {
        let Asked { instance, model } = asked;
        let (service, vendor) = (instance.service(), instance.vendor());
        let model = model.map_or(instance.model(), String::as_str);
        let is_same = |cost: &Cost| cost.service == service && cost.vendor == vendor && cost.model == model;
        let at = self.costs.iter().position(is_same).unwrap_or_else(|| {
            let (vendor, model) = (vendor.to_owned(), model.to_owned());
            self.costs.push(Cost { vendor, model, ..Cost::none(service) });
            self.costs.len() - 1
        });
        if let Some(cost) = self.costs.get_mut(at) {
            cost.requests += 1;
        }
        at
    }
}

impl Question {
    fn is_for(&self, reply: ReplyId, service: Service) -> bool {
        self.reply == reply && self.instance.service() == service
    }

    fn answer(&mut self, now: Instant) {
        if !std::mem::replace(&mut self.is_answered, true) {
            self.instance.answered(now);
        }
    }
}

impl Cost {
    /// Nothing of a service without a name.
    pub const fn none(service: Service) -> Self {
        Self {
            service,
            vendor: String::new(),
            model: String::new(),
            requests: 0,
            prompt_tokens: 0,
            completion_tokens: 0,
            estimated_tokens: 0,
            characters: 0,
            audio: Duration::ZERO,
        }
    }
}

/// Whether a failure says that the service is of no use: a request that was wrong says something of us.
fn counts(failure: Failure) -> bool {
    failure != Failure::BadRequest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::SampleRate;
    use crate::conversation::GenerationEnd;
    use crate::provider::ProviderError;

    const MS: Duration = Duration::from_millis(1);

    fn asked(instance: &Arc<Instance>) -> Asked<'_> {
        Asked { instance, model: None }
    }

    fn token(text: &str) -> LlmEvent {
        LlmEvent::Token(text.into())
    }

    fn ended(usage: Option<Usage>) -> LlmEvent {
        LlmEvent::Ended { end: GenerationEnd::Stop, usage }
    }

    fn failed() -> ProviderError {
        ProviderError::new(Failure::Unavailable, "gone")
    }

    #[test]
    fn what_is_told_is_taken_and_what_is_not_told_is_estimated() {
        let (mut ledger, now) = (Ledger::default(), Instant::now());
        let llm = Instance::new(Service::Llm, "acme", "small");
        let usage = |prompt, completion, is_estimate| Some(Usage { prompt, completion, is_estimate });
        ledger.model_asked(ReplyId(1), asked(&llm), now);
        ledger.model_said(ReplyId(1), &token("Hello there"), now);
        ledger.model_said(ReplyId(1), &ended(usage(90, 3, false)), now);
        // A thought that is dropped, an answer that breaks off, one that is under way at the end.
        ledger.model_asked(ReplyId(2), asked(&llm), now);
        ledger.model_dropped(ReplyId(2), usage(100, 0, true), now + 9_000 * MS);
        ledger.model_asked(ReplyId(3), asked(&llm), now);
        ledger.model_said(ReplyId(3), &token("12345"), now);
        ledger.model_said(ReplyId(3), &LlmEvent::Failed(failed()), now);
        ledger.model_asked(ReplyId(4), Asked { instance: &llm, model: Some(&"large".into()) }, now);
        ledger.close(|_| usage(10, 0, true), now);
        let costs = ledger.costs();
        let tokens = |cost: &Cost| (cost.requests, cost.prompt_tokens, cost.completion_tokens, cost.estimated_tokens);
        assert_eq!((costs[0].model.as_str(), tokens(&costs[0])), ("small", (3, 190, 5, 102)));
        assert_eq!((costs[1].model.as_str(), tokens(&costs[1])), ("large", (1, 10, 0, 10)));
        assert!(!llm.is_open());
    }

    #[test]
    fn characters_and_sound_are_counted_with_whoever_spoke_and_heard() {
        let (mut ledger, now) = (Ledger::default(), Instant::now());
        let (stt, other) = (Instance::new(Service::Stt, "ear", "a"), Instance::new(Service::Stt, "spare", "b"));
        let tts = Instance::new(Service::Tts, "mouth", "v");
        ledger.listens(asked(&stt));
        ledger.heard(3_000 * MS);
        ledger.deaf(Failure::Unavailable, now);
        ledger.heard(500 * MS);
        ledger.listens(asked(&other));
        ledger.heard(1_000 * MS);
        ledger.voice_given(ReplyId(1), asked(&tts), "Grüß Gott. ", now);
        ledger.voice_given(ReplyId(1), asked(&tts), "Ja.", now);
        let audio = TtsEvent::Audio { samples: vec![0; 800], rate: SampleRate::HZ_8000 };
        ledger.voice_said(ReplyId(1), &audio, now);
        ledger.voice_said(ReplyId(1), &TtsEvent::Ended, now);
        ledger.voice_said(ReplyId(1), &audio, now);
        let costs = ledger.costs();
        let used: Vec<_> = costs
            .iter()
            .map(|cost| (cost.vendor.as_str(), cost.requests, cost.characters, cost.audio.as_millis()))
            .collect();
        assert_eq!(used, [("ear", 1, 0, 3_000), ("spare", 1, 0, 1_000), ("mouth", 1, 14, 100)]);
    }

    #[test]
    fn failures_and_silence_open_a_circuit_but_callers_and_our_own_mistakes_do_not() {
        let now = Instant::now();
        let question = |deed: &dyn Fn(&mut Ledger)| {
            let (llm, mut ledger) = (Instance::new(Service::Llm, "acme", "m"), Ledger::default());
            for _ in 0..5 {
                ledger.model_asked(ReplyId(1), asked(&llm), now);
                deed(&mut ledger);
            }
            llm.is_open()
        };
        let fails = |kind| {
            move |ledger: &mut Ledger| {
                ledger.model_said(ReplyId(1), &LlmEvent::Failed(ProviderError { kind, ..failed() }), now);
            }
        };
        assert!(question(&fails(Failure::Unavailable)) && question(&fails(Failure::Auth)));
        assert!(!question(&fails(Failure::BadRequest)), "another request may be right");
        assert!(question(&|ledger| ledger.model_dropped(ReplyId(1), None, now + 1_500 * MS)), "it never said a word");
        assert!(!question(&|ledger| ledger.model_dropped(ReplyId(1), None, now + 1_499 * MS)), "a caller went on");
        assert!(!question(&|ledger| {
            ledger.model_said(ReplyId(1), &token("Yes"), now + 1_000 * MS);
            ledger.model_dropped(ReplyId(1), None, now + 9_000 * MS);
        }));
    }
}
