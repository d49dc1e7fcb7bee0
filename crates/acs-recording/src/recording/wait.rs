//! Waiting for a state of a recording.

use std::time::Duration;

use super::operations::properties;
use crate::client_core::ClientCore;
use crate::error::Result;
use crate::ids::RecordingId;
use crate::models::RecordingState;
use crate::operation::into_future;
use crate::poller::{Polled, Poller};
use crate::transport::{RequestOptions, request_options};

const TIMEOUT: Duration = Duration::from_secs(60);

/// Waits for a state of a recording; made by [`Recording::wait_until`](crate::Recording::wait_until).
///
/// A failed poll is not retried by itself, unless there is a
/// [`retry_policy`](Self::retry_policy): the next poll follows in any case.
#[derive(Clone, Debug)]
#[must_use = "nothing is sent before it is awaited"]
pub struct WaitUntil {
    client: ClientCore,
    id: RecordingId,
    state: RecordingState,
    poll_interval: Duration,
    options: RequestOptions,
}

impl WaitUntil {
    pub(super) fn new(client: ClientCore, id: RecordingId, state: RecordingState) -> Self {
        Self {
            client,
            id,
            state,
            poll_interval: Duration::from_secs(1),
            options: RequestOptions::new(),
        }
    }

    /// The pause between two polls (default: 1 second).
    pub fn poll_interval(mut self, interval: Duration) -> Self {
        self.poll_interval = interval;
        self
    }

    async fn send(self) -> Result<()> {
        let client = &self.client.with_options(&self.options.for_polls())?;
        let (id, wanted) = (&self.id, &self.state);
        let poll = || async move {
            let state = properties(client, id).await?.state;
            Ok(if state == *wanted {
                Polled::Ready(())
            } else {
                Polled::Pending(state.to_string())
            })
        };
        let poller = Poller {
            timeout: self.options.timeout.unwrap_or(TIMEOUT),
            interval: self.poll_interval,
        };
        let reached = poller.until(&format!("recording {id}"), poll).await;
        reached.map_err(|error| match wanted {
            RecordingState::Active => error.with_operation("wait until the recording is active"),
            RecordingState::Inactive => {
                error.with_operation("wait until the recording is inactive")
            }
            _ => error,
        })
    }
}

request_options! {
    WaitUntil,
    /// Time limit for the wait (default: 1 minute). The state is polled once more at its end.
}
into_future!(WaitUntil -> (), "wait for a state of the recording");
