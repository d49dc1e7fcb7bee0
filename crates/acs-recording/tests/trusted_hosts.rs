//! Hosts that get credentials. URLs in events, redirects and responses are untrusted.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failing test may panic"
)]

mod common;

use acs_recording::models::RecordingState;
use acs_recording::{
    ContentUrl, Disposition, Error, ErrorKind, Event, EventPayload, Events, Hint,
    RecordingFileStatusUpdated, RecordingId,
};
use common::{Server, TestResponse, client, respond, state};
use serde_json::json;

const SERVICE: &str = "https://eu-storage.asm.skype.com/v1/objects/0-weu-d1-abc";

fn file(content: &str, delete: Option<&str>, storage: Option<&str>) -> RecordingFileStatusUpdated {
    let object = content
        .rsplit_once("/content/")
        .map_or(content, |(object, _)| object);
    let event = json!({
        "id": "1",
        "eventType": "Microsoft.Communication.RecordingFileStatusUpdated",
        "data": {
            "recordingStorageInfo": {"recordingChunks": [{
                "documentId": "0-weu-d1-abc",
                "index": 0,
                "contentLocation": content,
                "metadataLocation": format!("{object}/content/acsmetadata"),
                "deleteLocation": delete,
            }]},
            "storageType": storage,
        },
    });
    let event = event.to_string();
    let event = Events::parse(event.as_bytes()).next().unwrap().unwrap();
    let EventPayload::RecordingFileStatusUpdated(file) = Event::into_payload(event) else {
        panic!("not a file event");
    };
    file
}

/// The request is rejected before it is sent, and no hint recommends to trust the host.
#[track_caller]
fn assert_rejected(error: &Error, kind: ErrorKind) {
    assert_eq!((error.kind(), error.attempts()), (kind, 0), "{error}");
    let text = error.to_string();
    assert!(!text.contains("allow"), "{text}");
}

