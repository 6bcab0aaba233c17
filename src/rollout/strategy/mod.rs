//! What picks the variant of a call.

mod ab_test;
mod canary;
mod gradual;
mod manual;
mod ramp;
mod scheduled;

use std::sync::Arc;

use crate::clock::Clock;
use crate::evolution::decision::{Change, Decision};
use crate::time::Timestamp;
pub use ab_test::AbTest;
pub use canary::Canary;
pub use gradual::Gradual;
pub use manual::Manual;
pub use ramp::Ramp;
pub use scheduled::Scheduled;

/// Says which share of calls each variant gets, and decides on promotions and rollbacks where it learns from calls.
///
/// One strategy belongs to one function and is shared by all of its threads. The least that a strategy must do is
/// [`Strategy::weights`]:
///
/// ```
/// use temporal_code::functions::{Evolving, Situation, Strategy};
///
/// /// v2 on weekends.
/// struct Weekends;
///
/// impl Strategy for Weekends {
///     fn name(&self) -> &str {
///         "Weekends"
///     }
///
///     fn weights(&self, situation: &Situation<'_>, weights: &mut [f64]) {
///         // Day 0 of the epoch was a Thursday.
///         let weekday = (situation.now().micros().div_euclid(86_400_000_000) + 3).rem_euclid(7);
///         let chosen = situation.place("v2").filter(|_| weekday >= 5).unwrap_or(0);
///         weights[chosen] = 1.0;
///     }
/// }
///
/// let greeting = Evolving::new("greeting", |name: &str| format!("Hello, {name}"))
///     .variant("v2", |name: &str| format!("Nice weekend, {name}"))
///     .strategy(Weekends);
/// assert!(greeting.call("Ada").unwrap().ends_with("Ada"));
/// ```
pub trait Strategy: Send + Sync {
    /// What it is called in statistics.
    fn name(&self) -> &str;

    /// Sets the share of calls that each variant gets now, 0 to 1. `weights` has one place for each variant, all 0. When
    /// they add up to less than 1, the last variant that has any gets the rest; when all stay 0, the first gets all.
    fn weights(&self, situation: &Situation<'_>, weights: &mut [f64]);

    /// Whether [`Strategy::observe`] is to be called. If so when the function gets the strategy, the log is read for what it has of
    /// the function, and this is asked again with each call; a call is timed then. If not so at first, it is not asked again.
    fn learns(&self) -> bool {
        false
    }

    /// Takes in what a call came to, of this process or of another that writes the same log, or from before the start. Called
    /// by many threads at once. While something is forced on the function it is not called.
    fn observe(&self, _call: &Observation<'_>) -> Option<Verdict> {
        None
    }

    /// Takes in a decision that the log has: of another process, of somebody at a terminal, or from before the start. One that
    /// is not forced is to be followed as if it were one's own, and after a release everything begins anew.
    fn hear(&self, _decision: &Decision, _variants: &[Arc<str>]) {}
}

/// What a strategy may look at.
#[derive(Debug)]
pub struct Situation<'a> {
    pub(super) variants: &'a [Arc<str>],
    pub(super) clock: &'a dyn Clock,
}

impl Situation<'_> {
    /// The present time, to some milliseconds.
    #[inline]
    pub fn now(&self) -> Timestamp {
        self.clock.coarse()
    }

    /// The place of a variant among the others, if there is one of that name.
    pub fn place(&self, variant: &str) -> Option<usize> {
        self.variants.iter().position(|name| **name == *variant)
    }

    /// The names of the variants, in the order in which they were registered.
    pub fn variants(&self) -> &[Arc<str>] {
        self.variants
    }
}

/// What a call came to.
#[derive(Clone, Copy, Debug)]
pub struct Observation<'a> {
    /// The names of the variants, in the order in which they were registered.
    pub variants: &'a [Arc<str>],
    /// The place of the one that was called.
    pub variant: usize,
    /// When the call ended.
    pub at: Timestamp,
    /// Whether it returned.
    pub success: bool,
    /// How long it took, in nanoseconds, where that is known.
    pub latency_ns: Option<u64>,
    /// Whether it was made because another variant had failed. Such calls say little of their variant.
    pub fallback: bool,
    /// The hash of the unit that it was made for, if it was made for one.
    pub unit: Option<u64>,
}

/// What a strategy decides.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// The variant at this place gets all traffic.
    Promote(usize),
    /// The variant at this place gets none any more.
    Rollback {
        /// Which.
        variant: usize,
        /// Why.
        reason: String,
    },
    /// The share of the variant at this place changes.
    Weight {
        /// Which.
        variant: usize,
        /// Its share until now, 0 to 1.
        old: f64,
        /// Its share from now on, 0 to 1.
        new: f64,
    },
}

impl Verdict {
    /// The decision for the log.
    pub(super) fn decision(self, function: &str, variants: &[Arc<str>], at: Timestamp) -> Option<Decision> {
        let (variant, change, reason) = match self {
            Verdict::Promote(variant) => (variant, Change::Promote, None),
            Verdict::Rollback { variant, reason } => (variant, Change::Rollback { to: None }, Some(reason)),
            Verdict::Weight { variant, old, new } => (variant, Change::Weight { old: Some(old), new }, None),
        };
        let variant = variants.get(variant)?.to_string();
        let function = function.to_string();
        Some(Decision { function, variant, change, at: Some(at), forced: false, by: None, reason })
    }
}

/// A share, 0 to 1: what is outside, and what is no number, counts as the nearest end.
fn share(number: f64) -> f64 {
    if number.is_nan() { 0.0 } else { number.clamp(0.0, 1.0) }
}

/// Gives the last variant a share and the first one the rest. A function with one variant gives it all.
#[inline]
fn split(weights: &mut [f64], share_of_last: f64) {
    match weights {
        [] => {}
        [only] => *only = 1.0,
        [first, .., last] => (*first, *last) = (1.0 - share_of_last, share_of_last),
    }
}
