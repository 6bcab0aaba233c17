//! Random runs, and what they amount to by a model that knows nothing of the fold.

use std::collections::BTreeMap;

use temporal_code::store::{Batch, Line, Token};
use temporal_code::time::Timestamp;
use temporal_code::workflow::batches::{self, Stamp, WorkerLease};
use temporal_code::workflow::{
    Call, Ending, Entry, Event, Fold, Json, Message, Outcome, PutOff, Request, Start, Status,
};

use crate::support::{RUN, at, dump, log};

/// What a wait has come to.
#[derive(Clone, Debug, PartialEq)]
enum Open {
    Retrying(u64),
    Sleeping,
    Waiting(Vec<&'static str>, bool),
    Child,
    Nothing,
}

#[derive(Clone, Debug)]
struct Known {
    call: (String, u64),
    open: Open,
    said: String,
    /// What is said of its compensation, and how often that was tried.
    undone: Option<(String, u64)>,
}

/// A run as its history should tell of it.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) events: u64,
    life: u32,
    claims: u64,
    pub(crate) held: bool,
    until: Timestamp,
    put_off: Option<(Timestamp, bool)>,
    steps: Vec<Known>,
    undo: Vec<usize>,
    reverting: Option<Option<usize>>,
    kept: Vec<(String, &'static str)>,
    inbox: (u32, u64),
    logs: u64,
    cancelled: bool,
    pub(crate) over: bool,
}

const NAMES: [&str; 3] = ["yes", "no", "mail"];
const STEPS: [&str; 4] = ["charge", "ship it", "pause", "wörk"];

/// Choices as bytes: when there are no more, the choice is 0.
pub(crate) struct Choices<'a>(pub(crate) std::slice::Iter<'a, u8>);

impl Choices<'_> {
    fn of(&mut self, count: usize) -> usize {
        usize::from(self.0.next().copied().unwrap_or(0)) % count.max(1)
    }

    fn flip(&mut self) -> bool {
        self.of(2) == 1
    }
}

fn json(text: &str) -> Json<'static> {
    Json::parse(text).expect("JSON")
}

impl Model {
    pub(crate) fn new() -> Self {
        Model {
            events: 0,
            life: 1,
            claims: 0,
            held: false,
            until: at(0),
            put_off: None,
            steps: Vec::new(),
            undo: Vec::new(),
            reverting: None,
            kept: Vec::new(),
            inbox: (1, 0),
            logs: 0,
            cancelled: false,
            over: false,
        }
    }

    fn open(&self, wanted: impl Fn(&Open) -> bool) -> Vec<usize> {
        (0..self.steps.len()).filter(|step| wanted(&self.steps[*step].open)).collect()
    }

