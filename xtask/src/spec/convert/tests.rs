//! Tests of each conversion rule, with a test description.

use std::fs;
use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::convert;
use crate::spec::document::Documents;
use crate::spec::node::{File, Location};

fn fixture(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures")
        .join(name);
    convert(&mut Documents::open(&path).unwrap())
        .unwrap()
        .document
}

fn lockers() -> Value {
    fixture("lockers/v1/lockers.json")
}

/// Converts `a.json`, which can refer to the other files.
fn import(files: &[(&str, &Value)]) -> Result<Value> {
    let folder = TempDir::new().unwrap();
    for (name, document) in files {
        fs::write(folder.path().join(name), document.to_string()).unwrap();
    }
    Ok(convert(&mut Documents::open(&folder.path().join("a.json"))?)?.document)
}

/// A description with one operation and these definitions.
fn with_definitions(definitions: &Value) -> Value {
    json!({
        "swagger": "2.0",
        "info": {"title": "t", "version": "1"},
        "paths": {},
        "definitions": definitions,
    })
}

fn schema(schema: &Value) -> Result<Value> {
    let document = import(&[("a.json", &with_definitions(&json!({"A": schema})))])?;
    Ok(document["components"]["schemas"]["A"].clone())
}

fn error_of(definitions: &Value) -> String {
    let error = import(&[("a.json", &with_definitions(definitions))]).unwrap_err();
    format!("{error:#}")
}

#[test]
fn structure_is_converted_and_text_is_dropped() {
    let document = lockers();
    let text = crate::spec::to_text(&document).unwrap();
    assert!(!text.contains("upstream prose"));
    insta::assert_snapshot!("lockers", text);
}

#[test]
fn a_body_can_be_first_or_last_or_a_global_parameter() {
    let paths = &lockers()["paths"];
    let first = &paths["/lockers"]["post"];
    assert_eq!(first["requestBody"]["required"], true);
    assert_eq!(
        first["requestBody"]["content"]["application/json"]["schema"]["$ref"],
        "#/components/schemas/CreateLockerRequest"
    );
    assert_eq!(first["parameters"].as_array().unwrap().len(), 1);
    let last = &paths["/lockers/{lockerId}:open"]["post"];
    assert_eq!(last["requestBody"]["required"], false);
    assert_eq!(last["parameters"].as_array().unwrap().len(), 3);
}

#[test]
fn parameters_of_the_root_file_stay_shared_and_those_of_other_files_are_copied() {
    let document = lockers();
    let shared = &document["paths"]["/lockers"]["parameters"];
    assert_eq!(
        *shared,
        json!([{"$ref": "#/components/parameters/ApiVersionParameter"}])
    );
    let copied = &document["paths"]["/lockers"]["post"]["parameters"][0];
    assert_eq!(copied["name"], "x-request-id");
    assert_eq!(copied["required"], false);
    // The host is not a parameter of an operation, and bodies become part of their operations.
    let names: Vec<_> = document["components"]["parameters"]
        .as_object()
        .unwrap()
        .keys()
        .collect();
    assert_eq!(names, ["ApiVersionParameter"]);
}

#[test]
fn a_parameterized_host_becomes_a_server_variable() {
    assert_eq!(
        lockers()["servers"],
        json!([{
            "url": "{endpoint}",
            "variables": {"endpoint": {"default": "https://contoso.communication.azure.com"}},
        }])
    );
    let mut plain = with_definitions(&json!({}));
    plain["host"] = "example.org".into();
    plain["basePath"] = "/v1/".into();
    plain["schemes"] = json!(["http"]);
    let servers = import(&[("a.json", &plain)]).unwrap()["servers"].clone();
    assert_eq!(servers, json!([{"url": "http://example.org/v1"}]));
}

