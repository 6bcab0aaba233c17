//! How large a difference is: of failure rates, and of latencies.
//!
//! Both are means over strata with the weight `n1 n2 / N`, and intervals of the width of a normal mixture's boundary:
//! the asymptotic confidence sequence of Waudby-Smith and others (Annals of Statistics 52, 2024).

use super::stratum::{Arm, Stratum};

/// The number of calls for which the intervals are narrowest.
pub(crate) const CALLS_PLANNED: f64 = 5_000.0;

/// The least expected number of the rarer outcome in the smaller arm with which a difference is shown.
pub(crate) const RARER_MIN: f64 = 5.0;

/// Fewest successes with a latency in each arm with which a ratio of latencies is shown.
pub(crate) const SUCCESSES_MIN: u64 = 30;

/// Fewest degrees of freedom with which an arm's spread counts as known. Of a canary so small that it is mostly called
/// once in a stratum, 30 successes can leave 2, and intervals that miss in 11 of 100 experiments where they may in 5.
const FREEDOM_MIN: u64 = 5;

/// A difference or a ratio, with an interval that holds at all looks together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Estimate {
    /// The estimate itself.
    pub(crate) estimate: f64,
    /// Lower end of the interval.
    pub(crate) low: f64,
    /// Upper end of the interval.
    pub(crate) high: f64,
}

/// How many standard errors wide an interval is on each side, after `t` calls at half and half; `None` if `alpha` is not
/// between 0 and 1.
pub(super) fn multiplier(t: f64, alpha: f64) -> Option<f64> {
    if !(alpha > 0.0 && alpha < 1.0) {
        return None;
    }
    let doubled = -2.0 * alpha.ln();
    let rho = CALLS_PLANNED / (doubled + doubled.ln_1p());
    Some(((t + rho) / t * (((t + rho) / rho).ln() + doubled)).sqrt())
}

/// Sums over strata for the difference of failure rates.
#[derive(Clone, Debug, Default)]
pub(super) struct RateSums {
    pub(super) baseline: u64,
    pub(super) candidate: u64,
    failures: u64,
    weight: f64,
    /// Differences, weighted.
    difference: f64,
    /// Sato's P and Q, of which the variance is made.
    p: f64,
    q: f64,
}

impl RateSums {
    /// Adds a stratum in which both arms were called.
    pub(super) fn add(&mut self, stratum: &Stratum) {
        let (a, b) = (&stratum.baseline, &stratum.candidate);
        let (n1, x1, n2, x2) = (a.calls as f64, a.failures as f64, b.calls as f64, b.failures as f64);
        let n = n1 + n2;
        let (share1, share2) = (n1 / n, n2 / n);
        self.baseline = self.baseline.saturating_add(a.calls);
        self.candidate = self.candidate.saturating_add(b.calls);
        self.failures = self.failures.saturating_add(a.failures).saturating_add(b.failures);
        self.weight += n1 * share2;
        self.difference += x2 * share1 - x1 * share2;
        self.p += share2 * share2 * x1 - share1 * share1 * x2 + share1 * share2 * (n1 - n2) / 2.0;
        self.q += (x2 * ((n1 - x1) / n) + x1 * ((n2 - x2) / n)) / 2.0;
    }

    pub(super) fn estimate(&self, alpha: f64) -> Option<Estimate> {
        // One more stratum, of weight 1, has no difference and the largest variance that a rate can have.
        let weight = self.weight + 1.0;
        let half_width = multiplier(4.0 * weight, alpha)? * self.standard_error();
        let estimate = self.difference / weight;
        let (low, high) = ((estimate - half_width).max(-1.0), (estimate + half_width).min(1.0));
        (self.rarer() >= RARER_MIN).then_some(Estimate { estimate, low, high })
    }

    pub(super) fn standard_error(&self) -> f64 {
        let weight = self.weight + 1.0;
        let variance = self.difference / weight * self.p + self.q;
        (variance.max(0.0) + 0.25).sqrt() / weight
    }

    /// How many of the rarer outcome are to be expected of the smaller arm.
    fn rarer(&self) -> f64 {
        let (n1, n2, failures) = (self.baseline as f64, self.candidate as f64, self.failures as f64);
        let n = n1 + n2;
        if n > 0.0 { failures.min(n - failures) * (n1.min(n2) / n) } else { 0.0 }
    }
}

/// Sums over strata for the latencies of one arm.
#[derive(Clone, Debug, Default)]
struct ArmSums {
    successes: u64,
    /// Squared deviations from the strata's means, and their degrees of freedom.
    squares: f64,
    freedom: u64,
    /// What the variance of one call contributes to the variance of the weighted difference.
    factor: f64,
}

impl ArmSums {
    fn add(&mut self, arm: &Arm, weight: f64) {
        let latency = &arm.latency;
        self.successes = self.successes.saturating_add(latency.count);
        self.squares += latency.squares;
        self.freedom = self.freedom.saturating_add(latency.count.saturating_sub(1));
        self.factor += weight * weight / latency.count as f64;
    }

    fn variance(&self) -> Option<f64> {
        (self.freedom >= FREEDOM_MIN).then(|| self.squares / self.freedom as f64 * self.factor)
    }
}

/// Sums over strata for the ratio of latencies.
#[derive(Clone, Debug, Default)]
pub(super) struct LatencySums {
    baseline: ArmSums,
    candidate: ArmSums,
    weight: f64,
    /// Differences of the mean logarithms, weighted.
    difference: f64,
}

impl LatencySums {
    /// Adds a stratum, if both arms have latencies in it.
    pub(super) fn add(&mut self, stratum: &Stratum) {
        let (a, b) = (&stratum.baseline, &stratum.candidate);
        let (Some(mean1), Some(mean2)) = (a.latency.mean(), b.latency.mean()) else { return };
        let (n1, n2) = (a.latency.count as f64, b.latency.count as f64);
        let weight = n1 * (n2 / (n1 + n2));
        self.weight += weight;
        self.difference += weight * (mean2 - mean1);
        self.baseline.add(a, weight);
        self.candidate.add(b, weight);
    }

    pub(super) fn estimate(&self, alpha: f64) -> Option<Estimate> {
        if self.baseline.successes.min(self.candidate.successes) < SUCCESSES_MIN {
            return None;
        }
        let variance = self.baseline.variance()? + self.candidate.variance()?;
        let half_width = multiplier(4.0 * self.weight, alpha)? * variance.sqrt() / self.weight;
        let middle = self.difference / self.weight;
        Some(Estimate { estimate: middle.exp(), low: (middle - half_width).exp(), high: (middle + half_width).exp() })
    }
}
