//! Sets up and ends calls.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::routing::post;
use axum::{Json, Router};
use http::StatusCode;

use super::super::body::JsonBody;
use super::super::calls::{CallDetail, detail, find};
use super::super::problem::Problem;
use super::blocking::blocking;
use super::new_call::{NewCall, NewIncomingCall, check_conflicts};
use crate::http::state::AppState;
use crate::runtime::Runtime;

type Created<T> = (StatusCode, Json<T>);

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/calls", post(create))
        .route("/incoming-calls", post(ring))
        .route("/calls/{call}/end", post(end))
}

async fn create(
    State(runtime): State<Arc<Runtime>>,
    JsonBody(request): JsonBody<NewCall>,
) -> Result<Created<CallDetail>, Problem> {
    let service = &runtime.service;
    let urls = service.urls;
    let setup = blocking(move || request.check("", urls)).await?;
    let key = {
        let mut state = service.state();
        let setups = std::slice::from_ref(&setup);
        check_conflicts(service, &mut state, setups, |_| String::new())?;
        service.set_up_call(&mut state, setup).key
    };
    // The participants have joined when the state is locked again.
    let state = service.state();
    Ok((StatusCode::CREATED, Json(detail(&runtime, &state, key))))
}

async fn ring(
    State(runtime): State<Arc<Runtime>>,
    JsonBody(request): JsonBody<NewIncomingCall>,
) -> Result<Created<CallDetail>, Problem> {
    let (caller, plan) = blocking(move || request.check("")).await?;
    let mut state = runtime.service.state();
    let key = runtime.service.incoming_call(&mut state, caller, plan).call;
    Ok((StatusCode::CREATED, Json(detail(&runtime, &state, key))))
}

async fn end(
    State(runtime): State<Arc<Runtime>>,
    Path(id): Path<String>,
) -> Result<Json<CallDetail>, Problem> {
    let mut state = runtime.service.state();
    let key = find(&state, &id)?;
    let now = state.now;
    runtime.service.end_call(&mut state, key, now);
    Ok(Json(detail(&runtime, &state, key)))
}