#[test]
fn lists_in_the_query_keep_their_format() {
    let of = |format: Option<&str>| {
        let mut parameter =
            json!({"name": "ids", "in": "query", "type": "array", "items": {"type": "string"}});
        if let Some(format) = format {
            parameter["collectionFormat"] = format.into();
        }
        let mut document = with_definitions(&json!({}));
        document["parameters"] = json!({"Ids": parameter});
        import(&[("a.json", &document)]).map(|document| {
            let parameter = &document["components"]["parameters"]["Ids"];
            (parameter["style"].clone(), parameter["explode"].clone())
        })
    };
    assert_eq!(of(Some("multi")).unwrap(), ("form".into(), true.into()));
    assert_eq!(of(Some("csv")).unwrap(), ("form".into(), false.into()));
    assert_eq!(of(None).unwrap(), ("form".into(), false.into()));
    assert_eq!(
        of(Some("pipes")).unwrap(),
        ("pipeDelimited".into(), false.into())
    );
    let error = of(Some("tsv")).unwrap_err().to_string();
    assert!(
        error.contains("a.json#/parameters/Ids/collectionFormat"),
        "{error}"
    );
}

#[test]
fn responses_are_sorted_by_status_with_default_at_the_end() {
    let document = lockers();
    let responses = document["paths"]["/lockers/{lockerId}"]["get"]["responses"]
        .as_object()
        .unwrap();
    assert_eq!(
        responses.keys().collect::<Vec<_>>(),
        ["200", "404", "default"]
    );
    let from_reference = &responses["404"]["content"]["application/json"]["schema"]["$ref"];
    assert_eq!(*from_reference, "#/components/schemas/ErrorResponse");
}

#[test]
fn ignored_extensions_are_counted() {
    let document = json!({"x-ms-examples": {}, "paths": [{"x-ms-examples": {"x-new": 1}}]});
    let found = super::ignored_extensions(&document);
    assert_eq!(
        found.into_iter().collect::<Vec<_>>(),
        [("x-ms-examples", 2)]
    );
}

#[test]
fn form_fields_become_a_body() {
    let post = |consumes: Value, file: &str| {
        let mut document = with_definitions(&json!({}));
        document["paths"] = json!({"/a": {"post": {
            "operationId": "A",
            "consumes": consumes,
            "parameters": [
                {"name": "file", "in": "formData", "type": file, "required": true},
                {"name": "tags", "in": "formData", "type": "array", "items": {"type": "string"}},
            ],
            "responses": {"204": {"description": ""}},
        }}});
        let document = import(&[("a.json", &document)]).unwrap();
        document["paths"]["/a"]["post"]["requestBody"].clone()
    };
    let body = post(json!(["application/json"]), "file");
    let form = &body["content"]["multipart/form-data"];
    assert_eq!(
        form["schema"]["properties"]["file"],
        json!({"type": "string", "format": "binary"})
    );
    assert_eq!(form["schema"]["required"], json!(["file"]));
    assert_eq!(form["encoding"]["tags"]["explode"], false);
    let url_encoded = "application/x-www-form-urlencoded";
    assert!(post(json!([]), "string")["content"][url_encoded].is_object());
    let body = post(json!(["multipart/form-data"]), "string");
    assert!(body["content"]["multipart/form-data"].is_object());
}

/// A type that derives from another in two ways is one subtype of it.
#[test]
fn a_diamond_of_bases_is_one_subtype() {
    let document = with_definitions(&json!({
        "Base": {"type": "object", "discriminator": "kind", "properties": {"kind": {"type": "string"}}},
        "Left": {"allOf": [{"$ref": "#/definitions/Base"}], "properties": {"l": {"type": "string"}}},
        "Right": {"allOf": [{"$ref": "#/definitions/Base"}], "properties": {"r": {"type": "string"}}},
        "Tip": {"allOf": [{"$ref": "#/definitions/Left"}, {"$ref": "#/definitions/Right"}]},
    }));
    let document = import(&[("a.json", &document)]).unwrap();
    let mapping = &document["components"]["schemas"]["Base"]["discriminator"]["mapping"];
    assert_eq!(mapping.as_object().unwrap().len(), 3);
    assert_eq!(mapping["Tip"], "#/components/schemas/Tip");
}

