//! Operations: their requests, which callers build, and their responses, which parsers read.

use std::collections::BTreeMap;

use super::Verdict::{Breaking, Compatible, PossiblyBreaking};
use super::schemas::Place;
use super::{Comparison, Effects, Element, Kind, Side, both};
use crate::codegen::names;
use crate::spec::reach::{REQUEST, RESPONSE, Reach};
use crate::spec::view::{Body, Operation, Parameter};

/// What identifies a parameter of an operation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    /// A parameter of the path, by its position: its name is not sent.
    Path(usize),
    Named(String, String),
}

impl<'a> Operation<'a> {
    fn address(self) -> String {
        format!("{} {}", self.method.to_uppercase(), self.path)
    }

    /// The parts of the path between its parameters.
    fn route(self) -> (String, Vec<String>) {
        let parts = self.path.split(['{', '}']).step_by(2);
        (self.method.to_owned(), parts.map(str::to_owned).collect())
    }

    fn parameters_by_key(self) -> BTreeMap<Key, Parameter<'a>> {
        let placeholders: Vec<_> = self.path.split(['{', '}']).skip(1).step_by(2).collect();
        let key = |parameter: &Parameter<'_>| {
            let position = placeholders
                .iter()
                .position(|name| *name == parameter.name());
            match (parameter.location(), position) {
                ("path", Some(position)) => Key::Path(position),
                // Names of headers are case-insensitive.
                ("header", _) => Key::Named("header".to_owned(), parameter.name().to_lowercase()),
                (location, _) => Key::Named(location.to_owned(), parameter.name().to_owned()),
            }
        };
        let parameters = self.parameters().into_iter();
        parameters.map(|of| (key(&of), of)).collect()
    }
}

fn element(old: Operation<'_>, new: Operation<'_>, id: &str) -> Element {
    Element::new(Kind::Operation, id, [old.pointer(), new.pointer()])
}

fn by_id<'a>(side: &Side<'a>) -> BTreeMap<&'a str, Operation<'a>> {
    let operations = side.document.operations();
    operations.filter_map(|of| Some((of.id()?, of))).collect()
}

/// The name and the type of a parameter.
fn shown(side: &Side<'_>, parameter: &Parameter<'_>) -> String {
    let needed = if parameter.is_required() {
        "required"
    } else {
        "optional"
    };
    format!("{}, {needed}", side.type_of(parameter.schema()))
}

impl<'a> Comparison<'a> {
    pub(super) fn operations(&mut self) {
        let (old, new) = (by_id(&self.old), by_id(&self.new));
        let renamed: BTreeMap<&str, &str> = old
            .iter()
            .filter(|(id, _)| !new.contains_key(*id))
            .filter_map(|(id, before)| {
                let (now, _) = new.iter().find(|(id, after)| {
                    !old.contains_key(*id) && after.route() == before.route()
                })?;
                Some((*id, *now))
            })
            .collect();
        for (id, before, after) in both(&old, &new) {
            match (before, after) {
                (Some(before), Some(after)) => self.operation(id, before, after),
                (Some(before), None) => {
                    if let Some(now) = renamed.get(id) {
                        self.renamed(id, now, before, new[now]);
                    } else {
                        let effects = Effects::callers(Breaking).breaks_source_if(true);
                        self.removed(&element(before, before, id), before.address(), effects);
                    }
                }
                (None, Some(after)) if !renamed.values().any(|now| *now == id) => {
                    self.added(&element(after, after, id), after.address(), Effects::NONE);
                }
                (None, _) => {}
            }
        }
    }

    fn renamed(&mut self, was: &str, id: &str, old: Operation<'a>, new: Operation<'a>) {
        let effects = Effects::NONE.breaks_source_if(names::function(was) != names::function(id));
        let at = element(old, new, id);
        self.changed(&at, format!("renamed from {was}"), effects);
        self.operation(id, old, new);
    }

