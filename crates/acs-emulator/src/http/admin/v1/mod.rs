//! Version 1 of the admin API, which `openapi.json` describes: how pages and programs inspect and
//! control the emulator.

mod body;
mod calls;
mod clock;
mod control;
mod events;
mod faults;
mod health;
mod info;
mod interval;
mod list;
pub(super) mod problem;
mod recordings;
mod requests;
mod stream;
mod subscriptions;
mod waveform;

use axum::Router;
use axum::response::IntoResponse as _;
use axum::routing::get;
use http::StatusCode;
use http::header::CONTENT_TYPE;

use crate::http::state::AppState;
use problem::{Code, Problem};

const DESCRIPTION: &str = include_str!("../openapi.json");

pub(super) fn routes() -> Router<AppState> {
    let description = || async { ([(CONTENT_TYPE, "application/json")], DESCRIPTION) };
    let api = Router::new()
        .route("/openapi.json", get(description))
        .merge(info::routes())
        .merge(clock::routes())
        .merge(calls::routes())
        .merge(recordings::routes())
        .merge(events::routes())
        .merge(requests::routes())
        .merge(subscriptions::routes())
        .merge(faults::routes())
        .merge(stream::routes())
        .merge(control::routes())
        .fallback(|| async { Problem::not_found("The operation", "See /api/v1/openapi.json.") })
        .method_not_allowed_fallback(|| async {
            let problem = Problem::new(
                Code::NotFound,
                "The path has no operation with this method.",
            );
            (
                StatusCode::METHOD_NOT_ALLOWED,
                problem.hint("See /api/v1/openapi.json."),
            )
                .into_response()
        });
    Router::new().nest("/api/v1", api).merge(health::routes())
}
