//! Adapts an overlay to a document: drops what no longer applies, and adds drafts of missing texts.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use anyhow::{Result, anyhow};
use serde_json::{Map, Value};

use super::overlay::{Action, Applied, Overlay};
use super::prose::{DRAFT, Problem, State};
use super::yaml;

/// How many actions were dropped or shortened, and how many texts must be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drafted {
    pub dropped: usize,
    pub shortened: usize,
    pub drafts: usize,
}

impl fmt::Display for Drafted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            dropped,
            shortened,
            drafts,
        } = self;
        write!(
            f,
            "{dropped} actions dropped, {shortened} shortened, {drafts} drafts added"
        )
    }
}

/// Rewrites the text of an overlay. Actions that still apply keep their lines and comments.
pub fn adapt(
    text: &str,
    overlay: &Overlay,
    applied: &Applied,
    problems: &[Problem],
) -> Result<(String, Drafted)> {
    let mut drafted = Drafted::default();
    let mut dropped: BTreeSet<usize> = BTreeSet::new();
    for fault in applied.faults.iter().filter(|fault| fault.is_stale) {
        dropped.insert(fault.action);
    }
    let mut shortened: BTreeMap<usize, Value> = BTreeMap::new();
    for problem in problems.iter().filter(|of| of.state == State::Stale) {
        let (index, path) = applied.source(&problem.at).ok_or_else(|| {
            anyhow!("{problem}; several elements share this text, so edit the overlay")
        })?;
        let update = overlay.actions[index].update.clone().unwrap_or_default();
        let update = shortened.entry(index).or_insert(update);
        prune(update, &path);
    }
    shortened.retain(|index, update| {
        let is_empty = update.as_object().is_some_and(Map::is_empty);
        if is_empty {
            dropped.insert(*index);
        }
        !is_empty
    });
    drafted.dropped = dropped.len();
    drafted.shortened = shortened.len();

    let lines: Vec<&str> = text.lines().collect();
    let ranges = ranges(&lines, &overlay.actions);
    let indent = ranges.first().map_or(2, |range| width(lines[range.start]));
    let mut out = String::new();
    let mut next = 0;
    for (index, range) in ranges.into_iter().enumerate() {
        push_lines(&mut out, &lines[next..range.start]);
        if let Some(update) = shortened.get(&index) {
            out += &yaml::action(overlay.actions[index].target(), update, indent);
        } else if !dropped.contains(&index) {
            push_lines(&mut out, &lines[range.clone()]);
        }
        next = range.end;
    }
    push_lines(&mut out, &lines[next..]);

    let missing: Vec<_> = problems
        .iter()
        .filter(|of| of.state == State::Missing)
        .collect();
    drafted.drafts = missing.len();
    for (target, update) in drafts(&missing) {
        out += &yaml::action(&target, &update, indent);
    }
    Ok((out, drafted))
}

/// The lines of each action, without the comments before it.
fn ranges(lines: &[&str], actions: &[Action]) -> Vec<std::ops::Range<usize>> {
    let is_start = |line: &str| line.trim_start().starts_with("- ");
    let starts: Vec<usize> = actions
        .iter()
        .map(|action| {
            let target = usize::try_from(action.line()).map_or(0, |line| line.saturating_sub(1));
            // `target` can come after other members.
            let mut start = target.min(lines.len().saturating_sub(1));
            while start > 0 && !is_start(lines[start]) {
                start -= 1;
            }
            start
        })
        .collect();
    let is_text = |line: &str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    starts
        .iter()
        .enumerate()
        .map(|(index, start)| {
            let mut end = starts.get(index + 1).copied().unwrap_or(lines.len());
            while end > start + 1 && !is_text(lines[end - 1]) {
                end -= 1;
            }
            *start..end
        })
        .collect()
}

fn width(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

fn push_lines(out: &mut String, lines: &[&str]) {
    for line in lines {
        out.push_str(line);
        out.push('\n');
    }
}

/// Removes a member, and the objects that become empty.
fn prune(update: &mut Value, path: &str) {
    let mut path = path.to_owned();
    while let Some((around, member)) = path.rsplit_once('/') {
        let member = member.replace("~1", "/").replace("~0", "~");
        let Some(owner) = update.pointer_mut(around).and_then(Value::as_object_mut) else {
            return;
        };
        owner.shift_remove(&member);
        if !owner.is_empty() {
            return;
        }
        path = around.to_owned();
    }
}

/// An update with drafts for each operation, parameter and schema.
fn drafts(missing: &[&Problem]) -> Vec<(String, Value)> {
    let mut missing = missing.to_vec();
    // The text of an element comes before those of its members.
    missing.sort_by_key(|problem| problem.at.matches('/').count());
    let mut out: Vec<(String, Value)> = Vec::new();
    for problem in missing {
        let steps: Vec<String> = problem
            .at
            .split('/')
            .skip(1)
            .map(|step| step.replace("~1", "/").replace("~0", "~"))
            .collect();
        let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
        let depth = match steps.as_slice() {
            ["info", ..] => 1,
            ["paths", _, "parameters", ..] => 4,
            ["paths", _, _, "parameters", ..] => 5,
            ["components" | "paths", ..] => 3,
            _ => continue,
        };
        let (target, path) = steps.split_at(depth.min(steps.len()));
        let target = json_path(target);
        let known = out.iter_mut().find(|(known, _)| *known == target);
        if let Some((_, update)) = known {
            insert(update, path);
        } else {
            let mut update = Value::Object(Map::new());
            insert(&mut update, path);
            out.push((target, update));
        }
    }
    out
}

fn insert(update: &mut Value, path: &[&str]) {
    let Some((step, rest)) = path.split_first() else {
        *update = DRAFT.into();
        return;
    };
    // Own members of a subtype are described like those of any other schema.
    if *step == "allOf" && rest.len() > 1 {
        return insert(update, &rest[1..]);
    }
    if let Value::Object(members) = update {
        let member = members
            .entry((*step).to_owned())
            .or_insert_with(|| Value::Object(Map::new()));
        insert(member, rest);
    }
}

fn json_path(steps: &[&str]) -> String {
    let is_name = |step: &str| {
        step.starts_with(|first: char| first.is_ascii_alphabetic())
            && step
                .chars()
                .all(|character| character.is_ascii_alphanumeric() || character == '_')
    };
    let mut path = "$".to_owned();
    for (index, step) in steps.iter().enumerate() {
        let is_index = index > 0
            && steps[index - 1] == "parameters"
            && step.chars().all(|character| character.is_ascii_digit());
        if is_index {
            path.extend(["[", step, "]"]);
        } else if is_name(step) {
            path.extend([".", step]);
        } else {
            let quoted = step.replace('\\', "\\\\").replace('\'', "\\'");
            path.extend(["['", &quoted, "']"]);
        }
    }
    path
}
