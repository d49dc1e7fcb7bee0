//! A webhook that keeps the events of recordings on disk, downloads the files in the background, and
//! deletes them from the service once they are here.
//!
//! ```text
//! ACS_CONNECTION_STRING=… WEBHOOK_SECRET=… cargo run --example webhook -- --out recordings
//! ```
//!
//! Subscribe its public address, with the secret as in `https://app.example/events?code=…`, to
//! `RecordingFileStatusUpdated`. It may be stopped or killed at any time: the next start goes on with
//! what is left. Without a connection string it runs against the emulator, inside of this process,
//! and records a call of its own.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this program talks to people"
)]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use acs_emulator::Emulator;
use acs_recording::models::RecordingState;
use acs_recording::spool::Spool;
use acs_recording::webhook::{Authenticator, Webhook};
use acs_recording::{RecordingClient, SavedRecording, ServerCallId};
use anyhow::{Context, Result, bail};
use clap::Parser;
use tokio::net::TcpListener;
use tokio::sync::Notify;

/// Downloads recordings as they are announced.
#[derive(Debug, Parser)]
struct Options {
    /// Folder for the files
    #[arg(long, default_value = "recordings", value_name = "DIR")]
    out: PathBuf,
    /// Where to wait for events
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDR")]
    listen: SocketAddr,
    /// The resource to use on Azure
    #[arg(
        long,
        env = "ACS_CONNECTION_STRING",
        hide_env_values = true,
        hide = true
    )]
    connection_string: Option<String>,
    /// The secret in the address that Event Grid posts to
    #[arg(
        long,
        env = "WEBHOOK_SECRET",
        hide_env_values = true,
        value_name = "TEXT"
    )]
    secret: Option<String>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::parse();
    let emulator = match options.connection_string {
        Some(_) => None,
        None => Some(Emulator::start().await?),
    };
    let connection_string = match (&emulator, &options.connection_string) {
        (Some(emulator), _) => emulator.connection_string(),
        (None, text) => text.as_deref().context("no connection string")?,
    };
    let client = RecordingClient::from_connection_string(connection_string)?;
    let secret = match (options.secret, &emulator) {
        (Some(secret), _) => secret,
        (None, Some(_)) => "only-for-the-emulator".to_owned(),
        (None, None) => bail!("--secret or WEBHOOK_SECRET must be set"),
    };

    // An event is acknowledged when it is on disk, and its recording is downloaded after that.
    let spool = Spool::open(options.out.join(".spool")).await?;
    let webhook = Webhook::builder(Authenticator::secret("code", &secret)?)
        .allow_origin("eventgrid.azure.net")
        .build(spool.clone());
    let saved = Arc::new(Notify::new());
    let worker = spool
        .download_to(&client, &options.out)
        .delete_after()
        .on_saved({
            let saved = Arc::clone(&saved);
            move |recording| {
                tell(recording);
                saved.notify_one();
            }
        });

    let listener = TcpListener::bind(options.listen).await?;
    let address = listener.local_addr()?;
    println!("listening on http://{address}/events");
    let record = async {
        match &emulator {
            Some(emulator) => {
                let url = format!("http://{address}/events?code={secret}");
                record_a_call(emulator, &client, &url).await?;
                let saved = tokio::time::timeout(Duration::from_secs(30), saved.notified());
                saved.await.context("no file was announced")?;
                spool.drained().await;
                Ok(())
            }
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        served = axum::serve(listener, webhook.router::<()>("/events")) => Ok(served?),
        () = worker.run() => Ok(()),
        recorded = record => recorded,
    }
}

fn tell(saved: &SavedRecording) {
    for chunk in &saved.chunks {
        let media = &chunk.media;
        println!("{} ({} bytes)", media.path.display(), media.bytes);
    }
}

/// Records a call of the emulator, which tells the webhook of its files.
async fn record_a_call(emulator: &Emulator, client: &RecordingClient, url: &str) -> Result<()> {
    emulator.subscribe(url).await?;
    let call = emulator.call(["alice", "bob"]).await;
    let recording = client
        .start(ServerCallId::new(call.server_call_id())?)
        .await?;
    recording
        .wait_until(RecordingState::Active)
        .poll_interval(Duration::from_millis(10))
        .await?;
    recording.stop().await?;
    Ok(())
}
