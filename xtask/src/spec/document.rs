//! The Swagger files of one import, and the targets of their `$ref`s.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use serde_json::Value;

use super::json;
use super::node::{File, Location, Node};
use super::prose::PROSE;

/// One element of one file: `definitions/Name`, `parameters/Name`, `responses/Name`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    file: PathBuf,
    section: String,
    name: String,
}

impl Target {
    pub fn definition(file: &Path, name: &str) -> Self {
        Self {
            file: file.to_owned(),
            section: "definitions".to_owned(),
            name: name.to_owned(),
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn file(&self) -> &Path {
        &self.file
    }
}

/// The root file and all files that it refers to. Each is read once.
#[derive(Debug)]
pub struct Documents {
    root: PathBuf,
    files: BTreeMap<PathBuf, Document>,
}

#[derive(Debug)]
struct Document {
    value: Value,
    file: Arc<File>,
}

impl Document {
    /// Reads a file, which is called `name` in errors.
    fn read(path: &Path, name: &Path) -> Result<Self> {
        let text = read(path)?;
        let value = parse(path, &text)?;
        let name = name.display().to_string();
        let file = Arc::new(File { name, text });
        Ok(Self { value, file })
    }
}

impl Documents {
    pub fn open(root: &Path) -> Result<Self> {
        let path = normalize(root);
        let document = Document::read(root, &path)?;
        let root = path;
        Ok(Self {
            files: BTreeMap::from([(root.clone(), document)]),
            root,
        })
    }

    pub fn root_path(&self) -> &Path {
        &self.root
    }

    pub fn root(&self) -> &Value {
        &self.files[&self.root].value
    }

    /// The beginning of the root file.
    pub fn root_location(&self) -> Location {
        Location::root(Arc::clone(&self.files[&self.root].file))
    }

    pub fn get(&self, target: &Target) -> Option<&Value> {
        self.files
            .get(&target.file)?
            .value
            .get(&target.section)?
            .get(&target.name)
    }

    /// The location of an element of a file that was read.
    pub fn location(&self, target: &Target) -> Location {
        let file = self
            .files
            .get(&target.file)
            .unwrap_or(&self.files[&self.root]);
        Location::root(Arc::clone(&file.file))
            .join(&target.section)
            .join(&target.name)
    }

    /// Whether an element exists.
    pub fn contains(&self, location: &Location) -> bool {
        let file = self.files.get(Path::new(location.file()));
        file.is_some_and(|file| file.value.pointer(location.pointer()).is_some())
    }

    /// Resolves a `$ref` in `file`. `location` is the referring element.
    pub fn resolve(&mut self, file: &Path, reference: &str, location: &Location) -> Result<Target> {
        let (path, fragment) = reference
            .split_once('#')
            .ok_or_else(|| anyhow!("{location}: `$ref` {reference:?} has no `#/…` part"))?;
        let mut parts = fragment.trim_start_matches('/').splitn(2, '/');
        let (Some(section @ ("definitions" | "parameters" | "responses")), Some(name)) =
            (parts.next(), parts.next())
        else {
            bail!(
                "{location}: `$ref` {reference:?} refers neither to a definition nor to a parameter \
                 nor to a response"
            )
        };
        let file = if path.is_empty() {
            file.to_owned()
        } else {
            let base = file.parent().unwrap_or(Path::new(""));
            normalize(&base.join(path))
        };
        if !self.files.contains_key(&file) {
            let document = Document::read(&file, &file)
                .with_context(|| format!("{location}: `$ref` {reference:?}"))?;
            self.files.insert(file.clone(), document);
        }
        let target = Target {
            file,
            section: section.to_owned(),
            name: name.replace("~1", "/").replace("~0", "~"),
        };
        if self.get(&target).is_none() {
            bail!("{location}: `$ref` {reference:?} refers to nothing");
        }
        Ok(target)
    }

    /// Follows elements that are only a `$ref`, as long as `on` returns true. Circular references
    /// are errors.
    pub fn follow(
        &mut self,
        target: Target,
        on: impl Fn(&Target, &Target) -> bool,
    ) -> Result<Target> {
        let mut chain = vec![target];
        let mut stop = None;
        while let Some(last) = chain.last()
            && let Some(reference) = self.alias(last)?
        {
            let (file, location) = (last.file.clone(), self.location(last).join("$ref"));
            let next = self.resolve(&file, &reference, &location)?;
            if chain.contains(&next) {
                bail!("{location}: the `$ref` is circular");
            }
            if stop.is_none() && !on(&chain[0], &next) {
                stop = Some(chain.len());
            }
            chain.push(next);
        }
        let end = stop.unwrap_or(chain.len());
        Ok(chain.swap_remove(end - 1))
    }

    /// The definition of a name that several files contain.
    ///
    /// Published descriptions repeat the common types in every file by reference. A definition that
    /// refers to one with another name is an alias, and is kept.
    pub fn canonical(&mut self, target: Target) -> Result<Target> {
        self.follow(target, |first, next| first.name == next.name)
    }

    /// The `$ref` of an element that has no other members.
    fn alias(&self, target: &Target) -> Result<Option<String>> {
        let Some(Value::Object(members)) = self.get(target) else {
            return Ok(None);
        };
        if !members.contains_key("$ref") {
            return Ok(None);
        }
        let node = Node::over(members, self.location(target));
        let reference = node.str("$ref")?.map(str::to_owned);
        node.skip(PROSE);
        node.finish()?;
        Ok(reference)
    }
}

/// Reads a JSON file. Errors contain the file and, for a syntax error, line and column.
pub fn read_json(path: &Path) -> Result<Value> {
    parse(path, &read(path)?)
}

fn read(path: &Path) -> Result<String> {
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    // Some published files begin with a byte order mark.
    let text = text.trim_start_matches('\u{feff}');
    if text.trim().is_empty() {
        bail!("{} is empty", path.display());
    }
    Ok(text.to_owned())
}

fn parse(path: &Path, text: &str) -> Result<Value> {
    json::parse(text).with_context(|| format!("{} cannot be read as JSON", path.display()))
}

/// Removes `.` and `dir/..` without access to the file system, so that each file has one name.
fn normalize(path: &Path) -> PathBuf {
    use std::path::Component;
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir
                if matches!(out.components().next_back(), Some(Component::Normal(_))) =>
            {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}
