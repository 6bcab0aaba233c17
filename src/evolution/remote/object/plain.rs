//! Copies of logs: objects below the prefix that are called as logs are, and are no part of a store of ours.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::io::Read as _;
use std::sync::{Arc, OnceLock};

use super::fetch::{AT_ONCE, Fetching, WHOLE_BYTES_MAX};
use super::list::list;
use super::names::{DECISIONS, is_day, is_log};
use super::read::{ObjectReader, lost, whole};
use super::shared::Shared;
use crate::evolution::folder::before_ending;
use crate::evolution::packed::{decompressed, is_compressed};
use crate::evolution::piece::{Content, Origin, Piece, Pieces, Readable, Reading};
use crate::evolution::remote::worker::gone;
use crate::evolution::source::{first_time_in, last_time_in};
use crate::jsonl::LINE_BYTES_MAX;
use crate::store::Error;
use crate::store::object::{EVOLUTION, Query, is_of_store};
use crate::time::Timestamp;

/// Most logs that one address stands for.
const LOGS_MAX: usize = 10_000;

/// How much of a log is looked at to know when it begins or ends, in bytes.
const END_BYTES: u64 = 64 << 10;

/// How much of a large log is read at a time from its end, in bytes.
const BACK_BYTES: u64 = 4 << 20;

/// Why a log is not read whose name no request can have.
const UNASKABLE: &str = "its name cannot be asked for: it has an empty part, a part . or .., or a control character";

/// One copy.
pub(super) struct PlainLog {
    shared: Arc<Shared>,
    key: String,
    name: String,
    size: u64,
    /// Why it cannot be read.
    problem: Option<&'static str>,
    beginning: OnceLock<Beginning>,
}

/// What the beginning of a log tells.
#[derive(Clone, Copy, Default)]
struct Beginning {
    first_time: Option<Timestamp>,
    /// The first line, as a number.
    first_line: Option<u64>,
    is_compressed: bool,
}

/// All copies below the prefix.
pub(super) fn find(shared: &Arc<Shared>) -> Result<Vec<Arc<PlainLog>>, Error> {
    let mut logs = Vec::new();
    for start in ["", EVOLUTION] {
        let beside = Query { start: start.to_owned(), folders: true, ..Query::default() };
        for folder in list_copies(shared, &beside, &mut logs)? {
            // What is in a folder of a store of ours is not looked through: it may be large, and is none of these.
            let is_ours = folder == EVOLUTION || folder == DECISIONS || is_day(&folder);
            let inside = Query { start: folder, ..Query::default() };
            if !is_ours && !is_of_workflows(shared, &inside)? {
                list_copies(shared, &inside, &mut logs)?;
            }
        }
    }
    look_at_beginnings(&logs)?;
    leave_out_copies(&mut logs);
    Ok(logs)
}

/// Leaves out what was compressed or put aside of a log that is there itself, and begins with the same line.
fn leave_out_copies(logs: &mut Vec<Arc<PlainLog>>) {
    let first_line = |log: &PlainLog| log.beginning.get()?.first_line;
    let all = logs.iter().filter_map(|log| Some((log.key.clone(), first_line(log)?))).collect::<HashMap<_, _>>();
    logs.retain(|log| {
        let mut originals = std::iter::successors(before_ending(&log.key), |key| before_ending(key));
        let original = originals.find_map(|key| all.get(key).copied());
        original.is_none() || original != first_line(log)
    });
}

/// The one copy that has this key, if there is one.
pub(super) fn find_one(shared: &Arc<Shared>, key: &str) -> Result<Option<Arc<PlainLog>>, Error> {
    let page = list(shared, Query { start: key.to_owned(), limit: Some(1), ..Query::default() }, None)?;
    let found = page.objects.into_iter().find(|(found, _)| found == key);
    let log = found.map(|(key, size)| plain(shared, key, size, None));
    look_at_beginnings(log.as_slice())?;
    Ok(log)
}

