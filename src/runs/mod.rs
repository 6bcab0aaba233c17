//! Workflow runs as one kind of thing, whoever wrote them: runs of our own stores, of the Python package `substantial` on files
//! and on Redis, and programs of `durable-python` that resume from a saved call stack.
//!
//! [`Runs`] is a store of them: it lists, [looks](Runs::look) at many, [follows](Runs::follow) the history of one event by event,
//! and delivers what somebody outside has to say ([`RunClient`]). Nothing here runs a workflow.

mod client;
mod compare;
mod details;
mod detect;
mod durable_python;
mod event;
mod filter;
mod find;
mod list;
mod own;
mod problem;
mod run;
mod substantial;
mod timeline;
mod value;
mod waiting;

use std::sync::Arc;

pub use client::{ClientError, Delivery, OutgoingMessage, RunClient, StartRequest};
pub use compare::{RunDifference, compare_runs};
pub use details::{InboxMessage, LeaseHolder, RunDetails, StateView, StepView};
pub use event::{EventSummary, NativeEvent, RunEvent};
pub use filter::{RunFilter, RunFilterError};
pub use find::find_runs;
pub use list::{ListCounts, ListItem, RunList, RunOrder, RunQuery};
pub use problem::{RunProblem, Seq};
pub use run::{Run, RunFormat, StatusDetail};
pub use timeline::{BarKind, STEP_GIVEN_UP, Timeline, TimelineBar, TimelineLane, TimelineLanes};
pub use value::RunValue;
pub use waiting::{UnnamedMessage, Waiting};

use crate::compat::durable_python::StateFolder;
use crate::compat::substantial::SubstantialClient;
use crate::store::{Error, LIST_PAGE, Store};
use crate::time::Timestamp;

/// A store of workflow runs. Clones share it.
#[derive(Clone, Debug)]
pub enum Runs {
    /// One of ours.
    Own(Arc<dyn Store>),
    /// One of the Python package `substantial`, with where it is.
    Substantial(SubstantialClient, Arc<str>),
    /// A folder of the Python package `durable-python`.
    DurablePython(StateFolder),
}

/// Ids of runs, a page of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunIds {
    /// In the order of the store.
    pub ids: Vec<String>,
    /// Whether there are more behind the last.
    pub more: bool,
    /// What could not be read, with its place.
    pub warnings: Vec<String>,
}

/// What is seen of some runs.
#[derive(Debug)]
pub struct RunBatch<T = Run> {
    /// Each run that was there, or what was made of it, or why it cannot be told of, in the order that was asked for.
    pub runs: Vec<(String, Result<T, Error>)>,
    /// What could not be read, with its place.
    pub warnings: Vec<String>,
}

impl<T> Default for RunBatch<T> {
    fn default() -> Self {
        RunBatch { runs: Vec::new(), warnings: Vec::new() }
    }
}

impl Runs {
    /// Who writes such runs.
    pub fn format(&self) -> RunFormat {
        match self {
            Runs::Own(_) => RunFormat::Own,
            Runs::Substantial(..) => RunFormat::Substantial,
            Runs::DurablePython(_) => RunFormat::DurablePython,
        }
    }

    /// Where it is, without credentials.
    pub fn location(&self) -> String {
        match self {
            Runs::Own(store) => store.location(),
            Runs::Substantial(_, location) => location.to_string(),
            Runs::DurablePython(folder) => folder.path().display().to_string(),
        }
    }

    /// How many runs to look at together: for some stores many cost hardly more than one.
    pub fn batch(&self) -> usize {
        match self {
            Runs::Own(_) => 64,
            Runs::Substantial(..) => LIST_PAGE,
            Runs::DurablePython(_) => 16,
        }
    }

    /// A page of the ids that begin with `start`, behind `after`. Where the store knows the workflow without reading the run,
    /// those of others than `workflow` are left out.
    ///
    /// # Errors
    /// What the medium says.
    pub async fn ids(
        &self,
        workflow: Option<&str>,
        start: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<RunIds, Error> {
        match self {
            Runs::Own(store) => own::look::ids(&**store, start, after, limit).await,
            Runs::Substantial(client, _) => substantial::look::ids(client, workflow, start, after, limit).await,
            Runs::DurablePython(folder) => durable_python::ids(folder, start, after, limit).await,
        }
    }

    /// Where some runs stand at the point in time `now`. Of those that are not there nothing is said.
    ///
    /// # Errors
    /// What the medium says of more than one run.
    pub async fn look(&self, ids: &[String], now: Timestamp) -> Result<RunBatch, Error> {
        match self {
            Runs::Own(store) => own::look::look(&**store, ids).await,
            Runs::Substantial(client, _) => substantial::look::look(client, ids, now).await,
            Runs::DurablePython(folder) => durable_python::look(folder, ids).await,
        }
    }

    /// Whether there is a run with this id.
    ///
    /// # Errors
    /// What the medium says.
    pub async fn has(&self, id: &str) -> Result<bool, Error> {
        match self {
            Runs::Own(store) => own::look::has(&**store, id).await,
            Runs::Substantial(client, _) => substantial::look::has(client, id).await,
            Runs::DurablePython(folder) => durable_python::has(folder, id).await,
        }
    }

    /// Follows the history of a run from its first event, hands each moment to `visit`, and says what it amounts to. None if
    /// there is no such run. If `visit` returns false, it ends there, and the state is that of the last moment.
    ///
    /// # Errors
    /// What the medium says. What is wrong with the history is not an error: see [`RunDetails::problems`].
    pub async fn follow(
        &self,
        id: &str,
        now: Timestamp,
        visit: &mut (dyn FnMut(&RunEvent<'_>) -> bool + Send),
    ) -> Result<Option<RunDetails>, Error> {
        match self {
            Runs::Own(store) => own::follow::follow(&**store, id, visit).await,
            Runs::Substantial(client, _) => substantial::follow::follow(client, id, now, visit).await,
            Runs::DurablePython(folder) => durable_python::follow(folder, id).await,
        }
    }
}
