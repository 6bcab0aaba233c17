//! The one way through the lines of a log: the fast reader where it knows a line's shape, the exact reader elsewhere.

use super::event::{self, Call, Event, Fault, Kind, Name, Outcome};
use super::fast::FastReader;
use crate::time::Timestamp;

/// One event of a line.
pub(crate) enum Found<'a, 'b> {
    /// A call in a shape that is known, the only event of its line.
    Call(&'b Call<'a>),
    /// Any event, and its own text.
    Event(&'b str, &'b Event<'b>),
}

impl Found<'_, '_> {
    /// When it happened.
    pub(crate) fn at(&self) -> Option<Timestamp> {
        match self {
            Found::Call(call) => Some(call.at),
            Found::Event(_, event) => event.at,
        }
    }

    /// The function that it happened to.
    pub(crate) fn function(&self) -> Option<&[u8]> {
        match self {
            Found::Call(call) => Some(call.function),
            Found::Event(_, event) => event.function.as_ref().map(Name::as_bytes),
        }
    }

    /// The variant that it happened to.
    pub(crate) fn variant(&self) -> Option<&[u8]> {
        match self {
            Found::Call(call) => Some(call.variant),
            Found::Event(_, event) => event.variant.as_ref().map(Name::as_bytes),
        }
    }

    /// What it came to, if it is a call.
    pub(crate) fn outcome(&self) -> Option<Outcome<'_>> {
        match self {
            Found::Call(call) => Some(call.outcome()),
            Found::Event(_, event) => (event.kind == Kind::Call).then_some(event.outcome),
        }
    }

    /// Its own text, unless it is a call.
    pub(crate) fn decision_text(&self) -> Option<&str> {
        match self {
            Found::Event(text, event) if event.kind != Kind::Call => Some(text),
            _ => None,
        }
    }
}

/// Goes through lines and learns on the way how their writers write.
#[derive(Debug, Default)]
pub(crate) struct Walker {
    fast: FastReader,
}

impl Walker {
    /// The call that `bytes` begins with, and the length of its line, if the line's shape is known.
    #[inline(always)]
    pub(crate) fn call<'a>(&mut self, bytes: &'a [u8]) -> Option<(Call<'a>, usize)> {
        self.fast.read(bytes)
    }

    /// Hands on the events of the line that `bytes` begins with, as the exact reader finds them, and learns. Returns the
    /// line's length, with its newline if it has one, and what is wrong with it.
    #[inline(never)]
    pub(crate) fn exact_line(
        &mut self,
        bytes: &[u8],
        mut sink: impl FnMut(&str, &Event<'_>),
    ) -> (usize, Result<(), Fault>) {
        let length = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |newline| newline + 1);
        let line = &bytes[..length];
        let mut is_call = false;
        let read = event::read_records(line, &mut |text, event| {
            is_call = event.kind == Kind::Call && event.at.is_some();
            sink(text, &event);
        });
        if is_call && read.is_ok() {
            self.fast.learn(line);
        }
        (length, read)
    }

    /// Hands on the events of the line that `bytes` begins with. Returns the line's length, with its newline if it has one,
    /// and what is wrong with it.
    pub(crate) fn line<'a>(
        &mut self,
        bytes: &'a [u8],
        mut sink: impl FnMut(Found<'a, '_>),
    ) -> (usize, Result<(), Fault>) {
        match self.call(bytes) {
            Some((call, length)) => {
                sink(Found::Call(&call));
                (length, Ok(()))
            }
            None => self.exact_line(bytes, |text, event| sink(Found::Event(text, event))),
        }
    }

    /// Hands on the events of all these lines. What is wrong with a line is for others to say.
    pub(crate) fn lines<'a>(&mut self, mut lines: &'a [u8], mut sink: impl FnMut(Found<'a, '_>)) {
        while !lines.is_empty() {
            let (length, _) = self.line(lines, &mut sink);
            lines = &lines[length..];
        }
    }

    /// The length of the line that `bytes` begins with, and when what it tells of happened.
    pub(crate) fn time_of_line(&mut self, bytes: &[u8]) -> (usize, Option<Timestamp>) {
        let mut at = None;
        let (length, _) = self.line(bytes, |found| at = at.or(found.at()));
        (length, at)
    }
}
