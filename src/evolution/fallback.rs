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
pub(crate) const FIRST_VARIANT: &str = "v1";

/// How long after a failure its fallback begins at most, in microseconds.
const GAP_US_MAX: i64 = 1_000;

/// How far before the failure's own time it may seem to begin, in microseconds: latencies are logged to 0.01 ms.
const EARLY_US_MAX: i64 = 20;

/// A call that began this much after a block's first event, in microseconds, answers no failure of an earlier block.
const HEAD_US: i64 = 10_000;

/// Most unanswered failures that are remembered of a function.
const PENDING_MAX: usize = 64;

/// A call of the first variant that may be a fallback.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate {
    pub(crate) began: Timestamp,
    pub(crate) at: Option<Timestamp>,
    pub(crate) success: bool,
    pub(crate) latency_ns: Option<u64>,
}

/// A call that failed, and the call that answers it best so far.
#[derive(Clone, Debug)]
struct Failure {
    ended: Timestamp,
    answer: Option<Candidate>,
}

impl Failure {
    /// How far the beginning of a call is from this failure's end, in microseconds; `None` if it cannot answer it.
    fn gap(&self, call: &Candidate) -> Option<i64> {
        let gap = call.began.micros() - self.ended.micros();
        (-EARLY_US_MAX..=GAP_US_MAX).contains(&gap).then_some(gap.abs())
    }

    /// The same, if the call would answer it better than the one that does.
    fn gain(&self, call: &Candidate) -> Option<i64> {
        let gap = self.gap(call)?;
        let held = self.answer.as_ref().and_then(|answer| self.gap(answer));
        held.is_none_or(|held| gap < held).then_some(gap)
    }
}

/// The last failures of one function, in log order, each with the call that answers it best. With many threads another
/// call may begin soon after a failure and be logged before the fallback: what answers a failure is certain only when
/// nothing better can come.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pending {
    failures: VecDeque<Failure>,
}

impl Pending {
    /// Remembers a failure. Returns the answer of one that is forgotten for it, which is certain now.
    pub(crate) fn push(&mut self, ended: Timestamp) -> Option<Candidate> {
        self.add(Failure { ended, answer: None })
    }

    fn add(&mut self, failure: Failure) -> Option<Candidate> {
        let forgotten = if self.failures.len() == PENDING_MAX { self.failures.pop_front() } else { None };
        self.failures.push_back(failure);
        forgotten.and_then(|failure| failure.answer)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.failures.is_empty()
    }

    /// Lets a call answer the nearest failure that it answers better than another. Returns the call that answers none then:
    /// this one, or one that it took the place of.
    pub(crate) fn offer(&mut self, call: Candidate) -> Option<Candidate> {
        let mut call = call;
        // Each round brings a failure a nearer answer, so there is an end.
        loop {
            let gains = self.failures.iter_mut().filter_map(|failure| Some((failure.gain(&call)?, failure)));
            let Some((_, nearest)) = gains.min_by_key(|(gap, _)| *gap) else { return Some(call) };
            call = nearest.answer.replace(call)?;
        }
    }

    /// Takes out the failure that a call which is known to be a fallback answers. Returns the call that was thought to.
    pub(crate) fn settle(&mut self, call: &Candidate) -> Option<Candidate> {
        let gaps = self.failures.iter().enumerate().filter_map(|(index, failure)| Some((failure.gap(call)?, index)));
        let nearest = gaps.min().map(|(_, index)| index)?;
        self.failures.remove(nearest)?.answer
    }

    /// Adds the failures of a later block. Returns answers that are certain now.
    pub(crate) fn extend(&mut self, later: Pending) -> Vec<Candidate> {
        later.failures.into_iter().filter_map(|failure| self.add(failure)).collect()
    }

    /// The answers, when nothing more can come.
    pub(crate) fn into_answers(self) -> impl Iterator<Item = Candidate> {
        self.failures.into_iter().filter_map(|failure| failure.answer)
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

    fn call(began: i64) -> Candidate {
        Candidate { began: at(began), at: None, success: true, latency_ns: None }
    }

    /// Where the calls began that answer failures at these times, and those that answer none.
    fn matched(failures: &[i64], calls: &[i64]) -> (Vec<i64>, Vec<i64>) {
        let mut pending = Pending::default();
        failures.iter().for_each(|ended| assert!(pending.push(at(*ended)).is_none()));
        let began = |call: Candidate| call.began.micros() - 1_000_000;
        let left = calls.iter().filter_map(|at| pending.offer(call(*at))).map(began).collect();
        (pending.into_answers().map(began).collect(), left)
    }

    #[test]
    fn each_failure_is_answered_once() {
        assert_eq!(matched(&[0, 100], &[70, 150, 151]), (vec![70, 150], vec![151]));
    }

    #[test]
    fn only_a_call_right_after_answers() {
        for (began, answers) in [(-21, false), (-20, true), (0, true), (1_000, true), (1_001, false)] {
            assert_eq!(matched(&[0], &[began]).0.len(), usize::from(answers), "{began}");
        }
    }

    #[test]
    fn the_nearest_call_answers_in_whatever_order_calls_are_logged() {
        assert_eq!(matched(&[0], &[800, 60]), (vec![60], vec![800]));
        assert_eq!(matched(&[0, 500], &[550, 50]), (vec![50, 550], vec![]));
        // The one that is displaced answers the other failure.
        assert_eq!(matched(&[0, 30], &[90, 40]), (vec![90, 40], vec![]));
    }

    #[test]
    fn a_call_that_is_known_to_answer_frees_the_one_that_was_thought_to() {
        let mut pending = Pending::default();
        pending.push(at(0));
        assert!(pending.offer(call(10)).is_none());
        assert_eq!(pending.settle(&call(300)).map(|call| call.began), Some(at(10)));
        assert!(pending.is_empty());
    }

    #[test]
    fn memory_is_bounded_and_no_answer_is_lost() {
        let mut pending = Pending::default();
        let mut certain = 0;
        for n in 0..10_000 {
            certain += usize::from(pending.push(at(n * 10_000)).is_some());
            assert!(pending.offer(call(n * 10_000 + 50)).is_none());
        }
        assert_eq!(pending.failures.len(), PENDING_MAX);
        assert_eq!(certain + pending.into_answers().count(), 10_000);
    }
}
