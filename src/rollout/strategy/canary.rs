use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use super::{Observation, Situation, Strategy, Verdict, share, split};
use crate::evolution::decision::{Change, Decision};

/// Gives the last variant a small share of calls; once it has had so many, promotes it or rolls it back for good, by the
/// share of them that succeeded. This is the rule of the Python package, and one look at the data: see [`Ramp`](super::Ramp) for
/// one that keeps its promise about false alarms.
///
/// Processes that write the same log decide together: the calls of all of them count, and one decision holds for all.
#[derive(Debug)]
pub struct Canary {
    weight: f64,
    promote_after: u32,
    rollback_threshold: f64,
    min_time_us: i64,
    latency_max_ns: Option<u64>,
    state: AtomicU8,
    /// Of the last variant. A failure is counted before its call is.
    calls: AtomicU64,
    failures: AtomicU64,
    /// When the first of these calls ended, in microseconds since the epoch.
    since: AtomicI64,
}

const WATCHING: u8 = 0;
const PROMOTED: u8 = 1;
const ROLLED_BACK: u8 = 2;
const UNKNOWN: i64 = i64::MAX;

impl Default for Canary {
    fn default() -> Self {
        Canary::new()
    }
}

impl Canary {
    /// A tenth of the calls, 100 calls, 95 % of which must succeed.
    pub fn new() -> Self {
        Canary {
            weight: 0.1,
            promote_after: 100,
            rollback_threshold: 0.95,
            min_time_us: 0,
            latency_max_ns: None,
            state: AtomicU8::new(WATCHING),
            calls: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            since: AtomicI64::new(UNKNOWN),
        }
    }

    /// Which share of calls it gets, 0 to 1.
    pub fn weight(self, weight: f64) -> Self {
        Canary { weight: share(weight), ..self }
    }

    /// After how many of its calls is decided.
    pub fn promote_after(self, calls: u32) -> Self {
        Canary { promote_after: calls, ..self }
    }

    /// Which share of them must succeed, 0 to 1, for it not to be rolled back.
    pub fn rollback_threshold(self, success_rate: f64) -> Self {
        Canary { rollback_threshold: share(success_rate), ..self }
    }

    /// How much time must have passed since the first of its calls before is decided.
    pub fn min_time(self, span: Duration) -> Self {
        Canary { min_time_us: i64::try_from(span.as_micros()).unwrap_or(i64::MAX), ..self }
    }

    /// A guardrail: calls that take longer count as failures here.
    pub fn latency_max(self, span: Duration) -> Self {
        Canary { latency_max_ns: Some(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)), ..self }
    }

    /// Whether the last variant was promoted.
    pub fn is_promoted(&self) -> bool {
        self.state.load(Ordering::Acquire) == PROMOTED
    }

    /// Whether the last variant was rolled back.
    pub fn is_rolled_back(&self) -> bool {
        self.state.load(Ordering::Acquire) == ROLLED_BACK
    }

    fn decide(&self, variant: usize, calls: u64, failures: u64) -> Option<Verdict> {
        let successes = calls - failures.min(calls);
        let rate = if calls == 0 { 1.0 } else { successes as f64 / calls as f64 };
        let good = rate >= self.rollback_threshold;
        let outcome = if good { PROMOTED } else { ROLLED_BACK };
        // One thread decides.
        self.state.compare_exchange(WATCHING, outcome, Ordering::AcqRel, Ordering::Acquire).ok()?;
        if good {
            return Some(Verdict::Promote(variant));
        }
        let limit = self.latency_max_ns.map_or(String::new(), |ns| format!(" within {} ms", ns as f64 / 1e6));
        let (percent, threshold) = (rate * 100.0, self.rollback_threshold * 100.0);
        let reason =
            format!("{successes} of {calls} calls succeeded{limit}: {percent:.1} %, less than {threshold:.1} %");
        Some(Verdict::Rollback { variant, reason })
    }
}

impl Strategy for Canary {
    fn name(&self) -> &str {
        "CanaryStrategy"
    }

    fn weights(&self, _: &Situation<'_>, weights: &mut [f64]) {
        let share = match self.state.load(Ordering::Acquire) {
            PROMOTED => 1.0,
            ROLLED_BACK => 0.0,
            // The package decides before the first call then, in favour.
            _ if self.promote_after == 0 => 1.0,
            _ => self.weight,
        };
        split(weights, share);
    }

    fn learns(&self) -> bool {
        self.state.load(Ordering::Relaxed) == WATCHING
    }

    fn observe(&self, call: &Observation<'_>) -> Option<Verdict> {
        let is_new = call.variant > 0 && call.variant + 1 == call.variants.len();
        if !is_new || call.fallback || self.state.load(Ordering::Relaxed) != WATCHING {
            return None;
        }
        let in_time = self.latency_max_ns.is_none_or(|max| call.latency_ns.is_none_or(|ns| ns <= max));
        if !call.success || !in_time {
            self.failures.fetch_add(1, Ordering::Release);
        }
        let since = self.since.fetch_min(call.at.micros(), Ordering::Relaxed).min(call.at.micros());
        let calls = self.calls.fetch_add(1, Ordering::AcqRel) + 1;
        let failures = self.failures.load(Ordering::Acquire);
        let ripe = call.at.micros().saturating_sub(since) >= self.min_time_us;
        if calls >= u64::from(self.promote_after) && ripe { self.decide(call.variant, calls, failures) } else { None }
    }

    fn hear(&self, decision: &Decision, variants: &[Arc<str>]) {
        if decision.change == Change::Release {
            self.calls.store(0, Ordering::Relaxed);
            self.failures.store(0, Ordering::Relaxed);
            self.since.store(UNKNOWN, Ordering::Relaxed);
            self.state.store(WATCHING, Ordering::Release);
        }
        let about_new = variants.last().is_some_and(|new| **new == *decision.variant);
        if decision.forced || !about_new {
            return;
        }
        match decision.change {
            Change::Promote => self.state.store(PROMOTED, Ordering::Release),
            Change::Rollback { .. } => self.state.store(ROLLED_BACK, Ordering::Release),
            Change::Weight { .. } | Change::Release => {}
        }
    }
}
