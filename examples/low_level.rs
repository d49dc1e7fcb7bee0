//! Plays audio to everybody in a call. `acs-recording` has no method for this operation, so the
//! example uses the low-level client, with the same credentials, retries and timeouts. The
//! low-level client requires the feature `unstable-low-level` of `acs-recording`.
//!
//! ```text
//! ACS_CONNECTION_STRING='endpoint=…;accesskey=…' \
//!     cargo run --example low_level -- CALL_CONNECTION_ID https://app.example/hello.wav
//! ```

use acs_recording::low_level::types::{FileSource, PlayRequest, PlaySource, PlaySourceType};
use acs_recording::{CallConnectionId, Error, RecordingClient};
use anyhow::Result;
use clap::Parser;

/// Plays audio to everybody in a call.
#[derive(Debug, Parser)]
struct Options {
    /// Id of the application's connection to the call
    call_connection_id: CallConnectionId,
    /// URL of a WAV file that the service can fetch
    sound: String,
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
async fn main() -> Result<()> {
    let options = Options::parse();
    let client = RecordingClient::from_connection_string(&options.connection_string)?;
    let sound = PlaySource::new(PlaySourceType::File).file(FileSource::new(options.sound));
    let request = PlayRequest::new([sound]);
    client
        .call_automation()
        .call_media_play(options.call_connection_id.as_str(), &request, None)
        .await
        .map_err(Error::from_low_level)?;
    Ok(())
}
