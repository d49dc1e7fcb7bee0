//! The commands `archive`: the program against the emulator, Azurite and a folder.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on fails, and the long ones say how it went"
)]

mod catalogue;
mod events;
mod poison;
#[path = "../cli/program.rs"]
#[allow(dead_code, reason = "another test uses the rest")]
mod program;
mod refusals;
mod setup;
mod site;
#[cfg(unix)]
mod soak;
mod stores;
#[cfg(feature = "opentelemetry")]
mod telemetry;
mod worker;
