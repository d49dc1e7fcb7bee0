//! Imports run one way: no circular imports in a crate, and no imports from a higher layer.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails where it cannot read the sources"
)]

mod imports;

use std::collections::BTreeSet;
use std::path::Path;

use imports::Imports;

/// Files of a crate that must not import certain other files of the same crate.
struct Rule {
    name: &'static str,
    crate_name: &'static str,
    /// Whether the rule applies to a file.
    from: fn(&str) -> bool,
    /// Whether such a file must not import another one.
    to: fn(&str, &str) -> bool,
}

const RULES: [Rule; 5] = [
    Rule {
        name: "only main.rs and commands/shell.rs import the whole command line",
        crate_name: "acs-recording-cli",
        from: |file| !["main.rs", "cli.rs", "commands/shell.rs"].contains(&file),
        to: |_, file| file == "cli.rs",
    },
    Rule {
        name: "shared code does not import commands",
        crate_name: "acs-recording-cli",
        from: |file| !file.starts_with("commands/") && !["main.rs", "cli.rs"].contains(&file),
        to: |_, file| file.starts_with("commands/"),
    },
    Rule {
        name: "a command does not import another",
        crate_name: "acs-recording-cli",
        from: |file| command(file).is_some(),
        to: |from, to| command(to).is_some_and(|other| command(from) != Some(other)),
    },
    Rule {
        name: "a module of the emulator imports only those below it",
        crate_name: "acs-emulator",
        from: |file| !is_program(file),
        to: |from, to| !may_import(module(from), module(to)),
    },
    Rule {
        name: "nothing imports the program",
        crate_name: "acs-emulator",
        from: |_| true,
        to: |from, to| is_program(to) && !is_program(from),
    },
];

/// The files of the emulator that may import everything.
const PROGRAM: [&str; 3] = ["lib.rs", "main.rs", "cli.rs"];

fn is_program(file: &str) -> bool {
    PROGRAM.contains(&file) || file.starts_with("cli/")
}

/// The modules of the emulator, and the modules that each may import. All may import themselves and
/// the ground.
const EMULATOR: [(&str, &[&str]); 12] = [
    ("media", &[]),
    ("faults", &[]),
    ("service", &["media"]),
    ("activity", &["auth", "faults", "service"]),
    ("storage", &["media", "service"]),
    ("wire", &["service"]),
    ("auth", &["service"]),
    (
        "delivery",
        &[
            "activity", "auth", "faults", "media", "service", "storage", "wire",
        ],
    ),
    ("server", &["auth"]),
    (
        "runtime",
        &[
            "activity", "auth", "delivery", "faults", "media", "server", "service", "storage",
        ],
    ),
    (
        "http",
        &[
            "activity", "auth", "delivery", "faults", "media", "runtime", "service", "storage",
            "wire",
        ],
    ),
    (
        "emulator",
        &[
            "auth", "delivery", "faults", "http", "media", "runtime", "server", "service",
            "storage",
        ],
    ),
];

/// Small files of the emulator that import nothing of it.
const GROUND: [&str; 3] = ["error", "redact", "tasks"];

fn may_import(from: &str, to: &str) -> bool {
    let allowed = EMULATOR.iter().find(|(module, _)| *module == from);
    from == to || allowed.is_some_and(|(_, allowed)| allowed.contains(&to) || GROUND.contains(&to))
}

/// The module that a file belongs to, directly below the crate.
fn module(file: &str) -> &str {
    let name = file.split('/').next().unwrap_or_default();
    name.trim_end_matches(".rs")
}

/// Other crates that some files must not use.
struct ForeignRule {
    name: &'static str,
    crate_name: &'static str,
    /// The folder that the rule applies to.
    folder: &'static str,
    forbidden: &'static [&'static str],
}

const FOREIGN_RULES: [ForeignRule; 1] = [ForeignRule {
    name: "the emulated service knows neither HTTP nor JSON",
    crate_name: "acs-emulator",
    folder: "service/",
    forbidden: &[
        "acs_call_automation",
        "axum",
        "http",
        "hyper",
        "reqwest",
        "serde_json",
        "tower_service",
    ],
}];

