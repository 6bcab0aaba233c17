//! Why nothing was decided.

use std::fmt;
use std::io;

use crate::evolution::decision::{Change, Decision};
use crate::store::Error;

/// Why nothing was decided.
#[derive(Debug, thiserror::Error)]
pub enum DecideError {
    /// Others decided about the function since its author looked, the last one last.
    #[error("{log}: {}", Meanwhile(made))]
    Conflict {
        /// The log: its path, or its address without credentials.
        log: String,
        /// What they decided: the last ones, where there are very many.
        made: Vec<Decision>,
    },
    /// More happened than was expected: what, and where.
    #[error("{0}")]
    Unexpected(String),
    /// The log was cleaned, or another took its place: what was decided since its author looked cannot be told.
    #[error("{log}: the log was cleaned or replaced meanwhile")]
    Replaced {
        /// The log.
        log: String,
    },
    /// The decision was written, but right behind others of a program that takes no lock: its author has not seen these.
    #[error("{log}: written, but behind what its author has not seen: {}", Meanwhile(made))]
    Crossed {
        /// The log.
        log: String,
        /// What the others decided.
        made: Vec<Decision>,
    },
    /// The lock of the file is in other hands that do not let go of it, or the file system knows no locks.
    #[error(
        "the lock of {log} could not be had: a process holds it and does not go on, or the file system has no locks"
    )]
    Locked {
        /// The log.
        log: String,
    },
    /// The record is none, or cannot be where it is to be.
    #[error("{0}")]
    Invalid(&'static str),
    /// The log cannot be read.
    #[error("cannot read {log}")]
    Unreadable {
        /// The log.
        log: String,
        /// What the operating system says.
        #[source]
        cause: io::Error,
    },
    /// The file cannot be written.
    #[error("cannot append to {log}")]
    Unwritable {
        /// The log.
        log: String,
        /// What the operating system says.
        #[source]
        cause: io::Error,
    },
    /// What the store said.
    #[error(transparent)]
    Store(#[from] Error),
}

impl DecideError {
    pub(super) fn unreadable(log: &str, cause: io::Error) -> Self {
        DecideError::Unreadable { log: log.to_string(), cause }
    }

    pub(super) fn unwritable(log: &str, cause: io::Error) -> Self {
        DecideError::Unwritable { log: log.to_string(), cause }
    }

    /// Whether the log is not as its author thought: to look again helps.
    pub fn is_conflict(&self) -> bool {
        use DecideError::{Conflict, Crossed, Replaced, Unexpected};
        matches!(self, Conflict { .. } | Crossed { .. } | Replaced { .. } | Unexpected(_))
    }

    /// What others decided meanwhile.
    pub fn made(&self) -> &[Decision] {
        match self {
            DecideError::Conflict { made, .. } | DecideError::Crossed { made, .. } => made,
            _ => &[],
        }
    }
}

/// What was decided meanwhile, as a sentence: `v2 of `f` was promoted by ada at 2026-06-05T10:30:00Z meanwhile`.
struct Meanwhile<'a>(&'a [Decision]);

impl fmt::Display for Meanwhile<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(Decision { function, variant, change, at, by, .. }) = self.0.last() else { return Ok(()) };
        if self.0.len() > 1 {
            write!(f, "{} decisions were made meanwhile, the last one: ", self.0.len())?;
        }
        match change {
            Change::Promote => write!(f, "{variant} of `{function}` was promoted")?,
            Change::Rollback { .. } => write!(f, "{variant} of `{function}` was rolled back")?,
            Change::Weight { .. } => write!(f, "the share of {variant} of `{function}` was set")?,
            Change::Release => write!(f, "`{function}` was handed back to its strategy")?,
        }
        if let Some(by) = by {
            write!(f, " by {by}")?;
        }
        if let Some(at) = at {
            write!(f, " at {at}")?;
        }
        if self.0.len() == 1 { f.write_str(" meanwhile") } else { Ok(()) }
    }
}
