//! What becomes of events.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use acs_emulator::{Clock, Emulator};
use acs_recording::webhook::{
    Authenticator, Claim, ClaimToken, DeduplicationStore, EventKey, HandlerError, MemoryStore,
    StoreFuture, Webhook,
};
use acs_recording::{Event, EventPayload, RecordingClient, ServerCallId};
use futures_util::FutureExt as _;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, timeout};

use super::{SECRET, Seen, event, post, status};

#[tokio::test]
async fn a_handler_that_panics_has_failed_and_takes_no_other_event_with_it() {
    let seen = Seen::default();
    let (log, calm) = (seen.clone(), Arc::new(AtomicUsize::new(0)));
    let panics = Arc::clone(&calm);
    let webhook =
        Webhook::builder(Authenticator::allow_unauthenticated()).build(move |event: Event| {
            assert!(
                event.id != "bad" || panics.load(Ordering::Relaxed) > 0,
                "no"
            );
            log.ids.lock().unwrap().push(event.id);
            std::future::ready(Ok(()))
        });
    let batch = || post("/e", format!("[{}, {}]", event("bad"), event("good")));
    assert_eq!(status(&webhook, batch()).await, 503);
    assert_eq!(seen.ids(), ["good"]);
    // It is not taken for one that is being handled.
    calm.store(1, Ordering::Relaxed);
    assert_eq!(status(&webhook, batch()).await, 200);
    assert_eq!(seen.ids(), ["bad"]);
}

#[tokio::test]
async fn statuses_lose_no_event() {
    let seen = Seen::default();
    let webhook = seen.webhook(Webhook::builder(Authenticator::allow_unauthenticated()));
    seen.fail
        .lock()
        .unwrap()
        .extend([("later".into(), false), ("never".into(), true)]);
    let batch = |ids: &[&str]| {
        let events: Vec<_> = ids.iter().map(|id| event(id)).collect();
        post("/e", format!("[{}]", events.join(",")))
    };
    // One has to come again: so does the delivery, and what was handled is not handled twice.
    assert_eq!(
        status(&webhook, batch(&["a", "later", "b", "never"])).await,
        503
    );
    assert_eq!(seen.ids(), ["a", "later", "b", "never"]);
    assert_eq!(
        status(&webhook, batch(&["a", "later", "b", "c"])).await,
        503
    );
    assert_eq!(seen.ids(), ["later", "c"]);
    seen.fail.lock().unwrap().clear();
    assert_eq!(
        status(&webhook, batch(&["a", "later", "b", "c"])).await,
        200
    );
    assert_eq!(seen.ids(), ["later"]);
    // What can never be handled is refused each time, or it would never be given up.
    seen.fail.lock().unwrap().push(("never".into(), true));
    assert_eq!(
        status(&webhook, batch(&["a", "later", "b", "never"])).await,
        400
    );
    assert_eq!(seen.ids(), ["never"]);
    // It is given up only after the rest was handled.
    seen.fail.lock().unwrap().push(("no use".into(), true));
    assert_eq!(status(&webhook, batch(&["no use", "d"])).await, 400);
    assert_eq!(seen.ids(), ["no use", "d"]);
    let broken = format!("[{{}}, {}]", event("e"));
    assert_eq!(status(&webhook, post("/e", broken)).await, 400);
    assert_eq!(seen.ids(), ["e"]);
    for body in ["", "{", "<html>", "[1", "\u{0}"] {
        assert_eq!(status(&webhook, post("/e", body)).await, 400, "{body:?}");
    }
    // Ids are unique within a source only.
    let other = event("a").replace("/t", "/u");
    assert_eq!(status(&webhook, post("/e", other)).await, 200);
    assert_eq!(seen.ids(), ["a"]);
}

