//! The commands as a maintainer runs them: what they write, what they refuse, and how they say it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the helpers of tests are as free as the tests"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

/// A folder with a copy of the fixtures, and the commands run in it.
struct Workbench(TempDir);

impl Workbench {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
        copy(&fixtures, folder.path());
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// Changes a JSON file of the folder.
    fn edit(&self, name: &str, change: impl FnOnce(&mut Value)) {
        let mut document: Value = serde_json::from_str(&self.read(name)).unwrap();
        change(&mut document);
        self.write(name, &document.to_string());
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_xtask"))
            .args(arguments)
            .current_dir(self.0.path())
            .output()
            .unwrap()
    }

    fn succeed(&self, arguments: &[&str]) {
        let output = self.run(arguments);
        assert!(output.status.success(), "{}", stderr(&output));
    }

    /// Runs a command that has to fail, and returns what it says.
    fn fail(&self, arguments: &[&str]) -> String {
        let before = self.files();
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        assert_eq!(self.files(), before, "a failure writes nothing");
        let stderr = stderr(&output);
        assert!(stderr.starts_with("error: "), "{stderr}");
        assert!(!stderr.contains("panicked"), "{stderr}");
        stderr
    }

    /// Every file with its content.
    fn files(&self) -> Vec<(PathBuf, String)> {
        let mut out = Vec::new();
        let mut folders = vec![self.0.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let content = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
                    out.push((path, content));
                }
            }
        }
        out.sort();
        out
    }

    /// Imports the fixture and generates from it.
    fn loop_once(&self) {
        self.succeed(IMPORT);
        self.succeed(CODEGEN);
    }
}

