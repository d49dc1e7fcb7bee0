//! Access keys and tokens.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::routing::post;
use axum::{Json, Router};
use http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::super::body::JsonBody;
use super::super::info::Keys;
use super::super::problem::{Code, Problem};
use super::blocking::blocking;
use crate::auth::Auth;
use crate::auth::keys::AccessKey;
use crate::http::state::AppState;
use crate::runtime::Runtime;
use crate::service::clock::after;

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/keys/{key}/regenerate", post(regenerate))
        .route("/access-tokens", post(issue))
}

async fn regenerate(
    State(runtime): State<Arc<Runtime>>,
    Path(key): Path<String>,
) -> Result<Json<Keys>, Problem> {
    let key = match key.as_str() {
        "primary" => AccessKey::Primary,
        "secondary" => AccessKey::Secondary,
        _ => {
            let hint = "The keys are `primary` and `secondary`.";
            return Err(Problem::not_found("The key", hint));
        }
    };
    runtime.regenerate_key(key);
    let https = runtime.site.addresses.https.as_deref();
    Ok(Json(Keys::new(&runtime.auth, https)))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewToken {
    #[serde(default = "an_hour")]
    lifetime_ms: u64,
}

fn an_hour() -> u64 {
    60 * 60 * 1_000
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AccessToken {
    token: String,
    expires_at: Timestamp,
}

async fn issue(
    State(auth): State<Arc<Auth>>,
    JsonBody(request): JsonBody<NewToken>,
) -> Result<(StatusCode, Json<AccessToken>), Problem> {
    let lifetime = request.lifetime_ms;
    if lifetime < 1_000 {
        let detail = format!("The lifetime is {lifetime} ms, but must be at least 1000 ms.");
        return Err(Problem::invalid(detail).pointer("/lifetimeMs"));
    }
    let lifetime = Duration::from_millis(lifetime);
    // The first token generates a key, which is expensive.
    let token = blocking(move || {
        let now = auth.server_time();
        // Times in tokens are whole seconds.
        let expires_at = after(now, lifetime).as_second();
        let token = auth.tokens.for_client("admin", now, lifetime);
        let failed = |_| Problem::new(Code::Internal, "The token cannot be signed.");
        Ok(AccessToken {
            token: token.map_err(failed)?,
            expires_at: Timestamp::from_second(expires_at).unwrap_or(Timestamp::MAX),
        })
    });
    Ok((StatusCode::CREATED, Json(token.await?)))
}
