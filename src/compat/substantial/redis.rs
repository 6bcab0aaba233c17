//! A store of the package on Redis.
//!
//! Its keys lie among those of others, so that a page of runs costs a pass over all keys (`SCAN`), in steps; nothing is asked for
//! that holds the server up. A key of another type than the package gives it is an error that names the key, or a warning
//! where the rest can be read.

use std::fmt;

use ::redis::{Cmd, Pipeline, RedisError, Value, cmd, pipe};

use super::listing::{FirstNames, ListedRun, Listing};
use super::records::{SUBSTANTIAL_HISTORY_BYTES_MAX, SubstantialReading, read_event};
use super::replay_log::{self, ReplayNote};
use super::stored_run::{
    LOGS_MAX, NewSchedule, ReplayLog, RunSchedule, SMALL_BYTES_MAX, SUBSTANTIAL_SCHEDULES_MAX, StoredRun,
    SubstantialLease, warn,
};
use super::zone::{WorkerZone, naive_text, parse_naive};
use super::{LEASE_US, workflow_of};
use crate::store::redis::{Link, endless_scan, explain};
use crate::store::{Error, RedisAddress, RedisOptions};
use crate::text::{excerpt, quote};
use crate::time::Timestamp;

/// What stands between the parts of a key.
const SEPARATOR: &str = ":/";

/// How many keys or members one request asks for.
const STEP: usize = 1_000;

/// Most lists of links, and most queues, that are looked at.
const SETS_MAX: usize = 10_000;

/// Most characters of a key that a message repeats.
const KEY_CHARS_MAX: usize = 300;

/// Adds a schedule, unless the run has one at this time, and the link to a new run. What leads workers there comes last: they fall
/// over a schedule that leads to nothing, and a server that refuses a command undoes none of those before.
const ADD_SCHEDULE: &str = r#"
if redis.call("EXISTS", KEYS[3]) == 1 then return 0 end
redis.call("SET", KEYS[3], ARGV[3])
redis.call("ZADD", KEYS[2], ARGV[1], ARGV[2])
if KEYS[4] then redis.call("ZADD", KEYS[4], 0, ARGV[2]) end
redis.call("ZADD", KEYS[1], 0, KEYS[2])
return 1
"#;

/// A store of the package in one database of a Redis.
pub struct SubstantialRedis {
    link: Link,
    location: String,
    zone: WorkerZone,
    /// The queues that the last pass over all keys found: to find them again takes another pass.
    queues: parking_lot::Mutex<Option<Vec<String>>>,
}

impl fmt::Debug for SubstantialRedis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Redis").field(&self.location).finish()
    }
}

fn key(parts: &[&str]) -> String {
    let mut key = String::from("substantial");
    for part in parts {
        key.push_str(SEPARATOR);
        key.push_str(part);
    }
    key
}

/// A key as a message names it.
fn shown(key: &str) -> String {
    excerpt(key, KEY_CHARS_MAX)
}

/// The parts of a key of the package.
fn parts(key: &str) -> Option<Vec<&str>> {
    Some(key.strip_prefix("substantial")?.strip_prefix(SEPARATOR)?.split(SEPARATOR).collect())
}

/// Whether a name can be part of a key.
fn check(what: &str, name: &str) -> Result<(), Error> {
    if name.is_empty() || name.contains(SEPARATOR) {
        return Err(Error::invalid(what, format!("{} cannot be part of a key", quote(name))));
    }
    Ok(())
}

fn bytes(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        Value::SimpleString(text) => Some(text.into_bytes()),
        _ => None,
    }
}

fn texts(value: Value) -> Option<Vec<String>> {
    let Value::Array(values) = value else { return None };
    // What is not UTF-8 is left out: the package writes nothing of the kind.
    Some(values.into_iter().filter_map(bytes).filter_map(|bytes| String::from_utf8(bytes).ok()).collect())
}