/// The command that a file below `commands` belongs to.
fn command(file: &str) -> Option<&str> {
    let file = file.strip_prefix("commands/")?;
    let name = file.split(['/', '.']).next()?;
    (name != "mod").then_some(name)
}

fn crates() -> Vec<(String, Imports)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates");
    let mut crates = Vec::new();
    for entry in std::fs::read_dir(root).unwrap() {
        let entry = entry.unwrap();
        let source = entry.path().join("src");
        if source.is_dir() {
            let name = entry.file_name().into_string().unwrap();
            crates.push((name, Imports::read(&source)));
        }
    }
    assert!(crates.len() >= 4, "the crates were not found");
    crates
}

#[test]
fn no_file_imports_from_a_higher_layer() {
    let mut broken = Vec::new();
    for (name, imports) in crates() {
        for rule in RULES.iter().filter(|rule| rule.crate_name == name) {
            for import in &imports.all {
                if (rule.from)(&import.from) && (rule.to)(&import.from, &import.to) {
                    broken.push(format!(
                        "{name}/src/{} imports {} of {}: {}",
                        import.from, import.path, import.to, rule.name
                    ));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn no_file_uses_a_forbidden_crate() {
    let mut broken = Vec::new();
    for (name, imports) in crates() {
        for rule in FOREIGN_RULES.iter().filter(|rule| rule.crate_name == name) {
            let files = imports
                .foreign
                .iter()
                .filter(|path| path.from.starts_with(rule.folder));
            let mut seen = 0;
            for path in files {
                seen += 1;
                let used = path.path.split("::").next().unwrap_or_default();
                if rule.forbidden.contains(&used) {
                    broken.push(format!(
                        "{name}/src/{} uses {}: {}",
                        path.from, path.path, rule.name
                    ));
                }
            }
            assert!(seen > 0, "{name}/src/{} was not found", rule.folder);
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn no_imports_are_circular() {
    let mut found = Vec::new();
    for (name, imports) in crates() {
        // It is not restructured yet.
        for circle in imports.circles() {
            let inside: BTreeSet<_> = circle.iter().collect();
            let lines = imports.all.iter();
            let lines =
                lines.filter(|import| inside.contains(&import.from) && inside.contains(&import.to));
            let lines: Vec<_> = lines
                .map(|import| format!("  {} imports {} of {}", import.from, import.path, import.to))
                .collect();
            found.push(format!("{name}/src: {circle:?}\n{}", lines.join("\n")));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn imports_are_resolved_to_the_defining_file() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write(
        "lib.rs",
        "mod a;\nmod b;\npub use a::Up;\npub fn up(_: Up) {}\n",
    );
    write(
        "a/mod.rs",
        "mod inner;\nmod other;\npub use inner::Up;\npub use self::other::*;\n",
    );
    write("a/inner.rs", "pub struct Up;\n");
    write(
        "a/other.rs",
        "use super::Up;\npub fn down(_: Up) -> crate::b::B { crate::b::B }\n",
    );
    write(
        "b.rs",
        "use serde_json::Value;\npub struct B;\n#[cfg(test)]\nmod tests { use crate::a::Up; }\nfn f() { crate::a::down(todo!()); }\n",
    );
    let imports = Imports::read(folder.path());
    let pairs: BTreeSet<_> = imports
        .all
        .iter()
        .map(|import| (import.from.as_str(), import.to.as_str()))
        .collect();
    for expected in [
        ("lib.rs", "a/inner.rs"),
        ("a/other.rs", "a/inner.rs"),
        ("a/other.rs", "b.rs"),
        ("b.rs", "a/other.rs"),
    ] {
        assert!(pairs.contains(&expected), "{expected:?} in {pairs:?}");
    }
    assert!(!pairs.contains(&("b.rs", "a/inner.rs")));
    assert_eq!(imports.circles(), [["a/other.rs", "b.rs"]]);
    let foreign: Vec<_> = imports
        .foreign
        .iter()
        .map(|path| (path.from.as_str(), path.path.as_str()))
        .collect();
    assert_eq!(foreign, [("b.rs", "serde_json::Value")]);
}
