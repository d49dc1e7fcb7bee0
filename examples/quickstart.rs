//! Records a call end to end: start, pause, resume, stop, wait for the file, download, delete.
//!
//! Without anything set it runs against the emulator, inside of this process:
//!
//! ```text
//! cargo run --example quickstart -- --out rec
//! ```
//!
//! With `ACS_CONNECTION_STRING` and a server call id it records that call on Azure. Event Grid must
//! reach this program then: subscribe a webhook to `RecordingFileStatusUpdated` whose public
//! address leads, through a tunnel or a proxy, to `--listen`.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this program talks to people"
)]

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use acs_emulator::Emulator;
use acs_recording::models::RecordingState;
use acs_recording::webhook::{Authenticator, Webhook};
use acs_recording::{
    CommunicationIdentifier, Inbox, Media, RecordedParticipant, RecordingClient,
    RecordingFileStatusUpdated, SavedChunk, ServerCallId,
};
use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use tokio::net::TcpListener;
use tokio::time::sleep;

/// Records a call end to end, on the emulator or on Azure.
#[derive(Debug, Parser)]
struct Options {
    /// Folder for the downloaded files; it must not exist yet
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// The resource to use on Azure
    #[arg(
        long,
        env = "ACS_CONNECTION_STRING",
        hide_env_values = true,
        hide = true
    )]
    connection_string: Option<String>,
    /// The call to record on Azure
    #[arg(long, env = "ACS_SERVER_CALL_ID", value_name = "ID")]
    server_call_id: Option<String>,
    /// Where to wait for events
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDR")]
    listen: SocketAddr,
    /// Seconds to record before and after the pause
    #[arg(long, default_value_t = 2.0, value_name = "S")]
    seconds: f64,
}

/// The call to record, wherever it is.
struct Call {
    client: RecordingClient,
    server_call_id: ServerCallId,
    /// Who gets which channel, with their names.
    participants: Vec<(&'static str, CommunicationIdentifier)>,
    /// How often to ask whether the recording is active.
    interval: Duration,
    /// How long the file may take after the recording ended.
    patience: Duration,
    /// It lives as long as the call does.
    _emulator: Option<Emulator>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: Options) -> Result<()> {
    let part = Duration::try_from_secs_f64(options.seconds).context("--seconds")?;
    let inbox = Inbox::new();
    let webhook = listen(options.listen, inbox.clone()).await?;
    let call = match (&options.connection_string, &options.server_call_id) {
        (Some(connection_string), Some(id)) => azure_call(connection_string, id, &webhook)?,
        (Some(_), None) => bail!("ACS_CONNECTION_STRING is set, so --server-call-id must be, too"),
        (None, Some(_)) => bail!("--server-call-id is set, so ACS_CONNECTION_STRING must be, too"),
        (None, None) => emulated_call(&webhook).await?,
    };

    let out = new_folder(options.out.as_deref())?;
    let mut media = Media::unmixed_wav();
    for (channel, (_, participant)) in (0..).zip(&call.participants) {
        media = media.channel(channel, participant);
    }
    let recording = call
        .client
        .start(call.server_call_id.clone())
        .media(media)
        .await?;
    println!("recording started    {}", recording.id());
    recording
        .wait_until(RecordingState::Active)
        .poll_interval(call.interval)
        .await?;
    println!("recording is active  for {:.1} s", part.as_secs_f32());
    let active = Instant::now();
    sleep(part).await;

    recording.pause().await?;
    let mut recorded = active.elapsed();
    ensure!(
        recording.state().await? == RecordingState::Inactive,
        "paused, but not inactive"
    );
    println!("recording is paused  for {:.1} s", (part / 2).as_secs_f32());
    sleep(part / 2).await;

    recording.resume().await?;
    println!("recording goes on    for {:.1} s", part.as_secs_f32());
    let active = Instant::now();
    sleep(part).await;
    recording.stop().await?;
    recorded += active.elapsed();
    println!(
        "recording stopped    after {:.2} s without the pause",
        recorded.as_secs_f32()
    );

    let file = inbox.file_ready(&recording).timeout(call.patience).await?;
    println!(
        "event received       RecordingFileStatusUpdated, {} chunk(s)",
        file.chunks.len()
    );

    // The service's copy is deleted when every byte is here, verified, and in the manifest.
    let download = call.client.download_recording(&file).to_dir(&out);
    let saved = download.delete_after().await?;
    for chunk in &saved.chunks {
        for file in std::iter::once(&chunk.media).chain(&chunk.metadata) {
            println!(
                "downloaded           {} ({} bytes)",
                file.path.display(),
                file.bytes
            );
        }
    }
    println!("manifest written     {}", saved.manifest.display());
    for warning in &saved.warnings {
        println!("warning              {warning}");
    }
    ensure!(
        saved.is_complete() && saved.deleted,
        "something is missing, and the service's copy was kept; {} says what is here",
        saved.manifest.display()
    );
    for chunk in &file.chunks {
        let location = chunk.content_location.as_ref().context("no location")?;
        let gone = call.client.download(location).into_bytes().await;
        ensure!(gone.is_err(), "{location} can be read after it was deleted");
    }
    println!(
        "deleted              {} chunk(s) on the service",
        saved.chunks.len()
    );

    println!();
    for chunk in &saved.chunks {
        println!("{}", check(chunk, &file)?);
        let Some(document) = &chunk.document else {
            continue;
        };
        let channels = document.audio.as_ref().and_then(|audio| audio.channels);
        for channel in 0..channels.unwrap_or_default() {
            let mut participants = document.participants.iter();
            let who = participants.find(|who| who.channel == Some(channel));
            println!("  channel {channel}: {}", call.describe(who));
        }
    }
    Ok(())
}

impl Call {
    fn describe(&self, participant: Option<&RecordedParticipant>) -> String {
        let Some(RecordedParticipant { id, .. }) = participant else {
            return "nobody".to_owned();
        };
        match self.participants.iter().find(|(_, known)| known == id) {
            Some((name, _)) => format!("{name} ({id})"),
            None => id.to_string(),
        }
    }
}

/// Puts what Event Grid posts into the inbox; gives the address to post to.
async fn listen(address: SocketAddr, inbox: Inbox) -> Result<String> {
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}"))?;
    let url = format!("http://{}/events", listener.local_addr()?);
    // It listens on loopback, unless told otherwise, for an event about a recording whose id nobody
    // else knows. What stays reachable needs a check, as in the example `webhook`.
    let router = Webhook::builder(Authenticator::allow_unauthenticated())
        .build(inbox)
        .router("/events");
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(url)
}

