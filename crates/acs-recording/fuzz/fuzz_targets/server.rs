//! The server of the target `download`.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// The behavior of the server, response by response.
#[derive(Arbitrary, Clone, Debug)]
pub enum Script {
    Honest(Honest),
    Wild(Vec<Wild>),
}

/// Correct responses. After the last one, every request gets the complete content.
#[derive(Arbitrary, Clone, Debug)]
pub struct Honest {
    pub size: u16,
    responses: Vec<Turn>,
}

#[derive(Arbitrary, Clone, Debug)]
struct Turn {
    /// The content changes before this response.
    changes: bool,
    does: Does,
    is_chunked: bool,
    closes: bool,
    /// The connection is closed after this part of the body.
    cut: Option<u16>,
    /// The server stalls after this part of the body.
    stall: Option<u16>,
}

#[derive(Arbitrary, Clone, Debug)]
enum Does {
    Ranges,
    NoRanges,
    Refuses {
        status: Status,
        retry_after: Option<u8>,
    },
    Nothing,
    Hangs,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Status {
    BadRequest,
    Forbidden,
    NotFound,
    NotAllowed,
    Timeout,
    Gone,
    Range,
    TooMany,
    Internal,
    Unavailable,
    Other(u16),
}

/// An arbitrary response.
#[derive(Arbitrary, Clone, Debug)]
pub struct Wild {
    status: Status200,
    headers: Vec<Header>,
    body: Body,
    closes: bool,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Status200 {
    Ok,
    Partial,
    Found,
    Error(Status),
}

#[derive(Arbitrary, Clone, Debug)]
enum Header {
    Length(Number),
    Range(Number, Number, Option<Number>),
    /// The requested range, with this total size.
    RightRange(u16),
    NoRange(Option<Number>),
    RangeText(String),
    Tag(u8),
    TagText(String),
    Modified(u8),
    RetryAfter(u16),
    Chunked,
    Coding(u8),
    Digest(u8, String),
    Location(String),
    Other(String, String),
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Number {
    Small(u16),
    Large(u64),
    Huge,
}

#[derive(Arbitrary, Clone, Debug)]
enum Body {
    Empty,
    Bytes(Vec<u8>),
    /// A number of bytes of this version, from an offset.
    Content(u16, u16, u8),
    /// With chunked transfer encoding.
    Chunks(Vec<(u8, Vec<u8>)>),
}

/// The content of a version. Versions differ in every byte.
pub fn content(size: u16, version: u8) -> Vec<u8> {
    let step = usize::from(version) * 2 + 1;
    (0..usize::from(size))
        .map(|at| (at * step + at / 251 + usize::from(version)) as u8)
        .collect()
}

impl Honest {
    /// The number of the last version.
    pub fn versions(&self) -> u8 {
        let changes = self
            .responses
            .iter()
            .filter(|response| response.changes)
            .count();
        u8::try_from(changes).unwrap_or(u8::MAX)
    }
}

impl Status {
    fn code(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::NotAllowed => 405,
            Self::Timeout => 408,
            Self::Gone => 410,
            Self::Range => 416,
            Self::TooMany => 429,
            Self::Internal => 500,
            Self::Unavailable => 503,
            // Neither an interim response, after which the client waits, nor a success.
            Self::Other(code) => 300 + code % 700,
        }
    }
}

impl Number {
    fn get(self) -> u64 {
        match self {
            Self::Small(number) => number.into(),
            Self::Large(number) => number,
            Self::Huge => u64::MAX,
        }
    }
}

/// The rest of a conversation.
#[derive(Default)]
struct Play {
    honest: Option<u16>,
    version: u8,
    turns: VecDeque<Turn>,
    wild: VecDeque<Wild>,
}

pub struct Server {
    authority: String,
    play: Arc<Mutex<Play>>,
    sent_count: watch::Sender<usize>,
    end: watch::Sender<()>,
}

/// The bytes of a response.
struct Sent {
    bytes: Vec<u8>,
    /// Whether another request may follow.
    keeps: bool,
    stalls: bool,
}

impl Server {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            authority: listener.local_addr().unwrap().to_string(),
            play: Arc::default(),
            sent_count: watch::channel(0).0,
            end: watch::channel(()).0,
        };
        let (play, sent_count, end) = (
            Arc::clone(&server.play),
            server.sent_count.clone(),
            server.end.clone(),
        );
        let authority = server.authority.clone();
        tokio::spawn(async move {
            let mut ended = end.subscribe();
            let mut open = JoinSet::new();
            loop {
                tokio::select! {
                    accepted = listener.accept() => {
                        let Ok((stream, _)) = accepted else { continue };
                        let (play, sent_count) = (Arc::clone(&play), sent_count.clone());
                        open.spawn(serve(stream, play, sent_count, authority.clone()));
                    }
                    _ = ended.changed() => open.shutdown().await,
                    Some(_) = open.join_next() => {}
                }
            }
        });
        server
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.authority)
    }

    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Begins a conversation.
    pub fn play(&self, script: Script) {
        let mut play = self.play.lock().unwrap();
        *play = match script {
            Script::Honest(honest) => Play {
                honest: Some(honest.size),
                turns: honest.responses.into(),
                ..Play::default()
            },
            Script::Wild(responses) => Play {
                wild: responses.into(),
                ..Play::default()
            },
        };
        self.sent_count.send_replace(0);
    }

    /// Waits until this number of responses was sent.
    pub async fn wait_for_responses(&self, count: usize) {
        let mut sent_count = self.sent_count.subscribe();
        let _ = sent_count.wait_for(|number| *number > count).await;
    }

    /// Ends all connections of a conversation.
    pub async fn end(&self) {
        self.end.send_replace(());
        // The client must notice it, too.
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
}

