//! Operations: their requests, which callers build, and their responses, which parsers read.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Verdict::{Breaking, Compatible, PossiblyBreaking};
use super::{
    Comparison, Element, Kind, Side, What, both, extensions, is_true, map, members, pointer,
};
use crate::spec::reach::Reach;

/// An operation and its location.
#[derive(Clone, Copy)]
struct Operation<'a> {
    path: &'a str,
    method: &'a str,
    item: &'a Value,
    value: &'a Value,
}

impl Operation<'_> {
    fn address(self) -> String {
        format!("{} {}", self.method.to_uppercase(), self.path)
    }

    fn element(self, id: &str) -> Element {
        let pointer = pointer(&["paths", self.path, self.method]);
        Element::new(Kind::Operation, id, pointer)
    }
}

impl<'a> Side<'a> {
    /// Operations by id.
    fn operations(&self) -> BTreeMap<&'a str, Operation<'a>> {
        let mut out = BTreeMap::new();
        for (path, item) in members(self.document.get("paths")) {
            for (method, value) in members(Some(item)).filter(|(name, _)| *name != "parameters") {
                if let Some(id) = value.get("operationId").and_then(Value::as_str) {
                    let operation = Operation {
                        path,
                        method,
                        item,
                        value,
                    };
                    out.insert(id, operation);
                }
            }
        }
        out
    }

    /// Parameters by kind and name, with shared ones resolved.
    fn parameters<'b>(&self, operation: Operation<'b>) -> BTreeMap<String, &'b Value>
    where
        'a: 'b,
    {
        let mut out = BTreeMap::new();
        for owner in [operation.item, operation.value] {
            let list = owner.get("parameters").and_then(Value::as_array);
            for parameter in list.into_iter().flatten() {
                let parameter = parameter
                    .get("$ref")
                    .and_then(Value::as_str)
                    .and_then(|reference| self.document.pointer(reference.strip_prefix('#')?))
                    .unwrap_or(parameter);
                let text =
                    |member: &str| parameter.get(member).and_then(Value::as_str).unwrap_or("");
                out.insert(format!("{} {}", text("in"), text("name")), parameter);
            }
        }
        out
    }
}

