//! A run and where it stands, the same for all formats.

use std::fmt;

use serde::Serialize;

use super::problem::RunProblem;
use super::value::RunValue;
use super::waiting::Waiting;
use crate::time::Timestamp;
use crate::workflow::Status;

/// Who writes a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunFormat {
    /// This library.
    #[serde(rename = "tc")]
    Own,
    /// The Python package `substantial`.
    Substantial,
    /// The Python package `durable-python`.
    DurablePython,
}

impl RunFormat {
    /// The word: `tc`, `substantial`, `durable-python`.
    pub fn as_str(self) -> &'static str {
        match self {
            RunFormat::Own => "tc",
            RunFormat::Substantial => "substantial",
            RunFormat::DurablePython => "durable-python",
        }
    }
}

impl fmt::Display for RunFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A run and where it stands.
#[derive(Clone, Debug, Serialize)]
pub struct Run {
    /// Its id.
    #[serde(rename = "run")]
    pub id: String,
    /// The workflow.
    pub workflow: Option<String>,
    /// Where it stands, as one word.
    pub status: Status,
    /// Since when, as far as can be known.
    pub since: Option<Timestamp>,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When something last happened.
    pub updated_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// What it waits for.
    pub waiting_for: Option<Waiting>,
    /// How many events there were; none if such runs have no history.
    pub events: Option<u64>,
    /// Who writes it.
    pub format: RunFormat,
    /// What it ended with.
    pub result: Option<RunValue>,
    /// The error that it ended with, or that it is to be tried again after.
    pub error: Option<RunValue>,
    /// What says that it stands so, where that has to be inferred; why it is corrupt.
    pub because: Option<String>,
    /// The first thing that is wrong with its history: that makes it corrupt, if anything does.
    #[serde(skip)]
    pub problem: Option<RunProblem>,
    /// The generation that its history is in.
    #[serde(skip)]
    pub generation: u32,
}

impl Run {
    /// Whether the history is as it should be. One of `substantial` can be neither sound nor corrupt: its workers go on from
    /// what should not be, such as an event behind the end.
    pub fn is_sound(&self) -> bool {
        self.problem.is_none() && !matches!(self.status, Status::Corrupt | Status::Parked)
    }
}

/// Where a run stands after an event, in short.
#[derive(Clone, Debug, PartialEq)]
pub struct StatusDetail {
    /// As one word.
    pub status: Status,
    /// What it waits for.
    pub waiting_for: Option<Waiting>,
    /// The worker that holds it.
    pub worker: Option<String>,
}