/// The Functions host wants JSON for an answer, and what triggered it stays if it gets an error.
#[tokio::test]
async fn a_functions_host_gets_the_answer_that_it_wants() {
    let done = serde_json::json!({"Outputs": {}, "Logs": [], "ReturnValue": null});
    let seen = Seen::default();
    let webhook = seen.webhook(Webhook::builder(Authenticator::allow_unauthenticated()));
    let text = |event: &str| serde_json::to_string(event).unwrap();
    for (id, input) in [
        ("object", event("object")),
        ("text", text(&event("text"))),
        ("quoted", text(&text(&event("quoted")))),
        ("many", format!("[{}]", text(&event("many")))),
    ] {
        let body = format!(r#"{{"Data": {{"in": {input}}}, "Metadata": {{"sys": {{}}}}}}"#);
        let response = webhook.respond(post("/files", body)).await;
        assert_eq!(response.status(), 200, "{id}");
        assert_eq!(response.headers()["content-type"], "application/json");
        let answer: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(answer, done);
        assert_eq!(seen.ids(), [id]);
    }

    seen.fail.lock().unwrap().push(("later".into(), false));
    let body = format!(
        r#"{{"Data": {{"in": {}}}, "Metadata": {{}}}}"#,
        event("later")
    );
    assert_eq!(status(&webhook, post("/files", body)).await, 503);
    let body = r#"{"Data": {"in": "hello"}, "Metadata": {}}"#;
    assert_eq!(status(&webhook, post("/files", body)).await, 400);

    // A request that is passed on is answered through an output.
    let question = r#"[{"id": "1", "data": {"validationCode": "c-1"},
        "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent"}]"#;
    let request = serde_json::json!({"Data": {"req": {"Method": "POST", "Body": question,
        "Headers": {"aeg-event-type": ["SubscriptionValidation"]}}}, "Metadata": {}});
    let response = webhook.respond(post("/files", request.to_string())).await;
    assert_eq!(response.status(), 200);
    let answer: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
    assert_eq!(answer["Outputs"]["res"], answer["ReturnValue"]);
    assert_eq!(
        answer["Outputs"]["res"],
        serde_json::json!({"statusCode": 200, "body": r#"{"validationResponse":"c-1"}"#,
            "headers": {"Content-Type": "application/json; charset=utf-8"}})
    );
}

#[tokio::test]
async fn duplicates_can_be_wanted() {
    let seen = Seen::default();
    let webhook =
        seen.webhook(Webhook::builder(Authenticator::allow_unauthenticated()).keep_duplicates());
    for _ in 0..3 {
        assert_eq!(status(&webhook, post("/e", event("a"))).await, 200);
    }
    assert_eq!(seen.ids().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_slow_handler_is_asked_again_and_in_time() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&calls);
    let webhook =
        Webhook::builder(Authenticator::allow_unauthenticated()).build(move |_: Event| {
            let first = counter.fetch_add(1, Ordering::Relaxed) == 0;
            async move {
                if first {
                    std::future::pending::<()>().await;
                }
                Ok(())
            }
        });
    let begin = Instant::now();
    assert_eq!(status(&webhook, post("/e", event("a"))).await, 503);
    assert_eq!(begin.elapsed().as_secs(), 25);
    assert_eq!(status(&webhook, post("/e", event("a"))).await, 200);
    assert_eq!(calls.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn after_the_deadline_no_event_is_begun() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&calls);
    let webhook = Webhook::builder(Authenticator::allow_unauthenticated())
        .keep_duplicates()
        .build(move |_: Event| {
            counter.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_secs(20)).map(Ok)
        });
    let batch = ["a", "b", "c"].map(event).join(",");
    let begin = Instant::now();
    assert_eq!(
        status(&webhook, post("/e", format!("[{batch}]"))).await,
        503
    );
    assert_eq!(begin.elapsed().as_secs(), 25);
    assert_eq!(calls.load(Ordering::Relaxed), 2);
}

/// A store that has forgotten how to note.
struct Stuck(MemoryStore);

impl DeduplicationStore for Stuck {
    fn claim<'a>(&'a self, event: &'a EventKey, lease: Duration) -> StoreFuture<'a, Claim> {
        self.0.claim(event, lease)
    }

    fn done<'a>(&'a self, _: &'a EventKey, _: ClaimToken) -> StoreFuture<'a, ()> {
        Box::pin(std::future::pending())
    }

    fn release<'a>(&'a self, _: &'a EventKey, _: ClaimToken) -> StoreFuture<'a, ()> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test(start_paused = true)]
async fn a_stuck_store_does_not_keep_the_answer() {
    let seen = Seen::default();
    let builder = Webhook::builder(Authenticator::allow_unauthenticated())
        .deduplicate(Stuck(MemoryStore::default()));
    let webhook = seen.webhook(builder);
    seen.fail.lock().unwrap().push(("later".into(), false));
    for (id, expected) in [("a", 200), ("later", 503)] {
        let begin = Instant::now();
        let answer = status(&webhook, post("/e", event(id)));
        assert_eq!(timeout(Duration::from_secs(30), answer).await, Ok(expected));
        assert_eq!(begin.elapsed().as_secs(), 1, "{id}");
    }
    assert_eq!(seen.ids(), ["a", "later"]);
}

