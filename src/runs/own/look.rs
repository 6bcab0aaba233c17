//! Runs of our own stores: which there are, and where each stands.

use super::fold::{Dated, go_on};
use super::log_of;
use super::run::run_of;
use crate::runs::{RunBatch, RunIds};
use crate::store::{End, Error, Name, Page, Store};
use crate::workflow::{RUNS, latest_generation, run_log};

/// How much of each history is read at first when many are looked at, in bytes.
const FIRST_BYTES: usize = 64 << 10;

pub(in crate::runs) async fn ids(
    store: &dyn Store,
    start: &str,
    after: Option<&str>,
    limit: usize,
) -> Result<RunIds, Error> {
    let after = after.map(run_log).transpose()?;
    let mut names = store.list(RUNS, start, after.as_ref(), limit.saturating_add(1)).await?;
    let more = names.len() > limit;
    names.truncate(limit);
    Ok(RunIds { ids: names.iter().map(Name::id).collect(), more, warnings: Vec::new() })
}

pub(in crate::runs) async fn has(store: &dyn Store, id: &str) -> Result<bool, Error> {
    let Some(log) = log_of(id) else { return Ok(false) };
    match store.end(&log).await {
        Ok(end) => Ok(end != End::START),
        Err(Error::Corrupt { .. } | Error::Lost { .. }) => Ok(true),
        Err(error) => Err(error),
    }
}

pub(in crate::runs) async fn look(store: &dyn Store, ids: &[String]) -> Result<RunBatch, Error> {
    let logs: Vec<Name> = ids.iter().filter_map(|id| log_of(id)).collect();
    let pages = store.read_first(&logs, FIRST_BYTES).await;
    let mut looked = RunBatch::default();
    for (log, page) in logs.into_iter().zip(pages) {
        let id = log.id();
        match look_at(store, log, page).await {
            Ok(None) => {}
            Ok(Some(dated)) => looked.runs.push((id, Ok(run_of(&dated)))),
            Err(error) if error.retryable() => return Err(error),
            Err(error) => looked.runs.push((id, Err(error))),
        }
    }
    Ok(looked)
}

/// Folds a history of which the first page is there. None if there is no history.
async fn look_at(store: &dyn Store, log: Name, page: Result<Page, Error>) -> Result<Option<Dated>, Error> {
    let mut dated = Dated::new(log);
    let page = match page {
        Ok(page) => page,
        Err(Error::Corrupt { .. } | Error::Lost { .. }) => {
            go_on(store, &mut dated, &mut |_| true).await?;
            return Ok(Some(dated));
        }
        Err(error) => return Err(error),
    };
    if page.end() == End::START {
        return Ok(None);
    }
    if dated.page(&page, &mut |_| true) && page.has_more() {
        go_on(store, &mut dated, &mut |_| true).await?;
    }
    if dated.fold.state().next().is_none() {
        return Ok(Some(dated));
    }
    // It goes on in a later generation, which may be far away.
    let (last, _) = latest_generation(store, dated.fold.state().log()).await?;
    if last.generation() > dated.fold.state().log().generation() {
        dated = Dated::new(last);
        go_on(store, &mut dated, &mut |_| true).await?;
    }
    Ok(Some(dated))
}
