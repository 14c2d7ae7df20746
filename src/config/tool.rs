//! Tools of an agent's own.

use std::collections::HashSet;
use std::time::Duration;

use crate::conversation::Pii;

use super::document::Section;
use super::settings::Env;

/// `[[agents.customTools]]` (or `[[agents.tools]]`): a tool behind an address. The names are those of the AgentPhone API.
#[derive(Clone, PartialEq, Debug)]
pub struct CustomTool {
    /// The name the model calls it by.
    pub name: String,
    /// What it is for, for the model.
    pub description: String,
    /// JSON Schema of its arguments, as text.
    pub parameters: String,
    /// Where it is.
    pub url: String,
    /// Whether it is asked with GET, its arguments in the query, rather than with POST.
    pub is_get: bool,
    /// Headers of the request; values may hold `{{variables}}`, and `${NAME}` of the environment is filled in already.
    pub headers: Vec<(String, Pii<String>)>,
    /// How long it may take.
    pub timeout: Duration,
    /// Said while the caller waits for it; empty: nothing; `None`: what is said for any tool.
    pub execution_message: Option<String>,
}

/// `[tools]`: what tools' addresses may be.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct ToolPolicy {
    /// Plain http too.
    pub allow_http: bool,
    /// Addresses that are not public too.
    pub allow_private: bool,
}

/// The most tools of one agent.
const MOST: usize = 20;
/// Names of built-in deeds.
const RESERVED: [&str; 8] =
    ["end_call", "transfer_call", "send_dtmf", "hang_up", "transfer", "press_digit", "send_message", "current_time"];

pub(super) fn policy(mut section: Section<'_>) -> ToolPolicy {
    let allow_http = section.flag("allow_http").unwrap_or(false);
    let allow_private = section.flag("allow_private").unwrap_or(false);
    section.finish();
    ToolPolicy { allow_http, allow_private }
}

/// The tools of an agent's section.
pub(super) fn tools(agent: &mut Section<'_>, env: Env<'_>) -> Vec<CustomTool> {
    let mut sections = agent.sections("custom_tools");
    sections.extend(agent.sections("tools"));
    if sections.len() > MOST {
        agent.wrong("custom_tools", format!("found {} tools, expected at most {MOST}", sections.len()));
    }
    let mut seen = HashSet::new();
    let mut tools = Vec::new();
    for mut section in sections {
        if let Some(tool) = tool(&mut section, env) {
            if !seen.insert(tool.name.clone()) {
                section.wrong("name", format!("\"{}\" is the name of another tool of this agent", tool.name));
            }
            tools.push(tool);
        }
        section.finish();
    }
    tools
}

fn tool(section: &mut Section<'_>, env: Env<'_>) -> Option<CustomTool> {
    let mut required = |key: &'static str, expected: &str, most: usize| {
        let text = section.short_text(key, most);
        if text.as_ref().is_none_or(|text| text.trim().is_empty()) {
            section.missing(key, expected);
        }
        text
    };
    let name = required("name", "the name the model calls it by", 64);
    let description = required("description", "what it is for, for the model", 1_024);
    let url = required("url", "its address, like \"https://example.com/look-up\"", 2_048);
    if let Some(name) = &name {
        if RESERVED.contains(&name.as_str()) {
            section.wrong("name", format!("\"{name}\" is the name of a built-in tool"));
        } else if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')) {
            section.wrong("name", format!("found \"{name}\", expected letters, digits, `_` and `-`"));
        }
    }
    let is_get = section.one_of("method", &[("GET", true), ("POST", false)]).unwrap_or(false);
    let parameters = section.json_object("parameters").unwrap_or_else(|| r#"{"type":"object","properties":{}}"#.into());
    let headers = section.texts("headers", env);
    let timeout = section.integer("timeout_ms", 1_000..=120_000).unwrap_or(10_000);
    let message = section.short_text("execution_message", 500);
    let execution_message = match section.flag("speak_during_execution") {
        Some(false) => Some(String::new()),
        _ => message.filter(|message| !message.is_empty()),
    };
    Some(CustomTool {
        name: name?,
        description: description?,
        parameters,
        url: url?,
        is_get,
        headers,
        timeout: Duration::from_millis(timeout),
        execution_message,
    })
}
