//! The service in HTTP.

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

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::any;
use http::StatusCode;

use crate::faults;
use crate::refusal::Refusal;
use crate::state::Shared;

pub(crate) use repeat::Repeats;

/// Everything that the emulator serves.
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
        .with_state(Arc::clone(shared))
}

/// The admin interface, which is served at an address of its own.
pub(crate) fn admin(shared: &Arc<Shared>) -> Router {
    admin::routes()
        .merge(faults::admin_routes())
        .layer(from_fn(admin::gate))
        .with_state(Arc::clone(shared))
}

/// An error in the shape of the service.
pub(crate) fn service_error(status: StatusCode, code: &str, message: String) -> Response {
    answer::error(status, code, message, None)
}

/// Whatever the service has no operation for.
async fn not_published() -> Refusal {
    Refusal::OperationNotFound
}

/// Splits `id:action`, the form of the addresses of most actions.
fn split_action(segment: &str) -> (&str, &str) {
    segment.rsplit_once(':').unwrap_or((segment, ""))
}