async fn serve(
    mut stream: TcpStream,
    play: Arc<Mutex<Play>>,
    sent_count: watch::Sender<usize>,
    authority: String,
) {
    let _ = stream.set_nodelay(true);
    while let Some(request) = read(&mut stream).await {
        let sent = play.lock().unwrap().respond(&request, &authority);
        sent_count.send_modify(|number| *number += 1);
        let Some(sent) = sent else { return };
        if stream.write_all(&sent.bytes).await.is_err() {
            return;
        }
        if sent.stalls {
            std::future::pending::<()>().await;
        }
        if !sent.keeps {
            let _ = stream.shutdown().await;
            return;
        }
    }
}

/// The head of the next request, in lower case.
async fn read(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    Some(String::from_utf8_lossy(&bytes).to_lowercase())
}

fn header<'a>(request: &'a str, name: &str) -> Option<&'a str> {
    request
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// The requested range, for content of this size.
fn range(request: &str, size: usize) -> Option<(usize, usize)> {
    let (first, last) = header(request, "range")?
        .strip_prefix("bytes=")?
        .split_once('-')?;
    let end = last
        .parse::<usize>()
        .map_or(size, |last| last.saturating_add(1));
    Some((first.parse().ok()?, end.min(size)))
}

impl Play {
    fn respond(&mut self, request: &str, authority: &str) -> Option<Sent> {
        match self.honest {
            Some(size) => self.honest_response(size, request),
            None => Some(self.wild.pop_front()?.render(request, authority)),
        }
    }

    fn honest_response(&mut self, size: u16, request: &str) -> Option<Sent> {
        let turn = self.turns.pop_front().unwrap_or(Turn {
            changes: false,
            does: Does::Ranges,
            is_chunked: false,
            closes: false,
            cut: None,
            stall: None,
        });
        if turn.changes {
            self.version = self.version.saturating_add(1);
        }
        let whole = content(size, self.version);
        let tag = format!("\"v{}\"", self.version);
        let mut head = String::new();
        let part = match turn.does {
            Does::Nothing => return None,
            Does::Hangs => {
                return Some(Sent {
                    bytes: Vec::new(),
                    keeps: true,
                    stalls: true,
                });
            }
            Does::Refuses {
                status,
                retry_after,
            } => {
                head = format!("HTTP/1.1 {} X\r\nContent-Length: 0\r\n", status.code());
                if let Some(seconds) = retry_after {
                    head += &format!("Retry-After: {seconds}\r\n");
                }
                head += "\r\n";
                return Some(Sent {
                    bytes: head.into_bytes(),
                    keeps: true,
                    stalls: false,
                });
            }
            Does::NoRanges => None,
            Does::Ranges => range(request, whole.len()),
        };
        let part =
            part.filter(|_| header(request, "if-range").is_none_or(|expected| expected == tag));
        let body = match part {
            Some((start, _)) if start >= whole.len() => {
                head += &format!("HTTP/1.1 416 X\r\nContent-Range: bytes */{size}\r\n");
                &[]
            }
            Some((start, end)) if start < end => {
                head += "HTTP/1.1 206 X\r\n";
                head += &format!("Content-Range: bytes {start}-{}/{size}\r\n", end - 1);
                &whole[start..end]
            }
            _ => {
                head += "HTTP/1.1 200 X\r\n";
                &whole[..]
            }
        };
        head += &format!("ETag: {tag}\r\n");
        let mut bytes = Vec::new();
        if turn.is_chunked {
            head += "Transfer-Encoding: chunked\r\n\r\n";
            for piece in body.chunks(1000) {
                bytes.extend(format!("{:x}\r\n", piece.len()).into_bytes());
                bytes.extend(piece);
                bytes.extend(b"\r\n");
            }
            bytes.extend(b"0\r\n\r\n");
        } else {
            head += &format!("Content-Length: {}\r\n\r\n", body.len());
            bytes.extend(body);
        }
        // An interrupted body is never complete.
        let broken = turn.cut.or(turn.stall);
        if let Some(left) = broken {
            let left = usize::from(left) % bytes.len().max(1);
            bytes.truncate(left);
        }
        Some(Sent {
            bytes: [head.as_bytes(), &bytes].concat(),
            keeps: turn.cut.is_none() && !turn.closes,
            stalls: turn.cut.is_none() && turn.stall.is_some(),
        })
    }
}

