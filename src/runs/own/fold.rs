//! Reading a history of ours page by page, and remembering when things happened.

use futures_util::future::join;

use crate::runs::event::{NativeEvent, RunEvent};
use crate::runs::problem::Seq;
use crate::store::{Error, Header, Name, Page, Store, lines_in};
use crate::time::Timestamp;
use crate::workflow::{Fold, Problem, ProblemKind};

/// How much of a history is read at a time, in bytes.
const PAGE_BYTES: usize = 1 << 20;

/// How many times smaller the next page is when one is damaged.
const SMALLER: usize = 32;

/// Most events of which the time is remembered, to say since when a step waits.
const TIMES_MAX: usize = 1 << 20;

/// A fold that remembers when things happened.
pub(super) struct Dated {
    pub(super) fold: Fold,
    times: Vec<Timestamp>,
}

impl Dated {
    pub(super) fn new(log: Name) -> Self {
        Dated { fold: Fold::new(log), times: Vec::new() }
    }

    /// Folds a page, and hands each event to `visit` until that returns false. Whether the end was reached.
    pub(super) fn page(&mut self, page: &Page, visit: &mut (dyn FnMut(&RunEvent<'_>) -> bool + Send)) -> bool {
        self.lines(page.lines(), visit)
    }

    fn lines<'a>(
        &mut self,
        lines: impl Iterator<Item = (Header, &'a [u8])>,
        visit: &mut (dyn FnMut(&RunEvent<'_>) -> bool + Send),
    ) -> bool {
        for (header, line) in lines {
            let Ok(entry) = self.fold.line(header, line) else { return false };
            if self.times.len() < TIMES_MAX {
                self.times.push(entry.at);
            }
            let state = self.fold.state();
            let seq = Seq { generation: state.log().generation(), number: header.seq };
            let native = NativeEvent::Own { entry: &entry, line, state };
            if !visit(&RunEvent { seq, at: Some(entry.at), native }) {
                return false;
            }
        }
        true
    }

    /// When line `seq` was appended, as far as it is remembered.
    pub(super) fn at(&self, seq: u64) -> Option<Timestamp> {
        let place = usize::try_from(seq.checked_sub(1)?).ok()?;
        // Of a history of which only the end is left there is only the end.
        self.times.get(place).or(self.times.last()).copied().filter(|_| seq <= self.fold.state().position().number())
    }
}

/// Damage that a store meets is a problem of the history.
fn refuse(fold: &mut Fold, error: Error) -> Result<(), Error> {
    let seq = fold.state().position().number() + 1;
    match error {
        Error::Corrupt { problem, .. } | Error::Lost { problem, .. } => {
            fold.refuse(Problem { seq, kind: ProblemKind::Damaged, what: problem });
            Ok(())
        }
        error => Err(error),
    }
}

/// Folds what is left of an append in front of its damage. Whether all was handed to `visit`.
async fn salvage(store: &dyn Store, dated: &mut Dated, visit: &mut (dyn FnMut(&RunEvent<'_>) -> bool + Send)) -> bool {
    loop {
        let state = dated.fold.state();
        let after = state.position().number();
        // What cannot be read either is the damage that is told of.
        let text = store.read_damaged(state.log(), after, PAGE_BYTES).await.unwrap_or_default();
        let follows = lines_in(&text).next().is_some_and(|(header, _)| header.seq == after + 1);
        if !follows {
            return true;
        }
        if !dated.lines(lines_in(&text), visit) {
            return false;
        }
    }
}

/// Folds what the history has more, and hands it to `visit` until that returns false. Whether the end was reached.
///
/// A store refuses a page with damage in it as a whole, so what stands in front of the damage is read in smaller ones.
pub(super) async fn go_on(
    store: &dyn Store,
    dated: &mut Dated,
    visit: &mut (dyn FnMut(&RunEvent<'_>) -> bool + Send),
) -> Result<bool, Error> {
    let (mut bytes, mut damage) = (PAGE_BYTES, None);
    let log = dated.fold.state().log().clone();
    let mut page = store.read(&log, dated.fold.state().position().number(), bytes).await;
    loop {
        match page {
            Ok(read) if read.has_more() => {
                // The next page is read while this one is folded.
                let next = store.read(&log, read.end().last.number(), bytes);
                let (next, goes_on) = join(next, async { dated.page(&read, visit) }).await;
                if !goes_on {
                    return Ok(dated.fold.state().problem().is_some());
                }
                page = next;
            }
            Ok(read) => return Ok(dated.page(&read, visit) || dated.fold.state().problem().is_some()),
            Err(error @ (Error::Corrupt { .. } | Error::Lost { .. })) if bytes > 1 => {
                damage.get_or_insert(error);
                bytes /= SMALLER;
                page = store.read(&log, dated.fold.state().position().number(), bytes).await;
            }
            Err(error) => {
                let damage = damage.unwrap_or(error);
                if matches!(damage, Error::Corrupt { .. } | Error::Lost { .. }) && !salvage(store, dated, visit).await {
                    return Ok(dated.fold.state().problem().is_some());
                }
                refuse(&mut dated.fold, damage)?;
                return Ok(true);
            }
        }
    }
}
