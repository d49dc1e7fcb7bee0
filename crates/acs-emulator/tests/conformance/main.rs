//! The official SDKs, unmodified, against the emulator as a program.
//!
//! `cargo xtask test` installs them and says by `ACS_TEST_PACKAGES` where they are. Without it, or
//! without the feature `cli`, these tests only say that they are left out.

#[cfg(feature = "cli")]
#[cfg(test)]
mod program;
#[cfg(feature = "cli")]
#[cfg(test)]
mod sdks;

#[cfg(not(feature = "cli"))]
#[test]
#[allow(clippy::print_stderr, reason = "a word to whoever runs the tests")]
fn left_out() {
    eprintln!("left out: conformance, which needs the feature `cli`; use `cargo xtask test`");
}
