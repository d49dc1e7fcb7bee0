//! Moves, stops and starts the clock.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use serde::Deserialize;

use super::super::body::JsonBody;
use super::super::clock::Clock;
use super::super::problem::Problem;
use crate::http::state::AppState;
use crate::service::Service;

/// Ten years in milliseconds. More is presumably a mistake.
const MOST: u64 = 315_360_000_000;

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/clock/advance", post(advance))
        .route("/clock/hold", post(hold))
        .route("/clock/release", post(release))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    ms: u64,
}

async fn advance(
    State(service): State<Arc<Service>>,
    JsonBody(Advance { ms }): JsonBody<Advance>,
) -> Result<Json<Clock>, Problem> {
    if ms > MOST {
        let detail = format!("The clock cannot be advanced by {ms} ms at once.");
        return Err(Problem::invalid(detail)
            .hint(format!(
                "Advance it by at most {MOST} ms, which is ten years."
            ))
            .pointer("/ms"));
    }
    service.clock().advance(Duration::from_millis(ms));
    Ok(current(&service))
}

async fn hold(State(service): State<Arc<Service>>) -> Json<Clock> {
    service.clock().hold();
    current(&service)
}

async fn release(State(service): State<Arc<Service>>) -> Json<Clock> {
    service.clock().release();
    current(&service)
}

/// The clock, after everything that is due has run.
fn current(service: &Service) -> Json<Clock> {
    drop(service.state());
    Json(service.clock().into())
}