const ROOT: &str = "lockers/v1/lockers.json";
const OVERLAY: &str = "lockers/lockers.overlay.yaml";
const IMPORT: &[&str] = &[
    "spec",
    "import",
    ROOT,
    "--overlay",
    OVERLAY,
    "--out",
    "spec.json",
];
const CODEGEN: &[&str] = &["codegen", "--spec", "spec.json", "--out", "generated.rs"];

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            fs::create_dir(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn import_and_codegen_are_reproducible_and_their_checks_agree() {
    let bench = Workbench::new();
    bench.loop_once();
    let first = bench.files();
    bench.loop_once();
    assert_eq!(bench.files(), first);
    bench.succeed(&[IMPORT, &["--check"]].concat());
    bench.succeed(&[CODEGEN, &["--check"]].concat());
    // A document of ours can be imported again: the overlay is applied afresh.
    bench.succeed(&[
        "spec",
        "import",
        "spec.json",
        "--overlay",
        OVERLAY,
        "--out",
        "again.json",
    ]);
    assert_eq!(bench.read("again.json"), bench.read("spec.json"));
}

#[cfg(unix)]
#[test]
fn written_files_are_readable_like_others() {
    use std::os::unix::fs::PermissionsExt as _;
    let bench = Workbench::new();
    let mode = |name: &str| fs::metadata(bench.path(name)).unwrap().permissions().mode();
    bench.write("plain", "");
    bench.succeed(IMPORT);
    assert_eq!(mode("spec.json"), mode("plain"));
}

#[test]
fn one_changed_byte_is_found_and_shown() {
    let bench = Workbench::new();
    bench.loop_once();
    let source = bench.read("generated.rs");

    bench.write(
        "generated.rs",
        &source.replacen("Option<i32>", "Option<i64>", 1),
    );
    let error = bench.fail(&[CODEGEN, &["--check"]].concat());
    assert!(
        error.contains("generated.rs is stale or was edited by hand"),
        "{error}"
    );
    assert!(
        error.contains("\n-        pub count: Option<i64>,"),
        "{error}"
    );
    assert!(
        error.contains("\n+        pub count: Option<i32>,"),
        "{error}"
    );
    assert!(error.ends_with("run `cargo xtask codegen`\n"), "{error}");

    // A byte of a comment, and one of the document that changes no code.
    bench.write(
        "generated.rs",
        &source.replacen("do not edit", "do not Edit", 1),
    );
    bench.fail(&[CODEGEN, &["--check"]].concat());
    bench.write("generated.rs", &source);
    bench.succeed(&[CODEGEN, &["--check"]].concat());
    let document = bench.read("spec.json");
    bench.write("spec.json", &document.replacen("Created.", "Created!", 1));
    bench.fail(&[CODEGEN, &["--check"]].concat());
    let error = bench.fail(&[IMPORT, &["--check"]].concat());
    assert!(
        error.contains("Created!") && error.contains("spec.json is stale"),
        "{error}"
    );
}

#[test]
fn an_update_is_a_change_of_few_lines() {
    let bench = Workbench::new();
    bench.loop_once();
    let before = bench.read("generated.rs");
    bench.edit(ROOT, |document| {
        let schemas = &mut document["definitions"];
        schemas["Locker"]["properties"]["heated"] = json!({"type": "boolean"});
        schemas["LockKind"]["enum"] = json!(["code", "key", "card"]);
    });
    let overlay = bench
        .read(OVERLAY)
        .replace("key: Metal.", "key: Metal., card: Plastic.")
        + "  - target: $.components.schemas.Locker.properties.heated\n    \
           update: { description: Warm in winter. }\n";
    bench.write(OVERLAY, &overlay);
    bench.loop_once();
    let diff = similar::TextDiff::from_lines(&before, bench.read("generated.rs"))
        .unified_diff()
        .context_radius(0)
        .to_string();
    let changed: Vec<_> = diff
        .lines()
        .filter(|line| !line.starts_with("@@") && !line.contains("sha256"))
        .collect();
    assert_eq!(
        changed,
        [
            "+        /// Plastic.",
            "+        Card,",
            "-    crate::open_enum!(LockKind, Code = \"code\", Key = \"key\");",
            "+    crate::open_enum!(LockKind, Code = \"code\", Key = \"key\", Card = \"card\");",
            "+        /// Warm in winter.",
            "+        #[serde(skip_serializing_if = \"Option::is_none\")]",
            "+        pub heated: Option<bool>,",
            "+                heated: None,",
            "+        /// Sets [`heated`](field@Self::heated).",
            "+        pub fn heated(mut self, value: bool) -> Self {",
            "+            self.heated = Some(value);",
            "+            self",
            "+        }",
        ]
    );
}

/// Spoils one file, imports, and looks for all of `says` in the one error.
fn refused(name: &str, spoil: impl FnOnce(&str) -> String, says: &[&str]) {
    let bench = Workbench::new();
    bench.write(name, &spoil(&bench.read(name)));
    let error = bench.fail(IMPORT);
    for text in says {
        assert!(error.contains(text), "no {text:?} in {error}");
    }
    assert!(!bench.path("spec.json").exists());
    // Neither is a document replaced that was there.
    bench.write("spec.json", "as it was");
    bench.fail(IMPORT);
    assert_eq!(bench.read("spec.json"), "as it was");
}

fn refused_after(change: impl FnOnce(&mut Value), says: &[&str]) {
    let spoil = |text: &str| {
        let mut document = serde_json::from_str(text).unwrap();
        change(&mut document);
        document.to_string()
    };
    refused(ROOT, spoil, says);
}

#[test]
fn files_that_are_no_description() {
    refused(ROOT, |_| String::new(), &["lockers.json is empty"]);
    refused(
        ROOT,
        |_| "\u{feff}\r\n".to_owned(),
        &["lockers.json is empty"],
    );
    refused(
        ROOT,
        |text| text.replacen(':', "", 1),
        &["lockers.json cannot be read as JSON", "line 2 column"],
    );
    refused(
        ROOT,
        |text| text.replacen('{', "{\"info\": {},", 1),
        &[
            "lockers.json cannot be read as JSON",
            "the member \"info\" stands twice at line 3",
        ],
    );
    refused(
        ROOT,
        |_| "[]".to_owned(),
        &["lockers.json#: expected an object, found an array"],
    );
    refused(
        ROOT,
        |_| "{}".to_owned(),
        &["lockers.json#: not a Swagger 2.0 document"],
    );
    refused(
        ROOT,
        |_| r#"{"swagger": "1.2"}"#.to_owned(),
        &["lockers.json#/swagger", "\"1.2\" is not Swagger 2.0"],
    );
    refused(
        ROOT,
        |_| r#"{"openapi": "3.1.0"}"#.to_owned(),
        &["lockers.json: OpenAPI 3.1.0 is not supported"],
    );
    let bench = Workbench::new();
    let error = bench.fail(&["spec", "import", "nowhere.json", "--out", "spec.json"]);
    assert!(error.contains("cannot read nowhere.json"), "{error}");
}

#[test]
fn references_that_lead_nowhere_or_in_circles() {
    let property = "lockers.json#/definitions/LockerOpened/properties/by/$ref";
    let spoil = |reference: &'static str| {
        move |document: &mut Value| {
            document["definitions"]["LockerOpened"]["properties"]["by"] =
                json!({"$ref": reference});
        }
    };
    refused_after(spoil("#/definitions/Nobody"), &[property, "leads nowhere"]);
    refused_after(
        spoil("gone.json#/definitions/A"),
        &[property, "cannot read", "gone.json"],
    );
    refused_after(
        |document| {
            document["definitions"]["Egg"] = json!({"$ref": "#/definitions/Hen"});
            document["definitions"]["Hen"] = json!({"$ref": "#/definitions/Egg"});
        },
        &["lockers.json#/definitions/Hen/$ref: the `$ref` is circular"],
    );
    refused_after(
        |document| {
            document["definitions"]["Lock"]["allOf"] = json!([{"$ref": "#/definitions/CodeLock"}]);
        },
        &["lockers.json#/definitions/", "/allOf: circular through"],
    );
    refused(
        "common/v1/common.json",
        |_| "{".to_owned(),
        &["lockers.json#/", "common.json cannot be read as JSON"],
    );
}

