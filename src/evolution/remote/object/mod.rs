//! An evolution log in an object store: segments that each writer names for itself, so that nothing contends, and decisions
//! that are numbered and created only where there is none. Beside them, copies of logs, whatever they are called.

mod clean;
mod fetch;
mod follow;
mod list;
mod names;
mod plain;
mod read;
mod shared;
mod write;

use std::fmt;
use std::sync::Arc;

use super::clean::Plan;
use super::site::{Follower, Site, Writer};
use crate::evolution::piece::RemoteSource;
use crate::store::{BucketAddress, Error, Settings};
use crate::time::Timestamp;
use follow::BucketFollower;
use read::{DecisionLog, SegmentLog};
use shared::Shared;
use write::BucketWriter;

/// An evolution log in one bucket.
#[derive(Clone)]
pub(crate) struct BucketSite {
    shared: Arc<Shared>,
    address: BucketAddress,
    settings: Arc<Settings>,
}

impl fmt::Debug for BucketSite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BucketSite").field(&self.shared.location).finish()
    }
}

/// The way to the log at an address, which is not gone yet.
pub(super) fn open(address: &BucketAddress, settings: &Settings) -> Result<Arc<dyn Site>, Error> {
    Ok(Arc::new(BucketSite::new(address, settings)?))
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
    fn one_object(&self) -> Result<Option<RemoteSource>, Error> {
        let Some((folder, name)) = self.address.parent().filter(|(_, name)| names::is_log(name)) else {
            return Ok(None);
        };
        let shared = Shared::open(&folder, &self.settings)?;
        Ok(plain::find_one(&shared, name)?.map(RemoteSource::shared))
    }
}

impl Site for BucketSite {
    fn location(&self) -> &str {
        &self.shared.location
    }

    fn outlook(&self) -> &'static str {
        "some seconds"
    }

    fn logs(&self) -> Result<Vec<RemoteSource>, Error> {
        if let Some(object) = self.one_object()? {
            return Ok(vec![object]);
        }
        let mut sources = Vec::new();
        if let Some(log) = SegmentLog::find(&self.shared)? {
            sources.push(RemoteSource::new(log));
        }
        if let Some(log) = DecisionLog::find(&self.shared)? {
            sources.push(RemoteSource::new(log));
        }
        let copies = plain::find(&self.shared)?;
        sources.extend(copies.into_iter().map(RemoteSource::shared));
        Ok(sources)
    }

    fn writer(&self) -> Result<Box<dyn Writer>, Error> {
        if self.address.parent().is_some_and(|(_, name)| names::is_log(name)) {
            let problem = "it names one object, which nothing can be appended to";
            return Err(Error::invalid(format!("store {}", self.shared.location), problem));
        }
        Ok(Box::new(BucketWriter::new(&self.shared)))
    }

    fn follower(&self, now: Timestamp) -> Result<Box<dyn Follower>, Error> {
        Ok(Box::new(BucketFollower::begin(&self.shared, now)?))
    }

    fn plans(&self, older_than: Option<Timestamp>) -> Result<Vec<Plan>, Error> {
        clean::plans(&self.shared, older_than)
    }

    fn read_part(&self, _: &Plan, part: &str) -> Result<Option<Vec<u8>>, Error> {
        clean::read_part(&self.shared, part)
    }

    fn delete(&self, plan: &Plan) -> Result<(), Error> {
        clean::delete(&self.shared, plan)
    }
}
