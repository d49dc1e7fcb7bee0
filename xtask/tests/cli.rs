//! The commands as a maintainer runs them: their output, and their errors.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "test helpers may panic, like tests"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

/// A folder with a copy of the fixtures, in which the commands run.
struct Workspace(TempDir);

impl Workspace {
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

    /// Runs a command that must fail, and returns its standard error.
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
    fn import_and_generate(&self) {
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
    let workspace = Workspace::new();
    workspace.import_and_generate();
    let first = workspace.files();
    workspace.import_and_generate();
    assert_eq!(workspace.files(), first);
    workspace.succeed(&[IMPORT, &["--check"]].concat());
    workspace.succeed(&[CODEGEN, &["--check"]].concat());
    // Our own document can be imported again, which applies the overlay again.
    workspace.succeed(&[
        "spec",
        "import",
        "spec.json",
        "--overlay",
        OVERLAY,
        "--out",
        "again.json",
    ]);
    assert_eq!(workspace.read("again.json"), workspace.read("spec.json"));
}

#[cfg(unix)]
#[test]
fn written_files_have_default_permissions() {
    use std::os::unix::fs::PermissionsExt as _;
    let workspace = Workspace::new();
    let mode = |name: &str| {
        fs::metadata(workspace.path(name))
            .unwrap()
            .permissions()
            .mode()
    };
    workspace.write("plain", "");
    workspace.succeed(IMPORT);
    assert_eq!(mode("spec.json"), mode("plain"));
}

#[test]
fn one_changed_byte_is_reported() {
    let workspace = Workspace::new();
    workspace.import_and_generate();
    let source = workspace.read("generated.rs");

    workspace.write(
        "generated.rs",
        &source.replacen("Option<i32>", "Option<i64>", 1),
    );
    let error = workspace.fail(&[CODEGEN, &["--check"]].concat());
    assert!(
        error.contains("generated.rs is out of date or was edited by hand"),
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

    // A byte of a comment, and a byte of the document that does not affect the code.
    workspace.write(
        "generated.rs",
        &source.replacen("do not edit", "do not Edit", 1),
    );
    workspace.fail(&[CODEGEN, &["--check"]].concat());
    workspace.write("generated.rs", &source);
    workspace.succeed(&[CODEGEN, &["--check"]].concat());
    let document = workspace.read("spec.json");
    workspace.write("spec.json", &document.replacen("Created.", "Created!", 1));
    let error = workspace.fail(&[IMPORT, &["--check"]].concat());
    assert!(
        error.contains("Created!") && error.contains("spec.json is out of date"),
        "{error}"
    );
}

#[test]
fn an_update_changes_only_a_few_lines() {
    let workspace = Workspace::new();
    workspace.import_and_generate();
    let before = workspace.read("generated.rs");
    workspace.edit(ROOT, |document| {
        let schemas = &mut document["definitions"];
        schemas["Locker"]["properties"]["heated"] = json!({"type": "boolean"});
        schemas["LockKind"]["enum"] = json!(["code", "key", "card"]);
    });
    let overlay = workspace
        .read(OVERLAY)
        .replace("key: Metal.", "key: Metal., card: Plastic.")
        + "  - target: $.components.schemas.Locker.properties.heated\n    \
           update: { description: Warm in winter. }\n";
    workspace.write(OVERLAY, &overlay);
    workspace.import_and_generate();
    let diff = similar::TextDiff::from_lines(&before, workspace.read("generated.rs"))
        .unified_diff()
        .context_radius(0)
        .to_string();
    let changed: Vec<_> = diff
        .lines()
        .filter(|line| !line.starts_with("@@"))
        .collect();
    assert_eq!(
        changed,
        [
            "+        /// Plastic.",
            "+        Card,",
            "-    crate::runtime::open_enum!(LockKind, Code = \"code\", Key = \"key\");",
            "+    crate::runtime::open_enum!(LockKind, Code = \"code\", Key = \"key\", Card = \"card\");",
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

/// Modifies one file, imports, and expects all of `texts` in the error.
fn rejects(name: &str, modify: impl FnOnce(&str) -> String, texts: &[&str]) {
    let workspace = Workspace::new();
    workspace.write(name, &modify(&workspace.read(name)));
    let error = workspace.fail(IMPORT);
    for text in texts {
        assert!(error.contains(text), "no {text:?} in {error}");
    }
    assert!(!workspace.path("spec.json").exists());
    // An existing document is not replaced either.
    workspace.write("spec.json", "previous content");
    workspace.fail(IMPORT);
    assert_eq!(workspace.read("spec.json"), "previous content");
}

fn rejects_change(change: impl FnOnce(&mut Value), texts: &[&str]) {
    let modify = |text: &str| {
        let mut document = serde_json::from_str(text).unwrap();
        change(&mut document);
        document.to_string()
    };
    rejects(ROOT, modify, texts);
}

#[test]
fn other_files_are_rejected() {
    rejects(ROOT, |_| String::new(), &["lockers.json is empty"]);
    rejects(
        ROOT,
        |_| "\u{feff}\r\n".to_owned(),
        &["lockers.json is empty"],
    );
    rejects(
        ROOT,
        |text| text.replacen(':', "", 1),
        &["lockers.json cannot be read as JSON", "line 2 column"],
    );
    rejects(
        ROOT,
        |text| text.replacen('{', "{\"info\": {},", 1),
        &[
            "lockers.json cannot be read as JSON",
            "duplicate member \"info\" at line 3",
        ],
    );
    rejects(
        ROOT,
        |_| "[]".to_owned(),
        &["lockers.json#: expected an object, found an array"],
    );
    rejects(
        ROOT,
        |_| "{}".to_owned(),
        &["lockers.json#: not a Swagger 2.0 document"],
    );
    rejects(
        ROOT,
        |_| r#"{"swagger": "1.2"}"#.to_owned(),
        &["lockers.json#/swagger", "\"1.2\" is not Swagger 2.0"],
    );
    rejects(
        ROOT,
        |_| r#"{"openapi": "3.1.0"}"#.to_owned(),
        &["lockers.json: OpenAPI 3.1.0 is not supported"],
    );
    let workspace = Workspace::new();
    let error = workspace.fail(&["spec", "import", "nowhere.json", "--out", "spec.json"]);
    assert!(error.contains("cannot read nowhere.json"), "{error}");
}

#[test]
fn dangling_and_circular_references_are_rejected() {
    let property = "lockers.json#/definitions/LockerOpened/properties/by/$ref";
    let modify = |reference: &'static str| {
        move |document: &mut Value| {
            document["definitions"]["LockerOpened"]["properties"]["by"] =
                json!({"$ref": reference});
        }
    };
    rejects_change(
        modify("#/definitions/Nobody"),
        &[property, "refers to nothing"],
    );
    rejects_change(
        modify("gone.json#/definitions/A"),
        &[property, "cannot read", "gone.json"],
    );
    rejects_change(
        |document| {
            document["definitions"]["Egg"] = json!({"$ref": "#/definitions/Hen"});
            document["definitions"]["Hen"] = json!({"$ref": "#/definitions/Egg"});
        },
        &["lockers.json#/definitions/Hen/$ref (line 1): the `$ref` is circular"],
    );
    rejects_change(
        |document| {
            document["definitions"]["Lock"]["allOf"] = json!([{"$ref": "#/definitions/CodeLock"}]);
        },
        &["lockers.json#/definitions/", "/allOf: circular through"],
    );
    rejects(
        "common/v1/common.json",
        |_| "{".to_owned(),
        &["lockers.json#/", "common.json cannot be read as JSON"],
    );
}

#[test]
fn clashing_names_are_rejected() {
    rejects_change(
        |document| {
            document["paths"]["/lockers"]["get"]["operationId"] = "Lockers_Get".into();
        },
        &[
            "lockers.json#/paths/~1lockers~1{lockerId}/get/operationId",
            "operation id \"Lockers_Get\" is already used at lockers/v1/lockers.json#/paths/~1lockers/get",
        ],
    );
}

#[test]
fn unknown_members_are_rejected() {
    rejects_change(
        |document| document["paths"]["/lockers"]["get"]["x-ms-new"] = true.into(),
        &[
            "lockers.json#/paths/~1lockers/get/x-ms-new",
            "does not support `x-ms-new`",
        ],
    );
    rejects_change(
        |document| document["x-new"] = true.into(),
        &["lockers.json#/x-new"],
    );
    rejects_change(
        |document| {
            document["definitions"]["Locker"]["properties"]["floor"]["format"] = "int7".into();
        },
        &[
            "lockers.json#/definitions/Locker/properties/floor/format",
            "unknown format \"int7\"",
        ],
    );
    rejects(
        "common/v1/common.json",
        |text| text.replace("\"x-ms-client-name\"", "\"x-ms-cleint-name\""),
        &["common.json#/", "x-ms-cleint-name"],
    );
}

#[test]
fn invalid_overlays_are_rejected() {
    let rejects = |from: &'static str, to: &'static str, texts: &[&str]| {
        let modify = |text: &str| {
            assert!(text.contains(from));
            text.replacen(from, to, 1)
        };
        rejects(
            OVERLAY,
            modify,
            &[&["lockers.overlay.yaml"], texts].concat(),
        );
    };
    rejects(
        "schemas.LockKind",
        "schemas.LokcKind",
        &["line 27, actions[9]", "matches nothing"],
    );
    rejects("$.info", "$.info[", &["actions[0]", "not a JSONPath"]);
    rejects("update: { title", "udpate: { title", &["udpate"]);
    rejects(
        "overlay: 1.0.0",
        "overlay: 2.0.0",
        &["\"2.0.0\" is not 1.0"],
    );
    rejects("actions:", "actions: [", &["not an OpenAPI overlay"]);
    rejects(
        "title: Lockers,",
        "title: [],",
        &["actions[0]", "cannot update"],
    );
}

#[test]
fn missing_and_unused_texts_are_rejected() {
    let rejects = |from: &'static str, to: &'static str, texts: &[&str]| {
        rejects(OVERLAY, |text| text.replacen(from, to, 1), texts);
    };
    rejects(
        "key: Metal.",
        "",
        &["#/components/schemas/LockKind: no text for the value \"key\""],
    );
    rejects(
        "key: Metal.",
        "key: Metal., card: Plastic.",
        &[
            "#/components/schemas/LockKind",
            "\"card\", which is not a value of the enum",
        ],
    );
    rejects(
        "summary: Does something.,",
        "",
        &[
            "#/paths/~1lockers/get: no summary",
            "#/paths/~1lockers~1{lockerId}:open/post: no summary",
        ],
    );
    rejects(
        "  - target: $.components.schemas.LockKind",
        "  - target: $.components.schemas\n    update: { Lokc: { description: A type. } }\n  \
         - target: $.components.schemas.LockKind",
        &["#/components/schemas/Lokc: text for a schema that does not exist"],
    );
    rejects(
        "  - target: $.components.schemas.LockKind",
        "  - target: $.components.schemas.Locker.properties\n    \
         update: { flor: { description: x } }\n  - target: $.components.schemas.LockKind",
        &["#/components/schemas/Locker/properties/flor: text for a property that does not exist"],
    );
}

/// Locations are those of the published file, although the code is generated from ours.
#[test]
fn errors_of_the_generator_name_the_published_element() {
    let workspace = Workspace::new();
    let text = workspace.read(ROOT);
    let changed = text.replace(
        "\"in\": \"path\", \"required\": true, \"type\": \"string\" },\n          \
         { \"name\": \"If-Modified-Since\"",
        "\"in\": \"query\", \"required\": true, \"type\": \"string\" },\n          \
         { \"name\": \"If-Modified-Since\"",
    );
    assert_ne!(changed, text);
    workspace.write(ROOT, &changed);
    let error = workspace.fail(IMPORT);
    let before = changed
        .split("\"operationId\": \"Lockers_Open\"")
        .next()
        .unwrap();
    let at = format!(
        "lockers.json#/paths/~1lockers~1{{lockerId}}:open/post (line {}): ",
        before.matches('\n').count()
    );
    assert!(error.contains(&at), "no {at} in {error}");
    assert!(
        error.contains("`{lockerId}` in the path has no parameter"),
        "{error}"
    );
}

#[test]
fn all_outdated_texts_are_reported_at_once() {
    let workspace = Workspace::new();
    workspace.edit(ROOT, |document| {
        let definitions = document["definitions"].as_object_mut().unwrap();
        definitions.insert("New".to_owned(), json!({"type": "object"}));
        definitions.shift_remove("OpenReason");
        definitions["LockKind"]["enum"] = json!(["code", "card"]);
        definitions["OpenLockerRequest"]["properties"]["reason"] = json!({"type": "string"});
    });
    let overlay = workspace.read(OVERLAY);
    workspace.write(
        OVERLAY,
        &overlay.replace(
            "  - target: $.components.schemas.*\n",
            "  - target: $.components.schemas.Locker\n",
        ),
    );
    let error = workspace.fail(IMPORT);
    for text in [
        "lockers.overlay.yaml, line 30, actions[10]: target $.components.schemas.OpenReason",
        "#/components/schemas/LockKind: text for \"key\", which is not a value",
        "#/components/schemas/LockKind: no text for the value \"card\"; see lockers.json#/definitions/LockKind (line ",
        "#/components/schemas/New: no description; see lockers.json#/definitions/New (line ",
    ] {
        assert!(error.contains(text), "no {text:?} in {error}");
    }
}

#[test]
fn a_draft_drops_outdated_texts_and_must_be_completed() {
    let workspace = Workspace::new();
    workspace.edit(ROOT, |document| {
        let definitions = document["definitions"].as_object_mut().unwrap();
        definitions.shift_remove("OpenReason");
        definitions["LockKind"]["enum"] = json!(["code", "card"]);
        definitions["OpenLockerRequest"]["properties"]["reason"] = json!({"type": "string"});
        let item = document["paths"].as_object_mut().unwrap();
        let mut added = item["/lockers/{lockerId}"].clone();
        added["get"]["operationId"] = "Lockers_Peek".into();
        item.insert("/lockers/{lockerId}/peek".to_owned(), added);
    });
    let overlay = workspace.read(OVERLAY).replace(
        "$.paths[*][?@.operationId]",
        "$.paths[*][?@.operationId && @.operationId != 'Lockers_Peek']",
    );
    workspace.write(OVERLAY, &overlay);
    workspace.fail(IMPORT);
    let output = workspace.run(&[IMPORT, &["--draft"]].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        said.contains("1 actions dropped, 1 shortened, 3 drafts added"),
        "{said}"
    );
    let drafted = workspace.read(OVERLAY);
    assert!(
        drafted.starts_with("# Texts for the fixture"),
        "comments stay"
    );
    assert!(!drafted.contains("OpenReason"), "{drafted}");
    assert!(
        drafted.contains("- target: $.paths['/lockers/{lockerId}/peek'].get\n"),
        "{drafted}"
    );
    let error = workspace.fail(IMPORT);
    for text in [
        "#/paths/~1lockers~1{lockerId}~1peek/get: only a draft of summary",
        "#/components/schemas/LockKind: only a draft of text for the value \"card\"",
    ] {
        assert!(error.contains(text), "no {text:?} in {error}");
    }
    workspace.write(OVERLAY, &drafted.replace(": DRAFT", ": Written."));
    workspace.succeed(IMPORT);
    let error = workspace.fail(&["spec", "import", ROOT, "--overlay", "none", "--draft"]);
    assert!(error.contains("`--draft` needs an overlay"), "{error}");
    // Nothing is left to draft.
    let before = workspace.files();
    workspace.succeed(&[IMPORT, &["--draft"]].concat());
    assert_eq!(workspace.files(), before);
}

/// It makes no difference whether a schema has its members itself or inherits them.
#[test]
fn members_that_move_to_a_base_type_keep_their_texts() {
    let texts = "overlay: 1.0.0\ninfo: {title: t, version: '1'}\nactions:\n\
        - target: $.info\n  update: {description: d}\n\
        - target: $.paths[*].get\n  update: {summary: s, description: d}\n\
        - target: $.paths[*].get.parameters[*]\n  update: {description: d}\n\
        - target: $.components.schemas.Box\n  update:\n    description: A box.\n    \
        properties: {size: {description: Its size.}, label: {description: Its label.}}\n";
    let base = "- target: $.components.schemas.Base\n  update: {description: A base.}\n";
    let description = |definitions: Value| {
        json!({
            "swagger": "2.0", "info": {"title": "t", "version": "1"},
            "paths": {"/boxes": {"get": {
                "operationId": "Boxes_Get",
                "parameters": [{"name": "api-version", "in": "query", "required": true, "type": "string"}],
                "responses": {"200": {"description": "", "schema": {"$ref": "#/definitions/Box"}}},
            }}},
            "definitions": definitions,
        })
    };
    let text = || json!({"type": "string"});
    let flat = description(json!({
        "Box": {"type": "object", "required": ["size"], "properties": {"size": text(), "label": text()}},
    }));
    let inline = description(json!({
        "Box": {"allOf": [{"type": "object", "required": ["size"], "properties": {"size": text()}}],
            "properties": {"label": text()}},
    }));
    let derived = description(json!({
        "Base": {"type": "object", "required": ["size"], "properties": {"size": text()}},
        "Box": {"allOf": [{"$ref": "#/definitions/Base"}], "properties": {"label": text()}},
    }));
    let workspace = Workspace::new();
    workspace.write("flat.json", &flat.to_string());
    for (document, texts) in [
        (&flat, texts.to_owned()),
        (&inline, texts.to_owned()),
        (&derived, texts.to_owned() + base),
    ] {
        workspace.write("new.json", &document.to_string());
        workspace.write("texts.yaml", &texts);
        workspace.succeed(&[
            "spec",
            "import",
            "new.json",
            "--overlay",
            "texts.yaml",
            "--out",
            "spec.json",
        ]);
        let document = workspace.read("spec.json");
        for text in ["Its size.", "Its label."] {
            assert_eq!(document.matches(text).count(), 1, "{document}");
        }
        let output = workspace.run(&["spec", "diff", "flat.json", "new.json"]);
        let report = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{report}");
        assert!(!report.contains("Box"), "{report}");
    }
}

#[test]
fn invalid_documents_are_rejected() {
    let workspace = Workspace::new();
    workspace.write("spec.json", "{}");
    let error = workspace.fail(CODEGEN);
    assert_eq!(error, "error: spec.json: the document is not OpenAPI 3.0\n");
    workspace.write("spec.json", "{\n\"openapi\": \"3.0.3\"}");
    let error = workspace.fail(CODEGEN);
    assert_eq!(error, "error: spec.json#/paths (line 1): missing\n");
    let error = workspace.fail(&["codegen", "--spec", "gone.json", "--out", "generated.rs"]);
    assert!(error.contains("cannot read gone.json"), "{error}");
    workspace.import_and_generate();
    let error = workspace.fail(&[
        "codegen",
        "--spec",
        "spec.json",
        "--out",
        "no/folder/generated.rs",
    ]);
    assert!(error.contains("cannot write to no/folder"), "{error}");
}

#[test]
fn a_diff_fails_if_a_change_is_breaking() {
    let workspace = Workspace::new();
    let (v1, v2) = ("lockers/v1/lockers.json", "lockers/v2/lockers.json");
    let output = workspace.run(&["spec", "diff", v1, v2]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stderr(&output), "");
    let report = String::from_utf8(output.stdout).unwrap();
    assert!(report.starts_with("2020-01-01 -> 2021-02-02\n"), "{report}");
    let [version, summary] = [0, 1].map(|line| report.lines().rev().nth(line).unwrap());
    assert!(summary.contains(" breaking ("), "{report}");
    assert!(
        version.starts_with("suggested version of acs-call-automation: "),
        "{report}"
    );

    let output = workspace.run(&["spec", "diff", v1, v1, "--format", "json"]);
    assert_eq!(output.status.code(), Some(0));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["changes"], json!([]));

    let error = workspace.fail(&["spec", "diff", v1, "gone.json"]);
    assert!(error.contains("cannot read gone.json"), "{error}");
}

#[test]
fn a_diff_accepts_both_kinds_of_description_and_ignores_text() {
    let workspace = Workspace::new();
    workspace.succeed(IMPORT);
    let output = workspace.run(&["spec", "diff", ROOT, "spec.json"]);
    assert!(output.status.success());
    let report = String::from_utf8(output.stdout).unwrap();
    assert!(report.contains("\nno changes\n"), "{report}");
}
