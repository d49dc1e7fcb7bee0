//! Handling of events: statuses, repeated deliveries, timeouts.

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
async fn a_panicking_handler_does_not_affect_other_events() {
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
    // The claim on it was released.
    calm.store(1, Ordering::Relaxed);
    assert_eq!(status(&webhook, batch()).await, 200);
    assert_eq!(seen.ids(), ["bad"]);
}

#[tokio::test]
async fn the_status_of_a_batch_loses_no_event() {
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
    // One event must be delivered again, so the batch must. Handled events are not handled twice.
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
    // An event that can never be handled is rejected in every delivery.
    seen.fail.lock().unwrap().push(("never".into(), true));
    assert_eq!(
        status(&webhook, batch(&["a", "later", "b", "never"])).await,
        400
    );
    assert_eq!(seen.ids(), ["never"]);
    // The batch is rejected only after the rest was handled.
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

/// The Functions host expects a JSON response, and retries after an error.
#[tokio::test]
async fn a_functions_host_gets_its_own_response_format() {
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
        let output: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(output, done);
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

    // The response to an HTTP trigger is an output.
    let validation = r#"[{"id": "1", "data": {"validationCode": "c-1"},
        "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent"}]"#;
    let request = serde_json::json!({"Data": {"req": {"Method": "POST", "Body": validation,
        "Headers": {"aeg-event-type": ["SubscriptionValidation"]}}}, "Metadata": {}});
    let response = webhook.respond(post("/files", request.to_string())).await;
    assert_eq!(response.status(), 200);
    let output: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
    assert_eq!(output["Outputs"]["res"], output["ReturnValue"]);
    assert_eq!(
        output["Outputs"]["res"],
        serde_json::json!({"statusCode": 200, "body": r#"{"validationResponse":"c-1"}"#,
            "headers": {"Content-Type": "application/json; charset=utf-8"}})
    );
}

#[tokio::test]
async fn duplicates_can_be_allowed() {
    let seen = Seen::default();
    let webhook =
        seen.webhook(Webhook::builder(Authenticator::allow_unauthenticated()).allow_duplicates());
    for _ in 0..3 {
        assert_eq!(status(&webhook, post("/e", event("a"))).await, 200);
    }
    assert_eq!(seen.ids().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_slow_handler_times_out_and_gets_the_event_again() {
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
async fn no_event_is_handled_after_the_deadline() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&calls);
    let webhook = Webhook::builder(Authenticator::allow_unauthenticated())
        .allow_duplicates()
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

/// A store that records nothing and never responds.
struct Stuck(MemoryStore);

impl DeduplicationStore for Stuck {
    fn claim<'a>(&'a self, event: &'a EventKey, lease: Duration) -> StoreFuture<'a, Claim> {
        self.0.claim(event, lease)
    }

    fn complete<'a>(&'a self, _: &'a EventKey, _: ClaimToken) -> StoreFuture<'a, ()> {
        Box::pin(std::future::pending())
    }

    fn release<'a>(&'a self, _: &'a EventKey, _: ClaimToken) -> StoreFuture<'a, ()> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test(start_paused = true)]
async fn a_stuck_store_does_not_delay_the_response() {
    let seen = Seen::default();
    let builder = Webhook::builder(Authenticator::allow_unauthenticated())
        .deduplication_store(Stuck(MemoryStore::default()));
    let webhook = seen.webhook(builder);
    seen.fail.lock().unwrap().push(("later".into(), false));
    for (id, expected) in [("a", 200), ("later", 503)] {
        let begin = Instant::now();
        let response = status(&webhook, post("/e", event(id)));
        assert_eq!(
            timeout(Duration::from_secs(30), response).await,
            Ok(expected)
        );
        assert_eq!(begin.elapsed().as_secs(), 1, "{id}");
    }
    assert_eq!(seen.ids(), ["a", "later"]);
}

#[tokio::test(start_paused = true)]
async fn an_event_in_two_simultaneous_deliveries_is_handled_once() {
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
    // The first can still fail, so the second must not be acknowledged.
    assert_eq!(status(&webhook, post("/e", event("a"))).await, 503);
    leave.notify_one();
    assert_eq!(first.await.unwrap(), 200);
    assert_eq!(status(&webhook, post("/e", event("a"))).await, 200);
    assert_eq!(calls.load(Ordering::Relaxed), 1);

    // A delivery that is dropped leaves a claim behind, which expires.
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

/// Records a short call. The emulator then sends the event about its file.
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
    let webhook = Webhook::builder(Authenticator::query_secret("code", SECRET).unwrap())
        .deduplication_store(store)
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
    // Each of two subscriptions delivers every event twice, and out of order.
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
                // Retries become due.
                clock.advance(Duration::from_secs(30));
                tokio::task::yield_now().await;
            }
        }
    };
    timeout(Duration::from_secs(60), all_handled).await.unwrap();
    let mut ids = handled.lock().unwrap().clone();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), CALLS, "all events were handled");
    assert_eq!(handled.lock().unwrap().len(), CALLS, "each event once");
}
