//! Waiting until a call is connected.

use std::time::Duration;

use super::operations::{CallProperties, properties};
use crate::client_core::ClientCore;
use crate::error::Result;
use crate::ids::CallConnectionId;
use crate::models::CallConnectionStateModel as CallConnectionState;
use crate::operation::into_future;
use crate::poller::{Polled, Poller};
use crate::transport::{RequestOptions, request_options};

const TIMEOUT: Duration = Duration::from_secs(2 * 60);

/// Waits until a call is connected; made by
/// [`CallConnection::wait_until_connected`](crate::CallConnection::wait_until_connected).
///
/// A failed poll is not retried by itself, unless there is a
/// [`retry_policy`](Self::retry_policy): the next poll follows in any case.
#[derive(Clone, Debug)]
#[must_use = "nothing is sent before it is awaited"]
pub struct WaitUntilConnected {
    client: ClientCore,
    id: CallConnectionId,
    poll_interval: Duration,
    options: RequestOptions,
}

impl WaitUntilConnected {
    pub(super) fn new(client: ClientCore, id: CallConnectionId) -> Self {
        Self {
            client,
            id,
            poll_interval: Duration::from_secs(1),
            options: RequestOptions::new(),
        }
    }

    /// The pause between two polls (default: 1 second).
    pub fn poll_interval(mut self, interval: Duration) -> Self {
        self.poll_interval = interval;
        self
    }

    async fn send(self) -> Result<CallProperties> {
        let client = &self.client.with_options(&self.options.for_polls())?;
        let id = &self.id;
        let poll = || async move {
            let call = properties(client, id).await?;
            let connected = call.state == Some(CallConnectionState::Connected);
            if connected && call.server_call_id.is_some() {
                return Ok(Polled::Ready(call));
            }
            let state = call.state.as_ref();
            Ok(Polled::Pending(
                state.map_or_else(|| "unknown".to_owned(), ToString::to_string),
            ))
        };
        let poller = Poller {
            timeout: self.options.timeout.unwrap_or(TIMEOUT),
            interval: self.poll_interval,
        };
        poller.until(&format!("call connection {id}"), poll).await
    }
}

request_options! {
    WaitUntilConnected,
    /// Time limit for the wait (default: 2 minutes). The state is polled once more at its end.
}
into_future!(WaitUntilConnected -> CallProperties, "wait until the call is connected");
