//! WAV files: RIFF, and RF64 or BW64 above 4 GiB.
//!
//! Programs that write to a pipe, or die while they write, leave sizes of 0 or FFFFFFFF. Such sound
//! extends to the end of the file.

use std::time::Duration;

use super::levels::Meter;
use super::media::{Format, Kind, MOST_CHANNELS, Media, Problem, Sound, Track, bit_rate};
use super::pcm::{self, A_LAW, FLOAT, MU_LAW, PCM};
use super::source::Source;

/// The actual format follows in the extension.
const EXTENSIBLE: u16 = 0xFFFE;
/// The size is unknown, or in the chunk `ds64`.
const UNKNOWN: u32 = u32::MAX;

pub(super) fn is_wav(head: &[u8]) -> bool {
    let is_riff = [b"RIFF", b"RF64", b"BW64"]
        .iter()
        .any(|name| head.starts_with(*name));
    // The head may be cut.
    is_riff && head.get(8..12).is_none_or(|form| form == b"WAVE")
}

/// The chunk `fmt `.
#[derive(Clone, Copy)]
struct Layout {
    format: u16,
    channels: u16,
    sample_rate: u32,
    bytes_per_second: u32,
    /// Bytes of one sample of all channels.
    frame: u16,
    bits: u16,
}

/// Where the sound is, and how much of it the file has.
#[derive(Clone, Copy)]
struct Data {
    start: u64,
    len: u64,
    truncated: bool,
}

pub(super) fn read(source: &mut Source, widths: &[usize]) -> Result<Media, Problem> {
    let mut warnings = Vec::new();
    let (layout, data) = chunks(source, &mut warnings)?;
    let Some(layout) = layout else {
        let text = "a WAV file that is truncated before its format";
        return Err(Problem::content(if data.is_some() {
            "a WAV file without a format"
        } else {
            text
        }));
    };
    if layout.channels == 0 || layout.sample_rate == 0 {
        return Err(Problem::content(
            "a WAV file without channels or a sample rate",
        ));
    }
    if data.is_none() {
        warnings.push("The file ends before its audio begins.".to_owned());
    }
    let data = data.unwrap_or(Data {
        start: source.len,
        len: 0,
        truncated: true,
    });
    let frames = data.len / u64::from(layout.frame);
    let seconds = |count: u64, rate: u32| {
        let nanos = u128::from(count) * 1_000_000_000 / u128::from(rate.max(1));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    };
    let reader = layout.reader();
    let channels = match reader {
        None => {
            let text = format!("The levels of {} are not known.", layout.codec());
            warnings.push(text);
            Vec::new()
        }
        Some(_) if usize::from(layout.channels) > MOST_CHANNELS => {
            let count = layout.channels;
            let text = format!(
                "{count} channels are more than {MOST_CHANNELS}: their levels are not measured."
            );
            warnings.push(text);
            Vec::new()
        }
        Some(reader) => {
            let mut meter = Meter::new(layout.channels.into(), frames, layout.sample_rate, widths);
            source.seek(data.start)?;
            measure(source, frames, layout, reader, &mut meter)?;
            meter.finish(0)
        }
    };
    let duration = match reader {
        Some(_) => seconds(frames, layout.sample_rate),
        None => seconds(data.len, layout.bytes_per_second),
    };
    Ok(Media {
        format: Format::Wav,
        duration,
        truncated: data.truncated,
        tracks: vec![Track {
            kind: Kind::Sound(Sound {
                channels: layout.channels.into(),
                sample_rate: layout.sample_rate,
                bits: Some(layout.bits),
            }),
            codec: layout.codec(),
            duration,
            bytes: data.len,
            bit_rate: bit_rate(data.len, duration),
        }],
        channels,
        warnings,
    })
}