    fn operation(&mut self, id: &str, old: Operation<'a>, new: Operation<'a>) {
        let at = element(old, new, id);
        if old.route() != new.route() {
            let detail = format!("{} is now {}", old.address(), new.address());
            self.changed(&at, detail, Effects::callers(Breaking));
        }
        if !old.is_deprecated() && new.is_deprecated() {
            self.changed(&at, "deprecated", Effects::callers(PossiblyBreaking));
        }
        if old.security() != new.security() {
            let effects = Effects::callers(PossiblyBreaking);
            self.changed(&at, "authentication changed", effects);
        }
        if old.extensions() != new.extensions() {
            self.changed(&at, "extensions (x-…) changed", Effects::NONE);
        }
        self.parameters(&at, old, new);
        self.request(&at, old.request(), new.request());
        self.responses(&at, old, new);
    }

    fn parameters(&mut self, operation: &Element, old: Operation<'a>, new: Operation<'a>) {
        let (mut before, mut after) = (old.parameters_by_key(), new.parameters_by_key());
        // A parameter that moved keeps its name in Rust.
        for (key, now) in &new.parameters_by_key() {
            let moved = old.parameters_by_key().into_iter().find(|(known, of)| {
                !before.contains_key(key)
                    && !new.parameters_by_key().contains_key(known)
                    && names::field(of.name()) == names::field(now.name())
            });
            if let Some((known, was)) = moved {
                before.remove(&known);
                after.remove(key);
                let detail = format!("moved from {} to {}", was.location(), now.location());
                let at = parameter_element(operation, &was, now);
                self.changed(&at, detail, Effects::callers(Breaking));
                self.parameter(&at, &was, now);
            }
        }
        for (_, before, after) in both(&before, &after) {
            match (before, after) {
                (Some(before), Some(after)) => {
                    self.parameter(
                        &parameter_element(operation, &before, &after),
                        &before,
                        &after,
                    );
                }
                (Some(before), None) => {
                    let at = parameter_element(operation, &before, &before);
                    let effects = Effects::callers(PossiblyBreaking).breaks_source_if(true);
                    self.removed(&at, shown(&self.old, &before), effects);
                }
                (None, Some(after)) => {
                    let at = parameter_element(operation, &after, &after);
                    let effects = if after.is_required() {
                        Effects::callers(Breaking).breaks_source_if(true)
                    } else {
                        Effects::NONE
                    };
                    self.added(&at, shown(&self.new, &after), effects);
                }
                (None, None) => {}
            }
        }
    }

    fn parameter(&mut self, at: &Element, old: &Parameter<'a>, new: &Parameter<'a>) {
        self.requirement(at, [old.is_required(), new.is_required()]);
        if old.style() != new.style() {
            self.changed(at, "list format changed", Effects::callers(Breaking));
        }
        let place = Place::Value { required: false };
        let at = at.inside(at.kind, "", &["schema"]);
        self.schema(&at, [old.schema(), new.schema()], REQUEST, place);
    }

    /// Whether a parameter or a body must be sent. Required ones are arguments, optional ones are
    /// options.
    fn requirement(&mut self, at: &Element, required: [bool; 2]) {
        match required {
            [false, true] => {
                let effects = Effects::callers(Breaking).breaks_source_if(true);
                self.changed(at, "now required", effects);
            }
            [true, false] => {
                let effects = Effects::NONE.breaks_source_if(true);
                self.changed(at, "no longer required", effects);
            }
            _ => {}
        }
    }

    fn request(&mut self, operation: &Element, old: Option<Body<'a>>, new: Option<Body<'a>>) {
        let at = operation.inside(Kind::Request, "", &["requestBody"]);
        match (old, new) {
            (None, None) => {}
            (Some(_), None) => {
                let effects = Effects::callers(PossiblyBreaking).breaks_source_if(true);
                self.removed(&at, "body removed", effects);
            }
            (None, Some(body)) if body.is_required() => {
                let effects = Effects::callers(Breaking).breaks_source_if(true);
                self.added(&at, "required body added", effects);
            }
            (None, Some(_)) => self.added(&at, "optional body added", Effects::NONE),
            (Some(old), Some(new)) => {
                self.requirement(&at, [old.is_required(), new.is_required()]);
                self.content(&at, [old, new], REQUEST);
            }
        }
    }

