//! Every change that the protocol makes to a store, each as one batch of which every prefix is safe.
//!
//! A batch that several stores apply in order may stop anywhere: the process dies, or another was faster. What has landed
//! then must be a state from which somebody goes on without losing anything, and somebody must come to look. So each
//! function here says why that holds after each of its parts. They stand on these rules:
//!
//! 1. **Only the holder of the claim appends to a history**, and reads the inbox only after its claim has landed. So what is
//!    in the inbox before a claim is seen under it.
//! 2. **What led a worker to a run stays until the worker lets go of the run**, and is dropped in that same batch, behind the
//!    lines that make it needless. If the worker dies, it leads another to the run when the claim is over.
//! 3. **Each entry belongs to one line** ([`run_due`] and [`inbox_due`]): the `start` or `release` after which nobody holds
//!    the run, or a line of the inbox. It is put by the batch that appends the line, and dropped only by who has seen a later
//!    `release` or the end of that history, or has seen that line of the inbox. So a batch that is carried out late, or a
//!    second time, drops nothing that is needed.
//! 4. **An entry too many does no harm**: whoever it leads to a run finds nothing to do, and drops it ([`look`]).
//! 5. **Who is led to a run reads its history after the entry was seen**, so the history has the line that the entry belongs
//!    to.
//!
//! The functions fold the lines that they make, so none makes a history corrupt, and the fold is then where the store is once
//! the batch has landed. If the store refuses the batch, or a function fails, the fold is ahead of the store and is to be
//! thrown away. [`Error::Conflict`] and [`Error::Sealed`] on a history mean that the run was lost to another worker, and on an
//! inbox that its end has to be read again.

use std::borrow::Cow;

use super::due::{inbox_due, run_due};
use crate::json::Json;
use crate::store::{BATCH_BYTES_MAX, Batch, Due, Error, Header, Line, Name, Position, Queue, Token};
use crate::time::Timestamp;
use crate::workflow::state::snapshot::{nested_start, next_start};
use crate::workflow::{
    Begun, Call, Ending, Entry, Event, Fold, InboxBody, InboxEntry, Parent, Problem, PutOff, RunState, Start, Step,
    StepState, Stop, run_log,
};

/// What tells a batch from others, and the time.
#[derive(Clone, Copy, Debug)]
pub struct Stamp {
    /// New for each batch, and the same when the same batch is made again.
    pub token: Token,
    /// The present time. Lines get this time, or one just after that of the line before if it is earlier.
    pub now: Timestamp,
}

/// Who takes a run, and until when.
#[derive(Clone, Copy, Debug)]
pub struct WorkerLease<'a> {
    /// The worker.
    pub worker: &'a str,
    /// Until when no other may take the run.
    pub until: Timestamp,
}

/// The inbox of a run as a sender knows it.
#[derive(Clone, Debug)]
pub struct InboxEnd {
    /// The queue of the run.
    pub queue: Queue,
    /// The inbox, in the generation that takes lines.
    pub log: Name,
    /// Where it ends.
    pub end: Position,
}

/// Why a batch cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum DraftError {
    /// The history would be corrupt, or is.
    #[error("the history of {run} cannot go on like this")]
    Problem {
        /// The run.
        run: String,
        /// What would be wrong.
        #[source]
        problem: Problem,
    },
    /// A line is too long or too deep, or all together are too much.
    #[error(transparent)]
    Store(#[from] Error),
}

/// Lines that follow what a fold has seen.
struct Draft<'f> {
    fold: &'f mut Fold,
    token: Token,
    at: Timestamp,
    after: Position,
    lines: Vec<Line>,
    bytes: usize,
}

impl<'f> Draft<'f> {
    fn new(fold: &'f mut Fold, stamp: Stamp) -> Self {
        let (at, after) = (line_time(fold.state(), stamp.now), fold.state().position());
        Draft { fold, token: stamp.token, at, after, lines: Vec::new(), bytes: 0 }
    }

    fn state(&self) -> &RunState {
        self.fold.state()
    }

