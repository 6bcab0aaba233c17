//! Appending to a log that other processes append to as well.
//!
//! Whoever appends through an [`Appender`] holds the file's advisory lock meanwhile. The Python package knows no locks; it
//! writes each line at once to a file opened for appending, which the operating system does not mix with our writes.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::file::{FileNumber, LOCK_WAIT, last_line_start, lock_within, refuse_beyond_limit, same_file};
use super::packed::is_compressed_file;
use crate::jsonl::{BlockReader, LINE_BYTES_MAX, block_count, read_at};
use crate::store::beneath::Detour;
use crate::time::Timestamp;

/// How long the lock is not waited for after it was waited for in vain.
const LOCK_PAUSE: Duration = Duration::from_secs(30);

/// How long a line without an end is given to get one.
const TORN_WAIT: Duration = Duration::from_millis(20);

/// How often the log may be replaced while it is being opened.
const OPEN_TRIES: usize = 100;

/// How much is read at a time, in bytes.
const READ_BYTES: usize = 1 << 18;

/// Takes in what others write to a log.
pub(crate) trait News {
    /// Whole lines, each with its newline.
    fn lines(&mut self, lines: &[u8]);

    /// Another file took the log's place, and is handed on from its start: `old` is the one before.
    fn replaced(&mut self, old: &fs::Metadata);
}

/// A log to append to.
#[derive(Debug)]
pub(crate) struct Appender {
    path: PathBuf,
    /// Whether a link in the log's place is followed.
    follow: bool,
    open: Option<Open>,
    buffer: Vec<u8>,
    /// Since when the lock is in hands that do not let go of it.
    unlockable: Option<Instant>,
}

#[derive(Debug)]
struct Open {
    file: File,
    /// Up to where the log was read or written by us, in bytes: the end of a line.
    seen: u64,
    /// In the middle of a line that is too long to be read.
    skipping: bool,
    /// A line of ours of which only a part could be written.
    torn: Option<Torn>,
    /// The day on which the log was last written to, in days since the epoch.
    day: i64,
    /// The folder does not yet hold the new name for sure.
    is_new: bool,
}

#[derive(Clone, Copy, Debug)]
struct Torn {
    /// Where the log ends behind that part.
    end: u64,
    /// How long that part is.
    written: usize,
}

/// When a log is put aside and a new one begun.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rotation {
    /// Before it grows beyond so many bytes.
    pub bytes_max: Option<u64>,
    /// When a new day begins, in UTC.
    pub daily: bool,
}

/// Why not all was written, and how much was.
#[derive(Debug, thiserror::Error)]
#[error("{cause}")]
pub(crate) struct WriteError {
    /// Bytes of whole lines that were written.
    pub written: usize,
    /// What the operating system says.
    pub cause: io::Error,
}

impl Appender {
    /// A log at this path, which need not be there. Nothing is opened yet.
    pub(crate) fn new(path: impl Into<PathBuf>) -> Self {
        Appender { path: path.into(), follow: true, open: None, buffer: Vec::new(), unlockable: None }
    }

    /// The same, with nothing that is there now handed on. A link is not followed.
    ///
    /// # Errors
    /// The log is there and cannot be opened or read.
    pub(crate) fn at_end(path: impl Into<PathBuf>) -> io::Result<Self> {
        let mut appender = Appender { follow: false, ..Appender::new(path) };
        if appender.path.exists() || appender.path.is_symlink() {
            let mut log = open(&appender.path, false)?;
            log.seen = last_line_start(&log.file, log.file.metadata()?.len())?;
            appender.open = Some(log);
        }
        Ok(appender)
    }

    /// What tells the file that is open from others.
    pub(crate) fn number(&self) -> io::Result<Option<FileNumber>> {
        self.open.as_ref().map(|log| Ok(FileNumber::of(&log.file.metadata()?))).transpose()
    }

    /// Hands on what was seen of the file that is open, wherever that is by now, in blocks of whole lines.
    ///
    /// # Errors
    /// It cannot be read.
    pub(crate) fn each_seen(&self, mut each: impl FnMut(&[u8])) -> io::Result<()> {
        let Some(log) = &self.open else { return Ok(()) };
        let mut reader = BlockReader::default();
        (0..block_count(log.seen)).try_for_each(|index| {
            each(reader.read(&log.file, index, log.seen)?.bytes);
            Ok(())
        })
    }

