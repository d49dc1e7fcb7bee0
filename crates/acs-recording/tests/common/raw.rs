//! A server that sends the given bytes at the given pace.

#![allow(dead_code, reason = "each test uses a part")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use acs_recording::{ContentUrl, ExponentialBackoff, RecordingClientBuilder, RetryPolicyExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// The bytes to send in response to one request, before the connection is closed.
#[derive(Clone, Debug, Default)]
pub struct Script {
    /// Sent immediately, with `\r\n` line endings in the head.
    pub text: String,
    /// Sent one by one, with this pause between them, until the client closes the connection.
    pub byte_interval: Option<Duration>,
    /// Keeps the connection open and sends nothing more.
    pub hangs: bool,
}

impl Script {
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            ..Self::default()
        }
    }

    pub fn hanging(text: impl Into<String>) -> Self {
        Self {
            hangs: true,
            ..Self::new(text)
        }
    }

    pub fn slow(text: impl Into<String>, pause: Duration) -> Self {
        Self {
            byte_interval: Some(pause),
            ..Self::new(text)
        }
    }
}

/// Serves all connections concurrently, one request each, and records the requests.
pub struct Raw {
    pub url: String,
    requests: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Raw {
    /// `script` returns the response by the number and the head of a request.
    pub async fn start(script: impl Fn(usize, &str) -> Script + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (log, script) = (Arc::clone(&requests), Arc::new(script));
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (log, script) = (Arc::clone(&log), Arc::clone(&script));
                connections.spawn(async move {
                    let mut stream = stream;
                    let request = head(&mut stream).await;
                    let number = {
                        let mut log = log.lock().unwrap();
                        log.push(request.clone());
                        log.len() - 1
                    };
                    // The client may close the connection.
                    let _ = play(&mut stream, script(number, &request)).await;
                });
            }
        });
        Self {
            url,
            requests,
            task,
        }
    }

    pub fn location(&self) -> ContentUrl {
        format!("{}/v1/objects/o/content/audiowav", self.url)
            .parse()
            .unwrap()
    }

    /// A builder of a client for this server with short delays.
    pub fn client(&self) -> RecordingClientBuilder {
        crate::common::client(&self.url).retry_policy(
            ExponentialBackoff::default()
                .initial_delay(Duration::from_millis(1))
                .with_attempt_limit(5),
        )
    }

    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A request without a body, in lower case.
async fn head(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            break;
        }
    }
    String::from_utf8(bytes).unwrap().to_lowercase()
}

async fn play(stream: &mut TcpStream, script: Script) -> std::io::Result<()> {
    let text = match script.text.split_once("\n\n") {
        Some((head, body)) => format!("{}\r\n\r\n{body}", head.replace('\n', "\r\n")),
        None => script.text,
    };
    stream.write_all(text.as_bytes()).await?;
    if let Some(pause) = script.byte_interval {
        loop {
            stream.write_all(b"x").await?;
            tokio::time::sleep(pause).await;
        }
    }
    if script.hangs {
        std::future::pending::<()>().await;
    }
    stream.shutdown().await
}
