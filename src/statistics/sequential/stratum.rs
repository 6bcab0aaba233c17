//! Calls of two variants, cut into spans of time in which they may be compared.

/// Fewest calls, of both arms together, at which a stratum ends with its minute.
pub(crate) const STRATUM_CALLS_MIN: u64 = 50;

/// Least latency that is told apart, in milliseconds: the Python package rounds to 0.01 ms, so its 0 is anything less
/// than half of that.
const LATENCY_MS_MIN: f64 = 0.005;

/// Count, mean and spread of numbers in one pass (Welford, Technometrics 4, 1962).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Welford {
    pub(super) count: u64,
    pub(super) mean: f64,
    /// Sum of the squared deviations from the mean.
    pub(super) squares: f64,
}

impl Welford {
    /// Adds one number.
    #[inline]
    pub(crate) fn add(&mut self, value: f64) {
        self.count = self.count.saturating_add(1);
        let before = value - self.mean;
        self.mean += before / self.count as f64;
        self.squares += before * (value - self.mean);
    }

    /// Adds all that `other` holds (Chan, Golub and LeVeque, COMPSTAT 1982). In another order the last bits may differ.
    pub(crate) fn merge(&mut self, other: &Welford) {
        if self.count == 0 {
            *self = *other;
            return;
        }
        let (ours, theirs) = (self.count as f64, other.count as f64);
        let share = theirs / (ours + theirs);
        let difference = other.mean - self.mean;
        self.count = self.count.saturating_add(other.count);
        self.mean += difference * share;
        self.squares += other.squares + difference * difference * ours * share;
    }

    /// The arithmetic mean; `None` when empty.
    pub(crate) fn mean(&self) -> Option<f64> {
        (self.count > 0).then_some(self.mean)
    }

    /// The variance of a sample, with one degree of freedom taken off; `None` for fewer than two numbers.
    #[cfg(test)]
    pub(crate) fn variance(&self) -> Option<f64> {
        (self.count > 1).then(|| self.squares / (self.count - 1) as f64)
    }
}

/// The calls of one variant in some span of time, in 40 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Arm {
    pub(crate) calls: u64,
    pub(crate) failures: u64,
    pub(crate) latency: Welford,
}

impl Arm {
    /// An arm of `calls`, `failures` of them (at most all), with no latency known.
    #[cfg(test)]
    pub(crate) fn of(calls: u64, failures: u64) -> Arm {
        Arm { calls, failures: failures.min(calls), latency: Welford::default() }
    }

    /// Adds one call. Its latency counts if it succeeded.
    #[inline]
    pub(crate) fn add(&mut self, success: bool, latency_ns: Option<u64>) {
        self.calls = self.calls.saturating_add(1);
        if !success {
            self.failures = self.failures.saturating_add(1);
        } else if let Some(ns) = latency_ns {
            self.latency.add((ns as f64 / 1e6).max(LATENCY_MS_MIN).ln());
        }
    }

    /// Adds all calls of `other`.
    pub(crate) fn merge(&mut self, other: &Arm) {
        self.calls = self.calls.saturating_add(other.calls);
        self.failures = self.failures.saturating_add(other.failures);
        self.latency.merge(&other.latency);
    }
}

/// The calls of both variants in one span of time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Stratum {
    /// What the candidate is compared with.
    pub(crate) baseline: Arm,
    /// What is judged.
    pub(crate) candidate: Arm,
}

impl Stratum {
    /// Adds all calls of `other`.
    pub(crate) fn merge(&mut self, other: &Stratum) {
        self.baseline.merge(&other.baseline);
        self.candidate.merge(&other.candidate);
    }

    /// The calls of both arms.
    pub(crate) fn calls(&self) -> u64 {
        self.baseline.calls.saturating_add(self.candidate.calls)
    }

    /// Whether both variants were called, without which a stratum says nothing of their difference.
    pub(crate) fn is_concurrent(&self) -> bool {
        self.baseline.calls > 0 && self.candidate.calls > 0
    }
}

/// Cuts calls in the order of time into strata: one ends with the first minute by whose end it has
/// 50 calls, or when it is told to. The last one is open: more calls may come to it, so it must not be
/// compared yet.
#[derive(Clone, Debug, Default)]
pub(crate) struct Strata {
    pub(super) open: Stratum,
    minute: Option<i64>,
}

impl Strata {
    /// Adds one call at `minute` (since any moment, in UTC). Returns the stratum that it ends, to which it does not
    /// belong. A call from an earlier minute, logged late, belongs to the open stratum.
    #[must_use = "a stratum that has ended is to be compared"]
    pub(crate) fn add(
        &mut self,
        minute: i64,
        candidate: bool,
        success: bool,
        latency_ns: Option<u64>,
    ) -> Option<Stratum> {
        let is_next = self.minute.is_none_or(|current| minute > current);
        self.minute = self.minute.max(Some(minute));
        let ended = if is_next && self.open.calls() >= STRATUM_CALLS_MIN { self.cut() } else { None };
        let arm = if candidate { &mut self.open.candidate } else { &mut self.open.baseline };
        arm.add(success, latency_ns);
        ended
    }

    /// Ends the open stratum, however small: weights changed, or a variant was promoted. `None` if it has no calls.
    #[must_use = "a stratum that has ended is to be compared"]
    pub(crate) fn cut(&mut self) -> Option<Stratum> {
        let ended = std::mem::take(&mut self.open);
        (ended.calls() > 0).then_some(ended)
    }
}
