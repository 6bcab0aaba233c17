//! The comparison of a function's variants, and what follows from it.
//!
//! What is here is good for one look: the intervals are not made for data that is looked at again and again.

use serde::Serialize;

use super::stats::{self, Interval};
use super::summary::{FunctionSummary, Tally, VariantSummary};

/// Fewest calls of a variant that are judged; the Python package has the same floor.
pub const CALLS_MIN: u64 = 30;

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// Give the variant all traffic.
    Promote,
    /// Withdraw the variant.
    Rollback,
    /// Not enough is known.
    Inconclusive,
    /// The log does not hold a comparison.
    Invalid,
}

impl Decision {
    /// Its name in output.
    pub fn name(self) -> &'static str {
        match self {
            Decision::Promote => "promote",
            Decision::Rollback => "rollback",
            Decision::Inconclusive => "inconclusive",
            Decision::Invalid => "invalid",
        }
    }
}

/// A decision, the variant that it is about, and why.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// What to do.
    pub decision: Decision,
    /// The variant to promote or roll back.
    pub variant: Option<String>,
    /// Why, in a sentence.
    pub reason: String,
}

/// A variant beside the baseline. Calls made as a fallback are left out of both.
#[derive(Clone, Debug)]
pub struct Comparison<'a> {
    /// The variant.
    pub variant: &'a VariantSummary,
    /// Its success rate minus the baseline's; `None` when either has no calls.
    pub difference: Option<f64>,
    /// Newcombe's 95% interval for the difference.
    pub interval: Option<Interval>,
    /// Whether both were called in the same span of time; where they were not, the difference may be the time's.
    pub concurrent: bool,
}

impl Comparison<'_> {
    /// A figure of the variant divided by the baseline's; `None` when either is missing or the baseline's is 0.
    pub fn ratio(&self, baseline: &Tally, figure: impl Fn(&Tally) -> Option<f64>) -> Option<f64> {
        let (ours, base) = (figure(&self.variant.primary)?, figure(baseline)?);
        (base > 0.0).then_some(ours / base)
    }
}

/// A function's variants compared.
#[derive(Clone, Debug)]
pub struct Report<'a> {
    /// The function.
    pub function: &'a FunctionSummary,
    /// What the others are compared with; `None` when no variant is known.
    pub baseline: Option<&'a VariantSummary>,
    /// Each other variant.
    pub comparisons: Vec<Comparison<'a>>,
    /// What the Python package's `ABTestStrategy.report` recommends, word for word, over all calls.
    pub recommendation: String,
    /// What follows.
    pub verdict: Verdict,
}

impl<'a> Report<'a> {
    /// Compares the variants of `function` with the one named `baseline`: by default `v1`, else the one called first.
    /// `None` when it has no variant of that name.
    pub fn new(function: &'a FunctionSummary, baseline: Option<&str>) -> Option<Self> {
        let baseline = match baseline {
            Some(name) => Some(function.variants.iter().find(|variant| *variant.name == *name)?),
            None => default_baseline(function),
        };
        let others = function.variants.iter().filter(|variant| baseline.is_some_and(|base| base.name != variant.name));
        let comparisons = others.filter_map(|variant| Some(compare(baseline?, variant))).collect::<Vec<_>>();
        let verdict = verdict(baseline, &comparisons);
        Some(Report { function, baseline, recommendation: recommend(&function.variants), comparisons, verdict })
    }
}

fn default_baseline(function: &FunctionSummary) -> Option<&VariantSummary> {
    let first = function.variants.first().filter(|variant| *variant.name == *super::fallback::FIRST_VARIANT);
    let called = function.variants.iter().filter(|variant| variant.primary.calls > 0);
    first.or_else(|| called.min_by_key(|variant| variant.primary.span.first())).or(function.variants.first())
}

fn compare<'a>(baseline: &VariantSummary, variant: &'a VariantSummary) -> Comparison<'a> {
    let (a, b) = (&baseline.primary, &variant.primary);
    let difference = a.success_rate().zip(b.success_rate()).map(|(a, b)| b - a);
    let interval = stats::newcombe((a.successes, a.calls), (b.successes, b.calls));
    Comparison { variant, difference, interval, concurrent: concurrent(a, b) }
}

/// Whether two sets of calls share any span of time; assumed where times are missing.
fn concurrent(a: &Tally, b: &Tally) -> bool {
    match (a.span.first(), a.span.last(), b.span.first(), b.span.last()) {
        (Some(a_first), Some(a_last), Some(b_first), Some(b_last)) => a_first <= b_last && b_first <= a_last,
        _ => true,
    }
}

