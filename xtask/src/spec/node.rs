//! Reading a JSON document strictly: every member is either asked for or reported.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;

use anyhow::{Result, anyhow, bail};
use serde_json::{Map, Value};

/// Where a value stands: the document's name and an RFC 6901 JSON pointer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    file: String,
    pointer: String,
}

impl Place {
    pub fn root(file: impl Into<String>) -> Self {
        Self {
            file: file.into(),
            pointer: String::new(),
        }
    }

    pub fn join(&self, member: &str) -> Self {
        Self {
            file: self.file.clone(),
            pointer: self.pointer.clone() + &step(member),
        }
    }

    pub fn index(&self, index: usize) -> Self {
        self.join(&index.to_string())
    }
}

/// One step of a JSON pointer.
pub fn step(member: &str) -> String {
    format!("/{}", member.replace('~', "~0").replace('/', "~1"))
}

/// A JSON pointer as the fragment of a URL, as `$ref` has it.
pub fn pointer(path: &[&str]) -> String {
    path.iter()
        .fold("#".to_owned(), |pointer, member| pointer + &step(member))
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.file, self.pointer)
    }
}

/// A JSON object of which [`Node::finish`] reports the members that nobody asked for.
#[derive(Debug)]
pub struct Node<'a> {
    members: &'a Map<String, Value>,
    place: Place,
    used: RefCell<BTreeSet<&'a str>>,
}

impl<'a> Node<'a> {
    pub fn new(value: &'a Value, place: Place) -> Result<Self> {
        let members = value
            .as_object()
            .ok_or_else(|| anyhow!("{place}: expected an object, found {}", kind(value)))?;
        Ok(Self::over(members, place))
    }

    pub fn over(members: &'a Map<String, Value>, place: Place) -> Self {
        Self {
            members,
            place,
            used: RefCell::default(),
        }
    }

    pub fn place(&self) -> &Place {
        &self.place
    }

    pub fn at(&self, member: &str) -> Place {
        self.place.join(member)
    }

    pub fn get(&self, member: &str) -> Option<&'a Value> {
        let (name, value) = self.members.get_key_value(member)?;
        self.used.borrow_mut().insert(name);
        Some(value)
    }

    pub fn need(&self, member: &str) -> Result<&'a Value> {
        self.get(member)
            .ok_or_else(|| anyhow!("{}: `{member}` is missing", self.place))
    }

    pub fn str(&self, member: &str) -> Result<Option<&'a str>> {
        self.get(member)
            .map(|value| {
                value.as_str().ok_or_else(|| {
                    anyhow!(
                        "{}: expected a string, found {}",
                        self.at(member),
                        kind(value)
                    )
                })
            })
            .transpose()
    }

    pub fn need_str(&self, member: &str) -> Result<&'a str> {
        self.str(member)?
            .ok_or_else(|| anyhow!("{}: `{member}` is missing", self.place))
    }

    pub fn bool(&self, member: &str) -> Result<Option<bool>> {
        self.get(member)
            .map(|value| {
                value.as_bool().ok_or_else(|| {
                    anyhow!(
                        "{}: expected true or false, found {}",
                        self.at(member),
                        kind(value)
                    )
                })
            })
            .transpose()
    }

    /// The elements of an array member; none when it is absent.
    pub fn array(&self, member: &str) -> Result<&'a [Value]> {
        match self.get(member) {
            None => Ok(&[]),
            Some(Value::Array(items)) => Ok(items),
            Some(other) => bail!(
                "{}: expected an array, found {}",
                self.at(member),
                kind(other)
            ),
        }
    }

    pub fn strings(&self, member: &str) -> Result<Vec<&'a str>> {
        self.array(member)?
            .iter()
            .enumerate()
            .map(|(index, item)| {
                item.as_str().ok_or_else(|| {
                    anyhow!(
                        "{}: expected a string, found {}",
                        self.at(member).index(index),
                        kind(item)
                    )
                })
            })
            .collect()
    }

    /// The members of an object member, each with its place; none when it is absent.
    pub fn entries(&self, member: &str) -> Result<Vec<(&'a str, &'a Value, Place)>> {
        match self.get(member) {
            None => Ok(Vec::new()),
            Some(value) => Ok(Node::new(value, self.at(member))?.into_entries()),
        }
    }

    pub fn into_entries(self) -> Vec<(&'a str, &'a Value, Place)> {
        self.members
            .iter()
            .map(|(name, value)| (name.as_str(), value, self.place.join(name)))
            .collect()
    }

    /// Leaves members out on purpose.
    pub fn skip(&self, members: &[&str]) {
        for member in members {
            self.get(member);
        }
    }

    /// Copies members that mean the same in Swagger 2.0 and `OpenAPI` 3.0.
    pub fn copy(&self, members: &[&str], target: &mut Map<String, Value>) {
        for member in members {
            if let Some(value) = self.get(member) {
                target.insert((*member).to_owned(), value.clone());
            }
        }
    }

    /// Fails when a member was neither read, copied nor skipped.
    pub fn finish(self) -> Result<()> {
        let used = self.used.into_inner();
        match self
            .members
            .keys()
            .find(|name| !used.contains(name.as_str()))
        {
            None => Ok(()),
            Some(unknown) => bail!(
                "{}: the importer does not know `{unknown}` here; teach it (xtask/src/spec) \
                 what the member means",
                self.place.join(unknown)
            ),
        }
    }
}

pub fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
