//! Reports for the terminal, for pull requests and for programs.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::json;

use super::{Change, Effects, Kind, Release, Report, Verdict, What};

/// One line for all elements with the same change.
struct Row<'a> {
    change: &'a Change,
    names: Vec<&'a str>,
}

impl Row<'_> {
    fn what(&self) -> String {
        let Change { what, detail, .. } = self.change;
        match what {
            What::Added => format!("added: {detail}"),
            What::Removed => format!("removed: {detail}"),
            What::Changed => detail.clone(),
        }
    }
}

/// At least this many elements with the same change share a line.
const MIN_GROUP: usize = 4;

fn rows<'a>(changes: &[&'a Change]) -> Vec<Row<'a>> {
    let key = |change: &'a Change| {
        (
            change.kind,
            change.what,
            change.detail.as_str(),
            change.effects,
        )
    };
    let mut groups: BTreeMap<_, Vec<&str>> = BTreeMap::new();
    for change in changes.iter().copied() {
        groups.entry(key(change)).or_default().push(&change.name);
    }
    let mut out = Vec::new();
    for change in changes.iter().copied() {
        let Some(names) = groups.get(&key(change)) else {
            continue;
        };
        if names.len() < MIN_GROUP {
            let names = vec![change.name.as_str()];
            out.push(Row { change, names });
        } else if let Some(names) = groups.remove(&key(change)) {
            out.push(Row { change, names });
        }
    }
    out
}

const VERDICTS: [Verdict; 3] = [
    Verdict::Breaking,
    Verdict::PossiblyBreaking,
    Verdict::Compatible,
];

fn of_verdict(report: &Report, verdict: Verdict) -> Vec<&Change> {
    let changes = report.changes.iter();
    changes
        .filter(|change| change.verdict() == verdict)
        .collect()
}

/// The users whom a change can affect.
#[derive(Clone, Copy, Debug)]
pub enum Audience {
    Callers,
    Parsers,
    Source,
}

pub const AUDIENCES: [Audience; 3] = [Audience::Callers, Audience::Parsers, Audience::Source];

impl Audience {
    fn name(self) -> &'static str {
        match self {
            Self::Callers => "callers",
            Self::Parsers => "parsers",
            Self::Source => "Rust code",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Callers => "Callers",
            Self::Parsers => "Parsers",
            Self::Source => "Rust code",
        }
    }

    fn verdict(self, effects: Effects) -> Verdict {
        match self {
            Self::Callers => effects.callers,
            Self::Parsers => effects.parsers,
            Self::Source => effects.source,
        }
    }
}

/// One line with the numbers of changes.
pub fn summary(report: &Report) -> String {
    if report.changes.is_empty() {
        return if report.is_other_version() {
            "no changes except the version of the API".to_owned()
        } else {
            "no changes".to_owned()
        };
    }
    let [breaking, possibly, compatible] = VERDICTS.map(|verdict| report.count(verdict));
    let groups = if breaking > 0 {
        let groups = AUDIENCES.map(|audience| {
            let is_broken =
                |change: &&Change| audience.verdict(change.effects) == Verdict::Breaking;
            let count = report.changes.iter().filter(is_broken).count();
            format!("{count} for {}", audience.name())
        });
        format!(" ({})", groups.join(", "))
    } else {
        String::new()
    };
    format!("{breaking} breaking{groups}, {possibly} possibly breaking, {compatible} compatible")
}

/// The last line: the next version of the crate.
pub fn suggestion(release: &Release) -> String {
    let Release {
        name,
        current,
        suggested,
        reason,
    } = release;
    if current == suggested {
        format!("suggested version of {name}: {current}, unchanged ({reason})")
    } else {
        format!("suggested version of {name}: {suggested} after {current} ({reason})")
    }
}

/// The audiences that a change affects; empty if it affects nobody.
fn whom(verdict: Verdict, effects: Effects) -> String {
    let affected: Vec<_> = AUDIENCES
        .into_iter()
        .map(|audience| (audience.name(), audience.verdict(effects)))
        .filter(|(_, verdict)| *verdict != Verdict::Compatible)
        .collect();
    if affected.is_empty() {
        return String::new();
    }
    let is_same = affected.iter().all(|(_, of)| *of == verdict);
    let names: Vec<String> = affected
        .into_iter()
        .map(|(name, of)| {
            if is_same {
                name.to_owned()
            } else {
                format!("{name}: {of}")
            }
        })
        .collect();
    format!("  [{}]", names.join(", "))
}

