//! Background tasks, which run until the emulator stops.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Starts tasks, and stops them. Clones share the same tasks.
#[derive(Clone, Debug)]
pub(crate) struct Tasks {
    runtime: Handle,
    stop: CancellationToken,
    /// Cancelled by a reset, and then replaced.
    reset: Arc<Mutex<CancellationToken>>,
    tracker: TaskTracker,
}

impl Tasks {
    /// Must be called in a tokio runtime, which then runs the tasks.
    pub(crate) fn new() -> Self {
        let stop = CancellationToken::new();
        Self {
            runtime: Handle::current(),
            reset: Arc::new(Mutex::new(stop.child_token())),
            stop,
            tracker: TaskTracker::new(),
        }
    }

    /// Runs `task` until it completes or the emulator stops.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let task = self.stop.clone().run_until_cancelled_owned(task);
        self.tracker.spawn_on(task, &self.runtime);
    }

    /// Runs `task` until it completes, the emulator is reset or stops.
    pub(crate) fn spawn_until_reset(&self, task: impl Future<Output = ()> + Send + 'static) {
        let reset = self.reset.lock().unwrap_or_else(PoisonError::into_inner);
        let task = reset.clone().run_until_cancelled_owned(task);
        self.tracker.spawn_on(task, &self.runtime);
    }

    /// Stops the tasks that run until a reset.
    pub(crate) fn reset(&self) {
        let mut reset = self.reset.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *reset, self.stop.child_token()).cancel();
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
        tasks.spawn_until_reset(std::future::pending());
        tasks.stop();
        tasks.stopped().await;
        tasks.finished().await;
    }

    #[tokio::test]
    async fn a_reset_ends_earlier_tasks() {
        let tasks = Tasks::new();
        let (ended, mut has_ended) = tokio::sync::mpsc::channel::<()>(1);
        tasks.spawn_until_reset(async move {
            let _ended = ended;
            std::future::pending::<()>().await;
        });
        tasks.reset();
        assert_eq!(has_ended.recv().await, None);
        let (later, mut runs) = tokio::sync::oneshot::channel();
        tasks.spawn_until_reset(async move {
            let _ = later.send(());
        });
        (&mut runs).await.unwrap();
    }
}
