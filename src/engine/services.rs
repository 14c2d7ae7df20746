//! The services of one call, by rank: the first choice and what stands by.

use std::sync::Arc;
use std::time::Instant;

use crate::audio::SampleRate;
use crate::call::Backups;
use crate::conversation::{Message, ToolSpec};
use crate::provider::{
    Llm, LlmRequest, LlmStream, Stt, SttSpec, SttStream, Tools, Tts, TtsSpec, TtsStream, open_voice,
};

use super::ledger::Asked;
use super::{Instance, LlmSettings, Providers, Standby};

/// Whom to ask and how. A rank nobody stands by for is the first choice.
#[derive(Debug)]
pub(super) struct Services {
    stt: Ranked<Arc<dyn Stt>, SttSpec>,
    llm: Ranked<Arc<dyn Llm>, LlmRequest>,
    tts: Ranked<Arc<dyn Tts>, TtsSpec>,
    /// Whether what stands by is asked first, since the first choice is taken for gone: the voice for the whole call …
    tts_swapped: bool,
    /// … the model from answer to answer.
    llm_swapped: bool,
    /// What the model may have run.
    pub(super) tools: Arc<dyn Tools>,
}

/// One service, twice at most.
#[derive(Debug)]
struct Ranked<S, Q> {
    first: Seat<S, Q>,
    second: Option<Seat<S, Q>>,
}

/// Whom to ask, how, and what all calls know of it.
#[derive(Debug)]
struct Seat<S, Q> {
    service: S,
    ask: Q,
    instance: Arc<Instance>,
}

impl<S, Q> Ranked<S, Q> {
    fn new(first: (S, Q), second: Option<(S, Q)>, instances: [Arc<Instance>; 2]) -> Self {
        let [one, two] = instances;
        let seat = |(service, ask), instance| Seat { service, ask, instance };
        Self { first: seat(first, one), second: second.map(|second| seat(second, two)) }
    }

    fn of(&self, rank: u8) -> &Seat<S, Q> {
        self.second.as_ref().filter(|_| rank > 0).unwrap_or(&self.first)
    }

    /// Whether what stands by is to be asked first: the first choice is taken for gone, and it is not.
    fn is_gone(&self, now: Instant) -> bool {
        self.second.as_ref().is_some_and(|second| !self.first.instance.may_ask(now) && !second.instance.is_open())
    }

    /// What stands by becomes the first choice, and the first choice stands by.
    fn swap(&mut self) {
        if let Some(second) = &mut self.second {
            std::mem::swap(&mut self.first, second);
        }
    }
}

impl Services {
    /// The services of a call on a line at `rate`, which is the rate of everything: no service is asked for sound nobody
    /// can hear. Where the first choice is taken for gone, what stands by is the first choice of this call.
    pub(super) fn new(
        providers: Providers,
        specs: (SttSpec, LlmSettings, TtsSpec),
        standby: Standby,
        tools: &[ToolSpec],
        rate: SampleRate,
        now: Instant,
    ) -> Self {
        let (stt, llm, tts) = specs;
        let request = |settings: LlmSettings| LlmRequest {
            model: settings.model,
            messages: Vec::new(),
            tools: tools.to_vec(),
            max_tokens: settings.max_tokens,
            temperature: settings.temperature,
        };
        let Standby { instances, .. } = standby;
        let mut services = Self {
            stt: Ranked::new(
                (providers.stt, SttSpec { rate, ..stt }),
                standby.stt.map(|(stt, spec)| (stt, SttSpec { rate, ..spec })),
                instances.stt,
            ),
            llm: Ranked::new(
                (providers.llm, request(llm)),
                standby.llm.map(|(llm, settings)| (llm, request(settings))),
                instances.llm,
            ),
            tts: Ranked::new(
                (providers.tts, TtsSpec { rate, ..tts }),
                standby.tts.map(|(tts, spec)| (tts, TtsSpec { rate, ..spec })),
                instances.tts,
            ),
            tts_swapped: false,
            llm_swapped: false,
            tools: providers.tools,
        };
        if services.stt.is_gone(now) {
            services.stt.swap();
        }
        if services.tts.is_gone(now) {
            services.tts.swap();
            services.tts_swapped = true;
        }
        services
    }

    /// What stands by.
    pub(super) fn backups(&self) -> Backups {
        Backups { stt: self.stt.second.is_some(), llm: self.llm.second.is_some(), tts: self.tts.second.is_some() }
    }

    /// Gets connections ready for what is to come, those of what stands by too.
    pub(super) fn warm(&self) {
        let (llm, tts) = (&self.llm, &self.tts);
        [Some(&llm.first), llm.second.as_ref()].into_iter().flatten().for_each(|seat| seat.service.warm());
        [Some(&tts.first), tts.second.as_ref()].into_iter().flatten().for_each(|seat| seat.service.warm());
    }

