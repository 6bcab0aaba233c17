//! Copies of logs: objects below the prefix that are called as logs are, and are no part of a store of ours.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use super::super::worker::gone;
use super::super::{Content, Log, Origin, Piece, Pieces, Reading};
use super::Shared;
use super::fetch::{AT_ONCE, Fetching, WHOLE_BYTES_MAX, patiently};
use super::list::folders;
use super::read::{ObjectReader, whole};
use crate::evolution::folder;
use crate::evolution::source::{decompressed, first_time_in, last_time_in};
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

/// Whether an object is a log by its name, without its folder.
pub(super) fn is_log(name: &str) -> bool {
    folder::is_log(Path::new(name.rsplit_once('/').map_or(name, |(_, name)| name)))
}

/// One copy.
pub(super) struct PlainLog {
    shared: Arc<Shared>,
    key: String,
    name: String,
    size: u64,
    first_time: OnceLock<Option<Timestamp>>,
}

/// All copies below the prefix.
pub(super) fn find(shared: &Arc<Shared>) -> Result<Vec<Arc<PlainLog>>, Error> {
    let mut logs = Vec::new();
    // What is in a folder of a store of ours is not looked through: it may be large, and is none of these.
    for start in tops(shared)? {
        list(shared, &start, &mut logs)?;
    }
    Ok(logs.into_iter().map(|(key, size)| plain(shared, key, size)).collect())
}

/// The one copy that has this key, if there is one.
pub(super) fn find_one(shared: &Arc<Shared>, key: &str) -> Result<Option<Arc<PlainLog>>, Error> {
    let (bucket, query) = (shared.bucket(), Query { start: key.to_owned(), limit: Some(1), ..Query::default() });
    let page = shared.worker.run(async move { patiently(|| bucket.list(&query, None)).await })?;
    let found = page.objects.into_iter().find(|(found, _)| found == key);
    Ok(found.map(|(key, size)| plain(shared, key, size)))
}

fn plain(shared: &Arc<Shared>, key: String, size: u64) -> Arc<PlainLog> {
    let (shared, name, first_time) = (shared.clone(), shared.name_of(&key), OnceLock::new());
    Arc::new(PlainLog { shared, key, name, size, first_time })
}

/// What to look through: the objects beside the folders as an empty text, and each folder that is not one of ours.
fn tops(shared: &Shared) -> Result<Vec<String>, Error> {
    let mut tops = vec![String::new()];
    for folder in folders(shared, "")? {
        if folder == EVOLUTION {
            continue;
        }
        let (bucket, query) = (shared.bucket(), Query { start: folder.clone(), limit: Some(1), ..Query::default() });
        let page = shared.worker.run(async move { patiently(|| bucket.list(&query, None)).await })?;
        if page.objects.first().is_some_and(|(key, _)| !is_of_store(key)) {
            tops.push(folder);
        }
    }
    Ok(tops)
}

fn list(shared: &Shared, start: &str, logs: &mut Vec<(String, u64)>) -> Result<(), Error> {
    let mut next = None;
    loop {
        let query = Query { start: start.to_owned(), folders: start.is_empty(), ..Query::default() };
        let bucket = shared.bucket();
        let page = shared.worker.run(async move { patiently(|| bucket.list(&query, next.clone())).await })?;
        let is_copy = |key: &str| is_log(key) && !is_of_store(key);
        logs.extend(page.objects.into_iter().filter(|(key, _)| is_copy(key)));
        if logs.len() > LOGS_MAX {
            let problem = format!("there are more than {LOGS_MAX} logs below it; name a part of them");
            return Err(Error::Unfit { place: shared.location.clone(), problem });
        }
        next = page.next;
        if next.is_none() {
            return Ok(());
        }
    }
}

/// Finds out when copies begin, many at a time, so that they can be put in the order of their times.
pub(super) fn look_at_beginnings(logs: &[Arc<PlainLog>]) -> Result<(), Error> {
    for some in logs.chunks(AT_ONCE) {
        let begun = some.iter().map(|log| log.shared.begin_fetch_range(&log.key, 0..END_BYTES.min(log.size.max(1))));
        for (log, beginning) in some.iter().zip(begun.collect::<Vec<_>>()) {
            let first = beginning.wait().ok_or_else(gone)??.and_then(|bytes| first_time(&bytes));
            let _ = log.first_time.set(first);
        }
    }
    Ok(())
}

/// The time of the first event, of the beginning of a log that may be compressed.
fn first_time(beginning: &[u8]) -> Option<Timestamp> {
    let mut text = Vec::new();
    let mut reader = decompressed(beginning).ok()?;
    // It ends in the middle, which is an error where it is compressed; what came before is there.
    let _ = std::io::Read::read_to_end(&mut std::io::Read::take(&mut reader, END_BYTES), &mut text);
    first_time_in(&text)
}

impl Log for PlainLog {
    fn name(&self) -> &str {
        &self.name
    }

    fn size(&self) -> Option<u64> {
        Some(self.size)
    }

    fn first_time(&self) -> Option<Timestamp> {
        *self.first_time.get()?
    }

    fn last_time(&self) -> Option<Timestamp> {
        if folder::is_compressed(Path::new(&self.key)) {
            return None;
        }
        let range = self.size.saturating_sub(END_BYTES)..self.size.max(1);
        last_time_in(&self.shared.begin_fetch_range(&self.key, range).wait()?.ok()??)
    }

    fn read(&self, reading: &Reading) -> Result<Box<dyn Pieces>, Error> {
        if self.size <= WHOLE_BYTES_MAX {
            let fetching = self.shared.begin_fetch_in_turn(&self.key, self.size);
            return Ok(Box::new(WholePiece { name: self.name.clone(), size: self.size, fetching: Some(fetching) }));
        }
        if reading.backwards && !folder::is_compressed(Path::new(&self.key)) {
            let (shared, key, name) = (self.shared.clone(), self.key.clone(), self.name.clone());
            return Ok(Box::new(Backwards { shared, key, name, end: self.size, carry: Vec::new(), is_torn: false }));
        }
        let reader = ObjectReader::new(&self.shared, &self.key, self.size);
        let origin = Arc::new(Origin::object(&self.name));
        let content = Content::Stream(Box::new(reader));
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
