//! What is in an archive.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use acs_recording::{ContentHash, ManifestFile};
use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt as _, TryStreamExt as _};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use object_store::ObjectStore;
use object_store::path::Path;

use super::objects::Objects;
use crate::error::{Error, ErrorKind, Result, from_store};
use crate::layout::{Layout, folder_of};
use crate::receipt::Receipt;

/// How many receipts are read at the same time.
const READERS: usize = 16;
/// Up to so many days are listed one by one.
const MAX_DAYS: usize = 366;

/// The receipts of an archive, and whether its objects are what they say. It only reads.
///
/// ```no_run
/// use acs_recording_archive::{Catalogue, Depth, StoreBuilder};
/// use futures_util::TryStreamExt as _;
///
/// # async fn run() -> acs_recording_archive::Result<()> {
/// let catalogue = Catalogue::new(StoreBuilder::new("recordings")?.build()?);
/// let mut entries = catalogue.list().participant("4:+14255550123").stream();
/// while let Some(entry) = entries.try_next().await? {
///     let verification = catalogue.verify(&entry, Depth::Content).await?;
///     println!("{} {}", entry.name, verification.is_sound());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Catalogue {
    objects: Objects,
    layout: Layout,
}

/// A chunk in the archive.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Entry {
    /// The name of the receipt.
    pub name: Path,
    /// The receipt.
    pub receipt: Receipt,
}

impl Entry {
    /// The name of the object that holds the media; none if the recording is in storage of your own.
    pub fn media(&self) -> Option<Path> {
        self.receipt.media.as_ref().map(|media| self.beside(media))
    }

    /// The name of the object that holds the metadata document.
    pub fn metadata(&self) -> Option<Path> {
        let metadata = self.receipt.metadata.as_ref();
        metadata.map(|metadata| self.beside(metadata))
    }

    fn beside(&self, file: &ManifestFile) -> Path {
        folder_of(&self.name).join(file.name.as_str())
    }
}

/// How thoroughly objects are verified.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Depth {
    /// That they exist and have the right size.
    #[default]
    Size,
    /// Every byte, by the SHA-256.
    Content,
}

/// What a verification found.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Verification {
    /// How many bytes of objects were read or looked up.
    pub bytes: u64,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

impl Verification {
    /// Whether everything is as the receipt says.
    pub fn is_sound(&self) -> bool {
        self.findings.is_empty()
    }
}

/// An object that is not what its receipt says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// It does not exist.
    Missing {
        /// Its name.
        name: Path,
    },
    /// It has another size.
    Size {
        /// Its name.
        name: Path,
        /// How many bytes the receipt says.
        expected: u64,
        /// How many it has.
        found: u64,
    },
    /// It has the right size and another SHA-256.
    Content {
        /// Its name.
        name: Path,
        /// What the receipt says.
        expected: ContentHash,
        /// What it has.
        found: ContentHash,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { name } => write!(f, "{name} does not exist"),
            Self::Size {
                name,
                expected,
                found,
            } => write!(f, "{name} has {found} bytes and not {expected}"),
            Self::Content { name, .. } => write!(f, "{name} has other content than was archived"),
        }
    }
}

impl Catalogue {
    /// The archive in a store.
    pub fn new(store: Arc<dyn ObjectStore>) -> Self {
        Self::with(Objects::new(store), Layout::default())
    }

    pub(super) fn with(objects: Objects, layout: Layout) -> Self {
        Self { objects, layout }
    }

    /// The layout of the archive (default: see [`Layout`]). One that begins with the date makes
    /// lists of some days quick; with a wrong layout such lists are incomplete.
    pub fn layout(mut self, layout: Layout) -> Self {
        self.layout = layout;
        self
    }

    /// Lists what is archived.
    pub fn list(&self) -> ListReceipts {
        ListReceipts {
            catalogue: self.clone(),
            since: None,
            until: None,
            call: None,
            recording: None,
            participant: None,
        }
    }

    /// Compares the objects of a chunk with its receipt.
    pub async fn verify(&self, entry: &Entry, depth: Depth) -> Result<Verification> {
        let mut verification = Verification {
            bytes: 0,
            findings: Vec::new(),
        };
        let files = [&entry.receipt.media, &entry.receipt.metadata];
        for file in files.into_iter().flatten() {
            let name = entry.beside(file);
            let (found, sha256) = match depth {
                Depth::Size => (self.objects.size(&name).await?, None),
                Depth::Content => {
                    let found = self.objects.fingerprint(&name).await?;
                    (
                        found.map(|found| found.bytes),
                        found.map(|found| found.sha256),
                    )
                }
            };
            verification.bytes += found.unwrap_or_default();
            let finding = match (found, sha256) {
                (None, _) => Finding::Missing { name },
                (Some(found), _) if found != file.bytes => Finding::Size {
                    name,
                    expected: file.bytes,
                    found,
                },
                (_, Some(found)) if found != file.sha256 => Finding::Content {
                    name,
                    expected: file.sha256,
                    found,
                },
                _ => continue,
            };
            verification.findings.push(finding);
        }
        Ok(verification)
    }

