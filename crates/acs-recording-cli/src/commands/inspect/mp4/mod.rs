//! MP4 files: what tracks there are, and the sound of those that can be decoded.

mod boxes;
mod fragments;
mod samples;
#[cfg(test)]
mod tests;
mod track;

use std::time::Duration;

use super::codec::Decoder;
use super::levels::{Channel, Meter};
use super::media::{Format, MOST_CHANNELS, Media, Problem, Track};
use super::source::Source;
use boxes::{Content, header, time, timescale};
use samples::Present;
use track::{Coding, Stream};

/// Boxes that such a file may begin with.
const FIRST: [&[u8; 4]; 9] = [
    b"ftyp", b"moov", b"mdat", b"moof", b"styp", b"free", b"skip", b"wide", b"pnot",
];
/// The largest lists of tracks and samples that are read. Four hours take about 4 MB.
const LARGEST_MOVIE: u64 = 256 << 20;

pub(super) fn is_mp4(head: &[u8]) -> bool {
    let name = head.get(4..8);
    name.is_some_and(|name| FIRST.iter().any(|first| *first == name))
}

/// The boxes of the file itself.
#[derive(Default)]
struct Layout {
    /// The list of tracks.
    movie: Option<Vec<u8>>,
    /// Lists of samples, with their places.
    fragments: Vec<(u64, Vec<u8>)>,
    /// Bytes for media data.
    data: u64,
    /// Whether the file ends within a box.
    is_cut: bool,
}

pub(super) fn read(source: &mut Source, widths: &[usize]) -> Result<Media, Problem> {
    let layout = layout(source)?;
    let mut warnings = Vec::new();
    let mut truncated = layout.is_cut;
    let mut streams = Vec::new();
    let mut announced = None;
    if let Some(movie) = layout.movie.as_deref().map(Content) {
        announced = duration(movie);
        streams = track::streams(movie);
        fragments::add(movie, &layout.fragments, &mut streams);
        if streams.is_empty() {
            warnings.push("There are no tracks.".to_owned());
        }
    } else {
        warnings.push(no_movie(&layout));
    }
    let mut tracks = Vec::new();
    let mut channels = Vec::new();
    for (number, stream) in streams.iter().enumerate() {
        let present = stream.samples.present(source.len);
        let (there, count) = (present.count, stream.samples.count());
        if there < count {
            truncated = true;
            let text =
                format!("Only {there} of {count} samples of track {number} are in the file.");
            warnings.push(text);
        }
        channels.extend(sound(
            source,
            stream,
            present,
            number,
            widths,
            &mut warnings,
        )?);
        tracks.push(stream.track(present));
    }
    if layout.is_cut && warnings.is_empty() {
        warnings.push("The file ends within a box.".to_owned());
    }
    let longest = tracks.iter().map(|track: &Track| track.duration).max();
    // What is announced is right for a whole file only.
    let announced = announced.filter(|_| !truncated);
    Ok(Media {
        format: Format::Mp4,
        duration: longest.max(announced).unwrap_or_default(),
        truncated,
        tracks,
        channels,
        warnings,
    })
}

fn no_movie(layout: &Layout) -> String {
    let data = layout.data;
    let why = if layout.is_cut {
        "it is truncated before its list of tracks"
    } else {
        "the program that wrote it did not finish it"
    };
    format!(
        "There is no moov box, the list of tracks: no player finds picture or sound in this file. \
         It has {data} bytes of media data; perhaps {why}."
    )
}

fn layout(source: &mut Source) -> Result<Layout, Problem> {
    let mut layout = Layout::default();
    let mut position = 0;
    let mut lists = 0_u64;
    while position < source.len {
        source.seek(position)?;
        let head = source.up_to(16)?;
        let Some((name, head, size)) = header(&head) else {
            layout.is_cut = true;
            break;
        };
        let end = position.saturating_add(size.unwrap_or(source.len - position));
        layout.is_cut |= end > source.len;
        let content = position + head as u64;
        let len = end.min(source.len).saturating_sub(content);
        match &name {
            b"moov" | b"moof" => {
                lists = lists.saturating_add(len);
                if lists > LARGEST_MOVIE {
                    let text = format!("an MP4 file whose lists of samples have {lists} bytes");
                    return Err(Problem::content(text));
                }
                source.seek(content)?;
                let bytes = source.up_to(usize::try_from(len).unwrap_or(usize::MAX))?;
                if &name == b"moov" {
                    layout.movie.get_or_insert(bytes);
                } else {
                    layout.fragments.push((position, bytes));
                }
            }
            b"mdat" => layout.data = layout.data.saturating_add(len),
            _ => {}
        }
        position = end;
    }
    Ok(layout)
}

/// The length that is announced for all.
fn duration(movie: Content<'_>) -> Option<Duration> {
    let header = movie.find(&[b"mvhd"])?;
    let duration = header.by_version(16, 24)?;
    let is_unknown = match header.version() {
        1 => duration == u64::MAX,
        _ => duration == u64::from(u32::MAX),
    };
    if is_unknown {
        return None;
    }
    time(duration, timescale(header)?)
}

/// The levels of a track with sound.
fn sound(
    source: &mut Source,
    stream: &Stream,
    present: Present,
    number: usize,
    widths: &[usize],
    warnings: &mut Vec<String>,
) -> Result<Vec<Channel>, Problem> {
    let Some(sound) = stream.sound() else {
        return Ok(Vec::new());
    };
    let decoder = match &stream.coding {
        Coding::Aac(config) => Decoder::aac(config),
        Coding::Mp3 => Decoder::mp3(sound.channels),
        Coding::Other => None,
    };
    let Some(decoder) = decoder.filter(|decoder| decoder.channels() <= MOST_CHANNELS) else {
        warnings.push(format!("The levels of {} are not known.", stream.codec));
        return Ok(Vec::new());
    };
    // What is there counts, without what is left out before the sound and after it.
    let rate = u128::from(sound.sample_rate);
    let frames = |ticks: u64| {
        let frames = (u128::from(ticks) * rate).checked_div(u128::from(stream.scale));
        u64::try_from(frames.unwrap_or(0)).unwrap_or(u64::MAX)
    };
    let there = frames(present.ticks.saturating_sub(stream.skipped));
    let shown = stream.shown.map_or(there, |shown| {
        let frames = shown.as_nanos() * rate / 1_000_000_000;
        there.min(u64::try_from(frames).unwrap_or(u64::MAX))
    });
    let mut decoder = decoder.trim(frames(stream.skipped), shown);
    let mut meter = Meter::new(decoder.channels(), shown, sound.sample_rate, widths);
    let mut unit = Vec::new();
    let mut units = 0;
    for sample in stream.samples.truncated_to(source.len) {
        source.seek(sample.offset)?;
        unit.resize(usize::try_from(sample.size).unwrap_or(0), 0);
        if source.read(&mut unit)? < unit.len() {
            break;
        }
        units += 1;
        let frames = u32::try_from(frames(sample.duration.into())).unwrap_or(0);
        decoder.feed(&unit, frames, &mut meter);
    }
    if decoder.failed > 0 {
        let (failed, codec) = (decoder.failed, &stream.codec);
        warnings.push(format!(
            "{failed} of {units} units of {codec} could not be decoded."
        ));
    }
    if decoder.failed == units {
        return Ok(Vec::new());
    }
    Ok(meter.finish(number))
}
