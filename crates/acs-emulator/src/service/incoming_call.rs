//! Calls to the application.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;

use super::Service;
use super::call::CallIds;
use super::calls::CallKey;
use super::connection::ConnectionProperties;
use super::error::ServiceError;
use super::event::CallChange;
use super::ids;
use super::participant::NewParticipant;
use super::script::CallPlan;
use super::state::{RingingCall, State};
use crate::media::Voice;

/// The ids of a call to the application.
#[derive(Clone, Debug)]
pub(crate) struct IncomingCallIds {
    pub(crate) call: CallKey,
    /// The `incomingCallContext` with which the application answers the call.
    pub(crate) context: String,
    pub(crate) server_call_id: String,
}

impl Service {
    /// Calls the application.
    pub(crate) fn incoming_call(
        &self,
        state: &mut State,
        caller: NewParticipant,
        plan: CallPlan,
    ) -> IncomingCallIds {
        let now = state.now;
        let call = self.create_call(state, CallIds::default(), plan, now);
        let raw_id = state.user(&caller.name, self.resource);
        let context = self.raise_incoming_call(state, call, vec![(raw_id, caller.voice)], now);
        IncomingCallIds {
            call,
            context,
            server_call_id: state.calls.get(call).server_call_id.clone(),
        }
    }

    /// Lets a call ring. Returns the context with which it can be answered.
    pub(super) fn raise_incoming_call(
        &self,
        state: &mut State,
        call: CallKey,
        callers: Vec<(String, Option<Arc<Voice>>)>,
        at: Timestamp,
    ) -> String {
        let server_call_id = &state.calls.get(call).server_call_id;
        let caller = callers.first().map(|(raw_id, _)| raw_id.clone());
        let context = STANDARD.encode(format!(
            r#"{{"ring":"{}","serverCallId":"{server_call_id}"}}"#,
            ids::new_id()
        ));
        let change = CallChange::Ringing {
            caller: caller.unwrap_or_default(),
            recipient: self.application.clone(),
            context: context.clone(),
        };
        self.call_changed(state, call, change, at);
        let ringing = RingingCall {
            call,
            callers,
            answered: false,
        };
        state.ringing.insert(context.clone(), ringing);
        state.rung.push_back((at, context.clone()));
        context
    }

    /// Answers a ringing call. A call can be answered once. Returns the id of the connection, or
    /// `None` if no ringing call has this `context`.
    pub(crate) fn answer_incoming_call(
        &self,
        context: &str,
        properties: &ConnectionProperties,
    ) -> Result<Option<String>, ServiceError> {
        let mut state = self.state();
        let State { ringing, calls, .. } = &mut *state;
        let Some(ringing) = ringing.get_mut(context) else {
            return Ok(None);
        };
        if ringing.answered || calls.get(ringing.call).is_over() {
            return Err(ServiceError::CallNotFound);
        }
        ringing.answered = true;
        let call = ringing.call;
        let callers = std::mem::take(&mut ringing.callers);
        let properties = ConnectionProperties {
            source: callers.first().map(|(raw_id, _)| raw_id.clone()),
            ..properties.clone()
        };
        let at = self.connects_at(state.now);
        let id = state.connect(call, properties, at);
        for (raw_id, voice) in callers {
            state.join(call, &raw_id, (voice, None), at);
        }
        Ok(Some(id))
    }
}
