//! The admin interface, with which other processes inspect and control the emulator. It is on
//! loopback and requires no authentication.

pub(super) mod faults;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::header::{HOST, HeaderName, ORIGIN, USER_AGENT};
use http::uri::Authority;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::auth::keys::{AccessKey, connection_string};
use crate::delivery;
use crate::delivery::event_grid::subscription::{EventSchema, NewSubscription};
use crate::http::split_action;
use crate::service::state::Shared;

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/admin/state", get(state))
        .route("/admin/keys", get(keys))
        .route("/admin/keys/{action}", post(regenerate))
        .route("/admin/clock:advance", post(advance))
        .route("/admin/subscriptions", post(subscribe))
        .route("/admin/calls:ring", post(ring))
}

/// Accepts requests from programs on this machine. Refuses web pages, which may be open in a browser,
/// and the emulator itself, which sends requests to URLs that clients choose.
pub(super) async fn gate(request: Request, next: Next) -> Response {
    match stranger(request.headers()) {
        Some(reason) => {
            tracing::warn!(reason, "request to the admin interface refused");
            (StatusCode::FORBIDDEN, format!("{reason}\n")).into_response()
        }
        None => next.run(request).await,
    }
}

/// The reason to refuse a request with these headers, if any.
fn stranger(headers: &HeaderMap) -> Option<&'static str> {
    const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if text(USER_AGENT).is_some_and(|agent| agent.split(' ').any(|one| one == delivery::USER_AGENT))
    {
        return Some("the emulator must not send events or files to its own admin interface");
    }
    if headers.contains_key(ORIGIN) || text(SEC_FETCH_SITE).is_some_and(|site| site != "none") {
        return Some("web pages must not use the admin interface");
    }
    // A web page can map a host name of its own to a loopback address (DNS rebinding).
    if !text(HOST).is_some_and(is_loopback) {
        return Some("the Host header must be localhost or a loopback address");
    }
    None
}

fn is_loopback(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else {
        return false;
    };
    let name = authority.host();
    let address = name.trim_start_matches('[').trim_end_matches(']');
    match address.parse::<IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => name.eq_ignore_ascii_case("localhost"),
    }
}

async fn state(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let world = shared.world();
    let now = world.now;
    Json(json!({
        "now": crate::service::clock::text(now),
        "resourceId": shared.resource,
        "calls": world.calls.list(now),
        "recordings": world.recordings.list(now),
        "subscriptions": world.subscriptions.iter().map(|subscription| subscription.describe()).collect::<Vec<_>>(),
    }))
}

async fn keys(State(shared): State<Arc<Shared>>) -> Json<Value> {
    Json(describe_keys(&shared))
}

fn describe_keys(shared: &Shared) -> Value {
    let [primary, secondary] = [AccessKey::Primary, AccessKey::Secondary].map(|key| {
        let key = shared.keys.text(key);
        json!({
            "connectionString": connection_string(&shared.endpoint, &key),
            "key": key,
        })
    });
    json!({"primary": primary, "secondary": secondary})
}

async fn regenerate(State(shared): State<Arc<Shared>>, Path(segment): Path<String>) -> Response {
    let key = match split_action(&segment) {
        ("primary", "regenerate") => AccessKey::Primary,
        ("secondary", "regenerate") => AccessKey::Secondary,
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    shared.keys.regenerate(key);
    Json(describe_keys(&shared)).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    ms: u64,
}

async fn advance(State(shared): State<Arc<Shared>>, Json(by): Json<Advance>) -> Json<Value> {
    shared.settings.clock.advance(Duration::from_millis(by.ms));
    Json(json!({"now": crate::service::clock::text(shared.now())}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[serde(rename_all = "camelCase")]
struct Subscribe {
    /// The URL of a webhook.
    url: Option<String>,
    queue: Option<String>,
    connection_string: Option<String>,
    #[serde(default)]
    schema: EventSchema,
    /// The event types; all types if omitted.
    #[serde(default)]
    events: Vec<String>,
    #[serde(default)]
    batch: usize,
    #[serde(default)]
    duplicates: u32,
    #[serde(default)]
    reordered: bool,
}

async fn subscribe(State(shared): State<Arc<Shared>>, Json(options): Json<Subscribe>) -> Response {
    let subscription = match (&options.url, &options.queue) {
        (Some(url), None) => NewSubscription::webhook(&shared, url),
        (None, Some(queue)) => NewSubscription::queue(&shared, queue),
        _ => return refuse("give either url or queue"),
    };
    let mut subscription = subscription
        .schema(options.schema)
        .batch(options.batch)
        .duplicates(options.duplicates);
    if let Some(text) = options.connection_string {
        subscription = subscription.connection_string(text);
    }
    if options.reordered {
        subscription = subscription.reordered();
    }
    subscription = if options.events.is_empty() {
        subscription.all_events()
    } else {
        subscription.events(options.events)
    };
    match subscription.await {
        Ok(()) => Json(json!({})).into_response(),
        Err(error) => refuse(&error.to_string()),
    }
}

fn refuse(reason: &str) -> Response {
    let body = json!({"error": reason});
    (StatusCode::BAD_REQUEST, Json(body)).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ring {
    caller: String,
}

async fn ring(State(shared): State<Arc<Shared>>, Json(ring): Json<Ring>) -> Json<Value> {
    let call = shared.ring_as(ring.caller.into());
    Json(json!({
        "incomingCallContext": call.context(),
        "serverCallId": call.server_call_id(),
    }))
}

#[cfg(test)]
mod tests {
    use crate::Emulator;

    /// The user agent is checked too, because a URL may get past the address checks, for example
    /// with a host name whose address changes.
    #[tokio::test]
    async fn requests_from_the_emulator_itself_are_refused() {
        let admin = ([127, 0, 0, 1], 0).into();
        let acs = Emulator::builder().admin(admin).start().await.unwrap();
        let url = format!("{}/keys/primary:regenerate", acs.admin_url().unwrap());
        let response = acs.shared().webhooks.post(url).send().await.unwrap();
        assert_eq!(response.status(), 403);
        assert!(
            response
                .text()
                .await
                .unwrap()
                .contains("own admin interface")
        );
        assert_eq!(acs.current_key(crate::AccessKey::Primary), acs.access_key());
    }
}
