//! What was found, as text and as JSON.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use super::levels::{self, Channel};
use super::media::{Kind, Media, Picture, Track};
use crate::metadata_document::milliseconds;
use crate::text::{clock, one_line, put_path};

const BLOCKS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Pixels of a picture that are coded together.
const MACROBLOCK: u64 = 16 * 16;

/// What is told of a file.
pub(super) struct Report<'a> {
    pub(super) path: &'a Path,
    pub(super) media: &'a Media,
    /// The metadata document that was used.
    pub(super) metadata: Option<&'a Path>,
    pub(super) names: &'a [Option<String>],
    /// What is wrong, and what is only to be known.
    pub(super) warnings: &'a [String],
    pub(super) notes: &'a [String],
}

impl Report<'_> {
    pub(super) fn text(&self) -> String {
        let path = self.path.display().to_string();
        let mut text = format!("{}: {}", one_line(&path), headline(self.media));
        // The headline says all of a file with nothing but sound.
        if !self.media.tracks.is_empty() && single_sound(self.media).is_none() {
            for (number, track) in self.media.tracks.iter().enumerate() {
                let _ = write!(text, "\ntrack {number}  {}", one_line(&line(track)));
            }
        }
        for (kind, remarks) in [("warning", self.warnings), ("note", self.notes)] {
            for remark in remarks {
                let _ = write!(text, "\n{kind}: {}", one_line(remark));
            }
        }
        for (number, (channel, name)) in self.media.channels.iter().zip(self.names).enumerate() {
            let _ = write!(
                text,
                "\n\nchannel {number}  {}\n|{}|\n{}",
                one_line(name.as_deref().unwrap_or("(no name)")),
                waveform(channel),
                facts(channel),
            );
        }
        text
    }

    pub(super) fn json(&self) -> Value {
        let media = self.media;
        let sound = media.tracks.iter().find_map(Track::sound);
        let tracks = media.tracks.iter().enumerate();
        let channels = media.channels.iter().zip(self.names).enumerate();
        let mut report = json!({
            "format": media.format.json_name(),
            "duration_ms": milliseconds(media.duration),
            "truncated": media.truncated,
            "sample_rate": sound.map(|sound| sound.sample_rate),
            "bits": sound.and_then(|sound| sound.bits),
            "metadata": null,
            "tracks": tracks.map(track_json).collect::<Vec<_>>(),
            "channels": channels.map(channel_json).collect::<Vec<_>>(),
            "warnings": self.warnings,
            "notes": self.notes,
        });
        put_path(&mut report, "path", self.path);
        if let Some(document) = self.metadata {
            put_path(&mut report, "metadata", document);
        }
        report
    }
}

/// The track of a file that has no other, if it is sound.
fn single_sound(media: &Media) -> Option<&Track> {
    match &media.tracks[..] {
        [track] if track.sound().is_some() => Some(track),
        _ => None,
    }
}

/// What there is, on one line.
pub(super) fn headline(media: &Media) -> String {
    let mut parts = vec![media.format.name().to_owned()];
    match single_sound(media) {
        Some(track) => {
            let codec =
                Some(&track.codec).filter(|codec| !parts.contains(codec) && *codec != "PCM");
            parts.extend(codec.cloned());
            parts.extend(sound_facts(track));
        }
        None => parts.push(match media.tracks.len() {
            0 => "no tracks".to_owned(),
            1 => "1 track".to_owned(),
            count => format!("{count} tracks"),
        }),
    }
    if !media.tracks.is_empty() {
        parts.push(clock(media.duration));
    }
    if media.truncated {
        parts.push("cut off".to_owned());
    }
    parts.join(", ")
}

fn sound_facts(track: &Track) -> Vec<String> {
    let Some(sound) = track.sound() else {
        return Vec::new();
    };
    let plural = if sound.channels == 1 { "" } else { "s" };
    let mut facts = vec![
        format!("{} channel{plural}", sound.channels),
        format!("{} Hz", sound.sample_rate),
    ];
    match sound.bits {
        Some(bits) => facts.push(format!("{bits} bit")),
        None => facts.extend(track.bit_rate.map(kilobits)),
    }
    facts
}

fn kilobits(rate: u64) -> String {
    format!("{} kbit/s", (rate + 500) / 1000)
}

/// One of several tracks.
fn line(track: &Track) -> String {
    let mut facts = match &track.kind {
        Kind::Sound(_) => {
            let mut facts = vec![format!("audio: {}", track.codec)];
            facts.extend(sound_facts(track));
            facts
        }
        Kind::Picture(picture) => {
            let mut facts = vec![
                format!("picture: {}", track.codec),
                format!("{} x {}", picture.width, picture.height),
            ];
            if let Some(rate) = picture.frame_rate {
                facts.push(format!("{} frames per second", round(rate, 100.0)));
            }
            facts.extend(track.bit_rate.map(kilobits));
            facts.push(format!(
                "{} frames of {} bytes on average",
                picture.frames,
                average(track, picture)
            ));
            facts
        }
        Kind::Other => vec![format!("other: {}", track.codec)],
    };
    facts.push(clock(track.duration));
    facts.join(", ")
}

fn average(track: &Track, picture: &Picture) -> u64 {
    track.bytes / picture.frames.max(1)
}

