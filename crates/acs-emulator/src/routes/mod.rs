//! The service in HTTP.

mod answer;
mod calls;
mod content;
mod gate;
mod range;
mod recordings;
mod repeat;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::any;

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
    calling.merge(content).with_state(Arc::clone(shared))
}

/// Whatever the service has no operation for.
async fn not_published() -> Refusal {
    Refusal::OperationNotFound
}

/// Splits `id:action`, the form of the addresses of most actions.
fn split_action(segment: &str) -> (&str, &str) {
    segment.rsplit_once(':').unwrap_or((segment, ""))
}
