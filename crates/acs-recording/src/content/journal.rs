//! The journal of a part file: which content it belongs to, and which of its bytes are durable.
//!
//! It consists of lines of text with a checksum each. A line that is incomplete or damaged does not
//! count, and neither do the lines after it. The first line identifies the content. Every other one
//! has a range and the checksum of its bytes, and is written only after these bytes were synced.

use std::ops::Range;

use url::{Url, form_urlencoded};

use super::content_hash::ContentHash;
use super::digest::Hasher;
use super::identity::EntityIdentity;
use super::range::{RequestedRange, parse_number};

/// The name of the format. A part file with a journal of another format is restarted.
const FORMAT: &str = "acs-recording-download-4";

/// The word for an unknown value.
const UNKNOWN: &str = "-";

/// The query parameters of a shared access signature, which differ each time.
const SIGNATURE: &[&str] = &[
    "sig", "se", "st", "sp", "sv", "sr", "spr", "sip", "si", "ss", "srt", "sdd", "ses", "ske",
    "skt", "sks", "skv", "skoid", "sktid", "saoid", "suoid", "scid", "skdutid", "sduoid",
];

/// The key of a journal: a hash of the location without its signature, and of the range.
pub(super) fn journal_key(location: &Url, range: RequestedRange) -> String {
    let mut url = location.clone();
    url.set_fragment(None);
    let mut query = form_urlencoded::Serializer::new(String::new());
    let parameters = location
        .query_pairs()
        .filter(|(name, _)| !SIGNATURE.contains(&name.as_ref()));
    let query = query.extend_pairs(parameters).finish();
    url.set_query(Some(query.as_str()).filter(|query| !query.is_empty()));
    let RequestedRange { start, end } = range;
    let end = end.map_or("end".to_owned(), |end| end.to_string());
    Hasher::of_text(&format!("{url} {start} {end}")).to_string()
}

/// The contents of a journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Journal {
    /// Identifies the location and the range.
    pub(super) key: String,
    /// The version of the content, including its size.
    pub(super) identity: EntityIdentity,
    /// The SHA-256 that the server announced for the complete content.
    pub(super) expected_sha256: Option<ContentHash>,
    pub(super) records: Vec<Record>,
}

/// Durable bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// Their offsets in the content.
    pub(super) range: Range<u64>,
    /// Their CRC-32.
    pub(super) checksum: u32,
}

impl Journal {
    /// Reads all intact lines. None if the first line is not intact.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut lines = bytes
            .split_inclusive(|byte| *byte == b'\n')
            .map_while(verify_line);
        let mut journal = Self::parse_header(lines.next()?)?;
        journal.records = lines.map_while(Record::parse).collect();
        Some(journal)
    }

    fn parse_header(line: &str) -> Option<Self> {
        let line = line.strip_prefix(FORMAT)?.strip_prefix(' ')?;
        let (key, line) = line.split_once(' ')?;
        let (total, line) = line.split_once(' ')?;
        let (sha256, line) = line.split_once(' ')?;
        let (last_modified, etag) = line.split_once(' ')?;
        let expected_sha256 = match sha256 {
            UNKNOWN => None,
            sha256 => Some(sha256.parse().ok()?),
        };
        let last_modified = match last_modified {
            UNKNOWN => None,
            seconds => Some(parse_number(seconds)?),
        };
        Some(Self {
            key: key.to_owned(),
            identity: EntityIdentity {
                total: Some(parse_number(total)?),
                etag: (!etag.is_empty()).then(|| etag.to_owned()),
                last_modified,
            },
            expected_sha256,
            records: Vec::new(),
        })
    }

    /// The first line.
    pub(super) fn header(
        key: &str,
        identity: &EntityIdentity,
        expected_sha256: Option<ContentHash>,
    ) -> String {
        let total = identity.total.unwrap_or_default();
        let etag = identity.etag.as_deref().unwrap_or_default();
        let sha256 = expected_sha256.map_or(UNKNOWN.to_owned(), |sha256| sha256.to_string());
        let last_modified = identity
            .last_modified
            .map_or(UNKNOWN.to_owned(), |seconds| seconds.to_string());
        checksummed_line(&format!(
            "{FORMAT} {key} {total} {sha256} {last_modified} {etag}"
        ))
    }
}

impl Record {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let (start, end) = (parse_number(words.next()?)?, parse_number(words.next()?)?);
        let checksum = u32::from_str_radix(words.next()?, 16).ok()?;
        (start < end && words.next().is_none()).then_some(Self {
            range: start..end,
            checksum,
        })
    }

    /// The line of a record.
    pub(super) fn line(&self) -> String {
        let Self { range, checksum } = self;
        checksummed_line(&format!("{} {} {checksum:08x}", range.start, range.end))
    }
}

