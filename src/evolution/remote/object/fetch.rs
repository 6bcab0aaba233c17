//! Many objects on their way at the same time, and not more memory than that takes.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::chance::ThreadRandom;
use crate::evolution::remote::worker::Pending;
use crate::retry::RetryPolicy;
use crate::store::Error;

/// Objects that are fetched at the same time.
pub(super) const AT_ONCE: usize = 16;

/// Bytes of objects that are fetched long before they are looked at.
pub(super) const BYTES_MAX: usize = 64 << 20;

/// Larger objects are read a part at a time.
pub(super) const WHOLE_BYTES_MAX: u64 = 8 << 20;

/// How a request is made again that could succeed the next time.
const AGAIN: RetryPolicy =
    RetryPolicy { tries_max: 5, wait_first: Duration::from_millis(100), factor: 2, wait_max: Duration::from_secs(1) };

/// Lets requests through.
#[derive(Debug)]
pub(super) struct Fetcher {
    pub(super) requests: Arc<Semaphore>,
    /// Leave to hold bytes that are not looked at soon.
    pub(super) bytes: Arc<Semaphore>,
}

impl Default for Fetcher {
    fn default() -> Self {
        Fetcher { requests: Arc::new(Semaphore::new(AT_ONCE)), bytes: Arc::new(Semaphore::new(BYTES_MAX)) }
    }
}

/// What was fetched, and leave to hold so much.
pub(super) struct Fetched {
    pub(super) bytes: Bytes,
    pub(super) _leave: Option<OwnedSemaphorePermit>,
}

/// An object that is on its way: none if it is gone.
pub(super) type Fetching = Pending<Result<Option<Fetched>, Error>>;

/// Some bytes of an object that are on their way: none if it is gone.
pub(super) type FetchingPart = Pending<Result<Option<Bytes>, Error>>;

pub(super) fn bytes_max(size: u64) -> u64 {
    size.max(1 << 10).saturating_mul(2)
}

/// Makes a request until it succeeds, or fails in a way that does not pass.
pub(super) async fn patiently<T, F: Future<Output = Result<T, Error>>>(request: impl FnMut() -> F) -> Result<T, Error> {
    AGAIN.persist(&ThreadRandom, Error::retryable, request).await
}
