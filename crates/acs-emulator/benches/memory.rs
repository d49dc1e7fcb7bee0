//! Measures the memory use of ten thousand recordings.
//!
//! `cargo bench -p acs-emulator --bench memory` prints the resident memory of a process that
//! creates them over HTTP, one after the other. It works on Linux only; on other systems it prints
//! nothing.

use std::io::Write as _;
use std::time::{Duration, Instant};

use acs_emulator::{Clock, Emulator, SyntheticRecording};

const RECORDINGS: usize = 10_000;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The resident memory in KiB.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let acs = Emulator::builder().clock(Clock::manual()).start().await?;
    let Some(mut before) = resident() else {
        return Ok(());
    };
    let mut out = std::io::stdout();
    let client = acs_bench::Client::new(&acs);
    for round in 1..=2 {
        let begun = Instant::now();
        for _ in 0..RECORDINGS {
            let call = acs.call(["alice", "bob"]).await;
            client.start(&call).await?;
            acs.clock().advance(Duration::from_secs(60));
            call.hang_up();
        }
        let after = resident().unwrap_or(before);
        let each = after.saturating_sub(before) * 1_024 / RECORDINGS as u64;
        let time = begun.elapsed();
        writeln!(
            out,
            "recordings {round}×{RECORDINGS}: {before} KiB -> {after} KiB, {each} bytes each, {time:.1?}"
        )?;
        before = after;
    }
    let stored = acs.add_recording(SyntheticRecording::new(40 << 30));
    let after = resident().unwrap_or(before);
    writeln!(
        out,
        "40 GiB in {} file: {before} KiB -> {after} KiB",
        stored.chunks().len()
    )?;
    acs.shutdown().await;
    Ok(())
}

mod acs_bench {
    //! A signing client for one request.

    use std::time::SystemTime;

    use acs_emulator::{Call, Emulator};
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use hmac::{Hmac, KeyInit as _, Mac as _};
    use sha2::{Digest as _, Sha256};

    const PATH: &str = "/calling/recordings?api-version=2026-03-12";

    pub(super) struct Client {
        http: reqwest::Client,
        endpoint: String,
        key: Vec<u8>,
    }

    impl Client {
        pub(super) fn new(acs: &Emulator) -> Self {
            Self {
                http: reqwest::Client::builder()
                    .no_proxy()
                    .build()
                    .unwrap_or_default(),
                endpoint: acs.endpoint().to_owned(),
                key: STANDARD.decode(acs.access_key()).unwrap_or_default(),
            }
        }

        /// Starts recording a call as MP3.
        pub(super) async fn start(&self, call: &Call) -> Result<(), super::Failure> {
            let body = format!(
                r#"{{"callConnectionId":"{}","recordingFormatType":"mp3"}}"#,
                call.call_connection_id()
            );
            let date = httpdate::fmt_http_date(SystemTime::now());
            let hash = STANDARD.encode(Sha256::digest(&body));
            let host = self.endpoint.trim_start_matches("http://");
            let mut mac = Hmac::<Sha256>::new_from_slice(&self.key)?;
            mac.update(format!("POST\n{PATH}\n{date};{host};{hash}").as_bytes());
            let signature = STANDARD.encode(mac.finalize().into_bytes());
            let scheme = "HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256";
            self.http
                .post(format!("{}{PATH}", self.endpoint))
                .header("x-ms-date", date)
                .header("x-ms-content-sha256", hash)
                .header("authorization", format!("{scheme}&Signature={signature}"))
                .body(body)
                .send()
                .await?
                .error_for_status()?;
            Ok(())
        }
    }
}
