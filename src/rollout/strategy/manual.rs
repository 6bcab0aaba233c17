use super::{Situation, Strategy};

/// The first variant gets all calls, until somebody says otherwise: with `tc promote`, `tc rollback` or `tc weight`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Manual;

impl Strategy for Manual {
    fn name(&self) -> &str {
        "Manual"
    }

    fn weights(&self, _: &Situation<'_>, weights: &mut [f64]) {
        if let Some(first) = weights.first_mut() {
            *first = 1.0;
        }
    }
}
