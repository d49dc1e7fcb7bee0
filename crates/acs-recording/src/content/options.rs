//! Options of downloads: of the transfer, and of the files that it writes.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::progress::ProgressListener;
use crate::error::{Error, ErrorKind, Result};
use crate::fs::PRIVATE;
use crate::transport::{MAX_DOWNLOADS, RetryPolicy};

/// A lower limit would hold a connection without being of use.
const MIN_BANDWIDTH_LIMIT: u64 = 1024;
/// The service does not keep content for longer.
const MAX_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);
const MIN_READ_TIMEOUT: Duration = Duration::from_millis(10);
/// Nothing has to be faster than this.
const MAX_MINIMUM_RATE: u64 = 1024 * 1024 * 1024;

/// What to do if the file of a download already exists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Overwrite {
    /// Fail, and leave the existing file unchanged.
    #[default]
    Fail,
    /// Replace the existing file atomically, once the content is complete and verified.
    Replace,
    /// Keep the existing file if it already is the content, and fail otherwise.
    ///
    /// A single file is compared with its SHA-256 in the [manifest](crate::RecordingManifest) of its
    /// recording, if that is in the same folder and has an entry for this file and location.
    /// Without an entry, the size is compared, and the SHA-256 if the server announces one. An equal
    /// size alone proves nothing: do not delete the service's copy after that.
    ///
    /// The files of a whole recording need proof, since the service's copy may be deleted
    /// afterwards: the SHA-256 in the manifest, one that the server announces, or the content
    /// itself, which is downloaded beside the file and compared.
    Skip,
}

/// Options of the transfer, whatever its destination.
#[derive(Clone)]
pub(super) struct TransferOptions {
    pub(super) bandwidth_limit: Option<u64>,
    pub(super) read_timeout: Duration,
    pub(super) minimum_rate: u64,
    pub(super) ready_timeout: Option<Duration>,
    pub(super) resume_policy: Option<Arc<dyn RetryPolicy>>,
    pub(super) listener: Option<ProgressListener>,
}

impl Default for TransferOptions {
    fn default() -> Self {
        Self {
            bandwidth_limit: None,
            read_timeout: Duration::from_secs(30),
            minimum_rate: 256,
            ready_timeout: None,
            resume_policy: None,
            listener: None,
        }
    }
}

/// Options of the files that a download writes.
#[derive(Clone, Debug)]
pub(super) struct FileOptions {
    pub(super) connections: Option<usize>,
    pub(super) sha256: bool,
    pub(super) file_mode: u32,
    pub(super) overwrite: Overwrite,
}

impl Default for FileOptions {
    fn default() -> Self {
        Self {
            connections: None,
            sha256: false,
            file_mode: PRIVATE,
            overwrite: Overwrite::default(),
        }
    }
}

impl TransferOptions {
    /// Rejects values out of range, before anything is sent.
    pub(super) fn check(&self) -> Result<()> {
        if let Some(rate) = self.bandwidth_limit {
            check_range(
                rate >= MIN_BANDWIDTH_LIMIT,
                format_args!("a bandwidth limit of {rate} bytes per second"),
                format_args!("{MIN_BANDWIDTH_LIMIT} bytes per second or more, or set no limit"),
            )?;
        }
        let highest = self.bandwidth_limit.unwrap_or(u64::MAX);
        let highest = highest.min(MAX_MINIMUM_RATE);
        check_range(
            self.minimum_rate <= highest,
            format_args!("a minimum rate of {} bytes per second", self.minimum_rate),
            format_args!(
                "{highest} bytes per second or less, and no more than the bandwidth limit; 0 is no \
                 minimum"
            ),
        )?;
        check_range(
            (MIN_READ_TIMEOUT..=MAX_TIMEOUT).contains(&self.read_timeout),
            format_args!("a read timeout of {:?}", self.read_timeout),
            format_args!("10 ms to 24 hours"),
        )?;
        let ready_timeout = self.ready_timeout.unwrap_or_default();
        check_range(
            ready_timeout <= MAX_TIMEOUT,
            format_args!("a ready timeout of {ready_timeout:?}"),
            format_args!("24 hours or less; the service does not keep content for longer"),
        )
    }
}

