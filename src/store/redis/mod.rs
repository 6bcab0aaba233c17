//! A store in Redis, or what speaks its protocol and runs its scripts, such as Valkey.
//!
//! A log is a list of lines, a batch is one script: it looks at all appends, and if each may be made it makes them. Nobody
//! else is served meanwhile, so a batch lands whole or not at all. (Only if an administrator takes away the right to one of
//! the commands in it, what is done is a prefix.)
//!
//! # What is kept
//! | key | type | holds |
//! | --- | --- | --- |
//! | `{tc}:store` | hash | `schema`, `id` (random, given by the first write), `writes` (how many batches came the long way) |
//! | `{tc}:log:KIND/KEY`, `…,GENERATION` | list | the lines of a log |
//! | `{tc}:names:KIND` | sorted set | the keys of all logs of a kind, each with a `/` behind |
//! | `{tc}:due:QUEUE` | sorted set | the entries of a queue, in the order of their times |
//! | `{tc}:queues` | sorted set | the queues that have entries |
//!
//! `tc` is the prefix of the address. All keys of a store have the hash tag `{tc}`, so in a cluster they are on one node,
//! and the store is as large and as fast as one node; several stores with different prefixes spread. Changes are announced
//! on channels that are called as the keys.
//!
//! # Durability
//! What was acknowledged is as durable as the server makes it: with `appendonly yes` and `appendfsync always` it survives a
//! crash of the machine, with `everysec` all but the last second does, without a log of its own the server forgets all when
//! it restarts. A failover loses what the replica did not have yet; see [`RedisOptions::replicas_min`].
//!
//! Such a loss is noticed. Every handle remembers the store's id and the highest count of writes that it has seen, and sends
//! both with every call; a server that has another id or a lower count is refused with [`Error::Lost`] before it shows or
//! writes anything. So is a log that ends before the line that the caller knows, or has another line there. (An append to an
//! end that is known needs no other evidence than that this line is there, and is not counted; so most appends take the
//! short way of `append.lua`.) A server that is set to evict keys when its memory is full is refused for writing.

mod connect;
mod failure;
mod flight;
mod inspect;
mod keys;
mod script;
mod watch;

use std::fmt;
use std::sync::Arc;

use ::redis::{RedisError, Value};
use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;

use super::line::{Header, Token};
use super::memory::not_sealed;
use super::name::{encode, sort_key};
use super::page::{changed, check_lines, lost, sound_lines};
use super::wakes::Wakes;
use super::{
    Append, BATCH_BYTES_MAX, Batch, Due, End, Error, Finding, Kind, Name, Page, Position, Queue, RedisAddress,
    RedisOptions, Settings, Store, Watch, Watched,
};
use crate::chance::{Random as _, ThreadRandom};
use crate::text::{excerpt, quote};
use crate::time::Timestamp;
pub(crate) use connect::Link;
pub(crate) use failure::{endless_scan, explain};
use flight::{Flights, Quick};
pub(crate) use keys::Keys;
use script::{Answer, Call, Replicas, Script};
use watch::Subscriber;

/// Most bytes that one call reads, but for an append that is larger: the server serves nobody else meanwhile.
const PIECE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Most members of a sorted set that one call reads.
const RANGE_MAX: usize = 1_000;

/// How many lines of a damaged log one request asks for.
const SOUND_LINES: u64 = 64;

/// Most lines that one call lets go of.
const FORGET_MAX: u64 = 10_000;

/// Opens the store at an address.
pub(super) async fn open(address: &RedisAddress, settings: &Settings) -> Result<Arc<dyn Store>, Error> {
    Ok(Arc::new(RedisStore::open(address, &settings.redis_of(address)).await?))
}

/// A store in Redis. Clones share their connection.
#[derive(Clone)]
pub struct RedisStore {
    inner: Arc<Inner>,
}

