//! Many objects on their way at the same time, and not more memory than that takes.

use std::future::Future;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::super::worker::Pending;
use super::Shared;
use crate::chance::ThreadRandom;
use crate::retry::RetryPolicy;
use crate::store::Error;

/// Objects that are fetched at the same time.
pub(super) const AT_ONCE: usize = 16;

/// Bytes of objects that are fetched long before they are looked at.
const BYTES_MAX: usize = 64 << 20;

/// Larger objects are read a part at a time.
pub(super) const WHOLE_BYTES_MAX: u64 = 8 << 20;

/// How a request is made again that could succeed the next time.
const AGAIN: RetryPolicy =
    RetryPolicy { tries_max: 5, wait_first: Duration::from_millis(100), factor: 2, wait_max: Duration::from_secs(1) };

/// Lets requests through.
#[derive(Debug)]
pub(super) struct Fetcher {
    requests: Arc<Semaphore>,
    /// Leave to hold bytes that are not looked at soon.
    bytes: Arc<Semaphore>,
}

impl Default for Fetcher {
    fn default() -> Self {
        Fetcher { requests: Arc::new(Semaphore::new(AT_ONCE)), bytes: Arc::new(Semaphore::new(BYTES_MAX)) }
    }
}

/// What was fetched, and leave to hold so much.
pub(super) struct Fetched {
    pub(super) bytes: Bytes,
    _leave: Option<OwnedSemaphorePermit>,
}

/// An object that is on its way: none if it is gone.
pub(super) type Fetching = Pending<Result<Option<Fetched>, Error>>;

/// Some bytes of an object that are on their way: none if it is gone.
pub(super) type FetchingPart = Pending<Result<Option<Bytes>, Error>>;

impl Shared {
    /// Begins to fetch an object of so many bytes that is wanted soon.
    pub(super) fn begin_fetch(&self, key: &str, size: u64) -> Fetching {
        let (bucket, key, requests) = (self.bucket(), key.to_owned(), self.fetcher.requests.clone());
        self.worker.begin(async move {
            let _request = requests.acquire().await;
            // It may have been written again since it was listed.
            let found = patiently(|| bucket.get(&key, bytes_max(size))).await?;
            Ok(found.map(|bytes| Fetched { bytes, _leave: None }))
        })
    }

    /// Begins to fetch an object of so many bytes as soon as those that were asked for before it leave room. They must be
    /// taken in that order: else those in front would wait for those behind.
    pub(super) fn begin_fetch_in_turn(&self, key: &str, size: u64) -> Fetching {
        let (bucket, key) = (self.bucket(), key.to_owned());
        let (requests, bytes) = (self.fetcher.requests.clone(), self.fetcher.bytes.clone());
        self.worker.begin(async move {
            let room = u32::try_from(size).unwrap_or(u32::MAX).clamp(1, BYTES_MAX as u32);
            let leave = bytes.acquire_many_owned(room).await.ok();
            let _request = requests.acquire().await;
            let found = patiently(|| bucket.get(&key, bytes_max(size))).await?;
            Ok(found.map(|bytes| Fetched { bytes, _leave: leave }))
        })
    }

    /// Begins to fetch a part of an object.
    pub(super) fn begin_fetch_range(&self, key: &str, range: Range<u64>) -> FetchingPart {
        let (bucket, key, requests) = (self.bucket(), key.to_owned(), self.fetcher.requests.clone());
        self.worker.begin(async move {
            let _request = requests.acquire().await;
            patiently(|| bucket.get_range(&key, range.clone())).await
        })
    }
}

fn bytes_max(size: u64) -> u64 {
    size.max(1 << 10).saturating_mul(2)
}

/// Makes a request until it succeeds, or fails in a way that does not pass.
pub(super) async fn patiently<T, F: Future<Output = Result<T, Error>>>(request: impl FnMut() -> F) -> Result<T, Error> {
    AGAIN.persist(&ThreadRandom, Error::retryable, request).await
}
