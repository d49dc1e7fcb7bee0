//! What is known about a part file: of which content it is, and which of its bytes are on the
//! disk for certain.
//!
//! Lines of text, of which each carries its own checksum: a line that was cut short or never
//! reached the disk does not count, and neither does anything behind it. The first names the
//! content, every other a range and the checksum of its bytes. A range is written down only after
//! its bytes were synced.

use std::ops::Range;

use super::answer::Identity;
use super::range::number;

const FORMAT: &str = "acs-recording-download-1";

/// What a journal says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Journal {
    /// What was asked for; content of another location has another.
    pub(super) key: String,
    /// The content as its first answer described it, its size included.
    pub(super) identity: Identity,
    pub(super) records: Vec<Record>,
}

/// Bytes on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// Where in the content they are.
    pub(super) range: Range<u64>,
    /// CRC-32 of them.
    pub(super) checksum: u32,
}

impl Journal {
    /// Reads as much as is sound; none if that does not even tell of which content it is.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut lines = bytes
            .split_inclusive(|byte| *byte == b'\n')
            .map_while(unseal);
        let mut journal = Self::parse_head(lines.next()?)?;
        journal.records = lines.map_while(Record::parse).collect();
        Some(journal)
    }

    fn parse_head(line: &str) -> Option<Self> {
        let mut words = line.splitn(4, ' ');
        if words.next()? != FORMAT {
            return None;
        }
        let key = words.next()?.to_owned();
        let total = number(words.next()?)?;
        let tag = words.next()?;
        Some(Self {
            key,
            identity: Identity {
                total: Some(total),
                tag: (!tag.is_empty()).then(|| tag.to_owned()),
            },
            records: Vec::new(),
        })
    }

    /// The first line.
    pub(super) fn head(key: &str, total: u64, tag: Option<&str>) -> String {
        seal(&format!(
            "{FORMAT} {key} {total} {}",
            tag.unwrap_or_default()
        ))
    }
}

impl Record {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let (start, end) = (number(words.next()?)?, number(words.next()?)?);
        let checksum = u32::from_str_radix(words.next()?, 16).ok()?;
        (start < end && words.next().is_none()).then_some(Self {
            range: start..end,
            checksum,
        })
    }

    /// The line of a record.
    pub(super) fn line(&self) -> String {
        let Self { range, checksum } = self;
        seal(&format!("{} {} {checksum:08x}", range.start, range.end))
    }
}

fn seal(content: &str) -> String {
    format!("{:08x} {content}\n", crc32fast::hash(content.as_bytes()))
}

fn unseal(line: &[u8]) -> Option<&str> {
    let line = str::from_utf8(line.strip_suffix(b"\n")?).ok()?;
    let (checksum, content) = line.split_once(' ')?;
    let sound = checksum == format!("{:08x}", crc32fast::hash(content.as_bytes()));
    sound.then_some(content)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(journal: &Journal) -> String {
        let Identity { total, tag } = &journal.identity;
        let mut text = Journal::head(&journal.key, total.unwrap(), tag.as_deref());
        for record in &journal.records {
            text += &record.line();
        }
        text
    }

    fn journals() -> impl Strategy<Value = Journal> {
        let records = (0..u64::MAX / 2, 1..1_u64 << 40, any::<u32>()).prop_map(
            |(start, length, checksum)| Record {
                range: start..start + length,
                checksum,
            },
        );
        let tags = proptest::option::of("(W/)?\"[!#-~ ]{0,20}\"");
        (
            "[0-9a-f]{8}",
            any::<u64>(),
            tags,
            proptest::collection::vec(records, 0..8),
        )
            .prop_map(|(key, total, tag, records)| Journal {
                key,
                identity: Identity {
                    total: Some(total),
                    tag,
                },
                records,
            })
    }

    proptest! {
        #[test]
        fn a_journal_is_read_as_written(journal in journals()) {
            prop_assert_eq!(Journal::parse(written(&journal).as_bytes()), Some(journal));
        }

        /// After a kill or a power failure the end may be anything; what is believed was written.
        #[test]
        fn a_broken_journal_claims_nothing_that_was_not_written(
            journal in journals(),
            at: proptest::sample::Index,
            garbage in proptest::collection::vec(any::<u8>(), 0..60),
            cut: bool,
        ) {
            let mut bytes = written(&journal).into_bytes();
            let at = at.index(bytes.len());
            if cut {
                bytes.truncate(at);
                bytes.extend(garbage);
            } else if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 0x15;
            }
            if let Some(read) = Journal::parse(&bytes) {
                prop_assert_eq!(read.key, journal.key);
                prop_assert_eq!(read.identity, journal.identity);
                prop_assert!(journal.records.starts_with(&read.records));
            }
        }

        #[test]
        fn no_journal_is_too_strange(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(Journal::parse(&bytes), None);
        }
    }
}
