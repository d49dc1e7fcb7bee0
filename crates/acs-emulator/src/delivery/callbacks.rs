//! Callbacks, which notify an application about its calls and recordings.
//!
//! Each callback is an array with one `CloudEvent` and has its own token. Callbacks to the same
//! address are sent one after the other. A callback that is not accepted is not retried.

use std::collections::HashMap;
use std::sync::Arc;

use acs_call_automation::Client;
use http::header::CONTENT_TYPE;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

use crate::delivery::event_grid::deliver::spawn;
use crate::redact::{root_cause, without_secrets};
use crate::service::ids;
use crate::service::state::Shared;

const PREFIX: &str = "Microsoft.Communication.";

/// One callback.
#[derive(Clone, Debug)]
pub(crate) struct Callback {
    pub(crate) url: String,
    pub(crate) kind: &'static str,
    pub(crate) body: Value,
}

/// Members that all callbacks have.
#[derive(Clone, Debug)]
pub(crate) struct About<'a> {
    pub(crate) connection: &'a str,
    pub(crate) server_call: &'a str,
    pub(crate) correlation: String,
}

/// The code, sub-code and message in `resultInformation`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome(pub(crate) u16, pub(crate) u16, pub(crate) &'static str);

/// The event that a callback reports, its result and its time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Note {
    pub(crate) kind: &'static str,
    pub(crate) outcome: Outcome,
    pub(crate) at: Timestamp,
}

impl Note {
    pub(crate) fn success(kind: &'static str, at: Timestamp) -> Self {
        Self {
            kind,
            outcome: Outcome(200, 0, ""),
            at,
        }
    }
}

impl Callback {
    /// A callback about `note`. `data` contains the members that are specific to its type.
    pub(crate) fn new(url: &str, source: &str, about: &About<'_>, note: Note, data: Value) -> Self {
        let Note { kind, outcome, at } = note;
        let name = format!("{PREFIX}{kind}");
        let mut members = match data {
            Value::Object(members) => members,
            _ => Map::new(),
        };
        members.retain(|_, value| !value.is_null());
        let Outcome(code, sub_code, message) = outcome;
        for (member, value) in [
            ("callConnectionId", json!(about.connection)),
            ("serverCallId", json!(about.server_call)),
            ("correlationId", json!(about.correlation)),
            (
                "resultInformation",
                json!({"code": code, "subCode": sub_code, "message": message}),
            ),
            ("version", json!(Client::API_VERSION)),
            ("publicEventType", json!(name)),
        ] {
            members.insert(member.to_owned(), value);
        }
        let body = json!([{
            "id": ids::passing(),
            "source": source,
            "type": name,
            "data": members,
            "time": time(at),
            "specversion": "1.0",
            "datacontenttype": "application/json",
            "subject": source,
        }]);
        Self {
            url: url.to_owned(),
            kind,
            body,
        }
    }
}

/// Formats a time as callbacks do. Event Grid uses a different format.
pub(crate) fn time(at: Timestamp) -> String {
    let text = crate::service::clock::text(at);
    format!("{}+00:00", text.trim_end_matches('Z'))
}

/// Sends callbacks until the emulator stops.
pub(crate) fn run(shared: &Arc<Shared>, mut callbacks: mpsc::UnboundedReceiver<Callback>) {
    let sorter = {
        let shared = Arc::clone(shared);
        async move {
            let mut lines: HashMap<String, mpsc::UnboundedSender<Callback>> = HashMap::new();
            while let Some(callback) = callbacks.recv().await {
                let line = lines.entry(callback.url.clone()).or_insert_with(|| {
                    let (sender, receiver) = mpsc::unbounded_channel();
                    spawn(&shared, post_all(Arc::clone(&shared), receiver));
                    sender
                });
                // The receiver is dropped when the emulator stops.
                let _ = line.send(callback);
            }
        }
    };
    spawn(shared, sorter);
}

async fn post_all(shared: Arc<Shared>, mut callbacks: mpsc::UnboundedReceiver<Callback>) {
    while let Some(callback) = callbacks.recv().await {
        let Callback { url, kind, body } = callback;
        let to = &*without_secrets(&url);
        let token = {
            // The first token generates a key, which is expensive.
            let shared = Arc::clone(&shared);
            let made = tokio::task::spawn_blocking(move || {
                let now = shared.server_time();
                shared.tokens.for_callback(shared.resource, now)
            });
            match made.await {
                Ok(Ok(token)) => token,
                Ok(Err(error)) => {
                    return tracing::error!(%error, "cannot create a token for callbacks");
                }
                Err(error) => return tracing::error!(%error, "cannot create a token for callbacks"),
            }
        };
        let response = shared
            .webhooks
            .post(&url)
            .header(CONTENT_TYPE, "application/json; charset=utf-8")
            .bearer_auth(token)
            .body(body.to_string())
            .send()
            .await;
        match response {
            Ok(response) if response.status().is_success() => {
                tracing::info!(kind, to, "callback accepted");
            }
            Ok(response) => {
                let status = response.status().as_u16();
                tracing::warn!(kind, to, status, "callback not accepted");
            }
            Err(error) => {
                let error = root_cause(error);
                tracing::warn!(kind, to, error, "callback not delivered");
            }
        }
    }
}