impl FileOptions {
    /// Rejects values out of range, before anything is sent.
    pub(super) fn check(&self) -> Result<()> {
        let Some(count) = self.connections else {
            return Ok(());
        };
        check_range(
            (1..=MAX_DOWNLOADS).contains(&count),
            format_args!("a number of {count} connections"),
            format_args!("1 to {MAX_DOWNLOADS}"),
        )
    }
}

fn check_range(is_valid: bool, what: fmt::Arguments<'_>, valid: fmt::Arguments<'_>) -> Result<()> {
    if is_valid {
        return Ok(());
    }
    let text = format!("{what} is out of range; give {valid}");
    Err(Error::new(ErrorKind::InvalidInput, text))
}

impl fmt::Debug for TransferOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransferOptions")
            .field("bandwidth_limit", &self.bandwidth_limit)
            .field("read_timeout", &self.read_timeout)
            .field("minimum_rate", &self.minimum_rate)
            .field("ready_timeout", &self.ready_timeout)
            .field("resume_policy", &self.resume_policy)
            .field("listener", &self.listener.is_some())
            .finish()
    }
}

/// The setters of [`TransferOptions`], for a builder whose field `request` has them.
macro_rules! transfer_options {
    ($builder:ident) => {
        impl $builder {
            /// Limits the bytes received per second, over all connections together (default: no
            /// limit). The lowest limit is 1,024.
            pub fn bandwidth_limit(mut self, bytes_per_second: u64) -> Self {
                self.request.transfer.bandwidth_limit = Some(bytes_per_second);
                self
            }

            /// How long a connection may deliver nothing before it is closed, and resumed at the
            /// same byte: 10 ms to 24 hours (default: 30 seconds).
            pub fn read_timeout(mut self, timeout: ::std::time::Duration) -> Self {
                self.request.transfer.read_timeout = timeout;
                self
            }

            /// The bytes per second that a connection must deliver, on average over the
            /// [`read_timeout`](Self::read_timeout) (default: 256; 0 is no minimum). A slower one is
            /// closed, and resumed at the same byte. When the
            /// [`resume_policy`](Self::resume_policy) gives up, the download fails with
            /// [`ErrorKind::Timeout`](crate::ErrorKind::Timeout), so that a slow server does not
            /// occupy one of the client's connections forever.
            ///
            /// Only the time counts in which the network has nothing to read. A
            /// [`bandwidth_limit`](Self::bandwidth_limit), a slow disk or a slow reader of a stream
            /// does not make a connection too slow.
            pub fn minimum_rate(mut self, bytes_per_second: u64) -> Self {
                self.request.transfer.minimum_rate = bytes_per_second;
                self
            }

            /// How long to wait for content that is not ready, up to 24 hours. For some time after
            /// the event, the service may respond with 404 or 503, or with an empty body. The
            /// download waits for the end of 404 and 503 in the middle of the content too, and keeps
            /// what it has.
            ///
            /// By default, it waits two minutes after 404 and 503 if the recording ended less than
            /// 15 minutes ago, and not at all otherwise. It waits 30 seconds after an empty body.
            /// With zero it does not wait, and an empty body becomes an empty file.
            pub fn ready_timeout(mut self, timeout: ::std::time::Duration) -> Self {
                self.request.transfer.ready_timeout = Some(timeout);
                self
            }

            /// Decides whether and when the download continues after an interruption (default: the
            /// [`retry_policy`](crate::RecordingClientBuilder::retry_policy) of the client or of
            /// this download).
            ///
            /// It counts failures in a row: interruptions, failed requests that resume, and
            /// restarts. Progress resets the count.
            pub fn resume_policy(mut self, policy: impl $crate::RetryPolicy + 'static) -> Self {
                self.request.transfer.resume_policy = Some(::std::sync::Arc::new(policy));
                self
            }

            /// Calls this function with the progress about ten times per second. It should return
            /// quickly.
            pub fn on_progress(
                mut self,
                listener: impl Fn($crate::Progress) + Send + Sync + 'static,
            ) -> Self {
                self.request.transfer.listener = Some(::std::sync::Arc::new(listener));
                self
            }
        }
    };
}

