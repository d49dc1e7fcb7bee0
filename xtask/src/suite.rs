//! `cargo xtask test`: every test of the workspace with one command.
//!
//! Some suites need programs that are not written in Rust: the official SDKs, Azurite, and Moto. They are
//! installed below the target folder, once for each state of our manifests.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, anyhow, bail};

/// Tells the tests where the packages are.
const VARIABLE: &str = "ACS_TEST_PACKAGES";
/// Where our manifests are.
const MANIFESTS: &str = "crates/acs-emulator/tests/conformance";

/// Packages of one registry.
struct Packages {
    /// The suites that need them.
    suites: &'static str,
    /// Their folder among the packages.
    folder: &'static str,
    manifest: &'static str,
    /// What has to be there to install and to run them.
    programs: &'static [&'static str],
    install: fn(&Path) -> Result<()>,
}

const PACKAGES: [Packages; 2] = [
    Packages {
        suites: "conformance with the JavaScript SDK; own storage, queues and the archive with Azurite",
        folder: "node",
        manifest: "package.json",
        programs: &["node", "npm"],
        install: |folder| {
            let mut npm = Command::new("npm");
            npm.args(["install", "--no-audit", "--no-fund", "--loglevel=error"]);
            done(npm.current_dir(folder))
        },
    },
    Packages {
        suites: "conformance with the Python SDK; the archive in S3 with Moto",
        folder: "python",
        manifest: "requirements.txt",
        programs: &["python3"],
        install: |folder| {
            done(
                Command::new("python3")
                    .args(["-m", "venv", "."])
                    .current_dir(folder),
            )?;
            // Absolute, because where a program is looked up from differs between systems.
            let python = folder.join(if cfg!(windows) {
                "Scripts/python.exe"
            } else {
                "bin/python"
            });
            let mut pip = Command::new(python);
            pip.args(["-m", "pip", "install", "--quiet"]);
            pip.args(["--disable-pip-version-check", "-r", "requirements.txt"]);
            done(pip.current_dir(folder))
        },
    },
];

pub fn run(args: &[String]) -> Result<()> {
    let folder = target().join("test-packages");
    let mut left_out = Vec::new();
    for packages in PACKAGES {
        if let Err(error) = provide(&packages, &folder) {
            left_out.push(format!("left out: {} ({error:#})", packages.suites));
        }
    }
    for line in &left_out {
        say(line);
    }
    let in_ci = std::env::var_os("CI").is_some_and(|value| value == OsStr::new("true"));
    if in_ci && !left_out.is_empty() {
        bail!("in CI no suite may be left out");
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .current_dir(crate::root())
        .args(["test", "--workspace", "--all-features"])
        .args(args)
        .env(VARIABLE, &folder)
        .status()
        .context("cannot run cargo")?;
    if !status.success() {
        bail!("tests failed");
    }
    // At the end again, where it is seen.
    for line in &left_out {
        say(line);
    }
    Ok(())
}

/// Installs packages unless they are there already, which works without a network.
fn provide(packages: &Packages, root: &Path) -> Result<()> {
    for program in packages.programs {
        Command::new(program)
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .map_err(|error| anyhow!("{program} is missing: {error}"))?;
    }
    let manifest = fs::read_to_string(crate::root().join(MANIFESTS).join(packages.manifest))?;
    let folder = root.join(packages.folder);
    // Registries have bad moments.
    for _ in 0..2 {
        if install(packages, &folder, &manifest).is_ok() {
            return Ok(());
        }
    }
    install(packages, &folder, &manifest)
}

fn install(packages: &Packages, folder: &Path, manifest: &str) -> Result<()> {
    let stamp = folder.join("installed");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == manifest) {
        return Ok(());
    }
    say(&format!("installing: {}", packages.folder));
    // A fresh start, so that nothing is left of other versions or of a half installation.
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder)?;
    fs::write(folder.join(packages.manifest), manifest)?;
    (packages.install)(folder)?;
    fs::write(stamp, manifest)?;
    Ok(())
}

fn done(command: &mut Command) -> Result<()> {
    let output = command
        .output()
        .with_context(|| format!("cannot run {command:?}"))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let last: Vec<_> = text.lines().rev().take(3).collect();
    bail!("{command:?} failed: {}", last.join(" / "))
}

fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(target) => crate::root().join(target),
        None => crate::root().join("target"),
    }
}

#[allow(clippy::print_stderr, reason = "a command line speaks on stderr")]
fn say(line: &str) {
    eprintln!("{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packages(install: fn(&Path) -> Result<()>) -> Packages {
        Packages {
            suites: "test",
            folder: "test",
            manifest: "manifest.txt",
            programs: &[],
            install,
        }
    }

    #[test]
    fn packages_are_installed_once_for_each_manifest() {
        let packages = packages(|folder| {
            fs::write(folder.join("fresh"), "")?;
            Ok(())
        });
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("packages");
        let installs = |manifest: &str| {
            install(&packages, &folder, manifest).unwrap();
            fs::remove_file(folder.join("fresh")).is_ok()
        };
        assert!(installs("a"));
        assert!(!installs("a"));
        fs::write(folder.join("old"), "").unwrap();
        assert!(installs("b"));
        assert!(!folder.join("old").exists());
    }

    #[test]
    fn a_failed_installation_is_tried_again() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("packages");
        let failing = packages(|_| bail!("no network"));
        assert!(install(&failing, &folder, "a").is_err());
        assert!(install(&failing, &folder, "a").is_err());
        assert!(install(&packages(|_| Ok(())), &folder, "a").is_ok());
    }
}
