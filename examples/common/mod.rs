//! What the examples share.

pub mod webhook;
