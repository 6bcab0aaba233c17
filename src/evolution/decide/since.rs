//! What happens to a function after somebody has looked at its log.

use super::error::DecideError;
use crate::evolution::decision::Decision;
use crate::evolution::file::FileNumber;
use crate::evolution::walk::{Found, Walker};
use crate::time::Timestamp;

/// The last thing that is to have happened to a function, when something is decided about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastEvent {
    /// Nothing is later than this.
    At(Timestamp),
    /// Nothing is in a later line of the file.
    Line(u64),
}

/// What must be so, beside that nobody decided meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// What happened last.
    pub last: LastEvent,
    /// Calls do not count.
    pub ignore_calls: bool,
}

/// Most decisions of others that are told, the last ones.
const MADE_MAX: usize = 100;

/// Most that are kept meanwhile.
const KEPT_MAX: usize = 10_000;

/// What happened since its author looked.
pub(super) struct Since {
    function: String,
    /// What others decided, and in which file; none if in that which is open.
    made: Vec<(Option<FileNumber>, Decision)>,
    /// The file that is read, if it is not the one that is open.
    file: Option<FileNumber>,
    /// What was decided cannot be told any more.
    replaced: bool,
    /// Calls count, too.
    watches_calls: bool,
    walker: Walker,
    /// Lines of the file that were counted, and the last one that is about the function.
    lines: u64,
    last_line: u64,
    /// When something last happened to the function.
    last_time: Option<Timestamp>,
}

impl Since {
    pub(super) fn new(function: &str) -> Self {
        Since {
            function: function.to_string(),
            made: Vec::new(),
            file: None,
            replaced: false,
            watches_calls: false,
            walker: Walker::default(),
            lines: 0,
            last_line: 0,
            last_time: None,
        }
    }

    pub(super) fn watch_calls(&mut self, watches: bool) {
        self.watches_calls = watches;
    }

    /// When something happened last, as it was seen elsewhere.
    pub(super) fn know_time(&mut self, last: Option<Timestamp>) {
        self.last_time = self.last_time.max(last);
    }

    /// Takes in whole lines that were there before.
    pub(super) fn look_back(&mut self, lines: &[u8]) {
        self.read(lines, false);
    }

    /// Takes in whole lines that came since.
    pub(super) fn take(&mut self, lines: &[u8]) {
        self.read(lines, true);
    }

    /// What came since cannot be told any more: the log is another.
    pub(super) fn lose_track(&mut self) {
        self.replaced = true;
    }

    /// Another file takes the place of the one that was open.
    pub(super) fn turn_over(&mut self, old: FileNumber) {
        self.made.iter_mut().for_each(|(file, _)| _ = file.get_or_insert(old));
        (self.lines, self.last_line) = (0, 0);
    }

    /// Takes in whole lines of a file that was put aside before anybody looked.
    pub(super) fn take_aside(&mut self, file: FileNumber, lines: &[u8]) {
        let counted = (self.lines, self.last_line);
        self.file = Some(file);
        self.read(lines, true);
        self.file = None;
        (self.lines, self.last_line) = counted;
    }

    /// Puts what others decided in the order of the log; these are the files that were put aside.
    pub(super) fn put_in_order(&mut self, aside: &[FileNumber]) {
        let place = |file: &Option<FileNumber>| match file {
            Some(file) => aside.iter().position(|other| other == file),
            None => Some(aside.len()),
        };
        self.made.sort_by_key(|(file, _)| place(file));
    }

    fn read(&mut self, mut lines: &[u8], is_new: bool) {
        let mut walker = std::mem::take(&mut self.walker);
        while !lines.is_empty() {
            self.lines += 1;
            // What is wrong with a line is for readers to say.
            let (length, _) = walker.line(lines, |found| self.see(&found, is_new));
            lines = &lines[length..];
        }
        self.walker = walker;
    }

    fn see(&mut self, found: &Found<'_, '_>, is_new: bool) {
        let decision = found.decision_text();
        if found.function() != Some(self.function.as_bytes()) || (decision.is_none() && !self.watches_calls) {
            return;
        }
        self.note(found.at());
        let decision = decision.filter(|_| is_new).and_then(Decision::parse);
        self.made.extend(decision.map(|decision| (self.file, decision)));
        if self.made.len() > KEPT_MAX {
            self.made.drain(..KEPT_MAX / 2);
        }
    }

    fn note(&mut self, at: Option<Timestamp>) {
        (self.last_line, self.last_time) = (self.lines, self.last_time.max(at));
    }

    /// What others decided, once.
    pub(super) fn take_made(&mut self) -> Vec<Decision> {
        let made = std::mem::take(&mut self.made);
        let surplus = made.len().saturating_sub(MADE_MAX);
        made.into_iter().skip(surplus).map(|(_, decision)| decision).collect()
    }

    /// Refuses if anything was decided that was not seen, or more has happened than was expected. Then it has been seen.
    pub(super) fn refuse(&mut self, log: &str, expected: Option<Expectation>) -> Result<(), DecideError> {
        let made = self.take_made();
        if std::mem::take(&mut self.replaced) {
            return Err(DecideError::Replaced { log: log.to_string() });
        }
        if !made.is_empty() {
            return Err(DecideError::Conflict { log: log.to_string(), made });
        }
        let Since { function, lines, last_line, last_time, .. } = self;
        let unexpected = |message| Err(DecideError::Unexpected(message));
        match (expected.map(|expected| expected.last), *last_time) {
            (Some(LastEvent::Line(line)), _) if *lines < line => {
                unexpected(format!("{log} has {lines} lines, not {line}: another log took its place"))
            }
            (Some(LastEvent::Line(line)), _) if *last_line > line => {
                unexpected(format!("{log}:{last_line}: something happened to `{function}` after line {line}"))
            }
            (Some(LastEvent::At(at)), Some(last)) if last > at => {
                unexpected(format!("{log}: something happened to `{function}` at {last}, after {at}"))
            }
            _ => Ok(()),
        }
    }
}
