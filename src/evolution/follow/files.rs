//! New events of files that grow.

use std::fs::{File, Metadata};
use std::io;
use std::path::{Path, PathBuf};

use super::update::{Notice, Spot, Update, each_record};
use crate::evolution::event::Fault;
use crate::evolution::file::{count_newlines, last_line_start, same_file};
use crate::evolution::packed::is_compressed_file;
use crate::evolution::source::{ReadError, Source};
use crate::jsonl::{LINE_BYTES_MAX, read_at, without_mark};

/// Plain files that are followed, each from some place on.
#[derive(Debug, Default)]
pub(super) struct FileFollower {
    logs: Vec<Log>,
    /// Logs that were replaced, and for how many more looks without news they are read: a writer may still have them open.
    replaced: Vec<(Log, u32)>,
    /// Every file that was ever followed or there at the start. Open, so that its identity is not given to a new file:
    /// a rotated log is known again under its new name.
    seen: Vec<File>,
}

#[derive(Debug)]
struct Log {
    path: PathBuf,
    /// The path, for messages.
    name: String,
    file: File,
    /// Where the first line that was not given out begins.
    offset: u64,
    /// Lines in front of it.
    lines: u64,
    /// What was read of that line so far, if it is not too long.
    partial: Vec<u8>,
    /// How much was read of that line and dropped because it is too long, in bytes.
    dropped: u64,
}

/// How many looks without news end the reading of a log that was replaced.
const LOOKS_AT_REPLACED: u32 = 100;

/// How much is read of a log at a time, in bytes.
const READ_BYTES: usize = 1 << 18;

impl FileFollower {
    /// Follows `sources` from the last line that has no end yet; what was there before is not given out. Compressed logs
    /// and standard input do not grow in place, and are left out.
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
            let place = last_line_start(&file, size).and_then(|offset| {
                let lines = count_newlines(&file, 0, offset, threads)?;
                Ok((offset, lines))
            });
            let (offset, lines) = place.map_err(failed)?;
            follower.logs.push(Log::new(path.to_path_buf(), file, offset, lines));
        }
        Ok(follower)
    }

    /// From where on a log is followed, in bytes.
    pub(super) fn start_of(&self, path: &Path) -> Option<u64> {
        self.logs.iter().find(|log| log.path == path).map(|log| log.offset)
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
        for path in paths {
            self.adopt(path)?;
        }
        for (log, patience) in &mut self.replaced {
            let before = log.offset;
            log.drain(sink)?;
            *patience = if log.offset > before { LOOKS_AT_REPLACED } else { patience.saturating_sub(1) };
        }
        self.replaced.retain(|(_, patience)| *patience > 0);
        for log in &mut self.logs {
            if let Some(old) = log.poll(sink)? {
                self.replaced.push((old, LOOKS_AT_REPLACED));
                self.seen.extend(log.file.try_clone());
            }
        }
        // One that was renamed may still be written to until its successor is there.
        let gone = |log: &Log| log.file.metadata().is_ok_and(|metadata| is_deleted(&metadata));
        self.logs.retain(|log| paths.contains(&log.path) || log.path.exists() || !gone(log));
        Ok(())
    }

    /// Follows a log that is new, from its start.
    fn adopt(&mut self, path: &Path) -> Result<(), ReadError> {
        if self.logs.iter().any(|log| log.path == path) {
            return Ok(());
        }
        // A name that vanished since it was listed is no error.
        let Ok(file) = File::open(path) else { return Ok(()) };
        let failed = |cause| read_error(path, cause);
        let metadata = file.metadata().map_err(failed)?;
        let known = |other: &File| other.metadata().is_ok_and(|other| same_file(&other, &metadata));
        if !self.seen.iter().any(known) {
            self.seen.push(file.try_clone().map_err(failed)?);
            // What is compressed does not grow in its place.
            if !is_compressed_file(&file).map_err(failed)? {
                self.logs.push(Log::new(path.to_path_buf(), file, 0, 0));
            }
        }
        Ok(())
    }
}

fn read_error(path: &Path, cause: io::Error) -> ReadError {
    ReadError { name: path.display().to_string(), cause }
}

impl Log {
    fn new(path: PathBuf, file: File, offset: u64, lines: u64) -> Self {
        let name = path.display().to_string();
        Log { path, name, file, offset, lines, partial: Vec::new(), dropped: 0 }
    }

    /// Goes over to another file, and returns the log as it was.
    fn restart(&mut self, file: File) -> Log {
        let fresh = Log::new(self.path.clone(), file, 0, 0);
        std::mem::replace(self, fresh)
    }

    /// Gives out what is new. Returns the log as it was when another file took its place.
    fn poll<E: From<ReadError>>(
        &mut self,
        sink: &mut impl FnMut(&Spot<'_>, Update<'_>) -> Result<(), E>,
    ) -> Result<Option<Log>, E> {
        self.drain(sink)?;
        let open = self.file.metadata().map_err(|cause| read_error(&self.path, cause))?;
        let now = std::fs::metadata(&self.path).ok();
        let replaced = now.as_ref().is_some_and(|now| !same_file(&open, now));
        let truncated = open.len() < self.offset + self.partial.len() as u64 + self.dropped;
        if replaced || truncated {
            let file = match File::open(&self.path) {
                // It is just being replaced once more.
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                opened => opened.map_err(|cause| read_error(&self.path, cause))?,
            };
            let mut old = self.restart(file);
            if replaced {
                old.drain(sink)?;
            }
            let spot = Spot { log: &self.name, line: None, offset: 0 };
            sink(&spot, Update::Notice(if replaced { Notice::Replaced } else { Notice::Truncated }))?;
            if is_compressed_file(&self.file).map_err(|cause| read_error(&self.path, cause))? {
                // Until it is replaced again.
                self.dropped = self.file.metadata().map_err(|cause| read_error(&self.path, cause))?.len();
                let lost = Notice::Lost("it is compressed now, and what is compressed is not followed".to_string());
                sink(&spot, Update::Notice(lost))?;
            }
            self.drain(sink)?;
            return Ok(replaced.then_some(old));
        }
        Ok(None)
    }

    /// Reads to the log's end.
    fn drain<E: From<ReadError>>(
        &mut self,
        sink: &mut impl FnMut(&Spot<'_>, Update<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut buffer = vec![0; READ_BYTES];
        loop {
            let at = self.offset + self.partial.len() as u64 + self.dropped;
            let count = read_at(&self.file, &mut buffer, at).map_err(|cause| read_error(&self.path, cause))?;
            if count == 0 {
                return Ok(());
            }
            for piece in buffer[..count].split_inclusive(|byte| *byte == b'\n') {
                self.partial.extend_from_slice(piece);
                if self.dropped > 0 || self.partial.len() > LINE_BYTES_MAX {
                    self.dropped += self.partial.len() as u64;
                    self.partial.clear();
                }
                if piece.ends_with(b"\n") {
                    self.give_out(sink)?;
                    self.offset += self.partial.len() as u64 + self.dropped;
                    self.lines += 1;
                    self.dropped = 0;
                    self.partial.clear();
                }
            }
        }
    }

    fn give_out<E: From<ReadError>>(
        &self,
        sink: &mut impl FnMut(&Spot<'_>, Update<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let spot = Spot { log: &self.name, line: Some(self.lines + 1), offset: self.offset };
        if self.dropped > 0 {
            return sink(&spot, Update::Notice(Notice::Fault(Fault::Overlong)));
        }
        each_record(without_mark(&self.partial, self.offset), &spot, sink)
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
