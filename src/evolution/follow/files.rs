//! New events of files that grow.

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io;
use std::path::{Path, PathBuf};

use super::known::{Known, begins_with, behind_lines_of, hash};
use super::lines::{Line, Lines};
use super::update::{Notice, Spot, Update};
use crate::evolution::file::{count_newlines, last_line_start, same_file};
use crate::evolution::packed::is_compressed_file;
use crate::evolution::source::{ReadError, Source};
use crate::jsonl::read_at;

/// Plain files that are followed, each from some place on.
#[derive(Debug, Default)]
pub(super) struct FileFollower {
    logs: Vec<Log>,
    /// Logs that were replaced or overwritten.
    former: Vec<Former>,
    /// How far logs were read that are not there any more: a copy of one may come.
    past: Vec<Known>,
    /// Every file that was ever followed or there at the start. Open, so that its identity is not given to a new file:
    /// a rotated log is known again under its new name.
    seen: Vec<File>,
    /// Lines of logs and of the files that took their places, given out while both were read, and whether the former one
    /// had them: who puts a file in a log's place carries lines over that come late.
    late: HashMap<u64, bool>,
}

#[derive(Debug)]
struct Log {
    path: PathBuf,
    /// The path, for messages.
    name: String,
    file: File,
    known: Known,
    /// Nothing is read of what is compressed.
    compressed: bool,
}

/// What a log was before another content took its place.
#[derive(Debug)]
struct Former {
    log: Log,
    /// What became of it, until the new content is followed.
    notice: Option<Notice>,
    /// For how many more looks without news it is read: a writer may still have it open.
    patience: u32,
}

/// How many looks without news end the reading of a log that was replaced.
const LOOKS_AT_REPLACED: u32 = 100;

/// How many logs that are not there any more are known by their content.
const PAST_MAX: usize = 1_000;

/// How many lines that come late are remembered.
const LATE_MAX: usize = 100_000;

/// How much of a compressed log tells whether it was written anew, in bytes.
const FRONT_BYTES: u64 = 1 << 10;

/// How much is read of a log at a time, in bytes.
const READ_BYTES: usize = 1 << 18;

impl FileFollower {
    /// Follows `sources` from the last line that has no end yet; what was there before is not given out. Compressed logs
    /// do not grow in place, and are left out.
    ///
    /// # Errors
    /// A log cannot be read.
    pub(super) fn at_end(sources: &[Source], threads: usize) -> Result<FileFollower, ReadError> {
        let mut follower = FileFollower::default();
        for source in sources {
            let Some(path) = source.path() else { continue };
            let failed = |cause| ReadError { name: source.name(), cause };
            follower.seen.push(File::open(path).map_err(failed)?);
            let Some((file, size)) = source.open_plain()? else { continue };
            let known = last_line_start(&file, size).and_then(|offset| {
                let lines = Lines::behind(offset, count_newlines(&file, 0, offset, threads)?);
                Known::up_to(&file, lines)
            });
            follower.logs.push(Log::new(path, file, known.map_err(failed)?));
        }
        Ok(follower)
    }

    /// Whether there never was a file to follow.
    pub(super) fn is_empty(&self) -> bool {
        self.logs.is_empty() && self.seen.is_empty()
    }

    /// From where on a log is followed, in bytes.
    pub(super) fn start_of(&self, path: &Path) -> Option<u64> {
        self.logs.iter().find(|log| log.path == path).map(|log| log.known.lines.offset)
    }

