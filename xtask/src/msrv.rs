//! `cargo xtask msrv`: no dependency may need a newer compiler than the workspace states.
//!
//! Test dependencies count too, since the promise is that `cargo test` works.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;

use anyhow::{Context, Result, bail};

use crate::metadata::{Metadata, Package};

/// Major, minor, patch.
type Version = (u32, u32, u32);

/// Returns what to print: the stated version, and the dependencies that keep it from being lower.
pub fn check(metadata: &Metadata) -> Result<String> {
    let stated = stated(metadata)?;
    let limit = parse(&stated)?;
    let packages = metadata.by_id();
    let paths = paths(metadata);
    let mut needs = BTreeMap::<Version, BTreeSet<String>>::new();
    for package in &metadata.packages {
        if metadata.workspace_members.contains(&package.id) {
            continue;
        }
        let Some(version) = &package.rust_version else {
            continue;
        };
        let version =
            parse(version).with_context(|| format!("{} {}", package.name, package.version))?;
        let by = path(package, &paths, &packages);
        let line = format!("{} {} ({by})", package.name, package.version);
        needs.entry(version).or_default().insert(line);
    }
    let too_new: Vec<_> = needs.range((limit.0, limit.1, limit.2 + 1)..).collect();
    if !too_new.is_empty() {
        bail!(
            "rust-version is {stated}, and these need a newer compiler:{}\n\
             lock an older version (`cargo update NAME --precise VERSION`), or raise rust-version \
             in Cargo.toml and say so in CHANGELOG.md",
            list(too_new)
        );
    }
    Ok(format!(
        "rust-version is {stated}; it cannot be lower because of:{}\n",
        list(needs.last_key_value())
    ))
}

fn list<'a>(needs: impl IntoIterator<Item = (&'a Version, &'a BTreeSet<String>)>) -> String {
    let mut text = String::new();
    for ((major, minor, patch), packages) in needs {
        for package in packages {
            let _ = write!(text, "\n  {major}.{minor}.{patch}  {package}");
        }
    }
    text
}

/// The one version that all members state.
fn stated(metadata: &Metadata) -> Result<String> {
    let versions: BTreeSet<_> = metadata
        .members()
        .map(|member| member.rust_version.clone().unwrap_or_default())
        .collect();
    match versions.iter().next() {
        Some(version) if versions.len() == 1 && !version.is_empty() => Ok(version.clone()),
        _ => bail!("every package needs `rust-version.workspace = true`; there are {versions:?}"),
    }
}

fn parse(text: &str) -> Result<Version> {
    let mut numbers = text.split('.').map(str::parse);
    let mut next = || numbers.next().unwrap_or(Ok(0));
    let version = (|| Ok::<_, std::num::ParseIntError>((next()?, next()?, next()?)))();
    version.with_context(|| format!("rust-version {text:?} is no version"))
}

/// For each package, which one depends on it on the shortest way from a member.
fn paths(metadata: &Metadata) -> BTreeMap<&str, &str> {
    let edges: BTreeMap<_, _> = metadata
        .resolve
        .nodes
        .iter()
        .map(|node| (node.id.as_str(), &node.dependencies))
        .collect();
    let members = metadata.workspace_members.iter().map(String::as_str);
    let mut queue: VecDeque<_> = members.clone().collect();
    let mut seen: BTreeSet<_> = members.collect();
    let mut paths = BTreeMap::new();
    while let Some(id) = queue.pop_front() {
        for dependency in edges.get(id).into_iter().flat_map(|edges| edges.iter()) {
            if seen.insert(dependency) {
                paths.insert(dependency.as_str(), id);
                queue.push_back(dependency);
            }
        }
    }
    paths
}

/// Names from a member to the package: `acs-emulator → syom`.
fn path(
    package: &Package,
    paths: &BTreeMap<&str, &str>,
    packages: &BTreeMap<&str, &Package>,
) -> String {
    let mut names = vec![package.name.as_str()];
    let mut id = package.id.as_str();
    while let Some(from) = paths.get(id) {
        names.extend(packages.get(from).map(|package| package.name.as_str()));
        id = from;
    }
    names.reverse();
    names.join(" → ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::{Node, Resolve};

    fn workspace(stated: &str, needed: &str) -> Metadata {
        let package = |name: &str, rust_version: &str| Package {
            id: name.to_owned(),
            name: name.to_owned(),
            version: "1.2.3".to_owned(),
            rust_version: Some(rust_version.to_owned()),
            ..Package::default()
        };
        let node = |id: &str, dependencies: &[&str]| Node {
            id: id.to_owned(),
            dependencies: dependencies.iter().map(|&id| id.to_owned()).collect(),
        };
        Metadata {
            packages: vec![
                package("ours", stated),
                package("between", "1.60"),
                package("far", needed),
            ],
            workspace_members: vec!["ours".to_owned()],
            resolve: Resolve {
                nodes: vec![
                    node("ours", &["between"]),
                    node("between", &["far"]),
                    node("far", &[]),
                ],
            },
        }
    }

    #[test]
    fn names_what_keeps_the_version_up() {
        let text = check(&workspace("1.89", "1.89.0")).unwrap();
        assert_eq!(
            text,
            "rust-version is 1.89; it cannot be lower because of:\
             \n  1.89.0  far 1.2.3 (ours → between → far)\n"
        );
    }

    #[test]
    fn rejects_a_dependency_that_needs_a_newer_compiler() {
        for needed in ["1.90", "1.89.1", "2"] {
            let error = check(&workspace("1.89", needed)).unwrap_err().to_string();
            assert!(
                error.contains("far 1.2.3 (ours → between → far)"),
                "{error}"
            );
            assert!(!error.contains("1.60"), "{error}");
        }
    }

    #[test]
    fn rejects_what_is_no_version() {
        let error = check(&workspace("1.89", "nightly")).unwrap_err();
        assert!(format!("{error:#}").contains("far 1.2.3"), "{error:#}");
        assert!(check(&workspace("", "1.60")).is_err());
    }
}
