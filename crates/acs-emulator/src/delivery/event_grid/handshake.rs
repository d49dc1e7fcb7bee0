//! The handshakes that a webhook must pass before it is subscribed.

use http::{HeaderName, Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use super::event::Event;
use super::headers::{ORIGIN, REQUEST_ORIGIN, headers};
use super::subscription::Subscription;
use crate::delivery::context::DeliveryContext;
use crate::redact::root_cause;
use crate::service::ids;

const ALLOWED_ORIGIN: HeaderName = HeaderName::from_static("webhook-allowed-origin");

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ValidationResponse {
    validation_response: String,
}

/// The handshake of the Event Grid schema: the webhook must return a validation code.
pub(super) async fn send_validation_event(
    context: &DeliveryContext,
    subscription: &Subscription,
    url: &Url,
) -> Result<(), String> {
    let code = ids::random_id();
    let event = Event {
        id: ids::random_id(),
        kind: "Microsoft.EventGrid.SubscriptionValidationEvent",
        subject: String::new(),
        data: json!({"validationCode": code}),
        data_version: "1",
        time: context.clock.now(),
        call: None,
        recording: None,
    };
    let body = Value::Array(vec![event.in_event_grid_schema(context.resource)]);
    let response = context
        .client
        .post(url.clone())
        .headers(headers(subscription, "SubscriptionValidation", 0))
        .body(body.to_string())
        .send()
        .await
        .map_err(root_cause)?;
    if response.status() != StatusCode::OK {
        return Err(format!(
            "it responded with {} instead of 200",
            response.status()
        ));
    }
    let body = response.bytes().await.map_err(root_cause)?;
    match serde_json::from_slice::<ValidationResponse>(&body) {
        Ok(response) if response.validation_response == code => Ok(()),
        Ok(_) => Err("the response has a different validation code".to_owned()),
        Err(error) => Err(format!("the response has no validationResponse ({error})")),
    }
}

/// The handshake of the `CloudEvents` webhook specification: the webhook must allow the origin. The
/// status of the response does not matter.
pub(super) async fn request_consent(context: &DeliveryContext, url: &Url) -> Result<(), String> {
    let response = context
        .client
        .request(Method::OPTIONS, url.clone())
        .header(REQUEST_ORIGIN, ORIGIN)
        .send()
        .await
        .map_err(root_cause)?;
    let allowed = response.headers().get(ALLOWED_ORIGIN);
    if allowed.is_some_and(|allowed| allowed == "*" || allowed == ORIGIN) {
        Ok(())
    } else {
        let status = response.status();
        Err(format!(
            "it responded with {status} and does not allow the origin {ORIGIN:?}"
        ))
    }
}
