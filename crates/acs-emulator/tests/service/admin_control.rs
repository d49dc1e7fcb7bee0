//! What the admin API changes.

use std::io::Cursor;
use std::ops::Deref;
use std::time::Duration;

use acs_emulator::{AccessKey, Clock};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hound::{SampleFormat, WavReader, WavSpec, WavWriter};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::admin_api::{Api, next_event};
use crate::client::{Request, get, post, start};
use crate::webhook::Webhook;

/// An emulator with the admin interface, and a client that checks responses.
struct Admin(Api);

impl Deref for Admin {
    type Target = Api;

    fn deref(&self) -> &Api {
        &self.0
    }
}

impl Admin {
    async fn start() -> Self {
        Self::with(Clock::manual()).await
    }

    async fn with(clock: Clock) -> Self {
        Self(Api::with(clock).await)
    }

    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> (StatusCode, Value) {
        let path = format!("/api/v1{path}");
        let response = self.request(method.as_str(), &path, body.cloned()).await;
        (response.status, response.body)
    }

    #[track_caller]
    fn get(&self, path: &str) -> impl Future<Output = Value> {
        let answered = self.send(Method::GET, path, None);
        async {
            let (status, body) = answered.await;
            assert_eq!(status, StatusCode::OK, "{body}");
            body
        }
    }

    /// Sends a request that must succeed with this status.
    async fn post(&self, status: u16, path: &str, body: Value) -> Value {
        let (actual, response) = self.send(Method::POST, path, Some(&body)).await;
        assert_eq!(actual, status, "{path} {body}: {response}");
        response
    }

    async fn delete(&self, path: &str) -> StatusCode {
        self.send(Method::DELETE, path, None).await.0
    }

    /// Sends a request that must fail, and returns the code and the pointer of the problem.
    async fn fails(&self, status: u16, path: &str, body: &Value) -> (String, Value) {
        let (actual, problem) = self.send(Method::POST, path, Some(body)).await;
        assert_eq!(actual, status, "{path} {body}: {problem}");
        assert_eq!(problem["status"], status);
        for member in ["detail", "hint", "title"] {
            assert_ne!(
                problem[member].as_str().unwrap_or_default(),
                "",
                "{problem}"
            );
        }
        let code = problem["code"].as_str().unwrap().to_owned();
        (code, problem["pointer"].clone())
    }

    /// A call with these participants.
    async fn call(&self, names: &[&str]) -> Value {
        let people: Vec<_> = names.iter().map(|name| json!({"name": name})).collect();
        self.post(201, "/calls", json!({"participants": people}))
            .await
    }

    /// The number of calls, recordings, deliveries, requests, subscriptions and faults.
    async fn counts(&self) -> [u64; 6] {
        let mut counts = [0; 6];
        for (count, list) in counts.iter_mut().zip([
            "calls",
            "recordings",
            "events",
            "requests",
            "subscriptions",
            "faults",
        ]) {
            let page = self.get(&format!("/{list}")).await;
            let length = page["items"].as_array().unwrap().len() as u64;
            *count = page["total"].as_u64().unwrap_or(length);
        }
        counts
    }

    /// Records a call as a WAV file while `during` runs, and returns the samples.
    async fn record(&self, call: &Value, during: impl AsyncFnOnce()) -> Vec<i16> {
        let connection = &call["connections"][0]["id"];
        let id = start(
            &self.acs,
            &json!({
                "callConnectionId": connection,
                "recordingContentType": "audio",
                "recordingChannelType": "mixed",
                "recordingFormatType": "wav",
            }),
        )
        .await;
        during().await;
        let stop = Request::new(
            &self.acs,
            Method::DELETE,
            &format!("/calling/recordings/{id}"),
        );
        assert_eq!(stop.send().await.status, StatusCode::NO_CONTENT);
        let content = format!("{}/api/v1/recordings/{id}/chunks/0/content", self.origin);
        let file = self.client.get(content).send().await.unwrap();
        let file = file.bytes().await.unwrap();
        let reader = WavReader::new(Cursor::new(file)).unwrap();
        reader.into_samples().map(Result::unwrap).collect()
    }

    fn advance(&self, millis: u64) {
        self.acs.clock().advance(Duration::from_millis(millis));
    }
}

/// The path of a participant of a call.
fn participant(call: &Value, index: usize) -> String {
    let id = call["participants"][index]["id"].as_str().unwrap();
    format!("/calls/{}/participants/{id}", call["id"].as_str().unwrap())
}

/// Which of the seconds of audio are not silent.
fn loud_seconds(samples: &[i16]) -> Vec<bool> {
    let seconds = samples.chunks(16_000);
    seconds
        .map(|second| second.iter().any(|sample| sample.unsigned_abs() > 1_000))
        .collect()
}

/// A WAV file in base64.
fn wav(samples: &[i16]) -> String {
    let spec = WavSpec {
        channels: 1,
        sample_rate: 16_000,
        bits_per_sample: 16,
        sample_format: SampleFormat::Int,
    };
    let mut file = Cursor::new(Vec::new());
    let mut writer = WavWriter::new(&mut file, spec).unwrap();
    for sample in samples {
        writer.write_sample(*sample).unwrap();
    }
    writer.finalize().unwrap();
    STANDARD.encode(file.into_inner())
}

