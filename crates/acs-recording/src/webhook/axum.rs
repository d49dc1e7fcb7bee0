//! The webhook as an axum router.

use axum::Router;

use super::Webhook;

impl Webhook {
    /// A router with the webhook at `path`. Merge it into your own router, or serve it. Needs the
    /// feature `axum`.
    ///
    /// The timeout of a delivery starts when its headers have arrived. `axum::serve` limits neither
    /// the time that a client takes for its headers nor the number of open connections. If the
    /// webhook can be reached from the internet, put it behind a proxy that limits both, or serve it
    /// with hyper: `http1::Builder` has `timer` and `header_read_timeout`, and a
    /// `tokio::sync::Semaphore` bounds the connections. `acs-recording events listen` does this, with
    /// 15 seconds and 256 connections.
    ///
    /// ```no_run
    /// use acs_recording::webhook::Webhook;
    ///
    /// # async fn run(webhook: Webhook) -> Result<(), Box<dyn std::error::Error>> {
    /// let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
    /// axum::serve(listener, webhook.router("/events")).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn router<S: Clone + Send + Sync + 'static>(self, path: &str) -> Router<S> {
        Router::new().route_service(path, self)
    }
}
