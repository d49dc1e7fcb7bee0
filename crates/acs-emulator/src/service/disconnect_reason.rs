//! Why calls and connections end.

/// Why a connection was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DisconnectReason {
    /// The application left the call or ended it.
    Application,
    /// The call ended without the application.
    CallEnded,
}
