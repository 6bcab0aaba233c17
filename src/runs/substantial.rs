//! Runs of the package `substantial`.

use std::collections::HashMap;

use serde_json::json;

use super::effect;
use super::shown::{
    Brief, Format, Holder, Letter, Moment, Problem, Run, Seq, State, StepView, Unnamed, Value, Waiting, What, Whole,
};
use super::{Ids, Looked};
use crate::compat::substantial::{
    self as package, Body, Client, Event, Fold, Found, History, Life, Payload, Standing, StepState, Stop, WaitingFor,
    Zone, likely_messages,
};
use crate::store::{Error, LIST_PAGE};
use crate::time::Timestamp;
use crate::workflow::Status;

/// How many other runs of a workflow are looked at to tell what a run of it may wait for.
const OTHERS_MAX: usize = 200;

/// How many runs in a Redis are held at a time.
#[cfg(feature = "redis")]
const REDIS_MAX: usize = 500;

/// Most names of messages that a run may wait for.
const LIKELY_MAX: usize = 5;

pub(super) async fn ids(
    client: &Client,
    workflow: Option<&str>,
    start: &str,
    after: Option<&str>,
    limit: usize,
) -> Result<Ids, Error> {
    let mut found = Ids::default();
    // Most names that come before those that are wanted are passed over: those up to the wanted start without its last letter.
    let front = start.char_indices().last().map(|(at, _)| &start[..at]).filter(|front| !front.is_empty());
    let mut after = after.or(front).map(str::to_owned);
    loop {
        let page = client.runs(workflow, after.as_deref(), if start.is_empty() { limit } else { LIST_PAGE }).await?;
        after = page.items.last().map(|listed| listed.run.clone());
        found.warnings.extend(page.warnings);
        let past = page.items.last().is_some_and(|listed| &*listed.run > start && !listed.run.starts_with(start));
        found.ids.extend(page.items.into_iter().map(|listed| listed.run).filter(|run| run.starts_with(start)));
        found.more = page.more && !past;
        if found.ids.len() >= limit || !found.more {
            found.more |= found.ids.len() > limit;
            found.ids.truncate(limit);
            return Ok(found);
        }
    }
}

pub(super) async fn has(client: &Client, id: &str) -> Result<bool, Error> {
    match read_one(client, id).await? {
        None => Ok(false),
        Some(found) if !found.is_nothing() => Ok(true),
        // A start that was cut off behind its first part leaves the link alone.
        Some(_) => Ok(ids(client, None, id, None, 1).await?.ids.iter().any(|known| known == id)),
    }
}

