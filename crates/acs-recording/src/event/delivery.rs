//! The delivery of an event, from the headers of the request.

use http::HeaderMap;

/// How Event Grid delivered an event, from the headers of the request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Delivery {
    /// `Notification`, `SubscriptionValidation` or `SubscriptionDeletion`.
    pub event_type: Option<String>,
    /// The name of the event subscription, in upper case.
    pub subscription: Option<String>,
    /// The number of earlier attempts: 0 for the first.
    pub count: Option<u32>,
    /// The id of the delivered event.
    pub output_event_id: Option<String>,
}

impl Delivery {
    /// Reads the headers. `None` if they are not those of Event Grid.
    pub fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let get = |name| Some(headers.get(name)?.to_str().ok()?.to_owned());
        let delivery = Self {
            event_type: get("aeg-event-type"),
            subscription: get("aeg-subscription-name"),
            count: get("aeg-delivery-count").and_then(|count| count.parse().ok()),
            output_event_id: get("aeg-output-event-id"),
        };
        (delivery != Self::default()).then_some(delivery)
    }
}
