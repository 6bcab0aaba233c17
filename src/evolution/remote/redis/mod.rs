//! An evolution log on Redis, or what speaks its protocol: two streams, one of calls and one of decisions.

mod clean;
mod follow;
mod page;
mod read;
mod shared;
mod write;

use std::fmt;
use std::sync::Arc;

use ::redis::{Value, pipe};

use super::clean::Plan;
use super::site::{Follower, Site, Writer};
use crate::evolution::piece::RemoteSource;
use crate::store::{Error, RedisAddress, RedisOptions, Settings};
use crate::time::Timestamp;
use follow::RedisFollower;
use read::RedisLog;
use shared::Shared;
use write::RedisWriter;

/// An evolution log on one Redis. Clones share a connection.
#[derive(Clone)]
pub(crate) struct RedisSite {
    shared: Arc<Shared>,
}

impl fmt::Debug for RedisSite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RedisSite").field(&self.shared.location).finish()
    }
}

/// The way to the log at an address, which is not gone yet.
pub(super) fn open(address: &RedisAddress, settings: &Settings) -> Result<Arc<dyn Site>, Error> {
    Ok(Arc::new(RedisSite::new(address, &settings.redis_of(address))?))
}

impl RedisSite {
    /// The way to a log, which is not gone yet.
    ///
    /// # Errors
    /// [`Error::Invalid`] for options that do not fit each other.
    pub(crate) fn new(address: &RedisAddress, options: &RedisOptions) -> Result<Self, Error> {
        Ok(RedisSite { shared: Shared::new(address, options)? })
    }
}

impl Site for RedisSite {
    fn location(&self) -> &str {
        &self.shared.location
    }

    fn logs(&self) -> Result<Vec<RemoteSource>, Error> {
        let keys = [self.shared.calls.clone(), self.shared.decisions.clone()];
        let mut commands = pipe();
        for key in &keys {
            commands.cmd("EXISTS").arg(key);
        }
        let there = self.shared.ask_all(commands, "looking for an evolution log")?;
        let there = there.into_iter().map(|answer| answer == Value::Int(1));
        let found = keys.into_iter().zip(there).filter(|(_, is_there)| *is_there);
        found.map(|(key, _)| Ok(RemoteSource::new(RedisLog::open(&self.shared, key)?))).collect()
    }

    fn writer(&self) -> Result<Box<dyn Writer>, Error> {
        Ok(Box::new(RedisWriter::new(&self.shared)))
    }

    fn follower(&self, _: Timestamp) -> Result<Box<dyn Follower>, Error> {
        Ok(Box::new(RedisFollower::begin(&self.shared)?))
    }

    fn plans(&self, older_than: Option<Timestamp>) -> Result<Vec<Plan>, Error> {
        clean::plans(&self.shared, older_than)
    }

    fn read_part(&self, plan: &Plan, part: &str) -> Result<Option<Vec<u8>>, Error> {
        clean::read_part(&self.shared, plan, part)
    }

    fn delete(&self, plan: &Plan) -> Result<(), Error> {
        clean::delete(&self.shared, plan)
    }
}
