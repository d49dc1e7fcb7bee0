//! What `cargo metadata` says about the workspace and everything that it is built from.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::Value;

#[derive(Debug, Deserialize)]
pub struct Metadata {
    pub packages: Vec<Package>,
    pub workspace_members: Vec<String>,
    pub resolve: Resolve,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Package {
    pub id: String,
    pub name: String,
    pub version: String,
    pub rust_version: Option<String>,
    pub description: Option<String>,
    pub documentation: Option<String>,
    pub repository: Option<String>,
    pub license: Option<String>,
    pub readme: Option<String>,
    pub keywords: Vec<String>,
    pub categories: Vec<String>,
    /// The registries it may go to; any without, none if empty.
    pub publish: Option<Vec<String>>,
    pub targets: Vec<Target>,
    pub metadata: Value,
    pub dependencies: Vec<Dependency>,
    pub manifest_path: String,
}

#[derive(Debug, Default, Deserialize)]
pub struct Target {
    pub kind: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
pub struct Dependency {
    pub name: String,
    pub req: String,
    /// The registry; nothing for a member of the workspace.
    pub source: Option<String>,
    /// `dev`, `build`, or nothing.
    pub kind: Option<String>,
}

#[derive(Debug, Deserialize)]
pub struct Resolve {
    pub nodes: Vec<Node>,
}

#[derive(Debug, Deserialize)]
pub struct Node {
    pub id: String,
    pub dependencies: Vec<String>,
}

impl Metadata {
    /// The state of `Cargo.lock`, with all features and for all platforms.
    pub fn read() -> Result<Self> {
        let text = cargo(&[
            "metadata",
            "--locked",
            "--all-features",
            "--format-version",
            "1",
        ])?;
        serde_json::from_str(&text).context("cargo metadata printed something unexpected")
    }

    pub fn by_id(&self) -> BTreeMap<&str, &Package> {
        let packages = self.packages.iter();
        packages
            .map(|package| (package.id.as_str(), package))
            .collect()
    }

    pub fn members(&self) -> impl Iterator<Item = &Package> {
        let is_member = |package: &&Package| self.workspace_members.contains(&package.id);
        self.packages.iter().filter(is_member)
    }
}

impl Package {
    pub fn has_library(&self) -> bool {
        let mut kinds = self.targets.iter().flat_map(|target| &target.kind);
        kinds.any(|kind| kind == "lib")
    }

    pub fn is_published(&self) -> bool {
        self.publish
            .as_ref()
            .is_none_or(|registries| !registries.is_empty())
    }
}

/// The cargo that runs this command.
pub fn program() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// Runs cargo at the root of the workspace and returns what it prints.
pub fn cargo(arguments: &[&str]) -> Result<String> {
    cargo_in(&crate::root(), arguments)
}

/// Runs cargo in a folder and returns what it prints.
pub fn cargo_in(folder: &Path, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program())
        .args(arguments)
        .current_dir(folder)
        .output()
        .context("cannot run cargo")?;
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr);
        bail!("cargo {} failed: {}", arguments.join(" "), error.trim());
    }
    Ok(String::from_utf8(output.stdout)?)
}
