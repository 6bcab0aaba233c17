//! A run in the making: what its worker and those who tell it something would do, batch after batch, without a store.

use temporal_code::random::{Random as _, SeededRandom};
use temporal_code::store::{Batch, Due, Header, Line, Name, Op, Position, Queue, Token};
use temporal_code::time::Timestamp;
use temporal_code::workflow::batches::{self, InboxEnd, Stamp, WorkerLease};
use temporal_code::workflow::{
    Call, Ending, Event, Fold, InboxBody, InboxEntry, Json, Message, PutOff, RUNS, Request, RunState, Start, inbox_log,
    run_log,
};

use super::Result;

/// One second, in microseconds.
pub(crate) const SECOND_US: i64 = 1_000_000;

/// How long a claim holds, in microseconds.
const HOLD_US: i64 = 30 * SECOND_US;

/// How long a claim holds that is to hold whenever somebody looks: ten years, in microseconds.
pub(crate) const FAR_US: i64 = 3_650 * 86_400 * SECOND_US;

/// Something that is done to a store.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// A batch.
    Apply(Batch),
    /// The lines of a sealed log are forgotten.
    Forget(Name),
}

/// A run, the clock of whoever deals with it, and what was done to the store so far.
pub(crate) struct Run {
    fold: Fold,
    now: Timestamp,
    random: SeededRandom,
    /// The token of all batches, if they are to become one.
    token: Option<Token>,
    acts: Vec<Act>,
    /// The entries of the due index that lead to the run.
    due: Vec<Due>,
    inbox: InboxEnd,
    /// Lines of the inbox that are not in the history: number, time and content.
    unread: Vec<(u64, Timestamp, InboxBody<'static>)>,
    sent: u64,
}

impl Run {
    fn new(id: &str, queue: &str, now: Timestamp, token: Option<Token>) -> Result<Self> {
        let inbox = InboxEnd { queue: Queue::new(queue)?, log: inbox_log(id)?, end: Position::START };
        Ok(Run {
            fold: Fold::new(run_log(id)?),
            now,
            random: SeededRandom::new(seed(id)),
            token,
            acts: Vec::new(),
            due: Vec::new(),
            inbox,
            unread: Vec::new(),
            sent: 0,
        })
    }

    /// A run that begins just after `at`. With a `token`, all that is done has the same.
    pub(crate) fn start(at: Timestamp, start: Start<'static>, token: Option<Token>) -> Result<Self> {
        let mut run = Run::new(&start.run, &start.queue, at, token)?;
        let stamp = run.stamp();
        let batch = batches::start(&mut run.fold, stamp, start, None)?;
        run.push(batch);
        Ok(run)
    }

    /// Where the run stands.
    pub(crate) fn state(&self) -> &RunState {
        self.fold.state()
    }

    /// What was done, in order.
    pub(crate) fn into_acts(self) -> Vec<Act> {
        self.acts
    }

    /// The present time.
    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    /// So many seconds from now.
    pub(crate) fn in_seconds(&self, seconds: i64) -> Timestamp {
        self.now.offset_micros(seconds * SECOND_US)
    }

    /// A number from 0 to 1 that is the same each time.
    pub(crate) fn draw(&self) -> f64 {
        self.random.uniform()
    }

    /// Time passes.
    pub(crate) fn pass(&mut self, seconds: i64) {
        self.now = self.in_seconds(seconds);
    }

    /// What the next batch is told from others by. Each takes a while.
    fn stamp(&mut self) -> Stamp {
        self.now = self.now.offset_micros(2_000 + (self.draw() * 400_000.0) as i64);
        Stamp { token: self.token.unwrap_or_else(|| Token::new(&self.random)), now: self.now }
    }

    fn push(&mut self, batch: Batch) {
        self.note(&batch);
        self.acts.push(Act::Apply(batch));
    }

    /// Keeps in mind what a batch changes in the inbox and among the entries.
    fn note(&mut self, batch: &Batch) {
        let key = self.fold.state().log().key().to_owned();
        for op in batch.ops() {
            match op {
                Op::PutDue(due) if due.run.key() == key && !self.due.contains(due) => self.due.push(due.clone()),
                Op::DropDue(due) => self.due.retain(|other| other != due),
                Op::Append(append) if append.log == self.inbox.log && append.seal => {
                    self.inbox.log = append.log.next_generation();
                    self.inbox.end = Position::START;
                }
                Op::Append(append) if append.log == self.inbox.log => {
                    self.inbox.end = Position::at(append.after.number() + append.lines.len() as u64);
                }
                _ => {}
            }
        }
    }

