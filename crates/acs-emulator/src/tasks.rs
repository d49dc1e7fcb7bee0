//! Background tasks, which run until the emulator stops.

use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Starts tasks, and stops them. Clones share the same tasks.
#[derive(Clone, Debug)]
pub(crate) struct Tasks {
    runtime: Handle,
    stop: CancellationToken,
    tracker: TaskTracker,
}

impl Tasks {
    /// Must be called in a tokio runtime, which then runs the tasks.
    pub(crate) fn new() -> Self {
        Self {
            runtime: Handle::current(),
            stop: CancellationToken::new(),
            tracker: TaskTracker::new(),
        }
    }

    /// Runs `task` until it completes or the emulator stops.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let task = self.stop.clone().run_until_cancelled_owned(task);
        self.tracker.spawn_on(task, &self.runtime);
    }

    /// Completes when the emulator should stop.
    pub(crate) async fn stopped(&self) {
        self.stop.cancelled().await;
    }

    /// Stops all tasks.
    pub(crate) fn stop(&self) {
        self.stop.cancel();
        self.tracker.close();
    }

    /// Completes when no task runs any more.
    pub(crate) async fn finished(&self) {
        self.tracker.wait().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn stopping_ends_all_tasks() {
        let tasks = Tasks::new();
        tasks.spawn(std::future::pending());
        tasks.stop();
        tasks.stopped().await;
        tasks.finished().await;
    }
}
