//! What a cleaning has beside the log: its lock, files of its own, and what an earlier one left there when it was stopped.
//!
//! `.LOG.tc-lock` is locked by whoever is at work. `.LOG.tc-new-RANDOM` takes the log's place when it is done.
//! `.LOG.tc-old-STAMP` is the log as it was, and becomes `.LOG.tc-old-STAMP-SEEN` just before the log is replaced: up to byte
//! SEEN all of it is in the new log or gone. STAMP is in the name of the archive that is being made.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::path::Path;

use rustix::fs::OFlags;

use crate::chance::{Random as _, ThreadRandom};
use crate::evolution::fate::{Unfinished, archive_name};
use crate::evolution::file::{own_like, same_file};
use crate::evolution::folder;
use crate::evolution::source::{Source, each_block};
use crate::jsonl::read_at;
use crate::store::beneath::{Detour, Folder};

/// The folder beside a log for what is deleted.
pub(super) const ARCHIVE: &str = "archive";

/// How often another cleaning may come and go while the lock is taken.
const LOCK_TRIES: usize = 100;

/// How much is carried over at a time, in bytes.
const CARRY_BYTES: usize = 8 << 20;

/// The folder that somebody named for archives, made if it is not there.
pub(super) fn archive_folder(path: &Path) -> io::Result<Folder> {
    fs::create_dir_all(path)?;
    Folder::at(path)
}

/// The place of a log while one cleaning is at work there, and no other.
pub(super) struct Beside {
    pub(super) folder: Folder,
    log: OsString,
    /// Locked as long as it is open.
    _lock: File,
}