/// A call between two people in an emulator of our own, which posts its events to the webhook.
async fn emulated_call(webhook: &str) -> Result<Call> {
    let emulator = Emulator::start().await?;
    println!("emulator started     {}", emulator.endpoint());
    emulator.subscribe(webhook).await?;
    println!("webhook subscribed   {webhook}");
    let call = emulator.call(["alice", "bob"]).await;
    println!("call connected       alice and bob");
    Ok(Call {
        client: RecordingClient::from_connection_string(emulator.connection_string())?,
        server_call_id: ServerCallId::new(call.server_call_id())?,
        participants: ["alice", "bob"]
            .into_iter()
            .filter_map(|name| Some((name, call.participant(name)?.into())))
            .collect(),
        interval: Duration::from_millis(10),
        patience: Duration::from_secs(30),
        _emulator: Some(emulator),
    })
}

/// A call on Azure that somebody else made.
fn azure_call(connection_string: &str, id: &str, webhook: &str) -> Result<Call> {
    let client = RecordingClient::from_connection_string(connection_string)?;
    println!("waiting for events   on {webhook}");
    Ok(Call {
        client,
        server_call_id: ServerCallId::new(id)?,
        participants: Vec::new(),
        interval: Duration::from_secs(1),
        patience: Duration::from_secs(15 * 60),
        _emulator: None,
    })
}

/// Reads the file as any audio program would, and compares it with what the service said.
fn check(chunk: &SavedChunk, event: &RecordingFileStatusUpdated) -> Result<String> {
    const TOLERANCE: Duration = Duration::from_millis(50);

    let saved = &chunk.media;
    let document = chunk.document.as_ref().context("no metadata")?;
    let wav = hound::WavReader::new(File::open(&saved.path)?)
        .with_context(|| format!("{} is no WAV file", saved.path.display()))?;
    let spec = wav.spec();
    let seconds = f64::from(wav.duration()) / f64::from(spec.sample_rate);
    let duration = Duration::try_from_secs_f64(seconds)?;
    ensure!(
        spec.sample_rate == 16_000 && spec.bits_per_sample == 16,
        "unexpected {spec:?}"
    );
    let announced = if event.chunks.len() == 1 {
        event.duration
    } else {
        document.duration
    };
    if let Some(announced) = announced {
        ensure!(
            duration.abs_diff(announced) <= TOLERANCE,
            "the file lasts {duration:?}, the service says {announced:?}"
        );
    }
    if let Some(audio) = &document.audio {
        ensure!(
            audio.channels == Some(spec.channels.into()),
            "the file has {} channels",
            spec.channels
        );
    }
    Ok(format!(
        "{}: WAV, {} channels, {} Hz, {} bit, {seconds:.3} s, {} bytes",
        saved.path.display(),
        spec.channels,
        spec.sample_rate,
        spec.bits_per_sample,
        saved.bytes,
    ))
}

fn new_folder(wanted: Option<&Path>) -> Result<PathBuf> {
    let path = wanted.map_or_else(
        || {
            let now = jiff::Timestamp::now();
            now.strftime("recording-%Y%m%d-%H%M%S").to_string().into()
        },
        Path::to_owned,
    );
    std::fs::create_dir(&path).with_context(|| format!("cannot make folder {}", path.display()))?;
    Ok(path)
}