fn int(value: &Value) -> Option<u64> {
    match value {
        Value::Int(int) => u64::try_from(*int).ok(),
        _ => None,
    }
}

/// What the keys of the package tell of at a glance.
#[derive(Default)]
struct Keys {
    /// The workflows that have links.
    workflows: Vec<String>,
    queues: Vec<String>,
}

impl SubstantialRedis {
    /// The way to a store, which is not gone yet; it was written on machines in a zone.
    ///
    /// # Errors
    /// [`Error::Invalid`] for options that do not fit each other.
    pub fn new(address: &RedisAddress, options: &RedisOptions, zone: WorkerZone) -> Result<SubstantialRedis, Error> {
        Ok(SubstantialRedis {
            link: Link::new(address, options)?,
            location: address.to_string(),
            zone,
            queues: parking_lot::Mutex::default(),
        })
    }

    /// The zone of its times.
    pub fn zone(&self) -> &WorkerZone {
        &self.zone
    }

    /// Whether the database holds keys of the package. If it does not, all its keys are passed over.
    ///
    /// # Errors
    /// As the server says.
    pub async fn detect(&self) -> Result<bool, Error> {
        self.each_page(|keys| !keys.is_empty()).await
    }

    fn odd(&self) -> Error {
        let problem = "it answers otherwise than a Redis does".to_owned();
        Error::Unfit { place: self.location.clone(), problem }
    }

    fn explain(&self, error: &RedisError, key: &str) -> Error {
        if error.code() == Some("WRONGTYPE") {
            let problem = "it is of another type than the package gives it";
            return Error::corrupt(format!("{} {}", self.location, shown(key)), problem);
        }
        explain(error, "asking", &self.location)
    }

    /// Sends a command about a key.
    async fn ask(&self, command: &Cmd, key: &str) -> Result<Value, Error> {
        self.link.send(command).await.map_err(|error| self.explain(&error, key))
    }

