//! Starting and stopping, and what tests are given.

use std::time::Duration;

use acs_emulator::Emulator;
use http::Method;
use tokio::net::TcpStream;

use crate::client::{Request, emulator};

#[tokio::test]
async fn a_connection_string_names_endpoint_and_key() {
    let acs = Emulator::start().await.unwrap();
    assert_eq!(
        acs.connection_string(),
        format!(
            "endpoint={}/;accesskey={}",
            acs.endpoint(),
            acs.access_key()
        )
    );
    assert!(acs.endpoint().starts_with("http://127.0.0.1:"));
    let other = Emulator::start().await.unwrap();
    assert_ne!(acs.endpoint(), other.endpoint());
    assert_ne!(acs.access_key(), other.access_key());
    assert!(!format!("{acs:?}").contains(acs.access_key()));
}

#[tokio::test]
async fn participants_have_raw_ids() {
    let acs = emulator().await;
    let call = acs.call(["alice", "bob"]).await;
    let alice = call.participant("alice").unwrap();
    let id = alice.strip_prefix("8:acs:").unwrap();
    let (resource, user) = id.split_once('_').unwrap();
    for part in [resource, user] {
        assert_eq!(uuid::Uuid::parse_str(part).unwrap().to_string(), part);
    }
    assert_ne!(call.participant("bob"), Some(alice));
    assert_eq!(call.participant("carol"), None);
    let next = acs.call([String::from("alice")]).await;
    assert_eq!(next.participant("alice"), Some(alice));
    assert_ne!(next.server_call_id(), call.server_call_id());
}

#[tokio::test]
async fn shutting_down_closes_the_port() {
    let acs = emulator().await;
    let address = acs.endpoint().strip_prefix("http://").unwrap().to_owned();
    let answer = Request::new(&acs, Method::GET, "/calling/recordings/x")
        .send()
        .await;
    assert_eq!(answer.status, 404);
    // A client that keeps its connection open does not hold the emulator up.
    let idle = TcpStream::connect(&address).await.unwrap();
    acs.shutdown().await;
    assert!(TcpStream::connect(&address).await.is_err());
    drop(idle);
}

#[tokio::test]
async fn dropping_closes_the_port() {
    let acs = emulator().await;
    let address = acs.endpoint().strip_prefix("http://").unwrap().to_owned();
    TcpStream::connect(&address).await.unwrap();
    drop(acs);
    let closed = async {
        while TcpStream::connect(&address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), closed)
        .await
        .expect("the port is still open");
}
