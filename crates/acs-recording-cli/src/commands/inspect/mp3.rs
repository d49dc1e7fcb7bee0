//! MP3 files: frames one after the other, with tags before and behind.

use std::time::Duration;

use super::codec::Decoder;
use super::levels::Meter;
use super::media::{Format, Kind, Media, Problem, Sound, Track, bit_rate};
use super::source::Source;

/// How far the first frame may be away from the start, or from where it should be. It is near, as
/// a rule.
const SEARCH: [usize; 2] = [1 << 13, 1 << 20];
/// Frames that a decoder is late.
const DECODER_DELAY: u64 = 529;

/// The header of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Header {
    /// MPEG 1, or one of its successors with half the frames.
    is_first: bool,
    sample_rate: u32,
    channels: usize,
    /// Bytes of the frame with this header.
    size: usize,
    has_crc: bool,
}

impl Header {
    fn read(bytes: [u8; 4]) -> Option<Self> {
        const FIRST: [u32; 14] = [
            32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320,
        ];
        const LATER: [u32; 14] = [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
        let [sync, version, rates, mode] = bytes;
        // Eleven bits that are set, and layer 3.
        if sync != 0xFF || version & 0xE6 != 0xE2 {
            return None;
        }
        let (is_first, divisor) = match version >> 3 & 3 {
            3 => (true, 1),
            2 => (false, 2),
            0 => (false, 4),
            _ => return None,
        };
        let bit_rates = if is_first { FIRST } else { LATER };
        let bit_rate = bit_rates.get(usize::from(rates >> 4).checked_sub(1)?)? * 1000;
        let sample_rate = [44_100, 48_000, 32_000].get(usize::from(rates >> 2 & 3))? / divisor;
        let factor = if is_first { 144 } else { 72 };
        let size = factor * bit_rate / sample_rate + u32::from(rates >> 1 & 1);
        Some(Self {
            is_first,
            sample_rate,
            channels: if mode >> 6 == 3 { 1 } else { 2 },
            size: usize::try_from(size).ok()?,
            has_crc: version & 1 == 0,
        })
    }

    /// Whether it can be of the same stream.
    fn fits(self, other: Self) -> bool {
        (self.is_first, self.sample_rate, self.channels)
            == (other.is_first, other.sample_rate, other.channels)
    }

    fn samples(self) -> u32 {
        if self.is_first { 1152 } else { 576 }
    }

    /// Where the information of an encoder begins, within a frame without sound.
    fn information(self) -> usize {
        let side = match (self.is_first, self.channels) {
            (true, 1) => 17,
            (true, _) => 32,
            (false, 1) => 9,
            (false, _) => 17,
        };
        4 + side + if self.has_crc { 2 } else { 0 }
    }
}

/// What an encoder tells of the stream in a frame of its own.
#[derive(Clone, Copy, Default)]
struct Information {
    frames: Option<u64>,
    /// Samples before the sound, and after it.
    delay: u64,
    padding: u64,
}

impl Information {
    /// Reads a frame; none if it is one with sound.
    fn read(frame: &[u8], header: Header) -> Option<Self> {
        let number = |bytes: Option<&[u8]>| {
            let bytes: [u8; 4] = bytes?.try_into().ok()?;
            Some(u64::from(u32::from_be_bytes(bytes)))
        };
        if frame.get(36..40) == Some(b"VBRI") {
            let frames = number(frame.get(50..54));
            return Some(Self {
                frames,
                ..Self::default()
            });
        }
        let content = frame.get(header.information()..)?;
        if !content.starts_with(b"Xing") && !content.starts_with(b"Info") {
            return None;
        }
        let flags = *content.get(7)?;
        let mut at = 8;
        let mut information = Self::default();
        if flags & 1 != 0 {
            information.frames = number(content.get(at..at + 4));
            at += 4;
        }
        for (flag, size) in [(2, 4), (4, 100), (8, 4)] {
            if flags & flag != 0 {
                at += size;
            }
        }
        // Behind the name of the encoder and its settings.
        if let Some([a, b, c]) = content.get(at + 21..at + 24) {
            let (a, b, c) = (u64::from(*a), u64::from(*b), u64::from(*c));
            (information.delay, information.padding) = (a << 4 | b >> 4, (b & 15) << 8 | c);
        }
        Some(information)
    }
}

/// Where sound may begin: behind tags.
fn after_tags(source: &mut Source) -> Result<u64, Problem> {
    let mut position = 0;
    loop {
        source.seek(position)?;
        match source.take::<10>()? {
            Some([b'I', b'D', b'3', _, _, flags, a, b, c, d]) => {
                let size = [a, b, c, d];
                let size = size
                    .iter()
                    .fold(0, |sum, byte| sum << 7 | u64::from(byte & 0x7F));
                position += 10 + size + if flags & 0x10 == 0 { 0 } else { 10 };
            }
            _ => return Ok(position),
        }
    }
}

/// The place of the next two frames that fit each other, from a place on.
fn next_frame(
    source: &mut Source,
    from: u64,
    like: Option<Header>,
) -> Result<Option<(u64, Header)>, Problem> {
    for within in SEARCH {
        if let Some(found) = next_frame_within(source, from, like, within)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

fn next_frame_within(
    source: &mut Source,
    from: u64,
    like: Option<Header>,
    within: usize,
) -> Result<Option<(u64, Header)>, Problem> {
    source.seek(from.min(source.len))?;
    let bytes = source.up_to(within)?;
    for (at, header) in bytes.windows(4).enumerate() {
        let header = <[u8; 4]>::try_from(header).ok().and_then(Header::read);
        let Some(header) = header.filter(|header| like.is_none_or(|like| like.fits(*header)))
        else {
            continue;
        };
        let place = from + at as u64;
        let next = bytes.get(at + header.size..at + header.size + 4);
        let next = next.and_then(|next| Header::read(next.try_into().ok()?));
        let is_last = place + header.size as u64 >= source.len;
        // By chance there is one header in some thousand bytes, but no two in the right distance.
        if next.is_some_and(|next| next.fits(header)) || is_last && (at == 0 || like.is_some()) {
            return Ok(Some((place, header)));
        }
    }
    Ok(None)
}

pub(super) fn is_mp3(source: &mut Source) -> Result<bool, Problem> {
    let start = after_tags(source)?;
    if start > 0 {
        return Ok(true);
    }
    // Without a tag, sound comes first: further back, any file has what looks like it.
    let first = next_frame(source, 0, None)?;
    Ok(first.is_some_and(|(place, _)| place == 0))
}

/// What a walk over all frames finds.
struct Walk {
    first: Header,
    information: Information,
    /// Where frames with sound begin.
    start: u64,
    frames: u64,
    bytes: u64,
    /// Whether the last frame is not whole.
    is_cut: bool,
    /// Bytes within that are no frames.
    foreign: u64,
}

pub(super) fn read(source: &mut Source, widths: &[usize]) -> Result<Media, Problem> {
    let start = after_tags(source)?;
    if start > source.len {
        return Err(Problem::content(
            "an MP3 file that ends within its tag, before any audio",
        ));
    }
    let Some((start, first)) = next_frame(source, start, None)? else {
        return Err(Problem::content("an MP3 tag without any audio after it"));
    };
    let walk = walk(source, start, first)?;
    let information = walk.information;
    let mut warnings = Vec::new();
    let announced = information.frames.unwrap_or(0);
    let truncated = walk.is_cut || announced > walk.frames;
    if announced > walk.frames {
        warnings.push(format!(
            "Only {} of {announced} frames are in the file.",
            walk.frames
        ));
    }
    if walk.foreign > 0 {
        let count = walk.foreign;
        warnings.push(format!("{count} bytes between the frames are not MP3."));
    }
    let time = |samples: u64| {
        let nanos = u128::from(samples) * 1_000_000_000 / u128::from(first.sample_rate);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    };
    let mut samples = walk.frames * u64::from(first.samples());
    let bit_rate = bit_rate(walk.bytes, time(samples));
    samples = samples.saturating_sub(information.delay);
    if !truncated {
        samples = samples.saturating_sub(information.padding);
    }
    let channels = measure(source, &walk, samples, widths, &mut warnings)?;
    let duration = time(samples);
    Ok(Media {
        format: Format::Mp3,
        duration,
        truncated,
        tracks: vec![Track {
            kind: Kind::Sound(Sound {
                channels: first.channels,
                sample_rate: first.sample_rate,
                bits: None,
            }),
            codec: "MP3".to_owned(),
            duration,
            bytes: walk.bytes,
            bit_rate,
        }],
        channels,
        warnings,
    })
}

fn measure(
    source: &mut Source,
    walk: &Walk,
    samples: u64,
    widths: &[usize],
    warnings: &mut Vec<String>,
) -> Result<Vec<super::levels::Channel>, Problem> {
    let first = walk.first;
    let Some(decoder) = Decoder::mp3(first.channels) else {
        return Ok(Vec::new());
    };
    let delay = match walk.information.delay {
        0 => 0,
        delay => delay + DECODER_DELAY,
    };
    let mut decoder = decoder.trim(delay, samples);
    let mut meter = Meter::new(first.channels, samples, first.sample_rate, widths);
    let mut frames = Frames::new(walk.start, first);
    let mut unit = Vec::new();
    while let Some(frame) = frames.next(source)? {
        unit.resize(frame.size, 0);
        if source.read(&mut unit)? < frame.size {
            break;
        }
        decoder.feed(&unit, frame.samples(), &mut meter);
    }
    if decoder.failed > 0 {
        let (failed, all) = (decoder.failed, walk.frames);
        warnings.push(format!("{failed} of {all} frames could not be decoded."));
    }
    if decoder.failed == walk.frames {
        return Ok(Vec::new());
    }
    Ok(meter.finish(0))
}

fn walk(source: &mut Source, start: u64, first: Header) -> Result<Walk, Problem> {
    source.seek(start)?;
    let frame = source.up_to(first.size)?;
    let information = Information::read(&frame, first);
    let mut walk = Walk {
        first,
        information: information.unwrap_or_default(),
        start: start + information.map_or(0, |_| first.size as u64),
        frames: 0,
        bytes: 0,
        is_cut: false,
        foreign: 0,
    };
    let mut frames = Frames::new(walk.start, first);
    while let Some(frame) = frames.next(source)? {
        walk.frames += 1;
        walk.bytes += frame.size as u64;
    }
    (walk.is_cut, walk.foreign) = (frames.is_cut, frames.foreign);
    Ok(walk)
}

/// Whole frames, one after the other.
struct Frames {
    position: u64,
    first: Header,
    is_cut: bool,
    foreign: u64,
}

impl Frames {
    fn new(position: u64, first: Header) -> Self {
        Self {
            position,
            first,
            is_cut: false,
            foreign: 0,
        }
    }

    /// The next frame, which the source then stands before.
    fn next(&mut self, source: &mut Source) -> Result<Option<Header>, Problem> {
        source.seek(self.position.min(source.len))?;
        let head = source.up_to(4)?;
        let Ok(bytes) = <[u8; 4]>::try_from(&head[..]) else {
            // A few bytes at the end may be the head of a frame.
            self.is_cut |= head.first() == Some(&0xFF);
            return Ok(None);
        };
        let header = Header::read(bytes).filter(|header| header.fits(self.first));
        let (place, header) = match header {
            Some(header) => (self.position, header),
            None if is_tag(bytes) => return Ok(None),
            None => {
                let Some((place, header)) = next_frame(source, self.position, Some(self.first))?
                else {
                    self.foreign += source.len - self.position;
                    return Ok(None);
                };
                self.foreign += place - self.position;
                (place, header)
            }
        };
        let end = place + header.size as u64;
        if end > source.len {
            self.is_cut = true;
            return Ok(None);
        }
        source.seek(place)?;
        self.position = end;
        Ok(Some(header))
    }
}

/// Whether what is behind the sound begins here: tags, or padding.
fn is_tag(bytes: [u8; 4]) -> bool {
    bytes.starts_with(b"TAG") || matches!(&bytes, b"APET" | b"LYRI" | [0, 0, 0, 0])
}
