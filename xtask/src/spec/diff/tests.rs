//! Every rule with its verdicts, and the three report formats.

use std::path::Path;

use serde_json::{Value, json};

use super::Verdict::{Breaking as B, Compatible as C, PossiblyBreaking as P};
use super::*;

fn structure(version: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/lockers")
        .join(version)
        .join("lockers.json");
    crate::spec::structure(&path).unwrap()
}

fn report() -> Report {
    diff(&structure("v1"), &structure("v2"))
}

fn release() -> Release {
    report().release("0.1.0")
}

#[test]
fn for_the_terminal() {
    insta::assert_snapshot!(text(&report(), &release()));
}

#[test]
fn for_a_pull_request() {
    insta::assert_snapshot!(markdown(&report(), &release()));
}

#[test]
fn for_programs() {
    insta::assert_snapshot!(json(&report(), &release()).unwrap());
}

#[test]
fn equal_documents_have_no_changes() {
    let report = diff(&structure("v1"), &structure("v1"));
    assert_eq!(report.changes, []);
    assert!(!report.is_breaking());
    assert_eq!(
        text(&report, &report.release("0.1.0")),
        "2020-01-01 -> 2020-01-01\n\nno changes\n\
         suggested version of acs-call-automation: 0.1.0, unchanged (no changes)\n"
    );
}

#[test]
fn every_pointer_resolves_to_the_named_element() {
    let (old, new) = (structure("v1"), structure("v2"));
    for change in diff(&old, &new).changes {
        let side = if change.what == What::Removed {
            &old
        } else {
            &new
        };
        let pointer = change.pointer.strip_prefix('#').unwrap();
        assert!(side.pointer(pointer).is_some(), "{change:?}");
    }
}

/// A document with one operation, which uses the schema `A` in its request or its response.
#[allow(clippy::needless_pass_by_value, reason = "`json!` makes values")]
fn document(schemas: Value, request: &str, response: &str) -> Value {
    let content = |name: &str| json!({"application/json": {"schema": {"$ref": format!("#/components/schemas/{name}")}}});
    json!({
        "openapi": "3.0.3",
        "paths": {"/a": {"post": {
            "operationId": "Do",
            "requestBody": {"required": true, "content": content(request)},
            "responses": {"200": {"content": content(response)}},
        }}},
        "components": {"schemas": schemas},
    })
}

/// The verdicts for callers and for parsers on the only change between two schemas.
fn verdicts(old: &Value, new: &Value) -> (Verdict, Verdict) {
    let judge = |request: &str, response: &str| {
        let of = |schema: &Value| {
            let schemas = json!({
                "A": schema, "Other": {"type": "object"}, "Twin": {"type": "string", "enum": ["x"]},
                "Same": {"type": "string", "enum": ["x"]},
            });
            document(schemas, request, response)
        };
        let changes = diff(&of(old), &of(new)).changes;
        assert_eq!(changes.len(), 1, "{changes:#?}");
        (changes[0].effects.callers, changes[0].effects.parsers)
    };
    let (callers, unconcerned) = judge("A", "Other");
    assert_eq!(unconcerned, C, "it is not read");
    let (unconcerned, parsers) = judge("Other", "A");
    assert_eq!(unconcerned, C, "it is not written");
    (callers, parsers)
}

#[allow(clippy::needless_pass_by_value, reason = "`json!` makes values")]
fn property(of: Value, required: bool) -> Value {
    let required = if required { json!(["p"]) } else { json!([]) };
    json!({"type": "object", "required": required, "properties": {"p": of, "q": {}}})
}

#[test]
fn properties() {
    let text = || json!({"type": "string"});
    let none = json!({"type": "object", "required": [], "properties": {"q": {}}});
    for (old, new, callers, parsers) in [
        (none.clone(), property(text(), true), B, C),
        (none.clone(), property(text(), false), C, C),
        (
            none.clone(),
            property(json!({"type": "string", "readOnly": true}), true),
            C,
            C,
        ),
        (property(text(), true), none.clone(), P, B),
        (property(text(), false), none, P, P),
        (property(text(), false), property(text(), true), B, C),
        (property(text(), true), property(text(), false), C, P),
    ] {
        assert_eq!(verdicts(&old, &new), (callers, parsers), "{old} -> {new}");
    }
}

