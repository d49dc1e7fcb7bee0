//! The headers of requests to webhooks.

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::subscription::{EventSchema, Subscription};

/// The origin that `CloudEvents` name as the sender.
pub(super) const ORIGIN: HeaderValue = HeaderValue::from_static("eventgrid.azure.net");
pub(super) const REQUEST_ORIGIN: HeaderName = HeaderName::from_static("webhook-request-origin");

/// The headers of a request. `attempts` is the number of earlier attempts.
pub(super) fn headers(
    subscription: &Subscription,
    event_type: &'static str,
    attempts: usize,
) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("aeg-event-type", HeaderValue::from_static(event_type));
    if let Ok(name) = HeaderValue::from_str(&subscription.name) {
        headers.insert("aeg-subscription-name", name);
    }
    headers.insert("aeg-delivery-count", HeaderValue::from(attempts));
    let (content_type, version) = match subscription.options.schema {
        EventSchema::EventGrid => {
            headers.insert("aeg-data-version", HeaderValue::from_static("1.0"));
            ("application/json; charset=utf-8", "1")
        }
        EventSchema::CloudEvents => {
            add_origin(&mut headers);
            if subscription.options.batch > 1 {
                ("application/cloudevents-batch+json; charset=utf-8", "1.0")
            } else {
                ("application/cloudevents+json; charset=utf-8", "1.0")
            }
        }
    };
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert("aeg-metadata-version", HeaderValue::from_static(version));
    headers
}

fn add_origin(headers: &mut HeaderMap) {
    headers.insert(REQUEST_ORIGIN, ORIGIN);
}
