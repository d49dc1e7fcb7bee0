
// Appended to the `main.rs` of the package of generated clients; see `main.rs` beside it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use runtime::Failure;

/// A request as it was on the wire.
#[derive(Clone, Debug, Default)]
struct Received {
    line: String,
    headers: Vec<String>,
    body: String,
}

impl Received {
    fn header(&self, name: &str) -> Option<&str> {
        let prefix = format!("{name}: ");
        self.headers.iter().find_map(|line| line.strip_prefix(&prefix))
    }
}

/// A server that gives prepared responses, and keeps the requests.
#[derive(Clone, Default)]
struct Server {
    responses: Arc<Mutex<VecDeque<(u16, &'static str, &'static str)>>>,
    last: Arc<Mutex<Received>>,
}

impl Server {
    async fn start() -> (Self, reqwest::Url) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/base", listener.local_addr().unwrap());
        let server = Self::default();
        let shared = server.clone();
        tokio::spawn(async move {
            loop {
                let (mut connection, _) = listener.accept().await.unwrap();
                let received = receive(&mut connection).await;
                *shared.last.lock().unwrap() = received;
                let response = shared.responses.lock().unwrap().pop_front();
                let (status, media_type, body) = response.unwrap_or((204, "", ""));
                let mut head = format!("HTTP/1.1 {status} Status\r\nconnection: close\r\n");
                if !media_type.is_empty() {
                    let length = body.len();
                    head += &format!("content-type: {media_type}\r\ncontent-length: {length}\r\n");
                }
                let response = head + "\r\n" + body;
                connection.write_all(response.as_bytes()).await.unwrap();
            }
        });
        (server, url.parse().unwrap())
    }

    fn respond(&self, status: u16, media_type: &'static str, body: &'static str) {
        let mut responses = self.responses.lock().unwrap();
        responses.push_back((status, media_type, body));
    }

    /// The last request. The path is without the base and, if it is the last, the version.
    fn last(&self) -> Received {
        self.last.lock().unwrap().clone()
    }
}

async fn receive(connection: &mut tokio::net::TcpStream) -> Received {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let mut lines = head.lines();
            let line = lines.next().unwrap();
            let line = line.strip_suffix(" HTTP/1.1").unwrap().replacen("/base", "", 1);
            let received = Received {
                line,
                headers: lines.map(str::to_owned).collect(),
                body: body.to_owned(),
            };
            let length = received.header("content-length").map_or(0, |it| it.parse().unwrap());
            if body.len() >= length {
                return received;
            }
        }
        assert!(connection.read_buf(&mut bytes).await.unwrap() > 0);
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let (server, url) = Server::start().await;
    let transport = Arc::new(reqwest::Client::new());
    drive_lockers(&server, &lockers::Client::new(url.clone(), transport.clone())).await;
    let client = nasty::Client::new(url, transport);
    drive_parameters(&server, &client).await;
    drive_paths(&server, &client).await;
    drive_bodies(&server, &client).await;
    drive_responses(&server, &client).await;
    drive_types(&server, &client).await;
}

