//! `start`, `status`, `pause`, `resume`, `stop` and `wait`.

use std::time::Duration;

use acs_recording::models::RecordingState;
use acs_recording::{
    CallConnectionId, CallTarget, CommunicationIdentifier, GroupCallId, Media, Recording,
    RecordingId, RoomId, ServerCallId, ServiceCode,
};
use clap::{Args, ValueEnum};
use jiff::Timestamp;
use serde_json::json;
use uuid::Uuid;

use crate::client::client;
use crate::failure::Failure;
use crate::identifier::identifier;
use crate::options::Global;
use crate::output::Output;

/// Starts to record a call, and prints the recording's id
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  acs-recording start --server-call-id ID --media mp3
  acs-recording start --room-id 99486…  --media unmixed --channel 0=8:acs:… --channel 1=+14255550123
  id=$(acs-recording start --server-call-id ID --wait) && acs-recording stop \"$id\"

JSON: {\"recording_id\", \"state\", \"kind\", \"outcome_follows\"}; outcome_follows is true when the
service only accepted the start, as with --call-connection-id.")]
pub(crate) struct Start {
    #[command(flatten)]
    call: Call,

    /// What is recorded
    #[arg(long, value_enum, default_value_t)]
    media: Kind,

    /// Puts a participant on a channel of unmixed media: `0=8:acs:…`, `1=+14255550123`
    #[arg(long = "channel", value_name = "N=ID", value_parser = channel)]
    channels: Vec<(u8, CommunicationIdentifier)>,

    /// Gives the first channels of unmixed media to these participants, in order
    #[arg(long = "order", value_name = "ID")]
    order: Vec<String>,

    /// Begins paused
    #[arg(long)]
    paused: bool,

    /// Where the service posts changes of the recording's state
    #[arg(long, value_name = "URL")]
    callback: Option<String>,

    /// A container of Azure Blob Storage of your own for the files
    #[arg(long, value_name = "URL")]
    storage: Option<String>,

    /// Makes a repeated start the same start, when both have this id and time
    #[arg(long, value_name = "UUID")]
    repeatability_id: Option<Uuid>,

    /// When the start with this id was sent first, such as 2026-03-12T09:30:00Z [default: now]
    #[arg(long, value_name = "TIME", requires = "repeatability_id")]
    first_sent: Option<Timestamp>,

    /// Waits until the recording is active
    #[arg(long, conflicts_with = "paused")]
    wait: bool,
}

/// Exactly one of them.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
#[allow(clippy::struct_field_names, reason = "they are the names of options")]
struct Call {
    /// The call, by `serverCallId` of `CallConnected`
    #[arg(long, value_name = "ID")]
    server_call_id: Option<ServerCallId>,
    /// The group call, by its GUID
    #[arg(long, value_name = "GUID")]
    group_call_id: Option<GroupCallId>,
    /// The call in a room
    #[arg(long, value_name = "ID")]
    room_id: Option<RoomId>,
    /// The call, by this application's connection to it
    #[arg(long, value_name = "ID")]
    call_connection_id: Option<CallConnectionId>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Sound and pictures, all participants together
    #[default]
    Mp4,
    /// Sound, all participants together, compressed
    Mp3,
    /// Sound, all participants together
    Wav,
    /// Sound as WAV with up to five channels, one for each participant
    Unmixed,
}

#[derive(Debug, Args)]
struct Id {
    /// The recording's id, as `start` prints it
    #[arg(value_name = "RECORDING_ID")]
    id: RecordingId,
}

/// Prints whether a recording is active
///
/// A paused recording is inactive, and so is one that has not begun yet. One that was stopped is not
/// found (exit code 4).
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  acs-recording status RECORDING_ID

JSON: {\"recording_id\", \"state\", \"kind\"}")]
pub(crate) struct Which {
    #[command(flatten)]
    recording: Id,
}

/// Pauses a recording: what is said until `resume` is not in the file
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  acs-recording pause RECORDING_ID

JSON: {\"recording_id\", \"done\": \"paused\"}")]
pub(crate) struct Pause {
    #[command(flatten)]
    recording: Id,
}

/// Goes on with a paused recording
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  acs-recording resume RECORDING_ID

JSON: {\"recording_id\", \"done\": \"resumed\"}")]
pub(crate) struct Resume {
    #[command(flatten)]
    recording: Id,
}

/// Ends a recording; its files follow with an event some minutes later
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  acs-recording stop RECORDING_ID

One that is over already counts as stopped, which a note says.

JSON: {\"recording_id\", \"done\": \"stopped\", \"was_over\"}; was_over is true when there was nothing
left to stop.")]
pub(crate) struct Stop {
    #[command(flatten)]
    recording: Id,
}

/// Waits until a recording is active or inactive
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  acs-recording wait RECORDING_ID --until active --within 30s

JSON: {\"recording_id\", \"state\"}. When it takes longer, the exit code is 5.")]
pub(crate) struct Wait {
    #[command(flatten)]
    recording: Id,
    /// The state
    #[arg(long, value_enum, default_value_t)]
    until: State,
    /// How long to wait at the most
    #[arg(long, value_name = "TIME", default_value = "1m", value_parser = crate::text::duration)]
    within: Duration,
    /// The pause between two questions
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = crate::text::duration)]
    every: Duration,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum State {
    #[default]
    Active,
    Inactive,
}

