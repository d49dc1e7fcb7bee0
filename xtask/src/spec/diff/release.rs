//! The version of the crate that a change of the description calls for.

use serde::Serialize;

use super::{Report, Verdict};

/// The crate that contains the generated client.
const CRATE: &str = "acs-call-automation";

/// The next version of the generated crate, by the rules of Cargo.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Release {
    #[serde(rename = "crate")]
    pub name: &'static str,
    pub current: String,
    pub suggested: String,
    /// Why, in a few words.
    pub reason: String,
}

impl Report {
    /// The next version of the generated crate, whose current version is `current`.
    pub fn release(&self, current: &str) -> Release {
        let breaking = self.count(Verdict::Breaking);
        let (step, reason) = if breaking > 0 {
            let changes = if breaking == 1 { "change" } else { "changes" };
            (Step::Breaking, format!("{breaking} breaking {changes}"))
        } else if !self.changes.is_empty() {
            (Step::Addition, "no breaking changes".to_owned())
        } else if self.is_other_version() {
            (Step::Fix, "only the version of the API changes".to_owned())
        } else {
            (Step::None, "no changes".to_owned())
        };
        Release {
            name: CRATE,
            current: current.to_owned(),
            suggested: next(current, step),
            reason,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    None,
    Fix,
    Addition,
    Breaking,
}

/// Cargo treats 0.1 and 0.2 like two major versions, and does not distinguish additions from fixes
/// before 1.0.
fn next(current: &str, step: Step) -> String {
    let core = current.split(['-', '+']).next().unwrap_or(current);
    let numbers: Vec<u64> = core
        .split('.')
        .filter_map(|number| number.parse().ok())
        .collect();
    let &[major, minor, patch] = numbers.as_slice() else {
        return current.to_owned();
    };
    let [major, minor, patch] = match (step, major, minor) {
        (Step::None, ..) => return current.to_owned(),
        (Step::Breaking, 0, 0) => [0, 0, patch + 1],
        (Step::Breaking, 0, _) => [0, minor + 1, 0],
        (Step::Breaking, ..) => [major + 1, 0, 0],
        (Step::Addition, 1.., _) => [major, minor + 1, 0],
        (Step::Addition | Step::Fix, ..) => [major, minor, patch + 1],
    };
    format!("{major}.{minor}.{patch}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_follow_the_rules_of_cargo() {
        for (current, fix, addition, breaking) in [
            ("0.0.3", "0.0.4", "0.0.4", "0.0.4"),
            ("0.1.0", "0.1.1", "0.1.1", "0.2.0"),
            ("0.9.4", "0.9.5", "0.9.5", "0.10.0"),
            ("1.2.3", "1.2.4", "1.3.0", "2.0.0"),
        ] {
            assert_eq!(next(current, Step::None), current);
            assert_eq!(next(current, Step::Fix), fix);
            assert_eq!(next(current, Step::Addition), addition);
            assert_eq!(next(current, Step::Breaking), breaking);
        }
        assert_eq!(next("next", Step::Fix), "next");
    }
}
