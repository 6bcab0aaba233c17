//! What can go wrong with a store: few kinds, each with one right answer.

use super::{InvalidName, Name};
use crate::json::InvalidValue;

/// What lies beneath an error of a store.
pub(crate) type Source = Box<dyn std::error::Error + Send + Sync>;

/// What went wrong, by what the caller should do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Somebody else appended first: read what is new, and decide again.
    #[error("{log} is at {actual}, not at {expected}: it was appended to meanwhile")]
    Conflict {
        /// The log.
        log: Name,
        /// The number that the append was to follow.
        expected: u64,
        /// The log's last number.
        actual: u64,
    },
    /// The log takes no more lines, ever.
    #[error("{log} is sealed at {last}")]
    Sealed {
        /// The log.
        log: Name,
        /// Its last number, that of the seal.
        last: u64,
    },
    /// The store no longer has what it had acknowledged: a failover or a restart lost it, or a backup was put back. Nothing
    /// must be built upon what is left before a person has looked.
    #[error("{place} lost what it had acknowledged: {problem}")]
    Lost {
        /// The log or the store.
        place: String,
        /// What is missing.
        problem: String,
    },
    /// What is stored cannot be what a store wrote.
    #[error("{place}: {problem}")]
    Corrupt {
        /// File, key or object, with line or byte where that is known.
        place: String,
        /// What is wrong there.
        problem: String,
    },
    /// The store did not answer, or not in time. A batch may have landed or not; the same batch again is safe and tells.
    #[error("{doing} did not succeed")]
    Unavailable {
        /// What was being done, and where.
        doing: String,
        /// What the medium said.
        #[source]
        source: Source,
    },
    /// Credentials or permissions do not allow this.
    #[error("{doing} is not allowed")]
    Denied {
        /// What was being done, and where.
        doing: String,
        /// What the medium said.
        #[source]
        source: Source,
    },
    /// This is not a store, or not one that can hold what is put into it.
    #[error("{place} cannot be used as a store: {problem}")]
    Unfit {
        /// The store.
        place: String,
        /// Why.
        problem: String,
    },
    /// What was asked for cannot be: a name, a line or an address that is not one.
    #[error("invalid {what}: {problem}")]
    Invalid {
        /// What it was to be.
        what: String,
        /// Why it is not.
        problem: String,
    },
}

impl Error {
    /// Whether the same call may succeed later with nothing else changed. It is then safe to make it again.
    pub fn retryable(&self) -> bool {
        match self {
            Error::Unavailable { .. } => true,
            Error::Conflict { .. }
            | Error::Sealed { .. }
            | Error::Lost { .. }
            | Error::Corrupt { .. }
            | Error::Denied { .. }
            | Error::Unfit { .. }
            | Error::Invalid { .. } => false,
        }
    }

    /// The kind as one word, for machines.
    pub fn code(&self) -> &'static str {
        match self {
            Error::Conflict { .. } => "conflict",
            Error::Sealed { .. } => "sealed",
            Error::Lost { .. } => "lost",
            Error::Corrupt { .. } => "corrupt",
            Error::Unavailable { .. } => "unavailable",
            Error::Denied { .. } => "denied",
            Error::Unfit { .. } => "unfit",
            Error::Invalid { .. } => "invalid",
        }
    }

    pub(crate) fn corrupt(place: impl Into<String>, problem: impl Into<String>) -> Self {
        Error::Corrupt { place: place.into(), problem: problem.into() }
    }

    pub(crate) fn unavailable(doing: impl Into<String>, source: impl Into<Source>) -> Self {
        Error::Unavailable { doing: doing.into(), source: source.into() }
    }

    pub(crate) fn denied(doing: impl Into<String>, source: impl Into<Source>) -> Self {
        Error::Denied { doing: doing.into(), source: source.into() }
    }

    pub(crate) fn invalid(what: impl Into<String>, problem: impl Into<String>) -> Self {
        Error::Invalid { what: what.into(), problem: problem.into() }
    }
}

impl From<InvalidValue> for Error {
    fn from(invalid: InvalidValue) -> Self {
        Error::invalid("value", invalid.problem)
    }
}

impl From<InvalidName> for Error {
    fn from(invalid: InvalidName) -> Self {
        Error::Invalid { what: invalid.what, problem: invalid.problem }
    }
}
