use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use tempfile::TempDir;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

use super::*;
use crate::event::Events;

fn event(id: &str) -> Event {
    let text = format!(r#"{{"id": "{id}", "topic": "/t", "eventType": "Contoso.Test"}}"#);
    Events::parse(text.as_bytes()).next().unwrap().unwrap()
}

fn file_event(id: &str, document: &str, recording: &str) -> Event {
    let text = format!(
        r#"{{"id": "{id}", "topic": "/t", "subject": "/recording/call/c/recordingId/{recording}",
            "eventType": "Microsoft.Communication.RecordingFileStatusUpdated",
            "data": {{"recordingStorageInfo": {{"recordingChunks": [{{
                "documentId": "{document}", "index": 0,
                "contentLocation": "https://h.example/v1/objects/{document}/content/video",
                "metadataLocation": "https://h.example/v1/objects/{document}/content/acsmetadata"
            }}]}}}}}}"#
    );
    Events::parse(text.as_bytes()).next().unwrap().unwrap()
}

async fn open(folder: &TempDir) -> Spool {
    Spool::open(folder.path().join("spool")).await.unwrap()
}

fn names(folder: &TempDir, name: &str) -> Vec<String> {
    let entries = fs::read_dir(folder.path().join("spool").join(name)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

fn file(folder: &TempDir, name: &str, event: &Event) -> PathBuf {
    let file = format!("{}.json", EventKey::of(event));
    folder.path().join("spool").join(name).join(file)
}

fn grow_old(path: &Path, age: Duration) {
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_modified(SystemTime::now() - age).unwrap();
}

#[tokio::test]
async fn an_event_is_one_file_as_soon_as_it_is_put() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(&folder).await;
    let event = file_event("1", "d", "r");
    assert!(spool.put(&event).await.unwrap());
    assert!(!spool.put(&event).await.unwrap());
    assert!(spool.contains(&event).await.unwrap());
    assert_eq!(spool.pending(), 1);
    let path = file(&folder, "pending", &event);
    let kept = Events::parse(&fs::read(&path).unwrap()).next().unwrap();
    assert_eq!(format!("{:?}", kept.unwrap()), format!("{event:?}"));
    assert_eq!(names(&folder, "pending").len(), 1);
    assert!(names(&folder, "tmp").is_empty());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(path.parent().unwrap()), 0o700);
        assert_eq!(mode(spool.folder()), 0o700);
        assert_eq!(mode(&spool.folder().join("lock")), 0o600);
    }
}

#[tokio::test]
async fn a_crash_leaves_whole_events_only() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(&folder).await;
    for id in ["1", "2"] {
        spool.put(&event(id)).await.unwrap();
    }
    drop(spool);
    // What a process that is killed in the middle of writing leaves.
    let half = folder.path().join("spool/tmp/7");
    fs::write(&half, "{\"id\": \"3").unwrap();
    let spool = open(&folder).await;
    assert_eq!(spool.pending(), 2);
    assert!(!half.exists());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let worker = spool.process(move |event: Event| {
        log.lock().unwrap().push(event.id);
        std::future::ready(Ok(()))
    });
    worker.run_until(spool.drained()).await;
    let mut seen = seen.lock().unwrap().clone();
    seen.sort();
    assert_eq!(seen, ["1", "2"]);
    assert!(names(&folder, "pending").is_empty());
    assert_eq!(names(&folder, "done").len(), 2);
}

#[tokio::test]
async fn one_process_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(&folder).await;
    let error = Spool::open(first.folder()).await.unwrap_err();
    assert!(error.to_string().contains("another process"), "{error}");
    assert_eq!(error.kind(), ErrorKind::Io);
    drop(first);
    open(&folder).await;
}

/// In a folder that others write to, anything may be there before the spool is.
#[cfg(unix)]
#[tokio::test]
async fn no_link_leads_out_of_the_spool() {
    use std::os::unix::fs::symlink;

    for name in ["tmp", "pending", "done", "noted", "unreadable", "lock"] {
        let folder = tempfile::tempdir().unwrap();
        let (spool, elsewhere) = (folder.path().join("spool"), folder.path().join("elsewhere"));
        fs::create_dir(&spool).unwrap();
        fs::create_dir(&elsewhere).unwrap();
        fs::write(elsewhere.join("precious"), "x").unwrap();
        let target = match name {
            "lock" => elsewhere.join("new"),
            _ => elsewhere.clone(),
        };
        symlink(target, spool.join(name)).unwrap();
        let error = Spool::open(&spool).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io, "{name}");
        assert!(error.to_string().contains(name), "{error}");
        let left: Vec<_> = fs::read_dir(&elsewhere).unwrap().collect();
        assert_eq!(left.len(), 1, "{name}: {left:?}");
        fs::remove_file(spool.join(name)).unwrap();
        Spool::open(&spool).await.unwrap();
        // Who chooses the folder may well name a link of their own.
        symlink(&spool, folder.path().join("link")).unwrap();
        Spool::open(folder.path().join("link")).await.unwrap();
        // Only root can give a folder away.
        let own = if name == "lock" {
            spool
        } else {
            spool.join(name)
        };
        if std::os::unix::fs::chown(&own, Some(4321), None).is_ok() {
            let error = Spool::open(folder.path().join("spool")).await.unwrap_err();
            let text = error.to_string();
            assert!(text.contains("belongs to another user"), "{text}");
        }
    }
}