    /// Up to where the log that is open was read or written by us, in bytes; all of it that is whole lines.
    pub(crate) fn seen(&self) -> u64 {
        self.open.as_ref().map_or(0, |log| log.seen)
    }

    /// Hands on whole lines that others appended since the last look.
    ///
    /// # Errors
    /// The log is there and cannot be read.
    pub(crate) fn look(&mut self, news: &mut dyn News) -> io::Result<()> {
        for _ in 0..OPEN_TRIES {
            if self.open.is_none() {
                if !self.path.try_exists()? {
                    return Ok(());
                }
                self.open = Some(open(&self.path, self.follow)?);
            }
            let Some(log) = &mut self.open else { break };
            log.catch_up(&mut self.buffer, news)?;
            match log.is_at(&self.path)? {
                Some(false) => self.leave(news)?,
                // A log that is gone may still be written to until there is a new one.
                Some(true) | None => return Ok(()),
            }
        }
        Ok(())
    }

    /// Lets go of a log that is no longer in its place.
    fn leave(&mut self, news: &mut dyn News) -> io::Result<()> {
        if let Some(mut old) = self.open.take() {
            old.catch_up(&mut self.buffer, news)?;
            // What we wrote to it may have been promised to be safe with what comes next.
            old.file.sync_data()?;
            news.replaced(&old.file.metadata()?);
        }
        Ok(())
    }

    /// Sees to it that what was written survives a crash of the machine.
    ///
    /// # Errors
    /// What the operating system says.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        let Some(log) = &mut self.open else { return Ok(()) };
        log.file.sync_data()?;
        if log.is_new {
            sync_folder(self.path.parent())?;
            log.is_new = false;
        }
        Ok(())
    }

    /// Makes the log ready for writing, creating it if need be: locked, whole, and with all that others wrote handed on.
    ///
    /// # Errors
    /// The log cannot be opened, read or mended.
    pub(crate) fn lock(&mut self, news: &mut dyn News) -> io::Result<Session<'_>> {
        let patient = self.unlockable.is_none_or(|since| since.elapsed() >= LOCK_PAUSE);
        self.lock_within(if patient { LOCK_WAIT } else { Duration::ZERO }, news)
    }

    /// The same, where the lock is waited for so long: [`Session::is_locked`] tells whether it was to be had.
    ///
    /// # Errors
    /// As [`Appender::lock`].
    pub(crate) fn lock_within(&mut self, wait: Duration, news: &mut dyn News) -> io::Result<Session<'_>> {
        for _ in 0..OPEN_TRIES {
            if self.open.is_none() {
                self.open = Some(open(&self.path, self.follow)?);
            }
            let Some(log) = &mut self.open else { break };
            log.catch_up(&mut self.buffer, news)?;
            let locked = lock_within(&log.file, wait)?;
            self.unlockable =
                if locked { None } else { self.unlockable.filter(|_| wait.is_zero()).or_else(|| Some(Instant::now())) };
            log.catch_up(&mut self.buffer, news)?;
            if log.is_at(&self.path)? == Some(true) {
                // It may have been overwritten in its place.
                refuse_compressed(&log.file)?;
                log.mend(&mut self.buffer, news)?;
                return Ok(Session { appender: self, locked });
            }
            // Closing it lets go of the lock.
            self.leave(news)?;
        }
        Err(io::Error::other("another file takes the log's place again and again"))
    }
}

fn open(path: &Path, follow: bool) -> io::Result<Open> {
    let is_new = !path.exists();
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    if !follow {
        std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, rustix::fs::OFlags::NOFOLLOW.bits() as i32);
    }
    let file = options.open(path).map_err(|error| if follow { error } else { Detour::or(path, error) })?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file"));
    }
    refuse_compressed(&file)?;
    let modified = metadata.modified()?.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let day = i64::try_from(modified.as_secs() / 86_400).unwrap_or(0);
    Ok(Open { file, seen: 0, skipping: false, torn: None, day, is_new })
}

/// A line behind compressed content would be read by nobody, and would damage what is there.
fn refuse_compressed(file: &File) -> io::Result<()> {
    if is_compressed_file(file)? {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is compressed: nothing can be appended to it"));
    }
    Ok(())
}