    async fn read(&self, name: Path) -> Result<Option<Entry>> {
        let Some(bytes) = self.objects.read(&name).await? else {
            return Ok(None);
        };
        match serde_json::from_slice(&bytes) {
            Ok(receipt) => Ok(Some(Entry { name, receipt })),
            Err(error) => {
                let text = format!("the receipt {name} cannot be read: {error}");
                Err(Error::new(ErrorKind::InvalidResponse, text))
            }
        }
    }
}

/// A list of what is archived; say what it should be about, then read it as a
/// [`stream`](Self::stream).
#[derive(Clone, Debug)]
#[must_use = "nothing is listed before it is read"]
pub struct ListReceipts {
    catalogue: Catalogue,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    call: Option<String>,
    recording: Option<String>,
    participant: Option<String>,
}

impl ListReceipts {
    /// Only recordings that began then or later.
    pub fn since(mut self, time: Timestamp) -> Self {
        self.since = Some(time);
        self
    }

    /// Only recordings that began earlier.
    pub fn until(mut self, time: Timestamp) -> Self {
        self.until = Some(time);
        self
    }

    /// Only recordings of this call: its id in logs, or its server call id.
    pub fn call(mut self, id: impl Into<String>) -> Self {
        self.call = Some(id.into());
        self
    }

    /// Only this recording.
    pub fn recording(mut self, id: impl Into<String>) -> Self {
        self.recording = Some(id.into());
        self
    }

    /// Only recordings with this participant: a raw id such as `8:acs:…`, or a phone number.
    pub fn participant(mut self, id: impl Into<String>) -> Self {
        self.participant = Some(id.into());
        self
    }

    /// The chunks, in the order of their names where the store lists them so. A receipt that cannot
    /// be read is an error in its place, and the stream continues.
    pub fn stream(self) -> Entries {
        let prefixes = self.prefixes();
        let store = Arc::clone(self.catalogue.objects.store());
        let listed = stream::iter(prefixes).flat_map(move |prefix| store.list(prefix.as_ref()));
        let names =
            listed.try_filter(|meta| std::future::ready(Layout::is_receipt(&meta.location)));
        let catalogue = self.catalogue.clone();
        let read = names.map(move |listed| {
            let catalogue = catalogue.clone();
            async move {
                let listed = listed.map_err(|error| from_store(&error, "list the archive"))?;
                catalogue.read(listed.location).await
            }
        });
        let entries = read.buffered(READERS).filter_map(move |entry| {
            let entry = match entry {
                Ok(entry) => entry.filter(|entry| self.includes(&entry.receipt)).map(Ok),
                Err(error) => Some(Err(error)),
            };
            std::future::ready(entry)
        });
        Entries(entries.boxed())
    }

    fn includes(&self, receipt: &Receipt) -> bool {
        let date = receipt.date();
        let is = |wanted: Option<&String>, found: &[Option<&str>]| {
            wanted.is_none_or(|wanted| found.contains(&Some(wanted.as_str())))
        };
        let server_call = receipt.server_call_id.as_ref().map(AsRef::<str>::as_ref);
        let recording = receipt.recording_id.as_ref().map(AsRef::<str>::as_ref);
        self.since
            .is_none_or(|since| date.is_some_and(|date| date >= since))
            && self
                .until
                .is_none_or(|until| date.is_some_and(|date| date < until))
            && is(
                self.call.as_ref(),
                &[receipt.call_id.as_deref(), server_call],
            )
            && is(self.recording.as_ref(), &[recording])
            && self.participant.as_ref().is_none_or(|wanted| {
                let mut ids = receipt.participants.iter();
                ids.any(|id| id == wanted || id.strip_prefix("4:") == Some(wanted))
            })
    }

    /// The days to list, if there are few and the layout has folders for them; else everything.
    fn prefixes(&self) -> Vec<Option<Path>> {
        let by_day = || {
            let date = |time: Timestamp| time.to_zoned(TimeZone::UTC).date();
            let first = date(self.since?);
            // A recording that will begin tomorrow has a clock that is wrong by less than a day.
            let last = match self.until {
                Some(until) => date(until),
                None => date(Timestamp::now()).tomorrow().ok()?,
            };
            let days: Option<Vec<_>> = first
                .series(1.day())
                .take_while(|day| *day <= last)
                .take(MAX_DAYS + 1)
                .map(|day| self.catalogue.layout.day_prefix(day))
                .collect();
            days.filter(|days| days.len() <= MAX_DAYS)
        };
        match by_day() {
            Some(days) => days.into_iter().map(Some).collect(),
            None => vec![None],
        }
    }
}

/// Chunks in the archive: a [`Stream`].
#[must_use = "nothing is listed before it is read"]
pub struct Entries(BoxStream<'static, Result<Entry>>);

impl Stream for Entries {
    type Item = Result<Entry>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(context)
    }
}

impl fmt::Debug for Entries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Entries")
    }
}