#[tokio::test]
async fn handled_events_are_remembered_across_restarts() {
    let folder = tempfile::tempdir().unwrap();
    let event = event("1");
    let spool = open(&folder).await;
    spool.put(&event).await.unwrap();
    let worker = spool.process(async |_: Event| Ok(()));
    worker.run_until(spool.drained()).await;
    drop(spool);
    let spool = open(&folder).await;
    assert!(!spool.put(&event).await.unwrap());
    assert_eq!(spool.pending(), 0);
    // And forgotten when nobody repeats them any more.
    grow_old(
        &file(&folder, "done", &event),
        Duration::from_secs(26 * 60 * 60),
    );
    spool.on_disk(|inner| inner.store.prune()).await.unwrap();
    assert!(names(&folder, "done").is_empty());
    assert!(spool.put(&event).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_failing_event_keeps_no_other_waiting_and_is_no_busy_loop() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(&folder).await;
    for id in ["bad", "1", "2"] {
        spool.put(&event(id)).await.unwrap();
    }
    let begun = Instant::now();
    let attempts = Arc::new(Mutex::new(Vec::new()));
    let worker = spool.process({
        let attempts = Arc::clone(&attempts);
        move |event: Event| {
            attempts
                .lock()
                .unwrap()
                .push((event.id.clone(), begun.elapsed()));
            let fails = event.id == "bad";
            async move {
                if fails {
                    return Err(Error::new(ErrorKind::Connection, "no network").into());
                }
                Ok(())
            }
        }
    });
    // An hour with one slot.
    let hour = worker
        .concurrency(1)
        .run_until(sleep(Duration::from_secs(60 * 60)));
    hour.await;
    let attempts = attempts.lock().unwrap().clone();
    for id in ["1", "2"] {
        let of_it: Vec<_> = attempts.iter().filter(|(one, _)| one == id).collect();
        assert_eq!(of_it.len(), 1);
        assert!(of_it[0].1 < Duration::from_secs(2), "{of_it:?}");
    }
    let times: Vec<_> = attempts.iter().filter(|(id, _)| id == "bad").collect();
    // 5 s, 10 s, … up to 10 min, each of them between half and whole.
    assert!((10..=18).contains(&times.len()), "{times:?}");
    let pauses = times
        .windows(2)
        .map(|pair| pair[1].1.saturating_sub(pair[0].1));
    assert!(
        pauses
            .clone()
            .all(|pause| pause >= Duration::from_millis(2500))
    );
    assert!(pauses.max().unwrap() >= Duration::from_secs(5 * 60));
    assert_eq!(spool.pending(), 1);
    assert_eq!(names(&folder, "pending").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_service_says_how_long_to_wait() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(&folder).await;
    spool.put(&event("1")).await.unwrap();
    let begun = Instant::now();
    let calls = AtomicUsize::new(0);
    let told = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&told);
    let worker = spool.process(move |_: Event| {
        let first = calls.fetch_add(1, Ordering::Relaxed) == 0;
        let busy = Error::new(ErrorKind::Throttled, "busy");
        let busy = busy.with_retry_after(Duration::from_secs(700));
        std::future::ready(if first { Err(busy.into()) } else { Ok(()) })
    });
    let worker = worker.on_outcome(move |event, outcome| {
        let outcome = match outcome {
            Outcome::Deferred { delay, .. } => delay.as_secs(),
            Outcome::Done => 0,
            Outcome::Noted { .. } => 1,
        };
        log.lock().unwrap().push((event.id.clone(), outcome));
    });
    worker.run_until(spool.drained()).await;
    assert!(begun.elapsed() >= Duration::from_secs(700));
    let expected = [("1".to_owned(), 700), ("1".to_owned(), 0)];
    assert_eq!(*told.lock().unwrap(), expected);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_handled_is_noted_once() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(&folder).await;
    let (gone, refused, old) = (event("gone"), event("refused"), event("old"));
    for event in [&gone, &refused, &old] {
        spool.put(event).await.unwrap();
    }
    grow_old(
        &file(&folder, "pending", &old),
        Duration::from_secs(25 * 60 * 60),
    );
    let told = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&told);
    let worker = spool.process(|event: Event| {
        let error = match event.id.as_str() {
            "gone" => Error::new(ErrorKind::ExpiredContent, "it is gone").into(),
            "refused" => HandlerError::permanent("no use"),
            _ => HandlerError::retry("no network"),
        };
        std::future::ready(Err(error))
    });
    let worker = worker.on_outcome(move |event, outcome| {
        let Outcome::Noted { expired, .. } = outcome else {
            panic!("{outcome:?}");
        };
        log.lock().unwrap().push((event.id.clone(), expired));
    });
    worker.run_until(spool.drained()).await;
    drop(spool);
    let mut told = told.lock().unwrap().clone();
    told.sort();
    let expected = [("gone", false), ("old", true), ("refused", false)];
    assert_eq!(told, expected.map(|(id, expired)| (id.to_owned(), expired)));
    let reason = file(&folder, "noted", &gone).with_extension("reason.json");
    let reason: serde_json::Value = serde_json::from_slice(&fs::read(reason).unwrap()).unwrap();
    assert_eq!(reason["kind"], "expired-content");
    assert_eq!(reason["reason"], "it is gone");
    assert_eq!(reason["attempts"], 1);
    // Neither a restart nor another delivery begins again.
    let spool = open(&folder).await;
    assert!(!spool.put(&gone).await.unwrap());
    assert_eq!(spool.pending(), 0);
    // Unless somebody wants that.
    fs::rename(
        file(&folder, "noted", &gone),
        file(&folder, "pending", &gone),
    )
    .unwrap();
    drop(spool);
    assert_eq!(open(&folder).await.pending(), 1);
}

