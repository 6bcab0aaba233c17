//! Counting a variant's calls without threads getting in each other's way.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::tracker::queue::thread_number;

/// The first so many threads have shards of their own, which cost no locked instruction; later ones share so many others.
const OWN: usize = 8;

/// One call in so many is timed, and each of the first so many of a thread.
const SAMPLE: u64 = 32;

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
pub(super) struct Counters([Shard; 2 * OWN]);

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
        let (shard, own) = self.shard();
        let bump = |counter: &AtomicU64, by: u64| {
            if own {
                counter.store(counter.load(Ordering::Relaxed).wrapping_add(by), Ordering::Relaxed);
            } else {
                counter.fetch_add(by, Ordering::Relaxed);
            }
        };
        bump(&shard.calls, 1);
        if !success {
            bump(&shard.failures, 1);
        }
        if let Some(ns) = latency_ns {
            bump(&shard.timed, 1);
            bump(&shard.latency_ns, ns);
        }
    }

    /// Whether the next call is one of the sample that is timed when not all are.
    #[inline]
    pub(super) fn is_sample(&self) -> bool {
        let calls = self.shard().0.calls.load(Ordering::Relaxed);
        calls < SAMPLE || calls.is_multiple_of(SAMPLE)
    }

    /// This thread's shard, and whether it has it for itself: a thread's number is never given to another.
    #[inline]
    fn shard(&self) -> (&Shard, bool) {
        let number = thread_number();
        if number < OWN { (&self.0[number], true) } else { (&self.0[OWN + number % OWN], false) }
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