fn verdict(baseline: Option<&VariantSummary>, comparisons: &[Comparison<'_>]) -> Verdict {
    let plain = |decision, reason| Verdict { decision, variant: None, reason };
    let Some(baseline) = baseline else {
        return plain(Decision::Inconclusive, "no calls in the log".into());
    };
    let called = comparisons.iter().filter(|other| other.variant.primary.calls > 0).collect::<Vec<_>>();
    if called.is_empty() || baseline.primary.calls == 0 {
        let called = called.iter().map(|other| other.variant).chain([baseline]).find(|v| v.primary.calls > 0);
        let only = called.map_or("no variant was called".into(), |v| format!("only `{}` was called", v.name));
        return plain(Decision::Inconclusive, format!("{only}: nothing to compare"));
    }
    let together = called.iter().filter(|other| other.concurrent).collect::<Vec<_>>();
    if together.is_empty() {
        let reason =
            format!("before/after comparison, not an experiment: no variant was called while `{}` was", baseline.name);
        return plain(Decision::Invalid, reason);
    }
    let enough = |calls: u64| calls >= CALLS_MIN;
    let judged = together.iter().filter(|other| enough(other.variant.primary.calls) && enough(baseline.primary.calls));
    let judged = judged.filter_map(|other| Some((other, other.difference?, other.interval?))).collect::<Vec<_>>();
    let worst = judged.iter().filter(|(_, _, interval)| interval.high < 0.0).min_by(|a, b| a.1.total_cmp(&b.1));
    let best = judged.iter().filter(|(_, _, interval)| interval.low > 0.0).max_by(|a, b| a.1.total_cmp(&b.1));
    if let Some((other, difference, interval)) = worst {
        let reason = difference_in_words(&other.variant.name, &baseline.name, *difference, *interval);
        return Verdict { decision: Decision::Rollback, variant: Some(other.variant.name.to_string()), reason };
    }
    if let Some((other, difference, interval)) = best {
        let reason = difference_in_words(&other.variant.name, &baseline.name, *difference, *interval);
        return Verdict { decision: Decision::Promote, variant: Some(other.variant.name.to_string()), reason };
    }
    let Some((other, difference, interval)) = judged.first() else {
        let least = together.iter().map(|other| other.variant).chain([baseline]).min_by_key(|v| v.primary.calls);
        let (name, calls) = least.map_or(("", 0), |v| (&*v.name, v.primary.calls));
        return plain(
            Decision::Inconclusive,
            format!("`{name}` has {calls} calls of its own, and {CALLS_MIN} are needed"),
        );
    };
    let reason = difference_in_words(&other.variant.name, &baseline.name, *difference, *interval);
    plain(Decision::Inconclusive, format!("{reason}: there may be no difference"))
}

fn difference_in_words(variant: &str, baseline: &str, difference: f64, interval: Interval) -> String {
    let points = |rate: f64| format!("{:+.2}", rate * 100.0);
    let (size, low, high) = (difference.abs() * 100.0, points(interval.low), points(interval.high));
    let compared = match points(difference).as_str() {
        "+0.00" | "-0.00" => format!("`{variant}` succeeds as often as `{baseline}`"),
        _ if difference > 0.0 => format!("`{variant}` succeeds {size:.2} points more often than `{baseline}`"),
        _ => format!("`{variant}` succeeds {size:.2} points less often than `{baseline}`"),
    };
    format!("{compared}, 95% interval for one look {low} to {high}")
}

/// The rule of `ABTestStrategy._recommend` in temporal-code 0.1.0, in its words.
fn recommend(variants: &[VariantSummary]) -> String {
    let all = variants.iter().map(|variant| (&variant.name, variant.all())).collect::<Vec<_>>();
    let Some(least) = all.iter().map(|(_, all)| all.calls).min() else { return "No variants".into() };
    if least < CALLS_MIN {
        return format!("Insufficient data (min {least} calls, need {CALLS_MIN}+)");
    }
    let rank = |all: &Tally| (all.success_rate().unwrap_or(1.0), -mean_ms(all));
    let mut best = &all[0];
    for other in &all[1..] {
        if rank(&other.1) > rank(&best.1) {
            best = other;
        }
    }
    let rate = best.1.success_rate().unwrap_or(1.0) * 100.0;
    format!("Recommend '{}': {rate:.1}% success, {:.0}ms avg", best.0, mean_ms(&best.1))
}

fn mean_ms(tally: &Tally) -> f64 {
    tally.latency.mean_ns().unwrap_or(0.0) / 1e6
}
