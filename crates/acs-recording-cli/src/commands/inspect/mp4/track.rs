//! What the movie says of its tracks.

use std::time::Duration;

use super::boxes::{Content, descriptor, time, timescale};
use super::samples::{Present, Samples};
use crate::commands::inspect::media::{Kind, Picture, Sound, Track, bit_rate};

/// A track with its samples.
pub(super) struct Stream {
    pub(super) id: u32,
    pub(super) codec: String,
    pub(super) coding: Coding,
    pub(super) samples: Samples,
    /// Ticks in a second.
    pub(super) scale: u32,
    /// Ticks at the beginning that are not played.
    pub(super) skipped: u64,
    /// How much is played, where that is told.
    pub(super) shown: Option<Duration>,
    entry: Entry,
}

/// How sound is decoded.
pub(super) enum Coding {
    Aac(Vec<u8>),
    Mp3,
    Other,
}

enum Entry {
    Sound(Sound),
    Picture { width: u32, height: u32 },
    Other,
}

impl Stream {
    pub(super) fn sound(&self) -> Option<Sound> {
        match self.entry {
            Entry::Sound(sound) => Some(sound),
            _ => None,
        }
    }

    /// The track, with so much of it.
    pub(super) fn track(&self, present: Present) -> Track {
        let time = |ticks| time(ticks, self.scale).unwrap_or_default();
        let all = time(present.ticks.saturating_sub(self.skipped));
        Track {
            kind: match self.entry {
                Entry::Sound(sound) => Kind::Sound(sound),
                Entry::Picture { width, height } => {
                    let (key_frames, key_bytes) = self.samples.keys(present);
                    Kind::Picture(Picture {
                        width,
                        height,
                        frames: present.count,
                        frame_rate: self.samples.rate(present, self.scale),
                        key_frames,
                        key_bytes,
                    })
                }
                Entry::Other => Kind::Other,
            },
            codec: self.codec.clone(),
            duration: self.shown.map_or(all, |shown| shown.min(all)),
            bytes: present.bytes,
            bit_rate: bit_rate(present.bytes, time(present.ticks)),
        }
    }
}

pub(super) fn streams(movie: Content<'_>) -> Vec<Stream> {
    let movie_scale = movie.find(&[b"mvhd"]).and_then(timescale);
    let tracks = movie.boxes(0).filter(|(name, _)| name == b"trak");
    tracks
        .filter_map(|(_, track)| stream(track, movie_scale.unwrap_or(0)))
        .collect()
}

/// One track, if its box is not cut off before it says what is in it.
fn stream(track: Content<'_>, movie_scale: u32) -> Option<Stream> {
    // It has the place that others have for their time scale.
    let id = track.find(&[b"tkhd"]).and_then(timescale);
    let media = track.find(&[b"mdia"])?;
    let header = media.find(&[b"mdhd"])?;
    let scale = timescale(header)?;
    let handler: [u8; 4] = media.find(&[b"hdlr"])?.bytes(8)?;
    let table = media.find(&[b"minf", b"stbl"])?;
    let (name, entry) = table.find(&[b"stsd"])?.boxes(8).next()?;
    let (codec, coding, entry) = match &handler {
        b"soun" => sound(name, entry, scale),
        b"vide" => {
            let side = |at| entry.short(at).unwrap_or_default().into();
            let shape = Entry::Picture {
                width: side(24),
                height: side(26),
            };
            (picture_codec(name), Coding::Other, shape)
        }
        _ => (text(name), Coding::Other, Entry::Other),
    };
    let (skipped, shown) = edit(track, movie_scale);
    Some(Stream {
        id: id.unwrap_or_default(),
        codec,
        coding,
        samples: Samples::read(table),
        scale,
        skipped,
        shown,
        entry,
    })
}

/// What an edit list leaves out at the beginning, and how much it shows.
fn edit(track: Content<'_>, movie_scale: u32) -> (u64, Option<Duration>) {
    let Some(list) = track.find(&[b"edts", b"elst"]) else {
        return (0, None);
    };
    let edits: Vec<(u64, i64)> = if list.version() == 1 {
        let rows = list.rows::<20>(4).map(|row| {
            let row = Content(&row);
            (row.huge(0), row.bytes(8).map(i64::from_be_bytes))
        });
        rows.filter_map(|(shown, from)| Some((shown?, from?)))
            .collect()
    } else {
        let rows = list.rows::<12>(4).map(|row| {
            let row = Content(&row);
            let from = row.bytes(4).map(i32::from_be_bytes);
            (row.long(0).map(u64::from), from.map(i64::from))
        });
        rows.filter_map(|(shown, from)| Some((shown?, from?)))
            .collect()
    };
    let mut played = edits
        .iter()
        .filter_map(|(shown, from)| Some((*shown, u64::try_from(*from).ok()?)));
    match (played.next(), played.next()) {
        // Fragments follow a movie without a length.
        (Some((0, from)), None) => (from, None),
        (Some((shown, from)), None) => (from, time(shown, movie_scale)),
        _ => (0, None),
    }
}

