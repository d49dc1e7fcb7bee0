//! Where credentials go: what events, redirects and answers say is data, and no command.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod common;

use acs_recording::models::RecordingState;
use acs_recording::{
    ContentUrl, Disposition, Error, ErrorKind, Event, EventPayload, Events, Hint,
    RecordingFileStatusUpdated, RecordingId,
};
use common::{Answer, Server, answer, client, state};
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

/// It is refused before anything is sent, and no advice leads credentials there.
#[track_caller]
fn refused(error: &Error, kind: ErrorKind) {
    assert_eq!((error.kind(), error.attempts()), (kind, 0), "{error}");
    let text = error.to_string();
    assert!(!text.contains("allow"), "{text}");
}

#[tokio::test]
async fn a_forged_location_is_no_command() {
    let server = Server::start(vec![answer("204 No Content", &[], ""); 9]).await;
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
        refused(&error, ErrorKind::ForbiddenHost);
        let error = client.download(&location).into_bytes().await.unwrap_err();
        refused(&error, ErrorKind::ForbiddenHost);
        let content = format!("{}/v1/objects/0-weu-d1-abc/content/video", server.url);
        let file = file(&content, Some(&forged), None);
        let error = client.delete(&file.chunks[0]).await.unwrap_err();
        refused(&error, ErrorKind::ForbiddenHost);
    }
    assert_eq!(server.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn the_resource_keeps_no_content() {
    let resource = "https://contoso.communication.azure.com";
    let client = client(resource).build().unwrap();
    for place in [resource, "https://CONTOSO.communication.azure.com:443"] {
        let location = format!("{place}/v1/objects/0-weu-d1-abc").parse().unwrap();
        refused(
            &client.delete_at(&location).await.unwrap_err(),
            ErrorKind::ForbiddenHost,
        );
    }
}

#[tokio::test]
async fn the_object_deleted_is_the_object_saved() {
    let server = Server::start([answer("200 OK", &[], "")]).await;
    let client = server.client().build().unwrap();
    let content = format!("{}/v1/objects/0-weu-d1-abc/content/video", server.url);
    for other in [
        format!("{}/v1/objects/0-weu-d1-other", server.url),
        format!("{}/v1/objects/0-weu-d1-ab", server.url),
        SERVICE.to_owned(),
    ] {
        let file = file(&content, Some(&other), None);
        let error = client.delete(&file.chunks[0]).await.unwrap_err();
        refused(&error, ErrorKind::ForbiddenHost);
        assert!(error.to_string().contains("another object"), "{error}");
    }
    let own = format!("{}/v1/objects/0-weu-d1-abc", server.url);
    let file = file(&content, Some(&own), None);
    client.delete(&file.chunks[0]).await.unwrap();
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn no_redirect_leads_to_an_operation() {
    for (method_deletes, target) in [
        (true, "/calling/recordings/rid"),
        (false, "/calling/recordings/rid"),
        (true, "http://0.0.0.0:9/v1/objects/o"),
        (true, "https://example.com/v1/objects/o"),
    ] {
        let moved = answer("302 Found", &[("Location", target)], "");
        let server = Server::start([moved, answer("204 No Content", &[], "")]).await;
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
async fn a_redirect_to_no_web_address_fails_at_once_by_name() {
    for target in [
        "ftp://127.0.0.1/v1/objects/o/content/x",
        "file:///etc/passwd",
        "data:,x",
    ] {
        let moved = answer("302 Found", &[("Location", target)], "");
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
async fn own_storage_is_known_in_every_cloud() {
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
        refused(&error, ErrorKind::OwnStorage);
        assert_eq!(error.hint(), Some(Hint::UseStorageCredentials));
    }
    // Without a word of own storage, and on a host that nobody knows, it is just that.
    let file = file("https://media.contoso.example/c/0-audiowav.wav", None, None);
    let download = client.download_recording(&file).to_dir(folder.path());
    refused(&download.await.unwrap_err(), ErrorKind::ForbiddenHost);
}

#[tokio::test]
async fn an_export_that_failed_is_downloaded_from_the_service() {
    let server = Server::start([
        answer("200 OK", &[], "media"),
        answer("200 OK", &[("Content-Type", "application/json")], "{}"),
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
async fn requests_are_sent_to_another_address_and_signed_for_the_resource() {
    let tunnel = Server::start([state("active"), answer("204 No Content", &[], "")]).await;
    let resource = "https://contoso.communication.azure.com";
    let client = client(resource).send_to(tunnel.url.parse().unwrap());
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
    // The signature is the one for the resource's host, and not for where it is sent.
    let request = &tunnel.requests()[0];
    let header = |name: &str| {
        let mut lines = request.lines().filter_map(|line| line.split_once(": "));
        lines
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .unwrap()
            .1
    };
    let key: acs_recording::AccessKey = common::KEY.parse().unwrap();
    let date = httpdate::parse_http_date(header("x-ms-date")).unwrap();
    let path = "/calling/recordings/rid?api-version=2026-03-12";
    let host = "contoso.communication.azure.com";
    let signed = key.sign_request("GET", path, host, date, b"");
    assert_eq!(header("authorization"), signed.authorization);
}

#[tokio::test]
async fn an_address_to_send_to_keeps_no_content() {
    let tunnel = Server::start([Answer::Close]).await;
    let client = client("https://contoso.communication.azure.com");
    let client = client.send_to(tunnel.url.parse().unwrap()).build().unwrap();
    let location = format!("{}/v1/objects/o/content/video", tunnel.url);
    let download = client.download(&location.parse().unwrap());
    refused(
        &download.into_bytes().await.unwrap_err(),
        ErrorKind::ForbiddenHost,
    );
    assert_eq!(tunnel.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn a_page_of_a_gateway_deletes_nothing() {
    let html = "<html><body>404 Not Found</body></html>";
    let server = Server::start([
        answer("404 Not Found", &[("Content-Type", "text/html")], html),
        answer("404 Not Found", &[], ""),
    ])
    .await;
    let client = server.client().build().unwrap();
    let location = format!("{}/v1/objects/o", server.url).parse().unwrap();
    let error = client.delete_at(&location).await.unwrap_err();
    assert_eq!(error.hint(), Some(Hint::CheckGateway), "{error}");
    client.delete_at(&location).await.unwrap();
}

/// What a gateway does not find is there all the same.
#[tokio::test]
async fn a_page_of_a_gateway_makes_no_content_gone() {
    let html = "<html><body>404 Not Found</body></html>";
    let plain = "default backend - 404";
    let unknown = r#"{"statusCode": 404, "message": "Resource not found"}"#;
    for status in ["404 Not Found", "410 Gone"] {
        for (kind, body) in [
            ("text/html", html),
            ("text/plain", plain),
            ("application/json", unknown),
        ] {
            // However old the content is.
            for age in [None, Some("2020-01-02T03:04:05Z")] {
                let server = Server::start([answer(status, &[("Content-Type", kind)], body)]).await;
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