fn plain(shared: &Arc<Shared>, key: String, size: u64, problem: Option<&'static str>) -> Arc<PlainLog> {
    let (shared, name, beginning) = (shared.clone(), shared.name_of(&key), OnceLock::new());
    Arc::new(PlainLog { shared, key, name, size, problem, beginning })
}

/// Whether a folder is one of a store of workflow runs, by its first object.
fn is_of_workflows(shared: &Shared, query: &Query) -> Result<bool, Error> {
    let page = list(shared, Query { limit: Some(1), ..query.clone() }, None)?;
    Ok(page.objects.first().is_some_and(|(key, _)| is_of_store(key)))
}

/// Adds the copies that a list has, and returns the folders that it has.
fn list_copies(shared: &Arc<Shared>, query: &Query, logs: &mut Vec<Arc<PlainLog>>) -> Result<Vec<String>, Error> {
    let (mut folders, mut next) = (Vec::new(), None);
    loop {
        let page = list(shared, query.clone(), next)?;
        folders.extend(page.folders.into_iter().map(|folder| folder.trim_end_matches('/').to_owned() + "/"));
        // Folders that cannot be asked for hold objects that cannot be, either: they can be listed.
        folders.extend(page.odd.iter().filter(|name| query.folders && name.ends_with('/')).cloned());
        let sound = page.objects.into_iter().map(|(key, size)| (key, size, None));
        let all = sound.chain(page.odd.into_iter().map(|key| (key, 0, Some(UNASKABLE))));
        let copies = all.filter(|(key, ..)| is_log(key) && !is_of_store(key));
        logs.extend(copies.map(|(key, size, problem)| plain(shared, key, size, problem)));
        if logs.len() > LOGS_MAX {
            let problem = format!("there are more than {LOGS_MAX} logs below it; name a part of them");
            return Err(Error::Unfit { place: shared.location.clone(), problem });
        }
        next = page.next;
        if next.is_none() {
            return Ok(folders);
        }
    }
}

/// Finds out when copies begin, many at a time, so that they can be put in the order of their times.
fn look_at_beginnings(logs: &[Arc<PlainLog>]) -> Result<(), Error> {
    let logs = logs.iter().filter(|log| log.problem.is_none() && log.size > 0).collect::<Vec<_>>();
    for some in logs.chunks(AT_ONCE) {
        let begun = some.iter().map(|log| log.shared.begin_fetch_range(&log.key, 0..END_BYTES.min(log.size)));
        for (log, beginning) in some.iter().zip(begun.collect::<Vec<_>>()) {
            // One that is gone meanwhile is told of when it is read.
            let bytes = beginning.wait().ok_or_else(gone)??.unwrap_or_default();
            let _ = log.beginning.set(look_at(&bytes));
        }
    }
    Ok(())
}

/// What the beginning of a log tells, which may be compressed.
fn look_at(beginning: &[u8]) -> Beginning {
    let mut text = Vec::new();
    if let Ok(reader) = decompressed(beginning) {
        // It ends in the middle, which is an error where it is compressed; what came before is there.
        let _ = reader.take(END_BYTES).read_to_end(&mut text);
    }
    let line = memchr::memchr(b'\n', &text).map(|end| &text[..end]);
    let first_line = line.map(|line| BuildHasherDefault::<DefaultHasher>::default().hash_one(line));
    Beginning { first_time: first_time_in(&text), first_line, is_compressed: is_compressed(beginning) }
}

impl Readable for PlainLog {
    fn name(&self) -> &str {
        &self.name
    }

    fn size(&self) -> Option<u64> {
        Some(self.size)
    }

    fn first_time(&self) -> Option<Timestamp> {
        self.beginning.get()?.first_time
    }

    fn last_time(&self) -> Option<Timestamp> {
        if self.beginning.get()?.is_compressed {
            return None;
        }
        let range = self.size.saturating_sub(END_BYTES)..self.size;
        last_time_in(&self.shared.begin_fetch_range(&self.key, range).wait()?.ok()??)
    }

