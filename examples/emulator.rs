//! Runs the emulator with one call, to try other programs with it.
//!
//! It prints the environment variables that they need, and serves until Ctrl-C:
//!
//! ```text
//! cargo run --example emulator
//! ```

#![allow(
    clippy::print_stdout,
    reason = "command-line programs print to the terminal"
)]

use acs_emulator::Emulator;
use anyhow::Result;
use clap::Parser;

/// Runs the emulator with a call between two participants.
#[derive(Debug, Parser)]
struct Options {
    /// URL of a webhook that receives the events
    #[arg(long, value_name = "URL")]
    webhook: Option<String>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::parse();
    let emulator = Emulator::start().await?;
    if let Some(webhook) = &options.webhook {
        emulator.subscribe(webhook).await?;
    }
    let call = emulator.call(["alice", "bob"]).await;
    println!(
        "export ACS_CONNECTION_STRING='{}'",
        emulator.connection_string()
    );
    println!("export ACS_SERVER_CALL_ID='{}'", call.server_call_id());
    tokio::signal::ctrl_c().await?;
    emulator.shutdown().await;
    Ok(())
}
