//! The JSON members that several commands have in common.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use crate::functions::read::Found;
use crate::output::figures::percent;
use crate::output::of_store;
use crate::output::table::Tone;
use crate::surroundings::Context;
use temporal_code::logs::{self, Change, FunctionSummary, Interval, Tally, VariantSummary};
use temporal_code::{Timestamp, text};

/// Latencies in milliseconds; members are null where no call has one.
pub(crate) fn latency_ms(tally: &Tally) -> Value {
    // A millionth of a millisecond is what the logs are read to.
    let ms = |ns: f64| (ns.round() / 1e6).max(0.0);
    let quantile = |q| tally.latency.quantile_ns(q).map(ms);
    json!({
        "mean": tally.latency.mean_ns().map(ms),
        "p50": quantile(0.5),
        "p90": quantile(0.9),
        "p95": quantile(0.95),
        "p99": quantile(0.99),
        "max": tally.latency.max_ns().map(|ns| ms(ns as f64)),
    })
}

/// Wilson's interval for a success rate, and what it promises.
pub(crate) fn wilson(tally: &Tally) -> Option<Value> {
    let Interval { low, high } = logs::wilson(tally.successes, tally.calls)?;
    Some(json!({"low": low, "high": high, "level": 0.95, "method": "wilson, one look"}))
}

/// One variant's calls, those made as a fallback included. `total` is what the shares are of.
fn variant(variant: &VariantSummary, total: u64, errors: bool) -> Value {
    let all = variant.all();
    let mut members = json!({
        "variant": *variant.name,
        "calls": all.calls,
        "successes": all.successes,
        "failures": all.failures(),
        "success_rate": all.success_rate(),
        "share": all.share_of(total),
        "fallback_calls": variant.fallback.calls,
        "latency_ms": latency_ms(&all),
    });
    if errors {
        let error = |(error, count)| json!({"error": error, "count": count});
        members["errors"] = errors_of(variant).into_iter().map(error).collect();
    }
    members["first_seen"] = json!(all.span.first());
    members["last_seen"] = json!(all.span.last());
    members
}

/// A variant's errors with how often each came, the most frequent first; none for calls that failed without a message.
pub(crate) fn errors_of(variant: &VariantSummary) -> Vec<(Option<String>, u64)> {
    let messages = variant.errors.messages.iter();
    let mut errors: Vec<_> =
        messages.map(|(message, count)| (message.as_deref().map(str::to_string), *count)).collect();
    errors.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    if variant.errors.other > 0 {
        errors.push((Some("(other messages)".into()), variant.errors.other));
    }
    errors
}

/// What stands above a function's tables: its name, and that of its store where stores are told apart.
pub(crate) fn title(context: &Context, function: &str, store: Option<&str>) -> String {
    let name = Tone::Strong.paint(&text::harmless(function), context.colours);
    name + &store.map(|store| format!(" in {}", text::harmless(store))).unwrap_or_default()
}

/// One function, with the errors of its variants or without.
pub(crate) fn function(found: &Found<'_>, errors: bool) -> String {
    let function = found.function;
    let (calls, span) = (function.calls(), function.span());
    let item = json!({
        "function": *function.name,
        "calls": calls,
        "promotions": function.promotions,
        "rollbacks": function.rollbacks,
        "weight_changes": function.weight_changes,
        "other_events": function.others.values().sum::<u64>(),
        "dropped_calls": function.dropped,
        "forced": ForcedShape::new(function),
        "first_event": span.first(),
        "last_event": span.last(),
        "variants": function.variants.iter().map(|one| variant(one, calls, errors)).collect::<Value>(),
    });
    of_store(item.to_string(), found.store)
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
