//! MP4 files: a test card with a clock, and the mixed audio as AAC.

mod bits;
mod boxes;
mod h264;
mod test_card;

use syom::{AacError, EncodeOptions, Encoder};

use super::error::EncodeError;
use super::format::{Format, MP4_AUDIO_BIT_RATE, PICTURE_RATE};
use boxes::{Codec, PICTURE, TIMESCALE, Table, TrackBox, boxed, count, file_type, movie};

/// The number of audio samples in one AAC access unit. The encoder delay has the same length.
const UNIT: usize = 1024;
/// The seconds between key frames.
const KEY_INTERVAL: u64 = 10;
/// The size of the header of the media data box with a 64-bit length.
const DATA_HEADER: u64 = 16;

/// The encoded samples of one track.
#[derive(Default)]
struct Coded {
    samples: Vec<Vec<u8>>,
}

/// Encodes the file. `first_second` is the initial value of the clock in the picture.
pub(super) fn file(sound: &[i16], first_second: u64) -> Result<Vec<u8>, EncodeError> {
    let length = sound.len() as u64;
    let (audio, config) = audio(sound).map_err(|error| EncodeError::new(Format::Mp4, &error))?;
    let (video, keys) = video(sound.len(), first_second);

    let last = u32::try_from(sound.len() - (video.samples.len() - 1) * PICTURE as usize);
    let mut tables = [
        Table {
            durations: vec![
                (video.samples.len() - 1, PICTURE),
                (1, last.unwrap_or(PICTURE)),
            ],
            sizes: sizes(&video),
            keys,
            chunks: Vec::new(),
        },
        Table {
            durations: vec![(audio.samples.len(), count(UNIT))],
            sizes: sizes(&audio),
            keys: Vec::new(),
            chunks: Vec::new(),
        },
    ];
    tables[0].durations.retain(|(count, _)| *count > 0);
    let data = interleave([&video, &audio], &mut tables);

    let parameters = h264::parameters();
    let movie = |tables: &[Table; 2]| {
        let [video, audio] = tables;
        let tracks = [
            TrackBox {
                table: video,
                length,
                skipped: 0,
                codec: Codec::Video(&parameters),
            },
            TrackBox {
                table: audio,
                length,
                skipped: UNIT as u64,
                codec: Codec::Audio {
                    config: &config,
                    bit_rate: MP4_AUDIO_BIT_RATE,
                },
            },
        ];
        movie(length, &tracks)
    };
    // With the tables in front, players can start before they have received the whole file. The
    // size of the tables does not depend on the offsets in them.
    let mut file = file_type();
    let offset = (file.len() + movie(&tables).len()) as u64 + DATA_HEADER;
    for (_, place) in tables.iter_mut().flat_map(|table| &mut table.chunks) {
        *place += offset;
    }
    file.extend(movie(&tables));
    let mut header = boxed(*b"mdat", &(data.len() as u64 + DATA_HEADER).to_be_bytes());
    if let Some(length) = header.get_mut(..4) {
        length.copy_from_slice(&1_u32.to_be_bytes());
    }
    file.extend(header);
    file.extend(data);
    Ok(file)
}

fn sizes(coded: &Coded) -> Vec<u32> {
    coded
        .samples
        .iter()
        .map(|sample| count(sample.len()))
        .collect()
}

/// Interleaves the samples of both tracks, one second at a time.
fn interleave(coded: [&Coded; 2], tables: &mut [Table; 2]) -> Vec<u8> {
    let total: usize = coded
        .iter()
        .flat_map(|coded| &coded.samples)
        .map(Vec::len)
        .sum();
    let mut data = Vec::with_capacity(total);
    let per_second = [PICTURE_RATE as usize, (TIMESCALE as usize).div_ceil(UNIT)];
    let mut chunks = [0, 1].map(|n: usize| coded[n].samples.chunks(per_second[n]));
    loop {
        let mut done = true;
        for (chunks, table) in chunks.iter_mut().zip(tables.iter_mut()) {
            if let Some(samples) = chunks.next() {
                table.chunks.push((count(samples.len()), data.len() as u64));
                data.extend(samples.iter().flatten());
                done = false;
            }
        }
        if done {
            return data;
        }
    }
}

fn audio(sound: &[i16]) -> Result<(Coded, Vec<u8>), AacError> {
    let options = EncodeOptions::raw().with_bitrate_bps(MP4_AUDIO_BIT_RATE);
    let mut encoder = Encoder::new(TIMESCALE, 1, &options)?;
    let mut coded = Coded::default();
    for piece in sound.chunks(16 * UNIT) {
        let piece: Vec<f32> = piece
            .iter()
            .map(|&sample| f32::from(sample) / 32_768.0)
            .collect();
        encoder.feed(&[&piece], |unit| {
            coded.samples.push(unit.payload.to_vec());
            Ok(())
        })?;
    }
    encoder.finish(|unit| {
        coded.samples.push(unit.payload.to_vec());
        Ok(())
    })?;
    Ok((coded, encoder.asc().to_vec()))
}

/// Encodes pictures for `ticks`, and returns the numbers of the key frames.
fn video(ticks: usize, first_second: u64) -> (Coded, Vec<u32>) {
    let mut encoder = h264::Encoder::default();
    let mut coded = Coded::default();
    let mut keys = Vec::new();
    let mut picture = h264::Picture::new();
    let rate = u64::from(PICTURE_RATE);
    for number in 0..ticks.div_ceil(PICTURE as usize) as u64 {
        if number.is_multiple_of(rate) {
            picture = test_card::picture(first_second + number / rate);
        }
        let unit = if number.is_multiple_of(KEY_INTERVAL * rate) {
            keys.push(count(coded.samples.len()) + 1);
            encoder.key(&picture)
        } else {
            encoder.next(&picture)
        };
        let mut sample = count(unit.len()).to_be_bytes().to_vec();
        sample.extend(unit);
        coded.samples.push(sample);
    }
    (coded, keys)
}
