//! Why bytes are not a pickle that can be read.

use std::borrow::Cow;

/// Why a pickle cannot be read, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("byte {at}: {}{what}", opcode.map(|opcode| format!("{opcode}: ")).unwrap_or_default())]
pub struct PickleError {
    /// Offset in bytes of the opcode that could not be carried out, from 0.
    pub at: usize,
    /// The opcode's name as Python's `pickletools` gives it; none if it is no opcode of protocols 4 and 5, or if the bytes end.
    pub opcode: Option<&'static str>,
    /// What kind of problem it is.
    pub kind: PickleErrorKind,
    /// What is wrong, harmless on a terminal.
    pub what: Cow<'static, str>,
}

/// What kind of problem it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PickleErrorKind {
    /// The bytes end before the pickle does: it was cut, or is still being written.
    Truncated,
    /// No pickle of protocol 4 or 5 has this byte where an opcode has to be.
    UnknownOpcode,
    /// Another protocol than 4 and 5, or a feature that no file can have: buffers out of band.
    Unsupported,
    /// An opcode takes more from the stack than there is, or looks for a mark that is not there.
    Stack,
    /// A place in the memo to which nothing was put.
    Memo,
    /// An argument of an opcode that is not what it has to be.
    Argument,
    /// An opcode is applied to a value to which it cannot be applied.
    Value,
    /// More than the [`PickleLimits`](super::PickleLimits) allow.
    Limit,
}

/// A problem whose place is not known yet.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) kind: PickleErrorKind,
    pub(super) what: Cow<'static, str>,
}

impl Fault {
    #[cold]
    pub(super) fn new(kind: PickleErrorKind, what: impl Into<Cow<'static, str>>) -> Self {
        Fault { kind, what: what.into() }
    }

    #[cold]
    pub(super) fn protocol(what: &str) -> Self {
        Fault::new(PickleErrorKind::Unsupported, format!("{what}: only protocols 4 and 5 are read"))
    }

    #[cold]
    pub(super) fn truncated() -> Self {
        Fault::new(PickleErrorKind::Truncated, "the pickle ends in the middle")
    }

    #[cold]
    pub(super) fn underflow() -> Self {
        Fault::new(PickleErrorKind::Stack, "there is nothing on the stack that it could take")
    }

    #[cold]
    pub(super) fn argument(what: &'static str) -> Self {
        Fault::new(PickleErrorKind::Argument, what)
    }

    #[cold]
    pub(super) fn value(what: impl Into<Cow<'static, str>>) -> Self {
        Fault::new(PickleErrorKind::Value, what)
    }

    #[cold]
    pub(super) fn limit(what: impl Into<Cow<'static, str>>) -> Self {
        Fault::new(PickleErrorKind::Limit, what)
    }
}