fn checksummed_line(content: &str) -> String {
    format!("{:08x} {content}\n", crc32fast::hash(content.as_bytes()))
}

/// The content of a line, if its checksum is right.
fn verify_line(line: &[u8]) -> Option<&str> {
    let line = str::from_utf8(line.strip_suffix(b"\n")?).ok()?;
    let (checksum, content) = line.split_once(' ')?;
    let is_intact = checksum == format!("{:08x}", crc32fast::hash(content.as_bytes()));
    is_intact.then_some(content)
}

/// Checks the properties of any bytes: as they are, and as lines with valid checksums, which no
/// mutation finds.
#[cfg(fuzzing)]
pub fn fuzz(bytes: &[u8]) {
    fuzz_as_is(bytes);
    let text = String::from_utf8_lossy(bytes);
    let lines: String = text.split('\n').map(checksummed_line).collect();
    fuzz_as_is(lines.as_bytes());
}

#[cfg(fuzzing)]
fn fuzz_as_is(bytes: &[u8]) {
    let Some(journal) = Journal::parse(bytes) else {
        return;
    };
    for record in &journal.records {
        let line = record.line();
        assert_eq!(
            verify_line(line.as_bytes())
                .and_then(Record::parse)
                .as_ref(),
            Some(record)
        );
    }
    // A truncated journal says less, and nothing else.
    let half = bytes.get(..bytes.len() / 2).unwrap_or_default();
    if let Some(less) = Journal::parse(half) {
        assert_eq!(
            (&less.key, &less.identity),
            (&journal.key, &journal.identity)
        );
        assert!(journal.records.starts_with(&less.records));
    }
    // A damaged line adds nothing.
    let torn = [bytes, b"\nffffffff 0 1 00000000"].concat();
    assert_eq!(Journal::parse(&torn), Some(journal));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn to_text(journal: &Journal) -> String {
        let mut text = Journal::header(&journal.key, &journal.identity, journal.expected_sha256);
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
        let etags = proptest::option::of("(W/)?\"[!#-~ ]{0,20}\"");
        (
            "[0-9a-f]{8}",
            any::<u64>(),
            etags,
            proptest::option::of(any::<u64>()),
            proptest::option::of(any::<[u8; 32]>()),
            proptest::collection::vec(records, 0..8),
        )
            .prop_map(
                |(key, total, etag, last_modified, sha256, records)| Journal {
                    key,
                    identity: EntityIdentity {
                        total: Some(total),
                        etag,
                        last_modified,
                    },
                    expected_sha256: sha256.map(ContentHash::from_bytes),
                    records,
                },
            )
    }

    #[test]
    fn the_key_depends_on_the_location_and_not_on_its_signature() {
        let key = |query: &str| {
            let url = format!("https://a.asm.skype.com/v1/o{query}");
            journal_key(&url.parse().unwrap(), RequestedRange::default())
        };
        for same in ["?sig=1&se=2", "?skoid=1&sig=%2F#x", "?", "#x"] {
            assert_eq!(key(same), key(""), "{same}");
        }
        assert_eq!(key("?sv=1&view=a&sig=2"), key("?view=a"));
        for other in ["?view=b", "?view=a&view=b", "?signature=1", ""] {
            assert_ne!(key(other), key("?view=a"), "{other}");
        }
    }

    #[test]
    fn a_journal_of_another_format_is_ignored() {
        for format in ["acs-recording-download-3", "acs-recording-download-40"] {
            let line = checksummed_line(&format!("{format} key 100 - - \"a tag\""));
            assert_eq!(Journal::parse(line.as_bytes()), None, "{format}");
        }
    }

    proptest! {
        #[test]
        fn a_journal_round_trips(journal in journals()) {
            prop_assert_eq!(Journal::parse(to_text(&journal).as_bytes()), Some(journal));
        }

        /// After a crash, the end may be anything. Only what was written is accepted.
        #[test]
        fn a_damaged_journal_has_no_record_that_was_not_written(
            journal in journals(),
            at: proptest::sample::Index,
            garbage in proptest::collection::vec(any::<u8>(), 0..60),
            cut: bool,
        ) {
            let mut bytes = to_text(&journal).into_bytes();
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
                prop_assert_eq!(read.expected_sha256, journal.expected_sha256);
                prop_assert!(journal.records.starts_with(&read.records));
            }
        }

        #[test]
        fn parsing_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(Journal::parse(&bytes), None);
        }
    }
}
