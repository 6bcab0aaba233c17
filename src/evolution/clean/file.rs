//! Deleting events from a file that others may be writing to.
//!
//! Only events that were counted in the [`FilePlan`] are ever deleted. What is kept goes to a new file that takes the log's
//! place in one step; what a writer that still had the old file open adds to it meanwhile is carried over.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::OFlags;

use super::beside::{Beside, busy};
use crate::evolution::fate::{Archive, CleanCounts, Fate, Line, Standing, Stands, Unfinished, each_line, stamp};
use crate::evolution::file::{FileNumber, LOCK_WAIT, last_line_start, lock_within};
use crate::evolution::piece::Reading;
use crate::evolution::source::{Opened, Progress, Source};
use crate::jsonl::{BlockReader, block_count, read_at};
use crate::store::beneath::Folder;
use crate::time::Timestamp;

/// How long the old file must have been still before it is let go.
const SETTLE: Duration = Duration::from_millis(200);

/// How long ago a line without an end must have been written for it not to be waited for.
const STILL: Duration = Duration::from_secs(2);

/// What cleaning would do to one file.
#[derive(Clone, Debug)]
pub(super) struct FilePlan {
    pub(super) folder: PathBuf,
    name: OsString,
    pub(super) counts: CleanCounts,
    compressed: bool,
    /// Where the lines end that were looked at, in bytes.
    end: u64,
    number: FileNumber,
    older_than: Option<Timestamp>,
    stands: Stands,
}

