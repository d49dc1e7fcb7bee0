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

fn rows<'a>(report: &'a Report, verdict: Verdict) -> Vec<Row<'a>> {
    let key = |change: &'a Change| {
        (
            change.kind,
            change.what,
            change.detail.as_str(),
            change.effects,
        )
    };
    let of = || {
        report
            .changes
            .iter()
            .filter(|change| change.verdict() == verdict)
    };
    let mut groups: BTreeMap<_, Vec<&str>> = BTreeMap::new();
    for change in of() {
        groups.entry(key(change)).or_default().push(&change.name);
    }
    let mut out = Vec::new();
    for change in of() {
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

/// The audiences, with their verdicts.
fn audiences(effects: Effects) -> [(&'static str, Verdict); 3] {
    [
        ("callers", effects.callers),
        ("parsers", effects.parsers),
        ("Rust code", effects.source),
    ]
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
    let mut counts = [("", 0); 3];
    for change in &report.changes {
        for (count, (name, verdict)) in counts.iter_mut().zip(audiences(change.effects)) {
            *count = (name, count.1 + usize::from(verdict == Verdict::Breaking));
        }
    }
    let groups = if breaking > 0 {
        let groups = counts.map(|(name, count)| format!("{count} for {name}"));
        format!(" ({})", groups.join(", "))
    } else {
        String::new()
    };
    format!("{breaking} breaking{groups}, {possibly} possibly breaking, {compatible} compatible")
}

/// The last line: the next version of the crate.
fn suggestion(release: &Release) -> String {
    let Release {
        name,
        current,
        suggested,
        reason,
    } = release;
    if current == suggested {
        format!("suggested version of {name}: still {current} ({reason})")
    } else {
        format!("suggested version of {name}: {suggested} after {current} ({reason})")
    }
}

/// The audiences that a change affects; empty if it affects nobody.
fn whom(verdict: Verdict, effects: Effects) -> String {
    let affected: Vec<_> = audiences(effects)
        .into_iter()
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
        let rows = rows(report, verdict);
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
        let rows = rows(report, verdict);
        if rows.is_empty() {
            continue;
        }
        let _ = write!(
            out,
            "\n### {}\n\n| Element | Change | Callers | Parsers | Rust code |\n\
             | --- | --- | --- | --- | --- |\n",
            heading(verdict)
        );
        for row in rows {
            let names: Vec<String> = row.names.iter().map(|name| format!("`{name}`")).collect();
            let Change { kind, effects, .. } = row.change;
            let kind = match names.len() {
                1 => kind.to_string(),
                count => format!("{count} {}", plural(*kind, count)),
            };
            let verdicts = audiences(*effects).map(|(_, verdict)| verdict.to_string());
            let _ = writeln!(
                out,
                "| {kind} {} | {} | {} |",
                names.join(", "),
                row.what().replace('|', "\\|"),
                verdicts.join(" | "),
            );
        }
    }
    let _ = write!(out, "\n{}\n", suggestion(release));
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
