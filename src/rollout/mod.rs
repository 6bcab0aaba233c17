//! Functions that evolve; see [`crate::functions`].

mod answer;
mod asynchronous;
mod builder;
mod core;
mod counters;
mod evolving;
mod strategy;
mod unit;

use std::time::Duration;

pub use answer::{AllFailed, Cause, Failure, Fallible, Plain, Variant};
pub use asynchronous::{AsyncEvolving, AsyncVariant};
pub use core::{Stats, VariantStats};
pub use evolving::Evolving;
pub use strategy::{AbTest, Canary, Gradual, Manual, Observation, Ramp, Scheduled, Situation, Strategy, Verdict};

/// So many days.
pub fn days(count: u64) -> Duration {
    hours(count.saturating_mul(24))
}

/// So many hours.
pub fn hours(count: u64) -> Duration {
    Duration::from_secs(count.saturating_mul(3_600))
}
