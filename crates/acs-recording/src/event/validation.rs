//! Event Grid's question whether a webhook wants its events.

use std::fmt;

use serde::{Deserialize, Deserializer};

use super::Subject;
use super::hidden::Hidden;
use super::payload::Data;
use super::wire::or_none;
use crate::content::ContentUrl;

/// Event Grid's handshake: it posts this once, before the first event, and on every change of the
/// subscription.
///
/// ```
/// use acs_recording::{EventPayload, Events};
///
/// let body = r#"[{"id": "1", "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
///                 "topic": "/subscriptions/s", "subject": "", "dataVersion": "1",
///                 "eventTime": "2025-07-01T12:00:00Z", "data": {"validationCode": "abc"}}]"#;
/// for event in Events::parse(body.as_bytes()).flatten() {
///     if let EventPayload::SubscriptionValidation(question) = event.payload() {
///         // Answer the request with status 200 and this body.
///         assert_eq!(question.response_body(), r#"{"validationResponse":"abc"}"#);
///     }
/// }
/// ```
///
/// Whoever knows the code or the address can answer: `Debug` shows neither.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SubscriptionValidation {
    /// What the answer must contain.
    #[serde(rename = "validationCode")]
    pub code: String,
    /// The other way to answer, by hand and within 10 minutes: open this address.
    #[serde(default, rename = "validationUrl", deserialize_with = "location")]
    #[cfg_attr(feature = "schemars", schemars(with = "Option<String>"))]
    pub url: Option<ContentUrl>,
}

/// The code is what the answer takes.
fn location<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ContentUrl>, D::Error> {
    or_none(deserializer, Option::deserialize)
}

impl SubscriptionValidation {
    /// The JSON to answer with, and status 200, within 30 seconds.
    pub fn response_body(&self) -> String {
        serde_json::json!({"validationResponse": self.code}).to_string()
    }
}

impl fmt::Debug for SubscriptionValidation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.url.as_ref();
        f.debug_struct("SubscriptionValidation")
            .field("code", &Hidden::text(&self.code))
            .field("url", &url.map(|url| Hidden::text(url.as_url().as_str())))
            .finish()
    }
}

impl Data for SubscriptionValidation {
    fn read(data: &str, _: &Subject<'_>) -> Result<Self, serde_json::Error> {
        serde_json::from_str(data)
    }
}

/// The last that a webhook hears of a subscription.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SubscriptionDeleted {
    /// The path of the subscription in Azure.
    pub event_subscription_id: Option<String>,
}

impl Data for SubscriptionDeleted {
    fn read(data: &str, _: &Subject<'_>) -> Result<Self, serde_json::Error> {
        serde_json::from_str(data)
    }
}
