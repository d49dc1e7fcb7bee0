//! The emulated service: calls, participants and recordings, and each step that changes them.
//!
//! It knows neither HTTP nor JSON nor files. What happens is reported to an
//! [`EventSink`](event::EventSink).

pub(crate) mod call;
mod call_lifecycle;
pub(crate) mod call_setup;
pub(crate) mod calls;
pub(crate) mod clock;
pub(crate) mod connection;
pub(crate) mod disconnect_reason;
pub(crate) mod error;
pub(crate) mod event;
pub(crate) mod ids;
pub(crate) mod incoming_call;
mod notifications;
pub(crate) mod participant;
mod recording_lifecycle;
pub(crate) mod recording_request;
pub(crate) mod recordings;
pub(crate) mod schedule;
pub(crate) mod script;
mod script_runner;
pub(crate) mod state;
pub(crate) mod url_policy;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Notify;
use uuid::Uuid;

use clock::{Clock, after};
use event::{CallChange, CallEvent, CallSummary, EventSink, ServiceEvent};
use script::{ScriptStep, ScriptedCall};
use state::State;
use url_policy::UrlPolicy;

/// The settings of the service.
#[derive(Clone, Debug)]
pub(crate) struct ServiceSettings {
    pub(crate) clock: Clock,
    pub(crate) connect_delay: Duration,
    pub(crate) start_delay: Duration,
    /// How long an ended call is known, and how long a call rings.
    pub(crate) call_retention: Duration,
    /// The steps of calls that have no steps of their own.
    pub(crate) script_steps: Vec<ScriptStep>,
    pub(crate) scripted_calls: Vec<ScriptedCall>,
}

/// The emulated resource: its calls and recordings.
pub(crate) struct Service {
    pub(crate) settings: ServiceSettings,
    pub(crate) resource: Uuid,
    /// The raw id of the application in its own calls.
    pub(crate) application: String,
    pub(crate) urls: UrlPolicy,
    sink: Box<dyn EventSink>,
    state: Mutex<State>,
}

impl Service {
    pub(crate) fn new(
        settings: ServiceSettings,
        resource: Uuid,
        urls: UrlPolicy,
        sink: Box<dyn EventSink>,
    ) -> Self {
        Self {
            settings,
            application: ids::user(resource),
            resource,
            urls,
            sink,
            state: Mutex::default(),
        }
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.settings.clock
    }

    /// Locks the state after running all steps that are due.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        // A panic in another thread leaves no inconsistent state, so poisoning is harmless.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock().now();
        while let Some((at, step)) = state.schedule.due(now) {
            self.run_due(&mut state, at, step);
        }
        self.forget_calls(&mut state, now);
        state.now = now;
        state
    }

    /// Ends calls that have been ringing for too long, and forgets those that ended long ago.
    fn forget_calls(&self, state: &mut State, now: Timestamp) {
        let retention = self.settings.call_retention;
        let limit = now.checked_sub(retention).unwrap_or(Timestamp::MIN);
        while state.rung.front().is_some_and(|(at, _)| *at < limit) {
            let rung = state.rung.pop_front();
            let context = rung.map(|(_, context)| context).unwrap_or_default();
            if let Some(ringing) = state.ringing.get(&context)
                && !ringing.answered
            {
                let call = ringing.call;
                state.ringing.remove(&context);
                self.end_call(state, call, now);
            }
        }
        for (key, call) in state.calls.remove_ended(limit) {
            state.ringing.retain(|_, ringing| ringing.call != key);
            self.emit(ServiceEvent::Call(CallEvent {
                call: CallSummary::from(&call),
                change: CallChange::Removed,
                at: now,
            }));
        }
    }

    /// Runs all steps that are due. Returns the time of the next one, and what is notified when
    /// another step is added.
    pub(crate) fn run_until_now(&self) -> (Option<Timestamp>, Arc<Notify>) {
        let state = self.state();
        (state.schedule.next(), state.schedule.changed())
    }

    /// When a call, or a participant who was added now, is connected.
    pub(crate) fn connects_at(&self, now: Timestamp) -> Timestamp {
        after(now, self.settings.connect_delay)
    }

    fn emit(&self, event: ServiceEvent) {
        self.sink.emit(event);
    }
}
