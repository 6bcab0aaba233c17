//! Comparing a candidate with a baseline in a way that stays right however often one looks.
//!
//! ```text
//! calls ──▶ Strata ── closed strata ──▶ Comparison ──▶ ln E, p       is there a difference?
//!           (spans of time)                        ├─▶ difference    of failure rates, how large
//!                                                  └─▶ latency ratio how much slower
//! ```
//!
//! Which variant a call takes is drawn anew for each call, so within a short span of time the calls of both may be
//! exchanged for one another if the variants are equal. All that is compared is compared within such spans, strata:
//! neither a failure rate that drifts nor weights that change can then pass for a difference. Only when the strata are
//! added up is a conclusion drawn, and its error is bounded for all looks together, not for one.
//!
//! A stratum ends where counts of calls say so, never where outcomes do, so it never moves as a log grows. Nothing here
//! grows with the number of strata.

mod estimate;
mod evidence;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;

use estimate::{LatencySums, RateSums};
use evidence::Evidence;

pub use estimate::{CALLS_PLANNED, Estimate, RARER_MIN, SUCCESSES_MIN};
pub use evidence::TAU;

/// Fewest calls, of both arms together, at which a stratum ends with its minute.
pub const STRATUM_CALLS_MIN: u64 = 50;

/// Least latency that is told apart, in milliseconds: the Python package rounds to 0.01 ms, so its 0 is anything less
/// than half of that.
const LATENCY_MS_MIN: f64 = 0.005;

/// Count, mean and spread of numbers in one pass (Welford, Technometrics 4, 1962).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Welford {
    count: u64,
    mean: f64,
    /// Sum of the squared deviations from the mean.
    squares: f64,
}

impl Welford {
    /// Adds one number.
    #[inline]
    pub fn add(&mut self, value: f64) {
        self.count = self.count.saturating_add(1);
        let before = value - self.mean;
        self.mean += before / self.count as f64;
        self.squares += before * (value - self.mean);
    }

    /// Adds all that `other` holds (Chan, Golub and LeVeque, COMPSTAT 1982). In another order the last bits may differ.
    pub fn merge(&mut self, other: &Welford) {
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

    /// How many numbers were added.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The arithmetic mean; `None` when empty.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then_some(self.mean)
    }

    /// The variance of a sample, with one degree of freedom taken off; `None` for fewer than two numbers.
    pub fn variance(&self) -> Option<f64> {
        (self.count > 1).then(|| self.squares / (self.count - 1) as f64)
    }
}

/// The calls of one variant in some span of time, in 40 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Arm {
    calls: u64,
    failures: u64,
    latency: Welford,
}

impl Arm {
    /// An arm of `calls`, `failures` of them (at most all), with no latency known.
    pub fn of(calls: u64, failures: u64) -> Arm {
        Arm { calls, failures: failures.min(calls), latency: Welford::default() }
    }

    /// Adds one call. Its latency counts if it succeeded.
    #[inline]
    pub fn add(&mut self, success: bool, latency_ns: Option<u64>) {
        self.calls = self.calls.saturating_add(1);
        if !success {
            self.failures = self.failures.saturating_add(1);
        } else if let Some(ns) = latency_ns {
            self.latency.add((ns as f64 / 1e6).max(LATENCY_MS_MIN).ln());
        }
    }

    /// Adds all calls of `other`.
    pub fn merge(&mut self, other: &Arm) {
        self.calls = self.calls.saturating_add(other.calls);
        self.failures = self.failures.saturating_add(other.failures);
        self.latency.merge(&other.latency);
    }

    /// How many calls.
    pub fn calls(&self) -> u64 {
        self.calls
    }

    /// How many of them failed.
    pub fn failures(&self) -> u64 {
        self.failures
    }

    /// The natural logarithms of the latencies of the successes, in milliseconds and at least ln 0.005.
    pub fn latency(&self) -> &Welford {
        &self.latency
    }
}

/// The calls of both variants in one span of time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Stratum {
    /// What the candidate is compared with.
    pub baseline: Arm,
    /// What is judged.
    pub candidate: Arm,
}

impl Stratum {
    /// Adds all calls of `other`.
    pub fn merge(&mut self, other: &Stratum) {
        self.baseline.merge(&other.baseline);
        self.candidate.merge(&other.candidate);
    }

    /// The calls of both arms.
    pub fn calls(&self) -> u64 {
        self.baseline.calls.saturating_add(self.candidate.calls)
    }

    /// Whether both variants were called, without which a stratum says nothing of their difference.
    pub fn is_concurrent(&self) -> bool {
        self.baseline.calls > 0 && self.candidate.calls > 0
    }
}

/// Cuts calls in the order of time into strata: one ends with the first minute by whose end it has
/// [`STRATUM_CALLS_MIN`] calls, or when it is told to. The last one is open: more calls may come to it, so it must not be
/// compared yet.
#[derive(Clone, Debug, Default)]
pub struct Strata {
    open: Stratum,
    minute: Option<i64>,
}

