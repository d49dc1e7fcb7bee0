//! What the operations on connections have in common.

use crate::http::response::ErrorWithTarget;
use crate::service::Service;
use crate::service::error::ServiceError;

/// Checks an address that is to receive callbacks.
pub(super) fn check_callback(service: &Service, uri: &str) -> Result<(), ServiceError> {
    service
        .urls
        .check(uri)
        .map(drop)
        .map_err(|reason| ServiceError::CallbackUri(format!("callbackUri is invalid: {reason}.")))
}

/// Names the connection, or what of it the request concerns, in an error.
pub(super) fn about(id: &str) -> impl FnOnce(ServiceError) -> ErrorWithTarget {
    let target = format!("/calling/callConnections/{id}");
    move |error| ErrorWithTarget { error, target }
}