/// What is to be known of a file that may well be whole: silence, and what the sizes of coded
/// pictures suggest. They are not decoded, so it is no more than that.
pub(super) fn notes(media: &Media) -> Vec<String> {
    let mut notes = Vec::new();
    for (number, track) in media.tracks.iter().enumerate() {
        if let Kind::Picture(picture) = &track.kind {
            let hint = picture_hint(track, picture);
            notes.extend(hint.map(|hint| format!("Track {number}: {hint}")));
        }
    }
    let has_sound = media.tracks.iter().any(|track| track.sound().is_some());
    let has_levels = !media.channels.is_empty() && media.duration.as_nanos() > 0;
    if has_levels && media.channels.iter().all(is_silent) {
        notes.push("The audio is digital silence from beginning to end.".to_owned());
    } else if !has_sound && !media.tracks.is_empty() {
        notes.push("There is no audio track.".to_owned());
    }
    notes
}

fn is_silent(channel: &Channel) -> bool {
    levels::decibels(channel.peak).is_none()
}

fn picture_hint(track: &Track, picture: &Picture) -> Option<String> {
    let blocks = u64::from(picture.width) * u64::from(picture.height) / MACROBLOCK;
    if picture.frames == 0 {
        return Some("it has no frames.".to_owned());
    }
    if blocks == 0 || picture.key_frames == 0 {
        return None;
    }
    let others = picture.frames - picture.key_frames.min(picture.frames);
    let key_bits = picture.key_bytes * 8 / picture.key_frames;
    let other_bits = (track.bytes.saturating_sub(picture.key_bytes) * 8).checked_div(others);
    // What is to be seen takes more than a byte for each block of a whole picture, and what changes
    // more than a bit for a sixteenth of them.
    let is_flat = key_bits < blocks * 8;
    let is_still = other_bits.is_none_or(|bits| bits < blocks / 16);
    let size = key_bits / 8;
    match (is_flat, is_still) {
        (true, true) => Some(format!(
            "a whole picture takes {size} bytes and hardly anything changes. It may be black, of one \
             colour, or a still picture with little in it; a player shows which."
        )),
        (false, true) if others > 0 => Some(
            "hardly anything changes from picture to picture. It may be a still picture; a player \
             shows whether it is."
                .to_owned(),
        ),
        _ => None,
    }
}

pub(super) fn facts(channel: &Channel) -> String {
    format!(
        "level {}, peak {}, speech {:.0} %, silence {:.0} %",
        decibels(channel.rms),
        decibels(channel.peak),
        channel.speech * 100.0,
        (1.0 - channel.speech) * 100.0,
    )
}

fn decibels(level: f64) -> String {
    levels::decibels(level).map_or("silent".to_owned(), |level| format!("{level:.1} dBFS"))
}

fn waveform(channel: &Channel) -> String {
    // Square roots show quiet speech, too, and anything at all shows.
    let shown = |peak: f64| {
        let step = (1_u8..8).find(|&step| peak.sqrt() * 8.0 < f64::from(step) + 0.5);
        match step {
            _ if levels::decibels(peak).is_none() => BLOCKS.first(),
            step => BLOCKS.get(usize::from(step.unwrap_or(8))),
        }
    };
    let columns = channel.waveforms.first().into_iter().flatten();
    columns.filter_map(|peak| shown(*peak)).collect()
}

fn round(value: f64, digits: f64) -> f64 {
    (value * digits).round() / digits
}

fn track_json((number, track): (usize, &Track)) -> Value {
    let mut value = json!({
        "track": number,
        "kind": match track.kind {
            Kind::Sound(_) => "audio",
            Kind::Picture(_) => "video",
            Kind::Other => "other",
        },
        "codec": track.codec,
        "duration_ms": milliseconds(track.duration),
        "bytes": track.bytes,
        "bit_rate": track.bit_rate,
    });
    match &track.kind {
        Kind::Sound(sound) => {
            value["channels"] = sound.channels.into();
            value["sample_rate"] = sound.sample_rate.into();
            value["bits"] = sound.bits.into();
        }
        Kind::Picture(picture) => {
            value["width"] = picture.width.into();
            value["height"] = picture.height.into();
            value["frame_rate"] = picture.frame_rate.map(|rate| round(rate, 100.0)).into();
            value["frames"] = picture.frames.into();
            value["key_frames"] = picture.key_frames.into();
            value["frame_bytes"] = average(track, picture).into();
            value["key_frame_bytes"] = picture.key_bytes.checked_div(picture.key_frames).into();
        }
        Kind::Other => {}
    }
    value
}

fn channel_json((number, (channel, name)): (usize, (&Channel, &Option<String>))) -> Value {
    let level = |level: f64| levels::decibels(level).map(|level| round(level, 10.0));
    let columns = channel.waveforms.first().into_iter().flatten();
    json!({
        "channel": number,
        "track": channel.track,
        "participant": name,
        "rms_dbfs": level(channel.rms),
        "peak_dbfs": level(channel.peak),
        "speech": round(channel.speech, 1e3),
        "silence": round(1.0 - channel.speech, 1e3),
        "waveform": columns.map(|peak| round(*peak, 1e3)).collect::<Vec<_>>(),
    })
}
