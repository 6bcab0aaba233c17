//! A store in memory: the reference that the others are held against, and what tests of workflows run on.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;

use super::line::{Header, Token};
use super::name::{encode, sort_key};
use super::page::{Admission, admit, lost};
use super::wakes::Wakes;
use super::{Append, Batch, Due, End, Error, Finding, Kind, Name, Op, Page, Position, Queue, Store, Watch, Watched};
use crate::time::Timestamp;

/// A store that lives as long as its clones. Batches are atomic.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    state: Arc<Mutex<State>>,
    wakes: Wakes,
}

#[derive(Debug, Default)]
struct State {
    /// By kind, then in the order of names, then by generation.
    logs: BTreeMap<(Kind, String, u32), Log>,
    due: BTreeSet<Due>,
}

#[derive(Debug, Default)]
struct Log {
    /// How many lines in front were forgotten.
    forgotten: u64,
    lines: Vec<(Header, Bytes)>,
}

impl Log {
    fn end(&self) -> End {
        self.lines.last().map_or(End::START, |(header, _)| End::behind(*header))
    }

    fn token_of(&self, number: u64) -> Option<Token> {
        let at = number.checked_sub(self.forgotten + 1)?;
        self.lines.get(usize::try_from(at).ok()?).map(|(header, _)| header.token)
    }

    fn write(&mut self, append: &Append, token: Token) {
        let text = Bytes::from(append.framed(token));
        let mut at = 0;
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            let end = at + line.len();
            if let Some(header) = Header::parse(&line[..line.len() - 1]) {
                self.lines.push((header, text.slice(at..end)));
            }
            at = end;
        }
    }
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        MemoryStore::default()
    }
}

impl State {
    /// All appends are admitted before anything is written, so that a batch is done whole or not at all.
    fn apply(&mut self, batch: &Batch) -> Result<(), Error> {
        let mut admissions = Vec::new();
        for append in batch.appends() {
            let log = self.logs.get(&append.log.order());
            let end = log.map_or(End::START, Log::end);
            admissions.push(admit(append, batch.token(), end, |number| log.and_then(|log| log.token_of(number)))?);
        }
        let mut admissions = admissions.into_iter();
        for op in batch.ops() {
            match op {
                Op::Append(append) => {
                    if admissions.next() == Some(Admission::Write) {
                        self.logs.entry(append.log.order()).or_default().write(append, batch.token());
                    }
                }
                Op::PutDue(due) => _ = self.due.insert(due.clone()),
                Op::DropDue(due) => _ = self.due.remove(due),
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Store for MemoryStore {
    fn location(&self) -> String {
        "memory".to_owned()
    }

    async fn apply(&self, batch: &Batch) -> Result<Vec<Position>, Error> {
        batch.check()?;
        self.state.lock().apply(batch)?;
        self.wakes.announce(batch);
        Ok(batch.ends())
    }

    async fn read(&self, log: &Name, after: u64, bytes: usize) -> Result<Page, Error> {
        let state = self.state.lock();
        let Some(found) = state.logs.get(&log.order()) else {
            return if after == 0 { Ok(Page::empty(End::START)) } else { Err(lost(log, after, 0)) };
        };
        let end = found.end();
        if after > end.last.number() {
            return Err(lost(log, after, end.last.number()));
        }
        let skip = usize::try_from(after.saturating_sub(found.forgotten)).unwrap_or(usize::MAX);
        let mut text = Vec::new();
        for (at, (header, line)) in found.lines.iter().enumerate().skip(skip) {
            text.extend_from_slice(line);
            if text.len() >= bytes && !header.more {
                let has_more = at + 1 < found.lines.len();
                return Ok(Page::new(text.into(), End::behind(*header), has_more));
            }
        }
        Ok(Page::new(text.into(), end, false))
    }

    async fn end(&self, log: &Name) -> Result<End, Error> {
        Ok(self.state.lock().logs.get(&log.order()).map_or(End::START, Log::end))
    }

    async fn list(&self, kind: Kind, start: &str, after: Option<&Name>, limit: usize) -> Result<Vec<Name>, Error> {
        let prefix = encode(start);
        let from = (kind, after.map_or(prefix.clone(), |after| sort_key(after.key()).max(prefix.clone())), 1);
        let state = self.state.lock();
        let names = state
            .logs
            .range(from.clone()..)
            .take_while(|((k, key, _), _)| *k == kind && key.starts_with(&prefix))
            .filter(|((_, key, generation), _)| {
                *generation == 1 && after.is_none_or(|after| *key > sort_key(after.key()))
            })
            .filter_map(|((_, key, _), _)| Name::from_key(kind, key.strip_suffix('/')?))
            .take(limit)
            .collect();
        Ok(names)
    }

    async fn due(&self, queue: &Queue, after: Option<&Due>, now: Timestamp, limit: usize) -> Result<Vec<Due>, Error> {
        let state = self.state.lock();
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let entries = state.due.range::<Due, _>((from, Bound::Unbounded)).filter(|due| due.queue == *queue);
        Ok(entries.take_while(|due| due.at <= now).take(limit).cloned().collect())
    }

    async fn queues(&self) -> Result<Vec<Queue>, Error> {
        let mut queues: Vec<Queue> = self.state.lock().due.iter().map(|due| due.queue.clone()).collect();
        queues.dedup();
        Ok(queues)
    }

    async fn watch(&self, what: Watched) -> Result<Box<dyn Watch>, Error> {
        Ok(Box::new(self.wakes.watch(what)))
    }

    async fn forget(&self, log: &Name) -> Result<(), Error> {
        let mut state = self.state.lock();
        let found = state.logs.get_mut(&log.order());
        match found {
            Some(found) if found.end().sealed => {
                found.lines.drain(..found.lines.len() - 1);
                found.forgotten = found.end().last.number() - 1;
                Ok(())
            }
            _ => Err(not_sealed(log)),
        }
    }

    async fn inspect(&self, _repair: bool) -> Result<Vec<Finding>, Error> {
        Ok(Vec::new())
    }
}

/// Only what is sealed may be forgotten.
pub(crate) fn not_sealed(log: &Name) -> Error {
    Error::invalid(format!("log {log}"), "it is not sealed")
}