    /// The entries that a worker has been served when it lets go of the run: those of messages only once it took these.
    fn served(&self) -> Vec<Due> {
        let seen = |due: &&Due| due.at <= self.now && (due.run.kind() == RUNS || self.unread.is_empty());
        self.due.iter().filter(seen).cloned().collect()
    }

    /// A worker takes the run.
    pub(crate) fn claim(&mut self, worker: &str) -> Result<()> {
        self.claim_until(worker, self.now.offset_micros(HOLD_US))
    }

    /// A worker takes the run for long.
    pub(crate) fn claim_until(&mut self, worker: &str, until: Timestamp) -> Result<()> {
        let stamp = self.stamp();
        let batch = batches::claim(&mut self.fold, stamp, WorkerLease { worker, until })?;
        self.push(batch);
        Ok(())
    }

    /// The work of which these events tell is done, which takes as long as they say.
    fn work(&mut self, events: &[Event<'_>]) {
        let took =
            events.iter().map(|event| if let Event::Save { took_us, .. } = event { took_us.unwrap_or(0) } else { 0 });
        self.now = self.now.offset_micros(i64::try_from(took.sum::<u64>()).unwrap_or(0));
    }

    /// The worker records what happened.
    pub(crate) fn commit(&mut self, events: Vec<Event<'static>>) -> Result<()> {
        self.work(&events);
        let stamp = self.stamp();
        let batch = batches::commit(&mut self.fold, stamp, events)?;
        self.push(batch);
        Ok(())
    }

    /// The worker records what happened and lets go of the run.
    pub(crate) fn release(&mut self, events: Vec<Event<'static>>) -> Result<()> {
        self.let_go(events, None)
    }

    /// The worker puts the run off.
    pub(crate) fn put_off(&mut self, retry_at: Timestamp, error: Json<'static>) -> Result<()> {
        self.let_go(Vec::new(), Some(PutOff { retry_at, error: Some(error) }))
    }

    fn let_go(&mut self, events: Vec<Event<'static>>, put_off: Option<PutOff<'static>>) -> Result<()> {
        self.work(&events);
        let (stamp, served) = (self.stamp(), self.served());
        let batch = batches::release(&mut self.fold, stamp, events, put_off, &served)?;
        self.push(batch);
        Ok(())
    }

    /// A worker looks at the run and has nothing to do there.
    pub(crate) fn look(&mut self) {
        let (stamp, entries) = (self.stamp(), self.due.clone());
        let served: Vec<Due> = entries.into_iter().filter(|due| due.at <= self.now).collect();
        let batch = batches::look(stamp.token, self.fold.state(), &served);
        self.push(batch);
    }

    /// The run ends.
    pub(crate) fn stop(&mut self, events: Vec<Event<'static>>, ending: Ending<'static>) -> Result<()> {
        self.work(&events);
        let (stamp, served) = (self.stamp(), self.served());
        let batch = batches::stop(&mut self.fold, stamp, events, ending, None, &served)?;
        self.push(batch);
        Ok(())
    }

    /// The run begins another.
    pub(crate) fn begin_child(&mut self, call: Call<'static>, start: Start<'static>) -> Result<Run> {
        let stamp = self.stamp();
        let mut child = Run::new(&start.run, &start.queue, self.now, self.token)?;
        let event = batches::child(self.fold.state(), stamp.now, call, start)?;
        let batch = batches::commit(&mut self.fold, stamp, vec![event])?;
        let begun = batch.appends().find(|append| append.log == *child.state().log());
        for (line, seq) in begun.into_iter().flat_map(|append| &append.lines).zip(1..) {
            let header = Header { seq, token: batch.token(), more: false, sealed: false };
            child.fold.line(header, line.as_str().as_bytes())?;
        }
        child.note(&batch);
        self.push(batch);
        Ok(child)
    }

    /// A child of this run ends.
    pub(crate) fn end_child(
        &mut self,
        call: Call<'static>,
        mut child: Run,
        events: Vec<Event<'static>>,
        ending: Ending<'static>,
    ) -> Result<()> {
        let (stamp, served) = (child.stamp(), child.served());
        let told = Some(&self.inbox);
        let batch = batches::stop(&mut child.fold, stamp, events, ending.clone(), told, &served)?;
        let run = child.state().run().to_owned();
        let body = InboxBody::ChildEnd { id: format!("end of {run}").into(), run: run.into(), call, ending };
        self.unread.push((self.inbox.end.number() + 1, stamp.now, body));
        self.note(&batch);
        self.acts.append(&mut child.acts);
        self.acts.push(Act::Apply(batch));
        self.now = self.now.max(child.now);
        Ok(())
    }

    /// Somebody sends a message.
    pub(crate) fn send(&mut self, event: &'static str, value: Json<'static>, from: &'static str) -> Result<()> {
        self.sent += 1;
        let id = format!("m-{}", self.sent).into();
        self.tell(InboxBody::Message(Message {
            id,
            event: event.into(),
            value,
            from: Some(from.into()),
            sent_at: None,
        }))
    }

    /// Somebody asks that the run be cancelled.
    pub(crate) fn ask_to_cancel(&mut self, reason: &'static str, from: &'static str) -> Result<()> {
        self.sent += 1;
        let id = format!("c-{}", self.sent).into();
        self.tell(InboxBody::Cancel(Request { id, reason: Some(reason.into()), from: Some(from.into()) }))
    }

    fn tell(&mut self, body: InboxBody<'static>) -> Result<()> {
        let stamp = self.stamp();
        self.unread.push((self.inbox.end.number() + 1, stamp.now, body.clone()));
        let batch = batches::send(stamp, &self.inbox, body)?;
        self.push(batch);
        Ok(())
    }

    /// The worker has its inbox go on in another generation.
    pub(crate) fn turn(&mut self) -> Result<()> {
        let stamp = self.stamp();
        self.unread.push((self.inbox.end.number() + 1, stamp.now, InboxBody::Turn));
        let batch = batches::turn(stamp, &self.inbox)?;
        self.push(batch);
        Ok(())
    }

    /// All that is in the inbox, as events of the history. A message goes to the wait that is open for it, and ends that.
    pub(crate) fn take(&mut self) -> Vec<Event<'static>> {
        let mut over = Vec::new();
        let unread = std::mem::take(&mut self.unread);
        let event = |(seq, at, body): (u64, Timestamp, InboxBody<'static>)| {
            let InboxBody::Message(message) = body else { return InboxEntry { at, body }.event(seq, None, false) };
            let waits = self.fold.state().waits_for(&message.event);
            let to = waits.map(|call| Call::new(call.step.into_owned(), call.n)).filter(|call| !over.contains(call));
            over.extend(to.clone());
            Event::Receive { inbox: seq, message: Message { sent_at: Some(at), ..message }, done: to.is_some(), to }
        };
        unread.into_iter().map(event).collect()
    }

