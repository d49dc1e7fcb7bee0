//! Plays a sound to everybody in a call: an operation that `acs-recording` has no method for,
//! through the low-level client, with the same credentials, retries and limits. That client is behind
//! the feature `unstable-low-level` of `acs-recording`.
//!
//! ```text
//! ACS_CONNECTION_STRING='endpoint=…;accesskey=…' \
//!     cargo run --example low_level -- CALL_CONNECTION_ID https://app.example/hello.wav
//! ```

use acs_recording::low_level::types::{FileSource, PlayRequest, PlaySource, PlaySourceType};
use acs_recording::{CallConnectionId, Error, RecordingClient};
use anyhow::Result;
use clap::Parser;

/// Plays a sound to everybody in a call.
#[derive(Debug, Parser)]
struct Options {
    /// The application's leg of the call
    call_connection_id: CallConnectionId,
    /// A WAV file that the service can fetch
    sound: String,
    /// The resource
    #[arg(
        long,
        env = "ACS_CONNECTION_STRING",
        hide_env_values = true,
        hide = true
    )]
    connection_string: String,
}

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::parse();
    let client = RecordingClient::from_connection_string(&options.connection_string)?;
    let sound = PlaySource::new(PlaySourceType::File).file(FileSource::new(options.sound));
    let request = PlayRequest::new([sound]);
    client
        .call_automation()
        .call_media_play(options.call_connection_id.as_str(), &request)
        .await
        .map_err(Error::from_low_level)?;
    Ok(())
}
