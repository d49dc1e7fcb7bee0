//! Cuts a recording into its files.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::document::{ContentSource, Document};
use super::metadata::{self, MetadataInput};
use super::settings::StorageSettings;
use crate::media::{self, Format, Span, Timeline, Track};
use crate::service::clock::after;
use crate::service::ids;
use crate::service::participant::{Interval, ParticipantState, SpeechInterval};
use crate::service::recording_request::ChannelLayout;
use crate::service::recordings::EndedRecording;

/// The reason why a chunk ends, as the event names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChunkEnd {
    Session,
    Size,
    Time,
}

impl ChunkEnd {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Session => "SessionEnded",
            Self::Size => "ChunkMaximumSizeExceeded",
            Self::Time => "ChunkMaximumTimeExceeded",
        }
    }
}

/// The maximum number of files of a recording.
const MAX_CHUNKS: i128 = 10_000;

/// One of the files of a recording.
#[derive(Clone, Debug)]
pub(crate) struct Chunk {
    pub(crate) document: Arc<Document>,
    pub(crate) end: ChunkEnd,
}

/// Cuts a recording into files. A recording without a single frame has no files.
pub(super) fn cut(
    recording: &EndedRecording,
    resource: Uuid,
    settings: &StorageSettings,
) -> Vec<Chunk> {
    let Some(first) = recording.spans.first().copied() else {
        return Vec::new();
    };
    let (spec, now) = (&recording.spec, recording.ended_at);
    let participants = participants_between(&recording.participants, first.start, now);
    let (tracks, channels) = tracks(&spec.channels, &participants, first.start);
    let channel_count = channels.values().max().copied().unwrap_or(0) + 1;
    let (limit, reason) = limit(spec.format, channel_count, settings);
    let limit = limit.max(least(media::total(&recording.spans)));
    let timelines = split(recording.spans.clone(), limit)
        .into_iter()
        .map(|spans| Timeline {
            spans,
            tracks: tracks.clone(),
            channels: channel_count,
        });
    let timelines: Vec<Timeline> = timelines.filter(|timeline| timeline.frames() > 0).collect();

    let unmixed = spec.channels.is_unmixed();
    let starts = timelines.iter().skip(1);
    let ends = starts.filter_map(|timeline| timeline.spans.first());
    let ends: Vec<Timestamp> = ends.map(|span| span.start).chain([now]).collect();
    let last = timelines.len().saturating_sub(1);
    let mut recorded = SignedDuration::ZERO;
    let mut chunks = Vec::with_capacity(timelines.len());
    for (index, (timeline, end)) in timelines.into_iter().zip(ends).enumerate() {
        let id = ids::document_id();
        let metadata = metadata::document(&MetadataInput {
            resource,
            call: recording.correlation_id,
            document_id: &id,
            index,
            start: timeline.spans.first().map_or(now, |span| span.start),
            length: timeline.length(),
            spans: &timeline.spans,
            end,
            unmixed,
            format: spec.format,
            channel_count,
            participants: &participants,
            channels: &channels,
            swap_types: settings.swap_metadata_types,
        });
        let first_second = u64::try_from(recorded.as_secs()).unwrap_or(0);
        recorded = recorded.saturating_add(timeline.length());
        let source = ContentSource::Sound {
            timeline,
            format: spec.format,
            first_second,
        };
        let name = spec.format.content_name(unmixed);
        let expires_at = after(now, settings.retention);
        chunks.push(Chunk {
            document: Arc::new(
                Document::new(id, name, metadata, source, expires_at)
                    .at_origin(spec.content_origin.clone()),
            ),
            end: if index == last {
                ChunkEnd::Session
            } else {
                reason
            },
        });
    }
    chunks
}

/// The maximum recorded time in one file, and the reason to report when it is reached.
fn limit(
    format: Format,
    channel_count: usize,
    settings: &StorageSettings,
) -> (SignedDuration, ChunkEnd) {
    let time = SignedDuration::try_from(settings.chunk_duration).unwrap_or(SignedDuration::MAX);
    let time = time.max(SignedDuration::from_millis(1));
    match settings
        .chunk_size
        .map(|size| format.fitting(size, channel_count))
    {
        Some(size) if size < time => (size, ChunkEnd::Size),
        _ => (time, ChunkEnd::Time),
    }
}

/// The minimum length of a file that keeps the number of files within the maximum.
fn least(total: SignedDuration) -> SignedDuration {
    SignedDuration::from_nanos_i128(total.as_nanos() / MAX_CHUNKS + 1)
}

