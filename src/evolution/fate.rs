//! The words of a cleaning plan: what goes, what stays because it stands, and where what goes is kept.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::PathBuf;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::decision::{Decision, Lasting};
use super::event::{self, Fault};
use super::fast::CALL;
use super::file::own_like;
use super::packed::decompressed;
use super::walk::Walker;
use crate::jsonl::without_mark;
use crate::store::beneath::Folder;
use crate::time::Timestamp;

/// What is to become of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// All of its events go, and the file with them.
    Delete,
    /// Its older events go, the others stay.
    Shorten,
    /// Nothing goes.
    Keep,
    /// Some events could go, but the file cannot be shortened: it is compressed, or has a line that is too long.
    KeepWhole,
}

impl Fate {
    /// Whether any event goes.
    pub fn deletes(self) -> bool {
        matches!(self, Fate::Delete | Fate::Shorten)
    }
}

/// What cleaning would do to a log, or to one half of a log that is not a file.
#[derive(Clone, Copy, Debug)]
pub struct CleanCounts {
    /// Its size in bytes, as far as it was read.
    pub bytes: u64,
    /// Events to delete.
    pub deleted: u64,
    /// Events to keep.
    pub kept: u64,
    /// Lines that could not be read. They stay, unless the whole log goes.
    pub unreadable: u64,
    /// Decisions that stand. They stay though they are old, unless the whole log is to go.
    pub standing: u64,
    /// What is to become of it.
    pub fate: Fate,
}

impl Default for CleanCounts {
    fn default() -> Self {
        CleanCounts { bytes: 0, deleted: 0, kept: 0, unreadable: 0, standing: 0, fate: Fate::Keep }
    }
}

/// What is to become of a line.
#[derive(Clone, Copy)]
pub(super) enum Line {
    /// So many events, all of them to go.
    Old(u64),
    /// So many events, of which one or more stay.
    Young(u64),
    Unreadable,
    Blank,
}

/// The lines with decisions that stand, by function.
#[derive(Clone, Debug, Default)]
pub(super) struct Stands {
    by_function: BTreeMap<String, Lasting<Standing>>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    /// Where the line begins, in bytes; or which part it is in.
    pub(super) at: u64,
    pub(super) events: u64,
    pub(super) old: bool,
}

impl Stands {
    /// Takes in a line of so many events, unless it is a call.
    pub(super) fn take(&mut self, text: &[u8], line: Standing) {
        if text.starts_with(CALL) {
            return;
        }
        let _ = event::read_records(without_mark(text, line.at), &mut |record, _| {
            if let Some(decision) = Decision::parse(record) {
                self.by_function.entry(decision.function.clone()).or_default().take(&decision, line);
            }
        });
    }

    /// How many decisions there are.
    pub(super) fn count(&self) -> u64 {
        self.by_function.values().flat_map(Lasting::items).count() as u64
    }

    /// The lines, by where they begin: one may hold several decisions.
    pub(super) fn lines(&self) -> BTreeMap<u64, Standing> {
        self.by_function.values().flat_map(Lasting::items).map(|line| (line.at, *line)).collect()
    }
}

/// Sorts the lines that stand at byte `offset` of a log, and says where each begins.
pub(super) fn each_line(
    lines: &[u8],
    offset: u64,
    older_than: Option<Timestamp>,
    mut each: impl FnMut(u64, &[u8], Line),
) {
    let mut walker = Walker::default();
    let old = |at: Option<Timestamp>| older_than.is_none_or(|limit| at.is_some_and(|at| at < limit));
    let (mut at, end) = (offset, offset + lines.len() as u64);
    while at < end {
        let text = &lines[(at - offset) as usize..];
        let body = without_mark(text, at);
        let (mut events, mut all_old) = (0, true);
        let (length, read) = walker.line(body, |found| {
            events += 1;
            all_old &= old(found.at());
        });
        let length = text.len() - body.len() + length;
        let line = match read {
            // What is somebody else's is not ours to delete.
            Err(fault) if fault != Fault::Glued => Line::Unreadable,
            _ if events == 0 => Line::Blank,
            _ if all_old => Line::Old(events),
            _ => Line::Young(events),
        };
        each(at, &text[..length], line);
        at += length as u64;
    }
}

