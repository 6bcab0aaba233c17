//! The way to an evolution log in a bucket, and objects on their way from there.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::fetch::{BYTES_MAX, Fetched, Fetcher, Fetching, FetchingPart, bytes_max, patiently};
use crate::evolution::remote::worker::Worker;
use crate::store::object::Bucket;
use crate::store::{BucketAddress, BucketStore, Error, Settings};

/// The way to the log.
pub(super) struct Shared {
    pub(super) worker: Worker,
    pub(super) store: BucketStore,
    pub(super) fetcher: Fetcher,
    pub(super) location: String,
    pub(super) poll_every: Duration,
}

impl Shared {
    pub(super) fn open(address: &BucketAddress, settings: &Settings) -> Result<Arc<Self>, Error> {
        Ok(Arc::new(Shared {
            worker: Worker::start()?,
            store: BucketStore::open(address, &settings.environment, settings.bucket.clone())?,
            fetcher: Fetcher::default(),
            location: address.to_string(),
            poll_every: settings.bucket.poll_every,
        }))
    }

    /// The objects, for work on the thread that makes requests.
    pub(super) fn bucket(&self) -> Bucket {
        self.store.bucket().clone()
    }

    /// What an object is called in messages.
    pub(super) fn name_of(&self, key: &str) -> String {
        self.store.bucket().place(key)
    }

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
