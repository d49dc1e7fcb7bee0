//! The events that the emulator sends.

pub(crate) mod callbacks;
pub(crate) mod event_grid;

/// The user agent of requests to webhooks and storage. The admin interface uses it to recognise
/// requests from the emulator itself.
pub(crate) const USER_AGENT: &str = "acs-emulator";
