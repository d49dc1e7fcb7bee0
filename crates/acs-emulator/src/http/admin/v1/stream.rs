//! What changes, as server-sent events.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use futures_util::{Stream, StreamExt as _, stream};
use http::header::CACHE_CONTROL;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::body::Parameters;
use super::clock::Clock;
use super::problem::Problem;
use crate::activity::{Change, ChangeFeed, Unseen};
use crate::http::state::AppState;
use crate::runtime::Runtime;
use crate::tasks::Tasks;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// How long changes are collected, so that several changes of one object are one event.
const COLLECT: Duration = Duration::from_millis(20);
const KEEP_ALIVE: Duration = Duration::from_secs(15);
const RETRY: Duration = Duration::from_secs(1);

pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/stream", get(follow))
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct StreamParameters {
    last_event_id: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Hello {
    instance_id: Uuid,
    resumed: bool,
    clock: Clock,
}

/// Where a client begins.
#[derive(Debug, PartialEq, Eq)]
enum Start {
    /// After the newest change.
    Now,
    /// After a change that the client knows.
    After(u64),
    Resync(&'static str),
}

impl Start {
    /// `last` is the id of the last event that the client has received.
    fn new(feed: &ChangeFeed, last: Option<&str>) -> Self {
        let Some(last) = last.filter(|last| !last.is_empty()) else {
            return Self::Now;
        };
        let known = last.rsplit_once('.').and_then(|(instance, number)| {
            let is_this = Uuid::parse_str(instance) == Ok(feed.instance);
            is_this.then(|| number.parse().ok()).flatten()
        });
        match known {
            Some(number) if feed.after(number) != Unseen::Gap => Self::After(number),
            Some(_) => Self::Resync("gap"),
            None => Self::Resync("restarted"),
        }
    }
}

async fn follow(
    State(runtime): State<Arc<Runtime>>,
    State(tasks): State<Tasks>,
    Parameters(parameters): Parameters<StreamParameters>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let header = headers.get(LAST_EVENT_ID).and_then(|id| id.to_str().ok());
    let last = header.or(parameters.last_event_id.as_deref());
    let stopped = async move { tasks.stopped().await };
    let events = events(runtime, last).take_until(stopped);
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
    let mut response = Sse::new(events).keep_alive(keep_alive).into_response();
    let no_store = HeaderValue::from_static("no-store");
    response.headers_mut().insert(CACHE_CONTROL, no_store);
    Ok(response)
}

fn events(
    runtime: Arc<Runtime>,
    last: Option<&str>,
) -> impl Stream<Item = Result<Event, Infallible>> + Send + use<> {
    let feed = &runtime.activity.feed;
    let start = Start::new(feed, last);
    let seen = match start {
        Start::After(number) => number,
        Start::Now | Start::Resync(_) => feed.newest(),
    };
    let hello = Hello {
        instance_id: feed.instance,
        resumed: matches!(start, Start::After(_)),
        clock: runtime.service.clock().into(),
    };
    let hello = event(feed, seen, "hello", &json!(hello)).retry(RETRY);
    let mut first = vec![Ok(hello)];
    if let Start::Resync(reason) = start {
        first.push(Ok(event(feed, seen, "resync", &json!({"reason": reason}))));
    }
    let later = stream::unfold((runtime, seen), |(runtime, seen)| async move {
        let feed = &runtime.activity.feed;
        feed.wait_beyond(seen).await;
        tokio::time::sleep(COLLECT).await;
        let (events, seen) = match feed.after(seen) {
            Unseen::Changes(number, changes) => {
                let seen = seen + changes.len() as u64;
                (written(&runtime, number, &changes), seen)
            }
            Unseen::Gap => {
                let newest = feed.newest();
                let lagged = json!({"reason": "lagged"});
                (vec![event(feed, newest, "resync", &lagged)], newest)
            }
        };
        Some((stream::iter(events.into_iter().map(Ok)), (runtime, seen)))
    });
    stream::iter(first).chain(later.flatten())
}

/// The events about these changes. Of several changes to one object, only the last is sent.
fn written(runtime: &Runtime, number: u64, changes: &[Change]) -> Vec<Event> {
    let feed = &runtime.activity.feed;
    let mut events = Vec::new();
    for (index, change) in changes.iter().enumerate() {
        let later = changes.get(index + 1..).unwrap_or_default();
        if later.iter().any(|other| is_about_the_same(change, other)) {
            continue;
        }
        let (name, data) = data(runtime, change);
        events.push(event(feed, number + index as u64, name, &data));
    }
    events
}

fn event(feed: &ChangeFeed, number: u64, name: &str, data: &Value) -> Event {
    let id = format!("{}.{number}", feed.instance.simple());
    Event::default().event(name).id(id).data(data.to_string())
}

fn data(runtime: &Runtime, change: &Change) -> (&'static str, Value) {
    match change {
        Change::Clock => ("clock", json!(Clock::from(runtime.service.clock()))),
        Change::Keys => ("info", json!({})),
        Change::Call { id, state } => ("call", json!({"id": id, "state": state})),
        Change::Recording { id, call, state } => (
            "recording",
            json!({"id": id, "callId": call, "state": state}),
        ),
        Change::Delivery { id, state } => ("delivery", json!({"id": id, "state": state})),
        Change::Request { id, status } => ("request", json!({"id": id, "status": status})),
        Change::Fault { id, hits, removed } => {
            ("fault", json!({"id": id, "hits": hits, "removed": removed}))
        }
        Change::Subscription { id, removed } => {
            ("subscription", json!({"id": id, "removed": removed}))
        }
        Change::Reset => ("resync", json!({"reason": "reset"})),
    }
}

fn is_about_the_same(one: &Change, other: &Change) -> bool {
    use Change as C;
    match (one, other) {
        (C::Clock, C::Clock)
        | (C::Keys, C::Keys)
        | (C::Reset, C::Reset)
        | (C::Request { .. }, C::Request { .. }) => true,
        (C::Call { id, .. }, C::Call { id: other, .. }) => id == other,
        (C::Recording { id, .. }, C::Recording { id: other, .. })
        | (C::Subscription { id, .. }, C::Subscription { id: other, .. }) => id == other,
        (C::Delivery { id, .. }, C::Delivery { id: other, .. })
        | (C::Fault { id, .. }, C::Fault { id: other, .. }) => id == other,
        _ => false,
    }
}
