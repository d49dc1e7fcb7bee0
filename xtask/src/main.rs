//! Maintainers' commands: `cargo xtask help` lists them.

mod codegen;
mod fuzz;
mod lowest;
mod metadata;
mod msrv;
mod packages;
mod public_api;
#[cfg(feature = "schemas")]
mod schemas;
mod spec;
mod test;
mod update;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, bail};
use clap::{Parser, Subcommand, ValueEnum};
use similar::TextDiff;

use crate::metadata::Metadata;

const SPEC: &str = "spec/call-automation.json";
const OVERLAY: &str = "spec/call-automation.overlay.yaml";
const GENERATED: &str = "crates/acs-call-automation/src/generated.rs";
/// The version of all crates of the workspace.
const VERSION: &str = env!("CARGO_PKG_VERSION");

#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask",
    about = "Maintainers' commands of this workspace"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Imports or compares descriptions of the API
    #[command(subcommand)]
    Spec(SpecCommand),
    /// Takes over a new description: imports it, writes everything that follows from it, checks
    /// the result, and writes a report for the pull request
    #[command(
        after_help = "The changes are those since the last commit. If the hand-written crates \
        no longer compile, repair them and run the command again."
    )]
    Update(update::Options),
    /// Generates the low-level client from spec/
    Codegen {
        /// Writes nothing; fails with a diff if the generated file is out of date
        #[arg(long)]
        check: bool,
        /// The OpenAPI document to generate from
        #[arg(long, value_name = "FILE")]
        spec: Option<PathBuf>,
        /// The file to write
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Writes JSON Schemas of events and metadata under spec/events
    Schemas {
        /// Writes nothing; fails with a diff if a schema is out of date
        #[arg(long)]
        check: bool,
    },
    /// Writes the public API of each library to its public-api.txt
    PublicApi {
        /// Writes nothing; fails with a diff if a listing is out of date
        #[arg(long)]
        check: bool,
    },
    /// Fuzzes parsers and downloads, guided by coverage
    #[command(after_help = "Examples:\n  \
        cargo xtask fuzz                             # every target for a minute\n  \
        cargo xtask fuzz download --seconds 1800\n  \
        cargo xtask fuzz events --input FILE         # reproduces a crash")]
    Fuzz(fuzz::Options),
    /// Fails if a dependency needs a newer compiler than `rust-version` in Cargo.toml
    Msrv,
    /// Fails if a package is not ready for crates.io
    Packages {
        /// Also builds each package separately, with the lowest allowed versions of its
        /// dependencies
        #[arg(long)]
        build: bool,
    },
    /// Runs all tests: unit, integration, examples and documentation
    Test {
        /// Arguments for `cargo test`
        #[arg(last = true)]
        args: Vec<String>,
    },
}

#[derive(Debug, Subcommand)]
enum SpecCommand {
    /// Imports a published Swagger 2.0 description, or applies a changed overlay
    ///
    /// Nothing is written unless code can be generated from the result.
    #[command(after_help = "Examples:\n  \
        cargo xtask spec import ../specs/2026-03-12/communicationservicescallautomation.json\n  \
        cargo xtask spec import spec/call-automation.json   # after a change to the overlay")]
    Import {
        /// The description: Swagger 2.0, or an OpenAPI document written by this command
        path: PathBuf,
        /// The file to write
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// The overlay with the text; `none` for a document without text
        #[arg(long, value_name = "FILE|none")]
        overlay: Option<PathBuf>,
        /// Changes the overlay: drops texts that no longer apply, and adds drafts of missing ones,
        /// which a later import or check rejects
        #[arg(long, conflicts_with = "check")]
        draft: bool,
        /// Writes nothing; fails with a diff if the document is out of date
        #[arg(long)]
        check: bool,
    },
    /// Reports what a new version changes, and for whom the changes are breaking
    #[command(
        after_help = "The report distinguishes callers (who build requests), parsers (who read responses and events) and Rust code that uses the generated client. Its last line suggests the next version of the crate.\n\nExit code: 1 if a change is breaking for any of them or if a file cannot be read (standard error then begins with \"error:\"), otherwise 0."
    )]
    Diff {
        /// The older description: Swagger 2.0 or OpenAPI of this workspace
        old: PathBuf,
        /// The newer description
        new: PathBuf,
        /// How to print the changes
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// For the terminal
    Text,
    /// Tables for a pull request
    Markdown,
    /// For programs
    Json,
}

fn main() -> ExitCode {
    if let Some(code) = public_api::as_rustdoc() {
        return code;
    }
    match run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            report(&error);
            ExitCode::FAILURE
        }
    }
}

/// Lists the extensions that an import ignores. The reasons are in `spec/convert/mod.rs`.
#[allow(
    clippy::print_stderr,
    reason = "a note about the result goes to stderr"
)]
fn tell_ignored(extensions: &BTreeMap<&str, usize>) {
    if !extensions.is_empty() {
        let list: Vec<_> = extensions
            .iter()
            .map(|(name, count)| format!("{name} ({count})"))
            .collect();
        eprintln!(
            "ignored, because they do not affect requests: {}",
            list.join(", ")
        );
    }
}

#[allow(clippy::print_stderr, reason = "command-line errors go to stderr")]
fn report(error: &anyhow::Error) {
    eprintln!("error: {error:#}");
}

fn print(text: &str) -> Result<()> {
    Ok(std::io::stdout().write_all(text.as_bytes())?)
}

