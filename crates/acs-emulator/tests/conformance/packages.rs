//! The Python and npm packages: built from the program of this test run, installed into fresh folders,
//! and tried with their examples.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::program::PROGRAM;
use crate::sdks::{packages, python};

/// Runs a command to its end, and returns its standard output.
fn run(command: &mut Command) -> String {
    let output = command.env("NO_PROXY", "*").output().unwrap();
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {out}\n{err}");
    out
}

fn below_the_crate(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn copy_files(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
        }
    }
}

// Elsewhere, maturin cannot run the stand-in for cargo.
#[cfg(unix)]
#[test]
fn the_wheel_brings_the_program_and_a_fixture() {
    use std::os::unix::fs::PermissionsExt as _;

    let Some(packages) = packages("python") else {
        return;
    };
    let base = python(&packages);
    let folder = tempfile::tempdir().unwrap();

    // The program is built already, so maturin does not have to compile it again.
    let cargo = folder.path().join("cargo");
    let stand_in = fs::read_to_string(below_the_crate("tests/conformance/built_cargo.py")).unwrap();
    fs::write(&cargo, format!("#!{}\n{stand_in}", base.display())).unwrap();
    fs::set_permissions(&cargo, fs::Permissions::from_mode(0o755)).unwrap();
    let wheels = folder.path().join("wheels");
    let mut maturin = Command::new(packages.join("bin/maturin"));
    maturin.args(["build", "--quiet", "--profile", "dev", "--offline"]);
    maturin.args(["--compatibility", "linux", "--compression-level", "1"]);
    maturin.arg("--out").arg(&wheels);
    maturin.current_dir(below_the_crate("python"));
    run(maturin.env("CARGO", &cargo).env("BUILT_PROGRAM", PROGRAM));
    let wheel = fs::read_dir(&wheels)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();

    // A fresh environment, which finds the SDK and pytest in the other one.
    let fresh = folder.path().join("fresh");
    run(Command::new(&base)
        .args(["-m", "venv", "--without-pip"])
        .arg(&fresh));
    let site = "import sysconfig; print(sysconfig.get_path('purelib'), end='')";
    let [of_base, of_fresh] =
        [&base, &python(&fresh)].map(|python| run(Command::new(python).args(["-c", site])));
    fs::write(Path::new(&of_fresh).join("others.pth"), of_base).unwrap();
    let mut pip = Command::new(&base);
    pip.args([
        "-m",
        "pip",
        "--quiet",
        "--disable-pip-version-check",
        "--python",
    ]);
    pip.arg(python(&fresh))
        .args(["install", "--no-index", "--no-deps"]);
    run(pip.arg(&wheel));

    let version = run(Command::new(fresh.join("bin/acs-emulator")).arg("--version"));
    assert_eq!(
        version.trim(),
        concat!("acs-emulator ", env!("CARGO_PKG_VERSION"))
    );
    let tests = folder.path().join("tests");
    fs::create_dir(&tests).unwrap();
    copy_files(&below_the_crate("python/tests"), &tests);
    let mut pytest = Command::new(python(&fresh));
    let pytest = pytest.args(["-m", "pytest", "-q", "-p", "no:cacheprovider"]);
    let out = run(pytest.current_dir(&tests));
    assert!(out.contains("1 passed"), "{out}");
}

#[test]
fn the_npm_packages_bring_the_program_and_set_ups() {
    let Some(packages) = packages("node") else {
        return;
    };
    let tarballs = tempfile::tempdir().unwrap();
    let mut pack = Command::new("node");
    pack.arg(below_the_crate("npm/pack.mjs"));
    let packed = run(pack.arg(PROGRAM).arg(tarballs.path()));
    let packed: Vec<_> = packed.lines().collect();
    assert_eq!(packed.len(), 2, "{packed:?}");

    // A fresh folder, which finds the SDK and the test frameworks in the folder above it.
    let fresh = tempfile::Builder::new()
        .prefix("fresh-")
        .tempdir_in(&packages)
        .unwrap();
    copy_files(&below_the_crate("npm/example"), fresh.path());
    fs::write(fresh.path().join("package.json"), r#"{"private": true}"#).unwrap();
    let npm = if cfg!(windows) { "npm.cmd" } else { "npm" };
    let mut install = Command::new(npm);
    install.args([
        "install",
        "--offline",
        "--no-audit",
        "--no-fund",
        "--loglevel=error",
    ]);
    run(install.args(&packed).current_dir(fresh.path()));

    let tool = |path: &str| {
        let mut node = Command::new("node");
        node.current_dir(fresh.path()).arg(path);
        node
    };
    let version = run(tool("node_modules/acs-emulator/bin.js").arg("--version"));
    assert_eq!(
        version.trim(),
        concat!("acs-emulator ", env!("CARGO_PKG_VERSION"))
    );
    let failed = tool("node_modules/acs-emulator/bin.js")
        .args(["exec", "--", "node", "-e", "process.exit(7)"])
        .status()
        .unwrap();
    assert_eq!(failed.code(), Some(7));
    let out = run(tool("../node_modules/vitest/vitest.mjs").args(["run", "--no-color"]));
    assert!(out.contains("Tests  1 passed"), "{out}");
    // Its report is on standard error.
    run(tool("../node_modules/jest/bin/jest.js").args(["--no-cache", "--no-watchman"]));
}

#[test]
fn all_packages_have_the_version_of_the_program() {
    let manifest = fs::read_to_string(below_the_crate("npm/acs-emulator/package.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    assert_eq!(manifest["version"], env!("CARGO_PKG_VERSION"));
    let platforms = manifest["optionalDependencies"].as_object().unwrap();
    assert!(
        platforms
            .values()
            .all(|version| version == env!("CARGO_PKG_VERSION"))
    );
}
