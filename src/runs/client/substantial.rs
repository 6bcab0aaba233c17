//! Stores of the package `substantial`, in which is written what its own client writes.

use super::{ClientError, Delivery, OutgoingMessage, PAUSE, Receipt, RunClient, StartRequest, in_doubt};
use crate::compat::substantial::{self as package, SUBSTANTIAL_QUEUE, StoredRun};
use crate::runs::substantial::look::has;

/// What the package has no place for.
fn no_key() -> ClientError {
    ClientError::Unsupported {
        what: "substantial 0.1.0 writes nothing by which a request could be told from others: no idempotency key"
            .into(),
        instead: "of several messages with one name its workflows see the first alone, so sending again does no harm"
            .into(),
    }
}

/// How many messages with this name are in the history.
fn count(found: &StoredRun, name: &str) -> usize {
    let history = found.history();
    history.life().map_or(0, |life| life.sent.iter().filter(|sent| &*sent.name == name).count())
}

/// How many messages with this name no worker has taken.
fn planned(found: &StoredRun, name: &str) -> usize {
    let bodies = found.schedules.iter().filter_map(|schedule| schedule.event.as_ref()?.body.as_ref());
    bodies.filter(|body| matches!(body, package::EventBody::Send { name: sent, .. } if &**sent == name)).count()
}

async fn found(client: &package::SubstantialClient, run: &str) -> Result<StoredRun, ClientError> {
    let no_run = || ClientError::NoRun { run: run.to_owned() };
    if !has(client, run).await? {
        return Err(no_run());
    }
    client.read(&[run]).await?.pop().ok_or_else(no_run)
}

fn unplanned(unplanned: package::Unplanned) -> ClientError {
    in_doubt(&unplanned.run, None, unplanned.landed, unplanned.source)
}

pub(super) async fn send(
    outside: &RunClient<'_>,
    client: &package::SubstantialClient,
    run: &str,
    message: OutgoingMessage<'_>,
) -> Result<Delivery, ClientError> {
    if message.key.is_some() {
        return Err(no_key());
    }
    let found = found(client, run).await?;
    if let Some(refusal) = found.refusal() {
        return Err(refusal.into());
    }
    let status = found.status(client.zone(), outside.now());
    if status.status.is_ended() {
        return Err(ClientError::Ended { run: run.to_owned(), status: status.status });
    }
    let queue = found.schedules.first().map_or(SUBSTANTIAL_QUEUE, |schedule| &schedule.queue);
    let before = count(&found, message.event) + planned(&found, message.event);
    let planned = client.plan_send(run, message.event, message.value, queue, outside.now()).await;
    planned.map_err(unplanned)?;
    let receipt = Receipt::Messages(message.event.to_owned(), before + 1);
    Ok(Delivery { repeats: before > 0, receipt, ..Delivery::to(run.to_owned()) })
}

pub(super) async fn start(
    outside: &RunClient<'_>,
    client: &package::SubstantialClient,
    start: StartRequest<'_>,
) -> Result<Delivery, ClientError> {
    if start.key.is_some() {
        return Err(no_key());
    }
    if start.run.is_some() {
        return Err(ClientError::Unsupported {
            what: "substantial names its runs itself: a workflow's name and a random part".into(),
            instead: "start it without an id".into(),
        });
    }
    let random = u128::from(outside.random.bits()) << 64 | u128::from(outside.random.bits());
    let planned = client.plan_start(start.workflow, start.input, start.queue, random, outside.now()).await;
    Ok(Delivery::to(planned.map_err(unplanned)?.run))
}

/// Waits until a worker has moved a message into the history; false if the run ends before.
pub(super) async fn taken(
    client: &package::SubstantialClient,
    run: &str,
    name: &str,
    wanted: usize,
) -> Result<bool, ClientError> {
    loop {
        let found = found(client, run).await?;
        if count(&found, name) >= wanted {
            return Ok(true);
        }
        if client.result(run).await?.is_some() {
            return Ok(false);
        }
        tokio::time::sleep(PAUSE).await;
    }
}
