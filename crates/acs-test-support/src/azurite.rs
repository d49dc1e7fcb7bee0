//! Azurite, the storage emulator, with credentials of every kind.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak, mpsc};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use serde_json::json;
use sha2::Sha256;
use tempfile::TempDir;

/// Where the packages from npm are; `cargo xtask test` installs them and sets this.
const PACKAGES: &str = "ACS_TEST_PACKAGES";
/// The program, below the packages.
const PROGRAM: &str = "node/node_modules/azurite/dist/src/azurite.js";
const START_TIMEOUT: Duration = Duration::from_secs(60);
const SAS_VERSION: &str = "2021-12-02";

/// A running Azurite, blob and queue, that keeps everything in memory and ends when it is dropped.
#[derive(Debug)]
pub struct Azurite {
    process: Child,
    blob_endpoint: String,
    queue_endpoint: String,
    ca_certificate: Option<String>,
    /// Its certificate and its working directory.
    _folder: TempDir,
}

impl Azurite {
    /// The account that every Azurite has.
    pub const ACCOUNT: &str = "devstoreaccount1";
    /// The key of the account, which is published.
    pub const KEY: &str =
        "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

    /// Starts this program, which is `azurite.js` of the package, with plain HTTP.
    pub fn start_program(program: &Path) -> Self {
        Self::run(program, None)
    }

    /// Starts it with plain HTTP. Where it is not installed, says so and returns `None`; in CI that
    /// is a failure.
    pub fn start() -> Option<Self> {
        Some(Self::run(&installed()?, None))
    }

    /// The one with plain HTTP that other tests of this process run with, or a new one. It ends when
    /// the last of them drops it, so use names of your own.
    pub fn shared() -> Option<Arc<Self>> {
        static RUNNING: Mutex<Weak<Azurite>> = Mutex::new(Weak::new());
        let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(azurite) = running.upgrade() {
            return Some(azurite);
        }
        let azurite = Arc::new(Self::start()?);
        *running = Arc::downgrade(&azurite);
        Some(azurite)
    }

    /// Starts it with HTTPS and a certificate of its own; it takes tokens then.
    pub fn start_with_tls() -> Option<Self> {
        let program = installed()?;
        let authority_key = KeyPair::generate().unwrap();
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let ca_certificate = authority.self_signed(&authority_key).unwrap().pem();
        let issuer = Issuer::new(authority, authority_key);
        let key = KeyPair::generate().unwrap();
        let names = ["127.0.0.1", "localhost"].map(str::to_owned);
        let certificate = CertificateParams::new(names).unwrap();
        let certificate = certificate.signed_by(&key, &issuer).unwrap();
        let tls = Tls {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
            ca_certificate,
        };
        Some(Self::run(&program, Some(tls)))
    }

