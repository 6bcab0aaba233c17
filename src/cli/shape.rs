//! The JSON members that several commands have in common.

use serde::Serialize;

use crate::evolution::stats::{self, Interval};
use crate::evolution::summary::{FunctionSummary, Tally, VariantSummary};
use crate::time::Timestamp;

/// Latencies in milliseconds; members are null where no call has one.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct LatencyShape {
    mean: Option<f64>,
    p50: Option<f64>,
    p90: Option<f64>,
    p95: Option<f64>,
    p99: Option<f64>,
    max: Option<f64>,
}

impl From<&Tally> for LatencyShape {
    fn from(tally: &Tally) -> Self {
        // A millionth of a millisecond is what the logs are read to.
        let ms = |ns: f64| (ns.round() / 1e6).max(0.0);
        let quantile = |q| tally.latency.quantile_ns(q).map(ms);
        LatencyShape {
            mean: tally.latency.mean_ns().map(ms),
            p50: quantile(0.5),
            p90: quantile(0.9),
            p95: quantile(0.95),
            p99: quantile(0.99),
            max: tally.latency.max_ns().map(|ns| ms(ns as f64)),
        }
    }
}

/// A message and how often it came; null where calls failed without one.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ErrorShape {
    pub(crate) error: Option<String>,
    pub(crate) count: u64,
}

/// One variant's calls, those made as a fallback included unless said otherwise.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct VariantShape {
    pub(crate) variant: String,
    pub(crate) calls: u64,
    successes: u64,
    failures: u64,
    success_rate: Option<f64>,
    share: Option<f64>,
    fallback_calls: u64,
    pub(crate) latency_ms: LatencyShape,
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<Vec<ErrorShape>>,
    first_seen: Option<Timestamp>,
    last_seen: Option<Timestamp>,
}

impl VariantShape {
    /// `total` is what the shares are of.
    pub(crate) fn new(variant: &VariantSummary, total: u64, errors: bool) -> Self {
        let all = variant.all();
        VariantShape {
            variant: variant.name.to_string(),
            calls: all.calls,
            successes: all.successes,
            failures: all.failures(),
            success_rate: all.success_rate(),
            share: all.share_of(total),
            fallback_calls: variant.fallback.calls,
            latency_ms: LatencyShape::from(&all),
            errors: errors.then(|| errors_of(variant)),
            first_seen: all.span.first(),
            last_seen: all.span.last(),
        }
    }
}

/// A variant's errors, the most frequent first.
pub(crate) fn errors_of(variant: &VariantSummary) -> Vec<ErrorShape> {
    let messages = variant.errors.messages.iter();
    let mut errors = messages
        .map(|(message, count)| ErrorShape { error: message.as_deref().map(str::to_string), count: *count })
        .collect::<Vec<_>>();
    errors.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.error.cmp(&b.error)));
    if variant.errors.other > 0 {
        errors.push(ErrorShape { error: Some("(other messages)".into()), count: variant.errors.other });
    }
    errors
}

/// One function.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct FunctionShape {
    pub(crate) function: String,
    calls: u64,
    promotions: u64,
    rollbacks: u64,
    weight_changes: u64,
    other_events: u64,
    first_event: Option<Timestamp>,
    last_event: Option<Timestamp>,
    variants: Vec<VariantShape>,
}

impl FunctionShape {
    pub(crate) fn new(function: &FunctionSummary, errors: bool) -> Self {
        let (calls, span) = (function.calls(), function.span());
        FunctionShape {
            function: function.name.to_string(),
            calls,
            promotions: function.promotions,
            rollbacks: function.rollbacks,
            weight_changes: function.weight_changes,
            other_events: function.others.values().sum(),
            first_event: span.first(),
            last_event: span.last(),
            variants: function.variants.iter().map(|variant| VariantShape::new(variant, calls, errors)).collect(),
        }
    }
}

/// An interval and what it promises.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct IntervalShape {
    low: f64,
    high: f64,
    level: f64,
    method: &'static str,
}

impl IntervalShape {
    /// Wilson's interval for a success rate.
    pub(crate) fn wilson(tally: &Tally) -> Option<Self> {
        stats::wilson(tally.successes, tally.calls).map(|interval| Self::new(interval, "wilson, one look"))
    }

    pub(crate) fn new(interval: Interval, method: &'static str) -> Self {
        IntervalShape { low: interval.low, high: interval.high, level: 0.95, method }
    }
}
