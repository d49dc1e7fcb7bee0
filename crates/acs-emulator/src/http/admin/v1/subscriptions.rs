//! The subscriptions to Event Grid events.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use jiff::Timestamp;
use serde::Serialize;

use super::list::List;
use crate::delivery::Delivery;
use crate::delivery::event_grid::subscription::{self, Destination, EventSchema, Handshake};
use crate::http::state::AppState;

pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/subscriptions", get(list))
}

/// A subscription, as the API describes it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Subscription {
    id: String,
    kind: &'static str,
    destination: String,
    state: &'static str,
    reason: Option<String>,
    schema: &'static str,
    event_types: Option<Vec<String>>,
    batch: usize,
    duplicates: u32,
    reordered: bool,
    created_at: Timestamp,
}

impl From<&subscription::Subscription> for Subscription {
    fn from(subscription: &subscription::Subscription) -> Self {
        let options = &subscription.options;
        let (state, reason) = match subscription.handshake() {
            Handshake::Passed => ("active", None),
            Handshake::Pending(reason) => ("pending", reason),
        };
        Self {
            id: subscription.name.clone(),
            kind: match subscription.destination {
                Destination::Webhook(_) => "webhook",
                Destination::Queue(_) => "storageQueue",
            },
            destination: subscription.destination.address(),
            state,
            reason,
            schema: match options.schema {
                EventSchema::EventGrid => "eventGrid",
                EventSchema::CloudEvents => "cloudEvents",
            },
            event_types: options
                .events
                .as_ref()
                .map(|types| types.iter().cloned().collect()),
            batch: options.batch,
            duplicates: options.duplicates,
            reordered: options.reordered,
            created_at: subscription.created_at,
        }
    }
}

async fn list(State(delivery): State<Arc<Delivery>>) -> Json<List<Subscription>> {
    let subscriptions = delivery.subscriptions();
    let items = subscriptions.iter().map(|one| Subscription::from(&**one));
    Json(List {
        items: items.collect(),
    })
}
