//! Stored content: media, metadata and deletion. Errors have no body.

mod range;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, delete, get};
use bytes::Bytes;
use futures_util::{Stream, stream};
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HOST, LOCATION,
    RANGE,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};
use tokio::task::JoinError;
use url::Url;

use self::range::{RequestedRange, parse_range};
use super::state::AppState;
use crate::activity::{ActivityLog, Change};
use crate::auth::Auth;
use crate::service::Service;
use crate::service::ids;
use crate::storage::document::Document;
use crate::storage::settings::Redirect;
use crate::storage::store::Store;

const METADATA: &str = "acsmetadata";
/// The number of bytes that are generated at a time.
const PIECE: usize = 256 * 1024;
const TRACE: HeaderName = HeaderName::from_static("ms-cv");

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/v1/objects/{document}", delete(remove))
        .route("/v1/objects/{document}/content/{name}", get(read))
        .route("/v1/{*path}", any(|| async { StatusCode::NOT_FOUND }))
}

async fn read(
    State(service): State<Arc<Service>>,
    State(store): State<Arc<Store>>,
    State(auth): State<Arc<Auth>>,
    Path((id, name)): Path<(String, String)>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    if !ids::is_document_id(&id) {
        return StatusCode::BAD_REQUEST.into_response();
    }
    let now = service.state().now;
    let Some(document) = store.document(&id, now) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let media = name == document.content_name;
    if !media && name != METADATA {
        return StatusCode::NOT_FOUND.into_response();
    }
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    if let Some(place) = content_redirect(&store, &auth, host.unwrap_or_default(), uri.path()) {
        return (StatusCode::FOUND, [(LOCATION, String::from(place))]).into_response();
    }
    let content = if media {
        match open(&store, document).await {
            Some(content) => content,
            None => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        }
    } else {
        Content::Whole(document.metadata.clone())
    };
    let range = headers.get(RANGE).and_then(|range| range.to_str().ok());
    let what = if media { "media" } else { "metadata" };
    // A download in several ranges is logged only once.
    match parse_range(range, content.length()) {
        RequestedRange::Part(part) if *part.start() > 0 => {}
        _ => tracing::info!(document = id, bytes = content.length(), "{what} requested"),
    }
    serve(&content, range)
}

/// The redirect target for content at this path. Returns `None` if `host` serves the content
/// itshared.
fn content_redirect(store: &Store, auth: &Auth, host: &str, path: &str) -> Option<Url> {
    let mut target = match &store.settings.redirect {
        Redirect::Off => return None,
        Redirect::To(origin) => origin.clone(),
        Redirect::Localhost => {
            let mut origin = Url::parse(&auth.endpoint).ok()?;
            origin.set_host(Some("localhost")).ok()?;
            origin
        }
    };
    if host.eq_ignore_ascii_case(target.authority()) {
        return None;
    }
    target.set_path(path);
    target.set_query(None);
    Some(target)
}

/// The media of a file, for a player. `None` if it cannot be generated.
pub(super) async fn media(
    store: &Arc<Store>,
    document: Arc<Document>,
    headers: &HeaderMap,
    content_type: &'static str,
) -> Option<Response> {
    let content = open(store, document).await?;
    let range = headers.get(RANGE).and_then(|range| range.to_str().ok());
    let mut response = serve(&content, range);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    Some(response)
}

/// Content to serve.
enum Content {
    Whole(Bytes),
    /// Generated while it is sent; with its length.
    Streamed(Arc<Document>, u64),
}

/// Opens a file. Generating a whole file can take seconds for a long recording.
async fn open(store: &Arc<Store>, document: Arc<Document>) -> Option<Content> {
    if let Some(length) = document.streamed() {
        return Some(Content::Streamed(document, length));
    }
    let store = Arc::clone(store);
    match tokio::task::spawn_blocking(move || store.file(&document)).await {
        Ok(Ok(file)) => Some(Content::Whole(file)),
        Ok(Err(error)) => {
            tracing::error!(%error, "cannot generate the file");
            None
        }
        Err(error) => {
            tracing::error!(%error, "cannot generate the file");
            None
        }
    }
}

impl Content {
    fn length(&self) -> u64 {
        match self {
            Self::Whole(content) => content.len() as u64,
            Self::Streamed(_, length) => *length,
        }
    }

    /// A body of `count` bytes, starting at `first`.
    fn body(&self, first: u64, count: u64) -> Body {
        match self {
            Self::Whole(content) => {
                let place = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX);
                content.slice(place(first)..place(first + count)).into()
            }
            Self::Streamed(document, _) => {
                Body::from_stream(stream(Arc::clone(document), first, first + count))
            }
        }
    }
}

/// Streams the bytes between two offsets, piece by piece.
fn stream(
    document: Arc<Document>,
    first: u64,
    end: u64,
) -> impl Stream<Item = Result<Bytes, JoinError>> {
    stream::try_unfold(first, move |offset| {
        let document = Arc::clone(&document);
        async move {
            let limit = usize::try_from(end - offset).unwrap_or(usize::MAX);
            let piece = if document.reads_at_once() {
                document.read(offset, limit)
            } else {
                let limit = limit.min(PIECE);
                tokio::task::spawn_blocking(move || document.read(offset, limit)).await?
            };
            let next = offset + piece.len() as u64;
            Ok((!piece.is_empty()).then_some((piece, next)))
        }
    })
}

fn serve(content: &Content, range: Option<&str>) -> Response {
    let length = content.length();
    let (status, range, first, count) = match parse_range(range, length) {
        RequestedRange::All => (StatusCode::OK, None, 0, length),
        RequestedRange::Part(part) => (
            StatusCode::PARTIAL_CONTENT,
            Some(format!("bytes {}-{}/{length}", part.start(), part.end())),
            *part.start(),
            part.end() - part.start() + 1,
        ),
        RequestedRange::Unsatisfiable => (
            StatusCode::RANGE_NOT_SATISFIABLE,
            Some(format!("bytes */{length}")),
            0,
            0,
        ),
    };
    let mut response = (status, content.body(first, count)).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_LENGTH, HeaderValue::from(count));
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

async fn remove(
    State(service): State<Arc<Service>>,
    State(store): State<Arc<Store>>,
    State(activity): State<ActivityLog>,
    Path(id): Path<String>,
) -> Response {
    let delete = || {
        let now = service.state().now;
        let deleted = store.delete(&id, now);
        if deleted && let Some(entry) = store.catalog.of_document(&id) {
            activity.changed(Change::Recording {
                id: entry.recording.recording_id.clone(),
                call: (!entry.is_synthetic).then_some(entry.recording.correlation_id),
                state: "ended",
            });
        }
        deleted
    };
    let status = if !ids::is_document_id(&id) {
        StatusCode::BAD_REQUEST
    } else if delete() {
        tracing::info!(document = id, "content deleted");
        StatusCode::OK
    } else {
        StatusCode::NOT_FOUND
    };
    (status, [(TRACE, ids::content_trace())]).into_response()
}