struct Inner {
    location: String,
    link: Arc<Link>,
    keys: Keys,
    known: Mutex<Known>,
    /// What tells announcements of this handle from others.
    origin: String,
    wakes: Wakes,
    flights: Arc<Flights>,
    subscriber: Subscriber,
    replicas: Replicas,
    /// Why nothing is written here.
    evicts: Option<String>,
}

/// What this handle has seen of the store; never less than before.
#[derive(Clone, Debug, Default)]
struct Known {
    /// Empty as long as there is no store.
    id: String,
    writes: u64,
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RedisStore").field(&self.inner.location).finish()
    }
}

/// Lines that one call read.
struct Piece {
    end: End,
    /// The number of the first line.
    first: u64,
    /// Whole lines, each with its newline.
    text: Vec<u8>,
}

impl RedisStore {
    /// Connects to a store. Nothing is written: a store that is not there begins with its first batch.
    ///
    /// # Errors
    /// [`Error::Invalid`] for options that do not fit each other; [`Error::Denied`] if the server does not let us in;
    /// [`Error::Unavailable`] if it does not answer; [`Error::Unfit`] if it is no Redis, has no such database, or has
    /// something else under the key of the store.
    pub async fn open(address: &RedisAddress, options: &RedisOptions) -> Result<Self, Error> {
        let location = address.to_string();
        let link = Arc::new(Link::new(address, options)?);
        let evicts = evicts(&link).await.map_err(|error| failure::explain(&error, "connecting", &location))?;
        let wakes = Wakes::default();
        let origin = format!("{:016x}", ThreadRandom.bits());
        let inner = Inner {
            subscriber: Subscriber::new(link.clone(), wakes.clone(), origin.clone(), options.response_timeout),
            flights: Flights::new(link.clone(), origin.clone(), options.connect_timeout + 2 * options.response_timeout),
            keys: Keys::new(&address.prefix),
            known: Mutex::default(),
            replicas: Replicas::new(options.replicas_min, options.response_timeout / 2),
            location,
            link,
            origin,
            wakes,
            evicts,
        };
        let store = RedisStore { inner: Arc::new(inner) };
        store.check().await?;
        Ok(store)
    }

    /// Whether the store is the one that this handle knows.
    async fn check(&self) -> Result<(), Error> {
        self.run(&script::CHECK, &self.call(None), "connecting").await.map(drop)
    }

    /// Notes what an answer says of the store.
    fn learn(&self, id: &str, writes: u64) -> Result<(), Error> {
        let mut known = self.inner.known.lock();
        if known.id.is_empty() {
            known.id = id.to_owned();
        } else if known.id != id {
            drop(known);
            return Err(self.gone(id, writes));
        }
        known.writes = known.writes.max(writes);
        Ok(())
    }

    /// The server holds another store than this handle knows, an older one, or none.
    fn gone(&self, id: &str, writes: u64) -> Error {
        let known = self.inner.known.lock().clone();
        let problem = if id.is_empty() {
            "this Redis no longer holds the store that was opened, but none".to_owned()
        } else if id != known.id {
            "this Redis no longer holds the store that was opened, but another".to_owned()
        } else {
            format!("this Redis holds an earlier state of the store, after {writes} writes of {}", known.writes)
        };
        Error::Lost { place: self.inner.location.clone(), problem }
    }

    /// No script of ours answers so.
    fn odd(&self) -> Error {
        let problem = "it answers otherwise than scripts tell it to".to_owned();
        Error::Unfit { place: self.inner.location.clone(), problem }
    }

    /// A call with the key of the store and what is known of it in front.
    fn call<'a>(&self, key: Option<String>) -> Call<'a> {
        let mut call = Call::new(std::iter::once(self.inner.keys.store()).chain(key).collect());
        let known = self.inner.known.lock().clone();
        call.bytes(known.id);
        call.number(known.writes);
        call
    }