/// The setters of [`FileOptions`], for a builder that has them in a field `files`.
macro_rules! file_options {
    ($builder:ident) => {
        impl $builder {
            /// Computes the SHA-256 of the content. The files of a whole recording always have one.
            ///
            /// A SHA-256 that the server announces is compared in any case.
            pub fn sha256(mut self) -> Self {
                self.files.sha256 = true;
                self
            }

            /// The most connections for a file, from 1 to 32. By default, the number adapts to the
            /// throughput: a download begins with two, adds more for as long as they make it faster,
            /// up to 16 and at most one for every 4 MiB, and closes those that do not.
            ///
            /// All downloads into files share 32 connections of the client. Each gets its first
            /// connection in the order in which the downloads began, and returns further ones when
            /// another download waits for its first.
            pub fn connections(mut self, count: usize) -> Self {
                self.files.connections = Some(count);
                self
            }

            /// The permissions of new files on Unix, regardless of the umask (default: `0o600`,
            /// since recorded calls are private). It has no effect on other systems.
            pub fn file_mode(mut self, mode: u32) -> Self {
                self.files.file_mode = mode & 0o777;
                self
            }

            /// What to do if a file already exists (default: [`Overwrite::Fail`] for a single file,
            /// [`Overwrite::Skip`] for a whole recording).
            ///
            /// [`Overwrite::Fail`]: crate::Overwrite::Fail
            /// [`Overwrite::Skip`]: crate::Overwrite::Skip
            pub fn overwrite(mut self, policy: $crate::Overwrite) -> Self {
                self.files.overwrite = policy;
                self
            }
        }
    };
}

pub(super) use {file_options, transfer_options};

#[cfg(test)]
mod tests {
    use super::*;

    fn check(result: Result<()>, text: &str) {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        assert!(error.to_string().contains(text), "{text}: {error}");
    }

    #[test]
    fn file_options_out_of_range_are_rejected_by_name() {
        let with = |connections| FileOptions {
            connections: Some(connections),
            ..FileOptions::default()
        };
        check(with(0).check(), "0 connections");
        check(with(33).check(), "33 connections");
        check(with(usize::MAX).check(), "1 to 32");
        for valid in [FileOptions::default(), with(1), with(32)] {
            valid.check().unwrap();
        }
    }

    #[test]
    fn transfer_options_out_of_range_are_rejected_by_name() {
        type Change = fn(&mut TransferOptions);
        const HUGE: Duration = Duration::MAX;
        let changed = |change: Change| {
            let mut options = TransferOptions::default();
            change(&mut options);
            options.check()
        };
        let cases: [(Change, &str); 8] = [
            (
                |options| options.bandwidth_limit = Some(0),
                "bandwidth limit of 0",
            ),
            (
                |options| options.bandwidth_limit = Some(1023),
                "1024 bytes per second or more",
            ),
            (|options| options.minimum_rate = u64::MAX, "minimum rate"),
            (
                |options| {
                    options.bandwidth_limit = Some(10_000);
                    options.minimum_rate = 10_001;
                },
                "10000 bytes per second or less",
            ),
            (
                |options| options.read_timeout = Duration::ZERO,
                "read timeout",
            ),
            (
                |options| options.read_timeout = Duration::from_millis(9),
                "10 ms",
            ),
            (|options| options.read_timeout = HUGE, "24 hours"),
            (|options| options.ready_timeout = Some(HUGE), "24 hours"),
        ];
        for (change, text) in cases {
            check(changed(change), text);
        }
        let valid: [Change; 6] = [
            |_| {},
            |options| options.bandwidth_limit = Some(1024),
            |options| options.bandwidth_limit = Some(u64::MAX),
            |options| options.minimum_rate = 0,
            |options| options.read_timeout = Duration::from_secs(24 * 60 * 60),
            |options| options.ready_timeout = Some(Duration::ZERO),
        ];
        for change in valid {
            changed(change).unwrap();
        }
    }
}
