//! Sends events to webhooks as Event Grid and Call Automation do.

use std::time::Duration;

use acs_recording::Cloud;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use clap::ValueEnum;
use jiff::Timestamp;
use reqwest::redirect::Policy;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::failure::Failure;
use crate::options::Global;
use crate::webhook_url::WebhookUrl;

const REQUEST_ORIGIN: HeaderName = HeaderName::from_static("webhook-request-origin");
const ALLOWED_ORIGIN: &str = "webhook-allowed-origin";

/// How long Event Grid waits for a response.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);

/// The largest response to a handshake that is read, in bytes.
const MAX_RESPONSE: usize = 64 * 1024;

/// The schema of the envelopes of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Schema {
    /// The Event Grid schema
    EventGrid,
    /// CloudEvents 1.0
    CloudEvents,
}

impl Schema {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::EventGrid => "event-grid",
            Self::CloudEvents => "cloud-events",
        }
    }
}

/// Sends requests to one webhook.
#[derive(Debug)]
pub(crate) struct WebhookSender {
    http: reqwest::Client,
    to: WebhookUrl,
    /// Headers of every request, such as a secret.
    headers: HeaderMap,
    /// The host that the CloudEvents handshake names as the sender.
    origin: HeaderValue,
    subscription: String,
}

/// The events of one request.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) kind: DeliveryKind,
    /// The events as JSON text.
    pub(crate) events: Vec<String>,
    /// The id of the event, if it is the only one.
    pub(crate) id: Option<String>,
    /// Earlier attempts.
    pub(crate) attempts: u32,
    /// The value of the header `Authorization`.
    pub(crate) token: Option<String>,
}

/// Who sends a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeliveryKind {
    /// Event Grid, in a schema. CloudEvents can be batched.
    EventGrid {
        schema: Schema,
        is_batch: bool,
        /// The value of `aeg-event-type`.
        event_type: &'static str,
    },
    /// Call Automation, which posts arrays of CloudEvents to the callback URL of a call.
    Callback,
}

impl DeliveryKind {
    pub(crate) fn notification(schema: Schema, is_batch: bool) -> Self {
        Self::EventGrid {
            schema,
            is_batch,
            event_type: "Notification",
        }
    }
}

impl Delivery {
    /// The body of the request. A single CloudEvent of Event Grid is an object; everything else is an
    /// array.
    pub(crate) fn body(&self) -> String {
        match (&self.events[..], self.kind) {
            (
                [one],
                DeliveryKind::EventGrid {
                    schema: Schema::CloudEvents,
                    is_batch: false,
                    ..
                },
            ) => one.clone(),
            (events, _) => format!("[{}]", events.join(",")),
        }
    }
}

impl WebhookSender {
    pub(crate) fn new(to: WebhookUrl, cloud: Cloud, global: &Global) -> Result<Self, Failure> {
        let origin = HeaderValue::from_static(cloud.event_grid_origin());
        let suffix = Uuid::new_v4().simple().to_string().to_uppercase();
        Ok(Self {
            http: http_client(&to, global)?,
            to,
            headers: HeaderMap::new(),
            origin,
            subscription: format!("ACS-RECORDING-{suffix}"),
        })
    }

    /// Adds a header to every request.
    pub(crate) fn add_header(&mut self, name: HeaderName, mut value: HeaderValue) {
        value.set_sensitive(true);
        self.headers.insert(name, value);
    }

    /// The webhook, without secrets.
    pub(crate) fn to(&self) -> &WebhookUrl {
        &self.to
    }

    /// The handshake with which Event Grid verifies that the webhook accepts events.
    pub(crate) async fn handshake(
        &self,
        schema: Schema,
        token: Option<String>,
    ) -> Result<(), Failure> {
        let outcome = match schema {
            Schema::EventGrid => self.validate(token).await,
            Schema::CloudEvents => self.ask().await,
        };
        outcome.map_err(|failure| {
            let schema = schema.name();
            failure.context(&format_args!("the {schema} handshake with {}", self.to))
        })
    }

    /// The webhook must return a validation code.
    async fn validate(&self, token: Option<String>) -> Result<(), Failure> {
        let code = Uuid::new_v4().to_string();
        let event = json!({
            "id": Uuid::new_v4(),
            "topic": "/subscriptions/00000000-0000-0000-0000-000000000000",
            "subject": "",
            "data": {"validationCode": code},
            "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
            "eventTime": Timestamp::now().to_string(),
            "metadataVersion": "1",
            "dataVersion": "1",
        });
        let delivery = Delivery {
            kind: DeliveryKind::EventGrid {
                schema: Schema::EventGrid,
                is_batch: false,
                event_type: "SubscriptionValidation",
            },
            events: vec![event.to_string()],
            id: None,
            attempts: 0,
            token,
        };
        let response = self.send(&delivery).await?;
        let status = response.status();
        if status != StatusCode::OK {
            return Err(rejected(status).then_hint("Event Grid requires status 200"));
        }
        let body = read(response).await?;
        let answer = serde_json::from_slice::<Value>(&body).unwrap_or_default();
        match answer.get("validationResponse") {
            Some(answer) if *answer == code => Ok(()),
            Some(_) => Err(Failure::rejected(
                None,
                "the response has another validation code",
            )),
            None => Err(
                Failure::rejected(None, "the response has no `validationResponse`")
                    .hint("respond to SubscriptionValidationEvent with its validationCode"),
            ),
        }
    }

