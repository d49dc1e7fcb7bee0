//! The steps of archiving a recording, after each of which a crash is tested.

/// A step that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The message was received.
    Received,
    /// It is known which chunks have no receipt.
    Checked,
    /// All parts of the media were uploaded, and nothing is visible yet.
    PartsUploaded,
    /// The media is in the store.
    MediaStored,
    /// The metadata document is in the store.
    MetadataStored,
    /// The receipt is in the store.
    ReceiptStored,
    /// The service's copies were deleted.
    DeletedAtService,
    /// The message was removed from the queue.
    Completed,
}

/// Where a test lets the process crash. Nowhere outside of tests.
#[derive(Clone, Debug, Default)]
pub(crate) struct CrashPoint {
    #[cfg(test)]
    armed: Option<std::sync::Arc<Armed>>,
}

impl CrashPoint {
    /// Goes on, unless a crash is due here.
    #[cfg_attr(
        not(test),
        allow(clippy::unused_async, reason = "a test never returns from here")
    )]
    pub(crate) async fn reached(&self, step: Step) {
        #[cfg(test)]
        if let Some(armed) = &self.armed
            && armed.at == step
        {
            armed.crashed.send_replace(true);
            std::future::pending::<()>().await;
        }
        let _ = step;
    }

    /// Whether the process is dead, and nothing may clean up after it.
    #[cfg_attr(
        not(test),
        allow(clippy::unused_self, reason = "only a test lets a process crash")
    )]
    pub(crate) fn is_dead(&self) -> bool {
        #[cfg(test)]
        if let Some(armed) = &self.armed {
            return *armed.crashed.borrow();
        }
        false
    }
}

#[cfg(test)]
#[derive(Debug)]
struct Armed {
    at: Step,
    crashed: tokio::sync::watch::Sender<bool>,
}

#[cfg(test)]
impl CrashPoint {
    pub(crate) fn at(step: Step) -> Self {
        let (crashed, _) = tokio::sync::watch::channel(false);
        Self {
            armed: Some(std::sync::Arc::new(Armed { at: step, crashed })),
        }
    }

    /// Waits until the process has crashed.
    pub(crate) async fn crashed(&self) {
        if let Some(armed) = &self.armed {
            let mut crashed = armed.crashed.subscribe();
            let _ = crashed.wait_for(|crashed| *crashed).await;
        }
    }
}
