//! What a request to start a recording asks for.

use url::Url;

use crate::media::Format;

/// How a request identifies a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CallTarget {
    Connection(String),
    ServerCall(String),
    Group(String),
    Room(String),
}

/// Which channels are recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ChannelLayout {
    Mixed,
    Unmixed {
        /// The participants with a channel of their own.
        pinned: Vec<(String, usize)>,
        /// The participants in the order of the remaining channels.
        ordering: Vec<String>,
    },
}

/// What is recorded, in which format, and where it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RecordingSpec {
    pub(crate) channels: ChannelLayout,
    pub(crate) format: Format,
    /// A container in your own storage, or a folder in it; `None` for the service's own store.
    pub(crate) container: Option<Url>,
    /// The origin at which the client reaches the content; `None` for the usual one.
    pub(crate) content_origin: Option<String>,
}

/// A request to start a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StartRecording {
    pub(crate) call: CallTarget,
    pub(crate) spec: RecordingSpec,
    pub(crate) paused: bool,
    /// The URL for callbacks about the state of the recording.
    pub(crate) state_callback_uri: Option<String>,
}

impl ChannelLayout {
    pub(crate) fn is_unmixed(&self) -> bool {
        *self != Self::Mixed
    }
}
