//! What the tests share: a server that answers exactly what a test tells it to.

#![allow(dead_code, reason = "each test uses its part")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use acs_recording::{
    ExponentialBackoff, RecordingClient, RecordingClientBuilder, RetryPolicyExt as _,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

pub const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

/// What the server does with one request.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Sends this text, line ends made `\r\n`, and closes.
    Text(String),
    /// Sends this text and then nothing.
    Stall(String),
    /// Sends this text, and its body again and again for as long as the other side reads.
    Endless(String),
    /// Closes without a byte.
    Close,
    /// Never answers.
    Silence,
}

/// An answer with a status, headers and a body of its announced length.
pub fn answer(status: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let headers: String = headers
        .iter()
        .flat_map(|(name, value)| [*name, ": ", *value, "\n"])
        .collect();
    let length = body.len();
    Answer::Text(format!(
        "HTTP/1.1 {status}\nContent-Length: {length}\n{headers}Connection: close\n\n{body}"
    ))
}

/// The answer to a start or to a question for the state.
pub fn state(state: &str) -> Answer {
    let body = format!(
        r#"{{"recordingId":"rid","recordingState":"{state}","recordingKind":"azureCommunicationServices"}}"#
    );
    answer("200 OK", &[("Content-Type", "application/json")], &body)
}

/// Answers one request after the other, and keeps them as they came.
pub struct Server {
    pub url: String,
    requests: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Server {
    /// Serves `answers` in order, then closes every connection.
    pub async fn start(answers: impl IntoIterator<Item = Answer>) -> Self {
        let answers: Vec<_> = answers.into_iter().collect();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&requests);
        let task = tokio::spawn(async move {
            // Connections that are never answered must stay open.
            let mut silent = Vec::new();
            let mut answers = answers.into_iter();
            while let Ok((mut stream, _)) = listener.accept().await {
                let request = read_request(&mut stream).await;
                log.lock().unwrap().push(request);
                match answers.next() {
                    Some(Answer::Text(text)) => send(&mut stream, &text).await,
                    Some(Answer::Stall(text)) => {
                        send(&mut stream, &text).await;
                        silent.push(stream);
                    }
                    Some(Answer::Endless(text)) => {
                        send(&mut stream, &text).await;
                        let (_, body) = text.split_once("\n\n").unwrap();
                        let body = body.to_owned();
                        tokio::spawn(async move {
                            while stream.write_all(body.as_bytes()).await.is_ok() {}
                        });
                    }
                    Some(Answer::Silence) => silent.push(stream),
                    Some(Answer::Close) | None => {}
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

    /// Settings of a client of this server that wastes no time.
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
