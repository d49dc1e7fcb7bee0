//! Workers that are killed, a service and a storage account that fail: nothing is lost, doubled or
//! wrong.
//!
//! The short run is a test like any other: it has a local store, and kills only. The full one archives
//! 1,000 recordings, or as many as `ACS_SOAK_RECORDINGS` says, into Azurite behind a proxy that loses,
//! refuses and delays; `ACS_SOAK_SEED` repeats the choices of another run:
//!
//! ```text
//! ACS_TEST_PACKAGES=$PWD/target/test-packages cargo test -p acs-recording-cli --test archive -- \
//!     --ignored --nocapture soak
//! ```
//!
//! In the end, every byte is compared with what the service had, the store holds four objects for each
//! recording and nothing else, and the queue is empty. The last line has the counts.

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use acs_emulator::{Fault, FaultHandle, Operation, StoredRecording, SyntheticRecording};
use acs_recording_archive::{Catalogue, Entry, StoreBuilder};
use acs_test_support::{Proxy, Rule};
use futures_util::TryStreamExt as _;
use http::Method;
use object_store::{ObjectStore, ObjectStoreExt as _};
use tokio::time::sleep;

use crate::site::{Site, content, event};

const WORKERS: usize = 3;
const LEASE: &str = "3s";
/// How many events come twice, one of so many.
const DUPLICATES: usize = 7;
/// Objects of a recording: media, metadata, receipt and event.
const OBJECTS: usize = 4;

