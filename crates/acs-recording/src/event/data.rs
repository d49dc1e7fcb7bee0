//! What the data of all event types has in common.

use super::subject::Subject;
use crate::models::ResultInformation;

/// The data of one event type.
pub(super) trait EventData: Sized {
    /// Reads the data. Ids that are missing in it are taken from the event's subject.
    fn read(data: &str, subject: &Subject<'_>) -> Result<Self, serde_json::Error>;

    fn common(&self) -> CommonFields<'_> {
        CommonFields::default()
    }
}

/// The fields that many event types have, as text.
#[derive(Clone, Copy, Default)]
pub(super) struct CommonFields<'a> {
    pub call_connection_id: Option<&'a str>,
    pub server_call_id: Option<&'a str>,
    pub recording_id: Option<&'a str>,
    pub correlation_id: Option<&'a str>,
    pub operation_context: Option<&'a str>,
    pub result_information: Option<&'a ResultInformation>,
}

impl<T: EventData> EventData for Box<T> {
    fn read(data: &str, subject: &Subject<'_>) -> Result<Self, serde_json::Error> {
        T::read(data, subject).map(Self::new)
    }

    fn common(&self) -> CommonFields<'_> {
        self.as_ref().common()
    }
}
