//! What can be set on a download.

use std::fmt;
use std::time::Duration;

use super::disk::PRIVATE;
use super::progress::Listener;

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
    /// For a single file, its size decides, and the checksum if the server announces one. For a
    /// whole recording only proof counts, since the service's copy may be deleted afterwards: the
    /// SHA-256 in the recording's [manifest](crate::RecordingManifest), a checksum that the server
    /// announces, or else the content itself, which is downloaded beside the file and compared.
    Skip,
}

/// What can be set on a download.
#[derive(Clone)]
pub(super) struct Options {
    pub(super) connections: Option<usize>,
    pub(super) part_size: Option<u64>,
    pub(super) bandwidth: Option<u64>,
    pub(super) stall: Duration,
    pub(super) ready_within: Option<Duration>,
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
            ready_within: None,
            sha256: false,
            mode: PRIVATE,
            overwrite: Overwrite::default(),
            listener: None,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("connections", &self.connections)
            .field("part_size", &self.part_size)
            .field("bandwidth", &self.bandwidth)
            .field("stall", &self.stall)
            .field("ready_within", &self.ready_within)
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
        /// How many connections fetch parts of a file at the same time. The default goes by the
        /// size of the file: one for every 4 MiB, from 1 to 8.
        ///
        /// A client opens no more than 32 connections for downloads into files together. Downloads
        /// get their first one in the order in which they begin, and others give up further ones
        /// for it; so while over 32 are to be done, each has one, and what goes beyond waits for
        /// its turn.
        pub fn connections(mut self, count: usize) -> Self {
            self.options.connections = Some(count.max(1));
            self
        }

        /// Fetches a file in parts of so many bytes. By default every connection fetches one, and
        /// takes over half of another's when it is done.
        pub fn part_size(mut self, bytes: u64) -> Self {
            self.options.part_size = Some(bytes.max(64 * 1024));
            self
        }

        /// Takes no more than so many bytes per second, over all connections.
        pub fn bandwidth_limit(mut self, bytes_per_second: u64) -> Self {
            self.options.bandwidth = Some(bytes_per_second);
            self
        }

        /// How long a connection may bring nothing before it is given up and taken up again at
        /// the same byte (default: 30 seconds).
        pub fn stall_limit(mut self, limit: Duration) -> Self {
            self.options.stall = limit;
            self
        }

        /// How long to wait for content that is not there yet: for some time after the event, the
        /// service may answer 404 or 503, or with an empty body. The first two are waited out in
        /// the middle of a download, too, and what came before is kept.
        ///
        /// By default 404 and 503 are waited out for two minutes if the recording ended less than
        /// 15 minutes ago and not at all otherwise, and an empty body for 30 seconds in any case.
        /// With zero nothing is waited for, and an empty body makes an empty file. Whether its
        /// length was announced makes no difference.
        pub fn ready_within(mut self, limit: Duration) -> Self {
            self.options.ready_within = Some(limit);
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
