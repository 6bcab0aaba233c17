//! Many small runs, for load tests.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;
use temporal_code::stores::{Append, Batch, Op, Store, Token};
use temporal_code::workflows::{Ending, Start, Status};
use temporal_code::{Random as _, SeededRandom, Timestamp};
use tokio::task::JoinSet;

use super::Result;
use super::events::{error, failed, ok, saved, sleep, stumbled, value, wait};
use super::run::{Act, FAR_US, Run, SECOND_US};

/// Runs that are written in one batch.
const GROUP: u64 = 50;

/// Batches that are written at the same time.
const AT_A_TIME: usize = 16;

/// One run in twenty is in the state at each place; in half the places it is completed.
const STATES: [Status; 20] = [
    Status::Completed,
    Status::Waiting,
    Status::Completed,
    Status::Failed,
    Status::Completed,
    Status::Sleeping,
    Status::Completed,
    Status::Pending,
    Status::Completed,
    Status::Running,
    Status::Completed,
    Status::Waiting,
    Status::Completed,
    Status::Failed,
    Status::Completed,
    Status::Sleeping,
    Status::Completed,
    Status::Retrying,
    Status::Completed,
    Status::Cancelled,
];

/// What the ids of all these runs begin with.
pub(crate) const PREFIX: &str = "load-";

/// The id of a run, counted from 1.
pub(crate) fn id(number: u64) -> String {
    format!("{PREFIX}{number:06}")
}

/// Writes `many` runs, and says how many are in which state.
pub(crate) async fn write(store: &Arc<dyn Store>, base: Timestamp, many: u64) -> Result<BTreeMap<Status, u64>> {
    let (mut tasks, mut counts) = (JoinSet::new(), BTreeMap::new());
    let mut next = 1;
    while next <= many || !tasks.is_empty() {
        if next <= many && tasks.len() < AT_A_TIME {
            tasks.spawn(group(store.clone(), base, next, many.min(next + GROUP - 1)));
            next += GROUP;
        } else if let Some(done) = tasks.join_next().await {
            for (status, count) in done?? {
                *counts.entry(status).or_insert(0) += count;
            }
        }
    }
    Ok(counts)
}

async fn group(store: Arc<dyn Store>, base: Timestamp, first: u64, last: u64) -> Result<BTreeMap<Status, u64>> {
    let token = Token::new(&SeededRandom::new(first));
    let (mut batch, mut counts) = (Batch::new(token), BTreeMap::new());
    for number in first..=last {
        let run = run(base, number, token)?;
        *counts.entry(run.state().status()).or_insert(0) += 1;
        batch = as_one(run).into_iter().fold(batch, Batch::with);
    }
    store.apply(&batch).await?;
    Ok(counts)
}

/// What a run's batches leave, with one append for each log, and without the entries that come and go.
fn as_one(run: Run) -> Vec<Op> {
    let (mut appends, mut due): (Vec<Append>, Vec<Op>) = (Vec::new(), Vec::new());
    let batches =
        run.into_acts().into_iter().filter_map(|act| if let Act::Apply(batch) = act { Some(batch) } else { None });
    for op in batches.flat_map(|batch| batch.ops().to_vec()) {
        match op {
            Op::Append(append) => match appends.iter_mut().find(|other| other.log == append.log) {
                Some(before) => {
                    before.lines.extend(append.lines);
                    before.seal = append.seal;
                }
                None => appends.push(append),
            },
            Op::PutDue(_) => due.push(op),
            Op::DropDue(gone) => due.retain(|op| !matches!(op, Op::PutDue(there) if *there == gone)),
        }
    }
    appends.into_iter().map(Op::Append).chain(due).collect()
}

/// One run, in the state that is its number's turn.
fn run(base: Timestamp, number: u64, token: Token) -> Result<Run> {
    let status = STATES[(number % STATES.len() as u64) as usize];
    let random = SeededRandom::new(number);
    let draw = |most: f64| (random.uniform() * most) as i64 * SECOND_US;
    // Anywhere in the two days, but for the last minutes of them.
    let begun_at = base.offset_micros(-300 * SECOND_US - draw(2.0 * 86_400.0 - 600.0));
    let start = Start::new(id(number), "load", value(&json!({ "number": number, "item": "book" }))?);
    let mut run = Run::start(begun_at, start, Some(token))?;
    let ahead = base.offset_micros(60 * SECOND_US);
    let (days, soon) = (ahead.offset_micros(draw(10.0 * 86_400.0)), ahead.offset_micros(draw(3_600.0)));
    let worker = ["load-1/1", "load-2/1", "load-3/1"][(number % 3) as usize];
    match status {
        Status::Pending => return Ok(run),
        Status::Running => run.claim_until(worker, base.offset_micros(FAR_US))?,
        _ => run.claim(worker)?,
    }
    run.commit(vec![saved("fetch", &json!({ "id": number, "stock": number % 7 }), 3 + number % 40)?])?;
    let timeout = || error("Timeout", "no answer within 5 s");
    match status {
        Status::Sleeping => run.release(vec![sleep("pause", days)])?,
        Status::Waiting => run.release(vec![wait("permission", &["allow"], None)])?,
        Status::Retrying => run.release(vec![stumbled("store", 1, timeout()?, soon)])?,
        Status::Failed => run.stop(vec![failed("store", timeout()?)], Ending::Failed(timeout()?))?,
        Status::Cancelled => {
            run.release(vec![wait("permission", &["allow"], None)])?;
            run.ask_to_cancel("no longer wanted", "load")?;
            run.claim(worker)?;
            let taken = run.take();
            run.stop(taken, Ending::Cancelled(Some("no longer wanted".into())))?;
        }
        Status::Completed if number.is_multiple_of(10) => {
            run.release(vec![wait("permission", &["allow"], None)])?;
            run.send("allow", value(&json!(true))?, "load")?;
            run.claim(worker)?;
            let taken = run.take();
            run.stop(taken, ok(&json!({ "stored": number }))?)?;
        }
        Status::Completed => run.stop(vec![saved("store", &json!(true), 8)?], ok(&json!({ "stored": number }))?)?,
        _ => {}
    }
    Ok(run)
}
