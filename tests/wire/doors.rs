//! What the door answers to strangers, to mistakes and to what it does not have.

use agentphone::control::http;
use serde_json::json;

use super::client::{get, post, raw, send};
use super::door::Door;

const KEY: &str = "sk_live_0123456789";

#[tokio::test]
async fn a_key_is_needed_everywhere_but_for_health() {
    let door = Door::open(&[KEY, "sk_live_other_key"], 1).await;
    let authorization = format!("Authorization: Bearer {KEY}");
    for path in [
        "/v1/calls",
        "/v1/agents",
        "/metrics",
        "/v1/calls/x/events",
        "/v1/numbers",
        "/nothing",
        "/v1/streams/twilio/front-desk",
    ] {
        for header in ["X-None: 1", "Authorization: Bearer sk_live_wrong", "Authorization: Basic c2tfbGl2ZQ=="] {
            let answer = send(door.address, "GET", path, &[header], "").await;
            answer.refused(401, "UNAUTHORIZED");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
            assert!(answer.header("x-request-id").is_some_and(|id| id.starts_with("req_")));
        }
        let answer = send(door.address, "GET", path, &[&authorization], "").await;
        assert_ne!(answer.status, 401, "{path}");
    }
    assert_eq!(get(door.address, "/healthz").await.status, 200);
    assert_eq!(get(door.address, "/readyz").await.status, 200);
}

#[tokio::test]
async fn a_media_stream_may_bring_its_key_in_the_path() {
    let door = Door::open(&[KEY], 1).await;
    let path = |key: &str| format!("/v1/streams/twilio/front-desk/{key}");
    get(door.address, &path("sk_live_wrong")).await.refused(401, "UNAUTHORIZED");
    get(door.address, &path("")).await.refused(401, "UNAUTHORIZED");
    get(door.address, &path(KEY)).await.refused(426, "UPGRADE_REQUIRED");
    get(door.address, &format!("/v1/streams/twilio/nobody/{KEY}")).await.refused(404, "NOT_FOUND");
    // The key opens streams, and nothing else, from the path.
    get(door.address, &format!("/v1/calls/{KEY}")).await.refused(401, "UNAUTHORIZED");
}

#[tokio::test]
async fn without_keys_a_web_page_cannot_use_the_door() {
    let door = Door::open(&[], 1).await;
    assert_eq!(get(door.address, "/v1/calls").await.status, 200);
    let page = send(door.address, "POST", "/v1/media/legs", &["Origin: https://evil.example"], "{}").await;
    page.refused(403, "FORBIDDEN");
    let rebound = raw(door.address, b"GET /v1/calls HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n").await;
    rebound.refused(403, "FORBIDDEN");
}

#[tokio::test]
async fn health_says_what_is_simulated_and_whether_calls_are_admitted() {
    let door = Door::open(&[], 1).await;
    let health = get(door.address, "/healthz").await.json();
    assert_eq!(health["status"], "ok");
    assert_eq!(health["simulated"], serde_json::json!(["llm"]));
    door.api.stop_admitting();
    assert_eq!(get(door.address, "/healthz").await.status, 200);
    let ready = get(door.address, "/readyz").await;
    assert_eq!((ready.status, &ready.json()["status"]), (503, &"draining".into()));
    let refused = post(door.address, "/v1/media/legs", r#"{"agentId":"front-desk","transport":"rtp"}"#).await;
    refused.refused(503, "UNAVAILABLE");
    assert!(refused.header("retry-after").is_some());
}

#[tokio::test]
async fn bodies_that_are_not_what_they_should_be_are_refused_in_one_shape() {
    let door = Door::open(&[], 1).await;
    for (body, detail) in [
        ("{", "body: is not JSON (line 1, column 1)"),
        ("[]", "body: found a list, expected a JSON object"),
        ("{\"agentId\":\"a\",}", "body: is not JSON (line 1, column 16)"),
        ("\u{0}", "body: is not JSON (line 1, column 1)"),
    ] {
        let json = post(door.address, "/v1/media/legs", body).await.refused(422, "VALIDATION_ERROR");
        assert_eq!(json["detail"], detail);
    }
    let large = format!("{{\"agentId\":\"{}\"}}", "x".repeat(70_000));
    post(door.address, "/v1/media/legs", &large).await.refused(413, "PAYLOAD_TOO_LARGE");
    // An endless body is cut off at the limit, too.
    let mut endless = b"POST /v1/media/legs HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..80 {
        endless.extend_from_slice(b"400\r\n");
        endless.extend_from_slice(&[b' '; 1_024]);
        endless.extend_from_slice(b"\r\n");
    }
    raw(door.address, &endless).await.refused(413, "PAYLOAD_TOO_LARGE");
}

