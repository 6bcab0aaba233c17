//! One log in one file.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;

use super::{Files, corrupt, doing, failed};
use crate::jsonl::read_at;
use crate::store::batch::BATCH_BYTES_MAX;
use crate::store::beneath::Folder;
use crate::store::line::{Header, Token};
use crate::store::memory::not_sealed;
use crate::store::page::{Admission, admit, behind, check_lines, lost, scan_lines};
use crate::store::{Append, End, Error, Name, Page};

/// How often a log may be replaced while it is being opened.
const OPEN_TRIES: usize = 100;

/// How much is read first to find the end of a log, in bytes.
const TAIL_BYTES: u64 = 2 * 1024;

/// Least that is read at a time, in bytes.
const READ_BYTES_MIN: usize = 16 * 1024;

/// A log's last append cannot be longer than this, in bytes: headers included.
const APPEND_BYTES_MAX: u64 = 2 * BATCH_BYTES_MAX as u64;

/// Where the whole appends of a file end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tail {
    pub(super) end: End,
    /// Bytes of whole appends.
    pub(super) bytes: u64,
    /// Bytes in all; what is behind `bytes` was left by a crash, or is just being written.
    pub(super) size: u64,
}

/// A log that is open and locked, for as long as its file is.
type Locked = (File, Tail);

/// What a log is opened for.
#[derive(Clone, Copy)]
enum Purpose {
    /// To append to it; whether it is made if it is not there, and how long its lock is waited for.
    Append(bool, Duration),
    Read,
}

impl Files {
    /// Writes `append` if its place is the end, and makes it durable.
    pub(super) fn append(&self, append: &Append, token: Token, lock_wait: Duration) -> Result<(), Error> {
        let create = append.after.number() == 0;
        let path = self.log_path(&append.log);
        let Some((file, tail)) = self.open_locked(&append.log, &path, create, lock_wait)? else {
            return Err(lost(&append.log, append.after.number(), 0));
        };
        let token_of = |number| find_line(&file, &path, number, tail.bytes).ok()?.map(|(_, header)| header.token);
        match admit(append, token, tail.end, token_of)? {
            // Whoever wrote it may have died before it was durable.
            Admission::Landed => self.sync(&path, &file),
            Admission::Write => self.write(&path, &file, tail, &append.framed(token)),
        }
    }

    fn write(&self, path: &Path, file: &File, tail: Tail, text: &[u8]) -> Result<(), Error> {
        let Tail { bytes, size, .. } = tail;
        if size > bytes {
            // A torn end was never acknowledged.
            file.set_len(bytes).map_err(|e| failed("mending", path, e))?;
        }
        if bytes == 0 {
            // A line must not be durable in a file that is not.
            self.sync_parent(path)?;
        }
        if let Err(error) = self.disk.write(file, text) {
            // What could be written of it would be cut off by the next writer as well.
            let _ = file.set_len(bytes);
            return Err(failed("appending to", path, error));
        }
        self.sync(path, file).inspect_err(|_| {
            // Readers wait for the lock, so nobody has seen it.
            let _ = file.set_len(bytes);
        })
    }

    /// A sync that failed may have dropped what it was to write, and says so only once: nothing is built upon that.
    fn sync(&self, path: &Path, file: &File) -> Result<(), Error> {
        self.disk.sync(file).map_err(|error| {
            self.poison(format!("syncing {} failed: {error}", path.display()));
            failed("syncing", path, error)
        })
    }

    /// Opens and locks a log to append to it; none if there is none.
    fn open_locked(&self, log: &Name, path: &Path, create: bool, lock_wait: Duration) -> Result<Option<Locked>, Error> {
        if create {
            self.make_folder(&self.root.join(log.kind().as_str()))?;
        }
        self.open(path, Purpose::Append(create, lock_wait))
    }

    /// Opens a log to read, and finds where it ended when nobody was writing; none if there is none.
    ///
    /// The lock is held until what was written is durable: nobody must act on a line that a crash may take back. It is let go
    /// of at once; what is in front of the end does not change.
    pub(super) fn open_to_read(&self, path: &Path) -> Result<Option<Locked>, Error> {
        let opened = self.open(path, Purpose::Read)?;
        let _ = opened.as_ref().map(|(file, _)| file.unlock());
        Ok(opened)
    }