    fn call(&self, step: usize) -> Call<'static> {
        let (name, n) = self.steps[step].call.clone();
        Call::new(name, n)
    }

    /// The next call of some step: nearly always the next number, sometimes a later one, as steps at the same time give.
    fn new_call(&self, choices: &mut Choices<'_>) -> (String, u64) {
        let name = STEPS[choices.of(STEPS.len())];
        let mut n = 1 + u64::from(choices.of(10) == 9);
        while self.steps.iter().any(|step| step.call == (name.to_owned(), n)) {
            n += 1;
        }
        (name.to_owned(), n)
    }

    fn add(&mut self, call: (String, u64), open: Open, said: String) -> Call<'static> {
        self.steps.push(Known { call, open, said, undone: None });
        self.call(self.steps.len() - 1)
    }

    fn wanted(&self, name: &str) -> Vec<usize> {
        self.open(|open| matches!(open, Open::Waiting(names, _) if names.contains(&name)))
    }

    /// Some event that may come next, and what it changes. None if the choice fell on something that may not.
    pub(crate) fn next(&mut self, choices: &mut Choices<'_>) -> Option<Event<'static>> {
        if !self.held {
            return Some(self.claim());
        }
        let event = match choices.of(22) {
            0 => self.claim(),
            1 | 2 => self.save(choices),
            3 => self.retry(choices)?,
            4 => {
                let call = self.new_call(choices);
                Event::Value { call: self.add(call, Open::Nothing, "is [1]".to_owned()), value: json("[1]") }
            }
            5 => self.sleep(choices),
            6 => self.wake(choices)?,
            7 => self.wait(choices),
            8..=10 => self.receive(choices),
            11 => self.ensure(choices)?,
            12 => {
                self.logs += 1;
                Event::Log { n: self.logs, text: "said".into(), level: None }
            }
            13 => self.revert(choices)?,
            14 | 15 => self.compensate(choices)?,
            16 => self.child(choices),
            17 => self.child_end(choices)?,
            18 => self.cancel(),
            19 => {
                self.inbox.1 += 1;
                Event::Skip { inbox: self.inbox.1, reason: None }
            }
            20 if choices.of(4) == 0 => {
                let seq = self.inbox.1 + 1;
                self.inbox = (self.inbox.0 + 1, 0);
                Event::Turn { inbox: seq }
            }
            20 => {
                self.until = self.until.offset_micros(1_000_000);
                Event::Renew { until: self.until }
            }
            _ => self.release(choices),
        };
        Some(event)
    }

    fn claim(&mut self) -> Event<'static> {
        self.claims += 1;
        self.held = true;
        self.put_off = None;
        self.until = at(100_000 + i64::try_from(self.claims).unwrap());
        // The same worker may take its own run again without a warning.
        Event::Claim { worker: "w".into(), until: self.until }
    }

    fn release(&mut self, choices: &mut Choices<'_>) -> Event<'static> {
        self.held = false;
        let put_off = match choices.of(4) {
            0 => Some((at(90_000), true)),
            1 => Some((at(91_000), false)),
            _ => None,
        };
        self.put_off = put_off;
        let error = |failed: bool| failed.then(|| json("{\"type\":\"x\"}"));
        Event::Release(put_off.map(|(retry_at, failed)| PutOff { retry_at, error: error(failed) }))
    }

    fn save(&mut self, choices: &mut Choices<'_>) -> Event<'static> {
        let call = self.new_call(choices);
        let compensate = choices.flip();
        let call = self.add(call, Open::Nothing, String::new());
        let step = self.steps.len() - 1;
        if compensate {
            self.steps[step].undone = Some(("; can be compensated".to_owned(), 0));
            self.undo.push(step);
        }
        let outcome = self.outcome(step, 1, choices);
        Event::Save { call, attempt: 1, outcome, compensate, took_us: None }
    }

    fn outcome(&mut self, step: usize, attempt: u64, choices: &mut Choices<'_>) -> Outcome<'static> {
        let known = &mut self.steps[step];
        match choices.of(4) {
            0 => {
                known.said = format!("failed for good after {attempt}, \"bad\"");
                known.open = Open::Nothing;
                Outcome::Failed(json("\"bad\""))
            }
            1 => {
                known.said = format!("failed {attempt} times, \"bad\", again at {}", at(80_000));
                known.open = Open::Retrying(attempt);
                Outcome::Retry { error: json("\"bad\""), at: at(80_000) }
            }
            _ => {
                known.said = format!("= {{\"a\":1.50}} in attempt {attempt}");
                known.open = Open::Nothing;
                Outcome::Done(json("{\"a\":1.50}"))
            }
        }
    }

    fn retry(&mut self, choices: &mut Choices<'_>) -> Option<Event<'static>> {
        let open = self.open(|open| matches!(open, Open::Retrying(_)));
        let step = *open.get(choices.of(open.len()))?;
        let Open::Retrying(attempts) = self.steps[step].open else { return None };
        let (call, compensate) = (self.call(step), self.steps[step].undone.is_some());
        let outcome = self.outcome(step, attempts + 1, choices);
        Some(Event::Save { call, attempt: attempts + 1, outcome, compensate, took_us: Some(7) })
    }

    fn sleep(&mut self, choices: &mut Choices<'_>) -> Event<'static> {
        let call = self.new_call(choices);
        let until = at(0);
        Event::Sleep { call: self.add(call, Open::Sleeping, format!("sleeps until {until}")), until }
    }

    fn wake(&mut self, choices: &mut Choices<'_>) -> Option<Event<'static>> {
        let open = self.open(|open| matches!(open, Open::Sleeping | Open::Waiting(_, true)));
        let step = *open.get(choices.of(open.len()))?;
        let known = &mut self.steps[step];
        known.said = match known.open {
            Open::Sleeping => known.said.replace("sleeps", "slept"),
            _ => known.said.replace("waits", "waited too long"),
        };
        known.open = Open::Nothing;
        Some(Event::Wake { call: self.call(step) })
    }

    fn wait(&mut self, choices: &mut Choices<'_>) -> Event<'static> {
        let call = self.new_call(choices);
        let names: Vec<&'static str> = NAMES.into_iter().filter(|_| choices.flip()).collect();
        let names = if names.is_empty() { vec![NAMES[0]] } else { names };
        let until = choices.flip().then(|| at(0));
        let kept: Vec<usize> = (0..self.kept.len()).filter(|kept| names.contains(&self.kept[*kept].1)).collect();
        let done = choices.flip();
        let take = if done { choices.of(kept.len() + 1) } else { kept.len() };
        let mut got = Vec::new();
        for _ in 0..take {
            let first = self.kept.iter().position(|(_, name)| names.contains(name)).expect("kept");
            got.push(format!("{}=[true]", self.kept.remove(first).1));
        }
        let verb = if done { "waited" } else { "waits" };
        let deadline = until.map(|until| until.to_string());
        let said = format!("{verb} for {names:?} until {deadline:?}, got {got:?}");
        let open = if done { Open::Nothing } else { Open::Waiting(names.clone(), until.is_some()) };
        let events = names.into_iter().map(Into::into).collect();
        Event::Wait { call: self.add(call, open, said), events, until, take: take as u64, done }
    }

    fn receive(&mut self, choices: &mut Choices<'_>) -> Event<'static> {
        let name = NAMES[choices.of(NAMES.len())];
        self.inbox.1 += 1;
        let id = format!("{}:{}", self.inbox.0, self.inbox.1);
        let message = Message {
            id: id.clone().into(),
            event: name.into(),
            value: json("[true]"),
            from: None,
            sent_at: Some(at(1)),
        };
        let Some(step) = self.wanted(name).first().copied() else {
            self.kept.push((id, name));
            return Event::Receive { inbox: self.inbox.1, message, to: None, done: false };
        };
        let done = choices.flip();
        let known = &mut self.steps[step];
        let more = if known.said.ends_with("[]") { "" } else { ", " };
        known.said.pop();
        known.said += &format!("{more}\"{name}=[true]\"]");
        if done {
            known.said = known.said.replacen("waits", "waited", 1);
            known.open = Open::Nothing;
        }
        Event::Receive { inbox: self.inbox.1, message, to: Some(self.call(step)), done }
    }

    fn ensure(&mut self, choices: &mut Choices<'_>) -> Option<Event<'static>> {
        let open = self.open(|open| matches!(open, Open::Waiting(..)));
        let step = *open.get(choices.of(open.len()))?;
        let known = &mut self.steps[step];
        known.said = known.said.replacen("waits", "waited", 1);
        known.open = Open::Nothing;
        Some(Event::Ensure { call: self.call(step) })
    }

    fn revert(&mut self, choices: &mut Choices<'_>) -> Option<Event<'static>> {
        if self.reverting.is_some() {
            return None;
        }
        let call = choices.flip().then(|| self.new_call(choices));
        let call = call.map(|call| self.add(call, Open::Nothing, "revert, over: false".to_owned()));
        self.reverting = Some(call.as_ref().map(|_| self.steps.len() - 1));
        self.maybe_reverted();
        Some(Event::Revert { call, error: Some(json("1")) })
    }

    fn maybe_reverted(&mut self) {
        if self.undo.is_empty()
            && let Some(step) = self.reverting.take()
            && let Some(step) = step
        {
            self.steps[step].said = "revert, over: true".to_owned();
        }
    }

    fn compensate(&mut self, choices: &mut Choices<'_>) -> Option<Event<'static>> {
        self.reverting?;
        let step = *self.undo.last()?;
        let call = self.call(step);
        let attempt = self.steps[step].undone.as_ref()?.1 + 1;
        let (said, outcome) = match choices.of(4) {
            0 => (format!("; compensation failed after {attempt}, 1"), Outcome::Failed(json("1"))),
            1 => {
                let outcome = Outcome::Retry { error: json("1"), at: at(70_000) };
                (format!("; compensation failed {attempt} times, 1, again at {}", at(70_000)), outcome)
            }
            _ => (format!("; compensated = null in attempt {attempt}"), Outcome::Done(json("null"))),
        };
        if !matches!(outcome, Outcome::Retry { .. }) {
            self.undo.pop();
        }
        let known = &mut self.steps[step];
        known.undone = Some((said, attempt));
        if let Open::Retrying(attempts) = known.open {
            known.said = format!("failed for good after {attempts}, \"bad\"");
            known.open = Open::Nothing;
        }
        self.maybe_reverted();
        Some(Event::Compensation { call, attempt, outcome })
    }

    fn child(&mut self, choices: &mut Choices<'_>) -> Event<'static> {
        let (name, n) = self.new_call(choices);
        let run = format!("child {name} {n}");
        let said = format!("child {run} ended None");
        let call = self.add((name.clone(), n), Open::Child, said);
        let start = format!(
            r#"{{"at":"{}","type":"start","v":1,"run":"{run}","workflow":"w","queue":"q","input":[],"parent":{{"run":"{RUN}","queue":"default","step":"{name}","n":{n}}}}}"#,
            at(1)
        );
        Event::Child { call, run: run.into(), start: json(&start) }
    }

    fn child_end(&mut self, choices: &mut Choices<'_>) -> Option<Event<'static>> {
        let open = self.open(|open| *open == Open::Child);
        let step = *open.get(choices.of(open.len()))?;
        let (said, ending) = match choices.of(3) {
            0 => ("Some(Failed(1))", Ending::Failed(json("1"))),
            1 => ("Some(Cancelled(None))", Ending::Cancelled(None)),
            _ => ("Some(Ok({}))", Ending::Ok(json("{}"))),
        };
        let known = &mut self.steps[step];
        known.said = known.said.replace("None", said);
        known.open = Open::Nothing;
        let inbox = choices.flip().then(|| {
            self.inbox.1 += 1;
            self.inbox.1
        });
        Some(Event::ChildEnd { call: self.call(step), inbox, ending })
    }

    fn cancel(&mut self) -> Event<'static> {
        self.inbox.1 += 1;
        self.cancelled = true;
        Event::Cancel { inbox: self.inbox.1, request: Request { id: "c".into(), reason: None, from: None } }
    }

    fn status(&self) -> Status {
        if self.over {
            return Status::Completed;
        }
        if self.held {
            return Status::Running;
        }
        if let Some((_, failed)) = self.put_off {
            return if failed { Status::Retrying } else { Status::Pending };
        }
        let undoing = self.reverting.and(self.undo.last()).and_then(|step| self.steps[*step].undone.as_ref());
        if let Some((said, _)) = undoing {
            return if said.contains("again at") { Status::Retrying } else { Status::Pending };
        }
        let open = |wanted: fn(&Open) -> bool| !self.open(wanted).is_empty();
        if open(|open| matches!(open, Open::Waiting(..) | Open::Child)) {
            Status::Waiting
        } else if open(|open| *open == Open::Sleeping) {
            // Sleeps end before anything is tried again.
            Status::Sleeping
        } else if open(|open| matches!(open, Open::Retrying(_))) {
            Status::Retrying
        } else {
            Status::Pending
        }
    }

    /// Whether a fold tells the same of the run.
    pub(crate) fn check(&self, fold: &Fold) {
        let state = fold.state();
        let said = dump(state);
        assert_eq!(state.problem(), None, "{said}");
        assert_eq!(state.warnings_count(), 0, "{said}");
        assert_eq!((state.status(), state.events(), state.life()), (self.status(), self.events, self.life), "{said}");
        assert_eq!((state.claims(), state.claim().is_some()), (self.claims, self.held && !self.over), "{said}");
        let steps: Vec<String> =
            said.lines().filter(|line| line.starts_with("  ") && line.contains('#')).map(str::to_owned).collect();
        let steps: Vec<&str> =
            steps.iter().map(String::as_str).filter(|line| !line.contains("to compensate")).collect();
        let expected: Vec<String> = self.steps.iter().map(Known::line).collect();
        assert_eq!(steps, expected);
        let kept: Vec<(String, String)> = state.kept().map(|m| (m.id.to_string(), m.event.to_string())).collect();
        let expected: Vec<(String, String)> =
            self.kept.iter().map(|(id, name)| (id.clone(), (*name).to_owned())).collect();
        assert_eq!(kept, expected);
        assert_eq!((state.inbox().generation, state.inbox().seq), self.inbox);
        assert_eq!((state.logs(), state.cancel().is_some()), (self.logs, self.cancelled));
        assert_eq!((state.compensations_left(), state.is_reverting()), (self.undo.len(), self.reverting.is_some()));
        let next = self.undo.last().map(|step| self.call(*step).to_string());
        assert_eq!(state.next_compensation().map(|step| step.call().to_string()), next);
        assert_eq!(state.open_steps().count(), self.open(|open| *open != Open::Nothing).len() + self.open_reverts());
    }

    fn open_reverts(&self) -> usize {
        usize::from(matches!(self.reverting, Some(Some(_))))
    }
}

impl Known {
    fn line(&self) -> String {
        let undone = self.undone.as_ref().map_or("", |(said, _)| said);
        format!("  {} {}{undone}", Call::new(&*self.call.0, self.call.1), self.said)
    }
}

/// A run, made by chance: the lines of each generation, and the fold that saw them.
pub(crate) struct Made {
    pub(crate) generations: Vec<Vec<String>>,
}

/// A writer of the lines of a random run, which holds them against the model one by one.
pub(crate) struct Writer {
    pub(crate) model: Model,
    pub(crate) fold: Fold,
    made: Made,
    tokens: u64,
}

impl Writer {
    pub(crate) fn new() -> Self {
        let mut writer = Writer {
            model: Model::new(),
            fold: Fold::new(log()),
            made: Made { generations: vec![Vec::new()] },
            tokens: 0,
        };
        let start = Start { id: Some("k".into()), ..Start::new(RUN, "greet", json("{\"name\":\"Ada\"}")) };
        writer.push(None, Event::Start(Box::new(start)));
        writer
    }

    fn stamp(&mut self) -> Stamp {
        self.tokens += 1;
        Stamp { token: Token::from_bits(self.tokens), now: at(i64::try_from(self.tokens).unwrap()) }
    }

    fn push(&mut self, claim: Option<u64>, event: Event<'static>) {
        let stamp = self.stamp();
        let sealed = event.seals();
        let line = Entry { at: stamp.now, claim, event }.line().expect("a line");
        self.keep(stamp.token, &line, sealed, true);
    }

    fn keep(&mut self, token: Token, line: &Line, sealed: bool, fold: bool) {
        let lines = self.made.generations.last_mut().expect("a generation");
        let seal = if sealed { "\"sealed\":true," } else { "" };
        let seq = lines.len() + 1;
        let text = format!("{{\"seq\":{seq},\"token\":\"{token}\",{seal}{}", &line.as_str()[1..]);
        if fold {
            let header = crate::support::header(&text);
            let entry = self.fold.line(header, text.as_bytes()).unwrap_or_else(|problem| panic!("{problem}: {text}"));
            // What was read is written as it was.
            assert_eq!(entry.line().expect("a line").as_str(), line.as_str());
        }
        lines.push(text);
        self.model.events += 1;
    }

    /// The lines that a batch appends, which a fold has seen.
    fn keep_batch(&mut self, batch: &Batch) {
        for (number, append) in batch.appends().enumerate() {
            if number > 0 {
                self.made.generations.push(Vec::new());
            }
            let last = append.lines.len() - 1;
            for (at, line) in append.lines.iter().enumerate() {
                self.keep(batch.token(), line, append.seal && at == last, false);
            }
        }
    }

    /// Makes one choice.
    pub(crate) fn step(&mut self, choices: &mut Choices<'_>) {
        if self.model.over {
            return;
        }
        let rare = choices.of(32);
        if self.model.held && rare == 31 {
            self.go_on(choices);
        } else if self.model.held && rare == 30 {
            self.stop();
        } else if let Some(event) = self.model.next(choices) {
            // A claim is its own; for all others it is the last.
            let claim = Some(self.model.claims);
            self.push(claim, event);
        }
        self.model.check(&self.fold);
    }

    fn stop(&mut self) {
        if self.model.reverting.is_some() {
            return;
        }
        let stamp = self.stamp();
        let ending = Ending::Ok(json("null"));
        let batch = batches::stop(&mut self.fold, stamp, Vec::new(), ending, None, &[]).expect("a batch");
        self.keep_batch(&batch);
        self.model.over = true;
        self.model.held = false;
    }

    fn go_on(&mut self, choices: &mut Choices<'_>) {
        let stamp = self.stamp();
        let until = at(100_000 + i64::try_from(self.model.claims).unwrap() + 1);
        let hold = choices.flip().then_some(WorkerLease { worker: "w", until });
        let made = if choices.flip() {
            batches::compact(&mut self.fold, stamp, hold, &[])
        } else {
            let anew = ("greet", json("{\"name\":\"Bob\"}"));
            batches::continue_using(&mut self.fold, stamp, Vec::new(), anew, hold, &[])
        };
        let (batch, next) = made.expect("a batch");
        let compacted = next.state().life() == self.model.life;
        self.keep_batch(&batch);
        self.fold = next;
        let model = &mut self.model;
        if !compacted {
            model.life += 1;
            model.steps.clear();
            model.undo.clear();
            model.reverting = None;
            model.logs = 0;
        }
        model.held = hold.is_some();
        model.claims += u64::from(hold.is_some());
        model.until = until;
        model.put_off = None;
        // Folded from its lines, the new generation is what the batch said.
        let lines = self.made.generations.last().expect("a generation").clone();
        let (again, result) = crate::support::fold(self.fold.state().log().clone(), &lines);
        assert_eq!(result, Ok(()));
        assert_eq!(dump(again.state()), dump(self.fold.state()));
    }

    pub(crate) fn into_generations(self) -> Vec<Vec<String>> {
        self.made.generations
    }
}

/// A random run from choices.
pub(crate) fn run(choices: &[u8]) -> Vec<Vec<String>> {
    let mut writer = Writer::new();
    let mut choices = Choices(choices.iter());
    while choices.0.len() > 0 && !writer.model.over {
        writer.step(&mut choices);
    }
    writer.into_generations()
}

/// How often each type of line occurs, to see that chance brings all of them.
pub(crate) fn count_types(generations: &[Vec<String>], counts: &mut BTreeMap<String, usize>) {
    for line in generations.iter().flatten() {
        let value: serde_json::Value = serde_json::from_str(line).expect("JSON");
        *counts.entry(value["type"].as_str().expect("a type").to_owned()).or_default() += 1;
    }
}
