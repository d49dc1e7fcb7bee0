//! For process managers and containers.

use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;

use crate::http::state::AppState;

#[derive(Serialize)]
struct Health {
    status: &'static str,
    version: &'static str,
    detail: Option<&'static str>,
}

pub(super) fn routes() -> Router<AppState> {
    // This address is served when all others are, so it is ready as soon as it responds.
    Router::new()
        .route("/health", get(up))
        .route("/ready", get(up))
}

async fn up() -> Json<Health> {
    Json(Health {
        status: "up",
        version: env!("CARGO_PKG_VERSION"),
        detail: None,
    })
}
