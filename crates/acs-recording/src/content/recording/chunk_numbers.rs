//! Which number each chunk of a recording has.

use std::collections::BTreeSet;

use super::earlier::{GAP, fill_in, take_known};
use crate::event::RecordingChunk;
use crate::manifest::ManifestChunk;

/// Longer lists of gaps say nothing new.
const MAX_GAPS: usize = 1000;

/// The chunks of a recording, each with a number of its own.
#[derive(Debug, Default)]
pub(super) struct Numbered {
    /// In the order of their numbers.
    pub(super) chunks: Vec<(u64, RecordingChunk)>,
    /// Those of which only earlier events told, in the same order.
    pub(super) earlier: Vec<ManifestChunk>,
    /// The numbers below the highest one that no chunk has.
    pub(super) gaps: Vec<u64>,
    /// What is odd about the numbers.
    pub(super) warnings: Vec<String>,
}

/// Numbers chunks by their index. A chunk without an index, or with that of another chunk, gets a
/// free number; a chunk that is announced twice is one. One that is `known` from an earlier event
/// keeps the number that it has, and takes from there what this event does not say.
pub(super) fn number(chunks: &[RecordingChunk], known: Vec<ManifestChunk>) -> Numbered {
    let mut numbered = Numbered {
        earlier: known,
        ..Numbered::default()
    };
    let mut others = Vec::new();
    for (place, mut chunk) in (0_u64..).zip(without_repetitions(chunks)) {
        if let Some(known) = take_known(&mut numbered.earlier, &chunk) {
            numbered.warn(known.index, chunk.index);
            fill_in(&mut chunk, &known);
            numbered.chunks.push((known.index, chunk));
        } else {
            others.push((place, chunk));
        }
    }
    let mut rest = Vec::new();
    for (place, chunk) in others {
        match chunk.index {
            Some(index) if numbered.is_free(index) => numbered.chunks.push((index, chunk)),
            _ => rest.push((place, chunk)),
        }
    }
    for (place, chunk) in rest {
        let number = match numbered.numbers().max() {
            Some(highest) if !numbered.is_free(place) => highest.saturating_add(1),
            _ => place,
        };
        numbered.warn(number, chunk.index);
        numbered.chunks.push((number, chunk));
    }
    numbered.chunks.sort_by_key(|(number, _)| *number);
    numbered.gaps = gaps(numbered.numbers().collect());
    if !numbered.gaps.is_empty() {
        let list: Vec<_> = numbered.gaps.iter().take(10).map(u64::to_string).collect();
        let more = if numbered.gaps.len() > 10 {
            ", …"
        } else {
            ""
        };
        numbered.warnings.push(format!(
            "{GAP} {}{more}, and does announce later ones",
            list.join(", ")
        ));
    }
    numbered
}

impl Numbered {
    fn numbers(&self) -> impl Iterator<Item = u64> {
        let earlier = self.earlier.iter().map(|chunk| chunk.index);
        earlier.chain(self.chunks.iter().map(|(number, _)| *number))
    }

    fn is_free(&self, number: u64) -> bool {
        self.numbers().all(|taken| taken != number)
    }

    /// Tells of a number that is not the index.
    fn warn(&mut self, number: u64, index: Option<u64>) {
        self.warnings.push(match index {
            Some(index) if index == number => return,
            Some(index) => {
                format!("two chunks have the index {index}; one of them is chunk {number} here")
            }
            None => format!("the event gives chunk {number} no index"),
        });
    }
}

/// The chunks, each once. Of two entries about the same one, that with a location counts.
fn without_repetitions(chunks: &[RecordingChunk]) -> Vec<RecordingChunk> {
    let mut once: Vec<RecordingChunk> = Vec::with_capacity(chunks.len());
    for chunk in chunks {
        let same = once.iter_mut().find(|other| {
            other.document_id.is_some()
                && other.document_id == chunk.document_id
                && other.index == chunk.index
        });
        match same {
            Some(other) if other.content_location.is_none() => *other = chunk.clone(),
            Some(_) => {}
            None => once.push(chunk.clone()),
        }
    }
    once
}

fn gaps(numbers: BTreeSet<u64>) -> Vec<u64> {
    let mut gaps = Vec::new();
    let mut next = 0;
    for number in numbers {
        let room = MAX_GAPS - gaps.len();
        gaps.extend((next..number).take(room));
        next = number.saturating_add(1);
    }
    gaps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(id: &str, index: Option<u64>) -> RecordingChunk {
        RecordingChunk {
            document_id: id.parse().ok(),
            index,
            ..RecordingChunk::default()
        }
    }

    fn numbers(indices: &[Option<u64>]) -> (Vec<u64>, Vec<u64>, usize) {
        let named = indices.iter().enumerate();
        let chunks: Vec<_> = named
            .map(|(place, index)| chunk(&format!("d{place}"), *index))
            .collect();
        let numbered = number(&chunks, Vec::new());
        let numbers: Vec<_> = numbered.chunks.iter().map(|(number, _)| *number).collect();
        let unique: BTreeSet<_> = numbers.iter().collect();
        assert_eq!(unique.len(), indices.len(), "each has its own");
        (numbers, numbered.gaps, numbered.warnings.len())
    }

    #[test]
    fn numbers_follow_the_index() {
        assert_eq!(numbers(&[]), (vec![], vec![], 0));
        assert_eq!(numbers(&[Some(0), Some(1)]), (vec![0, 1], vec![], 0));
        assert_eq!(numbers(&[Some(0), Some(2)]), (vec![0, 2], vec![1], 1));
        assert_eq!(numbers(&[Some(2)]), (vec![2], vec![0, 1], 1));
    }

    #[test]
    fn every_chunk_gets_a_number_of_its_own() {
        assert_eq!(numbers(&[None, None]), (vec![0, 1], vec![], 2));
        assert_eq!(
            numbers(&[Some(0), None, Some(2)]),
            (vec![0, 1, 2], vec![], 1)
        );
        assert_eq!(numbers(&[Some(1), None]), (vec![1, 2], vec![0], 2));
        assert_eq!(numbers(&[Some(0), Some(0)]), (vec![0, 1], vec![], 1));
        assert_eq!(numbers(&[Some(5), Some(5), None]).0, [1, 2, 5]);
    }

    #[test]
    fn a_chunk_that_is_announced_twice_is_one() {
        let with_location = RecordingChunk {
            content_location: "https://x.example/a".parse().ok(),
            ..chunk("a", Some(0))
        };
        let numbered = number(
            &[
                chunk("a", Some(0)),
                with_location.clone(),
                chunk("a", Some(0)),
            ],
            Vec::new(),
        );
        assert_eq!(numbered.chunks, [(0, with_location)]);
        assert!(numbered.warnings.is_empty());
    }

    #[test]
    fn an_index_without_bounds_takes_no_memory() {
        let numbered = number(
            &[chunk("a", Some(1 << 53)), chunk("b", Some(u64::MAX))],
            Vec::new(),
        );
        assert_eq!(numbered.gaps.len(), MAX_GAPS);
        assert!(
            numbered.warnings[0].ends_with('s'),
            "{:?}",
            numbered.warnings
        );
        assert!(numbered.warnings[0].len() < 200);
    }
}
