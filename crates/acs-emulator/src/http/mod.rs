//! The HTTP routes of the service.

mod admin;
mod authenticate;
mod calls;
mod content;
mod faults;
pub(crate) mod recordings;
mod repeatability;
mod response;
mod token_issuer;

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::any;

use crate::service::error::Refusal;
use crate::service::state::Shared;

pub(crate) use repeatability::Repeats;

/// All routes of the service.
pub(crate) fn router(shared: &Arc<Shared>) -> Router {
    let calling = Router::new()
        .merge(recordings::routes())
        .merge(calls::routes())
        .route("/calling/{*path}", any(not_published))
        .method_not_allowed_fallback(|| async { Refusal::Method })
        .layer(from_fn_with_state(
            Arc::clone(shared),
            authenticate::calling,
        ));
    let content = content::routes().layer(from_fn_with_state(
        Arc::clone(shared),
        authenticate::content,
    ));
    calling
        .merge(content)
        .layer(from_fn_with_state(Arc::clone(shared), faults::apply))
        .merge(token_issuer::routes())
        .with_state(Arc::clone(shared))
}

/// The routes of the admin interface, which has an address of its own.
pub(crate) fn admin(shared: &Arc<Shared>) -> Router {
    admin::routes()
        .merge(admin::faults::routes())
        .layer(from_fn(admin::gate))
        .with_state(Arc::clone(shared))
}

/// The response to requests that match no operation of the service.
async fn not_published() -> Refusal {
    Refusal::OperationNotFound
}

/// Splits `id:action`, which is the last path segment of most actions.
fn split_action(segment: &str) -> (&str, &str) {
    segment.rsplit_once(':').unwrap_or((segment, ""))
}
