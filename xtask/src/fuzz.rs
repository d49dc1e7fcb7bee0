//! `cargo xtask fuzz`: the targets in `crates/acs-recording/fuzz`, with libFuzzer.
//!
//! `cargo fuzz` needs a nightly compiler for its sanitizers. Our code is safe Rust, for which
//! coverage is enough, and that is there on stable.

use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use clap::Args;

const FOLDER: &str = "crates/acs-recording/fuzz";

/// What makes the compiler count where a run comes along, and what it compares.
const FLAGS: &str = "--cfg fuzzing -Ccodegen-units=1 -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares";

/// Lines that are shown of a finding.
const SHOWN: usize = 60;

struct Target {
    name: &'static str,
    /// A folder with input to begin with, as seen from [`FOLDER`].
    seeds: Option<&'static str>,
    /// Of an input, in bytes.
    longest: u32,
}

const TARGETS: &[Target] = &[
    target("connection_string", Some("seeds/connection_string"), 512),
    target("download", None, 2048),
    target("events", Some("../tests/fixtures/events"), 8192),
    target("inspect", Some("seeds/inspect"), 20_480),
    target("journal", Some("seeds/journal"), 1024),
    target("token", None, 1024),
];

const fn target(name: &'static str, seeds: Option<&'static str>, longest: u32) -> Target {
    Target {
        name,
        seeds,
        longest,
    }
}

#[derive(Debug, Args)]
pub struct Options {
    /// The target; all of them, one after the other, without
    target: Option<String>,
    /// How long each runs
    #[arg(long, value_name = "N", default_value_t = 60)]
    seconds: u32,
    /// Runs this input once
    #[arg(long, value_name = "FILE", requires = "target")]
    input: Option<PathBuf>,
}

pub fn run(options: &Options) -> Result<()> {
    let wanted = |target: &&Target| {
        options
            .target
            .as_ref()
            .is_none_or(|name| name == target.name)
    };
    let targets: Vec<_> = TARGETS.iter().filter(wanted).collect();
    if targets.is_empty() {
        let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
        bail!("there is no such target; there are {}", names.join(", "));
    }
    let programs = build()?;
    for target in targets {
        fuzz(target, &programs, options).with_context(|| format!("target {}", target.name))?;
    }
    Ok(())
}

/// Builds all targets; tells where they are.
fn build() -> Result<PathBuf> {
    let root = crate::root();
    let host = host()?;
    let folder = root.join("target/fuzz");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    // With a target, build scripts and macros are built without the flags.
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
        bail!("the targets cannot be built; see above");
    }
    Ok(folder.join(host).join("release"))
}

fn host() -> Result<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("-vV").output();
    let output = output.context("cannot run rustc")?.stdout;
    let text = String::from_utf8(output)?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc does not tell its host")?.to_owned())
}

fn fuzz(target: &Target, programs: &Path, options: &Options) -> Result<()> {
    let folder = crate::root().join(FOLDER);
    let mut program = Command::new(programs.join(target.name));
    if let Some(input) = &options.input {
        program.arg(input);
        return end(program);
    }
    writeln!(std::io::stdout(), "{}: {} s", target.name, options.seconds)?;
    // What it finds goes to the first folder.
    let corpus = folder.join("corpus").join(target.name);
    let artifacts = folder.join("artifacts").join(target.name);
    for folder in [&corpus, &artifacts] {
        fs::create_dir_all(folder)?;
    }
    program.arg(corpus);
    program.args(target.seeds.map(|seeds| folder.join(seeds)));
    program
        .arg(format!("-max_total_time={}", options.seconds))
        .arg(format!("-max_len={}", target.longest))
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .args(["-timeout=25", "-rss_limit_mb=2048", "-print_final_stats=1"]);
    if target.seeds.is_none() {
        // A long conversation has to be tried before all short ones have been.
        program.arg("-len_control=0");
    }
    let dictionary = folder.join(format!("dictionaries/{}.dict", target.name));
    if dictionary.exists() {
        program.arg(format!("-dict={}", dictionary.display()));
    }
    end(program)
}

/// Runs a target, and shows of what it says the figures, or everything about a finding.
fn end(mut program: Command) -> Result<()> {
    let mut child = program
        // Whoever wants one can ask for it with the input of the finding.
        .env("RUST_BACKTRACE", "0")
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot run it")?;
    let mut last = VecDeque::new();
    for line in BufReader::new(child.stderr.take().context("no output")?).split(b'\n') {
        let line = String::from_utf8_lossy(&line?).into_owned();
        if line.starts_with("stat::") {
            writeln!(std::io::stdout(), "  {line}")?;
        }
        if last.len() == SHOWN {
            last.pop_front();
        }
        last.push_back(line);
    }
    if !child.wait()?.success() {
        let last: Vec<_> = last.into();
        bail!("there is a finding:\n{}", last.join("\n"));
    }
    Ok(())
}
