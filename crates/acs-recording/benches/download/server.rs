//! The server of content, without and with a limited rate per connection.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path as Segments, Request};
use axum::response::Response;
use axum::routing::get;
use bytes::Bytes;
use futures_util::stream;

const PIECE: usize = 64 * 1024;
/// Rate of the limited server in bytes per second and connection. `LATENCY` is its time to the
/// first byte.
const RATE: f64 = 25e6;
const LATENCY: Duration = Duration::from_millis(40);

/// The path of content of this kind (`free` or `limited`) and length.
pub(crate) fn path(kind: &str, length: u64) -> String {
    format!("/v1/objects/{kind}-{length}/content/video")
}

pub(crate) fn router() -> Router {
    Router::new().route(
        "/v1/objects/{id}/content/video",
        get(async |Segments(id): Segments<String>, request: Request| {
            let (kind, length) = id.split_once('-').unwrap();
            let (limit, length) = (kind == "limited", length.parse().unwrap());
            if limit {
                tokio::time::sleep(LATENCY).await;
            }
            respond(length, &request, limit)
        }),
    )
}

fn respond(total: u64, request: &Request, limit: bool) -> Response {
    let range = request
        .headers()
        .get("range")
        .and_then(|range| range.to_str().ok());
    let range = range.and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
    let (mut start, mut end) = (0, total);
    let mut response = Response::builder().header("accept-ranges", "bytes");
    if let Some((first, last)) = range {
        start = first.parse().unwrap();
        end = last
            .parse()
            .map_or(total, |last: u64| (last + 1).min(total));
        let range = format!("bytes {start}-{}/{total}", end - 1);
        response = response.status(206).header("content-range", range);
    }
    let piece = Bytes::from(vec![0x2a; PIECE]);
    let begun = tokio::time::Instant::now();
    let body = stream::unfold(start, move |at| {
        let size = usize::try_from(end - at).unwrap_or(PIECE).min(PIECE);
        let piece = piece.slice(..size);
        async move {
            if limit {
                let due = Duration::from_secs_f64((at - start) as f64 / RATE);
                tokio::time::sleep_until(begun + due).await;
            }
            (size > 0).then_some((Ok::<_, std::io::Error>(piece), at + size as u64))
        }
    });
    let response = response.header("content-length", end - start);
    response.body(Body::from_stream(body)).unwrap()
}
