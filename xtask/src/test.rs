//! `cargo xtask test`: runs all tests of the workspace.
//!
//! Some suites need the official SDKs, Azurite, Moto and a browser, which are not written in Rust.
//! All but the browser are installed in the target folder, and again whenever their manifest changes.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, anyhow, bail};

/// The environment variable with the folder of the packages.
const PACKAGES_VARIABLE: &str = "ACS_TEST_PACKAGES";
/// The folder of the manifests.
const MANIFESTS: &str = "crates/acs-emulator/tests";

/// Packages from one registry.
struct Packages {
    /// The suites that need the packages.
    suites: &'static str,
    /// Their folder in the folder of all packages.
    folder: &'static str,
    /// The path of the manifest below the folder of the manifests.
    manifest: &'static str,
    /// Programs that are needed to install and to run them.
    programs: &'static [&'static str],
    install: fn(&Path) -> Result<()>,
}

const PACKAGES: [Packages; 3] = [
    Packages {
        suites: "conformance with the JavaScript SDK; own storage, queues and the archive with Azurite",
        folder: "node",
        manifest: "conformance/package.json",
        programs: &["node", "npm"],
        install: npm_install,
    },
    Packages {
        suites: "the page of the emulator in Chromium",
        folder: "page",
        manifest: "page/package.json",
        programs: &["node", "npm", "chromium"],
        install: npm_install,
    },
    Packages {
        suites: "conformance with the Python SDK; the archive in S3 with Moto",
        folder: "python",
        manifest: "conformance/requirements.txt",
        programs: &["python3"],
        install: |folder| {
            run_quietly(
                Command::new("python3")
                    .args(["-m", "venv", "."])
                    .current_dir(folder),
            )?;
            // An absolute path, because the lookup of relative ones depends on the system.
            let python = folder.join(if cfg!(windows) {
                "Scripts/python.exe"
            } else {
                "bin/python"
            });
            let mut pip = Command::new(python);
            pip.args(["-m", "pip", "install", "--quiet"]);
            pip.args(["--disable-pip-version-check", "-r", "requirements.txt"]);
            run_quietly(pip.current_dir(folder))
        },
    },
];

fn npm_install(folder: &Path) -> Result<()> {
    let mut npm = Command::new("npm");
    npm.args(["install", "--no-audit", "--no-fund", "--loglevel=error"]);
    run_quietly(npm.current_dir(folder))
}

pub fn run(args: &[String]) -> Result<()> {
    let folder = target_folder().join("test-packages");
    let mut skipped = Vec::new();
    for packages in PACKAGES {
        if let Err(error) = ensure_installed(&packages, &folder) {
            skipped.push(format!("skipped: {} ({error:#})", packages.suites));
        }
    }
    for line in &skipped {
        warn(line);
    }
    let in_ci = std::env::var_os("CI").is_some_and(|value| value == OsStr::new("true"));
    if in_ci && !skipped.is_empty() {
        bail!("in CI, no suite may be skipped");
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .current_dir(crate::root())
        .args(["test", "--workspace", "--all-features"])
        .args(args)
        .env(PACKAGES_VARIABLE, &folder)
        .status()
        .context("cannot run cargo")?;
    if !status.success() {
        bail!("tests failed");
    }
    // Repeated at the end, where it is visible.
    for line in &skipped {
        warn(line);
    }
    Ok(())
}

/// Installs packages unless they are installed already. Then no network is needed.
fn ensure_installed(packages: &Packages, root: &Path) -> Result<()> {
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
    // Registries fail temporarily.
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
    warn(&format!("installing: {}", packages.folder));
    // Removes other versions and incomplete installations.
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder)?;
    let name = Path::new(packages.manifest).file_name();
    fs::write(folder.join(name.unwrap_or_default()), manifest)?;
    (packages.install)(folder)?;
    fs::write(stamp, manifest)?;
    Ok(())
}

fn run_quietly(command: &mut Command) -> Result<()> {
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

fn target_folder() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(target) => crate::root().join(target),
        None => crate::root().join("target"),
    }
}

#[allow(clippy::print_stderr, reason = "command-line messages go to stderr")]
fn warn(line: &str) {
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
    fn packages_are_installed_once_per_manifest() {
        let packages = packages(|folder| {
            fs::write(folder.join("new"), "")?;
            Ok(())
        });
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("packages");
        let installs = |manifest: &str| {
            install(&packages, &folder, manifest).unwrap();
            fs::remove_file(folder.join("new")).is_ok()
        };
        assert!(installs("a"));
        assert!(!installs("a"));
        fs::write(folder.join("old"), "").unwrap();
        assert!(installs("b"));
        assert!(!folder.join("old").exists());
    }

    #[test]
    fn a_failed_installation_is_retried() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("packages");
        let failing = packages(|_| bail!("no network"));
        assert!(install(&failing, &folder, "a").is_err());
        assert!(install(&failing, &folder, "a").is_err());
        assert!(install(&packages(|_| Ok(())), &folder, "a").is_ok());
    }
}
