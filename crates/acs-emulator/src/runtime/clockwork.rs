//! Runs the steps of the service when they become due, even if there are no requests.

use std::sync::Arc;

use crate::activity::{ActivityLog, Change};
use crate::service::Service;
use crate::service::clock::Clock;

pub(super) async fn run(service: Arc<Service>) {
    loop {
        let (next, changed) = service.run_until_now();
        let due = async {
            match next {
                Some(next) => service.clock().wait_until(next).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = due => {}
            () = changed.notified() => {}
        }
    }
}

/// Reports when the clock is advanced, held or released.
pub(super) async fn report_changes(clock: Clock, activity: ActivityLog) {
    let mut changes = clock.changes();
    while changes.next().await {
        activity.changed(Change::Clock);
    }
}
