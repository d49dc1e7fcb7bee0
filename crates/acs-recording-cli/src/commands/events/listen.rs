//! `events listen`: a webhook that prints events and downloads recordings.

use std::sync::Arc;

use acs_recording::spool::Spool;

use super::handler::{Handler, Shared, download_worker};
use super::options::Listen;
use crate::client::client;
use crate::failure::Failure;
use crate::listener;
use crate::options::Global;
use crate::output::Output;

pub(super) async fn run(
    mut options: Listen,
    global: &Global,
    out: &Output,
    stop: crate::stop::Stop,
) -> Result<(), Failure> {
    let webhook = options.webhook.clone();
    let webhook = listener::check(&webhook, global)?;
    let spool = match &options.download_to {
        Some(folder) => {
            let client = client(global)?;
            let place = options.spool.clone();
            let place = place.unwrap_or_else(|| folder.join(".spool"));
            Some((Spool::open(place).await?, client))
        }
        None => None,
    };
    options.settings.operation_timeout(global.operation_timeout);
    let listener = webhook.bind().await?;
    out.note(&format!("listening on {}", listener.url()));

    let shared = Arc::new(Shared::new(options, out.clone()));
    let stop = {
        let shared = Arc::clone(&shared);
        async move {
            tokio::select! {
                () = stop => {}
                () = shared.done() => {}
            }
        }
    };
    let handler = Handler::new(&shared, spool.as_ref().map(|(spool, _)| spool.clone()));
    let serving = listener.serve(handler, stop);
    match spool {
        Some((spool, client)) => {
            shared.note_left_from_before(&spool);
            tokio::select! {
                () = serving => {}
                () = download_worker(&shared, &spool, client).run() => {}
            }
            shared.note_left_for_later(&spool);
        }
        None => serving.await,
    }
    shared.outcome()
}