    /// Looks at every log once and gives out each line that was completed since, and what else happened. `paths` are
    /// the logs as they now are: new ones are followed from their start, missing ones no longer.
    ///
    /// # Errors
    /// A log cannot be read, or `sink` fails.
    pub(super) fn poll<E: From<ReadError>>(
        &mut self,
        paths: &[PathBuf],
        sink: &mut impl FnMut(&Spot<'_>, Update<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        // Files that are gone need not be known any more.
        self.seen.retain(|file| file.metadata().is_ok_and(|metadata| !is_deleted(&metadata)));
        self.part_with_changed(sink)?;
        for former in self.former.iter_mut().filter(|former| former.patience > 0) {
            let before = former.log.known.lines.offset;
            former.log.drain(sink, Some((&mut self.late, true)))?;
            let has_news = former.log.known.lines.offset > before;
            former.patience = if has_news { LOOKS_AT_REPLACED } else { former.patience - 1 };
        }
        let vacated = self.former.iter().filter(|former| former.notice.is_some()).map(|former| &former.log.path);
        for path in vacated.chain(paths).cloned().collect::<Vec<_>>() {
            self.adopt(&path, sink)?;
        }
        for log in &mut self.logs {
            let is_successor = self.former.iter().any(|former| former.log.path == log.path);
            log.drain(sink, is_successor.then_some((&mut self.late, false)))?;
        }
        self.forget(paths);
        Ok(())
    }

    /// Takes those logs out in whose place there is another file or another content now.
    fn part_with_changed<E: From<ReadError>>(
        &mut self,
        sink: &mut impl FnMut(&Spot<'_>, Update<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        for mut log in std::mem::take(&mut self.logs) {
            let failed = |cause| read_error(&log.path, cause);
            let open = log.file.metadata().map_err(failed)?;
            // One that is just being replaced is not there for a moment.
            let now = std::fs::metadata(&log.path).ok();
            let replaced = now.as_ref().is_some_and(|now| !same_file(&open, now));
            if !log.known.is_in(&log.file).map_err(failed)? {
                self.seen.retain(|file| !file.metadata().is_ok_and(|other| same_file(&other, &open)));
                self.former.push(Former { log, notice: Some(Notice::Truncated), patience: 0 });
            } else if replaced {
                log.drain(sink, None)?;
                self.former.push(Former { log, notice: Some(Notice::Replaced), patience: LOOKS_AT_REPLACED });
            } else {
                self.logs.push(log);
            }
        }
        Ok(())
    }

    /// Follows a log that is new, from where what is known of it ends.
    fn adopt<E: From<ReadError>>(
        &mut self,
        path: &Path,
        sink: &mut impl FnMut(&Spot<'_>, Update<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        // A name that vanished since it was listed is no error. Opening a pipe would wait for who writes to it.
        if self.logs.iter().any(|log| log.path == path) || !path.is_file() {
            return Ok(());
        }
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            opened => opened.map_err(|cause| read_error(path, cause))?,
        };
        let failed = |cause| read_error(path, cause);
        let metadata = file.metadata().map_err(failed)?;
        let is_seen = |other: &File| other.metadata().is_ok_and(|other| same_file(&other, &metadata));
        if self.seen.iter().any(is_seen) {
            return Ok(());
        }
        let compressed = is_compressed_file(&file).map_err(failed)?;
        let known = if compressed {
            let front = Lines::behind(metadata.len().min(FRONT_BYTES), 0);
            Some(Known::up_to(&file, front).map_err(failed)?)
        } else {
            self.known_of(path, &file, metadata.len()).map_err(failed)?
        };
        let Some(known) = known else { return Ok(()) };
        let notice = self.former.iter_mut().filter(|former| former.log.path == path).find_map(|it| it.notice.take());
        self.seen.push(file.try_clone().map_err(failed)?);
        let log = Log { compressed, ..Log::new(path, file, known) };
        // What is compressed is looked at again only where a log was.
        if compressed && notice.is_none() {
            return Ok(());
        }
        let spot = Spot { log: &log.name, line: None, offset: 0 };
        if let Some(notice) = notice {
            sink(&spot, Update::Notice(notice))?;
        }
        if compressed {
            let lost = Notice::Lost("it is compressed now, and what is compressed is not followed".to_string());
            sink(&spot, Update::Notice(lost))?;
        }
        self.logs.push(log);
        Ok(())
    }

    /// How far a file that is new was read already, under another name or before it was written anew; none, if that cannot
    /// be said yet: it is a copy that is just being made, or has nothing that its original lacks.
    fn known_of(&mut self, path: &Path, file: &File, size: u64) -> io::Result<Option<Known>> {
        let is_before = |former: &&Former| former.log.path == path && former.notice.is_some() && !former.log.compressed;
        let before = self.former.iter().rev().find(is_before);
        if let Some(Former { log: old, notice, .. }) = before {
            let lines = match notice {
                Some(Notice::Truncated) => old.known.last_line_in(file, size)?,
                _ => {
                    let (lines, behind) = behind_lines_of(&old.file, old.known.lines.offset, file, LATE_MAX)?;
                    let is_known = lines.offset > 0;
                    // They were given out, and may only now be carried over.
                    self.late.extend(behind.into_iter().filter(|_| is_known).map(|line| (line, true)));
                    is_known.then_some(lines)
                }
            };
            if let Some(lines) = lines {
                return Known::up_to(file, lines).map(Some);
            }
        }
        let is_read = self.former.iter().filter(|former| former.patience > 0);
        for log in is_read.map(|former| &former.log).chain(&self.logs) {
            if begins_with(&log.file, file, size)? {
                return Ok(None);
            }
        }
        let former = self.former.iter().map(|former| &former.log.known);
        let mut known = Known::default();
        for other in self.logs.iter().map(|log| &log.known).chain(former).chain(&self.past) {
            if other.lines.position() > known.lines.position() && other.is_in(file)? {
                known = other.clone();
            }
        }
        Ok(Some(known))
    }

    /// Lets go of what will not come back.
    fn forget(&mut self, paths: &[PathBuf]) {
        // One that was renamed may still be written to until its successor is there.
        let gone = |log: &mut Log| {
            let is_listed = paths.contains(&log.path) || log.path.exists();
            !is_listed && log.file.metadata().is_ok_and(|metadata| is_deleted(&metadata))
        };
        let gone = self.logs.extract_if(.., gone);
        self.former.extend(gone.map(|log| Former { log, notice: Some(Notice::Replaced), patience: LOOKS_AT_REPLACED }));
        let over = |former: &mut Former| former.patience == 0 && (former.notice.is_none() || !former.log.path.exists());
        self.past.extend(self.former.extract_if(.., over).map(|former| former.log.known));
        self.past.drain(..self.past.len().saturating_sub(PAST_MAX));
        if self.late.len() > LATE_MAX || self.former.iter().all(|former| former.patience == 0) {
            self.late.clear();
        }
    }
}

fn read_error(path: &Path, cause: io::Error) -> ReadError {
    ReadError { name: path.display().to_string(), cause }
}

impl Log {
    fn new(path: &Path, file: File, known: Known) -> Self {
        Log { path: path.to_path_buf(), name: path.display().to_string(), file, known, compressed: false }
    }

