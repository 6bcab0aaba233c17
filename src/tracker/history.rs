//! What the logs have of one function from before it was there.

use super::seat::{Listener, LoggedCall};
use crate::evolution::decision::{Change, Decision, Standing};
use crate::evolution::fast::CALL;
use crate::evolution::walk::Walker;
use crate::json::push_string;

/// Nothing has been decided, and nothing seen.
fn beginning(function: &str) -> Decision {
    let (function, variant) = (function.to_string(), String::new());
    Decision { function, variant, change: Change::Release, at: None, forced: false, by: None, reason: None }
}

/// Tells one listener of one function.
pub(super) struct History<'a> {
    function: &'a str,
    /// How its calls begin, where a writer left nothing to choose.
    ours: Vec<u8>,
    listener: &'a dyn Listener,
    walker: Walker,
    /// What was forced at that time.
    standing: Standing,
    /// What followed from calls, until a decision came.
    undecided: Option<Decision>,
}

impl<'a> History<'a> {
    /// Begins to tell a listener; none if it wants to know nothing of what was.
    pub(super) fn begin(function: &'a str, listener: &'a dyn Listener) -> Option<Self> {
        // It may have been told before, when it had other variants.
        listener.decision(&beginning(function));
        if !listener.wants_calls() {
            return None;
        }
        let (walker, standing, undecided) = (Walker::default(), Standing::default(), None);
        let mut ours = CALL.to_vec();
        push_string(&mut ours, function);
        Some(History { function, ours, listener, walker, standing, undecided })
    }

    /// What follows from the last calls, and was never decided.
    pub(super) fn finish(self) -> Option<Decision> {
        self.undecided
    }

    /// The next lines of the log, calls and decisions.
    pub(super) fn lines(&mut self, lines: &[u8]) {
        self.read(lines, true);
    }

    /// The next lines of calls. Decisions among them do not count.
    pub(super) fn calls(&mut self, lines: &[u8]) {
        self.read(lines, false);
    }

    fn read(&mut self, mut lines: &[u8], decisions: bool) {
        let mut walker = std::mem::take(&mut self.walker);
        let is_plain = self.ours.len() == CALL.len() + self.function.len() + 2;
        while !lines.is_empty() {
            if is_plain && lines.starts_with(CALL) && !lines.starts_with(&self.ours) {
                // A call of another function, or a name written in another way than anybody does.
                let length = memchr::memchr(b'\n', lines).map_or(lines.len(), |newline| newline + 1);
                lines = &lines[length..];
                continue;
            }
            let (length, _) = walker.line(lines, |found| match LoggedCall::of(&found) {
                Some((function, call)) => self.call(function, &call),
                None => {
                    let decision = found.decision_text().filter(|_| decisions).and_then(Decision::parse);
                    decision.iter().for_each(|decision| self.decided(decision));
                }
            });
            lines = &lines[length..];
        }
        self.walker = walker;
    }

    fn call(&mut self, function: &[u8], call: &LoggedCall<'_>) {
        if function == self.function.as_bytes() && self.standing.is_free() {
            self.undecided = self.listener.call(call).or(self.undecided.take());
        }
    }

    /// The next decision of the log, which stands here among its lines.
    pub(super) fn decided(&mut self, decision: &Decision) {
        if decision.function == self.function {
            self.undecided = None;
            self.standing.apply(decision);
            self.listener.decision(decision);
        }
    }
}