#[tokio::test(flavor = "multi_thread")]
async fn killed_workers_lose_nothing() {
    let plan = Plan {
        recordings: 12,
        largest: 300_000,
        bytes_per_second: Some(20_000),
        kill_every: Duration::from_millis(400),
        kills: 6,
        is_faulty: false,
        seed: 1,
    };
    soak("cli-kills", plan).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes"]
async fn soak_with_kills_and_faults() {
    let number = |name: &str| std::env::var(name).ok()?.parse().ok();
    let recordings = number("ACS_SOAK_RECORDINGS").map_or(1000, |count: u32| count as usize);
    let plan = Plan {
        recordings,
        largest: 12_000_000,
        bytes_per_second: None,
        kill_every: Duration::from_secs(1),
        kills: recordings,
        is_faulty: true,
        seed: number("ACS_SOAK_SEED").map_or_else(|| fastrand::u64(..), u64::from),
    };
    soak("cli-soak", plan).await;
}

struct Plan {
    recordings: usize,
    /// Of a recording in bytes.
    largest: u64,
    /// How fast content arrives, so that there is a middle of a transfer.
    bytes_per_second: Option<u64>,
    kill_every: Duration,
    /// Workers are left alone after so many, and services fail no more: each kill and each failure
    /// doubles how long a message waits for its next attempt, up to 15 minutes.
    kills: usize,
    is_faulty: bool,
    seed: u64,
}

/// Faults that were caused.
#[derive(Default)]
struct Faults {
    /// Of the service, that may still happen.
    pending: Vec<FaultHandle>,
    service: u32,
    storage: usize,
}

impl Faults {
    /// Counts what happened at the service, and takes back what did not.
    fn settle(&mut self, site: &Site) {
        let hits = self.pending.drain(..).map(|fault| fault.hits());
        self.service += hits.sum::<u32>();
        site.acs.faults().clear();
    }
}

async fn soak(name: &'static str, plan: Plan) {
    let Some(site) = Site::new(name).await else {
        return;
    };
    let started = Instant::now();
    if let Some(rate) = plan.bytes_per_second {
        let slow = Fault::on(Operation::Content).bytes_per_second(rate);
        site.acs.faults().add(slow);
    }
    let mut random = fastrand::Rng::with_seed(plan.seed);
    let recordings = record(&site, &plan, &mut random).await;
    site.queue.send("not an event").await.unwrap();

    let place = Place::new(&site, &plan).await;
    let mut workers: Vec<_> = (0..WORKERS)
        .map(|_| place.worker(&site, &mut random))
        .collect();
    let (mut kills, mut faults) = (0, Faults::default());
    // What waits longest, and what an emulated account needs on a slow machine.
    let end = started + Duration::from_secs(20 * 60 + 4 * plan.recordings as u64);
    let mut next_kill = Instant::now() + plan.kill_every;
    while site.depth().await > 0 {
        assert!(
            Instant::now() < end,
            "{} messages are left",
            site.depth().await
        );
        sleep(Duration::from_millis(100)).await;
        for worker in &mut workers {
            assert_eq!(
                worker.0.try_wait().unwrap(),
                None,
                "a worker has ended by itself"
            );
        }
        if plan.is_faulty && kills < plan.kills {
            place.fail(&site, &mut faults, &mut random);
        }
        if kills < plan.kills && Instant::now() >= next_kill {
            let victim = random.usize(..WORKERS);
            // Not a signal that it could handle.
            workers[victim] = place.worker(&site, &mut random);
            kills += 1;
            if kills == plan.kills && plan.is_faulty {
                faults.settle(&site);
                println!("{kills} kills; {} messages are left", site.depth().await);
            }
            next_kill = Instant::now() + plan.kill_every.mul_f64(0.5 + random.f64());
        }
    }
    drop(workers);
    faults.settle(&site);

    let counts = check(&place, &recordings).await;
    let poison = site.queue.poison_queue();
    let poison = poison.approximate_depth().await.unwrap().unwrap();
    println!(
        "soak: {} of {} recordings right, {} lost, {} doubled, {} wrong, {} extra objects; \
         {kills} kills, {} faults of the service, {} of the storage account; {poison} poison \
         of 1; seed {}; {:.1} s",
        counts.right,
        recordings.len(),
        counts.lost,
        counts.doubled,
        counts.wrong,
        counts.extra,
        faults.service,
        faults.storage,
        plan.seed,
        started.elapsed().as_secs_f64(),
    );
    assert_eq!(counts.right, recordings.len());
    assert_eq!((counts.doubled, counts.extra), (0, 0));
    // A crash while a message moves to the poison queue leaves two.
    assert!(poison >= 1);
}

/// Recordings of different sizes, with their events in the queue, some of them twice.
async fn record(site: &Site, plan: &Plan, random: &mut fastrand::Rng) -> Vec<StoredRecording> {
    let mut recordings = Vec::new();
    for number in 0..plan.recordings {
        // Most are small.
        let largest = match random.u8(..10) {
            0 => plan.largest,
            _ => plan.largest / 10,
        };
        let bytes = random.u64(1000..largest);
        let recording = SyntheticRecording::new(bytes).seed(random.u64(..));
        let stored = site.acs.add_recording(recording);
        site.send(&event(&stored)).await;
        if number % DUPLICATES == 0 {
            site.send(&event(&stored)).await;
        }
        recordings.push(stored);
    }
    recordings
}

/// Where the archive is, and what lies in front of it.
struct Place {
    name: &'static str,
    /// Of the storage account, as workers see it.
    connection_string: String,
    /// Of queue and blobs.
    proxies: Option<[Proxy; 2]>,
    store: Arc<dyn ObjectStore>,
    to: String,
}

/// A worker that does not outlive the test.
struct Worker(Child);

impl Drop for Worker {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Place {
    async fn new(site: &Site, plan: &Plan) -> Self {
        let direct = site.azurite.connection_string();
        if !plan.is_faulty {
            let folder = site.program.dir.path().join("archive");
            let folder = folder.to_str().unwrap();
            return Self {
                name: site.name,
                connection_string: direct,
                proxies: None,
                store: StoreBuilder::new(folder).unwrap().build().unwrap(),
                to: folder.to_owned(),
            };
        }
        site.azurite.create_container(site.name).await;
        let queue = Proxy::start(site.azurite.queue_endpoint()).await;
        let blobs = Proxy::start(site.azurite.blob_endpoint()).await;
        let store = StoreBuilder::from_connection_string(&direct, site.name);
        Self {
            name: site.name,
            connection_string: blobs.through(&queue.through(&direct)),
            proxies: Some([queue, blobs]),
            store: store.unwrap().build().unwrap(),
            to: format!("az://{}", site.name),
        }
    }

    fn worker(&self, site: &Site, random: &mut fastrand::Rng) -> Worker {
        let mut command: Command = site.program.command(&["archive", "run"]);
        command.args(["--queue", self.name, "--to", &self.to]);
        command.args(["--lease", LEASE, "--max-poll-interval", "300ms"]);
        command.args(["--concurrency", &random.usize(1..=4).to_string()]);
        // Workers need not agree about it.
        if random.bool() {
            command.arg("--delete");
        }
        command.env("ACS_QUEUE_CONNECTION_STRING", &self.connection_string);
        command.env("ACS_STORE_CONNECTION_STRING", &self.connection_string);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        Worker(command.spawn().unwrap())
    }

    /// Causes a fault now and then.
    fn fail(&self, site: &Site, faults: &mut Faults, random: &mut fastrand::Rng) {
        if random.u8(..4) == 0 {
            let on = |operation| Fault::on(operation).times(1);
            let fault = match random.u8(..6) {
                0 => on(Operation::Content).status(503),
                1 => on(Operation::Content)
                    .status(429)
                    .retry_after(Duration::from_secs(1)),
                2 => on(Operation::Content).cut_after(random.u64(..100_000)),
                3 => on(Operation::Content).ignore_range(),
                4 => on(Operation::Metadata).disconnect(),
                _ => on(Operation::Delete).status(500),
            };
            faults.pending.push(site.acs.faults().add(fault));
        }
        let Some([queue, blobs]) = &self.proxies else {
            return;
        };
        if random.u8(..3) == 0 {
            let methods = [
                Method::PUT,
                Method::POST,
                Method::GET,
                Method::DELETE,
                Method::HEAD,
            ];
            let method = random.choice(methods).unwrap();
            let delay = Duration::from_millis(random.u64(100..2500));
            let rule = match random.u8(..3) {
                0 => Rule::lose_response(method, ""),
                1 => Rule::respond(method, "", 503),
                _ => Rule::delay(method, "", delay),
            };
            let proxy = if random.bool() { queue } else { blobs };
            proxy.add(rule);
            faults.storage += 1;
        }
    }
}

#[derive(Default)]
struct Counts {
    right: usize,
    lost: usize,
    doubled: usize,
    wrong: usize,
    extra: usize,
}

/// Compares the archive with what the service had.
async fn check(place: &Place, recordings: &[StoredRecording]) -> Counts {
    let catalogue = Catalogue::new(Arc::clone(&place.store));
    let entries: Vec<Entry> = catalogue.list().stream().try_collect().await.unwrap();
    let mut by_document: BTreeMap<String, Vec<&Entry>> = BTreeMap::new();
    for entry in &entries {
        let document = entry.receipt.document_id.as_ref().unwrap().to_string();
        by_document.entry(document).or_default().push(entry);
    }
    let mut counts = Counts::default();
    for stored in recordings {
        let chunk = &stored.chunks()[0];
        match by_document.get(chunk.document_id()).map(Vec::as_slice) {
            None => counts.lost += 1,
            Some([entry]) => {
                let media = place.store.get(&entry.media().unwrap()).await.unwrap();
                let media = media.bytes().await.unwrap();
                let has_metadata = entry.receipt.metadata.is_some();
                if media == content(chunk) && has_metadata {
                    counts.right += 1;
                } else {
                    counts.wrong += 1;
                }
            }
            Some(_) => counts.doubled += 1,
        }
    }
    let objects: Vec<_> = place.store.list(None).try_collect().await.unwrap();
    counts.extra = objects.len().saturating_sub(OBJECTS * recordings.len());
    counts
}
