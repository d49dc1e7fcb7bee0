//! Azurite, and access to it by a shared access signature of our own making.
//!
//! `cargo xtask test` installs it and says by `ACS_TEST_PACKAGES` where it is.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::{Client, StatusCode};
use sha2::Sha256;

/// The account that every Azurite has; its key is published.
const ACCOUNT: &str = "devstoreaccount1";
const KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
const VERSION: &str = "2021-12-02";

/// A running Azurite that keeps everything in memory and ends with the test.
pub(crate) struct Azurite {
    process: Child,
    endpoint: String,
    pub(crate) sas: String,
    client: Client,
}

impl Azurite {
    /// `None`, with a word, where it is not installed.
    pub(crate) fn start() -> Option<Self> {
        let Some(packages) = std::env::var_os("ACS_TEST_PACKAGES").map(PathBuf::from) else {
            assert!(std::env::var_os("CI").is_none(), "use `cargo xtask test`");
            eprintln!("left out: Azurite is not installed; use `cargo xtask test`");
            return None;
        };
        let program = packages.join("node/node_modules/azurite/dist/src/blob/main.js");
        if !program.is_file() && std::env::var_os("CI").is_none() {
            eprintln!("left out: there is no {}", program.display());
            return None;
        }
        let mut process = Command::new("node")
            .arg(program)
            .args(["--blobHost", "127.0.0.1", "--blobPort", "0"])
            .args([
                "--inMemoryPersistence",
                "--skipApiVersionCheck",
                "--disableTelemetry",
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let address = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| Some(line.split_once("successfully listens on ")?.1.to_owned()))
            .expect("Azurite tells its address");
        // It goes on writing about requests, and must not be held up by a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Some(Self {
            process,
            endpoint: format!("{}/{ACCOUNT}", address.trim()),
            sas: signature(),
            client: Client::builder().no_proxy().build().unwrap(),
        })
    }

    /// Makes a container and returns its address.
    pub(crate) async fn container(&self, name: &str) -> String {
        let url = self.place(name);
        let request = self
            .client
            .put(format!("{url}?restype=container&{}", self.sas));
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::CREATED);
        url
    }

    /// The address of a container, whether there or not.
    pub(crate) fn place(&self, name: &str) -> String {
        format!("{}/{name}", self.endpoint)
    }

    /// The names of all blobs in a container.
    pub(crate) async fn list(&self, container: &str) -> Vec<String> {
        let url = format!("{container}?restype=container&comp=list&{}", self.sas);
        let list = self
            .client
            .get(url)
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
        let names = list.split("<Name>").skip(1);
        names
            .map(|rest| rest.split_once("</Name>").unwrap().0.to_owned())
            .collect()
    }

    pub(crate) async fn read(&self, blob: &str) -> Vec<u8> {
        let request = self.client.get(format!("{blob}?{}", self.sas));
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{blob}");
        answer.bytes().await.unwrap().to_vec()
    }
}

impl Drop for Azurite {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A signature for everything in the account, for a long time.
fn signature() -> String {
    const END: &str = "2099-01-01T00:00:00Z";
    let text = format!("{ACCOUNT}\nrwcl\nb\nsco\n\n{END}\n\nhttps,http\n{VERSION}\n\n");
    let mut mac = Hmac::<Sha256>::new_from_slice(&STANDARD.decode(KEY).unwrap()).unwrap();
    mac.update(text.as_bytes());
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([
            ("sp", "rwcl"),
            ("ss", "b"),
            ("srt", "sco"),
            ("se", END),
            ("spr", "https,http"),
            ("sv", VERSION),
            ("sig", &signature),
        ])
        .finish()
}
