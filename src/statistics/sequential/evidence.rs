//! The evidence that failures favour one arm: conditional likelihood ratios, mixed over log odds ratios.
//!
//! Given how many calls of a stratum failed, how many of them are the candidate's follows Fisher's noncentral
//! hypergeometric distribution, which knows the log odds ratio θ and nothing else: not the failure rate, not the weights.
//! The likelihood of θ divided by that of 0 is `e^(θx) / Σ h(j) e^(θj)` with the central distribution `h`.

use std::cmp::Ordering;
use std::sync::LazyLock;

use super::stratum::{Arm, Stratum};

/// Standard deviation of the log odds ratios that are mixed: the evidence grows fastest at differences of about this.
pub(crate) const TAU: f64 = 0.7;

/// Log odds ratios on each side of 0.
const SIDE: usize = 60;

/// Log odds ratios to each unit.
const PER_UNIT: f64 = 10.0;

/// A term this much smaller than the greatest is left out of a sum, with all beyond it.
const NEGLIGIBLE: f64 = 1e-18;

/// Most calls of a stratum that are summed exactly, a million a second for a minute. Of more, in proportion, as many:
/// this understates the evidence, and bounds the time for any counts.
const CALLS_MAX: u128 = 1 << 26;

/// Scores this small, in failures to each failure, are rounding.
const SCORE_ROUNDING: f64 = 1e-12;

/// Log likelihoods, added up over strata.
#[derive(Clone, Debug)]
pub(super) struct Evidence {
    /// For θ = -0.1, -0.2 … -6, relative to that of 0.
    below: [f64; SIDE],
    /// For θ = 0.1, 0.2 … 6, relative to that of 0.
    above: [f64; SIDE],
    /// Failures of the candidate beyond those to expect: the log likelihood's slope at θ = 0.
    score: f64,
    failures: f64,
}

impl Default for Evidence {
    fn default() -> Self {
        Evidence { below: [0.0; SIDE], above: [0.0; SIDE], score: 0.0, failures: 0.0 }
    }
}

/// The odds ratios of the grid.
static ODDS: LazyLock<[f64; SIDE]> = LazyLock::new(|| std::array::from_fn(|index| theta(index).exp()));

/// The θ, as a distance from 0, at a place in the grid.
fn theta(index: usize) -> f64 {
    (index + 1) as f64 / PER_UNIT
}

impl Evidence {
    /// Adds a stratum in which both arms were called.
    pub(super) fn add(&mut self, stratum: &Stratum) {
        let [baseline, candidate] = counts(&stratum.baseline, &stratum.candidate);
        // An odds ratio of one arm is the inverse of the other's.
        add_side(&mut self.above, candidate, baseline);
        add_side(&mut self.below, baseline, candidate);
        let failures = candidate.failures + baseline.failures;
        let expected = failures * (candidate.calls / (candidate.calls + baseline.calls));
        self.score += candidate.failures - expected;
        self.failures += failures;
    }

    pub(super) fn ln_e(&self) -> f64 {
        let likelihoods = self.below.iter().enumerate().chain(self.above.iter().enumerate());
        let likelihoods = likelihoods.map(|(index, ln)| (theta(index), *ln)).chain([(0.0, 0.0)]);
        let weighted = likelihoods.map(|(theta, ln)| (-theta * theta / (2.0 * TAU * TAU), ln));
        let greatest = weighted.clone().map(|(prior, ln)| prior + ln).fold(f64::NEG_INFINITY, f64::max);
        let (mut sum, mut priors) = (0.0, 0.0);
        for (prior, ln) in weighted {
            sum += (prior + ln - greatest).exp();
            priors += prior.exp();
        }
        greatest + (sum / priors).ln()
    }

    /// The log likelihood is concave, so its slope at 0 points to its maximum.
    pub(super) fn direction(&self) -> Ordering {
        match self.score {
            score if score.abs() <= SCORE_ROUNDING * self.failures => Ordering::Equal,
            score if score > 0.0 => Ordering::Greater,
            _ => Ordering::Less,
        }
    }
}

