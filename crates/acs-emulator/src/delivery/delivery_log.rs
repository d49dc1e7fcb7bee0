//! The latest deliveries: what was or will be sent to whom, and all attempts.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::StatusCode;
use jiff::Timestamp;
use tokio::sync::Notify;
use uuid::Uuid;

use super::callback_events::CallbackRequest;
use super::event_grid::event::Event;
use super::event_grid::subscription::{EventSchema, Subscription};
use crate::activity::{ActivityLog, Change, Channel};
use crate::redact::without_secrets;

/// The number of deliveries that are kept.
const KEPT: usize = 1_000;
/// The number of attempts of one delivery that are kept.
const KEPT_ATTEMPTS: usize = 50;

/// An event on its way to one destination.
#[derive(Clone, Debug)]
pub(crate) struct DeliveryRecord {
    /// Later deliveries have greater ids.
    pub(crate) id: u64,
    pub(crate) message: Message,
    pub(crate) state: DeliveryState,
    /// The subscription, for Event Grid.
    pub(crate) subscription: Option<String>,
    /// Without secrets.
    pub(crate) destination: Option<String>,
    /// How often each attempt is sent.
    pub(crate) copies: u32,
    /// The latest attempts, oldest first.
    pub(crate) attempts: VecDeque<AttemptRecord>,
    pub(crate) next_attempt_at: Option<Timestamp>,
    /// Ends the time until the next attempt.
    wake: Option<Arc<Notify>>,
}

/// What is delivered.
#[derive(Clone, Debug)]
pub(crate) enum Message {
    Event(Arc<Event>, EventSchema),
    Callback(Arc<CallbackRequest>),
}

impl Message {
    pub(crate) fn channel(&self) -> Channel {
        match self {
            Self::Event(..) => Channel::EventGrid,
            Self::Callback(_) => Channel::Callback,
        }
    }

    /// The call that the message is about, if any.
    pub(crate) fn call(&self) -> Option<Uuid> {
        match self {
            Self::Event(event, _) => event.call,
            Self::Callback(callback) => Some(callback.call),
        }
    }

    /// The recording that the message is about, if any.
    pub(crate) fn recording(&self) -> Option<&str> {
        match self {
            Self::Event(event, _) => event.recording.as_deref(),
            Self::Callback(callback) => callback.recording.as_deref(),
        }
    }
}

/// The state of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeliveryState {
    Queued,
    Sending,
    Retrying,
    Delivered,
    Dropped,
    Expired,
    /// Its subscription was deleted.
    Discarded,
    /// No subscription selects the event.
    Unsubscribed,
}

impl DeliveryState {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sending => "sending",
            Self::Retrying => "retrying",
            Self::Delivered => "delivered",
            Self::Dropped => "dropped",
            Self::Expired => "expired",
            Self::Discarded => "discarded",
            Self::Unsubscribed => "unsubscribed",
        }
    }
}

/// An attempt to deliver an event.
#[derive(Clone, Debug)]
pub(crate) struct AttemptRecord {
    /// Counted from 1.
    pub(crate) number: usize,
    pub(crate) at: Timestamp,
    pub(crate) status: Option<StatusCode>,
    pub(crate) error: Option<String>,
    /// In real time.
    pub(crate) duration: Duration,
    /// Whether the attempt was asked for.
    pub(crate) resend: bool,
}

/// The latest deliveries. Oldest first.
pub(crate) struct DeliveryLog {
    activity: ActivityLog,
    deliveries: Mutex<Deliveries>,
}

#[derive(Default)]
struct Deliveries {
    last_id: u64,
    kept: VecDeque<DeliveryRecord>,
}

impl DeliveryLog {
    pub(crate) fn new(activity: ActivityLog) -> Self {
        Self {
            activity,
            deliveries: Mutex::default(),
        }
    }

    /// Keeps an event for a subscription, or one that no subscription selects. Returns the id.
    pub(super) fn add_event(
        &self,
        event: &Arc<Event>,
        to: Option<&Subscription>,
        copies: u32,
    ) -> u64 {
        let schema = to.map_or(EventSchema::EventGrid, |to| to.options.schema);
        self.add(DeliveryRecord {
            id: 0,
            message: Message::Event(Arc::clone(event), schema),
            state: if to.is_some() {
                DeliveryState::Queued
            } else {
                DeliveryState::Unsubscribed
            },
            subscription: to.map(|to| to.name.clone()),
            destination: to.map(|to| to.destination.address()),
            copies,
            attempts: VecDeque::new(),
            next_attempt_at: None,
            wake: None,
        })
    }

