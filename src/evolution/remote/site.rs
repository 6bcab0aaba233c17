//! What every place gives where an evolution log can be that is not a file.

use std::fmt;

use super::clean;
use crate::evolution::piece::{Piece, Place, RemoteSource};
use crate::store::Error;
use crate::time::Timestamp;

/// Where an evolution log is that is not a file.
pub(crate) trait Site: Send + Sync + fmt::Debug {
    /// What it is called in messages: never with credentials.
    fn location(&self) -> &str;

    /// How soon processes obey that follow the log as it is usual: `a second`.
    fn outlook(&self) -> &'static str {
        "a second"
    }

    /// What is there to be read now, calls first; nothing if there is no log.
    fn logs(&self) -> Result<Vec<RemoteSource>, Error>;

    /// Begins to write, and to follow what others write.
    fn writer(&self) -> Result<Box<dyn Writer>, Error>;

    /// Begins to follow all that is written from `now` on.
    fn follower(&self, now: Timestamp) -> Result<Box<dyn Follower>, Error>;

    /// Looks at what can be deleted: all or, with `older_than`, what is from before that time.
    fn plans(&self, older_than: Option<Timestamp>) -> Result<Vec<clean::Plan>, Error>;

    /// The lines of a part that a plan names; none if it is gone.
    fn read_part(&self, plan: &clean::Plan, part: &str) -> Result<Option<Vec<u8>>, Error>;

    /// Deletes the parts that a plan names.
    fn delete(&self, plan: &clean::Plan) -> Result<(), Error>;
}

/// Writes a log, and follows what others write.
pub(crate) trait Writer: Send {
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
pub(crate) trait Follower: Send {
    /// Gives out what was written since the last time; nothing, if that was a moment ago and asking costs.
    fn poll(&mut self, now: Timestamp, each: &mut dyn FnMut(Piece)) -> Result<(), Error>;

    /// Gives out what was written since the last time.
    fn poll_now(&mut self, now: Timestamp, each: &mut dyn FnMut(Piece)) -> Result<(), Error> {
        self.poll(now, each)
    }

    /// Whether this entry or object is one of those that [`Follower::poll`] gives out, or has.
    fn gives_out(&self, part: &str) -> bool;
}

/// Not all lines were taken.
#[derive(Debug)]
pub(crate) struct NotAll {
    /// Bytes of whole lines that were.
    pub(crate) taken: usize,
    pub(crate) cause: Error,
}

/// What became of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decide {
    /// It is the last one of those that are known now.
    Done(Known),
    /// Somebody else decided something first.
    Moved,
}

/// How far decisions are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Known {
    /// Where they end.
    pub(crate) last: Place,
    /// What tells whether earlier ones have changed: how many there are, or a sum over them.
    pub(crate) state: u64,
}

/// Something about decisions.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Heard<'a> {
    /// Some that were known are gone: all that there are follow.
    Anew,
    /// The next one, or several: whole lines.
    Lines(&'a [u8]),
}
