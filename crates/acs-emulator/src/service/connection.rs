//! Connections of the application to calls.

use jiff::Timestamp;

/// The properties of a connection. Responses repeat them. Participants are raw ids.
#[derive(Clone, Debug, Default)]
pub(crate) struct ConnectionProperties {
    pub(crate) source: Option<String>,
    pub(crate) source_display_name: Option<String>,
    pub(crate) source_caller_id_number: Option<PhoneNumber>,
    pub(crate) targets: Vec<String>,
    pub(crate) callback_uri: Option<String>,
    pub(crate) answered_by: Option<String>,
    /// The operation context, which events repeat.
    pub(crate) operation_context: Option<String>,
}

/// The phone number that the application calls from.
#[derive(Clone, Debug)]
pub(crate) struct PhoneNumber {
    pub(crate) value: String,
    pub(crate) is_anonymous: Option<bool>,
    pub(crate) asserted_id: Option<String>,
}

/// The application's connection to a call.
pub(crate) struct Connection {
    pub(crate) id: String,
    pub(crate) properties: ConnectionProperties,
    pub(crate) connected_at: Timestamp,
    /// The number of participant updates that were sent to this connection.
    pub(super) sequence: u32,
    /// The raw ids in the last participant update.
    pub(super) known: Vec<String>,
    /// When the connection was closed, if it was.
    pub(crate) disconnected_at: Option<Timestamp>,
}

impl Connection {
    pub(crate) fn is_established(&self, now: Timestamp) -> bool {
        self.connected_at <= now
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.disconnected_at.is_some()
    }
}
