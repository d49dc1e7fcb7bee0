//! Handles to calls that are made to the application.

use crate::service::incoming_call::IncomingCallIds;

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

impl From<IncomingCallIds> for IncomingCall {
    fn from(ids: IncomingCallIds) -> Self {
        let IncomingCallIds {
            context,
            server_call_id,
            ..
        } = ids;
        Self {
            context,
            server_call_id,
        }
    }
}