#[test]
fn the_type_of_a_property() {
    let format = |name: &str, format: &str| json!({"type": name, "format": format});
    let reference =
        |name: &str| json!({"allOf": [{"$ref": format!("#/components/schemas/{name}")}]});
    let string = json!({"type": "string"});
    let with = |member: &str, value: Value| json!({"type": "string", member: value});
    for (old, new, callers, parsers) in [
        (string.clone(), json!({"type": "integer"}), B, B),
        (string.clone(), json!({}), B, B),
        (
            string.clone(),
            json!({"type": "array", "items": string}),
            B,
            B,
        ),
        (string.clone(), format("string", "uuid"), P, P),
        (format("string", "url"), format("string", "uri"), P, P),
        (format("integer", "int32"), format("integer", "int64"), C, P),
        (format("integer", "int64"), format("integer", "int32"), P, C),
        (reference("Twin"), reference("Other"), B, B),
        (reference("Twin"), reference("Same"), C, C),
        (string.clone(), with("readOnly", true.into()), P, C),
        (with("readOnly", true.into()), string.clone(), C, C),
        (string.clone(), with("nullable", true.into()), C, C),
        (with("nullable", true.into()), string.clone(), P, C),
        (string.clone(), with("default", "a".into()), P, C),
        (string.clone(), with("x-ms-client-name", "a".into()), C, C),
        (string.clone(), with("enum", json!(["a"])), P, C),
        (with("enum", json!(["a"])), string.clone(), C, P),
    ] {
        let (old, new) = (property(old, false), property(new, false));
        assert_eq!(verdicts(&old, &new), (callers, parsers), "{old} -> {new}");
    }
    let (old, new) = (
        property(string.clone(), true),
        property(with("nullable", true.into()), true),
    );
    assert_eq!(verdicts(&old, &new), (C, P));
}

/// Stricter limits affect callers, and wider ones affect parsers.
#[test]
fn limits() {
    let string = json!({"type": "string"});
    let with = |member: &str, value: Value| json!({"type": "string", member: value});
    for (old, new, callers, parsers) in [
        (
            with("maxLength", 5.into()),
            with("maxLength", 4.into()),
            P,
            C,
        ),
        (
            with("maxLength", 5.into()),
            with("maxLength", 6.into()),
            C,
            P,
        ),
        (
            with("minLength", 5.into()),
            with("minLength", 6.into()),
            P,
            C,
        ),
        (
            with("minLength", 5.into()),
            with("minLength", 4.into()),
            C,
            P,
        ),
        (string.clone(), with("pattern", "a".into()), P, C),
        (with("pattern", "a".into()), string.clone(), C, P),
        (
            with("pattern", "a".into()),
            with("pattern", "b".into()),
            P,
            P,
        ),
    ] {
        let (old, new) = (property(old, false), property(new, false));
        assert_eq!(verdicts(&old, &new), (callers, parsers), "{old} -> {new}");
    }
}

#[test]
fn changes_inside_lists_and_maps_are_found() {
    let list = |of: Value| property(json!({"type": "array", "items": of}), false);
    let inner = |limit: u8| json!({"type": "string", "maxLength": limit});
    assert_eq!(verdicts(&list(inner(1)), &list(inner(2))), (C, P));
    let nested = |of: Value| list(json!({"type": "object", "properties": {"q": of}}));
    assert_eq!(verdicts(&nested(inner(2)), &nested(inner(1))), (P, C));
    let map = |of: Value| property(json!({"type": "object", "additionalProperties": of}), false);
    assert_eq!(
        verdicts(&map(inner(1)), &map(json!({"type": "boolean"}))),
        (B, B)
    );
}

