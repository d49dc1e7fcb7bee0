//! `archive setup`, which prints and does nothing.

use std::path::Path;
use std::process::Command;

use crate::program::Program;

const ID: &str = "/subscriptions/29228d3e-040e-4656-a70e-890ab4e173e5/resourceGroups/contoso/\
                  providers/Microsoft.Communication/communicationServices/contoso";
const QUEUE: &str = "https://contosostore.queue.core.windows.net/recordings?sig=topsecret";
const TO: &str = "https://contosostore.blob.core.windows.net/archive";

fn setup(more: &[&str]) -> String {
    let program = Program::with_connection_string("");
    let setup = ["archive", "setup", "--resource", ID, "--queue", QUEUE];
    let text = program.run(&[&setup[..], more].concat()).text();
    assert!(
        !text.contains("topsecret") && !text.contains("{{"),
        "{text}"
    );
    text
}

#[test]
fn the_commands_are_complete_and_a_shell_can_read_them() {
    let text = setup(&["--to", TO]);
    insta::assert_snapshot!("setup", text);
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("setup.sh");
    std::fs::write(&script, text).unwrap();
    if let Ok(checked) = Command::new("sh").arg("-n").arg(&script).output() {
        assert!(checked.status.success(), "{checked:?}");
    }
}

#[test]
fn the_body_of_the_subscription_is_json() {
    let text = setup(&["--to", TO, "--print", "commands"]);
    let (_, body) = text.split_once("<<JSON\n").unwrap();
    let (body, _) = body.split_once("\nJSON\n").unwrap();
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    let delivery = &body["properties"]["deliveryWithResourceIdentity"];
    assert_eq!(
        delivery["destination"]["properties"],
        serde_json::json!({
            "resourceId": "$STORAGE_ID",
            "queueName": "recordings",
            "queueMessageTimeToLiveInSeconds": -1,
        })
    );
}

#[test]
fn another_store_and_another_account_are_provided_for() {
    let text = setup(&[
        "--to",
        "s3://archive/2026",
        "--print",
        "commands",
        "--message-ttl",
        "86400",
    ]);
    assert!(
        text.contains("# The archive s3://archive/2026 is not on Azure"),
        "{text}"
    );
    let ttl = "\"queueMessageTimeToLiveInSeconds\": 86400\n";
    assert!(text.contains(ttl), "{text}");
    let other = "https://other.blob.core.windows.net/archive";
    let text = setup(&["--to", other, "--print", "commands"]);
    assert!(
        text.contains("STORE_ID=") && text.contains("--account-name other"),
        "{text}"
    );
    let endpoint = "https://contoso.europe.communication.azure.com";
    let text = setup(&["--to", TO, "--print", "kubernetes", "--endpoint", endpoint]);
    assert!(text.contains(&format!("--endpoint={endpoint}")), "{text}");
}

#[test]
fn the_manifests_are_those_of_the_examples() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/archive");
    for name in ["kubernetes", "container-app"] {
        let path = examples.join(format!("{name}.yaml"));
        let printed = format!("{}\n", setup(&["--to", TO, "--print", name]));
        if std::env::var_os("INSTA_UPDATE").is_some_and(|update| update == "always") {
            std::fs::write(&path, &printed).unwrap();
        }
        let kept = std::fs::read_to_string(&path).unwrap();
        assert_eq!(
            printed,
            kept,
            "{}; INSTA_UPDATE=always updates it",
            path.display()
        );
    }
}

#[test]
fn nothing_foreign_gets_into_the_commands() {
    let program = Program::with_connection_string("");
    let id = ID.replace("contoso/", "$(id)/");
    for arguments in [
        ["--resource", &id, "--queue", QUEUE, "--to", TO],
        [
            "--resource",
            ID,
            "--queue",
            "https://a.queue.core.windows.net/a;b",
            "--to",
            TO,
        ],
        ["--resource", ID, "--queue", QUEUE, "--to", "s3://a`id`"],
        ["--resource", ID, "--queue", QUEUE, "--to", "./with space"],
        ["--resource", ID, "--queue", "recordings", "--to", TO],
    ] {
        let run = program.run(&[&["archive", "setup"][..], &arguments].concat());
        assert_eq!((run.code, run.out.as_str()), (Some(2), ""), "{run:?}");
    }
}