    /// Runs a script: gives its answer, from which the id and the count of writes have been taken.
    async fn run(&self, script: &'static Script, call: &Call<'_>, doing: &str) -> Result<Answer, Error> {
        match script.call(&self.inner.link, call).await {
            Ok(value) => self.understand(value),
            Err(error) => Err(self.explain(&error, call, doing).await),
        }
    }

    async fn explain(&self, error: &RedisError, call: &Call<'_>, doing: &str) -> Error {
        if failure::code(error) == Some("WRONGTYPE")
            && let Some((key, problem)) = inspect::wrong_type(&self.inner.link, &self.inner.keys, &call.keys).await
        {
            return Error::corrupt(key, problem);
        }
        failure::explain(error, doing, &self.inner.location)
    }

    fn understand(&self, value: Value) -> Result<Answer, Error> {
        let mut answer = Answer::new(value).ok_or_else(|| self.odd())?;
        match answer.word.as_str() {
            "ok" | "gone" => {
                let (id, writes) = answer.text().zip(answer.number()).ok_or_else(|| self.odd())?;
                if answer.word == "gone" {
                    return Err(self.gone(&id, writes));
                }
                self.learn(&id, writes)?;
            }
            "schema" => {
                let schema = quote(&answer.text().unwrap_or_default());
                let problem = format!("what it holds is marked {schema}, which is not known here");
                return Err(Error::Unfit { place: self.inner.location.clone(), problem });
            }
            _ => {}
        }
        Ok(answer)
    }

    /// Some lines of a log behind `after`, whole appends of `bytes` bytes or to the end; none for 0 bytes.
    async fn piece(&self, log: &Name, after: u64, bytes: usize) -> Result<Piece, Error> {
        let mut call = self.call(Some(self.inner.keys.log(log)));
        call.number(after);
        call.number(bytes as u64);
        call.number(BATCH_BYTES_MAX as u64);
        let mut answer = self.run(&script::READ, &call, &format!("reading {log}")).await?;
        match answer.word.as_str() {
            "ok" => {
                let (piece, lines) = parse_piece(&mut answer).ok_or_else(|| self.odd())?;
                // An element of the list is a line: one with a newline in it would be taken for two.
                if memchr::memchr_iter(b'\n', &piece.text).count() as u64 != lines {
                    return Err(Error::corrupt(self.inner.keys.log(log), "one of its lines has a newline in it"));
                }
                Ok(piece)
            }
            "missing" => Err(missing(log, answer.second_number())),
            _ => Err(self.damaged(log, answer)),
        }
    }

    /// Sound lines behind `after`, as many as make about `bytes` bytes.
    async fn sound_lines(&self, log: &Name, after: u64, bytes: usize) -> Result<Bytes, Error> {
        let key = self.inner.keys.log(log);
        let (mut text, mut at) = (Vec::new(), after);
        while text.len() < bytes {
            let mut range = ::redis::cmd("LRANGE");
            range.arg(&key).arg(at).arg(at.saturating_add(SOUND_LINES) - 1);
            let failed = |error| failure::explain(&error, &format!("reading {log}"), &self.inner.location);
            let answer = self.inner.link.send(&range).await.map_err(failed)?;
            let lines: Vec<Vec<u8>> = ::redis::from_redis_value(answer).map_err(|_| self.odd())?;
            let count = lines.len() as u64;
            // What has a newline in it is no line: its halves have no numbers of their own.
            let whole = lines.into_iter().take_while(|line| !line.contains(&b'\n'));
            whole.for_each(|line| text.extend(line.into_iter().chain([b'\n'])));
            at += count;
            if count < SOUND_LINES {
                break;
            }
        }
        Ok(sound_lines(&text.into(), after.saturating_add(1), after))
    }

    /// A script found that a log is not what a store writes.
    fn damaged(&self, log: &Name, mut answer: Answer) -> Error {
        let problem = answer.number().and_then(|_| answer.text()).filter(|_| answer.word == "corrupt");
        problem.map_or_else(|| self.odd(), |problem| Error::corrupt(self.inner.keys.log(log), problem))
    }

