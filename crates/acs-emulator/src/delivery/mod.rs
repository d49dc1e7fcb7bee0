//! Callbacks and Event Grid events, from an event of the service to an accepted request.

pub(crate) mod callback_events;
mod callbacks;
pub(crate) mod context;
pub(crate) mod delivery_log;
pub(crate) mod event_grid;
mod http_client;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use callbacks::CallbackQueue;
use context::DeliveryContext;
use delivery_log::{DeliveryRecord, DeliveryState, Message};
use event_grid::call_events;
use event_grid::deliver::{self, copies};
use event_grid::event::{Event, QueuedEvent};
use event_grid::prepared_subscription::PreparedSubscription;
use event_grid::subscription::Subscription;

use crate::activity::Change;
use crate::faults::Operation;
use crate::service::event::ServiceEvent;

pub(crate) use http_client::http_client;

/// Why an event cannot be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResendError {
    /// No subscription selects it.
    Unsubscribed,
    /// Its subscription was deleted.
    Deleted,
    /// An attempt is being made.
    Underway,
}

/// Delivers callbacks to applications, and events to subscriptions.
pub(crate) struct Delivery {
    pub(crate) context: Arc<DeliveryContext>,
    subscriptions: Mutex<Vec<Arc<Subscription>>>,
    callbacks: CallbackQueue,
}

impl Delivery {
    pub(crate) fn new(context: DeliveryContext) -> Self {
        let context = Arc::new(context);
        Self {
            callbacks: CallbackQueue::new(&context),
            context,
            subscriptions: Mutex::default(),
        }
    }

    /// Delivers what an event of the service requires. Does not wait.
    pub(crate) fn dispatch(&self, event: &ServiceEvent) {
        match event {
            ServiceEvent::Callback(callback) => self.callbacks.send(callback),
            ServiceEvent::Call(event) => {
                if let Some(event) = call_events::event(event) {
                    self.publish(event);
                }
            }
            // Published when the files are available.
            ServiceEvent::Recording(_) => {}
        }
    }

    /// Sends an event to all subscriptions to its type.
    pub(crate) fn publish(&self, event: Event) {
        let subscriptions = self.subscriptions();
        let matches = |one: &&Arc<Subscription>| one.options.include(event.kind);
        let matching: Vec<_> = subscriptions.iter().filter(matches).collect();
        // An event without subscribers must not use up a fault.
        if matching.is_empty() {
            let (kind, subject) = (event.kind, event.subject.as_str());
            tracing::info!(kind, subject, "event without a subscription");
            self.context.log.add_event(&Arc::new(event), None, 1);
            return;
        }
        let fault = self
            .context
            .faults
            .next_for(Operation::Event, &event.subject);
        let fault = fault.map(|applied| Arc::new(applied.fault));
        let event = Arc::new(event);
        for subscription in matching {
            let copies = copies(subscription, fault.as_deref());
            let delivery = self
                .context
                .log
                .add_event(&event, Some(subscription), copies);
            // The receiver is dropped when the emulator stops.
            let _ = subscription.queue.send(QueuedEvent {
                event: Arc::clone(&event),
                fault: fault.clone(),
                delivery,
            });
        }
    }

    /// Adds a subscription, which receives the events from now on.
    pub(crate) fn add_subscription(&self, prepared: PreparedSubscription) -> Arc<Subscription> {
        let mut subscriptions = self.subscriptions();
        let subscription = prepared.start(&self.context);
        subscriptions.push(Arc::clone(&subscription));
        self.context.activity.changed(Change::Subscription {
            id: subscription.name.clone(),
            removed: false,
        });
        subscription
    }

    /// Deletes a subscription, and discards the events that were not delivered to it. Returns
    /// whether it existed.
    pub(crate) fn delete_subscription(&self, name: &str) -> bool {
        let mut subscriptions = self.subscriptions();
        let Some(index) = subscriptions.iter().position(|one| one.name == name) else {
            return false;
        };
        subscriptions.remove(index).deleted.cancel();
        self.context.log.discard(name);
        self.context.activity.changed(Change::Subscription {
            id: name.to_owned(),
            removed: true,
        });
        true
    }

    /// Discards everything that was not delivered, and the subscriptions too unless they are kept.
    /// Background tasks must have been reset.
    pub(crate) fn reset(&self, keep_subscriptions: bool) {
        self.callbacks.restart(&self.context);
        let mut subscriptions = self.subscriptions();
        for subscription in std::mem::take(&mut *subscriptions) {
            subscription.deleted.cancel();
            if keep_subscriptions {
                let renewed = PreparedSubscription::renewed(&subscription);
                subscriptions.push(renewed.start(&self.context));
            }
        }
        self.context.log.clear();
    }

    /// Sends an event again, now. The event has the same id. Events that no subscription selected are
    /// sent to those that select them now.
    pub(crate) fn resend(&self, delivery: &DeliveryRecord) -> Result<(), ResendError> {
        match &delivery.message {
            Message::Callback(callback) => {
                self.callbacks.resend(Arc::clone(callback), delivery.id);
                Ok(())
            }
            Message::Event(event, _) if delivery.state == DeliveryState::Unsubscribed => {
                if !self
                    .subscriptions()
                    .iter()
                    .any(|one| one.options.include(event.kind))
                {
                    return Err(ResendError::Unsubscribed);
                }
                self.publish(Event::clone(event));
                Ok(())
            }
            Message::Event(event, _) => {
                let subscriptions = self.subscriptions();
                let name = delivery.subscription.as_deref();
                let subscription = subscriptions.iter().find(|one| Some(&*one.name) == name);
                let subscription = subscription.ok_or(ResendError::Deleted)?;
                match delivery.state {
                    DeliveryState::Queued | DeliveryState::Sending => {
                        return Err(ResendError::Underway);
                    }
                    _ if self.context.log.wake(delivery.id) => {}
                    _ => {
                        let event = QueuedEvent {
                            event: Arc::clone(event),
                            fault: None,
                            delivery: delivery.id,
                        };
                        deliver::resend(&self.context, subscription, event);
                    }
                }
                Ok(())
            }
        }
    }

    /// All subscriptions, in the order in which they were added.
    pub(crate) fn subscriptions(&self) -> MutexGuard<'_, Vec<Arc<Subscription>>> {
        // No operation leaves the list in an inconsistent state, so a panic in another thread is
        // harmless.
        let subscriptions = self.subscriptions.lock();
        subscriptions.unwrap_or_else(PoisonError::into_inner)
    }
}
