//! The HTTP routes of the service.

mod admin;
mod answer;
mod calls;
mod content;
mod gate;
mod identity;
mod range;
mod recordings;
mod repeat;

use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::{any, get};
use http::StatusCode;

use crate::faults;
use crate::refusal::Refusal;
use crate::state::Shared;

pub(crate) use repeat::Repeats;

/// All routes of the service.
pub(crate) fn router(shared: &Arc<Shared>) -> Router {
    let calling = Router::new()
        .merge(recordings::routes())
        .merge(calls::routes())
        .route("/calling/{*path}", any(not_published))
        .method_not_allowed_fallback(|| async { Refusal::Method })
        .layer(from_fn_with_state(Arc::clone(shared), gate::calling));
    let content = content::routes().layer(from_fn_with_state(Arc::clone(shared), gate::content));
    calling
        .merge(content)
        .layer(from_fn_with_state(Arc::clone(shared), faults::apply))
        .merge(identity::routes())
        .route("/ready", get(ready))
        .with_state(Arc::clone(shared))
}

/// The routes of the admin interface, which has an address of its own.
pub(crate) fn admin(shared: &Arc<Shared>) -> Router {
    admin::routes()
        .merge(faults::admin_routes())
        .route("/ready", get(ready))
        .layer(from_fn(admin::gate))
        .with_state(Arc::clone(shared))
}

/// An error in the service's format.
pub(crate) fn service_error(status: StatusCode, code: &str, message: String) -> Response {
    answer::error(status, code, message, None)
}

/// Tells that the emulator is ready. It needs no signature, and no fault applies to it.
async fn ready() -> Json<serde_json::Value> {
    Json(serde_json::json!({"status": "ready"}))
}

/// The response to requests that match no operation of the service.
async fn not_published() -> Refusal {
    Refusal::OperationNotFound
}

/// Splits `id:action`, which is the last path segment of most actions.
fn split_action(segment: &str) -> (&str, &str) {
    segment.rsplit_once(':').unwrap_or((segment, ""))
}
