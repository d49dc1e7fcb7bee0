//! The call that a request refers to.

use acs_call_automation::types::{CallLocator, CallLocatorKind};

use crate::service::error::ServiceError;
use crate::service::recording_request::CallTarget;

/// The call that a locator identifies. The kind is optional if there is only one id.
pub(super) fn call_target(locator: &CallLocator) -> Result<CallTarget, ServiceError> {
    let ids = [
        (
            CallLocatorKind::ServerCallLocator,
            locator.server_call_id.clone().map(CallTarget::ServerCall),
        ),
        (
            CallLocatorKind::GroupCallLocator,
            locator.group_call_id.clone().map(CallTarget::Group),
        ),
        (
            CallLocatorKind::RoomCallLocator,
            locator.room_id.clone().map(CallTarget::Room),
        ),
    ];
    let mut given = ids.into_iter().filter_map(|(kind, id)| Some((kind, id?)));
    match (given.next(), given.next()) {
        (Some((kind, call)), None) if locator.kind.as_ref().is_none_or(|given| *given == kind) => {
            Ok(call)
        }
        _ => Err(ServiceError::argument(
            "callLocator must have exactly one id, the one that matches its kind.",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_invalid(result: &Result<CallTarget, ServiceError>) -> bool {
        matches!(result, Err(ServiceError::InvalidArgument(_)))
    }

    #[test]
    fn a_locator_must_have_the_id_of_its_kind() {
        let group = CallLocator::default().group_call_id("g");
        assert_eq!(call_target(&group), Ok(CallTarget::Group("g".to_owned())));
        let wrong_kind = group.clone().kind(CallLocatorKind::RoomCallLocator);
        assert!(is_invalid(&call_target(&wrong_kind)));
        let two = group.room_id("r");
        assert!(is_invalid(&call_target(&two)));
        assert!(is_invalid(&call_target(&CallLocator::default())));
    }
}
