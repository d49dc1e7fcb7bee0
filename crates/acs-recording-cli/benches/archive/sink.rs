//! A blob service that keeps small blobs, and of large ones only the size.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CONTENT_LENGTH, ETAG, IF_NONE_MATCH, LAST_MODIFIED};
use axum::http::{Method, Request, Response, StatusCode, response};
use axum::response::IntoResponse as _;
use futures_util::StreamExt as _;
use tokio::net::TcpListener;

/// Larger blobs are not kept.
const KEPT: usize = 1024 * 1024;
const EMPTY_LIST: &str =
    "<?xml version=\"1.0\"?><EnumerationResults><Blobs/><NextMarker/></EnumerationResults>";
const CHANGED: &str = "Thu, 01 Jan 2026 00:00:00 GMT";

/// A blob service.
pub(crate) struct Sink {
    origin: String,
}

#[derive(Default)]
struct Blob {
    size: u64,
    content: Vec<u8>,
    /// Of blocks that are not committed.
    uncommitted: u64,
    exists: bool,
}

type Blobs = Arc<Mutex<HashMap<String, Blob>>>;

impl Sink {
    pub(crate) const KEY: &str = "bm8gcmVhbCBrZXk=";

    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(handle).with_state(Blobs::default());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { origin }
    }

    pub(crate) fn container(&self) -> String {
        format!("{}/account/archive", self.origin)
    }

    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }
}

async fn handle(State(blobs): State<Blobs>, request: Request<Body>) -> Response<Body> {
    let path = request.uri().path().to_owned();
    let query = request.uri().query().unwrap_or_default().to_owned();
    let has = |text: &str| query.split('&').any(|pair| pair == text);
    if has("restype=container") {
        return EMPTY_LIST.into_response();
    }
    let method = request.method().clone();
    let is_new = request.headers().contains_key(IF_NONE_MATCH);
    let (mut size, mut content) = (0, Vec::new());
    let mut body = request.into_body().into_data_stream();
    while let Some(Ok(bytes)) = body.next().await {
        size += bytes.len() as u64;
        if content.len() + bytes.len() <= KEPT {
            content.extend_from_slice(&bytes);
        }
    }
    let mut blobs = blobs.lock().unwrap();
    let blob = blobs.entry(path).or_default();
    let created = || {
        tagged(
            Response::builder().status(StatusCode::CREATED),
            Body::empty(),
        )
    };
    if method == Method::PUT && has("comp=block") {
        blob.uncommitted += size;
        created()
    } else if method == Method::PUT && has("comp=blocklist") {
        blob.size = std::mem::take(&mut blob.uncommitted);
        blob.exists = true;
        created()
    } else if method == Method::PUT {
        if is_new && blob.exists {
            return StatusCode::CONFLICT.into_response();
        }
        blob.size = size;
        blob.content = content;
        blob.exists = true;
        created()
    } else if !blob.exists {
        StatusCode::NOT_FOUND.into_response()
    } else if method == Method::HEAD {
        let response = Response::builder().header(CONTENT_LENGTH, blob.size);
        tagged(response, Body::empty())
    } else {
        tagged(Response::builder(), Body::from(blob.content.clone()))
    }
}

fn tagged(response: response::Builder, body: Body) -> Response<Body> {
    let response = response
        .header(ETAG, "\"1\"")
        .header(LAST_MODIFIED, CHANGED);
    response.body(body).unwrap()
}
