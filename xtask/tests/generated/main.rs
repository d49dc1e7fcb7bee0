//! Compiles what is generated from the fixtures, and drives it against an HTTP server.
//!
//! One package with a module for each document shares the target folder, the dependencies and the
//! lock file of the workspace, so that it needs no network. If `ACS_DESCRIPTIONS` is a folder, the
//! published descriptions in it are compiled in the same package.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "test helpers may panic, like tests"
)]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const FIXTURES: [(&str, &str); 2] = [
    ("lockers", "fixtures/lockers/v1/lockers.json"),
    ("nasty", "fixtures/nasty/nasty.json"),
];

#[test]
fn generated_clients_compile_and_send_what_the_description_says() {
    let package = target_folder().join("generated-clients");
    let source = package.join("src");
    fs::create_dir_all(&source).unwrap();
    let mut modules: Vec<(String, PathBuf)> = FIXTURES
        .iter()
        .map(|(name, path)| ((*name).to_owned(), xtask().join(path)))
        .collect();
    if let Some(folder) = std::env::var_os("ACS_DESCRIPTIONS") {
        let before = modules.len();
        let mut files = Vec::new();
        find_descriptions(Path::new(&folder), &mut files);
        files.sort();
        for (number, path) in files.into_iter().enumerate() {
            modules.push((format!("published_{number}"), path));
        }
        assert!(
            modules.len() > before,
            "no descriptions in {}",
            folder.display()
        );
    }
    let mut main = format!(
        "#[allow(dead_code, unused_imports)]\n#[path = {:?}]\nmod runtime;\n",
        root().join("crates/acs-call-automation/src/runtime/mod.rs")
    );
    for (name, path) in &modules {
        generate(
            path,
            &package.join("document.json"),
            &source.join(format!("{name}.rs")),
        );
        write!(
            main,
            "// {}\n#[allow(dead_code)]\nmod {name};\n",
            path.display()
        )
        .unwrap();
    }
    main.push_str(include_str!("drive.rs"));
    fs::write(source.join("main.rs"), main).unwrap();
    fs::write(package.join("Cargo.toml"), manifest()).unwrap();
    fs::copy(root().join("Cargo.lock"), package.join("Cargo.lock")).unwrap();
    run(
        Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()))
            .args(["run", "--offline", "--quiet"])
            .env("CARGO_TARGET_DIR", target_folder())
            .current_dir(&package),
    );
}

/// Generates a module from a published description.
fn generate(description: &Path, document: &Path, module: &Path) {
    let xtask = || Command::new(env!("CARGO_BIN_EXE_xtask"));
    run(xtask()
        .args(["spec", "import", "--overlay", "none"])
        .arg(description)
        .arg("--out")
        .arg(document));
    run(xtask()
        .args(["codegen", "--spec"])
        .arg(document)
        .arg("--out")
        .arg(module));
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// The manifest of the package: the dependencies of the generated crate, with the versions and
/// profiles of the workspace.
fn manifest() -> String {
    let read = |path: &str| fs::read_to_string(root().join(path)).unwrap();
    let section = |manifest: &str, wanted: &dyn Fn(&str) -> bool| {
        let mut is_wanted = false;
        manifest.lines().fold(String::new(), |text, line| {
            if line.starts_with('[') {
                is_wanted = wanted(line);
            }
            if is_wanted { text + line + "\n" } else { text }
        })
    };
    let workspace = section(&read("Cargo.toml"), &|line| {
        line == "[workspace.dependencies]"
    });
    let dev = section(&read("Cargo.toml"), &|line| line == "[profile.dev]");
    let dependencies = section(&read("crates/acs-call-automation/Cargo.toml"), &|line| {
        line == "[dependencies]"
    });
    format!(
        "[package]\nname = \"generated-clients\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n\
         [workspace]\nresolver = \"3\"\n\n{workspace}\n{dependencies}tokio.workspace = true\n\n{dev}"
    )
}

/// The Swagger documents with operations below a folder.
fn find_descriptions(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if path.file_name().is_none_or(|name| name != "examples") {
                find_descriptions(&path, out);
            }
        } else if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            let text = fs::read_to_string(&path).unwrap();
            let document: serde_json::Value =
                serde_json::from_str(text.trim_start_matches('\u{feff}')).unwrap();
            let paths = document["paths"].as_object();
            if paths.is_some_and(|paths| !paths.is_empty()) {
                out.push(path);
            }
        }
    }
}

fn xtask() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn root() -> &'static Path {
    xtask().parent().unwrap()
}

fn target_folder() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(target) => root().join(target),
        None => root().join("target"),
    }
}
