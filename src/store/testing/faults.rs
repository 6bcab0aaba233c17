//! A store that fails on purpose, to see that what stands on stores survives it.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;

use crate::store::{Batch, Due, End, Error, Finding, Kind, Name, Page, Position, Queue, Store, Watch, Watched};
use crate::time::Timestamp;

/// What goes wrong with one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// It fails and has done nothing.
    Before,
    /// It is done, and the answer is lost.
    After,
    /// The answer does not come; the call is carried out this much later all the same.
    Late(Duration),
    /// It takes this much longer.
    Slow(Duration),
    /// A list or what is due is answered as the call before saw it.
    Stale,
    /// The process dies when so many parts of the batch are done: this call and all after it fail.
    CrashAfter(usize),
}

/// One call to a store.
#[derive(Clone, Copy, Debug)]
pub enum Call<'a> {
    /// [`Store::apply`].
    Apply(&'a Batch),
    /// [`Store::read`], [`Store::end`] and [`Store::watch`].
    Read,
    /// [`Store::list`], [`Store::due`] and [`Store::queues`].
    List,
}

type Plan = dyn Fn(u64, Call<'_>) -> Fault + Send + Sync;

/// A queue, and behind which entry of it was looked.
type Asked = (Queue, Option<Due>);

/// A store in front of another, whose calls fail as planned.
pub struct FaultyStore {
    inner: Arc<dyn Store>,
    plan: Box<Plan>,
    calls: AtomicU64,
    crashed: AtomicBool,
    lists: Mutex<HashMap<String, Vec<Name>>>,
    dues: Mutex<HashMap<Asked, Vec<Due>>>,
}

impl fmt::Debug for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultyStore").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl FaultyStore {
    /// A store that asks `plan` what goes wrong with each call; the first is call 0.
    pub fn new(inner: Arc<dyn Store>, plan: impl Fn(u64, Call<'_>) -> Fault + Send + Sync + 'static) -> Self {
        FaultyStore {
            inner,
            plan: Box::new(plan),
            calls: AtomicU64::new(0),
            crashed: AtomicBool::new(false),
            lists: Mutex::default(),
            dues: Mutex::default(),
        }
    }

    /// Whether the process that had this store is taken for dead.
    pub fn crashed(&self) -> bool {
        self.crashed.load(Ordering::Acquire)
    }

    /// What goes wrong with this call; waits where it is slow.
    async fn next(&self, call: Call<'_>) -> Result<Fault, Error> {
        if self.crashed() {
            return Err(self.failed("the process has died"));
        }
        let number = self.calls.fetch_add(1, Ordering::AcqRel);
        match (self.plan)(number, call) {
            Fault::Before => Err(self.failed("it failed before it began")),
            Fault::Slow(delay) => {
                tokio::time::sleep(delay).await;
                Ok(Fault::None)
            }
            fault => Ok(fault),
        }
    }

    fn failed(&self, how: &str) -> Error {
        Error::unavailable(format!("a call to {}", self.location()), how.to_owned())
    }

    /// For calls that change nothing, losing the answer is all that can happen.
    async fn reading(&self) -> Result<(), Error> {
        match self.next(Call::Read).await? {
            Fault::After | Fault::Late(_) => Err(self.failed("the answer was lost")),
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl Store for FaultyStore {
    fn location(&self) -> String {
        self.inner.location()
    }

    async fn apply(&self, batch: &Batch) -> Result<Vec<Position>, Error> {
        match self.next(Call::Apply(batch)).await? {
            Fault::After => {
                // What would have been answered is lost as well if it was an error.
                let _ = self.inner.apply(batch).await;
                Err(self.failed("the answer was lost"))
            }
            Fault::Late(delay) => {
                let (inner, batch) = (self.inner.clone(), batch.clone());
                tokio::spawn(async move {
                    tokio::time::sleep(delay).await;
                    let _ = inner.apply(&batch).await;
                });
                Err(self.failed("there was no answer in time"))
            }
            Fault::CrashAfter(parts) => {
                self.crashed.store(true, Ordering::Release);
                let _ = self.inner.apply(&batch.prefix(parts)).await;
                Err(self.failed("the process died meanwhile"))
            }
            _ => self.inner.apply(batch).await,
        }
    }

    async fn read(&self, log: &Name, after: u64, bytes: usize) -> Result<Page, Error> {
        self.reading().await?;
        self.inner.read(log, after, bytes).await
    }

    async fn read_damaged(&self, log: &Name, after: u64, bytes: usize) -> Result<Bytes, Error> {
        self.inner.read_damaged(log, after, bytes).await
    }

    async fn end(&self, log: &Name) -> Result<End, Error> {
        self.reading().await?;
        self.inner.end(log).await
    }

    async fn list(&self, kind: Kind, start: &str, after: Option<&Name>, limit: usize) -> Result<Vec<Name>, Error> {
        let fault = self.next(Call::List).await?;
        let key = format!("{kind}/{start}/{}/{limit}", after.map_or(String::new(), Name::to_string));
        let fresh = self.inner.list(kind, start, after, limit).await?;
        let mut lists = self.lists.lock();
        let stale = lists.insert(key, fresh.clone());
        Ok(stale.filter(|_| fault == Fault::Stale).unwrap_or(fresh))
    }

    async fn due(&self, queue: &Queue, after: Option<&Due>, now: Timestamp, limit: usize) -> Result<Vec<Due>, Error> {
        let fault = self.next(Call::List).await?;
        let fresh = self.inner.due(queue, after, now, limit).await?;
        let mut dues = self.dues.lock();
        let stale = dues.insert((queue.clone(), after.cloned()), fresh.clone());
        Ok(stale.filter(|_| fault == Fault::Stale).unwrap_or(fresh))
    }

    async fn queues(&self) -> Result<Vec<Queue>, Error> {
        self.next(Call::List).await?;
        self.inner.queues().await
    }

    async fn watch(&self, what: Watched) -> Result<Box<dyn Watch>, Error> {
        self.reading().await?;
        self.inner.watch(what).await
    }

    async fn forget(&self, log: &Name) -> Result<(), Error> {
        self.reading().await?;
        self.inner.forget(log).await
    }

    async fn inspect(&self, repair: bool) -> Result<Vec<Finding>, Error> {
        self.reading().await?;
        self.inner.inspect(repair).await
    }
}
