//! Participants as the command line names them.

use acs_recording::CommunicationIdentifier;

/// Parses a raw id, or a phone number that begins with `+`.
pub(crate) fn identifier(text: &str) -> CommunicationIdentifier {
    if text.starts_with('+') {
        CommunicationIdentifier::phone_number(text)
    } else {
        CommunicationIdentifier::new(text)
    }
}
