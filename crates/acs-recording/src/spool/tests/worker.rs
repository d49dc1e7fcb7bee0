//! Handling events: retries, order, outcomes.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_failing_event_does_not_delay_others_and_backs_off() {
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
async fn retry_after_of_the_service_is_respected() {
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
            Outcome::Handled => 0,
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
async fn an_event_that_cannot_be_handled_is_noted_once() {
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
async fn content_that_is_not_found_is_retried_for_a_while() {
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

/// Two events about one recording never run at once, and do not take the slots of others.
#[tokio::test(start_paused = true)]
async fn events_about_one_recording_are_handled_one_by_one() {
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
async fn a_panicking_handler_affects_only_its_event() {
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
async fn a_panicking_listener_does_not_change_the_outcome() {
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
async fn a_dropped_worker_leaves_its_events_pending() {
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
