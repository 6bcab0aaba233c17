//! Stores of ours.

use std::borrow::Cow;
use std::time::Duration;

use super::{ClientError, Delivery, OutgoingMessage, Receipt, RunClient, StartRequest, hex, in_doubt};
use crate::json::Json;
use crate::runs::event::NativeEvent;
use crate::runs::problem::Seq;
use crate::store::{Batch, End, Error, Name, Page, Position, Queue, Store, Watched};
use crate::text::quote;
use crate::time::Timestamp;
use crate::workflow::batches::{self, InboxEnd, Stamp};
use crate::workflow::{
    self, Cursor, Event, Fold, INBOX, InboxBody, Request, RunState, Status, fold_history, fold_more, inbox_due,
    inbox_end, inbox_log, latest_generation, read_inbox, run_log,
};

/// How often something is begun anew because others were faster.
const TRIES_MAX: u32 = 64;

/// How much of a history is looked at before something is delivered, in bytes.
const FRONT_BYTES: usize = 1 << 20;

/// How long a change is waited for before the log is looked at all the same.
const WATCH_MAX: Duration = Duration::from_millis(500);

pub(super) async fn send(
    client: &RunClient<'_>,
    store: &dyn Store,
    run: &str,
    message: OutgoingMessage<'_>,
) -> Result<Delivery, ClientError> {
    let id = message.key.map_or_else(|| format!("m-{}{}", hex(client.random), hex(client.random)), str::to_owned);
    let body = InboxBody::Message(workflow::Message {
        id: Cow::Owned(id),
        event: Cow::Borrowed(message.event),
        value: message.value.as_borrowed(),
        from: message.from.map(Cow::Borrowed),
        sent_at: None,
    });
    deliver(client, store, run, body, message.key).await
}

pub(super) async fn cancel(
    client: &RunClient<'_>,
    store: &dyn Store,
    run: &str,
    reason: Option<&str>,
    key: Option<&str>,
    from: Option<&str>,
) -> Result<Delivery, ClientError> {
    let id = key.map_or_else(|| format!("c-{}{}", hex(client.random), hex(client.random)), str::to_owned);
    let request = Request { id: Cow::Owned(id), reason: reason.map(Cow::Borrowed), from: from.map(Cow::Borrowed) };
    deliver(client, store, run, InboxBody::Cancel(request), key).await
}

/// Puts a line into the inbox of a run that has not ended.
async fn deliver(
    client: &RunClient<'_>,
    store: &dyn Store,
    run: &str,
    body: InboxBody<'_>,
    key: Option<&str>,
) -> Result<Delivery, ClientError> {
    refuse_empty(key)?;
    let no_run = || ClientError::NoRun { run: run.to_owned() };
    let log = run_log(run).map_err(|_| no_run())?;
    let id = body.id().map(str::to_owned);
    let delivered = |Seq { generation, number }: Seq, deduplicated| {
        let receipt = Receipt::Inbox(generation, number);
        Delivery { id: id.clone(), deduplicated, receipt, ..Delivery::to(run.to_owned()) }
    };
    for _ in 0..TRIES_MAX {
        let (last, end) = latest_generation(store, &log).await?;
        if end == End::START {
            return Err(no_run());
        }
        // The end comes before the look at what is there: a line that comes behind it makes the batch fail.
        let (log, inbox_end) = inbox_end(store, &inbox_log(run)?).await?;
        if let Some(key) = key
            && let Some((there, at)) = delivered_before(store, run, key, &body).await?
        {
            if let Some(at) = at {
                lead_again(client, store, &last, there, at).await?;
            }
            return Ok(delivered(there, true));
        }
        let (queue, newer) = refuse_ended(store, run, &last, end).await?;
        let inbox = InboxEnd { queue, log, end: inbox_end.last };
        let stamp = Stamp { token: client.token(), now: client.now() };
        let number = inbox.end.number() + 1;
        let batch = batches::send(stamp, &inbox, body.clone())?;
        match insist(store, &batch).await {
            Ok(()) => {
                let delivered = delivered(Seq { generation: inbox.log.generation(), number }, false);
                return Ok(Delivery { newer, ..delivered });
            }
            // Somebody else was faster.
            Err((_, Error::Conflict { .. } | Error::Sealed { .. })) => {}
            Err((landed, source)) => return Err(in_doubt(run, id, landed, source)),
        }
    }
    Err(Error::unavailable(format!("sending to {run}"), "others were always faster").into())
}

