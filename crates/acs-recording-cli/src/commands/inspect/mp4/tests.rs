//! Files that the emulator does not write.

use std::time::Duration;

use crate::commands::inspect::media::{Kind, Media, Picture};
use crate::commands::inspect::open::read_bytes;
use crate::commands::inspect::report::notes;

fn boxed(name: &str, content: &[u8]) -> Vec<u8> {
    let size = u32::try_from(content.len() + 8).unwrap().to_be_bytes();
    [&size[..], name.as_bytes(), content].concat()
}

/// A box whose content begins with its version and flags.
fn full(name: &str, flags: u32, numbers: &[u32]) -> Vec<u8> {
    let numbers = [&[flags][..], numbers].concat();
    boxed(name, &words(&numbers))
}

fn words(numbers: &[u32]) -> Vec<u8> {
    numbers
        .iter()
        .flat_map(|number| number.to_be_bytes())
        .collect()
}

/// A video of 1920 by 1080 with 1000 ticks per second, and these tables.
fn movie(tables: &[Vec<u8>], more: &[u8]) -> Vec<u8> {
    let mut entry = vec![0; 78];
    entry[24..28].copy_from_slice(&[0x07, 0x80, 0x04, 0x38]);
    let entry = [words(&[0, 1]), boxed("avc1", &entry)].concat();
    let table = [boxed("stsd", &entry), tables.concat()].concat();
    let handler = [&words(&[0, 0])[..], b"vide", &[0; 13]].concat();
    let media = [
        full("mdhd", 0, &[0, 0, 1000, 0, 0]),
        boxed("hdlr", &handler),
        boxed("minf", &boxed("stbl", &table)),
    ];
    let track = [
        full("tkhd", 0, &[0, 0, 7, 0, 0]),
        boxed("mdia", &media.concat()),
    ];
    let content = [
        full("mvhd", 0, &[0, 0, 1000, 0]),
        boxed("trak", &track.concat()),
        more.to_vec(),
    ];
    boxed("moov", &content.concat())
}

fn file_type() -> Vec<u8> {
    boxed("ftyp", b"isom\0\0\x02\0isom")
}

#[track_caller]
fn picture(media: &Media) -> Picture {
    match media.tracks[0].kind {
        Kind::Picture(picture) => picture,
        _ => panic!("a picture"),
    }
}

/// A movie of eight frames a second for two seconds: a key frame, and others of one size.
fn video(key: u32, other: u32) -> Vec<u8> {
    let mut sizes = vec![0, 16, key];
    sizes.extend([other; 15]);
    let head = file_type();
    let tables = |offset: u32| {
        [
            full("stts", 0, &[1, 16, 125]),
            full("stss", 0, &[1, 1]),
            full("stsc", 0, &[1, 1, 16, 1]),
            full("stsz", 0, &sizes),
            full("stco", 0, &[1, offset]),
        ]
    };
    let offset = head.len() + movie(&tables(0), &[]).len() + 8;
    let offset = u32::try_from(offset).unwrap();
    let data = vec![0; usize::try_from(key + 15 * other).unwrap()];
    let parts = [head, movie(&tables(offset), &[]), boxed("mdat", &data)];
    parts.concat()
}

#[test]
fn frames_are_counted_and_measured() {
    let media = read_bytes(&video(40_000, 3000), &[]).unwrap();
    assert!(!media.truncated && media.warnings.is_empty());
    assert_eq!(media.duration, Duration::from_secs(2));
    let picture = picture(&media);
    assert_eq!((picture.width, picture.height), (1920, 1080));
    assert_eq!((picture.frames, picture.key_frames), (16, 1));
    assert_eq!(picture.key_bytes, 40_000);
    assert_eq!(picture.frame_rate, Some(8.0));
    assert_eq!(media.tracks[0].bytes, 85_000);
    assert_eq!(media.tracks[0].bit_rate, Some(340_000));
    assert_eq!(notes(&media), ["There is no audio track."]);
}

#[test]
fn a_truncated_video_is_reported() {
    let whole = video(40_000, 3000);
    // One byte of the last frame but one.
    let media = read_bytes(&whole[..whole.len() - 5999], &[]).unwrap();
    assert!(media.truncated);
    assert_eq!(picture(&media).frames, 14);
    assert_eq!(media.duration, Duration::from_millis(1750));
    assert_eq!(
        media.warnings,
        ["Only 14 of 16 samples of track 0 are in the file."]
    );
}

#[test]
fn tiny_frames_hint_at_a_black_picture() {
    let said = |key, other| notes(&read_bytes(&video(key, other), &[]).unwrap()).concat();
    assert!(said(600, 20).contains("may be black"));
    assert!(said(40_000, 20).contains("may be a still picture"));
    let said = said(40_000, 3000);
    assert!(!said.contains("may be"), "{said}");
}

#[test]
fn samples_may_be_in_fragments() {
    let extends = boxed("mvex", &full("trex", 0, &[7, 1, 125, 3000, 0x1_0000]));
    let empty = [
        full("stts", 0, &[0]),
        full("stsc", 0, &[0]),
        full("stsz", 0, &[0, 0]),
        full("stco", 0, &[0]),
    ];
    let fragment = || {
        // The first sample is a key frame of a size of its own.
        let run = [4, 96, 0, 40_000, 3000, 3000, 3000];
        let part = [full("tfhd", 0x2_0000, &[7]), full("trun", 0x205, &run)];
        let content = [full("mfhd", 0, &[1]), boxed("traf", &part.concat())];
        let list = boxed("moof", &content.concat());
        assert_eq!(list.len() + 8, 96);
        [list, boxed("mdat", &vec![0; 49_000])].concat()
    };
    let parts = [file_type(), movie(&empty, &extends), fragment(), fragment()];
    let file = parts.concat();
    let media = read_bytes(&file, &[]).unwrap();
    assert!(!media.truncated, "{:?}", media.warnings);
    let all = picture(&media);
    assert_eq!((all.frames, all.key_frames, all.key_bytes), (8, 2, 80_000));
    assert_eq!(media.duration, Duration::from_secs(1));
    // Cut in the second fragment.
    let media = read_bytes(&file[..file.len() - 5000], &[]).unwrap();
    assert!(media.truncated);
    assert_eq!(picture(&media).frames, 6);
}

#[test]
fn sizes_may_be_left_open() {
    let mut file = video(40_000, 3000);
    // The box with the media extends to the end.
    let at = file.len() - 85_000 - 8;
    file[at..at + 4].fill(0);
    let media = read_bytes(&file, &[]).unwrap();
    assert!(!media.truncated);
    assert_eq!(picture(&media).frames, 16);
    // A box that is not known is no end.
    let more = [&boxed("free", &[0; 20])[..], &file].concat();
    assert!(read_bytes(&more, &[]).is_ok());
}