fn run(cli: Cli) -> Result<ExitCode> {
    match cli.command {
        Command::Spec(SpecCommand::Diff { old, new, format }) => {
            let report = spec::diff::diff(&spec::structure(&old)?, &spec::structure(&new)?);
            let release = report.release(VERSION);
            let text = match format {
                Format::Text => spec::diff::text(&report, &release),
                Format::Markdown => spec::diff::markdown(&report, &release),
                Format::Json => spec::diff::json(&report, &release)?,
            };
            print(&text)?;
            return Ok(ExitCode::from(u8::from(report.is_breaking())));
        }
        Command::Spec(SpecCommand::Import {
            path,
            out,
            overlay,
            draft,
            check,
        }) => {
            let overlay = overlay.unwrap_or_else(|| root().join(OVERLAY));
            let overlay = (overlay != Path::new("none")).then_some(overlay);
            let out = out.unwrap_or_else(|| root().join(SPEC));
            let document = match overlay {
                Some(overlay) if draft => {
                    let (document, text, drafted) = spec::draft(&path, &overlay)?;
                    finish(&overlay, &text, false, "")?;
                    print(&format!("{}: {drafted}\n", overlay.display()))?;
                    document
                }
                None if draft => bail!("`--draft` needs an overlay"),
                overlay => spec::import(&path, overlay.as_deref())?,
            };
            let text = spec::to_text(&document)?;
            finish(&out, &text, check, "cargo xtask spec import")?;
            tell_ignored(&spec::ignored_extensions(&spec::read_json(&path)?));
        }
        Command::Update(options) => update::run(&options)?,
        Command::Codegen { check, spec, out } => codegen(check, spec, out)?,
        Command::Schemas { check } => write_schemas(check)?,
        Command::PublicApi { check } => public_api::run(check)?,
        Command::Fuzz(options) => fuzz::run(&options)?,
        Command::Msrv => print(&msrv::check(&Metadata::read()?)?)?,
        Command::Packages { build } => {
            let metadata = Metadata::read()?;
            print(&packages::check(&metadata)?)?;
            if build {
                lowest::build_packages(&metadata)?;
            }
        }
        Command::Test { args } => test::run(&args)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn codegen(check: bool, from: Option<PathBuf>, out: Option<PathBuf>) -> Result<()> {
    let is_ours = from.is_none();
    let spec = from.unwrap_or_else(|| root().join(SPEC));
    if is_ours && check {
        // Verifies that the document contains the text of the overlay.
        let document = spec::import(&spec, Some(&root().join(OVERLAY)))?;
        finish(
            &spec,
            &spec::to_text(&document)?,
            true,
            &format!("cargo xtask spec import {SPEC}"),
        )?;
    }
    let document = spec::read_json(&spec)?;
    let source = codegen::generate(&document).map_err(|error| spec::explain(&spec, &error))?;
    let out = out.unwrap_or_else(|| root().join(GENERATED));
    finish(&out, &source, check, "cargo xtask codegen")
}

/// Runs this command again with the feature that provides the types.
#[cfg(not(feature = "schemas"))]
fn write_schemas(check: bool) -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = std::process::Command::new(cargo)
        .args(["run", "--quiet", "--package", "xtask"])
        .args(["--features", "schemas", "--", "schemas"])
        .args(check.then_some("--check"))
        .current_dir(root())
        .status()
        .context("cannot run cargo")?;
    if !status.success() {
        bail!("the schemas cannot be generated; see the output above");
    }
    Ok(())
}

#[cfg(feature = "schemas")]
fn write_schemas(check: bool) -> Result<()> {
    let folder = root().join("spec/events");
    fs::create_dir_all(&folder)?;
    for (name, schema) in schemas::all(&spec::read_json(&root().join(SPEC))?)? {
        finish(&folder.join(name), &schema, check, "cargo xtask schemas")?;
    }
    Ok(())
}

/// Writes a file atomically. In check mode, fails with a diff if the file differs instead.
fn finish(path: &Path, content: &str, check: bool, command: &str) -> Result<()> {
    let shown = path.strip_prefix(root()).unwrap_or(path).display();
    let current = fs::read_to_string(path);
    if check {
        let current = current.with_context(|| format!("cannot read {shown}"))?;
        if current == content {
            return Ok(());
        }
        let diff = TextDiff::from_lines(&current, content);
        let diff = diff.unified_diff().context_radius(3).to_string();
        let lines: Vec<_> = diff.lines().collect();
        let more = lines.len().saturating_sub(80);
        bail!(
            "{shown} is out of date or was edited by hand:\n--- {shown}\n+++ as generated\n{}{}\nrun `{command}`",
            lines[..lines.len() - more].join("\n"),
            if more > 0 {
                format!("\n… {more} more lines")
            } else {
                String::new()
            },
        );
    }
    if current.is_ok_and(|current| current == content) {
        return Ok(());
    }
    // Written beside the file and renamed, so that the file is never incomplete.
    let parent = path
        .parent()
        .ok_or_else(|| anyhow!("{shown} is not a file"))?;
    let mut file = tempfile::Builder::new();
    // By default, only the owner can read a temporary file.
    #[cfg(unix)]
    file.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = file
        .tempfile_in(parent)
        .with_context(|| format!("cannot write to {}", parent.display()))?;
    file.write_all(content.as_bytes())?;
    file.persist(path)
        .with_context(|| format!("cannot write {shown}"))?;
    Ok(())
}

/// The root of the workspace.
fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_owned()
}
