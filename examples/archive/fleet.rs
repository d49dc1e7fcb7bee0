//! The three workers, and the death of one of them.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::place::Place;
use crate::service::Service;

const WORKERS: usize = 3;
/// The number of the worker that is killed, counted from 1.
const VICTIM: usize = 2;
/// How many recordings are archived before.
const ARCHIVED_BEFORE: usize = 3;
const TIMEOUT: Duration = Duration::from_secs(45);
/// Workers end soon after their standard input does.
const GRACE: Duration = Duration::from_secs(10);

/// The workers.
pub struct Fleet {
    workers: Vec<Child>,
    lines: mpsc::Receiver<(usize, Option<Value>)>,
}

/// Which worker did what.
#[derive(Debug, Default)]
pub struct History {
    /// Who has archived a recording, by its id.
    pub archived_by: BTreeMap<String, usize>,
    /// What the killed worker had begun.
    pub interrupted: BTreeSet<String>,
}

impl History {
    pub fn victim() -> usize {
        VICTIM
    }
}

impl Fleet {
    /// Starts this program as three workers.
    pub fn start(place: &Place, service: &Service) -> Result<Self> {
        let (sender, lines) = mpsc::channel(64);
        let mut workers = Vec::new();
        for number in 1..=WORKERS {
            let mut command = Command::new(std::env::current_exe()?);
            command.args(["--worker", &number.to_string()]);
            command.env("ACS_CONNECTION_STRING", service.connection_string());
            place.pass_to(&mut command);
            command.stdin(Stdio::piped()).stdout(Stdio::piped());
            let mut worker = command.kill_on_drop(true).spawn()?;
            let id = worker.id().unwrap_or_default();
            println!("worker {number}            process {id}");
            let output = worker.stdout.take().context("no standard output")?;
            let sender = sender.clone();
            tokio::spawn(async move {
                let mut output = BufReader::new(output).lines();
                while let Ok(Some(line)) = output.next_line().await {
                    let line = serde_json::from_str(&line).ok();
                    if line.is_some() && sender.send((number, line)).await.is_err() {
                        return;
                    }
                }
                let _ = sender.send((number, None)).await;
            });
            workers.push(worker);
        }
        Ok(Self { workers, lines })
    }

    /// Lets them archive so many recordings, and kills one of them in the middle of a transfer.
    pub async fn run(mut self, recordings: usize) -> Result<History> {
        let done = timeout(TIMEOUT, self.archive(recordings)).await;
        let history = done.context("not everything is archived in time")??;
        for worker in &mut self.workers {
            drop(worker.stdin.take());
            // It may be the one that was killed.
            timeout(GRACE, worker.wait())
                .await
                .context("a worker does not end")??;
        }
        Ok(history)
    }

    async fn archive(&mut self, recordings: usize) -> Result<History> {
        let mut history = History::default();
        let mut is_killed = false;
        // What the victim has begun and not finished.
        let mut begun = BTreeSet::new();
        while history.archived_by.len() < recordings || history.interrupted.is_empty() {
            let (number, line) = self.lines.recv().await.context("no worker is left")?;
            let Some(line) = line else {
                ensure!(
                    number == VICTIM && is_killed,
                    "worker {number} has ended by itself"
                );
                history.interrupted.append(&mut begun);
                ensure!(
                    !history.interrupted.is_empty(),
                    "worker {number} was not in the middle of a transfer"
                );
                continue;
            };
            let recording = line["recording"].as_str().unwrap_or_default().to_owned();
            match line["event"].as_str() {
                Some("started") if number == VICTIM => {
                    begun.insert(recording);
                }
                Some("transferring")
                    if number == VICTIM
                        && !is_killed
                        && history.archived_by.len() >= ARCHIVED_BEFORE =>
                {
                    let victim = &mut self.workers[VICTIM - 1];
                    victim.start_kill()?;
                    is_killed = true;
                    println!("worker {VICTIM}            killed in the middle of a transfer");
                }
                Some("finished") => {
                    if number == VICTIM {
                        begun.remove(&recording);
                    }
                    match line["outcome"].as_str() {
                        Some("archived") => {
                            history.archived_by.insert(recording, number);
                        }
                        // It had been archived, and the message was not removed.
                        Some("already") => {
                            history.archived_by.entry(recording).or_insert(number);
                        }
                        Some("released" | "lease_lost" | "unsettled") => {}
                        other => bail!("worker {number} gave up a recording: {other:?}"),
                    }
                }
                _ => {}
            }
        }
        Ok(history)
    }
}
