//! Deleting events from logs that others may be writing to.
//!
//! Only events that were counted in the [`Plan`] are ever deleted. What is kept goes to a new file that takes the log's
//! place in one step; what a writer that still had the old file open adds to it meanwhile is carried over.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::append::{LOCK_WAIT, lock_within};
use super::decision::{Decision, Lasting};
use super::event;
use super::fast::{CALL, FastReader};
use super::follow::last_line_start;
use super::remote::Reading;
use super::source::{Opened, Progress, Source, decompressed, same_file};
use crate::jsonl::{BlockReader, block_count, read_at, without_mark};
use crate::time::Timestamp;

/// How long the old file must have been still before it is let go.
const SETTLE: Duration = Duration::from_millis(200);

/// How long ago a line without an end must have been written for it not to be waited for.
const STILL: Duration = Duration::from_secs(2);

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

/// What cleaning would do to one log.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The log.
    pub path: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
    /// Events to delete.
    pub deleted: u64,
    /// Events to keep.
    pub kept: u64,
    /// Lines that could not be read. They stay, unless the whole log goes.
    pub unreadable: u64,
    /// Lines of decisions that stand. They stay though they are old, unless the whole log is to go.
    pub standing: u64,
    /// What is to become of it.
    pub fate: Fate,
    compressed: bool,
    /// Where the lines end that were looked at, in bytes.
    end: u64,
    metadata: fs::Metadata,
    older_than: Option<Timestamp>,
    stands: Stands,
}

