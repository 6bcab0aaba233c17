//! Two runs that live through every batch of the protocol.

use temporal_code::stores::{Batch, Due, Finding, MemoryStore, Position, Queue, Store, Token};
use temporal_code::workflows::batches::{self, InboxEnd, Stamp, WorkerLease};
use temporal_code::workflows::{
    Call, Ending, Event, Fold, FsckOptions, FsckProgress, FsckSummary, InboxBody, InboxEntry, Json, Message, Outcome,
    PutOff, Request, Start, fold_history, fsck, inbox_due, inbox_end, inbox_log, read_inbox, run_log,
};
use temporal_code::{SeededRandom, Timestamp};

use crate::support::at;

pub(crate) const PARENT: &str = "order-1";
pub(crate) const CHILD: &str = "order-1/ship/1";

pub(crate) fn json(text: &str) -> Json<'static> {
    Json::parse(text).expect("JSON")
}

/// Batches in their order, each with a name.
pub(crate) struct Scenario {
    pub(crate) batches: Vec<(&'static str, Batch)>,
    store: MemoryStore,
    /// Microseconds by which the clock goes on from batch to batch.
    tick_us: i64,
    tokens: u64,
}

impl Scenario {
    fn stamp(&mut self) -> Stamp {
        self.tokens += 1;
        let ticks = i64::try_from(self.tokens).expect("few") * self.tick_us;
        Stamp { token: Token::from_bits(self.tokens), now: at(0).offset_micros(ticks) }
    }

    fn hold(&self) -> WorkerLease<'static> {
        WorkerLease { worker: "w1", until: at(3_600) }
    }

    async fn apply(&mut self, name: &'static str, batch: Batch) {
        self.store.apply(&batch).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        self.batches.push((name, batch));
    }

    /// The entries of a run that are due, as a worker is served them.
    async fn served(&self, run: &str) -> Vec<Due> {
        let due = self.store.due(&Queue::default(), None, at(100_000), 100).await.expect("entries");
        due.into_iter().filter(|due| due.run.id() == run).collect()
    }

    async fn inbox(&self, run: &str) -> InboxEnd {
        let (log, end) = inbox_end(&self.store, &inbox_log(run).expect("a name")).await.expect("an end");
        InboxEnd { queue: Queue::default(), log, end: end.last }
    }

    async fn send(&mut self, name: &'static str, run: &str, body: InboxBody<'static>) {
        let (stamp, inbox) = (self.stamp(), self.inbox(run).await);
        let batch = batches::send(stamp, &inbox, body).expect("a batch");
        self.apply(name, batch).await;
    }

    /// What is in the inbox and not yet in the history, as events of it.
    async fn unread(&self, fold: &Fold) -> Vec<Event<'static>> {
        let state = fold.state();
        let inbox = inbox_log(state.run()).expect("a name");
        let mut lines = Vec::new();
        let each = |_: &temporal_code::stores::Name, seq: u64, entry: InboxEntry<'_>| {
            let entry = match entry.body {
                InboxBody::Message(message) => InboxBody::Message(message.into_owned()),
                InboxBody::Cancel(request) => InboxBody::Cancel(request.into_owned()),
                InboxBody::ChildEnd { id, run, call, ending } => InboxBody::ChildEnd {
                    id: id.into_owned().into(),
                    run: run.into_owned().into(),
                    call: Call::new(call.step.into_owned(), call.n),
                    ending: ending.into_owned(),
                },
                InboxBody::Turn => InboxBody::Turn,
            };
            lines.push((seq, entry));
        };
        let reader = read_inbox(&self.store, &inbox, state.inbox(), each).await.expect("an inbox");
        assert_eq!(reader.problem(), None);
        let event = |(seq, body): (u64, InboxBody<'static>)| {
            let to = match &body {
                InboxBody::Message(message) => {
                    state.waits_for(&message.event).map(|call| Call::new(call.step.into_owned(), call.n))
                }
                _ => None,
            };
            InboxEntry { at: at(0), body }.event(seq, to, true)
        };
        lines.into_iter().map(event).collect()
    }

    async fn claim(&mut self, name: &'static str, fold: &mut Fold) {
        let stamp = self.stamp();
        let batch = batches::claim(fold, stamp, self.hold()).expect("a batch");
        self.apply(name, batch).await;
    }

    async fn release(&mut self, name: &'static str, fold: &mut Fold, events: Vec<Event<'static>>) {
        let (stamp, served) = (self.stamp(), self.served(fold.state().run()).await);
        let served: Vec<Due> = served.into_iter().filter(|due| due.at <= stamp.now).collect();
        let batch = batches::release(fold, stamp, events, None, &served).expect("a batch");
        self.apply(name, batch).await;
    }
}