#[test]
fn a_file_is_bytes() {
    let document = lockers();
    let photo = &document["paths"]["/lockers/{lockerId}/photo"]["get"]["responses"]["200"];
    assert_eq!(photo["content"]["image/png"]["schema"]["format"], "binary");
}

#[test]
fn a_definition_that_refers_to_another_file_is_replaced_by_it() {
    let schemas = &lockers()["components"]["schemas"];
    assert_eq!(schemas["ErrorResponse"]["required"], json!(["error"]));
    assert_eq!(
        schemas["LockerOwner"],
        json!({"allOf": [{"$ref": "#/components/schemas/Person"}]}),
        "an alias stays an alias"
    );
}

#[test]
fn equal_definitions_of_two_files_are_merged_and_different_ones_are_rejected() {
    let text = json!({"type": "string", "description": "x"});
    let root = with_definitions(&json!({
        "A": {"$ref": "b.json#/definitions/A"},
        "B": {"type": "array", "items": {"$ref": "c.json#/definitions/A"}},
    }));
    let of = |schema: &Value| with_definitions(&json!({"A": schema}));
    let equal = import(&[
        ("a.json", &root),
        ("b.json", &of(&text)),
        ("c.json", &of(&json!({"type": "string"}))),
    ]);
    assert_eq!(
        equal.unwrap()["components"]["schemas"]["A"],
        json!({"type": "string"})
    );
    let different = import(&[
        ("a.json", &root),
        ("b.json", &of(&text)),
        ("c.json", &of(&json!({"type": "boolean"}))),
    ]);
    let error = different.unwrap_err().to_string();
    assert!(
        error.contains("c.json#/definitions/A (line 1): "),
        "{error}"
    );
    assert!(error.contains("b.json#/definitions/A"), "{error}");
}

#[test]
fn references_keep_their_siblings() {
    let schemas = &lockers()["components"]["schemas"];
    let properties = &schemas["Locker"]["properties"];
    assert_eq!(
        properties["state"],
        json!({"readOnly": true, "allOf": [{"$ref": "#/components/schemas/LockerState"}]})
    );
    assert_eq!(properties["owner"]["nullable"], true);
    assert_eq!(
        schemas["ErrorDetail"]["properties"]["innererror"]["x-ms-client-name"],
        "innerError"
    );
}

#[test]
fn an_inline_enum_becomes_a_named_component() {
    let document = lockers();
    let schemas = &document["components"]["schemas"];
    assert_eq!(schemas["LockerSize"]["enum"], json!(["small", "large"]));
    assert_eq!(
        schemas["Locker"]["properties"]["size"],
        json!({"default": "small", "allOf": [{"$ref": "#/components/schemas/LockerSize"}]})
    );
    let parameter = &document["paths"]["/lockers"]["get"]["parameters"][1];
    assert_eq!(
        parameter["schema"],
        json!({"$ref": "#/components/schemas/LockerSize"})
    );
}

/// The first enum with a name keeps it. In front of others comes the name of the definition, and
/// then a number at the end.
#[test]
fn different_enums_with_one_name_get_the_name_of_their_owner() {
    let sizes = |values: Value| json!({"type": "string", "enum": values, "x-ms-enum": {"name": "size", "modelAsString": true}});
    let document = with_definitions(&json!({
        "A": {"type": "object", "properties": {
            "s": sizes(json!(["a"])),
            "t": sizes(json!(["b"])),
            "u": sizes(json!(["c"])),
            "v": sizes(json!(["b"])),
        }},
        "Kind": {"type": "object", "properties": {"k": {
            "type": "string", "enum": ["d"], "x-ms-enum": {"name": "kind", "modelAsString": true},
        }}},
    }));
    let document = import(&[("a.json", &document)]).unwrap();
    let schemas = &document["components"]["schemas"];
    for (name, values) in [
        ("Size", json!(["a"])),
        ("ASize", json!(["b"])),
        ("ASize2", json!(["c"])),
        ("KindKind", json!(["d"])),
    ] {
        assert_eq!(schemas[name]["enum"], values, "{name}");
    }
    assert_eq!(
        schemas["A"]["properties"]["v"]["allOf"][0]["$ref"],
        "#/components/schemas/ASize"
    );
}

