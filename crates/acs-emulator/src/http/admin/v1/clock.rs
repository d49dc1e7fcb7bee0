//! The time of the service.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use jiff::Timestamp;
use serde::Serialize;

use crate::http::state::AppState;
use crate::service::Service;
use crate::service::clock;

/// The clock, as the API describes it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Clock {
    now: Timestamp,
    held: bool,
    advanced_ms: i128,
}

impl From<&clock::Clock> for Clock {
    fn from(clock: &clock::Clock) -> Self {
        Self {
            now: clock.now(),
            held: clock.is_held(),
            advanced_ms: clock.advanced().as_millis(),
        }
    }
}

pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/clock", get(read))
}

async fn read(State(service): State<Arc<Service>>) -> Json<Clock> {
    Json(service.clock().into())
}