    /// The webhook must allow the origin. The status of the response does not matter.
    async fn ask(&self) -> Result<(), Failure> {
        let request = self.http.request(Method::OPTIONS, self.to.url().clone());
        let request = request
            .headers(self.headers.clone())
            .header(REQUEST_ORIGIN, &self.origin);
        let response = request.send().await.map_err(|error| unreachable(&error))?;
        let allowed = response.headers().get(ALLOWED_ORIGIN);
        if allowed.is_some_and(|allowed| allowed == "*" || allowed == self.origin) {
            return Ok(());
        }
        let status = response.status();
        let origin = self.origin.to_str().unwrap_or_default();
        let text =
            format!("it responded with {status} and without WebHook-Allowed-Origin: {origin}");
        Err(Failure::rejected(Some(status.as_u16()), text)
            .hint("respond to OPTIONS with that header, and check the secret in the URL"))
    }

    /// Posts events. A response that does not accept them is an error.
    pub(crate) async fn post(&self, delivery: &Delivery) -> Result<u16, Failure> {
        let response = self.send(delivery).await?;
        let status = response.status();
        // The statuses that Event Grid counts as success.
        if (200..=204).contains(&status.as_u16()) {
            Ok(status.as_u16())
        } else {
            Err(rejected(status))
        }
    }

    async fn send(&self, delivery: &Delivery) -> Result<reqwest::Response, Failure> {
        let mut headers = self.headers.clone();
        headers.extend(self.headers_of(delivery));
        let request = self.http.post(self.to.url().clone());
        let request = request.headers(headers).body(delivery.body());
        request.send().await.map_err(|error| unreachable(&error))
    }

    fn headers_of(&self, delivery: &Delivery) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let mut add = |name: &'static str, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        };
        let content_type = match delivery.kind {
            DeliveryKind::Callback => "application/json; charset=utf-8",
            DeliveryKind::EventGrid {
                schema, is_batch, ..
            } => match (schema, is_batch) {
                (Schema::EventGrid, _) => "application/json; charset=utf-8",
                (Schema::CloudEvents, false) => "application/cloudevents+json; charset=utf-8",
                (Schema::CloudEvents, true) => "application/cloudevents-batch+json; charset=utf-8",
            },
        };
        if let DeliveryKind::EventGrid {
            schema, event_type, ..
        } = delivery.kind
        {
            add("aeg-event-type", event_type);
            add("aeg-subscription-name", &self.subscription);
            add("aeg-delivery-count", &delivery.attempts.to_string());
            match schema {
                Schema::EventGrid => {
                    add("aeg-data-version", "1.0");
                    add("aeg-metadata-version", "1");
                }
                Schema::CloudEvents => {
                    add("aeg-metadata-version", "1.0");
                    headers.insert(REQUEST_ORIGIN, self.origin.clone());
                }
            }
            if let Some(id) = &delivery.id
                && let Ok(id) = HeaderValue::from_str(id)
            {
                headers.insert(HeaderName::from_static("aeg-output-event-id"), id);
            }
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        if let Some(token) = &delivery.token
            && let Ok(mut value) = HeaderValue::from_str(&format!("Bearer {token}"))
        {
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        headers
    }
}

/// A client that follows no redirects, as Event Grid does not.
fn http_client(to: &WebhookUrl, global: &Global) -> Result<reqwest::Client, Failure> {
    let mut builder = reqwest::Client::builder()
        .redirect(Policy::none())
        .timeout(RESPONSE_TIMEOUT)
        .user_agent(concat!("acs-recording/", env!("CARGO_PKG_VERSION")));
    if to.is_local() {
        builder = builder.no_proxy();
    }
    let builder = trusting(builder, global)?;
    builder.build().map_err(|error| Failure::other(&error))
}

/// Trusts the certificate authorities of the options.
pub(crate) fn trusting(
    mut builder: reqwest::ClientBuilder,
    global: &Global,
) -> Result<reqwest::ClientBuilder, Failure> {
    for path in &global.ca_certs {
        let pem = std::fs::read(path).map_err(|error| Failure::file(path, &error))?;
        let certificates = reqwest::Certificate::from_pem_bundle(&pem)
            .map_err(|error| Failure::usage(error.to_string()).context_file(path))?;
        builder = certificates
            .into_iter()
            .fold(builder, reqwest::ClientBuilder::add_root_certificate);
    }
    Ok(builder)
}

async fn read(mut response: reqwest::Response) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    while let Some(part) = response
        .chunk()
        .await
        .map_err(|error| unreachable(&error))?
    {
        body.extend_from_slice(&part);
        if body.len() > MAX_RESPONSE {
            return Err(Failure::rejected(None, "the response is too large"));
        }
    }
    Ok(body)
}

/// The webhook responded with another status than those of success.
fn rejected(status: StatusCode) -> Failure {
    let failure = Failure::rejected(
        Some(status.as_u16()),
        format!("it responded with status {status}"),
    );
    match status.as_u16() {
        401 | 403 => failure.hint("check the secret or the token that the webhook requires"),
        404 => failure.hint("check the path of the URL"),
        300..=399 => failure.hint("Event Grid follows no redirects; use the final URL"),
        _ => failure,
    }
}

/// There was no response. Only the innermost cause is shown: outer ones repeat the URL.
fn unreachable(error: &reqwest::Error) -> Failure {
    if error.is_timeout() {
        let seconds = RESPONSE_TIMEOUT.as_secs();
        let text = format!("no response within {seconds} seconds");
        return Failure::timed_out(text, "respond first, and work on the event later");
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    let hint = "check that the webhook runs, and its address";
    // The outermost error shows the URL, with its query.
    if std::ptr::addr_eq(cause, std::ptr::from_ref(error)) {
        return Failure::connection("the request failed", hint);
    }
    Failure::connection(cause.to_string(), hint)
}
