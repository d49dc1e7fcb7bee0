//! `start`, `status`, `pause`, `resume`, `stop`, `wait` and `record`.

mod journal;
mod record;
mod watch;

pub(crate) use self::record::{Record, record};

use std::time::Duration;

use acs_recording::models::RecordingState;
use acs_recording::{
    CallConnectionId, CommunicationIdentifier, GroupCallId, Media, Recording, RecordingId,
    RecordingTarget, RoomId, ServerCallId, ServiceCode,
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

/// Starts recording a call, and prints the id of the recording
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  acs-recording start --server-call-id ID --media mp3
  acs-recording start --room-id 99486…  --media unmixed --channel 0=8:acs:… --channel 1=+14255550123
  id=$(acs-recording start --server-call-id ID --wait) && acs-recording stop \"$id\"

JSON: {\"recording_id\", \"state\", \"kind\", \"outcome_pending\"}; outcome_pending is true when the
service only accepted the start, as with --call-connection-id.")]
#[command(group = clap::ArgGroup::new("call").required(true).args(Call::OPTIONS))]
pub(crate) struct Start {
    #[command(flatten)]
    call: Call,

    #[command(flatten)]
    media: MediaOptions,

    /// Starts the recording paused
    #[arg(long)]
    paused: bool,

    /// URL to which the service posts state changes of the recording
    #[arg(long, value_name = "URL")]
    state_callback_url: Option<String>,

    /// Azure Blob Storage container of your own to which the service writes the files
    #[arg(long, value_name = "URL")]
    storage_container_url: Option<String>,

    /// Repeatability id: starts with the same id and --first-sent are one start
    #[arg(long, value_name = "UUID")]
    repeatability_id: Option<Uuid>,

    /// Time when the start with this repeatability id was first sent, such as 2026-03-12T09:30:00Z
    /// [default: now]
    #[arg(long, value_name = "TIME", requires = "repeatability_id")]
    first_sent: Option<Timestamp>,

    /// Waits until the recording is active
    #[arg(long, conflicts_with = "paused")]
    wait: bool,
}

/// What is recorded.
#[derive(Debug, Args)]
struct MediaOptions {
    /// Content and format of the recording
    #[arg(long, value_enum, default_value_t)]
    media: MediaOption,

    /// Channel of a participant in unmixed media, such as `0=8:acs:…` or `1=+14255550123`; can be
    /// repeated
    #[arg(long = "channel", value_name = "N=ID", value_parser = channel)]
    channels: Vec<(u8, CommunicationIdentifier)>,

    /// Participant for the next channel of unmixed media, beginning with channel 0; can be repeated
    #[arg(long, value_name = "ID")]
    channel_order: Vec<String>,
}

/// The call to record. A command requires exactly one of these.
#[derive(Debug, Args)]
#[group(skip)]
#[allow(clippy::struct_field_names, reason = "they are the names of options")]
struct Call {
    /// Server call id, from the event `CallConnected`
    #[arg(long, value_name = "ID")]
    server_call_id: Option<ServerCallId>,
    /// Group call id, a GUID
    #[arg(long, value_name = "GUID")]
    group_call_id: Option<GroupCallId>,
    /// Room id
    #[arg(long, value_name = "ID")]
    room_id: Option<RoomId>,
    /// Call connection id of this application
    #[arg(long, value_name = "ID")]
    call_connection_id: Option<CallConnectionId>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum MediaOption {
    /// Mixed audio and video
    #[default]
    Mp4,
    /// Mixed audio, compressed
    Mp3,
    /// Mixed audio, uncompressed
    Wav,
    /// Unmixed audio as WAV: up to five channels, one for each participant
    Unmixed,
}

#[derive(Debug, Args)]
struct Id {
    /// Id of the recording, as `start` prints it
    #[arg(value_name = "RECORDING_ID")]
    id: RecordingId,
}

/// Prints the state of a recording: active or inactive
///
/// A recording is inactive while it is paused and before it begins. A stopped recording is not found
/// (exit code 4).
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  acs-recording status RECORDING_ID
  acs-recording status RECORDING_ID --watch --interval 5s

JSON: {\"recording_id\", \"state\", \"kind\"}. With --watch, also \"time\", one line for each change; the
last state is \"ended\".")]
pub(crate) struct Status {
    #[command(flatten)]
    recording: Id,

    /// Shows the state until the recording ends
    ///
    /// On a terminal, one line shows the current state. Otherwise, and with --output json, each
    /// change is one line of JSON. Requests that fail for a moment are repeated.
    #[arg(long)]
    watch: bool,

    /// Time between two requests for the state
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = crate::text::duration, requires = "watch")]
    interval: Duration,
}

impl Status {
    /// Whether a signal is the usual way to end the command.
    pub(crate) fn is_watch(&self) -> bool {
        self.watch
    }
}

/// Pauses a recording; nothing is recorded until `resume`
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  acs-recording pause RECORDING_ID

JSON: {\"recording_id\", \"done\": \"paused\"}")]
pub(crate) struct Pause {
    #[command(flatten)]
    recording: Id,
}

/// Resumes a paused recording
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  acs-recording resume RECORDING_ID

JSON: {\"recording_id\", \"done\": \"resumed\"}")]
pub(crate) struct Resume {
    #[command(flatten)]
    recording: Id,
}

