//! A handle to one call.

use acs_call_automation::types::CallConnectionProperties;

use super::operations::{
    CallProperties, GetCallProperties, HangUpCall, ListParticipants, TerminateCall,
};
use super::wait::WaitUntilConnected;
use crate::client_core::ClientCore;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::CallConnectionId;
use crate::lenient;

/// The application's own connection to a call. It is cheap to clone, and dropping it hangs nothing
/// up.
#[derive(Clone, Debug)]
pub struct CallConnection {
    client: ClientCore,
    id: CallConnectionId,
    initial_properties: Option<CallProperties>,
}

impl CallConnection {
    pub(super) fn new(client: ClientCore, id: CallConnectionId) -> Self {
        Self {
            client,
            id,
            initial_properties: None,
        }
    }

    pub(super) fn from_properties(
        client: ClientCore,
        properties: CallConnectionProperties,
    ) -> Result<Self> {
        let id = lenient::parse(properties.call_connection_id.as_deref());
        let Some(id) = id else {
            return Err(Error::new(
                ErrorKind::InvalidResponse,
                "the response does not contain a call connection id",
            ));
        };
        Ok(Self {
            client,
            id,
            initial_properties: Some(properties.into()),
        })
    }

    /// The id of the connection.
    pub fn id(&self) -> &CallConnectionId {
        &self.id
    }

    /// The properties of the call when it was made, answered or joined; `None` if this handle was
    /// made from an id.
    pub fn initial_properties(&self) -> Option<&CallProperties> {
        self.initial_properties.as_ref()
    }

    /// Gets the call's properties.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when the call is over.
    pub fn properties(&self) -> GetCallProperties {
        GetCallProperties::new(self.client.clone(), self.id.clone())
    }

    /// Waits until the call is connected and has a server call id.
    ///
    /// The wait polls the service, and polls again after a retryable error.
    ///
    /// # Errors
    /// [`ErrorKind::Timeout`] at the end; its source is the error of the last poll, if that failed.
    /// [`ErrorKind::NotFound`] when the call is over.
    pub fn wait_until_connected(&self) -> WaitUntilConnected {
        WaitUntilConnected::new(self.client.clone(), self.id.clone())
    }

    /// Leaves the call. The others may continue it.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when the call is over, unless a first attempt ended it.
    pub fn hang_up(&self) -> HangUpCall {
        HangUpCall::new(self.client.clone(), self.id.clone())
    }

    /// Ends the call for everybody. Awaiting a clone of the operation ends it once.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when the call is over, unless a first attempt ended it.
    pub fn terminate(&self) -> TerminateCall {
        TerminateCall::new(self.client.clone(), self.id.clone())
    }

    /// Lists the participants of the call, from all pages.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when the call is over.
    pub fn participants(&self) -> ListParticipants {
        ListParticipants::new(self.client.clone(), self.id.clone())
    }
}
