//! Options of every download.

use std::time::Duration;

use acs_recording::{Overwrite, RecordingFileStatusUpdated};
use clap::{Args, ValueEnum};
use jiff::{SignedDuration, Timestamp};

/// Options of every download.
#[derive(Clone, Debug, Args)]
pub(crate) struct Settings {
    /// Maximum number of connections per file, 1 to 32 [default: 1 to 8, depending on the size]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=32))]
    pub(crate) connections: Option<u8>,

    /// What to do if a file already exists [default: skip, but fail for `download -o`]
    #[arg(long, value_enum, value_name = "POLICY")]
    pub(crate) overwrite: Option<Policy>,

    /// Prints the SHA-256 of each file in the format of sha256sum
    #[arg(long)]
    pub(crate) sha256: bool,

    /// Permissions of new files, in octal
    #[cfg(unix)]
    #[arg(long, value_name = "MODE", default_value = "600", value_parser = permissions)]
    pub(crate) file_mode: u32,

    /// The timeout of all operations.
    #[arg(skip)]
    operation_timeout: Option<Duration>,
}

impl Settings {
    pub(crate) fn operation_timeout(&mut self, timeout: Option<Duration>) {
        self.operation_timeout = timeout;
    }

    /// How long to wait for content that is not ready, if that is less than the default.
    pub(crate) fn ready_timeout(&self, default: Duration) -> Option<Duration> {
        self.operation_timeout.filter(|timeout| *timeout < default)
    }
}

#[cfg(unix)]
fn permissions(text: &str) -> Result<u32, String> {
    match u32::from_str_radix(text, 8) {
        Ok(mode @ 0o200..=0o777) if mode & 0o600 == 0o600 => Ok(mode),
        _ => Err(
            "permissions must be three octal digits that let the owner read and write".to_owned(),
        ),
    }
}

/// How long the library waits by default for content of a recording that ended at this time.
pub(crate) fn default_ready_timeout(ended: Option<Timestamp>) -> Duration {
    let age = ended.map(|end| Timestamp::now().duration_since(end));
    match age {
        Some(age) if age < SignedDuration::from_secs(15 * 60) => Duration::from_secs(2 * 60),
        _ => Duration::from_secs(30),
    }
}

/// When the recording ended.
pub(crate) fn ended(file: &RecordingFileStatusUpdated) -> Option<Timestamp> {
    file.start?.checked_add(file.duration?).ok()
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Policy {
    /// Keep the file and fail
    Fail,
    /// Replace the file when the new one is complete
    Replace,
    /// Keep the file if it has the same content, otherwise fail; a single file is compared by the
    /// manifest beside it or by size, a recording's files by SHA-256
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

/// Applies the options to a download of either type.
macro_rules! apply {
    ($settings:expr, $download:expr, $ready_timeout:expr) => {{
        let (settings, mut download) = ($settings, $download);
        if let Some(count) = settings.connections {
            download = download.connections(count.into());
        }
        if let Some(policy) = settings.overwrite {
            download = download.overwrite(policy.into());
        }
        if let Some(limit) = settings.ready_timeout($ready_timeout) {
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
