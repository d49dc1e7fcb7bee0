//! The public interface of each library as a text that is committed beside it, so that a change of
//! the interface is a diff that somebody reads.
//!
//! The text comes from rustdoc's JSON. That format belongs to one version of the toolchain, and
//! stable toolchains write it only when told to act as nightly ones; see [`document`].

mod foreign;
mod models;

use std::collections::BTreeMap;
use std::env;
use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use public_api::PublicItem;
use serde_json::Value;

/// The libraries whose interface people write code against. That of `acs-call-automation` follows
/// from `spec/`, and has snapshots of its own.
const LIBRARIES: [&str; 3] = ["acs-recording", "acs-emulator", "acs-recording-archive"];

/// The format of rustdoc's JSON that the crate `public-api` reads in the version that we use.
const FORMAT: u64 = 57;

/// Features whose interface is no promise begin with it, and are left out.
const UNSTABLE: &str = "unstable-";

/// Names the real rustdoc, and makes this program stand in for it.
const RUSTDOC: &str = "XTASK_RUSTDOC";

/// Writes or compares the listings of all libraries.
pub fn run(check: bool) -> Result<()> {
    let mut problems = Vec::new();
    for library in LIBRARIES {
        let folder = crate::root().join("crates").join(library);
        if !folder.join("Cargo.toml").is_file() {
            continue;
        }
        let json = document(library)?;
        let text =
            fs::read_to_string(&json).with_context(|| format!("cannot read {}", json.display()))?;
        let described: Value = serde_json::from_str(&text).context("rustdoc's JSON")?;
        if let Some(why) = unreadable(&described) {
            say(&format!("skipped: {why}"));
            return Ok(());
        }
        let items = items(&json, &described)?;
        let crates = foreign::crates(&described, &items);
        problems.extend(foreign::check(library, &crates));
        if library == "acs-recording" {
            problems.extend(models::check(&described, &items)?);
        }
        let path = folder.join("public-api.txt");
        let text = listing(&items, &crates)?;
        if let Err(error) = crate::finish(&path, &text, check, "cargo xtask public-api") {
            problems.push(error.to_string());
        }
    }
    if !problems.is_empty() {
        bail!("{}", problems.join("\n"));
    }
    Ok(())
}

/// Why a description cannot be read, when it was written by another toolchain than ours.
fn unreadable(described: &Value) -> Option<String> {
    let format = described.get("format_version").and_then(Value::as_u64)?;
    (format != FORMAT).then(|| {
        format!(
            "this toolchain writes format {format} of rustdoc's JSON, and the version of the crate \
             `public-api` in Cargo.toml reads format {FORMAT}; change both there and here"
        )
    })
}

fn listing(items: &[PublicItem], crates: &BTreeMap<String, String>) -> Result<String> {
    let names: Vec<_> = crates.keys().map(String::as_str).collect();
    let mut text = "# Written by `cargo xtask public-api`; do not edit by hand.\n".to_owned();
    writeln!(text, "# Crates of others in it: {}\n", names.join(", "))?;
    for item in items {
        writeln!(text, "{item}")?;
    }
    Ok(text)
}

/// What a library offers, without what every type has, such as auto traits and blanket
/// implementations, and without what follows from a line that is there.
fn items(json: &Path, described: &Value) -> Result<Vec<PublicItem>> {
    let api = public_api::Builder::from_rustdoc_json(json)
        .omit_auto_trait_impls(true)
        .omit_blanket_impls(true)
        .build()
        .context("rustdoc's JSON")?;
    let items = api.into_items();
    Ok(items.filter(|item| !follows(described, item)).collect())
}

/// Whether an item is a method whose signature its trait gives, or a marker that `derive` adds.
fn follows(described: &Value, item: &PublicItem) -> bool {
    let of_trait = |id: u32, member: &str| {
        described
            .pointer(&format!("/index/{id}/inner/impl/trait{member}"))
            .filter(|of| !of.is_null())
    };
    let is_function = described
        .pointer(&format!("/index/{}/inner/function", item.id().0))
        .is_some();
    let is_in_trait = item
        .parent_id()
        .is_some_and(|parent| of_trait(parent.0, "").is_some());
    let marker = of_trait(item.id().0, "/path").and_then(Value::as_str);
    (is_function && is_in_trait) || marker == Some("StructuralPartialEq")
}

