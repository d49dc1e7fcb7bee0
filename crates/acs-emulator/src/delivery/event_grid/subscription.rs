//! Event Grid subscriptions: the destination and the selected events.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::event::QueuedEvent;
use super::retry::Endpoint;
use super::storage_queue::StorageQueue;
use crate::redact::without_secrets;

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
pub(crate) struct SubscriptionOptions {
    pub(crate) schema: EventSchema,
    /// `None` selects all types.
    pub(crate) events: Option<BTreeSet<String>>,
    pub(crate) batch: usize,
    pub(crate) duplicates: u32,
    pub(crate) reordered: bool,
}

impl SubscriptionOptions {
    pub(crate) fn include(&self, kind: &str) -> bool {
        self.events
            .as_ref()
            .is_none_or(|events| events.contains(kind))
    }
}

/// The destination of a subscription.
#[derive(Clone, Debug)]
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

/// A queue or a webhook. Events are delivered once the webhook has passed the handshake.
#[derive(Debug)]
pub(crate) struct Subscription {
    pub(crate) name: String,
    pub(crate) created_at: Timestamp,
    pub(crate) destination: Destination,
    pub(crate) options: SubscriptionOptions,
    pub(crate) queue: mpsc::UnboundedSender<QueuedEvent>,
    /// Cancelled when the subscription is deleted. Stops its deliveries.
    pub(crate) deleted: CancellationToken,
    pub(super) handshake: Mutex<Handshake>,
}

/// The state of the handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Handshake {
    /// Passed, or not required.
    Passed,
    /// With the reason why the last attempt failed.
    Pending(Option<String>),
}

impl Subscription {
    /// The state of the handshake.
    pub(crate) fn handshake(&self) -> Handshake {
        self.lock().clone()
    }

    pub(super) fn set_handshake(&self, state: Handshake) {
        *self.lock() = state;
    }

    fn lock(&self) -> MutexGuard<'_, Handshake> {
        self.handshake
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
