//! Named logs on any medium, and an index of what is due; see [`crate::stores`].

mod address;
mod batch;
pub(crate) mod beneath;
mod error;
mod files;
mod line;
mod marker;
mod memory;
mod name;
#[cfg(feature = "object-store")]
pub(crate) mod object;
#[cfg(not(feature = "object-store"))]
#[path = "absent/object.rs"]
pub(crate) mod object;
mod open;
mod page;
#[cfg(feature = "redis")]
pub(crate) mod redis;
#[cfg(not(feature = "redis"))]
#[path = "absent/redis.rs"]
pub(crate) mod redis;
mod retrying;
#[cfg(feature = "testing")]
pub(crate) mod testing;
#[cfg(any(feature = "redis", feature = "object-store"))]
mod tls;
mod wakes;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt as _;

pub use address::{Address, BucketAddress, BucketOptions, RedisAddress, RedisOptions, Settings};
pub use batch::{Append, BATCH_BYTES_MAX, Batch, Due, Op, Position};
pub use error::Error;
pub use files::{FileOptions, FileStore};
pub use line::{DEPTH_MAX, Header, LINE_BYTES_MAX, Line, Token};
pub use memory::MemoryStore;
pub use name::{InvalidName, KEY_BYTES_MAX, Kind, Name, Queue};
#[cfg(feature = "object-store")]
pub use object::{BucketStore, Requests};
pub(crate) use page::lines_in;
pub use page::{End, Page};
#[cfg(feature = "redis")]
pub use redis::RedisStore;
pub use retrying::RetryingStore;

pub use crate::retry::RetryPolicy;
use crate::time::Timestamp;

/// Prints for developers as for users.
macro_rules! debug_as_display {
    ($($name:ty),*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    )*};
}

debug_as_display!(BucketAddress, RedisAddress, Kind, Name, Queue, Token);

/// How many names to ask for at a time when all are wanted: some megabytes of memory, and few passes over a folder.
pub const LIST_PAGE: usize = 25_000;

/// How many logs are read at a time when several are asked for.
const READS_AT_ONCE: usize = 32;

/// A medium that holds logs.
///
/// No method looks at a clock: what is due is due at the time that the caller gives. Every method may be called again after
/// an error that is [retryable](Error::retryable), with the same arguments.
#[async_trait]
pub trait Store: Send + Sync + fmt::Debug {
    /// Where this store is, for messages: never with credentials.
    fn location(&self) -> String;

    /// Does all parts of a batch in order, or all at once, and returns where each appended log then ends, in the order of
    /// the appends. When it returns, all is as durable as the medium can make it.
    ///
    /// # Errors
    /// [`Error::Conflict`], [`Error::Sealed`] and [`Error::Lost`] stop the batch at the append that meets them. Parts before
    /// that one have been done or not, as after a crash.
    async fn apply(&self, batch: &Batch) -> Result<Vec<Position>, Error>;

    /// Reads lines behind `after`, whole appends of at least `bytes` bytes together if there are so many, else to the end.
    ///
    /// The first line is number `after + 1`, or a later one if those before were [forgotten](Store::forget).
    ///
    /// # Errors
    /// [`Error::Lost`] if the log ends before `after`; [`Error::Corrupt`] with the place of a damaged line.
    async fn read(&self, log: &Name, after: u64, bytes: usize) -> Result<Page, Error>;

    /// The lines behind `after` that are sound and stand in front of damage which keeps [`Store::read`] from giving them: about
    /// `bytes` bytes of them, whether their append is whole or not. For who shows what is left; nothing may be built upon it.
    ///
    /// # Errors
    /// What the medium says.
    async fn read_damaged(&self, log: &Name, after: u64, bytes: usize) -> Result<Bytes, Error> {
        let _ = (log, after, bytes);
        Ok(Bytes::new())
    }

    /// The first lines of several logs, of each what [`Store::read`] gives behind its start: for who looks at many, in fewer
    /// trips or threads than one by one.
    async fn read_first(&self, logs: &[Name], bytes: usize) -> Vec<Result<Page, Error>> {
        let reads = logs.iter().map(|log| self.read(log, 0, bytes));
        futures_util::stream::iter(reads.collect::<Vec<_>>()).buffered(READS_AT_ONCE).collect().await
    }

