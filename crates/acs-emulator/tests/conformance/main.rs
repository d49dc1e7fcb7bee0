//! The emulator program as users of other languages have it: with the unmodified official SDKs, in the
//! Python and npm packages, around a command, and in a container.
//!
//! `cargo xtask test` installs the SDKs and sets `ACS_TEST_PACKAGES` to their folder. Without this
//! variable or the feature `cli`, these tests are skipped with a message.

#[cfg(feature = "cli")]
#[cfg(test)]
mod exec;
#[cfg(feature = "cli")]
#[cfg(test)]
mod image;
#[cfg(feature = "cli")]
#[cfg(test)]
mod packages;
#[cfg(feature = "cli")]
#[cfg(test)]
mod program;
#[cfg(feature = "cli")]
#[cfg(test)]
mod sdks;

#[cfg(not(feature = "cli"))]
#[test]
#[allow(clippy::print_stderr, reason = "tests report that they were skipped")]
fn left_out() {
    eprintln!("skipped: the conformance tests require the feature `cli`; use `cargo xtask test`");
}