#[tokio::test]
async fn a_forged_location_is_rejected() {
    let server = Server::start(vec![respond("204 No Content", &[], ""); 9]).await;
    let client = server.client().build().unwrap();
    for path in [
        "/calling/recordings/rid",
        "/calling/recordings/rid?api-version=2026-03-12",
        "/calling/callConnections/c",
        "/identities/8:acs:x?api-version=2023-10-01",
        "/v1/objects/../../calling/recordings/rid",
        "/v1/objects/..%2f..%2fcalling%2frecordings%2frid",
    ] {
        let forged = format!("{}{path}", server.url);
        let location: ContentUrl = forged.parse().unwrap();
        let error = client.delete_at(&location).await.unwrap_err();
        assert_rejected(&error, ErrorKind::ForbiddenHost);
        let error = client.download(&location).into_bytes().await.unwrap_err();
        assert_rejected(&error, ErrorKind::ForbiddenHost);
        let content = format!("{}/v1/objects/0-weu-d1-abc/content/video", server.url);
        let file = file(&content, Some(&forged), None);
        let error = client.delete(&file.chunks[0]).await.unwrap_err();
        assert_rejected(&error, ErrorKind::ForbiddenHost);
    }
    assert_eq!(server.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn the_resource_is_not_a_content_host() {
    let resource = "https://contoso.communication.azure.com";
    let client = client(resource).build().unwrap();
    for base in [resource, "https://CONTOSO.communication.azure.com:443"] {
        let location = format!("{base}/v1/objects/0-weu-d1-abc").parse().unwrap();
        assert_rejected(
            &client.delete_at(&location).await.unwrap_err(),
            ErrorKind::ForbiddenHost,
        );
    }
}

#[tokio::test]
async fn only_the_saved_object_is_deleted() {
    let server = Server::start([respond("200 OK", &[], "")]).await;
    let client = server.client().build().unwrap();
    let content = format!("{}/v1/objects/0-weu-d1-abc/content/video", server.url);
    for other in [
        format!("{}/v1/objects/0-weu-d1-other", server.url),
        format!("{}/v1/objects/0-weu-d1-ab", server.url),
        SERVICE.to_owned(),
    ] {
        let file = file(&content, Some(&other), None);
        let error = client.delete(&file.chunks[0]).await.unwrap_err();
        assert_rejected(&error, ErrorKind::ForbiddenHost);
        assert!(error.to_string().contains("another object"), "{error}");
    }
    let own = format!("{}/v1/objects/0-weu-d1-abc", server.url);
    let file = file(&content, Some(&own), None);
    client.delete(&file.chunks[0]).await.unwrap();
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn no_redirect_leads_to_another_operation() {
    for (method_deletes, target) in [
        (true, "/calling/recordings/rid"),
        (false, "/calling/recordings/rid"),
        (true, "http://0.0.0.0:9/v1/objects/o"),
        (true, "https://example.com/v1/objects/o"),
    ] {
        let moved = respond("302 Found", &[("Location", target)], "");
        let server = Server::start([moved, respond("204 No Content", &[], "")]).await;
        let client = server.client().build().unwrap();
        let object = format!("{}/v1/objects/o", server.url);
        let outcome = if method_deletes {
            client.delete_at(&object.parse().unwrap()).await
        } else {
            let location = format!("{object}/content/video").parse().unwrap();
            client.download(&location).into_bytes().await.map(|_| ())
        };
        let error = outcome.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ForbiddenHost, "{target}: {error}");
        assert!(!error.to_string().contains("allow"), "{error}");
        assert_eq!(server.requests().len(), 1, "{target}");
    }
}

#[tokio::test]
async fn a_redirect_to_an_invalid_url_fails_without_a_retry() {
    for target in [
        "ftp://127.0.0.1/v1/objects/o/content/x",
        "file:///etc/passwd",
        "data:,x",
    ] {
        let moved = respond("302 Found", &[("Location", target)], "");
        let server = Server::start(vec![moved; 5]).await;
        let location = format!("{}/v1/objects/o/content/video", server.url);
        let client = server.client().build().unwrap();
        let download = client.download(&location.parse().unwrap());
        let error = download.into_bytes().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ForbiddenHost, "{error}");
        let (scheme, _) = target.split_once(':').unwrap();
        assert!(
            error.to_string().contains(&format!("`{scheme}:`")),
            "{error}"
        );
        assert!(!error.is_retryable());
        assert_eq!(server.requests().len(), 1);
    }
}

#[tokio::test]
async fn own_storage_is_recognized_in_every_cloud() {
    let client = client("https://contoso.communication.azure.us")
        .build()
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    for (content, storage) in [
        ("https://acme.blob.core.windows.net/c/0-audiowav.wav", None),
        (
            "https://acme.blob.core.usgovcloudapi.net/c/0-audiowav.wav",
            None,
        ),
        (
            "https://acme.dfs.core.chinacloudapi.cn/c/0-audiowav.wav",
            Some("AzureBlob"),
        ),
        (
            "https://acme.z42.blob.storage.azure.net/c/0-audiowav.wav",
            None,
        ),
        (
            "https://media.contoso.example/c/0-audiowav.wav",
            Some("AzureBlob"),
        ),
        (
            "https://media.contoso.example/c/0-audiowav.wav",
            Some("SomethingNew"),
        ),
    ] {
        let file = file(content, None, storage);
        let download = client.download_recording(&file).to_dir(folder.path());
        let error = download.await.unwrap_err();
        assert_rejected(&error, ErrorKind::OwnStorage);
        assert_eq!(error.hint(), Some(Hint::UseStorageCredentials));
    }
    // Without a storage setting, an unknown host is rejected.
    let file = file("https://media.contoso.example/c/0-audiowav.wav", None, None);
    let download = client.download_recording(&file).to_dir(folder.path());
    assert_rejected(&download.await.unwrap_err(), ErrorKind::ForbiddenHost);
}

#[tokio::test]
async fn a_failed_export_is_downloaded_from_the_service() {
    let server = Server::start([
        respond("200 OK", &[], "media"),
        respond("200 OK", &[("Content-Type", "application/json")], "{}"),
    ])
    .await;
    let content = format!("{}/v1/objects/o/content/audiomp3", server.url);
    let file = file(&content, None, Some("AzureBlob"));
    assert!(file.is_for_own_storage());
    let client = server.client().build().unwrap();
    let location = file.chunks[0].content_location.clone();
    assert_eq!(
        client
            .download(location.as_ref().unwrap())
            .into_bytes()
            .await
            .unwrap(),
        b"media"
    );
}

#[tokio::test]
async fn requests_to_a_custom_endpoint_are_signed_for_the_resource() {
    let tunnel = Server::start([state("active"), respond("204 No Content", &[], "")]).await;
    let resource = "https://contoso.communication.azure.com";
    let client = client(resource).custom_endpoint(tunnel.url.parse().unwrap());
    let client = client.build().unwrap();
    let recording = client.recording(RecordingId::new("rid").unwrap());
    assert_eq!(recording.state().await.unwrap(), RecordingState::Active);
    recording.stop().await.unwrap();
    assert_eq!(client.endpoint().to_string(), format!("{resource}/"));
    for request in tunnel.requests() {
        for header in ["host", "x-ms-host", "x-forwarded-host"] {
            let line = format!("\r\n{header}: contoso.communication.azure.com\r\n");
            assert!(request.to_lowercase().contains(&line), "{request}");
        }
    }
    // The signature is for the host of the resource, not for the host that receives the request.
    let request = &tunnel.requests()[0];
    let header = |name: &str| {
        let mut lines = request.lines().filter_map(|line| line.split_once(": "));
        lines
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .unwrap()
            .1
    };
    let date = httpdate::parse_http_date(header("x-ms-date")).unwrap();
    let path = "/calling/recordings/rid?api-version=2026-03-12";
    let host = "contoso.communication.azure.com";
    let signed = common::signature::sign(common::KEY, "GET", path, host, date, b"");
    assert_eq!(header("authorization"), signed.authorization);
}

#[tokio::test]
async fn a_custom_endpoint_is_not_a_content_host() {
    let tunnel = Server::start([TestResponse::Close]).await;
    let client = client("https://contoso.communication.azure.com");
    let client = client
        .custom_endpoint(tunnel.url.parse().unwrap())
        .build()
        .unwrap();
    let location = format!("{}/v1/objects/o/content/video", tunnel.url);
    let download = client.download(&location.parse().unwrap());
    assert_rejected(
        &download.into_bytes().await.unwrap_err(),
        ErrorKind::ForbiddenHost,
    );
    assert_eq!(tunnel.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn an_error_page_of_a_gateway_is_not_a_deletion() {
    let html = "<html><body>404 Not Found</body></html>";
    let server = Server::start([
        respond("404 Not Found", &[("Content-Type", "text/html")], html),
        respond("404 Not Found", &[], ""),
    ])
    .await;
    let client = server.client().build().unwrap();
    let location = format!("{}/v1/objects/o", server.url).parse().unwrap();
    let error = client.delete_at(&location).await.unwrap_err();
    assert_eq!(error.hint(), Some(Hint::CheckGateway), "{error}");
    client.delete_at(&location).await.unwrap();
}

/// The content can exist although a gateway responds with 404.
#[tokio::test]
async fn an_error_page_of_a_gateway_does_not_mean_expired_content() {
    let html = "<html><body>404 Not Found</body></html>";
    let plain = "default backend - 404";
    let unknown = r#"{"statusCode": 404, "message": "Resource not found"}"#;
    for status in ["404 Not Found", "410 Gone"] {
        for (kind, body) in [
            ("text/html", html),
            ("text/plain", plain),
            ("application/json", unknown),
        ] {
            // Regardless of the age of the content.
            for age in [None, Some("2020-01-02T03:04:05Z")] {
                let server =
                    Server::start([respond(status, &[("Content-Type", kind)], body)]).await;
                let client = server.client().build().unwrap();
                let location = format!("{}/v1/objects/o/content/video", server.url);
                let mut download = client.download(&location.parse().unwrap());
                if let Some(age) = age {
                    download = download.recorded_until(age.parse().unwrap());
                }
                let error = download.into_bytes().await.unwrap_err();
                let case = format!("{status}, {body}: {error}");
                assert_eq!(error.hint(), Some(Hint::CheckGateway), "{case}");
                let gone = [ErrorKind::NotFound, ErrorKind::ExpiredContent];
                assert!(!gone.contains(&error.kind()), "{case}");
                assert_eq!(Disposition::of(&error), Disposition::Retry, "{case}");
            }
        }
    }
}
