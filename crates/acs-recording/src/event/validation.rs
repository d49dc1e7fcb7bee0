//! The data of Event Grid's own events: its handshake, and the end of a subscription.

use std::fmt;

use serde::{Deserialize, Deserializer};

use super::data::EventData;
use super::redacted::Redacted;
use super::subject::Subject;
use crate::content_url::ContentUrl;
use crate::lenient::or_none;

/// The handshake of Event Grid. It sends this event before all others, and whenever the event
/// subscription changes.
///
/// ```
/// use acs_recording::{EventPayload, Events};
///
/// let body = r#"[{"id": "1", "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
///                 "topic": "/subscriptions/s", "subject": "", "dataVersion": "1",
///                 "eventTime": "2025-07-01T12:00:00Z", "data": {"validationCode": "abc"}}]"#;
/// for event in Events::parse(body.as_bytes()).flatten() {
///     if let EventPayload::SubscriptionValidation(validation) = event.payload() {
///         // The response has status 200 and this body.
///         assert_eq!(validation.response_body(), r#"{"validationResponse":"abc"}"#);
///     }
/// }
/// ```
///
/// Everybody who knows the code or the URL can complete the handshake, so `Debug` shows neither.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SubscriptionValidation {
    /// The code that the response must contain.
    #[serde(rename = "validationCode")]
    pub code: String,
    /// Opening this URL within 10 minutes completes the handshake as well.
    #[serde(default, rename = "validationUrl", deserialize_with = "location")]
    #[cfg_attr(feature = "schemars", schemars(with = "Option<String>"))]
    pub url: Option<ContentUrl>,
}

/// An invalid URL does not matter, because the response needs only the code.
fn location<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ContentUrl>, D::Error> {
    or_none(deserializer, Option::deserialize)
}

impl SubscriptionValidation {
    /// The JSON body of the response, which must have status 200 and arrive within 30 seconds.
    pub fn response_body(&self) -> String {
        serde_json::json!({"validationResponse": self.code}).to_string()
    }
}

impl fmt::Debug for SubscriptionValidation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.url.as_ref();
        f.debug_struct("SubscriptionValidation")
            .field("code", &Redacted::text(&self.code))
            .field("url", &url.map(|url| Redacted::text(url.as_url().as_str())))
            .finish()
    }
}

impl EventData for SubscriptionValidation {
    fn read(data: &str, _: &Subject<'_>) -> Result<Self, serde_json::Error> {
        serde_json::from_str(data)
    }
}

/// The last event of a deleted event subscription.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SubscriptionDeleted {
    /// The path of the subscription in Azure.
    pub event_subscription_id: Option<String>,
}

impl EventData for SubscriptionDeleted {
    fn read(data: &str, _: &Subject<'_>) -> Result<Self, serde_json::Error> {
        serde_json::from_str(data)
    }
}