#[test]
fn enums() {
    let of = |values: &[&str], open: bool| json!({"type": "string", "enum": values, "x-ms-enum": {"name": "A", "modelAsString": open}});
    let (one, two) = (&["a"][..], &["a", "b"][..]);
    for (old, new, callers, parsers) in [
        (of(one, true), of(two, true), C, C),
        (of(one, false), of(two, false), C, P),
        (of(two, true), of(one, true), B, C),
        (of(two, false), of(one, false), B, C),
        (of(one, true), of(one, false), P, P),
        (of(one, false), of(one, true), C, C),
    ] {
        assert_eq!(verdicts(&old, &new), (callers, parsers), "{old} -> {new}");
    }
}

#[test]
fn subtypes() {
    let of = |tag: &str, mapping: Value| json!({"type": "object", "discriminator": {"propertyName": tag, "mapping": mapping}});
    let to = |name: &str| format!("#/components/schemas/{name}");
    let (none, one) = (of("kind", json!({})), of("kind", json!({"a": to("Other")})));
    for (old, new, callers, parsers) in [
        (none.clone(), one.clone(), C, C),
        (one.clone(), none.clone(), B, C),
        (one.clone(), of("kind", json!({"a": to("Twin")})), B, B),
        (none.clone(), of("sort", json!({})), B, B),
        (json!({"type": "object"}), none.clone(), P, P),
        (none, json!({"type": "object"}), B, B),
    ] {
        assert_eq!(verdicts(&old, &new), (callers, parsers), "{old} -> {new}");
    }
}

#[test]
fn schemas_are_reported_with_their_uses() {
    let both = document(json!({"A": {}, "B": {}, "Event": {}, "Part": {}}), "A", "B");
    let report = diff(&both, &document(json!({"A": {}, "B": {}}), "A", "B"));
    for change in &report.changes {
        assert_eq!(
            (change.effects.callers, change.effects.parsers),
            (C, B),
            "{change:?}"
        );
        assert_eq!(change.detail, "was used in events");
    }
    assert_eq!(report.changes.len(), 2);
    let report = diff(&document(json!({"A": {}, "B": {}}), "A", "B"), &both);
    assert!(report.changes.iter().all(|change| change.verdict() == C));
}

/// The verdicts on the one change that `change` makes to the operation of a document.
fn operation(
    before: impl Fn(&mut Value),
    after: impl Fn(&mut Value),
) -> (String, Verdict, Verdict) {
    let mut documents = [(); 2].map(|()| document(json!({"A": {"type": "object"}}), "A", "A"));
    before(&mut documents[0]["paths"]["/a"]);
    after(&mut documents[1]["paths"]["/a"]);
    let changes = diff(&documents[0], &documents[1]).changes;
    assert_eq!(changes.len(), 1, "{changes:#?}");
    let change = &changes[0];
    (
        format!("{}: {}", change.name, change.detail),
        change.effects.callers,
        change.effects.parsers,
    )
}

#[test]
fn parameters() {
    let of = |required: bool, name: &'static str| {
        move |item: &mut Value| {
            item["post"]["parameters"] = json!([
                {"name": "p", "in": "query", "required": required, "schema": {"type": name}},
            ]);
        }
    };
    let none = |_: &mut Value| {};
    let verdicts = |(_, callers, parsers)| (callers, parsers);
    assert_eq!(verdicts(operation(none, of(true, "string"))), (B, C));
    assert_eq!(verdicts(operation(none, of(false, "string"))), (C, C));
    assert_eq!(verdicts(operation(of(false, "string"), none)), (P, C));
    assert_eq!(
        verdicts(operation(of(false, "string"), of(true, "string"))),
        (B, C)
    );
    assert_eq!(
        verdicts(operation(of(true, "string"), of(false, "string"))),
        (C, C)
    );
    let (name, callers, parsers) = operation(of(true, "string"), of(true, "integer"));
    assert_eq!(name, "Do query p: string is now integer");
    assert_eq!((callers, parsers), (B, C));
    // A parameter that the path or the document shares is the same parameter.
    let mut old = document(json!({"A": {}}), "A", "A");
    let mut new = old.clone();
    of(true, "string")(&mut old["paths"]["/a"]);
    new["components"]["parameters"]["P"] = old["paths"]["/a"]["post"]["parameters"][0].clone();
    new["paths"]["/a"]["parameters"] = json!([{"$ref": "#/components/parameters/P"}]);
    assert_eq!(diff(&old, &new).changes, []);
}

