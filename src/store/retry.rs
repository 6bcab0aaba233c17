//! Calls that failed but may succeed later, made again.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{Batch, Due, End, Error, Finding, Kind, Name, Page, Position, Queue, Store, Watch, Watched};
use crate::random::Random;
use crate::time::Timestamp;

/// How often and how fast a call is made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Calls in all, the first included; at least 1.
    pub tries_max: u32,
    /// Wait before the second call; doubled before each one after.
    pub wait_first: Duration,
    /// Longest wait between two calls.
    pub wait_max: Duration,
}

impl Default for RetryPolicy {
    /// Six calls within some six seconds.
    fn default() -> Self {
        let (wait_first, wait_max) = (Duration::from_millis(100), Duration::from_secs(3));
        RetryPolicy { tries_max: 6, wait_first, wait_max }
    }
}

impl RetryPolicy {
    /// The wait after call `tries` (from 1): half of it certain, half by chance, so that those who failed together do not
    /// come back together.
    fn wait(&self, tries: u32, random: &dyn Random) -> Duration {
        let doubled = self.wait_first.saturating_mul(2u32.saturating_pow(tries.saturating_sub(1)));
        doubled.min(self.wait_max).mul_f64(0.5 + random.uniform() / 2.0)
    }
}

/// A store in front of another that makes calls again which failed in a [retryable](Error::retryable) way.
///
/// Backends make each request once, so that this is the one place where a request is repeated, and a batch is always
/// repeated whole.
#[derive(Debug)]
pub struct RetryingStore {
    inner: Arc<dyn Store>,
    policy: RetryPolicy,
    random: Arc<dyn Random>,
}

impl RetryingStore {
    /// `inner`, with calls made again as `policy` says.
    pub fn new(inner: Arc<dyn Store>, policy: RetryPolicy, random: Arc<dyn Random>) -> Self {
        RetryingStore { inner, policy, random }
    }

    async fn persist<T, F: Future<Output = Result<T, Error>>>(&self, mut call: impl FnMut() -> F) -> Result<T, Error> {
        let mut tries = 1;
        loop {
            match call().await {
                Err(error) if error.retryable() && tries < self.policy.tries_max => {
                    tokio::time::sleep(self.policy.wait(tries, &*self.random)).await;
                    tries += 1;
                }
                result => return result,
            }
        }
    }
}

#[async_trait]
impl Store for RetryingStore {
    fn location(&self) -> String {
        self.inner.location()
    }

    async fn apply(&self, batch: &Batch) -> Result<Vec<Position>, Error> {
        self.persist(|| self.inner.apply(batch)).await
    }

    async fn read(&self, log: &Name, after: u64, bytes: usize) -> Result<Page, Error> {
        self.persist(|| self.inner.read(log, after, bytes)).await
    }

    async fn read_first(&self, logs: &[Name], bytes: usize) -> Vec<Result<Page, Error>> {
        let mut pages = self.inner.read_first(logs, bytes).await;
        for (log, page) in logs.iter().zip(&mut pages) {
            if page.as_ref().is_err_and(Error::retryable) {
                *page = self.read(log, 0, bytes).await;
            }
        }
        pages
    }

    async fn end(&self, log: &Name) -> Result<End, Error> {
        self.persist(|| self.inner.end(log)).await
    }

    async fn list(&self, kind: Kind, start: &str, after: Option<&Name>, limit: usize) -> Result<Vec<Name>, Error> {
        self.persist(|| self.inner.list(kind, start, after, limit)).await
    }

    async fn due_after(
        &self,
        queue: &Queue,
        after: Option<&Due>,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<Due>, Error> {
        self.persist(|| self.inner.due_after(queue, after, now, limit)).await
    }

    async fn queues(&self) -> Result<Vec<Queue>, Error> {
        self.persist(|| self.inner.queues()).await
    }

    async fn watch(&self, what: Watched) -> Result<Box<dyn Watch>, Error> {
        self.persist(|| self.inner.watch(what.clone())).await
    }

    async fn forget(&self, log: &Name) -> Result<(), Error> {
        self.persist(|| self.inner.forget(log)).await
    }

    async fn inspect(&self, repair: bool) -> Result<Vec<Finding>, Error> {
        self.persist(|| self.inner.inspect(repair)).await
    }
}
