//! What is wrong with a line, and where.

use std::borrow::Cow;
use std::fmt;

/// Why a history or an inbox cannot be as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Problem {
    /// The number of the line; of what a store cannot read, that of the first line that was to be read.
    pub seq: u64,
    /// Whether it is wrong, only new, or cannot be read.
    pub kind: ProblemKind,
    /// What is wrong, harmless on a terminal.
    pub what: String,
}

/// What kind of problem it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProblemKind {
    /// No writer that keeps to the format writes this.
    Corrupt,
    /// A newer version of the format, which this library does not read.
    Newer,
    /// The store cannot read it.
    Damaged,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            ProblemKind::Corrupt | ProblemKind::Newer => write!(f, "line {}: {}", self.seq, self.what),
            ProblemKind::Damaged => write!(f, "it cannot be read from line {} on: {}", self.seq, self.what),
        }
    }
}

/// A problem whose place is not known yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::workflow) struct Fault {
    pub(in crate::workflow) kind: ProblemKind,
    pub(in crate::workflow) what: Cow<'static, str>,
}

impl Fault {
    #[cold]
    pub(in crate::workflow) fn corrupt(what: impl Into<Cow<'static, str>>) -> Self {
        Fault { kind: ProblemKind::Corrupt, what: what.into() }
    }

    #[cold]
    pub(in crate::workflow) fn newer(what: impl Into<Cow<'static, str>>) -> Self {
        Fault { kind: ProblemKind::Newer, what: what.into() }
    }

    #[cold]
    pub(in crate::workflow) fn at(self, seq: u64) -> Problem {
        Problem { seq, kind: self.kind, what: self.what.into_owned() }
    }
}
