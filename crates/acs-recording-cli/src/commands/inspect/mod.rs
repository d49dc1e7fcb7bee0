//! `inspect`: shows what is in a recording.

mod codec;
mod levels;
mod media;
mod mp3;
mod mp4;
mod names;
mod open;
mod other;
mod pcm;
mod picture;
mod report;
mod source;
mod wav;

use std::path::{Path, PathBuf};

use acs_recording::RecordingMetadata;
use clap::Args;

use crate::failure::Failure;
use crate::output::Output;
use report::Report;

/// Shows format, tracks, duration, and a waveform with levels for each channel of a recording
///
/// The file is WAV, MP3 or MP4. The format is detected from the content, not from the name. A
/// truncated file is reported as truncated, with its readable part.
///
/// The level is the root mean square of all samples, relative to the loudest possible square wave.
/// Speech is the share of 20 ms windows that are louder than -45 dBFS. Video is not decoded: the sizes
/// of its coded frames only suggest that it is black or still.
///
/// Participants' names come from the metadata document beside the file: the one that
/// `NAME.manifest.json` lists, `NAME.json` for `NAME.wav`, or `0-acsmetadata.json` and
/// `0-acsmetadata.DOCUMENT.json` as the service names it in your own storage. A document of another
/// chunk is not used.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  acs-recording inspect recordings/0-weu-d1-….000.wav
  acs-recording inspect call.wav --metadata call-metadata.json --png call.png
  acs-recording inspect recordings/*.mp4 --output json | jq '{path, truncated, warnings}'

JSON, for every format: {\"path\", \"format\", \"duration_ms\", \"truncated\", \"sample_rate\", \"bits\",
\"metadata\", \"tracks\": [{\"track\", \"kind\", \"codec\", \"duration_ms\", \"bytes\", \"bit_rate\", …}],
\"channels\": [{\"channel\", \"track\", \"participant\", \"rms_dbfs\", \"peak_dbfs\", \"speech\", \"silence\",
\"waveform\"}], \"warnings\": [TEXT], \"notes\": [TEXT]}. format is wav, mp3 or mp4, kind is audio,
video or other. Tracks with sound also have channels, sample_rate and bits; those with pictures
have width, height, frame_rate, frames, key_frames, frame_bytes and key_frame_bytes, the last two
on average. metadata is the document used for names. Levels are null for digital silence, speech
and silence are shares of 1, and waveform has the peak of each of --width spans, from 0 to 1.
channels is empty where levels are not known. warnings tell what is missing or wrong, notes what
may well be intended, such as silence. A path that is not UTF-8 is also given as path_base64.

Exit codes: 0 also for a truncated file; 6 if nothing in the file can be read.")]
pub(crate) struct Inspect {
    /// Files to inspect
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Metadata document of a single file; takes precedence over a document beside the file
    #[arg(long, value_name = "FILE")]
    metadata: Option<PathBuf>,
    /// Writes the waveforms of a single file to a PNG image; overwrites only PNG images
    #[arg(long, value_name = "FILE")]
    png: Option<PathBuf>,
    /// Width of the waveforms in characters
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u16).range(8..=1000))]
    width: u16,
}

impl Inspect {
    /// The hint after Ctrl-C.
    pub(crate) fn when_interrupted(&self) -> &'static str {
        match self.png {
            Some(_) => "the image may be missing or incomplete",
            None => "nothing was changed",
        }
    }
}

/// Runs on its own thread, so that Ctrl-C does not wait for a long file.
pub(crate) async fn run(options: Inspect, out: &Output) -> Result<(), Failure> {
    let out = out.clone();
    let work = tokio::task::spawn_blocking(move || inspect_all(&options, &out));
    work.await.map_err(|error| Failure::other(&error))?
}

fn inspect_all(options: &Inspect, out: &Output) -> Result<(), Failure> {
    let single = [("--metadata", &options.metadata), ("--png", &options.png)];
    for (name, value) in single {
        if value.is_some() && options.files.len() > 1 {
            let text = format!("{name} requires a single file");
            return Err(Failure::usage(text));
        }
    }
    let mut first = None;
    for (number, file) in options.files.iter().enumerate() {
        match inspect(file, options, number > 0, out) {
            Ok(()) => {}
            Err(failure) if first.is_none() => first = Some(failure),
            Err(failure) => out.failure(&failure),
        }
    }
    first.map_or(Ok(()), Err)
}

fn inspect(path: &Path, options: &Inspect, follows: bool, out: &Output) -> Result<(), Failure> {
    if let Some(picture) = &options.png {
        picture::check(picture)?;
    }
    // An image has more columns than a terminal.
    let widths = [options.width.into(), picture::WIDTH];
    let widths = &widths[..if options.png.is_some() { 2 } else { 1 }];
    let media = open::read(path, widths)?;
    let document = match &options.metadata {
        Some(document) => names::given(document)?,
        None => names::beside(path),
    };
    let names: Vec<_> = (0..media.channels.len())
        .map(|channel| name(document.content.as_ref(), channel))
        .collect();
    if let Some(picture) = &options.png {
        picture::write(picture, &media, &names)?;
        out.note(&format!("{} written", picture.display()));
    }
    let mut warnings = media.warnings.clone();
    warnings.extend(document.warning);
    let report = Report {
        path,
        media: &media,
        metadata: document.path.as_deref(),
        names: &names,
        warnings: &warnings,
        notes: &report::notes(&media),
    };
    // An empty line separates files.
    let space = if follows { "\n" } else { "" };
    out.result(&format!("{space}{}", report.text()), &report.json())
}

fn name(metadata: Option<&RecordingMetadata>, channel: usize) -> Option<String> {
    let channel = u64::try_from(channel).ok()?;
    metadata?.participant_on(channel).map(ToString::to_string)
}
