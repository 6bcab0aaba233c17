//! What a tracker needs of a log, whatever that is kept in.

use std::io;
use std::time::{Duration, Instant};

use super::seat::Listener;
use super::{Pending, Shared};
use crate::chance::ThreadRandom;
use crate::evolution::decision::Decision;
use crate::evolution::source::Source;
use crate::retry::{Backoff, RetryPolicy};

/// How long nothing is tried after the first failure, and at most.
const PAUSE_FIRST: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// A log that a tracker writes and follows.
pub(super) trait Medium: Send {
    /// Reads all that was decided, and makes the log ready to be written.
    fn start(&mut self, shared: &Shared) -> io::Result<()>;

    /// Reads what others wrote since the last look, and tells whom it concerns. Returns what follows from it.
    fn look(&mut self, shared: &Shared) -> io::Result<Vec<Pending>>;

    /// How many bytes of lines are to be written at a time.
    fn batch_bytes_max(&self, shared: &Shared) -> usize;

    /// Writes lines and, when they are the last ones, decisions, unless others have decided meanwhile. What is written or
    /// has lost its point is taken out of `work`; after an error the rest is to be given again.
    fn write(&mut self, shared: &Shared, work: &mut Work<'_>) -> io::Result<()>;

    /// Sees to it that what was written is as safe as it can be.
    fn sync(&mut self, shared: &Shared) -> io::Result<()>;

    /// Bytes written so far.
    fn written_bytes(&self) -> u64;

    /// Lines that were written, but are held back for [`Medium::sync`].
    fn held_lines(&self) -> u64 {
        0
    }

    /// Tells a listener all that the log has of a function, as far as it was read for all. What follows from the last calls,
    /// and was never decided, is decided now.
    fn tell(&mut self, shared: &Shared, function: &str, listener: &dyn Listener) -> io::Result<Option<Decision>>;

    /// What to read to know all of it.
    fn sources(&self) -> io::Result<Vec<Source>>;
}

/// What is to be written.
pub(super) struct Work<'a> {
    /// Whole lines.
    pub(super) lines: &'a mut Vec<u8>,
    pub(super) decisions: &'a mut Vec<Pending>,
    /// No more lines are waiting: decisions may follow.
    pub(super) is_last: bool,
    /// What did not succeed, though the rest did.
    pub(super) trouble: &'a mut Option<String>,
}

/// What is wrong, and when to try again.
pub(super) struct Trouble {
    until: Option<Instant>,
    backoff: Backoff,
    message: String,
}

impl Trouble {
    pub(super) fn none() -> Self {
        let backoff = RetryPolicy::endless(PAUSE_FIRST, PAUSE_MAX).backoff();
        Trouble { until: None, backoff, message: String::new() }
    }

    /// The trouble as it was, if it is too early to try again.
    pub(super) fn check(&self) -> io::Result<()> {
        match self.until {
            Some(until) if Instant::now() < until => {
                Err(io::Error::new(io::ErrorKind::WouldBlock, self.message.clone()))
            }
            _ => Ok(()),
        }
    }

    /// Takes in how a try ended.
    pub(super) fn note<T>(&mut self, result: io::Result<T>) -> io::Result<T> {
        match &result {
            Ok(_) => *self = Trouble::none(),
            Err(error) => {
                self.until = self.backoff.next(&ThreadRandom).map(|pause| Instant::now() + pause);
                self.message = error.to_string();
            }
        }
        result
    }
}
