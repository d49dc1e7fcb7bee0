//! Reads a JSON document strictly: members that are not read are reported.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, anyhow, bail};
use serde_json::{Map, Value};

use super::json::line_of;

/// A file, as the errors name it.
#[derive(Debug)]
pub struct File {
    pub name: String,
    pub text: String,
}

/// The location of a value: the document and an RFC 6901 JSON pointer.
#[derive(Clone)]
pub struct Location {
    file: Arc<File>,
    pointer: String,
}

impl Location {
    pub fn root(file: Arc<File>) -> Self {
        Self {
            file,
            pointer: String::new(),
        }
    }

    pub fn join(&self, member: &str) -> Self {
        Self {
            file: Arc::clone(&self.file),
            pointer: self.pointer.clone() + &step(member),
        }
    }

    pub fn index(&self, index: usize) -> Self {
        self.join(&index.to_string())
    }

    /// The same element below this location.
    pub fn below(&self, pointer: &str) -> Self {
        Self {
            file: Arc::clone(&self.file),
            pointer: self.pointer.clone() + pointer,
        }
    }

    /// The location without the folder of the file.
    pub fn in_folder(&self) -> String {
        let full = self.to_string();
        let name = Path::new(&self.file.name).file_name();
        match name.and_then(|name| name.to_str()) {
            Some(name) => full.replacen(&self.file.name, name, 1),
            None => full,
        }
    }

    pub fn pointer(&self) -> &str {
        &self.pointer
    }

    pub fn file(&self) -> &str {
        &self.file.name
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.file.name, self.pointer)?;
        if self.pointer.is_empty() {
            return Ok(());
        }
        write!(f, " (line {})", line_of(&self.file.text, &self.pointer))
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One step of a JSON pointer.
pub fn step(member: &str) -> String {
    format!("/{}", member.replace('~', "~0").replace('/', "~1"))
}

/// A JSON pointer as the fragment of a URL, as in `$ref`.
pub fn pointer(path: &[&str]) -> String {
    path.iter()
        .fold("#".to_owned(), |pointer, member| pointer + &step(member))
}

/// A JSON object. [`Node::finish`] reports the members that were not read.
#[derive(Debug)]
pub struct Node<'a> {
    members: &'a Map<String, Value>,
    location: Location,
    used: RefCell<BTreeSet<&'a str>>,
}

impl<'a> Node<'a> {
    pub fn new(value: &'a Value, location: Location) -> Result<Self> {
        let members = value
            .as_object()
            .ok_or_else(|| anyhow!("{location}: expected an object, found {}", kind(value)))?;
        Ok(Self::over(members, location))
    }

    pub fn over(members: &'a Map<String, Value>, location: Location) -> Self {
        Self {
            members,
            location,
            used: RefCell::default(),
        }
    }

    pub fn location(&self) -> &Location {
        &self.location
    }

    pub fn at(&self, member: &str) -> Location {
        self.location.join(member)
    }

    pub fn get(&self, member: &str) -> Option<&'a Value> {
        let (name, value) = self.members.get_key_value(member)?;
        self.used.borrow_mut().insert(name);
        Some(value)
    }

    pub fn need(&self, member: &str) -> Result<&'a Value> {
        self.get(member)
            .ok_or_else(|| anyhow!("{}: `{member}` is missing", self.location))
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
            .ok_or_else(|| anyhow!("{}: `{member}` is missing", self.location))
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

    /// The elements of an array member; empty if it is absent.
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

    /// The members of an object member, each with its location; empty if it is absent.
    pub fn entries(&self, member: &str) -> Result<Vec<(&'a str, &'a Value, Location)>> {
        match self.get(member) {
            None => Ok(Vec::new()),
            Some(value) => Ok(Node::new(value, self.at(member))?.into_entries()),
        }
    }

    pub fn into_entries(self) -> Vec<(&'a str, &'a Value, Location)> {
        self.members
            .iter()
            .map(|(name, value)| (name.as_str(), value, self.location.join(name)))
            .collect()
    }

    /// Ignores members deliberately.
    pub fn skip(&self, members: &[&str]) {
        for member in members {
            self.get(member);
        }
    }

    /// Copies members with the same meaning in Swagger 2.0 and `OpenAPI` 3.0.
    pub fn copy(&self, members: &[&str], target: &mut Map<String, Value>) {
        for member in members {
            if let Some(value) = self.get(member) {
                target.insert((*member).to_owned(), value.clone());
            }
        }
    }

    /// Fails if a member was neither read, copied nor skipped.
    pub fn finish(self) -> Result<()> {
        let used = self.used.into_inner();
        match self
            .members
            .keys()
            .find(|name| !used.contains(name.as_str()))
        {
            None => Ok(()),
            Some(unknown) => bail!(
                "{}: the importer does not support `{unknown}` here; add support in \
                 xtask/src/spec/convert",
                self.location.join(unknown)
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
