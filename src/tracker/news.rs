//! What others write to the log, and what was in it before: decisions, and calls where they are wanted.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;

use super::seat::{LoggedCall, Seat};
use crate::evolution::decision::{Change, Decision, Standing};
use crate::evolution::fast::CALL;
use crate::evolution::walk::Walker;

/// The functions of this process, by number; a number is not given twice.
pub(super) type Seats = RwLock<Vec<Option<Arc<Seat>>>>;

/// How much memory decisions may take: those about half a million functions with names of usual length. What does not fit is
/// not obeyed.
const DECIDED_BYTES_MAX: usize = 256 << 20;

/// What a function takes beside its name.
const ENTRY_BYTES: usize = 400;

/// What the log says so far of decisions.
#[derive(Debug, Default)]
pub(super) struct Decided {
    /// What stands of forced ones, by function.
    standings: HashMap<String, Standing>,
    /// The last one that a strategy made, or the release after it, by function.
    own: HashMap<String, Decision>,
    /// Bytes of the names of these functions.
    bytes: usize,
}

impl Decided {
    /// Takes a decision in. Returns whether something forced may have changed.
    pub(super) fn take(&mut self, decision: &Decision) -> bool {
        let known = self.standings.contains_key(&decision.function) || self.own.contains_key(&decision.function);
        if !known {
            let bytes = 2 * decision.function.len() + ENTRY_BYTES;
            if self.bytes + bytes > DECIDED_BYTES_MAX {
                return false;
            }
            self.bytes += bytes;
        }
        if !decision.forced || decision.change == Change::Release {
            self.own.insert(decision.function.clone(), decision.clone());
        }
        if !decision.forced && decision.change != Change::Release {
            return false;
        }
        self.standings.entry(decision.function.clone()).or_default().apply(decision);
        true
    }

    /// The last decision about a function that a strategy made, or the release after it.
    #[cfg(test)]
    pub(super) fn own(&self, function: &str) -> Option<&Decision> {
        self.own.get(function)
    }

    /// What stands of forced decisions about a function.
    pub(super) fn standing(&self, function: &str) -> Standing {
        self.standings.get(function).cloned().unwrap_or_default()
    }
}

/// Takes in what is new, and tells whoever wants to know.
pub(super) struct Reader<'a> {
    pub(super) seats: &'a Seats,
    pub(super) decided: &'a RwLock<Decided>,
    /// What follows from calls of others.
    pub(super) decisions: Vec<Decision>,
    pub(super) memory: &'a mut Memory,
}

/// What is remembered from one look to the next.
#[derive(Default)]
pub(super) struct Memory {
    walker: Walker,
    /// What is decided as it is read anew, until the log is caught up with: then it takes the place of what was known.
    fresh: Option<Decided>,
    /// What the log has now is what strategies have heard already: it was written anew.
    heard: bool,
}

