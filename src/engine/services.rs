//! The services of one call, by rank: the first choice and what stands by.

use std::sync::Arc;

use crate::audio::SampleRate;
use crate::call::Backups;
use crate::conversation::{Message, ToolSpec};
use crate::provider::{
    Llm, LlmRequest, LlmStream, Stt, SttSpec, SttStream, Tools, Tts, TtsSpec, TtsStream, open_voice,
};

use super::{LlmSettings, Providers, Standby};

/// Whom to ask and how. A rank nobody stands by for is the first choice.
#[derive(Debug)]
pub(super) struct Services {
    stt: Ranked<Arc<dyn Stt>, SttSpec>,
    llm: Ranked<Arc<dyn Llm>, LlmRequest>,
    tts: Ranked<Arc<dyn Tts>, TtsSpec>,
    /// What the model may have run.
    pub(super) tools: Arc<dyn Tools>,
}

/// One service, twice at most.
#[derive(Debug)]
struct Ranked<S, Q> {
    first: (S, Q),
    second: Option<(S, Q)>,
}

impl<S, Q> Ranked<S, Q> {
    fn of(&self, rank: u8) -> &(S, Q) {
        self.second.as_ref().filter(|_| rank > 0).unwrap_or(&self.first)
    }
}

impl Services {
    /// The services of a call on a line at `rate`, which is the rate of everything: no service is asked for sound nobody
    /// can hear.
    pub(super) fn new(
        providers: Providers,
        specs: (SttSpec, LlmSettings, TtsSpec),
        standby: Standby,
        tools: &[ToolSpec],
        rate: SampleRate,
    ) -> Self {
        let (stt, llm, tts) = specs;
        let request = |settings: LlmSettings| LlmRequest {
            model: settings.model,
            messages: Vec::new(),
            tools: tools.to_vec(),
            max_tokens: settings.max_tokens,
            temperature: settings.temperature,
        };
        Self {
            stt: Ranked {
                first: (providers.stt, SttSpec { rate, ..stt }),
                second: standby.stt.map(|(stt, spec)| (stt, SttSpec { rate, ..spec })),
            },
            llm: Ranked {
                first: (providers.llm, request(llm)),
                second: standby.llm.map(|(llm, settings)| (llm, request(settings))),
            },
            tts: Ranked {
                first: (providers.tts, TtsSpec { rate, ..tts }),
                second: standby.tts.map(|(tts, spec)| (tts, TtsSpec { rate, ..spec })),
            },
            tools: providers.tools,
        }
    }

    /// What stands by.
    pub(super) fn backups(&self) -> Backups {
        Backups { stt: self.stt.second.is_some(), llm: self.llm.second.is_some(), tts: self.tts.second.is_some() }
    }

    /// Gets connections ready for what is to come, those of what stands by too.
    pub(super) fn warm(&self) {
        let (llm, tts) = (&self.llm, &self.tts);
        [Some(&llm.first), llm.second.as_ref()].into_iter().flatten().for_each(|(llm, _)| llm.warm());
        [Some(&tts.first), tts.second.as_ref()].into_iter().flatten().for_each(|(tts, _)| tts.warm());
    }

    /// A stream of the recogniser of `rank`.
    pub(super) fn hear(&self, rank: u8) -> SttStream {
        let (stt, spec) = self.stt.of(rank);
        stt.open(spec.clone())
    }

    /// The rank of the recogniser to turn to when that of `rank` has failed: the other one, or itself when there is none.
    pub(super) fn other_ears(&self, rank: u8) -> u8 {
        if self.stt.second.is_some() { u8::from(rank == 0) } else { 0 }
    }

    /// An answer of the model of `rank`.
    pub(super) fn think(&self, rank: u8, messages: Vec<Message>) -> LlmStream {
        let (llm, request) = self.llm.of(rank);
        llm.open(LlmRequest { messages, ..request.clone() })
    }

    /// Streams that are opened from here on speak with this voice, which is the first vendor's, and at this speed.
    pub(super) fn speak_as(&mut self, voice: Option<&String>, speed: Option<f32>) {
        let (first, second) = (&mut self.tts.first.1, self.tts.second.as_mut().map(|(_, spec)| spec));
        first.voice = voice.cloned().or(first.voice.take());
        for spec in [Some(first), second].into_iter().flatten() {
            spec.speed = speed.unwrap_or(spec.speed);
        }
    }

    /// A stream of the voice of `rank`.
    pub(super) fn speak(&self, rank: u8) -> TtsStream {
        let (tts, spec) = self.tts.of(rank);
        open_voice(&**tts, spec.clone())
    }

    /// Whose voices these are, by rank, to know them again in another call.
    pub(super) fn voice_names(&self) -> [Option<String>; 2] {
        let name = |(tts, spec): &(Arc<dyn Tts>, TtsSpec)| tts.voice_name(spec);
        [name(&self.tts.first), self.tts.second.as_ref().and_then(name)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
            },
            false => Standby::default(),
        };
        let tool = ToolSpec { name: "book".into(), description: String::new(), parameters: String::new() };
        let specs = (stt("a"), llm("a"), tts("a"));
        (Services::new(providers, specs, standby, &[tool], SampleRate::HZ_8000), notes)
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
    async fn all_connections_are_made_ready() {
        let (services, notes) = services(true);
        services.warm();
        let expected =
            ["first warms its model", "second warms its model", "first warms its voice", "second warms its voice"];
        assert_eq!(*notes.lock().unwrap(), expected);
    }
}
