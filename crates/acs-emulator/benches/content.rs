//! Measures how fast content is served, compared with a hyper server that does nothing else.
//!
//! `cargo bench -p acs-emulator --bench content` prints a table. The target ratio is 0.8. Both
//! servers run in this process. The same client reads from both in turns. The best of several
//! rounds counts, because other load on the machine can only make them slower.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant, SystemTime};

use acs_emulator::{Clock, Emulator, SyntheticRecording};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;

const ROUNDS: usize = 7;
const MEBIBYTE: u64 = 1 << 20;
/// The size of a quarter of an hour of WAV.
const SMALL: u64 = 44 + 900 * 32_000;
const LARGE: u64 = 2_048 * MEBIBYTE;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A connection to one of the servers, and a request that can be repeated.
struct Source {
    stream: TcpStream,
    request: Vec<u8>,
    buffer: Vec<u8>,
}

impl Source {
    fn new(address: SocketAddr, request: String) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            request: request.into_bytes(),
            buffer: vec![0; 256 * 1024],
        })
    }

    /// Reads one response and returns the length of its body.
    fn read(&mut self) -> Result<u64, Failure> {
        self.stream.write_all(&self.request)?;
        let mut head = Vec::new();
        let body = loop {
            let count = self.stream.read(&mut self.buffer)?;
            head.extend_from_slice(self.buffer.get(..count).unwrap_or_default());
            let end = head.windows(4).position(|four| four == b"\r\n\r\n");
            match end {
                Some(end) => break end + 4,
                None if count == 0 => return Err("the connection was closed".into()),
                None => {}
            }
        };
        let text = String::from_utf8_lossy(head.get(..body).unwrap_or_default()).to_lowercase();
        let length = text
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .ok_or_else(|| format!("no length in {text}"))?;
        let length: u64 = length.trim().parse()?;
        let mut left = length - (head.len() - body) as u64;
        while left > 0 {
            let room = usize::try_from(left)
                .unwrap_or(usize::MAX)
                .min(self.buffer.len());
            let room = self.buffer.get_mut(..room).unwrap_or_default();
            match self.stream.read(room)? {
                0 => return Err("the connection was closed".into()),
                count => left -= count as u64,
            }
        }
        Ok(length)
    }

    fn time(&mut self, repetitions: u32) -> Result<(u64, Duration), Failure> {
        let begun = Instant::now();
        let mut total = 0;
        for _ in 0..repetitions {
            total += self.read()?;
        }
        Ok((total, begun.elapsed()))
    }
}

/// Serves `/small` from memory, and `/large` one mebibyte at a time.
async fn plain_server() -> Result<SocketAddr, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let small = Bytes::from(vec![7; usize::try_from(SMALL)?]);
    let piece = small.slice(..usize::try_from(MEBIBYTE)?);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            let (small, piece) = (small.clone(), piece.clone());
            let service = service_fn(move |request: Request<hyper::body::Incoming>| {
                let response = plain_response(&request, &small, &piece);
                async move { Ok::<_, std::convert::Infallible>(response) }
            });
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            tokio::spawn(connection);
        }
    });
    Ok(address)
}

fn plain_response<T>(
    request: &Request<T>,
    small: &Bytes,
    piece: &Bytes,
) -> Response<BoxBody<Bytes, std::convert::Infallible>> {
    let (length, body) = match request.uri().path() {
        "/large" => {
            let piece = piece.clone();
            let pieces = (0..LARGE / MEBIBYTE).map(move |_| Ok(Frame::data(piece.clone())));
            let body = StreamBody::new(futures_util::stream::iter(pieces));
            (LARGE, BoxBody::new(body))
        }
        "/part" => (MEBIBYTE, Full::new(piece.clone()).boxed()),
        _ => (SMALL, Full::new(small.clone()).boxed()),
    };
    let mut response = Response::new(body);
    response
        .headers_mut()
        .insert("content-length", length.into());
    response
}

/// A signed request to the emulator. The signature is valid for longer than a benchmark takes.
fn signed(acs: &Emulator, location: &str, range: Option<&str>) -> Result<String, Failure> {
    let host = acs.endpoint().trim_start_matches("http://");
    let path = location.strip_prefix(acs.endpoint()).ok_or("not here")?;
    let date = httpdate::fmt_http_date(SystemTime::now());
    let hash = STANDARD.encode(Sha256::digest(b""));
    let mut mac = Hmac::<Sha256>::new_from_slice(&STANDARD.decode(acs.access_key())?)?;
    mac.update(format!("GET\n{path}\n{date};{host};{hash}").as_bytes());
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    let range = range
        .map(|range| format!("range: {range}\r\n"))
        .unwrap_or_default();
    Ok(format!(
        "GET {path} HTTP/1.1\r\nhost: {host}\r\nx-ms-host: {host}\r\nx-ms-date: {date}\r\n\
         x-ms-content-sha256: {hash}\r\n{range}authorization: HMAC-SHA256 \
         SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature={signature}\r\n\r\n"
    ))
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let acs = Emulator::builder().clock(Clock::manual()).start().await?;
    let emulated: SocketAddr = acs.endpoint().trim_start_matches("http://").parse()?;
    let plain = plain_server().await?;
    let small = acs.add_recording(SyntheticRecording::new(SMALL));
    let large = acs.add_recording(SyntheticRecording::new(LARGE));
    let [small, large] = [&small, &large].map(|stored| stored.chunks().first());
    let (Some(small), Some(large)) = (small, large) else {
        return Err("nothing is stored".into());
    };

    let requests = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: plain\r\n\r\n");
    let cases = [
        (
            "28 MB",
            "/small",
            8,
            signed(&acs, small.content_location(), None)?,
        ),
        (
            "2 GiB",
            "/large",
            1,
            signed(&acs, large.content_location(), None)?,
        ),
        (
            "1 MiB of 2 GiB",
            "/part",
            256,
            signed(
                &acs,
                large.content_location(),
                Some("bytes=1073741824-1074790399"),
            )?,
        ),
    ];
    let mut table = Vec::new();
    let [emulator, alone] = ["emulator", "hyper alone"];
    writeln!(table, "{:16}{emulator:>14}{alone:>14}   ratio", "")?;
    for (name, path, repetitions, request) in cases {
        let mut sources = [
            Source::new(emulated, request)?,
            Source::new(plain, requests(path))?,
        ];
        let mut best = [0.0_f64; 2];
        for _ in 0..ROUNDS {
            for (source, best) in sources.iter_mut().zip(&mut best) {
                let (bytes, time) = tokio::task::block_in_place(|| source.time(repetitions))?;
                #[allow(clippy::cast_precision_loss, reason = "a few digits are enough")]
                let rate = bytes as f64 / time.as_secs_f64() / 1e6;
                *best = best.max(rate);
            }
        }
        let [emulator, alone] = best;
        let ratio = emulator / alone;
        writeln!(
            table,
            "{name:16}{emulator:9.0} MB/s{alone:9.0} MB/s{ratio:8.2}"
        )?;
    }
    std::io::stdout().write_all(&table)?;
    acs.shutdown().await;
    Ok(())
}