    /// A stream of the recogniser of `rank`.
    pub(super) fn hear(&self, rank: u8) -> SttStream {
        let seat = self.stt.of(rank);
        seat.service.open(seat.ask.clone())
    }

    /// Who that recogniser is.
    pub(super) fn hearer(&self, rank: u8) -> Asked<'_> {
        let seat = self.stt.of(rank);
        Asked { instance: &seat.instance, model: seat.ask.model.as_ref() }
    }

    /// The rank of the recogniser to turn to when that of `rank` has failed: the other one, or itself when there is none.
    pub(super) fn other_ears(&self, rank: u8) -> u8 {
        if self.stt.second.is_some() { u8::from(rank == 0) } else { 0 }
    }

    /// The rank of the model to ask where one of `rank` is wanted: with the first choice taken for gone what stands by is
    /// asked first, and the first choice stands by until the next answer.
    pub(super) fn thinker_rank(&mut self, rank: u8, now: Instant) -> u8 {
        if rank == 0 {
            self.llm_swapped = self.llm.is_gone(now);
        }
        if self.llm_swapped { u8::from(rank == 0) } else { rank }
    }

    /// An answer of the model of `rank`.
    pub(super) fn think(&self, rank: u8, messages: Vec<Message>) -> LlmStream {
        let seat = self.llm.of(rank);
        seat.service.open(LlmRequest { messages, ..seat.ask.clone() })
    }

    /// Who that model is.
    pub(super) fn thinker(&self, rank: u8) -> Asked<'_> {
        let seat = self.llm.of(rank);
        Asked { instance: &seat.instance, model: seat.ask.model.as_ref() }
    }

    /// Streams that are opened from here on speak with this voice, which is the first vendor's, and at this speed.
    pub(super) fn speak_as(&mut self, voice: Option<&String>, speed: Option<f32>) {
        let Ranked { first, second } = &mut self.tts;
        let (mut one, mut two) = (Some(&mut first.ask), second.as_mut().map(|seat| &mut seat.ask));
        if self.tts_swapped {
            std::mem::swap(&mut one, &mut two);
        }
        if let Some(first) = &mut one {
            first.voice = voice.cloned().or(first.voice.take());
        }
        for spec in [one, two].into_iter().flatten() {
            spec.speed = speed.unwrap_or(spec.speed);
        }
    }

    /// A stream of the voice of `rank`.
    pub(super) fn speak(&self, rank: u8) -> TtsStream {
        let seat = self.tts.of(rank);
        open_voice(&*seat.service, seat.ask.clone())
    }

    /// Who that voice is.
    pub(super) fn speaker(&self, rank: u8) -> Asked<'_> {
        Asked { instance: &self.tts.of(rank).instance, model: None }
    }

    /// Whose voices these are, by rank, to know them again in another call.
    pub(super) fn voice_names(&self) -> [Option<String>; 2] {
        let name = |seat: &Seat<Arc<dyn Tts>, TtsSpec>| seat.service.voice_name(&seat.ask);
        [name(&self.tts.first), self.tts.second.as_ref().and_then(name)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Instances;
    use crate::provider::NoTools;
    use std::sync::Mutex;

    /// A service that notes how it was asked.
    #[derive(Clone, Default, Debug)]
    struct Asked(Arc<Mutex<Vec<String>>>, &'static str);

    impl Asked {
        fn note(&self, what: &str) {
            self.0.lock().unwrap().push(format!("{} {what}", self.1));
        }
    }

    impl Stt for Asked {
        fn open(&self, spec: SttSpec) -> SttStream {
            self.note(&format!("hears {} at {:?}", spec.model.unwrap_or_default(), spec.rate));
            SttStream::spawn(|_, _| async {})
        }
    }

    impl Llm for Asked {
        fn open(&self, request: LlmRequest) -> LlmStream {
            let (model, tools) = (request.model.unwrap_or_default(), request.tools.len());
            self.note(&format!("thinks as {model} with {tools} tools"));
            LlmStream::spawn(|_| async {})
        }

        fn warm(&self) {
            self.note("warms its model");
        }
    }

    impl Tts for Asked {
        fn open(&self, spec: TtsSpec) -> TtsStream {
            self.note(&format!("speaks as {} at {:?}", spec.voice.unwrap_or_default(), spec.rate));
            TtsStream::spawn(|_, _| async {})
        }

        fn warm(&self) {
            self.note("warms its voice");
        }
    }

    fn services(has_standby: bool) -> (Services, Arc<Mutex<Vec<String>>>) {
        services_with(has_standby, &Instances::default())
    }

    fn services_with(has_standby: bool, instances: &Instances) -> (Services, Arc<Mutex<Vec<String>>>) {
        let notes = Arc::default();
        let service = |name| Arc::new(Asked(Arc::clone(&notes), name));
        let rate = SampleRate::HZ_24000;
        let stt = |model: &str| SttSpec { language: "en-US".into(), rate, model: Some(model.into()) };
        let llm = |model: &str| LlmSettings { model: Some(model.into()), ..LlmSettings::default() };
        let tts = |voice: &str| TtsSpec { voice: Some(voice.into()), language: "en-US".into(), speed: 1.0, rate };
        let (first, second) = (service("first"), service("second"));
        let providers = Providers { stt: first.clone(), llm: first.clone(), tts: first, tools: Arc::new(NoTools) };
        let standby = match has_standby {
            true => Standby {
                stt: Some((second.clone(), stt("b"))),
                llm: Some((second.clone(), llm("b"))),
                tts: Some((second, tts("b"))),
                instances: instances.clone(),
            },
            false => Standby::default(),
        };
        let tool = ToolSpec { name: "book".into(), description: String::new(), parameters: String::new() };
        let specs = (stt("a"), llm("a"), tts("a"));
        (Services::new(providers, specs, standby, &[tool], SampleRate::HZ_8000, Instant::now()), notes)
    }

    fn ask(services: &Services, rank: u8) {
        services.hear(rank);
        services.think(rank, Vec::new());
        services.speak(rank);
    }

    #[tokio::test]
    async fn each_rank_is_asked_in_its_own_way_and_at_the_rate_of_the_line() {
        let (services, notes) = services(true);
        assert_eq!(services.backups(), Backups { stt: true, llm: true, tts: true });
        ask(&services, 0);
        ask(&services, 1);
        let expected = [
            "first hears a at 8000 Hz",
            "first thinks as a with 1 tools",
            "first speaks as a at 8000 Hz",
            "second hears b at 8000 Hz",
            "second thinks as b with 1 tools",
            "second speaks as b at 8000 Hz",
        ];
        assert_eq!(*notes.lock().unwrap(), expected);
        assert_eq!((services.other_ears(0), services.other_ears(1)), (1, 0));
    }

    #[tokio::test]
    async fn where_nobody_stands_by_the_first_choice_is_asked_again() {
        let (services, notes) = services(false);
        assert_eq!(services.backups(), Backups::default());
        ask(&services, 1);
        assert!(notes.lock().unwrap().iter().all(|note| note.starts_with("first ")));
        assert_eq!(services.other_ears(0), 0);
    }

    #[tokio::test]
    async fn what_stands_by_is_the_first_choice_while_the_first_is_taken_for_gone() {
        let (instances, now) = (Instances::default(), Instant::now());
        for instance in [&instances.stt[0], &instances.llm[0], &instances.tts[0]] {
            for _ in 0..3 {
                instance.failed(now);
            }
        }
        let (mut services, notes) = services_with(true, &instances);
        services.speak_as(Some(&"c".into()), None);
        services.hear(0);
        for rank in [0, 1] {
            let rank = services.thinker_rank(rank, now);
            services.think(rank, Vec::new());
            services.speak(rank ^ 1);
        }
        let expected = [
            "second hears b at 8000 Hz",
            "second thinks as b with 1 tools",
            "second speaks as b at 8000 Hz",
            "first thinks as a with 1 tools",
            "first speaks as c at 8000 Hz",
        ];
        assert_eq!(*notes.lock().unwrap(), expected, "and the first choice stands by, its voice its own");
        // The model is asked again as soon as it may be, and its answer closes the circuit.
        let rested = now + std::time::Duration::from_secs(10);
        assert_eq!(services.thinker_rank(0, rested), 0);
        assert_eq!(services.thinker_rank(1, rested), 1);
        instances.llm[0].answered(rested);
        assert_eq!(services.thinker_rank(0, rested), 0);
    }

    #[tokio::test]
    async fn with_both_gone_or_nobody_standing_by_the_first_choice_is_asked_all_the_same() {
        let (instances, now) = (Instances::default(), Instant::now());
        for instance in instances.llm.iter().chain(&instances.stt) {
            for _ in 0..3 {
                instance.failed(now);
            }
        }
        for has_standby in [true, false] {
            let (mut services, notes) = services_with(has_standby, &instances);
            assert_eq!(services.thinker_rank(0, now), 0);
            services.hear(0);
            assert_eq!(*notes.lock().unwrap(), ["first hears a at 8000 Hz"]);
        }
    }

    #[tokio::test]
    async fn all_connections_are_made_ready() {
        let (services, notes) = services(true);
        services.warm();
        let expected =
            ["first warms its model", "second warms its model", "first warms its voice", "second warms its voice"];
        assert_eq!(*notes.lock().unwrap(), expected);
    }
}
