//! Version 1 of the admin API. All responses are checked against its description.

use std::collections::BTreeSet;
use std::time::Duration;

use acs_emulator::{Clock, Emulator};
use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use crate::client::{delete, get, start};
use crate::webhook::Webhook;

/// A client of the admin API of one emulator.
pub(crate) struct Api {
    pub(crate) acs: Emulator,
    pub(crate) origin: String,
    pub(crate) client: reqwest::Client,
    description: Value,
}

/// A response whose body matches the description.
pub(crate) struct Checked {
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
}

impl Api {
    async fn new() -> Self {
        Self::with(Clock::manual()).await
    }

    pub(crate) async fn with(clock: Clock) -> Self {
        let acs = Emulator::builder()
            .clock(clock)
            .admin(([127, 0, 0, 1], 0).into())
            .start()
            .await
            .unwrap();
        let admin = acs.admin_url().unwrap();
        let origin = admin.trim_end_matches("/admin").to_owned();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("{origin}/api/v1/openapi.json");
        let description = client.get(url).send().await.unwrap().bytes().await.unwrap();
        let mut description = serde_json::from_slice(&description).unwrap();
        as_json_schema(&mut description);
        Self {
            acs,
            origin,
            client,
            description,
        }
    }

    async fn raw(&self, method: &str, path: &str, body: Option<&Value>) -> reqwest::Response {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let url = format!("{}{path}", self.origin);
        let mut request = self.client.request(method, url);
        if let Some(body) = body {
            let body = body.to_string();
            request = request
                .header("content-type", "application/json")
                .body(body);
        }
        request.send().await.unwrap()
    }

    /// Sends a request, and checks status, content type and body of the response.
    pub(crate) async fn request(&self, method: &str, path: &str, body: Option<Value>) -> Checked {
        let response = self.raw(method, path, body.as_ref()).await;
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = response.bytes().await.unwrap();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let operation = self.operation(method, path);
        let described = &operation["responses"][status.as_str()];
        assert!(described.is_object(), "{method} {path}: {status} {text}");
        let described = self.resolved(described);
        let Some(content) = described["content"].as_object() else {
            assert_eq!(text, "", "{method} {path}");
            return Checked {
                status,
                body: Value::Null,
            };
        };
        let media_type = headers["content-type"].to_str().unwrap();
        let media_type = media_type.split(';').next().unwrap();
        let schema = &content[media_type]["schema"];
        assert!(schema.is_object(), "{method} {path}: {media_type}");
        if !media_type.ends_with("json") {
            return Checked {
                status,
                body: json!(bytes.len()),
            };
        }
        let body: Value = serde_json::from_str(&text).unwrap();
        self.check(schema, &body, &format!("{method} {path}"));
        Checked { status, body }
    }

    /// Fails unless `value` matches a schema of the description.
    fn check(&self, schema: &Value, value: &Value, what: &str) {
        let root = json!({"allOf": [schema], "components": self.description["components"]});
        let validator = jsonschema::validator_for(&root).unwrap();
        let errors: Vec<_> = validator
            .iter_errors(value)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{what}: {errors:#?}\n{value:#}");
    }

    fn resolved<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value["$ref"].as_str() {
            Some(reference) => self.description.pointer(&reference[1..]).unwrap(),
            None => value,
        }
    }

    /// The operation in the description.
    fn operation(&self, method: &str, path: &str) -> &Value {
        let path = path.split('?').next().unwrap();
        let segments: Vec<_> = path.split('/').collect();
        let matches = |template: &str| {
            let template: Vec<_> = template.split('/').collect();
            template.len() == segments.len()
                && template
                    .iter()
                    .zip(&segments)
                    .all(|(one, other)| one.starts_with('{') || one == other)
        };
        let paths = self.description["paths"].as_object().unwrap();
        let mut found = paths.iter().filter(|(template, _)| matches(template));
        // A path without parameters comes first.
        let (_, item) = found
            .clone()
            .find(|(template, _)| !template.contains('{'))
            .or_else(|| found.next())
            .unwrap_or_else(|| panic!("{path} is not described"));
        &item[method.to_lowercase()]
    }

    async fn get(&self, path: &str) -> Value {
        let path = format!("/api/v1{path}");
        let response = self.request("GET", &path, None).await;
        assert_eq!(response.status, 200, "{path}");
        response.body
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let path = format!("/api/v1{path}");
        let response = self.request("POST", &path, Some(body)).await;
        assert!(response.status.is_success(), "{path}: {}", response.body);
        response.body
    }

