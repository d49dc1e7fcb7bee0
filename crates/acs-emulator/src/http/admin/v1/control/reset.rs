//! Removes everything.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use http::StatusCode;
use serde::Deserialize;

use super::super::body::JsonBody;
use crate::http::repeatability::RepeatabilityStore;
use crate::http::state::AppState;
use crate::runtime::Runtime;
use crate::runtime::reset::Keep;

pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/reset", post(reset))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Reset {
    #[serde(default)]
    keep_subscriptions: bool,
    #[serde(default)]
    keep_faults: bool,
}

async fn reset(
    State(runtime): State<Arc<Runtime>>,
    State(repeatability): State<Arc<RepeatabilityStore>>,
    JsonBody(options): JsonBody<Reset>,
) -> StatusCode {
    // Otherwise a repeated request would get the response of a call that no longer exists.
    repeatability.clear();
    runtime.reset(Keep {
        subscriptions: options.keep_subscriptions,
        faults: options.keep_faults,
    });
    StatusCode::NO_CONTENT
}