impl Open {
    /// Whether this file is the one at `path`; `None` if there is none.
    fn is_at(&self, path: &Path) -> io::Result<Option<bool>> {
        match fs::metadata(path) {
            Ok(now) => Ok(Some(same_file(&self.file.metadata()?, &now))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads whole lines from `seen` to the end of the log.
    fn catch_up(&mut self, buffer: &mut Vec<u8>, news: &mut dyn News) -> io::Result<()> {
        let end = self.file.metadata()?.len();
        if end < self.seen {
            // Somebody emptied it, or wrote it anew.
            (self.seen, self.torn, self.skipping) = (0, None, false);
        }
        if self.torn.is_some_and(|torn| torn.end == end) {
            return Ok(());
        }
        self.read_up_to(end, buffer, news)
    }

    fn read_up_to(&mut self, end: u64, buffer: &mut Vec<u8>, news: &mut dyn News) -> io::Result<()> {
        while self.seen < end {
            let wanted = usize::try_from(end - self.seen).unwrap_or(usize::MAX);
            let mut room = READ_BYTES.min(wanted);
            let (count, newline) = loop {
                buffer.resize(buffer.len().max(room), 0);
                let count = read_at(&self.file, &mut buffer[..room], self.seen)?;
                let newline = memchr::memrchr(b'\n', &buffer[..count]);
                if newline.is_some() || count < room || room >= wanted.min(LINE_BYTES_MAX) {
                    break (count, newline);
                }
                room = (room * 2).min(wanted);
            };
            match newline {
                Some(newline) => {
                    let lines = &buffer[..=newline];
                    let from =
                        if self.skipping { memchr::memchr(b'\n', lines).map_or(lines.len(), |at| at + 1) } else { 0 };
                    news.lines(&lines[from..]);
                    self.skipping = false;
                    self.seen += lines.len() as u64;
                }
                None if count >= LINE_BYTES_MAX => {
                    self.skipping = true;
                    self.seen += count as u64;
                }
                None => break,
            }
        }
        buffer.truncate(READ_BYTES);
        buffer.shrink_to(READ_BYTES);
        Ok(())
    }

    /// Gives a last line without an end its end, unless we are to go on with it ourselves, or somebody just does.
    fn mend(&mut self, buffer: &mut Vec<u8>, news: &mut dyn News) -> io::Result<()> {
        let start = Instant::now();
        loop {
            let end = self.file.metadata()?.len();
            self.torn = self.torn.filter(|torn| torn.end == end);
            if self.torn.is_some() || (end == self.seen && !self.skipping) {
                return Ok(());
            }
            if start.elapsed() >= TORN_WAIT {
                refuse_beyond_limit(end, 1)?;
                self.file.write_all(b"\n")?;
                return self.catch_up(buffer, news);
            }
            std::thread::sleep(Duration::from_millis(1));
            self.catch_up(buffer, news)?;
        }
    }
}

/// The log while it is ours to write to.
#[derive(Debug)]
pub(crate) struct Session<'a> {
    appender: &'a mut Appender,
    locked: bool,
}

impl Session<'_> {
    fn log(&mut self) -> io::Result<&mut Open> {
        self.appender.open.as_mut().ok_or_else(|| io::Error::other("the log is closed"))
    }

    /// Whether it is ours alone: the lock could be had.
    pub(crate) fn is_locked(&self) -> bool {
        self.locked
    }

    /// Begins a new log, if it is time to, before `bytes` more are written. Returns where the old one went.
    ///
    /// # Errors
    /// The log cannot be renamed, or no new one be created.
    pub(crate) fn rotate_if_due(
        &mut self,
        rotation: &Rotation,
        bytes: usize,
        now: Timestamp,
        news: &mut dyn News,
    ) -> io::Result<Option<PathBuf>> {
        let today = now.micros().div_euclid(86_400_000_000);
        let log = self.log()?;
        let size = log.file.metadata()?.len();
        let too_large = rotation.bytes_max.is_some_and(|max| size + bytes as u64 > max);
        let too_old = rotation.daily && log.day < today;
        let due = size > 0 && log.torn.is_none() && (too_large || too_old);
        log.day = today;
        if !due || !self.locked {
            return Ok(None);
        }
        let log = self.log()?;
        log.file.sync_data()?;
        let path = fs::canonicalize(&self.appender.path)?;
        let aside = put_aside(&path, now)?;
        // Whoever could not wait for the lock has still written to it.
        let Appender { open: old, buffer, .. } = &mut *self.appender;
        if let Some(old) = old {
            old.catch_up(buffer, news)?;
        }
        let mut fresh = open(&self.appender.path, self.appender.follow)?;
        self.locked = lock_within(&fresh.file, LOCK_WAIT)?;
        fresh.day = today;
        fresh.is_new = true;
        self.appender.open = Some(fresh);
        Ok(Some(aside))
    }

    /// Appends whole lines at once. After an error the rest is to be given again: a line that was begun is then ended.
    ///
    /// # Errors
    /// What the operating system says, and how much was written.
    pub(crate) fn write(&mut self, lines: &[u8], news: &mut dyn News) -> Result<(), WriteError> {
        let failed = |written, cause| WriteError { written, cause };
        let Appender { open: Some(log), buffer, .. } = &mut *self.appender else {
            return Err(failed(0, io::Error::other("the log is closed")));
        };
        let begun = log.torn.map_or(0, |torn| torn.written.min(lines.len()));
        reserve(&log.file, lines.len() - begun).map_err(|cause| failed(0, cause))?;
        log.torn = None;
        let mut written = begun;
        while written < lines.len() {
            let cause = match log.file.write(&lines[written..]) {
                Ok(0) => io::ErrorKind::WriteZero.into(),
                Ok(count) => {
                    written += count;
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => error,
            };
            let whole = memchr::memrchr(b'\n', &lines[..written]).map_or(0, |newline| newline + 1);
            log.note_own(written - begun, buffer, news, (written > whole).then_some(written - whole));
            return Err(failed(whole, cause));
        }
        log.note_own(written - begun, buffer, news, None);
        Ok(())
    }
}

/// Sees to it that so many bytes can be appended, where the file system can say that: on a full disk nothing is begun then that
/// could not be ended.
fn reserve(file: &File, bytes: usize) -> io::Result<()> {
    let end = file.metadata()?.len();
    refuse_beyond_limit(end, bytes)?;
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{FallocateFlags, fallocate};
        use rustix::io::Errno;
        if let Err(full @ (Errno::NOSPC | Errno::DQUOT | Errno::FBIG)) =
            fallocate(file, FallocateFlags::KEEP_SIZE, end, bytes as u64)
        {
            return Err(full.into());
        }
    }
    Ok(())
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        if let (true, Some(log)) = (self.locked, &self.appender.open) {
            // It is let go when the file is closed, at the latest.
            let _ = log.file.unlock();
        }
    }
}

