//! Reports when stored files expire.

use std::sync::Arc;

use crate::activity::{ActivityLog, Change};
use crate::service::clock::Clock;
use crate::storage::store::Store;

pub(super) async fn report(store: Arc<Store>, clock: Clock, activity: ActivityLog) {
    let catalog = &store.catalog;
    let mut reported = clock.now();
    loop {
        let expires = async {
            match catalog.next_expiry(reported) {
                Some(at) => clock.wait_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = expires => {}
            () = catalog.added() => continue,
        }
        let now = clock.now();
        for entry in catalog.expired(reported, now) {
            activity.changed(Change::Recording {
                id: entry.recording.recording_id.clone(),
                call: (!entry.is_synthetic).then_some(entry.recording.correlation_id),
                state: "ended",
            });
        }
        reported = now;
    }
}