/// A name of four letters.
fn text(name: [u8; 4]) -> String {
    String::from_utf8_lossy(&name).trim().to_owned()
}

fn picture_codec(name: [u8; 4]) -> String {
    match &name {
        b"avc1" | b"avc3" => "H.264".to_owned(),
        b"hvc1" | b"hev1" => "H.265".to_owned(),
        b"av01" => "AV1".to_owned(),
        b"vp08" => "VP8".to_owned(),
        b"vp09" => "VP9".to_owned(),
        b"mp4v" => "MPEG-4 Visual".to_owned(),
        _ => text(name),
    }
}

fn sound(name: [u8; 4], entry: Content<'_>, scale: u32) -> (String, Coding, Entry) {
    let shape = Sound {
        channels: entry.short(16).unwrap_or_default().into(),
        sample_rate: entry
            .long(24)
            .map(|rate| rate >> 16)
            .filter(|rate| *rate > 0)
            .unwrap_or(scale),
        bits: None,
    };
    // QuickTime has more members in later versions, and boxes behind them.
    let behind = match entry.short(8) {
        Some(1) => 44,
        Some(2) => 64,
        _ => 28,
    };
    let boxes = || entry.boxes(behind);
    let config = boxes()
        .find(|(name, _)| name == b"esds")
        .or_else(|| {
            let (_, wave) = boxes().find(|(name, _)| name == b"wave")?;
            wave.boxes(0).find(|(name, _)| name == b"esds")
        })
        .and_then(|(_, esds)| decoder_config(esds.0.get(4..)?));
    match (&name, config) {
        (b"mp4a", Some((0x69 | 0x6B, _))) | (b".mp3", _) => {
            ("MP3".to_owned(), Coding::Mp3, Entry::Sound(shape))
        }
        (b"mp4a", Some((0x40 | 0x66..=0x68, config))) => {
            let (profile, rate, channels) = aac(config);
            let shape = Sound {
                channels: channels.unwrap_or(shape.channels),
                sample_rate: rate.unwrap_or(shape.sample_rate),
                bits: None,
            };
            let coding = Coding::Aac(config.to_vec());
            (profile.to_owned(), coding, Entry::Sound(shape))
        }
        (b"mp4a", _) => (
            "MPEG-4 audio".to_owned(),
            Coding::Other,
            Entry::Sound(shape),
        ),
        (b"Opus", _) => ("Opus".to_owned(), Coding::Other, Entry::Sound(shape)),
        (b"alac", _) => ("ALAC".to_owned(), Coding::Other, Entry::Sound(shape)),
        (b"ac-3" | b"ec-3", _) => ("AC-3".to_owned(), Coding::Other, Entry::Sound(shape)),
        (b"sowt" | b"twos" | b"lpcm" | b"raw ", _) => {
            ("PCM".to_owned(), Coding::Other, Entry::Sound(shape))
        }
        _ => (text(name), Coding::Other, Entry::Sound(shape)),
    }
}

/// The kind of stream and its configuration, within descriptors.
fn decoder_config(esds: &[u8]) -> Option<(u8, &[u8])> {
    let stream = descriptor(esds, 3)?;
    let flags = *stream.get(2)?;
    let mut at = 3;
    if flags & 0x80 != 0 {
        at += 2;
    }
    if flags & 0x40 != 0 {
        at += 1 + usize::from(*stream.get(at)?);
    }
    if flags & 0x20 != 0 {
        at += 2;
    }
    let decoder = descriptor(stream.get(at..)?, 4)?;
    let config = decoder.get(13..).and_then(|rest| descriptor(rest, 5));
    Some((*decoder.first()?, config.unwrap_or_default()))
}

/// Profile, sample rate and channels of AAC.
fn aac(config: &[u8]) -> (&'static str, Option<u32>, Option<usize>) {
    const RATES: [u32; 13] = [
        96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025,
        8_000, 7_350,
    ];
    let [a, b] = [0, 1].map(|at| config.get(at).copied().unwrap_or_default());
    let profile = match a >> 3 {
        1 => "AAC Main",
        2 => "AAC-LC",
        5 => "HE-AAC",
        29 => "HE-AAC v2",
        _ => "AAC",
    };
    let rate = RATES.get(usize::from((a & 7) << 1 | b >> 7)).copied();
    // The true rate of the others is further back.
    let channels = match b >> 3 & 15 {
        channels @ 1..=6 => Some(usize::from(channels)),
        7 => Some(8),
        _ => None,
    };
    match a >> 3 {
        1 | 2 => (profile, rate, channels.filter(|_| rate.is_some())),
        _ => (profile, None, None),
    }
}
