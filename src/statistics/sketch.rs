//! Latencies in bounded memory: a quantile sketch with a guaranteed relative error, and the sums beside it.
//!
//! The sketch is DDSketch (Masson, Rim and Lee, VLDB 2019) with linearly interpolated buckets: 64 of equal width to each
//! power of two, so a value's bucket is read off the bits of the integer and no logarithm is taken. A bucket is at most
//! 1/64 of its lower bound wide and answers with its middle: the relative error is at most 1/128 (0.79 %). Merging adds
//! integers, so the result does not depend on the order or on the number of threads.

/// Buckets to each power of two, as a power of two.
const BUCKET_BITS: u32 = 6;

/// Up to this many different buckets are kept as a sorted list, more as an array.
const SPARSE_MAX: usize = 48;

/// Counts by bucket.
#[derive(Clone, Debug)]
enum Buckets {
    /// (bucket, count), sorted by bucket.
    Sparse(Vec<(u16, u64)>),
    /// The count of each bucket from `base` on, in half the memory that a `u64` takes: half of the cache is what counts
    /// here. `carries` holds a bucket once for each 2^32 that its count has been over.
    Dense { base: u16, counts: Vec<u32>, carries: Vec<u16> },
}

/// A set of latencies, in nanoseconds. It takes at most some 15 kB, usually about 1 kB.
#[derive(Clone, Debug)]
pub struct Latency {
    count: u64,
    sum_ns: u128,
    min_ns: u64,
    max_ns: u64,
    buckets: Buckets,
}

impl Default for Latency {
    fn default() -> Self {
        Latency { count: 0, sum_ns: 0, min_ns: u64::MAX, max_ns: 0, buckets: Buckets::Sparse(Vec::new()) }
    }
}

impl Latency {
    /// Adds one latency.
    #[inline]
    pub fn record(&mut self, ns: u64) {
        self.count += 1;
        self.sum_ns += u128::from(ns);
        self.min_ns = self.min_ns.min(ns);
        self.max_ns = self.max_ns.max(ns);
        let bucket = bucket_of(ns);
        if let Buckets::Dense { base, counts, .. } = &mut self.buckets
            && let Some(count) = counts.get_mut(usize::from(bucket.wrapping_sub(*base)))
            && *count < u32::MAX
        {
            *count += 1;
            return;
        }
        self.buckets.add(bucket, 1);
    }

    /// Adds all that `other` holds.
    pub fn merge(&mut self, other: &Latency) {
        self.count += other.count;
        self.sum_ns += other.sum_ns;
        self.min_ns = self.min_ns.min(other.min_ns);
        self.max_ns = self.max_ns.max(other.max_ns);
        for (bucket, count) in other.buckets.iter() {
            self.buckets.add(bucket, count);
        }
    }

    /// How many latencies were added.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The arithmetic mean in nanoseconds, exact but for the last rounding; `None` when empty.
    pub fn mean_ns(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum_ns as f64 / self.count as f64)
    }

    /// The largest, in nanoseconds, exact; `None` when empty.
    pub fn max_ns(&self) -> Option<u64> {
        (self.count > 0).then_some(self.max_ns)
    }

    /// The smallest latency that at least the share `q` (0 to 1) of all latencies do not exceed, within
    /// a 128th of it; `None` when empty.
    ///
    /// ```
    /// use temporal_code::logs::Latency;
    /// let mut latency = Latency::default();
    /// (1..=1_000).for_each(|ms| latency.record(ms * 1_000_000));
    /// let p95 = latency.quantile_ns(0.95).unwrap();
    /// assert!((p95 / 950e6 - 1.0).abs() < 0.01);
    /// ```
    pub fn quantile_ns(&self, q: f64) -> Option<f64> {
        if self.count == 0 {
            return None;
        }
        let rank = ((q.clamp(0.0, 1.0) * self.count as f64).ceil() as u64).clamp(1, self.count);
        let mut seen = 0;
        for (bucket, count) in self.buckets.iter() {
            seen += count;
            if seen >= rank {
                let (low, high) = bounds_of(bucket);
                let middle = (low as f64 + high as f64) / 2.0;
                return Some(middle.clamp(self.min_ns as f64, self.max_ns as f64));
            }
        }
        Some(self.max_ns as f64)
    }
}

impl Buckets {
    fn iter(&self) -> Box<dyn Iterator<Item = (u16, u64)> + '_> {
        match self {
            Buckets::Sparse(entries) => Box::new(entries.iter().copied()),
            Buckets::Dense { base, counts, carries } => {
                let carried = |bucket| carries.iter().filter(|carry| **carry == bucket).count() as u64;
                let numbered = (*base..).zip(counts.iter().map(|count| u64::from(*count)));
                let whole = numbered.map(move |(bucket, count)| match carries.is_empty() {
                    true => (bucket, count),
                    false => (bucket, count + (carried(bucket) << 32)),
                });
                Box::new(whole.filter(|(_, count)| *count > 0))
            }
        }
    }

    #[cold]
    fn add(&mut self, bucket: u16, count: u64) {
        match self {
            Buckets::Sparse(entries) => match entries.binary_search_by_key(&bucket, |entry| entry.0) {
                Ok(index) => entries[index].1 += count,
                Err(index) => {
                    entries.insert(index, (bucket, count));
                    if entries.len() > SPARSE_MAX {
                        *self = dense(entries);
                    }
                }
            },
            Buckets::Dense { base, counts, carries } => {
                if bucket < *base {
                    // A little room below, so that falling minima do not shift the array each time.
                    let grown = (*base - bucket).max(32).min(*base);
                    counts.splice(0..0, std::iter::repeat_n(0, usize::from(grown)));
                    *base -= grown;
                }
                let index = usize::from(bucket - *base);
                if index >= counts.len() {
                    counts.resize(index + 1, 0);
                }
                let sum = u64::from(counts[index]) + count;
                counts[index] = sum as u32;
                carries.extend((0..sum >> 32).map(|_| bucket));
            }
        }
    }
}

