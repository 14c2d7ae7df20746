//! Language models.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use agentphone::conversation::{Failure, GenerationEnd, Message, Role, Service, ToolCall, ToolSpec};
use agentphone::provider::{
    Anthropic, AnthropicConfig, Llm, LlmEvent, LlmRequest, LlmStream, OpenAiChat, OpenAiChatConfig, OpenAiResponses,
    OpenAiResponsesConfig, Secret, Usage,
};
use agentphone::simulator::{
    After, Answer, AnswerScript, Dialect, Fault, FaultKind, ModelConfig, ServiceLog, SimulatorConfig, Simulators, When,
};
use futures_util::future::join_all;
use serde_json::{Map, Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use crate::providers::bounded;

/// A way to reach a model.
#[derive(Clone, Copy, Debug)]
enum Vendor {
    Chat(Dialect),
    Responses,
    Anthropic,
}

/// How a provider is set up for a case.
#[derive(Clone, Debug)]
struct Setting {
    /// Where, if not at the simulators.
    address: Option<SocketAddr>,
    key: &'static str,
    model: &'static str,
    patience: Duration,
}

impl Default for Setting {
    fn default() -> Self {
        Self { address: None, key: KEY, model: "some-model", patience: Duration::from_secs(10) }
    }
}

impl Vendor {
    fn all() -> impl Iterator<Item = Self> {
        Dialect::ALL.map(Self::Chat).into_iter().chain([Self::Responses, Self::Anthropic])
    }

    fn provider(self, simulators: &Simulators, setting: &Setting) -> Arc<dyn Llm> {
        let there = |url: String| match setting.address {
            Some(address) => url.replace(&simulators.address().to_string(), &address.to_string()),
            None => url,
        };
        let (key, model, patience) = (Secret::new(setting.key), setting.model.to_owned(), setting.patience);
        let extra = |name: &str, value: Value| Map::from_iter([(name.to_owned(), value)]);
        match self {
            Self::Chat(dialect) => {
                let base_url = there(simulators.chat_url(dialect));
                let more = OpenAiChatConfig::default();
                let config = OpenAiChatConfig { base_url, key, model, first_token: patience, idle: patience, ..more };
                Arc::new(OpenAiChat::new(config).unwrap())
            }
            Self::Responses => {
                let base_url = there(simulators.openai_url());
                let more = OpenAiResponsesConfig {
                    extra: extra("reasoning", json!({"effort": "low", "summary": "auto"})),
                    ..Default::default()
                };
                let config =
                    OpenAiResponsesConfig { base_url, key, model, first_token: patience, idle: patience, ..more };
                Arc::new(OpenAiResponses::new(config).unwrap())
            }
            Self::Anthropic => {
                let base_url = there(simulators.anthropic_url());
                let more = AnthropicConfig {
                    extra: extra("thinking", json!({"type": "enabled", "budget_tokens": 1024})),
                    ..Default::default()
                };
                let config = AnthropicConfig { base_url, key, model, first_token: patience, idle: patience, ..more };
                Arc::new(Anthropic::new(config).unwrap())
            }
        }
    }

    /// Whether it counts the tokens of an answer that is given to its end.
    fn counts(self) -> bool {
        !matches!(self, Self::Chat(Dialect::Strict))
    }

    /// Whether it asks for a key.
    fn needs_key(self) -> bool {
        !matches!(self, Self::Chat(Dialect::Ollama | Dialect::Vllm | Dialect::LlamaCpp))
    }
}

/// One vendor in one case.
struct Bench {
    vendor: Vendor,
    simulators: Simulators,
    llm: Arc<dyn Llm>,
}

impl Bench {
    async fn new(vendor: Vendor, config: SimulatorConfig, setting: &Setting) -> Self {
        let simulators = Simulators::start(config).await.unwrap();
        let llm = vendor.provider(&simulators, setting);
        Self { vendor, simulators, llm }
    }

    async fn ask(&self, user: &str) -> Vec<LlmEvent> {
        all(self.llm.open(request(user))).await
    }

    fn fail(&self, kind: FaultKind) {
        assert!(self.simulators.inject(Fault { service: Service::Llm, kind, count: 1 }));
    }

    fn log(&self) -> ServiceLog {
        self.simulators.received().llm
    }

    /// Waits until so many requests have reached the simulators.
    async fn reached(&self, requests: u64) {
        let reached = async {
            while self.log().requests < requests {
                sleep(Duration::from_millis(1)).await;
            }
        };
        let waited = timeout(Duration::from_secs(10), reached).await;
        waited.unwrap_or_else(|_| panic!("{:?}: {requests} requests expected: {:?}", self.vendor, self.log()));
    }

    /// Waits until the simulators have nothing more to do.
    async fn settled(&self) -> ServiceLog {
        let settled = async {
            loop {
                let log = self.log();
                if log.requests == log.refused + log.completed + log.broken_off {
                    return log;
                }
                sleep(Duration::from_millis(1)).await;
            }
        };
        let waited = timeout(Duration::from_secs(10), settled).await;
        waited.unwrap_or_else(|_| panic!("{:?}: a request is still being served: {:?}", self.vendor, self.log()))
    }
}

/// Runs a case for every vendor at once.
async fn each<F: Future<Output = ()>>(config: SimulatorConfig, setting: Setting, case: impl Fn(Bench) -> F) {
    let run = async |vendor| {
        let bench = Bench::new(vendor, config.clone(), &setting).await;
        case(bench).await;
    };
    bounded(join_all(Vendor::all().map(run))).await;
}

const KEY: &str = "k-conformance";
const GREETING: &str = "Grüß Gott, 世界 😀! What can I do for you today?";
const LONG: &str = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen \
                    seventeen eighteen nineteen twenty";

fn config(tokens_per_second: f64) -> SimulatorConfig {
    let script = AnswerScript::new([
        Answer::new(When::Says("hello".into()), GREETING),
        Answer::new(When::Says("long".into()), LONG),
        Answer::new(When::Says("table".into()), "One moment.")
            .calling("book", r#"{"people":4,"name":"Jürgen"}"#)
            .calling("ring", "{}"),
        Answer::new(When::ToolResult("confirmed".into()), "It is booked."),
    ]);
    let model = ModelConfig { script, first_token: Duration::from_millis(20), tokens_per_second };
    SimulatorConfig { key: Some(KEY.into()), model, ..SimulatorConfig::default() }
}

fn quick() -> SimulatorConfig {
    config(5_000.0)
}

fn impatient() -> Setting {
    // Long beside what a busy machine needs for an answer, for all vendors at once.
    Setting { patience: Duration::from_secs(2), ..Setting::default() }
}

fn tool(name: &str) -> ToolSpec {
    ToolSpec { name: name.into(), description: format!("Does {name}."), parameters: String::new() }
}

fn request(user: &str) -> LlmRequest {
    let messages = vec![
        Message::text(Role::System, "be kind"),
        Message::text(Role::Assistant, "This is the front desk. "),
        Message::text(Role::User, user),
    ];
    LlmRequest { model: None, messages, tools: vec![tool("book"), tool("ring")], max_tokens: None, temperature: None }
}

async fn all(mut stream: LlmStream) -> Vec<LlmEvent> {
    let mut events = Vec::new();
    while let Some(event) = stream.recv().await {
        events.push(event);
    }
    events
}

fn text(events: &[LlmEvent]) -> String {
    let token = |event: &LlmEvent| if let LlmEvent::Token(text) = event { Some(text.clone()) } else { None };
    events.iter().filter_map(token).collect()
}

fn calls(events: &[LlmEvent]) -> Vec<ToolCall> {
    let call = |event: &LlmEvent| if let LlmEvent::ToolCall(call) = event { Some(call.clone()) } else { None };
    events.iter().filter_map(call).collect()
}

fn ended(vendor: Vendor, events: &[LlmEvent]) -> (GenerationEnd, Usage) {
    match events.last() {
        Some(LlmEvent::Ended { end, usage: Some(usage) }) => (*end, *usage),
        _ => panic!("{vendor:?}: an end expected in {events:?}"),
    }
}

fn failed(vendor: Vendor, events: &[LlmEvent]) -> agentphone::provider::ProviderError {
    match events.last() {
        Some(LlmEvent::Failed(error)) => {
            let shown = error.to_string();
            assert!(!shown.contains(KEY) && !shown.contains("said"), "{vendor:?}: {shown}");
            error.clone()
        }
        _ => panic!("{vendor:?}: a failure expected in {events:?}"),
    }
}

/// What it takes to know that nothing remains of a failure.
async fn answers_again(bench: &Bench) {
    let events = bench.ask("hello").await;
    assert_eq!(text(&events), GREETING, "{:?} answers again", bench.vendor);
    ended(bench.vendor, &events);
}

#[tokio::test]
async fn an_answer_is_its_words_without_its_thoughts_and_its_cost() {
    each(quick(), Setting::default(), async |bench| {
        let vendor = bench.vendor;
        let events = bench.ask("hello").await;
        assert_eq!(text(&events), GREETING, "{vendor:?}");
        let (end, usage) = ended(vendor, &events);
        assert_eq!(end, GenerationEnd::Stop, "{vendor:?}");
        assert_eq!(usage.is_estimate, !vendor.counts(), "{vendor:?}: {usage:?}");
        assert!(usage.prompt > 5 && usage.completion > 5, "{vendor:?}: {usage:?}");
        assert_eq!(bench.settled().await.last_text, "hello", "{vendor:?}");
    })
    .await;
}

#[tokio::test]
async fn tools_are_called_with_all_their_arguments_and_their_answers_told() {
    each(quick(), Setting::default(), async |bench| {
        let vendor = bench.vendor;
        let events = bench.ask("a table please").await;
        assert_eq!(text(&events), "One moment.", "{vendor:?}");
        let called = calls(&events);
        let names: Vec<&str> = called.iter().map(|call| call.name.as_str()).collect();
        assert_eq!(names, ["book", "ring"], "{vendor:?}");
        let arguments = |call: &ToolCall| serde_json::from_str::<Value>(&call.arguments).unwrap();
        assert_eq!(arguments(&called[0]), json!({"people": 4, "name": "Jürgen"}), "{vendor:?}");
        assert_eq!(arguments(&called[1]), json!({}), "{vendor:?}");
        assert!(called[0].id != called[1].id && !called[0].id.is_empty(), "{vendor:?}: {called:?}");
        assert_eq!(ended(vendor, &events).0, GenerationEnd::ToolCalls, "{vendor:?}");

        let mut request = request("a table please");
        let answers = called
            .iter()
            .map(|call| Message { tool_call_id: Some(call.id.clone()), ..Message::text(Role::Tool, "confirmed") });
        let asked = Message { tool_calls: called.clone(), ..Message::text(Role::Assistant, "One moment.") };
        request.messages.push(asked);
        request.messages.extend(answers);
        let events = all(bench.llm.open(request)).await;
        assert_eq!(text(&events), "It is booked.", "{vendor:?}");
    })
    .await;
}

#[tokio::test]
async fn a_limit_of_tokens_is_told_and_cuts() {
    each(quick(), Setting::default(), async |bench| {
        let vendor = bench.vendor;
        for _ in 0..2 {
            let request = LlmRequest { max_tokens: Some(16), temperature: Some(0.5), ..request("a long one") };
            let events = all(bench.llm.open(request)).await;
            assert!(text(&events).ends_with("sixteen"), "{vendor:?}: {events:?}");
            // What ends every answer alike cannot say that it was cut.
            if vendor.counts() {
                assert_eq!(ended(vendor, &events).0, GenerationEnd::Length, "{vendor:?}");
            }
        }
        // A strict server has to refuse `stream_options` once to be known as one.
        assert_eq!(bench.settled().await.refused, u64::from(!vendor.counts()), "{vendor:?}");
    })
    .await;
}

#[tokio::test]
async fn what_a_reasoning_model_refuses_is_left_out_and_remembered() {
    let setting = Setting { model: "o3-mini", ..Setting::default() };
    let bench = Bench::new(Vendor::Chat(Dialect::OpenAi), quick(), &setting).await;
    for _ in 0..3 {
        let request = LlmRequest { max_tokens: Some(16), temperature: Some(0.5), ..request("a long one") };
        let events = all(bench.llm.open(request)).await;
        assert!(text(&events).ends_with("sixteen"), "{events:?}");
    }
    let log = bench.settled().await;
    assert_eq!((log.refused, log.completed), (2, 3), "the old name, then the temperature, each once");
}

#[tokio::test]
async fn an_answer_may_be_dropped_at_any_moment_and_what_it_cost_is_known() {
    // 20 ms apart: the drop is long before the end.
    each(config(50.0), Setting::default(), async |bench| {
        let vendor = bench.vendor;
        for heard in 0..6 {
            let before = bench.settled().await;
            let mut stream = bench.llm.open(request("a long one"));
            for _ in 0..heard {
                let event = stream.recv().await;
                assert!(matches!(event, Some(LlmEvent::Token(_))), "{vendor:?}: {event:?}");
            }
            let usage = stream.usage();
            drop(stream);
            let after = bench.settled().await;
            assert_eq!(after.completed, before.completed, "{vendor:?} went on after {heard} tokens");
            if heard > 0 {
                assert_eq!(after.broken_off, before.broken_off + 1, "{vendor:?} after {heard} tokens");
                assert!(usage.is_estimate && usage.prompt > 5 && usage.completion > 0, "{vendor:?}: {usage:?}");
            }
        }
        answers_again(&bench).await;
    })
    .await;
}

#[tokio::test]
async fn silence_is_waited_for_and_ends_when_nobody_listens() {
    each(quick(), Setting::default(), async |bench| {
        let vendor = bench.vendor;
        for kind in [FaultKind::Blackhole, FaultKind::Stall(After::Units(0)), FaultKind::Connect(QUARTER * 40)] {
            bench.fail(kind);
            let before = bench.log().requests;
            let mut stream = bench.llm.open(request("hello"));
            let heard = timeout(QUARTER, stream.recv()).await;
            assert!(heard.is_err(), "{vendor:?} {kind:?}: {heard:?}");
            bench.reached(before + 1).await;
            drop(stream);
            assert_eq!(bench.settled().await.completed, 0, "{vendor:?} {kind:?}");
        }
        assert_eq!(bench.log().broken_off, 3, "{vendor:?}");
        answers_again(&bench).await;
    })
    .await;
}

const QUARTER: Duration = Duration::from_millis(250);

#[tokio::test]
async fn silence_beyond_the_patience_is_a_timeout() {
    each(quick(), impatient(), async |bench| {
        let vendor = bench.vendor;
        let cases = [
            (FaultKind::Blackhole, ""),
            (FaultKind::Stall(After::Units(0)), ""),
            (FaultKind::Stall(After::Units(2)), "Grüß Gott,"),
        ];
        for (kind, said) in cases {
            bench.fail(kind);
            let events = bench.ask("hello").await;
            assert_eq!(text(&events), said, "{vendor:?} {kind:?}");
            assert_eq!(failed(vendor, &events).kind, Failure::Timeout, "{vendor:?} {kind:?}");
        }
        answers_again(&bench).await;
    })
    .await;
}

#[tokio::test]
async fn a_slow_answer_is_a_whole_answer() {
    each(config(100.0), Setting::default(), async |bench| {
        for kind in [FaultKind::Delay(QUARTER), FaultKind::Connect(QUARTER)] {
            bench.fail(kind);
            answers_again(&bench).await;
        }
    })
    .await;
}

#[tokio::test]
async fn what_breaks_in_the_middle_is_a_failure_behind_the_words_before_it() {
    each(quick(), Setting::default(), async |bench| {
        let vendor = bench.vendor;
        for kind in [FaultKind::Drop(After::Units(2)), FaultKind::Error(After::Units(2))] {
            bench.fail(kind);
            let events = bench.ask("hello").await;
            assert_eq!(text(&events), "Grüß Gott,", "{vendor:?} {kind:?}");
            let error = failed(vendor, &events);
            assert_eq!(error.kind, Failure::Unavailable, "{vendor:?} {kind:?}: {error}");
        }
        bench.fail(FaultKind::Drop(After::Units(0)));
        let error = failed(vendor, &bench.ask("hello").await);
        assert!(matches!(error.kind, Failure::Unavailable | Failure::Protocol), "{vendor:?}: {error}");
        answers_again(&bench).await;
    })
    .await;
}

#[tokio::test]
async fn no_call_is_made_of_one_that_broke_off() {
    each(quick(), Setting::default(), async |bench| {
        let vendor = bench.vendor;
        // Two words, and the beginning of a call, which in some dialects is the whole: even then its end is missing.
        for units in 3..5 {
            bench.fail(FaultKind::Drop(After::Units(units)));
            let events = bench.ask("a table please").await;
            assert!(calls(&events).is_empty(), "{vendor:?} after {units}: {events:?}");
            assert_eq!(failed(vendor, &events).kind, Failure::Unavailable, "{vendor:?} after {units}");
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_not_the_protocol_is_a_failure() {
    each(quick(), Setting::default(), async |bench| {
        let vendor = bench.vendor;
        bench.fail(FaultKind::Garbage);
        let events = bench.ask("hello").await;
        assert_eq!(text(&events), "", "{vendor:?}");
        let kind = failed(vendor, &events).kind;
        assert!(matches!(kind, Failure::Protocol | Failure::Unavailable), "{vendor:?}: {kind:?}");
        answers_again(&bench).await;
    })
    .await;
}

#[tokio::test]
async fn refusals_are_told_by_kind_and_with_the_time_to_wait() {
    each(quick(), Setting::default(), async |bench| {
        let vendor = bench.vendor;
        let cases = [
            (401, Failure::Auth),
            (402, Failure::Quota),
            (403, Failure::Auth),
            (404, Failure::BadRequest),
            (429, Failure::RateLimit),
            (500, Failure::Unavailable),
            (503, Failure::Unavailable),
            (529, Failure::Unavailable),
        ];
        for (status, kind) in cases {
            bench.fail(FaultKind::Status(status));
            let mut stream = bench.llm.open(request("hello"));
            let event = stream.recv().await;
            let Some(LlmEvent::Failed(error)) = event else { panic!("{vendor:?} {status}: {event:?}") };
            assert_eq!(error.kind, kind, "{vendor:?} {status}: {error}");
            assert_eq!(error.retry_after, (status == 429).then_some(Duration::from_secs(2)), "{vendor:?} {status}");
            assert_eq!(stream.usage(), Usage::default(), "{vendor:?}: a refusal costs nothing");
            assert_eq!(stream.recv().await, None, "{vendor:?}: nothing follows a failure");
        }
        answers_again(&bench).await;
    })
    .await;
}

#[tokio::test]
async fn a_wrong_key_is_said_to_be_one() {
    let setting = Setting { key: "another", ..Setting::default() };
    each(quick(), setting, async |bench| {
        let events = bench.ask("hello").await;
        match bench.vendor.needs_key() {
            true => assert_eq!(failed(bench.vendor, &events).kind, Failure::Auth, "{:?}", bench.vendor),
            false => assert_eq!(text(&events), GREETING, "{:?}", bench.vendor),
        }
    })
    .await;
}

#[tokio::test]
async fn a_slow_listener_misses_nothing() {
    each(quick(), Setting::default(), async |bench| {
        let mut stream = bench.llm.open(request("a long one"));
        let mut events = Vec::new();
        while let Some(event) = stream.recv().await {
            events.push(event);
            sleep(Duration::from_millis(15)).await;
        }
        assert_eq!(text(&events), LONG, "{:?}", bench.vendor);
        ended(bench.vendor, &events);
    })
    .await;
}

#[tokio::test]
async fn an_answer_is_whole_however_the_network_cuts_it() {
    let run = async |vendor: Vendor| {
        let simulators = Simulators::start(quick()).await.unwrap();
        let address = cutting(simulators.address()).await;
        let setting = Setting { address: Some(address), ..Setting::default() };
        let llm = vendor.provider(&simulators, &setting);
        let events = all(llm.open(request("hello"))).await;
        assert_eq!(text(&events), GREETING, "{vendor:?}");
        let events = all(llm.open(request("a table please"))).await;
        assert_eq!(calls(&events).len(), 2, "{vendor:?}: {events:?}");
    };
    bounded(join_all(Vendor::all().map(run))).await;
}

/// A network that delivers what `server` says in pieces of one to five bytes.
async fn cutting(server: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            client.set_nodelay(true).unwrap();
            let (mut from_server, mut to_server) = TcpStream::connect(server).await.unwrap().into_split();
            let (mut from_client, mut to_client) = client.into_split();
            tokio::spawn(async move { tokio::io::copy(&mut from_client, &mut to_server).await });
            tokio::spawn(async move {
                let mut piece = [0; 5];
                for size in (1..=5).cycle() {
                    match from_server.read(&mut piece[..size]).await {
                        Ok(read) if read > 0 && to_client.write_all(&piece[..read]).await.is_ok() => {}
                        _ => return,
                    }
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn a_connection_opened_ahead_serves_every_answer_that_is_heard_to_its_end() {
    each(quick(), Setting::default(), async |bench| {
        let vendor = bench.vendor;
        // Any number of calls may begin.
        (0..5).for_each(|_| bench.llm.warm());
        let opened = async {
            while bench.simulators.connections() == 0 {
                sleep(Duration::from_millis(1)).await
            }
        };
        timeout(Duration::from_secs(10), opened).await.unwrap_or_else(|_| panic!("{vendor:?} opened nothing"));
        for _ in 0..3 {
            // A caller takes longer than that to say something.
            sleep(QUARTER).await;
            answers_again(&bench).await;
        }
        assert_eq!(bench.simulators.connections(), 1, "{vendor:?}");
        let log = bench.log();
        // What a strict server refuses, it refuses before it is known as one.
        assert_eq!(log.requests - log.refused, 3, "{vendor:?}: opening a connection is no request");
    })
    .await;
}
