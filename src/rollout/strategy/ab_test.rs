use super::{Situation, Strategy, share};

/// Splits calls between the variants and leaves it at that: `tc report` compares them.
#[derive(Clone, Debug, Default)]
pub struct AbTest {
    split: Vec<f64>,
}

impl AbTest {
    /// Every variant gets as many.
    pub fn even() -> Self {
        AbTest::default()
    }

    /// The variants get these shares, 0 to 1, in their order. If there are not as many shares as variants, all get as many.
    pub fn split(shares: impl IntoIterator<Item = f64>) -> Self {
        AbTest { split: shares.into_iter().map(share).collect() }
    }
}

impl Strategy for AbTest {
    fn name(&self) -> &str {
        "ABTestStrategy"
    }

    fn weights(&self, _: &Situation<'_>, weights: &mut [f64]) {
        if self.split.len() == weights.len() {
            weights.copy_from_slice(&self.split);
        } else {
            let even = 1.0 / weights.len() as f64;
            weights.fill(even);
        }
    }
}
