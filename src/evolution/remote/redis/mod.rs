//! An evolution log on Redis, or what speaks its protocol: two streams, one of calls and one of decisions.

mod clean;
mod follow;
mod page;
mod read;
mod write;

use std::fmt;
use std::sync::Arc;

use ::redis::{Cmd, Pipeline, Value, cmd, pipe};

use super::Follower;
use super::clean::{Cleaner, Plan};
use super::worker::Worker;
use super::{Place, Remote, Site, Writer};
use crate::evolution::source::Source;
use crate::store::redis::{Keys, Link, explain};
use crate::store::{Error, RedisAddress, RedisOptions};
use crate::time::Timestamp;
use follow::RedisFollower;
use read::RedisLog;
use write::RedisWriter;

/// An evolution log on one Redis. Clones share a connection.
#[derive(Clone)]
pub(crate) struct RedisSite {
    shared: Arc<Shared>,
}

/// The way to the log, and its keys.
struct Shared {
    worker: Worker,
    link: Arc<Link>,
    location: String,
    keys: Keys,
    calls: String,
    decisions: String,
}

impl fmt::Debug for RedisSite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RedisSite").field(&self.shared.location).finish()
    }
}

impl RedisSite {
    /// The way to a log, which is not gone yet.
    ///
    /// # Errors
    /// [`Error::Invalid`] for options that do not fit each other.
    pub(crate) fn new(address: &RedisAddress, options: &RedisOptions) -> Result<Self, Error> {
        let keys = Keys::new(address.prefix());
        let (calls, decisions) = (keys.evolution(), keys.decisions());
        let (link, location) = (Arc::new(Link::new(address, options)?), address.to_string());
        Ok(RedisSite { shared: Arc::new(Shared { worker: Worker::start()?, link, location, keys, calls, decisions }) })
    }
}

impl Site for RedisSite {
    fn location(&self) -> &str {
        &self.shared.location
    }

    fn sources(&self) -> Result<Vec<Source>, Error> {
        let keys = [self.shared.calls.clone(), self.shared.decisions.clone()];
        let mut commands = pipe();
        for key in &keys {
            commands.cmd("EXISTS").arg(key);
        }
        let there = self.shared.ask_all(commands, "looking for an evolution log")?;
        let there = there.into_iter().map(|answer| answer == Value::Int(1));
        let found = keys.into_iter().zip(there).filter(|(_, is_there)| *is_there);
        found.map(|(key, _)| Ok(Source::Remote(Remote::new(RedisLog::open(&self.shared, key)?)))).collect()
    }

    fn writer(&self) -> Result<Box<dyn Writer>, Error> {
        Ok(Box::new(RedisWriter::new(&self.shared)))
    }

    fn follower(&self) -> Result<Box<dyn Follower>, Error> {
        Ok(Box::new(RedisFollower::begin(&self.shared)?))
    }

    fn plans(&self, older_than: Option<Timestamp>) -> Result<Vec<Plan>, Error> {
        clean::plans(&self.shared, older_than)
    }

    fn cleaner(&self) -> &dyn Cleaner {
        self
    }
}

impl Shared {
    /// Sends a command and waits for its answer.
    fn ask(&self, command: Cmd, doing: &'static str) -> Result<Value, Error> {
        let (link, location) = (self.link.clone(), self.location.clone());
        self.worker.run(async move { link.send(&command).await.map_err(|error| explain(&error, doing, &location)) })
    }

    /// Sends commands at once and waits for all answers, of which none may be an error.
    fn ask_all(&self, commands: Pipeline, doing: &'static str) -> Result<Vec<Value>, Error> {
        let (link, location) = (self.link.clone(), self.location.clone());
        self.worker
            .run(async move { link.send_all(&commands).await.map_err(|error| explain(&error, doing, &location)) })
    }

    /// What a stream is called in messages.
    fn name_of(&self, key: &str) -> String {
        format!("{} {key}", self.location)
    }

    /// The id of the last entry that a stream ever had; the start if there is none.
    fn end_of(&self, key: &str) -> Result<Place, Error> {
        let mut command = cmd("EVAL");
        command.arg(concat!(include_str!("state.lua"), "return last")).arg(1).arg(key);
        match self.ask(command, "looking for the end of an evolution log")? {
            Value::BulkString(id) => place(&id).ok_or_else(|| self.odd()),
            Value::SimpleString(id) => place(id.as_bytes()).ok_or_else(|| self.odd()),
            _ => Err(self.odd()),
        }
    }

    /// No Redis answers so.
    fn odd(&self) -> Error {
        let problem = "it answers otherwise than a Redis does".to_owned();
        Error::Unfit { place: self.location.clone(), problem }
    }
}

/// The place that an entry's id is.
fn place(id: &[u8]) -> Option<Place> {
    Place::parse(std::str::from_utf8(id).ok()?)
}