/// Reads one chunk after the other until format and sound are found.
fn chunks(
    source: &mut Source,
    warnings: &mut Vec<String>,
) -> Result<(Option<Layout>, Option<Data>), Problem> {
    let (mut layout, mut data) = (None, None);
    let mut long_size = None;
    source.seek(12)?;
    while layout.is_none() || data.is_none() {
        let Some([a, b, c, d, size @ ..]) = source.take::<8>()? else {
            break;
        };
        let size = u32::from_le_bytes(size);
        let start = source.position();
        let mut end = start + u64::from(size) + u64::from(size % 2);
        match &[a, b, c, d] {
            b"ds64" => {
                let content = source.up_to(16)?;
                long_size = content.get(8..16).and_then(|size| size.try_into().ok());
            }
            b"fmt " => {
                let content = source.up_to(usize::try_from(size.min(64)).unwrap_or(64))?;
                layout = Layout::read(&content);
            }
            b"data" => {
                let long_size = long_size.map(u64::from_le_bytes);
                let found = find_data(source, size, long_size)?;
                if found.truncated {
                    let size = long_size.filter(|_| size == UNKNOWN).unwrap_or(size.into());
                    warnings.push(format!(
                        "Only {} of {size} bytes of audio are in the file.",
                        found.len
                    ));
                }
                end = found.start + found.len + found.len % 2;
                data = Some(found);
            }
            _ => {}
        }
        if end > source.len {
            break;
        }
        source.seek(end)?;
    }
    Ok((layout, data))
}

/// How much of the sound is there, from the start of the chunk's content on.
fn find_data(source: &mut Source, size: u32, long_size: Option<u64>) -> Result<Data, Problem> {
    let start = source.position();
    let left = source.left();
    let announced = match size {
        UNKNOWN => long_size.filter(|size| *size != 0 && *size != u64::MAX),
        0 if are_chunks(source)? => Some(0),
        0 => None,
        // A size that did not fit.
        size if left > u64::from(UNKNOWN) && (left - u64::from(size)).is_multiple_of(1 << 32) => {
            None
        }
        size => Some(size.into()),
    };
    let len = announced.unwrap_or(left);
    Ok(Data {
        start,
        len: len.min(left),
        truncated: len > left,
    })
}

/// Whether chunks follow to the end of the file, and no sound.
fn are_chunks(source: &mut Source) -> Result<bool, Problem> {
    loop {
        if source.left() == 0 {
            return Ok(true);
        }
        let Some([a, b, c, d, size @ ..]) = source.take::<8>()? else {
            return Ok(false);
        };
        let size = u32::from_le_bytes(size);
        let is_name = [a, b, c, d].iter().all(|byte| matches!(byte, b' '..=b'~'));
        // The last byte that makes a size even may be left away.
        if !is_name || u64::from(size) > source.left() {
            return Ok(false);
        }
        let end = source.position() + u64::from(size) + u64::from(size % 2);
        source.seek(end.min(source.len))?;
    }
}

impl Layout {
    fn read(content: &[u8]) -> Option<Self> {
        let short = |at: usize| {
            let bytes = content.get(at..at + 2)?.try_into().ok()?;
            Some(u16::from_le_bytes(bytes))
        };
        let long = |at: usize| {
            let bytes = content.get(at..at + 4)?.try_into().ok()?;
            Some(u32::from_le_bytes(bytes))
        };
        let format = match short(0)? {
            EXTENSIBLE => short(24).unwrap_or(EXTENSIBLE),
            format => format,
        };
        let (channels, bits) = (short(2)?, short(14).unwrap_or(0));
        // Some leave out what can be computed.
        let computed = channels.saturating_mul(bits.div_ceil(8));
        Some(Self {
            format,
            channels,
            sample_rate: long(4)?,
            bytes_per_second: long(8)?,
            frame: short(12)?
                .max(1)
                .max(if format == PCM { computed } else { 1 }),
            bits,
        })
    }

    fn codec(&self) -> String {
        match self.format {
            PCM => "PCM".to_owned(),
            FLOAT => "PCM, floating point".to_owned(),
            A_LAW => "A-law".to_owned(),
            MU_LAW => "mu-law".to_owned(),
            2 => "ADPCM".to_owned(),
            0x55 => "MP3".to_owned(),
            other => format!("WAV format {other:#06x}"),
        }
    }

