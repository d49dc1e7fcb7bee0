//! `call create|answer|get|hang-up`: the calls that recording needs.

use std::time::Duration;

use acs_recording::{CallConnection, CallConnectionId, CallProperties};
use clap::{Args, Subcommand};
use serde_json::json;

use crate::client::client;
use crate::failure::Failure;
use crate::identifier::identifier;
use crate::options::Global;
use crate::output::Output;
use crate::text::one_line;

/// Creates, answers and ends calls, to get the ids that recording needs
#[derive(Debug, Subcommand)]
pub(crate) enum CallCommand {
    Create(Create),
    Answer(Answer),
    /// Prints the ids and the state of a call
    #[command(after_help = "\
Example:
  acs-recording call get CALL_CONNECTION_ID --output json

JSON: {\"call_connection_id\", \"server_call_id\", \"state\", \"correlation_id\", \"source\", \"targets\"}")]
    Get(Connection),
    HangUp(HangUp),
}

impl CallCommand {
    /// The hint after Ctrl-C.
    pub(crate) fn when_interrupted(&self) -> &'static str {
        match self {
            Self::Create(_) => "the call may have been created",
            Self::Answer(_) => "the call may have been answered",
            Self::Get(_) => "nothing was changed",
            Self::HangUp(_) => "run `acs-recording call get` to see whether it took effect",
        }
    }
}

/// Calls one or more participants, and prints the ids of the call when it is connected
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  acs-recording call create 8:acs:… --callback-url https://app.example/calls
  acs-recording call create +14255550123 --caller +14255550100 --callback-url https://app.example/calls

JSON as for `call get`.")]
pub(crate) struct Create {
    /// Participants to call: raw ids, or phone numbers that begin with +
    #[arg(required = true, value_name = "ID")]
    targets: Vec<String>,
    /// Caller: a phone number of the resource, a user or a Teams app
    #[arg(long, value_name = "ID")]
    caller: Option<String>,
    #[command(flatten)]
    common: Common,
}

/// Answers an incoming call, and prints its ids when it is connected
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  acs-recording events parse event.json | jq -r .data.incomingCallContext > context
  acs-recording call answer --context-file context --callback-url https://app.example/calls

JSON as for `call get`.")]
pub(crate) struct Answer {
    /// File with the `incomingCallContext` of the event `IncomingCall`, or `-` for standard input
    #[arg(long, value_name = "FILE")]
    context_file: std::path::PathBuf,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct Common {
    /// URL to which the service posts the events of the call
    #[arg(long, value_name = "URL")]
    callback_url: String,
    /// Maximum time to wait until the call is connected; 0 does not wait
    #[arg(long, value_name = "TIME", default_value = "1m", value_parser = crate::text::duration)]
    timeout: Duration,
}

#[derive(Debug, Args)]
pub(crate) struct Connection {
    /// Call connection id of this application
    #[arg(value_name = "CALL_CONNECTION_ID")]
    id: CallConnectionId,
}

/// Leaves a call, or ends it for everyone
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  acs-recording call hang-up CALL_CONNECTION_ID --for-everyone

JSON: {\"call_connection_id\", \"done\": \"hung up\"}")]
pub(crate) struct HangUp {
    #[command(flatten)]
    connection: Connection,
    /// Ends the call for all participants
    #[arg(long)]
    for_everyone: bool,
}

pub(crate) async fn run(
    command: CallCommand,
    global: &Global,
    out: &Output,
) -> Result<(), Failure> {
    let client = client(global)?;
    let calls = client.calls();
    match command {
        CallCommand::Create(options) => {
            let targets = options.targets.iter().map(|target| identifier(target));
            let mut create = calls.create(targets, &options.common.callback_url)?;
            if let Some(caller) = &options.caller {
                create = create.caller(identifier(caller))?;
            }
            connected(&create.await?, options.common.timeout, out).await
        }
        CallCommand::Answer(options) => {
            let context = crate::event_files::read(&options.context_file).await?;
            let context = String::from_utf8_lossy(&context);
            let answer = calls.answer(context.trim(), &options.common.callback_url)?;
            connected(&answer.await?, options.common.timeout, out).await
        }
        CallCommand::Get(connection) => {
            let call = calls.connection(connection.id);
            let properties = call.properties().await?;
            show(&call, &properties, out)
        }
        CallCommand::HangUp(options) => {
            let call = calls.connection(options.connection.id);
            if options.for_everyone {
                call.terminate().await?;
            } else {
                call.hang_up().await?;
            }
            let json = json!({"call_connection_id": call.id(), "done": "hung up"});
            out.result("hung up", &json)
        }
    }
}

async fn connected(call: &CallConnection, timeout: Duration, out: &Output) -> Result<(), Failure> {
    let properties = match call.initial_properties() {
        Some(properties) if timeout.is_zero() => properties.clone(),
        _ => {
            // The id is needed to end the call if the wait is interrupted.
            out.note(&format!("waiting until {} is connected", call.id()));
            let wait = call
                .wait_until_connected()
                .timeout(timeout)
                .poll_interval(Duration::from_millis(500));
            wait.await.map_err(|error| {
                Failure::from(error).hint(format!("the call connection is {}", call.id()))
            })?
        }
    };
    show(call, &properties, out)
}

fn show(call: &CallConnection, properties: &CallProperties, out: &Output) -> Result<(), Failure> {
    let state = properties.state.as_ref().map(ToString::to_string);
    let server_call_id = properties.server_call_id.as_ref();
    let text = format!(
        "call_connection_id {}\nserver_call_id     {}\nstate              {}",
        one_line(call.id().as_str()),
        one_line(server_call_id.map_or("-", |id| id.as_str())),
        one_line(state.as_deref().unwrap_or("-")),
    );
    let json = json!({
        "call_connection_id": call.id(),
        "server_call_id": server_call_id,
        "state": state,
        "correlation_id": properties.correlation_id,
        "source": properties.source,
        "targets": properties.targets,
    });
    out.result(&text, &json)
}