#[test]
fn requests_and_responses() {
    type Change = fn(&mut Value);
    let none: Change = |_| {};
    let no_body: Change = |item| {
        item["post"].as_object_mut().unwrap().remove("requestBody");
    };
    let optional: Change = |item| item["post"]["requestBody"]["required"] = false.into();
    let second: Change =
        |item| item["post"]["responses"]["202"] = item["post"]["responses"]["200"].clone();
    let failure: Change = |item| item["post"]["responses"]["404"] = json!({});
    let empty: Change = |item| item["post"]["responses"]["200"] = json!({});
    let header: Change = |item| {
        item["post"]["responses"]["200"]["headers"] =
            json!({"ETag": {"schema": {"type": "string"}}});
    };
    let as_text: Change = |item| {
        item["post"]["responses"]["200"]["content"]["text/plain"] = json!({"schema": {}});
    };
    let deprecated: Change = |item| item["post"]["deprecated"] = true.into();
    for (old, new, says, callers, parsers) in [
        (no_body, none, "Do: required body added", B, C),
        (no_body, optional, "Do: optional body added", C, C),
        (none, no_body, "Do: body removed", P, C),
        (optional, none, "Do: now required", B, C),
        (none, optional, "Do: no longer required", C, C),
        (none, second, "Do 202: A", C, P),
        (second, none, "Do 202: A", C, B),
        (none, failure, "Do 404: no body", C, C),
        (failure, none, "Do 404: no body", C, C),
        (none, empty, "Do 200: no longer has a body", C, B),
        (empty, none, "Do 200: now has a body: A", C, P),
        (none, header, "Do 200 ETag: header", C, C),
        (header, none, "Do 200 ETag: header", C, P),
        (none, as_text, "Do 200: also as text/plain", C, C),
        (as_text, none, "Do 200: no longer as text/plain", C, B),
        (none, deprecated, "Do: deprecated", P, C),
    ] {
        assert_eq!(operation(old, new), (says.to_owned(), callers, parsers));
    }
}

#[test]
fn operations() {
    let rename = |item: &mut Value| item["post"]["operationId"] = "Make".into();
    assert_eq!(
        operation(|_| {}, rename),
        ("Make: renamed from Do".to_owned(), C, C)
    );
    let get = |item: &mut Value| *item = json!({"get": item["post"]});
    assert_eq!(
        operation(|_| {}, get),
        ("Do: POST /a is now GET /a".to_owned(), B, C)
    );
    let gone = |item: &mut Value| *item = json!({});
    let mut old = document(json!({}), "A", "A");
    let new = old.clone();
    gone(&mut old["paths"]["/a"]);
    let report = diff(&new, &old);
    assert_eq!(report.changes[0].detail, "POST /a");
    assert_eq!(report.changes[0].effects.callers, B);
    assert!(report.is_breaking());
    assert!(!diff(&old, &new).is_breaking());
}

#[test]
fn an_alias_changes_nothing() {
    let of = |through: &str| {
        document(
            json!({
                "A": {"type": "object", "properties": {
                    "p": {"allOf": [{"$ref": format!("#/components/schemas/{through}")}]},
                }},
                "Person": {"type": "object"},
                "Owner": {"allOf": [{"$ref": "#/components/schemas/Person"}]},
            }),
            "A",
            "A",
        )
    };
    assert_eq!(diff(&of("Person"), &of("Owner")).changes, []);
}

#[test]
fn service_url_and_authentication() {
    let old = document(json!({}), "A", "A");
    for pointer in ["/servers", "/security", "/components/securitySchemes"] {
        let mut new = old.clone();
        let (parent, member) = pointer.rsplit_once('/').unwrap();
        new.pointer_mut(parent).unwrap()[member] = json!([]);
        let changes = diff(&old, &new).changes;
        assert_eq!(changes.len(), 1);
        assert_eq!(changes[0].pointer, format!("#{pointer}"));
        assert_eq!(
            (changes[0].effects.callers, changes[0].effects.parsers),
            (P, C)
        );
    }
}
