//! Which calls were made because another variant had failed.
//!
//! The Python package calls the first variant, always named `v1`, for a request whose chosen variant failed, and logs it
//! as one more call with nothing to mark it. Such calls are no sample of the traffic: they are the requests that
//! already failed once. They are known by their time: the fallback begins right where the failure ends, usually within
//! 0.1 ms and almost never more than 1 ms later. A writer may also say `"fallback": true`.
//!
//! A fallback's line comes after its failure's, but not always next to it, and it may lie in another block. What a block
//! cannot decide it hands on: failures still unanswered at its end, and calls at its start that may answer earlier ones.

use std::collections::VecDeque;

use crate::time::Timestamp;

/// The name that the Python package gives the first variant.
pub const FIRST_VARIANT: &str = "v1";

/// How long after a failure its fallback begins at most, in microseconds.
const GAP_US_MAX: i64 = 1_000;

/// How far before the failure's own time it may seem to begin, in microseconds: latencies are logged to 0.01 ms.
const EARLY_US_MAX: i64 = 20;

/// A call that began this much after a block's first event, in microseconds, answers no failure of an earlier block.
const HEAD_US: i64 = 10_000;

/// Most unanswered failures that are remembered of a function.
const PENDING_MAX: usize = 64;

/// Failures of one function that no fallback has answered yet, in log order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pending {
    ended: VecDeque<Timestamp>,
}

impl Pending {
    pub(crate) fn push(&mut self, ended: Timestamp) {
        if self.ended.len() == PENDING_MAX {
            self.ended.pop_front();
        }
        self.ended.push_back(ended);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ended.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        self.ended.clear();
    }

    /// Takes out the failure that a call of the first variant which began then answers, if there is one: of several, the
    /// nearest in time.
    pub(crate) fn answer(&mut self, began: Timestamp) -> bool {
        let gap = |ended: &Timestamp| began.micros() - ended.micros();
        let near = self.ended.iter().enumerate().filter(|(_, at)| (-EARLY_US_MAX..=GAP_US_MAX).contains(&gap(at)));
        let nearest = near.min_by_key(|(_, at)| gap(at).abs()).map(|(index, _)| index);
        nearest.is_some_and(|index| self.ended.remove(index).is_some())
    }

    /// Adds the failures of a later block.
    pub(crate) fn extend(&mut self, later: &Pending) {
        later.ended.iter().for_each(|ended| self.push(*ended));
    }
}

/// Whether a call that began then could answer a failure from before the block whose first event came at `first`.
pub(crate) fn may_answer_earlier(began: Timestamp, first: Timestamp) -> bool {
    began.micros() <= first.micros() + HEAD_US
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(1_000_000 + micros)
    }

    #[test]
    fn each_failure_is_answered_once() {
        let mut pending = Pending::default();
        pending.push(at(0));
        pending.push(at(100));
        assert!(pending.answer(at(70)));
        assert!(pending.answer(at(150)));
        assert!(!pending.answer(at(151)));
        assert!(pending.is_empty());
    }

    #[test]
    fn only_a_call_right_after_answers() {
        for (began, answers) in [(-21, false), (-20, true), (0, true), (1_000, true), (1_001, false)] {
            let mut pending = Pending::default();
            pending.push(at(0));
            assert_eq!(pending.answer(at(began)), answers, "{began}");
        }
    }

    #[test]
    fn memory_is_bounded() {
        let mut pending = Pending::default();
        (0..10_000).for_each(|n| pending.push(at(n * 10_000)));
        assert_eq!(pending.ended.len(), PENDING_MAX);
        assert!(pending.answer(at(99_990_000)));
    }
}
