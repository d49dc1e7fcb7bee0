//! OpenAPI Overlay 1.0: our text and corrections for an imported document.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use serde::Deserialize;
use serde_json::Value;
use serde_json_path::{JsonPath, NormalizedPath};
use serde_saphyr::Spanned;

use super::node::{kind, step};

/// An overlay document. Members that are not in the specification are errors.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Overlay {
    #[serde(rename = "overlay")]
    version: String,
    #[serde(rename = "info")]
    _info: Info,
    #[serde(rename = "extends")]
    _extends: Option<String>,
    pub actions: Vec<Action>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Info {
    #[serde(rename = "title")]
    _title: String,
    #[serde(rename = "version")]
    _version: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Action {
    target: Spanned<String>,
    #[serde(rename = "description")]
    _description: Option<String>,
    pub update: Option<Value>,
    #[serde(default)]
    remove: bool,
}

/// What an overlay did to a document.
#[derive(Debug, Default)]
pub struct Applied {
    pub faults: Vec<Fault>,
    /// The members that actions with one match added, by their pointers.
    added: BTreeMap<String, Added>,
}

/// An action that could not be applied.
#[derive(Debug)]
pub struct Fault {
    /// The index of the action.
    pub action: usize,
    line: u64,
    /// Whether the target no longer exists.
    pub is_stale: bool,
    text: String,
}

/// The action that added a member, and its target.
#[derive(Clone, Debug)]
struct Added {
    action: usize,
    target: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            action, line, text, ..
        } = self;
        write!(f, "line {line}, actions[{action}]: {text}")
    }
}

impl Applied {
    /// The action that added an element, and the pointer of the element in its update.
    pub fn source(&self, pointer: &str) -> Option<(usize, String)> {
        let mut known = pointer;
        loop {
            if let Some(added) = self.added.get(known) {
                let path = pointer.strip_prefix(&added.target)?;
                return Some((added.action, path.to_owned()));
            }
            known = known.rsplit_once('/')?.0;
        }
    }
}

impl Overlay {
    pub fn read(path: &Path) -> Result<Self> {
        let text =
            fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text).with_context(|| path.display().to_string())
    }

    pub fn parse(text: &str) -> Result<Self> {
        let overlay: Self = serde_saphyr::from_str(text).context("not an OpenAPI overlay")?;
        if !overlay.version.starts_with("1.0.") {
            bail!("overlay version {:?} is not 1.0", overlay.version);
        }
        Ok(overlay)
    }

    /// Applies the actions in order. An action that cannot be applied is skipped, and reported.
    pub fn apply(&self, document: &mut Value) -> Applied {
        let mut applied = Applied::default();
        for (index, action) in self.actions.iter().enumerate() {
            let outcome = action.targets(document);
            let is_stale = outcome.as_ref().is_ok_and(Vec::is_empty);
            let outcome = outcome.and_then(|targets| {
                if targets.is_empty() {
                    bail!("the target matches nothing in the document");
                }
                if let [target] = targets.as_slice() {
                    action.remember(index, target, document, &mut applied.added);
                }
                action.apply(document, targets)
            });
            if let Err(error) = outcome {
                applied.faults.push(Fault {
                    action: index,
                    line: action.line(),
                    is_stale,
                    text: format!("target {}: {error:#}", action.target()),
                });
            }
        }
        applied
    }
}

impl Action {
    pub fn target(&self) -> &str {
        &self.target.value
    }

    /// The line of the target, counted from 1.
    pub fn line(&self) -> u64 {
        self.target.referenced.line()
    }

    /// The pointers of the elements that the action changes.
    fn targets(&self, document: &Value) -> Result<Vec<String>> {
        let path =
            JsonPath::parse(self.target()).map_err(|error| anyhow!("not a JSONPath: {error}"))?;
        let matches = path.query_located(document);
        Ok(matches
            .locations()
            .map(NormalizedPath::to_json_pointer)
            .collect())
    }

    /// Notes which members of the document come from this action.
    fn remember(
        &self,
        action: usize,
        target: &str,
        document: &Value,
        added: &mut BTreeMap<String, Added>,
    ) {
        let mut open = vec![(target.to_owned(), self.update.as_ref())];
        while let Some((pointer, update)) = open.pop() {
            for (name, value) in update.and_then(Value::as_object).into_iter().flatten() {
                let pointer = pointer.clone() + &step(name);
                if document.pointer(&pointer).is_some() {
                    open.push((pointer, Some(value)));
                } else {
                    let target = target.to_owned();
                    added.insert(pointer, Added { action, target });
                }
            }
        }
    }

