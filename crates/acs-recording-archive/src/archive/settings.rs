//! The settings of an archive.

use std::fmt;

use acs_recording::RecordingClient;

use super::transfer::Transfer;
use crate::layout::Layout;
use crate::steps::CrashPoint;

pub(crate) struct Settings {
    pub(crate) client: RecordingClient,
    pub(crate) transfer: Transfer,
    pub(crate) layout: Layout,
    pub(crate) deletes: bool,
    pub(crate) own_storage: OwnStorage,
    pub(crate) crash: CrashPoint,
}

/// What becomes of a recording that the service wrote into a storage account of your own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OwnStorage {
    /// Nothing is copied. A receipt without media says where the recording is.
    #[default]
    Record,
    /// It is an error of kind [`OwnStorage`](crate::ErrorKind::OwnStorage). A worker moves the message to
    /// the poison queue.
    Reject,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Archive")
            .field("store", &self.transfer.objects.store().to_string())
            .field("layout", &self.layout)
            .field("delete_at_service", &self.deletes)
            .field("own_storage", &self.own_storage)
            .field("part_size", &self.transfer.part_size)
            .field("concurrent_parts", &self.transfer.concurrent_parts)
            .finish_non_exhaustive()
    }
}
