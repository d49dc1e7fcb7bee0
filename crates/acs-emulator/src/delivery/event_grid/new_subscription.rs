//! Creation of subscriptions.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;

use super::event::FILE_STATUS_UPDATED;
use super::prepared_subscription::{PreparedSubscription, handshake};
use super::storage_queue::StorageQueue;
use super::subscription::{Destination, EventSchema, Handshake, SubscriptionOptions};
use crate::delivery::Delivery;
use crate::error::Error;
use crate::redact::without_secrets;
use crate::service::ids;

/// A subscription to create. Awaiting it creates the subscription; for a webhook, it performs the
/// handshake first.
#[must_use = "a subscription is only created when this is awaited"]
pub struct NewSubscription<'a> {
    delivery: &'a Arc<Delivery>,
    /// The URL, or the name of a queue.
    to: String,
    is_queue: bool,
    connection_string: Option<String>,
    options: SubscriptionOptions,
    retries_handshake: bool,
}

impl<'a> NewSubscription<'a> {
    pub(crate) fn webhook(delivery: &'a Arc<Delivery>, url: &str) -> Self {
        Self::new(delivery, url, false)
    }

    pub(crate) fn queue(delivery: &'a Arc<Delivery>, queue: &str) -> Self {
        Self::new(delivery, queue, true)
    }

    fn new(delivery: &'a Arc<Delivery>, to: &str, is_queue: bool) -> Self {
        Self {
            delivery,
            to: to.to_owned(),
            is_queue,
            connection_string: None,
            options: SubscriptionOptions {
                schema: EventSchema::EventGrid,
                events: Some([FILE_STATUS_UPDATED.to_owned()].into()),
                batch: 1,
                duplicates: 0,
                reordered: false,
            },
            retries_handshake: false,
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
        self.options.schema = schema;
        self
    }

    /// The event types to deliver, such as `Microsoft.Communication.CallEnded`. The default is
    /// `Microsoft.Communication.RecordingFileStatusUpdated` alone.
    pub fn events<S: AsRef<str>>(mut self, types: impl IntoIterator<Item = S>) -> Self {
        let types = types.into_iter().map(|kind| kind.as_ref().to_owned());
        self.options.events = Some(types.collect());
        self
    }

    /// Delivers events of all types.
    pub fn all_events(mut self) -> Self {
        self.options.events = None;
        self
    }

    /// Delivers up to `most` events in one request to a webhook. The default is 1. A request is
    /// sent when the batch is full, or one second after its first event. A queue message always
    /// contains one event.
    pub fn batch(mut self, most: usize) -> Self {
        self.options.batch = most.max(1);
        self
    }

    /// Delivers each event `extra` additional times with the same id, but at most 1,000 times in
    /// total. The default is 0.
    pub fn duplicates(mut self, extra: u32) -> Self {
        self.options.duplicates = extra;
        self
    }

    /// Delivers events in pairs, the later one first. An event waits up to one second for another
    /// one.
    pub fn reordered(mut self) -> Self {
        self.options.reordered = true;
        self
    }

    /// Subscribes a webhook before it has passed the handshake, which is retried in the background
    /// until it succeeds: after half a second, then less and less often, and at least every 10
    /// seconds. Events are kept until then, but at most 10,000 of them; the oldest are dropped first.
    /// By default, a failed handshake is an error.
    pub fn retry_handshake(mut self) -> Self {
        self.retries_handshake = true;
        self
    }

    /// Checks the options and performs the handshake, unless it is to be retried. The subscription must
    /// then be added to the [`Delivery`].
    pub(crate) async fn prepare(self) -> Result<PreparedSubscription, Error> {
        let destination = self.destination()?;
        let context = &self.delivery.context;
        let mut options = self.options;
        if self.is_queue {
            options.batch = 1;
        }
        let name = format!("ACS-EMULATOR-{}", ids::random_id().to_uppercase());
        let prepared = PreparedSubscription::new(name, destination, options, context.clock.now());
        let subscription = &prepared.subscription;
        if !self.retries_handshake {
            let passed = handshake(context, subscription).await;
            passed.map_err(|reason| Error::Handshake {
                url: without_secrets(&self.to).into_owned(),
                reason,
            })?;
            subscription.set_handshake(Handshake::Passed);
        }
        Ok(prepared)
    }

    fn destination(&self) -> Result<Destination, Error> {
        let address = || without_secrets(&self.to).into_owned();
        let urls = self.delivery.context.urls;
        if self.is_queue {
            let queue = StorageQueue::new(&self.to, self.connection_string.as_deref(), urls);
            let queue = queue.map_err(|reason| Error::Queue {
                queue: address(),
                reason,
            })?;
            return Ok(Destination::Queue(queue));
        }
        let url = urls.check(&self.to).map_err(|reason| Error::WebhookUrl {
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
        Box::pin(async move {
            let delivery = self.delivery;
            delivery.add_subscription(self.prepare().await?);
            Ok(())
        })
    }
}

impl fmt::Debug for NewSubscription<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewSubscription")
            .field("to", &without_secrets(&self.to))
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
