//! The ids that a call can be located by.

use acs_call_automation::types;

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
        let mut locator = types::CallLocator::default();
        locator.kind = Some(match self {
            Self::Server(id) => {
                locator.server_call_id = Some(id.into());
                types::CallLocatorKind::ServerCallLocator
            }
            Self::Group(id) => {
                locator.group_call_id = Some(id.into());
                types::CallLocatorKind::GroupCallLocator
            }
            Self::Room(id) => {
                locator.room_id = Some(id.into());
                types::CallLocatorKind::RoomCallLocator
            }
        });
        locator
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