    /// How a sample is read, from as many bytes as it takes.
    fn reader(&self) -> Option<pcm::Reader> {
        let bytes = self.frame.checked_div(self.channels)?;
        let is_whole = self.frame.is_multiple_of(self.channels);
        pcm::reader(self.format, bytes).filter(|_| is_whole)
    }
}

fn measure(
    source: &mut Source,
    frames: u64,
    layout: Layout,
    reader: pcm::Reader,
    meter: &mut Meter,
) -> Result<(), Problem> {
    let frame = usize::from(layout.frame);
    let sample = usize::from(layout.frame / layout.channels.max(1)).max(1);
    let at_once = (64 * 1024 / frame).max(1);
    let mut buffer = vec![0; at_once * frame];
    let mut left = frames;
    while left > 0 {
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(at_once);
        let wanted = buffer.get_mut(..count * frame).unwrap_or_default();
        let filled = source.read(wanted)?;
        let whole = wanted.get(..filled - filled % frame).unwrap_or_default();
        for sample in whole.chunks_exact(sample) {
            meter.add(reader(sample));
        }
        if filled < wanted.len() {
            // Somebody shortened the file just now.
            return Ok(());
        }
        left -= count as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::inspect::open::read_bytes;

    fn chunk(name: &str, content: &[u8]) -> Vec<u8> {
        let size = u32::try_from(content.len()).unwrap().to_le_bytes();
        let mut chunk = [name.as_bytes(), &size, content].concat();
        chunk.resize(chunk.len() + content.len() % 2, 0);
        chunk
    }

    fn format(format: u16, channels: u16, bits: u16) -> Vec<u8> {
        let frame = channels * bits / 8;
        let mut content = Vec::new();
        content.extend(format.to_le_bytes());
        content.extend(channels.to_le_bytes());
        content.extend(8000_u32.to_le_bytes());
        content.extend((8000 * u32::from(frame)).to_le_bytes());
        content.extend(frame.to_le_bytes());
        content.extend(bits.to_le_bytes());
        content
    }

    fn riff(chunks: &[Vec<u8>]) -> Vec<u8> {
        let content = chunks.concat();
        let size = u32::try_from(content.len() + 4).unwrap().to_le_bytes();
        [&b"RIFF"[..], &size, b"WAVE", &content].concat()
    }

    /// Half a second on one channel at half of full scale.
    fn sound() -> Vec<u8> {
        16_384_i16.to_le_bytes().repeat(4000)
    }

    #[track_caller]
    fn assert_half(bytes: &[u8]) -> Media {
        let media = read_bytes(bytes, &[2]).unwrap();
        assert_eq!(media.duration, Duration::from_millis(500));
        assert!((media.channels[0].rms - 0.5).abs() < 0.02);
        assert_eq!(media.channels[0].waveforms[0].len(), 2);
        media
    }

    #[test]
    fn unknown_sizes_reach_to_the_end() {
        let whole = riff(&[chunk("fmt ", &format(1, 1, 16)), chunk("data", &sound())]);
        assert!(!assert_half(&whole).truncated);
        for riff_size in [0, u32::MAX, 8036, 5] {
            for data_size in [0, u32::MAX] {
                let mut file = whole.clone();
                file[4..8].copy_from_slice(&u32::to_le_bytes(riff_size));
                file[40..44].copy_from_slice(&u32::to_le_bytes(data_size));
                let media = assert_half(&file);
                assert!(!media.truncated && media.warnings.is_empty());
            }
        }
    }

    #[test]
    fn no_sound_at_all_is_not_unknown() {
        let file = riff(&[
            chunk("fmt ", &format(1, 1, 16)),
            chunk("data", b""),
            chunk("LIST", b"INFOabc"),
        ]);
        let media = read_bytes(&file, &[2]).unwrap();
        assert_eq!(media.duration, Duration::ZERO);
        assert!(!media.truncated);
    }

    #[test]
    fn long_sizes_are_in_a_chunk_of_their_own() {
        for name in [b"RF64", b"BW64"] {
            for size in [8000, 0, u64::MAX] {
                let sizes = [8000_u64.to_le_bytes(), size.to_le_bytes(), [0; 8]].concat();
                let sizes = [sizes, vec![0; 4]].concat();
                let mut file = riff(&[
                    chunk("ds64", &sizes),
                    chunk("junk", b"odd"),
                    chunk("fmt ", &format(1, 1, 16)),
                    chunk("data", &sound()),
                    chunk("LIST", b"").repeat(usize::from(size == 8000)),
                ]);
                file[..4].copy_from_slice(name);
                let at = file.windows(4).position(|name| name == b"data").unwrap() + 4;
                file[at..at + 4].fill(0xFF);
                assert!(!assert_half(&file).truncated, "{size}");
            }
        }
    }

    #[test]
    fn a_truncated_file_is_reported() {
        let whole = riff(&[chunk("fmt ", &format(1, 1, 16)), chunk("data", &sound())]);
        let media = read_bytes(&whole[..44 + 4001], &[2]).unwrap();
        assert!(media.truncated);
        assert_eq!(media.duration, Duration::from_millis(250));
        assert!((media.channels[0].rms - 0.5).abs() < 1e-9);
        assert_eq!(
            media.warnings,
            ["Only 4001 of 8000 bytes of audio are in the file."]
        );
        // Without any sound there is a format.
        for end in 36..=44 {
            let media = read_bytes(&whole[..end], &[2]).unwrap();
            assert!(media.truncated, "{end}");
            assert_eq!(media.tracks[0].sound().unwrap().sample_rate, 8000);
        }
        for end in 5..20 {
            match read_bytes(&whole[..end], &[2]) {
                Err(Problem::Content(what)) => assert!(what.contains("truncated"), "{end}: {what}"),
                _ => panic!("{end}"),
            }
        }
    }

    #[test]
    fn samples_of_all_kinds_are_read() {
        let mut extensible = format(EXTENSIBLE, 1, 24);
        extensible.extend([22, 0, 24, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0x10, 0]);
        extensible.extend([0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71]);
        let kinds = [
            (format(1, 1, 8), vec![192]),
            (format(1, 1, 24), vec![0, 0, 64]),
            (format(1, 1, 32), vec![0, 0, 0, 0xC0]),
            (extensible, vec![0, 0, 64]),
            (format(3, 1, 32), 0.5_f32.to_le_bytes().to_vec()),
            (format(3, 1, 64), (-0.5_f64).to_le_bytes().to_vec()),
            (format(6, 1, 8), vec![0xA5]),
            (format(7, 1, 8), vec![0x0F]),
        ];
        for (format, sample) in kinds {
            let sound = sample.repeat(4000);
            let file = riff(&[chunk("fmt ", &format), chunk("data", &sound)]);
            assert_half(&file);
        }
    }

    #[test]
    fn kinds_that_cannot_be_measured_are_named() {
        let file = riff(&[chunk("fmt ", &format(2, 1, 8)), chunk("data", &[7; 4000])]);
        let media = read_bytes(&file, &[2]).unwrap();
        assert_eq!(media.duration, Duration::from_millis(500));
        assert_eq!(media.warnings, ["The levels of ADPCM are not known."]);
        let file = riff(&[
            chunk("fmt ", &format(1, 4000, 8)),
            chunk("data", &[7; 8000]),
        ]);
        let media = read_bytes(&file, &[2]).unwrap();
        assert!(media.channels.is_empty());
        assert!(media.warnings[0].contains("4000 channels"));
        let file = riff(&[chunk("fmt ", &format(1, 0, 16)), chunk("data", &[7; 8])]);
        assert!(read_bytes(&file, &[2]).is_err());
    }
}