/// Events do not always tell when their recording ended, and content may come after them.
#[tokio::test(start_paused = true)]
async fn content_that_is_not_found_may_come_late() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(&folder).await;
    let (early, late, mut dated) = (event("early"), event("late"), event("dated"));
    dated.time = Some("2025-07-01T12:00:00Z".parse().unwrap());
    for event in [&early, &late, &dated] {
        spool.put(event).await.unwrap();
    }
    grow_old(
        &file(&folder, "pending", &late),
        Duration::from_secs(16 * 60),
    );
    let calls = AtomicUsize::new(0);
    let worker = spool.process(move |event: Event| {
        let found = event.id == "early" && calls.fetch_add(1, Ordering::Relaxed) > 1;
        let missing = Error::new(ErrorKind::NotFound, "not found");
        std::future::ready(if found { Ok(()) } else { Err(missing.into()) })
    });
    worker.run_until(spool.drained()).await;
    assert!(file(&folder, "done", &early).exists());
    assert!(file(&folder, "noted", &late).exists());
    assert!(file(&folder, "noted", &dated).exists());
}

#[tokio::test]
async fn a_file_that_is_no_event_is_kept_aside() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(&folder).await;
    spool.put(&event("1")).await.unwrap();
    drop(spool);
    let pending = folder.path().join("spool/pending");
    fs::write(pending.join("half.json"), "{\"id\"").unwrap();
    fs::write(pending.join("empty.json"), "").unwrap();
    fs::write(
        pending.join("two.json"),
        r#"[{"id":"1","type":"x"},{"id":"2","type":"x"}]"#,
    )
    .unwrap();
    let spool = open(&folder).await;
    let worker = spool.process(async |_: Event| Ok(()));
    let run = worker.run_until(spool.drained());
    timeout(Duration::from_secs(20), run).await.unwrap();
    assert_eq!(
        names(&folder, "unreadable"),
        ["empty.json", "half.json", "two.json"]
    );
    assert_eq!(names(&folder, "done").len(), 1);
}

#[tokio::test]
async fn unreadable_deliveries_are_kept_once_and_within_bounds() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(&folder).await;
    let invalid = |body: &[u8]| Events::parse(body).next().unwrap().unwrap_err();
    for _ in 0..2 {
        spool.invalid(&invalid(b"<html>")).await.unwrap();
    }
    let kept = names(&folder, "unreadable");
    assert_eq!(kept.len(), 1);
    let unreadable = folder.path().join("spool/unreadable");
    assert_eq!(fs::read(unreadable.join(&kept[0])).unwrap(), b"<html>");
    for number in 1..1000 {
        fs::write(unreadable.join(number.to_string()), "x").unwrap();
    }
    // It is not lost: Event Grid is asked to send it again.
    let error = spool.invalid(&invalid(b"<xml>")).await.unwrap_err();
    assert_eq!(error.disposition(), crate::Disposition::Retry);
    spool.invalid(&invalid(b"<html>")).await.unwrap();
    assert_eq!(names(&folder, "unreadable").len(), 1000);
}

