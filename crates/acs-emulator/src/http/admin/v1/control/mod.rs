//! Operations that change something. Each checks its whole request before it changes anything.

mod blocking;
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
