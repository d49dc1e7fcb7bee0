//! The Swagger files of one import, and where a `$ref` in one of them leads.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use serde_json::Value;

use super::node::Place;

/// One element of one file: `definitions/Name`, `parameters/Name`, `responses/Name`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    file: PathBuf,
    section: String,
    name: String,
}

impl Target {
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn file(&self) -> &Path {
        &self.file
    }

    pub fn place(&self) -> Place {
        Place::root(self.file.display().to_string())
            .join(&self.section)
            .join(&self.name)
    }
}

/// The root file and every file that a `$ref` leads to, each read once.
#[derive(Debug)]
pub struct Documents {
    root: PathBuf,
    files: BTreeMap<PathBuf, Value>,
}

impl Documents {
    pub fn open(root: &Path) -> Result<Self> {
        let document = read_json(root)?;
        Ok(Self {
            root: root.to_owned(),
            files: BTreeMap::from([(root.to_owned(), document)]),
        })
    }

    pub fn root_path(&self) -> &Path {
        &self.root
    }

    pub fn root(&self) -> &Value {
        &self.files[&self.root]
    }

    pub fn local(&self, file: &Path, section: &str, name: &str) -> Target {
        Target {
            file: file.to_owned(),
            section: section.to_owned(),
            name: name.to_owned(),
        }
    }

    pub fn get(&self, target: &Target) -> Option<&Value> {
        self.files
            .get(&target.file)?
            .get(&target.section)?
            .get(&target.name)
    }

    /// Resolves a `$ref` that stands in `file`; `place` is the referring element.
    pub fn resolve(&mut self, file: &Path, reference: &str, place: &Place) -> Result<Target> {
        let (path, fragment) = reference
            .split_once('#')
            .ok_or_else(|| anyhow!("{place}: `$ref` {reference:?} has no `#/…` part"))?;
        let mut parts = fragment.trim_start_matches('/').splitn(2, '/');
        let (section, name) = match (parts.next(), parts.next()) {
            (Some(section @ ("definitions" | "parameters" | "responses")), Some(name)) => {
                (section, name)
            }
            _ => bail!(
                "{place}: `$ref` {reference:?} leads neither to a definition nor to a parameter \
                 nor to a response"
            ),
        };
        let file = if path.is_empty() {
            file.to_owned()
        } else {
            let base = file.parent().unwrap_or(Path::new(""));
            normalize(&base.join(path))
        };
        if !self.files.contains_key(&file) {
            let document =
                read_json(&file).with_context(|| format!("{place}: `$ref` {reference:?}"))?;
            self.files.insert(file.clone(), document);
        }
        let target = Target {
            file,
            section: section.to_owned(),
            name: name.replace("~1", "/").replace("~0", "~"),
        };
        if self.get(&target).is_none() {
            bail!("{place}: `$ref` {reference:?} leads nowhere");
        }
        Ok(target)
    }

    /// Follows definitions that are nothing but a `$ref` to a definition of the same name.
    ///
    /// Published descriptions list the common types so, once per file. A definition that refers to
    /// one of another name is a second name for a type and stays.
    pub fn canonical(&mut self, target: Target) -> Result<Target> {
        let mut chain = vec![target];
        while let Some(last) = chain.last()
            && let Some(reference) = self.alias(last).map(str::to_owned)
        {
            let (file, place) = (last.file.clone(), last.place());
            let next = self.resolve(&file, &reference, &place)?;
            if chain.contains(&next) {
                bail!("{place}: the `$ref` is circular");
            }
            chain.push(next);
        }
        let same = chain
            .iter()
            .take_while(|target| target.name == chain[0].name)
            .count();
        Ok(chain.swap_remove(same - 1))
    }

    /// The `$ref` of a definition that is nothing else.
    fn alias(&self, target: &Target) -> Option<&str> {
        self.get(target)?.get("$ref")?.as_str()
    }
}

/// Reads a JSON file; the error names the file and, for a syntax error, line and column.
pub fn read_json(path: &Path) -> Result<Value> {
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    if text.trim().is_empty() {
        bail!("{} is empty", path.display());
    }
    // Published files begin with a byte order mark now and then.
    serde_json::from_str(text.trim_start_matches('\u{feff}'))
        .with_context(|| format!("{} is not JSON", path.display()))
}

/// Removes `.` and `dir/..` without asking the file system, so that one file has one name.
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
