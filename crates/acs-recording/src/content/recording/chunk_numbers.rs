//! The numbers of the chunks of a recording.

use std::collections::BTreeSet;

use super::known_chunks::{GAP, fill_in, take_known};
use crate::event::RecordingChunk;
use crate::manifest::ManifestChunk;

/// A longer list of gaps would not be useful.
const MAX_GAPS: usize = 1000;

/// The chunks of a recording with unique numbers.
#[derive(Debug, Default)]
pub(super) struct NumberedChunks {
    /// The chunks of the event, in order.
    pub(super) chunks: Vec<(u64, RecordingChunk)>,
    /// The chunks that only earlier events named, in order.
    pub(super) unnamed: Vec<ManifestChunk>,
    /// The numbers below the highest one without a chunk.
    pub(super) gaps: Vec<u64>,
    /// Inconsistencies of the numbers.
    pub(super) warnings: Vec<String>,
}

/// Numbers chunks by their index. A chunk without an index, or with the index of another chunk, gets
/// a free number. A chunk that is announced twice counts once. A chunk that is `known` from an
/// earlier event keeps its number, and its values that this event does not have.
pub(super) fn number_chunks(
    chunks: &[RecordingChunk],
    known: Vec<ManifestChunk>,
) -> NumberedChunks {
    let mut numbered = NumberedChunks {
        unnamed: known,
        ..NumberedChunks::default()
    };
    let mut others = Vec::new();
    for (position, mut chunk) in (0_u64..).zip(unique_chunks(chunks)) {
        if let Some(known) = take_known(&mut numbered.unnamed, &chunk) {
            numbered.warn(known.index, chunk.index);
            fill_in(&mut chunk, &known);
            numbered.chunks.push((known.index, chunk));
        } else {
            others.push((position, chunk));
        }
    }
    let mut rest = Vec::new();
    for (position, chunk) in others {
        match chunk.index {
            Some(index) if numbered.is_free(index) => numbered.chunks.push((index, chunk)),
            _ => rest.push((position, chunk)),
        }
    }
    for (position, chunk) in rest {
        let number = match numbered.numbers().max() {
            Some(highest) if !numbered.is_free(position) => highest.saturating_add(1),
            _ => position,
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
            "{GAP} {}{more}, but there are later ones",
            list.join(", ")
        ));
    }
    numbered
}

impl NumberedChunks {
    fn numbers(&self) -> impl Iterator<Item = u64> {
        let unnamed = self.unnamed.iter().map(|chunk| chunk.index);
        unnamed.chain(self.chunks.iter().map(|(number, _)| *number))
    }

    fn is_free(&self, number: u64) -> bool {
        self.numbers().all(|taken| taken != number)
    }

    /// Adds a warning if the number differs from the index.
    fn warn(&mut self, number: u64, index: Option<u64>) {
        self.warnings.push(match index {
            Some(index) if index == number => return,
            Some(index) => {
                format!("two chunks have the index {index}; one of them becomes chunk {number}")
            }
            None => format!("the event has no index of chunk {number}"),
        });
    }
}

/// Each chunk once. Of two entries about the same one, the one with a location counts.
fn unique_chunks(chunks: &[RecordingChunk]) -> Vec<RecordingChunk> {
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
            .map(|(position, index)| chunk(&format!("d{position}"), *index))
            .collect();
        let numbered = number_chunks(&chunks, Vec::new());
        let numbers: Vec<_> = numbered.chunks.iter().map(|(number, _)| *number).collect();
        let unique: BTreeSet<_> = numbers.iter().collect();
        assert_eq!(unique.len(), indices.len(), "numbers are unique");
        (numbers, numbered.gaps, numbered.warnings.len())
    }

    #[test]
    fn numbers_equal_the_index() {
        assert_eq!(numbers(&[]), (vec![], vec![], 0));
        assert_eq!(numbers(&[Some(0), Some(1)]), (vec![0, 1], vec![], 0));
        assert_eq!(numbers(&[Some(0), Some(2)]), (vec![0, 2], vec![1], 1));
        assert_eq!(numbers(&[Some(2)]), (vec![2], vec![0, 1], 1));
    }

    #[test]
    fn every_chunk_gets_a_unique_number() {
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
    fn a_chunk_that_is_announced_twice_counts_once() {
        let with_location = RecordingChunk {
            content_location: "https://x.example/a".parse().ok(),
            ..chunk("a", Some(0))
        };
        let numbered = number_chunks(
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
    fn a_huge_index_takes_no_memory() {
        let numbered = number_chunks(
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
