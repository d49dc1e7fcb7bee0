//! Recordings and their files.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::body::Parameters;
use super::interval::Interval;
use super::list::{ListParameters, Page};
use super::problem::{Code, Problem};
use super::waveform::{Waveform, waveform};
use crate::http::content;
use crate::http::state::AppState;
use crate::media::{self, Format, Span};
use crate::redact::without_secrets;
use crate::runtime::Runtime;
use crate::service::recording_request::RecordingSpec;
use crate::service::recordings::{Recording as LiveRecording, RecordingState};
use crate::service::state::State as ServiceState;
use crate::storage::catalog::CatalogEntry;
use crate::storage::chunking::Chunk as StoredChunk;
use crate::storage::document::{ContentSource, Document};
use crate::storage::metadata::milliseconds;

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/recordings", get(list))
        .route("/recordings/{recording}", get(read))
        .route("/recordings/{recording}/chunks/{chunk}/content", get(media))
        .route(
            "/recordings/{recording}/chunks/{chunk}/metadata",
            get(metadata),
        )
        .route(
            "/recordings/{recording}/chunks/{chunk}/waveform",
            get(peaks),
        )
}

/// A recording, as the API describes it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Recording {
    id: String,
    call_id: Option<Uuid>,
    server_call_id: String,
    state: &'static str,
    content: &'static str,
    channels: &'static str,
    format: &'static str,
    requested_at: Timestamp,
    active_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
    end_reason: Option<&'static str>,
    duration_ms: i64,
    spans: Vec<Interval>,
    pauses: Vec<Interval>,
    storage: &'static str,
    container: Option<String>,
    synthetic: bool,
    chunks: Vec<Chunk>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Chunk {
    index: usize,
    document_id: String,
    state: &'static str,
    content_location: String,
    metadata_location: String,
    delete_location: Option<String>,
    content_type: &'static str,
    format: &'static str,
    size_bytes: Option<u64>,
    duration_ms: i64,
    channel_count: usize,
    channels: Vec<Channel>,
    starts_at: Timestamp,
    expires_at: Timestamp,
    end_reason: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Channel {
    channel: usize,
    participant_ids: Vec<String>,
}

/// The times of a recording.
struct Times<'a> {
    requested_at: Timestamp,
    spans: &'a [Span],
    ended_at: Option<Timestamp>,
    now: Timestamp,
    /// Whether audio is being recorded now.
    is_active: bool,
}

impl Times<'_> {
    fn spans(&self) -> Vec<Interval> {
        let last = self.spans.len().saturating_sub(1);
        let interval = |(index, span): (usize, &Span)| Interval {
            from: span.start,
            until: (index < last || !self.is_active).then_some(span.end),
        };
        self.spans.iter().enumerate().map(interval).collect()
    }

    /// The gaps between the spans, and the one after the last span.
    fn pauses(&self) -> Vec<Interval> {
        let next = self.spans.iter().skip(1).map(|span| Some(span.start));
        let gaps = self.spans.iter().zip(next.chain([self.ended_at]));
        gaps.filter(|(span, until)| until.map_or(!self.is_active, |until| span.end < until))
            .map(|(span, until)| Interval {
                from: span.end,
                until,
            })
            .collect()
    }
}

impl Recording {
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    fn new(id: &str, server_call_id: &str, spec: &RecordingSpec, times: &Times<'_>) -> Self {
        let container = spec.container.as_ref();
        Self {
            id: id.to_owned(),
            call_id: None,
            server_call_id: server_call_id.to_owned(),
            state: "ended",
            content: match spec.format {
                Format::Mp4 => "audioVideo",
                Format::Wav | Format::Mp3 => "audio",
            },
            channels: if spec.channels.is_unmixed() {
                "unmixed"
            } else {
                "mixed"
            },
            format: spec.format.name(),
            requested_at: times.requested_at,
            active_at: times.spans.first().map(|span| span.start),
            ended_at: times.ended_at,
            end_reason: None,
            duration_ms: milliseconds(media::total(times.spans)),
            spans: times.spans(),
            pauses: times.pauses(),
            storage: if container.is_some() {
                "azureBlob"
            } else {
                "acs"
            },
            container: container.map(|url| without_secrets(url.as_str()).into_owned()),
            synthetic: false,
            chunks: Vec::new(),
        }
    }

    /// A recording in progress.
    fn live(recording: &LiveRecording, state: &ServiceState) -> Self {
        let now = state.now;
        let call = state.calls.get(recording.call);
        let spans = recording.spans(now);
        let is_active = recording.state(now) == RecordingState::Active;
        let times = Times {
            requested_at: recording.requested_at(),
            spans: &spans,
            ended_at: None,
            now,
            is_active,
        };
        Self {
            call_id: Some(call.correlation_id),
            state: if is_active {
                "active"
            } else if times.now < recording.ready_at {
                "starting"
            } else {
                "paused"
            },
            ..Self::new(&recording.id, &call.server_call_id, &recording.spec, &times)
        }
    }

