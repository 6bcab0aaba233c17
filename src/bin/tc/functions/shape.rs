//! The JSON members that several commands have in common.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::output::figures::percent;
use temporal_code::Timestamp;
use temporal_code::logs::{self, Change, FunctionSummary, Interval, Tally, VariantSummary};

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

/// What somebody forced on a function last, and which shares of traffic stand.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ForcedShape {
    decision: &'static str,
    variant: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    since: Option<Timestamp>,
    by: Option<String>,
    reason: Option<String>,
    /// By variant, where they are set.
    shares: BTreeMap<String, f64>,
}

impl ForcedShape {
    fn new(function: &FunctionSummary) -> Option<Self> {
        let standing = &function.standing;
        let last = standing.last()?;
        let (decision, to) = match &last.change {
            Change::Promote => ("promotion", None),
            Change::Rollback { to } => ("rollback", to.clone()),
            Change::Weight { .. } => ("weight_change", None),
            Change::Release => return None,
        };
        let set = function.variants.iter().map(|variant| variant.name.to_string()).chain([last.variant.clone()]);
        let shares = set.filter_map(|name| standing.share(&name).map(|share| (name, share))).collect();
        let (by, reason) = (last.by.clone(), last.reason.clone());
        Some(ForcedShape { decision, variant: last.variant.clone(), to, since: last.at, by, reason, shares })
    }

    /// In words: `v2 gets all traffic: forced by ada@host 3m ago, “looks good”`.
    pub(crate) fn sentence(function: &FunctionSummary, ago: impl Fn(Option<Timestamp>) -> String) -> Option<String> {
        let shape = ForcedShape::new(function)?;
        let variant = &shape.variant;
        let what = match (shape.decision, &shape.to) {
            ("promotion", _) => format!("{variant} gets all traffic"),
            ("rollback", Some(to)) => format!("{variant} gets no traffic, {to} all of it"),
            ("rollback", None) => format!("{variant} gets no traffic, the first variant all of it"),
            _ => {
                let shares = shape.shares.iter().map(|(name, share)| format!("{name} gets {}", percent(*share)));
                shares.collect::<Vec<_>>().join(", ")
            }
        };
        let by = shape.by.map(|by| format!(" by {by}")).unwrap_or_default();
        let reason = shape.reason.map(|reason| format!(": {reason}")).unwrap_or_default();
        Some(format!("{what}, forced{by} {}{reason}", ago(shape.since)))
    }
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
    dropped_calls: u64,
    forced: Option<ForcedShape>,
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
            dropped_calls: function.dropped,
            forced: ForcedShape::new(function),
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
        logs::wilson(tally.successes, tally.calls).map(|interval| Self::new(interval, "wilson, one look"))
    }

    pub(crate) fn new(interval: Interval, method: &'static str) -> Self {
        IntervalShape { low: interval.low, high: interval.high, level: 0.95, method }
    }
}
