//! The faults in the admin interface, for programs that are not written in Rust. No signature is
//! required.
//!
//! `GET` lists the faults, `POST` adds one, `DELETE` removes all, and `DELETE …/{id}` removes one.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get};
use axum::{Json, Router};
use bytes::Bytes;
use http::StatusCode;

use crate::faults::{ActiveFault, Fault, Faults};
use crate::http::state::AppState;

/// The path of the faults.
const FAULTS: &str = "/admin/faults";

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route(FAULTS, get(list).post(add).delete(clear))
        .route(&format!("{FAULTS}/{{id}}"), delete(remove))
}

async fn list(State(faults): State<Faults>) -> Json<Vec<ActiveFault>> {
    Json(faults.list())
}

async fn add(State(faults): State<Faults>, body: Bytes) -> Response {
    match serde_json::from_slice::<Fault>(&body) {
        Ok(fault) => {
            let id = faults.add(fault).id();
            let added = faults.list().into_iter().find(|one| one.id == id);
            (StatusCode::CREATED, Json(added)).into_response()
        }
        Err(error) => (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response(),
    }
}

async fn clear(State(faults): State<Faults>) -> StatusCode {
    faults.clear();
    StatusCode::NO_CONTENT
}

async fn remove(State(faults): State<Faults>, Path(id): Path<u64>) -> StatusCode {
    if faults.remove(id) {
        StatusCode::NO_CONTENT
    } else {
        StatusCode::NOT_FOUND
    }
}