    /// An ended recording.
    pub(super) fn ended(entry: &CatalogEntry, runtime: &Runtime, now: Timestamp) -> Self {
        let recording = &entry.recording;
        let times = Times {
            requested_at: recording.requested_at,
            spans: &recording.spans,
            ended_at: Some(recording.ended_at),
            now,
            is_active: false,
        };
        let chunks = entry.chunks.iter().enumerate();
        Self {
            call_id: (!entry.is_synthetic).then_some(recording.correlation_id),
            end_reason: Some(recording.reason.as_str()),
            synthetic: entry.is_synthetic,
            chunks: chunks
                .map(|(index, chunk)| Chunk::new(index, chunk, entry, runtime, now))
                .collect(),
            ..Self::new(
                &recording.recording_id,
                &recording.server_call_id,
                &recording.spec,
                &times,
            )
        }
    }
}

impl Chunk {
    fn new(
        index: usize,
        chunk: &StoredChunk,
        entry: &CatalogEntry,
        runtime: &Runtime,
        now: Timestamp,
    ) -> Self {
        let (store, document) = (&runtime.store, &*chunk.document);
        let format = entry.recording.spec.format;
        let exported = entry.exported.as_ref().and_then(|all| all.get(index));
        let locations = exported
            .cloned()
            .unwrap_or_else(|| store.locations(document));
        let starts_at = entry.recording.started_at();
        let (starts_at, duration_ms, channel_count) = match &document.source {
            ContentSource::Sound { timeline, .. } => {
                let first = timeline.spans.first().map(|span| span.start);
                let length = milliseconds(timeline.length());
                (first.unwrap_or(starts_at), length, timeline.channels)
            }
            ContentSource::Noise(_) => {
                let span = entry.recording.spans.get(index);
                let length = span.map_or(0, |span| milliseconds(span.length()));
                (span.map_or(starts_at, |span| span.start), length, 1)
            }
        };
        Self {
            index,
            document_id: document.id.clone(),
            state: if exported.is_some() {
                "exported"
            } else if store.document(&document.id, now).is_some() {
                "available"
            } else if document.expires_at <= now {
                "expired"
            } else {
                "deleted"
            },
            content_location: without_secrets(&locations.content).into_owned(),
            metadata_location: without_secrets(&locations.metadata).into_owned(),
            delete_location: locations.delete,
            content_type: content_type(format),
            format: format.name(),
            size_bytes: store.known_size(document),
            duration_ms,
            channel_count,
            channels: channels(document),
            starts_at,
            expires_at: document.expires_at,
            end_reason: chunk.end.as_str(),
        }
    }
}

fn content_type(format: Format) -> &'static str {
    match format {
        Format::Wav => "audio/wav",
        Format::Mp3 => "audio/mpeg",
        Format::Mp4 => "video/mp4",
    }
}