impl FilePlan {
    /// Looks at a log: all its events are to go or, with `older_than`, those from before that time. Events without a
    /// readable time, and lines that cannot be read, are as old as nobody knows, and stay.
    ///
    /// # Errors
    /// The log cannot be read, or is not a file.
    pub(super) fn new(path: &Path, older_than: Option<Timestamp>) -> io::Result<FilePlan> {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let folder = fs::canonicalize(parent)?;
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
        let metadata = Folder::at(&folder)?.open_file(&name, OFlags::RDONLY)?.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file"));
        }
        let counts = CleanCounts { bytes: metadata.len(), ..CleanCounts::default() };
        let (number, stands) = (FileNumber::of(&metadata), Stands::default());
        let mut plan = FilePlan { folder, name, counts, compressed: false, end: 0, number, older_than, stands };
        let progress = Progress::default();
        let opened = Source::File(plan.path()).open(&progress, &Reading::default());
        match opened.map_err(|error| error.cause)? {
            Opened::Pieces(_) => Err(io::ErrorKind::Unsupported.into()),
            Opened::Plain { file, size } => plan.look_at_plain(&file, size),
            Opened::Stream(mut stream) => {
                plan.compressed = true;
                loop {
                    match stream.next_block() {
                        Ok(Some((_, block))) => {
                            plan.count(block.bytes, block.offset);
                            plan.counts.unreadable += u64::from(block.overlong);
                        }
                        Ok(None) => break,
                        // What is damaged is not for us to throw away.
                        Err(_) => {
                            plan.counts.fate = Fate::KeepWhole;
                            return Ok(plan);
                        }
                    }
                }
                plan.spare_what_stands();
                plan.counts.fate = plan.decide(false);
                Ok(plan)
            }
        }
    }

    pub(super) fn path(&self) -> PathBuf {
        self.folder.join(&self.name)
    }

    fn look_at_plain(mut self, file: &File, size: u64) -> io::Result<FilePlan> {
        let mut reader = BlockReader::default();
        let mut can_shorten = true;
        // A last line without an end is taken as it is, unless somebody may just be writing it.
        let age = file.metadata()?.modified()?.elapsed().unwrap_or_default();
        for index in 0..block_count(size) {
            let block = reader.read(file, index, size)?;
            if block.overlong {
                can_shorten = false;
                self.counts.unreadable += 1;
            }
            let whole = match memchr::memrchr(b'\n', block.bytes) {
                _ if age >= STILL => block.bytes.len(),
                newline => newline.map_or(0, |newline| newline + 1),
            };
            if !block.bytes.is_empty() {
                self.end = block.offset + whole as u64;
            }
            self.count(&block.bytes[..whole], block.offset);
        }
        self.spare_what_stands();
        self.counts.fate = self.decide(can_shorten);
        Ok(self)
    }

    fn decide(&self, can_shorten: bool) -> Fate {
        match self.older_than {
            // What holds no event at all may be no log.
            None if self.counts.deleted == 0 && self.counts.unreadable > 0 => Fate::Keep,
            None => Fate::Delete,
            Some(_) if self.counts.deleted == 0 => Fate::Keep,
            Some(_) if self.counts.kept == 0 && self.counts.unreadable == 0 => Fate::Delete,
            Some(_) if can_shorten => Fate::Shorten,
            Some(_) => Fate::KeepWhole,
        }
    }

    fn count(&mut self, lines: &[u8], offset: u64) {
        each_line(lines, offset, self.older_than, |at, text, line| {
            match line {
                Line::Old(events) => self.counts.deleted += events,
                Line::Young(events) => self.counts.kept += events,
                Line::Unreadable => self.counts.unreadable += 1,
                Line::Blank => {}
            }
            if let Line::Old(events) | Line::Young(events) = line {
                self.stands.take(text, Standing { at, events, old: matches!(line, Line::Old(_)) });
            }
        });
    }

    /// Moves the events of lines with decisions that stand from those that go to those that stay.
    fn spare_what_stands(&mut self) {
        let lines = self.stands.lines();
        self.counts.standing = lines.len() as u64;
        if self.older_than.is_some() {
            let spared = lines.values().filter(|line| line.old).map(|line| line.events).sum::<u64>();
            self.counts.deleted -= spared.min(self.counts.deleted);
            self.counts.kept += spared;
        }
    }

    /// Does what the plan says. Deleted events go to the folder `archive` first, if there is one. Returns the archived file.
    ///
    /// # Errors
    /// The first step that fails; until then nothing was deleted.
    pub(super) fn carry_out(&self, archive: Option<&Path>, now: Timestamp) -> io::Result<Option<PathBuf>> {
        let deletes = self.counts.fate.deletes();
        if !deletes && !Beside::has_leftovers(&self.folder, &self.name)? {
            return Ok(None);
        }
        let beside = Beside::begin(&self.folder, &self.name)?;
        // Before anything is made for a log that was replaced.
        let old = self.open_unchanged(&beside)?;
        let archives = archive.map(|folder| beside.archives(folder)).transpose()?;
        beside.clear(archives.as_ref())?;
        if deletes { self.replace(&beside, &old, archives.as_ref(), now) } else { Ok(None) }
    }

    fn replace(
        &self,
        beside: &Beside,
        old: &File,
        archives: Option<&Folder>,
        now: Timestamp,
    ) -> io::Result<Option<PathBuf>> {
        let name = self.name.to_string_lossy();
        let mut archive = archives.map(|folder| Archive::create(folder, &name, Some(old), now)).transpose()?;
        // The old file keeps a name until all that was added to it is carried over.
        let stamp = archive.as_ref().map_or_else(|| stamp(now), |archive| archive.stamp().to_owned());
        let mut aside = beside.aside(&stamp)?;
        let mut fresh = (!self.compressed).then(|| beside.fresh(old)).transpose()?;
        if let Some((file, _)) = fresh.as_ref().filter(|_| self.counts.fate == Fate::Shorten) {
            self.write_kept(old, file, archive.as_mut())?;
        } else if let Some(archive) = &mut archive {
            if self.compressed {
                archive.copy_whole(old)?;
            } else {
                copy(old, 0, self.end, &mut archive.writer)?;
            }
        }
        let archived = archive.map(Archive::finish).transpose()?;

        // Whoever waits for the lock finds the new file in the old one's place.
        let locked = lock_within(old, LOCK_WAIT)?;
        self.open_unchanged(beside)?;
        if !beside.holds(aside.name(), old)? {
            return Err(busy("it was replaced meanwhile"));
        }
        // What came since the look keeps its place, in front of what comes next.
        let seen = fresh.as_mut().map_or(Ok(self.end), |(file, _)| self.take_late(old, file))?;
        let fresh = fresh.filter(|(file, _)| file.metadata().is_ok_and(|metadata| metadata.len() > 0));
        beside.settle(&mut aside, seen)?;
        beside.replace(fresh.map(|(_, fresh)| fresh))?;
        // What is left of this, if anything fails from here on, is for the next cleaning to finish.
        let archived = archived.map(Unfinished::keep);
        let left = aside.name().to_owned();
        aside.keep();
        if locked {
            old.unlock()?;
        }
        if !self.compressed {
            self.carry_over(beside, old, seen)?;
        }
        beside.folder.unlink(left, false)?;
        Ok(archived)
    }

    /// Opens the log, if it still is the file that was looked at.
    fn open_unchanged(&self, beside: &Beside) -> io::Result<File> {
        let replaced = || busy("it was replaced or became shorter since it was looked at");
        let opened = beside.open();
        let file = opened.map_err(|error| if error.kind() == io::ErrorKind::NotFound { replaced() } else { error })?;
        let metadata = file.metadata()?;
        let unchanged = FileNumber::of(&metadata) == self.number && metadata.len() >= self.end;
        if unchanged { Ok(file) } else { Err(replaced()) }
    }

    fn write_kept(&self, old: &File, fresh: &File, mut archive: Option<&mut Archive<'_>>) -> io::Result<()> {
        let mut kept = BufWriter::new(fresh);
        let mut reader = BlockReader::default();
        let stands = self.stands.lines();
        for index in 0..block_count(self.end) {
            let block = reader.read(old, index, self.end)?;
            let mut result = Ok(());
            each_line(block.bytes, block.offset, self.older_than, |at, text, line| {
                if result.is_ok() {
                    result = match (line, archive.as_mut()) {
                        (Line::Old(_), _) if stands.contains_key(&at) => kept.write_all(text),
                        (Line::Young(_) | Line::Unreadable, _) => kept.write_all(text),
                        (Line::Old(_), Some(archive)) => archive.writer.write_all(text),
                        (Line::Old(_) | Line::Blank, _) => Ok(()),
                    };
                }
            });
            result?;
        }
        kept.flush()?;
        drop(kept);
        fresh.sync_all()
    }

    /// Appends to the new file the whole lines that were added to the old one since the look, and returns where they end.
    fn take_late(&self, old: &File, fresh: &mut File) -> io::Result<u64> {
        let end = last_line_start(old, old.metadata()?.len())?;
        if end <= self.end {
            return Ok(self.end);
        }
        copy(old, self.end, end, fresh)?;
        fresh.sync_all()?;
        Ok(end)
    }

    /// Appends to the log what was added to the old file behind byte `at`, until no more comes.
    fn carry_over(&self, beside: &Beside, old: &File, mut at: u64) -> io::Result<()> {
        loop {
            let end = old.metadata()?.len();
            if end < at {
                return Err(io::Error::other(
                    "it became shorter while it was cleaned; what is left of it is beside it",
                ));
            }
            if end > at {
                let mut log = beside.open_to_append(old)?;
                let mut late = Vec::new();
                copy(old, at, end, &mut late)?;
                // A line that is being written is waited for below; a torn one gets its end here.
                if late.last() != Some(&b'\n') {
                    std::thread::sleep(SETTLE);
                    if old.metadata()?.len() > end {
                        continue;
                    }
                    late.push(b'\n');
                }
                log.write_all(&late)?;
                log.sync_all()?;
                at = end;
            }
            std::thread::sleep(SETTLE);
            if old.metadata()?.len() == at {
                return Ok(());
            }
        }
    }
}

/// Copies the bytes from `from` up to `to`.
fn copy(file: &File, from: u64, to: u64, out: &mut impl Write) -> io::Result<()> {
    let mut buffer = vec![0; 1 << 18];
    let mut at = from;
    while at < to {
        let wanted = buffer.len().min(usize::try_from(to - at).unwrap_or(usize::MAX));
        let count = read_at(file, &mut buffer[..wanted], at)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        out.write_all(&buffer[..count])?;
        at += count as u64;
    }
    Ok(())
}