fn channel(text: &str) -> Result<(u8, CommunicationIdentifier), String> {
    let (number, who) = text
        .split_once('=')
        .ok_or("write NUMBER=ID, such as 0=8:acs:…")?;
    let number = number
        .parse()
        .map_err(|_| format!("`{number}` is no channel; there are 0 to 4"))?;
    Ok((number, identifier(who)))
}

impl Call {
    fn target(self) -> Result<CallTarget, Failure> {
        let target = self.server_call_id.map(CallTarget::Server);
        let target = target.or(self.group_call_id.map(CallTarget::Group));
        let target = target.or(self.room_id.map(CallTarget::Room));
        let target = target.or(self.call_connection_id.map(CallTarget::Connection));
        target.ok_or_else(|| Failure::usage("no call is given"))
    }
}

pub(crate) async fn start(options: Start, global: &Global, out: &Output) -> Result<(), Failure> {
    let has_channels = !options.channels.is_empty() || !options.order.is_empty();
    if has_channels && options.media != Kind::Unmixed {
        return Err(Failure::usage("only unmixed media has channels").advise("add --media unmixed"));
    }
    let media = match options.media {
        Kind::Mp4 => Media::mixed_mp4(),
        Kind::Mp3 => Media::mixed_mp3(),
        Kind::Wav => Media::mixed_wav(),
        Kind::Unmixed => {
            let order = options.order.iter().map(|who| identifier(who));
            let media = Media::unmixed_wav().order(order);
            let channels = options.channels.into_iter();
            channels
                .fold(media, |media, (number, who)| media.channel(number, who))
                .into()
        }
    };
    let mut start = client(global)?.start(options.call.target()?).media(media);
    if options.paused {
        start = start.paused();
    }
    if let Some(url) = &options.callback {
        start = start.state_callback(url)?;
    }
    if let Some(url) = &options.storage {
        start = start.storage(url)?;
    }
    if let Some(id) = options.repeatability_id {
        start = start.repeatability_id(id);
    }
    if let Some(time) = options.first_sent {
        start = start.first_sent(time.into());
    }
    let recording = start.await?;
    let answer = recording.start_response();
    let mut state = answer.and_then(|answer| answer.state.clone());
    if options.wait {
        // Whoever interrupts the wait needs the id to stop the recording.
        out.note(&format!(
            "started {}, waiting until it is active",
            recording.id()
        ));
        let wait = recording
            .wait_until(RecordingState::Active)
            .poll_interval(Duration::from_millis(250));
        wait.await.map_err(|error| {
            Failure::from(error).advise(format!(
                "it was started all the same, as {}",
                recording.id()
            ))
        })?;
        state = Some(RecordingState::Active);
    }
    let json = json!({
        "recording_id": recording.id(),
        "state": state.map(|state| state.to_string()),
        "kind": answer.and_then(|answer| Some(answer.kind.as_ref()?.to_string())),
        "outcome_follows": answer.is_some_and(|answer| answer.outcome_follows),
    });
    out.result(recording.id().as_str(), &json)
}

fn recording(id: Id, global: &Global) -> Result<Recording, Failure> {
    Ok(client(global)?.recording(id.id))
}

pub(crate) async fn status(which: Which, global: &Global, out: &Output) -> Result<(), Failure> {
    let recording = recording(which.recording, global)?;
    let properties = recording.properties().await?;
    let state = properties.state.to_string();
    let json = json!({
        "recording_id": recording.id(),
        "state": state,
        "kind": properties.kind.map(|kind| kind.to_string()),
    });
    out.result(&state, &json)
}

pub(crate) async fn pause(which: Pause, global: &Global, out: &Output) -> Result<(), Failure> {
    let recording = recording(which.recording, global)?;
    recording.pause().await?;
    done(&recording, "paused", out)
}

pub(crate) async fn resume(which: Resume, global: &Global, out: &Output) -> Result<(), Failure> {
    let recording = recording(which.recording, global)?;
    recording.resume().await?;
    done(&recording, "resumed", out)
}

pub(crate) async fn stop(which: Stop, global: &Global, out: &Output) -> Result<(), Failure> {
    let recording = recording(which.recording, global)?;
    let was_over = match recording.stop().await {
        Ok(()) => false,
        // The service itself says so: it is not what a gateway has no way to.
        Err(error) if error.service_code() == Some(ServiceCode::NotFound) => true,
        Err(error) => return Err(error.into()),
    };
    if was_over {
        out.note(
            "note: there is no such recording any more: it was stopped, its call is over, or the id \
             is not of this resource",
        );
    }
    let json = json!({"recording_id": recording.id(), "done": "stopped", "was_over": was_over});
    out.result("stopped", &json)
}

fn done(recording: &Recording, what: &str, out: &Output) -> Result<(), Failure> {
    out.result(what, &json!({"recording_id": recording.id(), "done": what}))
}

pub(crate) async fn wait(options: Wait, global: &Global, out: &Output) -> Result<(), Failure> {
    let recording = recording(options.recording, global)?;
    let state = match options.until {
        State::Active => RecordingState::Active,
        State::Inactive => RecordingState::Inactive,
    };
    let wait = recording
        .wait_until(state.clone())
        .timeout(options.within)
        .poll_interval(options.every);
    wait.await?;
    let state = state.to_string();
    let json = json!({"recording_id": recording.id(), "state": state});
    out.result(&state, &json)
}
