//! The house rules: who may import whom; no clock, no randomness, no runtime and no JSON below its floor.
//!
//! Every file below `src` is read as text, so the test says the same with and without the `engine` feature. Comments,
//! strings and code that only tests compile do not count.

#[path = "architecture/lex.rs"]
mod lex;
#[path = "architecture/paths.rs"]
mod paths;
#[path = "architecture/rules.rs"]
mod rules;

use std::fs;
use std::path::Path;

use rules::{Source, long_files, violations};

#[test]
fn the_house_stands() {
    let sources = sources();
    for long in long_files(&sources) {
        println!("long: {long}");
    }
    let found = violations(&sources);
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn a_forbidden_arrow_is_reported_with_its_line() {
    for (path, line, arrow) in [
        ("media/pacer.rs", "use crate::dialogue::Fact;", "`media` must not import `dialogue::Fact`"),
        (
            "media/pacer.rs",
            "use crate::conversation::{Digit, Message};",
            "`media` must not import `conversation::Message`",
        ),
        (
            "gateway/sip/agent.rs",
            "use crate::{audio::Codec, provider::Stt};",
            "`gateway` must not import `provider::Stt`",
        ),
        ("gateway/rtp.rs", "use super::super::provider;", "`gateway` must not import `provider`"),
        ("call/machine.rs", "fn f(engine: &crate::engine::Engine) {}", "`call` must not import `engine::Engine`"),
        ("engine/driver.rs", "type W = agentphone::world::World;", "`engine` must not import `world::World`"),
        ("simulator/llm.rs", "use crate::provider as real;", "`simulator` must not import `provider`"),
        ("control/http/calls.rs", "use crate::*;", "`control` must not import `*`"),
        ("audio/frame.rs", "use crate as root;", "`audio` must not import `the crate root`"),
        ("attic/mod.rs", "", "`attic` is no room of the house"),
    ] {
        let found = with(path, &format!("//! May import: x. Must never know: y.\n{line}\n"));
        assert_eq!(found.len(), 1, "{path}: {line}: {found:?}");
        assert!(found[0].contains(arrow), "{path}: {line}: {found:?}");
        assert!(line.is_empty() || found[0].starts_with(&format!("{path}:2: ")), "{found:?}");
    }
}

#[test]
fn clocks_runtimes_sharing_and_json_are_reported_below_their_floor() {
    for (path, line) in [
        ("dialogue/machine.rs", "fn f() { let _ = std::time::Instant::now(); }"),
        ("world/network.rs", "use std::time::SystemTime;"),
        ("media/jitter.rs", "use rand::Rng;"),
        ("world/services.rs", "use tokio::task;"),
        ("dialogue/history.rs", "use std::collections::HashMap;"),
        ("call/machine.rs", "struct Shared(std::sync::Mutex<u8>);"),
        ("world/network.rs", "fn f(socket: std::net::UdpSocket) {}"),
        ("call/log.rs", "#[derive(serde::Serialize)] struct Log;"),
        ("provider/llm.rs", "use serde_json::Value;"),
        ("engine/driver.rs", "use serde::Deserialize;"),
    ] {
        assert_eq!(with(path, line).len(), 1, "{path}: {line}");
    }
}

#[test]
fn what_is_allowed_is_not_reported() {
    for (path, text) in [
        ("media/pacer.rs", "use crate::{audio::Frame, conversation::{Digit, ReplyId}, media::Report, rtp};"),
        ("engine/driver.rs", "use std::time::Instant; fn f() { Instant::now(); tokio::spawn(crate::call::x()); }"),
        ("audio/frame.rs", "// use crate::call::Call;\nconst A: &str = \"crate::call::Call\"; /* tokio */"),
        ("audio/frame.rs", "#[cfg(test)]\nmod tests { use crate::call::Call; fn now() { Instant::now(); } }"),
        ("provider/deepgram.rs", "use serde::Deserialize;"),
        ("main.rs", "use agentphone::{control, demo, engine, store};"),
        (
            "lib.rs",
            "//! Map.\n#![allow(x)]\npub mod audio;\n#[cfg(feature = \"engine\")]\npub mod engine;\npub use audio::Frame;",
        ),
    ] {
        assert_eq!(with(path, text), Vec::<String>::new(), "{path}: {text}");
    }
    let declared = Source {
        path: "audio/mod.rs".into(),
        text: "//! May import. Must never know.\n#[cfg(test)] mod tests;".into(),
    };
    let tests = Source { path: "audio/tests.rs".into(), text: "use crate::world::World;".into() };
    assert_eq!(violations(&[declared, tests]), Vec::<String>::new());
}

#[test]
fn doors_without_a_sign_definitions_in_lib_and_endless_files_are_reported() {
    assert_eq!(with("audio/mod.rs", "mod frame;").len(), 3);
    assert_eq!(with("audio/mod.rs", "//! GROUND. May import: nothing.\nmod frame;").len(), 1);
    assert_eq!(with("gateway/sip/mod.rs", "mod trunk;").len(), 1);
    assert_eq!(with("lib.rs", "pub mod audio;\npub struct State;").len(), 1);
    assert_eq!(with("lib.rs", "pub mod audio { }").len(), 1);
    assert_eq!(with("audio/frame.rs", &"\n".repeat(701)).len(), 1);
}

/// What the checker says of one file.
fn with(path: &str, text: &str) -> Vec<String> {
    violations(&[Source { path: path.into(), text: text.into() }])
}

/// Every Rust file below `src`.
fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut folders, mut found) = (vec![root.clone()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("src is readable") {
            let path = entry.expect("src is readable").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let below = path.strip_prefix(&root).expect("below src").components();
                let below: Vec<_> = below.map(|part| part.as_os_str().to_string_lossy()).collect();
                let text = fs::read_to_string(&path).expect("sources are UTF-8");
                found.push(Source { path: below.join("/"), text });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(found.len() > 30, "only {} files found below src", found.len());
    found
}
