//! Whether a batch is done at once or handed to a thread.
//!
//! Handing work to another thread and waiting for it takes some tens of microseconds, as long as a fast disk takes to sync. So
//! as long as a disk is fast, and nothing else is being written, batches are done where they are asked for: the executor's
//! thread is held up for less than a handover would cost. As soon as one takes long, the next few go to a thread again.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use crate::store::Batch;

/// Longest time for one part of a batch that is done at once.
const QUICK_MAX: Duration = Duration::from_micros(300);

/// How many batches in a row must have been quick.
const QUICK_RUN: u32 = 8;

/// Most parts of a batch that is done at once.
const OPS_MAX: usize = 4;

/// Most lines and bytes of them.
const LINES_MAX: usize = 64;
const BYTES_MAX: usize = 64 * 1024;

/// How long batches have taken lately.
#[derive(Debug, Default)]
pub(super) struct Pace {
    quick: AtomicU32,
    under_way: AtomicUsize,
}

/// One batch that is under way.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    pace: &'a Pace,
    alone: bool,
}

impl Pace {
    pub(super) fn turn(&self) -> Turn<'_> {
        Turn { pace: self, alone: self.under_way.fetch_add(1, Ordering::Relaxed) == 0 }
    }

    /// A batch of `ops` parts took so long.
    pub(super) fn took(&self, time: Duration, ops: usize) {
        let quick = time <= QUICK_MAX.saturating_mul(u32::try_from(ops).unwrap_or(u32::MAX));
        if quick {
            // It need not go beyond what is asked for.
            if self.quick.load(Ordering::Relaxed) < QUICK_RUN {
                self.quick.fetch_add(1, Ordering::Relaxed);
            }
        } else {
            self.quick.store(0, Ordering::Relaxed);
        }
    }
}

impl Turn<'_> {
    pub(super) fn is_worth_no_thread(&self, batch: &Batch) -> bool {
        let small = || {
            let lines = || batch.appends().flat_map(|append| &append.lines);
            batch.ops().len() <= OPS_MAX
                && lines().take(LINES_MAX + 1).count() <= LINES_MAX
                && lines().map(|line| line.as_str().len()).sum::<usize>() <= BYTES_MAX
        };
        self.alone && self.pace.quick.load(Ordering::Relaxed) >= QUICK_RUN && small()
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.pace.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Kind, Line, Name, Position, Token};

    #[test]
    fn only_small_batches_on_a_quick_disk_are_done_at_once() {
        let log = Name::new(Kind::new("runs"), "a").unwrap();
        let batch = |text: &str, lines: usize| {
            let line = Line::new(&format!("{{\"a\":\"{text}\"}}")).unwrap();
            Batch::new(Token::from_bits(1)).append(&log, Position::START, vec![line; lines])
        };
        let small = batch("x", 3);
        let pace = Pace::default();
        for _ in 0..QUICK_RUN {
            assert!(!pace.turn().is_worth_no_thread(&small));
            pace.took(QUICK_MAX, 1);
        }
        let turn = pace.turn();
        assert!(turn.is_worth_no_thread(&small));
        assert!(!pace.turn().is_worth_no_thread(&small), "another is under way");
        drop(turn);
        assert!(pace.turn().is_worth_no_thread(&small));
        assert!(!pace.turn().is_worth_no_thread(&batch("x", LINES_MAX + 1)));
        assert!(!pace.turn().is_worth_no_thread(&batch(&"x".repeat(BYTES_MAX), 1)));
        pace.took(2 * QUICK_MAX, 2);
        assert!(pace.turn().is_worth_no_thread(&small));
        pace.took(2 * QUICK_MAX, 1);
        assert!(!pace.turn().is_worth_no_thread(&small), "it was slow");
    }
}