    /// Adds lines that all stand under the same claim. If one cannot be a line, nothing is folded.
    fn add(&mut self, claim: Option<u64>, events: Vec<Event<'_>>) -> Result<(), DraftError> {
        let at = self.at;
        let sealed: Vec<bool> = events.iter().map(Event::seals).collect();
        let lines = events.into_iter().map(|event| Entry { at, claim, event }.line()).collect::<Result<Vec<_>, _>>()?;
        self.bytes += lines.iter().map(|line| line.as_str().len()).sum::<usize>();
        if self.bytes > BATCH_BYTES_MAX {
            let problem = format!("it has {} bytes, more than {BATCH_BYTES_MAX}", self.bytes);
            return Err(Error::Invalid { what: "batch".to_owned(), problem }.into());
        }
        for (line, sealed) in lines.into_iter().zip(sealed) {
            self.push(line, sealed)?;
        }
        Ok(())
    }

    fn push(&mut self, line: Line, sealed: bool) -> Result<(), DraftError> {
        let seq = self.after.number().saturating_add(self.lines.len() as u64 + 1);
        let header = Header { seq, token: self.token, more: false, sealed };
        let folded = self.fold.line(header, line.as_str().as_bytes()).map(|_| ());
        folded.map_err(|problem| self.problem(problem))?;
        self.lines.push(line);
        Ok(())
    }

    fn problem(&self, problem: Problem) -> DraftError {
        DraftError::Problem { run: self.state().log().to_string(), problem }
    }

    /// Adds lines under the claim that is held.
    fn held(&mut self, events: Vec<Event<'_>>) -> Result<(), DraftError> {
        let claim = self.state().claim().map(|claim| claim.number);
        self.add(claim, events)
    }

    fn claim(&mut self, hold: WorkerLease<'_>) -> Result<(), DraftError> {
        let number = self.state().claims().saturating_add(1);
        self.add(Some(number), vec![Event::Claim { worker: hold.worker.into(), until: hold.until }])
    }

    fn append(self, batch: Batch) -> Batch {
        let log = self.fold.state().log().clone();
        match self.fold.state().is_sealed() {
            true => batch.seal(&log, self.after, self.lines),
            false => batch.append(&log, self.after, self.lines),
        }
    }
}

/// The time of the next lines of a history.
fn line_time(state: &RunState, now: Timestamp) -> Timestamp {
    state.updated_at().map_or(now, |before| now.max(before.offset_micros(1)))
}

/// Puts what is due next and drops what is needless with it.
fn serve(batch: Batch, key: &str, next: Option<&Due>, needless: impl IntoIterator<Item = Due>) -> Batch {
    let batch = next.into_iter().cloned().fold(batch, Batch::put_due);
    let droppable = |due: &Due| due.run.key() == key && next != Some(due);
    needless.into_iter().filter(droppable).fold(batch, Batch::drop_due)
}

/// What a worker that lets go of a run drops: what led it there, and what would have led others.
fn needless(state: &RunState, served: &[Due]) -> Vec<Due> {
    let release = state.release_due().filter(|due| !served.contains(due));
    served.iter().cloned().chain(release).collect()
}