/// Splits spans into parts whose total length does not exceed `limit`.
fn split(spans: Vec<Span>, limit: SignedDuration) -> Vec<Vec<Span>> {
    let mut parts = Vec::new();
    let mut part = Vec::new();
    let mut room = limit;
    for mut span in spans {
        while span.length() > room {
            let cut = span.start.saturating_add(room).unwrap_or(span.end);
            part.push(Span {
                start: span.start,
                end: cut,
            });
            parts.push(std::mem::take(&mut part));
            span.start = cut;
            room = limit;
        }
        room = room.saturating_sub(span.length());
        part.push(span);
        if room.is_zero() {
            parts.push(std::mem::take(&mut part));
            room = limit;
        }
    }
    parts.push(part);
    parts.retain(|part| !part.is_empty());
    parts
}

/// The participants who were in the call at some time between the two instants, in the order of
/// joining. Participants who were removed before they joined are left out.
fn participants_between(
    participants: &[ParticipantState],
    start: Timestamp,
    end: Timestamp,
) -> Vec<&ParticipantState> {
    let mut present: Vec<&ParticipantState> = participants
        .iter()
        .filter(|participant| {
            let from = participant.joined_at.max(start);
            participant.joined_at < end && participant.left_at.is_none_or(|left| left > from)
        })
        .collect();
    present.sort_by_key(|participant| participant.joined_at);
    present
}

/// The tracks of the files, and the channels of unmixed ones. Participants get a channel in the
/// order in which they first speak after `start`, then those who do not speak.
fn tracks(
    layout: &ChannelLayout,
    participants: &[&ParticipantState],
    start: Timestamp,
) -> (Vec<Track>, HashMap<String, usize>) {
    let channels = match layout {
        ChannelLayout::Mixed => HashMap::new(),
        ChannelLayout::Unmixed { pinned, ordering } => {
            let mut speakers = participants.to_vec();
            speakers.sort_by_key(|participant| {
                participant
                    .first_speech_after(start)
                    .unwrap_or(Timestamp::MAX)
            });
            let speakers: Vec<_> = speakers
                .iter()
                .map(|participant| participant.raw_id.clone())
                .collect();
            let present: HashSet<_> = speakers.iter().collect();
            let mut channels = media::assign(pinned, ordering, &speakers);
            channels.retain(|raw_id, _| present.contains(raw_id));
            channels
        }
    };
    let channel = |participant: &ParticipantState| match layout {
        ChannelLayout::Mixed => Some(0),
        ChannelLayout::Unmixed { .. } => channels.get(&participant.raw_id).copied(),
    };
    let mut tracks = Vec::new();
    for participant in participants {
        let Some(channel) = channel(participant) else {
            continue;
        };
        let all_the_time = [SpeechInterval::new(participant.joined_at, None)];
        for speech in participant.speech.as_deref().unwrap_or(&all_the_time) {
            let begins = speech.from.max(participant.joined_at);
            let ends = [speech.until, participant.left_at];
            let ends = ends.into_iter().flatten().min();
            for (from, until) in audible(begins, ends, &participant.mutes) {
                tracks.push(Track {
                    voice: Arc::clone(speech.voice.as_ref().unwrap_or(&participant.voice)),
                    channel,
                    begins,
                    from,
                    until,
                });
            }
        }
    }
    (tracks, channels)
}

