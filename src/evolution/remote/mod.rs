//! Evolution logs that are not files: on Redis, and on object stores.
//!
//! Such a log has two halves. *Calls* are many and nobody waits for them: they are written in *parts*, each some whole
//! lines that land together (an entry of a stream, an object), by many writers that do not meet. *Decisions* are few and must
//! not cross each other: they stand in a log of their own in which each has its [`Place`], and are appended only behind the
//! last one that their author knew of. Who only obeys need not read the calls.
//!
//! Nothing here waits in an asynchronous runtime: callers are ordinary threads. The format is in `docs/evolution-log.md`.
#![cfg_attr(
    not(any(feature = "redis", feature = "object-store")),
    allow(dead_code, unused_variables, reason = "a build without servers has nothing that is not a file")
)]

pub mod clean;
#[cfg(feature = "object-store")]
mod object;
mod piece;
#[cfg(feature = "redis")]
mod redis;
#[cfg(any(feature = "redis", feature = "object-store"))]
mod worker;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::io;
use std::sync::Arc;

pub use piece::{Content, Piece, Pieces};
pub use piece::{Origin, Spot};

use super::source::Source;
use crate::store::{Address, Error, Settings};
use crate::time::Timestamp;

/// The way to the log at an address, which is not gone yet; none for files.
///
/// # Errors
/// [`Error::Invalid`] for settings that cannot be.
pub fn site(address: &Address, settings: &Settings) -> Result<Option<Arc<dyn Site>>, Error> {
    match address {
        Address::Path(_) => Ok(None),
        #[cfg(feature = "redis")]
        Address::Redis(address) => Ok(Some(Arc::new(redis::RedisSite::new(address, &settings.redis_of(address))?))),
        #[cfg(feature = "object-store")]
        Address::Bucket(address) => Ok(Some(Arc::new(object::BucketSite::new(address, settings)?))),
    }
}

/// Where an evolution log is that is not a file.
pub trait Site: Send + Sync + fmt::Debug {
    /// What it is called in messages: never with credentials.
    fn location(&self) -> &str;

    /// How soon processes obey that follow the log as it is usual: `a second`.
    fn outlook(&self) -> &'static str {
        "a second"
    }

    /// What is there to be read now, calls first; nothing if there is no log.
    fn sources(&self) -> Result<Vec<Source>, Error>;

    /// Begins to write, and to follow what others write.
    fn writer(&self) -> Result<Box<dyn Writer>, Error>;

    /// Begins to follow all that is written from now on.
    fn follower(&self) -> Result<Box<dyn Follower>, Error>;

    /// Looks at what can be deleted: all or, with `older_than`, what is from before that time.
    fn plans(&self, older_than: Option<Timestamp>) -> Result<Vec<clean::Plan>, Error>;

    /// Deletes what a plan says.
    fn cleaner(&self) -> &dyn clean::Cleaner;
}

/// Writes a log, and follows what others write.
pub trait Writer: Send {
    /// How many bytes of lines are best written at a time.
    fn batch_bytes_max(&self) -> usize;

    /// Writes whole lines of calls, or holds them back for [`Writer::sync`]. They land once, whatever is repeated: after an
    /// error, what was not taken is to be given again, and first of all.
    fn append(&mut self, lines: &[u8], now: Timestamp) -> Result<(), NotAll>;

    /// Writes what is held back.
    fn sync(&mut self, now: Timestamp) -> Result<(), Error>;

    /// Bytes of lines that were written.
    fn written_bytes(&self) -> u64;

    /// Lines that are held back.
    fn held_lines(&self) -> u64;

    /// Appends one decision behind those that are known, where the decisions must end. After an error it may have landed or
    /// not: the same again tells.
    fn decide(&mut self, known: &Known, line: &str) -> Result<Decide, Error>;

