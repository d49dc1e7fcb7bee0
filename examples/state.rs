//! Prints the state of a recording.
//!
//! ```text
//! ACS_CONNECTION_STRING='endpoint=…;accesskey=…' cargo run --example state -- RECORDING_ID
//! ```

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "command-line programs print to the terminal"
)]

use std::process::ExitCode;

use acs_recording::{RecordingClient, RecordingId};
use clap::Parser;

/// Prints the state of a recording.
#[derive(Debug, Parser)]
struct Options {
    /// Id of the recording, which the start operation returned
    recording_id: String,
    /// Connection string of the resource
    #[arg(
        long,
        env = "ACS_CONNECTION_STRING",
        hide_env_values = true,
        hide = true
    )]
    connection_string: String,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: &Options) -> acs_recording::Result<()> {
    let client = RecordingClient::from_connection_string(&options.connection_string)?;
    let recording = client.recording(RecordingId::new(options.recording_id.as_str())?);
    println!("{}", recording.state().await?);
    Ok(())
}
