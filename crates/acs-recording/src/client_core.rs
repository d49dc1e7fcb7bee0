//! The state that a client shares with its operations and handles.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::error::Result;
use crate::transport::{Pipeline, RequestOptions};

/// The shared state of a client. Cheap to clone.
#[derive(Clone)]
pub(crate) struct ClientCore(Arc<Inner>);

struct Inner {
    pipeline: Arc<Pipeline>,
    low_level: acs_call_automation::Client,
}

impl ClientCore {
    pub(crate) fn new(pipeline: Pipeline) -> Self {
        let pipeline = Arc::new(pipeline);
        let low_level = acs_call_automation::Client::new(
            pipeline.endpoint.url().clone(),
            Arc::<Pipeline>::clone(&pipeline),
        );
        Self(Arc::new(Inner {
            pipeline,
            low_level,
        }))
    }

    pub(crate) fn pipeline(&self) -> &Pipeline {
        &self.0.pipeline
    }

    /// The generated client, over the pipeline.
    pub(crate) fn low_level(&self) -> &acs_call_automation::Client {
        &self.0.low_level
    }

    /// The core with the options of one operation.
    ///
    /// # Errors
    /// One of the options is invalid.
    pub(crate) fn with_options(&self, options: &RequestOptions) -> Result<Self> {
        if options.is_default() {
            options.check()?;
            return Ok(self.clone());
        }
        Ok(Self::new(self.0.pipeline.with_options(options)?))
    }

    /// The core for the rest of an operation that must end by the deadline.
    pub(crate) fn with_deadline(&self, deadline: Instant) -> Self {
        let left = deadline.saturating_duration_since(Instant::now());
        let mut pipeline = self.pipeline().clone();
        // Zero is rejected as an invalid timeout.
        pipeline.limits.total = left.max(Duration::from_millis(1));
        Self::new(pipeline)
    }

    /// The core for locations that are in the caller's own storage, according to the event.
    pub(crate) fn for_own_storage(&self) -> Self {
        let mut pipeline = self.pipeline().clone();
        pipeline.hosts = Arc::new(pipeline.hosts.for_own_storage());
        Self::new(pipeline)
    }
}

/// Shows the endpoint only, because the rest is the same for all handles.
impl fmt::Debug for ClientCore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("endpoint", &self.pipeline().endpoint.url().as_str())
            .finish_non_exhaustive()
    }
}