fn message(id: &'static str, event: &'static str) -> InboxBody<'static> {
    InboxBody::Message(Message { id: id.into(), event: event.into(), value: json("1"), from: None, sent_at: None })
}

fn save(step: &'static str, n: u64) -> Event<'static> {
    let outcome = Outcome::Done(json("{\"id\":7}"));
    Event::Save { call: Call::new(step, n), attempt: 1, outcome, compensate: true, took_us: None }
}

/// The whole life of a run and its child, by a clock that goes on by `tick_us` from batch to batch.
pub(crate) async fn life(tick_us: i64) -> Scenario {
    let mut world = Scenario { batches: Vec::new(), store: MemoryStore::new(), tick_us, tokens: 0 };
    let mut order = Fold::new(run_log(PARENT).expect("a name"));
    let stamp = world.stamp();
    let begin = Start { id: Some("request-1".into()), ..Start::new(PARENT, "order", json("{}")) };
    let batch = batches::start(&mut order, stamp, begin, None).expect("a batch");
    world.apply("start", batch).await;
    world.claim("claim", &mut order).await;

    let stamp = world.stamp();
    let batch = batches::renew(&mut order, stamp, at(7_200)).expect("a batch");
    world.apply("renew", batch).await;
    let stamp = world.stamp();
    let begin = Start::new(CHILD, "ship", json("[1]"));
    let child = batches::child(order.state(), stamp.now, Call::new("ship", 1), begin).expect("a child");
    let batch = batches::commit(&mut order, stamp, vec![save("charge", 1), child]).expect("a batch");
    world.apply("commit with a child", batch).await;
    world.release("release while a child runs", &mut order, Vec::new()).await;

    let mut ship = fold_history(&world.store, &run_log(CHILD).expect("a name")).await.expect("a history");
    world.claim("claim of the child", &mut ship).await;
    // Until the second batch from then.
    let until = at(0).offset_micros(9 * tick_us);
    let sleep = Event::Sleep { call: Call::new("pause", 1), until };
    world.release("release to sleep", &mut ship, vec![sleep]).await;
    world.send("send what is not waited for", CHILD, message("m1", "news")).await;
    let served = world.served(CHILD).await;
    let stamp = world.stamp();
    let batch = batches::look(stamp.token, ship.state(), &served);
    world.apply("look", batch).await;
    let stamp = world.stamp();
    let inbox = world.inbox(CHILD).await;
    let batch = batches::turn(stamp, &inbox).expect("a batch");
    world.apply("turn of an inbox", batch).await;

    world.claim("claim to wake", &mut ship).await;
    let mut events = world.unread(&ship).await;
    events.push(Event::Wake { call: Call::new("pause", 1) });
    let wait = |events: &[&'static str]| events.iter().map(|event| (*event).into()).collect();
    events.push(Event::Wait { call: Call::new("go", 1), events: wait(&["go"]), until: None, take: 0, done: false });
    world.release("release to wait", &mut ship, events).await;
    world.send("send what is waited for", CHILD, message("m2", "go")).await;
    world.claim("claim for a message", &mut ship).await;
    let events = world.unread(&ship).await;
    let (stamp, served) = (world.stamp(), world.served(CHILD).await);
    let anew = ("ship", json("[2]"));
    let made = batches::continue_using(&mut ship, stamp, events, anew, Some(world.hold()), &served);
    let (batch, mut ship) = made.expect("a batch");
    world.apply("continue and hold", batch).await;
    let (stamp, served) = (world.stamp(), world.served(CHILD).await);
    let (batch, mut ship) = batches::compact(&mut ship, stamp, None, &served).expect("a batch");
    world.apply("compact and let go", batch).await;
    world.claim("claim of the third generation", &mut ship).await;

    let put_off = PutOff { retry_at: at(900), error: Some(json("{\"type\":\"Panic\"}")) };
    let (stamp, served) = (world.stamp(), world.served(CHILD).await);
    let batch = batches::release(&mut ship, stamp, Vec::new(), Some(put_off), &served).expect("a batch");
    world.apply("release to be put off", batch).await;
    let cancel = Request { id: "c1".into(), reason: Some("changed my mind".into()), from: Some("tc".into()) };
    world.send("cancel", CHILD, InboxBody::Cancel(cancel)).await;
    world.claim("claim to cancel", &mut ship).await;
    let events = world.unread(&ship).await;
    let (stamp, served, inbox) = (world.stamp(), world.served(CHILD).await, world.inbox(PARENT).await);
    let ending = Ending::Cancelled(Some("changed my mind".into()));
    let batch = batches::stop(&mut ship, stamp, events, ending, Some(&inbox), &served).expect("a batch");
    world.apply("stop of the child", batch).await;

    world.claim("claim after the child", &mut order).await;
    let mut events = world.unread(&order).await;
    events.push(Event::Revert { call: None, error: None });
    let undone = Outcome::Done(json("null"));
    events.push(Event::Compensation { call: Call::new("charge", 1), attempt: 1, outcome: undone });
    let (stamp, served) = (world.stamp(), world.served(PARENT).await);
    let ending = Ending::Failed(json("{\"type\":\"ShipCancelled\",\"message\":\"order-1\"}"));
    let batch = batches::stop(&mut order, stamp, events, ending, None, &served).expect("a batch");
    world.apply("stop", batch).await;
    world
}

/// What `fsck` finds, as text, and its summary.
pub(crate) async fn look(store: &dyn Store, repair: bool, now: Timestamp) -> (Vec<Finding>, FsckSummary) {
    look_with(store, &FsckOptions { repair, pause_ms: 0, ..FsckOptions::new(now) }).await
}

/// The same with other options.
pub(crate) async fn look_with(store: &dyn Store, options: &FsckOptions) -> (Vec<Finding>, FsckSummary) {
    let mut findings = Vec::new();
    let random = SeededRandom::new(7);
    let mut runs = 0;
    let mut report = |progress: FsckProgress| match progress {
        FsckProgress::Found(finding) => findings.push(finding),
        FsckProgress::Run => runs += 1,
    };
    let summary = fsck(store, options, &random, &mut report).await.expect("a search");
    assert_eq!((summary.findings, summary.runs), (findings.len() as u64, runs));
    assert_eq!(summary.repaired, findings.iter().filter(|finding| finding.repaired).count() as u64);
    (findings, summary)
}

pub(crate) fn text(findings: &[Finding]) -> String {
    findings
        .iter()
        .map(|Finding { place, problem, remedy, repaired, .. }| {
            let remedy = remedy.as_ref().map_or(String::new(), |remedy| format!(" -> {remedy}"));
            format!("{place}: {problem}{remedy}{}\n", if *repaired { " [done]" } else { "" })
        })
        .collect()
}

/// A store in which some batches have landed, and the first parts of another.
pub(crate) async fn store_of(batches: &[(&'static str, Batch)], next: Option<Batch>) -> MemoryStore {
    let store = MemoryStore::new();
    for (_, batch) in batches {
        store.apply(batch).await.expect("it lands");
    }
    if let Some(batch) = next {
        store.apply(&batch).await.expect("it lands");
    }
    store
}

/// The entry of a message, as its sender puts it.
pub(crate) fn entry(run: &str, seq: u64, sent_at: Timestamp) -> Due {
    inbox_due(&Queue::default(), &inbox_log(run).expect("a name"), seq, sent_at)
}

/// An inbox that has no line yet.
pub(crate) fn empty_inbox(run: &str) -> InboxEnd {
    InboxEnd { queue: Queue::default(), log: inbox_log(run).expect("a name"), end: Position::START }
}
