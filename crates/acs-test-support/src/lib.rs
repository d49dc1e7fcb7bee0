//! Test utilities shared by several crates: [`Azurite`], and a [`Proxy`] that loses responses.
//!
//! These utilities panic on errors that would make a test fail.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::missing_panics_doc,
    reason = "this is part of tests"
)]

mod azurite;
mod proxy;

pub use azurite::Azurite;
pub use proxy::{Proxy, Rule};
