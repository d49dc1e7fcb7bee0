//! The report of an update for the pull request.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;
use similar::{ChangeTag, TextDiff};

use super::{SNAPSHOTS, size};
use crate::spec::diff::{self, Audience, Change, Release, Report, Verdict, What};
use crate::spec::reach::reach;

/// What an update did.
#[derive(Debug)]
pub struct Done<'a> {
    pub changes: &'a Report,
    pub release: &'a Release,
    /// The old and the new document.
    pub documents: [&'a Value; 2],
    pub files: Vec<FileChange>,
    /// Why the update is not complete.
    pub fault: Option<String>,
}

/// A file that an update added, removed or changed.
#[derive(Debug, PartialEq, Eq)]
pub struct FileChange {
    name: String,
    is_in: [bool; 2],
    added: usize,
    removed: usize,
}

impl FileChange {
    pub fn between(name: &str, old: Option<&String>, new: Option<&String>) -> Option<Self> {
        if old == new {
            return None;
        }
        let [before, after] = [old, new].map(|text| text.map_or("", String::as_str));
        let diff = TextDiff::from_lines(before, after);
        let count = |tag| {
            diff.iter_all_changes()
                .filter(|line| line.tag() == tag)
                .count()
        };
        Some(Self {
            name: name.to_owned(),
            is_in: [old.is_some(), new.is_some()],
            added: count(ChangeTag::Insert),
            removed: count(ChangeTag::Delete),
        })
    }

    pub fn is_added(&self) -> bool {
        self.is_in == [false, true]
    }

    pub fn is_removed(&self) -> bool {
        self.is_in == [true, false]
    }
}

