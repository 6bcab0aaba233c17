//! Runs of our own stores.

use std::collections::VecDeque;

use futures_util::future::join;

use super::shown::{
    Brief, Format, Holder, Letter, Moment, Problem, Run, Seq, State, StepView, Value, Waiting, What, Whole,
};
use super::{Ids, Looked};
use crate::store::{End, Error, Name, Page, Position, Store};
use crate::time::Timestamp;
use crate::workflow::{
    self, Call, Child, Compensation, Cursor, Ending, Entry, Event, Fold, InboxBody, InboxEntry, Json, Message, RUNS,
    RunState, Status, Step, StepState, Wait, WaitState, history, inbox_log, run_log,
};

/// How much of a history is read at a time, in bytes: first, when many are looked at, and when one is followed.
const FIRST_BYTES: usize = 64 << 10;
const PAGE_BYTES: usize = 1 << 20;

/// How many times smaller the next page is when one is damaged.
const SMALLER: usize = 32;

/// Most events of which the time is remembered, to say since when a step waits.
const TIMES_MAX: usize = 1 << 20;

/// Most lines of an inbox that are kept; the first ones are let go.
const LETTERS_MAX: usize = 10_000;

/// A fold that remembers when things happened.
struct Dated {
    fold: Fold,
    times: Vec<Timestamp>,
}

impl Dated {
    fn new(log: Name) -> Self {
        Dated { fold: Fold::new(log), times: Vec::new() }
    }

