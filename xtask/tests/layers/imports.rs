//! Determines which files of a crate import each other, by the names in their code.
//!
//! A name that a module re-exports counts as an import of the file that defines it. Test code is
//! ignored.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use syn::visit::{self, Visit};

/// An import of one file from another. Paths are relative to the crate's sources.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Import {
    pub from: String,
    pub to: String,
    /// The imported path.
    pub path: String,
}

/// A use of another crate in a file. The path may also begin with a type or a generic parameter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ForeignPath {
    pub from: String,
    pub path: String,
}

#[derive(Debug, Default)]
pub struct Imports {
    /// Imports within the crate.
    pub all: Vec<Import>,
    /// Paths that lead out of the crate.
    pub foreign: Vec<ForeignPath>,
}

type ModulePath = Vec<String>;

#[derive(Debug, Default)]
struct Module {
    file: String,
    /// Names that the module defines.
    items: BTreeSet<String>,
    /// Names that `use` imports, with their paths.
    aliases: BTreeMap<String, Vec<String>>,
    globs: Vec<Vec<String>>,
    /// Paths in the code.
    paths: Vec<Vec<String>>,
    /// Re-exported names. They are imports only if the module itself uses them.
    exports: Vec<Vec<String>>,
    /// The first names of paths.
    used: BTreeSet<String>,
}

impl Imports {
    /// Reads the sources in a folder, beginning with `lib.rs` and `main.rs`.
    pub fn read(source: &Path) -> Self {
        let mut all = BTreeSet::new();
        let mut foreign = BTreeSet::new();
        for root in ["lib.rs", "main.rs"] {
            if source.join(root).is_file() {
                let mut tree = Tree::default();
                tree.read_file(source, root, Vec::new());
                all.extend(tree.imports());
                foreign.extend(tree.foreign_paths());
            }
        }
        Self {
            all: all.into_iter().collect(),
            foreign: foreign.into_iter().collect(),
        }
    }

    /// Groups of files that import each other, directly or indirectly.
    pub fn circles(&self) -> Vec<Vec<String>> {
        let mut next: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for import in &self.all {
            next.entry(&import.from).or_default().insert(&import.to);
        }
        let reachable = |from: &str| {
            let mut seen = BTreeSet::new();
            let mut open = vec![from];
            while let Some(file) = open.pop() {
                for to in next.get(file).into_iter().flatten() {
                    if seen.insert(*to) {
                        open.push(to);
                    }
                }
            }
            seen
        };
        let reach: BTreeMap<_, _> = next.keys().map(|file| (*file, reachable(file))).collect();
        let mut circles = BTreeSet::new();
        for (file, seen) in &reach {
            let back = |other: &&&str| reach.get(**other).is_some_and(|back| back.contains(file));
            let circle: Vec<String> = seen.iter().filter(back).map(ToString::to_string).collect();
            if circle.len() > 1 {
                circles.insert(circle);
            }
        }
        circles.into_iter().collect()
    }
}

#[derive(Debug, Default)]
struct Tree {
    modules: BTreeMap<ModulePath, Module>,
}

impl Tree {
    fn read_file(&mut self, source: &Path, file: &str, path: ModulePath) {
        let text = std::fs::read_to_string(source.join(file)).unwrap();
        let parsed = syn::parse_file(&text).unwrap_or_else(|error| panic!("{file}: {error}"));
        self.read_items(source, file, path, &parsed.items);
    }

    fn read_items(&mut self, source: &Path, file: &str, path: ModulePath, items: &[syn::Item]) {
        let mut module = Module {
            file: file.to_owned(),
            ..Module::default()
        };
        for item in items.iter().filter(|item| !is_test(attributes(item))) {
            match item {
                syn::Item::Mod(child) => {
                    let name = child.ident.to_string();
                    let inner = [&path[..], std::slice::from_ref(&name)].concat();
                    if let Some((_, items)) = &child.content {
                        self.read_items(source, file, inner, items);
                    } else if let Some(child) = find(source, file, &name) {
                        self.read_file(source, &child, inner);
                    }
                }
                syn::Item::Use(item) => {
                    let is_export = !matches!(item.vis, syn::Visibility::Inherited);
                    module.add_use(Vec::new(), &item.tree, is_export);
                }
                item => {
                    module.items.extend(name_of(item));
                    Paths(&mut module).visit_item(item);
                }
            }
        }
        self.modules.insert(path, module);
    }

    fn imports(&self) -> BTreeSet<Import> {
        let mut imports = BTreeSet::new();
        for (path, module) in &self.modules {
            let exports = module.exports.iter();
            let used =
                exports.filter(|path| path.last().is_some_and(|name| module.used.contains(name)));
            for target in module.paths.iter().chain(used) {
                let Some(to) = self.file_of(path, target, 0) else {
                    continue;
                };
                if to != module.file {
                    imports.insert(Import {
                        from: module.file.clone(),
                        to: to.to_owned(),
                        path: target.join("::"),
                    });
                }
            }
        }
        imports
    }

    fn foreign_paths(&self) -> BTreeSet<ForeignPath> {
        let mut foreign = BTreeSet::new();
        for (module_path, module) in &self.modules {
            for target in module.paths.iter().chain(&module.exports) {
                if self.file_of(module_path, target, 0).is_none() {
                    foreign.insert(ForeignPath {
                        from: module.file.clone(),
                        path: target.join("::"),
                    });
                }
            }
        }
        foreign
    }

