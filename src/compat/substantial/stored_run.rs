//! What a store holds of a run.

use std::io;
use std::sync::Arc;

use super::fold::SubstantialHistory;
use super::records::{Misread, SubstantialEvent, SubstantialReading};
use super::replay_log::ReplayNote;
use super::workflow_of;
use crate::store::Error;
use crate::time::Timestamp;

/// Most schedules of a run that are kept, the first ones; the others are counted.
pub const SUBSTANTIAL_SCHEDULES_MAX: usize = 64;

/// Most logs of replays that are read, the latest ones; the others are counted.
pub(super) const LOGS_MAX: usize = 64;

/// Largest log of a replay, and largest schedule, in bytes.
pub(super) const SMALL_BYTES_MAX: usize = 8 << 20;

/// Most warnings of one call; the others are left out.
const WARNINGS_MAX: usize = 64;

/// Adds what is wrong, as long as there are not too many.
pub(super) fn warn(warnings: &mut Vec<String>, what: impl Into<String>) {
    if warnings.len() < WARNINGS_MAX {
        warnings.push(what.into());
    }
}

/// Everything that lies in a store about one run. Its parts were read one after the other: a worker may have moved between.
#[derive(Clone, Debug, Default)]
pub struct StoredRun {
    /// The run.
    pub run: String,
    /// Its workflow: by its link, else by its id.
    pub workflow: String,
    /// The history; none if there is none yet.
    pub reading: Option<SubstantialReading>,
    /// Why there may be a history all the same: something is in its place that could not be read at all.
    pub unread: Option<Arc<Error>>,
    /// What leads to the run, the first ones first.
    pub schedules: Vec<RunSchedule>,
    /// How many schedules there are.
    pub schedules_count: u64,
    /// Its replays, the latest first: by when they began, since schedules run ahead of the clock.
    pub replays: Vec<ReplayLog>,
    /// How many replays there are.
    pub replays_count: u64,
    /// A worker's hold on it; it may be over.
    pub lease: Option<SubstantialLease>,
    /// Whether something of what leads to runs, or of who holds them, could not be read: nothing follows then from what was not
    /// found there.
    pub partly_unread: bool,
    /// What could not be read, with its place.
    pub warnings: Vec<String>,
}

/// What leads a worker to a run.
#[derive(Clone, Debug, PartialEq)]
pub struct RunSchedule {
    /// The queue.
    pub queue: String,
    /// When, naive. Workers do not wait for it: they take what comes first.
    pub at: Timestamp,
    /// The event that is to be added to the history then.
    pub event: Option<SubstantialEvent>,
}

/// A replay that has ended.
#[derive(Clone, Debug, PartialEq)]
pub struct ReplayLog {
    /// The schedule that led to it, naive.
    pub schedule: Timestamp,
    /// What it noted; none if that cannot be read.
    pub notes: Option<Vec<ReplayNote>>,
}

impl ReplayLog {
    /// When it began, naive: as noted, else when it was to.
    pub fn at(&self) -> Timestamp {
        let noted = self.notes.iter().flatten().find_map(|note| note.at);
        noted.unwrap_or(self.schedule)
    }

    /// The error that it ended with.
    pub fn error(&self) -> Option<&ReplayNote> {
        self.notes.iter().flatten().rfind(|note| note.error.is_some())
    }
}

/// A worker's hold on a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubstantialLease {
    /// Since when, as a point in time.
    pub since: Timestamp,
    /// Until when.
    pub until: Timestamp,
}

/// What is to be written for the workers: all of it, or nothing that leads them anywhere.
#[derive(Clone, Debug)]
pub(super) struct NewSchedule {
    pub(super) queue: String,
    pub(super) run: String,
    pub(super) at: Timestamp,
    pub(super) event: String,
    /// The workflow that is linked to the run, if it is a new one.
    pub(super) workflow: Option<String>,
}

impl StoredRun {
    /// A run of which nothing has been read yet.
    pub(super) fn named(run: &str) -> StoredRun {
        StoredRun { run: run.to_owned(), workflow: workflow_of(run).to_owned(), ..StoredRun::default() }
    }

    /// Keeps the first schedules, and puts the replays in order.
    pub(super) fn put_in_order(&mut self) {
        self.schedules.sort_by_key(|schedule| schedule.at);
        self.schedules.truncate(SUBSTANTIAL_SCHEDULES_MAX);
        self.replays.sort_by_key(|replay| std::cmp::Reverse((replay.at(), replay.schedule)));
    }

    /// What cannot be read of the history, if anything.
    pub(super) fn misread(&self) -> Option<&Misread> {
        self.reading.as_ref()?.misread.as_ref()
    }

    /// What the history amounts to.
    pub fn history(&self) -> SubstantialHistory {
        self.reading.as_ref().map(SubstantialHistory::of).unwrap_or_default()
    }

    /// What is in the place of the history, and can be none.
    pub(crate) fn damage(&self) -> Option<&str> {
        match &**self.unread.as_ref()? {
            Error::Corrupt { problem, .. } => Some(problem),
            _ => None,
        }
    }

    /// The error because of which nothing can be said about the run, as that its history may not be read.
    pub(crate) fn refusal(&self) -> Option<Error> {
        match &**self.unread.as_ref()? {
            Error::Corrupt { .. } => None,
            Error::Denied { doing, .. } => {
                Some(Error::denied(doing.clone(), io::Error::from(io::ErrorKind::PermissionDenied)))
            }
            other => Some(Error::unavailable("reading a history", other.to_string())),
        }
    }

    /// Whether nothing at all is there of it.
    pub fn is_nothing(&self) -> bool {
        let nothing_read = self.reading.is_none() && self.unread.is_none();
        nothing_read && self.schedules_count == 0 && self.replays_count == 0 && self.lease.is_none()
    }
}