    /// Members of a sorted set, in the order of their bytes, at most `limit`.
    async fn range(&self, key: &str, min: Vec<u8>, max: &[u8], limit: usize) -> Result<Vec<Vec<u8>>, Error> {
        let mut call = self.call(Some(key.to_owned()));
        call.bytes(min);
        call.bytes(max.to_vec());
        call.number(limit as u64);
        let mut answer = self.run(&script::RANGE, &call, "listing").await?;
        answer.list().ok_or_else(|| self.odd())
    }

    /// What `read` makes of the members of a sorted set from `min` to `max`, at most `limit`. Members of which it makes
    /// nothing are passed over: that somebody put junk there must not hide what is behind it.
    async fn collect<T>(
        &self,
        key: &str,
        mut min: Vec<u8>,
        max: &[u8],
        limit: usize,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Vec<T>, Error> {
        let mut found = Vec::new();
        while found.len() < limit {
            let asked = (limit - found.len()).min(RANGE_MAX);
            let members = self.range(key, min, max, asked).await?;
            found.extend(members.iter().filter_map(|member| read(std::str::from_utf8(member).ok()?)));
            match members.last() {
                Some(last) if members.len() >= asked => min = behind(last),
                _ => break,
            }
        }
        Ok(found)
    }

    /// Does a batch that is one append to an end that is known; false if it is none, or is not there.
    async fn append(&self, batch: &Batch) -> Result<bool, Error> {
        let wanted = self.inner.replicas.wanted == 0;
        let Some(quick) = Quick::new(&self.inner.keys, batch).filter(|_| wanted) else { return Ok(false) };
        match self.inner.flights.append(quick).await {
            Ok(landed) => {
                if landed {
                    self.inner.wakes.announce(batch);
                }
                Ok(landed)
            }
            Err(error) => Err(failure::explain(&error, "appending", &self.inner.location)),
        }
    }

    /// Does any batch.
    async fn apply_whole(&self, batch: &Batch) -> Result<(), Error> {
        let mut call = Call::new(vec![self.inner.keys.store()]);
        let known = self.inner.known.lock().clone();
        call.text(&known.id);
        call.number(known.writes);
        // A new one each time: if the store is lost between two tries of its first batch, others have seen the first one.
        call.bytes(if known.id.is_empty() {
            format!("{:016x}{:016x}", ThreadRandom.bits(), ThreadRandom.bits())
        } else {
            String::new()
        });
        call.bytes(batch.token().to_string());
        call.text(&self.inner.origin);
        call.text(if self.inner.replicas.wanted > 0 { "1" } else { "0" });
        script::add_parts(&mut call, &self.inner.keys, batch);
        let (link, replicas) = (&self.inner.link, self.inner.replicas);
        let result = if replicas.wanted == 0 {
            script::APPLY.call(link, &call).await.map(|value| (value, 0))
        } else {
            script::APPLY.call_and_wait(link, &call, replicas).await
        };
        let (value, reached) = match result {
            Ok(done) => done,
            Err(error) => return Err(self.explain(&error, &call, "appending").await),
        };
        self.outcome(batch, value, &known.id)?;
        self.inner.wakes.announce(batch);
        if reached < u64::from(replicas.wanted) {
            let few = format!("{reached} of {} replicas have it", replicas.wanted);
            return Err(Error::unavailable(format!("appending at {}", self.inner.location), few));
        }
        Ok(())
    }

    /// What a batch's script answered.
    fn outcome(&self, batch: &Batch, value: Value, id: &str) -> Result<(), Error> {
        if let Value::Int(writes) = value {
            return self.learn(id, u64::try_from(writes).unwrap_or(0));
        }
        let mut answer = self.understand(value)?;
        if answer.word == "ok" {
            return Ok(());
        }
        let index = answer.number().and_then(|index| usize::try_from(index).ok()?.checked_sub(1));
        let append = index.and_then(|index| batch.appends().nth(index)).ok_or_else(|| self.odd())?;
        self.refused(append, answer)
    }

    fn refused(&self, append: &Append, mut answer: Answer) -> Result<(), Error> {
        let (log, expected) = (append.log.clone(), append.after.number());
        if answer.word == "corrupt" {
            let problem = answer.text().ok_or_else(|| self.odd())?;
            return Err(Error::corrupt(self.inner.keys.log(&log), problem));
        }
        let actual = answer.number().ok_or_else(|| self.odd())?;
        Err(match answer.word.as_str() {
            "conflict" => Error::Conflict { log, expected, actual },
            "sealed" => Error::Sealed { log, last: actual },
            "lost" => lost(&log, expected, actual),
            "changed" => changed(&log, actual),
            _ => self.odd(),
        })
    }
}

/// Why the server must not hold a store: it throws keys away when its memory is full.
async fn evicts(link: &Link) -> Result<Option<String>, RedisError> {
    let text = match link.send(::redis::cmd("INFO").arg("memory")).await {
        Ok(Value::BulkString(text)) => String::from_utf8_lossy(&text).into_owned(),
        Ok(Value::VerbatimString { text, .. }) => text,
        Ok(_) => return Ok(None),
        // Not everybody may ask.
        Err(error) if failure::code(&error) == Some("NOPERM") => return Ok(None),
        Err(error) => return Err(error),
    };
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim);
    let policy = field("maxmemory_policy").filter(|policy| policy.starts_with("allkeys-"));
    let limited = field("maxmemory").is_some_and(|bytes| bytes != "0");
    Ok(policy.filter(|_| limited).map(|policy| {
        format!(
            "it throws away any keys when its memory is full (maxmemory-policy {}); set noeviction",
            excerpt(policy, 40)
        )
    }))
}