    /// Opens and locks the file that is at `path` once it is locked; none if there is none.
    fn open(&self, path: &Path, purpose: Purpose) -> Result<Option<Locked>, Error> {
        let (create, alone, lock_wait) = match purpose {
            Purpose::Append(create, lock_wait) => (create, true, lock_wait),
            Purpose::Read => (false, false, self.options.lock_wait_max),
        };
        for _ in 0..OPEN_TRIES {
            let opened = match alone {
                true => self.disk.open_to_append(&self.root, path, create),
                false => self.disk.open_to_read(&self.root, path),
            };
            let file = match opened {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound && !create => return Ok(None),
                // A server that forgot the file gives a new one to who asks again.
                Err(error) if is_stale(&error) => continue,
                Err(error) => return Err(failed("opening", path, error)),
            };
            match self.disk.lock(&file, alone, lock_wait) {
                Ok(true) => {}
                Ok(false) => {
                    let waited = format!("another process has held its lock for {:?}", self.options.lock_wait_max);
                    return Err(Error::unavailable(doing("locking", path), waited));
                }
                Err(error) if is_stale(&error) => continue,
                Err(error) if alone => return Err(no_locks(path, &error)),
                // Where there are no locks there are no writers of ours either.
                Err(_) => {}
            }
            let Some(size) = size_in_place(&file, path)? else { continue };
            let tail = tail_of(&file, path, size)?;
            return Ok(Some((file, tail)));
        }
        Err(Error::unavailable(doing("opening", path), "it was replaced again and again"))
    }

    pub(super) fn read(&self, log: &Name, after: u64, bytes: usize) -> Result<Page, Error> {
        let path = self.log_path(log);
        let Some((file, tail)) = self.open_to_read(&path)? else {
            return if after == 0 { Ok(Page::empty(End::START)) } else { Err(lost(log, after, 0)) };
        };
        let last = tail.end.last.number();
        if after > last {
            return Err(lost(log, after, last));
        }
        if after == last {
            return Ok(Page::empty(tail.end));
        }
        let (offset, first) = if begins_with_seal(&file, &path)? {
            (0, None)
        } else if after == 0 {
            (0, Some(1))
        } else {
            let found = find_line(&file, &path, after + 1, tail.bytes)?;
            let missing = || corrupt(&path, format!("line {} is missing", after + 1));
            (found.ok_or_else(missing)?.0, Some(after + 1))
        };
        read_page(&file, &path, offset, first, tail, bytes)
    }

    /// Sound lines behind `after`, looked for from the start: in a damaged log nothing else leads there.
    pub(super) fn read_damaged(&self, log: &Name, after: u64, bytes: usize) -> Result<Bytes, Error> {
        let path = self.log_path(log);
        let mut file = self.disk.open_to_read(&self.root, &path).map_err(|e| failed("opening", &path, e))?;
        let (mut rest, mut found, mut first) = (Vec::new(), Vec::new(), None);
        loop {
            let room = (rest.len() as u64).max(READ_BYTES_MIN as u64);
            let read = io::Read::read_to_end(&mut io::Read::take(&mut file, room), &mut rest);
            let ended = read.map_err(|e| failed("reading", &path, e))? == 0 || rest.len() as u64 > APPEND_BYTES_MAX;
            let (checked, damage) = scan_lines(&rest, first, usize::MAX, &"", 0);
            let ended = ended || damage.is_some();
            let text: Bytes = rest.drain(..if ended { checked.sound } else { checked.bytes }).collect();
            first = checked.last.map(|last| last.seq + 1).or(first);
            found.extend_from_slice(&behind(&text, after));
            if ended || found.len() >= bytes {
                return Ok(found.into());
            }
        }
    }

    /// Replaces a sealed log by its last append, the one with the seal.
    pub(super) fn forget(&self, log: &Name) -> Result<(), Error> {
        let path = self.log_path(log);
        let Some((file, Tail { end, bytes, .. })) = self.open_locked(log, &path, false, self.options.lock_wait_max)?
        else {
            return Err(not_sealed(log));
        };
        if !end.sealed {
            return Err(not_sealed(log));
        }
        let (offset, _) = last_line(&file, &path, bytes)?;
        let mut seal = vec![0; usize::try_from(bytes - offset).unwrap_or(usize::MAX)];
        read_exact_at(&file, &mut seal, offset).map_err(|e| failed("reading", &path, e))?;
        let replacement = path.with_file_name(format!(".{}.forget", log.stem()));
        let write = || -> io::Result<()> {
            self.disk.remove(&self.root, &replacement)?;
            let file = self.disk.open_to_append(&self.root, &replacement, true)?;
            self.disk.write(&file, &seal)?;
            self.disk.sync(&file)?;
            let (folder, name) = Folder::above(&self.root, &path)?;
            folder.rename(replacement.file_name().unwrap_or_default(), name)
        };
        write().map_err(|error| failed("replacing", &path, error))?;
        self.sync_parent(&path)
    }