impl Open {
    /// Remembers that `count` bytes at the log's end are ours, and hands on what others wrote in front of them.
    fn note_own(&mut self, count: usize, buffer: &mut Vec<u8>, news: &mut dyn News, torn: Option<usize>) {
        let Ok(end) = self.file.stream_position() else { return };
        let own_start = end.saturating_sub(count as u64);
        if own_start > self.seen {
            // What cannot be read now is read the next time, along with ours.
            let _ = self.read_up_to(own_start, buffer, news);
        }
        match torn {
            Some(written) => {
                self.seen = self.seen.max(end.saturating_sub(written as u64));
                self.torn = Some(Torn { end, written });
            }
            None => self.seen = end,
        }
    }
}

/// Gives a log a name that tells when it was put aside: `evolution-20260605T103000.507299Z.jsonl`.
fn put_aside(path: &Path, now: Timestamp) -> io::Result<PathBuf> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let (stem, rest) = name.split_once(".jsonl").map_or((&*name, ""), |(stem, rest)| (stem, rest));
    let at = now.to_string().replace(['-', ':'], "");
    for number in 0..1_000_000 {
        let number = if number == 0 { String::new() } else { format!("-{number}") };
        let aside = path.with_file_name(format!("{stem}-{at}{number}.jsonl{rest}"));
        match rename_new(path, &aside) {
            Ok(()) => return Ok(aside),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "no name is free for the log that is put aside"))
}

/// Renames a file to a name that must not be taken, in one step where that can be done.
fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        use rustix::io::Errno;
        match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {}
            result => return result.map_err(io::Error::from),
        }
    }
    if to.exists() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    // A link is refused where the name was taken meanwhile; a renaming would not be.
    match fs::hard_link(from, to) {
        Ok(()) => fs::remove_file(from),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
        Err(_) => fs::rename(from, to),
    }
}

#[cfg(unix)]
fn sync_folder(folder: Option<&Path>) -> io::Result<()> {
    let folder = folder.filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: Option<&Path>) -> io::Result<()> {
    Ok(())
}
