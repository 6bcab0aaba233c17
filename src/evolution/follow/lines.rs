//! The lines of a log that comes piece by piece.

use super::update::{Notice, Spot, Update, each_record};
use crate::evolution::event::Fault;
use crate::jsonl::{LINE_BYTES_MAX, without_mark};

/// How far a log was read, and the line that has no end yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Lines {
    /// Where the first line that was not given out begins.
    pub(super) offset: u64,
    /// Lines in front of it.
    count: u64,
    /// What was read of that line so far, if it is not too long.
    partial: Vec<u8>,
    /// How much was read of that line and dropped because it is too long, in bytes.
    dropped: u64,
}

/// A whole line.
pub(super) struct Line<'a> {
    number: u64,
    offset: u64,
    /// None, if it is too long.
    pub(super) text: Option<&'a [u8]>,
}

impl Lines {
    /// Behind this many lines, which end at byte `offset`.
    pub(super) fn behind(offset: u64, count: u64) -> Self {
        Lines { offset, count, ..Lines::default() }
    }

    /// Up to where the log was read, in bytes.
    pub(super) fn position(&self) -> u64 {
        self.offset + self.partial.len() as u64 + self.dropped
    }

    /// Takes what stands next in the log, and hands on each line that has an end now.
    pub(super) fn take<E>(&mut self, bytes: &[u8], each: &mut impl FnMut(Line<'_>) -> Result<(), E>) -> Result<(), E> {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.partial.extend_from_slice(piece);
            if self.dropped > 0 || self.partial.len() > LINE_BYTES_MAX {
                self.dropped += self.partial.len() as u64;
                self.partial.clear();
            }
            if piece.ends_with(b"\n") {
                self.end_line(each)?;
            }
        }
        Ok(())
    }

    /// Nothing comes any more: the last line needs no end.
    pub(super) fn finish<E>(&mut self, each: &mut impl FnMut(Line<'_>) -> Result<(), E>) -> Result<(), E> {
        if self.position() > self.offset { self.end_line(each) } else { Ok(()) }
    }

    fn end_line<E>(&mut self, each: &mut impl FnMut(Line<'_>) -> Result<(), E>) -> Result<(), E> {
        let text = (self.dropped == 0).then(|| without_mark(&self.partial, self.offset));
        each(Line { number: self.count + 1, offset: self.offset, text })?;
        self.offset = self.position();
        self.count += 1;
        self.dropped = 0;
        self.partial.clear();
        Ok(())
    }
}

impl Line<'_> {
    /// Hands on its events, and what is wrong with it.
    pub(super) fn give_out<E>(
        &self,
        log: &str,
        sink: &mut impl FnMut(&Spot<'_>, Update<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let spot = Spot { log, line: Some(self.number), offset: self.offset };
        match self.text {
            Some(text) => each_record(text, &spot, sink),
            None => sink(&spot, Update::Notice(Notice::Fault(Fault::Overlong))),
        }
    }
}
