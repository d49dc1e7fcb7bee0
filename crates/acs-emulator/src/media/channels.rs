//! Assignment of participants to the channels of an unmixed recording.

use std::collections::HashMap;

/// The maximum number of channels of an unmixed file. Further participants are not recorded.
pub(crate) const MAX_CHANNELS: usize = 5;

/// Assigns channels: first the pinned ones, then the lowest free channels in the order of
/// `ordering`, then in the order of `others`, the remaining participants.
///
/// Participants in `pinned` or `ordering` keep their channel even if they never join.
pub(crate) fn assign(
    pinned: &[(String, usize)],
    ordering: &[String],
    others: &[String],
) -> HashMap<String, usize> {
    let mut assigned: HashMap<String, usize> = pinned.iter().cloned().collect();
    let mut free: Vec<usize> = (0..MAX_CHANNELS)
        .filter(|channel| pinned.iter().all(|(_, taken)| taken != channel))
        .rev()
        .collect();
    for participant in ordering.iter().chain(others) {
        if assigned.contains_key(participant) {
            continue;
        }
        let Some(channel) = free.pop() else { break };
        assigned.insert(participant.clone(), channel);
    }
    assigned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_follow_affinity_then_ordering_then_joining() {
        type Case<'a> = (
            &'a [(&'a str, usize)],
            &'a [&'a str],
            &'a [&'a str],
            &'a str,
        );
        let cases: &[Case<'_>] = &[
            (&[], &[], &["a", "b"], "a0 b1"),
            (&[], &["b", "a"], &["a", "b", "c"], "a1 b0 c2"),
            (&[("a", 1)], &[], &["a", "b"], "a1 b0"),
            (&[("a", 0)], &["b", "c"], &["c", "d"], "a0 b1 c2 d3"),
            (
                &[("a", 2)],
                &["a", "b"],
                &["a", "b", "c", "d"],
                "a2 b0 c1 d3",
            ),
            (&[], &["ghost"], &["a"], "a1 ghost0"),
            (&[("ghost", 4)], &[], &["a"], "a0 ghost4"),
            (&[], &[], &["a", "b", "c", "d", "e", "f"], "a0 b1 c2 d3 e4"),
            (
                &[("f", 0)],
                &[],
                &["a", "b", "c", "d", "e", "f"],
                "a1 b2 c3 d4 f0",
            ),
            (&[], &[], &["a", "b", "a"], "a0 b1"),
        ];
        for (pinned, ordering, joined, expected) in cases {
            let pinned: Vec<_> = pinned.iter().map(|(p, c)| ((*p).to_owned(), *c)).collect();
            let owned = |names: &[&str]| names.iter().map(|&n| n.to_owned()).collect::<Vec<_>>();
            let mut got: Vec<String> = assign(&pinned, &owned(ordering), &owned(joined))
                .into_iter()
                .map(|(participant, channel)| format!("{participant}{channel}"))
                .collect();
            got.sort();
            assert_eq!(
                got.join(" "),
                *expected,
                "{pinned:?} {ordering:?} {joined:?}"
            );
        }
    }
}