/// A file that is removed again, unless it is kept.
pub(super) struct Unfinished<'a> {
    folder: &'a Folder,
    name: String,
    kept: bool,
}

impl<'a> Unfinished<'a> {
    /// Makes a file of a name that was free.
    pub(super) fn create(folder: &'a Folder, name: String) -> io::Result<(File, Unfinished<'a>)> {
        let file = folder.create(&name)?;
        Ok((file, Unfinished { folder, name, kept: false }))
    }

    /// Gives the file of that name one more.
    pub(super) fn link(folder: &'a Folder, of: &OsStr, name: String) -> io::Result<Unfinished<'a>> {
        folder.link(of, &name)?;
        Ok(Unfinished { folder, name, kept: false })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn rename(&mut self, name: String) -> io::Result<()> {
        self.folder.rename(&self.name, &name)?;
        self.name = name;
        Ok(())
    }

    /// Leaves the file where it is.
    pub(super) fn keep(mut self) -> PathBuf {
        self.kept = true;
        self.folder.path().join(&self.name)
    }
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        if !self.kept {
            // One that stays is cleared away by the next cleaning.
            let _ = self.folder.unlink(&self.name, false);
        }
    }
}

/// A compressed file that takes deleted events. Until it is kept, it goes again if anything fails.
pub(super) struct Archive<'a> {
    pub(super) writer: GzEncoder<File>,
    file: Unfinished<'a>,
    stamp: String,
}

/// How many archives of one log may be of one moment.
const ARCHIVES_AT_ONCE: i64 = 1_000;

/// The time in the name of an archive.
pub(super) fn stamp(now: Timestamp) -> String {
    now.to_string().replace([':', '-', '.'], "")
}

/// What an archive of this log from that time is called.
pub(super) fn archive_name(log: &str, stamp: &str) -> String {
    let name = log.trim_end_matches(".gz").trim_end_matches(".zst").replace(".jsonl", "");
    format!("{name}-{stamp}.jsonl.gz")
}

impl<'a> Archive<'a> {
    /// Creates one in `folder` that is named after the log and the time, with the owner of the file that it is like.
    pub(super) fn create(
        folder: &'a Folder,
        log: &str,
        like: Option<&File>,
        now: Timestamp,
    ) -> io::Result<Archive<'a>> {
        let mut created = Err(io::ErrorKind::AlreadyExists.into());
        let mut stamp_of_it = String::new();
        // Two logs of the same name may be archived in one folder.
        for later in 0..ARCHIVES_AT_ONCE {
            stamp_of_it = stamp(now.offset_micros(later));
            created = Unfinished::create(folder, archive_name(log, &stamp_of_it));
            if !created.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::AlreadyExists) {
                break;
            }
        }
        let (writer, file) = created?;
        if let Some(like) = like {
            own_like(&writer, like)?;
        }
        Ok(Archive { writer: GzEncoder::new(writer, Compression::default()), file, stamp: stamp_of_it })
    }

    /// The time in its name.
    pub(super) fn stamp(&self) -> &str {
        &self.stamp
    }

    /// Takes a compressed log, decompressing it.
    pub(super) fn copy_whole(&mut self, log: &File) -> io::Result<()> {
        io::copy(&mut decompressed(log)?, &mut self.writer).map(|_| ())
    }

    /// Takes lines.
    pub(super) fn take(&mut self, lines: &[u8]) -> io::Result<()> {
        self.writer.write_all(lines)
    }

    pub(super) fn finish(self) -> io::Result<Unfinished<'a>> {
        let file = self.writer.finish()?;
        file.sync_all()?;
        Ok(self.file)
    }
}