    /// Reads to the log's end. Of a log that took another's place, or whose place was taken, lines are left out that the
    /// other one had.
    fn drain<E: From<ReadError>>(
        &mut self,
        sink: &mut impl FnMut(&Spot<'_>, Update<'_>) -> Result<(), E>,
        mut late: Option<(&mut HashMap<u64, bool>, bool)>,
    ) -> Result<(), E> {
        let Log { path, name, file, known, .. } = self;
        let mut each = |line: Line<'_>| {
            let twice = late.as_mut().zip(line.text).is_some_and(|((late, former), text)| {
                let had = *late.entry(hash(text)).or_insert(*former);
                had != *former
            });
            if twice { Ok(()) } else { line.give_out(name, sink) }
        };
        let mut buffer = vec![0; if self.compressed { 0 } else { READ_BYTES }];
        loop {
            let at = known.lines.position();
            let count = read_at(file, &mut buffer, at).map_err(|cause| read_error(path, cause))?;
            // Of one that was overwritten since it was looked at, this is no continuation: the next look sees that.
            if count == 0 || !known.is_in(file).map_err(|cause| read_error(path, cause))? {
                return Ok(());
            }
            known.mark(&buffer[..count]);
            known.lines.take(&buffer[..count], &mut each)?;
        }
    }
}

#[cfg(unix)]
fn is_deleted(metadata: &Metadata) -> bool {
    std::os::unix::fs::MetadataExt::nlink(metadata) == 0
}

#[cfg(not(unix))]
fn is_deleted(_: &Metadata) -> bool {
    false
}
