//! Whether one run is as the protocol leaves it.

use std::collections::HashSet;

use super::{FsckOptions, Suspect};
use crate::chance::Random;
use crate::store::{Due, End, Error, Finding, Name, Position, Queue, Store, Token};
use crate::time::Timestamp;
use crate::workflow::batches::{self, InboxEnd, Stamp};
use crate::workflow::{
    Begun, Call, Child, Ending, Entry, Event, Fold, INBOX, InboxBody, InboxEntry, InboxFold, Problem, ProblemKind,
    RUNS, RunState, Step, fold_history, inbox_due, latest_generation, read_inbox, run_log,
};

/// What was found of a run.
#[derive(Default)]
pub(super) struct Checked {
    /// It has no lines: an empty file, or what was put in the place of a folder. That is no run.
    pub(super) nothing: bool,
    /// It has ended.
    pub(super) ended: bool,
    /// Its history or inbox cannot be as it is, or cannot be read; and why, without the place.
    pub(super) bad: Option<(Finding, String)>,
    /// Changes whenever the run does.
    pub(super) mark: u64,
    pub(super) suspects: Vec<Suspect>,
}

impl Checked {
    fn corrupt(place: &Name, problem: &Problem) -> Self {
        let finding = Finding::new(place, &problem.to_string());
        Checked { bad: Some((finding, problem.what.clone())), ..Checked::default() }
    }

    /// A store said this of its history or its inbox.
    pub(super) fn bad(finding: Finding) -> Self {
        let why = finding.problem.clone();
        Checked { bad: Some((finding, why)), ..Checked::default() }
    }
}

/// What a search is made with.
#[derive(Clone, Copy)]
pub(super) struct Means<'a> {
    pub(super) store: &'a dyn Store,
    pub(super) options: &'a FsckOptions,
    pub(super) random: &'a dyn Random,
}

/// What is needed to look at a run.
struct Look<'a> {
    means: Means<'a>,
    state: &'a RunState,
    begun: &'a Begun,
    /// The entries of the run, in any queue.
    dues: &'a [Due],
    suspects: Vec<Suspect>,
}

/// What is in an inbox and not yet in the history.
struct Unread {
    reader: InboxFold,
    /// The first line that the run has use for at once: number, time, what it is, and the inbox it is in.
    wanted: Option<(u64, Timestamp, String, Name)>,
    /// The children whose ends are told there, among those that are open.
    children: HashSet<String>,
}

/// Looks at the run whose history's first generation is `name`. Without its due entries only damage is looked for.
pub(super) async fn check_run(means: Means<'_>, name: &Name, dues: Option<&[Due]>) -> Result<Checked, Error> {
    match look_at(means, name, dues).await {
        Err(Error::Corrupt { place, problem } | Error::Lost { place, problem }) => {
            Ok(Checked::bad(Finding::new(&place, &problem)))
        }
        Err(error @ Error::Denied { .. }) => Ok(Checked::bad(Finding::unread(name, &error))),
        result => result,
    }
}