    /// The run begins anew with another input, and nobody holds it.
    pub(crate) fn continue_using(&mut self, events: Vec<Event<'static>>, input: Json<'static>) -> Result<()> {
        self.work(&events);
        let workflow = self.state().workflow().unwrap_or_default().to_owned();
        let (stamp, served) = (self.stamp(), self.served());
        let anew = (&*workflow, input);
        let (batch, next) = batches::continue_using(&mut self.fold, stamp, events, anew, None, &served)?;
        self.push(batch);
        self.fold = next;
        Ok(())
    }

    /// The run goes on in the next generation, and its worker with it; the lines before are forgotten if that is wanted.
    pub(crate) fn compact(&mut self, worker: &str, forget: bool) -> Result<()> {
        let (stamp, served) = (self.stamp(), self.served());
        let hold = WorkerLease { worker, until: stamp.now.offset_micros(HOLD_US) };
        let before = self.state().log().clone();
        let (batch, next) = batches::compact(&mut self.fold, stamp, Some(hold), &served)?;
        self.push(batch);
        self.fold = next;
        if forget {
            self.acts.push(Act::Forget(before));
        }
        Ok(())
    }

    /// A line comes to the history that no worker of the protocol would write.
    pub(crate) fn spoil(&mut self, line: &str) -> Result<()> {
        let (stamp, state) = (self.stamp(), self.fold.state());
        let batch = Batch::new(stamp.token).append(state.log(), state.position(), vec![Line::new(line)?]);
        self.push(batch);
        Ok(())
    }
}

/// A number for a text, the same on every machine: FNV-1a.
fn seed(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
