//! `record`: records a call from its start to files that are verified.

mod background;
mod live_line;
mod options;
mod run;

use std::sync::Mutex;

use acs_recording::spool::Spool;
use serde_json::json;
use tokio::sync::{mpsc, watch};

use self::background::Session;
pub(crate) use self::options::Record;
use self::run::Run;
use super::journal::Journal;
use crate::client::client;
use crate::failure::Failure;
use crate::options::Global;
use crate::output::Output;
use crate::saving::DeletePolicy;
use crate::stop::Stop;

pub(crate) async fn record(
    mut options: Record,
    global: &Global,
    out: &Output,
    stop: Stop,
) -> Result<(), Failure> {
    options.settings.operation_timeout(global.operation_timeout);
    // Everything that can fail is tried before the recording starts.
    let client = client(global)?;
    let folder = options.dir.clone();
    std::fs::create_dir_all(&folder).map_err(|error| Failure::file(&folder, &error))?;
    let mut journal = Journal::open(&folder)?;
    if let Some(id) = &options.resume
        && let Some(manifest) = journal.manifest(id)?
    {
        out.note("the recording was saved before");
        let json = json!({"recording_id": id, "step": "saved", "manifest": manifest});
        return out.result(&manifest.display().to_string(), &json);
    }
    let spool = Spool::open(folder.join(".spool")).await.map_err(|error| {
        Failure::from(error).hint(
            "if `events listen` downloads to this folder, use `acs-recording start`: it saves \
             the recording",
        )
    })?;
    let source = options.source(global, out).await?;
    let (sender, outcomes) = mpsc::unbounded_channel();
    let (wanted, wanted_receiver) = watch::channel(None);
    let session = Session {
        client: client.clone(),
        folder,
        settings: options.settings.clone(),
        deletes: DeletePolicy {
            complete: options.delete_after,
            incomplete: false,
        },
        out: out.clone(),
        outcomes: sender,
        saved: Mutex::default(),
    };
    let background = background::run(source, spool, session, wanted_receiver);
    let foreground = async {
        let mut recording = Run {
            options: &options,
            journal: &mut journal,
            wanted,
            outcomes,
            out,
        };
        recording.run(&client, stop).await
    };
    tokio::select! {
        outcome = foreground => outcome,
        () = background => Err(Failure::usage("the webhook has ended")),
    }
}
