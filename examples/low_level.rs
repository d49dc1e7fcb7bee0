//! Plays a sound to everybody in a call: an operation that `acs-recording` has no method for,
//! through the low-level client, with the same credentials, retries and limits.
//!
//! ```text
//! ACS_CONNECTION_STRING='endpoint=…;accesskey=…' \
//!     cargo run --example low_level -- CALL_CONNECTION_ID https://app.example/hello.wav
//! ```

use acs_recording::models::{FileSource, PlayRequest, PlaySource, PlaySourceType};
use acs_recording::{CallConnectionId, RecordingClient};
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
    let sound = PlaySource {
        kind: PlaySourceType::File,
        file: Some(FileSource { uri: options.sound }),
        play_source_cache_id: None,
        ssml: None,
        text: None,
    };
    let request = PlayRequest {
        play_sources: vec![sound],
        interrupt_call_media_operation: None,
        operation_callback_uri: None,
        operation_context: None,
        play_options: None,
        play_to: Vec::new(),
    };
    client
        .call_automation()
        .call_media_play(options.call_connection_id.as_str(), &request)
        .await?;
    Ok(())
}
