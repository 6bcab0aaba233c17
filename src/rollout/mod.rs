//! Functions whose behaviour evolves: canary, A/B, gradual and scheduled rollouts.
//!
//! # The same variant for the same unit
//!
//! [`Evolving::call_for`] gives a unit (a user, an account, a session) the same variant each time.
//! The hash is stated, so that other programs can make the same choice:
//!
//! - a text's hash is FNV-1a with 64 bits over its UTF-8, its bits then spread by the finalizer of SplitMix64;
//! - a unit's number for a variant is the hash of the function's name, a zero byte, the variant's name, a zero byte, and the
//!   unit's own hash as eight bytes, the lowest first; its upper 53 bits, and one more half, over 2⁵³ are `u`;
//! - the unit gets the variant whose `-ln(u) / weight` is least, among those with a weight above 0 (weighted rendezvous
//!   hashing, Thaler and Ravishankar 1998).
//!
//! So each variant gets its share of units; and when one variant's share grows, and the others shrink in proportion, units
//! only move to that variant: each at most once.

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
