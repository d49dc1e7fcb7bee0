//! `archive list` and `archive verify`: the archive as a catalogue.

use acs_recording_archive::{Catalogue, Depth, Entry, Finding, ListReceipts};
use clap::Args;
use futures_util::StreamExt as _;
use indicatif::HumanBytes;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use serde_json::{Value, json};

use super::options::StoreOptions;
use super::report::{entry_json, place};
use crate::failure::Failure;
use crate::options::Global;
use crate::output::Output;
use crate::text::one_line;

/// How many chunks are verified at the same time.
const CONCURRENCY: usize = 8;

/// Lists the chunks in an archive
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  acs-recording archive list --to az://archive --since 2026-11-01 --participant +14255550123
  acs-recording archive list --to ./archive --output json | jq -r .media

A receipt that cannot be read is an error at the end and does not affect the others.

JSON: {\"receipt\", \"media\", \"bytes\", \"sha256\", \"metadata\", \"recording_id\", \"call_id\",
\"server_call_id\", \"document_id\", \"index\", \"chunk_count\", \"start\", \"duration_ms\", \"participants\",
\"storage_type\", \"warnings\", \"saved_at\"} for each chunk. media is null for a recording in your own
storage.")]
pub(crate) struct List {
    #[command(flatten)]
    store: StoreOptions,
    #[command(flatten)]
    filter: Filter,
}

/// Verifies the objects in an archive against their receipts
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  acs-recording archive verify --to az://archive --since 2026-11-01
  acs-recording archive verify --to ./archive --deep --call 29228d3e-040e-4656-a70e-890ab4e173e5

Without --deep, objects must exist and have the right size. The exit code is 6 if an object is missing
or differs.

JSON: {\"receipt\", \"sound\", \"bytes\", \"findings\"} for each chunk, then
{\"event\": \"summary\", \"chunks\", \"sound\", \"bytes\", \"unreadable\"}. findings:
{\"kind\": \"missing\", \"size\" or \"content\", \"name\", \"message\"}.")]
pub(crate) struct Verify {
    #[command(flatten)]
    store: StoreOptions,
    #[command(flatten)]
    filter: Filter,
    /// Reads every object, and compares its SHA-256
    #[arg(long)]
    deep: bool,
}

/// Which chunks.
#[derive(Debug, Args)]
struct Filter {
    /// Only recordings that began at this time or later: a date such as 2026-11-25, in UTC, or a time
    /// such as 2026-11-25T18:00:00Z
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<Timestamp>,
    /// Only recordings that began earlier than this time; a date includes the whole day
    #[arg(long, value_name = "TIME", value_parser = until)]
    until: Option<Timestamp>,
    /// Only recordings of this call: its id in logs, or its server call id
    #[arg(long, value_name = "ID")]
    call: Option<String>,
    /// Only recordings with this participant: a raw id such as 8:acs:…, or a phone number
    #[arg(long, value_name = "ID")]
    participant: Option<String>,
    /// Only this recording
    #[arg(long, value_name = "ID")]
    recording: Option<String>,
}

impl Filter {
    fn list(&self, catalogue: &Catalogue) -> ListReceipts {
        let mut list = catalogue.list();
        if let Some(time) = self.since {
            list = list.since(time);
        }
        if let Some(time) = self.until {
            list = list.until(time);
        }
        if let Some(id) = &self.call {
            list = list.call(id);
        }
        if let Some(id) = &self.participant {
            list = list.participant(id);
        }
        if let Some(id) = &self.recording {
            list = list.recording(id);
        }
        list
    }
}

fn since(text: &str) -> Result<Timestamp, String> {
    time(text, 0)
}

fn until(text: &str) -> Result<Timestamp, String> {
    time(text, 1)
}

/// Reads a time, or a date as so many days after its midnight.
fn time(text: &str, days: i64) -> Result<Timestamp, String> {
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    let wrong = || format!("`{text}` is not a date such as 2026-11-25 or 2026-11-25T18:00:00Z");
    let date: Date = text.parse().map_err(|_| wrong())?;
    // A time without its offset would be read as a date.
    if text.len() > "2026-11-25".len() {
        return Err(wrong());
    }
    let date = date.checked_add(days.days()).map_err(|_| wrong())?;
    let midnight = date.to_zoned(TimeZone::UTC).map_err(|_| wrong())?;
    Ok(midnight.timestamp())
}

pub(super) async fn list(options: &List, global: &Global, out: &Output) -> Result<(), Failure> {
    let catalogue = options.store.catalogue(global)?;
    let mut entries = options.filter.list(&catalogue).stream();
    let mut first = None;
    let mut table = Table::default();
    while let Some(entry) = entries.next().await {
        match entry {
            Ok(entry) => out.result(&table.row(&entry), &entry_json(&entry))?,
            Err(error) => keep_first(&mut first, error.into(), out),
        }
    }
    first.map_or(Ok(()), Err)
}

/// Shows failures as they come, but the first, with which the program ends.
fn keep_first(first: &mut Option<Failure>, failure: Failure, out: &Output) {
    match first {
        Some(_) => out.failure(&failure),
        None => *first = Some(failure),
    }
}

/// Rows, the first of them below a heading.
#[derive(Default)]
struct Table {
    has_heading: bool,
}

impl Table {
    fn row(&mut self, entry: &Entry) -> String {
        let receipt = &entry.receipt;
        let start = receipt.date();
        let start = start.map_or_else(
            || "-".to_owned(),
            |time| time.strftime("%Y-%m-%d %H:%M:%S").to_string(),
        );
        let length = receipt.duration_ms.map_or_else(
            || "-".to_owned(),
            |time| crate::text::clock(std::time::Duration::from_millis(time)),
        );
        let size = receipt.media.as_ref();
        let size = size.map_or_else(
            || "-".to_owned(),
            |media| HumanBytes(media.bytes).to_string(),
        );
        let participants = receipt.participants.len();
        let place = place(entry.name.as_ref(), receipt);
        let row = row(
            [&start, &length, &size, &participants.to_string()],
            &one_line(&place),
        );
        if std::mem::replace(&mut self.has_heading, true) {
            return row;
        }
        let heading = ["START (UTC)", "LENGTH", "SIZE", "PEOPLE"];
        format!("{}\n{row}", self::row(heading, "MEDIA"))
    }
}

fn row([start, length, size, people]: [&str; 4], place: &str) -> String {
    format!("{start:<19}  {length:>9}  {size:>10}  {people:>6}  {place}")
}

pub(super) async fn verify(options: &Verify, global: &Global, out: &Output) -> Result<(), Failure> {
    let catalogue = options.store.catalogue(global)?;
    let depth = if options.deep {
        Depth::Content
    } else {
        Depth::Size
    };
    let entries = options.filter.list(&catalogue).stream();
    let mut verified = entries
        .map(|entry| {
            let catalogue = catalogue.clone();
            async move {
                let entry = entry?;
                let verification = catalogue.verify(&entry, depth).await?;
                Ok::<_, acs_recording_archive::Error>((entry, verification))
            }
        })
        .buffered(CONCURRENCY);
    let (mut chunks, mut sound, mut bytes, mut unreadable) = (0_u64, 0_u64, 0_u64, 0_u64);
    let mut first = None;
    while let Some(verified) = verified.next().await {
        let (entry, verification) = match verified {
            Ok(verified) => verified,
            Err(error) => {
                unreadable += 1;
                keep_first(&mut first, error.into(), out);
                continue;
            }
        };
        chunks += 1;
        sound += u64::from(verification.is_sound());
        bytes += verification.bytes;
        let findings = verification.findings.iter();
        let text: Vec<_> = findings
            .clone()
            .map(|finding| one_line(&finding.to_string()).into_owned())
            .collect();
        let json = json!({
            "receipt": entry.name.as_ref(),
            "sound": verification.is_sound(),
            "bytes": verification.bytes,
            "findings": findings.map(finding_json).collect::<Vec<_>>(),
        });
        if text.is_empty() {
            out.json_result(&json)?;
        } else {
            out.result(&text.join("\n"), &json)?;
        }
    }
    let how = match depth {
        Depth::Content => "read",
        _ => "looked up",
    };
    let text = format!(
        "{sound} of {chunks} chunks are sound ({} {how})",
        HumanBytes(bytes)
    );
    let json = json!({
        "event": "summary",
        "chunks": chunks,
        "sound": sound,
        "bytes": bytes,
        "unreadable": unreadable,
    });
    if chunks == 0 && unreadable > 0 {
        // The failure says more than that 0 of 0 are sound.
        out.json_result(&json)?;
    } else {
        out.result(&text, &json)?;
    }
    if let Some(failure) = first {
        return Err(failure);
    }
    if sound < chunks {
        let text = format!("{} of {chunks} chunks are not as archived", chunks - sound);
        return Err(Failure::damaged(text).hint(
            "if the service still has the recording, delete the receipt and run `archive put` with \
             the event that lies beside it",
        ));
    }
    Ok(())
}

fn finding_json(finding: &Finding) -> Value {
    let (kind, name) = match finding {
        Finding::Missing { name } => ("missing", Some(name)),
        Finding::Size { name, .. } => ("size", Some(name)),
        Finding::Content { name, .. } => ("content", Some(name)),
        _ => ("other", None),
    };
    json!({
        "kind": kind,
        "name": name.map(AsRef::<str>::as_ref),
        "message": finding.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_include_their_day_and_times_are_exact() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        assert_eq!(since("2026-11-25"), Ok(at("2026-11-25T00:00:00Z")));
        assert_eq!(until("2026-11-25"), Ok(at("2026-11-26T00:00:00Z")));
        let exact = "2026-11-25T18:00:00+01:00";
        assert_eq!(since(exact), Ok(at("2026-11-25T17:00:00Z")));
        assert_eq!(until(exact), since(exact));
        for text in [
            "",
            "yesterday",
            "2026-13-01",
            "2026-11-25T18:00",
            "9999-12-31T",
        ] {
            assert!(since(text).is_err(), "{text}");
        }
    }
}
