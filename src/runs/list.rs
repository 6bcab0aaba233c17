//! Going through all runs of some stores, in the order of their ids.

use std::collections::VecDeque;

use super::filter::{RunFilter, RunFilterError};
use super::problem::RunProblem;
use super::run::Run;
use super::{RunBatch, Runs};
use crate::store::{Error, LIST_PAGE};
use crate::time::Timestamp;
use crate::workflow::Status;

/// How many ids are asked for at first: few, so that the first runs come at once.
const FIRST_PAGE: usize = 512;

/// Which runs are wanted; all of them by default.
#[derive(Clone, Debug, Default)]
pub struct RunQuery {
    /// Only runs of this workflow.
    pub workflow: Option<String>,
    /// Only runs with one of these statuses; if there are none, any will do.
    pub statuses: Vec<Status>,
    /// Only runs to which something has happened since.
    pub since: Option<Timestamp>,
    /// Only runs of which this holds.
    pub filter: Option<RunFilter>,
}

impl RunQuery {
    /// Whether a run is wanted, but for the filter.
    fn fits(&self, run: &Run) -> bool {
        self.workflow.as_ref().is_none_or(|workflow| run.workflow.as_ref() == Some(workflow))
            && (self.statuses.is_empty() || self.statuses.contains(&run.status))
            && self.since.is_none_or(|since| run.updated_at.is_some_and(|at| at >= since))
    }
}

/// The order of runs in a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RunOrder {
    /// That of their ids, in which they are read.
    #[default]
    Id,
    /// The last to begin first.
    Started,
    /// The last to which something happened first.
    Updated,
    /// Those that have stood as they do for longest first.
    Since,
}

impl RunOrder {
    /// Puts what has a run in this order, if that is in the order of the runs' ids.
    pub fn sort<T>(self, all: &mut [T], run: impl Fn(&T) -> &Run) {
        match self {
            RunOrder::Id => {}
            RunOrder::Started => all.sort_by_key(|one| std::cmp::Reverse(run(one).started_at)),
            RunOrder::Updated => all.sort_by_key(|one| std::cmp::Reverse(run(one).updated_at)),
            RunOrder::Since => all.sort_by_key(|one| (run(one).since.is_none(), run(one).since)),
        }
    }
}

/// A run, and all that is wrong with its history.
type CheckedRun = (Run, Vec<RunProblem>);

/// What comes while runs are gone through.
#[derive(Debug)]
pub enum ListItem<T = Run> {
    /// A run that is wanted, or what was made of it.
    Run(T),
    /// A run that cannot be told of, and why.
    Unreadable(String, Error),
    /// A run for which the filter has no answer, and why.
    Unanswered(String, RunFilterError),
    /// Something else that could not be read, with its place.
    Warning(String),
    /// That was all of so many runs that were read together; the next ones may take a while.
    BatchEnd(u64),
}

/// How many runs were gone through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListCounts {
    /// Those that could be read.
    pub read: u64,
    /// Those for which the filter was tried.
    pub tried: u64,
    /// Those of them for which it has no answer.
    pub unanswered: u64,
}

impl std::ops::AddAssign for ListCounts {
    fn add_assign(&mut self, more: Self) {
        self.read += more.read;
        self.tried += more.tried;
        self.unanswered += more.unanswered;
    }
}

/// All runs of some stores, one store after the other. Within a tokio runtime, batches are read on its threads.
#[derive(Clone, Copy, Debug)]
pub struct RunList<'a> {
    stores: &'a [Runs],
    now: Timestamp,
    batches: usize,
}

impl<'a> RunList<'a> {
    /// The runs as they stand at `now`, with so many batches being read at a time once the first one has come.
    pub fn new(stores: &'a [Runs], now: Timestamp, batches: usize) -> Self {
        RunList { stores, now, batches: batches.max(1) }
    }

    /// Hands each run that is wanted to `take`, in order, until that returns false.
    ///
    /// # Errors
    /// What a medium says of more than one run, and what `take` says.
    pub async fn each<E: From<Error>>(
        &self,
        query: &RunQuery,
        take: &mut dyn FnMut(ListItem) -> Result<bool, E>,
    ) -> Result<ListCounts, E> {
        let mut counts = ListCounts::default();
        let look = |runs: Runs, ids: Vec<String>, now| async move { runs.look(&ids, now).await };
        let mut sift = |item| {
            let ListItem::Run(run) = item else { return take(item) };
            counts.read += 1;
            let filter = match &query.filter {
                _ if !query.fits(&run) => return Ok(true),
                None => return take(ListItem::Run(run)),
                Some(filter) => filter,
            };
            counts.tried += 1;
            match filter.holds(&run) {
                Ok(true) => take(ListItem::Run(run)),
                Ok(false) => Ok(true),
                Err(error) => {
                    counts.unanswered += 1;
                    take(ListItem::Unanswered(run.id, error))
                }
            }
        };
        self.each_batch(query.workflow.as_deref(), look, &mut sift).await?;
        Ok(counts)
    }