fn dense(entries: &[(u16, u64)]) -> Buckets {
    let base = entries.first().map_or(0, |entry| entry.0);
    let mut buckets = Buckets::Dense { base, counts: Vec::new(), carries: Vec::new() };
    entries.iter().for_each(|(bucket, count)| buckets.add(*bucket, *count));
    buckets
}

/// The bucket of a value: below 64 the value itself, above by its highest bit and the six bits behind it.
#[inline]
fn bucket_of(ns: u64) -> u16 {
    let exponent = 63 - (ns | 1).leading_zeros();
    if exponent < BUCKET_BITS {
        return ns as u16;
    }
    let shift = exponent - BUCKET_BITS;
    (((shift + 1) << BUCKET_BITS) as u64 + ((ns >> shift) & ((1 << BUCKET_BITS) - 1))) as u16
}

/// The smallest and the largest value of a bucket.
fn bounds_of(bucket: u16) -> (u64, u64) {
    let octave = u32::from(bucket) >> BUCKET_BITS;
    if octave == 0 {
        return (u64::from(bucket), u64::from(bucket));
    }
    let shift = octave - 1;
    let low = ((1u64 << BUCKET_BITS) + (u64::from(bucket) & ((1 << BUCKET_BITS) - 1))) << shift;
    (low, low + ((1u64 << shift) - 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Largest relative error of a quantile.
    const RELATIVE_ERROR: f64 = 1.0 / 128.0;

    #[test]
    fn buckets_are_adjacent_and_narrow() {
        let mut next = 0u64;
        for bucket in 0..=bucket_of(u64::MAX) {
            let (low, high) = bounds_of(bucket);
            assert_eq!(low, next, "{bucket}");
            assert_eq!((bucket_of(low), bucket_of(high)), (bucket, bucket));
            let middle = (low as f64 + high as f64) / 2.0;
            assert!(low == 0 || (middle - low as f64) / low as f64 <= RELATIVE_ERROR);
            next = high.wrapping_add(1);
        }
        assert_eq!(next, 0, "the last bucket ends at the largest value");
    }

    #[test]
    fn counts_go_beyond_four_billion() {
        let mut buckets = dense(&[(7, u64::from(u32::MAX) - 1), (9, 5 << 32)]);
        (0..3).for_each(|_| buckets.add(7, 1));
        buckets.add(9, 1);
        assert_eq!(buckets.iter().collect::<Vec<_>>(), [(7, (1 << 32) + 1), (9, (5 << 32) + 1)]);
        let mut latency = Latency::default();
        (0..60).for_each(|ns| latency.record(ns));
        if let Buckets::Dense { counts, .. } = &mut latency.buckets {
            counts[3] = u32::MAX;
        }
        latency.record(3);
        assert_eq!(latency.buckets.iter().nth(3), Some((3, 1 << 32)));
    }

    proptest! {
        #[test]
        fn quantiles_stay_within_the_stated_error(values in prop::collection::vec(0u64..u64::MAX, 1..400), q in 0.0f64..=1.0) {
            let mut latency = Latency::default();
            values.iter().for_each(|ns| latency.record(*ns));
            let mut sorted = values.clone();
            sorted.sort_unstable();
            let rank = ((q * sorted.len() as f64).ceil() as usize).clamp(1, sorted.len());
            let exact = sorted[rank - 1] as f64;
            let ours = latency.quantile_ns(q).unwrap_or(f64::NAN);
            prop_assert!((ours - exact).abs() <= exact * RELATIVE_ERROR * 1.000001, "{} {}", ours, exact);
        }

        #[test]
        fn merging_in_any_order_gives_the_same(values in prop::collection::vec((0u64..1 << 50, 0usize..4), 1..600)) {
            let mut parts = vec![Latency::default(); 4];
            let mut whole = Latency::default();
            for (ns, part) in &values {
                parts[*part].record(*ns);
                whole.record(*ns);
            }
            let merge = |order: [usize; 4]| {
                let mut merged = Latency::default();
                order.iter().for_each(|part| merged.merge(&parts[*part]));
                merged
            };
            for order in [[0, 1, 2, 3], [3, 1, 0, 2]] {
                let merged = merge(order);
                prop_assert_eq!(merged.mean_ns(), whole.mean_ns());
                for q in [0.0, 0.1, 0.5, 0.9, 0.99, 1.0] {
                    prop_assert_eq!(merged.quantile_ns(q), whole.quantile_ns(q));
                }
            }
        }
    }
}