/// All about one run; none if no run can have this id.
async fn read_one(client: &Client, id: &str) -> Result<Option<Found>, Error> {
    match client.read(&[id]).await {
        Ok(mut found) => Ok(found.pop()),
        Err(Error::Invalid { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What is seen of one run.
struct Sight {
    run: Run,
    /// What it was sent, if that says what it may wait for.
    life: Option<Life>,
    warnings: Vec<String>,
    /// Why nothing can be said about it.
    refusal: Option<Error>,
}

impl Sight {
    fn new(zone: &Zone, found: &Found, now: Timestamp) -> Self {
        let history = found.history();
        let run = run_of(zone, found, &history, now);
        let is_unnamed = run.waiting_for.as_ref().is_some_and(|waiting| waiting.unnamed.is_some());
        let life = history.life().filter(|_| is_unnamed).cloned();
        Sight { run, life, warnings: found.warnings.clone(), refusal: found.refusal() }
    }
}

pub(super) async fn look(client: &Client, ids: &[String], now: Timestamp) -> Result<Looked, Error> {
    let mut looked = Looked::default();
    let mut others = Others::default();
    for mut sight in sights(client, ids, now).await? {
        if let Some(refusal) = sight.refusal {
            looked.runs.push((sight.run.id, Err(refusal)));
            continue;
        }
        for warning in sight.warnings {
            if !looked.warnings.contains(&warning) {
                looked.warnings.push(warning);
            }
        }
        if let Some(life) = &sight.life {
            others.complete(client, &mut sight.run, life).await?;
        }
        looked.runs.push((sight.run.id.clone(), Ok(sight.run)));
    }
    Ok(looked)
}

async fn sights(client: &Client, ids: &[String], now: Timestamp) -> Result<Vec<Sight>, Error> {
    let mut sights: Vec<Option<Sight>> = ids.iter().map(|_| None).collect();
    match client {
        Client::Files(files) => {
            let (files, ids) = (files.clone(), ids.to_vec());
            let read = tokio::task::spawn_blocking(move || {
                let names: Vec<&str> = ids.iter().map(String::as_str).collect();
                let zone = files.zone().clone();
                files.read_each(&names, |at, found| sights[at] = Some(Sight::new(&zone, &found, now)))?;
                Ok(sights)
            });
            sights = read.await.unwrap_or_else(|error| Err(Error::unavailable("reading a folder", error)))?;
        }
        #[cfg(feature = "redis")]
        Client::Redis(_) => {
            let chunks = ids.chunks(REDIS_MAX).zip(sights.chunks_mut(REDIS_MAX));
            for (ids, sights) in chunks {
                let names: Vec<&str> = ids.iter().map(String::as_str).collect();
                for (found, sight) in client.read(&names).await?.iter().zip(sights) {
                    *sight = Some(Sight::new(client.zone(), found, now));
                }
            }
        }
    }
    Ok(sights.into_iter().flatten().collect())
}

/// What other runs of each workflow were sent.
#[derive(Default)]
struct Others {
    lives: HashMap<String, Vec<Life>>,
}

impl Others {
    /// Adds what a run that waits for a message may wait for.
    async fn complete(&mut self, client: &Client, run: &mut Run, life: &Life) -> Result<(), Error> {
        let unnamed = run.waiting_for.as_mut().and_then(|waiting| waiting.unnamed.as_mut());
        let (Some(unnamed), Some(workflow)) = (unnamed, &run.workflow) else { return Ok(()) };
        if !self.lives.contains_key(workflow) {
            let mut lives = Vec::new();
            for listed in client.runs(Some(workflow), None, OTHERS_MAX).await?.items {
                // One that cannot be read tells nothing.
                let reading = client.reading(&listed.run).await.ok().flatten();
                lives.extend(reading.into_iter().flat_map(|reading| package::fold(&reading.records).lives));
            }
            self.lives.insert(workflow.clone(), lives);
        }
        let lives = self.lives.get(workflow).map(Vec::as_slice).unwrap_or_default();
        unnamed.likely = likely_messages(life, lives).into_iter().take(LIKELY_MAX).map(|(name, _)| name).collect();
        Ok(())
    }
}

fn waiting_of(waiting: WaitingFor) -> Option<Waiting> {
    let nothing = Waiting::default();
    match waiting {
        WaitingFor::Message { not } => Some(Waiting { unnamed: Some(Unnamed { not, likely: Vec::new() }), ..nothing }),
        WaitingFor::Until(until) => Some(Waiting { until: Some(until), ..nothing }),
        WaitingFor::RetryAt(retry_at) => retry_at.map(|at| Waiting { retry_at: Some(at), ..nothing }),
        WaitingFor::Worker => None,
    }
}

fn run_of(zone: &Zone, found: &Found, history: &History, now: Timestamp) -> Run {
    let standing = Standing::of(found, history, zone, now);
    let (mut result, mut error) = (None, None);
    match history.life().and_then(|life| life.end.as_ref()).map(|end| &end.how) {
        Some(Stop::Ok(payload)) => result = Some(Value::from(payload)),
        Some(Stop::Err(payload)) => error = Some(Value::from(payload)),
        Some(Stop::Unsaid) | None => {}
    }
    if standing.status == Status::Retrying {
        let replay = found.replays.first().and_then(|replay| replay.error());
        error = replay.and_then(|note| note.error.clone().or(Some(note.message.clone()))).map(Value::Text);
    }
    let dates = found.replays.first().map(|replay| zone.point(replay.at()));
    let sent = history.life().and_then(|life| life.sent.last()).and_then(|sent| sent.at).map(|at| zone.point(at));
    let updated_at = [standing.started_at, dates, sent, standing.ended_at].into_iter().flatten().max();
    Run {
        id: found.run.clone(),
        workflow: Some(found.workflow.clone()),
        status: standing.status,
        since: standing.since.or(updated_at),
        waiting_for: standing.waiting_for.and_then(waiting_of),
        started_at: standing.started_at,
        updated_at,
        ended_at: standing.ended_at,
        events: Some(history.events as u64),
        format: Format::Substantial,
        result,
        error,
        because: Some(standing.because).filter(|because| !because.is_empty()),
        problem: problems_of(found, history).into_iter().next(),
        generation: 1,
    }
}

pub(super) async fn follow(
    client: &Client,
    id: &str,
    now: Timestamp,
    visit: &mut (dyn FnMut(&Moment<'_>) -> bool + Send),
) -> Result<Option<Whole>, Error> {
    let Some(mut found) = read_one(client, id).await? else { return Ok(None) };
    if found.is_nothing() && !has(client, id).await? {
        return Ok(None);
    }
    if let Some(refusal) = found.refusal() {
        return Err(refusal);
    }
    let events = found.reading.as_ref().map(|reading| reading.records.events.as_slice()).unwrap_or_default();
    let mut fold = Fold::default();
    let mut reached = true;
    for event in events {
        let effect = fold.event(event);
        let seq = Seq::first(fold.history().events as u64);
        let at = event.at.map(|at| client.zone().point(at));
        let what = What::Substantial { event, effect: &effect, history: fold.history() };
        if !visit(&Moment { seq, at, what }) {
            reached = false;
            break;
        }
    }
    let history = fold.into_history();
    if !reached {
        forget_what_came_later(&mut found);
    }
    let mut run = run_of(client.zone(), &found, &history, now);
    if !reached {
        let brief = brief(&history);
        (run.status, run.waiting_for, run.because) = (brief.status, brief.waiting_for, None);
        run.since = run.updated_at;
    }
    if let Some(life) = history.life() {
        Others::default().complete(client, &mut run, life).await?;
    }
    Ok(Some(Whole {
        state: state_of(client, &found, &history),
        problems: problems_of(&found, &history),
        inbox: letters(client, &found, &history),
        inbox_before: 0,
        inbox_problem: None,
        instance: None,
        warnings: found.warnings.clone(),
        run,
    }))
}

/// What lies around a history tells of its end, and not of an event before.
fn forget_what_came_later(found: &mut Found) {
    (found.schedules, found.schedules_count, found.lease) = (Vec::new(), 0, None);
    (found.replays, found.replays_count) = (Vec::new(), 0);
    if let Some(reading) = &mut found.reading {
        reading.misread = None;
    }
}

/// What is wrong: what no worker can go on from first.
fn problems_of(found: &Found, history: &History) -> Vec<Problem> {
    let misread = found.reading.as_ref().and_then(|reading| reading.misread.as_ref());
    let misread = misread.map(|misread| Problem {
        seq: Seq::first(misread.event.unwrap_or(history.events) as u64 + 1),
        what: format!("at byte {}: {}", misread.byte, misread.what),
        corrupt: true,
    });
    let damage = found.damage().map(|damage| Problem { seq: Seq::first(1), what: damage.to_owned(), corrupt: true });
    let odd = history.problems.iter().map(|odd| Problem {
        seq: Seq::first(odd.event as u64 + 1),
        what: odd.what.clone(),
        corrupt: odd.corrupt,
    });
    let mut problems: Vec<Problem> = misread.into_iter().chain(damage).chain(odd).collect();
    problems.sort_by_key(|problem| (!problem.corrupt, problem.seq));
    problems
}

/// Where a run stands as far as its history alone tells.
pub(super) fn brief(history: &History) -> Brief {
    let status = match history.life() {
        _ if history.corrupt => Status::Corrupt,
        None => Status::Pending,
        Some(life) => match &life.end {
            Some(end) if matches!(end.how, Stop::Err(_)) => Status::Failed,
            Some(_) => Status::Completed,
            None if life.steps.iter().any(|step| matches!(step.state, StepState::Retrying(_))) => Status::Retrying,
            None => Status::Running,
        },
    };
    Brief { status, waiting_for: None, worker: None }
}

fn state_of(client: &Client, found: &Found, history: &History) -> State {
    let Some(life) = history.life() else {
        return State { life: 1, generation: 1, queue: queue_of(found), ..State::default() };
    };
    let mut steps: Vec<(usize, StepView)> = Vec::new();
    for step in &life.steps {
        let first = step.attempts.first().map_or(0, |attempt| attempt.event);
        steps.push((first, save_view(step)));
    }
    for sleep in &life.sleeps {
        let over = life.steps.iter().flat_map(|step| &step.attempts).any(|attempt| attempt.event > sleep.event);
        let over = over || life.end.is_some();
        let view = StepView {
            state: if over { "done" } else { "sleeping" },
            until: sleep.end,
            first_at: sleep.start,
            last_at: sleep.end.filter(|_| over),
            is_open: !over,
            ..StepView::new("sleep", format!("sleep {}", sleep.id))
        };
        steps.push((sleep.event, view));
    }
    for sent in &life.sent {
        let at = sent.at.map(|at| client.zone().point(at));
        let view = StepView {
            state: if sent.nth == 1 { "done" } else { "unseen" },
            first_at: at,
            last_at: at,
            value: Some((&sent.value).into()),
            ..StepView::new("receive", format!("message {}", sent.name))
        };
        steps.push((sent.event, view));
    }
    steps.sort_by_key(|(event, _)| *event);
    State {
        input: Some((&life.kwargs).into()),
        queue: queue_of(found),
        life: u32::try_from(history.lives.len()).unwrap_or(u32::MAX),
        generation: 1,
        holder: found.lease.map(|lease| Holder { worker: None, since: lease.since, until: lease.until }),
        steps: steps.into_iter().map(|(_, view)| view).collect(),
        is_reverting: life.end.is_none() && !life.compensations.is_empty(),
        ..State::default()
    }
}

fn queue_of(found: &Found) -> Option<String> {
    found.schedules.first().map(|schedule| schedule.queue.clone())
}

fn save_view(step: &crate::compat::substantial::Step) -> StepView {
    let attempts = Some(step.attempts.len() as u64);
    let view = StepView { attempts, ..StepView::new("save", format!("step {}", step.id)) };
    match &step.state {
        StepState::Done(payload) => StepView { value: Some(payload.into()), ..view },
        StepState::Retrying(_) => StepView { state: "retrying", is_open: true, ..view },
    }
}

/// What came, and what is planned and no worker has taken.
fn letters(client: &Client, found: &Found, history: &History) -> Vec<Letter> {
    let point = |at: Timestamp| client.zone().point(at);
    let mut letters = Vec::new();
    for sent in history.lives.iter().flat_map(|life| &life.sent) {
        letters.push(Letter {
            seq: Some(Seq::first(sent.event as u64 + 1)),
            at: sent.at.map(point),
            event: Some(sent.name.to_string()),
            value: Some((&sent.value).into()),
            is_taken: true,
            ..Letter::new("message")
        });
    }
    for schedule in &found.schedules {
        let Some(body) = schedule.event.as_ref().and_then(|event| event.body.as_ref()) else { continue };
        let (kind, event, value) = match body {
            Body::Start(kwargs) => ("start", None, Some(kwargs)),
            Body::Send(send) => ("message", Some(send.name.to_string()), Some(&send.value)),
            Body::Stop(Stop::Ok(payload) | Stop::Err(payload)) => ("stop", None, Some(payload)),
            Body::Stop(Stop::Unsaid) => ("stop", None, None),
            Body::Save(_) | Body::Sleep(_) => continue,
        };
        let at = Some(point(schedule.at));
        letters.push(Letter { at, event, value: value.map(Value::from), ..Letter::new(kind) });
    }
    letters
}

/// The event as an object; payloads as the JSON that they hold.
pub(super) fn item(seq: Seq, at: Option<Timestamp>, event: &Event) -> String {
    // Text that is JSON already, and put in as it is.
    let of = |payload: &Payload| Value::from(payload).json().into_owned();
    let mut members: Vec<(&str, String)> = vec![("seq", seq.number.to_string())];
    members.push(("at", json!(at.map(|at| at.to_string())).to_string()));
    members.push(("type", json!(effect::kind_of(event)).to_string()));
    match &event.body {
        Some(Body::Start(kwargs)) => members.push(("kwargs", of(kwargs))),
        Some(Body::Save(save)) => members.extend([
            ("id", save.id.to_string()),
            ("counter", save.counter.to_string()),
            ("value", of(&save.value)),
        ]),
        Some(Body::Sleep(sleep)) => members.extend([
            ("id", sleep.id.to_string()),
            ("start", json!(sleep.start.map(|at| at.to_string())).to_string()),
            ("end", json!(sleep.end.map(|at| at.to_string())).to_string()),
        ]),
        Some(Body::Send(send)) => members.extend([("name", json!(send.name).to_string()), ("value", of(&send.value))]),
        Some(Body::Stop(Stop::Ok(payload))) => members.push(("ok", of(payload))),
        Some(Body::Stop(Stop::Err(payload))) => members.push(("err", of(payload))),
        Some(Body::Stop(Stop::Unsaid)) | None => {}
    }
    if let Some(compensation) = &event.compensation {
        members.extend([
            ("save_id", compensation.save.to_string()),
            ("error", json!(compensation.error).to_string()),
            ("compensation_result", of(&compensation.result)),
        ]);
    }
    let unknown: Vec<&str> = event.unknown.iter().map(|(name, _)| &**name).collect();
    if !unknown.is_empty() {
        members.push(("unknown", json!(unknown).to_string()));
    }
    let members: Vec<String> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", members.join(","))
}
