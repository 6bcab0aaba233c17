//! All runs of a store, some at a time, in the order of their ids.

use std::collections::VecDeque;

use anyhow::Result;

use crate::error::Failure;
use crate::surroundings::Context;
use temporal_code::runs::Runs;
use temporal_code::store::{Error, LIST_PAGE};
use temporal_code::time::Timestamp;

/// How many ids are asked for at first: few, so that the first runs come at once.
const FIRST_PAGE: usize = 512;

/// What comes while a store is gone through.
pub(super) enum News<T> {
    /// Something about the list of runs that could not be read.
    Warning(String),
    /// What was made of some runs.
    Batch(T),
}

/// Hands batches of ids to `work`, on the threads that there are, and what it makes of each to `take`, in order, until that
/// returns false; also whether it never did. Where the store knows the workflow without reading the run, others than `workflow`
/// are left out.
pub(super) async fn each_batch<T, F>(
    context: &Context,
    runs: &Runs,
    workflow: Option<&str>,
    work: impl Fn(Runs, Vec<String>, Timestamp) -> F,
    take: &mut dyn FnMut(News<T>) -> Result<bool>,
) -> Result<bool>
where
    T: Send + 'static,
    F: Future<Output = Result<T, Error>> + Send + 'static,
{
    // At first one, so that its runs are shown at once; then so many that those who read always have something to do.
    let mut ahead = 1;
    let mut working = VecDeque::new();
    let (mut after, mut size, mut more) = (None::<String>, FIRST_PAGE, true);
    let mut left: VecDeque<String> = VecDeque::new();
    loop {
        while working.len() < ahead && (more || !left.is_empty()) {
            if left.is_empty() {
                let page = runs.ids(workflow, "", after.as_deref(), size).await?;
                for warning in page.warnings {
                    take(News::Warning(warning))?;
                }
                after = page.ids.last().cloned();
                (more, size) = (page.more && after.is_some(), LIST_PAGE);
                left.extend(page.ids);
                continue;
            }
            let batch: Vec<String> = left.drain(..left.len().min(runs.batch())).collect();
            working.push_back(tokio::spawn(work(runs.clone(), batch, context.now)));
        }
        let Some(batch) = working.pop_front() else { return Ok(true) };
        let made = batch.await.map_err(|cause| Failure::new("io", "reading runs was stopped").cause(cause))??;
        ahead = context.threads() * 2;
        if !take(News::Batch(made))? {
            return Ok(false);
        }
    }
}