/// Applies a batch that begins with an append. If that fails, looks what is known of the line, and where it is there, tries once
/// more what is missing.
///
/// # Errors
/// What the store said, and whether the line is there: none if that cannot be seen.
async fn insist(store: &dyn Store, batch: &Batch) -> Result<(), (Option<bool>, Error)> {
    let Err(error) = store.apply(batch).await else { return Ok(()) };
    let certain = matches!(error, Error::Conflict { .. } | Error::Sealed { .. } | Error::Invalid { .. });
    let append = batch.appends().next().filter(|_| !certain);
    let Some(append) = append else { return Err((Some(false), error)) };
    let seen = store.read(&append.log, append.after.number(), 1).await;
    let is_ours = |page: Page| page.lines().next().is_some_and(|(header, _)| header.token == batch.token());
    match seen.map(is_ours) {
        Ok(true) => store.apply(batch).await.map(drop).map_err(|error| (Some(true), error)),
        Ok(false) => Err((Some(false), error)),
        Err(_) => Err((None, error)),
    }
}

/// Sees to it that something leads to a line of the inbox that was appended `at` this time and that the run has not taken.
/// Whoever appended it may have died before its entry was put; one too many does no harm.
async fn lead_again(
    client: &RunClient<'_>,
    store: &dyn Store,
    last: &Name,
    there: Seq,
    at: Timestamp,
) -> Result<(), ClientError> {
    let fold = fold_history(store, last).await?;
    let state = fold.state();
    let is_taken = (state.inbox().generation, state.inbox().seq) >= (there.generation, there.number);
    if state.is_ended() || is_taken {
        return Ok(());
    }
    let inbox = state.log().of_kind(INBOX).in_generation(there.generation);
    let queue = state.begun().map(|begun| begun.queue.clone()).unwrap_or_default();
    store.apply(&batches::wake(client.token(), inbox_due(&queue, &inbox, there.number, at))).await?;
    Ok(())
}

/// A key that is empty tells nothing from others.
fn refuse_empty(key: Option<&str>) -> Result<(), ClientError> {
    match key {
        Some("") => Err(Error::invalid("idempotency key", "it is empty").into()),
        _ => Ok(()),
    }
}

/// The queue of a run that has not ended, and whether a newer version wrote the history. `last` is the last generation of its history.
///
/// Of a long history that goes on only the front is looked at: the queue stands there, and whoever is to take what is delivered
/// finds out soon enough if it is corrupt.
async fn refuse_ended(store: &dyn Store, run: &str, last: &Name, end: End) -> Result<(Queue, bool), ClientError> {
    let fold = if end.sealed {
        fold_history(store, last).await?
    } else {
        let mut fold = Fold::new(last.clone());
        // What is wrong is remembered by the fold.
        let _ = fold.page(&store.read(last, 0, FRONT_BYTES).await?);
        fold
    };
    let state = fold.state();
    let newer = state.status() == Status::Parked;
    if let Some(problem) = state.problem().filter(|_| !newer) {
        return Err(ClientError::Corrupt { run: run.to_owned(), problem: problem.clone() });
    }
    if state.is_ended() {
        return Err(ClientError::Ended { run: run.to_owned(), status: state.status() });
    }
    Ok((state.begun().map(|begun| begun.queue.clone()).unwrap_or_default(), newer))
}

