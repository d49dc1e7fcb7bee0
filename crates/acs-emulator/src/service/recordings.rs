//! Recordings in progress, and the documents of ended recordings.

use std::collections::HashMap;
use std::sync::Arc;

use acs_call_automation::types::RecordingState;
use jiff::{SignedDuration, Timestamp};
use url::Url;
use uuid::Uuid;

use crate::http::recordings::start_request::{Media, Tape};
use crate::media::{self, Format, Span};
use crate::service::calls::{CallKey, CallState};
use crate::service::error::Refusal;
use crate::service::ids;
use crate::storage::chunking::{self, Chunk, Store};
use crate::storage::document::Document;

/// The number of documents at which expired ones are first removed.
const FIRST_SWEEP: usize = 512;

/// The reason why a recording ended, as the event names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EndReason {
    /// The recording was stopped; the call continues.
    Stopped,
    CallEnded,
}

impl EndReason {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Stopped => "SessionStillOngoing",
            Self::CallEnded => "CallEnded",
        }
    }
}

/// A recording in progress.
#[derive(Debug)]
pub(crate) struct Recording {
    pub(crate) id: String,
    pub(crate) call: CallKey,
    tape: Tape,
    /// When the recorder joins the call.
    ready_at: Timestamp,
    /// The times at which recording was switched on or off.
    switches: Vec<(Timestamp, bool)>,
}

impl Recording {
    fn is_on(&self) -> bool {
        self.switches.last().is_some_and(|(_, on)| *on)
    }

    fn switch(&mut self, on: bool, now: Timestamp) {
        if self.is_on() != on {
            self.switches.push((now, on));
        }
    }

    pub(crate) fn state(&self, now: Timestamp) -> RecordingState {
        if self.is_on() && now >= self.ready_at {
            RecordingState::Active
        } else {
            RecordingState::Inactive
        }
    }

    /// The spans that were recorded until `end`.
    fn spans(&self, end: Timestamp) -> Vec<Span> {
        let next = self.switches.iter().skip(1).map(|(at, _)| *at);
        self.switches
            .iter()
            .zip(next.chain([end]))
            .filter(|((_, on), _)| *on)
            .map(|((from, _), to)| Span {
                start: self.ready_at.max(*from),
                end: to,
            })
            .filter(|span| span.start < span.end)
            .collect()
    }
}

/// An ended recording that has at least one file.
#[derive(Clone, Debug)]
pub(crate) struct Finished {
    pub(crate) recording_id: String,
    pub(crate) server_call_id: String,
    pub(crate) correlation_id: Uuid,
    /// The files; at least one.
    pub(crate) chunks: Vec<Chunk>,
    pub(crate) unmixed: bool,
    pub(crate) format: Format,
    /// The container that the application chose for the files.
    pub(crate) storage: Option<Url>,
    pub(crate) started_at: Timestamp,
    pub(crate) ended_at: Timestamp,
    pub(crate) length: SignedDuration,
    pub(crate) reason: EndReason,
}

/// All recordings in progress, and all documents.
#[derive(Debug, Default)]
pub(crate) struct Recordings {
    live: HashMap<String, Recording>,
    by_call: HashMap<CallKey, String>,
    documents: HashMap<String, Arc<Document>>,
    /// The number of documents at which expired ones are removed next.
    next_sweep: usize,
}

impl Recordings {
    /// Starts the recording of a call. `endpoint` is the recorder's connection.
    pub(crate) fn start(
        &mut self,
        call: CallKey,
        endpoint: &str,
        tape: Tape,
        paused: bool,
        (now, ready_at): (Timestamp, Timestamp),
    ) -> Result<&Recording, Refusal> {
        if self.by_call.contains_key(&call) {
            return Err(Refusal::Duplicate);
        }
        let id = ids::recording_id(endpoint);
        self.by_call.insert(call, id.clone());
        Ok(self.live.entry(id.clone()).or_insert(Recording {
            id,
            call,
            tape,
            ready_at,
            switches: vec![(now, !paused)],
        }))
    }

    pub(crate) fn get(&self, id: &str) -> Result<&Recording, Refusal> {
        self.live.get(id).ok_or(Refusal::RecordingNotFound)
    }

    /// Pauses or resumes a recording. Repeating it has no effect.
    pub(crate) fn switch(
        &mut self,
        id: &str,
        on: bool,
        now: Timestamp,
    ) -> Result<CallKey, Refusal> {
        let recording = self.live.get_mut(id).ok_or(Refusal::RecordingNotFound)?;
        recording.switch(on, now);
        Ok(recording.call)
    }

    /// The recording of a call, if there is one.
    pub(crate) fn of_call(&self, call: CallKey) -> Option<String> {
        self.by_call.get(&call).cloned()
    }

    /// Ends a recording. Returns `None` if not a single frame was recorded.
    pub(crate) fn end(
        &mut self,
        id: &str,
        reason: EndReason,
        call: &CallState,
        store: Store<'_>,
        now: Timestamp,
    ) -> Result<Option<Finished>, Refusal> {
        let recording = self.live.remove(id).ok_or(Refusal::RecordingNotFound)?;
        self.by_call.remove(&recording.call);
        let spans = recording.spans(now);
        let Some(first) = spans.first().copied() else {
            return Ok(None);
        };
        let length = media::total(&spans);
        let tape = recording.tape;
        let chunks = chunking::cut(&tape, spans, call, store, now);
        if chunks.is_empty() {
            return Ok(None);
        }
        self.keep(&chunks, now);
        Ok(Some(Finished {
            recording_id: recording.id,
            server_call_id: call.server_call_id.clone(),
            correlation_id: call.correlation_id,
            chunks,
            unmixed: tape.media != Media::Mixed,
            format: tape.format,
            storage: tape.storage,
            started_at: first.start,
            ended_at: now,
            length,
            reason,
        }))
    }

    /// Stores files, and removes expired files if there are too many.
    pub(crate) fn keep(&mut self, chunks: &[Chunk], now: Timestamp) {
        if self.documents.len() >= self.next_sweep {
            self.documents
                .retain(|_, document| now < document.expires_at);
            self.next_sweep = 2 * self.documents.len().max(FIRST_SWEEP);
        }
        for chunk in chunks {
            let document = &chunk.document;
            self.documents
                .insert(document.id.clone(), Arc::clone(document));
        }
    }

    /// All recordings in progress and all documents, in the form that the admin interface lists
    /// them.
    pub(crate) fn list(&self, now: Timestamp) -> serde_json::Value {
        let live: Vec<_> = self.live.values().map(|recording| {
            serde_json::json!({"recordingId": recording.id, "recordingState": recording.state(now)})
        }).collect();
        let documents = self.documents.values().filter(|one| now < one.expires_at);
        serde_json::json!({
            "live": live,
            "documents": documents.map(|one| &one.id).collect::<Vec<_>>(),
        })
    }

    /// A stored document that has not expired.
    pub(crate) fn document(&self, id: &str, now: Timestamp) -> Option<Arc<Document>> {
        let document = self.documents.get(id)?;
        (now < document.expires_at).then(|| Arc::clone(document))
    }

    /// Deletes a document. Returns whether it existed.
    pub(crate) fn delete(&mut self, id: &str, now: Timestamp) -> bool {
        self.documents
            .remove(id)
            .is_some_and(|document| now < document.expires_at)
    }
}

#[cfg(test)]
#[path = "recordings_tests.rs"]
mod tests;
