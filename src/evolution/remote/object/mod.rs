//! An evolution log in an object store: segments that each writer names for itself, so that nothing contends, and decisions
//! that are numbered and created only where there is none. Beside them, copies of logs, whatever they are called.

mod clean;
mod fetch;
mod follow;
mod list;
mod names;
mod plain;
mod read;
mod write;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::Follower;
use super::clean::{Cleaner, Plan};
use super::worker::Worker;
use super::{Remote, Site, Writer};
use crate::evolution::source::Source;
use crate::store::object::{Bucket, Query};
use crate::store::{BucketAddress, BucketStore, Error, Settings};
use crate::time::Timestamp;
use fetch::Fetcher;
use follow::BucketFollower;
use list::list;
use read::{DecisionLog, SegmentLog};
use write::BucketWriter;

/// An evolution log in one bucket.
#[derive(Clone)]
pub(crate) struct BucketSite {
    shared: Arc<Shared>,
    address: BucketAddress,
    settings: Arc<Settings>,
}

/// The way to the log.
struct Shared {
    worker: Worker,
    store: BucketStore,
    fetcher: Fetcher,
    location: String,
    poll_every: Duration,
}

impl fmt::Debug for BucketSite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BucketSite").field(&self.shared.location).finish()
    }
}

impl Shared {
    fn open(address: &BucketAddress, settings: &Settings) -> Result<Arc<Self>, Error> {
        Ok(Arc::new(Shared {
            worker: Worker::start()?,
            store: BucketStore::open(address, &settings.environment, settings.bucket.clone())?,
            fetcher: Fetcher::default(),
            location: address.to_string(),
            poll_every: settings.bucket.poll_every,
        }))
    }

    /// The objects, for work on the thread that makes requests.
    fn bucket(&self) -> Bucket {
        self.store.bucket().clone()
    }

    /// What an object is called in messages.
    fn name_of(&self, key: &str) -> String {
        self.store.bucket().place(key)
    }

    /// Whether anything begins so.
    fn has_any(&self, start: &str) -> Result<bool, Error> {
        let page = list(self, Query { start: start.to_owned(), limit: Some(1), ..Query::default() }, None)?;
        Ok(!page.objects.is_empty())
    }
}

impl BucketSite {
    /// The way to a log, which is not gone yet.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the settings cannot be.
    pub(crate) fn new(address: &BucketAddress, settings: &Settings) -> Result<Self, Error> {
        let shared = Shared::open(address, settings)?;
        Ok(BucketSite { shared, address: address.clone(), settings: Arc::new(settings.clone()) })
    }

    /// The one object that the address names, if it does.
    fn one_object(&self) -> Result<Option<Source>, Error> {
        let Some((folder, name)) = self.address.parent().filter(|(_, name)| plain::is_log(name)) else {
            return Ok(None);
        };
        let shared = Shared::open(&folder, &self.settings)?;
        Ok(plain::find_one(&shared, name)?.map(|log| Source::Remote(Remote::shared(log))))
    }
}

impl Site for BucketSite {
    fn location(&self) -> &str {
        &self.shared.location
    }

    fn outlook(&self) -> &'static str {
        "some seconds"
    }

    fn sources(&self) -> Result<Vec<Source>, Error> {
        if let Some(object) = self.one_object()? {
            return Ok(vec![object]);
        }
        let mut sources = Vec::new();
        if let Some(log) = SegmentLog::find(&self.shared)? {
            sources.push(Source::Remote(Remote::new(log)));
        }
        if let Some(log) = DecisionLog::find(&self.shared)? {
            sources.push(Source::Remote(Remote::new(log)));
        }
        let copies = plain::find(&self.shared)?;
        sources.extend(copies.into_iter().map(|log| Source::Remote(Remote::shared(log))));
        Ok(sources)
    }

    fn writer(&self) -> Result<Box<dyn Writer>, Error> {
        if self.address.parent().is_some_and(|(_, name)| plain::is_log(name)) {
            let problem = "it names one object, which nothing can be appended to";
            return Err(Error::invalid(format!("store {}", self.shared.location), problem));
        }
        Ok(Box::new(BucketWriter::new(&self.shared)))
    }

    fn follower(&self) -> Result<Box<dyn Follower>, Error> {
        Ok(Box::new(BucketFollower::begin(&self.shared)?))
    }

    fn plans(&self, older_than: Option<Timestamp>) -> Result<Vec<Plan>, Error> {
        clean::plans(&self.shared, older_than)
    }

    fn cleaner(&self) -> &dyn Cleaner {
        self
    }
}
