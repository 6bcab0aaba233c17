//! Calls that failed but may succeed later, made again.

use std::future::Future;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use super::{Batch, Due, End, Error, Finding, Kind, Name, Page, Position, Queue, Store, Watch, Watched};
use crate::chance::Random;
use crate::retry::RetryPolicy;
use crate::time::Timestamp;

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

    async fn persist<T, F: Future<Output = Result<T, Error>>>(&self, call: impl FnMut() -> F) -> Result<T, Error> {
        self.policy.persist(&*self.random, Error::retryable, call).await
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

    async fn read_damaged(&self, log: &Name, after: u64, bytes: usize) -> Result<Bytes, Error> {
        self.persist(|| self.inner.read_damaged(log, after, bytes)).await
    }

    async fn end(&self, log: &Name) -> Result<End, Error> {
        self.persist(|| self.inner.end(log)).await
    }

    async fn list(&self, kind: Kind, start: &str, after: Option<&Name>, limit: usize) -> Result<Vec<Name>, Error> {
        self.persist(|| self.inner.list(kind, start, after, limit)).await
    }

    async fn due(&self, queue: &Queue, after: Option<&Due>, now: Timestamp, limit: usize) -> Result<Vec<Due>, Error> {
        self.persist(|| self.inner.due(queue, after, now, limit)).await
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
