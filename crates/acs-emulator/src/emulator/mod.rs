//! What tests hold: the emulator, its builder, calls and recordings.

pub(crate) mod builder;
pub(crate) mod call;
pub(crate) mod handle;
pub(crate) mod incoming_call;
pub(crate) mod participant;
pub(crate) mod script;
pub(crate) mod synthetic_recording;