impl Plan {
    /// Looks at a log: all its events are to go or, with `older_than`, those from before that time. Events without a
    /// readable time, and lines that cannot be read, are as old as nobody knows, and stay.
    ///
    /// # Errors
    /// The log cannot be read, or is not a file.
    pub fn new(path: &Path, older_than: Option<Timestamp>) -> io::Result<Plan> {
        let path = fs::canonicalize(path)?;
        let metadata = fs::metadata(&path)?;
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file"));
        }
        let (bytes, compressed, end) = (metadata.len(), false, 0);
        let (deleted, kept, unreadable, standing, fate) = (0, 0, 0, 0, Fate::Keep);
        let stands = Stands::default();
        let plan = Plan {
            path,
            bytes,
            deleted,
            kept,
            unreadable,
            standing,
            fate,
            compressed,
            end,
            metadata,
            older_than,
            stands,
        };
        let progress = Progress::default();
        let opened = Source::File(plan.path.clone()).open(&progress, &Reading::default());
        match opened.map_err(|error| error.cause)? {
            Opened::Pieces(_) => Err(io::ErrorKind::Unsupported.into()),
            Opened::Plain { file, size } => plan.look_at_plain(&file, size),
            Opened::Stream(mut stream) => {
                let mut plan = Plan { compressed: true, ..plan };
                loop {
                    match stream.next_block() {
                        Ok(Some((_, block))) => {
                            plan.count(block.bytes, block.offset);
                            plan.unreadable += u64::from(block.overlong);
                        }
                        Ok(None) => break,
                        // What is damaged is not for us to throw away.
                        Err(_) => return Ok(Plan { fate: Fate::KeepWhole, ..plan }),
                    }
                }
                plan.spare_what_stands();
                plan.fate = plan.decide(false);
                Ok(plan)
            }
        }
    }

    fn look_at_plain(mut self, file: &File, size: u64) -> io::Result<Plan> {
        let mut reader = BlockReader::default();
        let mut can_shorten = true;
        // A last line without an end is taken as it is, unless somebody may just be writing it.
        let age = file.metadata()?.modified()?.elapsed().unwrap_or_default();
        for index in 0..block_count(size) {
            let block = reader.read(file, index, size)?;
            if block.overlong {
                can_shorten = false;
                self.unreadable += 1;
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
        self.fate = self.decide(can_shorten);
        Ok(self)
    }

    fn decide(&self, can_shorten: bool) -> Fate {
        match self.older_than {
            // What holds no event at all may be no log.
            None if self.deleted == 0 && self.unreadable > 0 => Fate::Keep,
            None => Fate::Delete,
            Some(_) if self.deleted == 0 => Fate::Keep,
            Some(_) if self.kept == 0 && self.unreadable == 0 => Fate::Delete,
            Some(_) if can_shorten => Fate::Shorten,
            Some(_) => Fate::KeepWhole,
        }
    }

    fn count(&mut self, lines: &[u8], offset: u64) {
        each_line(lines, offset, self.older_than, |at, text, line| {
            match line {
                Line::Old(events) => self.deleted += events,
                Line::Young(events) => self.kept += events,
                Line::Unreadable => self.unreadable += 1,
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
        self.standing = lines.len() as u64;
        if self.older_than.is_some() {
            let spared = lines.values().filter(|line| line.old).map(|line| line.events).sum::<u64>();
            self.deleted -= spared.min(self.deleted);
            self.kept += spared;
        }
    }

    /// Does what the plan says. Deleted events go to the folder `archive` first, if there is one. Returns the archived file.
    ///
    /// # Errors
    /// The first step that fails; until then nothing was deleted.
    pub fn carry_out(&self, archive: Option<&Path>) -> io::Result<Option<PathBuf>> {
        if self.fate.deletes() { self.replace(archive) } else { Ok(None) }
    }

    fn replace(&self, archive: Option<&Path>) -> io::Result<Option<PathBuf>> {
        let old = self.open_unchanged()?;
        // The old file keeps a name until all that was added to it is carried over.
        let (fresh, aside) = (beside(&self.path, "fresh")?, beside(&self.path, "old")?);
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let mut archived = archive.map(|folder| Archive::create(folder, &name, Some(&old))).transpose()?;
        if self.fate == Fate::Shorten {
            self.write_kept(&old, &fresh, archived.as_mut()).inspect_err(|_| drop(fs::remove_file(&fresh)))?;
        } else if let Some(archive) = &mut archived {
            if self.compressed {
                archive.copy_whole(&old)?;
            } else {
                copy(&old, 0, self.end, &mut archive.writer)?;
            }
        }
        let archived = archived.map(Archive::finish).transpose()?;

        // Whoever waits for the lock finds the new file in the old one's place.
        let locked = lock_within(&old, LOCK_WAIT)?;
        self.open_unchanged().inspect_err(|_| drop(fs::remove_file(&fresh)))?;
        fs::hard_link(&self.path, &aside)?;
        // What came since the look keeps its place, in front of what comes next.
        let seen = if self.compressed { self.end } else { self.take_late(&old, &fresh)? };
        if fresh.exists() {
            fs::rename(&fresh, &self.path)?;
        } else {
            fs::remove_file(&self.path)?;
        }
        if locked {
            old.unlock()?;
        }
        if !self.compressed {
            self.carry_over(&old, seen)?;
        }
        fs::remove_file(&aside)?;
        Ok(archived)
    }

    /// Opens the log, if it still is the file that was looked at.
    fn open_unchanged(&self) -> io::Result<File> {
        let file = File::open(&self.path)?;
        let metadata = file.metadata()?;
        if same_file(&metadata, &self.metadata) && metadata.len() >= self.end {
            return Ok(file);
        }
        Err(io::Error::other("it was replaced or became shorter since it was looked at: nothing was deleted"))
    }

    fn write_kept(&self, old: &File, fresh: &Path, mut archive: Option<&mut Archive>) -> io::Result<()> {
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(fresh)?;
        own_like(&file, old)?;
        let mut kept = BufWriter::new(&file);
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
        file.sync_all()
    }

    /// Appends to the new file the whole lines that were added to the old one since the look, and returns where they end.
    fn take_late(&self, old: &File, fresh: &Path) -> io::Result<u64> {
        let end = last_line_start(old, old.metadata()?.len())?;
        if end <= self.end {
            return Ok(self.end);
        }
        let is_new = !fresh.exists();
        let mut file = OpenOptions::new().append(true).create(true).open(fresh)?;
        if is_new {
            own_like(&file, old)?;
        }
        copy(old, self.end, end, &mut file)?;
        file.sync_all()?;
        Ok(end)
    }

    /// Appends to the log what was added to the old file behind byte `at`, until no more comes.
    fn carry_over(&self, old: &File, mut at: u64) -> io::Result<()> {
        loop {
            let end = old.metadata()?.len();
            if end < at {
                return Err(io::Error::other(
                    "it became shorter while it was cleaned; what is left of it is beside it",
                ));
            }
            if end > at {
                let is_new = !self.path.exists();
                let mut log = OpenOptions::new().append(true).create(true).open(&self.path)?;
                if is_new {
                    own_like(&log, old)?;
                }
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

/// Gives a new file the owner and the permissions of the log.
#[cfg(unix)]
fn own_like(file: &File, log: &File) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, fchown};
    let (ours, theirs) = (file.metadata()?, log.metadata()?);
    if (ours.uid(), ours.gid()) != (theirs.uid(), theirs.gid()) {
        fchown(file, Some(theirs.uid()), Some(theirs.gid()))?;
    }
    file.set_permissions(theirs.permissions())
}

#[cfg(not(unix))]
fn own_like(file: &File, log: &File) -> io::Result<()> {
    file.set_permissions(log.metadata()?.permissions())
}

/// A name beside `path` that no log has, and no file yet.
fn beside(path: &Path, what: &str) -> io::Result<PathBuf> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let aside = path.with_file_name(format!(".{name}.tc-{what}"));
    if aside.exists() {
        let message = format!(
            "{} is there: another tc clean is at work, or one was interrupted. In that case see whether it has lines that \
             the log lacks, and remove it",
            aside.display()
        );
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, message));
    }
    Ok(aside)
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
    let mut fast = FastReader::default();
    let mut at = offset;
    let old = |at: Option<Timestamp>| older_than.is_none_or(|limit| at.is_some_and(|at| at < limit));
    for text in lines.split_inclusive(|byte| *byte == b'\n') {
        let body = without_mark(text, at);
        let start = at;
        at += text.len() as u64;
        if let Some((call, _)) = fast.read(body) {
            each(start, text, if old(Some(call.at)) { Line::Old(1) } else { Line::Young(1) });
            continue;
        }
        let (mut events, mut all_old) = (0, true);
        let read = event::read_line(body, &mut |event| {
            events += 1;
            all_old &= old(event.at);
        });
        each(
            start,
            text,
            match read {
                Err(fault) if fault.loses() => Line::Unreadable,
                _ if events == 0 => Line::Blank,
                _ if all_old => Line::Old(events),
                _ => Line::Young(events),
            },
        );
    }
}

/// A compressed file that takes deleted events.
pub(super) struct Archive {
    writer: GzEncoder<File>,
    path: PathBuf,
}

impl Archive {
    /// Creates one in `folder` that is named after the log and the time, with the owner of the file that it is like.
    pub(super) fn create(folder: &Path, log: &str, like: Option<&File>) -> io::Result<Archive> {
        fs::create_dir_all(folder)?;
        let name = log.trim_end_matches(".gz").trim_end_matches(".zst").replace(".jsonl", "");
        let now = Timestamp::now().to_string().replace([':', '-', '.'], "");
        let path = folder.join(format!("{name}-{now}.jsonl.gz"));
        let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
        if let Some(like) = like {
            own_like(&file, like)?;
        }
        Ok(Archive { writer: GzEncoder::new(file, Compression::default()), path })
    }

    /// Takes a compressed log, decompressing it.
    fn copy_whole(&mut self, log: &File) -> io::Result<()> {
        io::copy(&mut decompressed(log)?, &mut self.writer).map(|_| ())
    }

    /// Takes lines.
    pub(super) fn take(&mut self, lines: &[u8]) -> io::Result<()> {
        self.writer.write_all(lines)
    }

    pub(super) fn finish(self) -> io::Result<PathBuf> {
        let file = self.writer.finish()?;
        file.sync_all()?;
        Ok(self.path)
    }
}
