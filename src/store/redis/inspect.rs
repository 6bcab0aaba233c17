//! Looking for damage: keys of a wrong type, lists that are not logs, and indexes that do not say what is there.

use ::redis::{RedisError, Value, cmd, pipe};

use super::connect::Link;
use super::keys::{Key, Keys};
use super::script::{self, Call};
use super::{PIECE_BYTES_MAX, RANGE_MAX, RedisStore, behind, failure};
use crate::store::name::sort_key;
use crate::store::page::check_lines;
use crate::store::{Due, Error, Finding, Name, Queue};
use crate::text::excerpt;

/// Most findings that are given: who has more has one problem, not many.
const FINDINGS_MAX: usize = 1_000;

/// How many keys one step of a scan looks at.
const SCAN_COUNT: usize = 500;

const DOING: &str = "inspecting";

/// The first of `wanted` that is of another type than it should, and why.
pub(super) async fn wrong_type(link: &Link, keys: &Keys, wanted: &[String]) -> Option<(String, String)> {
    let types = types(link, wanted).await.ok()?;
    wanted.iter().zip(types).find_map(|(name, found)| {
        let problem = type_problem(&keys.read(name)?, &found)?;
        Some((name.clone(), problem))
    })
}

fn type_problem(key: &Key, found: &str) -> Option<String> {
    let expected = key.kept_as();
    (found != expected && found != "none").then(|| format!("it is a {found} where a {expected} should be"))
}

/// The types of keys; `none` for one that is not there.
async fn types(link: &Link, keys: &[String]) -> Result<Vec<String>, RedisError> {
    let mut types = Vec::with_capacity(keys.len());
    for some in keys.chunks(RANGE_MAX) {
        let mut commands = pipe();
        for key in some {
            commands.cmd("TYPE").arg(key);
        }
        for answer in link.send_all(&commands).await? {
            types.push(match answer {
                Value::SimpleString(name) => name.chars().filter(char::is_ascii_alphanumeric).take(20).collect(),
                _ => String::new(),
            });
        }
    }
    Ok(types)
}

/// All that can be wrong with a store in Redis.
pub(super) async fn inspect(store: &RedisStore, repair: bool) -> Result<Vec<Finding>, Error> {
    store.check().await?;
    let mut inspection = Inspection { store, repair, findings: Vec::new(), has_store: false, has_others: false };
    let mut cursor = 0u64;
    let mut steps_left = store.inner.link.scan_steps_max(SCAN_COUNT).await;
    loop {
        steps_left = steps_left.checked_sub(1).ok_or_else(|| failure::endless_scan(&store.inner.location))?;
        let (next, keys) = inspection.scan(cursor).await?;
        inspection.look_at(&keys).await?;
        if next == 0 || inspection.is_full() {
            break;
        }
        cursor = next;
    }
    if inspection.has_others && !inspection.has_store && !inspection.is_full() {
        let problem = "it is not there, and other keys of the store are: something was lost";
        inspection.find(store.inner.keys.store(), problem.to_owned());
    }
    inspection.findings.sort_by(|a, b| (&a.place, &a.problem).cmp(&(&b.place, &b.problem)));
    // A scan may give a key twice.
    inspection.findings.dedup();
    Ok(inspection.findings)
}

struct Inspection<'a> {
    store: &'a RedisStore,
    repair: bool,
    findings: Vec<Finding>,
    has_store: bool,
    has_others: bool,
}

/// An entry of an index that says of a key whether it is there.
struct Entry {
    index: String,
    member: String,
    key: String,
}

