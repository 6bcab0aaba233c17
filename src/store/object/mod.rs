//! Logs in the bucket of an object store: S3 and what speaks its protocol, Google Cloud Storage, Azure Blob Storage.
//!
//! What objects there are, `layout` says; what they rest upon, that an object can be written only where there is none, is
//! tried out before the first write (`probe`). Requests are what such a store costs, so they are few, and counted:
//!
//! | call | requests |
//! | --- | --- |
//! | first write of a handle | 1 get more, to see that the store was tried out; when it was not, some 50 once |
//! | append by who wrote or read the end last | 1 put |
//! | entry of the due index: put, drop | 1 put, 1 delete |
//! | append that landed before, its answer lost | 1 put, 1 get |
//! | append that lost a race | 1 put, 1 get, 1 head |
//! | append at a number that this handle has not seen | 1 put, and those of `end` |
//! | `end` | 1 list for each 1,000 appends, 1 get; with folds, 2 lists, 1 get; nothing new: 1 list |
//! | `read` | 1 list for each 1,000 appends, 1 get for each; with folds, 2 lists and 1 get for each megabyte |
//! | `read` at the end that is known | 1 get |
//! | `list` | 1 list for each 1,000 logs |
//! | `due`, `queues` | 1 list for each 1,000 |
//! | watching a log, a queue | 1 head, 1 list every [`poll_every`](BucketOptions::poll_every) |
//! | `forget` | 1 put for each append, and some lists |
//!
//! Google Cloud Storage and Azure are reached by the same means, but nothing here was ever run against them.

mod append;
mod bucket;
mod connect;
mod ends;
mod fold;
mod forget;
mod inspect;
mod known;
mod layout;
mod names;
mod probe;
mod read;
mod secrets;
mod watch;
mod wire;
mod xml;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::OnceCell;

pub(crate) use layout::{EVOLUTION, is_of_store};
pub use wire::Requests;

use super::wakes::Wakes;
use super::{
    Batch, BucketAddress, BucketOptions, Due, End, Error, Finding, Kind, Name, Op, Page, Position, Queue, Settings,
    Store, Watch, Watched,
};
use crate::time::Timestamp;
pub(crate) use bucket::{Bucket, Created, Listed, Query};
use fold::InHand;
use known::Memory;
use read::Begun;

/// Opens the store at an address.
pub(super) fn open(address: &BucketAddress, settings: &Settings) -> Result<Arc<dyn Store>, Error> {
    Ok(Arc::new(BucketStore::open(address, &settings.environment, settings.bucket.clone())?))
}

/// A store in a bucket.
///
/// Clones are one handle. Reading needs no right but to read and to list; whether the bucket can hold a store is tried out
/// before the first write.
#[derive(Clone)]
pub struct BucketStore {
    shared: Arc<Shared>,
}

struct Shared {
    bucket: Bucket,
    options: BucketOptions,
    memory: Memory,
    wakes: Wakes,
    proven: OnceCell<()>,
    hand: Mutex<Option<Arc<InHand>>>,
    begun: Mutex<Option<Begun>>,
}

impl fmt::Debug for BucketStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BucketStore({})", self.shared.bucket.address())
    }
}

impl BucketStore {
    /// Opens a store. No request is made before one is needed.
    ///
    /// `settings` are pairs as the environment has them: those whose names begin with `AWS_`, `GOOGLE_` or `AZURE_` count for
    /// their provider, and mean what they mean to the crate `object_store`; `HTTPS_PROXY` and `NO_PROXY` count if they are
    /// passed; all others are left alone. Plain HTTP is spoken where the endpoint says `http://`.
    ///
    /// ```
    /// use temporal_code::stores::{BucketAddress, BucketOptions, BucketStore, Store as _};
    /// let address = BucketAddress::parse("s3://logs/team").unwrap();
    /// let settings = [
    ///     ("AWS_ENDPOINT_URL".to_owned(), "http://127.0.0.1:9000".to_owned()),
    ///     ("AWS_ACCESS_KEY_ID".to_owned(), "reader".to_owned()),
    ///     ("AWS_SECRET_ACCESS_KEY".to_owned(), "not shown anywhere".to_owned()),
    /// ];
    /// let store = BucketStore::open(&address, &settings, BucketOptions::default()).unwrap();
    /// assert_eq!(store.location(), "s3://logs/team");
    /// ```
    ///
    /// # Errors
    /// [`Error::Invalid`] if the settings cannot be.
    pub fn open(address: &BucketAddress, settings: &[(String, String)], options: BucketOptions) -> Result<Self, Error> {
        let client = connect::connect(address, settings, &options)?;
        let shared = Shared {
            bucket: Bucket::new(client, address.clone()),
            options,
            memory: Memory::default(),
            wakes: Wakes::default(),
            proven: OnceCell::new(),
            hand: Mutex::new(None),
            begun: Mutex::new(None),
        };
        Ok(BucketStore { shared: Arc::new(shared) })
    }

    /// The objects themselves, for what is no log of this store.
    pub(crate) fn bucket(&self) -> &Bucket {
        &self.shared.bucket
    }

    /// Sees to it that objects can be written here exclusively.
    pub(crate) async fn prove(&self) -> Result<(), Error> {
        self.shared.prove().await
    }

    /// The requests that were made through this handle so far.
    pub fn requests(&self) -> Requests {
        self.shared.bucket.requests()
    }
}

#[async_trait]
impl Store for BucketStore {
    fn location(&self) -> String {
        self.shared.bucket.address().to_string()
    }

    async fn apply(&self, batch: &Batch) -> Result<Vec<Position>, Error> {
        batch.check()?;
        self.shared.prove().await?;
        for op in batch.ops() {
            match op {
                Op::Append(append) => {
                    self.shared.append(append, batch.token()).await?;
                    self.shared.wakes.wake(&Watched::Log(append.log.clone()));
                }
                Op::PutDue(due) => {
                    self.shared.put_due(due).await?;
                    self.shared.wakes.wake(&Watched::Queue(due.queue.clone()));
                }
                Op::DropDue(due) => self.shared.drop_due(due).await?,
            }
        }
        Ok(batch.ends())
    }

    async fn read(&self, log: &Name, after: u64, bytes: usize) -> Result<Page, Error> {
        self.shared.read(log, after, bytes).await
    }

    async fn read_damaged(&self, log: &Name, after: u64, _bytes: usize) -> Result<Bytes, Error> {
        self.shared.read_damaged(log, after).await
    }

    async fn end(&self, log: &Name) -> Result<End, Error> {
        let known = self.shared.memory.of(log).end;
        Ok(self.shared.find_end(log, known).await?.map_or(End::START, |boundary| boundary.end))
    }

    async fn list(&self, kind: Kind, start: &str, after: Option<&Name>, limit: usize) -> Result<Vec<Name>, Error> {
        self.shared.list(kind, start, after, limit).await
    }

    async fn due(&self, queue: &Queue, after: Option<&Due>, now: Timestamp, limit: usize) -> Result<Vec<Due>, Error> {
        self.shared.due(queue, after, now, limit).await
    }

    async fn queues(&self) -> Result<Vec<Queue>, Error> {
        self.shared.queues().await
    }

    async fn watch(&self, what: Watched) -> Result<Box<dyn Watch>, Error> {
        Ok(Box::new(watch::BucketWatch::new(self.shared.clone(), what)))
    }

    async fn forget(&self, log: &Name) -> Result<(), Error> {
        self.shared.prove().await?;
        self.shared.forget(log).await
    }

    async fn inspect(&self, repair: bool) -> Result<Vec<Finding>, Error> {
        self.shared.inspect(repair).await
    }
}
