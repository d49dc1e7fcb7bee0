//! The emulator, its addresses and its keys.

use std::sync::Arc;
use std::time::Duration;

use acs_call_automation::Client;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::header::CONTENT_TYPE;
use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::problem::Problem;
use crate::auth::Auth;
use crate::auth::keys::AccessKey;
use crate::http::authenticate::OTHER_VERSIONS;
use crate::http::state::AppState;
use crate::media::Format;
use crate::runtime::Runtime;

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/info", get(read))
        .route("/ca.pem", get(certificate))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Info<'a> {
    version: &'static str,
    api_version: &'static str,
    service_api_versions: Vec<&'static str>,
    resource_id: Uuid,
    started_at: Timestamp,
    endpoint: &'a str,
    http_endpoint: Option<&'a str>,
    https_endpoint: Option<&'a str>,
    content_origin: &'a str,
    admin_url: &'a str,
    connection_string: String,
    https_connection_string: Option<String>,
    keys: Keys,
    host_names: &'a [String],
    ca: Option<Authority<'a>>,
    settings: Settings,
    features: Features,
}

#[derive(Serialize)]
struct Authority<'a> {
    pem: &'a str,
    file: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Settings {
    connect_delay_ms: u64,
    start_delay_ms: u64,
    event_delay_ms: u64,
    retention_ms: u64,
    chunk_duration_ms: u64,
    chunk_size_bytes: Option<u64>,
    retry_scale: f64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(clippy::struct_excessive_bools, reason = "one member for each feature")]
struct Features {
    mp3: bool,
    mp4: bool,
    tls: bool,
    own_storage: bool,
}

/// The two access keys.
#[derive(Serialize)]
pub(super) struct Keys {
    primary: Credential,
    secondary: Credential,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Credential {
    key: String,
    connection_string: String,
    https_connection_string: Option<String>,
}

impl Keys {
    pub(super) fn new(auth: &Auth, https_endpoint: Option<&str>) -> Self {
        let [primary, secondary] =
            [AccessKey::Primary, AccessKey::Secondary].map(|key| Credential {
                key: auth.keys.text(key),
                connection_string: auth.connection_string(key),
                https_connection_string: https_endpoint
                    .map(|endpoint| auth.connection_string_for(endpoint, key)),
            });
        Self { primary, secondary }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

async fn read(State(runtime): State<Arc<Runtime>>) -> Response {
    let Runtime {
        site,
        auth,
        service,
        store,
        ..
    } = &*runtime;
    let addresses = &site.addresses;
    let https = addresses.https.as_deref();
    let admin = addresses.admin.as_deref().unwrap_or_default();
    let storage = &store.settings;
    let info = Info {
        version: env!("CARGO_PKG_VERSION"),
        api_version: "1",
        service_api_versions: OTHER_VERSIONS
            .split(", ")
            .chain([Client::API_VERSION])
            .collect(),
        resource_id: service.resource,
        started_at: runtime.started_at,
        endpoint: &auth.endpoint,
        http_endpoint: addresses.http.as_deref(),
        https_endpoint: https,
        content_origin: &site.content_origin,
        admin_url: admin.strip_suffix("/admin").unwrap_or(admin),
        connection_string: auth.connection_string(AccessKey::Primary),
        https_connection_string: https
            .map(|endpoint| auth.connection_string_for(endpoint, AccessKey::Primary)),
        keys: Keys::new(auth, https),
        host_names: &site.host_names,
        ca: site.ca.as_deref().map(|pem| Authority { pem, file: None }),
        settings: Settings {
            connect_delay_ms: millis(service.settings.connect_delay),
            start_delay_ms: millis(service.settings.start_delay),
            event_delay_ms: millis(runtime.recordings.event_delay),
            retention_ms: millis(storage.retention),
            chunk_duration_ms: millis(storage.chunk_duration),
            chunk_size_bytes: storage.chunk_size,
            retry_scale: runtime.delivery.context.retry_scale,
        },
        features: Features {
            mp3: Format::Mp3.is_built(),
            mp4: Format::Mp4.is_built(),
            tls: cfg!(feature = "tls"),
            own_storage: cfg!(feature = "own-storage"),
        },
    };
    Json(info).into_response()
}

async fn certificate(State(runtime): State<Arc<Runtime>>) -> Response {
    match &runtime.site.ca {
        Some(pem) => ([(CONTENT_TYPE, "application/x-pem-file")], pem.clone()).into_response(),
        None => {
            Problem::not_found("The certificate", "Start the emulator with HTTPS.").into_response()
        }
    }
}
