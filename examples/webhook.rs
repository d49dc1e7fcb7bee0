//! A webhook that downloads the files of recordings as they are announced, and deletes them from
//! the service when they are here.
//!
//! ```text
//! ACS_CONNECTION_STRING=… WEBHOOK_SECRET=… cargo run --example webhook -- --out recordings
//! ```
//!
//! Subscribe its public address, with the secret as in `https://app.example/events?code=…`, to
//! `RecordingFileStatusUpdated`. Without a connection string it runs against the emulator, inside of
//! this process, and records a call of its own.

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
use acs_recording::webhook::{Check, HandlerError, Webhook};
use acs_recording::{Event, EventKind, Overwrite, RecordingClient, ServerCallId};
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
    std::fs::create_dir_all(&options.out)?;
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

    let done = Arc::new(Notify::new());
    let webhook = Webhook::builder(Check::secret("code", &secret)?)
        .allow_origin("eventgrid.azure.net")
        .build({
            let (client, out, done) = (client.clone(), options.out.clone(), Arc::clone(&done));
            move |event: Event| {
                let (client, out, done) = (client.clone(), out.clone(), Arc::clone(&done));
                async move {
                    save(&client, &event, &out).await?;
                    done.notify_one();
                    Ok(())
                }
            }
        });
    let listener = TcpListener::bind(options.listen).await?;
    let address = listener.local_addr()?;
    println!("listening on http://{address}/events");
    let server =
        tokio::spawn(async move { axum::serve(listener, webhook.router::<()>("/events")).await });
    let Some(emulator) = emulator else {
        return Ok(server.await??);
    };

    emulator
        .subscribe(format!("http://{address}/events?code={secret}"))
        .await?;
    let call = emulator.call(["alice", "bob"]).await;
    let recording = client
        .start(ServerCallId::new(call.server_call_id())?)
        .await?;
    recording
        .wait_until(RecordingState::Active)
        .every(Duration::from_millis(10))
        .await?;
    recording.stop().await?;
    tokio::time::timeout(Duration::from_secs(30), done.notified())
        .await
        .context("no file was announced")
}

/// With an error the event comes again, and what is here already is not downloaded again.
async fn save(
    client: &RecordingClient,
    event: &Event,
    out: &std::path::Path,
) -> Result<(), HandlerError> {
    let EventKind::RecordingFileStatusUpdated(file) = event.kind() else {
        return Ok(());
    };
    let extension = file
        .format
        .as_ref()
        .map_or("media", |format| format.as_str());
    for chunk in &file.chunks {
        let path = out.join(format!("{}.{extension}", chunk.document_id));
        let saved = client
            .download(&chunk.content_location)
            .overwrite(Overwrite::Skip)
            .to_file(path)
            .await?;
        println!("{} ({} bytes)", saved.path.display(), saved.bytes);
        client.delete(chunk).await?;
    }
    Ok(())
}