#[tokio::test(start_paused = true)]
async fn of_two_deliveries_at_once_one_is_handled() {
    let (entered, leave) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let calls = Arc::new(AtomicUsize::new(0));
    let webhook = Webhook::builder(Authenticator::allow_unauthenticated()).build({
        let (entered, leave, calls) =
            (Arc::clone(&entered), Arc::clone(&leave), Arc::clone(&calls));
        move |_: Event| {
            let (entered, leave, calls) =
                (Arc::clone(&entered), Arc::clone(&leave), Arc::clone(&calls));
            async move {
                calls.fetch_add(1, Ordering::Relaxed);
                entered.notify_one();
                leave.notified().await;
                Ok(())
            }
        }
    });
    let first = tokio::spawn({
        let webhook = webhook.clone();
        async move { status(&webhook, post("/e", event("a"))).await }
    });
    entered.notified().await;
    // The first may still fail, so the second must not say that all is well.
    assert_eq!(status(&webhook, post("/e", event("a"))).await, 503);
    leave.notify_one();
    assert_eq!(first.await.unwrap(), 200);
    assert_eq!(status(&webhook, post("/e", event("a"))).await, 200);
    assert_eq!(calls.load(Ordering::Relaxed), 1);

    // A delivery that is dropped leaves a claim behind, which runs out.
    let dropped = tokio::spawn({
        let webhook = webhook.clone();
        async move { status(&webhook, post("/e", event("b"))).await }
    });
    entered.notified().await;
    dropped.abort();
    assert_eq!(status(&webhook, post("/e", event("b"))).await, 503);
    tokio::time::advance(Duration::from_secs(27)).await;
    leave.notify_one();
    assert_eq!(status(&webhook, post("/e", event("b"))).await, 200);
    assert_eq!(calls.load(Ordering::Relaxed), 3);
}

/// Records a call of a second and stops; its file is announced by the emulator then.
async fn record(emulator: &Emulator, client: &RecordingClient, clock: &Clock) {
    let call = emulator.call(["ann", "ben"]).await;
    let id = ServerCallId::new(call.server_call_id()).unwrap();
    let recording = client.start(id).await.unwrap();
    clock.advance(Duration::from_secs(5));
    recording.stop().await.unwrap();
    clock.advance(Duration::from_secs(5 * 60));
}

async fn listen(webhook: Webhook) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!(
        "http://{}/events?code=correct+horse+battery",
        listener.local_addr().unwrap()
    );
    tokio::spawn(async move { axum::serve(listener, webhook.router::<()>("/events")).await });
    url
}

#[tokio::test]
async fn the_emulator_delivers_until_the_handler_succeeds() {
    const CALLS: usize = 6;
    let clock = Clock::manual();
    let emulator = Emulator::builder()
        .clock(clock.clone())
        .start()
        .await
        .unwrap();
    let (attempts, mut attempted) = mpsc::unbounded_channel();
    let handled = Arc::new(std::sync::Mutex::new(Vec::new()));
    let log = Arc::clone(&handled);
    let failures = AtomicUsize::new(0);
    let store = MemoryStore::new(1000, Duration::from_secs(25 * 60 * 60));
    let webhook = Webhook::builder(Authenticator::secret("code", SECRET).unwrap())
        .deduplicate(store)
        .build(move |event: Event| {
            // Two of three attempts fail.
            let fails = failures.fetch_add(1, Ordering::Relaxed) % 3 != 2;
            if !fails {
                let EventPayload::RecordingFileStatusUpdated(file) = event.payload() else {
                    panic!("{event}");
                };
                log.lock().unwrap().push(file.recording_id.clone().unwrap());
            }
            attempts.send(fails).unwrap();
            async move {
                if fails {
                    Err(HandlerError::retry("not now"))
                } else {
                    Ok(())
                }
            }
        });
    let url = listen(webhook).await;
    // Everything comes twice from each of two subscriptions, and not in its order.
    for _ in 0..2 {
        let subscription = emulator.subscribe(&url).duplicates(1).reordered();
        subscription.await.unwrap();
    }
    let client = RecordingClient::from_connection_string(emulator.connection_string()).unwrap();
    for _ in 0..CALLS {
        record(&emulator, &client, &clock).await;
    }
    let all_handled = async {
        let mut successes = 0;
        while successes < CALLS {
            if let Ok(fails) = attempted.try_recv() {
                successes += usize::from(!fails);
            } else {
                // Whatever waits for its next attempt gets it.
                clock.advance(Duration::from_secs(30));
                tokio::task::yield_now().await;
            }
        }
    };
    timeout(Duration::from_secs(60), all_handled).await.unwrap();
    let mut ids = handled.lock().unwrap().clone();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), CALLS, "every event was handled");
    assert_eq!(handled.lock().unwrap().len(), CALLS, "and once");
}
