//! Calls that are not made by the application: calls to the application, and calls of a script.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::json;

use crate::delivery::event_grid::event::{Event, publish};
use crate::emulator::participant::Participant;
use crate::media::Voice;
use crate::service::calls::{Addresses, CallKey, Terms};
use crate::service::clock::after;
use crate::service::error::Refusal;
use crate::service::ids;
use crate::service::schedule::Step;
use crate::service::state::{Shared, World};
use crate::wire::identifier::model;

/// A ringing call.
pub(crate) struct Incoming {
    call: CallKey,
    callers: Vec<(String, Option<Arc<Voice>>)>,
    answered: bool,
}

/// A call to the application. Created by
/// [`Emulator::incoming_call`](crate::Emulator::incoming_call).
#[derive(Clone, Debug)]
pub struct IncomingCall {
    context: String,
    server_call_id: String,
}

impl IncomingCall {
    /// The `incomingCallContext` with which the application answers the call.
    pub fn context(&self) -> &str {
        &self.context
    }

    /// The server call id. It stays the same after the call is answered.
    pub fn server_call_id(&self) -> &str {
        &self.server_call_id
    }
}

impl Shared {
    /// Schedules the calls of the script.
    pub(crate) fn begin_script(&self) {
        let mut world = self.world();
        let now = world.now;
        for (number, call) in self.settings.script.calls.iter().enumerate() {
            let at = after(now, Duration::from_millis(call.at_ms));
            world.agenda.add(at, Step::Begin(number));
        }
    }

    pub(crate) fn begin(&self, world: &mut World, number: usize, at: Timestamp) {
        let Some(scripted) = self.settings.script.calls.get(number) else {
            return;
        };
        let addresses = Addresses {
            group: scripted.group.map(|id| id.to_string()),
            room: scripted.room.clone(),
        };
        let call = self.create_call(world, addresses, scripted.steps.clone(), at);
        let people: Vec<_> = scripted
            .participants
            .iter()
            .map(|name| world.user(name, self.resource))
            .collect();
        if scripted.ring {
            let callers = people.into_iter().map(|raw_id| (raw_id, None)).collect();
            self.ring(world, call, callers, at);
            return;
        }
        world.calls.get_mut(call).begin(at);
        for raw_id in people {
            world.join(call, &raw_id, (None, None), at);
        }
        self.started(world, call, at);
    }

    /// Calls the application.
    pub(crate) fn ring_as(&self, caller: Participant) -> IncomingCall {
        let mut world = self.world();
        let now = world.now;
        let call = self.create_call(&mut world, Addresses::default(), None, now);
        let raw_id = world.user(&caller.name, self.resource);
        let context = self.ring(&mut world, call, vec![(raw_id, caller.voice)], now);
        IncomingCall {
            context,
            server_call_id: world.calls.get(call).server_call_id.clone(),
        }
    }

    fn ring(
        &self,
        world: &mut World,
        call: CallKey,
        callers: Vec<(String, Option<Arc<Voice>>)>,
        at: Timestamp,
    ) -> String {
        let state = world.calls.get(call);
        let caller = callers.first().map(|(raw_id, _)| raw_id.clone());
        let caller = caller.unwrap_or_default();
        let context = STANDARD.encode(
            json!({"ring": ids::fresh(), "serverCallId": state.server_call_id}).to_string(),
        );
        let event = Event::new(
            "Microsoft.Communication.IncomingCall",
            format!("/caller/{caller}/recipient/{}", self.application),
            json!({
                "to": model(&self.application),
                "from": model(&caller),
                "serverCallId": state.server_call_id,
                "callerDisplayName": "",
                "incomingCallContext": context,
                "correlationId": state.correlation_id,
            }),
            at,
        );
        publish(self, &world.subscriptions, event);
        let incoming = Incoming {
            call,
            callers,
            answered: false,
        };
        world.incoming.insert(context.clone(), incoming);
        context
    }

    /// Answers a ringing call. A call can be answered once. Returns `None` if no ringing call has
    /// this `context`.
    pub(crate) fn pick_up(&self, context: &str, terms: &Terms) -> Result<Option<String>, Refusal> {
        let mut world = self.world();
        let Some(incoming) = world.incoming.get_mut(context) else {
            return Ok(None);
        };
        if incoming.answered {
            return Err(Refusal::CallNotFound);
        }
        incoming.answered = true;
        let call = incoming.call;
        let callers = std::mem::take(&mut incoming.callers);
        let terms = Terms {
            source: callers.first().map(|(raw_id, _)| model(raw_id)),
            ..terms.clone()
        };
        let at = after(world.now, self.settings.connect_delay);
        let id = world.connect(call, terms, at);
        for (raw_id, voice) in callers {
            world.join(call, &raw_id, (voice, None), at);
        }
        Ok(Some(id))
    }
}