#[tokio::test]
async fn every_wrong_field_of_a_leg_is_named() {
    let door = Door::open(&[], 1).await;
    let body = r#"{"agentId":7,"transport":"sip","remote":"localhost:1","codec":"g729","payloadType":3,
        "telephoneEvent":8,"from":"+1 212 999","to":"12","direction":"sideways","unknown":true}"#;
    let answer = post(door.address, "/v1/media/legs", body).await;
    let json = answer.refused(422, "VALIDATION_ERROR");
    let fields: Vec<_> =
        json["error"]["details"].as_array().unwrap().iter().map(|detail| detail["field"].as_str().unwrap()).collect();
    let expected = ["agentId", "transport", "remote", "codec", "payloadType", "telephoneEvent", "from", "direction"];
    assert_eq!(fields, expected, "{json}");
    assert!(json["detail"].as_str().unwrap().contains("transport: expected \"rtp\""), "what is supported is told");
    assert!(!answer.body.contains("212"), "a number is not repeated");
    // Codecs beside one another, and what each can carry.
    for (more, field, told) in [
        (r#""codecs":["PCMU","PCMU"]"#, "codecs.1", "payload type 0 is there twice"),
        (r#""codecs":["PCMU",{"codec":"opus","payloadType":34}]"#, "codecs.1", "expected 96 to 127"),
        (r#""codecs":[]"#, "codecs", "found 0 entries"),
        (r#""codecs":["G729"]"#, "codecs.0", "expected one of opus, G722"),
        (r#""codecs":[7]"#, "codecs.0", "expected a codec's name"),
        (r#""codec":"PCMU","codecs":["G722"]"#, "codecs", "either codec or codecs"),
        (r#""codec":"opus","ptime":30"#, "ptime", "expected one of 10, 20, 40, 60 for opus"),
        (r#""codecs":["PCMU",{"codec":"opus","payloadType":101}]"#, "telephoneEvent", "another payload type"),
        (r#""codec":"opus","useInbandFec":1"#, "useInbandFec", "expected true or false"),
    ] {
        let body = format!(r#"{{"agentId":"front-desk","transport":"rtp",{more}}}"#);
        let json = post(door.address, "/v1/media/legs", &body).await.refused(422, "VALIDATION_ERROR");
        assert_eq!(json["error"]["details"][0]["field"], field, "{more}");
        assert!(json["detail"].as_str().unwrap().contains(told), "{more}: {json}");
    }
    // An empty body is an empty object: the two fields that must be there are named.
    let json = send(door.address, "POST", "/v1/media/legs", &[], "").await.refused(422, "VALIDATION_ERROR");
    assert_eq!(json["detail"], "agentId: is missing; expected a text; transport: is missing; expected a text");
    for remote in ["0.0.0.0:4000", "127.0.0.1:0", "224.0.0.1:4000", "255.255.255.255:9", "[::]:1"] {
        let body = format!(r#"{{"agentId":"front-desk","transport":"rtp","remote":"{remote}"}}"#);
        let json = post(door.address, "/v1/media/legs", &body).await.refused(422, "VALIDATION_ERROR");
        assert_eq!(json["error"]["details"][0]["field"], "remote");
    }
    // Our ports are on loopback: a call with another host would be silent both ways.
    let body = r#"{"agentId":"front-desk","transport":"rtp","remote":"192.0.2.1:4000"}"#;
    let json = post(door.address, "/v1/media/legs", body).await.refused(422, "VALIDATION_ERROR");
    assert_eq!(json["error"]["details"][0]["field"], "remote");
    assert!(json["detail"].as_str().unwrap().contains("`[rtp] address`"), "{json}");
    // A key that cannot be used is refused, and not repeated.
    let good = "1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";
    let other = "1 AES_CM_128_HMAC_SHA1_32 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";
    for (keys, field) in [
        (json!({"receive": format!("{good}|1:4")}), "srtp.receive"),
        (json!({"send": good}), "srtp.receive"),
        (json!({"receive": good, "send": other}), "srtp.send"),
        (json!({"receive": good, "both": good}), "srtp"),
        (json!(good), "srtp"),
    ] {
        let body = json!({"agentId": "front-desk", "transport": "rtp", "srtp": keys});
        let answer = post(door.address, "/v1/media/legs", &body.to_string()).await;
        assert_eq!(answer.refused(422, "VALIDATION_ERROR")["error"]["details"][0]["field"], field);
        assert!(!answer.body.contains("d0Rm"), "{}", answer.body);
    }
    assert_eq!(get(door.address, "/healthz").await.json()["liveCalls"], 0);
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let door = Door::open(&[], 1).await;
    let body = r#"{"agentId":"nobody","transport":"rtp"}"#;
    let json = post(door.address, "/v1/media/legs", body).await.refused(404, "NOT_FOUND");
    assert_eq!(json["detail"], "Agent not found");
    for path in ["/v1/calls/call_x", "/v1/calls/call_x/events", "/v1/calls/call_x/transcript"] {
        assert_eq!(get(door.address, path).await.refused(404, "NOT_FOUND")["detail"], "Call not found");
    }
    for (method, path) in [("DELETE", "/v1/media/legs/call_x"), ("POST", "/v1/calls/call_x/end")] {
        send(door.address, method, path, &[], "").await.refused(404, "NOT_FOUND");
    }
    post(door.address, "/v1/calls/call_x/say", r#"{"text":"Hi."}"#).await.refused(404, "NOT_FOUND");
    get(door.address, "/v1/agents/nobody").await.refused(404, "NOT_FOUND");
    get(door.address, "/v2/calls").await.refused(404, "NOT_FOUND");
    get(door.address, "/v1/calls/%ff").await.refused(404, "NOT_FOUND");
    get(door.address, "/v1/calls/..%2f..%2fetc").await.refused(404, "NOT_FOUND");
}

#[tokio::test]
async fn what_later_versions_bring_is_not_implemented_and_wrong_methods_are_told() {
    let door = Door::open(&[], 1).await;
    for (method, path) in [
        ("POST", "/v1/calls"),
        ("POST", "/v1/calls/web"),
        ("GET", "/v1/calls/call_x/recording"),
        ("GET", "/v1/calls/call_x/transcript/stream"),
        ("POST", "/v1/agents"),
        ("PATCH", "/v1/agents/front-desk"),
        ("GET", "/v1/agents/front-desk/webhook"),
        ("GET", "/v1/numbers"),
        ("POST", "/v1/messages"),
        ("GET", "/v1/usage/daily"),
        ("POST", "/v0/agent/sign-up"),
    ] {
        let answer = send(door.address, method, path, &[], "").await;
        answer.refused(501, "NOT_IMPLEMENTED");
    }
    let answer = send(door.address, "PUT", "/v1/agents/front-desk", &[], "").await;
    answer.refused(405, "METHOD_NOT_ALLOWED");
    assert!(answer.header("allow").is_some_and(|allow| allow.contains("GET")), "{}", answer.head);
    send(door.address, "GET", "/v1/media/legs", &[], "").await.refused(405, "METHOD_NOT_ALLOWED");
}

#[tokio::test]
async fn the_voices_are_a_list_and_no_agent() {
    let door = Door::open(&[], 1).await;
    let json = get(door.address, "/v1/agents/voices").await.json();
    let voice = &json["data"][0];
    assert_eq!(
        (&voice["voice_id"], &voice["voiceId"], &voice["provider"]),
        (&json!("hum"), &json!("hum"), &json!("fake"))
    );
}

#[tokio::test]
async fn lists_are_paged_and_their_parameters_checked() {
    let door = Door::open(&[], 1).await;
    let agents = get(door.address, "/v1/agents?limit=&offset=0&unknown=1").await.json();
    assert_eq!((&agents["total"], &agents["hasMore"]), (&1.into(), &false.into()));
    assert_eq!(agents["data"][0]["id"], "front-desk");
    assert_eq!(get(door.address, "/v1/agents?offset=1").await.json()["data"], serde_json::json!([]));
    let one = get(door.address, "/v1/agents/front-desk").await.json();
    assert_eq!(one, agents["data"][0]);
    let calls = get(door.address, "/v1/calls?status=in_progress&direction=inbound&type=pstn&search=%2B1").await.json();
    assert_eq!(calls, serde_json::json!({"data": [], "total": 0, "hasMore": false}));
    for (query, field) in
        [("limit=0", "limit"), ("limit=101", "limit"), ("offset=-1", "offset"), ("status=odd", "status")]
    {
        let json = get(door.address, &format!("/v1/calls?{query}")).await.refused(422, "VALIDATION_ERROR");
        assert_eq!(json["error"]["details"][0]["field"], field);
    }
}

#[tokio::test]
async fn metrics_are_prometheus_text_without_ids() {
    let door = Door::open(&[], 7).await;
    let answer = get(door.address, "/metrics").await;
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    for line in ["agentphone_calls_capacity 7", "agentphone_calls_live 0", "agentphone_answer_delay_seconds_count 0"] {
        assert!(answer.body.lines().any(|found| found == line), "{line} is missing");
    }
    for line in answer.body.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').expect("a name and a value");
        assert!(value.parse::<f64>().is_ok(), "{line}");
        let labels = name.split_once('{').map(|(_, labels)| labels);
        assert!(labels.is_none_or(|labels| labels.starts_with("le=\"")), "{line}");
    }
}

#[tokio::test]
async fn a_stopped_door_finishes_what_it_has_begun() {
    let door = Door::open(&[], 1).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving =
        tokio::spawn(http::serve(
            listener,
            door.api.clone(),
            http::Limits::default(),
            async move { drop(stopped.await) },
        ));
    assert_eq!(get(address, "/healthz").await.status, 200);
    stop.send(()).unwrap();
    serving.await.unwrap();
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "nobody listens any more");
}