    /// Hands each run to `take` with all that is wrong with its history, in order, until that returns false.
    ///
    /// # Errors
    /// As [`RunList::each`].
    pub async fn verify<E: From<Error>>(
        &self,
        take: &mut dyn FnMut(ListItem<CheckedRun>) -> Result<bool, E>,
    ) -> Result<(), E> {
        self.each_batch(None, verify, take).await
    }

    /// Where a store knows the workflow without reading the run, others than `workflow` are left out.
    async fn each_batch<T, F, E>(
        &self,
        workflow: Option<&str>,
        work: impl Fn(Runs, Vec<String>, Timestamp) -> F,
        take: &mut dyn FnMut(ListItem<T>) -> Result<bool, E>,
    ) -> Result<(), E>
    where
        T: Send + 'static,
        F: Future<Output = Result<RunBatch<T>, Error>> + Send + 'static,
        E: From<Error>,
    {
        for runs in self.stores {
            let mut ids = Pages::new(runs, workflow);
            // At first one batch, so that its runs come at once; then so many that those who read always have something to do.
            let (mut ahead, mut working) = (1, VecDeque::new());
            loop {
                while working.len() < ahead
                    && let Some(batch) = ids.batch(take).await?
                {
                    working.push_back(tokio::spawn(work(runs.clone(), batch, self.now)));
                }
                let Some(batch) = working.pop_front() else { break };
                let batch = batch.await.map_err(|error| Error::unavailable("reading runs", error))??;
                ahead = self.batches;
                if !hand_on(batch, take)? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

/// The ids of a store, some at a time.
struct Pages<'a> {
    runs: &'a Runs,
    workflow: Option<&'a str>,
    after: Option<String>,
    size: usize,
    more: bool,
    left: VecDeque<String>,
}

impl<'a> Pages<'a> {
    fn new(runs: &'a Runs, workflow: Option<&'a str>) -> Self {
        Pages { runs, workflow, after: None, size: FIRST_PAGE, more: true, left: VecDeque::new() }
    }

    /// As many as are to be looked at together; none if there are no more.
    async fn batch<T, E: From<Error>>(
        &mut self,
        take: &mut dyn FnMut(ListItem<T>) -> Result<bool, E>,
    ) -> Result<Option<Vec<String>>, E> {
        while self.left.is_empty() && self.more {
            let page = self.runs.ids(self.workflow, "", self.after.as_deref(), self.size).await?;
            for warning in page.warnings {
                take(ListItem::Warning(warning))?;
            }
            self.after = page.ids.last().cloned();
            (self.more, self.size) = (page.more && self.after.is_some(), LIST_PAGE);
            self.left.extend(page.ids);
        }
        let batch: Vec<String> = self.left.drain(..self.left.len().min(self.runs.batch())).collect();
        Ok(Some(batch).filter(|batch| !batch.is_empty()))
    }
}

/// Hands on what a batch has; false if no more is wanted.
fn hand_on<T, E>(batch: RunBatch<T>, take: &mut dyn FnMut(ListItem<T>) -> Result<bool, E>) -> Result<bool, E> {
    for warning in batch.warnings {
        take(ListItem::Warning(warning))?;
    }
    let count = batch.runs.len() as u64;
    for (id, run) in batch.runs {
        let item = run.map_or_else(|error| ListItem::Unreadable(id, error), ListItem::Run);
        if !take(item)? {
            return Ok(false);
        }
    }
    take(ListItem::BatchEnd(count))
}

/// Looks at some runs, and finds all that is wrong with each.
async fn verify(runs: Runs, ids: Vec<String>, now: Timestamp) -> Result<RunBatch<CheckedRun>, Error> {
    let RunBatch { runs: looked, warnings } = runs.look(&ids, now).await?;
    let mut verified = Vec::new();
    for (id, run) in looked {
        // A look folds the last generation alone.
        let details = match &run {
            Ok(run) if run.generation > 1 => runs.follow(&id, now, &mut |_| true).await?,
            _ => None,
        };
        let run = match details {
            Some(details) => Ok((details.run, details.problems)),
            None => run.map(|run| {
                let problems = run.problem.clone().into_iter().collect();
                (run, problems)
            }),
        };
        verified.push((id, run));
    }
    Ok(RunBatch { runs: verified, warnings })
}
