//! Operations that change something. Each checks its whole request before it changes anything.

mod calls;
mod clock;
mod faults;
mod keys;
mod new_call;
mod participants;
mod recordings;
mod reset;
mod seed;
mod subscriptions;

use axum::Router;

use super::problem::{Code, Problem};
use crate::http::state::AppState;

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .merge(keys::routes())
        .merge(clock::routes())
        .merge(calls::routes())
        .merge(participants::routes())
        .merge(recordings::routes())
        .merge(subscriptions::routes())
        .merge(faults::routes())
        .merge(reset::routes())
        .merge(seed::routes())
}

/// Runs something that computes for a while, such as reading an audio file.
async fn blocking<T: Send + 'static>(
    compute: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let failed = |_| Problem::new(Code::Internal, "The request cannot be processed.");
    tokio::task::spawn_blocking(compute).await.map_err(failed)?
}
