//! Serves metrics, and whether the worker is alive and ready.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use acs_recording_archive::{Archive, EventQueue as _, StorageQueue};
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use super::registry::Registry;
use crate::failure::Failure;

/// The version of the text format.
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";
/// For how long a result is used again, so that probes cost few requests.
const VALID_FOR: Duration = Duration::from_secs(30);
/// Probes time out soon.
const CHECK_TIMEOUT: Duration = Duration::from_secs(5);

/// Whether queue and store can be reached. Clones share what is known.
#[derive(Clone)]
pub(crate) struct Health(Arc<Inner>);

struct Inner {
    archive: Archive,
    queue: StorageQueue,
    state: Mutex<Readiness>,
    is_stopping: std::sync::atomic::AtomicBool,
}

enum Readiness {
    Unknown,
    Ready(Instant),
}

impl Health {
    pub(crate) fn new(archive: Archive, queue: StorageQueue) -> Self {
        Self(Arc::new(Inner {
            archive,
            queue,
            state: Mutex::new(Readiness::Unknown),
            is_stopping: false.into(),
        }))
    }

    /// From now on the worker receives nothing.
    pub(crate) fn stop(&self) {
        let stopping = &self.0.is_stopping;
        stopping.store(true, std::sync::atomic::Ordering::Relaxed);
    }

    /// Why the worker is not ready, if it is not.
    async fn problem(&self) -> Option<String> {
        let Inner { archive, queue, .. } = &*self.0;
        if self
            .0
            .is_stopping
            .load(std::sync::atomic::Ordering::Relaxed)
        {
            return Some("stopping".to_owned());
        }
        // One check serves all probes that wait for it.
        let mut state = self.0.state.lock().await;
        if let Readiness::Ready(at) = *state
            && at.elapsed() < VALID_FOR
        {
            return None;
        }
        let checks = async {
            archive.check().await?;
            queue.approximate_depth().await
        };
        let problem = match tokio::time::timeout(CHECK_TIMEOUT, checks).await {
            Ok(Ok(_)) => {
                *state = Readiness::Ready(Instant::now());
                return None;
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the queue or the store does not respond".to_owned(),
        };
        *state = Readiness::Unknown;
        Some(problem)
    }
}

/// A server of metrics. It ends when it is dropped.
pub(crate) struct Server {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Server {
    /// Listens, and serves what the registry has.
    pub(crate) async fn start(
        address: SocketAddr,
        registry: Registry,
        health: Health,
    ) -> Result<Self, Failure> {
        let cannot = |error: std::io::Error| {
            Failure::usage(format!("--metrics: cannot listen on {address}: {error}"))
        };
        let listener = TcpListener::bind(address).await.map_err(cannot)?;
        let address = listener.local_addr().map_err(cannot)?;
        let router = router(registry, health);
        let task = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "metrics are no longer served");
            }
        });
        Ok(Self { address, task })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn router(registry: Registry, health: Health) -> Router {
    let metrics = move || {
        let text = registry.render();
        std::future::ready(([(CONTENT_TYPE, TEXT_FORMAT)], text))
    };
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(|| std::future::ready("ok\n")))
        .route("/readyz", get(readyz))
        .with_state(health)
}

async fn readyz(State(health): State<Health>) -> impl IntoResponse {
    match health.problem().await {
        None => (StatusCode::OK, "ready\n".to_owned()),
        Some(problem) => (StatusCode::SERVICE_UNAVAILABLE, format!("{problem}\n")),
    }
}
