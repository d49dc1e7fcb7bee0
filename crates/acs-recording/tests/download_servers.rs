//! Downloads from servers with all kinds of habits.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_precision_loss,
    reason = "a test that cannot go on fails"
)]

mod common;
#[path = "common/storage.rs"]
mod storage;

use acs_recording::{ErrorKind, NeverRetry};
use bytes::Bytes;
use common::{Answer, Server};
use storage::{Habit, Storage, content, expect_whole, names};

const MIB: usize = 1024 * 1024;

#[tokio::test]
async fn servers_with_other_habits_are_served_by_one_stream() {
    let bytes = content(3 * MIB, 4);
    for habit in [
        Habit {
            ignores_range: true,
            ..Habit::default()
        },
        Habit {
            refuses_range: true,
            ..Habit::default()
        },
        Habit {
            hides_length: true,
            ..Habit::default()
        },
        Habit {
            hides_length: true,
            ignores_range: true,
            ..Habit::default()
        },
    ] {
        expect_whole(&bytes, move |_, _| habit.clone()).await;
    }
    let says_200 = Habit {
        says_200: true,
        ..Habit::default()
    };
    expect_whole(&bytes, move |_, _| says_200.clone()).await;
}

#[tokio::test]
async fn interruptions_are_taken_up_at_the_same_byte() {
    let bytes = content(3 * MIB, 5);
    let cut = |number: usize| Habit {
        cut_after: number.is_multiple_of(2).then_some(50_000 + number * 1111),
        ..Habit::default()
    };
    expect_whole(&bytes, move |number, _| cut(number)).await;
    expect_whole(&bytes, move |number, _| Habit {
        ignores_range: true,
        ..cut(number)
    })
    .await;
    expect_whole(&bytes, move |number, _| Habit {
        refuses_range: number > 3,
        ..cut(number)
    })
    .await;
    expect_whole(&bytes, move |number, _| Habit {
        hides_length: true,
        tag: Some("\"1\""),
        ..cut(number)
    })
    .await;
    // Without size and tag, only what comes in one go is known to belong together.
    expect_whole(&bytes, move |number, _| Habit {
        hides_length: true,
        ..cut(number)
    })
    .await;
    let stall = |number: usize| Habit {
        stall_after: (number % 3 == 1).then_some(20_000),
        ..Habit::default()
    };
    expect_whole(&bytes, move |number, _| stall(number)).await;
    let busy = |number: usize| Habit {
        status: [Some(503), None, Some(429), None, Some(500)][number % 5],
        ..Habit::default()
    };
    expect_whole(&bytes, move |number, _| busy(number)).await;
}