#[test]
fn names_that_clash() {
    refused_after(
        |document| {
            document["paths"]["/lockers"]["get"]["operationId"] = "Lockers_Get".into();
        },
        &[
            "lockers.json#/paths/~1lockers~1{lockerId}/get/operationId",
            "operation id \"Lockers_Get\" stands at lockers/v1/lockers.json#/paths/~1lockers/get",
        ],
    );
    refused_after(
        |document| {
            let properties = &mut document["definitions"]["Locker"]["properties"];
            properties["locker_id"] = json!({"type": "string"});
        },
        &[
            "lockers.json#/definitions/Locker/properties/locker_id",
            "`lockerId` is called `locker_id` in Rust too",
        ],
    );
}

#[test]
fn members_that_the_importer_does_not_know() {
    refused_after(
        |document| document["paths"]["/lockers"]["get"]["x-ms-new"] = true.into(),
        &[
            "lockers.json#/paths/~1lockers/get/x-ms-new",
            "does not know `x-ms-new`",
        ],
    );
    refused_after(
        |document| document["x-new"] = true.into(),
        &["lockers.json#/x-new"],
    );
    refused_after(
        |document| {
            let parameters = &mut document["paths"]["/lockers"]["get"]["parameters"];
            parameters[0] = json!({"name": "f", "in": "formData", "type": "string"});
        },
        &[
            "lockers.json#/paths/~1lockers/get/parameters/0",
            "form parameters",
        ],
    );
    refused_after(
        |document| {
            document["definitions"]["Locker"]["properties"]["floor"]["format"] = "int8".into();
        },
        &[
            "lockers.json#/definitions/Locker/properties/floor/format",
            "unknown format \"int8\"",
        ],
    );
    refused(
        "common/v1/common.json",
        |text| text.replace("\"x-ms-client-name\"", "\"x-ms-cleint-name\""),
        &["common.json#/", "x-ms-cleint-name"],
    );
}

