//! What is kept of a call, and what a call may say about that and about its waits.

use std::path::PathBuf;
use std::time::Duration;

use agentphone::call::log::Records;
use serde_json::{Value, json};
use tokio::net::UdpSocket;

use super::client::{get, post, send};
use super::door::Door;

const PATIENCE: Duration = Duration::from_secs(20);

/// A folder of this test's own, gone with the value.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        Self(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id())))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

async fn attach(door: &Door, caller: &UdpSocket, more: Value) -> String {
    let mut body = json!({
        "agentId": "front-desk", "transport": "rtp", "remote": caller.local_addr().unwrap(), "codec": "PCMU",
    });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let answer = post(door.address, "/v1/media/legs", &body.to_string()).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    answer.json()["callId"].as_str().unwrap().to_owned()
}

async fn heard(caller: &UdpSocket) {
    let mut packet = [0; 2_048];
    for _ in 0..20 {
        tokio::time::timeout(PATIENCE, caller.recv_from(&mut packet)).await.expect("the agent sends").unwrap();
    }
}

#[tokio::test]
async fn a_call_that_does_not_want_to_be_recorded_is_not_and_others_are() {
    let folder = Folder::new("recording-switch");
    let door = Door::open_keeping(&folder.0).await;
    for disable in [false, true] {
        let caller = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let id = attach(&door, &caller, json!({"disableRecording": disable})).await;
        heard(&caller).await;
        let over = send(door.address, "DELETE", &format!("/v1/media/legs/{id}"), &[], "").await.json();
        let file = folder.0.join(format!("{id}.wav"));
        let told = &over["engine"]["recording"];
        if disable {
            assert_eq!((told, file.exists()), (&Value::Null, false));
        } else {
            assert_eq!(*told, format!("{id}.wav"));
            assert!(std::fs::metadata(&file).unwrap().len() > 58 + 2 * 160 * 10, "its sound is there");
        }
        // The transcript is kept all the same.
        assert!(over["engine"]["lines"].is_array() && folder.0.join(format!("{id}.log")).exists());
    }
}

#[tokio::test]
async fn a_call_has_waits_of_its_own_which_its_log_keeps() {
    let folder = Folder::new("own-waits");
    let door = Door::open_keeping(&folder.0).await;
    let caller = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let body = json!({"agentId": "front-desk", "transport": "rtp", "timing": {"idle_prompt": "soon", "holdMe": 1}});
    let refused = post(door.address, "/v1/media/legs", &body.to_string()).await;
    assert_eq!(refused.status, 422);
    for field in ["timing.idle_prompt", "timing.holdMe"] {
        assert!(refused.body.contains(field), "{}", refused.body);
    }
    let timing = json!({"idlePrompt": "300ms", "idle_prompts": 1, "max_duration": "24h"});
    let refused = json!({"agentId": "front-desk", "transport": "rtp", "timing": timing}).to_string();
    assert_eq!(post(door.address, "/v1/media/legs", &refused).await.status, 422, "hours are no unit");
    let timing = json!({"idlePrompt": "300ms", "idle_prompts": 1, "idle_end": 300, "max_duration": "80000s"});
    let id = attach(&door, &caller, json!({"timing": timing})).await;
    // Nobody says anything: it asks once and hangs up, long before it would by itself.
    let over = get(door.address, &format!("/v1/calls/{id}?wait=true&timeout=60")).await.json();
    assert_eq!(over["engine"]["disconnectionReason"], "inactivity", "{over}");
    let said: Vec<_> = over["engine"]["lines"].as_array().unwrap().iter().collect();
    assert_eq!(said.len(), 3, "the greeting, one question, goodbye: {over}");
    let log = std::fs::read_to_string(folder.0.join(format!("{id}.log"))).unwrap();
    let kept = Records::new(&log).unwrap().spec().dialogue.timing;
    assert_eq!((kept.idle_prompt, kept.idle_prompts), (Duration::from_millis(300), 1));
    assert_eq!(kept.max_duration, Duration::from_secs(3_600), "no longer than its agent's calls");
}
