//! Movies in fragments: each has a list of the samples that follow it.

use super::boxes::Content;
use super::samples::Sample;
use super::track::Stream;

/// What holds for a sample where nothing else is said.
#[derive(Clone, Copy, Default)]
struct Defaults {
    duration: u32,
    size: u32,
    flags: u32,
}

/// Adds the samples of fragments to their tracks.
pub(super) fn add(movie: Content<'_>, fragments: &[(u64, Vec<u8>)], streams: &mut [Stream]) {
    for (place, fragment) in fragments {
        let parts = Content(fragment)
            .boxes(0)
            .filter(|(name, _)| name == b"traf");
        // Where no place is told, samples follow those of the track before.
        let mut next = *place;
        for (_, part) in parts {
            let Some(header) = part.find(&[b"tfhd"]) else {
                continue;
            };
            let id = header.long(4).unwrap_or_default();
            let Some(stream) = streams.iter_mut().find(|stream| stream.id == id) else {
                continue;
            };
            let (defaults, base) = read_header(header, defaults(movie, id));
            let base = base.unwrap_or(if header.flags() & 0x2_0000 != 0 {
                *place
            } else {
                next
            });
            let mut at = base;
            for (_, run) in part.boxes(0).filter(|(name, _)| name == b"trun") {
                at = add_run(run, defaults, base, at, stream);
            }
            next = at;
        }
    }
}

/// What the movie says of all samples of a track.
fn defaults(movie: Content<'_>, id: u32) -> Defaults {
    let of_track = movie.find(&[b"mvex"]).and_then(|extends| {
        let mut boxes = extends.boxes(0);
        boxes.find(|(name, content)| name == b"trex" && content.long(4) == Some(id))
    });
    of_track.map_or_else(Defaults::default, |(_, track)| Defaults {
        duration: track.long(12).unwrap_or_default(),
        size: track.long(16).unwrap_or_default(),
        flags: track.long(20).unwrap_or_default(),
    })
}

/// What a fragment says of its samples of a track, and where they begin.
fn read_header(header: Content<'_>, mut defaults: Defaults) -> (Defaults, Option<u64>) {
    let flags = header.flags();
    let mut at = 8;
    let mut base = None;
    if flags & 0x1 != 0 {
        base = header.huge(at);
        at += 8;
    }
    if flags & 0x2 != 0 {
        at += 4;
    }
    for (flag, member) in [
        (0x8, &mut defaults.duration),
        (0x10, &mut defaults.size),
        (0x20, &mut defaults.flags),
    ] {
        if flags & flag != 0 {
            *member = header.long(at).unwrap_or(*member);
            at += 4;
        }
    }
    (defaults, base)
}

/// Adds the samples of a run, and returns where the next ones would begin.
fn add_run(run: Content<'_>, defaults: Defaults, base: u64, next: u64, stream: &mut Stream) -> u64 {
    let flags = run.flags();
    let count = run.long(4).unwrap_or_default();
    let mut at = 8;
    let mut offset = next;
    if flags & 0x1 != 0 {
        let delta = run.bytes(at).map_or(0, i32::from_be_bytes);
        offset = base.saturating_add_signed(delta.into());
        at += 4;
    }
    let mut first_flags = None;
    if flags & 0x4 != 0 {
        first_flags = run.long(at);
        at += 4;
    }
    let has_rows = flags & 0xF00 != 0;
    for number in 0..count {
        // A count costs nothing to write, so that the file must bear it out.
        if has_rows && at >= run.0.len() || number > 1_000_000 {
            break;
        }
        let mut member = |flag: u32| {
            let value = (flags & flag != 0).then(|| run.long(at));
            at += if value.is_some() { 4 } else { 0 };
            value.flatten()
        };
        let duration = member(0x100).unwrap_or(defaults.duration);
        let size = member(0x200).unwrap_or(defaults.size);
        let own_flags = member(0x400);
        member(0x800);
        let sample_flags = own_flags
            .or(first_flags.filter(|_| number == 0))
            .unwrap_or(defaults.flags);
        let sample = Sample {
            offset,
            size,
            duration,
        };
        stream.samples.push(sample, sample_flags & 0x1_0000 == 0);
        offset = offset.saturating_add(size.into());
    }
    offset
}