    /// A request that is refused, with the code of the problem.
    async fn refused(&self, method: &str, path: &str, body: Option<Value>) -> (u16, String) {
        let path = format!("/api/v1{path}");
        let response = self.request(method, &path, body).await;
        let code = response.body["code"].as_str().unwrap_or_default();
        (response.status.as_u16(), code.to_owned())
    }

    /// Reads the list until `wanted` finds something in it.
    async fn until<T>(&self, path: &str, wanted: impl Fn(&Value) -> Option<T> + Send + Sync) -> T {
        loop {
            if let Some(found) = wanted(&self.get(path).await) {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Turns the `nullable` of `OpenAPI` 3.0 into what JSON Schema has.
fn as_json_schema(value: &mut Value) {
    match value {
        Value::Object(members) => {
            if members.remove("nullable") == Some(json!(true)) {
                let mut schema = Map::new();
                std::mem::swap(members, &mut schema);
                let mut schema = Value::Object(schema);
                as_json_schema(&mut schema);
                members.insert("anyOf".to_owned(), json!([schema, {"type": "null"}]));
            } else {
                members.values_mut().for_each(as_json_schema);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(as_json_schema),
        _ => {}
    }
}

fn encoded(id: &Value) -> String {
    let bytes = id.as_str().unwrap().bytes();
    bytes.fold(String::new(), |text, byte| format!("{text}%{byte:02x}"))
}

#[tokio::test]
async fn the_routes_are_those_of_the_description() {
    let api = Api::new().await;
    for (path, item) in api.description["paths"].as_object().unwrap() {
        let mut described: BTreeSet<_> = item.as_object().unwrap().keys().cloned().collect();
        described.remove("parameters");
        if described.contains("get") {
            described.insert("head".to_owned());
        }
        let path = path.replace(['{', '}'], "");
        let response = api.raw("PATCH", &path, None).await;
        assert_eq!(response.status(), 405, "{path}");
        let allowed = response.headers()["allow"].to_str().unwrap().to_lowercase();
        let allowed: BTreeSet<_> = allowed.split(',').map(str::to_owned).collect();
        assert_eq!(allowed, described, "{path}");
    }
    let unknown = api.raw("GET", "/api/v1/unknown", None).await;
    assert_eq!(unknown.status(), 404);
    let problem = unknown.json::<Value>().await.unwrap();
    api.check(
        &json!({"$ref": "#/components/schemas/Problem"}),
        &problem,
        "unknown paths",
    );
}

#[tokio::test]
async fn the_emulator_is_described() {
    let api = Api::new().await;
    let info = api.get("/info").await;
    assert_eq!(info["endpoint"], api.acs.endpoint());
    assert_eq!(info["connectionString"], api.acs.connection_string());
    assert_eq!(info["keys"]["primary"]["key"], api.acs.access_key());
    assert_eq!(info["adminUrl"], api.origin.as_str());
    let clock = api.get("/clock").await;
    assert_eq!(clock["held"], true);
    for path in ["/health", "/ready"] {
        assert_eq!(api.request("GET", path, None).await.body["status"], "up");
    }
    let refused = api.refused("GET", "/ca.pem", None).await;
    assert_eq!(refused, (404, "notFound".to_owned()));
}

#[tokio::test]
async fn a_call_is_described_from_start_to_end() {
    let api = Api::new().await;
    let call = api.acs.call(["alice", "bob"]).await;
    let list = api.get("/calls").await;
    assert_eq!(list["total"], 1);
    let seen = &list["items"][0];
    assert_eq!(seen["state"], "connected");
    assert_eq!(seen["serverCallId"], call.server_call_id());
    assert_eq!(seen["connections"][0]["id"], call.call_connection_id());
    let names: Vec<_> = seen["participants"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["alice", "bob"]);
    assert_eq!(seen["participants"][0]["speaksAlways"], true);

    let recording = start(
        &api.acs,
        &json!({"callConnectionId": call.call_connection_id(), "recordingFormatType": "wav"}),
    )
    .await;
    let path = format!("/calls/{}", seen["id"].as_str().unwrap());
    assert_eq!(api.get(&path).await["recordings"][0]["state"], "active");
    api.acs.clock().advance(Duration::from_secs(2));
    let live = api.get(&path).await["recordings"][0].clone();
    assert_eq!(live["id"], recording.as_str());
    assert_eq!(
        (&live["state"], &live["durationMs"]),
        (&json!("active"), &json!(2_000))
    );
    assert_eq!(live["spans"][0]["until"], Value::Null);

    api.post(&format!("{path}/end"), json!({})).await;
    let ended = api.get(&path).await;
    assert_eq!(
        (&ended["state"], &ended["recordings"][0]["endReason"]),
        (&json!("ended"), &json!("CallEnded"))
    );
    assert_eq!(ended["connections"][0]["state"], "disconnected");
    assert_eq!(ended["participants"][0]["state"], "left");
    assert_eq!(api.get("/calls?state=connected").await["items"], json!([]));
    let wrong = api.refused("GET", "/calls?state=lost", None).await;
    assert_eq!(wrong, (400, "invalidRequest".to_owned()));
    let unknown = api.refused("GET", "/calls/7", None).await;
    assert_eq!(unknown, (404, "notFound".to_owned()));
}

#[tokio::test]
async fn lists_are_read_page_by_page() {
    let api = Api::new().await;
    for _ in 0..3 {
        api.acs.call(["alice"]).await;
    }
    let first = api.get("/calls?limit=2").await;
    let cursor = first["nextCursor"].as_str().unwrap();
    api.acs.call(["bob"]).await;
    let second = api.get(&format!("/calls?limit=2&cursor={cursor}")).await;
    assert_eq!(second["items"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&second["nextCursor"], &second["total"]),
        (&Value::Null, &json!(4))
    );
    assert_ne!(second["items"][0]["id"], first["items"][1]["id"]);
    for query in ["limit=0", "limit=1001", "limit=x", "cursor=other"] {
        let refused = api.refused("GET", &format!("/calls?{query}"), None).await;
        assert_eq!(refused, (400, "invalidRequest".to_owned()), "{query}");
    }
}

#[tokio::test]
async fn a_recording_can_be_seen_and_heard() {
    let api = Api::new().await;
    for (format, content_type, channels) in [
        ("wav", "audio/wav", "unmixed"),
        ("mp3", "audio/mpeg", "mixed"),
        ("mp4", "video/mp4", "mixed"),
    ] {
        let call = api.acs.call(["alice", "bob"]).await;
        let id = start(
            &api.acs,
            &json!({
                "callConnectionId": call.call_connection_id(),
                "recordingFormatType": format,
                "recordingChannelType": channels,
                "recordingContentType": if format == "mp4" { "audioVideo" } else { "audio" },
            }),
        )
        .await;
        api.acs.clock().advance(Duration::from_secs(3));
        delete(&api.acs, &format!("/calling/recordings/{id}")).await;
        let recording = api.get(&format!("/recordings/{id}")).await;
        assert_eq!(recording["state"], "ended", "{format}");
        let chunk = &recording["chunks"][0];
        assert_eq!(
            (&chunk["state"], &chunk["contentType"]),
            (&json!("available"), &json!(content_type))
        );
        let expected = if channels == "unmixed" { 2 } else { 1 };
        assert_eq!(chunk["channelCount"], expected);
        let people = chunk["channels"][0]["participantIds"].as_array().unwrap();
        assert_eq!(people.len(), if channels == "unmixed" { 1 } else { 2 });

        let path = format!("/api/v1/recordings/{id}/chunks/0");
        let whole = api.raw("GET", &format!("{path}/content"), None).await;
        assert_eq!(whole.headers()["content-type"], content_type);
        let whole = whole.bytes().await.unwrap();
        let part = api
            .client
            .get(format!("{}{path}/content", api.origin))
            .header("range", "bytes=4-9")
            .send()
            .await
            .unwrap();
        assert_eq!(part.status(), 206);
        assert_eq!(part.bytes().await.unwrap(), whole[4..10]);
        let read = api.get(&format!("/recordings/{id}")).await;
        assert_eq!(read["chunks"][0]["sizeBytes"], whole.len());

        let metadata = api
            .get(&format!("/recordings/{id}/chunks/0/metadata"))
            .await;
        assert_eq!(metadata["chunkDocumentId"], chunk["documentId"]);
        let waveform = api
            .get(&format!("/recordings/{id}/chunks/0/waveform?points=10"))
            .await;
        assert_eq!(
            (&waveform["durationMs"], &waveform["sampled"]),
            (&json!(3_000), &json!(false))
        );
        for channel in waveform["channels"].as_array().unwrap() {
            let peaks = channel["peaks"].as_array().unwrap();
            assert_eq!(peaks.len(), 10);
            assert!(
                peaks.iter().all(|peak| peak.as_f64().unwrap() > 0.05),
                "{format}: {peaks:?}"
            );
        }
        let location = chunk["deleteLocation"].as_str().unwrap();
        let request = crate::client::Request::content(&api.acs, Method::DELETE, location);
        request.send().await.assert_empty(200);
        assert_eq!(
            api.get(&format!("/recordings/{id}")).await["chunks"][0]["state"],
            "deleted"
        );
        let gone = api
            .refused("GET", &format!("/recordings/{id}/chunks/0/waveform"), None)
            .await;
        assert_eq!(gone, (404, "notFound".to_owned()));
    }
    assert_eq!(api.get("/recordings").await["total"], 3);
}

#[tokio::test]
async fn synthetic_recordings_have_a_waveform() {
    let api = Api::new().await;
    let created = api
        .post("/recordings", json!({"chunks": [64_000, 100_000_000]}))
        .await;
    assert_eq!(
        (&created["synthetic"], &created["callId"]),
        (&json!(true), &Value::Null)
    );
    let id = created["id"].as_str().unwrap();
    for (chunk, sampled) in [(0, false), (1, true)] {
        let path = format!("/recordings/{id}/chunks/{chunk}/waveform");
        let waveform = api.get(&path).await;
        assert_eq!(waveform["sampled"], sampled, "{chunk}");
        assert_eq!(
            waveform["channels"][0]["peaks"].as_array().unwrap().len(),
            800
        );
    }
}

#[tokio::test]
async fn deliveries_show_their_attempts_and_can_be_repeated() {
    let api = Api::new().await;
    let mut webhook = Webhook::responding(&[500, 500, 200, 200]).await;
    api.acs.subscribe(&webhook.url).await.unwrap();
    webhook.next().await;
    let subscriptions = api.get("/subscriptions").await;
    assert_eq!(subscriptions["items"][0]["state"], "active");
    api.post("/recordings", json!({"chunks": [1_000]})).await;
    api.acs.clock().advance(Duration::from_millis(500));
    webhook.next().await;
    let state = |wanted: &'static str, attempts: usize| {
        move |list: &Value| {
            let mut items = list["items"].as_array().unwrap().iter();
            items
                .find(|one| {
                    one["state"] == wanted && one["attempts"].as_array().unwrap().len() == attempts
                })
                .cloned()
        }
    };
    let retrying = api.until("/events", state("retrying", 1)).await;
    assert_eq!(retrying["attempts"][0]["status"], 500);
    assert!(retrying["nextAttemptAt"].is_string());
    assert_eq!(retrying["subscriptionId"], subscriptions["items"][0]["id"]);
    assert!(retrying["recordingId"].is_string());
    let path = format!("/events/{}", retrying["id"]);
    let detail = api.get(&path).await;
    assert_eq!(detail["body"]["id"], detail["eventId"]);

    api.post(&format!("{path}/resend"), json!({})).await;
    let repeated = webhook.next().await;
    assert_eq!(repeated.event()["id"], retrying["eventId"]);
    let retrying = api.until("/events", state("retrying", 2)).await;
    assert_eq!(retrying["attempts"][1]["resend"], true);
    api.acs.clock().advance(Duration::from_secs(30));
    webhook.next().await;
    api.until("/events", state("delivered", 3)).await;
    api.post(&format!("{path}/resend"), json!({})).await;
    webhook.next().await;
    let delivered = api.until("/events", state("delivered", 4)).await;
    assert_eq!(delivered["attempts"][3]["number"], 4);

    let id = encoded(&subscriptions["items"][0]["id"]);
    let deleted = api
        .request("DELETE", &format!("/api/v1/subscriptions/{id}"), None)
        .await;
    assert_eq!(deleted.status, 204);
    let refused = api.refused("POST", &format!("{path}/resend"), None).await;
    assert_eq!(refused, (409, "conflict".to_owned()));
}

#[tokio::test]
async fn events_that_nobody_selects_are_listed() {
    let api = Api::new().await;
    api.acs.incoming_call("carol");
    let list = api.get("/events?channel=eventGrid").await;
    let event = &list["items"][0];
    assert_eq!(event["type"], "Microsoft.Communication.IncomingCall");
    assert_eq!(
        (&event["state"], &event["destination"]),
        (&json!("unsubscribed"), &Value::Null)
    );
    assert!(event["callId"].is_string());
    let path = format!("/events/{}/resend", event["id"]);
    assert_eq!(api.refused("POST", &path, None).await.0, 409);
    let mut webhook = Webhook::responding(&[200]).await;
    api.acs.subscribe(&webhook.url).all_events().await.unwrap();
    webhook.next().await;
    api.post(&path, json!({})).await;
    assert_eq!(webhook.next().await.event()["id"], event["eventId"]);
}

#[tokio::test]
async fn callbacks_are_listed_without_their_secrets() {
    let api = Api::new().await;
    let mut webhook = Webhook::responding(&[200]).await;
    let url = format!("{}?code=secret", webhook.url);
    api.acs.call(["alice"]).callback(url).unwrap().await;
    let call = api.get("/calls").await["items"][0].clone();
    assert_eq!(call["connections"][0]["callbackUri"], webhook.url.as_str());
    webhook.next().await;
    let delivered = api
        .until("/events?channel=callback", |list| {
            let items = list["items"].as_array().unwrap();
            items
                .iter()
                .find(|one| one["state"] == "delivered")
                .cloned()
        })
        .await;
    assert_eq!(delivered["callId"], call["id"]);
    assert!(!delivered.to_string().contains("secret"));
    let path = format!("/events/{}", delivered["id"]);
    assert_eq!(api.get(&path).await["body"]["type"], delivered["type"]);
}

#[tokio::test]
async fn requests_show_why_they_were_denied() {
    let api = Api::new().await;
    get(&api.acs, "/calling/recordings/unknown").await;
    let mut forged =
        crate::client::Request::new(&api.acs, Method::GET, "/calling/recordings/x?code=secret");
    forged.key = b"another key".to_vec();
    forged.send().await;
    let list = api.get("/requests").await;
    assert_eq!(list["total"], 2);
    let [denied, accepted] = [&list["items"][0], &list["items"][1]];
    let verdict = &accepted["authentication"];
    assert_eq!(
        (&verdict["verdict"], &verdict["key"]),
        (&json!("accepted"), &json!("primary"))
    );
    assert_eq!(
        (&accepted["operation"], &accepted["errorCode"]),
        (&json!("state"), &json!("8522"))
    );
    let verdict = &denied["authentication"];
    assert_eq!(
        (&verdict["verdict"], &verdict["reason"]),
        (&json!("denied"), &json!("signature"))
    );
    assert_eq!(
        verdict["message"],
        "Neither access key gives the signature of this request."
    );
    let text = verdict["stringToSign"].as_str().unwrap();
    assert!(
        text.starts_with("GET\n/calling/recordings/x?code="),
        "{text}"
    );
    assert!(!denied["path"].as_str().unwrap().contains("secret"));
    let newer = api
        .get(&format!("/requests?after={}", accepted["id"]))
        .await;
    assert_eq!(newer["items"].as_array().unwrap().len(), 1);
    let cleared = api.request("DELETE", "/api/v1/requests", None).await;
    assert_eq!(cleared.status, 204);
    assert_eq!(api.get("/requests").await["total"], 0);
}

#[tokio::test]
async fn faults_are_counted_and_named_by_the_request_that_they_hit() {
    let api = Api::new().await;
    let presets = api.get("/fault-presets").await;
    assert_eq!(presets["items"].as_array().unwrap().len(), 13);
    let schema = json!({"$ref": "#/components/schemas/Fault"});
    for preset in presets["items"].as_array().unwrap() {
        for fault in preset["faults"].as_array().unwrap() {
            api.check(&schema, fault, "preset");
        }
    }
    let added = api
        .post(
            "/faults",
            json!({"operation": "state", "times": 1, "loss": "disconnect"}),
        )
        .await;
    let request = crate::client::Request::new(&api.acs, Method::GET, "/calling/recordings/x");
    request.try_send().await.unwrap_err();
    let faults = api.get("/faults").await;
    assert_eq!(
        (
            &faults["items"][0]["hits"],
            &faults["items"][0]["exhausted"]
        ),
        (&json!(1), &json!(true))
    );
    let request = api.get("/requests").await["items"][0].clone();
    assert_eq!(
        (&request["faultId"], &request["status"]),
        (&added["id"], &Value::Null)
    );
}

/// Reads server-sent events until one with this name. Returns its id and data.
pub(crate) async fn next_event(
    response: &mut reqwest::Response,
    text: &mut String,
    name: &str,
) -> (String, Value) {
    loop {
        if let Some((event, rest)) = text.split_once("\n\n") {
            let field = |field: &str| {
                let mut lines = event.lines();
                lines
                    .find_map(|line| line.strip_prefix(field))
                    .unwrap_or_default()
                    .trim()
                    .to_owned()
            };
            let found = (field("event:"), field("id:"), field("data:"));
            *text = rest.to_owned();
            if found.0 == name {
                return (found.1, serde_json::from_str(&found.2).unwrap());
            }
            continue;
        }
        let chunk = response.chunk().await.unwrap().unwrap();
        text.push_str(std::str::from_utf8(&chunk).unwrap());
    }
}

#[tokio::test]
async fn the_stream_tells_what_changes_and_resumes() {
    let api = Api::new().await;
    let check = |name: &str, data: &Value| {
        let schema = json!({"$ref": format!("#/components/schemas/{name}")});
        api.check(&schema, data, name);
    };
    let url = format!("{}/api/v1/stream", api.origin);
    let mut stream = api.client.get(&url).send().await.unwrap();
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    assert_eq!(stream.headers()["cache-control"], "no-store");
    let mut text = String::new();
    let (first, hello) = next_event(&mut stream, &mut text, "hello").await;
    check("StreamHello", &hello);
    assert_eq!(hello["resumed"], false);
    api.acs.call(["alice"]).await;
    let (_, call) = next_event(&mut stream, &mut text, "call").await;
    check("StreamCall", &call);
    assert_eq!(call["id"], api.get("/calls").await["items"][0]["id"]);
    api.acs.clock().advance(Duration::from_secs(1));
    check(
        "Clock",
        &next_event(&mut stream, &mut text, "clock").await.1,
    );
    get(&api.acs, "/calling/recordings/unknown").await;
    check(
        "StreamRequest",
        &next_event(&mut stream, &mut text, "request").await.1,
    );
    let fault = api
        .post("/faults", json!({"operation": "stop", "status": 500}))
        .await;
    let (_, added) = next_event(&mut stream, &mut text, "fault").await;
    check("StreamFault", &added);
    assert_eq!(added["id"], fault["id"]);
    api.post("/recordings", json!({"chunks": [1_000]})).await;
    check(
        "StreamRecording",
        &next_event(&mut stream, &mut text, "recording").await.1,
    );
    let recording = api.get("/recordings").await["items"][0].clone();
    assert_eq!(recording["chunks"][0]["state"], "available");
    api.acs.clock().advance(Duration::from_secs(24 * 60 * 60));
    let (_, expired) = next_event(&mut stream, &mut text, "recording").await;
    assert_eq!(expired["id"], recording["id"]);
    let recording = api.get("/recordings").await["items"][0].clone();
    assert_eq!(recording["chunks"][0]["state"], "expired");
    drop(stream);

    // What was missed follows.
    let resume = |id: String| api.client.get(&url).header("last-event-id", id).send();
    let mut stream = resume(first.clone()).await.unwrap();
    let mut text = String::new();
    let (_, hello) = next_event(&mut stream, &mut text, "hello").await;
    assert_eq!(hello["resumed"], true);
    assert_eq!(
        next_event(&mut stream, &mut text, "call").await.1["id"],
        call["id"]
    );

    let (instance, _) = first.split_once('.').unwrap();
    let other = "00000000000000000000000000000000.1".to_owned();
    for (id, reason) in [
        (format!("{instance}.9999"), "gap"),
        (other, "restarted"),
        ("x".to_owned(), "restarted"),
    ] {
        let mut stream = resume(id).await.unwrap();
        let mut text = String::new();
        let (_, resync) = next_event(&mut stream, &mut text, "resync").await;
        check("StreamResync", &resync);
        assert_eq!(resync["reason"], reason);
    }
}

#[tokio::test]
async fn the_page_may_use_the_api_and_others_may_not() {
    let api = Api::new().await;
    for (origin, site, status) in [
        (api.origin.as_str(), "same-origin", 200),
        ("https://evil.example", "cross-site", 403),
        ("http://127.0.0.1:1", "same-site", 403),
    ] {
        let request = api.client.get(format!("{}/api/v1/info", api.origin));
        let request = request
            .header("origin", origin)
            .header("sec-fetch-site", site);
        assert_eq!(request.send().await.unwrap().status(), status, "{origin}");
    }
}