/// Has rustdoc describe a library with all its stable features, and returns the path of the JSON.
///
/// rustdoc writes JSON only with `-Z unstable-options`, which stable toolchains allow where
/// `RUSTC_BOOTSTRAP` is set. Were it set for all of cargo, every build script that looks at it
/// would run again, and all dependencies would be compiled once more. So it is set for rustdoc
/// alone, by this program in rustdoc's place; see [`as_rustdoc`].
fn document(library: &str) -> Result<PathBuf> {
    let cargo = cargo();
    let features = features(library)?;
    let status = Command::new(&cargo)
        .args(["rustdoc", "--quiet", "--package", library, "--lib"])
        .args(["--features", &features.join(",")])
        .args(["--", "-Z", "unstable-options", "--output-format", "json"])
        .args(["--cap-lints", "allow"])
        .env("RUSTDOC", env::current_exe().context("this program")?)
        .env(
            RUSTDOC,
            env::var_os("RUSTDOC").unwrap_or_else(|| "rustdoc".into()),
        )
        .current_dir(crate::root())
        .status()
        .context("cannot run cargo")?;
    if !status.success() {
        bail!("rustdoc cannot describe {library}; see above");
    }
    let target = metadata()?;
    let target = target.get("target_directory").and_then(Value::as_str);
    let target = Path::new(target.context("cargo metadata names no target directory")?);
    Ok(target
        .join("doc")
        .join(format!("{}.json", library.replace('-', "_"))))
}

/// When cargo runs this program as its rustdoc: runs the real one, with leave to use `-Z`.
pub fn as_rustdoc() -> Option<ExitCode> {
    let rustdoc = env::var_os(RUSTDOC)?;
    let status = Command::new(rustdoc)
        .args(env::args_os().skip(1))
        .env("RUSTC_BOOTSTRAP", "1")
        .status();
    let code = match status {
        Ok(status) => status.code().and_then(|code| u8::try_from(code).ok()),
        Err(_) => None,
    };
    Some(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// The features of a library that come with a promise.
fn features(library: &str) -> Result<Vec<String>> {
    let metadata = metadata()?;
    let packages = metadata.get("packages").and_then(Value::as_array);
    let package = packages
        .into_iter()
        .flatten()
        .find(|package| package.get("name").and_then(Value::as_str) == Some(library))
        .with_context(|| format!("the workspace has no package {library}"))?;
    let features = package.get("features").and_then(Value::as_object);
    let names = features.into_iter().flatten().map(|(name, _)| name.clone());
    Ok(names.filter(|name| !name.starts_with(UNSTABLE)).collect())
}

fn metadata() -> Result<Value> {
    let output = Command::new(cargo())
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(crate::root())
        .output()
        .context("cannot run cargo")?;
    if !output.status.success() {
        bail!(
            "cargo metadata: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    serde_json::from_slice(&output.stdout).context("cargo metadata")
}

fn cargo() -> OsString {
    env::var_os("CARGO").unwrap_or_else(|| OsStr::new("cargo").to_owned())
}

#[allow(clippy::print_stderr, reason = "a command line speaks on stderr")]
fn say(text: &str) {
    eprintln!("{text}");
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_format_of_another_toolchain_is_skipped() {
        assert_eq!(unreadable(&json!({"format_version": FORMAT})), None);
        let why = unreadable(&json!({"format_version": FORMAT + 1})).unwrap();
        assert!(why.contains("reads format"), "{why}");
    }

    #[test]
    fn features_without_a_promise_are_left_out() {
        let features = features("acs-recording").unwrap();
        assert!(features.contains(&"webhook".to_owned()), "{features:?}");
        assert!(!features.contains(&"unstable-low-level".to_owned()));
        assert!(super::features("acs-unknown").is_err());
    }
}
