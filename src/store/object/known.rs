//! What a handle knows of logs, so that it need not ask again.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::layout::Fold;
use crate::store::{End, Name};

/// The ends of so many logs are remembered.
const ENDS_MAX: usize = 8_192;

/// The folds of so many logs are remembered.
const FOLDS_OF_MAX: usize = 256;

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

/// Values of the logs that were met last: of half of `max` logs at least.
#[derive(Debug)]
struct Recent<V> {
    young: HashMap<Name, V>,
    old: HashMap<Name, V>,
    max: usize,
}

impl<V: Clone> Recent<V> {
    fn new(max: usize) -> Self {
        Recent { young: HashMap::new(), old: HashMap::new(), max }
    }

    fn get(&self, log: &Name) -> Option<V> {
        self.young.get(log).or_else(|| self.old.get(log)).cloned()
    }

    fn set(&mut self, log: &Name, value: V) {
        self.old.remove(log);
        if self.young.len() >= self.max / 2 && !self.young.contains_key(log) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(log.clone(), value);
    }

    fn remove(&mut self, log: &Name) {
        self.young.remove(log);
        self.old.remove(log);
    }
}

/// What is known of the logs that were met last.
#[derive(Debug)]
pub(super) struct Memory {
    ends: Mutex<Recent<Boundary>>,
    folds: Mutex<Recent<Arc<[Fold]>>>,
}

impl Default for Memory {
    fn default() -> Self {
        Memory { ends: Mutex::new(Recent::new(ENDS_MAX)), folds: Mutex::new(Recent::new(FOLDS_OF_MAX)) }
    }
}

impl Memory {
    pub(super) fn of(&self, log: &Name) -> Known {
        Known { end: self.ends.lock().get(log), folds: self.folds.lock().get(log) }
    }

    /// An append was met that ends there.
    pub(super) fn met(&self, log: &Name, boundary: Boundary) {
        let mut ends = self.ends.lock();
        let furthest = ends.get(log).filter(|end| end.number() >= boundary.number());
        ends.set(log, furthest.unwrap_or(boundary));
    }

    /// A list from the log's start showed these folds.
    pub(super) fn folded(&self, log: &Name, folds: Arc<[Fold]>) {
        self.folds.lock().set(log, folds);
    }

    /// The folds are others by now.
    pub(super) fn unfold(&self, log: &Name) {
        self.folds.lock().remove(log);
    }

    /// Something that was known is not so: the store has lost objects, or others have removed them.
    pub(super) fn forget(&self, log: &Name) {
        self.ends.lock().remove(log);
        self.unfold(log);
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
        for number in 1..3 * ENDS_MAX {
            memory.met(&log(number), boundary(1));
            if number % 100 == 0 {
                memory.met(&log(0), boundary(1));
            }
        }
        assert_eq!(memory.of(&log(0)).end, Some(boundary(7)), "met again and again");
        assert_eq!(memory.of(&log(1)).end, None, "long ago");
        assert!(memory.of(&log(3 * ENDS_MAX - ENDS_MAX / 2)).end.is_some());
        let ends = memory.ends.lock();
        assert!(ends.young.len() + ends.old.len() <= ENDS_MAX);
        drop(ends);
        memory.folded(&log(0), Arc::new([Fold { from: 1, to: 2, bytes: 3 }]));
        assert_eq!(memory.of(&log(0)).folds.map(|folds| folds.len()), Some(1));
        memory.forget(&log(0));
        assert!(memory.of(&log(0)).end.is_none() && memory.of(&log(0)).folds.is_none());
    }
}
