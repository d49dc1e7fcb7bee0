//! Recordings: what they capture while they last, and the document that remains.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use acs_call_automation::types::RecordingState;
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::calls::{CallKey, CallState, Member};
use crate::clock::after;
use crate::ids;
use crate::media::{self, Plan, Span, Track};
use crate::metadata;
use crate::refusal::Refusal;
use crate::start::Media;

/// Why a recording came to its end, in the words of the event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EndReason {
    /// Somebody stopped it; the call went on.
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

/// A recording that goes on.
#[derive(Debug)]
pub(crate) struct Recording {
    pub(crate) id: String,
    pub(crate) call: CallKey,
    media: Media,
    /// When the recorder has joined the call.
    ready_at: Timestamp,
    /// Whether to record, from each of these instants on.
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

    /// The times that were recorded until `end`.
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

/// A recorded file with its metadata, until it expires or is deleted.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) id: String,
    /// The last segment of the address of the file.
    pub(crate) content_name: &'static str,
    pub(crate) metadata: Bytes,
    plan: Plan,
    expires_at: Timestamp,
    /// Made when it is first asked for: most recordings of a test are never downloaded.
    file: OnceLock<Bytes>,
}

impl Document {
    /// The recorded file. The first call computes it, which takes a while.
    pub(crate) fn file(&self) -> Bytes {
        self.file.get_or_init(|| self.plan.render()).clone()
    }
}

/// A recording that has ended and left a file behind.
#[derive(Clone, Debug)]
pub(crate) struct Finished {
    pub(crate) recording_id: String,
    pub(crate) server_call_id: String,
    pub(crate) correlation_id: Uuid,
    pub(crate) document: Arc<Document>,
    pub(crate) unmixed: bool,
    pub(crate) started_at: Timestamp,
    pub(crate) ended_at: Timestamp,
    pub(crate) length: SignedDuration,
    pub(crate) reason: EndReason,
}

/// All recordings that go on, and all documents.
#[derive(Debug, Default)]
pub(crate) struct Recordings {
    live: HashMap<String, Recording>,
    by_call: HashMap<CallKey, String>,
    documents: HashMap<String, Arc<Document>>,
}

impl Recordings {
    /// Starts to record a call. `endpoint` is the connection that the recorder uses.
    pub(crate) fn start(
        &mut self,
        call: CallKey,
        endpoint: &str,
        media: Media,
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
            media,
            ready_at,
            switches: vec![(now, !paused)],
        }))
    }

    pub(crate) fn get(&self, id: &str) -> Result<&Recording, Refusal> {
        self.live.get(id).ok_or(Refusal::RecordingNotFound)
    }

    /// Pauses or resumes. Doing it twice changes nothing.
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

    /// Ends a recording. Without a single frame there is no file.
    pub(crate) fn end(
        &mut self,
        id: &str,
        reason: EndReason,
        call: &CallState,
        store: &Store,
        now: Timestamp,
    ) -> Result<Option<Finished>, Refusal> {
        let recording = self.live.remove(id).ok_or(Refusal::RecordingNotFound)?;
        self.by_call.remove(&recording.call);
        let spans = recording.spans(now);
        let Some(first) = spans.first().copied() else {
            return Ok(None);
        };
        let members = heard(&call.members, first.start, now);
        let (plan, channels) = plan(&recording.media, spans, &members);
        if plan.frames() == 0 {
            return Ok(None);
        }
        let unmixed = recording.media != Media::Mixed;
        let document_id = ids::document_id();
        let metadata = metadata::document(&metadata::Facts {
            resource: store.resource,
            call: call.correlation_id,
            document_id: &document_id,
            plan: &plan,
            end: now,
            unmixed,
            participants: &members,
            channels: &channels,
        });
        let document = Arc::new(Document {
            id: document_id.clone(),
            content_name: if unmixed {
                "audiowavmultichannel"
            } else {
                "audiowav"
            },
            metadata,
            expires_at: after(now, store.retention),
            file: OnceLock::new(),
            plan,
        });
        self.documents.insert(document_id, Arc::clone(&document));
        Ok(Some(Finished {
            recording_id: recording.id,
            server_call_id: call.server_call_id.clone(),
            correlation_id: call.correlation_id,
            unmixed,
            started_at: first.start,
            ended_at: now,
            length: document.plan.length(),
            reason,
            document,
        }))
    }

    /// A document that is still stored.
    pub(crate) fn document(&self, id: &str, now: Timestamp) -> Option<Arc<Document>> {
        let document = self.documents.get(id)?;
        (now < document.expires_at).then(|| Arc::clone(document))
    }

    /// Deletes a document and tells whether it was there.
    pub(crate) fn delete(&mut self, id: &str, now: Timestamp) -> bool {
        self.documents
            .remove(id)
            .is_some_and(|document| now < document.expires_at)
    }
}

/// What a document depends on apart from its recording.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Store {
    pub(crate) resource: Uuid,
    pub(crate) retention: Duration,
}

/// Those who were in the call at some time between the two instants, in the order of joining.
fn heard(members: &[Member], start: Timestamp, end: Timestamp) -> Vec<&Member> {
    let mut heard: Vec<&Member> = members
        .iter()
        .filter(|member| member.joined_at < end && member.left_at.is_none_or(|left| left > start))
        .collect();
    heard.sort_by_key(|member| member.joined_at);
    heard
}

/// What goes into the file, and the channels of an unmixed one.
fn plan(media: &Media, spans: Vec<Span>, members: &[&Member]) -> (Plan, HashMap<String, usize>) {
    let channels = match media {
        Media::Mixed => HashMap::new(),
        Media::Unmixed { pinned, ordering } => {
            let joined: Vec<_> = members.iter().map(|member| member.raw_id.clone()).collect();
            let present: HashSet<_> = joined.iter().collect();
            let mut channels = media::assign(pinned, ordering, &joined);
            channels.retain(|participant, _| present.contains(participant));
            channels
        }
    };
    let channel = |member: &Member| match media {
        Media::Mixed => Some(0),
        Media::Unmixed { .. } => channels.get(&member.raw_id).copied(),
    };
    let tracks = members
        .iter()
        .filter_map(|member| {
            Some(Track {
                voice: Arc::clone(&member.voice),
                channel: channel(member)?,
                from: member.joined_at,
                until: member.left_at.into_iter().chain(member.muted_at).min(),
            })
        })
        .collect();
    let highest = channels.values().max().copied().unwrap_or(0);
    let plan = Plan {
        spans,
        tracks,
        channels: highest + 1,
    };
    (plan, channels)
}

#[cfg(test)]
#[path = "recordings_tests.rs"]
mod tests;
