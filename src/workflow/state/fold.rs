//! The fold: from the lines of a history, one after another, to the state of its run.
//!
//! It looks at nothing but the lines, so the same lines give the same state whoever folds them and when. Clocks never make a
//! history corrupt: what is odd about times is a warning. What makes it corrupt is what no writer does that keeps to the
//! protocol, whatever its clock shows.

use std::borrow::Cow;

use super::run::{RunState, WARNINGS_MAX, Warning};
use crate::store::{End, Header, Name, Page, Position};
use crate::text::quote;
use crate::time::Timestamp;
use crate::workflow::history::event::{Entry, Event};
use crate::workflow::history::problem::{Fault, Problem};

/// Folds the history of a run, of one generation, line by line.
#[derive(Clone, Debug)]
pub struct Fold {
    pub(super) state: RunState,
}

/// Where an event stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct At {
    pub(super) seq: u64,
    pub(super) time: Timestamp,
    /// The event is part of what a generation carries over: what came before it is not told in full.
    pub(super) restoring: bool,
}

impl Fold {
    /// A fold that has seen nothing of the history `log` yet.
    pub fn new(log: Name) -> Self {
        Fold { state: RunState::new(log) }
    }

    /// What the lines so far amount to.
    pub fn state(&self) -> &RunState {
        &self.state
    }

    /// The same, without the fold.
    pub fn into_state(self) -> RunState {
        self.state
    }

    /// Folds all lines of a page.
    ///
    /// # Errors
    /// As [`Fold::line`].
    pub fn page(&mut self, page: &Page) -> Result<(), Problem> {
        for (header, line) in page.lines() {
            self.line(header, line)?;
        }
        Ok(())
    }

    /// Folds one line, and returns what it says. `line` may have its header or not.
    ///
    /// # Errors
    /// Why the line cannot follow those before. The state then stays as it was but for [`RunState::problem`], and all that
    /// follows is refused for the same reason.
    #[inline]
    pub fn line<'a>(&mut self, header: Header, line: &'a [u8]) -> Result<Entry<'a>, Problem> {
        if let Some(problem) = &self.state.problem {
            return Err((**problem).clone());
        }
        match self.try_line(header, line) {
            Ok(entry) => Ok(entry),
            Err(fault) => Err(self.refuse(fault.at(header.seq))),
        }
    }

    /// The history has a problem that was found elsewhere, such as damage that its store met.
    #[cold]
    pub fn refuse(&mut self, problem: Problem) -> Problem {
        let first = self.state.problem.get_or_insert_with(|| Box::new(problem));
        (**first).clone()
    }

    #[inline]
    fn try_line<'a>(&mut self, header: Header, line: &'a [u8]) -> Result<Entry<'a>, Fault> {
        self.state.check_number(header)?;
        let entry = Entry::parse(line)?;
        self.state.check_seal(header, &entry.event)?;
        self.state.check_claim(&entry)?;
        self.state.check_time(header, entry.at);
        self.state.apply(At { seq: header.seq, time: entry.at, restoring: false }, entry.claim, &entry.event)?;
        let state = &mut self.state;
        state.end = End { last: Position::behind(header), sealed: header.sealed };
        state.events = state.events.saturating_add(1);
        state.updated_at = Some(state.updated_at.map_or(entry.at, |before| before.max(entry.at)));
        if let Event::Start(_) | Event::Release(_) = &entry.event {
            state.let_go(header.seq, entry.at);
        }
        Ok(entry)
    }
}

pub(super) fn corrupt(what: impl Into<Cow<'static, str>>) -> Result<(), Fault> {
    Err(Fault::corrupt(what))
}

impl RunState {
    #[inline]
    fn check_number(&mut self, header: Header) -> Result<(), Fault> {
        let last = self.end.last.number();
        if self.end.sealed || self.ending.is_some() {
            let what = if self.ending.is_some() { "the run ended" } else { "the log was sealed" };
            return corrupt(format!("it follows line {last}, with which {what}"));
        }
        if last == 0 && header.seq > 1 && header.sealed {
            self.forgotten = true;
        } else if header.seq != last + 1 {
            return corrupt(format!("line {} should stand here", last + 1));
        }
        Ok(())
    }

    /// Whether the event may be the first, and whether the log ends with it as it should.
    #[inline]
    fn check_seal(&mut self, header: Header, event: &Event<'_>) -> Result<(), Fault> {
        let first = self.end.last.number() == 0;
        match event {
            Event::Start(_) if !first => return corrupt("the run starts a second time"),
            Event::Start(_) => {}
            event if first && self.forgotten && !event.seals() => {
                return corrupt("the lines before it are missing");
            }
            _ if first && !self.forgotten => return corrupt(format!("a {} comes before the start", event.kind())),
            _ => {}
        }
        if header.sealed && !event.seals() {
            return corrupt(format!("the log is sealed by a {}: the run can never go on", event.kind()));
        }
        match event {
            Event::Continue { .. } | Event::Compact { .. } if !header.sealed => {
                corrupt("the run goes on in the next generation, but the log is not sealed")
            }
            Event::Stop(_) if !header.sealed => {
                self.warn(header.seq, || "the run ended, but the log is not sealed".to_owned());
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Whether who appended the event held the run.
    #[inline]
    fn check_claim(&self, entry: &Entry<'_>) -> Result<(), Fault> {
        if self.forgotten {
            return Ok(());
        }
        match (&entry.event, entry.claim, &self.claim) {
            (Event::Start(_), None, _) => Ok(()),
            (Event::Start(_), Some(_), _) => corrupt("a start has no claim"),
            (_, None, _) => corrupt("it names no claim"),
            (Event::Claim { .. }, Some(number), _) if Some(number) == self.claims.checked_add(1) => Ok(()),
            (Event::Claim { .. }, Some(number), _) => {
                corrupt(format!("claim {number} stands where claim {} should", self.claims.saturating_add(1)))
            }
            (_, Some(number), Some(held)) if held.number == number => Ok(()),
            (_, Some(number), Some(held)) => corrupt(format!(
                "it was appended under claim {number}, when the run was held under claim {} by {}",
                held.number,
                quote(&held.worker)
            )),
            (_, Some(number), None) => {
                corrupt(format!("it was appended under claim {number}, when nobody held the run"))
            }
        }
    }

    /// Notes when a time goes back, which no writer lets happen.
    #[inline]
    fn check_time(&mut self, header: Header, at: Timestamp) {
        if self.updated_at.is_some_and(|before| at < before) {
            self.warn(header.seq, || "its time is before that of a line before it".to_owned());
        }
    }

    #[cold]
    pub(super) fn warn(&mut self, seq: u64, what: impl FnOnce() -> String) {
        self.warnings_count = self.warnings_count.saturating_add(1);
        if self.warnings.len() < WARNINGS_MAX {
            self.warnings.push(Warning { seq, what: what() });
        }
    }
}
