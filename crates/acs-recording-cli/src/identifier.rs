//! Identifiers as people write them.

use acs_recording::CommunicationIdentifier;

/// A raw id, or a telephone number as people write it.
pub(crate) fn identifier(text: &str) -> CommunicationIdentifier {
    if text.starts_with('+') {
        CommunicationIdentifier::phone_number(text)
    } else {
        CommunicationIdentifier::new(text)
    }
}