/// What a store says of another log than that which is looked at; none if that is damaged or may not be read, which is told
/// where it is looked at itself.
pub(super) fn unless_bad<T>(said: Result<T, Error>) -> Result<Option<T>, Error> {
    match said {
        Ok(said) => Ok(Some(said)),
        Err(Error::Corrupt { .. } | Error::Lost { .. } | Error::Denied { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn look_at(means: Means<'_>, name: &Name, dues: Option<&[Due]>) -> Result<Checked, Error> {
    let (fold, mut suspects) = match last_generation(means, name).await? {
        Chain::Sound(fold, suspects) => (fold, suspects),
        Chain::Corrupt(checked) => return Ok(checked),
    };
    let state = fold.state();
    let mark = state.position().token().map_or(0, mark_of)
        ^ state.position().number()
        ^ u64::from(state.log().generation()) << 32;
    let nothing = state.position() == Position::START && state.log().generation() == 1;
    let checked = Checked { nothing, ended: state.is_ended(), mark, ..Checked::default() };
    suspects.extend(state.warnings().iter().take(1).map(|warning| {
        let others = match state.warnings_count() {
            1 => String::new(),
            count => format!(", and {} more like this", count - 1),
        };
        Suspect::new(state.log(), &format!("line {} is odd: {}{others}", warning.seq, warning.what))
    }));
    if state.is_ended() {
        suspects.extend(ended(means, state, dues.unwrap_or_default()).await?);
        return Ok(Checked { suspects, ..checked });
    }
    // An unfinished generation is set right first.
    let Some(begun) = state.begun().filter(|_| state.next().is_none()) else {
        return Ok(Checked { suspects, ..checked });
    };
    let mut look = Look { means, state, begun, dues: dues.unwrap_or_default(), suspects };
    let unread = unread(means.store, state).await?;
    if let Some(problem) = unread.reader.problem() {
        return Ok(Checked::corrupt(unread.reader.log(), problem));
    }
    look.claim();
    if dues.is_some() {
        look.entries();
        look.wakes();
        look.messages(&unread);
    }
    look.children(&unread).await?;
    Ok(Checked { suspects: look.suspects, ..checked })
}

fn mark_of(token: Token) -> u64 {
    use std::hash::BuildHasher as _;
    foldhash::fast::FixedState::default().hash_one(token)
}

enum Chain {
    Sound(Box<Fold>, Vec<Suspect>),
    Corrupt(Checked),
}

/// Folds all generations of a history and returns the last.
async fn last_generation(means: Means<'_>, name: &Name) -> Result<Chain, Error> {
    let store = means.store;
    let mut fold = fold_history(store, name).await?;
    loop {
        let state = fold.state();
        if let Some(problem) = state.problem() {
            return Ok(Chain::Corrupt(Checked::corrupt(state.log(), problem)));
        }
        let Some(next) = state.next_log() else { return Ok(Chain::Sound(Box::new(fold), Vec::new())) };
        if store.end(&next).await? == End::START {
            let problem = format!("the run goes on in generation {}, which is not there", next.generation());
            let batch = batches::finish_generation(means.token(), state);
            let suspect =
                Suspect::new(state.log(), &problem).with_remedy("begin it with the line that the seal carries", batch);
            return Ok(Chain::Sound(Box::new(fold), vec![suspect]));
        }
        let following = fold_history(store, &next).await?;
        if following.state().problem().is_none() && !begins_as_told(store, state, &next).await? {
            let what = format!("it does not begin as the seal of {} says", state.log());
            let problem = Problem { seq: 1, kind: ProblemKind::Corrupt, what };
            return Ok(Chain::Corrupt(Checked::corrupt(&next, &problem)));
        }
        fold = following;
    }
}

/// Whether generation `next` begins with the line that the seal of the one before carries.
async fn begins_as_told(store: &dyn Store, sealed: &RunState, next: &Name) -> Result<bool, Error> {
    let page = store.read(next, 0, 1).await?;
    let Some((header, line)) = page.lines().next() else { return Ok(true) };
    // Of a generation that was forgotten the seal is left.
    if header.seq > 1 {
        return Ok(true);
    }
    let told = sealed.next().and_then(|next| Entry::parse(next.text().as_bytes()).ok());
    Ok(told.is_some() && told == Entry::parse(line).ok())
}

async fn unread(store: &dyn Store, state: &RunState) -> Result<Unread, Error> {
    let inbox = state.log().of_kind(INBOX);
    let open: HashSet<&str> = state.open_children().map(|(_, child)| child.run()).collect();
    let (mut wanted, mut children) = (None, HashSet::<String>::new());
    let reader = read_inbox(store, &inbox, state.inbox(), |log, seq, entry| {
        let InboxEntry { at, body } = &entry;
        if let InboxBody::ChildEnd { run, .. } = body
            && open.contains(&**run)
        {
            children.insert(run.clone().into_owned());
        }
        let (at, what) = (*at, describe(body));
        if wanted.is_none() && state.wants(&entry.event(seq, None, false)) {
            wanted = Some((seq, at, what, log.clone()));
        }
    })
    .await?;
    Ok(Unread { reader, wanted, children })
}

fn describe(body: &InboxBody<'_>) -> String {
    use crate::text::quote;
    match body {
        InboxBody::Message(message) => format!("the message {} that it waits for", quote(&message.event)),
        InboxBody::Cancel(_) => "a request to cancel".to_owned(),
        InboxBody::ChildEnd { run, .. } => format!("the end of its child {}", quote(run)),
        InboxBody::Turn => "its seal".to_owned(),
    }
}

/// A run that has ended needs nothing to lead to it, once its parent knows. What is told of a parent that does not is told
/// where the parent is looked at.
async fn ended(means: Means<'_>, state: &RunState, dues: &[Due]) -> Result<Vec<Suspect>, Error> {
    if dues.is_empty() {
        return Ok(Vec::new());
    }
    if let Some(parent) = state.begun().and_then(|begun| begun.parent.as_ref())
        && !knows(means.store, state.run(), &parent.run, &parent.call).await?
    {
        return Ok(Vec::new());
    }
    let drop = |due: &Due| {
        let problem = format!("it has ended, and the due index leads to it at {} in queue {}", due.at, due.queue);
        let batch = batches::drop_ended(means.token(), state, std::slice::from_ref(due));
        Suspect::new(state.log(), &problem).with_remedy("drop the entry", Ok(batch))
    };
    Ok(dues.iter().map(drop).collect())
}

/// Whether a parent knows that its child has ended, will read it in its inbox, or has no use for it.
async fn knows(store: &dyn Store, child: &str, parent: &str, call: &Call<'_>) -> Result<bool, Error> {
    let Some((log, _)) = unless_bad(latest_generation(store, &run_log(parent)?).await)? else { return Ok(true) };
    let fold = fold_history(store, &log).await?;
    let state = fold.state();
    let waits = state.problem().is_none()
        && !state.is_ended()
        && state.open_children().any(|(step, open)| step.call() == *call && open.run() == child);
    if !waits {
        return Ok(true);
    }
    let unread = unread(store, state).await?;
    Ok(unread.reader.problem().is_some() || unread.children.contains(child))
}

fn end_of(reader: &InboxFold, queue: &Queue) -> InboxEnd {
    InboxEnd { queue: queue.clone(), log: reader.log().clone(), end: reader.end().last }
}

/// How a run has ended, if it has: read from its last line alone.
async fn ending_of(store: &dyn Store, run: &Name) -> Result<Option<Ending<'static>>, Error> {
    let (log, end) = latest_generation(store, run).await?;
    let Some(before) = end.last.number().checked_sub(1).filter(|_| end.sealed) else { return Ok(None) };
    let page = store.read(&log, before, 1).await?;
    let last = page.lines().next().and_then(|(_, line)| Entry::parse(line).ok());
    match last.map(|entry| entry.event) {
        Some(Event::Stop(stop)) => Ok(Some(stop.ending.into_owned())),
        _ => Ok(None),
    }
}

impl Means<'_> {
    fn token(self) -> Token {
        Token::new(self.random)
    }
}

impl Look<'_> {
    fn suspect(&mut self, problem: &str) {
        self.suspects.push(Suspect::new(self.state.log(), problem));
    }

    fn put(&mut self, problem: &str, due: Due) {
        let remedy = format!("put an entry at {} in queue {}", due.at, due.queue);
        let batch = batches::wake(self.means.token(), due);
        self.suspects.push(Suspect::new(self.state.log(), problem).with_remedy(&remedy, Ok(batch)));
    }

    /// The entries that lead the workers of the run's queue to it.
    fn own(&self) -> impl Iterator<Item = &Due> {
        self.dues.iter().filter(|due| due.queue == self.begun.queue)
    }

    /// Entries that cannot be.
    fn entries(&mut self) {
        let generation = self.state.log().generation();
        for due in self.dues {
            if due.queue != self.begun.queue {
                self.suspect(&format!(
                    "the due index leads to it at {} in queue {}, but it is of queue {}",
                    due.at, due.queue, self.begun.queue
                ));
            } else if due.run.kind() == RUNS && due.run.generation() > generation {
                self.suspect(&format!(
                    "the due index knows its generation {}, and the last that is there is {generation}: something was lost",
                    due.run.generation()
                ));
            }
        }
    }

    /// Whether something leads to the run by the time that it has to be looked at.
    fn wakes(&mut self) {
        let (Some(wake), Some(updated_at)) = (self.state.wake(), self.state.updated_at()) else { return };
        // What led a worker here stays until it lets go of the run, whether that was an entry of the history or of the inbox.
        let held = self.state.claim().is_some();
        let due = match self.state.due().filter(|_| !held) {
            Some(due) => due,
            None => Due { queue: self.begun.queue.clone(), at: wake.max(updated_at), run: self.state.log().clone() },
        };
        if self.own().any(|other| other.at <= due.at && (held || other.run.kind() == RUNS)) {
            return;
        }
        let problem =
            format!("it is {}, has to be looked at by {}, and nothing leads to it", self.state.status(), due.at);
        self.put(&problem, due);
    }

    /// Whether a worker has died and no other took its place.
    fn claim(&mut self) {
        let Some(claim) = self.state.claim() else { return };
        if claim.until.offset_micros(self.means.options.dead_after_us) < self.means.options.now {
            let worker = crate::text::quote(&claim.worker);
            let problem =
                format!("claim {} by {worker} was over at {}, and nobody took the run", claim.number, claim.until);
            self.suspect(&problem);
        }
    }

    /// Whether something leads to what is in the inbox, if the run waits for it.
    fn messages(&mut self, unread: &Unread) {
        // Who holds the run looks into the inbox before letting go of it, or is led to it again.
        let Some((seq, at, what, log)) = unread.wanted.as_ref().filter(|_| self.state.claim().is_none()) else {
            return;
        };
        let due = inbox_due(&self.begun.queue, log, *seq, *at);
        if self.own().any(|other| *other == due || other.at <= *at) {
            return;
        }
        let problem = format!("line {seq} of its inbox is {what}, and nothing leads to it");
        self.put(&problem, due);
    }

    /// Whether its children are there, and it knows of their ends.
    async fn children(&mut self, unread: &Unread) -> Result<(), Error> {
        let state = self.state;
        for (step, child) in state.open_children() {
            let Ok(log) = run_log(child.run()) else {
                self.suspect(&format!("the child of {} has a name that no run can have", step.call()));
                continue;
            };
            let Some(end) = unless_bad(self.means.store.end(&log).await)? else { continue };
            if end == End::START {
                self.begin(step, child, &log);
            } else if !unread.children.contains(child.run())
                && let Some(ending) = unless_bad(ending_of(self.means.store, &log).await)?.flatten()
            {
                let inbox = end_of(&unread.reader, &self.begun.queue);
                let stamp = Stamp { token: self.means.token(), now: self.means.options.now };
                let batch = batches::tell_parent(stamp, child.run(), step.call(), ending, &inbox);
                let problem = format!("its child {log} has ended, and it was not told");
                self.suspects.push(Suspect::new(state.log(), &problem).with_remedy("tell it", batch));
            }
        }
        Ok(())
    }

    fn begin(&mut self, step: &Step, child: &Child, log: &Name) {
        let problem = format!("it has begun {log} as {}, which is not there", step.call());
        let suspect = Suspect::new(self.state.log(), &problem);
        if child.start().is_none() {
            self.suspects.push(suspect);
            return;
        }
        let batch = batches::finish_child(self.means.token(), step);
        self.suspects.push(suspect.with_remedy("begin it with the line that its parent carries", batch));
    }
}