async fn drive_lockers(server: &Server, client: &lockers::Client) {
    use lockers::{options, types};
    use types::{CodeLock, CreateLockerRequest, LockerSize, LockerState, OpenLockerRequest};

    server.respond(200, "application/json", r#"{"values":[{"lockerId":"1","type":"big","labels":null}]}"#);
    let list = options::LockersListOptions::default()
        .top(3)
        .size(LockerSize::Small)
        .tag(["a b", "c"]);
    let list = client.lockers_list(Some(list)).await.unwrap();
    assert_eq!(list.values[0].locker_id, "1");
    assert_eq!(list.values[0].labels.len(), 0);
    let sent = server.last();
    assert_eq!(sent.line, "GET /lockers?api-version=2020-01-01&%24top=3&size=small&tag=a+b&tag=c");
    assert_eq!(sent.header("accept"), Some("application/json"));

    server.respond(201, "application/json", r#"{"lockerId":"1","type":"t","state":"inUse","lock":{"kind":"code","digits":4}}"#);
    let request = CreateLockerRequest::new("big").lock(CodeLock::new(4).brand("b"));
    let create = options::LockersCreateOptions::default().x_request_id(uuid::Uuid::nil());
    let created = client.lockers_create(&request, Some(create)).await.unwrap();
    assert_eq!(created.state, Some(LockerState::InUse));
    assert_eq!(created.lock, Some(CodeLock::new(4).into()));
    let sent = server.last();
    assert_eq!(sent.line, "POST /lockers?api-version=2020-01-01");
    assert_eq!(sent.body, r#"{"lock":{"kind":"code","brand":"b","digits":4},"type":"big"}"#);
    assert_eq!(sent.header("content-type"), Some("application/json"));
    assert_eq!(sent.header("x-request-id"), Some("00000000-0000-0000-0000-000000000000"));

    // The body is optional.
    server.respond(202, "", "");
    client.lockers_open("a/b", None).await.unwrap();
    let sent = server.last();
    assert_eq!(sent.line, "POST /lockers/a%2Fb:open?api-version=2020-01-01");
    assert_eq!(sent.header("content-type"), None);
    server.respond(202, "", "");
    let open = options::LockersOpenOptions::default()
        .body(OpenLockerRequest::default().reason("owner"))
        .if_modified_since("Mon, 06 Oct 2025 09:30:00 GMT");
    client.lockers_open("1", Some(open)).await.unwrap();
    let sent = server.last();
    assert_eq!(sent.body, r#"{"reason":"owner"}"#);
    assert_eq!(sent.header("if-modified-since"), Some("Mon, 06 Oct 2025 09:30:00 GMT"));

    server.respond(200, "image/png", "PNG");
    let photo = client.lockers_photo("1", None).await.unwrap();
    assert_eq!(photo.into_inner(), "PNG");
    assert_eq!(server.last().header("accept"), Some("image/png"));

    server.respond(404, "application/json", r#"{"error":{"code":"Gone"}}"#);
    let failure = client.lockers_get("1", None).await.unwrap_err();
    let error: types::ErrorResponse = failure.error_body().unwrap();
    assert_eq!(error.error.code, "Gone");
    let failure = client.lockers_get("", None).await.unwrap_err();
    assert!(matches!(failure, Failure::Request(_)), "{failure:?}");
}

async fn drive_parameters(server: &Server, client: &nasty::Client) {
    use nasty::{options, types};

    let options = options::ParametersOptions::default()
        .result("0")
        .types("t")
        .type_("9")
        .clone_("c")
        .new_("n")
        .value("v")
        .accept("a/b")
        .x_count(1);
    client
        .parameters("s", "p", "1", "2", "3", "4", "5", "6", "7", Some(options))
        .await
        .unwrap();
    let sent = server.last();
    assert_eq!(
        sent.line,
        "GET /parameters/s/p?api-version=1.0&request=1&response=2&url=3&body=4&options=5&value=6\
         &header_map=7&result=0&types=t&type=9&clone=c&new=n"
    );
    assert_eq!(sent.header("value"), Some("v"));
    assert_eq!(sent.header("accept"), Some("a/b"));
    assert_eq!(sent.header("x-count"), Some("1"));

    let lists = options::ListsGetOptions::default()
        .multi(["a", "b,c"])
        .csv([1, 2])
        .pipes(["x", "y"])
        .x_list(["1", "2"]);
    client.lists_get(&["s 1", "s2"], &types::Level::Err, Some(lists)).await.unwrap();
    let sent = server.last();
    assert_eq!(
        sent.line,
        "GET /lists?api-version=1.0&multi=a&multi=b%2Cc&csv=1%2C2&ssv=s+1+s2&pipes=x%7Cy&level=Err"
    );
    assert_eq!(sent.header("x-list"), Some("1,2"));
    client.lists_get(&[], &types::Level::Ok, None).await.unwrap();
    assert_eq!(server.last().line, "GET /lists?api-version=1.0&level=Ok");

    let failure = client.lists_get(&[], &types::Level::Ok, Some(options::ListsGetOptions::default().x_list(["a\nb"])));
    assert!(matches!(failure.await, Err(Failure::Request(_))));
}

async fn drive_paths(server: &Server, client: &nasty::Client) {
    client.new_(None).await.unwrap();
    assert_eq!(server.last().line, "GET /new?api-version=1.0");
    client.endpoint_(None).await.unwrap();
    assert_eq!(server.last().line, "GET /endpoint?api-version=1.0");
    client.clone_(None).await.unwrap();
    assert_eq!(server.last().line, "GET /clone?api-version=1.0");
    client.request(None).await.unwrap();
    assert_eq!(server.last().line, "GET /request?api-version=1.0");
    client.send(None).await.unwrap();
    assert_eq!(server.last().line, "GET /send?api-version=1.0");
    client.self_(None).await.unwrap();
    assert_eq!(server.last().line, "GET /self?api-version=1.0");
    client.connection(None).await.unwrap();
    assert_eq!(server.last().line, "GET /connection?api-version=1.0");

    client.lists_get_some(&["a/b", "c"], None).await.unwrap();
    assert_eq!(server.last().line, "GET /lists/a%2Fb,c?api-version=1.0");
    client.raw("a/b c", None).await.unwrap();
    assert_eq!(server.last().line, "GET /raw/a/b%20c?api-version=1.0");
    assert!(client.raw("../new", None).await.is_err());
    let search = nasty::options::SearchKindOptions::default().q("z");
    client.search_kind(Some(search)).await.unwrap();
    assert_eq!(server.last().line, "GET /search?kind=a+b&deep=&api-version=1.0&q=z");
    client.search_id("1&2", None).await.unwrap();
    assert_eq!(server.last().line, "GET /search?id=1%262&api-version=1.0");
    client.encoded(None).await.unwrap();
    assert_eq!(server.last().line, "GET /ein%20weg/gr%C3%B6%C3%9Fe/100%25");
    client.find_things(None).await.unwrap();
    assert_eq!(server.last().line, "GET /things:find?api-version=1.0");
}

async fn drive_bodies(server: &Server, client: &nasty::Client) {
    use nasty::{options, types};

    client.photo_put("PNG", None).await.unwrap();
    let sent = server.last();
    assert_eq!((sent.header("content-type"), sent.body.as_str()), (Some("image/png"), "PNG"));
    client.notes_put("note", None).await.unwrap();
    let sent = server.last();
    assert_eq!((sent.header("content-type"), sent.body.as_str()), (Some("text/plain"), "note"));
    client.notes_post(Some(options::NotesPostOptions::default().body("later"))).await.unwrap();
    assert_eq!(server.last().body, "later");

    let form = options::FormPostOptions::default().count(3).tags(["a b", "ä&"]);
    client.form_post("n=1", Some(form)).await.unwrap();
    let sent = server.last();
    assert_eq!(sent.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(sent.body, "name=n%3D1&count=3&tags=a+b&tags=%C3%A4%26");
    let upload = options::UploadOptions::default().note("n");
    client.upload("bytes".into(), Some(upload)).await.unwrap();
    let sent = server.last();
    let media_type = sent.header("content-type").unwrap();
    let boundary = media_type.strip_prefix("multipart/form-data; boundary=").unwrap();
    let part = |head: &str, value: &str| {
        format!("--{boundary}\r\nContent-Disposition: form-data; {head}\r\n\r\n{value}\r\n")
    };
    let file = "name=\"file\"; filename=\"file\"\r\nContent-Type: application/octet-stream";
    let expected = part(file, "bytes") + &part("name=\"note\"", "n") + &format!("--{boundary}--\r\n");
    assert_eq!(sent.body, expected);

    server.respond(201, "application/problem+json", r#"{"type":"t","self":"s"}"#);
    let names = types::Names::new("s", "t").extra([("more", "m")]);
    let patched = client.merge_patch("1", &names, None).await.unwrap();
    assert_eq!(patched.status().as_u16(), 201);
    let sent = server.last();
    assert_eq!(sent.header("content-type"), Some("application/merge-patch+json"));
    assert_eq!(sent.header("accept"), Some("application/problem+json"));
    client.merge_post("1", &names, None).await.unwrap();
    assert_eq!(server.last().header("content-type"), Some("application/json"));

    let log = types::ErrorLog::new([types::Error::default().code("c")]);
    server.respond(200, "application/json", r#"{"UnexpectedResponse":"u"}"#);
    let error = options::ErrorsErrorOptions::default().include_errors(true);
    let error = client.errors_error(&log, Some(error)).await.unwrap();
    assert_eq!(error.unexpected_response.as_deref(), Some("u"));
    let sent = server.last();
    assert_eq!(sent.line, "POST /Errors?api-version=1.0&includeErrors=true");
    assert_eq!(sent.body, r#"{"Errors":[{"code":"c"}]}"#);
}

async fn drive_responses(server: &Server, client: &nasty::Client) {
    use nasty::types::MixedGetResult;

    server.respond(200, "image/png", "PNG");
    assert_eq!(client.photo_get(None).await.unwrap().into_inner(), "PNG");
    server.respond(200, "text/plain", "a note");
    assert_eq!(client.notes_get(None).await.unwrap().into_inner(), "a note");
    server.respond(200, "application/json", "\"a name\"");
    assert_eq!(client.name_get(None).await.unwrap().into_inner(), "a name");

    let names = r#"{"type":"t","self":"s"}"#;
    server.respond(200, "application/json", names);
    let mixed = client.mixed_get(None).await.unwrap().into_inner();
    assert!(matches!(mixed, MixedGetResult::Status200(names) if names.type_ == "t"));
    server.respond(202, "application/json", r#"{"code":"c"}"#);
    let mixed = client.mixed_get(None).await.unwrap().into_inner();
    assert!(matches!(mixed, MixedGetResult::Status202(error) if error.code.as_deref() == Some("c")));
    server.respond(204, "", "");
    let mixed = client.mixed_get(None).await.unwrap().into_inner();
    assert_eq!(mixed, MixedGetResult::Status204(()));
    server.respond(200, "application/json", names);
    assert!(client.mixed_post(None).await.unwrap().is_some());
    server.respond(204, "", "");
    assert!(client.mixed_post(None).await.unwrap().is_none());
    server.respond(206, "application/json", names);
    client.mixed_delete(None).await.unwrap();
    server.respond(299, "application/json", names);
    let failure = client.mixed_get(None).await.unwrap_err();
    assert!(matches!(failure, Failure::Status(_)), "{failure:?}");
    server.respond(200, "application/json", "<html>");
    let failure = client.mixed_get(None).await.unwrap_err();
    assert!(matches!(failure, Failure::Body { .. }), "{failure:?}");

    server.respond(200, "application/json", r#"[{"b":"x"}]"#);
    let body = nasty::types::InlinePostBody::default().a("y");
    let inline = client.inline_post(&body, None).await.unwrap();
    assert_eq!(inline[0].b.as_deref(), Some("x"));
    assert_eq!(server.last().body, r#"{"a":"y"}"#);
}

async fn drive_types(server: &Server, client: &nasty::Client) {
    use nasty::types::{self, Circle, Drawing, DrawingLevel, GroupOfShape, Names, Picture, Shape};

    // Every member keeps its name on the wire.
    let json = r#"{"$x":"1","":"2","1st":"3","a-b":"4","clone":"5","clone_":"6","e_tag":"7","eTag":"8",
        "etag":"9","self":"s","type":"t","Option":{"next":{}},"String":{"text":"x"},"Vec":[{}],
        "Result":"FREE","ok":"k","none":{},"anything":[null],"größe":"g","extra":"e","other":"o"}"#;
    let names: Names = serde_json::from_str(json).unwrap();
    let read: serde_json::Value = serde_json::from_str(json).unwrap();
    let mut written = serde_json::to_value(&names).unwrap();
    // An empty list is not written.
    assert_eq!(written["Vec"], serde_json::json!([{}]));
    written["Option"]["next"] = serde_json::json!({});
    assert_eq!(written, read);
    assert_eq!(names.result, Some(types::Result::Free2));
    assert_eq!(names.extra["other"], "o");
    for known in types::Result::KNOWN {
        assert_eq!(&types::Result::from(known.as_str()), known);
    }
    assert_eq!(types::Result::from("fRee"), types::Result::Free);
    assert_eq!(types::Result::from("?"), types::Result::UnknownValue("?".into()));

    let circle = Circle::new(1.5).name("c");
    let group = GroupOfShape::default()
        .first(circle.clone())
        .all([Shape::from(Picture::default().title("p").frame("f"))]);
    server.respond(200, "application/json", r#"{"kind":"circle","radius":2,"parent":{"kind":"new","a":1}}"#);
    let shape = client.shapes_post(&Shape::from(group.clone()), None).await.unwrap();
    let sent: serde_json::Value = serde_json::from_str(&server.last().body).unwrap();
    let expected = r#"{"kind":"group","first":{"kind":"circle","radius":1.5,"name":"c"},
        "all":[{"kind":"picture","title":"p","frame":"f"}]}"#;
    assert_eq!(sent, serde_json::from_str::<serde_json::Value>(expected).unwrap());
    assert_eq!(serde_json::from_value::<Shape>(sent).unwrap(), Shape::from(group));
    let Shape::Circle(circle) = shape.into_inner() else { panic!() };
    assert!(matches!(circle.parent, Some(Shape::UnknownValue(members)) if members["a"] == 1));

    // A subtype that is used directly keeps its tag.
    let drawing = r#"{"circle":{"kind":"circle","radius":1.0},"frame":{"corner":{"x":1}},"level":"low"}"#;
    server.respond(200, "application/json", drawing);
    let drawing = client.circle_post(&Circle::new(3.0).into(), None).await.unwrap();
    assert_eq!(server.last().body, r#"{"kind":"circle","radius":3.0}"#);
    assert_eq!(drawing.circle, Some(Circle::new(1.0).into()));
    assert_eq!(drawing.level, Some(DrawingLevel::Low));
    let corner = drawing.frame.as_ref().unwrap().corner.as_ref().unwrap();
    assert_eq!(corner.x, Some(1));
    assert_eq!(Drawing::default(), Drawing::default());
}
