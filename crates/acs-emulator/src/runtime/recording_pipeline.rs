//! From the end of a recording to its event.

use std::sync::Arc;
use std::time::Duration;

use crate::delivery::Delivery;
use crate::delivery::event_grid::file_status;
use crate::service::clock::{Clock, after};
use crate::service::recordings::EndedRecording;
use crate::storage::blob_export;
use crate::storage::chunking::Chunk;
use crate::storage::store::Store;
use crate::tasks::Tasks;

/// Stores ended recordings and publishes their events.
pub(crate) struct RecordingPipeline {
    pub(super) store: Arc<Store>,
    pub(super) delivery: Arc<Delivery>,
    pub(super) clock: Clock,
    /// The time from the end of a recording until its event is sent.
    pub(crate) event_delay: Duration,
    pub(super) tasks: Tasks,
}

impl RecordingPipeline {
    /// Stores the files of a recording, and publishes their event later. A recording without files
    /// has no event.
    pub(super) fn finalize(&self, recording: Arc<EndedRecording>) {
        let chunks = self.store.add(&recording);
        let catalog = &self.store.catalog;
        catalog.add(
            Arc::clone(&recording),
            chunks.clone(),
            false,
            recording.ended_at,
        );
        if !chunks.is_empty() {
            self.publish_file_status(recording, chunks);
        }
    }

    /// Notifies all subscriptions, after the event delay, that the stored files are available. If
    /// the application chose a container, the files are written to it first.
    pub(crate) fn publish_file_status(&self, recording: Arc<EndedRecording>, chunks: Vec<Chunk>) {
        let due = after(recording.ended_at, self.event_delay);
        let (store, delivery) = (Arc::clone(&self.store), Arc::clone(&self.delivery));
        let clock = self.clock.clone();
        self.tasks.spawn_until_reset(async move {
            clock.wait_until(due).await;
            let exported = blob_export::export(&store, &recording, &chunks, due).await;
            let is_exported = exported.is_some();
            if let Some(locations) = &exported {
                store
                    .catalog
                    .set_exported(&recording.recording_id, locations.clone());
            }
            let locations = exported.unwrap_or_else(|| {
                let stored = chunks.iter();
                stored
                    .map(|chunk| store.locations(&chunk.document))
                    .collect()
            });
            let event = file_status::event(&recording, &chunks, locations, is_exported, due);
            delivery.publish(event);
        });
    }
}
