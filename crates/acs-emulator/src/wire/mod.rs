//! The JSON types of the service, made from the emulator's own.

pub(crate) mod identifier;
pub(crate) mod participant;
pub(crate) mod recording;
