//! The admin interface, with which other processes inspect and control the emulator.

mod faults;
mod guard;
mod page;
mod v1;
mod views;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::segment::split_action;
use super::state::AppState;
use crate::auth::Auth;
use crate::auth::keys::AccessKey;
use crate::delivery::Delivery;
use crate::delivery::event_grid::new_subscription::NewSubscription;
use crate::delivery::event_grid::subscription::EventSchema;
use crate::service::Service;
use crate::service::clock::text;
use crate::service::participant::NewParticipant;
use crate::service::script::CallPlan;
use crate::storage::store::Store;

pub(super) use guard::{Gate, guard};

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/admin/state", get(state))
        .route("/admin/keys", get(keys))
        .route("/admin/keys/{action}", post(regenerate))
        .route("/admin/clock:advance", post(advance))
        .route("/admin/subscriptions", post(subscribe))
        .route("/admin/calls:ring", post(ring))
        .merge(faults::routes())
        .merge(page::routes())
        .merge(v1::routes())
}

/// Which part of each list to return.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    #[serde(default)]
    offset: usize,
    #[serde(default = "Page::limit")]
    limit: usize,
}

impl Page {
    fn limit() -> usize {
        1_000
    }

    fn of<T>(&self, items: impl Iterator<Item = T>) -> Vec<T> {
        let limit = self.limit.min(Self::limit());
        items.skip(self.offset).take(limit).collect()
    }

    /// The offset of the next page, if a list with this many items has one.
    fn next(&self, count: usize) -> Option<usize> {
        let next = self.offset.saturating_add(self.limit.min(Self::limit()));
        (next < count && next > self.offset).then_some(next)
    }
}

async fn state(
    Query(page): Query<Page>,
    State(service): State<Arc<Service>>,
    State(store): State<Arc<Store>>,
    State(delivery): State<Arc<Delivery>>,
) -> Json<Value> {
    let state = service.state();
    let now = state.now;
    let subscriptions = delivery.subscriptions();
    let subscriptions = subscriptions.iter().map(|one| views::subscription(one));
    let mut documents = store.list(now);
    documents.sort_by(|one, other| one.id.cmp(&other.id));
    let mut live: Vec<_> = state.recordings.iter().collect();
    live.sort_by(|one, other| one.id.cmp(&other.id));
    let longest = state
        .calls
        .iter()
        .count()
        .max(documents.len())
        .max(live.len());
    let calls = page.of(state.calls.iter());
    let calls: Vec<_> = calls
        .into_iter()
        .map(|call| views::call(call, now))
        .collect();
    let recordings = views::recordings(
        &page.of(live.into_iter()),
        &page.of(documents.into_iter()),
        now,
    );
    Json(json!({
        "now": text(now),
        "resourceId": service.resource,
        "calls": calls,
        "recordings": recordings,
        "nextOffset": page.next(longest),
        "subscriptions": subscriptions.collect::<Vec<_>>(),
    }))
}

async fn keys(State(auth): State<Arc<Auth>>) -> Json<Value> {
    Json(views::keys(&auth))
}

async fn regenerate(State(auth): State<Arc<Auth>>, Path(segment): Path<String>) -> Response {
    let key = match split_action(&segment) {
        ("primary", "regenerate") => AccessKey::Primary,
        ("secondary", "regenerate") => AccessKey::Secondary,
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    auth.keys.regenerate(key);
    Json(views::keys(&auth)).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    ms: u64,
}

async fn advance(State(service): State<Arc<Service>>, Json(by): Json<Advance>) -> Json<Value> {
    service.clock().advance(Duration::from_millis(by.ms));
    Json(json!({"now": text(service.clock().now())}))
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

async fn subscribe(
    State(delivery): State<Arc<Delivery>>,
    Json(options): Json<Subscribe>,
) -> Response {
    let subscription = match (&options.url, &options.queue) {
        (Some(url), None) => NewSubscription::webhook(&delivery, url),
        (None, Some(queue)) => NewSubscription::queue(&delivery, queue),
        _ => return bad_request("give either url or queue"),
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
        Err(error) => bad_request(&error.to_string()),
    }
}

fn bad_request(reason: &str) -> Response {
    let body = json!({"error": reason});
    (StatusCode::BAD_REQUEST, Json(body)).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ring {
    caller: String,
}

async fn ring(State(service): State<Arc<Service>>, Json(ring): Json<Ring>) -> Json<Value> {
    let caller = NewParticipant {
        name: ring.caller,
        voice: None,
    };
    let mut state = service.state();
    let call = service.incoming_call(&mut state, caller, CallPlan::default());
    Json(json!({
        "incomingCallContext": call.context,
        "serverCallId": call.server_call_id,
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
        let response = acs
            .runtime()
            .delivery
            .context
            .client
            .post(url)
            .send()
            .await
            .unwrap();
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
