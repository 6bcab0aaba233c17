//! Reading histories and inboxes from a store, and which of their generations is the last.

use crate::store::{End, Error, Name, Store};
use crate::workflow::{Cursor, Fold, InboxEntry, InboxFold, Problem, ProblemKind};

/// How much of a log is read at a time, in bytes.
const PAGE_BYTES: usize = 1 << 20;

/// Folds all that a store has of a history, in the generation that `log` names.
///
/// Damage that the store meets is a problem of the history, as one that the fold meets is: see [`RunState::problem`]. A
/// history that is not there is a state without lines.
///
/// [`RunState::problem`]: crate::workflow::RunState::problem
///
/// # Errors
/// What else the store says.
pub async fn fold_history(store: &dyn Store, log: &Name) -> Result<Fold, Error> {
    let mut fold = Fold::new(log.clone());
    fold_more(store, &mut fold).await?;
    Ok(fold)
}

/// Folds what a history has more than `fold` has seen.
///
/// # Errors
/// As [`fold_history`].
pub(crate) async fn fold_more(store: &dyn Store, fold: &mut Fold) -> Result<(), Error> {
    loop {
        let after = fold.state().position().number();
        let page = match store.read(fold.state().log(), after, PAGE_BYTES).await {
            Err(error) => return found(error, after + 1).map(|problem| _ = fold.refuse(problem)),
            Ok(page) => page,
        };
        if fold.page(&page).is_err() || !page.has_more() {
            return Ok(());
        }
    }
}

/// Damage of a log is a problem; any other error is one.
fn found(error: Error, seq: u64) -> Result<Problem, Error> {
    match error {
        Error::Corrupt { problem, .. } | Error::Lost { problem, .. } => {
            Ok(Problem { seq, kind: ProblemKind::Damaged, what: problem })
        }
        error => Err(error),
    }
}

/// The last generation of a log that is there, `log` or a later one. Generations are looked for in leaps, so that a log with
/// thousands costs a few dozen looks.
///
/// # Errors
/// What the store says.
pub async fn latest_generation(store: &dyn Store, log: &Name) -> Result<(Name, End), Error> {
    let mut last = (log.clone(), store.end(log).await?);
    let mut leap = 1u32;
    let mut missing = None;
    while last.1.sealed && leap > 0 {
        let generation = last.0.generation().saturating_add(leap);
        let end = match missing {
            Some(missing) if generation >= missing => End::START,
            _ => store.end(&log.in_generation(generation)).await?,
        };
        if end == End::START {
            missing = Some(missing.map_or(generation, |missing: u32| missing.min(generation)));
            leap /= 2;
        } else {
            last = (log.in_generation(generation), end);
            leap = if missing.is_some() { leap } else { leap.saturating_mul(2) };
        }
    }
    Ok(last)
}

/// Where lines for a run go now: the last generation of its inbox, and the end of that. It may be the start of one that has no
/// line yet.
///
/// # Errors
/// What the store says.
pub async fn inbox_end(store: &dyn Store, inbox: &Name) -> Result<(Name, End), Error> {
    let (log, end) = latest_generation(store, inbox).await?;
    if end.sealed { Ok((log.next_generation(), End::START)) } else { Ok((log, end)) }
}

/// Hands all lines of an inbox behind `after` to `each`, with the inbox and the number of the line, over all its generations.
/// Returns the reader of the last.
///
/// Damage is a problem of the reader, as in [`fold_history`].
///
/// # Errors
/// What else the store says.
pub async fn read_inbox(
    store: &dyn Store,
    inbox: &Name,
    after: Cursor,
    mut each: impl FnMut(&Name, u64, InboxEntry<'_>) + Send,
) -> Result<InboxFold, Error> {
    let mut log = inbox.in_generation(after.generation);
    let mut reader = InboxFold::new(log.clone(), after.seq);
    loop {
        let after = reader.end().last.number();
        let page = match store.read(&log, after, PAGE_BYTES).await {
            Err(error) => {
                reader.refuse(found(error, after + 1)?);
                return Ok(reader);
            }
            Ok(page) => page,
        };
        if reader.page(&page, |seq, entry| each(&log, seq, entry)).is_err() {
            return Ok(reader);
        }
        if reader.end().sealed {
            log = log.next_generation();
            reader = InboxFold::new(log.clone(), 0);
        } else if !page.has_more() {
            return Ok(reader);
        }
    }
}
