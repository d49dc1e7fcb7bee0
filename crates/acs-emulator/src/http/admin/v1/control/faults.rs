//! Adds and removes faults.

use axum::extract::{Path, State};
use axum::routing::{delete, post};
use axum::{Json, Router};
use http::{HeaderValue, StatusCode};

use super::super::body::JsonBody;
use super::super::faults::ActiveFault;
use super::super::problem::Problem;
use crate::faults::{Fault, Faults};
use crate::http::state::AppState;

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/faults", post(add).delete(clear))
        .route("/faults/{fault}", delete(remove))
}

/// Checks the values that have a smaller range than their type. `at` is the JSON pointer of the fault.
pub(super) fn check(fault: &Fault, at: &str) -> Result<(), Problem> {
    let invalid = |detail: String, member: &str| {
        Err(Problem::invalid(detail).pointer(format!("{at}/{member}")))
    };
    if let Some(status) = fault.status.filter(|status| !(200..=999).contains(status)) {
        return invalid(
            format!("The status is {status}, but must be from 200 to 999."),
            "status",
        );
    }
    if fault.bytes_per_second == Some(0) {
        return invalid(
            "The rate is 0 bytes per second.".to_owned(),
            "bytesPerSecond",
        );
    }
    let values = [
        (&fault.content_range, "contentRange"),
        (&fault.etag, "etag"),
    ];
    for (value, member) in values {
        if value
            .as_ref()
            .is_some_and(|value| HeaderValue::from_str(value).is_err())
        {
            let detail = format!("`{member}` is not a valid value of a header.");
            return invalid(detail, member);
        }
    }
    Ok(())
}

async fn add(
    State(faults): State<Faults>,
    JsonBody(fault): JsonBody<Fault>,
) -> Result<(StatusCode, Json<ActiveFault>), Problem> {
    check(&fault, "")?;
    let id = faults.add(fault).id();
    let active = faults.list().into_iter().find(|one| one.id == id);
    let active = active.ok_or_else(unknown)?;
    Ok((StatusCode::CREATED, Json(active.into())))
}

async fn clear(State(faults): State<Faults>) -> StatusCode {
    faults.clear();
    StatusCode::NO_CONTENT
}

async fn remove(
    State(faults): State<Faults>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let id = id.parse().map_err(|_| unknown())?;
    if faults.remove(id) {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(unknown())
    }
}

fn unknown() -> Problem {
    Problem::not_found(
        "The fault",
        "It may have been removed. List the faults again.",
    )
}