/// Some of the log's lines are not there, and were not let go of.
fn missing(log: &Name, count: Option<u64>) -> Error {
    let problem = match count {
        Some(count) if count > 1 => format!("{count} of its lines are not there"),
        _ => "one of its lines is not there".to_owned(),
    };
    Error::Lost { place: log.to_string(), problem }
}

/// Lines and how many there should be.
fn parse_piece(answer: &mut Answer) -> Option<(Piece, u64)> {
    let seq = answer.number()?;
    if seq == 0 {
        return Some((Piece { end: End::START, first: 1, text: Vec::new() }, 0));
    }
    let token = Token::parse(answer.bytes()?.as_slice().try_into().ok()?)?;
    let sealed = answer.number()? == 1;
    let (first, lines, mut text) = (answer.number()?, answer.number()?, answer.bytes()?);
    if lines > 0 {
        text.push(b'\n');
    }
    Some((Piece { end: End::behind(Header { seq, token, more: false, sealed }), first, text }, lines))
}

/// The end of a range that begins behind `member`.
fn behind(member: &[u8]) -> Vec<u8> {
    [b"(", member].concat()
}

#[async_trait]
impl Store for RedisStore {
    fn location(&self) -> String {
        self.inner.location.clone()
    }

    async fn apply(&self, batch: &Batch) -> Result<Vec<Position>, Error> {
        batch.check()?;
        if batch.ops().is_empty() {
            return Ok(Vec::new());
        }
        if let Some(problem) = &self.inner.evicts {
            return Err(Error::Unfit { place: self.inner.location.clone(), problem: problem.clone() });
        }
        if !self.append(batch).await? {
            // In a box, so that the common case does not carry what this one needs.
            Box::pin(self.apply_whole(batch)).await?;
        }
        Ok(batch.ends())
    }

