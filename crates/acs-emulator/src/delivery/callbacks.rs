//! Callbacks: what an application is told about its calls and recordings.
//!
//! Each callback is an array with one `CloudEvent` and carries a token of its own. Callbacks to one
//! address come one after the other. What is not accepted is not sent again.

use std::collections::HashMap;
use std::sync::Arc;

use acs_call_automation::Client;
use http::header::CONTENT_TYPE;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

use super::queue::spawn;
use super::subscription::root_cause;
use super::without_secrets;
use crate::ids;
use crate::state::Shared;

const PREFIX: &str = "Microsoft.Communication.";

/// One callback.
#[derive(Clone, Debug)]
pub(crate) struct Callback {
    pub(crate) url: String,
    pub(crate) kind: &'static str,
    pub(crate) body: Value,
}

/// What every callback tells.
#[derive(Clone, Debug)]
pub(crate) struct About<'a> {
    pub(crate) connection: &'a str,
    pub(crate) server_call: &'a str,
    pub(crate) correlation: String,
}

/// The code, sub-code and message that callbacks tell as result.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome(pub(crate) u16, pub(crate) u16, pub(crate) &'static str);

/// What has happened, how it went, and when.
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
    /// A callback about `note`; `data` is what it has beside the common members.
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

/// The notation of callbacks, which differs from the one of Event Grid.
pub(crate) fn time(at: Timestamp) -> String {
    let text = crate::clock::text(at);
    format!("{}+00:00", text.trim_end_matches('Z'))
}

/// Posts callbacks until the emulator stops.
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
                // The receiver is gone once the emulator has stopped.
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
            // The first token needs a key, which is work.
            let shared = Arc::clone(&shared);
            let made = tokio::task::spawn_blocking(move || {
                let now = shared.server_time();
                shared.tokens.for_callback(shared.resource, now)
            });
            match made.await {
                Ok(Ok(token)) => token,
                Ok(Err(error)) => return tracing::error!(%error, "no token for callbacks"),
                Err(error) => return tracing::error!(%error, "no token for callbacks"),
            }
        };
        let answer = shared
            .webhooks
            .post(&url)
            .header(CONTENT_TYPE, "application/json; charset=utf-8")
            .bearer_auth(token)
            .body(body.to_string())
            .send()
            .await;
        match answer {
            Ok(answer) if answer.status().is_success() => {
                tracing::info!(kind, to, "callback accepted");
            }
            Ok(answer) => {
                let status = answer.status().as_u16();
                tracing::warn!(kind, to, status, "callback not accepted");
            }
            Err(error) => {
                let error = root_cause(error);
                tracing::warn!(kind, to, error, "callback not delivered");
            }
        }
    }
}
