//! Builds what is published with the lowest versions of its dependencies that it allows.
//!
//! Cargo resolves to the lowest versions on nightly only. Asking for each of them by name works on
//! stable, and leaves everything else as `Cargo.lock` has it, so that the outcome is the same every
//! time.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::metadata::{Metadata, Package, cargo_in};

/// A dependency whose locked version is above the lowest that a requirement allows.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Lower {
    name: String,
    locked: String,
    lowest: String,
}

/// Packages every crate, and builds each package by itself.
pub fn build_packages(metadata: &Metadata) -> Result<()> {
    let root = crate::root();
    let copy = root.join("target/lowest");
    copy_sources(&root, &copy)?;
    for Lower {
        name,
        locked,
        lowest,
    } in lower(metadata)?
    {
        let package = format!("{name}@{locked}");
        cargo_in(&copy, &["update", &package, "--precise", &lowest]).with_context(|| {
            format!("Cargo.toml allows {name} {lowest}, with which nothing can be built; raise it")
        })?;
    }
    let mut command = Command::new(crate::metadata::program());
    command
        .args(["package", "--workspace", "--all-features", "--locked"])
        .arg("--quiet")
        .current_dir(&copy)
        // What others are built with is built only once.
        .env("CARGO_TARGET_DIR", root.join("target"))
        .env("CARGO_PROFILE_DEV_DEBUG", "line-tables-only");
    for member in metadata.members().filter(|member| !member.is_published()) {
        command.args(["--exclude", &member.name]);
    }
    if !command.status().context("cannot run cargo")?.success() {
        bail!("a package cannot be built by itself, with the lowest versions that it allows");
    }
    Ok(())
}

/// What is committed or could be, so that nothing comes along from builds.
fn copy_sources(root: &Path, copy: &Path) -> Result<()> {
    if copy.exists() {
        fs::remove_dir_all(copy)?;
    }
    let output = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others"])
        .arg("--exclude-standard")
        .current_dir(root)
        .output()
        .context("cannot run git")?;
    if !output.status.success() {
        bail!(
            "git ls-files failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    let names = String::from_utf8(output.stdout)?;
    for name in names.split_terminator('\0') {
        let (from, to) = (root.join(name), copy.join(name));
        // Deleted, and not committed yet.
        if !from.exists() {
            continue;
        }
        fs::create_dir_all(to.parent().unwrap_or(copy))?;
        // Follows links, of which an archive has none either.
        fs::copy(&from, &to).with_context(|| format!("cannot copy {name}"))?;
    }
    Ok(())
}

/// The dependencies of published packages to take down.
fn lower(metadata: &Metadata) -> Result<BTreeSet<Lower>> {
    let mut found = BTreeSet::new();
    for member in metadata.members().filter(|member| member.is_published()) {
        for dependency in &member.dependencies {
            if dependency.source.is_none() || dependency.kind.as_deref() == Some("dev") {
                continue;
            }
            let name = &dependency.name;
            let lowest = dependency.req.trim_start_matches(['^', '=']);
            if lowest.split('.').count() != 3 || lowest.contains([',', '*', ' ', '<', '>', '~']) {
                bail!(
                    "{name} = \"{}\" in Cargo.toml does not tell the lowest version; write all \
                     three numbers",
                    dependency.req
                );
            }
            let same = |package: &&Package| package.name == *name;
            let locked = metadata.packages.iter().filter(same);
            found.extend(
                locked
                    .map(|package| package.version.split('+').next().unwrap_or_default())
                    .filter(|locked| compatible(locked) == compatible(lowest) && *locked != lowest)
                    .map(|locked| Lower {
                        name: name.clone(),
                        locked: locked.to_owned(),
                        lowest: lowest.to_owned(),
                    }),
            );
        }
    }
    Ok(found)
}

/// The part of a version that compatible ones share: `1`, `0.3` or `0.0.7`.
fn compatible(version: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    for part in version.split('.') {
        parts.push(part);
        if part != "0" {
            break;
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn metadata(requirement: &str, kind: Option<&str>) -> Metadata {
        let registry = "registry+https://example";
        serde_json::from_value(json!({
            "packages": [
                {"id": "ours", "name": "ours", "dependencies": [
                    {"name": "base64", "req": requirement, "source": registry, "kind": kind},
                    {"name": "beside", "req": "^0.1.0", "source": null},
                ]},
                {"id": "new", "name": "base64", "version": "0.23.4"},
                {"id": "old", "name": "base64", "version": "0.22.1"},
            ],
            "workspace_members": ["ours"],
            "resolve": {"nodes": []},
        }))
        .unwrap()
    }

    #[test]
    fn takes_down_the_version_that_the_requirement_is_about() {
        let found = lower(&metadata("^0.23.1", None)).unwrap();
        let expected = Lower {
            name: "base64".into(),
            locked: "0.23.4".into(),
            lowest: "0.23.1".into(),
        };
        assert_eq!(found.into_iter().collect::<Vec<_>>(), [expected]);
        assert!(lower(&metadata("^0.23.4", None)).unwrap().is_empty());
        assert!(lower(&metadata("^0.23.1", Some("dev"))).unwrap().is_empty());
    }

    #[test]
    fn a_requirement_has_to_tell_its_lowest_version() {
        for requirement in ["^0.23", "^1", "*", ">=0.23.1, <0.24.0"] {
            let error = lower(&metadata(requirement, None)).unwrap_err().to_string();
            assert!(error.contains("base64"), "{error}");
        }
    }

    #[test]
    fn versions_are_compatible_up_to_the_first_number_that_is_not_zero() {
        assert_eq!(compatible("1.2.3"), ["1"]);
        assert_eq!(compatible("0.3.1"), ["0", "3"]);
        assert_eq!(compatible("0.0.7"), ["0", "0", "7"]);
    }
}
