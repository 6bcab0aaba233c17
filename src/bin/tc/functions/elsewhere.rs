//! Deciding in a log that is not a file: a decision is appended only behind those that its author has seen.

use std::time::Duration;

use anyhow::Result;

use crate::error::{CONFLICT, Failure};
use crate::functions::decide::{Expected, Watch};
use temporal_code::evolution::decision::{Change, Decision};
use temporal_code::evolution::event;
use temporal_code::evolution::remote::{Decide, Follower, Heard, Known, Site, Writer};
use temporal_code::evolution::source::each_block_of_piece;
use temporal_code::store::Error;

/// How often something is asked when no answer comes.
const TRIES_MAX: u32 = 4;

/// Wait before the second time; doubled before each one after.
const WAIT_FIRST: Duration = Duration::from_millis(200);

/// A log that something is decided in.
pub(crate) struct Elsewhere {
    name: String,
    writer: Box<dyn Writer>,
    /// The decisions that are seen by what is read after this.
    known: Known,
    /// What happens from now on, if anybody wants to know.
    follower: Option<Box<dyn Follower>>,
}

impl Elsewhere {
    /// Notes how far decisions are known, before the log is read. With `looks`, calls count from now on, too.
    pub(crate) fn begin(site: &dyn Site, looks: bool) -> Result<Self> {
        let follower = if looks { Some(site.follower()?) } else { None };
        let (mut writer, mut known) = (site.writer()?, Known::default());
        writer.decisions(&mut known, &mut |_| {})?;
        Ok(Elsewhere { name: site.location().to_string(), writer, known, follower })
    }

    /// Appends the line, if nothing was decided about the function that its author has not seen, and the log is as expected.
    pub(crate) fn append(&mut self, line: &str, watch: &mut Watch<'_>, expected: Option<Expected>) -> Result<()> {
        loop {
            self.look(watch, expected)?;
            match self.send(line)? {
                Decide::Done(_) => return Ok(()),
                Decide::Moved => self.hear(watch)?,
            }
        }
    }

    /// Refuses if the log is not as expected.
    pub(crate) fn look(&mut self, watch: &mut Watch<'_>, expected: Option<Expected>) -> Result<()> {
        if let Some(follower) = &mut self.follower {
            let mut read = Ok(());
            follower.poll_now(&mut |piece| {
                if read.is_ok() {
                    read = each_block_of_piece(piece.content, &mut |lines| watch.take(lines));
                }
            })?;
            read?;
        }
        watch.refuse_if_moved(&self.name, expected)
    }

    /// Sends the decision until there is an answer: the same one lands once.
    fn send(&mut self, line: &str) -> Result<Decide, Error> {
        patiently(|| self.writer.decide(&self.known, line))
    }

    /// Hears what others decided; a conflict if it is about the function.
    fn hear(&mut self, watch: &mut Watch<'_>) -> Result<()> {
        let (mut ours, mut is_anew) = (None, false);
        let function = watch.function.to_string();
        let Elsewhere { writer, known, .. } = self;
        let mut each = |heard: Heard<'_>| match heard {
            Heard::Anew => is_anew = true,
            Heard::Lines(lines) => {
                watch.take(lines);
                let _ = event::read_records(lines, &mut |text, _| {
                    let decision = Decision::parse(text).filter(|decision| decision.function == function);
                    ours = decision.or(ours.take());
                });
            }
        };
        patiently(|| writer.decisions(known, &mut each))?;
        let message = match ours {
            _ if is_anew => format!("{}: the log was cleaned meanwhile", self.name),
            Some(decision) => format!("{}: {} meanwhile", self.name, sentence(&decision)),
            None => return Ok(()),
        };
        let hint = format!("see what happened: tc history {function}");
        Err(Failure { exit: CONFLICT, ..Failure::new("conflict", message).hint(hint) }.into())
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

/// What somebody else decided: `v2 of `f` was promoted by ada`.
fn sentence(decision: &Decision) -> String {
    let Decision { function, variant, .. } = decision;
    let what = match &decision.change {
        Change::Promote => format!("{variant} of `{function}` was promoted"),
        Change::Rollback { .. } => format!("{variant} of `{function}` was rolled back"),
        Change::Weight { .. } => format!("the share of {variant} of `{function}` was set"),
        Change::Release => format!("`{function}` was handed back to its strategy"),
    };
    decision.by.as_ref().map_or(what.clone(), |by| format!("{what} by {by}"))
}
