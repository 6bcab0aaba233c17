use super::{Situation, Strategy};
use crate::time::Timestamp;

/// Switches variants at given times.
#[derive(Clone, Debug)]
pub struct Scheduled {
    /// In time order.
    phases: Vec<(Timestamp, String)>,
}

impl Scheduled {
    /// From each of these times on, the variant beside it gets all calls; before the first of them the first variant does.
    /// So it does while the name is of no variant.
    pub fn new<N: Into<String>>(phases: impl IntoIterator<Item = (Timestamp, N)>) -> Self {
        let mut phases = phases.into_iter().map(|(at, name)| (at, name.into())).collect::<Vec<_>>();
        phases.sort_by_key(|(at, _)| *at);
        Scheduled { phases }
    }

    /// `v1` until then, `v2` from then on.
    pub fn switch_at(at: Timestamp) -> Self {
        Scheduled::new([(at, "v2")])
    }
}

impl Strategy for Scheduled {
    fn name(&self) -> &str {
        "ScheduledStrategy"
    }

    fn weights(&self, situation: &Situation<'_>, weights: &mut [f64]) {
        let now = situation.now();
        let reached = self.phases.partition_point(|(at, _)| *at <= now);
        let current = reached.checked_sub(1).and_then(|last| situation.place(&self.phases[last].1));
        if let Some(weight) = weights.get_mut(current.unwrap_or(0)) {
            *weight = 1.0;
        }
    }
}
