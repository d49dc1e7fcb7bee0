//! The same as a picture.

use std::fs::File;
use std::io::{self, BufWriter, Read as _};
use std::path::Path;

use font8x8::{BASIC_FONTS, UnicodeFonts as _};
use png::{BitDepth, ColorType, Encoder};

use super::media::{Media, Track};
use super::report::{facts, headline};
use crate::failure::Failure;

/// Columns of a waveform.
pub(super) const WIDTH: usize = 960;
const MARGIN: usize = 20;
const HEAD: usize = 40;
const STRIP: usize = 150;
/// Half of a waveform's height.
const HALF: usize = 48;
const LETTER: usize = 8;
/// The service records up to five.
const MOST_CHANNELS: usize = 100;
/// How every PNG file begins.
const SIGNATURE: [u8; 8] = *b"\x89PNG\r\n\x1a\n";

/// Shades of grey, of the same lightness for everybody.
const PAPER: u8 = 255;
const LINE: u8 = 210;
const WAVE: u8 = 70;
const INK: u8 = 20;

struct Canvas {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

impl Canvas {
    fn dot(&mut self, x: usize, y: usize, shade: u8) {
        if x < self.width
            && let Some(pixel) = self.pixels.get_mut(y * self.width + x)
        {
            *pixel = shade;
        }
    }

    fn text(&mut self, x: usize, y: usize, text: &str) {
        for (place, letter) in text.chars().enumerate() {
            let glyph = BASIC_FONTS.get(letter).unwrap_or([0; 8]);
            for (row, bits) in glyph.into_iter().enumerate() {
                for column in (0..LETTER).filter(|column| bits >> column & 1 == 1) {
                    self.dot(x + place * LETTER + column, y + row, INK);
                }
            }
        }
    }
}

/// Refuses a picture in place of anything but another picture: of a recording, of its document in
/// whatever layout, or of what else is there, by whatever name.
pub(super) fn check(path: &Path) -> Result<(), Failure> {
    let head = match head(path) {
        Ok(head) => head,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Failure::file(path, &error)),
    };
    if head.is_empty() || head == SIGNATURE {
        return Ok(());
    }
    let name = path.file_name().unwrap_or_default().display();
    let path = path.display();
    let text = format!("--png {path} would replace {name}, which is not a PNG image");
    Err(Failure::usage(text).hint("use another file name"))
}

/// The first bytes of a file; none of what only takes them, such as `/dev/stdout`.
fn head(path: &Path) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    let metadata = std::fs::metadata(path)?;
    if metadata.is_file() && metadata.len() > 0 {
        File::open(path)?.take(8).read_to_end(&mut head)?;
    }
    Ok(head)
}

pub(super) fn write(path: &Path, media: &Media, names: &[Option<String>]) -> Result<(), Failure> {
    let sounds = media.tracks.iter().filter_map(Track::sound);
    let count: usize = sounds.map(|sound| sound.channels).sum();
    if count > MOST_CHANNELS {
        let text = format!("--png: {count} channels do not fit into an image");
        let hint = format!("an image shows up to {MOST_CHANNELS} channels");
        return Err(Failure::usage(text).hint(hint));
    }
    let (width, height) = (WIDTH + 2 * MARGIN, HEAD + media.channels.len() * STRIP);
    let mut canvas = Canvas {
        width,
        height,
        pixels: vec![PAPER; width * height],
    };
    canvas.text(MARGIN, MARGIN, &headline(media));
    for (number, (channel, name)) in media.channels.iter().zip(names).enumerate() {
        let top = HEAD + number * STRIP;
        let title = format!(
            "channel {number}  {}",
            name.as_deref().unwrap_or("(no name)")
        );
        canvas.text(MARGIN, top + 4, &title);
        let middle = top + 20 + HALF;
        let waveform = channel.waveforms.last().into_iter().flatten();
        for (column, peak) in waveform.enumerate() {
            let x = MARGIN + column;
            canvas.dot(x, middle, LINE);
            for step in 0..HALF {
                #[allow(clippy::cast_precision_loss, reason = "some dozens")]
                let level = (step as f64 + 0.5) / HALF as f64;
                if peak.sqrt() < level {
                    break;
                }
                canvas.dot(x, middle + step, WAVE);
                canvas.dot(x, middle - step, WAVE);
            }
        }
        canvas.text(MARGIN, middle + HALF + 6, &facts(channel));
    }
    encode(path, &canvas).map_err(|error| Failure::file(path, &error))
}

fn encode(path: &Path, canvas: &Canvas) -> io::Result<()> {
    let size = |side: usize| u32::try_from(side).map_err(io::Error::other);
    let mut options = File::options();
    options.write(true).create(true).truncate(true);
    // As private as the recording, and its names on the picture.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = BufWriter::new(options.open(path)?);
    let mut encoder = Encoder::new(file, size(canvas.width)?, size(canvas.height)?);
    encoder.set_color(ColorType::Grayscale);
    encoder.set_depth(BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&canvas.pixels)?;
    writer.finish()?;
    Ok(())
}