    async fn scan(&self, cursor: u64, pattern: &str) -> Result<(u64, Vec<String>), Error> {
        let mut command = cmd("SCAN");
        command.arg(cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(STEP);
        let Value::Array(mut answer) = self.ask(&command, pattern).await? else { return Err(self.odd()) };
        let (Some(keys), Some(cursor), true) = (answer.pop(), answer.pop(), answer.is_empty()) else {
            return Err(self.odd());
        };
        let cursor = bytes(cursor).and_then(|text| std::str::from_utf8(&text).ok()?.parse().ok());
        cursor.zip(texts(keys)).ok_or_else(|| self.odd())
    }

    /// Calls `visit` with the parts of each key of the package.
    async fn each_key(&self, mut visit: impl FnMut(&[&str]) + std::marker::Send) -> Result<(), Error> {
        let visit_all = |keys: &[String]| {
            keys.iter().filter_map(|key| parts(key)).for_each(|parts| visit(&parts));
            false
        };
        self.each_page(visit_all).await.map(drop)
    }

    /// Calls `visit` with the keys of the package, some at a time, until that returns true; whether it did.
    async fn each_page(&self, mut visit: impl FnMut(&[String]) -> bool + std::marker::Send) -> Result<bool, Error> {
        let (mut cursor, mut steps_left) = (0, None);
        loop {
            let (next, keys) = self.scan(cursor, "substantial:/*").await?;
            if visit(&keys) {
                return Ok(true);
            }
            if next == 0 {
                return Ok(false);
            }
            let left: u64 = match steps_left {
                Some(left) => left,
                None => self.link.scan_steps_max(STEP).await,
            };
            steps_left = Some(left.checked_sub(1).ok_or_else(|| endless_scan(&self.location))?);
            cursor = next;
        }
    }

    async fn keys(&self) -> Result<Keys, Error> {
        let mut keys = Keys::default();
        self.each_key(|parts| keys.take(parts)).await?;
        Ok(self.note(keys))
    }

    fn note(&self, keys: Keys) -> Keys {
        let keys = keys.in_order();
        *self.queues.lock() = Some(keys.queues.clone());
        keys
    }

    /// The queues, as the last pass over all keys found them.
    async fn known_queues(&self) -> Result<Vec<String>, Error> {
        let known = self.queues.lock().clone();
        match known {
            Some(queues) => Ok(queues),
            None => Ok(self.keys().await?.queues),
        }
    }

    /// Calls `visit` with each member of a sorted set. What is moved meanwhile may be missed; the package never moves links.
    async fn each_member(&self, key: &str, mut visit: impl FnMut(&str) + std::marker::Send) -> Result<(), Error> {
        let mut at = 0;
        loop {
            let mut command = cmd("ZRANGE");
            command.arg(key).arg(at).arg(at + STEP - 1);
            let Value::Array(members) = self.ask(&command, key).await? else { return Err(self.odd()) };
            let count = members.len();
            texts(Value::Array(members)).iter().flatten().for_each(|member| visit(member));
            if count < STEP {
                return Ok(());
            }
            at += STEP;
        }
    }

    /// A page of the workflows that have links, behind `after`.
    ///
    /// # Errors
    /// As the server says.
    pub async fn workflows(&self, after: Option<&str>, limit: usize) -> Result<Listing<String>, Error> {
        Ok(page(&self.keys().await?.workflows, after, limit))
    }

    /// A page of the queues, behind `after`.
    ///
    /// # Errors
    /// As the server says.
    pub async fn queues(&self, after: Option<&str>, limit: usize) -> Result<Listing<String>, Error> {
        Ok(page(&self.keys().await?.queues, after, limit))
    }

    /// A page of the runs, of one workflow or of all, behind `after`: those that have a link, a history or a schedule.
    ///
    /// # Errors
    /// As the server says. A key of another type is a warning.
    pub async fn runs(
        &self,
        workflow: Option<&str>,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Listing<ListedRun>, Error> {
        let mut first = FirstNames::new(after, limit);
        let mut keys = Keys::default();
        // What can be no run must not be in the way of those that are.
        let can_be = |run: &str| check("run", run).is_ok();
        let is_wanted = |run: &str| can_be(run) && workflow.is_none_or(|workflow| workflow_of(run) == workflow);
        self.each_key(|parts| match parts {
            ["runs", run, "events"] if is_wanted(run) => first.add(run, None),
            parts => keys.take(parts),
        })
        .await?;
        let mut listing = Listing::default();
        let keys = self.note(keys);
        for name in keys.workflows.iter().filter(|name| workflow.is_none_or(|workflow| workflow == *name)) {
            let mut odd = 0;
            let add = |run: &str| if can_be(run) { first.add(run, Some(name)) } else { odd += 1 };
            let done = self.each_member(&key(&["links", "runs", name]), add).await;
            if odd > 0 {
                let list = shown(&key(&["links", "runs", name]));
                warn(&mut listing.warnings, format!("{} {list}: {odd} of its names can be no run", self.location));
            }
            self.warn(&mut listing.warnings, done)?;
        }
        for queue in &keys.queues {
            let add = |member: &str| match parts(member).as_deref() {
                Some(["ref_", run, _]) if is_wanted(run) => first.add(run, None),
                _ => {}
            };
            let done = self.each_member(&key(&["schedules", queue]), add).await;
            self.warn(&mut listing.warnings, done)?;
        }
        (listing.items, listing.more) = first.into_runs();
        Ok(listing)
    }

    /// Makes a warning of what is wrong with one key, and an error of what is wrong with all.
    fn warn<T>(&self, warnings: &mut Vec<String>, result: Result<T, Error>) -> Result<Option<T>, Error> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(error @ Error::Corrupt { .. }) => {
                warn(warnings, error.to_string());
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// All that there is about some runs, in their order. What cannot be read is told of in `warnings`.
    ///
    /// # Errors
    /// As the server says; [`Error::Invalid`] for what can be no run.
    pub async fn read(&self, runs: &[&str]) -> Result<Vec<StoredRun>, Error> {
        let mut queues = self.known_queues().await?;
        let mut is_fresh = false;
        let mut found = Vec::with_capacity(runs.len());
        for run in runs {
            check("run", run)?;
            let mut one = self.read_run(run, &queues).await?;
            // A worker may have moved the run from one schedule to the next between the questions, or to a queue that is new.
            if one.schedules_count == 0 && one.history().life().is_some_and(|life| life.end.is_none()) {
                if !is_fresh {
                    (queues, is_fresh) = (self.keys().await?.queues, true);
                }
                one = self.read_run(run, &queues).await?;
            }
            found.push(one);
        }
        Ok(found)
    }

    async fn read_run(&self, run: &str, queues: &[String]) -> Result<StoredRun, Error> {
        let mut found = StoredRun::named(run);
        let mut warnings = Vec::new();
        let replays = self.replays(run, &mut warnings).await;
        if let Some((replays, count)) = self.warn(&mut warnings, replays)? {
            (found.replays, found.replays_count) = (replays, count);
        }
        match self.reading(run).await {
            Ok(reading) => found.reading = reading,
            Err(error @ Error::Corrupt { .. }) => {
                warnings.push(error.to_string());
                found.unread = Some(error.into());
            }
            Err(error) => return Err(error),
        }
        if let Some(misread) = found.misread() {
            warnings.push(format!("{} {}: {misread}", self.location, shown(&key(&["runs", run, "events"]))));
        }
        for queue in queues {
            let done = self.schedules(run, queue, &mut found, &mut warnings).await;
            found.partly_unread |= self.warn(&mut warnings, done)?.is_none();
        }
        found.put_in_order();
        let lease = self.warn(&mut warnings, self.lease(run).await)?;
        found.partly_unread |= lease.is_none();
        found.lease = lease.flatten();
        found.warnings = warnings;
        Ok(found)
    }

    /// What a string holds; none if there is no such key.
    ///
    /// # Errors
    /// As the server says; [`Error::Corrupt`] if it is larger than `max` bytes, or no string.
    async fn string(&self, key: &str, max: usize) -> Result<Option<Vec<u8>>, Error> {
        let answer = self.ask(cmd("GETRANGE").arg(key).arg(0).arg(max), key).await?;
        let held = bytes(answer).ok_or_else(|| self.odd())?;
        if held.len() > max {
            let place = format!("{} {}", self.location, shown(key));
            return Err(Error::corrupt(place, format!("it is larger than {max} bytes")));
        }
        if held.is_empty() && self.ask(cmd("EXISTS").arg(key), key).await? == Value::Int(0) {
            return Ok(None);
        }
        Ok(Some(held))
    }

    /// The history alone of a run.
    ///
    /// # Errors
    /// [`Error::Invalid`] for what can be no run, and as the server says.
    pub async fn reading(&self, run: &str) -> Result<Option<SubstantialReading>, Error> {
        check("run", run)?;
        let held = self.string(&key(&["runs", run, "events"]), SUBSTANTIAL_HISTORY_BYTES_MAX).await?;
        Ok(held.map(|held| SubstantialReading::parse(&held)))
    }

    async fn replays(&self, run: &str, warnings: &mut Vec<String>) -> Result<(Vec<ReplayLog>, u64), Error> {
        let list = key(&["runs", run, "logs"]);
        let count = int(&self.ask(cmd("LLEN").arg(&list), &list).await?).ok_or_else(|| self.odd())?;
        let names = self.ask(cmd("LRANGE").arg(&list).arg(0).arg(LOGS_MAX - 1), &list).await?;
        let mut schedules = Vec::new();
        for name in texts(names).ok_or_else(|| self.odd())? {
            // A name that is not of this run is not followed.
            match parts(&name).as_deref() {
                Some([of, schedule]) if *of == run && parse_naive(schedule).is_some() => {
                    schedules.extend(parse_naive(schedule).map(|schedule| (name.clone(), schedule)));
                }
                _ => warnings.push(format!("{} {}: {} is no log of it", self.location, shown(&list), shown(&name))),
            }
        }
        let mut replays = Vec::new();
        let held = self.strings(schedules.iter().map(|(name, _)| name.as_str()).collect()).await?;
        for ((name, schedule), held) in schedules.into_iter().zip(held) {
            let notes: Result<Vec<ReplayNote>, Error> = held.and_then(|held| {
                replay_log::parse(&held)
                    .map_err(|what| Error::corrupt(format!("{} {}", self.location, shown(&name)), what))
            });
            replays.push(ReplayLog { schedule, notes: self.warn(warnings, notes)? });
        }
        Ok((replays, count))
    }

    /// What small strings hold, in one request if all are strings.
    async fn strings(&self, keys: Vec<&str>) -> Result<Vec<Result<Vec<u8>, Error>>, Error> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let mut commands: Pipeline = pipe();
        for key in &keys {
            commands.cmd("GETRANGE").arg(key).arg(0).arg(SMALL_BYTES_MAX);
        }
        match self.link.send_all(&commands).await {
            Ok(answers) => Ok(answers.into_iter().map(|answer| bytes(answer).ok_or_else(|| self.odd())).collect()),
            Err(error) if error.code() == Some("WRONGTYPE") => {
                let mut held = Vec::new();
                for key in keys {
                    held.push(self.string(key, SMALL_BYTES_MAX).await.map(Option::unwrap_or_default));
                }
                Ok(held)
            }
            Err(error) => Err(self.explain(&error, "")),
        }
    }

    async fn schedules(
        &self,
        run: &str,
        queue: &str,
        found: &mut StoredRun,
        warnings: &mut Vec<String>,
    ) -> Result<(), Error> {
        let set = key(&["schedules", queue]);
        // All have the same score, so that they are in the order of their bytes.
        let from = key(&["ref_", run, ""]);
        let (low, high) = (format!("[{from}").into_bytes(), [b"[", from.as_bytes(), b"\xff"].concat());
        let count = self.ask(cmd("ZLEXCOUNT").arg(&set).arg(&low).arg(&high), &set).await?;
        found.schedules_count += int(&count).ok_or_else(|| self.odd())?;
        let mut command = cmd("ZRANGEBYLEX");
        command.arg(&set).arg(low).arg(high).arg("LIMIT").arg(0).arg(SUBSTANTIAL_SCHEDULES_MAX);
        for member in texts(self.ask(&command, &set).await?).ok_or_else(|| self.odd())? {
            let at = parts(&member).and_then(|parts| parse_naive(parts.get(2)?));
            let Some(at) = at else {
                warnings.push(format!("{} {}: {} is no schedule", self.location, shown(&set), shown(&member)));
                continue;
            };
            let event = self.planned(run, at).await;
            let event = self.warn(warnings, event)?.flatten();
            found.schedules.push(RunSchedule { queue: queue.to_owned(), at, event });
        }
        Ok(())
    }

    /// The event that a schedule holds.
    async fn planned(&self, run: &str, at: Timestamp) -> Result<Option<super::SubstantialEvent>, Error> {
        let name = key(&[&naive_text(at), run]);
        let corrupt = |what: String| Error::corrupt(format!("{} {}", self.location, shown(&name)), what);
        match self.string(&name, SMALL_BYTES_MAX).await? {
            None => Err(corrupt("a schedule leads to it, and it is not there".to_owned())),
            Some(held) if held.is_empty() => Ok(None),
            Some(held) => read_event(&held).map(Some).map_err(|misread| corrupt(misread.to_string())),
        }
    }

    async fn lease(&self, run: &str) -> Result<Option<SubstantialLease>, Error> {
        let name = key(&["lease", run]);
        let Some(held) = self.string(&name, SMALL_BYTES_MAX).await? else { return Ok(None) };
        let until = std::str::from_utf8(&held).ok().and_then(parse_naive);
        let corrupt = || Error::corrupt(format!("{} {}", self.location, shown(&name)), "it is not a time");
        let until = self.zone.point(until.ok_or_else(corrupt)?);
        Ok(Some(SubstantialLease { since: until.offset_micros(-LEASE_US), until }))
    }

    /// Adds a schedule that holds an event. False if the run has one at this time.
    pub(super) async fn add_schedule(&self, new: &NewSchedule) -> Result<bool, Error> {
        let [set, by_run, held] = schedule_keys(new);
        let link = new.workflow.as_ref().map(|workflow| key(&["links", "runs", workflow]));
        let mut command = cmd("EVAL");
        command.arg(ADD_SCHEDULE).arg(if link.is_some() { 4 } else { 3 }).arg(&set).arg(by_run).arg(held).arg(link);
        command.arg(score(self.zone.point(new.at))).arg(&new.run).arg(&new.event);
        match self.ask(&command, &set).await? {
            Value::Int(added) => Ok(added == 1),
            _ => Err(self.odd()),
        }
    }

    /// What the schedule of this time holds, if workers are led to it.
    pub(super) async fn scheduled(&self, new: &NewSchedule) -> Result<Option<Vec<u8>>, Error> {
        let [set, by_run, held] = schedule_keys(new);
        match self.ask(cmd("ZSCORE").arg(&set).arg(by_run), &set).await? {
            Value::Nil => Ok(None),
            _ => self.string(&held, SMALL_BYTES_MAX).await,
        }
    }
}

/// The keys of the queue, of what leads to a run at a time, and of the event.
fn schedule_keys(new: &NewSchedule) -> [String; 3] {
    let at = naive_text(new.at);
    [key(&["schedules", &new.queue]), key(&["ref_", &new.run, &at]), key(&[&at, &new.run])]
}

/// A point in time as Python's `datetime.timestamp()` gives it: seconds, to which a fraction is added as a float.
fn score(at: Timestamp) -> String {
    let (seconds, us) = (at.micros().div_euclid(1_000_000), at.micros().rem_euclid(1_000_000));
    crate::compat::float::float_repr(seconds as f64 + us as f64 / 1e6)
}

impl Keys {
    fn take(&mut self, parts: &[&str]) {
        let (names, name) = match parts {
            ["links", "runs", workflow] => (&mut self.workflows, workflow),
            ["schedules", queue] => (&mut self.queues, queue),
            _ => return,
        };
        // A scan may give a key twice.
        if names.len() < SETS_MAX {
            names.push((*name).to_owned());
        }
    }

    fn in_order(mut self) -> Self {
        for names in [&mut self.workflows, &mut self.queues] {
            names.sort_unstable();
            names.dedup();
        }
        self
    }
}

fn page(names: &[String], after: Option<&str>, limit: usize) -> Listing<String> {
    let mut first = FirstNames::new(after, limit);
    names.iter().for_each(|name| first.add(name, None));
    let (items, more) = first.into_names();
    Listing { items, more, warnings: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_parts() {
        assert_eq!(key(&["links", "runs", "w"]), "substantial:/links:/runs:/w");
        assert_eq!(parts("substantial:/runs:/r:/events"), Some(vec!["runs", "r", "events"]));
        assert_eq!(parts("substantialish"), None);
        assert_eq!(parts("tc:/runs"), None);
    }

    #[test]
    fn scores_are_those_of_python() {
        let at = Timestamp::parse(b"2026-11-21T21:49:54.475115Z").unwrap();
        assert_eq!(score(at), "1795297794.475115");
        assert_eq!(score(Timestamp::from_micros(0)), "0.0");
    }
}