/// Stops a recording; an event announces its files a few minutes later
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  acs-recording stop RECORDING_ID

A recording that has already ended counts as stopped, with a note.

JSON: {\"recording_id\", \"done\": \"stopped\", \"already_ended\"}")]
pub(crate) struct Stop {
    #[command(flatten)]
    recording: Id,
}

/// Waits until a recording is active or inactive
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  acs-recording wait RECORDING_ID --until active --timeout 30s

JSON: {\"recording_id\", \"state\"}. The exit code is 5 if the timeout expires.")]
pub(crate) struct Wait {
    #[command(flatten)]
    recording: Id,
    /// State to wait for
    #[arg(long, value_enum, default_value_t)]
    until: State,
    /// Maximum time to wait
    #[arg(long, value_name = "TIME", default_value = "1m", value_parser = crate::text::duration)]
    timeout: Duration,
    /// Time between two requests for the state
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = crate::text::duration)]
    interval: Duration,
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
        .map_err(|_| format!("`{number}` is not a channel; use 0 to 4"))?;
    Ok((number, identifier(who)))
}

impl MediaOptions {
    fn media(&self) -> Result<Media, Failure> {
        let has_channels = !self.channels.is_empty() || !self.channel_order.is_empty();
        if has_channels && self.media != MediaOption::Unmixed {
            return Err(
                Failure::usage("only unmixed media has channels").hint("add --media unmixed")
            );
        }
        Ok(match self.media {
            MediaOption::Mp4 => Media::mixed_mp4(),
            MediaOption::Mp3 => Media::mixed_mp3(),
            MediaOption::Wav => Media::mixed_wav(),
            MediaOption::Unmixed => {
                let order = self.channel_order.iter().map(|who| identifier(who));
                let media = Media::unmixed_wav().channel_order(order);
                let channels = self.channels.iter().cloned();
                channels
                    .fold(media, |media, (number, who)| media.channel(number, who))
                    .into()
            }
        })
    }
}

impl Call {
    /// The names of its options.
    const OPTIONS: [&'static str; 4] = [
        "server_call_id",
        "group_call_id",
        "room_id",
        "call_connection_id",
    ];

    fn target(&self) -> Result<RecordingTarget, Failure> {
        let target = self.server_call_id.clone().map(RecordingTarget::from);
        let target = target.or(self.group_call_id.clone().map(Into::into));
        let target = target.or(self.room_id.clone().map(Into::into));
        let target = target.or(self.call_connection_id.clone().map(Into::into));
        target.ok_or_else(|| Failure::usage("no call is specified"))
    }
}

pub(crate) async fn start(options: Start, global: &Global, out: &Output) -> Result<(), Failure> {
    let media = options.media.media()?;
    let mut start = client(global)?.start(options.call.target()?).media(media);
    if options.paused {
        start = start.paused();
    }
    if let Some(url) = &options.state_callback_url {
        start = start.state_callback(url)?;
    }
    if let Some(url) = &options.storage_container_url {
        start = start.storage_container(url)?;
    }
    if let Some(id) = options.repeatability_id {
        let first_sent = options.first_sent.unwrap_or_else(Timestamp::now);
        start = start.repeatability(id, first_sent.into());
    }
    let recording = start.await?;
    let response = recording.start_response();
    let mut state = response.and_then(|response| response.state.clone());
    if options.wait {
        // The id is needed to stop the recording if the wait is interrupted.
        out.note(&format!(
            "started {}; waiting until it is active",
            recording.id()
        ));
        let wait = recording
            .wait_until(RecordingState::Active)
            .poll_interval(Duration::from_millis(250));
        wait.await.map_err(|error| {
            Failure::from(error).hint(format!("the recording was started as {}", recording.id()))
        })?;
        state = Some(RecordingState::Active);
    }
    let json = json!({
        "recording_id": recording.id(),
        "state": state.map(|state| state.to_string()),
        "kind": response.and_then(|response| Some(response.kind.as_ref()?.to_string())),
        "outcome_pending": response.is_some_and(|response| response.outcome_pending),
    });
    out.result(recording.id().as_str(), &json)
}

fn recording(id: Id, global: &Global) -> Result<Recording, Failure> {
    Ok(client(global)?.recording(id.id))
}

pub(crate) async fn status(
    options: Status,
    global: &Global,
    out: &Output,
    stop: crate::stop::Stop,
) -> Result<(), Failure> {
    let recording = recording(options.recording, global)?;
    if options.watch {
        return watch::watch(&recording, options.interval, out, stop).await;
    }
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
    let already_ended = match recording.stop().await {
        Ok(()) => false,
        // The code shows that the response is the service's, not a gateway's.
        Err(error) if error.service_code() == Some(ServiceCode::NotFound) => true,
        Err(error) => return Err(error.into()),
    };
    if already_ended {
        out.note(
            "note: the recording was not found: it has already ended, or its id belongs to another \
             resource",
        );
    }
    let json =
        json!({"recording_id": recording.id(), "done": "stopped", "already_ended": already_ended});
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
        .timeout(options.timeout)
        .poll_interval(options.interval);
    wait.await?;
    let state = state.to_string();
    let json = json!({"recording_id": recording.id(), "state": state});
    out.result(&state, &json)
}