/// Who is in which channel.
fn channels(document: &Document) -> Vec<Channel> {
    #[derive(Deserialize)]
    struct Metadata {
        participants: Vec<Participant>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Participant {
        participant_id: String,
        channel: Option<usize>,
    }
    let ContentSource::Sound { timeline, .. } = &document.source else {
        return vec![Channel {
            channel: 0,
            participant_ids: Vec::new(),
        }];
    };
    // The document is ours.
    let participants = serde_json::from_slice::<Metadata>(&document.metadata)
        .map_or_else(|_| Vec::new(), |metadata| metadata.participants);
    let is_mixed = participants.iter().all(|one| one.channel.is_none());
    let in_channel = |channel| {
        let those = participants
            .iter()
            .filter(move |one| is_mixed || one.channel == Some(channel));
        those.map(|one| one.participant_id.clone()).collect()
    };
    (0..timeline.channels)
        .map(|channel| Channel {
            channel,
            participant_ids: in_channel(channel),
        })
        .collect()
}

/// The recordings of a call, in the order of their start.
pub(super) fn of_call(runtime: &Runtime, state: &ServiceState, call: Uuid) -> Vec<Recording> {
    let ended = runtime.store.catalog.list().into_iter();
    let ended = ended.filter(|one| !one.is_synthetic && one.recording.correlation_id == call);
    let live = state.recordings.iter();
    let live = live.filter(|one| state.calls.get(one.call).correlation_id == call);
    ended
        .map(|entry| Recording::ended(&entry, runtime, state.now))
        .chain(live.map(|recording| Recording::live(recording, state)))
        .collect()
}

/// The ids of ended recordings by the id of their call, in the order of their start.
pub(super) fn ids_by_call(runtime: &Runtime) -> HashMap<Uuid, Vec<String>> {
    let mut by_call: HashMap<Uuid, Vec<String>> = HashMap::new();
    for entry in runtime.store.catalog.list() {
        let recording = &entry.recording;
        let ids = by_call.entry(recording.correlation_id).or_default();
        ids.push(recording.recording_id.clone());
    }
    by_call
}

/// The recording with this id.
pub(super) fn find(runtime: &Runtime, id: &str) -> Result<Recording, Problem> {
    let state = runtime.service.state();
    if let Ok(recording) = state.recordings.get(id) {
        return Ok(Recording::live(recording, &state));
    }
    let entry = runtime.store.catalog.get(id).ok_or_else(unknown)?;
    Ok(Recording::ended(&entry, runtime, state.now))
}

fn unknown() -> Problem {
    let hint = "Recordings are removed a while after their files have expired.";
    Problem::not_found("The recording", hint)
}

enum Listed<'a> {
    Live(&'a LiveRecording),
    Ended(CatalogEntry),
}

async fn list(
    State(runtime): State<Arc<Runtime>>,
    Parameters(parameters): Parameters<ListParameters>,
) -> Result<Json<Page<Recording>>, Problem> {
    let state = runtime.service.state();
    let ended = runtime.store.catalog.list().into_iter().map(Listed::Ended);
    let live = state.recordings.iter().map(Listed::Live);
    let mut all: Vec<_> = live.chain(ended).collect();
    let id = |listed: &Listed<'_>| match listed {
        Listed::Live(recording) => recording.id.clone(),
        Listed::Ended(entry) => entry.recording.recording_id.clone(),
    };
    let requested = |listed: &Listed<'_>| match listed {
        Listed::Live(recording) => recording.requested_at(),
        Listed::Ended(entry) => entry.recording.requested_at,
    };
    // Of those that were requested at the same time, the last to end comes first.
    all.reverse();
    all.sort_by_key(|listed| std::cmp::Reverse(requested(listed)));
    let view = |listed: &Listed<'_>| match listed {
        Listed::Live(recording) => Recording::live(recording, &state),
        Listed::Ended(entry) => Recording::ended(entry, &runtime, state.now),
    };
    parameters.page(&all, all.len(), id, view).map(Json)
}

async fn read(
    State(runtime): State<Arc<Runtime>>,
    Path(id): Path<String>,
) -> Result<Json<Recording>, Problem> {
    find(&runtime, &id).map(Json)
}

/// The file of a chunk whose content can be read, and its format.
pub(super) fn document(
    runtime: &Runtime,
    recording: &str,
    chunk: &str,
) -> Result<(Arc<Document>, Format), Problem> {
    let now = runtime.service.state().now;
    let entry = runtime.store.catalog.get(recording).ok_or_else(unknown)?;
    let index: Option<usize> = chunk.parse().ok();
    let chunk = index.and_then(|index| entry.chunks.get(index));
    let document = chunk.and_then(|chunk| runtime.store.document(&chunk.document.id, now));
    let document = document.ok_or_else(|| {
        let detail = "The chunk does not exist, or its file was deleted, expired or exported.";
        Problem::new(Code::NotFound, detail)
    })?;
    Ok((document, entry.recording.spec.format))
}

async fn media(
    State(runtime): State<Arc<Runtime>>,
    Path((recording, chunk)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (document, format) = document(&runtime, &recording, &chunk)?;
    let failed = || Problem::new(Code::Internal, "The file cannot be generated.");
    let media = content::media(&runtime.store, document, &headers, content_type(format)).await;
    media.ok_or_else(failed)
}

async fn metadata(
    State(runtime): State<Arc<Runtime>>,
    Path((recording, chunk)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let (document, _) = document(&runtime, &recording, &chunk)?;
    let headers = [(CONTENT_TYPE, "application/json")];
    Ok((headers, document.metadata.clone()).into_response())
}

#[derive(Deserialize)]
struct WaveformParameters {
    points: Option<usize>,
}

async fn peaks(
    State(runtime): State<Arc<Runtime>>,
    Path((recording, chunk)): Path<(String, String)>,
    Parameters(parameters): Parameters<WaveformParameters>,
) -> Result<Json<Waveform>, Problem> {
    let points = parameters.points.unwrap_or(800);
    if !(1..=4_000).contains(&points) {
        let detail = format!("The number of points is {points}, but must be from 1 to 4000.");
        return Err(Problem::invalid(detail));
    }
    let (document, _) = document(&runtime, &recording, &chunk)?;
    let computed = tokio::task::spawn_blocking(move || waveform(&document, points)).await;
    let failed = |_| Problem::new(Code::Internal, "The waveform cannot be computed.");
    computed.map(Json).map_err(failed)
}