/// Begins the children that `events` tell of.
fn begin_children(mut batch: Batch, events: &[Event<'_>]) -> Result<Batch, DraftError> {
    for event in events {
        if let Event::Child { run, start, .. } = event {
            batch = begin(batch, run, start)?;
        }
    }
    Ok(batch)
}

/// Appends the first line of a run, as it was written down elsewhere, and puts the entry that leads to it.
fn begin(batch: Batch, run: &str, start: &Json<'_>) -> Result<Batch, DraftError> {
    let log = run_log(run)?;
    let unfit = |problem: String| Error::Invalid { what: format!("start of {log}"), problem };
    let begun = nested_start(start).map_err(|fault| unfit(fault.what.into_owned()))?;
    let entry = Entry::parse(start.text().as_bytes()).map_err(|fault| unfit(fault.what.into_owned()))?;
    let due = run_due(&Queue::new(&begun.queue).map_err(Error::from)?, &log, 1, entry.at);
    Ok(batch.append(&log, Position::START, vec![Line::new(start.text())?]).put_due(due))
}

/// A run begins: [append `start`, put due].
///
/// - After the append: the run is there, and nothing leads to it. Whoever asked has no answer and asks again, with the same
///   run id: the append is then refused, they see that the line there is what they asked for, and put the entry ([`wake`]).
///   If they never ask again, nobody was promised anything, and `fsck` puts it.
/// - After both: it is due.
///
/// A worker that starts a run may `hold` it at once. What leads to it then is the entry that is put here.
///
/// # Errors
/// [`DraftError`], also if the fold has seen lines.
pub fn start(
    fold: &mut Fold,
    stamp: Stamp,
    start: Start<'_>,
    hold: Option<WorkerLease<'_>>,
) -> Result<Batch, DraftError> {
    let mut draft = Draft::new(fold, stamp);
    draft.add(None, vec![Event::Start(Box::new(start))])?;
    let due = draft.state().due();
    if let Some(hold) = hold {
        draft.claim(hold)?;
    }
    let key = draft.state().log().key().to_owned();
    Ok(serve(draft.append(Batch::new(stamp.token)), &key, due.as_ref(), None))
}

/// Something leads to a run: [put due]. For who finds that a batch has stopped before its entry.
pub fn wake(token: Token, due: Due) -> Batch {
    Batch::new(token).put_due(due)
}

/// Tells a run something: [append to the inbox, put due at once].
///
/// - After the append: the line is in the inbox, and perhaps nothing leads to it. The sender has no answer and applies the
///   same batch again, which finds the line and puts the entry. If it never does, nobody was promised anything: the run sees
///   the line when it is next looked at, and `fsck` puts the entry before that.
/// - After both: whoever looks takes the run, unless it has no use for the line now. Then the line stays and is seen under
///   the next claim (rule 1).
///
/// # Errors
/// [`DraftError::Store`] if the line is too long or too deep.
pub fn send(stamp: Stamp, inbox: &InboxEnd, body: InboxBody<'_>) -> Result<Batch, DraftError> {
    Ok(tell(Batch::new(stamp.token), stamp.now, inbox, body)?)
}

fn tell(batch: Batch, at: Timestamp, inbox: &InboxEnd, body: InboxBody<'_>) -> Result<Batch, Error> {
    let line = InboxEntry { at, body }.line()?;
    let due = inbox_due(&inbox.queue, &inbox.log, inbox.end.number().saturating_add(1), at);
    Ok(batch.append(&inbox.log, inbox.end, vec![line]).put_due(due))
}

/// The inbox goes on in its next generation: [seal the inbox]. For the worker that holds the run, when the inbox has grown long.
///
/// One part. Senders that were on their way are refused, and go to the next generation, which needs no first line. The
/// worker takes the lines up to the seal, and the seal, before any of the next generation.
///
/// # Errors
/// None but what a line can have.
pub fn turn(stamp: Stamp, inbox: &InboxEnd) -> Result<Batch, DraftError> {
    let line = InboxEntry { at: stamp.now, body: InboxBody::Turn }.line()?;
    Ok(Batch::new(stamp.token).seal(&inbox.log, inbox.end, vec![line]))
}

/// A worker takes a run: [append `claim`].
///
/// One part. The entry that led here stays (rule 2), so if the worker dies, another is led to the run until it is let go of.
///
/// # Errors
/// [`DraftError`].
pub fn claim(fold: &mut Fold, stamp: Stamp, hold: WorkerLease<'_>) -> Result<Batch, DraftError> {
    let mut draft = Draft::new(fold, stamp);
    draft.claim(hold)?;
    Ok(draft.append(Batch::new(stamp.token)))
}

/// A worker needs its run longer: [append `renew`]. One part.
///
/// # Errors
/// [`DraftError`], also if the run is not held.
pub fn renew(fold: &mut Fold, stamp: Stamp, until: Timestamp) -> Result<Batch, DraftError> {
    commit(fold, stamp, vec![Event::Renew { until }])
}

/// A worker records what has happened and goes on: [append events, then for each child: append its `start`, put its due].
///
/// - Before the append: nothing of this has happened, and it may happen again.
/// - After it: all of it has, and never will again. The worker holds the run, and what led it here is still there (rule 2).
///   Children that were not begun are found open by who takes the run over, and begun from what is written down of them
///   ([`finish_child`]); the worker that told of them does so before it lets go of the run.
/// - After a child's `start`: as in [`start`]; its parent finds that its child has no entry, as above.
///
/// # Errors
/// [`DraftError`], also if the run is not held.
pub fn commit(fold: &mut Fold, stamp: Stamp, events: Vec<Event<'_>>) -> Result<Batch, DraftError> {
    let mut draft = Draft::new(fold, stamp);
    let children = children_of(&events);
    draft.held(events)?;
    begin_children(draft.append(Batch::new(stamp.token)), &children)
}

fn children_of<'a>(events: &[Event<'a>]) -> Vec<Event<'a>> {
    events.iter().filter(|event| matches!(event, Event::Child { .. })).cloned().collect()
}