    /// The file that defines the target of a path in a module; `None` for another crate.
    fn file_of(&self, module: &[String], target: &[String], depth: usize) -> Option<&str> {
        // Re-exports can be circular.
        if depth > 16 {
            return None;
        }
        let mut at = module.to_vec();
        let mut rest = target.iter();
        let mut is_relative = false;
        let mut rest = loop {
            let here = rest.clone();
            match rest.next().map(String::as_str) {
                Some("crate") => at.clear(),
                Some("super") => {
                    at.pop();
                }
                Some("self") => {}
                _ => break here,
            }
            is_relative = true;
        };
        let mut is_first = true;
        while let Some(name) = rest.next() {
            let here = self.modules.get(&at)?;
            let child = [&at[..], std::slice::from_ref(name)].concat();
            if self.modules.contains_key(&child) {
                at = child;
                is_first = false;
                continue;
            }
            if here.items.contains(name) {
                return Some(&here.file);
            }
            if let Some(alias) = here.aliases.get(name) {
                let path = [&alias[..], rest.as_slice()].concat();
                return self.file_of(&at, &path, depth + 1);
            }
            let by_glob = here.globs.iter().find_map(|glob| {
                let path = [&glob[..], std::slice::from_ref(name), rest.as_slice()].concat();
                self.file_of(&at, &path, depth + 1)
            });
            // Without a prefix, it is a name of another crate or of the prelude.
            let is_foreign = is_first && !is_relative;
            return by_glob.or((!is_foreign && depth == 0).then_some(here.file.as_str()));
        }
        let is_foreign = is_first && !is_relative;
        (!is_foreign).then(|| self.modules.get(&at).map(|module| module.file.as_str()))?
    }
}

impl Module {
    fn add_path(&mut self, path: Vec<String>, is_export: bool) {
        if is_export {
            self.exports.push(path);
        } else {
            self.paths.push(path);
        }
    }

    fn add_use(&mut self, prefix: Vec<String>, tree: &syn::UseTree, is_export: bool) {
        let with = |name: &syn::Ident| [&prefix[..], &[name.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => {
                let prefix = with(&path.ident);
                self.add_use(prefix, &path.tree, is_export);
            }
            syn::UseTree::Group(group) => {
                for tree in &group.items {
                    self.add_use(prefix.clone(), tree, is_export);
                }
            }
            syn::UseTree::Glob(_) => {
                self.add_path(prefix.clone(), is_export);
                self.globs.push(prefix);
            }
            syn::UseTree::Name(name) => {
                let is_self = name.ident == "self";
                let path = if is_self { prefix } else { with(&name.ident) };
                if let Some(last) = path.last() {
                    self.aliases.insert(last.clone(), path.clone());
                }
                self.add_path(path, is_export);
            }
            syn::UseTree::Rename(rename) => {
                let is_self = rename.ident == "self";
                let path = if is_self { prefix } else { with(&rename.ident) };
                self.aliases.insert(rename.rename.to_string(), path.clone());
                self.add_path(path, is_export);
            }
        }
    }
}

/// Collects the paths in code.
struct Paths<'a>(&'a mut Module);

impl<'ast> Visit<'ast> for Paths<'_> {
    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments = path.segments.iter();
        let segments: Vec<_> = segments.map(|segment| segment.ident.to_string()).collect();
        // A single name was imported by a `use`, which counts already.
        self.0.used.extend(segments.first().cloned());
        if segments.len() > 1 {
            self.0.paths.push(segments);
        }
        visit::visit_path(self, path);
    }
}

/// The file of a module that is declared in another file.
fn find(source: &Path, file: &str, name: &str) -> Option<String> {
    let folder = match file.rsplit_once('/') {
        Some((folder, "mod.rs")) => folder.to_owned(),
        _ if ["lib.rs", "main.rs", "mod.rs"].contains(&file) => String::new(),
        _ => file.trim_end_matches(".rs").to_owned(),
    };
    let prefix = if folder.is_empty() {
        String::new()
    } else {
        format!("{folder}/")
    };
    [
        format!("{prefix}{name}.rs"),
        format!("{prefix}{name}/mod.rs"),
    ]
    .into_iter()
    .find(|file| source.join(file).is_file())
}

fn name_of(item: &syn::Item) -> Option<String> {
    let name = match item {
        syn::Item::Const(item) => &item.ident,
        syn::Item::Enum(item) => &item.ident,
        syn::Item::Fn(item) => &item.sig.ident,
        syn::Item::Macro(item) => item.ident.as_ref()?,
        syn::Item::Static(item) => &item.ident,
        syn::Item::Struct(item) => &item.ident,
        syn::Item::Trait(item) => &item.ident,
        syn::Item::Type(item) => &item.ident,
        syn::Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(name.to_string())
}

fn attributes(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Const(item) => &item.attrs,
        syn::Item::Enum(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Macro(item) => &item.attrs,
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Static(item) => &item.attrs,
        syn::Item::Struct(item) => &item.attrs,
        syn::Item::Trait(item) => &item.attrs,
        syn::Item::Type(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let condition = attribute.meta.require_list();
        let is_cfg = |list: &&syn::MetaList| list.path.is_ident("cfg");
        let condition = condition.ok().filter(is_cfg);
        condition.is_some_and(|list| list.tokens.to_string() == "test")
    })
}
