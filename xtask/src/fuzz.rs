//! `cargo xtask fuzz`: the targets in `crates/acs-recording/fuzz`, with libFuzzer.
//!
//! `cargo fuzz` needs a nightly compiler for its sanitizers. The crates contain only safe Rust, so
//! coverage suffices, and stable compilers support it.

use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use clap::Args;

const FOLDER: &str = "crates/acs-recording/fuzz";

/// Compiler flags that instrument the code for coverage and comparisons.
const FLAGS: &str = "--cfg fuzzing -Ccodegen-units=1 -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares";

/// Maximum number of output lines to show for a crash.
const MAX_SHOWN_LINES: usize = 60;

struct Target {
    name: &'static str,
    /// The folder of the seed corpus, relative to [`FOLDER`].
    seeds: Option<&'static str>,
    /// Maximum length of an input in bytes.
    max_length: u32,
}

const TARGETS: &[Target] = &[
    target("connection_string", Some("seeds/connection_string"), 512),
    target("download", None, 2048),
    target("events", Some("../tests/fixtures/events"), 8192),
    target("inspect", Some("seeds/inspect"), 20_480),
    target("journal", Some("seeds/journal"), 1024),
    target("token", None, 1024),
];

const fn target(name: &'static str, seeds: Option<&'static str>, max_length: u32) -> Target {
    Target {
        name,
        seeds,
        max_length,
    }
}

#[derive(Debug, Args)]
pub struct Options {
    /// The target; by default, all targets run in turn
    target: Option<String>,
    /// Seconds to run each target
    #[arg(long, value_name = "N", default_value_t = 60)]
    seconds: u32,
    /// Runs the target once with this input
    #[arg(long, value_name = "FILE", requires = "target")]
    input: Option<PathBuf>,
}

pub fn run(options: &Options) -> Result<()> {
    let is_selected = |target: &&Target| {
        options
            .target
            .as_ref()
            .is_none_or(|name| name == target.name)
    };
    let targets: Vec<_> = TARGETS.iter().filter(is_selected).collect();
    if targets.is_empty() {
        let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
        bail!("unknown target; the targets are {}", names.join(", "));
    }
    let programs = build()?;
    for target in targets {
        fuzz(target, &programs, options).with_context(|| format!("target {}", target.name))?;
    }
    Ok(())
}

/// Builds all targets, and returns the folder of their executables.
fn build() -> Result<PathBuf> {
    let root = crate::root();
    let host = host()?;
    let folder = root.join("target/fuzz");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    // With `--target`, the flags do not apply to build scripts and macros.
    let status = Command::new(cargo)
        .args([
            "build",
            "--quiet",
            "--locked",
            "--release",
            "--target",
            &host,
        ])
        .arg("--target-dir")
        .arg(&folder)
        .env("RUSTFLAGS", FLAGS)
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .current_dir(root.join(FOLDER))
        .status()
        .context("cannot run cargo")?;
    if !status.success() {
        bail!("the targets cannot be built; see the output above");
    }
    Ok(folder.join(host).join("release"))
}

fn host() -> Result<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("-vV").output();
    let output = output.context("cannot run rustc")?.stdout;
    let text = String::from_utf8(output)?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("`rustc -vV` prints no host")?.to_owned())
}

fn fuzz(target: &Target, programs: &Path, options: &Options) -> Result<()> {
    let folder = crate::root().join(FOLDER);
    let mut program = Command::new(programs.join(target.name));
    if let Some(input) = &options.input {
        program.arg(input);
        return run_target(program);
    }
    writeln!(std::io::stdout(), "{}: {} s", target.name, options.seconds)?;
    // libFuzzer writes new inputs to the first folder.
    let corpus = folder.join("corpus").join(target.name);
    let artifacts = folder.join("artifacts").join(target.name);
    for folder in [&corpus, &artifacts] {
        fs::create_dir_all(folder)?;
    }
    program.arg(corpus);
    program.args(target.seeds.map(|seeds| folder.join(seeds)));
    program
        .arg(format!("-max_total_time={}", options.seconds))
        .arg(format!("-max_len={}", target.max_length))
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .args(["-timeout=25", "-rss_limit_mb=2048", "-print_final_stats=1"]);
    if target.seeds.is_none() {
        // Tries long inputs from the beginning, not only after all short ones.
        program.arg("-len_control=0");
    }
    let dictionary = folder.join(format!("dictionaries/{}.dict", target.name));
    if dictionary.exists() {
        program.arg(format!("-dict={}", dictionary.display()));
    }
    run_target(program)
}

/// Runs a target. Prints its statistics, or fails with the end of its output.
fn run_target(mut program: Command) -> Result<()> {
    let mut child = program
        // Run the input again to get a backtrace.
        .env("RUST_BACKTRACE", "0")
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot run the target")?;
    let mut last = VecDeque::new();
    for line in BufReader::new(child.stderr.take().context("no output")?).split(b'\n') {
        let line = String::from_utf8_lossy(&line?).into_owned();
        if line.starts_with("stat::") {
            writeln!(std::io::stdout(), "  {line}")?;
        }
        if last.len() == MAX_SHOWN_LINES {
            last.pop_front();
        }
        last.push_back(line);
    }
    if !child.wait()?.success() {
        let last: Vec<_> = last.into();
        bail!("the target crashed:\n{}", last.join("\n"));
    }
    Ok(())
}
