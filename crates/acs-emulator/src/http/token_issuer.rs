//! Public endpoints for keys and tokens: the issuer of callback tokens, and the issuer of client
//! tokens.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use http::header::HOST;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::state::AppState;
use crate::auth::Auth;
use crate::auth::tokens::{CALLBACK_ISSUER, SCOPES};
use crate::error::Error;

const TOKEN_LIFETIME: Duration = Duration::from_secs(3599);

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route(
            "/calling/.well-known/acsopenidconfiguration",
            get(callbacks),
        )
        .route("/calling/keys", get(keys))
        .route(
            "/{tenant}/v2.0/.well-known/openid-configuration",
            get(clients),
        )
        .route("/{tenant}/discovery/v2.0/keys", get(keys))
        .route("/{tenant}/oauth2/v2.0/token", post(token))
}

async fn callbacks(State(auth): State<Arc<Auth>>, headers: HeaderMap) -> Json<Value> {
    let origin = origin(&auth, &headers);
    Json(json!({
        "issuer": CALLBACK_ISSUER,
        "jwks_uri": format!("{origin}/calling/keys"),
        "id_token_signing_alg_values_supported": ["RS256"],
    }))
}

async fn clients(State(auth): State<Arc<Auth>>, headers: HeaderMap) -> Json<Value> {
    let tenant = format!("{}/{}", origin(&auth, &headers), auth.tokens.tenant);
    Json(json!({
        "issuer": auth.tokens.issuer,
        "token_endpoint": format!("{tenant}/oauth2/v2.0/token"),
        "jwks_uri": format!("{tenant}/discovery/v2.0/keys"),
        "id_token_signing_alg_values_supported": ["RS256"],
    }))
}

/// The origin that the client used, so that all URLs in the response have a scheme and host that it
/// can reach.
fn origin(auth: &Auth, headers: &HeaderMap) -> String {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    host.and_then(|host| auth.authorities.origin(host))
        .unwrap_or_else(|| auth.endpoint.clone())
}

async fn keys(State(auth): State<Arc<Auth>>) -> Response {
    auth.tokens
        .key_set()
        .map_or_else(|error| failed(&error), |keys| Json(keys).into_response())
}

async fn token(State(auth): State<Arc<Auth>>, body: Bytes) -> Response {
    let form: Vec<(String, String)> = url::form_urlencoded::parse(&body).into_owned().collect();
    let field = |name: &str| {
        form.iter()
            .find(|(field, _)| field == name)
            .map_or("", |(_, value)| value.as_str())
    };
    let rejected = |error: &str, description: &str| {
        let body = json!({"error": error, "error_description": description});
        (StatusCode::BAD_REQUEST, Json(body)).into_response()
    };
    if field("grant_type") != "client_credentials" {
        return rejected(
            "unsupported_grant_type",
            "Only client_credentials is supported.",
        );
    }
    let secret = !field("client_secret").is_empty() || !field("client_assertion").is_empty();
    if field("client_id").is_empty() || !secret {
        return rejected(
            "invalid_request",
            "client_id and client_secret are required.",
        );
    }
    if !field("scope")
        .split(' ')
        .any(|scope| SCOPES.contains(&scope))
    {
        return rejected(
            "invalid_scope",
            "The scope is not one of Communication Services.",
        );
    }
    let now = auth.server_time();
    match auth
        .tokens
        .for_client(field("client_id"), now, TOKEN_LIFETIME)
    {
        Ok(token) => Json(json!({
            "token_type": "Bearer",
            "expires_in": TOKEN_LIFETIME.as_secs(),
            "ext_expires_in": TOKEN_LIFETIME.as_secs(),
            "access_token": token,
        }))
        .into_response(),
        Err(error) => failed(&error),
    }
}

fn failed(error: &Error) -> Response {
    tracing::error!(%error, "cannot create a token");
    StatusCode::INTERNAL_SERVER_ERROR.into_response()
}
