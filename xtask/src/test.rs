//! `cargo xtask test`: runs all tests of the workspace.
//!
//! Some tests need the official SDKs, Azurite, Moto, a browser and the tools for packages, which are
//! not written in Rust. All but the browser are installed in the target folder, and again whenever their
//! manifest changes. A test is skipped, with a message, if a program is missing or a registry cannot be
//! reached. Any other failure to install is an error.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// The environment variable with the folder of the packages.
const PACKAGES_VARIABLE: &str = "ACS_TEST_PACKAGES";
/// The folder of the manifests.
const MANIFESTS: &str = "crates/acs-emulator/tests";

/// Packages from one registry.
struct Packages {
    /// The tests that need the packages.
    tests: &'static str,
    /// Their folder in the folder of all packages.
    folder: &'static str,
    /// The path of the manifest below the folder of the manifests.
    manifest: &'static str,
    /// Programs that are needed to install and to run them.
    programs: &'static [&'static str],
    install: fn(&Path) -> Result<()>,
    /// Whether CI may be unable to reach the registry. It reaches those of the others.
    may_be_unreachable: bool,
}

const PACKAGES: [Packages; 4] = [
    Packages {
        tests: "conformance with the JavaScript SDK and the npm packages; own storage, queues and the \
                 archive with Azurite",
        folder: "node",
        manifest: "conformance/package.json",
        programs: &["node", "npm"],
        install: npm_install,
        may_be_unreachable: false,
    },
    Packages {
        tests: "the page of the emulator in Chromium",
        folder: "page",
        manifest: "page/package.json",
        programs: &["node", "npm", "chromium"],
        install: npm_install,
        may_be_unreachable: false,
    },
    Packages {
        tests: "conformance with the Python SDK and the Python package; the archive in S3 with Moto",
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
        may_be_unreachable: false,
    },
    Packages {
        tests: "conformance with the Java SDK",
        folder: "java",
        manifest: "pom.xml",
        programs: &["java", "javac", "keytool", "mvn"],
        install: |folder| {
            let mut mvn = Command::new(if cfg!(windows) { "mvn.cmd" } else { "mvn" });
            mvn.args(["--batch-mode", "--quiet", "dependency:copy-dependencies"]);
            mvn.args(["-DoutputDirectory=lib", "-Dmaven.repo.local=repository"]);
            run_quietly(mvn.current_dir(folder))?;
            // The jars are copies.
            Ok(fs::remove_dir_all(folder.join("repository"))?)
        },
        may_be_unreachable: true,
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
    let in_ci = std::env::var_os("CI").is_some_and(|value| value == OsStr::new("true"));
    for packages in PACKAGES {
        let Some(why) = ensure_installed(&packages, &folder)? else {
            continue;
        };
        let (Skipped::Missing(reason) | Skipped::Unreachable(reason)) = &why;
        let line = format!("skipped: {} ({reason})", packages.tests);
        warn(&line);
        let permitted = packages.may_be_unreachable && matches!(why, Skipped::Unreachable(_));
        if in_ci && !permitted {
            bail!("in CI, this test may not be skipped");
        }
        skipped.push(line);
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

/// Why packages are not installed.
enum Skipped {
    /// A program is missing.
    Missing(String),
    /// The registry cannot be reached.
    Unreachable(String),
}

/// Installs packages unless they are installed already. Then no network is needed.
fn ensure_installed(packages: &Packages, root: &Path) -> Result<Option<Skipped>> {
    for program in packages.programs {
        let run = Command::new(program)
            // Every program knows it or complains.
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if let Err(error) = run {
            return Ok(Some(Skipped::Missing(format!(
                "{program} is missing: {error}"
            ))));
        }
    }
    let manifest = fs::read_to_string(crate::root().join(MANIFESTS).join(packages.manifest))?;
    let folder = root.join(packages.folder);
    // Registries fail temporarily.
    for _ in 0..2 {
        if install(packages, &folder, &manifest).is_ok() {
            return Ok(None);
        }
    }
    match install(packages, &folder, &manifest) {
        Ok(()) => Ok(None),
        Err(error) if is_unreachable(&format!("{error:#}")) => {
            Ok(Some(Skipped::Unreachable(format!("{error:#}"))))
        }
        Err(error) => Err(error.context(format!("cannot install: {}", packages.folder))),
    }
}

/// Whether this is a message of npm, pip or Maven about a registry that cannot be reached.
fn is_unreachable(message: &str) -> bool {
    const MESSAGES: [&str; 10] = [
        "EAI_AGAIN",
        "ECONNREFUSED",
        "ENOTFOUND",
        "ETIMEDOUT",
        "Failed to establish a new connection",
        "NameResolutionError",
        "Could not find artifact",
        "Could not transfer artifact",
        "Connect timed out",
        "Unknown host",
    ];
    MESSAGES.iter().any(|part| message.contains(part))
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
    // Maven reports errors on standard output.
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<_> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    // The first lines say what failed, the last ones often only what to read.
    bail!(
        "{command:?} failed: {}",
        lines[..lines.len().min(20)].join(" / ")
    )
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
            tests: "test",
            folder: "test",
            manifest: "manifest.txt",
            programs: &[],
            install,
            may_be_unreachable: false,
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
    fn only_registries_out_of_reach_are_excused() {
        for message in [
            "npm error code EAI_AGAIN",
            "Failed to establish a new connection: [Errno -3] Temporary failure in name resolution",
            "Could not transfer artifact com.azure:a:pom:1 from/to central: repo.example: Unknown host",
            // Some mirrors of Maven Central are incomplete.
            "Could not find artifact com.azure:a:jar:1 in central",
        ] {
            assert!(is_unreachable(message), "{message}");
        }
        let message = "No matching distribution found for moto";
        assert!(!is_unreachable(message), "{message}");
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