    fn read(&self, reading: &Reading) -> Result<Box<dyn Pieces>, Error> {
        if let Some(problem) = self.problem {
            return Ok(Box::new(OnePiece(Some(lost(&self.shared, &self.key, problem)))));
        }
        if self.size <= WHOLE_BYTES_MAX {
            let fetching = self.shared.begin_fetch_in_turn(&self.key, self.size);
            return Ok(Box::new(WholePiece { name: self.name.clone(), size: self.size, fetching: Some(fetching) }));
        }
        if reading.backwards && self.beginning.get().is_some_and(|beginning| !beginning.is_compressed) {
            let (shared, key, name) = (self.shared.clone(), self.key.clone(), self.name.clone());
            return Ok(Box::new(Backwards { shared, key, name, end: self.size, carry: Vec::new(), is_torn: false }));
        }
        let reader = ObjectReader::new(&self.shared, &self.key, self.size);
        let origin = Arc::new(Origin::object(&self.name));
        let content = Content::Stream(Box::new(reader), self.size);
        Ok(Box::new(OnePiece(Some(Piece { content, offset: 0, origin, stored_bytes: self.size }))))
    }
}

/// A small copy, on its way since it was asked for: many are asked for one after the other.
struct WholePiece {
    name: String,
    size: u64,
    fetching: Option<Fetching>,
}

impl Pieces for WholePiece {
    fn next(&mut self) -> Result<Option<Piece>, Error> {
        let Some(fetching) = self.fetching.take() else { return Ok(None) };
        let origin = Arc::new(Origin::object(&self.name));
        Ok(Some(Piece { content: whole(fetching)?, offset: 0, origin, stored_bytes: self.size }))
    }
}

struct OnePiece(Option<Piece>);

impl Pieces for OnePiece {
    fn next(&mut self) -> Result<Option<Piece>, Error> {
        Ok(self.0.take())
    }
}

/// A large copy, from its end.
struct Backwards {
    shared: Arc<Shared>,
    key: String,
    name: String,
    /// Where the part begins that was read.
    end: u64,
    /// The end of the line that began in front of it.
    carry: Vec<u8>,
    /// That line is too long.
    is_torn: bool,
}

impl Pieces for Backwards {
    fn next(&mut self) -> Result<Option<Piece>, Error> {
        while self.end > 0 {
            let start = self.end.saturating_sub(BACK_BYTES);
            let part = self.shared.begin_fetch_range(&self.key, start..self.end).wait().ok_or_else(gone)??;
            let origin = Arc::new(Origin::rest_of_object(&self.name));
            let stored_bytes = self.end - start;
            let Some(part) = part.filter(|part| part.len() as u64 == stored_bytes) else {
                self.end = 0;
                let content = Content::Lost("it was removed or became shorter while it was read".into());
                return Ok(Some(Piece { content, offset: 0, origin, stored_bytes }));
            };
            self.end = start;
            // Lines begin behind the first newline, or at the very start.
            let from = if start == 0 { Some(0) } else { memchr::memchr(b'\n', &part).map(|newline| newline + 1) };
            let Some(from) = from else {
                self.carry.splice(0..0, part.iter().copied());
                if self.carry.len() > LINE_BYTES_MAX {
                    self.carry.clear();
                    self.is_torn = true;
                }
                continue;
            };
            let mut lines = part[from..].to_vec();
            if std::mem::take(&mut self.is_torn) {
                lines.truncate(memchr::memrchr(b'\n', &lines).map_or(0, |newline| newline + 1));
            }
            lines.append(&mut self.carry);
            self.carry = part[..from].to_vec();
            return Ok(Some(Piece {
                content: Content::Lines(lines),
                offset: start + from as u64,
                origin,
                stored_bytes,
            }));
        }
        Ok(None)
    }
}
