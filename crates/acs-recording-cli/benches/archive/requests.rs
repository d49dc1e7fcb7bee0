//! How many requests a small recording takes. Deleting it at the service, which `--delete` does, is one
//! more.

use std::collections::BTreeMap;

use acs_emulator::{Emulator, Fault, Operation, SyntheticRecording};
use acs_recording_archive::StorageQueue;
use acs_test_support::{Azurite, Proxy};

use crate::{event, process};

const BYTES: u64 = 1_000_000;
const FEW: u32 = 10;
const MANY: u32 = 50;

type Counts = BTreeMap<String, u32>;

pub(crate) async fn run() {
    let Some(azurite) = Azurite::start() else {
        return;
    };
    let few = count(&azurite, FEW).await;
    let many = count(&azurite, MANY).await;
    let mut total = 0.0;
    println!("requests of a small recording");
    for (kind, count) in &many {
        let more = count.saturating_sub(few.get(kind).copied().unwrap_or_default());
        let each = f64::from(more) / f64::from(MANY - FEW);
        total += each;
        println!("  {each:>5.2}  {kind}");
    }
    println!("  {total:>5.2}  in total");
}

/// The requests of one worker for this many recordings, by kind.
async fn count(azurite: &Azurite, recordings: u32) -> Counts {
    let name = format!("requests-{recordings}");
    azurite.create_queue(&name).await;
    azurite.create_container(&name).await;
    let direct = azurite.connection_string();
    let queue = StorageQueue::from_connection_string(&direct, &name).unwrap();
    let acs = Emulator::start().await.unwrap();
    for _ in 0..recordings {
        let stored = acs.add_recording(SyntheticRecording::new(BYTES));
        queue.send(event(&stored).to_string()).await.unwrap();
    }
    // They add a header, and count.
    let service = [
        ("service: content", Operation::Content),
        ("service: metadata", Operation::Metadata),
    ];
    let service = service.map(|(kind, operation)| {
        let fault = Fault::on(operation).header("x-counted", "1");
        (kind, acs.faults().add(fault))
    });
    let proxies = [
        ("queue", Proxy::start(azurite.queue_endpoint()).await),
        ("store", Proxy::start(azurite.blob_endpoint()).await),
    ];
    let text = proxies
        .iter()
        .fold(direct, |text, (_, proxy)| proxy.through(&text));
    let mut command = process::program(&acs);
    command.args(["archive", "drain", "--queue", &name, "--to"]);
    command.arg(format!("az://{name}"));
    command.args(["--max-poll-interval", "250ms"]);
    command.env("ACS_QUEUE_CONNECTION_STRING", &text);
    command.env("ACS_STORE_CONNECTION_STRING", &text);
    process::measure(command).await;

    let mut counts = Counts::new();
    for (kind, handle) in service {
        counts.insert(kind.to_owned(), handle.hits());
    }
    for (place, proxy) in proxies {
        for (method, target) in proxy.requests() {
            let path = target.split('?').next().unwrap_or_default();
            let what = match path.rsplit('/').next().unwrap_or_default() {
                "messages" => "messages",
                name if name.ends_with(".receipt.json") => "receipt",
                name if name.starts_with("event.") => "event",
                name => match name.rsplit('.').next() {
                    Some("json") => "metadata",
                    Some("wav") => "media",
                    _ if path.contains("/messages/") => "a message",
                    _ => "queue or container",
                },
            };
            *counts
                .entry(format!("{place}: {method} {what}"))
                .or_default() += 1;
        }
    }
    counts
}
