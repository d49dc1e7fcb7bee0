//! A file is one version of its content, and a response that contradicts itself is none of it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_precision_loss,
    reason = "a test that cannot go on fails"
)]

mod common;
#[path = "common/raw.rs"]
mod raw;
#[path = "common/storage.rs"]
mod storage;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use acs_recording::{ErrorKind, NeverRetry};
use bytes::Bytes;
use raw::{Raw, Script};
use storage::{Habit, Storage, content, expect_whole, names};

const MIB: usize = 1024 * 1024;

/// What a server tells of versions, for an old one and a new one of the same size.
type Validators = [(Option<&'static str>, Option<&'static str>); 2];

const MONDAY: &str = "Mon, 05 Jan 2026 10:00:00 GMT";
const TUESDAY: &str = "Tue, 06 Jan 2026 10:00:00 GMT";

const SERVERS: [Validators; 5] = [
    // Nothing.
    [(None, None), (None, None)],
    [(None, Some(MONDAY)), (None, Some(TUESDAY))],
    [(Some("\"1\""), None), (Some("\"2\""), None)],
    [
        (Some("W/\"1\""), Some(MONDAY)),
        (Some("W/\"1\""), Some(TUESDAY)),
    ],
    // Something at first and nothing later.
    [(None, Some(MONDAY)), (None, None)],
];

/// The old version or the new one, as the server tells of it.
fn version(number: usize, validators: &Validators, versions: &[Bytes; 2]) -> Habit {
    let (tag, modified) = validators[number];
    let modified = modified.map(|modified| ("last-modified", modified.to_owned()));
    Habit {
        tag,
        headers: Vec::from_iter(modified),
        content: Some(versions[number].clone()),
        ..Habit::default()
    }
}

fn versions() -> [Bytes; 2] {
    [content(3 * MIB, 50), content(3 * MIB, 51)]
}

#[tokio::test]
async fn an_interrupted_download_does_not_go_on_with_another_version() {
    for validators in SERVERS {
        let versions = versions();
        let served = versions.clone();
        expect_whole(&versions[1], move |number, _| Habit {
            cut_after: (number == 0).then_some(400_000),
            ..version(usize::from(number > 0), &validators, &served)
        })
        .await;
    }
}

#[tokio::test]
async fn a_stream_does_not_go_on_with_another_version() {
    for validators in SERVERS {
        let versions = versions();
        let storage = Storage::start(versions[0].clone(), move |number, _| Habit {
            cut_after: (number == 0).then_some(400_000),
            ..version(usize::from(number > 0), &validators, &versions)
        })
        .await;
        let client = storage.client().build().unwrap();
        let got = client.download(&storage.location()).into_bytes().await;
        let error = got.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ContentChanged, "{error}");
    }
}

/// What an earlier run left is gone on with if it is of the same version, and only then. That
/// counts as no attempt.
#[tokio::test]
async fn a_resumed_download_does_not_go_on_with_another_version() {
    for validators in SERVERS {
        for changes in [false, true] {
            let versions = versions();
            let expected = versions[usize::from(changes)].clone();
            let storage = Storage::start(expected.clone(), move |number, _| Habit {
                cut_after: (number == 0).then_some(2 * MIB),
                status: (number == 1).then_some(403),
                ..version(usize::from(changes && number > 1), &validators, &versions)
            })
            .await;
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("a.wav");
            let client = storage.client().build().unwrap();
            let download = client.download(&storage.location()).connections(1);
            let error = download.to_file(&path).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");

            let client = storage.client().retry_policy(NeverRetry).build().unwrap();
            let download = client.download(&storage.location()).connections(1);
            let saved = download.to_file(&path).await.unwrap();
            assert!(std::fs::read(&path).unwrap() == expected);
            let ranges = storage.ranges();
            assert_eq!(saved.transferred < 2 * MIB as u64, !changes, "{ranges:?}");
            assert!(ranges[2].is_some(), "{ranges:?}");
        }
    }
}

