//! OpenAI, and the many servers that speak its protocols: chat completions, responses and speech.

mod answer;
mod chat;
mod dislikes;
mod items;
mod reasoning;
mod responses;
mod speech;
mod transcription;
mod transcription_wire;
mod wire;

use url::Url;

use super::ProviderError;
use super::http::{self, Vendor};

pub use chat::{OpenAiChat, OpenAiChatConfig};
pub use responses::{OpenAiResponses, OpenAiResponsesConfig};
pub use speech::{OpenAiSpeech, OpenAiSpeechConfig};
pub use transcription::{OpenAiTranscription, OpenAiTranscriptionConfig};

const CHAT: Vendor = Vendor { name: "openai chat", key: "OPENAI_API_KEY", base_url: "OPENAI_BASE_URL" };
const RESPONSES: Vendor = Vendor { name: "openai responses", key: "OPENAI_API_KEY", base_url: "OPENAI_BASE_URL" };
const SPEECH: Vendor = Vendor { name: "openai speech", key: "OPENAI_API_KEY", base_url: "OPENAI_BASE_URL" };

/// The address of `path`. A base without a path, `http://127.0.0.1:11434`, gets the customary `/v1`.
fn address(vendor: &Vendor, base_url: &str, path: &str) -> Result<Url, ProviderError> {
    let base = http::as_http(vendor.base(base_url)?);
    let has_path = base.path() != "/";
    Ok(http::endpoint(&base, &if has_path { path.to_owned() } else { format!("v1/{path}") }))
}

/// Whether this is OpenAI itself, which refuses what others need and the other way round.
fn is_openai(url: &Url) -> bool {
    url.host_str().is_some_and(|host| host == "api.openai.com" || host.ends_with(".api.openai.com"))
}