/// The line of the inbox that has this key, if any has, and the time at which it was appended; no time if the run has taken it.
async fn delivered_before(
    store: &dyn Store,
    run: &str,
    key: &str,
    body: &InboxBody<'_>,
) -> Result<Option<(Seq, Option<Timestamp>)>, ClientError> {
    let mut found = None;
    let each = |log: &Name, number: u64, entry: workflow::InboxEntry<'_>| {
        if found.is_none() && entry.body.id() == Some(key) && !matches!(entry.body, InboxBody::ChildEnd { .. }) {
            found = Some(((Seq { generation: log.generation(), number }, Some(entry.at)), content(&entry.body)));
        }
    };
    let inbox = inbox_log(run)?;
    read_inbox(store, &inbox, Cursor { generation: 1, seq: 0 }, each).await?;
    if found.is_none() && store.end(&inbox).await?.sealed {
        found = taken_before(store, run, key).await?.map(|(there, content)| ((there, None), content));
    }
    match found {
        None => Ok(None),
        Some((there, was)) if was == content(body) => Ok(Some(there)),
        Some((_, (Some(event), value))) => {
            Err(key_used(key, &format!("message {event} {}", value.unwrap_or_default())))
        }
        Some((_, (None, _))) => Err(key_used(key, "a request to cancel")),
    }
}

fn key_used(key: &str, was: &str) -> ClientError {
    ClientError::KeyUsed { key: quote(key).to_string(), was: quote(was).to_string() }
}

/// What two messages with the same key must have in common: the name of a message, and the value.
type Content = (Option<String>, Option<String>);

fn content(body: &InboxBody<'_>) -> Content {
    match body {
        InboxBody::Message(message) => said(message),
        InboxBody::Cancel(request) => asked(request),
        InboxBody::ChildEnd { .. } | InboxBody::Turn => (None, None),
    }
}

fn said(message: &workflow::Message<'_>) -> Content {
    (Some(message.event.to_string()), Some(plain(&message.value)))
}

fn asked(request: &Request<'_>) -> Content {
    (None, request.reason.as_ref().map(ToString::to_string))
}

/// A value without the blanks between its tokens, and with its keys in order.
fn plain(value: &Json<'_>) -> String {
    value.read::<serde_json::Value>().map_or_else(
        |_| value.text().to_owned(),
        |mut value| {
            value.sort_all_objects();
            value.to_string()
        },
    )
}

/// The same, in the history: lines of the inbox that were taken may be forgotten there.
async fn taken_before(store: &dyn Store, run: &str, key: &str) -> Result<Option<(Seq, Content)>, ClientError> {
    let mut found = None;
    let mut visit = |event: &crate::runs::RunEvent<'_>| {
        let NativeEvent::Own { entry, state, .. } = event.native else { return true };
        let taken = match &entry.event {
            Event::Receive { inbox, message, .. } if message.id == key => Some((*inbox, said(message))),
            Event::Cancel { inbox, request } if request.id == key => Some((*inbox, asked(request))),
            _ => None,
        };
        let generation = state.inbox().generation;
        found = taken.map(|(number, content)| (Seq { generation, number }, content));
        found.is_none()
    };
    crate::runs::own::follow::follow(store, run, &mut visit).await?;
    Ok(found)
}

pub(super) async fn start(
    client: &RunClient<'_>,
    store: &dyn Store,
    start: StartRequest<'_>,
) -> Result<Delivery, ClientError> {
    if start.workflow.is_empty() {
        return Err(Error::invalid("workflow", "its name is empty").into());
    }
    refuse_empty(start.key)?;
    Queue::new(start.queue).map_err(Error::from)?;
    for _ in 0..TRIES_MAX {
        let made_up = || format!("{}-{}", start.workflow, start.key.map_or_else(|| hex(client.random), str::to_owned));
        let run = start.run.map_or_else(made_up, str::to_owned);
        let mut fold = Fold::new(run_log(&run)?);
        let line = workflow::Start {
            queue: Cow::Borrowed(start.queue),
            id: start.key.map(Cow::Borrowed),
            ..workflow::Start::new(&*run, start.workflow, start.input.as_borrowed())
        };
        let stamp = Stamp { token: client.token(), now: client.now() };
        let batch = batches::start(&mut fold, stamp, line, None)?;
        let started = Delivery { id: start.key.map(str::to_owned), ..Delivery::to(run.clone()) };
        match insist(store, &batch).await {
            Ok(()) => return Ok(started),
            Err((_, Error::Conflict { .. } | Error::Sealed { .. })) => {}
            Err((landed, source)) => return Err(in_doubt(&run, started.id, landed, source)),
        }
        if let Some(key) = start.key {
            started_before(client, store, &run, key, &start).await?;
            return Ok(Delivery { deduplicated: true, ..started });
        }
        if start.run.is_some() {
            return Err(ClientError::Exists { run });
        }
    }
    Err(Error::unavailable("starting a run", "every id was taken").into())
}

