//! The kinds of changes, with the expected verdicts.

use serde_json::{Map, Value, json};

use super::Verdict::{self, Breaking as B, Compatible as C, PossiblyBreaking as P};

pub struct Case {
    pub name: &'static str,
    /// The beginning of the names of all elements of the case.
    pub prefix: String,
    /// Schemas and paths, before and after the change.
    sides: [Value; 2],
    /// For callers, for parsers, and for Rust code.
    pub verdicts: [Verdict; 3],
}

/// The document with one side of all cases.
pub fn document(cases: &[Case], side: usize) -> Value {
    let mut schemas = Map::new();
    let mut paths = Map::new();
    for case in cases {
        for (member, target) in [("schemas", &mut schemas), ("paths", &mut paths)] {
            let elements = case.sides[side][member].as_object();
            target.extend(elements.cloned().into_iter().flatten());
        }
    }
    schemas.sort_keys();
    json!({
        "openapi": "3.0.3",
        "info": {"title": "Cases", "version": (side + 1).to_string()},
        "paths": paths,
        "components": {"schemas": schemas},
    })
}

pub fn all() -> Vec<Case> {
    let lists = [
        operations(),
        parameters(),
        bodies(),
        properties(),
        types(),
        references(),
        enums(),
        unions(),
        schemas(),
    ];
    lists
        .into_iter()
        .flatten()
        .enumerate()
        .map(|(index, (name, sides, verdicts))| {
            let prefix = format!("C{index:03}");
            Case {
                name,
                sides: sides.map(|side| named(&side, &prefix)),
                prefix: prefix.to_lowercase(),
                verdicts,
            }
        })
        .collect()
}

