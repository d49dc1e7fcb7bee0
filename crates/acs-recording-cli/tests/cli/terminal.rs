//! External text cannot control the terminal or add lines.

use serde_json::{Value, json};

use crate::program::{Program, Run};

/// Sets colors, the title and the clipboard, changes the text direction, and returns to the start
/// of the line.
const HOSTILE: &str =
    "a\u{1b}[2J\u{1b}]0;x\u{7}\u{9b}31m\u{7f}\u{202e}gpj\u{2066}\u{200f}\u{2028}\rerror: none";

#[track_caller]
fn assert_clean(run: &Run) {
    let is_unsafe = |c: char| {
        c != '\n' && c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    for text in [&run.out, &run.err] {
        assert!(!text.contains(is_unsafe), "{run:?}");
    }
}

#[test]
fn documents_cannot_control_the_terminal() {
    let program = Program::with_connection_string("");
    let spoofed = format!("{HOSTILE}\nchannel 1  8:acs:boss");
    let participants = json!([{"participantId": spoofed, "channel": 0}]);
    let document = json!({"callId": spoofed, "participants": participants});
    program.write("call.json", document.to_string().as_bytes());
    let run = program.run(&["metadata", "show", "call.json"]);
    assert_clean(&run);
    assert_eq!(run.out.lines().count(), 2, "{run:?}");
    assert!(
        run.out.contains(r"a\u{1b}[2J") && run.out.contains(r"\u{202e}gpj"),
        "{run:?}"
    );

    let run = program.run(&["metadata", "show", "call.json", "--output", "json"]);
    assert_clean(&run);
    assert!(
        run.out.contains(r"\u001b[2J") && run.out.contains(r"\u202egpj"),
        "{run:?}"
    );
    assert_eq!(run.json()["call_id"], spoofed);
}

#[test]
fn events_cannot_control_the_terminal() {
    let program = Program::with_connection_string("");
    let event = json!({"id": HOSTILE, "eventType": HOSTILE, "data": {"a": HOSTILE}});
    let run = program.feed(&["events", "parse"], &event.to_string());
    assert_clean(&run);
    let line: Value = run.json();
    assert_eq!(line["id"], HOSTILE);
    assert_eq!(line["data"]["a"], HOSTILE);
}

/// Not all systems allow such names.
#[cfg(target_os = "linux")]
#[test]
fn file_names_cannot_control_the_terminal() {
    let program = Program::with_connection_string("");
    let name = format!("{}\nerror: none.wav", HOSTILE.replace('\r', ""));
    for format in ["text", "json"] {
        let run = program.run(&["inspect", &name, "--output", format]);
        assert_eq!(run.code, Some(1), "{run:?}");
        assert_clean(&run);
        assert_eq!(run.err.lines().count(), 1, "{run:?}");
    }
    program.write(&name, b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data\0\0\0\0");
    let run = program.run(&["inspect", &name]);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_clean(&run);
    assert!(!run.out.contains("\nerror"), "{run:?}");
    // Nor can names in an invalid command line.
    for arguments in [&["inspect", &name, "--no", &name][..], &[&name]] {
        let run = program.run(arguments);
        assert_eq!(run.code, Some(2), "{run:?}");
        assert_clean(&run);
    }
}

#[test]
fn services_cannot_control_the_terminal() {
    let body = json!({"error": {"code": HOSTILE, "message": format!("{HOSTILE}\nmore")}});
    let service = Service::start(&body.to_string());
    let program = Program::with_connection_string(&service.connection_string);
    for options in [&[][..], &["-vv"], &["--output", "json"]] {
        let mut command = program.command(&[&["status", "rid"], options].concat());
        let run = program.check(command.env("RUST_LOG", "trace").output().unwrap());
        assert_ne!(run.code, Some(0));
        assert_clean(&run);
        assert!(run.err.contains("[2J"), "{run:?}");
    }
}

/// A service that rejects all requests with the same message.
struct Service {
    connection_string: String,
}

impl Service {
    fn start(body: &str) -> Self {
        use std::io::{Read as _, Write as _};
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let response = format!(
            "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\nconnection: close\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut head = [0; 4096];
                let _ = stream.read(&mut head);
                let _ = stream.write_all(response.as_bytes());
            }
        });
        let key = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
        Self {
            connection_string: format!("endpoint=http://{address}/;accesskey={key}"),
        }
    }
}