impl Done<'_> {
    /// The description of the pull request.
    pub fn markdown(&self) -> String {
        let Report { old, new, .. } = self.changes;
        let mut out = if self.changes.is_other_version() {
            format!("## Call Automation {new}\n\nThe description was {old} before. ")
        } else {
            format!("## Call Automation {new}, imported again\n\n")
        };
        let _ = writeln!(
            out,
            "The client has {}. Changes: {}.",
            size(self.documents[1]),
            diff::summary(self.changes)
        );
        if let Some(fault) = &self.fault {
            let _ = write!(out, "\n**Not complete:** {}\n", fault.replace('\n', "\n> "));
        }
        self.wire(&mut out);
        self.source(&mut out);
        self.events(&mut out);
        self.additions(&mut out);
        self.files(&mut out);
        let _ = write!(
            out,
            "\n### Version\n\n{}.\n",
            diff::suggestion(self.release)
        );
        out
    }

    fn changes(&self, filter: impl Fn(&Change) -> bool) -> Vec<&Change> {
        let changes = self.changes.changes.iter();
        changes.filter(|change| filter(change)).collect()
    }

    fn wire(&self, out: &mut String) {
        let changes = self.changes(|change| {
            change.effects.callers.max(change.effects.parsers) > Verdict::Compatible
        });
        *out += "\n### Requests, responses and events\n\n";
        if changes.is_empty() {
            *out += "All changes are compatible on the wire.\n";
        } else {
            *out += &diff::table(&changes, &[Audience::Callers, Audience::Parsers]);
        }
    }

    fn source(&self, out: &mut String) {
        let changes = self.changes(|change| change.effects.source > Verdict::Compatible);
        *out += "\n### Rust code that uses the client\n\n";
        if changes.is_empty() {
            *out += "All code still compiles.\n";
        } else {
            *out += "Code that uses these elements no longer compiles:\n\n";
            *out += &diff::table(&changes, &[]);
        }
    }

    /// Changes of the data of events, including the types that it contains.
    fn events(&self, out: &mut String) {
        let reaches = self.documents.map(reach);
        let is_event = |change: &Change| {
            let name = change.pointer.strip_prefix("#/components/schemas/");
            let name = name
                .and_then(|rest| rest.split('/').next())
                .unwrap_or_default();
            // What only says more about the same members is listed below.
            if change.what == What::Changed && change.verdict() == Verdict::Compatible {
                return false;
            }
            let mut of = reaches.iter().filter_map(|reach| reach.get(name));
            of.any(|reach| reach.events)
        };
        let changes = self.changes(is_event);
        *out += "\n### Events\n\n";
        if changes.is_empty() {
            *out += "The data of events has the same members.\n";
        } else {
            *out += &diff::table(&changes, &[Audience::Parsers]);
        }
        let schemas: Vec<String> = self
            .files
            .iter()
            .filter(|file| file.name.starts_with("spec/events/"))
            .map(|file| format!("`{}`", file.name.trim_start_matches("spec/events/")))
            .collect();
        if !schemas.is_empty() {
            let _ = write!(out, "\nChanged JSON Schemas: {}.\n", schemas.join(", "));
        }
    }

    fn additions(&self, out: &mut String) {
        let changes = self.changes(|change| change.verdict() == Verdict::Compatible);
        if !changes.is_empty() {
            *out += "\n<details><summary>Compatible changes</summary>\n\n";
            *out += &diff::table(&changes, &[]);
            *out += "\n</details>\n";
        }
    }

    fn files(&self, out: &mut String) {
        *out += "\n### Files\n\n";
        if self.files.is_empty() {
            *out += "No file changed.\n";
            return;
        }
        // Many small files share a line.
        let mut groups: BTreeMap<String, (usize, usize, usize)> = BTreeMap::new();
        for file in &self.files {
            let folder = file.name.rsplit_once('/').map_or("", |(folder, _)| folder);
            let is_small = folder.starts_with(SNAPSHOTS) || folder == "spec/events";
            let group = if is_small { folder } else { &file.name };
            let known = groups.entry(group.to_owned()).or_default();
            *known = (known.0 + 1, known.1 + file.added, known.2 + file.removed);
        }
        *out += "| File | Lines |\n| --- | --- |\n";
        for (name, (count, added, removed)) in groups {
            let files = if count > 1 {
                format!(" ({count} files)")
            } else {
                String::new()
            };
            let _ = writeln!(out, "| `{name}`{files} | +{added} −{removed} |");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn lockers(version: &str) -> Value {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/lockers");
        crate::spec::structure(&fixtures.join(version).join("lockers.json")).unwrap()
    }

    fn report(old: &Value, new: &Value, files: Vec<FileChange>, fault: Option<String>) -> String {
        let changes = diff::diff(old, new);
        let done = Done {
            changes: &changes,
            release: &changes.release("0.1.0"),
            documents: [old, new],
            files,
            fault,
        };
        done.markdown()
    }

    fn file(name: &str, old: Option<&str>, new: Option<&str>) -> FileChange {
        let [old, new] = [old, new].map(|text| text.map(str::to_owned));
        FileChange::between(name, old.as_ref(), new.as_ref()).unwrap()
    }

    #[test]
    fn for_a_pull_request() {
        let files = vec![
            file(
                "spec/call-automation.json",
                Some("a\nb\n"),
                Some("a\nc\nd\n"),
            ),
            file(
                "spec/events/LockerOpened.schema.json",
                Some("a\n"),
                Some("b\n"),
            ),
            file("xtask/snapshots/schemas/A.snap", None, Some("a\n")),
            file("xtask/snapshots/schemas/B.snap", Some("b\n"), None),
        ];
        let text = report(&lockers("v1"), &lockers("v2"), files, None);
        insta::assert_snapshot!(text);
    }

    #[test]
    fn a_new_version_without_other_changes_is_told() {
        let old = lockers("v1");
        let mut new = old.clone();
        new["info"]["version"] = "2020-02-02".into();
        let text = report(&old, &new, Vec::new(), None);
        for part in [
            "## Call Automation 2020-02-02",
            "Changes: no changes except the version of the API.",
            "All changes are compatible on the wire.",
            "All code still compiles.",
            "0.1.1 after 0.1.0 (only the version of the API changes)",
        ] {
            assert!(text.contains(part), "no {part:?} in {text}");
        }
    }

    #[test]
    fn an_incomplete_update_says_so() {
        let document = lockers("v1");
        let fault = Some("the crates do not compile\nerror[E0308]".to_owned());
        let text = report(&document, &document, Vec::new(), fault);
        assert!(
            text.contains("**Not complete:** the crates do not compile"),
            "{text}"
        );
    }

    #[test]
    fn unchanged_files_are_not_listed() {
        let text = "a\n".to_owned();
        assert_eq!(FileChange::between("f", Some(&text), Some(&text)), None);
        let added = file("f", None, Some("a\n"));
        assert!(added.is_added() && !added.is_removed());
    }
}
