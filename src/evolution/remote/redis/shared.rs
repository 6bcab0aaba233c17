//! The way to an evolution log on Redis, and its keys.

use std::sync::Arc;

use ::redis::{Cmd, Pipeline, Value, cmd};

use crate::evolution::piece::Place;
use crate::evolution::remote::worker::Worker;
use crate::store::redis::{Keys, Link, explain};
use crate::store::{Error, RedisAddress, RedisOptions};

/// The way to the log, and its keys.
pub(super) struct Shared {
    pub(super) worker: Worker,
    pub(super) link: Arc<Link>,
    pub(super) location: String,
    pub(super) keys: Keys,
    pub(super) calls: String,
    pub(super) decisions: String,
}

impl Shared {
    /// The way to a log, which is not gone yet.
    pub(super) fn new(address: &RedisAddress, options: &RedisOptions) -> Result<Arc<Self>, Error> {
        let keys = Keys::new(address.prefix());
        let (calls, decisions) = (keys.evolution(), keys.decisions());
        let (link, location) = (Arc::new(Link::new(address, options)?), address.to_string());
        Ok(Arc::new(Shared { worker: Worker::start()?, link, location, keys, calls, decisions }))
    }

    /// Sends a command and waits for its answer.
    pub(super) fn ask(&self, command: Cmd, doing: &'static str) -> Result<Value, Error> {
        let (link, location) = (self.link.clone(), self.location.clone());
        self.worker.run(async move { link.send(&command).await.map_err(|error| explain(&error, doing, &location)) })
    }

    /// Sends commands at once and waits for all answers, of which none may be an error.
    pub(super) fn ask_all(&self, commands: Pipeline, doing: &'static str) -> Result<Vec<Value>, Error> {
        let (link, location) = (self.link.clone(), self.location.clone());
        self.worker
            .run(async move { link.send_all(&commands).await.map_err(|error| explain(&error, doing, &location)) })
    }

    /// What a stream is called in messages.
    pub(super) fn name_of(&self, key: &str) -> String {
        format!("{} {key}", self.location)
    }

    /// The id of the last entry that a stream ever had; the start if there is none.
    pub(super) fn end_of(&self, key: &str) -> Result<Place, Error> {
        let mut command = cmd("EVAL");
        command.arg(concat!(include_str!("state.lua"), "return last")).arg(1).arg(key);
        match self.ask(command, "looking for the end of an evolution log")? {
            Value::BulkString(id) => place(&id).ok_or_else(|| self.odd()),
            Value::SimpleString(id) => place(id.as_bytes()).ok_or_else(|| self.odd()),
            _ => Err(self.odd()),
        }
    }

    /// No Redis answers so.
    pub(super) fn odd(&self) -> Error {
        let problem = "it answers otherwise than a Redis does".to_owned();
        Error::Unfit { place: self.location.clone(), problem }
    }
}

/// The place that an entry's id is.
pub(super) fn place(id: &[u8]) -> Option<Place> {
    Place::parse(std::str::from_utf8(id).ok()?)
}