    /// Cuts off what a crash left behind the last whole append; how many bytes that were.
    pub(super) fn mend(&self, log: &Name) -> Result<u64, Error> {
        let path = self.log_path(log);
        let opened = self.open_locked(log, &path, false, self.options.lock_wait_max)?;
        let Some((file, Tail { bytes, size, .. })) = opened else { return Ok(0) };
        if size > bytes {
            file.set_len(bytes).map_err(|e| failed("mending", &path, e))?;
            self.sync(&path, &file)?;
        }
        Ok(size - bytes)
    }
}

/// The size of a log, in bytes; none if another file is in its place, or none.
fn size_in_place(file: &File, path: &Path) -> Result<Option<u64>, Error> {
    let metadata = file.metadata().map_err(|e| failed("looking at", path, e))?;
    if !metadata.is_file() {
        return Err(corrupt(path, "it is not a file"));
    }
    Ok((!is_replaced(&metadata)).then_some(metadata.len()))
}

#[cfg(unix)]
fn is_replaced(metadata: &fs::Metadata) -> bool {
    std::os::unix::fs::MetadataExt::nlink(metadata) == 0
}

#[cfg(not(unix))]
fn is_replaced(_: &fs::Metadata) -> bool {
    false
}

/// The file is gone on the server that had it.
fn is_stale(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::StaleNetworkFileHandle
}

fn no_locks(path: &Path, error: &io::Error) -> Error {
    let problem = format!("it cannot be locked ({error}), and without locks two writers would both win");
    Error::Unfit { place: path.display().to_string(), problem }
}

/// Where the whole appends of a file end.
fn tail_of(file: &File, path: &Path, size: u64) -> Result<Tail, Error> {
    let mut bytes = size;
    // An append that is not whole is at most the last line, and lines before it that say that there is more.
    loop {
        if bytes == 0 {
            return Ok(Tail { end: End::START, bytes, size });
        }
        if size - bytes > APPEND_BYTES_MAX {
            return Err(corrupt(path, format!("its last {} bytes are no line", size - bytes)));
        }
        let (offset, line) = last_line(file, path, bytes)?;
        match line {
            LastLine::Whole(header) if !header.more => return Ok(Tail { end: End::behind(header), bytes, size }),
            LastLine::Whole(_) | LastLine::Torn => bytes = offset,
            LastLine::Damaged => {
                let problem = format!("the last line, at byte {offset}, is not a line of a log");
                return Err(corrupt(path, problem));
            }
        }
    }
}

enum LastLine {
    Whole(Header),
    /// Without a newline, or with bytes in it that were never written: no line has zeros.
    Torn,
    Damaged,
}

/// Where the last line of the first `bytes` bytes begins, and what it is.
fn last_line(file: &File, path: &Path, bytes: u64) -> Result<(u64, LastLine), Error> {
    let mut room = TAIL_BYTES;
    loop {
        let start = bytes.saturating_sub(room);
        let mut text = vec![0; (bytes - start) as usize];
        read_exact_at(file, &mut text, start).map_err(|e| failed("reading", path, e))?;
        let (body, whole) = match text.split_last() {
            Some((b'\n', body)) => (body, true),
            _ => (&text[..], false),
        };
        let newline = memchr::memrchr(b'\n', body);
        if newline.is_none() && start > 0 {
            if room > APPEND_BYTES_MAX {
                return Ok((start, LastLine::Damaged));
            }
            room *= 4;
            continue;
        }
        let at = newline.map_or(0, |newline| newline + 1);
        let line = match Header::parse(&body[at..]) {
            Some(header) if whole => LastLine::Whole(header),
            _ if !whole || memchr::memchr(0, &body[at..]).is_some() => LastLine::Torn,
            _ => LastLine::Damaged,
        };
        return Ok((start + at as u64, line));
    }
}

