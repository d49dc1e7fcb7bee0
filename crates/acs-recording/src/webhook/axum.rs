//! The webhook as a router of axum.

use axum::Router;

use super::Webhook;

impl Webhook {
    /// A router with the webhook at `path`; merge it into your own or serve it.
    ///
    /// A delivery has its time limit from when its headers are there. `axum::serve` bounds neither
    /// how long a client may take for its headers nor how many connections are open. Where anybody
    /// can connect, put the webhook behind a proxy that does, or serve it with hyper and
    /// `header_read_timeout`, as `acs-recording events listen` does.
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
