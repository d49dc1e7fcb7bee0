//! Event Grid subscriptions: the destination, the selected events, and the handshake with webhooks.

use std::collections::BTreeSet;
use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use url::Url;

use crate::delivery::event_grid::deliver as queue;
use crate::delivery::event_grid::event::{Event, FILE_STATUS_UPDATED, Queued};
use crate::delivery::event_grid::retry::Endpoint;
use crate::delivery::event_grid::storage_queue::StorageQueue;
use crate::error::Error;
use crate::redact::{root_cause, without_secrets};
use crate::service::ids;
use crate::service::state::Shared;
use crate::service::url_policy::check_url;

/// The origin that the handshake for `CloudEvents` names as the sender.
const ORIGIN: HeaderValue = HeaderValue::from_static("eventgrid.azure.net");
const REQUEST_ORIGIN: HeaderName = HeaderName::from_static("webhook-request-origin");
const ALLOWED_ORIGIN: HeaderName = HeaderName::from_static("webhook-allowed-origin");

/// The schema of Event Grid events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventSchema {
    /// The Event Grid schema: a JSON array of events, and the validation handshake.
    #[default]
    EventGrid,
    /// `CloudEvents` 1.0: one JSON object per request, or an array if events are batched, and the
    /// handshake of the `CloudEvents` webhook specification.
    CloudEvents,
}

/// The options of a subscription.
#[derive(Clone, Debug)]
pub(crate) struct Wishes {
    pub(crate) schema: EventSchema,
    /// `None` selects all types.
    events: Option<BTreeSet<String>>,
    pub(crate) batch: usize,
    pub(crate) duplicates: u32,
    pub(crate) reordered: bool,
}

impl Wishes {
    pub(crate) fn include(&self, kind: &str) -> bool {
        self.events
            .as_ref()
            .is_none_or(|events| events.contains(kind))
    }
}

/// The destination of a subscription.
#[derive(Debug)]
pub(crate) enum Destination {
    Webhook(Url),
    Queue(StorageQueue),
}

impl Destination {
    pub(crate) fn endpoint(&self) -> Endpoint {
        match self {
            Self::Webhook(_) => Endpoint::Webhook,
            Self::Queue(_) => Endpoint::Resource,
        }
    }

    /// The URL for use in logs.
    pub(crate) fn address(&self) -> String {
        match self {
            Self::Webhook(url) => without_secrets(url.as_str()).into_owned(),
            Self::Queue(queue) => queue.address(),
        }
    }
}

/// A queue, or a webhook that has passed the handshake.
#[derive(Debug)]
pub(crate) struct Subscription {
    pub(crate) name: String,
    pub(crate) destination: Destination,
    pub(crate) wishes: Wishes,
    pub(crate) queue: mpsc::UnboundedSender<Queued>,
}

impl Subscription {
    /// The subscription, in the form that the admin interface lists it.
    pub(crate) fn describe(&self) -> Value {
        let (kind, address) = match &self.destination {
            Destination::Webhook(url) => ("url", url.to_string()),
            Destination::Queue(queue) => ("queue", queue.address()),
        };
        json!({
            "name": self.name,
            kind: address,
            "schema": match self.wishes.schema {
                EventSchema::EventGrid => "event-grid",
                EventSchema::CloudEvents => "cloud-events",
            },
            "events": self.wishes.events,
        })
    }
}

/// A subscription to create. Awaiting it creates the subscription; for a webhook, it performs the
/// handshake first.
#[must_use = "a subscription is only created when this is awaited"]
pub struct NewSubscription<'a> {
    shared: &'a Arc<Shared>,
    /// The URL, or the name of a queue.
    to: String,
    is_queue: bool,
    connection_string: Option<String>,
    wishes: Wishes,
}

impl<'a> NewSubscription<'a> {
    pub(crate) fn webhook(shared: &'a Arc<Shared>, url: &str) -> Self {
        Self::new(shared, url, false)
    }

    pub(crate) fn queue(shared: &'a Arc<Shared>, queue: &str) -> Self {
        Self::new(shared, queue, true)
    }

    fn new(shared: &'a Arc<Shared>, to: &str, is_queue: bool) -> Self {
        Self {
            shared,
            to: to.to_owned(),
            is_queue,
            connection_string: None,
            wishes: Wishes {
                schema: EventSchema::EventGrid,
                events: Some([FILE_STATUS_UPDATED.to_owned()].into()),
                batch: 1,
                duplicates: 0,
                reordered: false,
            },
        }
    }

    /// The connection string of the storage account, for a queue that is given by name:
    /// `AccountName=…;AccountKey=…`, `QueueEndpoint=…;SharedAccessSignature=…`, or
    /// `UseDevelopmentStorage=true` for a local Azurite. Webhooks have no connection string.
    pub fn connection_string(mut self, text: impl Into<String>) -> Self {
        self.connection_string = Some(text.into());
        self
    }

