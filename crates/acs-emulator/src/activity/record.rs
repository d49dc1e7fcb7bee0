//! What is recorded: events of the service, deliveries and requests.

use std::time::Duration;

use http::{Method, StatusCode};
use jiff::{SignedDuration, Timestamp};

use crate::auth::hmac::Denied;
use crate::auth::keys::AccessKey;
use crate::faults::Operation;
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
    /// The subject, which names the call, the recording or the people.
    pub(crate) subject: String,
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
    /// When the request arrived, in real time.
    pub(crate) at: Timestamp,
    pub(crate) method: Method,
    /// The path without the query.
    pub(crate) path: String,
    /// The query. Values that may be secret are left out.
    pub(crate) query: Option<String>,
    pub(crate) host: String,
    pub(crate) operation: Operation,
    /// `None` if no response was sent.
    pub(crate) status: Option<StatusCode>,
    pub(crate) error: Option<ErrorBody>,
    /// The time until the headers of the response were sent.
    pub(crate) duration: Duration,
    pub(crate) client_request_id: Option<String>,
    pub(crate) user_agent: Option<String>,
    pub(crate) authentication: Authentication,
    /// The fault that was applied, if any.
    pub(crate) fault: Option<u64>,
    /// Whether the response is that of an earlier request with the same repeatability headers.
    pub(crate) repeated: bool,
}

/// The error in the body of a response.
#[derive(Clone, Debug)]
pub(crate) struct ErrorBody {
    pub(crate) code: String,
    pub(crate) message: String,
}

/// The outcome of authentication.
#[derive(Clone, Debug)]
pub(crate) struct Authentication {
    pub(crate) scheme: Scheme,
    pub(crate) verdict: Verdict,
}

/// How a client authenticates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Hmac,
    Bearer,
    None,
}

/// Whether a request was accepted.
#[derive(Clone, Debug)]
pub(crate) enum Verdict {
    /// With the key of the signature, if there is one.
    Accepted(Option<AccessKey>),
    Denied(Box<Denial>),
    NotRequired,
}

/// Why a request was denied.
#[derive(Clone, Debug)]
pub(crate) struct Denial {
    pub(crate) reason: Denied,
    /// The text that should have been signed, if the signature does not match.
    pub(crate) string_to_sign: Option<String>,
    /// The date of the request minus the service's time.
    pub(crate) skew: Option<SignedDuration>,
}
