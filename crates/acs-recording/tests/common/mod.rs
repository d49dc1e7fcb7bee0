//! Code shared by tests: a server with scripted responses.

#![allow(dead_code, reason = "each test uses a part")]

pub mod signature;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use acs_recording::{
    ExponentialBackoff, RecordingClient, RecordingClientBuilder, RetryPolicyExt as _,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

pub const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

/// The response to one request.
#[derive(Clone, Debug)]
pub enum TestResponse {
    /// Sends this text with `\r\n` line endings, and closes the connection.
    Text(String),
    /// Sends this text, and then nothing more.
    Stall(String),
    /// Sends this text, and repeats its body until the client stops reading.
    Endless(String),
    /// Closes the connection without sending anything.
    Close,
    /// Never responds.
    Silence,
}

/// A response with a status, headers, a body and its length.
pub fn respond(status: &str, headers: &[(&str, &str)], body: &str) -> TestResponse {
    let headers: String = headers
        .iter()
        .flat_map(|(name, value)| [*name, ": ", *value, "\n"])
        .collect();
    let length = body.len();
    TestResponse::Text(format!(
        "HTTP/1.1 {status}\nContent-Length: {length}\n{headers}Connection: close\n\n{body}"
    ))
}

/// The response to a start request or a state request.
pub fn state(state: &str) -> TestResponse {
    let body = format!(
        r#"{{"recordingId":"rid","recordingState":"{state}","recordingKind":"azureCommunicationServices"}}"#
    );
    respond("200 OK", &[("Content-Type", "application/json")], &body)
}

/// Responds to requests in order, and records them.
pub struct Server {
    pub url: String,
    requests: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Server {
    /// Sends `responses` in order, and then closes every connection.
    pub async fn start(responses: impl IntoIterator<Item = TestResponse>) -> Self {
        let responses: Vec<_> = responses.into_iter().collect();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&requests);
        let task = tokio::spawn(async move {
            // Connections without a response must stay open.
            let mut silent = Vec::new();
            let mut responses = responses.into_iter();
            while let Ok((mut stream, _)) = listener.accept().await {
                let request = read_request(&mut stream).await;
                log.lock().unwrap().push(request);
                match responses.next() {
                    Some(TestResponse::Text(text)) => send(&mut stream, &text).await,
                    Some(TestResponse::Stall(text)) => {
                        send(&mut stream, &text).await;
                        silent.push(stream);
                    }
                    Some(TestResponse::Endless(text)) => {
                        send(&mut stream, &text).await;
                        let (_, body) = text.split_once("\n\n").unwrap();
                        let body = body.to_owned();
                        tokio::spawn(async move {
                            while stream.write_all(body.as_bytes()).await.is_ok() {}
                        });
                    }
                    Some(TestResponse::Silence) => silent.push(stream),
                    Some(TestResponse::Close) | None => {}
                }
            }
        });
        Self {
            url,
            requests,
            task,
        }
    }

    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// A builder of a client for this server with short delays.
    pub fn client(&self) -> RecordingClientBuilder {
        client(&self.url).retry_policy(
            ExponentialBackoff::default()
                .initial_delay(Duration::from_millis(1))
                .with_attempt_limit(5),
        )
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub fn client(endpoint: &str) -> RecordingClientBuilder {
    let text = format!("endpoint={endpoint};accesskey={KEY}");
    RecordingClient::builder(text.parse().unwrap())
}

async fn send(stream: &mut TcpStream, text: &str) {
    let (head, body) = text.split_once("\n\n").unwrap();
    let head = head.replace('\n', "\r\n");
    let text = format!("{head}\r\n\r\n{body}");
    stream.write_all(text.as_bytes()).await.unwrap();
}

async fn read_request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))
                .map_or(0, |length| length.parse().unwrap());
            if bytes.len() >= end + 4 + length {
                return String::from_utf8(bytes).unwrap();
            }
        }
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return String::from_utf8_lossy(&bytes).into_owned();
        }
    }
}
