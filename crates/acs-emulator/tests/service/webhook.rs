//! A webhook that answers as a test wants it to.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// What the webhook got.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Delivery {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap().to_str().unwrap()
    }

    /// The one event in it.
    pub(crate) fn event(&self) -> &Value {
        let events = self.body.as_array().unwrap();
        assert_eq!(events.len(), 1);
        &events[0]
    }
}

/// A webhook on loopback.
pub(crate) struct Webhook {
    pub(crate) url: String,
    deliveries: mpsc::UnboundedReceiver<Delivery>,
}

struct Script {
    validates: bool,
    statuses: Mutex<VecDeque<u16>>,
    deliveries: mpsc::UnboundedSender<Delivery>,
}

impl Webhook {
    /// Passes validation and answers events with these statuses, then with 200.
    pub(crate) async fn answering(statuses: &[u16]) -> Self {
        Self::start(true, statuses).await
    }

    /// Answers the validation event with 200 but without the code.
    pub(crate) async fn not_validating() -> Self {
        Self::start(false, &[]).await
    }

    async fn start(validates: bool, statuses: &[u16]) -> Self {
        let (sender, deliveries) = mpsc::unbounded_channel();
        let script = Arc::new(Script {
            validates,
            statuses: Mutex::new(statuses.iter().copied().collect()),
            deliveries: sender,
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/events", listener.local_addr().unwrap());
        let router = Router::new()
            .route("/events", post(receive).options(consent))
            .with_state(script);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, deliveries }
    }

    /// The next request. Waits as long as a slow machine may need.
    pub(crate) async fn next(&mut self) -> Delivery {
        tokio::time::timeout(Duration::from_secs(60), self.deliveries.recv())
            .await
            .expect("no request came")
            .unwrap()
    }

    /// Whether nothing has come in that was not taken with [`Webhook::next`].
    pub(crate) fn is_quiet(&mut self) -> bool {
        self.deliveries.try_recv().is_err()
    }
}

async fn receive(State(script): State<Arc<Script>>, headers: HeaderMap, body: Bytes) -> Response {
    let body: Value = serde_json::from_slice(&body).unwrap();
    let validation = headers
        .get("aeg-event-type")
        .is_some_and(|kind| kind == "SubscriptionValidation");
    let code = body[0]["data"]["validationCode"].clone();
    script.deliveries.send(Delivery { headers, body }).unwrap();
    if validation {
        let answer = if script.validates {
            json!({"validationResponse": code})
        } else {
            json!({})
        };
        return answer.to_string().into_response();
    }
    let status = script.statuses.lock().unwrap().pop_front().unwrap_or(200);
    StatusCode::from_u16(status).unwrap().into_response()
}

async fn consent(State(script): State<Arc<Script>>, headers: HeaderMap) -> Response {
    let origin = headers.get("webhook-request-origin").cloned();
    match origin.filter(|_| script.validates) {
        Some(origin) => [("webhook-allowed-origin", origin)].into_response(),
        None => StatusCode::OK.into_response(),
    }
}
