//! Adds recordings to the store, and deletes files.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::routing::{delete, post};
use axum::{Json, Router};
use http::StatusCode;
use serde::Deserialize;

use super::super::body::JsonBody;
use super::super::problem::{Code, Problem};
use super::super::recordings::{self, Recording, document};
use crate::activity::Change;
use crate::http::state::AppState;
use crate::runtime::Runtime;
use crate::runtime::synthetic_recording::add_synthetic_recording;

/// The maximum number of files of a recording.
const MOST_CHUNKS: usize = 1_000;
/// The maximum size of a file: 1 PiB.
const LARGEST: u64 = 1 << 50;

pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/recordings", post(create)).route(
        "/recordings/{recording}/chunks/{chunk}",
        delete(delete_file),
    )
}

/// A recording to add to the store.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewRecording {
    chunks: Vec<u64>,
    #[serde(default)]
    seed: u64,
}

impl NewRecording {
    /// `at` is the JSON pointer of this object.
    pub(super) fn check(&self, at: &str) -> Result<(), Problem> {
        let count = self.chunks.len();
        if !(1..=MOST_CHUNKS).contains(&count) {
            let detail =
                format!("The recording has {count} files, but must have 1 to {MOST_CHUNKS}.");
            return Err(Problem::invalid(detail).pointer(format!("{at}/chunks")));
        }
        for (index, size) in self.chunks.iter().enumerate() {
            if !(1..=LARGEST).contains(size) {
                let detail = format!("The size of a file is {size} bytes.");
                return Err(Problem::invalid(detail)
                    .hint(format!("Use 1 to {LARGEST} bytes."))
                    .pointer(format!("{at}/chunks/{index}")));
            }
        }
        Ok(())
    }

    /// Adds the recording, which was checked, and returns its id.
    pub(super) fn add(&self, runtime: &Runtime) -> String {
        let (recording, _) = add_synthetic_recording(runtime, &self.chunks, self.seed);
        recording.recording_id.clone()
    }
}

async fn create(
    State(runtime): State<Arc<Runtime>>,
    JsonBody(request): JsonBody<NewRecording>,
) -> Result<(StatusCode, Json<Recording>), Problem> {
    request.check("")?;
    let id = request.add(&runtime);
    Ok((StatusCode::CREATED, Json(recordings::find(&runtime, &id)?)))
}

async fn delete_file(
    State(runtime): State<Arc<Runtime>>,
    Path((recording, chunk)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let (document, _) = document(&runtime, &recording, &chunk)?;
    let now = runtime.service.clock().now();
    if !runtime.store.delete(&document.id, now) {
        let problem = Problem::new(Code::NotFound, "The file was deleted or has expired.");
        return Err(problem.hint("Read the recording to see the state of its chunks."));
    }
    let entry = runtime.store.catalog.get(&recording);
    let call = entry.filter(|entry| !entry.is_synthetic);
    runtime.activity.changed(Change::Recording {
        id: recording,
        call: call.map(|entry| entry.recording.correlation_id),
        state: "ended",
    });
    Ok(StatusCode::NO_CONTENT)
}