#[tokio::test]
async fn a_regenerated_key_replaces_the_old_one() {
    let admin = Admin::start().await;
    let old = admin.acs.access_key().to_owned();
    let (status, keys) = admin
        .send(Method::POST, "/keys/primary/regenerate", None)
        .await;
    assert_eq!(status, StatusCode::OK);
    let new = keys["primary"]["key"].as_str().unwrap();
    assert_ne!(new, old);
    assert!(
        keys["primary"]["connectionString"]
            .as_str()
            .unwrap()
            .ends_with(new)
    );
    assert_eq!(admin.get("/info").await["keys"], keys);

    let path = "/calling/callConnections/1";
    let denied = get(&admin.acs, path).await;
    assert_eq!(denied.status, StatusCode::UNAUTHORIZED);
    let mut request = Request::new(&admin.acs, Method::GET, path);
    request.key = STANDARD.decode(new).unwrap();
    assert_eq!(request.send().await.status, StatusCode::NOT_FOUND);
    let (status, _) = admin
        .send(Method::POST, "/keys/third/regenerate", None)
        .await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn access_tokens_are_accepted_by_the_service() {
    let admin = Admin::start().await;
    let issued = admin
        .post(201, "/access-tokens", json!({"lifetimeMs": 60_000}))
        .await;
    let bearer = format!("Bearer {}", issued["token"].as_str().unwrap());
    let request = Request::new(&admin.acs, Method::GET, "/calling/callConnections/1");
    let response = request
        .header("authorization", &bearer)
        .send_unsigned()
        .await;
    assert_eq!(response.status, StatusCode::NOT_FOUND, "{response:?}");
    let problem = admin
        .fails(400, "/access-tokens", &json!({"lifetimeMs": 999}))
        .await;
    assert_eq!(problem, ("invalidRequest".to_owned(), json!("/lifetimeMs")));
    let (status, _) = admin.send(Method::POST, "/access-tokens", None).await;
    assert_eq!(status, StatusCode::CREATED);
}

#[tokio::test]
async fn advancing_the_clock_runs_what_is_due() {
    let admin = Admin::start().await;
    let call =
        json!({"participants": [{"name": "alice"}], "steps": [{"atMs": 5_000, "do": "end"}]});
    let call = admin.post(201, "/calls", call).await;
    let before = admin.get("/clock").await;
    let after = admin
        .post(200, "/clock/advance", json!({"ms": 5_000}))
        .await;
    assert_eq!(before["now"], "2026-01-01T00:00:00Z");
    assert_eq!(
        after,
        json!({"now": "2026-01-01T00:00:05Z", "held": true, "advancedMs": 5_000})
    );
    let call = admin
        .get(&format!("/calls/{}", call["id"].as_str().unwrap()))
        .await;
    assert_eq!(
        (&call["state"], &call["endedAt"]),
        (&json!("ended"), &after["now"])
    );

    for (body, pointer) in [
        (json!({"ms": -1}), "/ms"),
        (json!({"ms": "5"}), "/ms"),
        (json!({"ms": 315_360_000_001_u64}), "/ms"),
        (json!({}), ""),
    ] {
        let problem = admin.fails(400, "/clock/advance", &body).await;
        assert_eq!(
            problem,
            ("invalidRequest".to_owned(), json!(pointer)),
            "{body}"
        );
    }
    assert_eq!(admin.get("/clock").await, after);
}

#[tokio::test]
async fn a_clock_that_is_held_stands_still_until_it_is_released() {
    let admin = Admin::with(Clock::system()).await;
    let clock = admin.acs.clock();
    assert_eq!(admin.get("/clock").await["held"], false);
    for _ in 0..2 {
        assert_eq!(
            admin.post(200, "/clock/hold", json!({})).await["held"],
            true
        );
    }
    let held = clock.now();
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert_eq!(clock.now(), held);
    let advanced = admin
        .post(200, "/clock/advance", json!({"ms": 3_600_000}))
        .await;
    assert_eq!(advanced["advancedMs"], 3_600_000);
    for _ in 0..2 {
        assert_eq!(
            admin.post(200, "/clock/release", json!({})).await["held"],
            false
        );
    }
    tokio::time::sleep(Duration::from_millis(5)).await;
    let passed = clock.now().duration_since(held);
    assert!(passed.as_millis() > 3_600_000, "{passed}");
}

#[tokio::test]
async fn calls_are_connected_and_have_their_participants() {
    let admin = Admin::start().await;
    let mut hook = Webhook::responding(&[]).await;
    let request = json!({
        "participants": [{"name": "alice"}, {"name": "4:+4930123456"}],
        "groupId": "f8b9f1c2-6f4b-4c43-8a4d-7d5ad6a4f0d1",
        "roomId": "99445276259151407",
        "callbackUri": hook.url,
    });
    let call = admin.post(201, "/calls", request.clone()).await;
    assert_eq!(call["state"], "connected");
    assert_eq!(call["participants"][0]["name"], "alice");
    assert_eq!(call["participants"][0]["speaksAlways"], true);
    assert_eq!(call["participants"][1]["kind"], "phoneNumber");
    let connection = call["connections"][0]["id"].as_str().unwrap();
    let response = get(
        &admin.acs,
        &format!("/calling/callConnections/{connection}"),
    )
    .await;
    assert_eq!(response.json()["serverCallId"], call["serverCallId"]);
    let callback = hook.next().await;
    assert_eq!(
        callback.event()["type"],
        "Microsoft.Communication.CallConnected"
    );

    // The ids of the call are taken as long as it lasts.
    for (id, pointer) in [("groupId", "/groupId"), ("roomId", "/roomId")] {
        let other = json!({"participants": [{"name": "bob"}], id: request[id]});
        let problem = admin.fails(409, "/calls", &other).await;
        assert_eq!(problem, ("conflict".to_owned(), json!(pointer)));
    }
    let id = call["id"].as_str().unwrap();
    let ended = admin
        .post(200, &format!("/calls/{id}/end"), json!({}))
        .await;
    assert_eq!(ended["state"], "ended");
    admin.post(201, "/calls", request).await;
}

#[tokio::test]
async fn invalid_calls_are_refused_and_not_created() {
    let admin = Admin::start().await;
    let people = json!([{"name": "alice"}]);
    for (body, pointer) in [
        (json!({}), ""),
        (json!({"participants": []}), "/participants"),
        (json!({"participants": ["alice"]}), "/participants/0"),
        (
            json!({"participants": [{"name": "a"}, {"name": " "}]}),
            "/participants/1/name",
        ),
        (
            json!({"participants": [{"name": "a"}, {"name": "a"}]}),
            "/participants/1/name",
        ),
        (
            json!({"participants": [{"name": "#1"}]}),
            "/participants/0/name",
        ),
        (
            json!({"participants": [{"name": "a", "wav": "?"}]}),
            "/participants/0/wav",
        ),
        (
            json!({"participants": [{"name": "a", "wav": "UklGRg=="}]}),
            "/participants/0/wav",
        ),
        (json!({"participants": people, "roomId": ""}), "/roomId"),
        (
            json!({"participants": people, "speaking": "never"}),
            "/speaking",
        ),
        (
            json!({"participants": people, "steps": [{"do": "dance"}]}),
            "/steps/0/do",
        ),
        (
            json!({"participants": people, "steps": [{"do": "join"}]}),
            "/steps/0/who",
        ),
        (
            json!({"participants": people, "steps": [{"do": "end", "who": "a"}]}),
            "/steps/0/who",
        ),
        (
            json!({"participants": people, "steps": [{"do": "end"}, {"do": "mute", "who": "a", "forMs": 1}]}),
            "/steps/1/forMs",
        ),
        (
            json!({"participants": people, "steps": [{"do": "speak", "who": "a", "forMs": 0}]}),
            "/steps/0/forMs",
        ),
        (
            json!({"participants": people, "steps": [{"do": "end", "atMs": -5}]}),
            "/steps/0/atMs",
        ),
    ] {
        let problem = admin.fails(400, "/calls", &body).await;
        assert_eq!(
            problem,
            ("invalidRequest".to_owned(), json!(pointer)),
            "{body}"
        );
    }
    let url = json!({"participants": people, "callbackUri": "http://app.example/"});
    let problem = admin.fails(400, "/calls", &url).await;
    assert_eq!(problem, ("invalidUrl".to_owned(), json!("/callbackUri")));
    let unknown = json!({"participants": people, "particpants": people});
    let problem = admin.fails(400, "/calls", &unknown).await;
    assert_eq!(
        problem,
        ("invalidRequest".to_owned(), json!("/particpants"))
    );
    assert_eq!(
        admin
            .fails(400, "/incoming-calls", &json!({"caller": {"name": ""}}))
            .await
            .1,
        "/caller/name"
    );
    assert_eq!(admin.counts().await[0], 0);
}

#[tokio::test]
async fn an_incoming_call_can_be_answered() {
    let admin = Admin::start().await;
    let call = admin
        .post(201, "/incoming-calls", json!({"caller": {"name": "alice"}}))
        .await;
    assert_eq!(call["state"], "ringing");
    assert_eq!(call["participants"][0]["name"], "alice");
    let id = call["id"].as_str().unwrap();
    let join = admin
        .fails(
            409,
            &format!("/calls/{id}/participants"),
            &json!({"name": "bob"}),
        )
        .await;
    assert_eq!(join.0, "conflict");
    let answer = json!({
        "incomingCallContext": call["incomingCallContext"],
        "callbackUri": "http://127.0.0.1:1/",
    });
    let path = "/calling/callConnections:answer";
    let answered = post(&admin.acs, path, &answer).await;
    assert_eq!(answered.status, StatusCode::OK, "{answered:?}");
    assert_eq!(answered.json()["serverCallId"], call["serverCallId"]);

    // A call that has ended no longer rings.
    let call = admin
        .post(201, "/incoming-calls", json!({"caller": {"name": "alice"}}))
        .await;
    let id = call["id"].as_str().unwrap();
    for _ in 0..2 {
        let ended = admin
            .post(200, &format!("/calls/{id}/end"), json!({}))
            .await;
        assert_eq!(ended["state"], "ended");
    }
    let answer = json!({
        "incomingCallContext": call["incomingCallContext"],
        "callbackUri": "http://127.0.0.1:1/",
    });
    assert_eq!(
        post(&admin.acs, path, &answer).await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn participants_join_and_leave() {
    let admin = Admin::start().await;
    let call = admin.call(&["alice"]).await;
    let id = call["id"].as_str().unwrap();
    let people = format!("/calls/{id}/participants");
    let bob = admin.post(201, &people, json!({"name": "bob"})).await;
    assert_eq!(
        (&bob["name"], &bob["state"]),
        (&json!("bob"), &json!("joined"))
    );
    let again = admin.fails(409, &people, &json!({"name": "bob"})).await;
    assert_eq!(again, ("conflict".to_owned(), json!("/name")));
    let listed = async || {
        let connection = call["connections"][0]["id"].as_str().unwrap();
        let path = format!("/calling/callConnections/{connection}/participants");
        get(&admin.acs, &path).await.json()["value"]
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!(listed().await, 2);
    let bob = format!("{people}/{}", bob["id"].as_str().unwrap());
    assert_eq!(admin.delete(&bob).await, StatusCode::NO_CONTENT);
    assert_eq!(admin.delete(&bob).await, StatusCode::NOT_FOUND);
    assert_eq!(listed().await, 1);

    // The call ends when nobody is left.
    assert_eq!(
        admin.delete(&participant(&call, 0)).await,
        StatusCode::NO_CONTENT
    );
    assert_eq!(admin.get(&format!("/calls/{id}")).await["state"], "ended");
    assert_eq!(
        admin.fails(409, &people, &json!({"name": "bob"})).await.0,
        "conflict"
    );
    assert_eq!(
        admin
            .fails(404, "/calls/1/participants", &json!({"name": "bob"}))
            .await
            .0,
        "notFound"
    );
    for action in ["mute", "unmute", "speak"] {
        let path = format!("{}/{action}", participant(&call, 0));
        assert_eq!(
            admin.fails(404, &path, &json!({})).await.0,
            "notFound",
            "{action}"
        );
    }
}

#[tokio::test]
async fn a_muted_participant_is_silent_until_unmuted() {
    let admin = Admin::start().await;
    let call = admin.call(&["alice"]).await;
    let alice = participant(&call, 0);
    let samples = admin
        .record(&call, async || {
            admin.advance(1_000);
            for _ in 0..2 {
                let muted = admin.post(200, &format!("{alice}/mute"), json!({})).await;
                assert_eq!(muted["muted"], true);
            }
            admin.advance(2_000);
            for _ in 0..2 {
                let unmuted = admin.post(200, &format!("{alice}/unmute"), json!({})).await;
                assert_eq!(unmuted["muted"], false);
                assert_eq!(unmuted["mutes"].as_array().unwrap().len(), 1);
            }
            admin.advance(1_000);
        })
        .await;
    assert_eq!(loud_seconds(&samples), [true, false, false, true]);
}

#[tokio::test]
async fn a_participant_speaks_for_the_length_of_the_speech() {
    let admin = Admin::start().await;
    let call = admin.call(&["alice"]).await;
    let path = format!("{}/speak", participant(&call, 0));
    let voice = wav(&vec![20_000; 16_000]);
    let samples = admin
        .record(&call, async || {
            admin.advance(1_000);
            let text = "x".repeat(34);
            let alice = admin.post(200, &path, json!({"text": text})).await;
            let speech = alice["speech"].as_array().unwrap();
            assert_eq!(alice["speaksAlways"], false);
            assert_eq!((speech.len(), &speech[1]["text"]), (2, &json!(text)));
            // 34 characters last 2,040 ms.
            admin.advance(3_000);
            admin.post(200, &path, json!({"durationMs": 1_000})).await;
            admin.advance(2_000);
            admin.post(200, &path, json!({"wav": voice})).await;
            admin.advance(2_000);
            admin.post(200, &path, json!({})).await;
            admin.advance(1_000);
        })
        .await;
    let loud = loud_seconds(&samples);
    assert_eq!(loud[..3], [true; 3]);
    assert_eq!(loud[4..], [true, false, true, false, true]);
    assert!(
        samples[3 * 16_000 + 640..4 * 16_000]
            .iter()
            .all(|sample| *sample == 0)
    );
    // The file replaces the voice for this speech.
    assert_eq!(samples[6 * 16_000..7 * 16_000], vec![20_000; 16_000]);

    for (body, pointer) in [
        (json!({"durationMs": 0}), "/durationMs"),
        (json!({"text": "x".repeat(2_001)}), "/text"),
        (json!({"wav": "%"}), "/wav"),
    ] {
        assert_eq!(admin.fails(400, &path, &body).await.1, pointer);
    }
}

#[tokio::test]
async fn participants_can_be_silent_until_they_are_asked_to_speak() {
    let admin = Admin::start().await;
    let people = json!([{"name": "alice", "wav": wav(&vec![20_000; 48_000])}]);
    let steps = json!([
        {"atMs": 1_200, "who": "#1", "do": "speak", "forMs": 1_000},
        {"atMs": 3_200, "who": "alice", "do": "speak"},
        {"atMs": 4_200, "who": "#1", "do": "mute"},
        {"atMs": 5_200, "who": "#1", "do": "unmute"},
    ]);
    let body = json!({"participants": people, "steps": steps});
    let call = admin.post(201, "/calls", body).await;
    let samples = admin.record(&call, async || admin.advance(6_000)).await;
    assert_eq!(
        loud_seconds(&samples),
        [false, true, false, true, false, true]
    );
    let call = admin
        .post(
            201,
            "/calls",
            json!({"participants": people, "speaking": "onRequest"}),
        )
        .await;
    let samples = admin.record(&call, async || admin.advance(1_000)).await;
    assert_eq!(loud_seconds(&samples), [false]);
}

#[tokio::test]
async fn recordings_are_added_and_their_files_deleted() {
    let admin = Admin::start().await;
    let mut hook = Webhook::responding(&[]).await;
    admin.acs.subscribe(&hook.url).await.unwrap();
    hook.next().await;
    let recording = admin
        .post(
            201,
            "/recordings",
            json!({"chunks": [1_000, 200], "seed": 7}),
        )
        .await;
    assert_eq!(recording["synthetic"], true);
    assert_eq!(recording["chunks"][0]["sizeBytes"], 1_000);
    admin.advance(60_000);
    let event = hook.next().await;
    let stored = &event.event()["data"]["recordingStorageInfo"]["recordingChunks"];
    assert_eq!(
        stored[1]["documentId"],
        recording["chunks"][1]["documentId"]
    );

    let id = recording["id"].as_str().unwrap();
    let chunk = format!("/recordings/{id}/chunks/1");
    assert_eq!(admin.delete(&chunk).await, StatusCode::NO_CONTENT);
    assert_eq!(admin.delete(&chunk).await, StatusCode::NOT_FOUND);
    assert_eq!(
        admin.delete(&format!("/recordings/{id}/chunks/2")).await,
        StatusCode::NOT_FOUND
    );
    let chunks = &admin.get(&format!("/recordings/{id}")).await["chunks"];
    assert_eq!(
        [&chunks[0]["state"], &chunks[1]["state"]],
        ["available", "deleted"]
    );
    let location = chunks[1]["contentLocation"].as_str().unwrap();
    let content = Request::content(&admin.acs, Method::GET, location)
        .send()
        .await;
    assert_eq!(content.status, StatusCode::NOT_FOUND);

    for (body, pointer) in [
        (json!({}), ""),
        (json!({"chunks": []}), "/chunks"),
        (json!({"chunks": [100, 0]}), "/chunks/1"),
        (json!({"chunks": [u64::MAX]}), "/chunks/0"),
        (json!({"chunks": vec![100; 1_001]}), "/chunks"),
        (json!({"chunks": [100], "seed": -1}), "/seed"),
    ] {
        assert_eq!(admin.fails(400, "/recordings", &body).await.1, pointer);
    }
    assert_eq!(admin.counts().await[1], 1);
}

#[tokio::test]
async fn subscriptions_receive_events_until_they_are_deleted() {
    let admin = Admin::start().await;
    let mut hook = Webhook::responding(&[503]).await;
    let request = json!({
        "kind": "webhook",
        "url": format!("{}?code=secret", hook.url),
        "eventTypes": ["Microsoft.Communication.CallEnded"],
        "duplicates": 1,
    });
    let subscription = admin.post(201, "/subscriptions", request).await;
    assert_eq!(subscription["state"], "active");
    assert_eq!(
        subscription["eventTypes"],
        json!(["Microsoft.Communication.CallEnded"])
    );
    assert!(!subscription.to_string().contains("secret"));
    assert_eq!(
        hook.next().await.header("aeg-event-type"),
        "SubscriptionValidation"
    );
    let end = async || {
        let call = admin.call(&["alice"]).await;
        let id = call["id"].as_str().unwrap();
        admin
            .post(200, &format!("/calls/{id}/end"), json!({}))
            .await;
    };
    end().await;
    for _ in 0..2 {
        let delivery = hook.next().await;
        assert_eq!(
            delivery.event()["eventType"],
            "Microsoft.Communication.CallEnded"
        );
    }

    // The event that was not accepted is not sent again.
    let path = format!("/subscriptions/{}", subscription["id"].as_str().unwrap());
    assert_eq!(admin.delete(&path).await, StatusCode::NO_CONTENT);
    assert_eq!(admin.delete(&path).await, StatusCode::NOT_FOUND);
    end().await;
    admin.advance(600_000);
    let mut other = Webhook::responding(&[]).await;
    admin
        .post(
            201,
            "/subscriptions",
            json!({"kind": "webhook", "url": other.url}),
        )
        .await;
    other.next().await;
    end().await;
    other.next().await;
    assert!(hook.is_quiet());
}

#[tokio::test]
async fn invalid_subscriptions_are_refused() {
    let admin = Admin::start().await;
    let hook = Webhook::not_validating().await;
    let url = hook.url.as_str();
    for (body, pointer) in [
        (json!({"url": url}), ""),
        (json!({"kind": "topic", "url": url}), "/kind"),
        (json!({"kind": "webhook"}), "/url"),
        (
            json!({"kind": "webhook", "url": url, "queue": "q"}),
            "/queue",
        ),
        (
            json!({"kind": "webhook", "url": url, "connectionString": "c"}),
            "/connectionString",
        ),
        (json!({"kind": "storageQueue", "queue": "q"}), "/queue"),
        (
            json!({"kind": "storageQueue", "queue": "q", "connectionString": "?"}),
            "/queue",
        ),
        (
            json!({"kind": "storageQueue", "url": "https://account.example/q"}),
            "/url",
        ),
        (json!({"kind": "webhook", "url": url, "batch": 0}), "/batch"),
        (
            json!({"kind": "webhook", "url": url, "duplicates": 1_000}),
            "/duplicates",
        ),
        (
            json!({"kind": "webhook", "url": url, "eventTypes": []}),
            "/eventTypes",
        ),
        (
            json!({"kind": "webhook", "url": url, "schema": "event-grid"}),
            "/schema",
        ),
    ] {
        let problem = admin.fails(400, "/subscriptions", &body).await;
        assert_eq!(
            problem,
            ("invalidRequest".to_owned(), json!(pointer)),
            "{body}"
        );
    }
    let http = json!({"kind": "webhook", "url": "http://app.example/?code=secret"});
    assert_eq!(
        admin.fails(400, "/subscriptions", &http).await,
        ("invalidUrl".to_owned(), json!("/url"))
    );
    let refusing = json!({"kind": "webhook", "url": url});
    assert_eq!(
        admin.fails(422, "/subscriptions", &refusing).await,
        ("handshakeFailed".to_owned(), json!("/url"))
    );
    assert_eq!(admin.counts().await[4], 0);
}

#[tokio::test]
async fn faults_apply_until_they_are_removed() {
    let admin = Admin::start().await;
    let path = "/calling/callConnections/1";
    let fault = json!({"operation": "getCall", "status": 429, "retryAfter": "2"});
    let active = admin.post(201, "/faults", fault.clone()).await;
    assert_eq!(active["fault"]["status"], 429);
    assert_eq!(
        get(&admin.acs, path).await.status,
        StatusCode::TOO_MANY_REQUESTS
    );
    assert_eq!(admin.get("/faults").await["items"][0]["hits"], 1);
    let one = format!("/faults/{}", active["id"]);
    assert_eq!(admin.delete(&one).await, StatusCode::NO_CONTENT);
    assert_eq!(admin.delete(&one).await, StatusCode::NOT_FOUND);
    assert_eq!(admin.delete("/faults/x").await, StatusCode::NOT_FOUND);
    assert_eq!(get(&admin.acs, path).await.status, StatusCode::NOT_FOUND);
    admin.post(201, "/faults", fault.clone()).await;
    admin.post(201, "/faults", fault).await;
    assert_eq!(admin.delete("/faults").await, StatusCode::NO_CONTENT);
    assert_eq!(get(&admin.acs, path).await.status, StatusCode::NOT_FOUND);

    for (body, pointer) in [
        (json!({}), ""),
        (json!({"operation": "dance"}), "/operation"),
        (json!({"operation": "any", "status": 199}), "/status"),
        (json!({"operation": "any", "status": 1_000}), "/status"),
        (json!({"operation": "any", "alter": 256}), "/alter"),
        (json!({"operation": "any", "times": -1}), "/times"),
        (
            json!({"operation": "any", "bytesPerSecond": 0}),
            "/bytesPerSecond",
        ),
        (json!({"operation": "any", "etag": "\n"}), "/etag"),
        (json!({"operation": "any", "headers": {"a b": "c"}}), ""),
        (json!({"operation": "any", "performed": true}), ""),
    ] {
        let problem = admin.fails(400, "/faults", &body).await;
        assert_eq!(
            problem,
            ("invalidRequest".to_owned(), json!(pointer)),
            "{body}"
        );
    }
    assert_eq!(admin.counts().await[5], 0);
}

#[tokio::test]
async fn a_reset_removes_everything_that_is_not_kept() {
    let admin = Admin::start().await;
    let hook = Webhook::responding(&[]).await;
    let subscription = json!({"kind": "webhook", "url": hook.url});
    admin.post(201, "/subscriptions", subscription).await;
    let fill = async || {
        let call = admin.call(&["alice"]).await;
        let id = call["connections"][0]["id"].clone();
        start(&admin.acs, &json!({"callConnectionId": id})).await;
        let recording = json!({"chunks": [100]});
        let recording = admin.post(201, "/recordings", recording).await;
        let fault = json!({"operation": "any", "times": 0});
        admin.post(201, "/faults", fault).await;
        (call, recording)
    };
    let (call, recording) = fill().await;
    let keep = json!({"keepSubscriptions": true, "keepFaults": true});
    let (status, _) = admin.send(Method::POST, "/reset", Some(&keep)).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    assert_eq!(admin.counts().await, [0, 0, 0, 0, 1, 1]);
    let connection = call["connections"][0]["id"].as_str().unwrap();
    let path = format!("/calling/callConnections/{connection}");
    assert_eq!(get(&admin.acs, &path).await.status, StatusCode::NOT_FOUND);
    let location = recording["chunks"][0]["contentLocation"].as_str().unwrap();
    let content = Request::content(&admin.acs, Method::GET, location);
    assert_eq!(content.send().await.status, StatusCode::NOT_FOUND);

    // Names stay.
    let (again, _) = fill().await;
    let id = |call: &Value| call["participants"][0]["id"].clone();
    assert_eq!(id(&again), id(&call));

    let (status, _) = admin.send(Method::POST, "/reset", None).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    assert_eq!(admin.counts().await, [0; 6]);
    let problem = admin
        .fails(400, "/reset", &json!({"keepSubscriptions": 1}))
        .await;
    assert_eq!(problem.1, "/keepSubscriptions");
}

#[tokio::test]
async fn after_a_reset_only_new_events_are_sent() {
    let admin = Admin::start().await;
    let mut callbacks = Webhook::responding(&[]).await;
    let mut hook = Webhook::responding(&[503]).await;
    let kinds = ["CallStarted", "RecordingFileStatusUpdated"];
    let kinds = kinds.map(|kind| format!("Microsoft.Communication.{kind}"));
    let subscription = json!({"kind": "webhook", "url": hook.url, "eventTypes": kinds});
    admin.post(201, "/subscriptions", subscription).await;
    hook.next().await;
    let fill = async |url: String| {
        let people = json!([{"name": "alice"}]);
        let call = json!({"participants": people, "callbackUri": url});
        let call = admin.post(201, "/calls", call).await;
        let recording = json!({"chunks": [100]});
        let recording = admin.post(201, "/recordings", recording).await;
        let ids = [&call["serverCallId"], &recording["chunks"][0]["documentId"]];
        ids.map(|id| id.as_str().unwrap().to_owned())
    };
    // One event is to be retried, and another one is not due yet.
    let old = fill(callbacks.url.clone()).await;
    let started = hook.next().await;
    assert!(started.body.to_string().contains(&old[0]));
    let keep = json!({"keepSubscriptions": true});
    admin.send(Method::POST, "/reset", Some(&keep)).await;
    while !callbacks.is_quiet() {}
    admin.advance(600_000);

    let new = fill(callbacks.url.clone()).await;
    admin.advance(600_000);
    let mut sent = [hook.next().await, hook.next().await].map(|delivery| {
        let body = delivery.body.to_string();
        assert!(!old.iter().any(|id| body.contains(id)), "{body}");
        delivery.event()["eventType"].as_str().unwrap().to_owned()
    });
    sent.sort();
    assert_eq!(sent, kinds);
    let callback = callbacks.next().await;
    assert_eq!(callback.event()["data"]["serverCallId"], new[0].as_str());
}

#[tokio::test]
async fn a_reset_forgets_the_responses_to_repeatable_requests() {
    let admin = Admin::start().await;
    let call = admin.call(&["alice"]).await;
    let send = async || {
        let connection = &call["connections"][0]["id"];
        let request = Request::new(&admin.acs, Method::POST, "/calling/recordings")
            .json(&json!({"callConnectionId": connection}))
            .header(
                "repeatability-request-id",
                "6f0f6d3c-2a55-4f6e-8e0f-0a3d3c1f8d11",
            )
            .header("repeatability-first-sent", "Tue, 01 Jul 2025 12:34:56 GMT");
        request.send().await.status
    };
    assert_eq!(send().await, StatusCode::ACCEPTED);
    assert_eq!(send().await, StatusCode::ACCEPTED);
    admin.send(Method::POST, "/reset", None).await;
    assert_eq!(send().await, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_stream_tells_of_keys_subscriptions_and_resets() {
    let admin = Admin::start().await;
    let url = format!("{}/api/v1/stream", admin.origin);
    let mut stream = admin.client.get(url).send().await.unwrap();
    let mut text = String::new();
    next_event(&mut stream, &mut text, "hello").await;
    admin.post(200, "/keys/primary/regenerate", json!({})).await;
    next_event(&mut stream, &mut text, "info").await;
    admin.acs.regenerate(AccessKey::Secondary);
    next_event(&mut stream, &mut text, "info").await;
    let hook = Webhook::responding(&[]).await;
    let subscription = json!({"kind": "webhook", "url": hook.url});
    let subscription = admin.post(201, "/subscriptions", subscription).await;
    let (_, added) = next_event(&mut stream, &mut text, "subscription").await;
    assert_eq!(added, json!({"id": subscription["id"], "removed": false}));
    let path = format!("/subscriptions/{}", subscription["id"].as_str().unwrap());
    admin.delete(&path).await;
    let (_, removed) = next_event(&mut stream, &mut text, "subscription").await;
    assert_eq!(removed["removed"], true);
    admin.send(Method::POST, "/reset", None).await;
    let (_, resync) = next_event(&mut stream, &mut text, "resync").await;
    assert_eq!(resync["reason"], "reset");
}

#[tokio::test]
async fn ended_calls_are_removed_after_an_hour() {
    const HOUR: u64 = 60 * 60 * 1_000;
    let admin = Admin::start().await;
    let room = json!({"participants": [{"name": "alice"}], "roomId": "7"});
    let ended = admin.post(201, "/calls", room.clone()).await;
    let path = format!("/calls/{}", ended["id"].as_str().unwrap());
    admin.post(200, &format!("{path}/end"), json!({})).await;
    let next = admin.post(201, "/calls", room).await;
    admin.advance(HOUR);
    assert_eq!(admin.get(&path).await["state"], "ended");
    let url = format!("{}/api/v1/stream", admin.origin);
    let mut stream = admin.client.get(url).send().await.unwrap();
    let mut text = String::new();
    next_event(&mut stream, &mut text, "hello").await;
    admin.advance(1);
    let (status, _) = admin.send(Method::GET, &path, None).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let (_, removed) = next_event(&mut stream, &mut text, "call").await;
    assert_eq!(removed, json!({"id": ended["id"], "state": "removed"}));
    let calls = admin.get("/calls").await;
    assert_eq!(calls["items"][0]["id"], next["id"]);
    assert_eq!(calls["total"], 1);
    // The later call still has the id of the room.
    let locator = json!({"callLocator": {"kind": "roomCallLocator", "roomId": "7"}});
    start(&admin.acs, &locator).await;
}

#[tokio::test]
async fn the_number_of_ended_calls_is_limited() {
    let admin = Admin::start().await;
    for _ in 0..1_001 {
        admin.acs.call(["alice"]).await.hang_up();
    }
    admin.call(&["alice"]).await;
    assert_eq!(admin.get("/calls?limit=1").await["total"], 1_001);
}

#[tokio::test]
async fn handles_of_removed_calls_have_no_effect() {
    let admin = Admin::start().await;
    let call = admin.acs.call(["alice"]).await;
    admin.send(Method::POST, "/reset", None).await;
    call.hang_up();
    assert_eq!(admin.counts().await[0], 0);
}

#[tokio::test]
#[allow(clippy::too_many_lines, reason = "one seed, and all its mistakes")]
async fn a_seed_creates_everything_in_it() {
    let admin = Admin::start().await;
    let mut hook = Webhook::responding(&[]).await;
    let seed = format!(
        "subscriptions:
  - kind: webhook
    url: {}
    eventTypes: [Microsoft.Communication.IncomingCall]
faults:
  - {{operation: start, times: 2, status: 503}}
recordings:
  - chunks: [100, 200]
calls:
  - participants: [{{name: alice}}, {{name: bob}}]
    roomId: '123'
  - participants:
      - name: carol
    steps:
      - {{atMs: 1000, who: carol, do: leave}}
incomingCalls:
  - caller: {{name: dora}}
",
        hook.url
    );
    let post = async |kind: &str, body: String| {
        let request = admin.client.post(format!("{}/api/v1/seed", admin.origin));
        let request = request.header("content-type", kind).body(body);
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        (status, serde_json::from_str::<Value>(&text).unwrap())
    };
    let (status, created) = post("application/yaml", seed).await;
    assert_eq!(status, 201, "{created}");
    assert_eq!(created["calls"][0]["roomId"], "123");
    assert_eq!(created["calls"][0]["participants"][1]["name"], "bob");
    assert_eq!(created["calls"][1]["state"], "connected");
    assert_eq!(created["incomingCalls"][0]["state"], "ringing");
    assert_eq!(
        created["recordings"][0]["chunks"].as_array().unwrap().len(),
        2
    );
    assert_eq!(created["faults"][0]["fault"]["operation"], "start");
    hook.next().await;
    let event = hook.next().await;
    let context = &event.event()["data"]["incomingCallContext"];
    assert_eq!(*context, created["incomingCalls"][0]["incomingCallContext"]);

    // A document with a mistake, or with one that is found late, creates nothing.
    let before = admin.counts().await;
    let refusing = Webhook::not_validating().await.url;
    let good = json!({"operation": "any"});
    for (body, status, pointer) in [
        (json!({"faults": [good], "call": []}), 400, json!("/call")),
        (
            json!({"faults": [good, {"operation": "x"}]}),
            400,
            json!("/faults/1/operation"),
        ),
        (
            json!({"faults": [good], "recordings": [{"chunks": []}]}),
            400,
            json!("/recordings/0/chunks"),
        ),
        (
            json!({"faults": [good], "incomingCalls": [{"caller": {"name": ""}}]}),
            400,
            json!("/incomingCalls/0/caller/name"),
        ),
        (
            json!({"calls": [
                {"participants": [{"name": "a"}], "roomId": "7"},
                {"participants": [{"name": "a"}], "roomId": "7"},
            ]}),
            409,
            json!("/calls/1/roomId"),
        ),
        (
            json!({"faults": [good], "calls": [{"participants": [{"name": "a"}], "roomId": "123"}]}),
            409,
            json!("/calls/0/roomId"),
        ),
        (
            json!({"faults": [good], "subscriptions": [
                {"kind": "webhook", "url": hook.url},
                {"kind": "webhook", "url": refusing},
            ]}),
            422,
            json!("/subscriptions/1/url"),
        ),
    ] {
        let (actual, problem) = post("application/json", body.to_string()).await;
        assert_eq!(
            (actual, &problem["pointer"]),
            (status, &pointer),
            "{problem}"
        );
    }
    let (status, problem) = post("application/yaml", "calls: [".to_owned()).await;
    assert_eq!((status, &problem["code"]), (400, &json!("invalidRequest")));
    let (status, problem) = post("application/yaml", "faults:\n- {operation: 5}".to_owned()).await;
    assert_eq!(
        (status, &problem["pointer"]),
        (400, &json!("/faults/0/operation"))
    );
    let (status, problem) = post("text/plain", "{}".to_owned()).await;
    assert_eq!(
        (status, &problem["code"]),
        (415, &json!("unsupportedMediaType"))
    );
    assert_eq!(admin.counts().await, before);
}