/// Two events about one recording never run at once, and do not take the slots of others.
#[tokio::test(start_paused = true)]
async fn events_about_one_recording_follow_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(&folder).await;
    // By the recording, by the document, or both.
    for (id, document, recording) in [
        ("1", "d1", "r1"),
        ("2", "d2", "r1"),
        ("3", "d1", "r2"),
        ("4", "d1", "r1"),
        ("other", "d9", "r9"),
    ] {
        let event = file_event(id, document, recording);
        spool.put(&event).await.unwrap();
    }
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (count, max) = (Arc::clone(&running), Arc::clone(&most));
    let begun = Instant::now();
    let other = Arc::new(Mutex::new(None));
    let other_at = Arc::clone(&other);
    let worker = spool.process(move |event: Event| {
        let (count, max) = (Arc::clone(&count), Arc::clone(&max));
        if event.id == "other" {
            *other_at.lock().unwrap() = Some(begun.elapsed());
        }
        async move {
            if event.id == "other" {
                return Ok(());
            }
            max.fetch_max(count.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
            sleep(Duration::from_secs(10)).await;
            count.fetch_sub(1, Ordering::Relaxed);
            Ok(())
        }
    });
    worker.concurrency(3).run_until(spool.drained()).await;
    // "2" and "3" share nothing.
    assert!(most.load(Ordering::Relaxed) <= 2);
    assert!(other.lock().unwrap().unwrap() < Duration::from_secs(1));
    assert!(begun.elapsed() >= Duration::from_secs(30));
    assert_eq!(names(&folder, "done").len(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_panics_harms_only_its_event() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(&folder).await;
    for id in ["bad", "good"] {
        spool.put(&event(id)).await.unwrap();
    }
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&calls);
    let worker = spool.process(move |event: Event| {
        let first = event.id == "bad" && counter.fetch_add(1, Ordering::Relaxed) == 0;
        assert!(!first, "this one is bad");
        std::future::ready(Ok(()))
    });
    worker.run_until(spool.drained()).await;
    assert_eq!(calls.load(Ordering::Relaxed), 2);
    assert_eq!(names(&folder, "done").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_panics_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(&folder).await;
    for id in ["1", "2"] {
        spool.put(&event(id)).await.unwrap();
    }
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&calls);
    let begun = Instant::now();
    let worker = spool.process(move |_: Event| {
        let failed = counter.fetch_add(1, Ordering::Relaxed) < 2;
        std::future::ready(if failed {
            Err(HandlerError::retry("later"))
        } else {
            Ok(())
        })
    });
    let worker = worker.on_outcome(|_, outcome| panic!("{outcome:?}"));
    worker.run_until(spool.drained()).await;
    assert_eq!(calls.load(Ordering::Relaxed), 4);
    // What failed has waited all the same.
    assert!(begun.elapsed() >= Duration::from_millis(2500));
    assert_eq!(names(&folder, "done").len(), 2);
}

#[tokio::test]
async fn a_worker_that_is_dropped_leaves_its_events() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(&folder).await;
    let entered = Arc::new(Notify::new());
    let enter = Arc::clone(&entered);
    let stuck = spool.process(move |_: Event| {
        enter.notify_one();
        std::future::pending()
    });
    let running = tokio::spawn(stuck.run());
    // It comes while the worker runs.
    spool.put(&file_event("1", "d", "r")).await.unwrap();
    entered.notified().await;
    running.abort();
    let worker = spool.process(async |_: Event| Ok(()));
    let run = worker.run_until(spool.drained());
    timeout(Duration::from_secs(20), run).await.unwrap();
    assert_eq!(names(&folder, "done").len(), 1);
}

#[tokio::test]
async fn an_event_that_cannot_be_written_is_not_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(&folder).await;
    fs::remove_dir(folder.path().join("spool/tmp")).unwrap();
    let error = spool.handle(event("1")).await.unwrap_err();
    assert_eq!(error.disposition(), crate::Disposition::Retry);
    assert_eq!(spool.pending(), 0);
    fs::create_dir(folder.path().join("spool/tmp")).unwrap();
    spool.handle(event("1")).await.unwrap();
    assert_eq!(spool.pending(), 1);
}
