//! Evolution logs that are not files: on Redis, and on object stores.
//!
//! Such a log has two halves. *Calls* are many and nobody waits for them: they are written in *parts*, each some whole
//! lines that land together (an entry of a stream, an object), by many writers that do not meet. *Decisions* are few and must
//! not cross each other: they stand in a log of their own in which each has its [`Place`], and are appended only behind the
//! one that their author knew of. Who only obeys need not read the calls.
//!
//! The format is in `docs/evolution-log.md`.

mod piece;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::io;
use std::sync::Arc;

pub use piece::Origin;
pub(crate) use piece::{Content, Piece, Pieces};

use crate::store;
use crate::time::Timestamp;

/// A log, or half of one, that is not a file.
#[derive(Clone)]
pub struct Remote(Arc<dyn Log>);

/// What can be read.
pub(crate) trait Log: Send + Sync {
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

    /// Whether its parts overlap in time: then the last events are found by their time, not by their place.
    fn overlaps(&self) -> bool {
        false
    }

    /// Begins to read it.
    fn read(&self, reading: &Reading) -> Result<Box<dyn Pieces>, store::Error>;
}

/// What of a log is wanted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reading {
    /// Whether the last pieces come first. The lines of a piece stay in their order.
    pub(crate) backwards: bool,
    /// Parts that can hold no event from this time on may be left out.
    pub(crate) since: Option<Timestamp>,
    /// Parts that can hold no event before this time may be left out.
    pub(crate) until: Option<Timestamp>,
}

impl Remote {
    pub(crate) fn new(log: impl Log + 'static) -> Self {
        Remote(Arc::new(log))
    }

    /// What it is called in messages: an address without credentials, and what stands there.
    pub fn name(&self) -> &str {
        self.0.name()
    }

    pub(crate) fn log(&self) -> &dyn Log {
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
/// its number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place(pub(crate) u64, pub(crate) u64);

/// An error of a store as the operating system's errors are handed on. [`store_error`] finds it again.
pub(crate) fn io_error(error: store::Error) -> io::Error {
    io::Error::other(error)
}

/// The store's own error beneath an error, if there is one.
pub fn store_error(error: &io::Error) -> Option<&store::Error> {
    error.get_ref()?.downcast_ref()
}
