//! What a look at followed logs finds.

use crate::evolution::event::{self, Event, Fault};

/// Something other than an event that happened to a followed log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A line that is not as it should be.
    Fault(Fault),
    /// The log became shorter or was overwritten. What is new in it is given out.
    Truncated,
    /// Another file took the log's place. What is new in it is given out.
    Replaced,
    /// A part of it, which is named, cannot be read: why.
    Lost(String),
    /// It cannot be reached: why. It is tried again.
    Away(String),
    /// It is there again.
    Back,
}

/// Where a new event or a notice comes from.
#[derive(Clone, Debug)]
pub struct Spot<'a> {
    /// The file, the entry or the object.
    pub log: &'a str,
    /// The line's number there, from 1.
    pub line: Option<u64>,
    /// Where the line begins there, in bytes.
    pub offset: u64,
}

/// What a look at the logs finds.
pub enum Update<'a> {
    /// A new event and its own text.
    Event(&'a str, &'a Event<'a>),
    /// Anything else.
    Notice(Notice),
}

/// Hands on the events of a line, and what is wrong with it.
pub(super) fn each_record<E>(
    line: &[u8],
    spot: &Spot<'_>,
    sink: &mut impl FnMut(&Spot<'_>, Update<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let mut result = Ok(());
    let fault = event::read_records(line, &mut |text, event| {
        if result.is_ok() {
            result = sink(spot, Update::Event(text, &event));
        }
    });
    result?;
    fault.or_else(|fault| sink(spot, Update::Notice(Notice::Fault(fault))))
}
