//! The faults, and failures that happen in practice.

use std::time::Duration;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use jiff::Timestamp;
use serde::Serialize;

use super::list::List;
use crate::faults::{self, Fault, Faults, Operation};
use crate::http::state::AppState;

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/faults", get(list))
        .route("/fault-presets", get(presets))
}

/// A fault that was added, as the API describes it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ActiveFault {
    id: u64,
    hits: u32,
    exhausted: bool,
    created_at: Timestamp,
    fault: Fault,
}

impl From<faults::ActiveFault> for ActiveFault {
    fn from(active: faults::ActiveFault) -> Self {
        Self {
            id: active.id,
            hits: active.hits,
            exhausted: active.fault.times.is_some_and(|times| active.hits >= times),
            created_at: active.created_at,
            fault: active.fault,
        }
    }
}

async fn list(State(faults): State<Faults>) -> Json<List<ActiveFault>> {
    let items = faults.list().into_iter().map(ActiveFault::from);
    Json(List {
        items: items.collect(),
    })
}

#[derive(Serialize)]
struct Preset {
    id: &'static str,
    title: &'static str,
    description: &'static str,
    faults: Vec<Fault>,
}

async fn presets() -> Json<List<Preset>> {
    Json(List {
        items: all_presets(),
    })
}

fn all_presets() -> Vec<Preset> {
    use Operation as O;
    let second = Duration::from_secs(1);
    let preset = |id, title, description, faults: Vec<Fault>| Preset {
        id,
        title,
        description,
        faults,
    };
    vec![
        preset(
            "serviceBusy",
            "The service is busy",
            "Two requests to start a recording fail with status 503 and Retry-After.",
            vec![Fault::on(O::Start).times(2).status(503).retry_after(second)],
        ),
        preset(
            "throttled",
            "Too many requests",
            "Two requests fail with status 429 and Retry-After.",
            vec![Fault::on(O::Any).times(2).status(429).retry_after(second)],
        ),
        preset(
            "responseLost",
            "The response to a stop is lost",
            "The recording is stopped, but the connection closes without a response.",
            vec![Fault::on(O::Stop).times(1).after_performing().disconnect()],
        ),
        preset(
            "silence",
            "No response",
            "One request never gets a response.",
            vec![Fault::on(O::Any).times(1).never_respond()],
        ),
        preset(
            "slowContent",
            "Slow content",
            "Media arrive at 20 kB per second.",
            vec![Fault::on(O::Content).bytes_per_second(20_000)],
        ),
        preset(
            "contentCut",
            "The download breaks off",
            "The connection closes after 10,000 bytes of the media, once.",
            vec![Fault::on(O::Content).times(1).cut_after(10_000)],
        ),
        preset(
            "contentAltered",
            "The content is damaged",
            "All bytes of the media are wrong, once.",
            vec![Fault::on(O::Content).times(1).corrupt(0x20)],
        ),
        preset(
            "rangeIgnored",
            "Ranges are ignored",
            "A request for a part of the media gets all of them with status 200.",
            vec![Fault::on(O::Content).ignore_range()],
        ),
        preset(
            "contentChanged",
            "The content changes during a download",
            "The entity tag changes after the first range.",
            vec![
                Fault::on(O::Content).times(1).etag("\"before\""),
                Fault::on(O::Content).etag("\"after\""),
            ],
        ),
        preset(
            "contentMissing",
            "The content does not exist",
            "Requests for media fail with status 404.",
            vec![Fault::on(O::Content).status(404)],
        ),
        preset(
            "denied",
            "Access denied",
            "One request fails with status 401.",
            vec![Fault::on(O::Any).times(1).status(401).code("Denied")],
        ),
        preset(
            "serverError",
            "The service fails",
            "One request fails with status 500.",
            vec![Fault::on(O::Any).times(1).status(500)],
        ),
        preset(
            "duplicateEvents",
            "Events arrive twice",
            "Each Event Grid event is sent two times.",
            vec![Fault::on(O::Event).duplicates(1)],
        ),
    ]
}
