//! What others write to the log, and what was in it before: decisions, and calls where they are wanted.

use std::collections::HashMap;
use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use super::seat::{LoggedCall, Seat};
use crate::evolution::append::News;
use crate::evolution::decision::{Change, Decision, Lasting, Standing};
use crate::evolution::event::{self, Kind};
use crate::evolution::fast::{CALL, FastReader};
use crate::evolution::folder;
use crate::evolution::source::{Source, each_block, same_file};

/// The functions of this process, by number; a number is not given twice.
pub(super) type Seats = RwLock<Vec<Option<Arc<Seat>>>>;

/// How much memory decisions may take: those about half a million functions with names of usual length. What does not fit is
/// not obeyed.
const DECIDED_BYTES_MAX: usize = 256 << 20;

/// What a function takes beside its name.
const ENTRY_BYTES: usize = 400;

/// What the log says so far of decisions.
#[derive(Debug, Default)]
pub(super) struct Decided {
    /// What stands of forced ones, by function.
    standings: HashMap<String, Standing>,
    /// The last one that a strategy made, or the release after it, by function.
    own: HashMap<String, Decision>,
    /// Bytes of the names of these functions.
    bytes: usize,
}

impl Decided {
    /// Takes a decision in. Returns whether something forced may have changed.
    pub(super) fn take(&mut self, decision: &Decision) -> bool {
        let known = self.standings.contains_key(&decision.function) || self.own.contains_key(&decision.function);
        if !known {
            let bytes = 2 * decision.function.len() + ENTRY_BYTES;
            if self.bytes + bytes > DECIDED_BYTES_MAX {
                return false;
            }
            self.bytes += bytes;
        }
        if !decision.forced || decision.change == Change::Release {
            self.own.insert(decision.function.clone(), decision.clone());
        }
        if !decision.forced && decision.change != Change::Release {
            return false;
        }
        self.standings.entry(decision.function.clone()).or_default().apply(decision);
        true
    }

    /// What stands of forced decisions about a function.
    pub(super) fn standing(&self, function: &str) -> Standing {
        self.standings.get(function).cloned().unwrap_or_default()
    }
}

/// Reads what is new, and tells whoever wants to know.
pub(super) struct Reader<'a> {
    pub(super) log: &'a Path,
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
    /// The decisions in logs that were put aside, so that each is read once.
    aside: HashMap<FileId, Vec<Decision>>,
    /// What is decided as it is read anew, until the log is caught up with: then it takes the place of what was known.
    fresh: Option<Decided>,
    /// What the log has now is what strategies have heard already: it was written anew.
    heard: bool,
}

/// What tells a file from another that took its place, its number included.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct FileId {
    numbers: (u64, u64),
    size: u64,
    created: Option<std::time::SystemTime>,
}

impl FileId {
    #[cfg(unix)]
    fn of(metadata: &Metadata) -> FileId {
        use std::os::unix::fs::MetadataExt as _;
        FileId { numbers: (metadata.dev(), metadata.ino()), size: metadata.len(), created: metadata.created().ok() }
    }

    #[cfg(not(unix))]
    fn of(metadata: &Metadata) -> FileId {
        FileId { numbers: (0, 0), size: metadata.len(), created: metadata.created().ok() }
    }
}

impl News for Reader<'_> {
    fn lines(&mut self, lines: &[u8]) {
        let seats = self.seats.read().unwrap_or_else(PoisonError::into_inner);
        let wants = |seat: &&Arc<Seat>| !self.memory.heard && !seat.is_closed() && seat.listener.wants_calls();
        let wanting = seats.iter().flatten().filter(wants).cloned().collect::<Vec<_>>();
        drop(seats);
        let mut changed = Vec::new();
        let mut start = 0;
        for newline in memchr::memchr_iter(b'\n', lines) {
            let line = &lines[start..=newline];
            start = newline + 1;
            if !line.starts_with(CALL) {
                self.odd_line(line, &wanting, &mut changed);
            } else if !wanting.is_empty() {
                self.call_line(line, &wanting);
            }
        }
        obey(self.seats, self.decided, &changed);
    }

    fn replaced(&mut self, old: &Metadata) {
        let logs = folder::rotated(folder_of(self.log), self.log).unwrap_or_default();
        let is_old = |path: &PathBuf| std::fs::metadata(path).is_ok_and(|metadata| same_file(&metadata, old));
        // Otherwise somebody wrote the log anew, and strategies have heard what is in it.
        self.memory.heard = !logs.iter().any(is_old);
        // Decisions are folded from the beginning, so that none is taken in out of its order. Where a log cannot be read, what
        // is known stays.
        self.memory.fresh = self.read_aside().ok();
    }
}