    async fn read(&self, log: &Name, after: u64, bytes: usize) -> Result<Page, Error> {
        let mut text: Vec<u8> = Vec::new();
        let mut last: Option<Header> = None;
        loop {
            let behind = last.map_or(after, |header| header.seq);
            let wanted = bytes.saturating_sub(text.len()).clamp(1, PIECE_BYTES_MAX);
            let piece = self.piece(log, behind, wanted).await?;
            let end = piece.end.last.number();
            if behind > end {
                return Err(lost(log, behind, end));
            }
            // Whoever forgets a log while it is read takes away what would come next.
            let forgotten = last.is_some() && piece.first != behind + 1;
            if piece.text.is_empty() || forgotten {
                let page_end = last.map_or(piece.end, End::behind);
                return Ok(Page::new(text.into(), page_end, forgotten));
            }
            let checked =
                check_lines(&piece.text, Some(piece.first), usize::MAX, &self.inner.keys.log(log), text.len() as u64)?;
            let whole = checked.bytes == piece.text.len();
            let Some(header) = checked.last.filter(|header| whole && header.seq <= end) else {
                let problem = format!("the append at line {} has no end", piece.first);
                return Err(Error::corrupt(self.inner.keys.log(log), problem));
            };
            last = Some(header);
            if text.is_empty() {
                text = piece.text;
            } else {
                text.extend_from_slice(&piece.text);
            }
            if text.len() >= bytes || header.seq == end {
                return Ok(Page::new(text.into(), End::behind(header), header.seq < end));
            }
        }
    }

    async fn read_damaged(&self, log: &Name, after: u64, bytes: usize) -> Result<Bytes, Error> {
        self.sound_lines(log, after, bytes).await
    }

    async fn end(&self, log: &Name) -> Result<End, Error> {
        Ok(self.piece(log, u64::MAX >> 12, 0).await?.end)
    }

    async fn list(&self, kind: Kind, start: &str, after: Option<&Name>, limit: usize) -> Result<Vec<Name>, Error> {
        let start = encode(start);
        let min = match after.map(|after| sort_key(after.key())) {
            Some(after) if after >= start => behind(after.as_bytes()),
            _ => [b"[", start.as_bytes()].concat(),
        };
        // No key has a byte as high.
        let max = [b"(", start.as_bytes(), b"\xff"].concat();
        let read = |member: &str| Name::from_key(kind, member.strip_suffix('/')?);
        self.collect(&self.inner.keys.names(kind), min, &max, limit, read).await
    }

    async fn due(&self, queue: &Queue, after: Option<&Due>, now: Timestamp, limit: usize) -> Result<Vec<Due>, Error> {
        // Behind the time comes `_`, and behind that in ASCII comes this.
        let max = format!("({}`", now.fixed_width());
        let read = |member: &str| Due::from_entry(queue, member);
        let min = after.map_or_else(|| b"-".to_vec(), |after| format!("({}", after.to_entry()).into_bytes());
        self.collect(&self.inner.keys.due(queue), min, max.as_bytes(), limit, read).await
    }

    async fn queues(&self) -> Result<Vec<Queue>, Error> {
        self.collect(&self.inner.keys.queues(), b"-".to_vec(), b"+", usize::MAX, Queue::from_key).await
    }

    async fn watch(&self, what: Watched) -> Result<Box<dyn Watch>, Error> {
        let channel = match &what {
            Watched::Log(log) => self.inner.keys.log(log),
            Watched::Queue(queue) => self.inner.keys.due(queue),
        };
        let result = self.inner.subscriber.watch(what, channel).await;
        result.map_err(|error| failure::explain(&error, "watching", &self.inner.location))
    }

    async fn forget(&self, log: &Name) -> Result<(), Error> {
        loop {
            let mut call = self.call(Some(self.inner.keys.log(log)));
            call.number(FORGET_MAX);
            let mut answer = self.run(&script::FORGET, &call, &format!("forgetting {log}")).await?;
            match answer.word.as_str() {
                "ok" => {}
                "open" => return Err(not_sealed(log)),
                _ => return Err(self.damaged(log, answer)),
            }
            if answer.number() == Some(0) {
                return Ok(());
            }
        }
    }

    async fn inspect(&self, repair: bool) -> Result<Vec<Finding>, Error> {
        inspect::inspect(self, repair).await
    }
}
