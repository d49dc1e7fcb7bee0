//! `inspect`: a WAV file to look at.

mod measure;
mod picture;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use acs_recording::RecordingMetadata;
use clap::Args;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::metadata::{milliseconds, read};
use crate::output::Output;
use crate::text::clock;
use measure::{Channel, Sound};

const BLOCKS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Shows a WAV file: format, length, and for each channel a waveform, level and share of speech
///
/// The level is the root mean square of all samples, against the loudest possible square wave.
/// Speech are the moments of 20 ms that are louder than -45 dBFS. Participants' names come from the
/// metadata document beside the file, `NAME.json` for `NAME.wav`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  acs-recording inspect recordings/0-weu-d1-….000.wav
  acs-recording inspect call.wav --metadata call-metadata.json --png call.png

JSON: {\"path\", \"sample_rate\", \"bits\", \"duration_ms\", \"channels\": [{\"channel\", \"participant\",
\"rms_dbfs\", \"peak_dbfs\", \"speech\", \"silence\", \"waveform\"}]}; levels are null for digital silence,
speech and silence are shares of 1, and waveform has the peak of each of --width spans, from 0 to 1.")]
pub(crate) struct Inspect {
    /// The file
    file: PathBuf,
    /// The metadata document, if it is elsewhere
    #[arg(long, value_name = "FILE")]
    metadata: Option<PathBuf>,
    /// Writes the same as a picture
    #[arg(long, value_name = "FILE")]
    png: Option<PathBuf>,
    /// How many characters wide waveforms are
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u16).range(8..=1000))]
    width: u16,
}

impl Inspect {
    /// How to go on after Ctrl-C.
    pub(crate) fn when_interrupted(&self) -> &'static str {
        match self.png {
            Some(_) => "the picture may be missing or incomplete",
            None => "nothing was changed",
        }
    }
}

/// On a thread of its own: a long file takes a while, and Ctrl-C does not wait for it.
pub(crate) async fn run(options: Inspect, out: &Output) -> Result<(), Failure> {
    let out = out.clone();
    let work = tokio::task::spawn_blocking(move || inspect(&options, &out));
    work.await.map_err(|error| Failure::other(&error))?
}

fn inspect(options: &Inspect, out: &Output) -> Result<(), Failure> {
    if let Some(picture) = &options.png {
        keep_inputs(options, picture)?;
    }
    let path = &options.file;
    let width = usize::from(options.width);
    let sound = measure::measure(path, width)?;
    let metadata = metadata(options)?;
    let names: Vec<_> = (0..sound.channels.len())
        .map(|channel| name(metadata.as_ref(), channel))
        .collect();
    if let Some(picture) = &options.png {
        // A picture has more columns than a terminal.
        picture::write(picture, &measure::measure(path, picture::WIDTH)?, &names)?;
        out.note(&format!("{} written", picture.display()));
    }
    out.result(&text(path, &sound, &names), &to_json(path, &sound, &names))
}

/// Refuses a picture in place of a recording or its document, by whatever name.
fn keep_inputs(options: &Inspect, picture: &Path) -> Result<(), Failure> {
    let document = options.metadata.clone();
    let document = document.unwrap_or_else(|| options.file.with_extension("json"));
    for input in [&options.file, &document] {
        if is_same(input, picture) {
            let text = format!(
                "--png {} would replace {}",
                picture.display(),
                input.display()
            );
            return Err(Failure::usage(text).advise("choose another name for the picture"));
        }
    }
    Ok(())
}

#[cfg(unix)]
fn is_same(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    // Links have the number of what they lead to.
    let identity = |path| {
        std::fs::metadata(path)
            .map(|file| (file.dev(), file.ino()))
            .ok()
    };
    identity(one).is_some_and(|file| identity(other) == Some(file))
}

#[cfg(not(unix))]
fn is_same(one: &Path, other: &Path) -> bool {
    let place = |path: &Path| path.canonicalize().ok();
    place(one).is_some_and(|path| place(other) == Some(path))
}

/// The document that is given, or one beside the file, if that is one.
fn metadata(options: &Inspect) -> Result<Option<RecordingMetadata>, Failure> {
    if let Some(path) = &options.metadata {
        return read(path).map(Some);
    }
    Ok(read(&options.file.with_extension("json")).ok())
}

fn name(metadata: Option<&RecordingMetadata>, channel: usize) -> Option<String> {
    let channel = u64::try_from(channel).ok()?;
    metadata?.participant_on(channel).map(ToString::to_string)
}

fn text(path: &Path, sound: &Sound, names: &[Option<String>]) -> String {
    let mut text = format!("{}: {}", path.display(), headline(sound));
    for (number, (channel, name)) in sound.channels.iter().zip(names).enumerate() {
        let _ = write!(
            text,
            "\n\nchannel {number}  {}\n|{}|\n{}",
            name.as_deref().unwrap_or("(no name)"),
            waveform(channel),
            facts(channel),
        );
    }
    text
}

/// What all channels have in common.
fn headline(sound: &Sound) -> String {
    let count = sound.channels.len();
    let plural = if count == 1 { "" } else { "s" };
    format!(
        "WAV, {count} channel{plural}, {} Hz, {} bit, {}",
        sound.sample_rate,
        sound.bits,
        clock(sound.duration)
    )
}

fn facts(channel: &Channel) -> String {
    format!(
        "level {}, peak {}, speech {:.0} %, silence {:.0} %",
        decibels(channel.rms),
        decibels(channel.peak),
        channel.speech * 100.0,
        (1.0 - channel.speech) * 100.0,
    )
}

fn decibels(level: f64) -> String {
    measure::decibels(level).map_or("silent".to_owned(), |level| format!("{level:.1} dBFS"))
}

fn waveform(channel: &Channel) -> String {
    // Square roots show quiet speech, too, and anything at all shows.
    let shown = |peak: f64| {
        let step = (1_u8..8).find(|&step| peak.sqrt() * 8.0 < f64::from(step) + 0.5);
        match step {
            _ if peak <= 0.0 => BLOCKS.first(),
            step => BLOCKS.get(usize::from(step.unwrap_or(8))),
        }
    };
    let columns = channel.columns.iter();
    columns.filter_map(|peak| shown(*peak)).collect()
}

fn to_json(path: &Path, sound: &Sound, names: &[Option<String>]) -> Value {
    let round = |value: f64, digits: f64| (value * digits).round() / digits;
    let level = |level: f64| measure::decibels(level).map(|level| round(level, 10.0));
    let channels: Vec<_> = sound
        .channels
        .iter()
        .zip(names)
        .enumerate()
        .map(|(number, (channel, name))| {
            let waveform: Vec<_> = channel
                .columns
                .iter()
                .map(|peak| round(*peak, 1e3))
                .collect();
            json!({
                "channel": number,
                "participant": name,
                "rms_dbfs": level(channel.rms),
                "peak_dbfs": level(channel.peak),
                "speech": round(channel.speech, 1e3),
                "silence": round(1.0 - channel.speech, 1e3),
                "waveform": waveform,
            })
        })
        .collect();
    json!({
        "path": path.to_string_lossy(),
        "sample_rate": sound.sample_rate,
        "bits": sound.bits,
        "duration_ms": milliseconds(sound.duration),
        "channels": channels,
    })
}
