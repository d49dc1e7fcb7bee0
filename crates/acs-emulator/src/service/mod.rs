//! The emulated service: calls, participants and recordings, and each step that changes them.

pub(crate) mod call_lifecycle;
pub(crate) mod calls;
pub(crate) mod clock;
pub(crate) mod error;
pub(crate) mod ids;
pub(crate) mod incoming_call;
pub(crate) mod notifications;
pub(crate) mod participant;
pub(crate) mod recordings;
pub(crate) mod schedule;
pub(crate) mod script;
pub(crate) mod state;
pub(crate) mod url_policy;