#[tokio::test]
async fn a_stream_is_taken_up_too() {
    let bytes = content(MIB, 6);
    let habit = |number: usize| Habit {
        cut_after: (number < 4).then_some(100_000),
        tag: Some("\"1\""),
        ..Habit::default()
    };
    let storage = Storage::start(bytes.clone(), move |number, _| habit(number)).await;
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
async fn content_that_changes_is_never_mixed() {
    let (old, new) = (content(6 * MIB, 7), content(6 * MIB, 8));
    let longer = content(6 * MIB + 1, 9);
    // With a tag, content of the same size is told apart; without, by its size.
    for (tags, new) in [
        ([Some("\"1\""), Some("\"2\"")], new),
        ([None, None], longer),
    ] {
        let served = [(tags[0], old.clone()), (tags[1], new.clone())];
        expect_whole(&new, move |number, _| {
            let (tag, content) = served[usize::from(number > 2)].clone();
            let cut_after = (number <= 2).then_some(400_000);
            Habit {
                tag,
                content: Some(content),
                cut_after,
                ..Habit::default()
            }
        })
        .await;
    }
    let (one, two) = (content(1000, 7), content(1000, 8));
    let storage = Storage::start(one.clone(), move |number, _| Habit {
        tag: Some(["\"1\"", "\"2\""][number % 2]),
        content: Some([&one, &two][number % 2].clone()),
        cut_after: Some(500),
        ..Habit::default()
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
    assert!(names(folder.path()).is_empty(), "nothing of it is of use");
    let error = client
        .download(&storage.location())
        .into_bytes()
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ContentChanged, "{error}");
}

/// Other content of the same size, from a server that tells no tag any more, or no size.
#[tokio::test]
async fn an_answer_that_says_nothing_about_itself_is_not_believed() {
    let (old, new) = (content(3 * MIB, 20), content(3 * MIB, 21));
    for (tag, hides_length) in [(Some("\"1\""), false), (None, true)] {
        let served = [old.clone(), new.clone()];
        expect_whole(&new, move |number, _| Habit {
            tag: tag.filter(|_| number == 0),
            hides_length: hides_length && number > 0,
            ignores_range: number > 0,
            content: Some(served[usize::from(number > 0)].clone()),
            cut_after: (number == 0).then_some(400_000),
            ..Habit::default()
        })
        .await;
    }
    // Which parts are about the same content cannot be known: none are asked for in the end.
    let storage = expect_whole(&new, |number, _| Habit {
        tag: Some("\"1\""),
        tags_whole_only: true,
        cut_after: (number == 0).then_some(400_000),
        ..Habit::default()
    })
    .await;
    assert_eq!(storage.ranges().last(), Some(&None));
}

#[tokio::test]
async fn content_that_shrinks_is_content_that_changes() {
    let (long, short) = (content(2 * MIB, 22), content(MIB, 23));
    let habit = move |number: usize| Habit {
        content: (number == 0).then(|| long.clone()),
        cut_after: (number == 0).then_some(MIB + 5),
        ..Habit::default()
    };
    let early = habit.clone();
    expect_whole(&short, move |number, _| early(number)).await;
    let storage = Storage::start(short, move |number, _| habit(number)).await;
    let client = storage.client().build().unwrap();
    let download = client.download(&storage.location());
    let error = download.into_bytes().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ContentChanged, "{error}");
}

#[tokio::test]
async fn a_range_is_read_from_the_beginning_if_need_be() {
    let bytes = content(1000, 24);
    for status in [405, 416, 501] {
        let storage = Storage::start(bytes.clone(), move |_, _| Habit {
            range_status: Some(status),
            ..Habit::default()
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

/// Content of which no length is known before its end.
#[tokio::test]
async fn content_without_a_length_is_neither_empty_nor_beyond_its_end() {
    let habit = Habit {
        hides_length: true,
        ignores_range: true,
        ..Habit::default()
    };
    let bytes = content(1000, 25);
    let early = habit.clone();
    let storage = Storage::start(bytes.clone(), move |number, _| Habit {
        content: (number == 0).then(Bytes::new),
        ..early.clone()
    })
    .await;
    let client = storage.client().build().unwrap();
    let download = || client.download(&storage.location());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    let saved = download().to_file(&path).await.unwrap();
    assert_eq!(saved.bytes, 1000, "an empty body was waited for");
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

    let storage = Storage::start(Bytes::new(), move |_, _| habit.clone()).await;
    let client = storage.client().build().unwrap();
    let download = client.download(&storage.location());
    let now = download.ready_timeout(std::time::Duration::ZERO);
    assert!(now.into_bytes().await.unwrap().is_empty());
}

/// A body that ends with its connection may have been cut short.
#[tokio::test]
async fn a_body_without_an_end_is_believed_only_if_it_comes_twice() {
    let endless =
        |body: &str| Answer::Text(format!("HTTP/1.1 200 OK\nConnection: close\n\n{body}"));
    for (answers, ok) in [(["whole", "whole"], true), (["who", "whole"], false)] {
        let server = Server::start(answers.map(endless)).await;
        let location = format!("{}/v1/objects/o", server.url).parse().unwrap();
        let client = server.client().retry_policy(NeverRetry).build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        let outcome = client.download(&location).to_file(&path).await;
        assert_eq!(outcome.is_ok(), ok, "{outcome:?}");
        let transferred = outcome.map_or(5, |saved| saved.transferred);
        assert_eq!(transferred, 5, "the second time counts for nothing");
        assert_eq!(path.exists(), ok);
    }
}

/// What a foreign host and whoever it sends us to got to see.
#[tokio::test]
async fn a_foreign_host_gets_no_credentials_and_cannot_send_them_anywhere() {
    let body = common::answer("200 OK", &[], "media");
    let back = Server::start([body]).await;
    let moved = |to: &str| common::answer("302 Found", &[("Location", to)], "");
    let foreign = Server::start([moved(&format!("{}/v1/objects/other", back.url))]).await;
    // Another name of this machine stands for a foreign host.
    let place = foreign.url.replace("127.0.0.1", "0.0.0.0");
    let home = Server::start([moved(&format!("{place}/x"))]).await;
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
