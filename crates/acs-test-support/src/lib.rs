//! What the tests of several crates share: [`Azurite`], [`Moto`], and a [`Proxy`] that loses responses.
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
mod moto;
mod program;
mod proxy;
mod shared;

pub use azurite::Azurite;
pub use moto::Moto;
pub use proxy::{Proxy, Rule};