#[test]
fn a_base_type_lists_its_subtypes() {
    let schemas = &lockers()["components"]["schemas"];
    assert_eq!(
        schemas["Lock"]["discriminator"],
        json!({"propertyName": "kind", "mapping": {
            "code": "#/components/schemas/CodeLock",
            "key": "#/components/schemas/KeyLock",
        }})
    );
    assert_eq!(
        schemas["CodeLock"]["allOf"][1],
        json!({
            "type": "object",
            "required": ["digits"],
            "properties": {"digits": {"type": "integer", "format": "int32"}},
        })
    );
    // An alias of the base or of a subtype is not a subtype, but refers to one.
    let document = with_definitions(&json!({
        "Base": {"type": "object", "discriminator": "kind", "properties": {"kind": {"type": "string"}}},
        "Basis": {"$ref": "#/definitions/Base"},
        "Sub": {"allOf": [{"$ref": "#/definitions/Basis"}]},
        "SubToo": {"$ref": "#/definitions/Sub"},
    }));
    let document = import(&[("a.json", &document)]).unwrap();
    assert_eq!(
        document["components"]["schemas"]["Base"]["discriminator"]["mapping"],
        json!({"Sub": "#/components/schemas/Sub"})
    );
    let error = error_of(&json!({
        "Base": {"type": "object", "discriminator": "kind", "properties": {"kind": {"type": "string"}}},
        "B": {"allOf": [{"$ref": "#/definitions/Base"}], "x-ms-discriminator-value": "same"},
        "C": {"allOf": [{"$ref": "#/definitions/Base"}], "x-ms-discriminator-value": "same"},
    }));
    assert!(
        error.contains("a.json#/definitions/C (line 1): B also has the discriminator value"),
        "{error}"
    );
}

#[test]
fn small_deviations_of_published_descriptions_are_accepted() {
    // An empty `required`, and types that are inferred from the other members.
    assert_eq!(
        schema(&json!({"required": [], "properties": {"a": {}}})).unwrap(),
        json!({"type": "object", "properties": {"a": {}}})
    );
    assert_eq!(
        schema(&json!({"items": {"type": "string"}})).unwrap()["type"],
        "array"
    );
    assert_eq!(
        schema(&json!({"additionalProperties": {"type": "string"}})).unwrap()["type"],
        "object"
    );
    assert_eq!(schema(&json!({"enum": ["a"]})).unwrap()["type"], "string");
    for format in [
        "date-time-rfc1123",
        "uri",
        "url",
        "uuid",
        "byte",
        "anything",
    ] {
        let text = json!({"type": "string", "format": format});
        assert_eq!(schema(&text).unwrap(), text);
    }
}

#[test]
fn byte_order_mark_and_line_endings_are_ignored() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.json");
    let text = serde_json::to_string_pretty(&with_definitions(&json!({"A": {}}))).unwrap();
    fs::write(&path, &text).unwrap();
    let plain = convert(&mut Documents::open(&path).unwrap())
        .unwrap()
        .document;
    fs::write(&path, format!("\u{feff}{}", text.replace('\n', "\r\n"))).unwrap();
    let windows = convert(&mut Documents::open(&path).unwrap())
        .unwrap()
        .document;
    assert_eq!(plain, windows);
}

