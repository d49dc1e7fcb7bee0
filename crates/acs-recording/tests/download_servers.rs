//! Downloads from servers with various behaviors.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_precision_loss,
    reason = "a failing test may panic"
)]

mod common;
#[path = "common/storage.rs"]
mod storage;

use acs_recording::{ErrorKind, NeverRetry};
use bytes::Bytes;
use common::{Server, TestResponse};
use storage::{Behavior, Storage, content, expect_whole, names};

const MIB: usize = 1024 * 1024;

#[tokio::test]
async fn servers_without_range_support_are_read_on_one_connection() {
    let bytes = content(3 * MIB, 4);
    for behavior in [
        Behavior {
            ignores_range: true,
            ..Behavior::default()
        },
        Behavior {
            refuses_range: true,
            ..Behavior::default()
        },
        Behavior {
            hides_length: true,
            ..Behavior::default()
        },
        Behavior {
            hides_length: true,
            ignores_range: true,
            ..Behavior::default()
        },
    ] {
        expect_whole(&bytes, move |_, _| behavior.clone()).await;
    }
    let says_200 = Behavior {
        says_200: true,
        ..Behavior::default()
    };
    expect_whole(&bytes, move |_, _| says_200.clone()).await;
}

#[tokio::test]
async fn interruptions_resume_at_the_same_byte() {
    let bytes = content(3 * MIB, 5);
    let cut = |number: usize| Behavior {
        cut_after: number.is_multiple_of(2).then_some(50_000 + number * 1111),
        ..Behavior::default()
    };
    expect_whole(&bytes, move |number, _| cut(number)).await;
    expect_whole(&bytes, move |number, _| Behavior {
        ignores_range: true,
        ..cut(number)
    })
    .await;
    expect_whole(&bytes, move |number, _| Behavior {
        refuses_range: number > 3,
        ..cut(number)
    })
    .await;
    expect_whole(&bytes, move |number, _| Behavior {
        hides_length: true,
        tag: Some("\"1\""),
        ..cut(number)
    })
    .await;
    // Without size and entity tag, only the bytes of one response belong together.
    expect_whole(&bytes, move |number, _| Behavior {
        hides_length: true,
        ..cut(number)
    })
    .await;
    let stall = |number: usize| Behavior {
        stall_after: (number % 3 == 1).then_some(20_000),
        ..Behavior::default()
    };
    expect_whole(&bytes, move |number, _| stall(number)).await;
    let busy = |number: usize| Behavior {
        status: [Some(503), None, Some(429), None, Some(500)][number % 5],
        ..Behavior::default()
    };
    expect_whole(&bytes, move |number, _| busy(number)).await;
}

#[tokio::test]
async fn an_interrupted_stream_resumes() {
    let bytes = content(MIB, 6);
    let behavior = |number: usize| Behavior {
        cut_after: (number < 4).then_some(100_000),
        tag: Some("\"1\""),
        ..Behavior::default()
    };
    let storage = Storage::start(bytes.clone(), move |number, _| behavior(number)).await;
    let client = storage.client().build().unwrap();
    let got = client
        .download(&storage.location())
        .into_bytes()
        .await
        .unwrap();
    assert!(got == bytes);
    let ranges = storage.ranges();
    assert_eq!(
        ranges[1].as_deref(),
        Some("bytes=100000-1048575"),
        "{ranges:?}"
    );
}

#[tokio::test]
async fn versions_of_content_are_never_mixed() {
    let (old, new) = (content(6 * MIB, 7), content(6 * MIB, 8));
    let longer = content(6 * MIB + 1, 9);
    // Content of the same size is distinguished by its entity tag, other content by its size.
    for (tags, new) in [
        ([Some("\"1\""), Some("\"2\"")], new),
        ([None, None], longer),
    ] {
        let served = [(tags[0], old.clone()), (tags[1], new.clone())];
        expect_whole(&new, move |number, _| {
            let (tag, content) = served[usize::from(number > 2)].clone();
            let cut_after = (number <= 2).then_some(400_000);
            Behavior {
                tag,
                content: Some(content),
                cut_after,
                ..Behavior::default()
            }
        })
        .await;
    }
    let (one, two) = (content(1000, 7), content(1000, 8));
    let storage = Storage::start(one.clone(), move |number, _| Behavior {
        tag: Some(["\"1\"", "\"2\""][number % 2]),
        content: Some([&one, &two][number % 2].clone()),
        cut_after: Some(500),
        ..Behavior::default()
    })
    .await;
    let client = storage.client().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    let error = client
        .download(&storage.location())
        .to_file(path)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ContentChanged, "{error}");
    assert!(names(folder.path()).is_empty(), "no part file is kept");
    let error = client
        .download(&storage.location())
        .into_bytes()
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ContentChanged, "{error}");
}

