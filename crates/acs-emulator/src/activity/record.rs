//! What is recorded: events of the service, deliveries and requests.

use std::time::Duration;

use http::{Method, StatusCode};

use crate::service::event::ServiceEvent;

/// Something that happened in the emulator.
#[derive(Clone, Debug)]
pub(crate) enum Activity {
    /// A call or a recording changed, or the application is to be notified.
    Service(ServiceEvent),
    /// A callback or an event was sent.
    Delivery(DeliveryAttempt),
    /// A request was handled.
    Request(RequestRecord),
}

/// One attempt to deliver a callback or an event.
#[derive(Clone, Debug)]
pub(crate) struct DeliveryAttempt {
    pub(crate) channel: Channel,
    /// The type of the callback or event.
    pub(crate) kind: &'static str,
    /// The id of the callback or event.
    pub(crate) id: String,
    /// The URL without the parts that may be secret.
    pub(crate) to: String,
    /// Counted from 1.
    pub(crate) attempt: usize,
    /// The status of the response, if there was one.
    pub(crate) status: Option<StatusCode>,
    /// The reason why it was not accepted, if more than the status is known.
    pub(crate) reason: Option<String>,
    pub(crate) outcome: DeliveryOutcome,
}

/// How something is delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Channel {
    Callback,
    EventGrid,
}

/// The consequence of a delivery attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeliveryOutcome {
    Delivered,
    /// Another attempt follows after this delay.
    Retry(Duration),
    Dropped,
    /// The time to live ended before the next attempt.
    Expired,
}

/// A request to the service and its response.
#[derive(Clone, Debug)]
pub(crate) struct RequestRecord {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) status: StatusCode,
    /// The reason why authentication failed, if it did.
    pub(crate) denied: Option<String>,
}