/// The end is there and the beginning is not, so that there is nothing before what is missing.
#[tokio::test]
async fn what_is_there_is_compared_wherever_it_is() {
    for changes in [false, true] {
        let versions = [content(8 * MIB, 52), content(8 * MIB, 53)];
        let expected = versions[usize::from(changes)].clone();
        let middle = 4 * MIB;
        let later = Arc::new(AtomicBool::new(false));
        let is_later = Arc::clone(&later);
        let storage = Storage::start(expected.clone(), move |_, range| {
            let is_later = is_later.load(Ordering::SeqCst);
            let start = range.and_then(|range| range["bytes=".len()..].split('-').next());
            let start = start.map_or(0, |start| start.parse().unwrap());
            Habit {
                stall_after: (!is_later && range.is_none()).then_some(0),
                status: (!is_later && range.is_some() && start < middle).then_some(403),
                ..version(usize::from(changes && is_later), &SERVERS[0], &versions)
            }
        })
        .await;
        let client = storage.client().build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        let download = client.download(&storage.location()).connections(2);
        let impatient = download.clone();
        let impatient = impatient.read_timeout(std::time::Duration::from_millis(700));
        let error = impatient.to_file(&path).await.unwrap_err();
        later.store(true, Ordering::SeqCst);
        let saved = download.to_file(&path).await.unwrap();
        assert!(std::fs::read(&path).unwrap() == expected, "{error}");
        let ranges = storage.ranges();
        assert_eq!(
            saved.transferred < 8 * MIB as u64,
            !changes,
            "{error}: {ranges:?}"
        );
    }
}

/// Connections that break off after less than what would be compared come to their end.
#[tokio::test]
async fn comparing_does_not_stop_progress() {
    let bytes = content(MIB, 54);
    let storage = Storage::start(bytes.clone(), |_, _| Habit {
        cut_after: Some(20_000),
        ..Habit::default()
    })
    .await;
    let client = storage.client().build().unwrap();
    let got = client.download(&storage.location()).into_bytes().await;
    assert!(got.unwrap() == bytes);
}

#[tokio::test]
async fn a_strong_tag_is_asked_with_and_nothing_else() {
    for (tag, expected) in [
        (Some("\"1\""), true),
        (Some("W/\"1\""), false),
        (None, false),
    ] {
        let script = move |number: usize, _: &str| {
            let tag = tag.map(|tag| format!("ETag: {tag}\n")).unwrap_or_default();
            let head = format!("{tag}Last-Modified: {MONDAY}");
            Script::new(match number {
                0 => format!("HTTP/1.1 200 OK\nContent-Length: 9\n{head}\n\nabcd"),
                _ => format!(
                    "HTTP/1.1 206 Part\nContent-Length: 5\nContent-Range: bytes 4-8/9\n{head}\n\nefghi"
                ),
            })
        };
        let server = Raw::start(script).await;
        let client = server.client().build().unwrap();
        let got = client.download(&server.location()).into_bytes().await;
        assert_eq!(got.unwrap(), b"abcdefghi");
        let asked = server.requests()[1].contains("\r\nif-range: \"1\"\r\n");
        assert_eq!(asked, expected, "{tag:?}");
        assert_eq!(
            server.requests()[1].contains("if-range"),
            expected,
            "{tag:?}"
        );
    }
}

/// The service itself answers 200 with `Content-Range`.
#[tokio::test]
async fn content_range_with_status_200_is_believed_if_it_agrees() {
    let server = Raw::start(|number, _| {
        Script::new(match number {
            0 => "HTTP/1.1 200 OK\nContent-Length: 9\nContent-Range: bytes 0-8/9\n\nabcd",
            // What came before the interruption comes once more, since there is no validator.
            _ => "HTTP/1.1 200 OK\nContent-Length: 9\nContent-Range: bytes 0-8/9\n\nabcdefghi",
        })
    })
    .await;
    let client = server.client().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    let saved = client.download(&server.location()).to_file(&path).await;
    assert_eq!(saved.unwrap().bytes, 9);
    assert_eq!(std::fs::read(&path).unwrap(), b"abcdefghi");
}

