//! What can be said about every download.

use std::time::Duration;

use acs_recording::{Overwrite, RecordingFileStatusUpdated};
use clap::{Args, ValueEnum};
use jiff::{SignedDuration, Timestamp};

/// What can be said about every download.
#[derive(Clone, Debug, Args)]
pub(crate) struct Settings {
    /// How many connections fetch a file at the same time, 1 to 32 [default: by its size, 1 to 8]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=32))]
    pub(crate) parallel: Option<u8>,

    /// What happens to a file that is there already [default: skip, or fail for a file that
    /// `download -o` names]
    #[arg(long, value_enum, value_name = "HOW")]
    pub(crate) overwrite: Option<Policy>,

    /// Prints the SHA-256 of each file, as sha256sum does
    #[arg(long)]
    pub(crate) sha256: bool,

    /// Permissions of new files, in octal digits
    #[cfg(unix)]
    #[arg(long, value_name = "MODE", default_value = "600", value_parser = permissions)]
    pub(crate) file_mode: u32,

    /// That of all operations.
    #[arg(skip)]
    time_limit: Option<Duration>,
}

impl Settings {
    pub(crate) fn time_limit(&mut self, limit: Option<Duration>) {
        self.time_limit = limit;
    }

    /// How long to wait for content that is not ready, if that is to be shorter than usual.
    pub(crate) fn patience(&self, usual: Duration) -> Option<Duration> {
        self.time_limit.filter(|limit| *limit < usual)
    }
}

#[cfg(unix)]
fn permissions(text: &str) -> Result<u32, String> {
    match u32::from_str_radix(text, 8) {
        Ok(mode @ 0o200..=0o777) if mode & 0o600 == 0o600 => Ok(mode),
        _ => Err("permissions are three octal digits that let the owner read and write".to_owned()),
    }
}

/// How long the library waits for content of a recording that ended so long ago.
pub(crate) fn usual_patience(ended: Option<Timestamp>) -> Duration {
    let age = ended.map(|end| Timestamp::now().duration_since(end));
    match age {
        Some(age) if age < SignedDuration::from_secs(15 * 60) => Duration::from_secs(2 * 60),
        _ => Duration::from_secs(30),
    }
}

pub(crate) fn ended(file: &RecordingFileStatusUpdated) -> Option<Timestamp> {
    file.start?.checked_add(file.duration?).ok()
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Policy {
    /// It stays, and the download fails
    Fail,
    /// It is replaced once the new one is complete
    Replace,
    /// It is kept if it is the content: by the manifest beside it or else its size, and for an event
    /// by its SHA-256
    Skip,
}

impl From<Policy> for Overwrite {
    fn from(policy: Policy) -> Self {
        match policy {
            Policy::Fail => Self::Fail,
            Policy::Replace => Self::Replace,
            Policy::Skip => Self::Skip,
        }
    }
}

/// Sets the same on both kinds of downloads.
macro_rules! apply {
    ($settings:expr, $download:expr, $patience:expr) => {{
        let (settings, mut download) = ($settings, $download);
        if let Some(count) = settings.parallel {
            download = download.connections(count.into());
        }
        if let Some(policy) = settings.overwrite {
            download = download.overwrite(policy.into());
        }
        if let Some(limit) = settings.patience($patience) {
            download = download.ready_timeout(limit);
        }
        if settings.sha256 {
            download = download.sha256();
        }
        #[cfg(unix)]
        {
            download = download.file_mode(settings.file_mode);
        }
        download
    }};
}

pub(crate) use apply;