impl Beside {
    /// # Errors
    /// [`io::ErrorKind::ResourceBusy`] if another cleaning is at work.
    pub(super) fn begin(folder: &Path, log: &OsStr) -> io::Result<Beside> {
        let folder = Folder::at(folder)?;
        let name = prefix(log) + "lock";
        for _ in 0..LOCK_TRIES {
            let file = match folder.open_file(&name, OFlags::RDWR | OFlags::CREATE) {
                // Somebody else's can be locked as well.
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    folder.open_file(&name, OFlags::RDONLY).map_err(|_| error)?
                }
                opened => opened?,
            };
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(busy("another `tc clean` is at work on it")),
                Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {}
                Err(TryLockError::Error(error)) => return Err(error),
            }
            // Whoever had it before has removed it.
            if folder.metadata(&name)?.is_some_and(|now| file.metadata().is_ok_and(|ours| same_file(&ours, &now))) {
                return Ok(Beside { folder, log: log.to_owned(), _lock: file });
            }
        }
        Err(busy("other processes clean it again and again"))
    }

    /// Whether an earlier cleaning was stopped here, or another is at work.
    pub(super) fn has_leftovers(folder: &Path, log: &OsStr) -> io::Result<bool> {
        let folder = Folder::at(folder)?;
        // One that may not be opened could not be locked either, and there is nothing to be done about it.
        let is_locked = matches!(folder.metadata(prefix(log) + "lock"), Ok(Some(_)));
        Ok(is_locked || !leftovers(&folder, log)?.is_empty())
    }

    /// Where archives go: into the folder beside the log, which must not be a link, or into one that somebody named.
    pub(super) fn archives(&self, path: &Path) -> io::Result<Folder> {
        if path != self.folder.path().join(ARCHIVE) {
            return archive_folder(path);
        }
        self.folder.make_folder(ARCHIVE)?;
        self.folder.step(ARCHIVE)
    }

    /// Opens the log.
    pub(super) fn open(&self) -> io::Result<File> {
        self.folder.open_file(&self.log, OFlags::RDONLY)
    }

    /// Whether that file has this name here.
    pub(super) fn holds(&self, name: impl AsRef<OsStr>, file: &File) -> io::Result<bool> {
        let ours = file.metadata()?;
        Ok(self.folder.metadata(name)?.is_some_and(|now| same_file(&ours, &now)))
    }

    /// A new file that is owned as the log is.
    pub(super) fn fresh(&self, old: &File) -> io::Result<(File, Unfinished<'_>)> {
        let name = format!("{}new-{:016x}", prefix(&self.log), ThreadRandom.bits());
        let (file, fresh) = Unfinished::create(&self.folder, name)?;
        own_like(&file, old)?;
        Ok((file, fresh))
    }

    /// One more name for the log, while it may still be that nothing comes of it.
    pub(super) fn aside(&self, stamp: &str) -> io::Result<Unfinished<'_>> {
        Unfinished::link(&self.folder, &self.log, format!("{}old-{stamp}", prefix(&self.log)))
    }

    /// The log is to be replaced now: up to that byte nothing of it is needed any more.
    pub(super) fn settle(&self, aside: &mut Unfinished<'_>, seen: u64) -> io::Result<()> {
        aside.rename(format!("{}-{seen}", aside.name()))?;
        self.folder.sync()
    }

    /// Puts the new file in the log's place or, without one, removes the log.
    pub(super) fn replace(&self, fresh: Option<Unfinished<'_>>) -> io::Result<()> {
        match fresh {
            Some(fresh) => {
                self.folder.rename(fresh.name(), &self.log)?;
                fresh.keep();
            }
            None => _ = self.folder.unlink(&self.log, false)?,
        }
        self.folder.sync()
    }

    /// Opens the log to append to it; makes one that is owned as the old one was, if there is none.
    pub(super) fn open_to_append(&self, old: &File) -> io::Result<File> {
        match self.folder.open_file(&self.log, OFlags::RDWR | OFlags::APPEND) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            opened => return opened,
        }
        match self.folder.create(&self.log) {
            Ok(file) => own_like(&file, old).map(|()| file),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.folder.open_file(&self.log, OFlags::RDWR | OFlags::APPEND)
            }
            Err(error) => Err(error),
        }
    }

    /// Undoes what an earlier cleaning began, or finishes what it had all but done.
    pub(super) fn clear(&self, archives: Option<&Folder>) -> io::Result<()> {
        let old = prefix(&self.log) + "old-";
        for name in leftovers(&self.folder, &self.log)? {
            if let Some(state) = name.strip_prefix(&old) {
                match self.folder.open_file(&name, OFlags::RDONLY) {
                    Ok(file) => self.clear_old(&file, state, archives)?,
                    Err(error) if Detour::beneath(&error).is_some() => {}
                    Err(error) => return Err(error),
                }
            }
            self.folder.unlink(&name, false)?;
        }
        Ok(())
    }

    fn clear_old(&self, old: &File, state: &str, archives: Option<&Folder>) -> io::Result<()> {
        let (stamp, seen) = state.split_once('-').map_or((state, None), |(stamp, seen)| (stamp, seen.parse().ok()));
        match seen {
            Some(seen) if !self.holds(&self.log, old)? => self.carry_missing(old, seen),
            _ => {
                // All that its archive holds is still in the log.
                let name = archive_name(&self.log.to_string_lossy(), stamp);
                for folder in self.folder.step(ARCHIVE).iter().chain(archives) {
                    folder.unlink(&name, false)?;
                }
                Ok(())
            }
        }
    }

    /// Appends to the log the lines of the old one behind byte `at` that are nowhere in it.
    fn carry_missing(&self, old: &File, mut at: u64) -> io::Result<()> {
        let end = old.metadata()?.len();
        while at < end {
            let mut text = vec![0; CARRY_BYTES.min(usize::try_from(end - at).unwrap_or(usize::MAX))];
            let count = read_at(old, &mut text, at)?;
            let whole = memchr::memrchr(b'\n', &text[..count]).map_or(count, |newline| newline + 1);
            text.truncate(whole);
            if whole == 0 {
                break;
            }
            at += whole as u64;
            let missing = self.missing(&text)?;
            if !missing.is_empty() {
                let mut log = self.open_to_append(old)?;
                let (size, mut last) = (log.metadata()?.len(), [b'\n']);
                if size > 0 {
                    read_at(&log, &mut last, size - 1)?;
                }
                let lines = if last == *b"\n" { missing } else { [b"\n", &*missing].concat() };
                log.write_all(&lines)?;
                log.sync_all()?;
            }
        }
        Ok(())
    }

    /// Those of the lines that the log has not, nor what was put aside of it.
    fn missing(&self, text: &[u8]) -> io::Result<Vec<u8>> {
        let lines = || text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let mut wanted = HashMap::<&[u8], usize>::new();
        lines().for_each(|line| *wanted.entry(line).or_default() += 1);
        let path = self.folder.path().join(&self.log);
        let mut sources = folder::put_aside(&path)?;
        sources.extend(path.is_file().then_some(Source::File(path)));
        for source in sources {
            each_block(&source, u64::MAX, |block| {
                for line in block.split(|byte| *byte == b'\n') {
                    if let Some(count) = wanted.get_mut(line) {
                        *count = count.saturating_sub(1);
                    }
                }
            })?;
        }
        let mut missing = Vec::new();
        for line in lines() {
            if let Some(count) = wanted.get_mut(line).filter(|count| **count > 0) {
                *count -= 1;
                missing.extend_from_slice(line);
                missing.push(b'\n');
            }
        }
        Ok(missing)
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        // Nobody else can be at work as long as it is locked.
        let _ = self.folder.unlink(prefix(&self.log) + "lock", false);
    }
}

/// How the names begin of what a cleaning has beside the log. No log is called so.
fn prefix(log: &OsStr) -> String {
    format!(".{}.tc-", log.to_string_lossy())
}

fn leftovers(folder: &Folder, log: &OsStr) -> io::Result<Vec<String>> {
    let (new, old) = (prefix(log) + "new-", prefix(log) + "old-");
    let mut found = Vec::new();
    let each = |name: &str, _: bool| {
        if name.starts_with(&new) || name.starts_with(&old) {
            found.push(name.to_owned());
        }
        Ok(true)
    };
    folder.names(each).map_err(io::Error::other)?;
    Ok(found)
}

pub(super) fn busy(problem: &str) -> io::Error {
    io::Error::new(io::ErrorKind::ResourceBusy, format!("{problem}: nothing was deleted"))
}