impl Reader<'_> {
    /// The log is read on from where it was.
    pub(super) fn caught_up(&mut self) {
        let heard = std::mem::take(&mut self.memory.heard);
        let Some(fresh) = self.memory.fresh.take() else { return };
        let old = {
            let mut decided = self.decided.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *decided, fresh)
        };
        let decided = self.decided.read().unwrap_or_else(PoisonError::into_inner);
        let seats = self.seats.read().unwrap_or_else(PoisonError::into_inner).clone();
        for seat in seats.iter().flatten() {
            let standing = decided.standing(&seat.function);
            if standing != old.standing(&seat.function) {
                seat.obey(&standing);
            }
            // What strategies did not hear because the log was written anew meanwhile.
            let last = decided.own.get(&*seat.function).filter(|last| old.own.get(&*seat.function) != Some(*last));
            if let Some(decision) = last.filter(|_| heard) {
                seat.hear(decision);
            }
        }
    }

    /// What was decided in the logs that were put aside, in time order.
    ///
    /// # Errors
    /// One cannot be read.
    pub(super) fn read_aside(&mut self) -> io::Result<Decided> {
        let (mut decided, mut known) = (Decided::default(), HashMap::new());
        for source in sources(self.log)? {
            let Some(metadata) = source.path().and_then(|path| std::fs::metadata(path).ok()) else { continue };
            let id = FileId::of(&metadata);
            let decisions = match self.memory.aside.remove(&id) {
                Some(decisions) => decisions,
                None => decisions_in(&source)?,
            };
            decisions.iter().for_each(|decision| _ = decided.take(decision));
            known.insert(id, decisions);
        }
        self.memory.aside = known;
        Ok(decided)
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
        if let Some(fresh) = &mut self.memory.fresh {
            fresh.take(&decision);
        } else if self.decided.write().unwrap_or_else(PoisonError::into_inner).take(&decision) {
            changed.push(decision.function.clone());
        }
        if !decision.forced || decision.change == Change::Release {
            // It was decided already what followed from the calls in front of it.
            self.decisions.retain(|follows| follows.function != decision.function);
        }
        if !self.memory.heard {
            each_seat_of(self.seats, &decision.function, |seat| seat.hear(&decision));
        }
    }
}

/// Most forced decisions about a function that are remembered of a log, the last ones.
const FORCED_MAX: usize = 10_000;

/// The decisions of a log, each function's in its order, without those that are void after all.
fn decisions_in(source: &Source) -> io::Result<Vec<Decision>> {
    let mut by_function: HashMap<String, Lasting<Decision>> = HashMap::new();
    let mut take = |text: &str| {
        if let Some(decision) = Decision::parse(text) {
            let lasting = by_function.entry(decision.function.clone()).or_default();
            lasting.take(&decision, decision.clone());
            lasting.limit_forced(FORCED_MAX);
        }
    };
    each_block(source, u64::MAX, |lines| {
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', lines).map(|newline| newline + 1).chain([lines.len()]) {
            let line = &lines[start..end];
            start = end;
            if !line.is_empty() && !line.starts_with(CALL) {
                let _ = event::read_records(line, &mut |text, _| take(text));
            }
        }
    })?;
    Ok(by_function.into_values().flat_map(Lasting::into_items).collect())
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

/// Every function of this name that calls may come from.
pub(super) fn each_seat_of(seats: &Seats, function: &str, mut each: impl FnMut(&Seat)) {
    let seats = seats.read().unwrap_or_else(PoisonError::into_inner);
    let same = |seat: &&Arc<Seat>| *seat.function == *function && !seat.is_closed();
    let same = seats.iter().flatten().filter(same).cloned().collect::<Vec<_>>();
    drop(seats);
    same.iter().for_each(|seat| each(seat));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_void_after_all_is_not_remembered() {
        let line = |event: &str, forced: bool| {
            format!(
                "{{\"event\": \"{event}\", \"function\": \"f\", \"variant\": \"v2\", \"new_weight\": 0.5, \"forced\": {forced}}}\n"
            )
        };
        let log = |events: &[(&str, bool)]| {
            let file = tempfile::NamedTempFile::with_suffix(".jsonl").expect("a file");
            let text = events.iter().map(|(event, forced)| line(event, *forced)).collect::<String>();
            std::fs::write(file.path(), text).expect("written");
            let decisions = decisions_in(&Source::File(file.path().to_path_buf())).expect("readable");
            (decisions.len(), decisions)
        };
        let flood = [("weight_change", false); 50_000];
        assert_eq!(log(&flood).0, 1);
        assert_eq!(log(&[("weight_change", true); 20_000]).0, FORCED_MAX);
        let events = [("promotion", true), ("release", true), ("rollback", false), ("weight_change", true)];
        let (count, decisions) = log(&events);
        let mut decided = Decided::default();
        decided.take(&Decision { variant: "v9".into(), ..decisions[1].clone() });
        decisions.iter().for_each(|decision| _ = decided.take(decision));
        assert_eq!(count, 3);
        assert_eq!((decided.standing("f").share("v2"), decided.standing("f").share("v9")), (Some(0.5), None));
        assert_eq!(decided.own["f"].change, Change::Rollback { to: None });
    }
}
