//! Azurite, the storage emulator, with all kinds of credentials.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use serde_json::json;
use sha2::Sha256;
use tempfile::TempDir;

use crate::program::{self, Running};
use crate::shared::Shared;

/// The path of the program within the packages.
const PROGRAM: &str = "node/node_modules/azurite/dist/src/azurite.js";
const SAS_VERSION: &str = "2021-12-02";

/// A running Azurite with blob and queue service. It keeps all data in memory and stops when it is
/// dropped.
#[derive(Debug)]
pub struct Azurite {
    _process: Running,
    blob_endpoint: String,
    queue_endpoint: String,
    ca_certificate: Option<String>,
    /// The folder with its certificate, which is also its working directory.
    _folder: TempDir,
}

impl Azurite {
    /// The default account of Azurite.
    pub const ACCOUNT: &str = "devstoreaccount1";
    /// The key of the account, which is public.
    pub const KEY: &str =
        "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

    /// Starts this program, which is `azurite.js` of the package, with plain HTTP.
    pub fn start_program(program: &Path) -> Self {
        Self::run(program, None)
    }

    /// Starts Azurite with plain HTTP. If it is not installed, prints a message and returns `None`;
    /// in CI, panics instead.
    pub fn start() -> Option<Self> {
        Some(Self::run(&installed()?, None))
    }

    /// Returns the Azurite with plain HTTP that other tests of this process use, or starts one. It
    /// stops when the last of them drops it, so tests must use distinct names.
    pub fn shared() -> Option<Arc<Self>> {
        static RUNNING: Shared<Azurite> = Shared::new();
        RUNNING.get(Self::start)
    }

    /// As [`shared`](Self::shared), with HTTPS.
    pub fn shared_with_tls() -> Option<Arc<Self>> {
        static RUNNING: Shared<Azurite> = Shared::new();
        RUNNING.get(Self::start_with_tls)
    }

    /// Starts Azurite with HTTPS and its own certificate. It accepts tokens in this mode.
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
        let (process, output) = program::start("Azurite", &mut command);
        let endpoint = |service: &str| {
            let address = output.find(|line| {
                let (known, address) = line.split_once(" successfully listening at ")?;
                known.contains(service).then(|| address.trim().to_owned())
            });
            format!("{address}/{}", Self::ACCOUNT)
        };
        // In the order in which Azurite starts the services.
        let (blob_endpoint, queue_endpoint) = (endpoint("Blob"), endpoint("Queue"));
        Self {
            _process: process,
            blob_endpoint,
            queue_endpoint,
            ca_certificate: tls.map(|tls| tls.ca_certificate),
            _folder: folder,
        }
    }

    /// The URL of the blob service, with the account in its path and without a trailing slash.
    pub fn blob_endpoint(&self) -> &str {
        &self.blob_endpoint
    }

    /// The URL of the queue service, with the account in its path and without a trailing slash.
    pub fn queue_endpoint(&self) -> &str {
        &self.queue_endpoint
    }

    /// The CA certificate in PEM format that clients must trust, if HTTPS is used.
    pub fn ca_certificate(&self) -> Option<&str> {
        self.ca_certificate.as_deref()
    }

    /// A connection string with the account key.
    pub fn connection_string(&self) -> String {
        format!("{};AccountKey={}", self.endpoints(), Self::KEY)
    }

    /// A connection string with a SAS that permits all operations.
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

    /// The URL of a blob container, which may not exist.
    pub fn container(&self, name: &str) -> String {
        format!("{}/{name}", self.blob_endpoint)
    }

    /// The URL of a queue, which may not exist.
    pub fn queue(&self, name: &str) -> String {
        format!("{}/{name}", self.queue_endpoint)
    }

    /// Creates a blob container and returns its URL.
    pub async fn create_container(&self, name: &str) -> String {
        let url = self.container(name);
        self.create(&format!("{url}?restype=container&{}", sas("rwdlacup")))
            .await;
        url
    }

    /// Creates a queue and returns its URL.
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

    /// A token for HTTPS that is valid for one hour. Azurite does not verify its signature.
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

    /// A SAS (a query without `?`) that permits these operations on all resources of the account.
    /// The permission letters must be in Azure's order: `rwdlacup`.
    pub fn sas(permissions: &str) -> String {
        sas(permissions)
    }
}

struct Tls {
    certificate: String,
    key: String,
    ca_certificate: String,
}

fn installed() -> Option<PathBuf> {
    program::installed("Azurite", PROGRAM)
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
