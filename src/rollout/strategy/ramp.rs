use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;

use super::{Observation, Situation, Strategy, Verdict, share, split};
use crate::evolution::decision::{Change, Decision};
use crate::statistics::interval;
use crate::statistics::sequential::{Arm, Comparison, Strata};

/// A canary that grows in steps, and decides by evidence instead of one look.
///
/// At each step the last variant has a share of calls for a time at least, and for so many calls. It is rolled back as soon
/// as the evidence says that it fails more often than the first variant, or takes longer than the guardrail allows; it is
/// promoted after the last step, once the evidence says that it fails less often, or not more often by the margin, or hardly
/// ever, and keeps to the guardrail. Until then it stays at the last step.
///
/// The evidence is a stratified conditional e-process over the minutes of the log: it may be looked at with
/// each call, and a variant that is as good as the first is rolled back in at most 5 of 100 rollouts, also while failures drift
/// or the share grows. It compares calls at about the same time, so it takes a minute at least.
///
/// Of calls that are made for a unit ([`crate::rollout::Evolving::call_for`]) only the unit's first counts, anew at each step
/// and each time that a step's time has passed: its later calls get the same variant, and say little new about which of the
/// two is better. What was promised holds for them as far as a unit's calls in different spans do not depend on one another.
///
/// Processes that write the same log decide together, and go on where they were after a restart.
#[derive(Debug)]
pub struct Ramp {
    steps: Vec<f64>,
    step_time_us: i64,
    step_calls: u64,
    margin: f64,
    latency_ratio_max: Option<f64>,
    /// The current step, [`PROMOTED`] or [`ROLLED_BACK`].
    phase: AtomicU32,
    state: Mutex<State>,
    units: OnceLock<Units>,
}

const PROMOTED: u32 = u32::MAX;
const ROLLED_BACK: u32 = u32::MAX - 1;

/// How much of the 5 % that a rollback may be a false alarm is for failures; the rest is for latency.
const ALPHA_FAILURES: f64 = 0.04;
const ALPHA_LATENCY: f64 = 0.01;

#[derive(Debug, Default)]
struct State {
    strata: Strata,
    comparison: Comparison,
    /// When this step began, in microseconds since the epoch.
    since_us: Option<i64>,
    /// Calls of the last variant at this step.
    calls: u64,
    /// In which span of a step's time units were last forgotten.
    span: i64,
}

impl Default for Ramp {
    fn default() -> Self {
        Ramp::new([0.05, 0.25, 0.5])
    }
}

impl Ramp {
    /// Steps of these shares, 0 to 1, in ascending order, an hour and 100 calls each; a margin of one percentage point; a guardrail of 1.1 times
    /// the latency of the first variant.
    pub fn new(steps: impl IntoIterator<Item = f64>) -> Self {
        let mut steps = steps.into_iter().map(share).filter(|step| *step > 0.0).collect::<Vec<_>>();
        steps.sort_by(f64::total_cmp);
        steps.dedup();
        if steps.is_empty() {
            steps.push(0.05);
        }
        Ramp {
            steps,
            step_time_us: 3_600_000_000,
            step_calls: 100,
            margin: 0.01,
            latency_ratio_max: Some(1.1),
            phase: AtomicU32::new(0),
            state: Mutex::default(),
            units: OnceLock::new(),
        }
    }

    /// Shortest time that a step takes.
    pub fn step_time(self, span: Duration) -> Self {
        Ramp { step_time_us: i64::try_from(span.as_micros()).unwrap_or(i64::MAX), ..self }
    }

    /// Fewest calls of the last variant that a step takes.
    pub fn step_calls(self, calls: u64) -> Self {
        Ramp { step_calls: calls, ..self }
    }

    /// How much higher the failure rate may be for a promotion: 0.01 is one percentage point.
    pub fn margin(self, margin: f64) -> Self {
        Ramp { margin: share(margin), ..self }
    }

    /// The guardrail: how many times as long as calls of the first variant those of the last may take, by their geometric
    /// mean; `None` for no matter how long.
    pub fn latency_ratio_max(self, ratio: Option<f64>) -> Self {
        Ramp { latency_ratio_max: ratio, ..self }
    }

    /// Which step it is at, from 0; `None` once it is decided.
    pub fn step(&self) -> Option<usize> {
        let phase = self.phase.load(Ordering::Acquire) as usize;
        (phase < self.steps.len()).then_some(phase)
    }

    /// Whether the last variant was promoted.
    pub fn is_promoted(&self) -> bool {
        self.phase.load(Ordering::Acquire) == PROMOTED
    }

    /// Whether the last variant was rolled back.
    pub fn is_rolled_back(&self) -> bool {
        self.phase.load(Ordering::Acquire) == ROLLED_BACK
    }

    /// What the evidence says, now that there is more of it.
    fn judge(&self, state: &mut State, candidate: usize, now_us: i64) -> Option<Verdict> {
        let step = self.step()?;
        if let Some(reason) = self.harm(&state.comparison) {
            self.phase.store(ROLLED_BACK, Ordering::Release);
            return Some(Verdict::Rollback { variant: candidate, reason });
        }
        let began_us = *state.since_us.get_or_insert(now_us);
        if now_us.saturating_sub(began_us) < self.step_time_us || state.calls < self.step_calls {
            return None;
        }
        if step + 1 == self.steps.len() {
            let good = self.is_good(&state.comparison);
            return good.then(|| {
                self.phase.store(PROMOTED, Ordering::Release);
                Verdict::Promote(candidate)
            });
        }
        self.begin(state, step + 1, now_us);
        Some(Verdict::Weight { variant: candidate, old: self.steps[step], new: self.steps[step + 1] })
    }

