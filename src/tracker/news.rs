//! What others write to the log, and what was in it before: decisions, and calls where they are wanted.

use std::collections::{HashMap, HashSet};
use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use super::seat::{LoggedCall, Seat};
use crate::evolution::append::News;
use crate::evolution::decision::{Change, Decision, Standing};
use crate::evolution::event::{self, Kind};
use crate::evolution::fast::FastReader;
use crate::evolution::folder;
use crate::evolution::source::{Source, each_block, same_file};

/// The functions of this process, by number; a number is not given twice.
pub(super) type Seats = RwLock<Vec<Option<Arc<Seat>>>>;

/// Most functions whose decisions are kept in mind.
const FUNCTIONS_MAX: usize = 100_000;

/// What the log says so far of decisions.
#[derive(Debug, Default)]
pub(super) struct Decided {
    /// What stands of forced ones, by function.
    standings: HashMap<String, Standing>,
    /// The last one that a strategy made, by function.
    own: HashMap<String, (String, Change)>,
}

impl Decided {
    /// Takes a decision in. Returns whether something forced may have changed.
    pub(super) fn take(&mut self, decision: &Decision) -> bool {
        let known = self.standings.contains_key(&decision.function) || self.own.contains_key(&decision.function);
        if !known && self.standings.len() + self.own.len() >= FUNCTIONS_MAX {
            return false;
        }
        if decision.change == Change::Release {
            self.own.remove(&decision.function);
        } else if !decision.forced {
            let made = (decision.variant.clone(), settled(&decision.change));
            self.own.insert(decision.function.clone(), made);
            return false;
        }
        self.standings.entry(decision.function.clone()).or_default().apply(decision);
        true
    }

    /// Whether the last decision of a strategy was this one already: another process was faster.
    pub(super) fn is_settled(&self, decision: &Decision) -> bool {
        let made = self.own.get(&decision.function);
        !decision.forced
            && made
                .is_some_and(|(variant, change)| *variant == decision.variant && *change == settled(&decision.change))
    }

    /// What stands of forced decisions about a function.
    pub(super) fn standing(&self, function: &str) -> Standing {
        self.standings.get(function).cloned().unwrap_or_default()
    }
}

/// A change without what two processes may know differently.
fn settled(change: &Change) -> Change {
    match change {
        Change::Weight { new, .. } => Change::Weight { old: None, new: *new },
        other => other.clone(),
    }
}

/// Reads what is new, and tells whoever wants to know.
pub(super) struct Reader<'a> {
    pub(super) log: PathBuf,
    pub(super) seats: &'a Seats,
    pub(super) decided: &'a RwLock<Decided>,
    /// What follows from calls of others.
    pub(super) decisions: Vec<Decision>,
    pub(super) memory: &'a mut Memory,
}

/// What is remembered from one look to the next.
#[derive(Default)]
pub(super) struct Memory {
    fast: FastReader,
    /// Logs that were read and are no longer written to.
    aside: HashSet<FileId>,
    /// Calls are those that were read already: the log was written anew.
    skip_calls: bool,
}

/// What tells a file from another that took its place, its number included.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct FileId {
    numbers: (u64, u64),
    created: Option<std::time::SystemTime>,
}

impl FileId {
    #[cfg(unix)]
    fn of(metadata: &Metadata) -> FileId {
        use std::os::unix::fs::MetadataExt as _;
        FileId { numbers: (metadata.dev(), metadata.ino()), created: metadata.created().ok() }
    }

    #[cfg(not(unix))]
    fn of(metadata: &Metadata) -> FileId {
        FileId { numbers: (0, 0), created: metadata.created().ok() }
    }
}