/// A worker records what has happened and lets go of the run: [append events and `release`, begin children, put the entry of
/// that line, drop what was served and the entry of the `release` before].
///
/// - After the append: nobody holds the run. What was served still leads to it, so somebody comes, finds it let go of, and
///   goes on from there: children that were not begun are begun, and the entry is put ([`look`]).
/// - After the entry was put: as it should be, with entries too many (rule 4).
///
/// `served` are the entries that the worker saw before it claimed the run, and those of lines that it took from the inbox. If
/// only a message lets the run go on, there is no entry to put: the message brings its own.
///
/// # Errors
/// [`DraftError`], also if the run is not held.
pub fn release<'a>(
    fold: &mut Fold,
    stamp: Stamp,
    mut events: Vec<Event<'a>>,
    put_off: Option<PutOff<'a>>,
    served: &[Due],
) -> Result<Batch, DraftError> {
    let needless = needless(fold.state(), served);
    let mut draft = Draft::new(fold, stamp);
    let children = children_of(&events);
    events.push(Event::Release(put_off));
    draft.held(events)?;
    let (next, key) = (draft.state().due(), draft.state().log().key().to_owned());
    let batch = begin_children(draft.append(Batch::new(stamp.token)), &children)?;
    Ok(serve(batch, &key, next.as_ref(), needless))
}

/// Clears away entries that led to a run which nobody holds and which has nothing to do yet: [put the entry of its last
/// `release`, drop the others]. Nothing if somebody holds it.
///
/// What was `served` was seen before the history was read (rule 5), so all but the entry of its last `release` belong to lines
/// before that, or are those of lines of the inbox that the run has no use for yet; who looks has seen these too. The children
/// of the run have to be there ([`finish_child`]).
///
/// - After the put: whoever let go of the run may have died before that. Entries too many.
/// - If the run is claimed meanwhile: its worker puts the entry of its own `release` when it lets go.
pub fn look(token: Token, state: &RunState, served: &[Due]) -> Batch {
    let batch = Batch::new(token);
    if state.claim().is_some() || state.is_ended() || state.next().is_some() {
        return batch;
    }
    serve(batch, state.log().key(), state.due().as_ref(), served.iter().cloned())
}

