//! What a store holds of a run.

use std::io;
use std::sync::Arc;

use super::fold::{History, fold};
use super::metadata::Note;
use super::records::{Event, Reading};
use super::standing::Standing;
use super::workflow_of;
use super::zone::Zone;
use crate::store::Error;
use crate::time::Timestamp;

/// Most schedules of a run that are kept, the first ones; the others are counted.
pub const SCHEDULES_MAX: usize = 64;

/// Most logs of replays that are read, the latest ones; the others are counted.
pub const LOGS_MAX: usize = 64;

/// Everything that lies in a store about one run. Its parts were read one after the other: a worker may have moved between.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The run.
    pub run: String,
    /// Its workflow: by its link, else by its id.
    pub workflow: String,
    /// The history; none if there is none yet.
    pub reading: Option<Reading>,
    /// Why there may be a history all the same: something is in its place that could not be read at all.
    pub unread: Option<Arc<Error>>,
    /// What leads to the run, the first ones first.
    pub schedules: Vec<Schedule>,
    /// How many schedules there are.
    pub schedules_count: u64,
    /// Its replays, the latest first: by when they began, since schedules run ahead of the clock.
    pub replays: Vec<Replayed>,
    /// How many replays there are.
    pub replays_count: u64,
    /// A worker's hold on it; it may be over.
    pub lease: Option<Lease>,
    /// What could not be read, with its place.
    pub warnings: Vec<String>,
}

/// What leads a worker to a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// The queue.
    pub queue: String,
    /// When, naive. Workers do not wait for it: they take what comes first.
    pub at: Timestamp,
    /// The event that is to be added to the history then.
    pub event: Option<Event>,
}

/// A replay that has ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Replayed {
    /// The schedule that led to it, naive.
    pub schedule: Timestamp,
    /// What it noted; none if that cannot be read.
    pub notes: Option<Vec<Note>>,
}

impl Replayed {
    /// When it began, naive: as noted, else when it was to.
    pub fn at(&self) -> Timestamp {
        let noted = self.notes.iter().flatten().find_map(|note| note.at);
        noted.unwrap_or(self.schedule)
    }

    /// The error that it ended with.
    pub fn error(&self) -> Option<&Note> {
        self.notes.iter().flatten().rfind(|note| note.error.is_some())
    }
}

/// A worker's hold on a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Since when, as a point in time.
    pub since: Timestamp,
    /// Until when.
    pub until: Timestamp,
}

/// A run in a list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    /// The run.
    pub run: String,
    /// Its workflow: by its link, else by its id.
    pub workflow: String,
    /// Whether the workflow has a link to it. The package's filters see no others.
    pub linked: bool,
}

/// A page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing<T> {
    /// In order.
    pub items: Vec<T>,
    /// Whether there are more behind the last.
    pub more: bool,
    /// What could not be read, with its place.
    pub warnings: Vec<String>,
}

impl<T> Default for Listing<T> {
    fn default() -> Self {
        Listing { items: Vec::new(), more: false, warnings: Vec::new() }
    }
}

/// The first few names that come behind one, out of many in any order.
pub(super) struct First {
    after: Option<String>,
    limit: usize,
    kept: std::collections::BTreeMap<String, Option<String>>,
    more: bool,
}

impl First {
    pub(super) fn new(after: Option<&str>, limit: usize) -> Self {
        First { after: after.map(str::to_owned), limit, kept: std::collections::BTreeMap::new(), more: false }
    }

    /// Keeps a name, with the workflow that links to it, if it is among the first. A link counts more than none.
    pub(super) fn add(&mut self, name: &str, workflow: Option<&str>) {
        if self.after.as_deref().is_some_and(|after| name <= after) {
            return;
        }
        if let Some(known) = self.kept.get_mut(name) {
            if known.is_none() {
                *known = workflow.map(str::to_owned);
            }
            return;
        }
        if self.kept.len() == self.limit {
            self.more = true;
            if self.kept.last_key_value().is_none_or(|(last, _)| name > last.as_str()) {
                return;
            }
            self.kept.pop_last();
        }
        self.kept.insert(name.to_owned(), workflow.map(str::to_owned));
    }

    pub(super) fn into_names(self) -> (Vec<(String, Option<String>)>, bool) {
        (self.kept.into_iter().collect(), self.more)
    }

    /// The names as those of runs.
    pub(super) fn into_runs(self) -> (Vec<Listed>, bool) {
        let listed = |(run, link): (String, Option<String>)| {
            let linked = link.is_some();
            Listed { workflow: link.unwrap_or_else(|| workflow_of(&run).to_owned()), run, linked }
        };
        (self.kept.into_iter().map(listed).collect(), self.more)
    }
}

impl Found {
    /// What the history amounts to.
    pub fn history(&self) -> History {
        self.reading.as_ref().map(|reading| fold(&reading.records)).unwrap_or_default()
    }

    /// Where the run stands at the point in time `now`.
    pub fn standing(&self, zone: &Zone, now: Timestamp) -> Standing {
        Standing::of(self, &self.history(), zone, now)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_names_are_kept() {
        for limit in [1, 2, 3, 10] {
            let mut first = First::new(Some("b"), limit);
            for name in ["e", "a", "d", "b", "c", "d", "f", "c"] {
                first.add(name, (name == "d").then_some("w"));
            }
            let (names, more) = first.into_names();
            let all = [("c", None), ("d", Some("w")), ("e", None), ("f", None)];
            let wanted: Vec<_> = all.iter().take(limit).map(|(n, w)| (n.to_string(), w.map(str::to_owned))).collect();
            assert_eq!((names, more), (wanted, limit < 4));
        }
        let mut none = First::new(None, 0);
        none.add("a", None);
        assert_eq!(none.into_names(), (Vec::new(), true));
    }

    #[test]
    fn a_link_counts_more_than_none() {
        let mut first = First::new(None, 2);
        first.add("a", None);
        first.add("a", Some("w"));
        first.add("a", Some("x"));
        assert_eq!(first.into_names().0, [("a".to_owned(), Some("w".to_owned()))]);
    }
}
