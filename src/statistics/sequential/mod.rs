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
mod stratum;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;

use estimate::{LatencySums, RateSums};
use evidence::Evidence;

use estimate::Estimate;
pub(crate) use stratum::{Arm, Strata, Stratum};

/// What the strata say of the candidate. Of each only sums are kept.
#[derive(Clone, Debug, Default)]
pub(crate) struct Comparison {
    all: Stratum,
    evidence: Evidence,
    rates: RateSums,
    latencies: LatencySums,
}

impl Comparison {
    /// Adds a stratum that has ended; see [`Strata`].
    pub(crate) fn add(&mut self, stratum: &Stratum) {
        self.all.merge(stratum);
        if stratum.is_concurrent() {
            self.evidence.add(stratum);
            self.rates.add(stratum);
            self.latencies.add(stratum);
        }
    }

    /// All calls that were added, those of strata with one variant alone too.
    pub(crate) fn calls(&self) -> &Stratum {
        &self.all
    }

    /// The natural logarithm of E, the evidence that one variant fails more often than the other.
    ///
    /// E is a mixture of the conditional likelihood ratios of log odds ratios from -6 to 6, with the weights of a normal
    /// distribution about 0 with standard deviation 0.7: a stratified, anytime-valid Cochran-Mantel-Haenszel test.
    /// Were the variants equal, E would exceed 1/α at any time with a probability of at most α.
    ///
    /// The mixture's steps are 0.1: a log odds ratio below 0.05 is nearer to 0 than to any other of them, so it is not
    /// found, however many calls there are. At a failure rate of 5% that is a difference of 0.24 points, at 50% of 1.25.
    pub(crate) fn ln_e(&self) -> f64 {
        self.evidence.ln_e()
    }

    /// The p-value that holds at all looks together: 1/E, at most 1.
    pub(crate) fn p_value(&self) -> f64 {
        (-self.ln_e()).exp().min(1.0)
    }

    /// On which side of 0 the most likely log odds ratio lies: `Greater` if the candidate fails more often.
    pub(crate) fn direction(&self) -> Ordering {
        self.evidence.direction()
    }

    /// The candidate's failure rate minus the baseline's, with an interval that holds at all looks together with
    /// probability 1 - `alpha`; for display, the decision is [`Comparison::p_value`]'s.
    ///
    /// Mantel and Haenszel's difference with Sato's variance (Biometrics 45, 1989), and one stratum added in which the
    /// rates are equal. `None` while fewer than five of the rarer outcome are to be expected of the smaller arm,
    /// and for an `alpha` that is not between 0 and 1.
    pub(crate) fn difference(&self, alpha: f64) -> Option<Estimate> {
        self.rates.estimate(alpha)
    }

    /// The candidate's latency divided by the baseline's, as the ratio of geometric means of successful calls, with an
    /// interval that holds at all looks together with probability 1 - `alpha`.
    ///
    /// `None` while either arm has fewer than 30 successes with a latency in strata where the other has
    /// one too, or too seldom two in the same stratum for their spread to be known, and for an `alpha` that is not between
    /// 0 and 1.
    pub(crate) fn latency_ratio(&self, alpha: f64) -> Option<Estimate> {
        self.latencies.estimate(alpha)
    }
}
