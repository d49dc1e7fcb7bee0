//! The cost of authentication and parsing in the webhook, compared with a handler that only reads
//! the body.
//!
//! ```text
//! cargo bench -p acs-recording --bench webhook --features axum
//! ```
//!
//! The load comes from another process, over persistent connections with TLS. It alternates between
//! the router, with token authentication (RS256, keys from loopback) and deduplication, and an axum
//! handler that reads the body. A request contains one event or a hundred. The results are medians of
//! several rounds, and the ratio is that of the rates within each round. No ratio is printed, and the
//! program fails, if something disturbed the run.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a failing benchmark may panic, and its numbers are small"
)]

mod common;

use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use acs_recording::Event;
use acs_recording::webhook::{TokenAuthenticator, Webhook};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use axum::Router;
use axum::body::Bytes;
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use common::tls::Secure;
use common::{Ratio, Watch, median, print_machine};
use serde_json::{Value, json};

const ISSUER: &str = "https://issuer.example";
const AUDIENCE: &str = "4a7d6c1e-0000-4000-8000-000000000aaa";
/// The environment variable with the target of the load, for the process that generates it.
const TARGET: &str = "ACS_WEBHOOK_BENCH_TARGET";
const TOKEN: &str = "ACS_WEBHOOK_BENCH_TOKEN";
const CERTIFICATE: &str = "ACS_WEBHOOK_BENCH_CERTIFICATE";
const CONCURRENCY: usize = 16;
const ROUNDS: usize = 12;
const TIME: Duration = Duration::from_millis(400);

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    if let Ok(target) = std::env::var(TARGET) {
        return runtime.block_on(load(&target));
    }
    print_machine(&["axum", "hyper", "rustls", "jsonwebtoken", "serde_json"]);
    runtime.block_on(serve())
}