    /// The schema of the events. The default is [`EventSchema::EventGrid`].
    pub fn schema(mut self, schema: EventSchema) -> Self {
        self.wishes.schema = schema;
        self
    }

    /// The event types to deliver, such as `Microsoft.Communication.CallEnded`. The default is
    /// `Microsoft.Communication.RecordingFileStatusUpdated` alone.
    pub fn events<S: AsRef<str>>(mut self, types: impl IntoIterator<Item = S>) -> Self {
        let types = types.into_iter().map(|kind| kind.as_ref().to_owned());
        self.wishes.events = Some(types.collect());
        self
    }

    /// Delivers events of all types.
    pub fn all_events(mut self) -> Self {
        self.wishes.events = None;
        self
    }

    /// Delivers up to `most` events in one request to a webhook. The default is 1. A request is
    /// sent when the batch is full, or one second after its first event. A queue message always
    /// contains one event.
    pub fn batch(mut self, most: usize) -> Self {
        self.wishes.batch = most.max(1);
        self
    }

    /// Delivers each event `extra` additional times with the same id, but at most 1,000 times in
    /// total. The default is 0.
    pub fn duplicates(mut self, extra: u32) -> Self {
        self.wishes.duplicates = extra;
        self
    }

    /// Delivers events in pairs, the later one first. An event waits up to one second for another
    /// one.
    pub fn reordered(mut self) -> Self {
        self.wishes.reordered = true;
        self
    }

    async fn make(self) -> Result<(), Error> {
        let destination = self.destination()?;
        let mut wishes = self.wishes;
        if self.is_queue {
            wishes.batch = 1;
        }
        let (queue, events) = mpsc::unbounded_channel();
        let subscription = Arc::new(Subscription {
            name: format!("ACS-EMULATOR-{}", ids::passing().to_uppercase()),
            destination,
            wishes,
            queue,
        });
        if let Destination::Webhook(url) = &subscription.destination {
            let handshake = match subscription.wishes.schema {
                EventSchema::EventGrid => validate(self.shared, &subscription, url).await,
                EventSchema::CloudEvents => ask(self.shared, url).await,
            };
            handshake.map_err(|reason| Error::Handshake {
                url: without_secrets(&self.to).into_owned(),
                reason,
            })?;
        }
        queue::run(self.shared, &subscription, events);
        self.shared.world().subscriptions.push(subscription);
        Ok(())
    }

    fn destination(&self) -> Result<Destination, Error> {
        let address = || without_secrets(&self.to).into_owned();
        let admin = self.shared.admin;
        if self.is_queue {
            let queue = StorageQueue::new(&self.to, self.connection_string.as_deref(), admin);
            let queue = queue.map_err(|reason| Error::Queue {
                queue: address(),
                reason,
            })?;
            return Ok(Destination::Queue(queue));
        }
        let url = check_url(&self.to, admin).map_err(|reason| Error::WebhookUrl {
            url: address(),
            reason,
        })?;
        Ok(Destination::Webhook(url))
    }
}

impl<'a> IntoFuture for NewSubscription<'a> {
    type Output = Result<(), Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.make())
    }
}

impl fmt::Debug for NewSubscription<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewSubscription")
            .field("to", &without_secrets(&self.to))
            .field("wishes", &self.wishes)
            .finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ValidationAnswer {
    validation_response: String,
}

/// The handshake of the Event Grid schema: the webhook must return a validation code.
async fn validate(shared: &Shared, subscription: &Subscription, url: &Url) -> Result<(), String> {
    let code = ids::passing();
    let event = Event {
        id: ids::passing(),
        kind: "Microsoft.EventGrid.SubscriptionValidationEvent",
        subject: String::new(),
        data: json!({"validationCode": code}),
        data_version: "1",
        time: shared.now(),
    };
    let body = Value::Array(vec![event.in_event_grid_schema(shared)]);
    let response = shared
        .webhooks
        .post(url.clone())
        .headers(queue::headers(subscription, "SubscriptionValidation", 0))
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
    match serde_json::from_slice::<ValidationAnswer>(&body) {
        Ok(response) if response.validation_response == code => Ok(()),
        Ok(_) => Err("the response has a different validation code".to_owned()),
        Err(error) => Err(format!("the response has no validationResponse ({error})")),
    }
}

/// The handshake of the `CloudEvents` webhook specification: the webhook must allow the origin. The
/// status of the response does not matter.
async fn ask(shared: &Shared, url: &Url) -> Result<(), String> {
    let response = shared
        .webhooks
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

pub(super) fn mark(headers: &mut HeaderMap) {
    headers.insert(REQUEST_ORIGIN, ORIGIN);
}
