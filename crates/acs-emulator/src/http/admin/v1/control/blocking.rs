//! Work that takes a while.

use crate::http::admin::v1::problem::{Code, Problem};

/// Runs something that computes for a while, such as reading an audio file.
pub(super) async fn blocking<T: Send + 'static>(
    compute: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let failed = |_| Problem::new(Code::Internal, "The request cannot be processed.");
    tokio::task::spawn_blocking(compute).await.map_err(failed)?
}
