//! What can be set on a download.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::disk::PRIVATE;
use super::progress::Listener;
use crate::error::{Error, ErrorKind, Result};
use crate::transport::MAX_DOWNLOADS;

/// The sizes of parts that can be asked for.
const PART_SIZES: RangeInclusive<u64> = 64 * 1024..=1024 * 1024 * 1024 * 1024;
/// Less than this would hold a connection without any use.
const MIN_BANDWIDTH: u64 = 1024;
/// Longer than the service keeps content nobody has to wait for it.
const MAX_TIME: Duration = Duration::from_secs(24 * 60 * 60);
const MIN_STALL: Duration = Duration::from_millis(10);
/// Nothing is slower than this that is of use; nothing has to be faster.
const MAX_MINIMUM_RATE: u64 = 1024 * 1024 * 1024;

/// What happens when a file with the name of the download is there already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Overwrite {
    /// The download fails and leaves the file as it is.
    #[default]
    Fail,
    /// The file is replaced in one step, once all of the content is there.
    Replace,
    /// A file that is the content already is kept, and the download succeeds. A file that is
    /// something else is left as it is, and the download fails.
    ///
    /// For a single file, the SHA-256 decides that stands in the [manifest](crate::RecordingManifest)
    /// of its recording, if that is beside it and names this file and this location. Without one, the
    /// size decides, and the checksum if the server announces one. An equal size alone is no proof:
    /// do not delete the service's copy after that. For a whole recording only proof counts, since
    /// the service's copy may be deleted afterwards: the SHA-256 in the recording's
    /// [manifest](crate::RecordingManifest), a checksum that the server announces, or else the
    /// content itself, which is downloaded beside the file and compared.
    Skip,
}

/// What can be set on a download.
#[derive(Clone)]
pub(super) struct Options {
    pub(super) connections: Option<usize>,
    pub(super) part_size: Option<u64>,
    pub(super) bandwidth: Option<u64>,
    pub(super) stall: Duration,
    pub(super) minimum_rate: u64,
    pub(super) ready_timeout: Option<Duration>,
    pub(super) sha256: bool,
    pub(super) mode: u32,
    pub(super) overwrite: Overwrite,
    pub(super) listener: Option<Listener>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            connections: None,
            part_size: None,
            bandwidth: None,
            stall: Duration::from_secs(30),
            minimum_rate: 256,
            ready_timeout: None,
            sha256: false,
            mode: PRIVATE,
            overwrite: Overwrite::default(),
            listener: None,
        }
    }
}

impl Options {
    /// Refuses values that nobody can mean, before anything is sent.
    pub(super) fn check(&self) -> Result<()> {
        let connections = 1..=MAX_DOWNLOADS;
        let allowed = |ok: bool, what: fmt::Arguments<'_>, range: fmt::Arguments<'_>| {
            if ok {
                return Ok(());
            }
            let text = format!("{what} is out of range; give {range}");
            Err(Error::new(ErrorKind::InvalidInput, text))
        };
        if let Some(count) = self.connections {
            let (min, max) = (connections.start(), connections.end());
            allowed(
                connections.contains(&count),
                format_args!("a number of {count} connections"),
                format_args!("{min} to {max}"),
            )?;
        }
        if let Some(size) = self.part_size {
            let (min, max) = (PART_SIZES.start(), PART_SIZES.end());
            allowed(
                PART_SIZES.contains(&size),
                format_args!("a part size of {size} bytes"),
                format_args!("{min} to {max} bytes"),
            )?;
        }
        if let Some(rate) = self.bandwidth {
            allowed(
                rate >= MIN_BANDWIDTH,
                format_args!("a bandwidth limit of {rate} bytes per second"),
                format_args!("{MIN_BANDWIDTH} bytes per second or more, or set no limit"),
            )?;
        }
        let highest = self.bandwidth.unwrap_or(u64::MAX).min(MAX_MINIMUM_RATE);
        allowed(
            self.minimum_rate <= highest,
            format_args!("a minimum rate of {} bytes per second", self.minimum_rate),
            format_args!(
                "{highest} bytes per second or less, and no more than the bandwidth limit; 0 is no \
                 minimum"
            ),
        )?;
        allowed(
            (MIN_STALL..=MAX_TIME).contains(&self.stall),
            format_args!("a stall limit of {:?}", self.stall),
            format_args!("10 ms to 24 hours"),
        )?;
        allowed(
            self.ready_timeout.unwrap_or_default() <= MAX_TIME,
            format_args!(
                "a wait of {:?} for content",
                self.ready_timeout.unwrap_or_default()
            ),
            format_args!("24 hours or less; the service does not keep content for longer"),
        )
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("connections", &self.connections)
            .field("part_size", &self.part_size)
            .field("bandwidth", &self.bandwidth)
            .field("stall", &self.stall)
            .field("minimum_rate", &self.minimum_rate)
            .field("ready_timeout", &self.ready_timeout)
            .field("sha256", &self.sha256)
            .field("mode", &format_args!("{:o}", self.mode))
            .field("overwrite", &self.overwrite)
            .field("listener", &self.listener.is_some())
            .finish()
    }
}

