//! Workflow runs as one kind of thing, whoever wrote them: runs of our own stores, of the Python package `substantial` on files
//! and on Redis, and programs of `durable-python` that resume from a saved call stack.
//!
//! [`Runs`] is a store of them: it lists, [looks](Runs::look) at many, [follows](Runs::follow) the history of one event by event,
//! and delivers what somebody outside has to say ([`client`]). Nothing here runs a workflow.

pub mod client;
mod compare;
mod detect;
mod durable;
mod effect;
mod filter;
mod own;
mod shown;
mod substantial;

use std::sync::Arc;

pub use compare::{Difference, Side, compare};
pub use detect::{at_path, at_site};
pub use filter::{RunFilter, RunFilterError};
pub use shown::{
    Brief, Format, Holder, Letter, Moment, Problem, Run, Seq, State, StepView, Value, Waiting, What, Whole,
};

use crate::compat::durable_python::StateFolder;
use crate::compat::substantial::Client;
use crate::store::{Error, LIST_PAGE, Store};
use crate::time::Timestamp;

/// A store of workflow runs. Clones share it.
#[derive(Clone, Debug)]
pub enum Runs {
    /// One of ours.
    Own(Arc<dyn Store>),
    /// One of the Python package `substantial`, with where it is.
    Substantial(Client, Arc<str>),
    /// A folder of the Python package `durable-python`.
    DurablePython(StateFolder),
}

/// Ids of runs, a page of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ids {
    /// In the order of the store.
    pub ids: Vec<String>,
    /// Whether there are more behind the last.
    pub more: bool,
    /// What could not be read, with its place.
    pub warnings: Vec<String>,
}

/// What is seen of some runs.
#[derive(Debug, Default)]
pub struct Looked {
    /// Each run that was there, or why it cannot be told of, in the order that was asked for.
    pub runs: Vec<(String, Result<Run, Error>)>,
    /// What could not be read, with its place.
    pub warnings: Vec<String>,
}

impl Runs {
    /// Who writes such runs.
    pub fn format(&self) -> Format {
        match self {
            Runs::Own(_) => Format::Own,
            Runs::Substantial(..) => Format::Substantial,
            Runs::DurablePython(_) => Format::DurablePython,
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
    ) -> Result<Ids, Error> {
        match self {
            Runs::Own(store) => own::ids(&**store, start, after, limit).await,
            Runs::Substantial(client, _) => substantial::ids(client, workflow, start, after, limit).await,
            Runs::DurablePython(folder) => durable::ids(folder, start, after, limit).await,
        }
    }

    /// Where some runs stand at the point in time `now`. Of those that are not there nothing is said.
    ///
    /// # Errors
    /// What the medium says of more than one run.
    pub async fn look(&self, ids: &[String], now: Timestamp) -> Result<Looked, Error> {
        match self {
            Runs::Own(store) => own::look(&**store, ids, now).await,
            Runs::Substantial(client, _) => substantial::look(client, ids, now).await,
            Runs::DurablePython(folder) => durable::look(folder, ids).await,
        }
    }

    /// Whether there is a run with this id.
    ///
    /// # Errors
    /// What the medium says.
    pub async fn has(&self, id: &str) -> Result<bool, Error> {
        match self {
            Runs::Own(store) => own::has(&**store, id).await,
            Runs::Substantial(client, _) => substantial::has(client, id).await,
            Runs::DurablePython(folder) => durable::has(folder, id).await,
        }
    }

    /// Follows the history of a run from its first event, hands each moment to `visit`, and says what it amounts to. None if
    /// there is no such run. If `visit` returns false, it ends there, and the state is that of the last moment.
    ///
    /// # Errors
    /// What the medium says. What is wrong with the history is not an error: see [`Whole::problems`].
    pub async fn follow(
        &self,
        id: &str,
        now: Timestamp,
        visit: &mut (dyn FnMut(&Moment<'_>) -> bool + Send),
    ) -> Result<Option<Whole>, Error> {
        match self {
            Runs::Own(store) => own::follow(&**store, id, now, visit).await,
            Runs::Substantial(client, _) => substantial::follow(client, id, now, visit).await,
            Runs::DurablePython(folder) => durable::follow(folder, id).await,
        }
    }
}
