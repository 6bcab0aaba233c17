//! Runs of the package `substantial`: which there are, and where each stands.

use std::collections::HashMap;

use super::run::run_of;
use crate::compat::substantial::{
    StoredRun, SubstantialClient, SubstantialHistory, SubstantialLife, WorkerZone, likely_messages,
};
use crate::runs::run::Run;
use crate::runs::{RunBatch, RunIds};
use crate::store::{Error, LIST_PAGE};
use crate::time::Timestamp;

/// How many other runs of a workflow are looked at to tell what a run of it may wait for.
const OTHERS_MAX: usize = 200;

/// How many runs in a Redis are held at a time.
const REDIS_MAX: usize = 500;

/// Most names of messages that a run may wait for.
const LIKELY_MAX: usize = 5;

pub(in crate::runs) async fn ids(
    client: &SubstantialClient,
    workflow: Option<&str>,
    start: &str,
    after: Option<&str>,
    limit: usize,
) -> Result<RunIds, Error> {
    let mut found = RunIds::default();
    // Most names that come before those that are wanted are passed over: those up to the wanted start without its last message.
    let front = start.char_indices().last().map(|(at, _)| &start[..at]).filter(|front| !front.is_empty());
    let mut after = after.or(front).map(str::to_owned);
    loop {
        let page = client.runs(workflow, after.as_deref(), if start.is_empty() { limit } else { LIST_PAGE }).await?;
        after = page.items.last().map(|listed| listed.run.clone());
        found.warnings.extend(page.warnings);
        let past = page.items.last().is_some_and(|listed| &*listed.run > start && !listed.run.starts_with(start));
        found.ids.extend(page.items.into_iter().map(|listed| listed.run).filter(|run| run.starts_with(start)));
        found.more = page.more && !past;
        if found.ids.len() >= limit || !found.more {
            found.more |= found.ids.len() > limit;
            found.ids.truncate(limit);
            return Ok(found);
        }
    }
}

pub(in crate::runs) async fn has(client: &SubstantialClient, id: &str) -> Result<bool, Error> {
    match read_one(client, id).await? {
        None => Ok(false),
        Some(found) if !found.is_nothing() => Ok(true),
        // A start that was cut off behind its first part leaves the link alone.
        Some(_) => Ok(ids(client, None, id, None, 1).await?.ids.iter().any(|known| known == id)),
    }
}

/// All about one run; none if no run can have this id.
pub(super) async fn read_one(client: &SubstantialClient, id: &str) -> Result<Option<StoredRun>, Error> {
    match client.read(&[id]).await {
        Ok(mut found) => Ok(found.pop()),
        Err(Error::Invalid { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What is seen of one run.
struct Sight {
    run: Run,
    /// What it was sent, if that says what it may wait for.
    life: Option<SubstantialLife>,
    warnings: Vec<String>,
    /// Why nothing can be said about it.
    refusal: Option<Error>,
}

impl Sight {
    fn new(zone: &WorkerZone, found: &StoredRun, now: Timestamp) -> Self {
        let history = found.history();
        let run = run_of(zone, found, &history, now);
        let is_unnamed = run.waiting_for.as_ref().is_some_and(|waiting| waiting.unnamed.is_some());
        let life = history.life().filter(|_| is_unnamed).cloned();
        Sight { run, life, warnings: found.warnings.clone(), refusal: found.refusal() }
    }
}

pub(in crate::runs) async fn look(
    client: &SubstantialClient,
    ids: &[String],
    now: Timestamp,
) -> Result<RunBatch, Error> {
    let mut looked = RunBatch::default();
    let mut others = Others::default();
    for mut sight in sights(client, ids, now).await? {
        if let Some(refusal) = sight.refusal {
            looked.runs.push((sight.run.id, Err(refusal)));
            continue;
        }
        for warning in sight.warnings {
            if !looked.warnings.contains(&warning) {
                looked.warnings.push(warning);
            }
        }
        if let Some(life) = &sight.life {
            others.complete(client, &mut sight.run, life).await?;
        }
        looked.runs.push((sight.run.id.clone(), Ok(sight.run)));
    }
    Ok(looked)
}

async fn sights(client: &SubstantialClient, ids: &[String], now: Timestamp) -> Result<Vec<Sight>, Error> {
    let mut sights: Vec<Option<Sight>> = ids.iter().map(|_| None).collect();
    match client {
        SubstantialClient::Files(files) => {
            let (files, ids) = (files.clone(), ids.to_vec());
            let read = tokio::task::spawn_blocking(move || {
                let names: Vec<&str> = ids.iter().map(String::as_str).collect();
                let zone = files.zone().clone();
                files.read_each(&names, |at, found| sights[at] = Some(Sight::new(&zone, &found, now)))?;
                Ok(sights)
            });
            sights = read.await.unwrap_or_else(|error| Err(Error::unavailable("reading a folder", error)))?;
        }
        SubstantialClient::Redis(_) => {
            let chunks = ids.chunks(REDIS_MAX).zip(sights.chunks_mut(REDIS_MAX));
            for (ids, sights) in chunks {
                let names: Vec<&str> = ids.iter().map(String::as_str).collect();
                for (found, sight) in client.read(&names).await?.iter().zip(sights) {
                    *sight = Some(Sight::new(client.zone(), found, now));
                }
            }
        }
    }
    Ok(sights.into_iter().flatten().collect())
}

/// What other runs of each workflow were sent.
#[derive(Default)]
pub(super) struct Others {
    lives: HashMap<String, Vec<SubstantialLife>>,
}

impl Others {
    /// Adds what a run that waits for a message may wait for.
    pub(super) async fn complete(
        &mut self,
        client: &SubstantialClient,
        run: &mut Run,
        life: &SubstantialLife,
    ) -> Result<(), Error> {
        let unnamed = run.waiting_for.as_mut().and_then(|waiting| waiting.unnamed.as_mut());
        let (Some(unnamed), Some(workflow)) = (unnamed, &run.workflow) else { return Ok(()) };
        if !self.lives.contains_key(workflow) {
            let mut lives = Vec::new();
            for listed in client.runs(Some(workflow), None, OTHERS_MAX).await?.items {
                // One that cannot be read tells nothing.
                let reading = client.reading(&listed.run).await.ok().flatten();
                lives.extend(reading.into_iter().flat_map(|reading| SubstantialHistory::of(&reading).lives));
            }
            self.lives.insert(workflow.clone(), lives);
        }
        let lives = self.lives.get(workflow).map(Vec::as_slice).unwrap_or_default();
        unnamed.likely = likely_messages(life, lives).into_iter().take(LIKELY_MAX).map(|(name, _)| name).collect();
        Ok(())
    }
}
