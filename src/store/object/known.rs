//! What a handle knows of logs, so that it need not ask again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::layout::Fold;
use crate::store::{End, Name};

/// Half of so many logs at least are remembered, those that were met last.
const LOGS_MAX: usize = 8_192;

/// The end of an append.
///
/// What was the end of an append once is so for ever: objects of appends are not removed and not changed but by forgetting,
/// which keeps the last one. So this cannot be out of date; there can only be more behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Boundary {
    pub(super) end: End,
    /// The number of the append's first line, which is its object's name.
    pub(super) first: u64,
}

impl Boundary {
    pub(super) fn number(&self) -> u64 {
        self.end.last.number()
    }
}

/// What is known of one log.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    /// The furthest end of an append that was met.
    pub(super) end: Option<Boundary>,
    /// The folds that the last list showed.
    pub(super) folds: Option<Arc<[Fold]>>,
}

#[derive(Debug, Default)]
struct Halves {
    young: HashMap<Name, Known>,
    old: HashMap<Name, Known>,
}

/// What is known of the logs that were met last.
#[derive(Debug, Default)]
pub(super) struct Memory(Mutex<Halves>);

impl Memory {
    fn halves(&self) -> MutexGuard<'_, Halves> {
        // Nothing is left half done by a panic here.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn of(&self, log: &Name) -> Known {
        let halves = self.halves();
        halves.young.get(log).or_else(|| halves.old.get(log)).cloned().unwrap_or_default()
    }

    fn change(&self, log: &Name, change: impl FnOnce(&mut Known)) {
        let mut halves = self.halves();
        if !halves.young.contains_key(log) {
            let known = halves.old.remove(log).unwrap_or_default();
            if halves.young.len() >= LOGS_MAX / 2 {
                halves.old = std::mem::take(&mut halves.young);
            }
            halves.young.insert(log.clone(), known);
        }
        if let Some(known) = halves.young.get_mut(log) {
            change(known);
        }
    }

    /// An append was met that ends there.
    pub(super) fn met(&self, log: &Name, boundary: Boundary) {
        self.change(log, |known| {
            if known.end.is_none_or(|end| end.number() < boundary.number()) {
                known.end = Some(boundary);
            }
        });
    }

    /// A list from the log's start showed these folds.
    pub(super) fn folded(&self, log: &Name, folds: Arc<[Fold]>) {
        self.change(log, |known| known.folds = Some(folds));
    }

    /// The folds are others by now.
    pub(super) fn unfold(&self, log: &Name) {
        self.change(log, |known| known.folds = None);
    }

    /// Something that was known is not so: the store has lost objects, or others have removed them.
    pub(super) fn forget(&self, log: &Name) {
        let mut halves = self.halves();
        halves.young.remove(log);
        halves.old.remove(log);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Kind, Position};

    fn log(number: usize) -> Name {
        Name::new(Kind::new("runs"), &number.to_string()).unwrap()
    }

    fn boundary(number: u64) -> Boundary {
        Boundary { end: End { last: Position::at(number), sealed: false }, first: number }
    }

    #[test]
    fn the_furthest_end_is_remembered_for_as_many_logs_as_fit() {
        let memory = Memory::default();
        memory.met(&log(0), boundary(7));
        memory.met(&log(0), boundary(5));
        assert_eq!(memory.of(&log(0)).end, Some(boundary(7)));
        for number in 1..3 * LOGS_MAX {
            memory.met(&log(number), boundary(1));
            if number % 100 == 0 {
                memory.folded(&log(0), Arc::new([]));
            }
        }
        assert_eq!(memory.of(&log(0)).end, Some(boundary(7)), "met again and again");
        assert_eq!(memory.of(&log(1)).end, None, "long ago");
        assert!(memory.of(&log(3 * LOGS_MAX - LOGS_MAX / 2)).end.is_some());
        let halves = memory.halves();
        assert!(halves.young.len() + halves.old.len() <= LOGS_MAX);
        drop(halves);
        memory.forget(&log(0));
        assert_eq!(memory.of(&log(0)).end, None);
    }
}