/// The calls of one arm: whole numbers, small enough to be exact.
#[derive(Clone, Copy)]
struct Counts {
    calls: f64,
    failures: f64,
}

/// The counts of two arms, scaled down together if they are beyond [`CALLS_MAX`].
fn counts(baseline: &Arm, candidate: &Arm) -> [Counts; 2] {
    let calls = u128::from(baseline.calls) + u128::from(candidate.calls);
    let halvings = (0..).find(|halvings| calls >> halvings <= CALLS_MAX).unwrap_or(0);
    let scaled = |count: u64| match halvings {
        0 => count as f64,
        _ => ((u128::from(count) + (1 << (halvings - 1))) >> halvings) as f64,
    };
    [baseline, candidate].map(|arm| Counts { calls: scaled(arm.calls), failures: scaled(arm.failures) })
}

/// Adds the log likelihoods of odds ratios greater than 1 of the arm `own`.
fn add_side(sums: &mut [f64; SIDE], own: Counts, other: Counts) {
    let mut terms = Terms::new(own, other);
    if terms.low == terms.high {
        return;
    }
    let ln_total = terms.sum(1.0).ln();
    for (index, (sum, odds)) in sums.iter_mut().zip(*ODDS).enumerate() {
        terms.climb(odds);
        let ln_tilted = terms.ln_peak + terms.sum(odds).ln();
        *sum += theta(index) * (own.failures - terms.peak) - (ln_tilted - ln_total);
    }
}

/// The terms `h(j) odds^j` of a noncentral hypergeometric distribution, each known by its ratio to the next. Those of
/// the smallest and the greatest can be farther apart than floats reach, so all are taken relative to the greatest.
struct Terms {
    failures: f64,
    own: f64,
    /// Calls of the other arm beyond the failures of both, perhaps negative.
    spare: f64,
    /// The fewest and most failures that the arm can have.
    low: f64,
    high: f64,
    /// Where the greatest term is.
    peak: f64,
    /// Natural logarithm of `h(peak)`, relative to where the peak was at first.
    ln_peak: f64,
}

impl Terms {
    fn new(own: Counts, other: Counts) -> Terms {
        let failures = own.failures + other.failures;
        let spare = other.calls - failures;
        let (low, high) = ((-spare).max(0.0), failures.min(own.calls));
        let mode = ((failures + 1.0) * ((own.calls + 1.0) / (own.calls + other.calls + 2.0))).floor();
        // `low` may not exceed `high`: no more calls failed than were made.
        Terms { failures, own: own.calls, spare, low, high, peak: mode.max(low).min(high), ln_peak: 0.0 }
    }

    /// `h(j + 1) / h(j)` as a fraction. Both parts are positive from `low` up to `high - 1`.
    fn ratio(&self, j: f64) -> (f64, f64) {
        ((self.failures - j) * (self.own - j), (j + 1.0) * (self.spare + j + 1.0))
    }

    /// Moves the peak up to that of greater odds.
    fn climb(&mut self, odds: f64) {
        let mut product = 1.0;
        while self.peak < self.high {
            let (next, this) = self.ratio(self.peak);
            if next * odds < this {
                break;
            }
            product *= next / this;
            self.peak += 1.0;
            if product < 1e-200 {
                self.ln_peak += f64::ln(product);
                product = 1.0;
            }
        }
        self.ln_peak += product.ln();
    }

    /// The sum of all terms, relative to that at the peak.
    fn sum(&self, odds: f64) -> f64 {
        let (mut sum, mut term, mut j) = (1.0, 1.0, self.peak);
        while j < self.high && term > NEGLIGIBLE {
            let (next, this) = self.ratio(j);
            term *= next * odds / this;
            sum += term;
            j += 1.0;
        }
        (term, j) = (1.0, self.peak);
        while j > self.low && term > NEGLIGIBLE {
            j -= 1.0;
            let (next, this) = self.ratio(j);
            term *= this / (next * odds);
            sum += term;
        }
        sum
    }
}