#[test]
fn overlays_with_a_typo() {
    let refused = |from: &'static str, to: &'static str, says: &[&str]| {
        let spoil = |text: &str| {
            assert!(text.contains(from));
            text.replacen(from, to, 1)
        };
        refused(OVERLAY, spoil, &[&["lockers.overlay.yaml"], says].concat());
    };
    refused(
        "schemas.LockKind",
        "schemas.LokcKind",
        &["actions[9]", "matches nothing"],
    );
    refused("$.info", "$.info[", &["actions[0]", "no JSONPath"]);
    refused("update: { title", "udpate: { title", &["udpate"]);
    refused(
        "overlay: 1.0.0",
        "overlay: 2.0.0",
        &["\"2.0.0\" is not 1.0"],
    );
    refused("actions:", "actions: [", &["not an OpenAPI overlay"]);
    refused(
        "title: Lockers,",
        "title: [],",
        &["actions[0]", "cannot update"],
    );
}

#[test]
fn texts_that_are_missing_or_left_over() {
    let refused = |from: &'static str, to: &'static str, says: &[&str]| {
        refused(OVERLAY, |text| text.replacen(from, to, 1), says);
    };
    refused(
        "key: Metal.",
        "",
        &["#/components/schemas/LockKind: no sentence for the value \"key\""],
    );
    refused(
        "key: Metal.",
        "key: Metal., card: Plastic.",
        &[
            "#/components/schemas/LockKind",
            "\"card\", which is no value of the enum",
        ],
    );
    refused(
        "summary: Does something.,",
        "",
        &[
            "#/paths/~1lockers/get: no summary",
            "#/paths/~1lockers~1{lockerId}:open/post: no summary",
        ],
    );
    refused(
        "  - target: $.components.schemas.LockKind",
        "  - target: $.components.schemas\n    update: { Lokc: { description: A type. } }\n  \
         - target: $.components.schemas.LockKind",
        &["#/components/schemas/Lokc: text for a schema that does not exist"],
    );
    refused(
        "  - target: $.components.schemas.LockKind",
        "  - target: $.components.schemas.Locker.properties\n    \
         update: { flor: { description: x } }\n  - target: $.components.schemas.LockKind",
        &["#/components/schemas/Locker/properties/flor: text for a property that does not exist"],
    );
}

#[test]
fn a_document_that_cannot_be_generated_from() {
    let bench = Workbench::new();
    bench.write("spec.json", "{}");
    let error = bench.fail(CODEGEN);
    assert_eq!(error, "error: spec.json: #/paths: missing\n");
    bench.write(
        "spec.json",
        r#"{"paths": {}, "components": {"schemas": {}}}"#,
    );
    let error = bench.fail(CODEGEN);
    assert!(
        error.contains("spec.json: the document is not OpenAPI 3.0"),
        "{error}"
    );
    let error = bench.fail(&["codegen", "--spec", "gone.json", "--out", "generated.rs"]);
    assert!(error.contains("cannot read gone.json"), "{error}");
    bench.loop_once();
    let error = bench.fail(&[
        "codegen",
        "--spec",
        "spec.json",
        "--out",
        "no/folder/generated.rs",
    ]);
    assert!(error.contains("cannot write into no/folder"), "{error}");
}

#[test]
fn a_diff_fails_when_something_is_breaking() {
    let bench = Workbench::new();
    let (v1, v2) = ("lockers/v1/lockers.json", "lockers/v2/lockers.json");
    let output = bench.run(&["spec", "diff", v1, v2]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stderr(&output), "");
    let report = String::from_utf8(output.stdout).unwrap();
    assert!(report.starts_with("2020-01-01 -> 2021-02-02\n"), "{report}");
    assert!(
        report.lines().last().unwrap().contains(" breaking ("),
        "{report}"
    );

    let output = bench.run(&["spec", "diff", v1, v1, "--format", "json"]);
    assert_eq!(output.status.code(), Some(0));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["changes"], json!([]));

    let error = bench.fail(&["spec", "diff", v1, "gone.json"]);
    assert!(error.contains("cannot read gone.json"), "{error}");
}

#[test]
fn a_diff_takes_both_kinds_of_description_and_ignores_text() {
    let bench = Workbench::new();
    bench.succeed(IMPORT);
    let output = bench.run(&["spec", "diff", ROOT, "spec.json"]);
    assert!(output.status.success());
    let report = String::from_utf8(output.stdout).unwrap();
    assert!(report.ends_with("\nno changes\n"), "{report}");
}
