//! Handles to calls that tests set up.

use std::fmt;
use std::future::{IntoFuture, Ready, ready};
use std::sync::Arc;

use uuid::Uuid;

use super::participant::Participant;
use super::script::Script;
use crate::error::Error;
use crate::redact::without_secrets;
use crate::service::Service;
use crate::service::call::CallIds;
use crate::service::call_setup::CallSetup;
use crate::service::calls::CallKey;
use crate::service::script::CallPlan;

/// A call to set up. Awaiting it returns the connected [`Call`].
#[must_use = "a call is only set up when this is awaited"]
pub struct NewCall<'a> {
    service: &'a Arc<Service>,
    participants: Vec<Participant>,
    ids: CallIds,
    script: Option<Script>,
    callback: Option<String>,
}

impl<'a> NewCall<'a> {
    pub(crate) fn new(service: &'a Arc<Service>, participants: Vec<Participant>) -> Self {
        Self {
            service,
            participants,
            ids: CallIds::default(),
            script: None,
            callback: None,
        }
    }

    /// Sets a script for this call alone. It replaces the script of the emulator.
    pub fn script(mut self, script: Script) -> Self {
        self.script = Some(script);
        self
    }

    /// The address that receives the callbacks of the connection. By default there are none.
    ///
    /// # Errors
    ///
    /// [`Error::WebhookUrl`] unless the address is `https`, or `http` on loopback.
    pub fn callback(mut self, url: impl Into<String>) -> Result<Self, Error> {
        let url = url.into();
        if let Err(reason) = self.service.urls.check(&url) {
            let url = without_secrets(&url).into_owned();
            return Err(Error::WebhookUrl { url, reason });
        }
        self.callback = Some(url);
        Ok(self)
    }

    /// Makes this a group call with this id, which a `groupCallLocator` can refer to.
    pub fn group(mut self, id: Uuid) -> Self {
        self.ids.group = Some(id.to_string());
        self
    }

    /// Makes this a room call with this room id, which a `roomCallLocator` can refer to.
    pub fn room(mut self, id: impl Into<String>) -> Self {
        self.ids.room = Some(id.into());
        self
    }

    fn set_up(self) -> Call {
        let service = self.service;
        let mut state = service.state();
        let participants = self.participants.iter();
        let participants = participants
            .map(|one| (one.name.clone(), state.user(&one.name, service.resource)))
            .collect();
        let setup = CallSetup {
            participants: self.participants.into_iter().map(Into::into).collect(),
            ids: self.ids,
            plan: CallPlan {
                steps: self.script.map(|script| script.steps),
                ..CallPlan::default()
            },
            callback_uri: self.callback,
        };
        let call = service.set_up_call(&mut state, setup);
        Call {
            service: Arc::clone(service),
            key: call.key,
            server_call_id: state.calls.get(call.key).server_call_id.clone(),
            connection_id: call.connection_id,
            participants,
        }
    }
}

impl IntoFuture for NewCall<'_> {
    type Output = Call;
    type IntoFuture = Ready<Call>;

    fn into_future(self) -> Self::IntoFuture {
        ready(self.set_up())
    }
}

impl fmt::Debug for NewCall<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewCall")
            .field("participants", &self.participants)
            .field("ids", &self.ids)
            .finish_non_exhaustive()
    }
}

/// A connected call. Created by [`Emulator::call`](crate::Emulator::call).
///
/// Dropping the handle does not end the call.
pub struct Call {
    service: Arc<Service>,
    key: CallKey,
    server_call_id: String,
    connection_id: String,
    /// Names and raw ids.
    participants: Vec<(String, String)>,
}

impl Call {
    /// The server call id, for use in a `serverCallLocator`.
    pub fn server_call_id(&self) -> &str {
        &self.server_call_id
    }

    /// The id of the application's connection to the call.
    pub fn call_connection_id(&self) -> &str {
        &self.connection_id
    }

    /// The raw id of the participant with this name, such as `8:acs:<resource>_<user>`. `None` if
    /// the call was not set up with a participant of this name.
    pub fn participant(&self, name: &str) -> Option<&str> {
        self.participants
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, raw_id)| raw_id.as_str())
    }

    /// Ends the call for everybody. A recording of the call ends with the reason `CallEnded`.
    /// Calling this again has no effect.
    pub fn hang_up(&self) {
        let mut state = self.service.state();
        let now = state.now;
        self.service.end_call(&mut state, self.key, now);
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("server_call_id", &self.server_call_id)
            .field("call_connection_id", &self.connection_id)
            .field("participants", &self.participants)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Clock, Emulator};
    use std::time::Duration;

    #[tokio::test]
    async fn steps_run_at_the_time_of_the_locked_state() {
        let acs = Emulator::builder()
            .clock(Clock::manual())
            .start()
            .await
            .unwrap();
        let service = &acs.runtime().service;
        // A second thread creates a call. It waits for the lock while the clock advances.
        let guard = service.state();
        let caller = std::thread::spawn({
            let service = Arc::clone(service);
            move || NewCall::new(&service, vec!["alice".into()]).set_up().key
        });
        std::thread::sleep(Duration::from_millis(100));
        acs.clock().advance(Duration::from_secs(10));
        drop(guard);
        let call = caller.join().unwrap();
        let state = service.state();
        let joined_at = state.calls.get(call).participants[0].joined_at;
        let now = acs.clock().now();
        assert_eq!((joined_at, state.now), (now, now));
    }
}