impl News for Reader<'_> {
    fn lines(&mut self, lines: &[u8]) {
        let seats = self.seats.read().unwrap_or_else(PoisonError::into_inner);
        let wanting = seats.iter().flatten().filter(|seat| !self.memory.skip_calls && seat.listener.wants_calls());
        let wanting = wanting.cloned().collect::<Vec<_>>();
        drop(seats);
        let mut changed = Vec::new();
        let mut start = 0;
        for newline in memchr::memchr_iter(b'\n', lines) {
            let line = &lines[start..=newline];
            start = newline + 1;
            if !line.starts_with(br#"{"event": "call", "#) {
                self.odd_line(line, &wanting, &mut changed);
            } else if !wanting.is_empty() {
                self.call_line(line, &wanting);
            }
        }
        obey(self.seats, self.decided, &changed);
    }

    fn replaced(&mut self, old: &Metadata) {
        let logs = folder::rotated(folder_of(&self.log), &self.log).unwrap_or_default();
        let is_old = |path: &PathBuf| std::fs::metadata(path).is_ok_and(|metadata| same_file(&metadata, old));
        let was_put_aside = logs.iter().any(is_old);
        self.memory.aside.insert(FileId::of(old));
        // Otherwise somebody wrote the log anew, and what we read of calls is in it again.
        self.memory.skip_calls = !was_put_aside;
        if was_put_aside {
            // What cannot be read now is not waited for: the log that is written to counts.
            let _ = self.logs_aside();
        }
    }
}

impl Reader<'_> {
    /// The log is read on from where it was.
    pub(super) fn caught_up(&mut self) {
        self.memory.skip_calls = false;
    }

    /// Reads the logs beside the one that is written to, those that were not read yet, in time order.
    ///
    /// # Errors
    /// One cannot be read.
    pub(super) fn logs_aside(&mut self) -> io::Result<()> {
        for source in sources(&self.log)? {
            let Some(metadata) = source.path().and_then(|path| std::fs::metadata(path).ok()) else { continue };
            if self.memory.aside.insert(FileId::of(&metadata)) {
                each_block(&source, u64::MAX, |lines| self.lines(lines))?;
            }
        }
        Ok(())
    }

    fn call_line(&mut self, line: &[u8], wanting: &[Arc<Seat>]) {
        let Some((call, _)) = self.memory.fast.read(line) else {
            return self.odd_line(line, wanting, &mut Vec::new());
        };
        self.tell(call.function, &LoggedCall::from(&call), wanting);
    }

    fn tell(&mut self, function: &[u8], call: &LoggedCall<'_>, wanting: &[Arc<Seat>]) {
        for seat in wanting.iter().filter(|seat| seat.function.as_bytes() == function && seat.is_free()) {
            self.decisions.extend(seat.listener.call(call));
        }
    }

    /// Any line but a plain call.
    fn odd_line(&mut self, line: &[u8], wanting: &[Arc<Seat>], changed: &mut Vec<String>) {
        // What is wrong with a line is for `tc` to say.
        let _ = event::read_records(line, &mut |text, event| match event.kind {
            Kind::Call => {
                if let Some((function, call)) = LoggedCall::of(&event) {
                    self.tell(function, &call, wanting);
                }
            }
            _ => self.decision(text, changed),
        });
    }

    fn decision(&mut self, text: &str, changed: &mut Vec<String>) {
        let Some(decision) = Decision::parse(text) else { return };
        if self.decided.write().unwrap_or_else(PoisonError::into_inner).take(&decision) {
            changed.push(decision.function.clone());
        }
        tell(self.seats, &decision);
    }
}

/// Lets the functions that something was forced on know, once for all of it.
pub(super) fn obey(seats: &Seats, decided: &RwLock<Decided>, changed: &[String]) {
    if changed.is_empty() {
        return;
    }
    let decided = decided.read().unwrap_or_else(PoisonError::into_inner);
    for seat in seats.read().unwrap_or_else(PoisonError::into_inner).iter().flatten() {
        if changed.iter().any(|function| **function == *seat.function) {
            seat.obey(&decided.standing(&seat.function));
        }
    }
}

/// Lets the strategies of a function hear of a decision.
pub(super) fn tell(seats: &Seats, decision: &Decision) {
    let seats = seats.read().unwrap_or_else(PoisonError::into_inner).clone();
    let same = |seat: &&Arc<Seat>| *seat.function == *decision.function;
    seats.iter().flatten().filter(same).for_each(|seat| seat.listener.decision(decision));
}

/// The logs that `log` was before, in time order.
pub(super) fn sources(log: &Path) -> io::Result<Vec<Source>> {
    let mut sources = folder::rotated(folder_of(log), log)?.into_iter().map(Source::File).collect::<Vec<_>>();
    folder::in_time_order(&mut sources);
    Ok(sources)
}

fn folder_of(log: &Path) -> &Path {
    log.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