type Row = (&'static str, [Value; 2], [Verdict; 3]);

/// The fragment with the names of a case: `Xx` begins those of elements, and `xx` those of paths.
fn named(fragment: &Value, prefix: &str) -> Value {
    let text = fragment.to_string();
    let text = text
        .replace("Xx", prefix)
        .replace("/xx", &format!("/{}", prefix.to_lowercase()));
    serde_json::from_str(&text).unwrap()
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

fn text() -> Value {
    json!({"type": "string"})
}

fn version() -> Value {
    json!({"name": "api-version", "in": "query", "required": true, "schema": text()})
}

fn content(schema: &Value) -> Value {
    json!({"application/json": {"schema": schema}})
}

/// An operation that sends and receives a schema.
fn operation(sent: &Value, received: &Value) -> Value {
    json!({
        "operationId": "Xx_Do",
        "parameters": [version()],
        "requestBody": {"required": true, "content": content(sent)},
        "responses": {"200": {"description": "", "content": content(received)}},
    })
}

/// A request and a response with these schemas. The first one is sent and received.
#[allow(clippy::needless_pass_by_value, reason = "`json!` makes values")]
fn used(schemas: Value) -> Value {
    let (name, _) = schemas.as_object().unwrap().iter().next().unwrap();
    let of = reference(name);
    json!({"schemas": schemas, "paths": {"/xx": {"post": operation(&of, &of)}}})
}

/// Schemas to which no operation refers: the data of events.
#[allow(clippy::needless_pass_by_value, reason = "`json!` makes values")]
fn event(schemas: Value) -> Value {
    json!({"schemas": schemas, "paths": {}})
}

#[allow(clippy::needless_pass_by_value, reason = "`json!` makes values")]
fn object(required: &[&str], properties: Value) -> Value {
    let mut schema = json!({"type": "object", "properties": properties});
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

/// A document with one operation, which `change` modifies.
fn changed(change: impl FnOnce(&mut Value)) -> Value {
    let mut side = used(json!({"XxThing": object(&["a"], json!({"a": text(), "b": text()}))}));
    change(&mut side["paths"]["/xx"]["post"]);
    side
}

fn with_parameters(parameters: &[Value]) -> Value {
    changed(|operation| {
        let list = operation["parameters"].as_array_mut().unwrap();
        list.extend(parameters.iter().cloned());
    })
}

fn parameter(place: &str, name: &str, required: bool, of: &Value) -> Value {
    json!({"name": name, "in": place, "required": required, "schema": of})
}

fn operations() -> Vec<Row> {
    let plain = || changed(|_| {});
    let at = |path: &str, parameters: &[Value]| {
        let mut side = with_parameters(parameters);
        let item = side["paths"]["/xx"].take();
        side["paths"] = json!({path: item});
        side
    };
    let id = |name: &str| parameter("path", name, true, &text());
    let mut two = plain();
    let mut second = two["paths"]["/xx"].clone();
    second["post"]["operationId"] = "Xx_DoMore".into();
    two["paths"]["/xx/more"] = second;
    vec![
        ("operation added", [plain(), two.clone()], [C, C, C]),
        ("operation removed", [two, plain()], [B, C, B]),
        (
            "operation renamed",
            [plain(), changed(|of| of["operationId"] = "Xx_Make".into())],
            [C, C, B],
        ),
        (
            "operation with another path",
            [plain(), at("/xx/new", &[])],
            [B, C, C],
        ),
        (
            "path parameter renamed",
            [at("/xx/{id}", &[id("id")]), at("/xx/{key}", &[id("key")])],
            [C, C, C],
        ),
        (
            "path parameter added",
            [plain(), at("/xx/{id}", &[id("id")])],
            [B, C, B],
        ),
        (
            "operation deprecated",
            [plain(), changed(|of| of["deprecated"] = true.into())],
            [P, C, C],
        ),
    ]
}

fn parameters() -> Vec<Row> {
    let with = |place: &str, required: bool, of: &Value| {
        with_parameters(&[parameter(place, "size", required, of)])
    };
    let plain = || changed(|_| {});
    let int = |format: &str| json!({"type": "integer", "format": format});
    vec![
        (
            "optional query parameter added",
            [plain(), with("query", false, &text())],
            [C, C, C],
        ),
        (
            "second optional query parameter added",
            [
                with("query", false, &text()),
                with_parameters(&[
                    parameter("query", "colour", false, &text()),
                    parameter("query", "size", false, &text()),
                ]),
            ],
            [C, C, C],
        ),
        (
            "optional header added",
            [plain(), with("header", false, &text())],
            [C, C, C],
        ),
        (
            "required query parameter added",
            [plain(), with("query", true, &text())],
            [B, C, B],
        ),
        (
            "optional parameter removed",
            [with("query", false, &text()), plain()],
            [P, C, B],
        ),
        (
            "required parameter removed",
            [with("query", true, &text()), plain()],
            [P, C, B],
        ),
        (
            "parameter: optional -> required",
            [with("query", false, &text()), with("query", true, &text())],
            [B, C, B],
        ),
        (
            "parameter: required -> optional",
            [with("query", true, &text()), with("query", false, &text())],
            [C, C, B],
        ),
        (
            "parameter: int32 -> int64",
            [
                with("query", false, &int("int32")),
                with("query", false, &int("int64")),
            ],
            [C, C, B],
        ),
        (
            "required parameter: string -> integer",
            [
                with("query", true, &text()),
                with("query", true, &int("int32")),
            ],
            [B, C, B],
        ),
        (
            "optional parameter moved to a header",
            [
                with("query", false, &text()),
                with("header", false, &text()),
            ],
            [B, C, C],
        ),
        (
            "default of a parameter",
            [
                with("query", false, &text()),
                with("query", false, &json!({"type": "string", "default": "a"})),
            ],
            [P, C, C],
        ),
    ]
}

fn bodies() -> Vec<Row> {
    let plain = || changed(|_| {});
    let no_body = || {
        changed(|of| {
            of.as_object_mut().unwrap().shift_remove("requestBody");
        })
    };
    let optional = || changed(|of| of["requestBody"]["required"] = false.into());
    let no_content = || changed(|of| of["responses"] = json!({"200": {"description": ""}}));
    let more = |status: &str| {
        changed(|of| {
            of["responses"][status] = of["responses"]["200"].clone();
        })
    };
    vec![
        ("required body added", [no_body(), plain()], [B, C, B]),
        ("optional body added", [no_body(), optional()], [C, C, C]),
        ("body removed", [plain(), no_body()], [P, C, B]),
        (
            "body: optional -> required",
            [optional(), plain()],
            [B, C, B],
        ),
        (
            "body: required -> optional",
            [plain(), optional()],
            [C, C, B],
        ),
        ("response gets a body", [no_content(), plain()], [C, P, B]),
        (
            "response loses its body",
            [plain(), no_content()],
            [C, B, B],
        ),
        ("second success status", [plain(), more("202")], [C, P, C]),
        ("error response added", [plain(), more("404")], [C, C, C]),
    ]
}

fn properties() -> Vec<Row> {
    let of = |required: &[&str], properties: Value| {
        used(json!({"XxThing": object(required, properties)}))
    };
    let [a, b] = [json!({"a": text()}), json!({"a": text(), "b": text()})];
    let b_is = |of: Value| json!({"a": text(), "b": of});
    let list = json!({"type": "array", "items": text()});
    let nullable = json!({"type": "string", "nullable": true});
    vec![
        (
            "optional property added, beside a required one",
            [of(&["a"], a.clone()), of(&["a"], b.clone())],
            [C, C, C],
        ),
        (
            "optional property added, without required ones",
            [of(&[], a.clone()), of(&[], b.clone())],
            [C, C, C],
        ),
        (
            "optional list added",
            [of(&["a"], a.clone()), of(&["a"], b_is(list.clone()))],
            [C, C, C],
        ),
        (
            "required property added, beside a required one",
            [of(&["a"], a.clone()), of(&["a", "b"], b.clone())],
            [B, C, B],
        ),
        (
            "required property added, without required ones",
            [of(&[], a.clone()), of(&["b"], b.clone())],
            [B, C, B],
        ),
        (
            "optional property removed",
            [of(&["a"], b.clone()), of(&["a"], a.clone())],
            [P, P, B],
        ),
        (
            "required property removed",
            [of(&["a", "b"], b.clone()), of(&["a"], a.clone())],
            [P, B, B],
        ),
        (
            "property: required -> optional",
            [of(&["a", "b"], b.clone()), of(&["a"], b.clone())],
            [C, P, B],
        ),
        (
            "property: optional -> required",
            [of(&["a"], b.clone()), of(&["a", "b"], b.clone())],
            [B, C, B],
        ),
        (
            "list: required -> optional",
            [of(&["a", "b"], b_is(list.clone())), of(&["a"], b_is(list))],
            [C, P, B],
        ),
        (
            "required property can be null",
            [
                of(&["a", "b"], b.clone()),
                of(&["a", "b"], b_is(nullable.clone())),
            ],
            [C, P, B],
        ),
        (
            "optional property can be null",
            [of(&["a"], b.clone()), of(&["a"], b_is(nullable))],
            [C, C, C],
        ),
        (
            "first property of an empty object",
            [used(json!({"XxThing": {"type": "object"}})), of(&[], a)],
            [C, C, B],
        ),
        (
            "property only read",
            [
                of(&["a"], b.clone()),
                of(&["a"], b_is(json!({"type": "string", "readOnly": true}))),
            ],
            [P, C, C],
        ),
        (
            "limit of a property",
            [
                of(&["a"], b),
                of(&["a"], b_is(json!({"type": "string", "maxLength": 5}))),
            ],
            [P, C, C],
        ),
    ]
}

fn types() -> Vec<Row> {
    let of = |of: Value| used(json!({"XxThing": object(&["a"], json!({"a": text(), "b": of}))}));
    let format = |name: &str, format: &str| of(json!({"type": name, "format": format}));
    let list = |of: Value| json!({"type": "array", "items": of});
    let map = |of: Value| json!({"type": "object", "additionalProperties": of});
    let int = |format: &str| json!({"type": "integer", "format": format});
    vec![
        (
            "int32 -> int64",
            [format("integer", "int32"), format("integer", "int64")],
            [C, P, B],
        ),
        (
            "int64 -> int32",
            [format("integer", "int64"), format("integer", "int32")],
            [P, C, B],
        ),
        (
            "integer -> int64",
            [of(json!({"type": "integer"})), format("integer", "int64")],
            [P, P, C],
        ),
        (
            "float -> double",
            [format("number", "float"), format("number", "double")],
            [P, P, B],
        ),
        (
            "string -> integer",
            [of(text()), format("integer", "int32")],
            [B, B, B],
        ),
        (
            "string -> uuid",
            [of(text()), format("string", "uuid")],
            [P, P, B],
        ),
        (
            "string -> date-time",
            [of(text()), format("string", "date-time")],
            [P, P, B],
        ),
        (
            "url -> uri",
            [format("string", "url"), format("string", "uri")],
            [P, P, C],
        ),
        ("string -> list", [of(text()), of(list(text()))], [B, B, B]),
        (
            "items: int32 -> int64",
            [of(list(int("int32"))), of(list(int("int64")))],
            [C, P, B],
        ),
        (
            "map values: string -> integer",
            [of(map(text())), of(map(int("int32")))],
            [B, B, B],
        ),
    ]
}

fn references() -> Vec<Row> {
    let other = |name: &str, more: Value| {
        let property = json!({"allOf": [reference(name)]});
        let mut schemas = json!({
            "XxThing": object(&["a"], json!({"a": text(), "b": property})),
            "XxOne": object(&["v"], json!({"v": text()})),
            "XxTwo": object(&["v"], json!({"v": text()})),
        });
        schemas
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().cloned().unwrap());
        used(schemas)
    };
    vec![
        (
            "property of an equal type with another name",
            [other("XxOne", json!({})), other("XxTwo", json!({}))],
            [C, C, B],
        ),
        (
            "property of another type",
            [
                other(
                    "XxOne",
                    json!({"XxThree": object(&[], json!({"w": text()}))}),
                ),
                other(
                    "XxThree",
                    json!({"XxThree": object(&[], json!({"w": text()}))}),
                ),
            ],
            [B, B, B],
        ),
        (
            "property of an alias of its type",
            [
                other("XxOne", json!({"XxAlias": {"allOf": [reference("XxOne")]}})),
                other(
                    "XxAlias",
                    json!({"XxAlias": {"allOf": [reference("XxOne")]}}),
                ),
            ],
            [C, C, C],
        ),
    ]
}

fn enums() -> Vec<Row> {
    let of = |values: &[&str], open: bool| {
        used(json!({
            "XxThing": object(&["a"], json!({"a": text(), "b": {"allOf": [reference("XxKind")]}})),
            "XxKind": {
                "type": "string", "enum": values,
                "x-ms-enum": {"name": "XxKind", "modelAsString": open},
            },
        }))
    };
    let inline =
        |schema: Value| used(json!({"XxThing": object(&["a"], json!({"a": text(), "b": schema}))}));
    vec![
        (
            "value added to an open enum",
            [of(&["a"], true), of(&["a", "b"], true)],
            [C, C, C],
        ),
        (
            "value removed from an open enum",
            [of(&["a", "b"], true), of(&["a"], true)],
            [B, C, B],
        ),
        (
            "value of an open enum renamed",
            [of(&["a b"], true), of(&["a-b"], true)],
            [B, C, C],
        ),
        (
            "value added to a closed enum",
            [of(&["a"], false), of(&["a", "b"], false)],
            [C, P, C],
        ),
        (
            "value removed from a closed enum",
            [of(&["a", "b"], false), of(&["a"], false)],
            [B, C, B],
        ),
        (
            "open enum -> closed enum",
            [of(&["a"], true), of(&["a"], false)],
            [P, P, C],
        ),
        (
            "closed enum -> open enum",
            [of(&["a"], false), of(&["a"], true)],
            [C, C, C],
        ),
        (
            "text limited to a list of values",
            [
                inline(text()),
                inline(json!({"type": "string", "enum": ["a"]})),
            ],
            [P, C, C],
        ),
        (
            "text -> named enum",
            [inline(text()), of(&["a"], true)],
            [P, P, B],
        ),
    ]
}

fn unions() -> Vec<Row> {
    let subtype = |base: &str, property: &str| json!({"allOf": [reference(base), object(&[], json!({property: text()}))]});
    let union = |tag: &str, values: &[(&str, &str)], base: Value| {
        let mapping: Map<String, Value> = values
            .iter()
            .map(|(value, name)| {
                (
                    (*value).to_owned(),
                    format!("#/components/schemas/{name}").into(),
                )
            })
            .collect();
        let mut thing = base;
        thing["discriminator"] = json!({"propertyName": tag, "mapping": mapping});
        used(json!({
            "XxThing": thing,
            "XxOne": subtype("XxThing", "one"),
            "XxTwo": subtype("XxThing", "two"),
        }))
    };
    let base = |tag: &str| object(&[tag], json!({tag: text()}));
    let one = [("one", "XxOne")];
    let both = [("one", "XxOne"), ("two", "XxTwo")];
    let more = |required: &[&str]| object(required, json!({"kind": text(), "size": text()}));
    vec![
        (
            "subtype added",
            [
                union("kind", &one, base("kind")),
                union("kind", &both, base("kind")),
            ],
            [C, C, C],
        ),
        (
            "subtype removed",
            [
                union("kind", &both, base("kind")),
                union("kind", &one, base("kind")),
            ],
            [B, C, B],
        ),
        (
            "optional property added to a base type",
            [
                union("kind", &both, base("kind")),
                union("kind", &both, more(&["kind"])),
            ],
            [C, C, C],
        ),
        (
            "required property added to a base type",
            [
                union("kind", &both, base("kind")),
                union("kind", &both, more(&["kind", "size"])),
            ],
            [B, C, B],
        ),
        (
            "type of the tag",
            [
                union("kind", &both, base("kind")),
                union(
                    "kind",
                    &both,
                    object(
                        &["kind"],
                        json!({"kind": {"type": "integer", "format": "int32"}}),
                    ),
                ),
            ],
            [B, B, C],
        ),
        (
            "object -> union",
            [
                used(json!({"XxThing": base("kind")})),
                union("kind", &one, base("kind")),
            ],
            [P, P, B],
        ),
    ]
}

fn schemas() -> Vec<Row> {
    // Unlike those of all other cases, so that no other schema looks like this one with a new name.
    let thing = || object(&["aXx"], json!({"aXx": text(), "bXx": text()}));
    let base = || object(&["aXx"], json!({"aXx": text()}));
    let own = || object(&[], json!({"bXx": text()}));
    let plain = || used(json!({"XxThing": thing()}));
    let derived =
        || used(json!({"XxThing": {"allOf": [reference("XxBase"), own()]}, "XxBase": base()}));
    let renamed = used(json!({"XxOther": thing()}));
    let one = || json!({"XxOne": thing()});
    let two = || json!({"XxOne": thing(), "XxTwo": base()});
    let mut inline = plain();
    inline["schemas"]["XxThing"] = json!({"allOf": [base(), own()]});
    let mut closed = plain();
    closed["schemas"]["XxThing"]["additionalProperties"] = false.into();
    vec![
        (
            "members inherited from a new base type",
            [plain(), derived()],
            [C, C, C],
        ),
        (
            "members in an inline part of allOf",
            [plain(), inline],
            [C, C, C],
        ),
        (
            "members no longer inherited, base type removed",
            [derived(), plain()],
            [C, C, B],
        ),
        ("schema renamed", [plain(), renamed], [C, C, B]),
        ("event added", [event(one()), event(two())], [C, C, C]),
        ("event removed", [event(two()), event(one())], [C, B, B]),
        (
            "event renamed",
            [event(one()), event(json!({"XxOther": thing()}))],
            [C, B, B],
        ),
        ("closed to other members", [plain(), closed], [C, C, C]),
    ]
}