/// A log that begins with its seal is one whose lines were forgotten.
fn begins_with_seal(file: &File, path: &Path) -> Result<bool, Error> {
    let line = line_from(file, path, 0, 0, u64::MAX)?;
    Ok(line.is_some_and(|(_, header, _)| header.sealed))
}

/// Where line `number` begins, and its header; none if it is not in the first `bytes` bytes. Numbers grow along a log, so
/// the place is halved until it is found.
fn find_line(file: &File, path: &Path, number: u64, bytes: u64) -> Result<Option<(u64, Header)>, Error> {
    // Every line that begins in front of `low` has a smaller number, every one that begins at `high` or behind a larger.
    let (mut low, mut high) = (0, bytes);
    while low < high {
        let middle = low + (high - low) / 2;
        let Some((start, header, end)) = line_from(file, path, middle, low, high)? else {
            // No line begins between the middle and `high`.
            high = middle;
            continue;
        };
        match header.seq.cmp(&number) {
            std::cmp::Ordering::Equal => return Ok(Some((start, header))),
            std::cmp::Ordering::Less => low = end,
            std::cmp::Ordering::Greater => high = middle,
        }
    }
    Ok(None)
}

/// The first line that begins at `from` or behind it, and before `high`: where it begins, its header, where it ends.
fn line_from(file: &File, path: &Path, from: u64, low: u64, high: u64) -> Result<Option<(u64, Header, u64)>, Error> {
    let start =
        if from == low { Some(low) } else { newline_from(file, path, from - 1, high)?.map(|newline| newline + 1) };
    let Some(start) = start.filter(|start| *start < high) else { return Ok(None) };
    let Some(newline) = newline_from(file, path, start, u64::MAX)? else { return Ok(None) };
    let mut line = vec![0; usize::try_from(newline - start).unwrap_or(usize::MAX)];
    read_exact_at(file, &mut line, start).map_err(|e| failed("reading", path, e))?;
    match Header::parse(&line) {
        Some(header) => Ok(Some((start, header, newline + 1))),
        None => Err(corrupt(path, format!("what is at byte {start} is not a line of a log"))),
    }
}

/// Where the first newline at `from` or behind it is, looking no further than `high`.
fn newline_from(file: &File, path: &Path, from: u64, high: u64) -> Result<Option<u64>, Error> {
    let mut buffer = [0; 4096];
    let mut at = from;
    while at < high && at - from <= APPEND_BYTES_MAX {
        let count = read_at(file, &mut buffer, at).map_err(|e| failed("reading", path, e))?;
        if count == 0 {
            break;
        }
        if let Some(found) = memchr::memchr(b'\n', &buffer[..count]) {
            return Ok(Some(at + found as u64));
        }
        at += count as u64;
    }
    Ok(None)
}

/// Whole appends from `offset` on, at least `bytes` bytes of them if there are so many.
fn read_page(
    file: &File,
    path: &Path,
    offset: u64,
    first: Option<u64>,
    tail: Tail,
    bytes: usize,
) -> Result<Page, Error> {
    let there = usize::try_from(tail.bytes - offset).unwrap_or(usize::MAX);
    let mut text = Vec::new();
    // With some more, to have the last line whole.
    let mut room = bytes.saturating_add(READ_BYTES_MIN).min(there);
    loop {
        let have = text.len();
        text.resize(room, 0);
        read_exact_at(file, &mut text[have..], offset + have as u64).map_err(|e| failed("reading", path, e))?;
        let checked = check_lines(&text, first, bytes, &path.display(), offset)?;
        if checked.bytes >= bytes && checked.bytes > 0 || room == there {
            let more = offset + (checked.bytes as u64) < tail.bytes;
            let Some(last) = checked.last else {
                return Err(corrupt(path, format!("no whole line at byte {offset}")));
            };
            text.truncate(checked.bytes);
            return Ok(Page::new(Bytes::from(text), End::behind(last), more));
        }
        room = room.saturating_add(room.max(READ_BYTES_MIN)).min(there);
    }
}

fn read_exact_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    let mut filled = 0;
    while filled < buffer.len() {
        match read_at(file, &mut buffer[filled..], offset + filled as u64) {
            Ok(0) => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it became shorter while it was read")),
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