impl Comparison<'_> {
    pub(super) fn operations(&mut self) {
        let (old, new) = (self.old.operations(), self.new.operations());
        for (id, before, after) in both(&old, &new) {
            match (before, after) {
                (Some(before), Some(after)) => self.operation(id, before, after),
                (Some(before), None) => {
                    let renamed = new.iter().find(|(id, after)| {
                        !old.contains_key(*id) && after.address() == before.address()
                    });
                    match renamed {
                        Some((now, after)) => {
                            let detail = format!("renamed from {id}");
                            self.changed(&after.element(now), detail, PossiblyBreaking, Compatible);
                            self.operation(now, before, *after);
                        }
                        None => self.push(
                            &before.element(id),
                            What::Removed,
                            before.address(),
                            Breaking,
                            Compatible,
                        ),
                    }
                }
                (None, Some(after)) => {
                    let was_renamed = old.iter().any(|(id, before)| {
                        !new.contains_key(id) && before.address() == after.address()
                    });
                    if !was_renamed {
                        let at = after.element(id);
                        self.push(&at, What::Added, after.address(), Compatible, Compatible);
                    }
                }
                (None, None) => {}
            }
        }
    }

    fn operation(&mut self, id: &str, old: Operation<'_>, new: Operation<'_>) {
        let at = new.element(id);
        if old.address() != new.address() {
            let detail = format!("{} is now {}", old.address(), new.address());
            self.changed(&at, detail, Breaking, Compatible);
        }
        if !is_true(old.value, "deprecated") && is_true(new.value, "deprecated") {
            self.changed(&at, "deprecated", PossiblyBreaking, Compatible);
        }
        if old.value.get("security") != new.value.get("security") {
            self.changed(&at, "authentication changed", PossiblyBreaking, Compatible);
        }
        if extensions(old.value) != extensions(new.value) {
            self.changed(&at, "extensions (x-…) changed", Compatible, Compatible);
        }
        self.parameters(&at, old, new);
        self.request(
            &at,
            old.value.get("requestBody"),
            new.value.get("requestBody"),
        );
        self.responses(&at, old.value.get("responses"), new.value.get("responses"));
    }

    fn parameters(&mut self, operation: &Element, old: Operation<'_>, new: Operation<'_>) {
        let (before, after) = (self.old.parameters(old), self.new.parameters(new));
        let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        for key in keys {
            let at = operation.inside(Kind::Parameter, &format!(" {key}"), &["parameters"]);
            match (before.get(key), after.get(key)) {
                (Some(before), Some(after)) => self.parameter(&at, before, after),
                (Some(before), None) => {
                    let of = self.old.type_of(&before["schema"]);
                    self.push(&at, What::Removed, of, PossiblyBreaking, Compatible);
                }
                (None, Some(after)) => {
                    let of = self.new.type_of(&after["schema"]);
                    let (detail, callers) = if is_true(after, "required") {
                        (format!("{of}, required"), Breaking)
                    } else {
                        (format!("{of}, optional"), Compatible)
                    };
                    self.push(&at, What::Added, detail, callers, Compatible);
                }
                (None, None) => {}
            }
        }
    }

    fn parameter(&mut self, at: &Element, old: &Value, new: &Value) {
        match (is_true(old, "required"), is_true(new, "required")) {
            (false, true) => self.changed(at, "now required", Breaking, Compatible),
            (true, false) => self.changed(at, "no longer required", Compatible, Compatible),
            _ => {}
        }
        if (old.get("style"), old.get("explode")) != (new.get("style"), new.get("explode")) {
            self.changed(at, "list format changed", Breaking, Compatible);
        }
        let written = Reach {
            requests: true,
            ..Reach::default()
        };
        self.schema(at, &old["schema"], &new["schema"], written, false);
    }

    fn request(&mut self, operation: &Element, old: Option<&Value>, new: Option<&Value>) {
        let at = operation.inside(Kind::Request, "", &["requestBody"]);
        match (old, new) {
            (None, None) => {}
            (Some(_), None) => self.push(
                &at,
                What::Removed,
                "body removed".to_owned(),
                PossiblyBreaking,
                Compatible,
            ),
            (None, Some(body)) => {
                let (detail, callers) = if is_true(body, "required") {
                    ("required body added", Breaking)
                } else {
                    ("optional body added", Compatible)
                };
                self.push(&at, What::Added, detail.to_owned(), callers, Compatible);
            }
            (Some(old), Some(new)) => {
                match (is_true(old, "required"), is_true(new, "required")) {
                    (false, true) => self.changed(&at, "now required", Breaking, Compatible),
                    (true, false) => {
                        self.changed(&at, "no longer required", Compatible, Compatible);
                    }
                    _ => {}
                }
                let written = Reach {
                    requests: true,
                    ..Reach::default()
                };
                self.content(&at, old, new, written);
            }
        }
    }

    fn responses(&mut self, operation: &Element, old: Option<&Value>, new: Option<&Value>) {
        for (status, before, after) in both(&map(old), &map(new)) {
            let at = operation.inside(
                Kind::Response,
                &format!(" {status}"),
                &["responses", status],
            );
            let is_success = status.starts_with('2');
            match (before, after) {
                (Some(before), Some(after)) => self.response(&at, before, after),
                (Some(before), None) => {
                    let parsers = if is_success { Breaking } else { Compatible };
                    let of = body(&self.old, before);
                    self.push(&at, What::Removed, of, Compatible, parsers);
                }
                (None, Some(after)) => {
                    // Clients distinguish errors by ranges of the status, but expect a success by
                    // its exact status.
                    let parsers = if is_success {
                        PossiblyBreaking
                    } else {
                        Compatible
                    };
                    let of = body(&self.new, after);
                    self.push(&at, What::Added, of, Compatible, parsers);
                }
                (None, None) => {}
            }
        }
    }

    fn response(&mut self, at: &Element, old: &Value, new: &Value) {
        let read = Reach {
            responses: true,
            ..Reach::default()
        };
        match (old.get("content"), new.get("content")) {
            (None, Some(_)) => {
                let detail = format!("now has a body: {}", body(&self.new, new));
                self.changed(at, detail, Compatible, PossiblyBreaking);
            }
            (Some(_), None) => self.changed(at, "no longer has a body", Compatible, Breaking),
            _ => self.content(at, old, new, read),
        }
        for (name, before, after) in both(&map(old.get("headers")), &map(new.get("headers"))) {
            let header = at.inside(Kind::Response, &format!(" {name}"), &["headers", name]);
            match (before, after) {
                (Some(before), Some(after)) => {
                    self.schema(&header, &before["schema"], &after["schema"], read, false);
                }
                (Some(_), None) => self.push(
                    &header,
                    What::Removed,
                    "header".to_owned(),
                    Compatible,
                    PossiblyBreaking,
                ),
                (None, Some(_)) => {
                    self.push(
                        &header,
                        What::Added,
                        "header".to_owned(),
                        Compatible,
                        Compatible,
                    );
                }
                (None, None) => {}
            }
        }
    }

    /// The bodies of a request or a response, by media type.
    fn content(&mut self, at: &Element, old: &Value, new: &Value, reach: Reach) {
        for (media_type, before, after) in both(&map(old.get("content")), &map(new.get("content")))
        {
            match (before, after) {
                (Some(before), Some(after)) => {
                    let at = at.inside(at.kind, "", &["content", media_type, "schema"]);
                    self.schema(&at, &before["schema"], &after["schema"], reach, true);
                }
                (Some(_), None) => {
                    let detail = format!("no longer as {media_type}");
                    let breaking = |concerned| if concerned { Breaking } else { Compatible };
                    self.changed(
                        at,
                        detail,
                        breaking(reach.is_written()),
                        breaking(reach.is_read()),
                    );
                }
                (None, Some(_)) => {
                    let detail = format!("also as {media_type}");
                    self.changed(at, detail, Compatible, Compatible);
                }
                (None, None) => {}
            }
        }
    }
}

/// The possible types of a response.
fn body(side: &Side<'_>, response: &Value) -> String {
    let types: Vec<String> = members(response.get("content"))
        .map(|(_, content)| side.type_of(&content["schema"]))
        .collect();
    if types.is_empty() {
        "no body".to_owned()
    } else {
        types.join(" or ")
    }
}