/// Other content of the same size, from a server that omits its entity tag or size later.
#[tokio::test]
async fn a_response_without_identity_is_rejected() {
    let (old, new) = (content(3 * MIB, 20), content(3 * MIB, 21));
    for (tag, hides_length) in [(Some("\"1\""), false), (None, true)] {
        let served = [old.clone(), new.clone()];
        expect_whole(&new, move |number, _| Behavior {
            tag: tag.filter(|_| number == 0),
            hides_length: hides_length && number > 0,
            ignores_range: number > 0,
            content: Some(served[usize::from(number > 0)].clone()),
            cut_after: (number == 0).then_some(400_000),
            ..Behavior::default()
        })
        .await;
    }
    // Ranges cannot be compared with the content, so the last requests have none.
    let storage = expect_whole(&new, |number, _| Behavior {
        tag: Some("\"1\""),
        tags_whole_only: true,
        cut_after: (number == 0).then_some(400_000),
        ..Behavior::default()
    })
    .await;
    assert_eq!(storage.ranges().last(), Some(&None));
}

#[tokio::test]
async fn shrinking_content_has_changed() {
    let (long, short) = (content(2 * MIB, 22), content(MIB, 23));
    let behavior = move |number: usize| Behavior {
        content: (number == 0).then(|| long.clone()),
        cut_after: (number == 0).then_some(MIB + 5),
        ..Behavior::default()
    };
    let early = behavior.clone();
    expect_whole(&short, move |number, _| early(number)).await;
    let storage = Storage::start(short, move |number, _| behavior(number)).await;
    let client = storage.client().build().unwrap();
    let download = client.download(&storage.location());
    let error = download.into_bytes().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ContentChanged, "{error}");
}

#[tokio::test]
async fn a_range_is_read_from_the_beginning_if_necessary() {
    let bytes = content(1000, 24);
    for status in [405, 416, 501] {
        let storage = Storage::start(bytes.clone(), move |_, _| Behavior {
            range_status: Some(status),
            ..Behavior::default()
        })
        .await;
        let client = storage.client().build().unwrap();
        let download = || client.download(&storage.location());
        let got = download().range(100..200).into_bytes().await.unwrap();
        assert_eq!(got, bytes[100..200], "{status}");
        let error = download().range(1000..).into_bytes().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    }
}

/// Content without an announced length.
#[tokio::test]
async fn content_without_a_length_may_be_empty_or_out_of_range() {
    let behavior = Behavior {
        hides_length: true,
        ignores_range: true,
        ..Behavior::default()
    };
    let bytes = content(1000, 25);
    let early = behavior.clone();
    let storage = Storage::start(bytes.clone(), move |number, _| Behavior {
        content: (number == 0).then(Bytes::new),
        ..early.clone()
    })
    .await;
    let client = storage.client().build().unwrap();
    let download = || client.download(&storage.location());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    let saved = download().to_file(&path).await.unwrap();
    assert_eq!(saved.bytes, 1000, "the download waited after an empty body");
    for start in [1000, 5000] {
        let error = download().range(start..).into_bytes().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        let path = folder.path().join("b.wav");
        let error = download().range(start..).to_file(&path).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    }
    let rest = download().range(998..2000).into_bytes().await.unwrap();
    assert_eq!(rest, bytes[998..]);
    assert_eq!(names(folder.path()), ["a.wav"]);

    let storage = Storage::start(Bytes::new(), move |_, _| behavior.clone()).await;
    let client = storage.client().build().unwrap();
    let download = client.download(&storage.location());
    let now = download.ready_timeout(std::time::Duration::ZERO);
    assert!(now.into_bytes().await.unwrap().is_empty());
}

/// A body that ends with its connection may be incomplete.
#[tokio::test]
async fn an_undelimited_body_is_received_twice() {
    let endless =
        |body: &str| TestResponse::Text(format!("HTTP/1.1 200 OK\nConnection: close\n\n{body}"));
    for (responses, ok) in [(["whole", "whole"], true), (["who", "whole"], false)] {
        let server = Server::start(responses.map(endless)).await;
        let location = format!("{}/v1/objects/o", server.url).parse().unwrap();
        let client = server.client().retry_policy(NeverRetry).build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        let outcome = client.download(&location).to_file(&path).await;
        assert_eq!(outcome.is_ok(), ok, "{outcome:?}");
        let transferred = outcome.map_or(5, |saved| saved.transferred);
        assert_eq!(transferred, 5, "the second response does not count");
        assert_eq!(path.exists(), ok);
    }
}

/// The requests to a foreign host, and to the host that it redirects to.
#[tokio::test]
async fn a_foreign_host_gets_no_credentials_and_cannot_redirect_them() {
    let body = common::respond("200 OK", &[], "media");
    let back = Server::start([body]).await;
    let moved = |to: &str| common::respond("302 Found", &[("Location", to)], "");
    let foreign = Server::start([moved(&format!("{}/v1/objects/other", back.url))]).await;
    // Another name of this machine serves as the foreign host.
    let target = foreign.url.replace("127.0.0.1", "0.0.0.0");
    let home = Server::start([moved(&format!("{target}/x"))]).await;
    let location = format!("{}/v1/objects/o", home.url).parse().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let client = home.client().build().unwrap();
    client
        .download(&location)
        .to_file(folder.path().join("a"))
        .await
        .unwrap();
    let signed = |server: &Server| {
        let request = server.requests()[0].to_lowercase();
        [
            "authorization",
            "x-ms-host",
            "x-ms-date",
            "x-ms-content-sha256",
        ]
        .iter()
        .filter(|name| request.contains(&format!("\r\n{name}: ")))
        .count()
    };
    assert_eq!((signed(&home), signed(&foreign), signed(&back)), (4, 0, 0));
}