/// A run ends: [append events and `stop`, sealed; append its end to the inbox of its parent, put due for the parent; drop what
/// was served].
///
/// - After the seal: the run has ended, once, since nothing can follow a seal. What was served still leads to it; whoever comes
///   finds it ended, tells the parent ([`tell_parent`]) and drops the entry ([`drop_ended`]).
/// - After the parent's inbox: as [`send`]. Whoever comes and cannot tell whether the parent was told tells it again: an end
///   that its history has already is passed over by a `skip`, so it reaches the parent once.
/// - After all but the drop: entries too many. For an ended run they may be dropped at any time, since none is ever put again.
///
/// `parent` is where to tell of the end; it has to be given if the run has a parent whose inbox is there.
///
/// # Errors
/// [`DraftError`], also if the run is not held.
pub fn stop<'a>(
    fold: &mut Fold,
    stamp: Stamp,
    mut events: Vec<Event<'a>>,
    ending: Ending<'a>,
    parent: Option<&InboxEnd>,
    served: &[Due],
) -> Result<Batch, DraftError> {
    let needless = needless(fold.state(), served);
    let mut draft = Draft::new(fold, stamp);
    let children = children_of(&events);
    let state = draft.state();
    let stop = Stop {
        ending,
        workflow: state.workflow().map(|workflow| Cow::Owned(workflow.to_owned())),
        started_at: state.started_at(),
        events: Some(state.events().saturating_add(events.len() as u64 + 1)),
    };
    events.push(Event::Stop(Box::new(stop)));
    draft.held(events)?;
    let (at, key) = (draft.at, draft.state().log().key().to_owned());
    let body = own_end(draft.state());
    let mut batch = begin_children(draft.append(Batch::new(stamp.token)), &children)?;
    if let (Some(inbox), Some(body)) = (parent, body) {
        batch = tell(batch, at, inbox, body)?;
    }
    Ok(serve(batch, &key, None, needless))
}

/// What the parent of an ended run is told; none if it has none.
fn own_end(run: &RunState) -> Option<InboxBody<'static>> {
    let parent = run.begun()?.parent.as_ref()?;
    Some(child_end(run.run(), parent.call.clone(), run.ending()?.clone()))
}

/// What the parent of a run is told of its end.
fn child_end<'a>(run: &str, call: Call<'a>, ending: Ending<'a>) -> InboxBody<'a> {
    InboxBody::ChildEnd { id: Cow::Owned(format!("end of {run}")), run: Cow::Owned(run.to_owned()), call, ending }
}

/// Tells the parent of a run that the run has ended: [append to the parent's inbox, put due for the parent]. For who finds an
/// ended run whose parent may not know. `call` is the step of the parent that began it.
///
/// As [`send`].
///
/// # Errors
/// [`DraftError::Store`] if the ending is too long or too deep for a line.
pub fn tell_parent(
    stamp: Stamp,
    run: &str,
    call: Call<'_>,
    ending: Ending<'_>,
    parent: &InboxEnd,
) -> Result<Batch, DraftError> {
    send(stamp, parent, child_end(run, call, ending))
}

/// Drops entries of a run that has ended and whose parent was told: [drop what was served].
///
/// Safe in any prefix: nothing ever needs to lead to an ended run again.
pub fn drop_ended(token: Token, ended: &RunState, served: &[Due]) -> Batch {
    let mine = |due: &&Due| ended.is_ended() && due.run.key() == ended.log().key();
    served.iter().filter(mine).cloned().fold(Batch::new(token), Batch::drop_due)
}