/// The settings that downloads of one file and of a whole recording have in common.
macro_rules! settings {
    () => {
        /// How many connections fetch parts of a file at the same time: 1 to 32. The default goes
        /// by the size of the file: one for every 4 MiB, from 1 to 8.
        ///
        /// A client opens no more than 32 connections for downloads into files together. Downloads
        /// get their first one in the order in which they begin, and others give up further ones
        /// for it; so while over 32 are to be done, each has one, and what goes beyond waits for
        /// its turn.
        pub fn connections(mut self, count: usize) -> Self {
            self.options.connections = Some(count);
            self
        }

        /// Fetches a file in parts of so many bytes. By default every connection fetches one, and
        /// takes over half of another's when it is done. A part has 64 KiB to 1 TiB.
        pub fn part_size(mut self, bytes: u64) -> Self {
            self.options.part_size = Some(bytes);
            self
        }

        /// Takes no more than so many bytes per second, over all connections: 1,024 at least.
        pub fn bandwidth_limit(mut self, bytes_per_second: u64) -> Self {
            self.options.bandwidth = Some(bytes_per_second);
            self
        }

        /// How long a connection may bring nothing before it is given up and taken up again at
        /// the same byte: 10 ms to 24 hours (default: 30 seconds).
        pub fn read_timeout(mut self, limit: Duration) -> Self {
            self.options.stall = limit;
            self
        }

        /// How many bytes per second a connection must bring, on average over the
        /// [`read_timeout`](Self::read_timeout) (default: 256; 0 is no minimum). One that brings less
        /// is given up and taken up again at the same byte. After as many attempts in a row as the
        /// client's [`RetryPolicy`](crate::RetryPolicy) allows, the download fails with
        /// [`ErrorKind::Timeout`](crate::ErrorKind::Timeout), so that a slow server does not hold
        /// one of the client's connections forever.
        ///
        /// Only the time counts in which the network has nothing to read. A
        /// [`bandwidth_limit`](Self::bandwidth_limit), a slow disk or a slow reader of a stream
        /// makes no connection too slow.
        pub fn minimum_rate(mut self, bytes_per_second: u64) -> Self {
            self.options.minimum_rate = bytes_per_second;
            self
        }

        /// How long to wait for content that is not there yet: for some time after the event, the
        /// service may answer 404 or 503, or with an empty body. The first two are waited out in
        /// the middle of a download, too, and what came before is kept.
        ///
        /// By default 404 and 503 are waited out for two minutes if the recording ended less than
        /// 15 minutes ago and not at all otherwise, and an empty body for 30 seconds in any case.
        /// With zero nothing is waited for, and an empty body makes an empty file. Whether its
        /// length was announced makes no difference. The longest wait is 24 hours.
        pub fn ready_timeout(mut self, limit: Duration) -> Self {
            self.options.ready_timeout = Some(limit);
            self
        }

        /// Computes the SHA-256 of what was downloaded. For whole recordings it is always computed.
        ///
        /// Checksums that the server announces in headers are always compared.
        pub fn sha256(mut self) -> Self {
            self.options.sha256 = true;
            self
        }

        /// The permissions of new files on Unix, whatever the umask (default: `0o600`, since
        /// recorded calls are private). Other systems have none.
        pub fn file_mode(mut self, mode: u32) -> Self {
            self.options.mode = mode & 0o777;
            self
        }

        /// What happens when a file is there already (default: [`Overwrite::Fail`] for a single
        /// file, [`Overwrite::Skip`] for a whole recording).
        pub fn overwrite(mut self, policy: Overwrite) -> Self {
            self.options.overwrite = policy;
            self
        }

        /// Calls this with the progress, about ten times per second. It should return quickly.
        pub fn on_progress(mut self, listener: impl Fn(Progress) + Send + Sync + 'static) -> Self {
            self.options.listener = Some(std::sync::Arc::new(listener));
            self
        }
    };
}

pub(super) use settings;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_can_mean_is_refused_by_name() {
        type Change = fn(&mut Options);
        const HUGE: Duration = Duration::MAX;
        let changed = |change: Change| {
            let mut options = Options::default();
            change(&mut options);
            options.check()
        };
        let cases: [(Change, &str); 14] = [
            (|options| options.connections = Some(0), "0 connections"),
            (|options| options.connections = Some(33), "33 connections"),
            (|options| options.connections = Some(usize::MAX), "1 to 32"),
            (
                |options| options.part_size = Some(0),
                "part size of 0 bytes",
            ),
            (|options| options.part_size = Some(65_535), "65536 to"),
            (|options| options.part_size = Some(u64::MAX), "part size"),
            (
                |options| options.bandwidth = Some(0),
                "bandwidth limit of 0",
            ),
            (
                |options| options.bandwidth = Some(1023),
                "1024 bytes per second or more",
            ),
            (|options| options.minimum_rate = u64::MAX, "minimum rate"),
            (
                |options| {
                    options.bandwidth = Some(10_000);
                    options.minimum_rate = 10_001;
                },
                "10000 bytes per second or less",
            ),
            (|options| options.stall = Duration::ZERO, "stall limit"),
            (|options| options.stall = Duration::from_millis(9), "10 ms"),
            (|options| options.stall = HUGE, "24 hours"),
            (|options| options.ready_timeout = Some(HUGE), "24 hours"),
        ];
        for (change, text) in cases {
            let error = changed(change).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
            assert!(error.to_string().contains(text), "{text}: {error}");
        }
        let sound: [Change; 9] = [
            |_| {},
            |options| options.connections = Some(1),
            |options| options.connections = Some(32),
            |options| options.part_size = Some(65_536),
            |options| options.bandwidth = Some(1024),
            |options| options.bandwidth = Some(u64::MAX),
            |options| options.minimum_rate = 0,
            |options| options.stall = Duration::from_secs(24 * 60 * 60),
            |options| options.ready_timeout = Some(Duration::ZERO),
        ];
        for change in sound {
            changed(change).unwrap();
        }
    }
}
