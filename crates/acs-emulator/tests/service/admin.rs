//! Access to the admin interface.

use acs_emulator::{Clock, Emulator, Error};
use http::StatusCode;
use serde_json::{Value, json};

use crate::client::post;

async fn emulator() -> (Emulator, String) {
    let acs = Emulator::builder()
        .clock(Clock::manual())
        .admin(([127, 0, 0, 1], 0).into())
        .start()
        .await
        .unwrap();
    let admin = acs.admin_url().unwrap().to_owned();
    (acs, admin)
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

#[tokio::test]
async fn urls_of_the_admin_interface_are_refused() {
    let (acs, admin) = emulator().await;
    let call = acs.call(["alice"]).await;
    let id = call.call_connection_id();
    let ring = format!("{admin}/calls:ring?code=secret");
    let locator = json!({"kind": "serverCallLocator", "serverCallId": call.server_call_id()});
    let alice = json!({"rawId": "8:acs:alice"});
    let calls = "/calling/callConnections";
    let people = format!("{calls}/{id}/participants");
    for url in [&ring, &ring.replace("127.0.0.1", "localhost")] {
        let requests: [(&str, Value); 7] = [
            (calls, json!({"targets": [alice], "callbackUri": url})),
            (
                &format!("{calls}:connect"),
                json!({"callLocator": locator, "callbackUri": url}),
            ),
            (
                &format!("{calls}:answer"),
                json!({"incomingCallContext": acs.incoming_call("bob").context(), "callbackUri": url}),
            ),
            (
                &format!("{people}:add"),
                json!({"participantToAdd": alice, "operationCallbackUri": url}),
            ),
            (
                &format!("{people}:remove"),
                json!({"participantToRemove": alice, "operationCallbackUri": url}),
            ),
            (
                "/calling/recordings",
                json!({"callConnectionId": id, "recordingStateCallbackUri": url}),
            ),
            (
                "/calling/recordings",
                json!({"callConnectionId": id, "externalStorage": {
                    "recordingStorageKind": "azureBlobStorage",
                    "recordingDestinationContainerUrl": url,
                }}),
            ),
        ];
        for (path, body) in requests {
            let response = post(&acs, path, &body).await;
            assert_eq!(response.status, StatusCode::BAD_REQUEST, "{path} {body}");
            let message = response.json()["error"]["message"].to_string();
            assert!(message.contains("admin interface"), "{path}: {message}");
        }
        for error in [
            acs.subscribe(url).await.unwrap_err(),
            acs.call(["alice"]).callback(url.as_str()).unwrap_err(),
        ] {
            assert!(matches!(error, Error::WebhookUrl { .. }), "{error:?}");
            let text = error.to_string();
            assert!(text.contains("admin interface"), "{text}");
            assert!(!text.contains("secret"), "{text}");
        }
        let response = client()
            .post(format!("{admin}/subscriptions"))
            .header("content-type", "application/json")
            .body(json!({"url": url}).to_string())
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    }
}

#[tokio::test]
async fn only_programs_on_this_machine_are_accepted() {
    let (acs, admin) = emulator().await;
    let ask = async |headers: &[(&str, &str)]| {
        let mut request = client().post(format!("{admin}/keys/primary:regenerate"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap().status().as_u16()
    };
    let key = acs.access_key();
    for (headers, what) in [
        ([("origin", "https://evil.example")], "a web page"),
        ([("origin", "null")], "a web page without an origin"),
        ([("sec-fetch-site", "cross-site")], "another site"),
        ([("sec-fetch-site", "same-site")], "the same site"),
        ([("host", "evil.example")], "a foreign host name"),
        (
            [("host", "127.0.0.1.evil.example")],
            "a foreign host name that begins with an address",
        ),
        ([("user-agent", "acs-emulator")], "the emulator"),
    ] {
        assert_eq!(ask(&headers).await, 403, "{what}");
        assert_eq!(
            acs.current_key(acs_emulator::AccessKey::Primary),
            key,
            "{what}"
        );
    }
    for headers in [
        [("host", "localhost")],
        [("host", "[::1]:80")],
        [("user-agent", "curl/8.5.0")],
        [("sec-fetch-site", "none")],
    ] {
        assert_eq!(ask(&headers).await, 200, "{headers:?}");
    }
}

#[tokio::test]
async fn keys_are_neither_shown_to_nor_changed_by_web_pages() {
    let (acs, admin) = emulator().await;
    let origin = admin.strip_suffix("/admin").unwrap().to_owned();
    let key = acs.access_key().to_owned();
    let send = async |method: &str, path: &str, headers: &[(&str, &str)], body: &'static str| {
        let method = method.parse::<http::Method>().unwrap();
        let mut request = client()
            .request(method, format!("{origin}{path}"))
            .body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    for path in ["/api/v1/info", "/admin/keys", "/admin/state"] {
        for headers in [
            [("host", "evil.example:10012")],
            [("origin", "http://evil.example")],
            [("origin", "null")],
            [("sec-fetch-site", "cross-site")],
        ] {
            let (status, body) = send("GET", path, &headers, "").await;
            assert_eq!(status, 403, "{path} {headers:?}");
            assert!(!body.contains(&key), "{path} {headers:?}");
        }
    }
    // A form, or `fetch` in the mode `no-cors`, from a browser that sends no `Origin`.
    for media_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
    ] {
        for path in [
            "/api/v1/keys/primary/regenerate",
            "/admin/clock:advance",
            "/admin/faults",
        ] {
            let headers = [("content-type", media_type)];
            let (status, body) = send("POST", path, &headers, "{}").await;
            assert_eq!(status, 415, "{path} {media_type}: {body}");
        }
    }
    assert_eq!(acs.current_key(acs_emulator::AccessKey::Primary), key);

    let own = [
        ("origin", origin.as_str()),
        ("sec-fetch-site", "same-origin"),
    ];
    let (status, body) = send("GET", "/api/v1/info", &own, "").await;
    assert!(status == 200 && body.contains(&key), "{status} {body}");
    let (status, _) = send("POST", "/api/v1/keys/primary/regenerate", &own, "").await;
    assert_eq!(status, 200);
    assert_ne!(acs.current_key(acs_emulator::AccessKey::Primary), key);
}

#[tokio::test]
async fn other_machines_need_the_token() {
    let acs = Emulator::builder()
        .admin(([0, 0, 0, 0], 0).into())
        .admin_allowed_host("acs")
        .start()
        .await
        .unwrap();
    let token = acs.admin_token().unwrap().to_owned();
    let origin = acs.admin_url().unwrap().strip_suffix("/admin").unwrap();
    let info = format!("{origin}/api/v1/info");
    let send = async |host: &str, name: &'static str, value: &str| {
        let request = client().get(&info).header("host", host).header(name, value);
        request.send().await.unwrap().status().as_u16()
    };
    let bearer = format!("Bearer {token}");
    for host in ["127.0.0.1", "acs:10012", "10.1.2.3:10012"] {
        assert_eq!(send(host, "authorization", &bearer).await, 200, "{host}");
        assert_eq!(send(host, "authorization", "Bearer x").await, 401, "{host}");
    }
    assert_eq!(send("evil.example", "authorization", &bearer).await, 403);

    let browser = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let page = browser
        .get(format!("{origin}/?token={token}"))
        .send()
        .await
        .unwrap();
    assert_eq!(page.status(), 303);
    let cookie = page.headers()["set-cookie"].to_str().unwrap();
    let cookie = cookie.split(';').next().unwrap();
    assert_eq!(send("acs", "cookie", cookie).await, 200);
    let wrong = browser
        .get(format!("{origin}/?token=x"))
        .send()
        .await
        .unwrap();
    assert_eq!(wrong.status(), 401);
    assert!(Emulator::builder().admin_token("a b").is_err());
}

#[tokio::test]
async fn long_lists_have_pages() {
    let (acs, admin) = emulator().await;
    for _ in 0..5 {
        acs.call(["alice"]).await;
    }
    let page = async |query: &str| -> Value {
        let response = client()
            .get(format!("{admin}/state{query}"))
            .send()
            .await
            .unwrap();
        serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
    };
    let (mut seen, mut offset) = (std::collections::BTreeSet::new(), Some(0));
    while let Some(from) = offset {
        let state = page(&format!("?limit=2&offset={from}")).await;
        let calls = state["calls"].as_array().unwrap();
        assert!((1..=2).contains(&calls.len()));
        seen.extend(calls.iter().map(|call| call["serverCallId"].to_string()));
        offset = state["nextOffset"].as_u64();
    }
    assert_eq!(seen.len(), 5);
    let all = page("").await;
    assert_eq!(all["calls"].as_array().unwrap().len(), 5);
    assert_eq!(all["nextOffset"], Value::Null);
}
