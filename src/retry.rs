//! When to try again what has failed, and how often: after longer and longer waits, half of each by chance.

use std::future::Future;
use std::time::{Duration, Instant};

use crate::chance::Random;

/// How often and how fast something is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Tries in all, the first included; at least 1.
    pub tries_max: u32,
    /// Wait before the second try.
    pub wait_first: Duration,
    /// How many times as long each wait after that is as the one before it.
    pub factor: u32,
    /// Longest wait between two tries.
    pub wait_max: Duration,
}

impl Default for RetryPolicy {
    /// Six tries within some six seconds.
    fn default() -> Self {
        let (wait_first, wait_max) = (Duration::from_millis(100), Duration::from_secs(3));
        RetryPolicy { tries_max: 6, wait_first, factor: 2, wait_max }
    }
}

impl RetryPolicy {
    /// Tries without end, with waits that double.
    pub const fn endless(wait_first: Duration, wait_max: Duration) -> Self {
        RetryPolicy { tries_max: u32::MAX, wait_first, factor: 2, wait_max }
    }

    /// The waits between the tries of one thing.
    pub fn backoff(self) -> Backoff {
        Backoff { policy: self, failures: 0, deadline: None }
    }

    /// Makes a call until it succeeds or fails in a way that does not pass.
    ///
    /// # Errors
    /// That of the last try.
    pub async fn persist<T, E, F: Future<Output = Result<T, E>>>(
        self,
        random: &dyn Random,
        passes: impl Fn(&E) -> bool,
        mut call: impl FnMut() -> F,
    ) -> Result<T, E> {
        let mut backoff = self.backoff();
        loop {
            let error = match call().await {
                Err(error) if passes(&error) => error,
                result => return result,
            };
            let Some(wait) = backoff.next(random) else { return Err(error) };
            tokio::time::sleep(wait).await;
        }
    }
}

/// The waits between the tries of one thing.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    policy: RetryPolicy,
    failures: u32,
    deadline: Option<Instant>,
}

impl Backoff {
    /// Ends the waits so long from now.
    #[must_use]
    pub fn within(self, limit: Duration) -> Self {
        Backoff { deadline: Instant::now().checked_add(limit), ..self }
    }

    /// How long to wait after one more failure; none if there is to be no other try. Half of it is certain, half by chance,
    /// so that those who failed together do not come back together.
    pub fn next(&mut self, random: &dyn Random) -> Option<Duration> {
        let RetryPolicy { tries_max, wait_first, factor, wait_max } = self.policy;
        let grown = wait_first.saturating_mul(factor.saturating_pow(self.failures));
        self.failures = self.failures.saturating_add(1);
        let half = grown.min(wait_max) / 2;
        let wait = half.saturating_add(half.mul_f64(random.uniform()));
        let left = self.deadline.map_or(Duration::MAX, |end| end.saturating_duration_since(Instant::now()));
        (self.failures < tries_max && !left.is_zero()).then_some(wait.min(left))
    }

    /// Something succeeded: the waits begin anew.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chance::Draws;

    const POLICY: RetryPolicy = RetryPolicy {
        tries_max: 5,
        wait_first: Duration::from_millis(100),
        factor: 2,
        wait_max: Duration::from_millis(300),
    };

    fn waits(mut backoff: Backoff, draw: f64) -> Vec<u128> {
        let random = Draws::new([draw]);
        std::iter::from_fn(|| backoff.next(&random)).take(100).map(|wait| wait.as_millis()).collect()
    }

    #[test]
    fn waits_grow_to_a_bound_and_half_of_each_is_chance() {
        assert_eq!(waits(POLICY.backoff(), 0.0), [50, 100, 150, 150]);
        assert_eq!(waits(POLICY.backoff(), 0.5), [75, 150, 225, 225]);
        let endless = RetryPolicy::endless(Duration::from_secs(1), Duration::MAX);
        let waits = waits(endless.backoff(), 0.0);
        assert_eq!(waits.len(), 100);
        assert!(waits.is_sorted());
        let mut backoff = POLICY.backoff();
        while backoff.next(&Draws::new([0.0])).is_some() {}
        backoff.reset();
        assert_eq!(backoff.next(&Draws::new([0.0])), Some(Duration::from_millis(50)));
    }

    #[test]
    fn no_wait_goes_beyond_the_deadline() {
        assert!(waits(POLICY.backoff().within(Duration::ZERO), 0.0).is_empty());
        let wait = POLICY.backoff().within(Duration::from_millis(20)).next(&Draws::new([0.0]));
        assert!(wait.is_none_or(|wait| wait <= Duration::from_millis(20)), "{wait:?}");
        assert_eq!(waits(POLICY.backoff().within(Duration::MAX), 0.0).len(), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn what_passes_is_tried_again_and_what_does_not_is_not() {
        for (passes, tries) in [(true, 5), (false, 1)] {
            let mut made = 0;
            let failed: Result<(), u32> = POLICY
                .persist(
                    &Draws::new([0.0]),
                    |_| passes,
                    || {
                        made += 1;
                        std::future::ready(Err(made))
                    },
                )
                .await;
            assert_eq!(failed, Err(tries));
        }
    }
}