/// The parts of a speech in which the participant is not muted.
fn audible(
    begins: Timestamp,
    ends: Option<Timestamp>,
    mutes: &[Interval],
) -> Vec<(Timestamp, Option<Timestamp>)> {
    let ends_at = ends.unwrap_or(Timestamp::MAX);
    let mut parts = Vec::new();
    let mut from = begins;
    for mute in mutes {
        let unmuted_at = mute.until.unwrap_or(Timestamp::MAX);
        if mute.from >= ends_at || unmuted_at <= from {
            continue;
        }
        if from < mute.from {
            parts.push((from, Some(mute.from)));
        }
        from = unmuted_at;
    }
    if from < ends_at {
        parts.push((from, ends));
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const START: Timestamp = Timestamp::constant(1_767_225_600, 0);

    fn spans(times: &[(u64, u64)]) -> Vec<Span> {
        let at = |second| after(START, Duration::from_secs(second));
        let span = |&(start, end): &(u64, u64)| Span {
            start: at(start),
            end: at(end),
        };
        times.iter().map(span).collect()
    }

    #[test]
    fn parts_do_not_exceed_the_limit() {
        type Times<'a> = &'a [(u64, u64)];
        let cases: &[(Times<'_>, i64, &[Times<'_>])] = &[
            (&[(0, 5)], 10, &[&[(0, 5)]]),
            (&[(0, 10)], 10, &[&[(0, 10)]]),
            (&[(0, 25)], 10, &[&[(0, 10)], &[(10, 20)], &[(20, 25)]]),
            (&[(0, 4), (6, 20)], 10, &[&[(0, 4), (6, 12)], &[(12, 20)]]),
            (&[(0, 10), (15, 17)], 10, &[&[(0, 10)], &[(15, 17)]]),
            (
                &[(0, 3), (4, 7), (8, 30)],
                20,
                &[&[(0, 3), (4, 7), (8, 22)], &[(22, 30)]],
            ),
        ];
        for (given, limit, expected) in cases {
            let got = split(spans(given), SignedDuration::from_secs(*limit));
            let expected: Vec<_> = expected.iter().map(|part| spans(part)).collect();
            assert_eq!(got, expected, "{given:?} {limit}");
        }
    }

    #[test]
    fn muted_periods_are_silent() {
        let at = |second| after(START, Duration::from_secs(second));
        let mute = |from, until: Option<u64>| Interval {
            from: at(from),
            until: until.map(at),
        };
        let cut = |ends: Option<u64>, mutes: &[Interval]| {
            let seconds = |instant: Timestamp| instant.duration_since(START).as_secs();
            let parts = audible(at(10), ends.map(at), mutes).into_iter();
            let parts = parts.map(|(from, until)| (seconds(from), until.map(seconds)));
            parts.collect::<Vec<_>>()
        };
        assert_eq!(cut(None, &[]), [(10, None)]);
        assert_eq!(
            cut(Some(30), &[mute(12, Some(15))]),
            [(10, Some(12)), (15, Some(30))]
        );
        assert_eq!(
            cut(Some(30), &[mute(5, Some(12)), mute(20, None)]),
            [(12, Some(20))]
        );
        assert_eq!(cut(None, &[mute(5, None)]), []);
        assert_eq!(
            cut(Some(30), &[mute(30, None), mute(1, Some(10))]),
            [(10, Some(30))]
        );
    }

    #[test]
    fn participants_removed_before_joining_are_left_out() {
        let at = |second| after(START, Duration::from_secs(second));
        let participant = |joined: u64, left: u64| ParticipantState {
            raw_id: String::new(),
            voice: Arc::new(media::Voice::tone(0)),
            joined_at: at(joined),
            announced: true,
            left_at: Some(at(left)),
            mutes: Vec::new(),
            speech: None,
        };
        let participants = [participant(5, 4), participant(0, 2), participant(4, 9)];
        let present = participants_between(&participants, at(2), at(10));
        let joined: Vec<_> = present
            .iter()
            .map(|participant| participant.joined_at)
            .collect();
        assert_eq!(joined, [at(4)]);
    }

    #[test]
    fn the_tighter_limit_determines_the_reason() {
        let settings = |seconds, size| StorageSettings {
            chunk_duration: Duration::from_secs(seconds),
            chunk_size: size,
            ..StorageSettings::default()
        };
        let second = SignedDuration::from_secs(1);
        for (settings, expected) in [
            (settings(1, None), (second, ChunkEnd::Time)),
            (settings(1, Some(1 << 20)), (second, ChunkEnd::Time)),
            (settings(9, Some(44 + 64_000)), (second, ChunkEnd::Size)),
        ] {
            assert_eq!(limit(Format::Wav, 2, &settings), expected);
        }
        for format in [Format::Wav, Format::Mp3, Format::Mp4] {
            let (least, _) = limit(format, 1, &settings(9, Some(0)));
            assert!(least > SignedDuration::ZERO);
            let (most, _) = limit(format, 1, &settings(9, Some(u64::MAX)));
            assert_eq!(most, SignedDuration::from_secs(9));
        }
    }

    #[test]
    fn the_number_of_files_is_limited() {
        for seconds in [1, 60, 14_400, 1_000_003] {
            let spans = spans(&[(0, seconds), (seconds + 1, 3 * seconds)]);
            let parts = split(spans.clone(), least(media::total(&spans)));
            assert!((9_990..=10_000).contains(&parts.len()), "{}", parts.len());
        }
    }
}
