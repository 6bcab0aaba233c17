//! The state folders of durable-python: call stacks of programs that paused, read without running anything.
//!
//! `DiskStateStore(path)` of that package keeps a file `<instance id>.pkl` for each instance, and writes it anew whenever the
//! instance pauses or ends. It holds the call stack: of each call the function, its local variables and the code that was made
//! of it, and how far that got. What cannot be told from it:
//!
//! - whether a process is at it right now;
//! - that a program failed: the package saves nothing then, so its file tells of its last pause;
//! - when it began: what is given is when its file was made, if the file system knows;
//! - a result that Python takes for false (`0`, `""`, `[]`): the package keeps `None` for it.

mod code;
mod folder;
mod state;

use std::path::PathBuf;

pub use code::{AwaitedEvent, StopPoint, StopPointKind};
pub use folder::{DurableInstance, InstanceFile, StateFolder};
pub use state::{CodeBlock, FunctionName, SavedFrame, SavedState, SavedValue, SavedVariable};

use super::pickle::{PickleErrorKind, PickleLimits, ShowLimits};
use crate::text::harmless;

/// How much of an instance is read and shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateLimits {
    /// What a pickle may hold: the file, and each pickle in it.
    pub pickle: PickleLimits,
    /// How much of each value is shown.
    pub show: ShowLimits,
    /// Most bytes of a value as JSON; longer ones are there as text only.
    pub json_bytes_max: usize,
    /// Most calls of a stack that are read, the innermost ones.
    pub frames_max: usize,
    /// Most variables of a call.
    pub variables_max: usize,
    /// Most bytes of text of all values and code together.
    pub text_bytes_max: usize,
    /// Most bytes of the pickles within the file, all together. (A pickle can have one part in many places.)
    pub nested_bytes_max: usize,
}

impl Default for StateLimits {
    /// 256 calls of 200 variables, 64 KiB of JSON each, 4 MiB of text, 128 MiB of pickles.
    fn default() -> Self {
        StateLimits {
            pickle: PickleLimits::default(),
            show: ShowLimits::default(),
            json_bytes_max: 64 << 10,
            frames_max: 256,
            variables_max: 200,
            text_bytes_max: 4 << 20,
            nested_bytes_max: 128 << 20,
        }
    }
}

impl StateLimits {
    /// Those within which a result is whole, if it can be at all: 64 MiB of JSON, or 16 million characters.
    pub(crate) fn of_result() -> Self {
        StateLimits {
            show: ShowLimits { chars_max: 16 << 20, depth_max: 1_000, items_max: usize::MAX },
            json_bytes_max: 64 << 20,
            text_bytes_max: 128 << 20,
            ..StateLimits::default()
        }
    }
}

/// Why a file, or a part of it, is not the state of an instance.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
// A path is as hostile as what it leads to.
#[error("{}{}: {what}", harmless(&path.to_string_lossy()), at.map(|at| format!(": byte {at}")).unwrap_or_default())]
pub struct StateDamage {
    /// The file.
    pub path: PathBuf,
    /// Offset in bytes in the file, from 0, where it is known.
    pub at: Option<u64>,
    /// What kind of problem it is.
    pub kind: StateDamageKind,
    /// What is wrong, harmless on a terminal.
    pub what: String,
}

/// What kind of damage it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateDamageKind {
    /// The file ends too early: whoever wrote it died, or has not finished.
    Torn,
    /// It is no pickle, or not one that durable-python writes.
    Corrupt,
    /// It is too large to be read.
    TooLarge,
    /// The system does not let it be read, or it is no file.
    Unreadable,
}

impl StateDamageKind {
    fn of(kind: PickleErrorKind) -> StateDamageKind {
        match kind {
            PickleErrorKind::Truncated => StateDamageKind::Torn,
            PickleErrorKind::Limit => StateDamageKind::TooLarge,
            _ => StateDamageKind::Corrupt,
        }
    }
}
