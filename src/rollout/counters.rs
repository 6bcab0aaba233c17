//! Counting a variant's calls without threads getting in each other's way.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::tracker::queue::thread_number;

const SHARDS: usize = 8;

/// Alone in its part of the cache.
#[repr(align(128))]
#[derive(Debug, Default)]
struct Shard {
    calls: AtomicU64,
    failures: AtomicU64,
    timed: AtomicU64,
    latency_ns: AtomicU64,
}

/// Counts of one variant.
#[derive(Debug, Default)]
pub(super) struct Counters([Shard; SHARDS]);

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) calls: u64,
    pub(super) failures: u64,
    /// How many of the calls were timed, and how long these took together, in nanoseconds.
    pub(super) timed: u64,
    pub(super) latency_ns: u64,
}

impl Counters {
    #[inline]
    pub(super) fn add(&self, success: bool, latency_ns: Option<u64>) {
        let shard = self.shard();
        shard.calls.fetch_add(1, Ordering::Relaxed);
        if !success {
            shard.failures.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(ns) = latency_ns {
            shard.timed.fetch_add(1, Ordering::Relaxed);
            shard.latency_ns.fetch_add(ns, Ordering::Relaxed);
        }
    }

    /// How many calls this thread's shard has seen.
    #[inline]
    pub(super) fn seen_here(&self) -> u64 {
        self.shard().calls.load(Ordering::Relaxed)
    }

    #[inline]
    fn shard(&self) -> &Shard {
        &self.0[thread_number() % SHARDS]
    }

    pub(super) fn counts(&self) -> Counts {
        let sum = |of: fn(&Shard) -> &AtomicU64| self.0.iter().map(|shard| of(shard).load(Ordering::Relaxed)).sum();
        Counts {
            calls: sum(|shard| &shard.calls),
            failures: sum(|shard| &shard.failures),
            timed: sum(|shard| &shard.timed),
            latency_ns: sum(|shard| &shard.latency_ns),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_count_together() {
        let counters = Counters::default();
        std::thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| (0..1_000).for_each(|n| counters.add(n % 10 > 0, (n % 2 == 0).then_some(3))));
            }
        });
        let expected = Counts { calls: 16_000, failures: 1_600, timed: 8_000, latency_ns: 24_000 };
        assert_eq!(counters.counts(), expected);
    }
}
