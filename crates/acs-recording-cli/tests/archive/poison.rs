//! `archive poison`.

use serde_json::{Value, json};

use crate::site::{Site, lines};

#[tokio::test(flavor = "multi_thread")]
async fn poison_messages_are_listed_tried_again_and_dropped() {
    let Some(site) = Site::new("cli-poison").await else {
        return;
    };
    let empty = site.run(&["poison", "list"]);
    assert_eq!((empty.code, empty.out.as_str()), (Some(0), ""), "{empty:?}");
    assert_eq!(empty.err.trim_end(), "the poison queue is empty");

    for body in ["one", "two", "three"] {
        site.queue.send(body).await.unwrap();
    }
    let drain = ["drain", "--to", "archive", "--max-poll-interval", "100ms"];
    let run = site.run(&drain);
    assert_eq!(lines(&run).last().unwrap()["poisoned"], 3, "{run:?}");

    let list = || lines(&site.run(&["poison", "list", "--output", "json"]));
    let messages = list();
    assert_eq!(messages.len(), 3);
    let id = |body: &str| {
        let found = messages.iter().find(|message| message["body"] == body);
        found.unwrap()["message_id"].as_str().unwrap().to_owned()
    };
    assert!(
        messages
            .iter()
            .all(|message| message["problem"].is_string())
    );
    let text = site.run(&["poison", "list"]).text();
    assert_eq!(text.lines().count(), 3, "{text}");

    let retried = site.run(&["poison", "retry", &id("one"), "--output", "json"]);
    assert_eq!(retried.json(), json!({"retried": 1}));
    assert_eq!((site.depth().await, list().len()), (1, 2));
    let dropped = site.run(&["poison", "drop", &id("two")]);
    assert_eq!(dropped.text(), "1 message deleted");
    let bodies: Vec<Value> = list()
        .iter()
        .map(|message| message["body"].clone())
        .collect();
    assert_eq!(bodies, ["three"]);

    let run = site.run(&["poison", "drop", "unknown"]);
    assert_eq!(run.code, Some(4), "{run:?}");
    assert_eq!(run.out, "0 messages deleted\n");
    // One has to say which.
    assert_eq!(site.run(&["poison", "drop"]).code, Some(2));
    let all = site.run(&["poison", "drop", "--all"]);
    assert_eq!(all.text(), "1 message deleted");
}
