//! Storing events in the folder.

use super::*;

#[tokio::test]
async fn put_writes_one_file_per_event() {
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
async fn only_one_process_can_open_a_spool() {
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
async fn links_inside_of_the_folder_are_rejected() {
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

#[tokio::test]
async fn a_crash_leaves_complete_events_only() {
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
async fn a_file_that_is_not_an_event_is_moved_to_unreadable() {
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
async fn unreadable_deliveries_are_stored_once_and_limited() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(&folder).await;
    let invalid = |body: &[u8]| Events::parse(body).next().unwrap().unwrap_err();
    for _ in 0..2 {
        spool.handle_invalid(&invalid(b"<html>")).await.unwrap();
    }
    let kept = names(&folder, "unreadable");
    assert_eq!(kept.len(), 1);
    let unreadable = folder.path().join("spool/unreadable");
    assert_eq!(fs::read(unreadable.join(&kept[0])).unwrap(), b"<html>");
    for number in 1..1000 {
        fs::write(unreadable.join(number.to_string()), "x").unwrap();
    }
    // It is not lost: Event Grid is asked to send it again.
    let error = spool.handle_invalid(&invalid(b"<xml>")).await.unwrap_err();
    assert_eq!(error.disposition(), crate::Disposition::Retry);
    spool.handle_invalid(&invalid(b"<html>")).await.unwrap();
    assert_eq!(names(&folder, "unreadable").len(), 1000);
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
