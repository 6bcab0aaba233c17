//! Starting runs, sending messages and asking for results, as the package's own client does.

use std::sync::Arc;
use std::time::Duration;

use super::encode;
use super::files::SubstantialFiles;
use super::listing::{ListedRun, Listing};
use super::records::{
    EventBody, SubstantialEvent, SubstantialPayload, SubstantialReading, SubstantialStop, read_event,
};
use super::stored_run::{NewSchedule, StoredRun};
use super::zone::WorkerZone;
use crate::json::Json;
use crate::store::Error;
use crate::text::quote;
use crate::time::Timestamp;

/// How many microseconds behind the time that was given a schedule may come to be, because others have those before.
const SHIFT_US_MAX: i64 = 64;

/// A store of the package, on either medium. Clones share it.
#[derive(Clone, Debug)]
pub enum SubstantialClient {
    /// On files.
    Files(Arc<SubstantialFiles>),
    /// On Redis.
    Redis(Arc<super::SubstantialRedis>),
}

/// What was handed to the workers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedEvent {
    /// The run.
    pub run: String,
    /// The time of its schedule, naive: the one that was given, or a few microseconds later.
    pub at: Timestamp,
}

/// Why something was not handed to the workers, and whether it is there all the same: none if that cannot be seen.
pub(crate) struct Unplanned {
    /// The run.
    pub(crate) run: String,
    pub(crate) landed: Option<bool>,
    pub(crate) source: Error,
}

impl From<Unplanned> for Error {
    fn from(unplanned: Unplanned) -> Error {
        unplanned.source
    }
}

