//! The ids that a call can be located by.

use acs_call_automation::types::{self, CallLocatorKind};

use crate::ids::{GroupCallId, RoomId, ServerCallId};

/// Locates a call by one of the ids that it has in the service.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallLocator {
    /// The id of the call as a whole.
    Server(ServerCallId),
    /// The id that the application gave to a group call.
    Group(GroupCallId),
    /// A room.
    Room(RoomId),
}

impl CallLocator {
    /// The locator as requests contain it.
    pub(crate) fn into_model(self) -> types::CallLocator {
        let locator = types::CallLocator::default();
        match self {
            Self::Server(id) => locator
                .kind(CallLocatorKind::ServerCallLocator)
                .server_call_id(id),
            Self::Group(id) => locator
                .kind(CallLocatorKind::GroupCallLocator)
                .group_call_id(id),
            Self::Room(id) => locator.kind(CallLocatorKind::RoomCallLocator).room_id(id),
        }
    }
}

impl From<ServerCallId> for CallLocator {
    fn from(id: ServerCallId) -> Self {
        Self::Server(id)
    }
}

impl From<GroupCallId> for CallLocator {
    fn from(id: GroupCallId) -> Self {
        Self::Group(id)
    }
}

impl From<RoomId> for CallLocator {
    fn from(id: RoomId) -> Self {
        Self::Room(id)
    }
}
