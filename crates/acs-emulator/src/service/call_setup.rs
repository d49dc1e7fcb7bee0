//! Calls that are set up without a request of the application.

use super::Service;
use super::call::CallIds;
use super::calls::CallKey;
use super::connection::ConnectionProperties;
use super::participant::NewParticipant;
use super::script::CallPlan;
use super::state::State;

/// A connected call to set up.
#[derive(Clone, Debug, Default)]
pub(crate) struct CallSetup {
    pub(crate) participants: Vec<NewParticipant>,
    pub(crate) ids: CallIds,
    pub(crate) plan: CallPlan,
    /// The address that receives the callbacks of the connection. The caller has checked it.
    pub(crate) callback_uri: Option<String>,
}

/// A call that was set up.
pub(crate) struct SetUpCall {
    pub(crate) key: CallKey,
    pub(crate) connection_id: String,
}

impl Service {
    /// Sets up a call that the application is connected to. All participants join immediately.
    pub(crate) fn set_up_call(&self, state: &mut State, setup: CallSetup) -> SetUpCall {
        let now = state.now;
        let key = self.create_call(state, setup.ids, setup.plan, now);
        let targets: Vec<_> = setup
            .participants
            .iter()
            .map(|one| state.user(&one.name, self.resource))
            .collect();
        let properties = ConnectionProperties {
            source: Some(self.application.clone()),
            source_display_name: Some(String::new()),
            targets: targets.clone(),
            callback_uri: setup.callback_uri,
            ..ConnectionProperties::default()
        };
        let connection_id = state.connect(key, properties, now);
        for (participant, raw_id) in setup.participants.into_iter().zip(&targets) {
            state.join(key, raw_id, (participant.voice, None), now);
        }
        SetUpCall { key, connection_id }
    }
}