    /// Where a log ends; the start if there is no such log.
    ///
    /// # Errors
    /// As [`Store::read`].
    async fn end(&self, log: &Name) -> Result<End, Error>;

    /// The names of logs of one kind whose id begins with `start`, behind `after`, at most `limit`, in order. Each is
    /// given in its first generation.
    ///
    /// Each call may go through all names that there are, as on files: who wants all of them asks for [`LIST_PAGE`] at a time.
    ///
    /// # Errors
    /// What the medium says.
    async fn list(&self, kind: Kind, start: &str, after: Option<&Name>, limit: usize) -> Result<Vec<Name>, Error>;

    /// Entries of a queue that are due at `now`, the earliest first, at most `limit`; for who goes through many, only those
    /// behind `after`, an entry of the same queue that is or was there.
    ///
    /// # Errors
    /// What the medium says.
    async fn due(&self, queue: &Queue, after: Option<&Due>, now: Timestamp, limit: usize) -> Result<Vec<Due>, Error>;

    /// All queues that have entries, in order.
    ///
    /// # Errors
    /// What the medium says.
    async fn queues(&self) -> Result<Vec<Queue>, Error>;

    /// Watches a log or a queue from now on.
    ///
    /// # Errors
    /// What the medium says.
    async fn watch(&self, what: Watched) -> Result<Box<dyn Watch>, Error>;

    /// Lets go of all that a sealed log holds but its last line, the seal. Its numbers stay taken.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the log is not sealed.
    async fn forget(&self, log: &Name) -> Result<(), Error>;

    /// Looks for damage that only this medium can have, and with `repair` mends what can be mended without losing
    /// anything that was acknowledged.
    ///
    /// # Errors
    /// What stopped the search; what it found is not an error.
    async fn inspect(&self, repair: bool) -> Result<Vec<Finding>, Error>;
}

/// What can be watched.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Watched {
    /// Lines that are appended to a log.
    Log(Name),
    /// Entries that come to a queue.
    Queue(Queue),
}

/// Wakes whoever waits for a change. Best effort: a change may go unnoticed, so the wait has a bound, and whoever wakes
/// looks for themselves.
#[async_trait]
pub trait Watch: Send + fmt::Debug {
    /// Waits until something has changed since the watch began or since the last call returned, but not longer than
    /// `at_most`. Whether something has.
    async fn changed(&mut self, at_most: Duration) -> bool;
}

/// Something in a store that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// File, key or object.
    pub place: String,
    /// What is wrong there.
    pub problem: String,
    /// What can be done about it without losing anything; none if a person has to decide.
    pub remedy: Option<String>,
    /// It has been done.
    pub repaired: bool,
    /// It could not be read, so that nobody knows whether something is wrong: the [code](Error::code) of the error.
    pub unread: Option<&'static str>,
}

impl Finding {
    /// Something that a person has to decide about.
    pub(crate) fn new(place: &dyn fmt::Display, problem: &str) -> Self {
        Finding { place: place.to_string(), problem: problem.to_owned(), remedy: None, repaired: false, unread: None }
    }

    /// What an error says of a place.
    pub(crate) fn of(error: &Error) -> Self {
        match error {
            Error::Corrupt { place, problem } => Finding::new(place, problem),
            error => Finding::new(&"", &error.to_string()),
        }
    }

    /// Something that could not be read, which says nothing about what is there.
    pub(crate) fn unread(place: &dyn fmt::Display, error: &Error) -> Self {
        let cause = std::error::Error::source(error).map_or_else(String::new, |cause| format!(": {cause}"));
        Finding { unread: Some(error.code()), ..Finding::new(place, &format!("{error}{cause}")) }
    }

    /// The same, with what can be done about it.
    #[must_use]
    pub(crate) fn with_remedy(self, remedy: &str) -> Self {
        Finding { remedy: Some(remedy.to_owned()), ..self }
    }
}
