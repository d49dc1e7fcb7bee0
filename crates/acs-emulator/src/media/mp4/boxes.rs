//! The boxes of an MP4 file, without the media data.

use crate::media::SAMPLE_RATE;
use crate::media::format::PICTURE_RATE;

/// The units per second of all times in the file.
pub(super) const TIMESCALE: u32 = SAMPLE_RATE;
const WIDTH: u16 = 1920;
const HEIGHT: u16 = 1080;

/// The sample table of a track.
pub(super) struct Table {
    /// The durations as runs: the number of samples, and the duration of each.
    pub(super) durations: Vec<(usize, u32)>,
    pub(super) sizes: Vec<u32>,
    /// The numbers of the key frames, counted from 1. Empty if all samples are key frames.
    pub(super) keys: Vec<u32>,
    /// The number of samples in each chunk, and the chunk's offset in the file.
    pub(super) chunks: Vec<(u32, u64)>,
}

/// One track.
pub(super) struct TrackBox<'a> {
    pub(super) table: &'a Table,
    /// The length of the presentation, and the length of what is skipped before it.
    pub(super) length: u64,
    pub(super) skipped: u64,
    pub(super) codec: Codec<'a>,
}

/// The codec of a track.
pub(super) enum Codec<'a> {
    Video(&'a [Vec<u8>; 2]),
    Audio { config: &'a [u8], bit_rate: u32 },
}

pub(super) fn boxed(kind: [u8; 4], content: &[u8]) -> Vec<u8> {
    let mut out = count(content.len() + 8).to_be_bytes().to_vec();
    out.extend_from_slice(&kind);
    out.extend_from_slice(content);
    out
}

fn full(kind: [u8; 4], version_and_flags: u32, content: &[u8]) -> Vec<u8> {
    boxed(kind, &[&version_and_flags.to_be_bytes(), content].concat())
}

/// Converts a count or size to 32 bits; all of them fit.
pub(super) fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// Concatenates 32-bit numbers, big-endian.
fn words(words: impl IntoIterator<Item = u32>) -> Vec<u8> {
    words.into_iter().flat_map(u32::to_be_bytes).collect()
}

fn long(number: u64) -> [u32; 2] {
    [(number >> 32) as u32, (number & 0xFFFF_FFFF) as u32]
}

pub(super) fn file_type() -> Vec<u8> {
    boxed(*b"ftyp", b"isom\0\0\x02\0isomiso2avc1mp41")
}

/// All boxes except for the media data.
pub(super) fn movie(length: u64, tracks: &[TrackBox<'_>]) -> Vec<u8> {
    let mut header = words([0; 4]);
    header.extend(words([TIMESCALE]));
    header.extend(words(long(length)));
    header.extend(words([0x0001_0000, 0x0100_0000, 0, 0]));
    header.extend(matrix());
    header.extend(words([0; 6]));
    header.extend(words([count(tracks.len()) + 1]));
    let mut content = full(*b"mvhd", 1 << 24, &header);
    for (track, id) in tracks.iter().zip(1..) {
        content.extend(track.boxed(id));
    }
    boxed(*b"moov", &content)
}

fn matrix() -> Vec<u8> {
    words([0x0001_0000, 0, 0, 0, 0x0001_0000, 0, 0, 0, 0x4000_0000])
}

impl TrackBox<'_> {
    fn boxed(&self, id: u32) -> Vec<u8> {
        let video = matches!(self.codec, Codec::Video(_));
        let mut header = words([0; 4]);
        header.extend(words([id, 0]));
        header.extend(words(long(self.length)));
        header.extend(words([0, 0, 0, if video { 0 } else { 0x0100_0000 }]));
        header.extend(matrix());
        let [width, height] = if video { [WIDTH, HEIGHT] } else { [0, 0] };
        header.extend(words([width, height].map(|side| u32::from(side) << 16)));

        let mut edit = words([1]);
        edit.extend(words(long(self.length)));
        edit.extend(words(long(self.skipped)));
        edit.extend(words([0x0001_0000]));

        let mut content = full(*b"tkhd", 1 << 24 | 3, &header);
        content.extend(boxed(*b"edts", &full(*b"elst", 1 << 24, &edit)));
        content.extend(self.media(video));
        boxed(*b"trak", &content)
    }

    fn media(&self, video: bool) -> Vec<u8> {
        let total: u64 = self
            .table
            .durations
            .iter()
            .fold(0, |sum, (count, duration)| {
                sum + *count as u64 * u64::from(*duration)
            });
        let mut header = words([0; 4]);
        header.extend(words([TIMESCALE]));
        header.extend(words(long(total)));
        header.extend([0x55, 0xC4, 0, 0]); // undetermined language
        let [handler, media_header] = if video {
            [&b"vide"[..], &full(*b"vmhd", 1, &[0; 8])]
        } else {
            [&b"soun"[..], &full(*b"smhd", 0, &[0; 4])]
        };
        let handler = [&[0; 4], handler, &[0; 13]].concat();
        let reference = full(
            *b"dref",
            0,
            &[&words([1])[..], &full(*b"url ", 1, &[])].concat(),
        );

        let information = [
            media_header,
            &boxed(*b"dinf", &reference),
            &boxed(*b"stbl", &self.samples()),
        ]
        .concat();
        let content = [
            full(*b"mdhd", 1 << 24, &header),
            full(*b"hdlr", 0, &handler),
            boxed(*b"minf", &information),
        ];
        boxed(*b"mdia", &content.concat())
    }

    fn samples(&self) -> Vec<u8> {
        let table = self.table;
        let entry = match &self.codec {
            Codec::Video(parameters) => video_entry(parameters),
            Codec::Audio { config, bit_rate } => audio_entry(config, *bit_rate),
        };
        let listed = |numbers: Vec<u32>, count: usize| {
            let mut content = words([self::count(count)]);
            content.extend(words(numbers));
            content
        };
        let durations = table.durations.iter();
        let durations = durations.flat_map(|(count, duration)| [self::count(*count), *duration]);
        let mut sizes = words([0]);
        sizes.extend(listed(table.sizes.clone(), table.sizes.len()));
        let chunks = table.chunks.len();
        let per_chunk = (1..).zip(&table.chunks);
        let per_chunk = per_chunk.flat_map(|(number, (samples, _))| [number, *samples, 1]);
        let offsets = table.chunks.iter().flat_map(|(_, offset)| long(*offset));
        let mut content = full(*b"stsd", 0, &[&words([1])[..], &entry].concat());
        content.extend(full(
            *b"stts",
            0,
            &listed(durations.collect(), table.durations.len()),
        ));
        if !table.keys.is_empty() {
            content.extend(full(
                *b"stss",
                0,
                &listed(table.keys.clone(), table.keys.len()),
            ));
        }
        content.extend(full(*b"stsc", 0, &listed(per_chunk.collect(), chunks)));
        content.extend(full(*b"stsz", 0, &sizes));
        content.extend(full(*b"co64", 0, &listed(offsets.collect(), chunks)));
        content
    }
}

fn video_entry(parameters: &[Vec<u8>; 2]) -> Vec<u8> {
    let [sequence, picture] = parameters;
    let mut config = vec![1];
    config.extend(sequence.get(1..4).unwrap_or_default());
    config.extend([0xFF, 0xE1]);
    for (index, unit) in [sequence, picture].into_iter().enumerate() {
        if index == 1 {
            config.push(1);
        }
        config.extend(u16::try_from(unit.len()).unwrap_or(u16::MAX).to_be_bytes());
        config.extend(unit);
    }
    let mut content = vec![0, 0, 0, 0, 0, 0, 0, 1];
    content.extend([0; 16]);
    content.extend(WIDTH.to_be_bytes());
    content.extend(HEIGHT.to_be_bytes());
    content.extend(words([0x0048_0000, 0x0048_0000, 0]));
    content.extend([0, 1]);
    content.extend([0; 32]);
    content.extend([0, 24, 0xFF, 0xFF]);
    content.extend(boxed(*b"avcC", &config));
    boxed(*b"avc1", &content)
}

fn audio_entry(config: &[u8], bit_rate: u32) -> Vec<u8> {
    let descriptor = |tag: u8, content: &[u8]| {
        let length = u8::try_from(content.len()).unwrap_or(u8::MAX);
        [&[tag, length][..], content].concat()
    };
    let mut decoder = vec![0x40, 0x15, 0, 0, 0];
    decoder.extend(words([bit_rate, bit_rate]));
    decoder.extend(descriptor(5, config));
    let mut stream = vec![0, 1, 0];
    stream.extend(descriptor(4, &decoder));
    stream.extend(descriptor(6, &[2]));

    let mut content = vec![0, 0, 0, 0, 0, 0, 0, 1];
    content.extend([0; 8]);
    content.extend([0, 1, 0, 16, 0, 0, 0, 0]);
    content.extend(words([TIMESCALE << 16]));
    content.extend(full(*b"esds", 0, &descriptor(3, &stream)));
    boxed(*b"mp4a", &content)
}

/// The duration of a picture in ticks.
pub(super) const PICTURE: u32 = TIMESCALE / PICTURE_RATE;
