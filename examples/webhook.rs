//! A webhook that stores recording events on disk, downloads the files in the background, and then
//! deletes them from the service.
//!
//! ```text
//! ACS_CONNECTION_STRING=… WEBHOOK_SECRET=… cargo run --example webhook -- --out recordings
//! ```
//!
//! Subscribe its public URL, with the secret as in `https://app.example/events?code=…`, to
//! `RecordingFileStatusUpdated`. The program can be stopped or killed at any time; the next start
//! resumes the pending downloads. Without a connection string, it runs against an emulator inside
//! this process and records a call.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "command-line programs print to the terminal"
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

/// Downloads recordings when their events arrive.
#[derive(Debug, Parser)]
struct Options {
    /// Folder for the files
    #[arg(long, default_value = "recordings", value_name = "DIR")]
    out: PathBuf,
    /// Address to listen on for events
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDR")]
    listen: SocketAddr,
    /// Connection string of the Azure resource
    #[arg(
        long,
        env = "ACS_CONNECTION_STRING",
        hide_env_values = true,
        hide = true
    )]
    connection_string: Option<String>,
    /// Secret in the URL that Event Grid posts to
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

    // An event is acknowledged when it is on disk. Its recording is downloaded after that.
    let spool = Spool::open(options.out.join(".spool")).await?;
    let webhook = Webhook::builder(Authenticator::query_secret("code", &secret)?)
        .allow_origin("eventgrid.azure.net")
        .build(spool.clone());
    let saved = Arc::new(Notify::new());
    let worker = spool
        .download_to(&client, &options.out)
        .delete_after()
        .on_saved({
            let saved = Arc::clone(&saved);
            move |recording| {
                print_files(recording);
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
                saved.await.context("no recording was downloaded in time")?;
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

fn print_files(saved: &SavedRecording) {
    for chunk in &saved.chunks {
        let media = &chunk.media;
        println!("{} ({} bytes)", media.path.display(), media.bytes);
    }
}

/// Records a call on the emulator, which sends the event about its files to the webhook.
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