    fn responses(&mut self, operation: &Element, old: Operation<'a>, new: Operation<'a>) {
        let returns_other = self.old.returned(old) != self.new.returned(new);
        for (status, before, after) in both(&old.responses(), &new.responses()) {
            let path = ["responses", status];
            let at = operation.inside(Kind::Response, &format!(" {status}"), &path);
            let is_success = status.starts_with('2');
            let effects = |parsers| {
                let parsers = if is_success { parsers } else { Compatible };
                Effects::parsers(parsers).breaks_source_if(is_success && returns_other)
            };
            match (before, after) {
                (Some(before), Some(after)) => {
                    self.response(&at, [before, after], is_success && returns_other);
                }
                (Some(before), None) => {
                    self.removed(&at, shown_body(&self.old, before), effects(Breaking));
                }
                // Clients distinguish errors by ranges of the status, but expect a success by its
                // exact status.
                (None, Some(after)) => {
                    self.added(&at, shown_body(&self.new, after), effects(PossiblyBreaking));
                }
                (None, None) => {}
            }
        }
    }

    fn response(&mut self, at: &Element, [old, new]: [Body<'a>; 2], returns_other: bool) {
        match (old.content().is_empty(), new.content().is_empty()) {
            (true, false) => {
                let detail = format!("now has a body: {}", shown_body(&self.new, new));
                let effects = Effects::parsers(PossiblyBreaking).breaks_source_if(returns_other);
                self.changed(at, detail, effects);
            }
            (false, true) => {
                let effects = Effects::parsers(Breaking).breaks_source_if(returns_other);
                self.changed(at, "no longer has a body", effects);
            }
            _ => self.content(at, [old, new], RESPONSE),
        }
        for (name, before, after) in both(&old.headers(), &new.headers()) {
            let header = at.inside(Kind::Response, &format!(" {name}"), &["headers", name]);
            match (before, after) {
                (Some(before), Some(after)) => {
                    let at = header.inside(header.kind, "", &["schema"]);
                    self.schema(&at, [before, after], RESPONSE, Place::Header);
                }
                (Some(_), None) => {
                    self.removed(&header, "header", Effects::parsers(PossiblyBreaking));
                }
                (None, Some(_)) => self.added(&header, "header", Effects::NONE),
                (None, None) => {}
            }
        }
    }

    /// The bodies of a request or a response, by media type.
    fn content(&mut self, at: &Element, [old, new]: [Body<'a>; 2], reach: Reach) {
        let is_other = self.old.payload(Some(old)) != self.new.payload(Some(new));
        for (media_type, before, after) in both(&old.content(), &new.content()) {
            match (before, after) {
                (Some(before), Some(after)) => {
                    let at = at.inside(at.kind, "", &["content", media_type, "schema"]);
                    let place = Place::Value { required: true };
                    self.schema(&at, [before, after], reach, place);
                }
                (Some(_), None) => {
                    let effects = Effects::wire(reach, Breaking, Breaking);
                    let effects = effects.breaks_source_if(is_other);
                    self.changed(at, format!("no longer as {media_type}"), effects);
                }
                (None, Some(_)) => {
                    let effects = Effects::NONE.breaks_source_if(is_other);
                    self.changed(at, format!("also as {media_type}"), effects);
                }
                (None, None) => {}
            }
        }
    }
}

fn parameter_element(operation: &Element, old: &Parameter<'_>, new: &Parameter<'_>) -> Element {
    let name = format!(" {} {}", new.location(), new.name());
    operation
        .inside(Kind::Parameter, &name, &[])
        .moved_to([old.pointer.clone(), new.pointer.clone()])
}

/// The possible types of a response.
fn shown_body(side: &Side<'_>, response: Body<'_>) -> String {
    let content = response.content();
    let types: Vec<String> = content.into_values().map(|of| side.type_of(of)).collect();
    if types.is_empty() {
        "no body".to_owned()
    } else {
        types.join(" or ")
    }
}