impl Inspection<'_> {
    fn is_full(&self) -> bool {
        self.findings.len() >= FINDINGS_MAX
    }

    fn find(&mut self, place: String, problem: String) {
        self.findings.push(Finding::new(&place, &problem));
    }

    fn keys(&self) -> &Keys {
        &self.store.inner.keys
    }

    fn failed(&self, error: &RedisError) -> Error {
        failure::explain(error, DOING, &self.store.inner.location)
    }

    async fn scan(&self, cursor: u64) -> Result<(u64, Vec<String>), Error> {
        let mut scan = cmd("SCAN");
        scan.arg(cursor).arg("MATCH").arg(self.keys().pattern()).arg("COUNT").arg(SCAN_COUNT);
        let answer = self.store.inner.link.send(&scan).await.map_err(|error| self.failed(&error))?;
        let parsed: Result<(u64, Vec<Vec<u8>>), _> = ::redis::from_redis_value(answer);
        let (next, keys) = parsed.map_err(|_| self.store.odd())?;
        // A key of ours is ASCII; what another has of characters is shown so that it is harmless.
        let shown =
            |key: Vec<u8>| String::from_utf8(key).unwrap_or_else(|bad| bad.as_bytes().escape_ascii().to_string());
        Ok((next, keys.into_iter().map(shown).collect()))
    }

    async fn look_at(&mut self, names: &[String]) -> Result<(), Error> {
        let types = match types(&self.store.inner.link, names).await {
            Ok(types) => types,
            // Of many keys one may be out of bounds. The others are looked at one by one.
            Err(error) if names.len() > 1 && failure::code(&error) == Some("NOPERM") => {
                for name in names {
                    Box::pin(self.look_at(std::slice::from_ref(name))).await?;
                }
                return Ok(());
            }
            Err(error) => {
                let doing = match names {
                    [name] => match self.keys().read(name) {
                        // As who reads the log says it.
                        Some(Key::Log(log)) => format!("reading {log}"),
                        _ => format!("{DOING} {}", excerpt(name, 300)),
                    },
                    _ => DOING.to_owned(),
                };
                match (failure::explain(&error, &doing, &self.store.inner.location), names) {
                    (denied @ Error::Denied { .. }, [name]) => self.unread(name, &denied),
                    (error, _) => return Err(error),
                }
                return Ok(());
            }
        };
        for (name, found) in names.iter().zip(types) {
            if self.is_full() {
                break;
            }
            let Some(key) = self.keys().read(name) else {
                self.find(excerpt(name, 300), "no store makes such a key".to_owned());
                continue;
            };
            self.has_store |= matches!(key, Key::Store);
            self.has_others |= !matches!(key, Key::Store | Key::Stream | Key::Writer);
            if let Some(problem) = type_problem(&key, &found) {
                self.find(name.clone(), problem);
                continue;
            }
            match self.look_into(name, key).await {
                Err(error @ Error::Denied { .. }) => self.unread(name, &error),
                looked => looked?,
            }
        }
        Ok(())
    }

    fn unread(&mut self, name: &str, error: &Error) {
        self.findings.push(Finding::unread(&excerpt(name, 300), error));
    }

    async fn look_into(&mut self, name: &str, key: Key) -> Result<(), Error> {
        match key {
            // It was looked at first of all; and an evolution log is no part of the store.
            Key::Store | Key::Stream | Key::Writer => Ok(()),
            Key::Log(log) => self.look_at_log(&log).await,
            Key::Names(kind) => {
                let problem = "it names a log that has no lines: it was never written, deleted, or thrown away";
                let key = |keys: &Keys, text: &str| Some(keys.log(&Name::from_key(kind, text.strip_suffix('/')?)?));
                self.look_at_index(name, problem, key).await
            }
            Key::Due(queue) => self.look_at_due(&queue).await,
            Key::Queues => {
                let key = |keys: &Keys, text: &str| Some(keys.due(&Queue::from_key(text)?));
                self.look_at_index(name, "it names a queue that has no entries", key).await
            }
        }
    }

    /// Reads a log from its first line to its last, and looks whether lists name it.
    async fn look_at_log(&mut self, log: &Name) -> Result<(), Error> {
        match self.read_log(log).await {
            Err(Error::Corrupt { place, problem } | Error::Lost { place, problem }) => self.find(place, problem),
            Err(error) => return Err(error),
            Ok(()) => {}
        }
        if log.generation() > 1 {
            return Ok(());
        }
        let entry =
            Entry { index: self.keys().names(log.kind()), member: sort_key(log.key()), key: self.keys().log(log) };
        if !self.is_member(&entry).await? {
            let problem = "no list names this log";
            self.mend(entry.key.clone(), problem, "name it", &entry).await?;
        }
        Ok(())
    }

    async fn read_log(&self, log: &Name) -> Result<(), Error> {
        let mut after = 0;
        loop {
            let piece = self.store.piece(log, after, PIECE_BYTES_MAX).await?;
            if piece.text.is_empty() {
                return Ok(());
            }
            let place = self.keys().log(log);
            let checked = check_lines(&piece.text, Some(piece.first), usize::MAX, &place, 0)?;
            let whole = checked.bytes == piece.text.len();
            match checked.last.filter(|_| whole) {
                Some(last) if last.seq >= piece.end.last.number() => return Ok(()),
                Some(last) => after = last.seq,
                None => {
                    return Err(Error::corrupt(place, format!("the append at line {} has no end", piece.first)));
                }
            }
        }
    }

    /// Looks at each entry of an index: `key` tells of which key it says that it is there.
    async fn look_at_index(
        &mut self,
        index: &str,
        problem: &str,
        key: impl Fn(&Keys, &str) -> Option<String>,
    ) -> Result<(), Error> {
        let mut next = Some(b"-".to_vec());
        while let Some(min) = next {
            let members = self.store.range(index, min, b"+", RANGE_MAX).await?;
            next = behind_page(&members);
            for member in &members {
                if self.is_full() {
                    return Ok(());
                }
                let text = std::str::from_utf8(member).ok();
                let Some((text, key)) = text.and_then(|text| Some((text, key(self.keys(), text)?))) else {
                    self.find(index.to_owned(), no_entry(member));
                    continue;
                };
                let there = match self.number(cmd("EXISTS").arg(&key)).await {
                    // It is named where it is looked at.
                    Err(Error::Denied { .. }) => 1,
                    there => there?,
                };
                if there == 0 {
                    let entry = Entry { index: index.to_owned(), member: text.to_owned(), key };
                    self.mend(index.to_owned(), &format!("{text}: {problem}"), "take the entry away", &entry).await?;
                }
            }
        }
        Ok(())
    }

    async fn look_at_due(&mut self, queue: &Queue) -> Result<(), Error> {
        let key = self.keys().due(queue);
        let mut next = Some(b"-".to_vec());
        while let Some(min) = next {
            let members = self.store.range(&key, min, b"+", RANGE_MAX).await?;
            for member in &members {
                let entry = std::str::from_utf8(member).ok().and_then(|text| Due::from_entry(queue, text));
                if entry.is_none() && !self.is_full() {
                    self.find(key.clone(), no_entry(member));
                }
            }
            next = behind_page(&members);
        }
        let entry = Entry { index: self.keys().queues(), member: queue.key().to_owned(), key };
        if !self.is_member(&entry).await? {
            let problem = "the list of queues does not name this one";
            self.mend(entry.key.clone(), problem, "name it", &entry).await?;
        }
        Ok(())
    }

    async fn number(&self, command: &::redis::Cmd) -> Result<i64, Error> {
        match self.store.inner.link.send(command).await.map_err(|error| self.failed(&error))? {
            Value::Int(number) => Ok(number),
            _ => Err(self.store.odd()),
        }
    }

    async fn is_member(&self, entry: &Entry) -> Result<bool, Error> {
        let answer = self.store.inner.link.send(cmd("ZSCORE").arg(&entry.index).arg(&entry.member)).await;
        match answer {
            Ok(value) => Ok(value != Value::Nil),
            // What is wrong with the index is found when it is looked at.
            Err(error) if failure::code(&error) == Some("WRONGTYPE") => Ok(true),
            Err(error) => Err(self.failed(&error)),
        }
    }

    /// Finds that an index is not right about a key, and makes it right if that is asked for. Whether it is is looked at
    /// again when it is done, by a script: others may be at work.
    async fn mend(&mut self, place: String, problem: &str, remedy: &str, entry: &Entry) -> Result<(), Error> {
        if self.repair {
            let mut call: Call<'_> = self.store.call(Some(entry.index.clone()));
            call.keys.push(entry.key.clone());
            call.text(&entry.member);
            self.store.run(&script::MEND, &call, DOING).await?;
        }
        let finding = Finding::new(&place, problem).with_remedy(remedy);
        self.findings.push(Finding { repaired: self.repair, ..finding });
        Ok(())
    }
}

/// Where the next page of members begins, if there may be one.
fn behind_page(members: &[Vec<u8>]) -> Option<Vec<u8>> {
    members.last().filter(|_| members.len() >= RANGE_MAX).map(|last| behind(last))
}

fn no_entry(member: &[u8]) -> String {
    let shown: String = member.escape_ascii().take(100).map(char::from).collect();
    format!("`{shown}` is not an entry of such a list")
}
