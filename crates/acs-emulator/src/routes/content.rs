//! Stored content: media, metadata, delete. Answers without content have no body at all.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, delete, get};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_RANGE, CONTENT_TYPE, RANGE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::range::{Wanted, wanted};
use crate::ids;
use crate::recordings::Document;
use crate::state::Shared;

const METADATA: &str = "acsmetadata";
const TRACE: HeaderName = HeaderName::from_static("ms-cv");

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/v1/objects/{document}", delete(remove))
        .route("/v1/objects/{document}/content/{name}", get(read))
        .route("/v1/{*path}", any(|| async { StatusCode::NOT_FOUND }))
}

async fn read(
    State(shared): State<Arc<Shared>>,
    Path((id, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    if !ids::is_document_id(&id) {
        return StatusCode::BAD_REQUEST.into_response();
    }
    let now = shared.now();
    let document = shared.world().recordings.document(&id, now);
    let Some(document) = document else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let content = if name == METADATA {
        document.metadata.clone()
    } else if name == document.content_name {
        match render(document).await {
            Some(file) => file,
            None => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        }
    } else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let range = headers.get(RANGE).and_then(|range| range.to_str().ok());
    serve(&content, range)
}

/// Making the file is work for seconds if the recording is long.
async fn render(document: Arc<Document>) -> Option<Bytes> {
    tokio::task::spawn_blocking(move || document.file())
        .await
        .inspect_err(|error| tracing::error!(%error, "the file could not be made"))
        .ok()
}

fn serve(content: &Bytes, range: Option<&str>) -> Response {
    let length = content.len();
    let (status, range, body) = match wanted(range, length) {
        Wanted::All => (StatusCode::OK, None, content.clone()),
        Wanted::Part(part) => (
            StatusCode::PARTIAL_CONTENT,
            Some(format!("bytes {}-{}/{length}", part.start(), part.end())),
            content.slice(part),
        ),
        Wanted::Nothing => (
            StatusCode::RANGE_NOT_SATISFIABLE,
            Some(format!("bytes */{length}")),
            Bytes::new(),
        ),
    };
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/octet-stream"),
    );
    headers.insert(
        CACHE_CONTROL,
        HeaderValue::from_static("no-cache, max-age=0, s-maxage=0, private"),
    );
    if let Some(range) = range.and_then(|range| HeaderValue::try_from(range).ok()) {
        headers.insert(CONTENT_RANGE, range);
    }
    response
}

async fn remove(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> Response {
    let now = shared.now();
    let status = if !ids::is_document_id(&id) {
        StatusCode::BAD_REQUEST
    } else if shared.world().recordings.delete(&id, now) {
        StatusCode::OK
    } else {
        StatusCode::NOT_FOUND
    };
    (status, [(TRACE, ids::content_trace())]).into_response()
}
