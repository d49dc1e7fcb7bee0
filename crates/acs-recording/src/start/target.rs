//! The call that a recording is started of.

use crate::ids::{CallConnectionId, GroupCallId, RoomId, ServerCallId};
use crate::locator::CallLocator;

/// The call to record.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordingTarget {
    /// A call, by one of its own ids.
    Locator(CallLocator),
    /// The application's own connection to the call. The service only accepts such a start (202) and
    /// sends the outcome to the state callback.
    Connection(CallConnectionId),
}

impl From<CallLocator> for RecordingTarget {
    fn from(locator: CallLocator) -> Self {
        Self::Locator(locator)
    }
}

impl From<ServerCallId> for RecordingTarget {
    fn from(id: ServerCallId) -> Self {
        Self::Locator(id.into())
    }
}

impl From<GroupCallId> for RecordingTarget {
    fn from(id: GroupCallId) -> Self {
        Self::Locator(id.into())
    }
}

impl From<RoomId> for RecordingTarget {
    fn from(id: RoomId) -> Self {
        Self::Locator(id.into())
    }
}

impl From<CallConnectionId> for RecordingTarget {
    fn from(id: CallConnectionId) -> Self {
        Self::Connection(id)
    }
}
