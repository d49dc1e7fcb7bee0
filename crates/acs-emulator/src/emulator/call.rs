//! Handles to calls that tests set up.

use std::fmt;
use std::future::{IntoFuture, Ready, ready};
use std::sync::Arc;

use uuid::Uuid;

use crate::emulator::participant::Participant;
use crate::error::Error;
use crate::redact::without_secrets;
use crate::service::calls::{Addresses, CallKey, Terms};
use crate::service::script::Script;
use crate::service::state::Shared;
use crate::service::url_policy::check_url;
use crate::wire::identifier;

/// A call to set up. Awaiting it returns the connected [`Call`].
#[must_use = "a call is only set up when this is awaited"]
pub struct NewCall<'a> {
    shared: &'a Arc<Shared>,
    participants: Vec<Participant>,
    addresses: Addresses,
    script: Option<Script>,
    callback: Option<String>,
}

impl<'a> NewCall<'a> {
    pub(crate) fn new(shared: &'a Arc<Shared>, participants: Vec<Participant>) -> Self {
        Self {
            shared,
            participants,
            addresses: Addresses::default(),
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
        if let Err(reason) = check_url(&url, self.shared.admin) {
            let url = without_secrets(&url).into_owned();
            return Err(Error::WebhookUrl { url, reason });
        }
        self.callback = Some(url);
        Ok(self)
    }

    /// Makes this a group call with this id, which a `groupCallLocator` can refer to.
    pub fn group(mut self, id: Uuid) -> Self {
        self.addresses.group = Some(id.to_string());
        self
    }

    /// Makes this a room call with this room id, which a `roomCallLocator` can refer to.
    pub fn room(mut self, id: impl Into<String>) -> Self {
        self.addresses.room = Some(id.into());
        self
    }

    fn set_up(self) -> Call {
        let shared = self.shared;
        let mut world = shared.world();
        let now = world.now;
        let script = self.script.map(|script| script.steps);
        let key = shared.create_call(&mut world, self.addresses, script, now);
        let people: Vec<_> = self
            .participants
            .iter()
            .map(|participant| {
                let raw_id = world.user(&participant.name, shared.resource);
                (participant.name.clone(), raw_id)
            })
            .collect();
        let terms = Terms {
            source: Some(identifier::model(&shared.application)),
            source_display_name: Some(String::new()),
            targets: people
                .iter()
                .map(|(_, raw_id)| identifier::model(raw_id))
                .collect(),
            callback_uri: self.callback,
            ..Terms::default()
        };
        let connection_id = world.connect(key, terms, now);
        for (participant, (_, raw_id)) in self.participants.into_iter().zip(&people) {
            world.join(key, raw_id, (participant.voice, None), now);
        }
        Call {
            shared: Arc::clone(shared),
            key,
            server_call_id: world.calls.get(key).server_call_id.clone(),
            connection_id,
            people,
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
            .field("addresses", &self.addresses)
            .finish_non_exhaustive()
    }
}

/// A connected call. Created by [`Emulator::call`](crate::Emulator::call).
///
/// Dropping the handle does not end the call.
pub struct Call {
    shared: Arc<Shared>,
    key: CallKey,
    server_call_id: String,
    connection_id: String,
    people: Vec<(String, String)>,
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
        self.people
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, raw_id)| raw_id.as_str())
    }

    /// Ends the call for everybody. A recording of the call ends with the reason `CallEnded`.
    /// Calling this again has no effect.
    pub fn hang_up(&self) {
        let mut world = self.shared.world();
        let now = world.now;
        self.shared.end_call(&mut world, self.key, now);
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("server_call_id", &self.server_call_id)
            .field("call_connection_id", &self.connection_id)
            .field("people", &self.people)
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
        let shared = acs.shared();
        // A second thread creates a call. It waits for the lock while the clock advances.
        let guard = shared.world();
        let caller = std::thread::spawn({
            let shared = Arc::clone(shared);
            move || NewCall::new(&shared, vec!["alice".into()]).set_up().key
        });
        std::thread::sleep(Duration::from_millis(100));
        acs.clock().advance(Duration::from_secs(10));
        drop(guard);
        let call = caller.join().unwrap();
        let world = shared.world();
        let joined_at = world.calls.get(call).members[0].joined_at;
        assert_eq!((joined_at, world.now), (shared.now(), shared.now()));
    }
}
