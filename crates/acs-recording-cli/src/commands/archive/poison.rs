//! `archive poison`: messages that could not be handled.

use acs_recording::{Event, Events};
use acs_recording_archive::Message;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::options::QueueOptions;
use crate::failure::Failure;
use crate::options::Global;
use crate::output::Output;
use crate::text::{one_line, shortened};

/// The service shows no more without hiding them from others.
const SHOWN: usize = 32;

/// Messages that workers could not handle: lists them, sends them back, deletes them
#[derive(Debug, Subcommand)]
pub(crate) enum PoisonCommand {
    List(List),
    Retry(Retry),
    Drop(Drop),
}

/// Lists the first messages of the poison queue, which stay there
///
/// Azure shows at most 32 messages. The reason of each is in the log and the metrics of the worker.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  acs-recording archive poison list --queue https://acct.queue.core.windows.net/recordings

JSON: {\"message_id\", \"inserted_at\", \"event_id\", \"type\", \"recording_id\", \"time\", \"problem\", \"body\"}
for each message. problem says why the body cannot be read as an event.")]
pub(crate) struct List {
    #[command(flatten)]
    queue: QueueOptions,
}

/// Sends messages of the poison queue back to the queue, to be handled again
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  acs-recording archive poison retry --queue https://acct.queue.core.windows.net/recordings --all
  acs-recording archive poison retry --queue recordings 5974b586-0df3-4e2d-ad0c-18e3892bfca2

Each message is sent before it is deleted, so none is lost.

JSON: {\"retried\": N}")]
pub(crate) struct Retry {
    #[command(flatten)]
    queue: QueueOptions,
    #[command(flatten)]
    which: Which,
}

/// Deletes messages of the poison queue
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  acs-recording archive poison drop --queue https://acct.queue.core.windows.net/recordings \\
    5974b586-0df3-4e2d-ad0c-18e3892bfca2

What their recordings hold is lost with the last copy at the service. `archive poison list --output
json` shows the messages before.

JSON: {\"dropped\": N}")]
pub(crate) struct Drop {
    #[command(flatten)]
    queue: QueueOptions,
    #[command(flatten)]
    which: Which,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// Ids of messages, as `archive poison list` shows them
    #[arg(value_name = "MESSAGE_ID")]
    ids: Vec<String>,
    /// All messages
    #[arg(long)]
    all: bool,
}

impl Which {
    fn includes(&self, message: &Message) -> bool {
        self.all || self.ids.contains(&message.id)
    }

    /// Fails if fewer messages were found than were named.
    fn check(&self, taken: usize) -> Result<(), Failure> {
        if self.all || taken >= self.ids.len() {
            return Ok(());
        }
        let text = format!("{taken} of {} messages were found", self.ids.len());
        Err(Failure::not_found(text).hint(
            "see `acs-recording archive poison list`; a message that somebody looked at may be \
             hidden for two minutes",
        ))
    }
}

pub(super) async fn run(
    command: PoisonCommand,
    global: &Global,
    out: &Output,
) -> Result<(), Failure> {
    match command {
        PoisonCommand::List(options) => list(&options, global, out).await,
        PoisonCommand::Retry(options) => {
            let poison = options.queue.open(global)?.poison_queue();
            let retried = poison
                .retry(|message| options.which.includes(message))
                .await?;
            let text = format!("{} sent back", counted(retried));
            out.result(&text, &json!({"retried": retried}))?;
            options.which.check(retried)
        }
        PoisonCommand::Drop(options) => {
            let poison = options.queue.open(global)?.poison_queue();
            let dropped = poison
                .remove(|message| options.which.includes(message))
                .await?;
            let text = format!("{} deleted", counted(dropped));
            out.result(&text, &json!({"dropped": dropped}))?;
            options.which.check(dropped)
        }
    }
}

fn counted(messages: usize) -> String {
    match messages {
        1 => "1 message".to_owned(),
        many => format!("{many} messages"),
    }
}

async fn list(options: &List, global: &Global, out: &Output) -> Result<(), Failure> {
    let poison = options.queue.open(global)?.poison_queue();
    let messages = poison.peek(SHOWN).await?;
    for message in &messages {
        let (text, json) = described(message);
        out.result(&text, &json)?;
    }
    let depth = poison.approximate_depth().await?;
    let shown = messages.len() as u64;
    match depth {
        Some(all) if all > shown => out.note(&format!("{shown} of about {all} messages are shown")),
        _ if shown == 0 => out.note("the poison queue is empty"),
        _ => {}
    }
    Ok(())
}

/// A message as text and as JSON.
fn described(message: &Message) -> (String, Value) {
    let event = event(&message.body);
    let inserted = message.inserted_at.map(|time| time.to_string());
    let body = String::from_utf8_lossy(&message.body);
    let (event, problem) = match event {
        Ok(event) => (Some(event), None),
        Err(problem) => (None, Some(problem)),
    };
    let event = event.as_ref();
    let about = match (event, &problem) {
        (Some(event), _) => {
            let recording = event.recording_id().map(|id| shortened(id.as_str()));
            let kind = &event.event_type;
            format!("{kind}  {}", recording.unwrap_or_else(|| event.id.clone()))
        }
        (None, Some(problem)) => problem.clone(),
        (None, None) => String::new(),
    };
    let text = format!(
        "{}  {}  {}",
        one_line(&message.id),
        inserted.as_deref().unwrap_or("-"),
        one_line(&about)
    );
    let json = json!({
        "message_id": message.id,
        "inserted_at": inserted,
        "event_id": event.map(|event| &event.id),
        "type": event.map(|event| &event.event_type),
        "recording_id": event.and_then(Event::recording_id),
        "time": event.and_then(|event| event.time).map(|time| time.to_string()),
        "problem": problem,
        "body": body,
    });
    (text, json)
}

/// The first event in a message.
fn event(body: &[u8]) -> Result<Event, String> {
    match Events::parse(body).next() {
        Some(Ok(event)) => Ok(event),
        Some(Err(error)) => Err(error.to_string()),
        None => Err("no event".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;

    use super::*;

    #[test]
    fn a_message_shows_its_event_or_what_is_wrong_with_it() {
        let event = r#"{"id":"e1","eventType":"T","subject":"s","data":{},"eventTime":"2026-01-01T00:00:00Z"}"#;
        let encoded = base64::engine::general_purpose::STANDARD.encode(event);
        for body in [event, &encoded] {
            let (text, json) = described(&Message::new("m", body.to_owned(), ""));
            assert_eq!(text, "m  -  T  e1");
            assert_eq!(
                (&json["event_id"], &json["problem"]),
                (&json!("e1"), &Value::Null)
            );
            assert_eq!(json["body"], body);
        }
        for body in ["not an event", "", "eyJ4IjoxfQ==", "{"] {
            let (text, json) = described(&Message::new("m\u{1b}", body, ""));
            assert!(json["problem"].is_string(), "{text}");
            assert!(text.starts_with(r"m\u{1b}  -  "), "{text}");
        }
    }
}