    /// Folds a page, and hands each event to `visit` until that returns false. Whether the end was reached.
    fn page(&mut self, page: &Page, visit: &mut (dyn FnMut(&Moment<'_>) -> bool + Send)) -> bool {
        for (header, line) in page.lines() {
            let Ok(entry) = self.fold.line(header, line) else { return false };
            if self.times.len() < TIMES_MAX {
                self.times.push(entry.at);
            }
            let state = self.fold.state();
            let seq = Seq { generation: state.log().generation(), number: header.seq };
            let what = What::Own { entry: &entry, line, state };
            if !visit(&Moment { seq, at: Some(entry.at), what }) {
                return false;
            }
        }
        true
    }

    /// When line `seq` was appended, as far as it is remembered.
    fn at(&self, seq: u64) -> Option<Timestamp> {
        let place = usize::try_from(seq.checked_sub(1)?).ok()?;
        // Of a history of which only the end is left there is only the end.
        self.times.get(place).or(self.times.last()).copied().filter(|_| seq <= self.fold.state().position().number())
    }
}

pub(super) async fn ids(store: &dyn Store, start: &str, after: Option<&str>, limit: usize) -> Result<Ids, Error> {
    let after = after.map(run_log).transpose()?;
    let mut names = store.list(RUNS, start, after.as_ref(), limit.saturating_add(1)).await?;
    let more = names.len() > limit;
    names.truncate(limit);
    Ok(Ids { ids: names.iter().map(Name::id).collect(), more, warnings: Vec::new() })
}

/// The history of a run; none if no run can have this id.
fn log_of(id: &str) -> Option<Name> {
    run_log(id).ok()
}

pub(super) async fn has(store: &dyn Store, id: &str) -> Result<bool, Error> {
    let Some(log) = log_of(id) else { return Ok(false) };
    match store.end(&log).await {
        Ok(end) => Ok(end != End::START),
        Err(Error::Corrupt { .. } | Error::Lost { .. }) => Ok(true),
        Err(error) => Err(error),
    }
}

pub(super) async fn look(store: &dyn Store, ids: &[String], _: Timestamp) -> Result<Looked, Error> {
    let logs: Vec<Name> = ids.iter().filter_map(|id| log_of(id)).collect();
    let pages = store.read_first(&logs, FIRST_BYTES).await;
    let mut looked = Looked::default();
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
    let (last, _) = history::latest(store, dated.fold.state().log()).await?;
    if last.generation() > dated.fold.state().log().generation() {
        dated = Dated::new(last);
        go_on(store, &mut dated, &mut |_| true).await?;
    }
    Ok(Some(dated))
}

/// Damage that a store meets is a problem of the history.
fn refuse(fold: &mut Fold, error: Error) -> Result<(), Error> {
    let seq = fold.state().position().number() + 1;
    match error {
        Error::Corrupt { problem, .. } | Error::Lost { problem, .. } => {
            fold.refuse(workflow::Problem { seq, kind: workflow::ProblemKind::Damaged, what: problem });
            Ok(())
        }
        error => Err(error),
    }
}

/// Folds what the history has more, and hands it to `visit` until that returns false. Whether the end was reached.
///
/// A store refuses a page with damage in it as a whole, so what stands in front of the damage is read in smaller ones.
async fn go_on(
    store: &dyn Store,
    dated: &mut Dated,
    visit: &mut (dyn FnMut(&Moment<'_>) -> bool + Send),
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
                refuse(&mut dated.fold, damage.unwrap_or(error))?;
                return Ok(true);
            }
        }
    }
}

pub(super) async fn follow(
    store: &dyn Store,
    id: &str,
    _: Timestamp,
    visit: &mut (dyn FnMut(&Moment<'_>) -> bool + Send),
) -> Result<Option<Whole>, Error> {
    let Some(log) = log_of(id) else { return Ok(None) };
    let mut dated = Dated::new(log);
    let mut problems = Vec::new();
    let mut reached = go_on(store, &mut dated, visit).await?;
    if dated.fold.state().position() == Position::START && dated.fold.state().problem().is_none() {
        return Ok(None);
    }
    while reached && let Some(log) = dated.fold.state().next_log() {
        if store.end(&log).await.is_ok_and(|end| end == End::START) {
            break;
        }
        problems.extend(odd(dated.fold.state()));
        dated = Dated::new(log);
        reached = go_on(store, &mut dated, visit).await?;
    }
    let state = dated.fold.state();
    problems.splice(0..0, problem_of(state));
    problems.extend(odd(state));
    let Letters { kept: inbox, before: inbox_before, problem: inbox_problem } =
        if reached { read_inbox(store, state).await? } else { Letters::default() };
    Ok(Some(Whole {
        run: run_of(&dated),
        state: state_of(&dated),
        problems,
        inbox: inbox.into(),
        inbox_before,
        inbox_problem,
        instance: None,
        warnings: Vec::new(),
    }))
}

/// What makes a history corrupt.
fn problem_of(state: &RunState) -> Option<Problem> {
    let problem = state.problem()?;
    let seq = Seq { generation: state.log().generation(), number: problem.seq };
    let what = match problem.kind {
        // The store says where in its own words.
        workflow::ProblemKind::Damaged => format!("it cannot be read from here on: {}", problem.what),
        _ => problem.what.clone(),
    };
    Some(Problem { seq, what, corrupt: true })
}

/// What is odd about a history.
fn odd(state: &RunState) -> impl Iterator<Item = Problem> {
    let generation = state.log().generation();
    let problem = move |warning: &workflow::Warning| Problem {
        seq: Seq { generation, number: warning.seq },
        what: warning.what.clone(),
        corrupt: false,
    };
    state.warnings().iter().map(problem)
}

/// The last lines of an inbox.
#[derive(Default)]
struct Letters {
    kept: VecDeque<Letter>,
    before: u64,
    problem: Option<String>,
}

/// The lines of the inbox that are there, and whether the run has taken each.
async fn read_inbox(store: &dyn Store, state: &RunState) -> Result<Letters, Error> {
    let mut letters = Letters::default();
    let taken = state.inbox();
    let each = |log: &Name, number: u64, entry: InboxEntry<'_>| {
        let generation = log.generation();
        let is_taken = (generation, number) <= (taken.generation, taken.seq);
        let letter = letter_of(Some(Seq { generation, number }), Some(entry.at), entry.body, is_taken);
        letters.kept.extend(letter);
        if letters.kept.len() > LETTERS_MAX {
            letters.kept.pop_front();
            letters.before += 1;
        }
    };
    let first = Cursor { generation: 1, seq: 0 };
    let reader = history::read_inbox(store, &inbox_log(state.run())?, first, each).await?;
    letters.problem = reader.problem().map(|problem| format!("{}, {problem}", reader.log()));
    Ok(letters)
}

fn letter_of(seq: Option<Seq>, at: Option<Timestamp>, body: InboxBody<'_>, is_taken: bool) -> Option<Letter> {
    let letter = Letter { seq, at, is_taken, ..Letter::new(body.kind()) };
    match body {
        InboxBody::Message(message) => Some(of_message(letter, &message)),
        InboxBody::Cancel(request) => Some(Letter {
            id: Some(request.id.into_owned()),
            value: request.reason.map(|reason| Value::Text(reason.into_owned())),
            from: request.from.map(std::borrow::Cow::into_owned),
            ..letter
        }),
        InboxBody::ChildEnd { id, run, ending, .. } => {
            let value = Some(ending_value(&ending));
            Some(Letter { id: Some(id.into_owned()), event: Some(run.into_owned()), value, ..letter })
        }
        InboxBody::Turn => None,
    }
}

fn of_message(letter: Letter, message: &Message<'_>) -> Letter {
    Letter {
        id: Some(message.id.to_string()),
        event: Some(message.event.to_string()),
        value: Some((&message.value).into()),
        from: message.from.as_ref().map(ToString::to_string),
        ..letter
    }
}

fn ending_value(ending: &Ending<'_>) -> Value {
    match ending {
        Ending::Ok(value) | Ending::Failed(value) => value.into(),
        Ending::Cancelled(reason) => {
            Value::Text(reason.as_ref().map_or("cancelled".into(), |r| format!("cancelled: {r}")))
        }
    }
}

/// A run as its history tells of it.
fn run_of(dated: &Dated) -> Run {
    let state = dated.fold.state();
    let waiting = Waiting::from(state.waiting_for());
    let (mut result, mut error, mut because) = (None, None, None);
    match state.ending() {
        Some(Ending::Ok(value)) => result = Some(value.into()),
        Some(Ending::Failed(value)) => error = Some(value.into()),
        Some(Ending::Cancelled(reason)) => because = reason.as_ref().map(ToString::to_string),
        None => error = retried(state),
    }
    if let Some(problem) = state.problem() {
        because = Some(problem.to_string());
    }
    Run {
        id: state.run().to_owned(),
        workflow: state.workflow().map(str::to_owned),
        status: state.status(),
        since: since(dated),
        waiting_for: Some(waiting).filter(|waiting| !waiting.is_nothing()),
        started_at: state.started_at(),
        updated_at: state.updated_at(),
        ended_at: state.ended_at(),
        events: Some(state.events()),
        format: Format::Own,
        result,
        error,
        because,
        problem: problem_of(state),
        generation: state.log().generation(),
    }
}

/// The error after which a run is to be tried again.
fn retried(state: &RunState) -> Option<Value> {
    if state.status() != Status::Retrying {
        return None;
    }
    if let Some(error) = state.put_off().and_then(|put_off| put_off.error.as_ref()) {
        return Some(error.into());
    }
    let mut retrying: Vec<(Timestamp, &Json<'static>)> = Vec::new();
    if let Some(Compensation::Retrying { at, error, .. }) = state.next_compensation().and_then(Step::compensation) {
        retrying.push((*at, error));
    }
    for step in state.open_steps() {
        if let StepState::Retrying { at, error, .. } = step.state() {
            retrying.push((*at, error));
        }
    }
    retrying.into_iter().min_by_key(|(at, _)| *at).map(|(_, error)| error.into())
}

/// Since when a run stands as it does: what it waits for was begun then.
fn since(dated: &Dated) -> Option<Timestamp> {
    let state = dated.fold.state();
    let first = |wanted: fn(&StepState) -> bool| {
        let steps = state.open_steps().filter(|step| wanted(step.state()));
        steps.filter_map(|step| dated.at(step.first_seq())).min()
    };
    let found = match state.status() {
        Status::Running => state.claim().map(|claim| claim.since),
        Status::Waiting => first(|step| matches!(step, StepState::Wait(_) | StepState::Child(_))),
        Status::Sleeping => first(|step| matches!(step, StepState::Sleeping(_) | StepState::Wait(_))),
        _ => None,
    };
    found.or(state.updated_at())
}

pub(super) fn brief(state: &RunState) -> Brief {
    Brief {
        status: state.status(),
        waiting_for: Some(Waiting::from(state.waiting_for())).filter(|waiting| !waiting.is_nothing()),
        worker: state.claim().map(|claim| claim.worker.to_string()),
    }
}

fn state_of(dated: &Dated) -> State {
    let state = dated.fold.state();
    let begun = state.begun();
    State {
        input: begun.map(|begun| (&begun.input).into()),
        queue: begun.map(|begun| begun.queue.name()),
        parent: begun.and_then(|begun| begun.parent.as_ref()).map(|parent| parent.run.to_string()),
        life: state.life(),
        generation: state.log().generation(),
        holder: state.claim().map(|claim| Holder {
            worker: Some(claim.worker.to_string()),
            since: claim.since,
            until: claim.until,
        }),
        claims: Some(state.claims()),
        steps: state.steps().map(|step| step_of(dated, step)).collect(),
        kept: state.kept().map(kept).collect(),
        cancel: state.cancel().map(|request| request.reason.as_ref().map(ToString::to_string)),
        is_reverting: state.is_reverting(),
    }
}

/// A message that went to no wait yet.
fn kept(message: &Message<'static>) -> Letter {
    let letter = of_message(Letter::new("message"), message);
    Letter { at: message.sent_at, is_taken: true, ..letter }
}

fn step_of(dated: &Dated, step: &Step) -> StepView {
    let view = StepView {
        first_at: dated.at(step.first_seq()),
        last_at: dated.at(step.last_seq()),
        compensation: step.compensation().map(compensation_word),
        is_open: step.state().is_open(),
        ..StepView::new(step.state().kind(), name_of(&step.call()))
    };
    match step.state() {
        StepState::Retrying { attempts, error, at } => StepView {
            state: "retrying",
            attempts: Some(*attempts),
            until: Some(*at),
            error: Some(error.into()),
            ..view
        },
        StepState::Saved { attempts, value } => {
            StepView { attempts: Some(*attempts), value: Some(value.into()), ..view }
        }
        StepState::Failed { attempts, error } => {
            StepView { state: "failed", attempts: Some(*attempts), error: Some(error.into()), ..view }
        }
        StepState::Value(value) => StepView { value: Some(value.into()), ..view },
        StepState::Sleeping(until) => StepView { state: "sleeping", until: Some(*until), ..view },
        StepState::Slept(until) => StepView { until: Some(*until), ..view },
        StepState::Wait(wait) => of_wait(view, wait),
        StepState::Child(child) => of_child(view, child),
        StepState::Revert(over) => StepView { state: if *over { "done" } else { "running" }, ..view },
    }
}

/// `charge#1`, as it is.
fn name_of(call: &Call<'_>) -> String {
    format!("{}#{}", call.step, call.n)
}

fn of_wait(view: StepView, wait: &Wait) -> StepView {
    let state = match wait.state() {
        WaitState::Open => "waiting",
        WaitState::Done => "done",
        WaitState::TimedOut => "timed out",
    };
    let value = wait.messages().last().map(|message| (&message.value).into());
    StepView { state, until: wait.until(), value, subjects: wait.events().map(str::to_owned).collect(), ..view }
}

fn of_child(view: StepView, child: &Child) -> StepView {
    let subjects = vec![child.run().to_owned()];
    match child.ending() {
        None => StepView { state: "waiting", subjects, ..view },
        Some(Ending::Ok(value)) => StepView { value: Some(value.into()), subjects, ..view },
        Some(ending) => StepView { state: "failed", error: Some(ending_value(ending)), subjects, ..view },
    }
}

fn compensation_word(compensation: &Compensation) -> &'static str {
    match compensation {
        Compensation::Ready => "ready",
        Compensation::Retrying { .. } => "retrying",
        Compensation::Done { .. } => "done",
        Compensation::Failed { .. } => "failed",
    }
}

/// The line as it stands, with the generation where it is not the first and the line does not say it.
pub(super) fn item(seq: Seq, entry: &Entry<'_>, line: &[u8]) -> String {
    // The fold has read it, so it is an object in UTF-8.
    let line = String::from_utf8_lossy(line);
    match &entry.event {
        Event::Start(start) if start.generation > 1 => line.into_owned(),
        _ if seq.generation == 1 => line.into_owned(),
        _ => format!("{{\"generation\":{},{}", seq.generation, line.strip_prefix('{').unwrap_or(&line)),
    }
}