    fn apply(&self, document: &mut Value, mut targets: Vec<String>) -> Result<()> {
        match (&self.update, self.remove) {
            // In reverse order, so that the remaining pointers stay valid.
            (_, true) => {
                targets.sort_by(|a, b| b.cmp(a));
                targets
                    .iter()
                    .try_for_each(|pointer| remove(document, pointer))
            }
            (Some(update), false) => targets.iter().try_for_each(|pointer| {
                let target = document
                    .pointer_mut(pointer)
                    .ok_or_else(|| anyhow!("{pointer} no longer exists"))?;
                match target {
                    Value::Object(_) => merge(target, update),
                    Value::Array(items) => {
                        items.push(update.clone());
                        Ok(())
                    }
                    other => bail!(
                        "{pointer} is {}, which has no members to update",
                        kind(other)
                    ),
                }
            }),
            (None, false) => bail!("neither `update` nor `remove`"),
        }
    }
}

fn merge(target: &mut Value, update: &Value) -> Result<()> {
    match (target, update) {
        (Value::Object(target), Value::Object(update)) => {
            for (name, value) in update {
                match target.get_mut(name) {
                    Some(slot) => merge(slot, value)?,
                    None => {
                        target.insert(name.clone(), value.clone());
                    }
                }
            }
        }
        (Value::Array(target), Value::Array(update)) => target.extend(update.iter().cloned()),
        (target, update)
            if target.is_object()
                || target.is_array()
                || update.is_object()
                || update.is_array() =>
        {
            bail!("cannot update {} with {}", kind(target), kind(update))
        }
        (target, update) => *target = update.clone(),
    }
    Ok(())
}

fn remove(document: &mut Value, pointer: &str) -> Result<()> {
    let (parent, member) = pointer
        .rsplit_once('/')
        .ok_or_else(|| anyhow!("the whole document cannot be removed"))?;
    let member = member.replace("~1", "/").replace("~0", "~");
    match document.pointer_mut(parent) {
        Some(Value::Object(members)) => {
            members.shift_remove(&member);
        }
        Some(Value::Array(items)) => {
            let index: usize = member.parse()?;
            if index < items.len() {
                items.remove(index);
            }
        }
        _ => bail!("{pointer} no longer exists"),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn applied(actions: &str) -> Result<Value> {
        let overlay =
            format!("overlay: 1.0.0\ninfo: {{title: t, version: '1'}}\nactions:\n{actions}");
        let mut document = json!({
            "paths": {"/calls": {"get": {"tags": ["a"], "parameters": [{"name": "id"}, {"name": "x"}]}}},
        });
        let applied = Overlay::parse(&overlay)?.apply(&mut document);
        if let Some(fault) = applied.faults.first() {
            bail!("{fault}");
        }
        Ok(document)
    }

    #[test]
    fn updates_merge_objects_and_append_to_arrays() {
        let document = applied(
            "- target: $.paths[*].get\n  update: {summary: s, tags: [b]}\n\
             - target: $.paths[*][*].parameters[?@.name == 'id']\n  update: {description: d}\n",
        )
        .unwrap();
        let get = &document["paths"]["/calls"]["get"];
        assert_eq!(get["summary"], "s");
        assert_eq!(get["tags"], json!(["a", "b"]));
        assert_eq!(get["parameters"][0]["description"], "d");
        assert!(get["parameters"][1].get("description").is_none());
    }

    #[test]
    fn removes_every_match() {
        let document = applied("- target: $.paths[*][*].parameters[*]\n  remove: true\n").unwrap();
        assert_eq!(document["paths"]["/calls"]["get"]["parameters"], json!([]));
    }

    #[test]
    fn an_invalid_action_is_named_in_the_error() {
        for (actions, says) in [
            (
                "- target: $.paths['/cals']\n  update: {}\n",
                "matches nothing",
            ),
            ("- target: $.paths[\n  update: {}\n", "not a JSONPath"),
            ("- target: $.paths\n", "neither"),
            ("- target: $.paths\n  updaet: {}\n", "updaet"),
            (
                "- target: $.paths['/calls']\n  update: {get: no}\n",
                "cannot update",
            ),
        ] {
            let error = format!("{:#}", applied(actions).unwrap_err());
            assert!(error.contains(says), "{error}");
        }
    }

    /// JSON without arrays, which our overlay does not use, because an update appends to arrays.
    fn objects() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![Just(json!("a")), Just(json!("b")), Just(json!({}))];
        leaf.prop_recursive(3, 12, 3, |inner| {
            prop::collection::btree_map("[xyz]", inner, 0..3).prop_map(|members| json!(members))
        })
    }

    proptest! {
        /// An import of our own document applies the overlay again.
        #[test]
        fn an_update_without_arrays_is_idempotent(document in objects(), update in objects()) {
            let mut once = document;
            prop_assume!(merge(&mut once, &update).is_ok());
            let mut twice = once.clone();
            merge(&mut twice, &update).unwrap();
            prop_assert_eq!(once, twice);
        }
    }
}