/// A run goes on in its next generation, with another input and nothing done: [append events and `continue`, sealed; append
/// the first line of the next generation, and a `claim` if the worker goes on; put the entry of the first line, drop what was
/// served and the entry of the `release` before].
///
/// - After the seal: the old generation takes nothing any more, and the new one has no line. The seal has all that it begins
///   with, so anybody can append its first line ([`finish_generation`]); and what was served still leads here. Messages that
///   were taken and not used are in that line, and the inbox is the same.
/// - After the first line: nobody holds the run, or the worker does; what was served still leads here, from the old generation
///   to the new one, which whoever comes finds behind the seal.
/// - After the entry was put: entries too many.
///
/// Returns the fold of the next generation with the batch.
///
/// # Errors
/// [`DraftError`], also if the run is not held.
pub fn continue_using(
    fold: &mut Fold,
    stamp: Stamp,
    events: Vec<Event<'_>>,
    (workflow, input): (&str, Json<'_>),
    hold: Option<WorkerLease<'_>>,
    served: &[Due],
) -> Result<(Batch, Fold), DraftError> {
    go_on(fold, stamp, events, Some((workflow, input)), hold, served)
}

/// A run goes on in its next generation as it is, so that what led to its state can be forgotten. Parts and prefixes are those
/// of [`continue_using`], with `compact` as the seal.
///
/// # Errors
/// [`DraftError`], also if the run is not held, or its state does not fit into a line.
pub fn compact(
    fold: &mut Fold,
    stamp: Stamp,
    hold: Option<WorkerLease<'_>>,
    served: &[Due],
) -> Result<(Batch, Fold), DraftError> {
    go_on(fold, stamp, Vec::new(), None, hold, served)
}

fn go_on(
    fold: &mut Fold,
    stamp: Stamp,
    events: Vec<Event<'_>>,
    anew: Option<(&str, Json<'_>)>,
    hold: Option<WorkerLease<'_>>,
    served: &[Due],
) -> Result<(Batch, Fold), DraftError> {
    let needless = needless(fold.state(), served);
    let mut draft = Draft::new(fold, stamp);
    let children = children_of(&events);
    draft.held(events)?;
    let as_it_is = anew.is_none();
    let next = next_start(draft.state(), draft.at, anew)?;
    let first = Line::new(next.text())?;
    draft.held(vec![if as_it_is { Event::Compact { next } } else { Event::Continue { next } }])?;
    let (at, log) = (draft.at, draft.state().log().next_generation());
    let batch = begin_children(draft.append(Batch::new(stamp.token)), &children)?;

    let mut next = Fold::new(log.clone());
    let mut draft = Draft { at, ..Draft::new(&mut next, stamp) };
    draft.push(first, false)?;
    let due = draft.state().due();
    if let Some(hold) = hold {
        draft.claim(hold)?;
    }
    let batch = serve(draft.append(batch), log.key(), due.as_ref(), needless);
    Ok((batch, next))
}

/// Appends the first line of a generation that was begun by a seal and is not there: [append it, put due].
///
/// The line is the one that the seal carries, so whoever does this does the same. After the append: whatever led here still
/// does. After both: entries too many at worst.
///
/// # Errors
/// [`DraftError::Store`] if the history does not go on in another generation.
pub fn finish_generation(token: Token, sealed: &RunState) -> Result<Batch, DraftError> {
    let problem = "it does not go on in another generation".to_owned();
    let invalid = || Error::Invalid { what: format!("history {}", sealed.log()), problem };
    let next = sealed.next().ok_or_else(invalid)?;
    let mut fold = Fold::new(sealed.log().next_generation());
    let mut draft = Draft::new(&mut fold, Stamp { token, now: sealed.updated_at().unwrap_or(Timestamp::MIN) });
    draft.push(Line::new(next.text())?, false)?;
    let due = draft.state().due();
    let batch = draft.append(Batch::new(token));
    Ok(due.into_iter().fold(batch, Batch::put_due))
}

/// Begins a child that its parent tells of and that is not there: [append its `start`, put its due].
///
/// The line is the one that the parent's history carries. As [`start`].
///
/// # Errors
/// [`DraftError::Store`] if the step has no child that is still to end.
pub fn finish_child(token: Token, step: &Step) -> Result<Batch, DraftError> {
    let invalid = |problem: &str| Error::Invalid { what: format!("step {}", step.call()), problem: problem.to_owned() };
    let StepState::Child(child) = step.state() else { return Err(invalid("it has no child").into()) };
    let start = child.start().ok_or_else(|| invalid("its child has ended"))?;
    begin(Batch::new(token), child.run(), start)
}

/// The event that begins a child, to be committed at `now` at the latest.
///
/// # Errors
/// [`Error::Invalid`] if its input is too long or too deep.
pub fn child(parent: &RunState, now: Timestamp, call: Call<'_>, start: Start<'_>) -> Result<Event<'static>, Error> {
    let begun = parent.begun();
    let queue = begun.map_or_else(|| Cow::Borrowed("default"), Begun::queue_name);
    let call = Call { step: Cow::Owned(call.step.into_owned()), n: call.n };
    let run: Cow<'static, str> = Cow::Owned(start.run.clone().into_owned());
    let parent_of = Parent { run: Cow::Owned(parent.run().to_owned()), queue, call: call.clone() };
    let start = Start { parent: Some(parent_of), ..start };
    let entry = Entry { at: line_time(parent, now), claim: None, event: Event::Start(Box::new(start)) };
    Ok(Event::Child { call, run, start: entry.body()? })
}