impl Strata {
    /// Adds one call at `minute` (since any moment, in UTC). Returns the stratum that it ends, to which it does not
    /// belong. A call from an earlier minute, logged late, belongs to the open stratum.
    #[must_use = "a stratum that has ended is to be compared"]
    pub fn add(&mut self, minute: i64, candidate: bool, success: bool, latency_ns: Option<u64>) -> Option<Stratum> {
        let ended = self.turn(minute);
        let arm = if candidate { &mut self.open.candidate } else { &mut self.open.baseline };
        arm.add(success, latency_ns);
        ended
    }

    /// Adds the calls of one minute, or of a part of it, that were counted elsewhere; otherwise as [`Strata::add`].
    #[must_use = "a stratum that has ended is to be compared"]
    pub fn add_minute(&mut self, minute: i64, calls: &Stratum) -> Option<Stratum> {
        let ended = self.turn(minute);
        self.open.merge(calls);
        ended
    }

    /// Ends the open stratum, however small: weights changed, or a variant was promoted. `None` if it has no calls.
    #[must_use = "a stratum that has ended is to be compared"]
    pub fn cut(&mut self) -> Option<Stratum> {
        let ended = std::mem::take(&mut self.open);
        (ended.calls() > 0).then_some(ended)
    }

    /// The stratum that has not ended.
    pub fn open(&self) -> &Stratum {
        &self.open
    }

    fn turn(&mut self, minute: i64) -> Option<Stratum> {
        if self.minute.is_some_and(|current| minute <= current) {
            return None;
        }
        self.minute = Some(minute);
        if self.open.calls() >= STRATUM_CALLS_MIN { self.cut() } else { None }
    }
}

/// What the strata say of the candidate. Of each only sums are kept.
///
/// ```
/// use temporal_code::evolution::sequential::{Arm, Comparison, Stratum};
/// let mut comparison = Comparison::default();
/// for _ in 0..3 {
///     comparison.add(&Stratum { baseline: Arm::of(45, 1), candidate: Arm::of(5, 4) });
/// }
/// assert!(comparison.p_value() < 0.001 && comparison.direction().is_gt());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Comparison {
    all: Stratum,
    evidence: Evidence,
    rates: RateSums,
    latencies: LatencySums,
}

impl Comparison {
    /// Adds a stratum that has ended; see [`Strata`].
    pub fn add(&mut self, stratum: &Stratum) {
        self.all.merge(stratum);
        if stratum.is_concurrent() {
            self.evidence.add(stratum);
            self.rates.add(stratum);
            self.latencies.add(stratum);
        }
    }

    /// All calls that were added, those of strata with one variant alone too.
    pub fn calls(&self) -> &Stratum {
        &self.all
    }

    /// The calls (baseline, candidate) of strata in which both variants were called: all that is compared.
    pub fn concurrent_calls(&self) -> (u64, u64) {
        self.rates.calls()
    }

    /// The natural logarithm of E, the evidence that one variant fails more often than the other.
    ///
    /// E is a mixture of the conditional likelihood ratios of log odds ratios from -6 to 6, with the weights of a normal
    /// distribution about 0 with standard deviation [`TAU`]: a stratified, anytime-valid Cochran-Mantel-Haenszel test.
    /// Were the variants equal, E would exceed 1/α at any time with a probability of at most α.
    ///
    /// The mixture's steps are 0.1: a log odds ratio below 0.05 is nearer to 0 than to any other of them, so it is not
    /// found, however many calls there are. At a failure rate of 5% that is a difference of 0.24 points, at 50% of 1.25.
    pub fn ln_e(&self) -> f64 {
        self.evidence.ln_e()
    }

    /// The p-value that holds at all looks together: 1/E, at most 1.
    pub fn p_value(&self) -> f64 {
        (-self.ln_e()).exp().min(1.0)
    }

    /// On which side of 0 the most likely log odds ratio lies: `Greater` if the candidate fails more often.
    pub fn direction(&self) -> Ordering {
        self.evidence.direction()
    }

    /// The candidate's failure rate minus the baseline's, with an interval that holds at all looks together with
    /// probability 1 - `alpha`; for display, the decision is [`Comparison::p_value`]'s.
    ///
    /// Mantel and Haenszel's difference with Sato's variance (Biometrics 45, 1989), and one stratum added in which the
    /// rates are equal. `None` while fewer than [`RARER_MIN`] of the rarer outcome are to be expected of the smaller arm,
    /// and for an `alpha` that is not between 0 and 1.
    pub fn difference(&self, alpha: f64) -> Option<Estimate> {
        self.rates.estimate(alpha)
    }

    /// The candidate's latency divided by the baseline's, as the ratio of geometric means of successful calls, with an
    /// interval that holds at all looks together with probability 1 - `alpha`.
    ///
    /// `None` while either arm has fewer than [`SUCCESSES_MIN`] successes with a latency in strata where the other has
    /// one too, or too seldom two in the same stratum for their spread to be known, and for an `alpha` that is not between
    /// 0 and 1.
    pub fn latency_ratio(&self, alpha: f64) -> Option<Estimate> {
        self.latencies.estimate(alpha)
    }
}