async fn serve() -> ExitCode {
    let key = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let handled = Arc::new(AtomicU64::new(0));
    let router = issuer(&url, &key)
        .route("/bare", post(async |_: Bytes| ()))
        .merge(webhook(&url, &handled).router("/events"));
    let certificate = tempfile::NamedTempFile::new().unwrap();
    let secure = Secure::bind(certificate.path()).await;
    let target = format!(
        "https://{}",
        axum::serve::Listener::local_addr(&secure).unwrap()
    );
    let keys = router.clone();
    tokio::spawn(async move { axum::serve(listener, keys).await });
    tokio::spawn(async move { axum::serve(secure, router).await });

    let token = token(&key);
    let program = std::env::current_exe().unwrap();
    let load = tokio::task::spawn_blocking(move || {
        let status = Command::new(program)
            .env(TARGET, target)
            .env(TOKEN, token)
            .env(CERTIFICATE, certificate.path())
            .status();
        status.unwrap().success()
    });
    let is_undisturbed = load.await.unwrap();
    println!("{} events were handled", handled.load(Ordering::Relaxed));
    if is_undisturbed {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn issuer(url: &str, key: &RsaKeyPair) -> Router {
    let configuration = json!({"issuer": ISSUER, "jwks_uri": format!("{url}/keys")}).to_string();
    let keys = json!({"keys": [{
        "kty": "RSA", "use": "sig", "kid": "k",
        "n": URL_SAFE_NO_PAD.encode(key.public_key().modulus().big_endian_without_leading_zero()),
        "e": URL_SAFE_NO_PAD.encode(key.public_key().exponent().big_endian_without_leading_zero()),
    }]})
    .to_string();
    Router::new()
        .route("/configuration", get(async move || configuration))
        .route("/keys", get(async move || keys))
}

fn webhook(url: &str, handled: &Arc<AtomicU64>) -> Webhook {
    let check =
        TokenAuthenticator::new(&format!("{url}/configuration"), [ISSUER], AUDIENCE).unwrap();
    let handled = Arc::clone(handled);
    Webhook::builder(check).build(move |_: Event| {
        handled.fetch_add(1, Ordering::Relaxed);
        std::future::ready(Ok(()))
    })
}

fn token(key: &RsaKeyPair) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let encode = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = json!({"alg": "RS256", "typ": "JWT", "kid": "k"});
    let claims = json!({"iss": ISSUER, "aud": AUDIENCE, "exp": now.as_secs() + 600});
    let text = format!("{}.{}", encode(header), encode(claims));
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(
        &RSA_PKCS1_SHA256,
        &SystemRandom::new(),
        text.as_bytes(),
        &mut signature,
    )
    .unwrap();
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}

async fn load(target: &str) -> ExitCode {
    let token = std::env::var(TOKEN).unwrap();
    let certificate = std::fs::read(std::env::var(CERTIFICATE).unwrap()).unwrap();
    let roots = reqwest::Certificate::from_pem_bundle(&certificate).unwrap();
    let client = reqwest::Client::builder().tls_certs_only(roots);
    let client = client.http1_only().build().unwrap();
    let mut is_undisturbed = true;
    for events in [1, 100] {
        let watch = Watch::start();
        let mut rounds = Vec::new();
        for round in 0..ROUNDS {
            let mut samples = [Sample::default(); 2];
            for step in 0..2 {
                let contender = (round + step) % 2;
                let url = format!("{target}/{}", ["events", "bare"][contender]);
                samples[contender] = measure(&client, &url, &token, events).await;
            }
            rounds.push(samples);
        }
        println!("{events} event(s) per request, {CONCURRENCY} concurrent requests:");
        for (index, what) in ["authenticates, parses, handles", "reads the body"]
            .into_iter()
            .enumerate()
        {
            println!(
                "  {what:30} {:7.0} events/s, p50 {:5.2} ms, p99 {:5.2} ms",
                median(rounds.iter().map(|round| round[index].rate)),
                median(rounds.iter().map(|round| round[index].p50.as_secs_f64())) * 1e3,
                median(rounds.iter().map(|round| round[index].p99.as_secs_f64())) * 1e3,
            );
        }
        let pairs = rounds.iter().map(|[ours, bare]| (ours.rate, bare.rate));
        let ratio = Ratio::of(pairs, watch.disturbance());
        println!("  {ratio}");
        is_undisturbed &= matches!(ratio, Ratio::Measured { .. });
    }
    if is_undisturbed {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

#[derive(Clone, Copy, Default)]
struct Sample {
    /// Events per second.
    rate: f64,
    p50: Duration,
    p99: Duration,
}

async fn measure(client: &reqwest::Client, url: &str, token: &str, events: usize) -> Sample {
    static NEXT: AtomicU64 = AtomicU64::new(0);

    let started = Instant::now();
    let tasks: Vec<_> = (0..CONCURRENCY)
        .map(|_| {
            let request = client
                .post(url)
                .bearer_auth(token)
                .header("content-type", "application/json");
            let (client, request) = (client.clone(), request.build().unwrap());
            let parts = parts();
            tokio::spawn(async move {
                let mut times = Vec::new();
                while started.elapsed() < TIME {
                    let ids = NEXT.fetch_add(events as u64, Ordering::Relaxed);
                    let mut request = request.try_clone().unwrap();
                    *request.body_mut() = Some(body(&parts, ids, events).into());
                    let begin = Instant::now();
                    let response = client.execute(request).await.unwrap();
                    assert_eq!(response.status(), 200);
                    response.bytes().await.unwrap();
                    times.push(begin.elapsed());
                }
                times
            })
        })
        .collect();
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await.unwrap());
    }
    let elapsed = started.elapsed().as_secs_f64();
    times.sort_unstable();
    Sample {
        rate: (times.len() * events) as f64 / elapsed,
        p50: times[times.len() / 2],
        p99: times[times.len() * 99 / 100],
    }
}

/// An event without whitespace, split at its id.
fn parts() -> (String, String) {
    let one = include_str!("../tests/fixtures/events/event-grid/RecordingFileStatusUpdated.json");
    let events: Vec<Value> = serde_json::from_str(one).unwrap();
    let mut event = events[0].clone();
    event["id"] = "ID".into();
    let text = event.to_string();
    let (before, after) = text.split_once(r#""ID""#).unwrap();
    (before.to_owned(), after.to_owned())
}

/// A body with new events, because no event is handled twice.
fn body((before, after): &(String, String), ids: u64, events: usize) -> String {
    let events: Vec<_> = (ids..)
        .take(events)
        .map(|id| format!(r#"{before}"{id}"{after}"#))
        .collect();
    format!("[{}]", events.join(","))
}
