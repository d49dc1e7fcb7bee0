//! Tests the page of the emulator in Chromium.
//!
//! `cargo xtask test` installs the packages and sets `ACS_TEST_PACKAGES` to their folder. Without this
//! variable or the feature `cli`, the test is skipped with a message. `ACS_TEST_CHROMIUM` names
//! another browser than `chromium`.

#[cfg(feature = "cli")]
use std::path::{Path, PathBuf};
#[cfg(feature = "cli")]
use std::process::Command;

#[cfg(not(feature = "cli"))]
#[test]
#[allow(clippy::print_stderr, reason = "tests report that they were skipped")]
fn left_out() {
    eprintln!("skipped: the test of the page requires the feature `cli`; use `cargo xtask test`");
}

/// The folder with the packages. `None`, with a message, if they are not installed.
#[cfg(feature = "cli")]
#[allow(clippy::print_stderr, reason = "tests report that they were skipped")]
fn packages() -> Option<PathBuf> {
    let Some(root) = std::env::var_os("ACS_TEST_PACKAGES") else {
        eprintln!("skipped: playwright-core is not installed; use `cargo xtask test`");
        return None;
    };
    let folder = Path::new(&root).join("page");
    if folder.join("installed").exists() {
        return Some(folder);
    }
    eprintln!("skipped: {} has no packages", folder.display());
    assert!(
        std::env::var("CI").as_deref() != Ok("true"),
        "in CI no suite may be skipped"
    );
    None
}

#[cfg(feature = "cli")]
#[test]
fn the_page_works_in_chromium() {
    let Some(packages) = packages() else {
        return;
    };
    let screenshots = Path::new(env!("CARGO_TARGET_TMPDIR")).join("page");
    let output = Command::new("node")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/page/page.mjs"))
        .env("ACS_PACKAGES", packages)
        .env("ACS_EMULATOR", env!("CARGO_BIN_EXE_acs-emulator"))
        .env("ACS_SCREENSHOTS", screenshots)
        .env("NO_PROXY", "*")
        .output()
        .unwrap();
    let out = String::from_utf8_lossy(&output.stdout);
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && out.contains("page: finished"),
        "{out}\n{err}"
    );
}