    /// Hands on the decisions that are not known yet, and notes that they are: after an error, those that were handed on.
    fn decisions(&mut self, known: &mut Known, each: &mut dyn FnMut(Heard<'_>)) -> Result<(), Error>;

    /// Hands on whole lines of calls that others wrote since the last time; nothing before [`Writer::history`].
    fn calls(&mut self, now: Timestamp, each: &mut dyn FnMut(&[u8])) -> Result<(), Error>;

    /// Hands on whole lines of all calls that were written up to where [`Writer::calls`] is, which is now if it was not
    /// called for. Calls from before `since` may be left out.
    fn history(&mut self, since: Option<Timestamp>, now: Timestamp, each: &mut dyn FnMut(&[u8])) -> Result<(), Error>;

    /// Nobody wants calls any more.
    fn forget_calls(&mut self);
}

/// Follows a log.
pub trait Follower {
    /// Gives out what was written since the last time; nothing, if that was a moment ago and asking costs.
    fn poll(&mut self, each: &mut dyn FnMut(Piece)) -> Result<(), Error>;

    /// Gives out what was written since the last time.
    fn poll_now(&mut self, each: &mut dyn FnMut(Piece)) -> Result<(), Error> {
        self.poll(each)
    }

    /// Whether this entry or object is one of those that [`Follower::poll`] gives out, or has.
    fn gives_out(&self, part: &str) -> bool;
}

/// Not all lines were taken.
#[derive(Debug)]
pub struct NotAll {
    /// Bytes of whole lines that were.
    pub taken: usize,
    pub cause: Error,
}

/// What became of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decide {
    /// It is the last one of those that are known now.
    Done(Known),
    /// Somebody else decided something first.
    Moved,
}

/// How far decisions are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Where they end.
    pub last: Place,
    /// What tells whether earlier ones have changed: how many there are, or a sum over them.
    pub state: u64,
}

/// Something about decisions.
#[derive(Clone, Copy, Debug)]
pub enum Heard<'a> {
    /// Some that were known are gone: all that there are follow.
    Anew,
    /// The next one, or several: whole lines.
    Lines(&'a [u8]),
}

/// A log, or half of one, that is not a file.
#[derive(Clone)]
pub struct Remote(Arc<dyn Log>);

/// What can be read.
pub trait Log: Send + Sync {
    /// What it is called in messages, and nothing else is called so: never with credentials.
    fn name(&self) -> &str;

    /// Its size in bytes as it is stored, where that is known.
    fn size(&self) -> Option<u64> {
        None
    }

    /// When its first event was, where that is cheap to tell.
    fn first_time(&self) -> Option<Timestamp> {
        None
    }

    /// When its last event was, where that is cheap to tell.
    fn last_time(&self) -> Option<Timestamp> {
        None
    }

    /// Whether its parts overlap in time: then the last events are found by their time, not by their place.
    fn overlaps(&self) -> bool {
        false
    }

    /// Begins to read it.
    fn read(&self, reading: &Reading) -> Result<Box<dyn Pieces>, Error>;
}

/// What of a log is wanted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reading {
    /// Whether the last pieces come first. The lines of a piece stay in their order.
    pub backwards: bool,
    /// Parts that can hold no event from this time on may be left out.
    pub since: Option<Timestamp>,
    /// Parts that can hold no event before this time may be left out.
    #[cfg(feature = "object-store")]
    pub until: Option<Timestamp>,
}

impl Remote {
    #[cfg(any(feature = "redis", feature = "object-store"))]
    pub fn new(log: impl Log + 'static) -> Self {
        Remote(Arc::new(log))
    }

    #[cfg(feature = "object-store")]
    pub fn shared(log: Arc<impl Log + 'static>) -> Self {
        Remote(log)
    }

    /// What it is called in messages: an address without credentials, and what stands there.
    pub fn name(&self) -> &str {
        self.0.name()
    }

    pub fn log(&self) -> &dyn Log {
        &*self.0
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Remote").field(&self.name()).finish()
    }
}

impl PartialEq for Remote {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Remote {}

impl Hash for Remote {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}

/// Where a decision stands in the order of all: greater ones stand behind. On Redis the id of its entry, on object stores
/// its number and 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place(pub u64, pub(crate) u64);

impl Place {
    /// The one behind it.
    #[cfg(feature = "redis")]
    pub fn next(self) -> Place {
        match self.1.checked_add(1) {
            Some(second) => Place(self.0, second),
            None => Place(self.0.saturating_add(1), 0),
        }
    }

    /// Reads `1700000000000-0`.
    #[cfg(feature = "redis")]
    pub fn parse(text: &str) -> Option<Place> {
        let (first, second) = text.split_once('-')?;
        Some(Place(first.parse().ok()?, second.parse().ok()?))
    }
}

/// As Redis writes it.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.0, self.1)
    }
}

/// An error of a store as the operating system's errors are handed on. [`store_error`] finds it again.
pub fn io_error(error: Error) -> io::Error {
    io::Error::other(error)
}

/// The store's own error beneath an error, if there is one.
pub fn store_error(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}
