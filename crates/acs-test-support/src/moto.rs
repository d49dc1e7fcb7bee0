//! Moto, the emulator of AWS, for S3.

use std::process::Command;
use std::sync::Arc;

use crate::program::{self, Running};
use crate::shared::Shared;

/// The program, below the packages.
const PROGRAM: &str = if cfg!(windows) {
    "python/Scripts/moto_server.exe"
} else {
    "python/bin/moto_server"
};

/// A running Moto that keeps everything in memory and ends when it is dropped. It takes any
/// credential.
#[derive(Debug)]
pub struct Moto {
    _process: Running,
    endpoint: String,
}

impl Moto {
    /// Starts it. Where it is not installed, says so and returns `None`; in CI that is a failure.
    pub fn start() -> Option<Self> {
        let program = program::installed("Moto", PROGRAM)?;
        let mut command = Command::new(program);
        command.args(["-H", "127.0.0.1", "-p", "0"]);
        let (process, output) = program::start("Moto", &mut command);
        let endpoint = output.find(|line| {
            let (_, address) = line.split_once("Running on ")?;
            Some(address.trim().to_owned())
        });
        Some(Self {
            _process: process,
            endpoint,
        })
    }

    /// The one that other tests of this process run with, or a new one. It ends when the last of
    /// them drops it, so use names of your own.
    pub fn shared() -> Option<Arc<Self>> {
        static RUNNING: Shared<Moto> = Shared::new();
        RUNNING.get(Self::start)
    }

    /// Its address, without a slash at its end.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Creates a bucket of S3, and returns its URL.
    pub async fn create_bucket(&self, name: &str) -> String {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("{}/{name}", self.endpoint);
        let response = client.put(url).send().await.unwrap();
        assert_eq!(response.status(), reqwest::StatusCode::OK);
        format!("s3://{name}")
    }
}
