//! What a worker tells about its messages.

use std::sync::Arc;
use std::time::Duration;

use crate::archive::{Archived, Progress};
use crate::error::Error;
use crate::queue::Message;

pub(super) type Observer = Arc<dyn Fn(&Update<'_>) + Send + Sync>;

/// What a worker is doing with a message, for whoever shows it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Update<'a> {
    /// The message.
    pub message: &'a Message,
    /// The recording, if the message announces one that has an id.
    pub recording_id: Option<&'a str>,
    /// The id of its call in logs.
    pub call_id: Option<&'a str>,
    /// What is happening.
    pub activity: Activity<'a>,
}

/// What is happening to a message.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Activity<'a> {
    /// Work on it begins.
    Started,
    /// Content is arriving.
    Progress(Progress),
    /// Work on it is over.
    #[non_exhaustive]
    Finished {
        /// What became of it.
        outcome: Outcome,
        /// What was archived, one for each recording that the message announces.
        archived: &'a [Archived],
        /// Why it was released, moved to the poison queue, or lost.
        error: Option<&'a Error>,
        /// When a released message is visible again.
        retry_after: Option<Duration>,
    },
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// A recording was archived, and the message removed.
    Archived,
    /// Everything had been archived before. The message was removed.
    Already,
    /// It announces no recording. It was removed.
    Ignored,
    /// It becomes visible again later, for a retry or for another worker.
    Released,
    /// It is in the poison queue.
    Poisoned,
    /// Somebody else holds it.
    LeaseLost,
    /// It could not be settled with the queue, and comes again when its lease runs out.
    Unsettled,
}

impl Outcome {
    /// A name for programs, as in the metric `acs_archive_messages_total`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Archived => "archived",
            Self::Already => "already",
            Self::Ignored => "ignored",
            Self::Released => "released",
            Self::Poisoned => "poisoned",
            Self::LeaseLost => "lease_lost",
            Self::Unsettled => "unsettled",
        }
    }
}