#[test]
fn a_reference_back_to_the_root_file_is_resolved() {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("sub")).unwrap();
    let root = with_definitions(&json!({"A": {"$ref": "sub/b.json#/definitions/B"}, "C": {}}));
    let other = with_definitions(&json!({
        "B": {"type": "object", "properties": {"c": {"$ref": "../a.json#/definitions/C"}}},
    }));
    fs::write(folder.path().join("a.json"), root.to_string()).unwrap();
    fs::write(folder.path().join("sub/b.json"), other.to_string()).unwrap();
    let path = folder.path().join("sub/../a.json");
    let document = convert(&mut Documents::open(&path).unwrap())
        .unwrap()
        .document;
    let names: Vec<_> = document["components"]["schemas"]
        .as_object()
        .unwrap()
        .keys()
        .collect();
    assert_eq!(names, ["A", "B", "C"]);
}

#[test]
fn unknown_members_are_rejected_with_their_location() {
    for (schema, location, says) in [
        (json!({"xml": {}}), "/xml", "does not support `xml`"),
        (json!({"type": "strnig"}), "/type", "unknown type"),
        (
            json!({"type": "integer", "format": "int7"}),
            "/format",
            "unknown format \"int7\"",
        ),
        (
            json!({"type": "number", "format": "int8"}),
            "/format",
            "unknown format",
        ),
        (
            json!({"type": 5}),
            "/type",
            "expected a string, found a number",
        ),
        (json!({"allOf": {}}), "/allOf", "expected an array"),
        (
            json!({"properties": {"a/b": 5}}),
            "/properties/a~1b",
            "expected an object",
        ),
        (
            json!({"enum": ["a"], "x-ms-enum": {}}),
            "/x-ms-enum",
            "`name` is missing",
        ),
        (
            json!({"$ref": "#/definitions/A", "type": "object", "minimum": 1}),
            "/minimum",
            "does not support `minimum`",
        ),
        (
            json!({"$ref": "#/definitions/B"}),
            "/$ref",
            "refers to nothing",
        ),
        (
            json!({"$ref": "b.json#/definitions/B"}),
            "/$ref",
            "cannot read",
        ),
        (json!({"$ref": "#/paths/x"}), "/$ref", "neither"),
        (json!({"$ref": "b.json"}), "/$ref", "has no `#/…` part"),
    ] {
        let error = error_of(&json!({"A": {"properties": {"p": schema}}}));
        let location = format!("a.json#/definitions/A/properties/p{location} (line 1): ");
        assert!(error.contains(&location) && error.contains(says), "{error}");
    }
}

#[test]
fn circular_references_are_rejected() {
    let error = error_of(&json!({
        "A": {"$ref": "#/definitions/B"},
        "B": {"$ref": "#/definitions/A"},
    }));
    assert!(
        error.contains("a.json#/definitions/B/$ref (line 1): the `$ref` is circular"),
        "{error}"
    );
    let error = error_of(&json!({
        "A": {"allOf": [{"$ref": "#/definitions/B"}]},
        "B": {"allOf": [{"$ref": "#/definitions/A"}]},
    }));
    assert!(error.contains("/allOf: circular through"), "{error}");
    // A type that contains itself is allowed.
    assert!(schema(&json!({"properties": {"a": {"$ref": "#/definitions/A"}}})).is_ok());
}

proptest::proptest! {
    /// Every JSON pointer implementation resolves the locations in messages.
    #[test]
    fn a_location_is_a_json_pointer(members in proptest::collection::vec("[a-z~/]{0,4}", 0..4)) {
        let mut document = json!("here");
        for member in members.iter().rev() {
            document = json!({member: document});
        }
        let file = File { name: "f.json".to_owned(), text: document.to_string() };
        let location = members
            .iter()
            .fold(Location::root(file.into()), |location, member| location.join(member));
        proptest::prop_assert_eq!(document.pointer(location.pointer()), Some(&json!("here")));
    }
}
