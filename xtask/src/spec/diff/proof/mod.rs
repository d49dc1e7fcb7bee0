//! The verdict on Rust code, compared with the word of the compiler.
//!
//! Each case is a kind of change. Two documents contain the elements of all cases before and after
//! the change. The clients that are generated from them are modules of one package, and so is the
//! code that uses the elements of each case: it compiles with the old client, and then its errors
//! with the new one are compared with the verdict.

mod cases;
mod consumer;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::{Effects, Report, Verdict, diff};
use crate::metadata::{cargo, program};
use cases::Case;

const CRATE: &str = "acs-call-automation";

#[test]
fn the_compiler_agrees() {
    let cases = cases::all();
    let [old, new] = [cases::document(&cases, 0), cases::document(&cases, 1)];
    let package = Package::new();
    let before = package.write_client("before", &old);
    package.write_client("after", &new);
    let mut modules = vec!["before".to_owned(), "after".to_owned()];
    for case in &cases {
        for client in ["before", "after"] {
            let root = format!("crate::{client}");
            let name = format!("{}_{client}", case.prefix);
            let code = consumer::consumer(&before, &case.prefix, &root);
            assert!(code.contains("fn use_"), "{} uses nothing", case.name);
            package.write(&format!("src/{name}.rs"), &code);
            modules.push(name);
        }
    }
    package.write_root(&modules);
    let errors = package.errors();

    let report = diff(&old, &new);
    let mut table = format!(
        "{:50} {:18} {:18} {:11} compiler\n",
        "change", "callers", "parsers", "Rust code"
    );
    let mut wrong = Vec::new();
    for case in &cases {
        assert_eq!(
            errors.get(&format!("{}_before", case.prefix)),
            None,
            "{}",
            case.name
        );
        let found = errors.get(&format!("{}_after", case.prefix));
        let compiler = if found.is_some() {
            Verdict::Breaking
        } else {
            Verdict::Compatible
        };
        let effects = effects_of(&report, case);
        let Effects {
            callers,
            parsers,
            source,
        } = effects;
        let _ = writeln!(
            table,
            "{:50} {callers:18} {parsers:18} {source:11} {compiler}",
            case.name
        );
        if source != compiler || [callers, parsers, source] != case.verdicts {
            let text = found.map_or("it compiles", String::as_str);
            wrong.push(format!(
                "{}: expected {:?}, judged {effects:?}; {text}",
                case.name, case.verdicts
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    insta::assert_snapshot!(table);
}

/// The worst verdicts on the elements of a case.
fn effects_of(report: &Report, case: &Case) -> Effects {
    let prefix = case.prefix.to_lowercase();
    let of_the_case = report
        .changes
        .iter()
        .filter(|change| change.name.to_lowercase().starts_with(&prefix));
    of_the_case.fold(Effects::NONE, |worst, change| Effects {
        callers: worst.callers.max(change.effects.callers),
        parsers: worst.parsers.max(change.effects.parsers),
        source: worst.source.max(change.effects.source),
    })
}

/// A package in the target folder, which shares the dependencies of the workspace.
struct Package {
    folder: PathBuf,
    target: PathBuf,
}

impl Package {
    fn new() -> Self {
        let root = crate::root();
        let target = match std::env::var_os("CARGO_TARGET_DIR") {
            Some(target) => root.join(target),
            None => root.join("target"),
        };
        let package = Self {
            folder: target.join("verdict-proof"),
            target,
        };
        let _ = fs::remove_dir_all(package.folder.join("src"));
        fs::create_dir_all(package.folder.join("src")).unwrap();
        package.write("Cargo.toml", &manifest());
        let lock = fs::read_to_string(root.join("Cargo.lock")).unwrap();
        package.write("Cargo.lock", &lock);
        package
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn write_root(&self, modules: &[String]) {
        let modules: String = modules.iter().fold(String::new(), |mut out, name| {
            let _ = writeln!(out, "pub mod {name};");
            out
        });
        self.write("src/lib.rs", &format!("#![allow(warnings)]\n{modules}"));
    }

    /// Writes a copy of the crate as a module, with the client of a document, which is returned.
    fn write_client(&self, module: &str, document: &Value) -> syn::File {
        let source = crate::root().join("crates").join(CRATE).join("src");
        let in_module = |text: &str| text.replace("crate::", &format!("crate::{module}::"));
        for path in files_below(&source) {
            let name = path.strip_prefix(&source).unwrap();
            let text = fs::read_to_string(&path).unwrap();
            let (name, text) = if name == Path::new("lib.rs") {
                (Path::new("mod.rs"), as_module(&text))
            } else {
                (name, text)
            };
            self.write(
                &format!("src/{module}/{}", name.display()),
                &in_module(&text),
            );
        }
        let generated = crate::codegen::generate(document).unwrap();
        self.write(
            &format!("src/{module}/generated.rs"),
            &in_module(&generated),
        );
        syn::parse_file(&generated).unwrap()
    }

    /// Compiles the package, and returns the errors of each module.
    fn errors(&self) -> BTreeMap<String, String> {
        let output = Command::new(program())
            .args(["check", "--offline", "--quiet", "--message-format", "json"])
            .current_dir(&self.folder)
            .env("CARGO_TARGET_DIR", &self.target)
            .output()
            .unwrap();
        let stdout = String::from_utf8(output.stdout).unwrap();
        let messages = stdout
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mut errors: BTreeMap<String, String> = BTreeMap::new();
        let mut is_checked = output.status.success();
        for message in messages {
            let message = &message["message"];
            if message["level"] != "error" {
                continue;
            }
            // The last error counts the others, and has no location.
            for span in message["spans"].as_array().into_iter().flatten() {
                is_checked = true;
                let file = span["file_name"].as_str().unwrap();
                let module = file.trim_start_matches("src/").trim_end_matches(".rs");
                let text = message["rendered"].as_str().unwrap();
                if span["is_primary"] == true {
                    *errors.entry(module.to_owned()).or_default() += text;
                }
            }
        }
        assert!(is_checked, "{}", String::from_utf8_lossy(&output.stderr));
        let known: BTreeSet<_> = errors
            .keys()
            .filter(|name| !name.starts_with('c'))
            .collect();
        assert!(
            known.is_empty(),
            "the generated code does not compile: {errors:#?}"
        );
        errors
    }
}

/// The root of the crate as a module. The generated code is visible in it.
fn as_module(text: &str) -> String {
    text.lines()
        .filter(|line| !line.starts_with("#![") && !line.starts_with("//!"))
        .fold(String::new(), |out, line| out + line + "\n")
        .replace("\nmod generated;", "\npub mod generated;")
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            out.extend(files_below(&path));
        } else {
            out.push(path);
        }
    }
    out
}

/// A manifest with the dependencies of the crate.
fn manifest() -> String {
    let metadata = cargo(&[
        "metadata",
        "--no-deps",
        "--offline",
        "--format-version",
        "1",
    ])
    .unwrap();
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let package = packages
        .iter()
        .find(|package| package["name"] == CRATE)
        .unwrap();
    let mut out = "[package]\nname = \"verdict-proof\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\
                   publish = false\n\n[workspace]\n\n[dependencies]\n"
        .to_owned();
    for dependency in package["dependencies"].as_array().unwrap() {
        if dependency["kind"] != json!(null) {
            continue;
        }
        let _ = writeln!(
            out,
            "{} = {{ version = {}, features = {}, default-features = {} }}",
            dependency["name"].as_str().unwrap(),
            dependency["req"],
            dependency["features"],
            dependency["uses_default_features"],
        );
    }
    out
}