/// Looks whether the run that is there is the one that was asked for, and sees to it that something leads to it.
async fn started_before(
    client: &RunClient<'_>,
    store: &dyn Store,
    run: &str,
    key: &str,
    start: &StartRequest<'_>,
) -> Result<(), ClientError> {
    let log = run_log(run)?;
    let page = store.read(&log, 0, 1).await?;
    let mut fold = Fold::new(log);
    let _ = fold.page(&page);
    let state: &RunState = fold.state();
    let Some(begun) = state.begun().filter(|begun| begun.id.as_deref() == Some(key)) else {
        return Err(ClientError::Exists { run: run.to_owned() });
    };
    let is_same = *begun.workflow == *start.workflow && begun.queue.name() == start.queue;
    if !is_same || plain(&begun.input) != plain(start.input) {
        let was = format!("{} with {} in {}", begun.workflow, begun.input, begun.queue.name());
        return Err(key_used(key, &was));
    }
    // Whoever asked first may have died before its entry was put. The next who lets go of the run puts another.
    let first = state.due();
    fold_more(store, &mut fold).await?;
    let state = fold.state();
    if let Some(due) = first.filter(|first| state.next().is_none() && state.due().as_ref() == Some(first)) {
        store.apply(&batches::wake(client.token(), due)).await?;
    }
    Ok(())
}

/// Waits until the history has taken a line of the inbox; false if the run ends before.
pub(super) async fn taken(store: &dyn Store, run: &str, line: (u32, u64)) -> Result<bool, ClientError> {
    until(store, run, |state| {
        if let Some(problem) = state.problem() {
            return Some(Err(ClientError::Corrupt { run: run.to_owned(), problem: problem.clone() }));
        }
        let is_taken = (state.inbox().generation, state.inbox().seq) >= line;
        (is_taken || state.is_ended()).then_some(Ok(is_taken))
    })
    .await?
}

/// Waits until a run has ended, or nothing can be said of that: it is corrupt, or not there.
pub(super) async fn ended(store: &dyn Store, run: &str) -> Result<(), ClientError> {
    let is_over = |state: &RunState| {
        let is_there = state.position() != Position::START;
        (state.problem().is_some() || state.is_ended() || !is_there).then_some(())
    };
    match until(store, run, is_over).await {
        // A look says what is wrong.
        Err(ClientError::Store(Error::Corrupt { .. } | Error::Lost { .. } | Error::Invalid { .. })) => Ok(()),
        waited => waited,
    }
}

/// Folds what comes of a history, until `done` has an answer.
async fn until<T>(
    store: &dyn Store,
    run: &str,
    mut done: impl FnMut(&RunState) -> Option<T>,
) -> Result<T, ClientError> {
    let (log, _) = latest_generation(store, &run_log(run)?).await?;
    let mut fold = Fold::new(log);
    loop {
        fold_more(store, &mut fold).await?;
        let state = fold.state();
        if let Some(answer) = done(state) {
            return Ok(answer);
        }
        match state.next_log() {
            Some(next) if store.end(&next).await?.last != Position::START => fold = Fold::new(next),
            _ => {
                let mut watch = store.watch(Watched::Log(state.log().clone())).await?;
                watch.changed(WATCH_MAX).await;
            }
        }
    }
}
