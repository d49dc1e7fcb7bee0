//! `cargo xtask packages`: whether each package is what crates.io and its readers need. That it also
//! builds by itself is what `cargo package` shows.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::metadata::{Metadata, Package, cargo};

/// What a package needs beside its sources.
const TEXTS: [&str; 3] = ["README.md", "LICENSE-MIT", "LICENSE-APACHE"];
/// What cargo adds by itself.
const OF_CARGO: [&str; 4] = [
    ".cargo_vcs_info.json",
    "Cargo.lock",
    "Cargo.toml",
    "Cargo.toml.orig",
];
/// More than the largest has, and far below what crates.io takes: a recording or a corpus of inputs
/// must not slip in.
const LARGEST: u64 = 2 * 1024 * 1024;
/// Limits of crates.io.
const KEYWORDS: usize = 5;
const KEYWORD_LENGTH: usize = 20;
const CATEGORIES: usize = 5;

/// Returns what to print: one line per package.
pub fn check(metadata: &Metadata) -> Result<String> {
    let mut report = String::new();
    let mut problems = String::new();
    for package in metadata.members().filter(|member| member.is_published()) {
        let folder = Path::new(&package.manifest_path).parent();
        let folder = folder.context("a manifest has a folder")?;
        // Whatever is not committed yet counts too.
        let listed = cargo(&[
            "package",
            "--list",
            "--locked",
            "--allow-dirty",
            "--package",
            &package.name,
        ])?;
        let files: BTreeSet<_> = listed.lines().map(PathBuf::from).collect();
        let bytes = files
            .iter()
            .filter_map(|file| fs::metadata(folder.join(file)).ok())
            .map(|file| file.len())
            .sum();
        let _ = writeln!(
            report,
            "{}: {} files, {} KiB",
            package.name,
            files.len(),
            bytes / 1024
        );
        let found = description(package)
            .into_iter()
            .chain(contents(&files, bytes))
            .chain(includes(folder, &files)?);
        for problem in found {
            let _ = write!(problems, "\n  {}: {problem}", package.name);
        }
    }
    if !problems.is_empty() {
        bail!("not ready to publish:{problems}");
    }
    Ok(report)
}

/// What is missing or wrong in the manifest.
fn description(package: &Package) -> Vec<String> {
    let mut problems = Vec::new();
    let mut member = |name: &str, is_there: bool| {
        if !is_there {
            problems.push(format!("Cargo.toml has no `{name}`"));
        }
    };
    member("description", package.description.is_some());
    member("license", package.license.is_some());
    member("repository", package.repository.is_some());
    member("readme", package.readme.is_some());
    member("rust-version", package.rust_version.is_some());
    member("keywords", !package.keywords.is_empty());
    member("categories", !package.categories.is_empty());
    if package.has_library() {
        member("documentation", package.documentation.is_some());
        let all = package.metadata.pointer("/docs/rs/all-features");
        member(
            "package.metadata.docs.rs] all-features = true",
            all == Some(&Value::Bool(true)),
        );
    }
    if package.keywords.len() > KEYWORDS || package.categories.len() > CATEGORIES {
        problems.push(format!(
            "crates.io takes {KEYWORDS} keywords and {CATEGORIES} categories"
        ));
    }
    for keyword in &package.keywords {
        if keyword.len() > KEYWORD_LENGTH {
            problems.push(format!(
                "the keyword `{keyword}` has more than {KEYWORD_LENGTH} characters"
            ));
        }
    }
    problems
}

/// What is missing among the files, and what should not be there.
fn contents(files: &BTreeSet<PathBuf>, bytes: u64) -> Vec<String> {
    let mut problems = Vec::new();
    for text in TEXTS {
        if !files.contains(Path::new(text)) {
            problems.push(format!("{text} is missing"));
        }
    }
    for file in files {
        let known = file.starts_with("src")
            || TEXTS
                .iter()
                .chain(&OF_CARGO)
                .any(|name| file == Path::new(name));
        if !known
            || file
                .extension()
                .is_some_and(|extension| extension == "snap")
        {
            problems.push(format!("{} is nothing that users need", file.display()));
        }
    }
    if bytes > LARGEST {
        problems.push(format!("{bytes} bytes are too many"));
    }
    problems
}

/// Sources that include a file which is not in the package.
fn includes(folder: &Path, files: &BTreeSet<PathBuf>) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for file in files {
        if file.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let source = fs::read_to_string(folder.join(file))
            .with_context(|| format!("cannot read {}", file.display()))?;
        let parent = file.parent().unwrap_or(Path::new(""));
        for name in included(&source) {
            if resolve(parent, name).is_none_or(|path| !files.contains(&path)) {
                problems.push(format!(
                    "{} includes {name}, which is not in the package",
                    file.display()
                ));
            }
        }
    }
    Ok(problems)
}

/// The names in `include_str!("…")` and its like.
fn included(source: &str) -> impl Iterator<Item = &str> {
    ["include!(\"", "include_str!(\"", "include_bytes!(\""]
        .into_iter()
        .flat_map(move |start| source.split(start).skip(1))
        .filter_map(|rest| rest.split_once('"').map(|(name, _)| name))
}

/// A path below the package, or nothing if it leaves it.
fn resolve(parent: &Path, name: &str) -> Option<PathBuf> {
    let mut path = PathBuf::new();
    for component in parent.join(name).components() {
        match component {
            Component::Normal(part) => path.push(part),
            Component::CurDir => {}
            Component::ParentDir if path.pop() => {}
            _ => return None,
        }
    }
    Some(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_manifest_without_what_crates_io_needs_is_rejected() {
        let mut package: Package = serde_json::from_value(json!({
            "description": "d", "license": "MIT", "repository": "r", "readme": "README.md",
            "rust_version": "1.89", "documentation": "https://docs.rs/x",
            "keywords": ["azure"], "categories": ["multimedia"],
            "targets": [{"kind": ["lib"]}], "metadata": {"docs": {"rs": {"all-features": true}}},
        }))
        .unwrap();
        assert_eq!(description(&package), Vec::<String>::new());

        package.keywords.push("communication-services".to_owned());
        package.readme = None;
        package.metadata = Value::Null;
        let problems = description(&package).join("\n");
        for part in ["`readme`", "docs.rs", "communication-services"] {
            assert!(problems.contains(part), "{problems}");
        }
    }

    #[test]
    fn a_package_has_sources_and_texts_and_nothing_else() {
        let files = |extra: &[&'static str]| {
            let all = ["Cargo.toml", "src/lib.rs", "src/guide.md"];
            all.iter().chain(extra).map(PathBuf::from).collect()
        };
        let complete = files(&["README.md", "LICENSE-MIT", "LICENSE-APACHE"]);
        assert_eq!(contents(&complete, 1), Vec::<String>::new());
        assert_eq!(contents(&complete, LARGEST + 1).len(), 1);
        let problems = contents(&files(&["tests/fixtures/a.wav", "src/a.snap"]), 1);
        assert_eq!(problems.len(), 5, "{problems:?}");
    }

    #[test]
    fn an_included_file_has_to_be_in_the_package() {
        let include = |name: &str| format!("#[doc = {}(\"{name}\")]", "include_str!");
        let source = include("../README.md") + &include("../../../README.md");
        let names: Vec<_> = included(&source).collect();
        assert_eq!(names, ["../README.md", "../../../README.md"]);
        let resolved = |name| resolve(Path::new("src"), name);
        assert_eq!(resolved(names[0]), Some("README.md".into()));
        assert_eq!(resolved(names[1]), None);
    }
}
