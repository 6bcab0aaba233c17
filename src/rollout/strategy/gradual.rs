use std::time::Duration;

use super::{Situation, Strategy, split};
use crate::time::Timestamp;

/// Shifts calls from the first variant to the last, linearly over a span of time; those between get none.
#[derive(Clone, Copy, Debug)]
pub struct Gradual {
    start: Timestamp,
    span_s: f64,
}

impl Gradual {
    /// From `start` on, when the first variant has all calls, until `span` later, when the last has.
    pub fn new(start: Timestamp, span: Duration) -> Self {
        Gradual { start, span_s: span.as_secs_f64() }
    }

    /// How much of the span has passed, 0 to 1.
    pub fn progress(&self, now: Timestamp) -> f64 {
        let elapsed_s = (now.micros() - self.start.micros()) as f64 / 1e6;
        if elapsed_s <= 0.0 {
            0.0
        } else if elapsed_s >= self.span_s {
            1.0
        } else {
            elapsed_s / self.span_s
        }
    }
}

impl Strategy for Gradual {
    fn name(&self) -> &str {
        "GradualStrategy"
    }

    fn weights(&self, situation: &Situation<'_>, weights: &mut [f64]) {
        split(weights, self.progress(situation.now()));
    }
}
