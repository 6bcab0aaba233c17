//! Deciding in a log that is not a file: a decision is appended only behind those that are known.

use std::time::Duration;

use super::error::DecideError;
use super::since::{Expectation, Since};
use crate::clock::Clock;
use crate::evolution::decision::{Decision, Standing};
use crate::evolution::remote::RemoteLog;
use crate::evolution::remote::site::{Decide, Follower, Heard, Known, Writer};
use crate::evolution::source::Source;
use crate::store::Error;
use crate::time::Timestamp;

/// How often something is asked when no answer comes.
const TRIES_MAX: u32 = 4;

/// Wait before the second time; doubled before each one after.
const WAIT_FIRST: Duration = Duration::from_millis(200);

/// A log, as far as its decisions are known.
pub(super) struct RemoteDecider {
    log: RemoteLog,
    function: String,
    writer: Box<dyn Writer>,
    known: Known,
    /// What stands of the decisions that are known.
    pub(super) standing: Standing,
    /// What happens from now on, if calls count.
    follower: Option<Box<dyn Follower>>,
}

impl RemoteDecider {
    /// Notes how far decisions are known.
    pub(super) fn begin(log: &RemoteLog, function: &str) -> Result<Self, DecideError> {
        let (log, function, writer) = (log.clone(), function.to_string(), log.site().writer()?);
        let (known, standing) = (Known::default(), Standing::default());
        let mut decider = RemoteDecider { log, function, writer, known, standing, follower: None };
        decider.hear(&mut |_| {})?;
        Ok(decider)
    }

    /// Calls count from now on, too.
    pub(super) fn follow(&mut self, now: Timestamp) -> Result<(), DecideError> {
        self.follower = Some(self.log.site().follower(now)?);
        Ok(())
    }

    pub(super) fn name(&self) -> &str {
        self.log.location()
    }

    /// All that is there of the log.
    pub(super) fn sources(&self) -> Result<Vec<Source>, DecideError> {
        Ok(self.log.sources()?)
    }

    /// Refuses if the log is not as expected now.
    pub(super) fn check(
        &mut self,
        since: &mut Since,
        expected: Option<Expectation>,
        now: Timestamp,
    ) -> Result<(), DecideError> {
        self.hear_others(since)?;
        if let Some(follower) = &mut self.follower {
            let mut read = Ok(());
            follower.poll_now(now, &mut |piece| {
                if read.is_ok() {
                    // Decisions among it are heard in their own order.
                    read = piece.content.each_block(&mut |lines| since.look_back(lines));
                }
            })?;
            read.map_err(|cause| DecideError::unreadable(self.log.location(), cause))?;
        }
        since.refuse(self.log.location(), expected)
    }

    /// Appends a decision, if nobody decided anything else about the function since and the log is as expected.
    pub(super) fn decide(
        &mut self,
        decision: &Decision,
        since: &mut Since,
        expected: Option<Expectation>,
        clock: &dyn Clock,
    ) -> Result<(), DecideError> {
        let line = decision.to_line();
        loop {
            if expected.is_some() {
                self.check(since, expected, clock.now())?;
            }
            // The same one lands once, however often it is sent.
            match patiently(|| self.writer.decide(&self.known, &line))? {
                Decide::Done(known) => {
                    self.known = known;
                    self.standing.apply(decision);
                    return Ok(());
                }
                // About another function, perhaps.
                Decide::Moved => {
                    self.hear_others(since)?;
                    since.refuse(self.log.location(), None)?;
                }
            }
        }
    }

    /// Hears what others decided.
    fn hear_others(&mut self, since: &mut Since) -> Result<(), DecideError> {
        self.hear(&mut |heard| match heard {
            Heard::Anew => since.lose_track(),
            Heard::Lines(lines) => since.take(lines),
        })
    }

    fn hear(&mut self, each: &mut dyn FnMut(Heard<'_>)) -> Result<(), DecideError> {
        let RemoteDecider { function, writer, known, standing, .. } = self;
        let mut take = |heard: Heard<'_>| {
            match heard {
                Heard::Anew => *standing = Standing::default(),
                Heard::Lines(lines) => standing.apply_all(function, lines),
            }
            each(heard);
        };
        Ok(patiently(|| writer.decisions(known, &mut take))?)
    }
}

/// Asks until there is an answer, or one that does not change.
fn patiently<T>(mut ask: impl FnMut() -> Result<T, Error>) -> Result<T, Error> {
    let mut tries = 1;
    loop {
        match ask() {
            Err(error) if error.retryable() && tries < TRIES_MAX => {
                std::thread::sleep(WAIT_FIRST * 2u32.pow(tries - 1));
                tries += 1;
            }
            outcome => return outcome,
        }
    }
}
