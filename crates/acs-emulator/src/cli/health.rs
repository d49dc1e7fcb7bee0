//! `health`: whether a running emulator is ready.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde_json::Value;

use super::options::DEFAULT_ADMIN;
use crate::error::Error;

const TIMEOUT: Duration = Duration::from_secs(5);

/// Options of the command `health`.
#[derive(Clone, Debug, Args)]
pub struct HealthOptions {
    /// Address of the admin interface
    #[arg(long, value_name = "ADDR", default_value_t = DEFAULT_ADMIN)]
    admin: SocketAddr,

    /// The ready file of the emulator, which contains the address
    #[arg(long, value_name = "FILE", conflicts_with = "admin")]
    ready_file: Option<PathBuf>,
}

impl HealthOptions {
    /// Sends `GET /ready` to the emulator's admin interface.
    ///
    /// # Errors
    /// [`Error::NotReady`] unless an emulator responds within 5 seconds.
    pub async fn run(&self) -> Result<(), Error> {
        let url = self.url()?;
        check(&url).await.map_err(|source| Error::NotReady {
            url: url.clone(),
            source,
        })
    }

    fn url(&self) -> Result<String, Error> {
        let Some(path) = &self.ready_file else {
            return Ok(format!("http://{}/ready", self.admin));
        };
        let read = || -> Result<String, Failure> {
            let ready: Value = serde_json::from_str(&std::fs::read_to_string(path)?)?;
            let admin = ready["admin"].as_str().ok_or("the file has no `admin`")?;
            Ok(format!("{}/ready", admin.trim_end_matches("/admin")))
        };
        read().map_err(|source| Error::NotReady {
            url: path.display().to_string(),
            source,
        })
    }
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

async fn check(url: &str) -> Result<(), Failure> {
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(TIMEOUT)
        .build()?;
    let response = client.get(url).send().await?.error_for_status()?;
    let ready: Value = serde_json::from_slice(&response.bytes().await?)?;
    if ready["status"] == "up" {
        Ok(())
    } else {
        Err("another program responds at this address".into())
    }
}