    fn run(program: &Path, tls: Option<Tls>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("node");
        command.arg(program).current_dir(&folder);
        for service in ["blob", "queue", "table"] {
            command.args([format!("--{service}Host"), "127.0.0.1".to_owned()]);
            command.args([format!("--{service}Port"), "0".to_owned()]);
        }
        command.args(["--inMemoryPersistence", "--disableTelemetry", "--silent"]);
        if let Some(tls) = &tls {
            let paths = ["certificate.pem", "key.pem"].map(|name| folder.path().join(name));
            std::fs::write(&paths[0], &tls.certificate).unwrap();
            std::fs::write(&paths[1], &tls.key).unwrap();
            command.arg("--cert").arg(&paths[0]);
            command.arg("--key").arg(&paths[1]);
            command.args(["--oauth", "basic"]);
        }
        let mut process = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let (sender, addresses) = mpsc::channel();
        // It continues to write, and must not be held up by a full pipe.
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if let Some((service, address)) = line.split_once(" successfully listening at ") {
                    // Nobody waits any more for those that are not needed.
                    let _ = sender.send((service.to_owned(), address.trim().to_owned()));
                }
            }
        });
        let mut endpoint = |service: &str| {
            let address = loop {
                match addresses.recv_timeout(START_TIMEOUT) {
                    Ok((known, address)) if known.contains(service) => break address,
                    Ok(_) => {}
                    Err(error) => {
                        let _ = process.kill();
                        panic!("Azurite does not start: {error}");
                    }
                }
            };
            format!("{address}/{}", Self::ACCOUNT)
        };
        // In the order in which it starts them.
        let (blob_endpoint, queue_endpoint) = (endpoint("Blob"), endpoint("Queue"));
        Self {
            process,
            blob_endpoint,
            queue_endpoint,
            ca_certificate: tls.map(|tls| tls.ca_certificate),
            _folder: folder,
        }
    }

    /// The address of the blob service, with the account in its path and without a slash at its end.
    pub fn blob_endpoint(&self) -> &str {
        &self.blob_endpoint
    }

    /// The address of the queue service, likewise.
    pub fn queue_endpoint(&self) -> &str {
        &self.queue_endpoint
    }

    /// The certificate in PEM that clients have to trust, if this is HTTPS.
    pub fn ca_certificate(&self) -> Option<&str> {
        self.ca_certificate.as_deref()
    }

    /// A connection string with the account key.
    pub fn connection_string(&self) -> String {
        format!("{};AccountKey={}", self.endpoints(), Self::KEY)
    }

    /// A connection string with a SAS for everything.
    pub fn connection_string_with_sas(&self) -> String {
        let sas = sas("rwdlacup");
        format!("{};SharedAccessSignature={sas}", self.endpoints())
    }

    fn endpoints(&self) -> String {
        let (account, blob, queue) = (Self::ACCOUNT, &self.blob_endpoint, &self.queue_endpoint);
        let protocol = blob.split(':').next().unwrap();
        format!(
            "DefaultEndpointsProtocol={protocol};AccountName={account};\
             BlobEndpoint={blob};QueueEndpoint={queue}"
        )
    }

    /// The address of a blob container, whether it exists or not.
    pub fn container(&self, name: &str) -> String {
        format!("{}/{name}", self.blob_endpoint)
    }

    /// The address of a queue, whether it exists or not.
    pub fn queue(&self, name: &str) -> String {
        format!("{}/{name}", self.queue_endpoint)
    }

    /// Creates a blob container, and returns its address.
    pub async fn create_container(&self, name: &str) -> String {
        let url = self.container(name);
        self.create(&format!("{url}?restype=container&{}", sas("rwdlacup")))
            .await;
        url
    }

    /// Creates a queue, and returns its address.
    pub async fn create_queue(&self, name: &str) -> String {
        let url = self.queue(name);
        self.create(&format!("{url}?{}", sas("rwdlacup"))).await;
        url
    }

    async fn create(&self, url: &str) {
        let response = self.client().put(url).send().await.unwrap();
        assert_eq!(response.status(), reqwest::StatusCode::CREATED);
    }

    /// A client that trusts the certificate, if there is one.
    pub fn client(&self) -> reqwest::Client {
        let mut client = reqwest::Client::builder().no_proxy();
        if let Some(pem) = &self.ca_certificate {
            let ca = reqwest::Certificate::from_pem(pem.as_bytes()).unwrap();
            client = client.tls_certs_only([ca]);
        }
        client.build().unwrap()
    }

    /// A token that it takes over HTTPS, valid for an hour. It does not look at the signature.
    pub fn token() -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let now = now.as_secs();
        let part = |value: serde_json::Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        format!(
            "{}.{}.{}",
            part(json!({"alg": "RS256", "typ": "JWT"})),
            part(json!({
                "aud": "https://storage.azure.com",
                "iss": "https://sts.windows.net/72f988bf-86f1-41af-91ab-2d7cd011db47/",
                "iat": now - 60,
                "nbf": now - 60,
                "exp": now + 3600,
            })),
            BASE64_URL_SAFE_NO_PAD.encode("not checked"),
        )
    }

    /// A SAS, as a query without `?`, that permits these operations on everything in the account.
    /// The letters are those of Azure in their order: `rwdlacup`.
    pub fn sas(permissions: &str) -> String {
        sas(permissions)
    }
}

impl Drop for Azurite {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

struct Tls {
    certificate: String,
    key: String,
    ca_certificate: String,
}

/// The program, or `None` with a word.
fn installed() -> Option<PathBuf> {
    let is_ci = std::env::var_os("CI").is_some();
    let Some(packages) = std::env::var_os(PACKAGES).map(PathBuf::from) else {
        assert!(!is_ci, "use `cargo xtask test`");
        eprintln!("left out: Azurite is not installed; use `cargo xtask test`");
        return None;
    };
    let program = packages.join(PROGRAM);
    if !program.is_file() && !is_ci {
        eprintln!("left out: there is no {}", program.display());
        return None;
    }
    Some(program)
}

fn sas(permissions: &str) -> String {
    const END: &str = "2099-01-01T00:00:00Z";
    let account = Azurite::ACCOUNT;
    let text =
        format!("{account}\n{permissions}\nbq\nsco\n\n{END}\n\nhttps,http\n{SAS_VERSION}\n\n");
    let key = BASE64_STANDARD.decode(Azurite::KEY).unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    mac.update(text.as_bytes());
    let signature = BASE64_STANDARD.encode(mac.finalize().into_bytes());
    url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([
            ("sp", permissions),
            ("ss", "bq"),
            ("srt", "sco"),
            ("se", END),
            ("spr", "https,http"),
            ("sv", SAS_VERSION),
            ("sig", &signature),
        ])
        .finish()
}
