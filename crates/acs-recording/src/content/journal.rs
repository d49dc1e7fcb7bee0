//! What is known about a part file: of which content it is, and which of its bytes are on the
//! disk for certain.
//!
//! Lines of text, of which each carries its own checksum: a line that was cut short or never
//! reached the disk does not count, and neither does anything behind it. The first names the
//! content, every other a range and the checksum of its bytes. A range is written down only after
//! its bytes were synced.

use std::ops::Range;

use url::{Url, form_urlencoded};

use super::identity::Identity;
use super::range::{Wanted, number};
use super::verify::{Announced, Hasher};

/// The name of the form, which changes with it: what another version began is started over.
const FORMAT: &str = "acs-recording-download-3";

/// What stands for a time that is not known.
const NONE: &str = "-";

/// What a shared access signature adds to a location, another each time.
const SIGNATURE: &[&str] = &[
    "sig", "se", "st", "sp", "sv", "sr", "spr", "sip", "si", "ss", "srt", "sdd", "ses", "ske",
    "skt", "sks", "skv", "skoid", "sktid", "saoid", "suoid", "scid", "skdutid", "sduoid",
];

/// What a journal must have been written for: a location, however it is signed, and a range.
pub(super) fn key(location: &Url, wanted: Wanted) -> String {
    let mut url = location.clone();
    url.set_fragment(None);
    let mut query = form_urlencoded::Serializer::new(String::new());
    let telling = location
        .query_pairs()
        .filter(|(name, _)| !SIGNATURE.contains(&name.as_ref()));
    let query = query.extend_pairs(telling).finish();
    url.set_query(Some(query.as_str()).filter(|query| !query.is_empty()));
    let Wanted { start, end } = wanted;
    let end = end.map_or("end".to_owned(), |end| end.to_string());
    let mut hasher = Hasher::for_comparison();
    hasher.update(format!("{url} {start} {end}").as_bytes());
    let hash = hasher.finish().ok().flatten();
    hash.map_or_else(String::new, |hash| hash.to_string())
}

/// What a journal says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Journal {
    /// What was asked for; content of another location has another.
    pub(super) key: String,
    /// The content as its first answer described it, its size included.
    pub(super) identity: Identity,
    /// Checksums of it that the server announced.
    pub(super) announced: Announced,
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
        let line = line.strip_prefix(FORMAT)?.strip_prefix(' ')?;
        let (key, line) = line.split_once(' ')?;
        let (total, line) = line.split_once(' ')?;
        let (announced, line) = Announced::parse(line)?;
        let (modified, tag) = line.split_once(' ')?;
        let modified = match modified {
            NONE => None,
            modified => Some(number(modified)?),
        };
        Some(Self {
            key: key.to_owned(),
            identity: Identity {
                total: Some(number(total)?),
                tag: (!tag.is_empty()).then(|| tag.to_owned()),
                modified,
            },
            announced,
            records: Vec::new(),
        })
    }

    /// The first line.
    pub(super) fn head(key: &str, identity: &Identity, announced: Announced) -> String {
        let total = identity.total.unwrap_or_default();
        let tag = identity.tag.as_deref().unwrap_or_default();
        let modified = identity.modified;
        let modified = modified.map_or_else(|| NONE.to_owned(), |modified| modified.to_string());
        seal(&format!(
            "{FORMAT} {key} {total} {announced} {modified} {tag}"
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

/// Checks what holds of any bytes: as they are, and as lines with the checksums that no mutation
/// finds.
#[cfg(fuzzing)]
pub fn fuzz(bytes: &[u8]) {
    fuzz_as_is(bytes);
    let text = String::from_utf8_lossy(bytes);
    let sealed: String = text.split('\n').map(seal).collect();
    fuzz_as_is(sealed.as_bytes());
}

#[cfg(fuzzing)]
fn fuzz_as_is(bytes: &[u8]) {
    let Some(journal) = Journal::parse(bytes) else {
        return;
    };
    for record in &journal.records {
        let line = record.line();
        assert_eq!(
            unseal(line.as_bytes()).and_then(Record::parse).as_ref(),
            Some(record)
        );
    }
    // What was cut short says less, and nothing else.
    let half = bytes.get(..bytes.len() / 2).unwrap_or_default();
    if let Some(less) = Journal::parse(half) {
        assert_eq!(
            (&less.key, &less.identity),
            (&journal.key, &journal.identity)
        );
        assert!(journal.records.starts_with(&less.records));
    }
    // What was torn says no more.
    let torn = [bytes, b"\nffffffff 0 1 00000000"].concat();
    assert_eq!(Journal::parse(&torn), Some(journal));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(journal: &Journal) -> String {
        let mut text = Journal::head(&journal.key, &journal.identity, journal.announced);
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
            proptest::option::of(any::<u64>()),
            proptest::option::of(any::<[u8; 32]>()),
            proptest::option::of(any::<[u8; 16]>()),
            proptest::collection::vec(records, 0..8),
        )
            .prop_map(
                |(key, total, tag, modified, sha256, md5, records)| Journal {
                    key,
                    identity: Identity {
                        total: Some(total),
                        tag,
                        modified,
                    },
                    announced: Announced { sha256, md5 },
                    records,
                },
            )
    }

    #[test]
    fn another_location_has_another_key_and_another_signature_has_not() {
        let key = |query: &str| {
            let url = format!("https://a.asm.skype.com/v1/o{query}");
            key(&url.parse().unwrap(), Wanted::default())
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
    fn a_journal_of_another_version_is_none() {
        for format in ["acs-recording-download-1", "acs-recording-download-30"] {
            let line = seal(&format!("{format} key 100 - - - \"a tag\""));
            assert_eq!(Journal::parse(line.as_bytes()), None, "{format}");
        }
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
                prop_assert_eq!(read.announced, journal.announced);
                prop_assert!(journal.records.starts_with(&read.records));
            }
        }

        #[test]
        fn no_journal_is_too_strange(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(Journal::parse(&bytes), None);
        }
    }
}
