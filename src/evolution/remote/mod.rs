//! Evolution logs that are not files: on Redis, and on object stores.
//!
//! Such a log has two halves. *Calls* are many and nobody waits for them: they are written in *parts*, each some whole
//! lines that land together (an entry of a stream, an object), by many writers that do not meet. *Decisions* are few and must
//! not cross each other: they stand in a log of their own in which each has its [`Place`], and are appended only behind the
//! last one that their author knew of. Who only obeys need not read the calls.
//!
//! Nothing here waits in an asynchronous runtime: callers are ordinary threads. The format is in `docs/evolution-log.md`.

pub(crate) mod clean;
#[cfg(feature = "object-store")]
mod object;
#[cfg(not(feature = "object-store"))]
#[path = "absent/object.rs"]
mod object;
#[cfg(feature = "redis")]
mod redis;
#[cfg(not(feature = "redis"))]
#[path = "absent/redis.rs"]
mod redis;
pub(crate) mod site;
#[cfg(any(feature = "redis", feature = "object-store"))]
mod worker;

use std::sync::Arc;

pub use super::piece::{RemoteSource, store_error};
use super::source::Source;
use crate::store::{Address, Error, Settings};
use site::Site;

/// An evolution log that is not a file. Clones share a connection.
#[derive(Clone, Debug)]
pub struct RemoteLog(Arc<dyn Site>);

impl RemoteLog {
    /// The way to the log at an address, which is not gone yet; none for files.
    ///
    /// # Errors
    /// [`Error::Invalid`] for settings that cannot be.
    pub fn at(address: &Address, settings: &Settings) -> Result<Option<RemoteLog>, Error> {
        let site = match address {
            Address::Path(_) => return Ok(None),
            Address::Redis(address) => redis::open(address, settings)?,
            Address::Bucket(address) => object::open(address, settings)?,
        };
        Ok(Some(RemoteLog(site)))
    }

    /// What it is called in messages: never with credentials.
    pub fn location(&self) -> &str {
        self.0.location()
    }

    /// How soon processes obey that follow the log as it is usual: `a second`.
    pub fn outlook(&self) -> &'static str {
        self.0.outlook()
    }

    /// What is there to be read now, calls first; nothing if there is no log.
    ///
    /// # Errors
    /// The store cannot be reached.
    pub fn sources(&self) -> Result<Vec<Source>, Error> {
        Ok(self.0.logs()?.into_iter().map(Source::Remote).collect())
    }

    pub(crate) fn site(&self) -> &dyn Site {
        &*self.0
    }
}
