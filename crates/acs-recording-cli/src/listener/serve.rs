//! Serves the webhook with limits on connections and time.

use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Sleep;
use tower_service::Service as _;

use super::local;

/// Limits on what clients can use.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    /// Maximum number of open connections; others wait to be accepted.
    connections: usize,
    /// Time for the headers of a request, and idle time before the next request.
    headers: Duration,
    /// Time for a client to read a response once the connection is blocked.
    answer: Duration,
    /// Time for open requests to complete on shutdown.
    grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 256,
            headers: Duration::from_secs(15),
            answer: Duration::from_secs(15),
            grace: Duration::from_secs(4),
        }
    }
}

/// Pause after a failure to accept, such as a lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The router, and which clients it accepts.
#[derive(Clone)]
pub(super) struct Site {
    pub(super) router: Router,
    /// Whether only programs of this machine, not web pages, may post.
    pub(super) is_local: bool,
    pub(super) limits: Limits,
}

/// Serves until `stop` completes, and then until open requests complete or time out.
pub(super) async fn serve(listener: TcpListener, site: Site, stop: impl Future<Output = ()>) {
    let slots = Arc::new(Semaphore::new(site.limits.connections));
    let (ending, end) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            accepted = accept(&listener, &slots) => match accepted {
                Ok((stream, slot)) => {
                    connections.spawn(connection(stream, slot, site.clone(), end.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    ending.send_replace(true);
    let all = async { while connections.join_next().await.is_some() {} };
    // A client may hold its connection for longer.
    let _ = tokio::time::timeout(site.limits.grace, all).await;
}

async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> io::Result<(TcpStream, Option<OwnedSemaphorePermit>)> {
    // It is never closed.
    let slot = Arc::clone(slots).acquire_owned().await.ok();
    let (stream, _) = listener.accept().await?;
    Ok((stream, slot))
}

async fn connection(
    stream: TcpStream,
    _slot: Option<OwnedSemaphorePermit>,
    site: Site,
    mut end: watch::Receiver<bool>,
) {
    let Ok(here) = stream.local_addr() else {
        return;
    };
    let limits = site.limits;
    let service = service_fn(move |request| respond(site.clone(), here, request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.headers)
        .serve_connection(TokioIo::new(Taking::new(stream, limits.answer)), service);
    let mut connection = pin!(connection);
    let ended = async {
        let _ = end.wait_for(|end| *end).await;
    };
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = ended => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "connection closed with an error");
    }
}

/// A connection that is closed when its client does not read the response.
struct Taking {
    stream: TcpStream,
    patience: Duration,
    /// Deadline while a write is blocked.
    end: Option<Pin<Box<Sleep>>>,
}

impl Taking {
    fn new(stream: TcpStream, patience: Duration) -> Self {
        Self {
            stream,
            patience,
            end: None,
        }
    }
}

impl AsyncRead for Taking {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Taking {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(written) = Pin::new(&mut self.stream).poll_write(context, bytes) {
            return Poll::Ready(written);
        }
        let patience = self.patience;
        let end = self
            .end
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        ready!(end.as_mut().poll(context));
        let text = "the client does not read the response";
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, text)))
    }

    /// Reset when everything is written, not after every byte that the client reads.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.end = None;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

async fn respond(
    mut site: Site,
    here: SocketAddr,
    request: Request<Incoming>,
) -> Result<Response<Body>, std::convert::Infallible> {
    if site.is_local
        && let Some((status, reason)) = local::refusal(&request, here)
    {
        tracing::warn!(reason, "request rejected");
        let mut response = Response::new(Body::from(format!("{reason}\n")));
        *response.status_mut() = status;
        return Ok(response);
    }
    site.router.call(request).await
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::sync::Notify;

    use super::*;

    /// Serves with room for two connections, and headers within a moment.
    async fn start() -> (SocketAddr, Arc<Notify>, tokio::task::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let slow = get(async || std::future::pending::<()>().await);
        let large = get(async || vec![b'x'; 1 << 20]);
        let site = Site {
            router: Router::new()
                .route("/", get(async || "hello"))
                .route("/slow", slow)
                .route("/large", large),
            is_local: false,
            limits: Limits {
                connections: 2,
                headers: Duration::from_millis(300),
                answer: Duration::from_millis(300),
                grace: Duration::from_millis(300),
            },
        };
        let stop = Arc::new(Notify::new());
        let stopped = Arc::clone(&stop);
        let stopped = async move { stopped.notified().await };
        (address, stop, tokio::spawn(serve(listener, site, stopped)))
    }

    async fn ask(address: SocketAddr, request: &str) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    }

    async fn all(mut stream: TcpStream) -> String {
        let mut text = Vec::new();
        let _ = stream.read_to_end(&mut text).await;
        String::from_utf8(text).unwrap()
    }

    #[tokio::test]
    async fn slow_clients_keep_nobody_out() {
        let (address, ..) = start().await;
        let whole = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";
        let begun = Instant::now();
        // One that sends half of a head, one that sends nothing after a request, and one more.
        let half = ask(address, "GET / HTTP/1.1\r\nhost:").await;
        let idle = ask(address, whole).await;
        let third = ask(address, whole).await;
        let answer = all(third).await;
        assert!(answer.ends_with("hello"), "{answer}");
        assert!(
            begun.elapsed() >= Duration::from_millis(200),
            "there was room for three"
        );
        assert!(all(idle).await.ends_with("hello"));
        assert!(!all(half).await.contains("hello"));
        assert!(begun.elapsed() < Duration::from_secs(10));
    }

    /// More than what the system buffers, which nobody reads, or reads in drips.
    #[tokio::test]
    async fn who_does_not_take_answers_keeps_nobody_out() {
        let (address, ..) = start().await;
        let large = "GET /large HTTP/1.1\r\nhost: x\r\n\r\n".repeat(64);
        let mute = ask(address, &large).await;
        let mut drips = ask(address, &large).await;
        let dripping = tokio::spawn(async move {
            let mut bytes = vec![0; 4096];
            while drips.read(&mut bytes).await.is_ok_and(|count| count > 0) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        let third = ask(address, "GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
        let answer = tokio::time::timeout(Duration::from_secs(10), all(third)).await;
        assert!(answer.unwrap().ends_with("hello"));
        drop((mute, dripping));
    }

    #[tokio::test]
    async fn open_requests_keep_it_for_a_moment_only() {
        let (address, stop, serving) = start().await;
        let open = ask(address, "GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await;
        let hello = ask(address, "GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
        assert!(all(hello).await.ends_with("hello"));
        stop.notify_one();
        let ended = tokio::time::timeout(Duration::from_secs(10), serving).await;
        ended.unwrap().unwrap();
        drop(open);
    }
}
