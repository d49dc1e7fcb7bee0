//! Event Grid events, and their delivery to webhooks and queues.

pub(crate) mod call_events;
pub(crate) mod deliver;
pub(crate) mod event;
pub(crate) mod file_status;
pub(crate) mod retry;
pub(crate) mod storage_queue;
pub(crate) mod subscription;