impl Reader<'_> {
    /// Whole lines of calls and decisions, as a file has them.
    pub(super) fn lines(&mut self, lines: &[u8]) {
        let mut changed = Vec::new();
        self.each_line(lines, &mut |text| changed.push(text.to_string()), true);
        obey(self.seats, self.decided, &changed);
    }

    /// Whole lines of calls. Decisions among them do not count.
    pub(super) fn calls(&mut self, lines: &[u8]) {
        self.each_line(lines, &mut |_| {}, false);
    }

    fn each_line(&mut self, lines: &[u8], changed: &mut dyn FnMut(&str), decisions: bool) {
        let wanting = self.wanting();
        let mut walker = std::mem::take(&mut self.memory.walker);
        let mut start = 0;
        for newline in memchr::memchr_iter(b'\n', lines) {
            let line = &lines[start..=newline];
            start = newline + 1;
            if wanting.is_empty() && line.starts_with(CALL) {
                continue;
            }
            // What is wrong with a line is for `tc` to say.
            let _ = walker.line(line, |found| match LoggedCall::of(&found) {
                Some((function, call)) => self.tell(function, &call, &wanting),
                None => {
                    let decision = found.decision_text().filter(|_| decisions).and_then(Decision::parse);
                    if let Some(decision) = decision.filter(|decision| self.decision(decision)) {
                        changed(&decision.function);
                    }
                }
            });
        }
        self.memory.walker = walker;
    }

    /// Whether anybody wants to hear of calls.
    pub(super) fn is_wanted(&self) -> bool {
        !self.wanting().is_empty()
    }

    /// Those who want to hear of calls.
    fn wanting(&self) -> Vec<Arc<Seat>> {
        let seats = self.seats.read();
        let wants = |seat: &&Arc<Seat>| !self.memory.heard && !seat.is_closed() && seat.listener.wants_calls();
        seats.iter().flatten().filter(wants).cloned().collect()
    }

    /// The log is read from its beginning again: `fresh` is what is known in front of it, none where that cannot be read.
    /// `heard` if strategies know it.
    pub(super) fn read_anew(&mut self, fresh: Option<Decided>, heard: bool) {
        (self.memory.fresh, self.memory.heard) = (fresh, heard);
    }

    /// The log is read on from where it was.
    pub(super) fn caught_up(&mut self) {
        let heard = std::mem::take(&mut self.memory.heard);
        let Some(fresh) = self.memory.fresh.take() else { return };
        let old = {
            let mut decided = self.decided.write();
            std::mem::replace(&mut *decided, fresh)
        };
        let decided = self.decided.read();
        let seats = self.seats.read().clone();
        for seat in seats.iter().flatten() {
            let standing = decided.standing(&seat.function);
            if standing != old.standing(&seat.function) {
                seat.obey(&standing);
            }
            // What strategies did not hear because the log was written anew meanwhile.
            let last = decided.own.get(&*seat.function).filter(|last| old.own.get(&*seat.function) != Some(*last));
            if let Some(decision) = last.filter(|_| heard) {
                seat.hear(decision);
            }
        }
    }

    fn tell(&mut self, function: &[u8], call: &LoggedCall<'_>, wanting: &[Arc<Seat>]) {
        for seat in wanting.iter().filter(|seat| seat.function.as_bytes() == function && seat.is_free()) {
            self.decisions.extend(seat.listener.call(call));
        }
    }

    /// A decision that somebody else wrote. Returns whether something forced may have changed: see [`obey`].
    pub(super) fn decision(&mut self, decision: &Decision) -> bool {
        let changes = match &mut self.memory.fresh {
            Some(fresh) => {
                fresh.take(decision);
                false
            }
            None => self.decided.write().take(decision),
        };
        if !decision.forced || decision.change == Change::Release {
            // It was decided already what followed from the calls in front of it.
            self.decisions.retain(|follows| follows.function != decision.function);
        }
        if !self.memory.heard {
            each_seat_of(self.seats, &decision.function, |seat| seat.hear(decision));
        }
        changes
    }
}

/// Lets the functions that something was forced on know, once for all of it.
pub(super) fn obey(seats: &Seats, decided: &RwLock<Decided>, changed: &[String]) {
    if changed.is_empty() {
        return;
    }
    let decided = decided.read();
    for seat in seats.read().iter().flatten() {
        if changed.iter().any(|function| **function == *seat.function) {
            seat.obey(&decided.standing(&seat.function));
        }
    }
}

/// Every function of this name that calls may come from.
pub(super) fn each_seat_of(seats: &Seats, function: &str, mut each: impl FnMut(&Seat)) {
    let seats = seats.read();
    let same = |seat: &&Arc<Seat>| *seat.function == *function && !seat.is_closed();
    let same = seats.iter().flatten().filter(same).cloned().collect::<Vec<_>>();
    drop(seats);
    same.iter().for_each(|seat| each(seat));
}
