//! The bare program: one response of `reqwest` into a multipart upload of `object_store`.

use std::process::Command;
use std::time::SystemTime;

use acs_emulator::Emulator;
use futures_util::StreamExt as _;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::path::Path;
use object_store::{ObjectStoreExt as _, WriteMultipart};

use crate::signature;
use crate::sink::Sink;

/// What to upload. If it is set, this process is the bare program.
const LOCATION: &str = "ACS_BENCH_LOCATION";
const SINK: &str = "ACS_BENCH_SINK";
const CONNECTION_STRING: &str = "ACS_CONNECTION_STRING";
/// As in the program that it is compared with.
const PART: usize = 8 * 1024 * 1024;
const PARTS: usize = 2;

pub(crate) fn is_wanted() -> bool {
    std::env::var_os(LOCATION).is_some()
}

pub(crate) fn command(acs: &Emulator, location: &str, sink: &Sink) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.env(LOCATION, location).env(SINK, sink.origin());
    command.env(CONNECTION_STRING, acs.connection_string());
    command
}

pub(crate) fn main() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(upload());
}

async fn upload() {
    let variable = |name| std::env::var(name).unwrap();
    let location = reqwest::Url::parse(&variable(LOCATION)).unwrap();
    let resource = variable(CONNECTION_STRING);
    let (_, key) = resource.split_once("accesskey=").unwrap();
    let host = format!(
        "{}:{}",
        location.host_str().unwrap(),
        location.port().unwrap()
    );
    let signed = signature::sign(key, "GET", location.path(), &host, SystemTime::now(), &[]);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = client
        .get(location)
        .header("x-ms-date", signed.date)
        .header("x-ms-content-sha256", signed.content_hash)
        .header("authorization", signed.authorization);
    let response = request.send().await.unwrap().error_for_status().unwrap();

    let store = MicrosoftAzureBuilder::new()
        .with_endpoint(format!("{}/account", variable(SINK)))
        .with_account("account")
        .with_access_key(Sink::KEY)
        .with_container_name("archive")
        .with_allow_http(true)
        .build()
        .unwrap();
    let upload = store.put_multipart(&Path::from("media.wav")).await.unwrap();
    let mut upload = WriteMultipart::new_with_chunk_size(upload, PART);
    let mut body = response.bytes_stream();
    while let Some(bytes) = body.next().await {
        upload.wait_for_capacity(PARTS).await.unwrap();
        upload.put(bytes.unwrap());
    }
    upload.finish().await.unwrap();
}