    fn begin(&self, state: &mut State, step: usize, now_us: i64) {
        // Calls with different weights are not alike, even at about the same time.
        state.cut();
        (state.since_us, state.calls) = (Some(now_us), 0);
        if let Some(units) = self.units.get() {
            units.forget();
        }
        self.phase.store(step as u32, Ordering::Release);
    }

    fn harm(&self, comparison: &Comparison) -> Option<String> {
        let calls = comparison.calls();
        let rate =
            |arm: &Arm| format!("{:.2} % of {}", 100.0 * arm.failures as f64 / arm.calls.max(1) as f64, arm.calls);
        if comparison.ln_e() >= -ALPHA_FAILURES.ln() && comparison.direction().is_gt() {
            let (new, old) = (rate(&calls.candidate), rate(&calls.baseline));
            return Some(format!("{new} calls failed, of the first variant {old}: p = {:.2e}", comparison.p_value()));
        }
        let (max, ratio) = (self.latency_ratio_max?, comparison.latency_ratio(ALPHA_LATENCY)?);
        (ratio.low > max).then(|| {
            let (low, high) = (ratio.low, ratio.high);
            format!("calls take {low:.2} to {high:.2} times as long as those of the first variant, more than {max:.2}")
        })
    }

    fn is_good(&self, comparison: &Comparison) -> bool {
        let better = comparison.ln_e() >= -ALPHA_FAILURES.ln() && comparison.direction().is_lt();
        let no_worse = comparison.difference(ALPHA_FAILURES).is_some_and(|difference| difference.high < self.margin);
        let in_time = self
            .latency_ratio_max
            .is_none_or(|max| comparison.latency_ratio(ALPHA_LATENCY).is_some_and(|ratio| ratio.high < max));
        (better || no_worse || is_spotless(comparison, self.margin)) && in_time
    }
}

/// Whether hardly any call fails at all. The two methods say nothing then, and less than the margin above nothing is less
/// than the margin above whatever the first variant has.
fn is_spotless(comparison: &Comparison, margin: f64) -> bool {
    let candidate = comparison.calls().candidate;
    interval::wilson(candidate.failures, candidate.calls).is_some_and(|rate| rate.high < margin)
}

impl State {
    fn cut(&mut self) {
        if let Some(stratum) = self.strata.cut() {
            self.comparison.add(&stratum);
        }
    }
}

impl Strategy for Ramp {
    fn name(&self) -> &str {
        "Ramp"
    }

    fn weights(&self, _: &Situation<'_>, weights: &mut [f64]) {
        let share = match self.phase.load(Ordering::Acquire) {
            PROMOTED => 1.0,
            ROLLED_BACK => 0.0,
            step => self.steps.get(step as usize).copied().unwrap_or(0.0),
        };
        split(weights, share);
    }

    fn learns(&self) -> bool {
        self.phase.load(Ordering::Relaxed) < ROLLED_BACK
    }

    fn observe(&self, call: &Observation<'_>) -> Option<Verdict> {
        let candidate = call.variants.len().checked_sub(1)?;
        let compares = candidate > 0 && (call.variant == 0 || call.variant == candidate);
        if !compares || call.fallback || !self.learns() {
            return None;
        }
        let now_us = call.at.micros();
        let is_candidate = call.variant == candidate;
        let mut state = self.state.lock();
        if let Some(unit) = call.unit {
            let units = self.units.get_or_init(Units::default);
            let span = now_us.div_euclid(self.step_time_us.max(60_000_000));
            if span > state.span {
                state.span = span;
                units.forget();
            }
            if !units.is_first(unit) {
                return None;
            }
        }
        state.since_us.get_or_insert(now_us);
        state.calls += u64::from(is_candidate);
        let minute = now_us.div_euclid(60_000_000);
        let stratum = state.strata.add(minute, is_candidate, call.success, call.latency_ns)?;
        state.comparison.add(&stratum);
        self.judge(&mut state, candidate, now_us)
    }

    fn hear(&self, decision: &Decision, variants: &[Arc<str>]) {
        let mut state = self.state.lock();
        if decision.change == Change::Release {
            *state = State::default();
            self.phase.store(0, Ordering::Release);
            if let Some(units) = self.units.get() {
                units.forget();
            }
            return;
        }
        if decision.forced {
            return state.cut();
        }
        if variants.last().is_none_or(|candidate| **candidate != *decision.variant) {
            return;
        }
        match decision.change {
            Change::Promote => self.phase.store(PROMOTED, Ordering::Release),
            Change::Rollback { .. } => self.phase.store(ROLLED_BACK, Ordering::Release),
            Change::Weight { new, .. } => {
                let step = self.steps.iter().position(|step| (step - new).abs() < 1e-9);
                if let (Some(step), Some(at)) = (step.filter(|step| Some(*step) != self.step()), decision.at) {
                    self.begin(&mut state, step, at.micros());
                }
            }
            Change::Release => {}
        }
    }
}

/// Which units were seen, in a megabyte of bits. Two units may share a bit; then the later one is taken for seen, whichever
/// variant it has, which leaves calls out but takes no side.
#[derive(Debug)]
struct Units(Vec<AtomicU64>);

impl Default for Units {
    fn default() -> Self {
        const BITS: usize = 1 << 23;
        Units((0..BITS / 64).map(|_| AtomicU64::new(0)).collect())
    }
}

impl Units {
    fn is_first(&self, unit: u64) -> bool {
        let (word, bit) = (unit >> 6, 1 << (unit & 63));
        let word = &self.0[(word % self.0.len() as u64) as usize];
        word.fetch_or(bit, Ordering::Relaxed) & bit == 0
    }

    fn forget(&self) {
        self.0.iter().for_each(|word| word.store(0, Ordering::Relaxed));
    }
}