/// The id of a new run, made of 128 random bits: `<workflow>-<uuid4>`.
fn run_id(workflow: &str, random: u128) -> String {
    let bits = random & !(0xf << 76) & !(0b11 << 62) | 0x4 << 76 | 0b10 << 62;
    let hex = format!("{bits:032x}");
    format!("{workflow}-{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// Refuses names that the package could not have, or that no store could hold.
fn check(what: &str, name: &str) -> Result<(), Error> {
    let problem = match name {
        "" => "it is empty",
        name if !crate::store::beneath::is_name(name) => "it is not one name of a file",
        name if name.contains(":/") => "it has `:/` in it, which separates the parts of keys",
        name if name.chars().any(char::is_control) => "it has control characters in it",
        _ => return Ok(()),
    };
    Err(Error::invalid(what, format!("{}: {problem}", quote(name))))
}

async fn blocking<T: Send + 'static>(
    files: &Arc<SubstantialFiles>,
    work: impl FnOnce(&SubstantialFiles) -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let files = files.clone();
    let done = tokio::task::spawn_blocking(move || work(&files)).await;
    done.unwrap_or_else(|error| Err(Error::unavailable("using a folder", error)))
}

impl SubstantialClient {
    /// The zone of the store's times.
    pub fn zone(&self) -> &WorkerZone {
        match self {
            SubstantialClient::Files(files) => files.zone(),
            SubstantialClient::Redis(redis) => redis.zone(),
        }
    }

    /// A page of the runs, of one workflow or of all, behind `after`.
    ///
    /// # Errors
    /// As the medium says.
    pub async fn runs(
        &self,
        workflow: Option<&str>,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Listing<ListedRun>, Error> {
        let (workflow, after) = (workflow.map(str::to_owned), after.map(str::to_owned));
        match self {
            SubstantialClient::Files(files) => {
                blocking(files, move |files| files.runs(workflow.as_deref(), after.as_deref(), limit)).await
            }
            SubstantialClient::Redis(redis) => redis.runs(workflow.as_deref(), after.as_deref(), limit).await,
        }
    }

    /// All that there is about some runs, in their order.
    ///
    /// # Errors
    /// As the medium says; [`Error::Invalid`] for what can be no run.
    pub async fn read(&self, runs: &[&str]) -> Result<Vec<StoredRun>, Error> {
        match self {
            SubstantialClient::Files(files) => {
                let runs: Vec<String> = runs.iter().map(|run| (*run).to_owned()).collect();
                blocking(files, move |files| files.read(&runs.iter().map(String::as_str).collect::<Vec<_>>())).await
            }
            SubstantialClient::Redis(redis) => redis.read(runs).await,
        }
    }

    /// Starts a run of a workflow at the point in time `now`; `random` makes its id. `kwargs` are its arguments by name.
    ///
    /// # Errors
    /// [`Error::Invalid`] for names and arguments that the package could not have, and as the medium says.
    pub async fn start(
        &self,
        workflow: &str,
        kwargs: &Json<'_>,
        queue: &str,
        random: u128,
        now: Timestamp,
    ) -> Result<PlannedEvent, Error> {
        Ok(self.plan_start(workflow, kwargs, queue, random, now).await?)
    }

    /// As [`SubstantialClient::start`], and an error says what is known of the run.
    pub(crate) async fn plan_start(
        &self,
        workflow: &str,
        kwargs: &Json<'_>,
        queue: &str,
        random: u128,
        now: Timestamp,
    ) -> Result<PlannedEvent, Unplanned> {
        let run = run_id(workflow, random);
        let checked =
            check("workflow", workflow).and_then(|()| check("queue", queue)).and_then(|()| check("run", &run));
        checked.map_err(|source| Unplanned { run: run.clone(), landed: Some(false), source })?;
        self.plan(queue, &run, Some(workflow), now, |at| encode::start(at, kwargs)).await
    }

    /// Sends a message to a run at the point in time `now`. Whether there is such a run, and whether it still takes messages, is
    /// not looked at: the package does not either.
    ///
    /// # Errors
    /// [`Error::Invalid`] for names and values that the package could not have, and as the medium says.
    pub async fn send(
        &self,
        run: &str,
        name: &str,
        value: &Json<'_>,
        queue: &str,
        now: Timestamp,
    ) -> Result<PlannedEvent, Error> {
        Ok(self.plan_send(run, name, value, queue, now).await?)
    }

    /// As [`SubstantialClient::send`], and an error says what is known of the message.
    pub(crate) async fn plan_send(
        &self,
        run: &str,
        name: &str,
        value: &Json<'_>,
        queue: &str,
        now: Timestamp,
    ) -> Result<PlannedEvent, Unplanned> {
        let checked = check("run", run).and_then(|()| check("queue", queue));
        checked.map_err(|source| Unplanned { run: run.to_owned(), landed: Some(false), source })?;
        self.plan(queue, run, None, now, |at| encode::send(at, name, value)).await
    }

    /// The history alone of a run.
    ///
    /// # Errors
    /// [`Error::Invalid`] for what can be no run, and as the medium says.
    pub async fn reading(&self, run: &str) -> Result<Option<SubstantialReading>, Error> {
        match self {
            SubstantialClient::Files(files) => {
                let run = run.to_owned();
                blocking(files, move |files| files.reading(&run)).await
            }
            SubstantialClient::Redis(redis) => redis.reading(run).await,
        }
    }

    /// What a run ended with: as for the package, at its first end. None if it goes on, or is not there.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if the history cannot be read so far, [`Error::Invalid`] for what can be no run, and as the medium says.
    pub async fn result(&self, run: &str) -> Result<Option<SubstantialStop>, Error> {
        self.reading(run).await?.map_or(Ok(None), |reading| outcome(run, reading))
    }

    /// Waits until a run has ended, looking every `pause`. Whoever does not want to wait for ever drops the future.
    ///
    /// # Errors
    /// As [`SubstantialClient::result`].
    pub async fn wait(&self, run: &str, pause: Duration) -> Result<SubstantialStop, Error> {
        loop {
            if let Some(outcome) = self.result(run).await? {
                return Ok(outcome);
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// Adds a schedule at `now`, or at the first microsecond after it that no other has.
    async fn plan(
        &self,
        queue: &str,
        run: &str,
        workflow: Option<&str>,
        now: Timestamp,
        event: impl Fn(Timestamp) -> Result<String, Error>,
    ) -> Result<PlannedEvent, Unplanned> {
        let unplanned = |landed, source| Unplanned { run: run.to_owned(), landed, source };
        let now = self.zone().naive(now);
        for shift in 0..=SHIFT_US_MAX {
            let at = now.offset_micros(shift);
            let event = event(at).map_err(|error| unplanned(Some(false), error))?;
            let schedule = NewSchedule {
                queue: queue.to_owned(),
                run: run.to_owned(),
                at,
                event,
                workflow: workflow.map(str::to_owned),
            };
            let added = match self.add_schedule(schedule.clone()).await {
                Ok(added) => added,
                // What leads workers there comes last, so that what was refused is not there.
                Err(error) if !error.retryable() => return Err(unplanned(Some(false), error)),
                // The answer may be lost, and the schedule there.
                Err(error) => match self.is_planned(schedule).await {
                    Ok(true) => true,
                    seen => return Err(unplanned(seen.ok(), error)),
                },
            };
            if added {
                return Ok(PlannedEvent { run: run.to_owned(), at });
            }
        }
        let problem = std::io::Error::other("others have every microsecond");
        Err(unplanned(Some(false), Error::unavailable(format!("adding a schedule at {now}"), problem)))
    }

    async fn add_schedule(&self, new: NewSchedule) -> Result<bool, Error> {
        match self {
            SubstantialClient::Files(files) => blocking(files, move |files| files.add_schedule(&new)).await,
            SubstantialClient::Redis(redis) => redis.add_schedule(&new).await,
        }
    }

    /// Whether workers are led to an event, or one has moved it into the history.
    async fn is_planned(&self, new: NewSchedule) -> Result<bool, Error> {
        let wanted = read_event(new.event.as_bytes()).ok();
        let run = new.run.clone();
        let held = match self {
            SubstantialClient::Files(files) => blocking(files, move |files| files.scheduled(&new)).await?,
            SubstantialClient::Redis(redis) => redis.scheduled(&new).await?,
        };
        if held.is_some_and(|held| read_event(&held).ok() == wanted) {
            return Ok(true);
        }
        let reading = self.reading(&run).await?;
        Ok(reading.is_some_and(|reading| reading.events.into_iter().any(|event| Some(event) == wanted)))
    }
}

fn outcome(run: &str, reading: SubstantialReading) -> Result<Option<SubstantialStop>, Error> {
    let stops = |event| match event {
        SubstantialEvent { body: Some(EventBody::Stop(stop)), .. } => Some(stop),
        _ => None,
    };
    match reading.events.into_iter().find_map(stops) {
        // The package takes what says neither for a result.
        Some(SubstantialStop::Unsaid) => return Ok(Some(SubstantialStop::Ok(SubstantialPayload::default()))),
        Some(stop) => return Ok(Some(stop)),
        None => {}
    }
    match reading.misread {
        // It is being written: whoever waits looks again.
        Some(misread) if !misread.torn => {
            Err(Error::corrupt(format!("history of {}", quote(run)), misread.to_string()))
        }
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_of_version_4() {
        assert_eq!(run_id("w", 0), "w-00000000-0000-4000-8000-000000000000");
        assert_eq!(run_id("w", u128::MAX), "w-ffffffff-ffff-4fff-bfff-ffffffffffff");
    }
}