fn heading(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Breaking => "Breaking",
        Verdict::PossiblyBreaking => "Possibly breaking",
        Verdict::Compatible => "Compatible",
    }
}

fn plural(kind: Kind, count: usize) -> String {
    match (kind, count) {
        (_, 1) => kind.to_string(),
        (Kind::Property, _) => "properties".to_owned(),
        _ => format!("{kind}s"),
    }
}

/// The report for the terminal: the worst changes first, with frequent ones on one line.
pub fn text(report: &Report, release: &Release) -> String {
    let mut out = format!("{} -> {}\n", report.old, report.new);
    for verdict in VERDICTS {
        let rows = rows(&of_verdict(report, verdict));
        if rows.is_empty() {
            continue;
        }
        let _ = write!(out, "\n{}\n", heading(verdict));
        for row in rows {
            let kind = row.change.kind;
            let whom = whom(verdict, row.change.effects);
            let what = row.what();
            match row.names.as_slice() {
                [name] => {
                    let _ = writeln!(out, "  {kind:9}  {name}: {what}{whom}");
                }
                names => {
                    let _ = writeln!(
                        out,
                        "  {} {}: {what}{whom}",
                        names.len(),
                        plural(kind, names.len())
                    );
                    for line in wrap(names, 100) {
                        let _ = writeln!(out, "             {line}");
                    }
                }
            }
        }
    }
    let _ = write!(out, "\n{}\n{}\n", summary(report), suggestion(release));
    out
}

/// Joins names with commas, in lines of at most `width` characters.
fn wrap(names: &[&str], width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let comma = if index + 1 < names.len() { "," } else { "" };
        match lines.last_mut() {
            Some(line) if line.len() + name.len() + 2 <= width => {
                let _ = write!(line, " {name}{comma}");
            }
            _ => lines.push(format!("{name}{comma}")),
        }
    }
    lines
}

/// The report for a pull request: one table per verdict.
pub fn markdown(report: &Report, release: &Release) -> String {
    let mut out = format!(
        "## API changes from {} to {}\n\n{}\n",
        report.old,
        report.new,
        summary(report)
    );
    for verdict in VERDICTS {
        let changes = of_verdict(report, verdict);
        if !changes.is_empty() {
            let _ = write!(out, "\n### {}\n\n", heading(verdict));
            out += &table(&changes, &AUDIENCES);
        }
    }
    let _ = write!(out, "\n{}\n", suggestion(release));
    out
}

/// At most this many names are in one cell of a table.
const MAX_NAMES: usize = 12;

/// A Markdown table of changes, with the verdicts for some audiences.
pub fn table(changes: &[&Change], audiences: &[Audience]) -> String {
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let mut head = vec!["Element".to_owned(), "Change".to_owned()];
    head.extend(audiences.iter().map(|audience| audience.title().to_owned()));
    let rule = vec!["---".to_owned(); head.len()];
    let mut out = line(head) + &line(rule);
    for row in rows(changes) {
        let count = row.names.len();
        let shown = row.names.iter().take(MAX_NAMES);
        let mut names: Vec<String> = shown.map(|name| format!("`{name}`")).collect();
        if count > MAX_NAMES {
            names.push(format!("and {} more", count - MAX_NAMES));
        }
        let Change { kind, effects, .. } = row.change;
        let kind = match count {
            1 => kind.to_string(),
            count => format!("{count} {}", plural(*kind, count)),
        };
        let mut cells = vec![
            format!("{kind} {}", names.join(", ")),
            row.what().replace('|', "\\|"),
        ];
        let verdicts = audiences.iter().map(|audience| audience.verdict(*effects));
        cells.extend(verdicts.map(|verdict| verdict.to_string()));
        out += &line(cells);
    }
    out
}

/// The report for programs. `spec/README.md` describes the members.
pub fn json(report: &Report, release: &Release) -> serde_json::Result<String> {
    let [breaking, possibly, compatible] = VERDICTS.map(|verdict| report.count(verdict));
    let document = json!({
        "old": report.old,
        "new": report.new,
        "summary": {
            "breaking": breaking,
            "possiblyBreaking": possibly,
            "compatible": compatible,
        },
        "changes": report.changes,
        "release": release,
    });
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}
