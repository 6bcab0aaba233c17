//! Where an event of a history stands, and what can be wrong with one.

use std::fmt;

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

/// The number of an event: which of its generation, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq {
    /// The generation of the history, from 1.
    pub generation: u32,
    /// The number in it, from 1.
    pub number: u64,
}

impl Seq {
    /// An event of the first generation.
    pub fn first(number: u64) -> Self {
        Seq { generation: 1, number }
    }
}

/// `7`, and `2.7` in a second generation.
impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.generation {
            1 => self.number.fmt(f),
            generation => f.pad(&format!("{generation}.{}", self.number)),
        }
    }
}

/// What is wrong with a history, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunProblem {
    /// The event; of what cannot be read, the first that was to be.
    pub seq: Seq,
    /// What is wrong, harmless on a terminal.
    pub what: String,
    /// Whether the history cannot be as it is; otherwise it is only odd.
    pub corrupt: bool,
}

/// Members of an object: `seq`, and `generation` in all but the first.
impl Serialize for Seq {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_map(None)?;
        members.serialize_entry("seq", &self.number)?;
        if self.generation > 1 {
            members.serialize_entry("generation", &self.generation)?;
        }
        members.end()
    }
}

impl Serialize for RunProblem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let RunProblem { seq, what, corrupt } = self;
        let mut members = serializer.serialize_map(None)?;
        members.serialize_entry("seq", &seq.number)?;
        members.serialize_entry("problem", what)?;
        members.serialize_entry("corrupt", corrupt)?;
        if seq.generation > 1 {
            members.serialize_entry("generation", &seq.generation)?;
        }
        members.end()
    }
}