    /// Keeps a callback and returns the id.
    pub(super) fn add_callback(&self, callback: &Arc<CallbackRequest>) -> u64 {
        self.add(DeliveryRecord {
            id: 0,
            message: Message::Callback(Arc::clone(callback)),
            state: DeliveryState::Queued,
            subscription: None,
            destination: Some(without_secrets(&callback.url).into_owned()),
            copies: 1,
            attempts: VecDeque::new(),
            next_attempt_at: None,
            wake: None,
        })
    }

    fn add(&self, mut delivery: DeliveryRecord) -> u64 {
        let mut deliveries = self.deliveries();
        deliveries.last_id += 1;
        delivery.id = deliveries.last_id;
        let (id, state) = (delivery.id, delivery.state.as_str());
        if deliveries.kept.len() == KEPT {
            deliveries.kept.pop_front();
        }
        deliveries.kept.push_back(delivery);
        self.activity.changed(Change::Delivery { id, state });
        id
    }

    /// Notes that requests with these deliveries are sent. `wake` ends the time until the next attempt.
    pub(super) fn sending(&self, ids: &[u64], wake: Option<&Arc<Notify>>) {
        self.update(ids, |delivery| {
            delivery.state = DeliveryState::Sending;
            delivery.next_attempt_at = None;
            delivery.wake = wake.cloned();
        });
    }

    /// Notes an attempt, whose number is set here.
    pub(super) fn attempted(
        &self,
        ids: &[u64],
        attempt: &AttemptRecord,
        state: DeliveryState,
        next_attempt_at: Option<Timestamp>,
    ) {
        self.update(ids, |delivery| {
            let number = delivery.attempts.back().map_or(1, |last| last.number + 1);
            if delivery.attempts.len() == KEPT_ATTEMPTS {
                delivery.attempts.pop_front();
            }
            delivery.attempts.push_back(AttemptRecord {
                number,
                ..attempt.clone()
            });
            delivery.state = state;
            delivery.next_attempt_at = next_attempt_at;
        });
    }

    pub(super) fn set_state(&self, ids: &[u64], state: DeliveryState) {
        self.update(ids, |delivery| {
            delivery.state = state;
            delivery.next_attempt_at = None;
            delivery.wake = None;
        });
    }

    /// Notes that the events that were not delivered to a subscription never will be.
    pub(super) fn discard(&self, subscription: &str) {
        use DeliveryState as S;
        let is_open = |state| matches!(state, S::Queued | S::Sending | S::Retrying);
        let deliveries = self.deliveries();
        let of_it = deliveries
            .kept
            .iter()
            .filter(|one| one.subscription.as_deref() == Some(subscription) && is_open(one.state));
        let ids: Vec<u64> = of_it.map(|one| one.id).collect();
        drop(deliveries);
        self.set_state(&ids, S::Discarded);
    }

    fn update(&self, ids: &[u64], change: impl Fn(&mut DeliveryRecord)) {
        let mut deliveries = self.deliveries();
        for id in ids {
            let Ok(index) = deliveries.kept.binary_search_by_key(id, |one| one.id) else {
                continue; // no longer kept
            };
            let delivery = &mut deliveries.kept[index];
            change(delivery);
            self.activity.changed(Change::Delivery {
                id: *id,
                state: delivery.state.as_str(),
            });
        }
    }

    /// The deliveries that are kept, oldest first.
    pub(crate) fn list(&self) -> Vec<DeliveryRecord> {
        self.deliveries().kept.iter().cloned().collect()
    }

    pub(crate) fn get(&self, id: u64) -> Option<DeliveryRecord> {
        let deliveries = self.deliveries();
        let index = deliveries.kept.binary_search_by_key(&id, |one| one.id);
        Some(deliveries.kept.get(index.ok()?)?.clone())
    }

    /// Makes the next attempt of a delivery now. Returns whether it was waiting for it.
    pub(super) fn wake(&self, id: u64) -> bool {
        let delivery = self.get(id);
        let waiting = delivery.filter(|one| one.state == DeliveryState::Retrying);
        let wake = waiting.and_then(|one| one.wake);
        wake.inspect(|wake| wake.notify_one()).is_some()
    }

    /// Forgets all deliveries.
    pub(crate) fn clear(&self) {
        self.deliveries().kept.clear();
    }

    /// No operation leaves the list in an inconsistent state, so a panic in another thread is
    /// harmless.
    fn deliveries(&self) -> MutexGuard<'_, Deliveries> {
        self.deliveries
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
