//! `cargo xtask update`: takes over a new version of the description in one go.

mod report;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::metadata::{self, cargo};
use crate::spec::diff::{self, Report};
use crate::spec::view::{Document, Operation};
use crate::{GENERATED, OVERLAY, SPEC, VERSION, finish, print, root, spec};
use report::{Done, FileChange};

/// The folder of the snapshots that reviewers read.
const SNAPSHOTS: &str = "xtask/snapshots";
/// Everything that an update can change.
const WRITTEN: [&str; 3] = ["spec", GENERATED, SNAPSHOTS];

#[derive(Debug, clap::Args)]
pub struct Options {
    /// The new description: Swagger 2.0
    new: PathBuf,
    /// Adapts the overlay: drops texts that no longer apply, and adds drafts of missing ones
    #[arg(long)]
    draft: bool,
    /// The Markdown report for the pull request
    #[arg(long, value_name = "FILE", default_value = "target/update.md")]
    report: PathBuf,
}

/// Imports a description and writes everything that follows from it.
pub fn run(options: &Options) -> Result<()> {
    let start = Instant::now();
    let before = files()?;
    let new = spec::structure(&options.new)?;
    let (old, base) = committed()?;
    let changes = diff::diff(&old, &new);
    let release = changes.release(VERSION);
    step(
        "diff",
        &format!("{}; compared with {base}", headline(&changes)),
    )?;

    let (document, overlay) = import(options)?;
    crate::tell_ignored(&spec::ignored_extensions(&spec::read_json(&options.new)?));
    let source = crate::codegen::generate(&document)?;
    // Written only now, when nothing can fail any more.
    if let Some(text) = overlay {
        finish(&root().join(OVERLAY), &text, false, "")?;
    }
    finish(&root().join(SPEC), &spec::to_text(&document)?, false, "")?;
    step("import", &format!("{SPEC}: {}", size(&document)))?;
    crate::codegen(false, None, None)?;
    step(
        "codegen",
        &format!("{GENERATED}: {} lines", source.lines().count()),
    )?;

    let outcome = finish_up(&document);
    let done = Done {
        changes: &changes,
        release: &release,
        documents: [&old, &document],
        files: file_changes(&before, &files()?),
        fault: outcome.as_ref().err().map(|error| format!("{error:#}")),
    };
    let path = root().join(&options.report);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    finish(&path, &done.markdown(), false, "")?;
    step("report", &options.report.display().to_string())?;
    outcome?;
    step("version", &diff::suggestion(&release))?;
    step("done", &format!("after {} s", start.elapsed().as_secs()))
}

/// The document, and the new text of the overlay if it was adapted.
fn import(options: &Options) -> Result<(Value, Option<String>)> {
    let overlay = root().join(OVERLAY);
    if !options.draft {
        return Ok((spec::import(&options.new, Some(&overlay))?, None));
    }
    let (document, text, drafted) = spec::draft(&options.new, &overlay)?;
    step("draft", &format!("{OVERLAY}: {drafted}"))?;
    Ok((document, Some(text)))
}

/// The steps that compile the hand-written crates, or that a reviewer or a draft can stop.
fn finish_up(document: &Value) -> Result<()> {
    write_snapshots(document)?;
    crate::write_schemas(false).context(
        "the client is written, but the crates that use it do not compile; repair them and run \
         this command again",
    )?;
    step("schemas", &format!("spec/events: {}", count_events()?))?;
    crate::codegen(true, None, None)?;
    cargo(&["check", "--quiet", "--workspace"]).context(
        "the client is written, but other crates do not compile; repair them and run this \
         command again",
    )?;
    step(
        "checks",
        "spec/, the overlay and the client agree; the workspace compiles",
    )
}

/// Removes the snapshots of elements that no longer exist, and writes all others.
fn write_snapshots(document: &Value) -> Result<()> {
    let folder = root().join(SNAPSHOTS);
    let before = read_all(&folder)?;
    let view = Document::new(document);
    let operations: Vec<&str> = view.operations().filter_map(Operation::id).collect();
    let schemas: Vec<&str> = view.schemas().map(|(name, _)| name).collect();
    for (kind, known) in [("operations", operations), ("schemas", schemas)] {
        for path in snapshots(&folder.join(kind))? {
            let name = path.file_stem().and_then(|name| name.to_str());
            if !name.is_some_and(|name| known.contains(&name)) {
                fs::remove_file(&path)?;
            }
        }
    }
    let output = Command::new(metadata::program())
        .args(["test", "--quiet", "--package", "xtask", "--bin", "xtask"])
        .arg("codegen::review")
        .env("INSTA_UPDATE", "always")
        .env("INSTA_FORCE_PASS", "1")
        .current_dir(root())
        .output()
        .context("cannot run cargo")?;
    if !output.status.success() {
        bail!(
            "the snapshots cannot be written: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let changes = file_changes(&before, &read_all(&folder)?);
    let count = |of: fn(&FileChange) -> bool| changes.iter().filter(|change| of(change)).count();
    step(
        "snapshots",
        &format!(
            "{SNAPSHOTS}: {} added, {} removed, {} changed",
            count(FileChange::is_added),
            count(FileChange::is_removed),
            count(|change| !change.is_added() && !change.is_removed()),
        ),
    )
}

fn snapshots(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut out = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "snap")
        {
            out.push(path);
        }
    }
    Ok(out)
}

/// The committed document, so that an update which is run again reports the same changes. Without
/// Git, it is the current one.
fn committed() -> Result<(Value, &'static str)> {
    let output = Command::new("git")
        .args(["show", &format!("HEAD:{SPEC}")])
        .current_dir(root())
        .output();
    if let Ok(output) = output
        && output.status.success()
        && let Ok(mut document) = serde_json::from_slice(&output.stdout)
    {
        spec::prose::strip(&mut document);
        return Ok((document, "the last commit"));
    }
    Ok((spec::structure(&root().join(SPEC))?, SPEC))
}

fn headline(report: &Report) -> String {
    format!(
        "{} -> {}: {}",
        report.old,
        report.new,
        diff::summary(report)
    )
}

/// The numbers of operations and schemas.
fn size(document: &Value) -> String {
    let view = Document::new(document);
    let (operations, schemas) = (view.operations().count(), view.schemas().count());
    format!("{operations} operations, {schemas} schemas")
}

fn count_events() -> Result<String> {
    let count = read_all(&root().join("spec/events"))?.len();
    Ok(format!("{count} events and documents"))
}

/// Prints what a step did.
fn step(name: &str, text: &str) -> Result<()> {
    print(&format!("{name:9}  {text}\n"))
}

/// The text of every file that an update can change, by its name.
fn files() -> Result<BTreeMap<String, String>> {
    let mut out = BTreeMap::new();
    for name in WRITTEN {
        out.extend(read_all(&root().join(name))?);
    }
    Ok(out)
}

fn read_all(path: &Path) -> Result<BTreeMap<String, String>> {
    let mut out = BTreeMap::new();
    if path.is_dir() {
        for entry in fs::read_dir(path).with_context(|| path.display().to_string())? {
            out.extend(read_all(&entry?.path())?);
        }
    } else if let Ok(text) = fs::read_to_string(path) {
        let name = path.strip_prefix(root()).unwrap_or(path);
        out.insert(name.display().to_string(), text);
    }
    Ok(out)
}

fn file_changes(
    before: &BTreeMap<String, String>,
    after: &BTreeMap<String, String>,
) -> Vec<FileChange> {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    names
        .into_iter()
        .filter_map(|name| FileChange::between(name, before.get(name), after.get(name)))
        .collect()
}
