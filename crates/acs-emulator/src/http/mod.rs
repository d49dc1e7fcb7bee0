//! The service in HTTP, and the admin interface.

mod admin;
mod authenticate;
mod call_target;
mod calls;
mod content;
mod faults;
mod recordings;
mod repeatability;
mod request_log;
mod response;
mod segment;
mod state;
mod token_issuer;

use std::sync::Arc;

use axum::middleware::from_fn_with_state;
use axum::routing::{any, get};
use axum::{Json, Router};

use crate::runtime::Runtime;
use crate::service::error::ServiceError;

use state::AppState;

/// The web applications of an emulator, which share their state.
pub(crate) struct Routers {
    /// All routes of the service.
    pub(crate) service: Router,
    /// The routes of the admin interface, which has an address of its own.
    pub(crate) admin: Router,
}

pub(crate) fn routers(runtime: &Arc<Runtime>) -> Routers {
    let state = AppState::new(runtime);
    Routers {
        service: service(state.clone()),
        admin: admin(state),
    }
}

fn service(state: AppState) -> Router {
    let calling = Router::new()
        .merge(recordings::routes())
        .merge(calls::routes())
        .route("/calling/{*path}", any(not_published))
        .method_not_allowed_fallback(|| async { ServiceError::Method })
        .layer(from_fn_with_state(state.clone(), authenticate::calling));
    let content = content::routes().layer(from_fn_with_state(state.clone(), authenticate::content));
    calling
        .merge(content)
        .layer(from_fn_with_state(state.clone(), faults::apply))
        .merge(token_issuer::routes())
        .route("/ready", get(ready))
        .layer(from_fn_with_state(state.clone(), request_log::record))
        .with_state(state)
}

fn admin(state: AppState) -> Router {
    admin::routes()
        .layer(from_fn_with_state(
            admin::Gate::new(&state.runtime.site),
            admin::guard,
        ))
        .with_state(state)
}

/// Tells that the emulator is ready. It needs no signature, and no fault applies to it.
async fn ready() -> Json<serde_json::Value> {
    Json(serde_json::json!({"status": "ready"}))
}

/// The response to requests that match no operation of the service.
async fn not_published() -> ServiceError {
    ServiceError::OperationNotFound
}
