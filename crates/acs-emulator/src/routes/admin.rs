//! The admin interface: what tests look at and turn from outside of the process. It is on loopback
//! and asks for no signature.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::split_action;
use crate::delivery::subscription::{EventSchema, NewSubscription};
use crate::emulator::connection_string;
use crate::keys::AccessKey;
use crate::state::Shared;

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/admin/state", get(state))
        .route("/admin/keys", get(keys))
        .route("/admin/keys/{action}", post(regenerate))
        .route("/admin/clock:advance", post(advance))
        .route("/admin/subscriptions", post(subscribe))
        .route("/admin/calls:ring", post(ring))
}

async fn state(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let world = shared.world();
    let now = world.now;
    Json(json!({
        "now": crate::clock::text(now),
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
    Json(json!({"now": crate::clock::text(shared.now())}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Subscribe {
    url: String,
    #[serde(default)]
    schema: EventSchema,
    /// All types if there is none.
    #[serde(default)]
    events: Vec<String>,
    #[serde(default)]
    batch: usize,
    #[serde(default)]
    duplicates: u32,
    #[serde(default)]
    reordered: bool,
}

async fn subscribe(State(shared): State<Arc<Shared>>, Json(wish): Json<Subscribe>) -> Response {
    let mut subscription = NewSubscription::new(&shared, &wish.url)
        .schema(wish.schema)
        .batch(wish.batch)
        .duplicates(wish.duplicates);
    if wish.reordered {
        subscription = subscription.reordered();
    }
    subscription = if wish.events.is_empty() {
        subscription.all_events()
    } else {
        subscription.events(wish.events)
    };
    match subscription.await {
        Ok(()) => Json(json!({})).into_response(),
        Err(error) => {
            let body = json!({"error": error.to_string()});
            (StatusCode::BAD_REQUEST, Json(body)).into_response()
        }
    }
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