impl Wild {
    fn render(&self, request: &str, authority: &str) -> Sent {
        let status = match self.status {
            Status200::Ok => 200,
            Status200::Partial => 206,
            Status200::Found => 302,
            Status200::Error(status) => status.code(),
        };
        let mut bytes = format!("HTTP/1.1 {status} X\r\n").into_bytes();
        for header in &self.headers {
            if let Some((name, value)) = header.render(request, authority) {
                // One line is one header.
                let line = format!("{name}: {value}").replace(['\r', '\n'], " ");
                bytes.extend(line.as_bytes());
                bytes.extend(b"\r\n");
            }
        }
        bytes.extend(b"\r\n");
        match &self.body {
            Body::Empty => {}
            Body::Bytes(body) => bytes.extend(body),
            Body::Content(from, count, version) => {
                let whole = content(u16::MAX, *version);
                let from = usize::from(*from).min(whole.len());
                let end = (from + usize::from(*count)).min(whole.len());
                bytes.extend(&whole[from..end]);
            }
            Body::Chunks(chunks) => {
                for (length, chunk) in chunks {
                    let length = if *length == 0 {
                        chunk.len()
                    } else {
                        usize::from(*length)
                    };
                    bytes.extend(format!("{length:x}\r\n").into_bytes());
                    bytes.extend(chunk);
                    bytes.extend(b"\r\n");
                }
                bytes.extend(b"0\r\n\r\n");
            }
        }
        Sent {
            bytes,
            keeps: !self.closes,
            stalls: false,
        }
    }
}

impl Header {
    fn render(&self, request: &str, authority: &str) -> Option<(String, String)> {
        let own = |name: &str, value: String| Some((name.to_owned(), value));
        match self {
            Self::Length(length) => own("Content-Length", length.get().to_string()),
            Self::Range(first, last, total) => {
                let total = total.map_or("*".to_owned(), |total| total.get().to_string());
                let (first, last) = (first.get(), last.get());
                own("Content-Range", format!("bytes {first}-{last}/{total}"))
            }
            Self::RightRange(size) => {
                let (start, end) =
                    range(request, usize::from(*size)).unwrap_or((0, usize::from(*size)));
                own(
                    "Content-Range",
                    format!("bytes {start}-{}/{size}", end.wrapping_sub(1)),
                )
            }
            Self::NoRange(total) => {
                let total = total.map_or("*".to_owned(), |total| total.get().to_string());
                own("Content-Range", format!("bytes */{total}"))
            }
            Self::RangeText(text) => own("Content-Range", format!("bytes {text}")),
            Self::Tag(tag) => own("ETag", format!("\"{}\"", tag % 4)),
            Self::TagText(text) => own("ETag", text.clone()),
            Self::Modified(hour) => own(
                "Last-Modified",
                format!("Thu, 01 Jan 2026 {:02}:00:00 GMT", hour % 24),
            ),
            Self::RetryAfter(seconds) => own("Retry-After", seconds.to_string()),
            Self::Chunked => own("Transfer-Encoding", "chunked".to_owned()),
            Self::Coding(which) => {
                let codings = ["identity", "gzip", "br", ""];
                own(
                    "Content-Encoding",
                    codings[usize::from(which % 4)].to_owned(),
                )
            }
            Self::Digest(which, text) => {
                let names = [
                    "Repr-Digest",
                    "Content-MD5",
                    "Digest",
                    "Content-Digest",
                    "x-ms-blob-content-md5",
                ];
                own(names[usize::from(which % 5)], text.clone())
            }
            // Redirects lead only to this server.
            Self::Location(path) => {
                let path: String = path
                    .chars()
                    .filter(|c| c.is_ascii_graphic() && *c != '\\')
                    .collect();
                own(
                    "Location",
                    format!("http://{authority}/{}", path.trim_start_matches('/')),
                )
            }
            Self::Other(name, value) => {
                let is_name = name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
                let is_other = is_name && !name.eq_ignore_ascii_case("location");
                is_other.then(|| (name.clone(), value.clone()))
            }
        }
    }
}