const CONTRADICTIONS: &[&str] = &[
    "200 OK\nContent-Length: 9\nContent-Range: bytes 1-9/10\n\nabcdefghi",
    "200 OK\nContent-Length: 9\nContent-Range: bytes 0-7/8\n\nabcdefghi",
    "200 OK\nContent-Length: 9\nContent-Range: bytes 0-9/10\n\nabcdefghi",
    "200 OK\nContent-Length: 9\nContent-Range: bytes */9\n\nabcdefghi",
    "200 OK\nContent-Length: 9\nContent-Range: nonsense\n\nabcdefghi",
    "200 OK\nContent-Range: bytes 0-8/9\nContent-Range: bytes 0-7/8\n\nabcdefghi",
    "200 OK\nContent-Length: 9\nContent-Encoding: gzip\n\nabcdefghi",
    "200 OK\nContent-Length: 9\nContent-Encoding: identity, br\n\nabcdefghi",
    "200 OK\nTransfer-Encoding: gzip\n\nabcdefghi",
    "200 OK\nTransfer-Encoding: gzip, chunked\n\n9\r\nabcdefghi\r\n0\r\n\r\n",
    "200 OK\nContent-Length: 9\nContent-Length: 8\n\nabcdefghi",
    "200 OK\nContent-Length: 9\nETag: \"1\"\nETag: \"2\"\n\nabcdefghi",
    "206 Part\nContent-Length: 9\n\nabcdefghi",
    "206 Part\nContent-Length: 9\nContent-Range: bytes 10-18/19\n\nabcdefghi",
    "206 Part\nContent-Type: multipart/byteranges; boundary=x\n\n--x\r\n\r\nabcdefghi\r\n--x--",
    // More than was announced.
    "200 OK\nContent-Range: bytes 0-7/8\nTransfer-Encoding: chunked\n\n9\r\nabcdefghi\r\n0\r\n\r\n",
    "200 OK\nContent-Range: bytes 0-7/8\nTransfer-Encoding: chunked\n\n8\r\nabcdefgh\r\n1\r\ni\r\n0\r\n\r\n",
    "200 OK\nContent-Length: 8\nTransfer-Encoding: chunked\n\n8\r\nabcdefgh\r\n1\r\ni\r\n0\r\n\r\n",
    "200 OK\nContent-Range: bytes 0-7/8\nConnection: close\n\nabcdefghi",
];

#[tokio::test]
async fn a_response_that_contradicts_itself_is_not_the_content() {
    for text in CONTRADICTIONS {
        let server = Raw::start(move |_, _| Script::new(format!("HTTP/1.1 {text}"))).await;
        let client = server.client().build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        let saved = client.download(&server.location()).to_file(path).await;
        let error = saved.expect_err(text);
        assert!(names(folder.path()).is_empty(), "{text}");
        let refused = [
            ErrorKind::InvalidResponse,
            ErrorKind::CorruptContent,
            // What HTTP itself does not allow is no response.
            ErrorKind::Connection,
        ];
        assert!(refused.contains(&error.kind()), "{text}: {error}");
        let got = client.download(&server.location()).into_bytes().await;
        got.expect_err(text);
    }
}

/// The beginning came, and then the server goes on with something else.
#[tokio::test]
async fn a_part_that_contradicts_the_request_is_not_the_content() {
    for second in [
        "206 Part\nContent-Length: 5\nContent-Range: bytes 0-4/9\n\nabcde",
        "206 Part\nContent-Length: 4\nContent-Range: bytes 5-8/9\n\nfghi",
        "206 Part\nContent-Length: 5\n\nefghi",
        "206 Part\nContent-Length: 6\nContent-Range: bytes 4-8/9\n\nefghij",
        "200 OK\nContent-Length: 5\nContent-Range: bytes 0-4/9\n\nabcde",
        "206 Part\nContent-Length: 5\nContent-Range: bytes 4-8/9\nContent-Encoding: gzip\n\nefghi",
        "206 Part\nContent-Range: bytes 4-8/9\nTransfer-Encoding: chunked\n\n6\r\nefghij\r\n0\r\n\r\n",
    ] {
        let script = move |number: usize, _: &str| {
            let tag = "ETag: \"1\"\nContent-Type: audio/wav";
            let text = match number {
                0 => "200 OK\nContent-Length: 9\n\nabcd",
                _ => second,
            };
            Script::new(format!(
                "HTTP/1.1 {}",
                text.replacen("\n\n", &format!("\n{tag}\n\n"), 1)
            ))
        };
        let server = Raw::start(script).await;
        let client = server.client().build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        let saved = client.download(&server.location()).to_file(&path).await;
        let error = saved.expect_err(second);
        assert!(!path.exists(), "{second}");
        let refused = [ErrorKind::InvalidResponse, ErrorKind::CorruptContent];
        assert!(refused.contains(&error.kind()), "{second}: {error}");
        let got = client
            .download(&server.location())
            .range(1..)
            .into_bytes()
            .await;
        got.expect_err(second);
    }
}
