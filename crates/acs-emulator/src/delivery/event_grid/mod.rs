//! Event Grid events, and their delivery to webhooks and queues.

pub(crate) mod call_events;
pub(super) mod deliver;
pub(crate) mod event;
pub(crate) mod file_status;
mod handshake;
mod headers;
pub(crate) mod new_subscription;
pub(crate) mod prepared_subscription;
mod retry;
mod storage_queue;
pub(crate) mod subscription;
