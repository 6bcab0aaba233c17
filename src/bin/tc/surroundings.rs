//! What every command needs to know: the options, the terminal, the time.

use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::Result;

use crate::args::Global;
use crate::error::Failure;
use crate::find::{Store, Without};
use crate::output::progress;
use crate::output::table::Tone;
use crate::output::warnings::{self, Warning};
use crate::zone::Zone;
use temporal_code::logs::{Evidence, ScanError, ScanOptions};
use temporal_code::{Timestamp, text};

/// The options and the surroundings of one run.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) global: Global,
    pub(crate) zone: Zone,
    pub(crate) now: Timestamp,
    pub(crate) colours: bool,
    size: Option<(usize, usize)>,
    /// What is to be said beside the answer, whatever that is.
    notices: Mutex<Vec<Warning>>,
    /// What was read.
    read: Mutex<Vec<String>>,
    /// The store that has what the answer is about, where several were asked for.
    store: Mutex<Option<String>>,
}

impl Context {
    pub(crate) fn new(global: Global) -> Result<Self> {
        let zone = match &global.tz {
            Some(name) => Zone::named(name)?,
            None => Zone::local()?,
        };
        let colours = global.colours();
        Ok(Context {
            zone,
            now: Timestamp::now(),
            colours,
            size: terminal_size(),
            global,
            notices: Mutex::default(),
            read: Mutex::default(),
            store: Mutex::default(),
        })
    }

    /// Columns of the terminal; `None` off a terminal, where nothing is cut.
    pub(crate) fn width(&self) -> Option<usize> {
        self.size.map(|(width, _)| width)
    }

    /// Lines of the terminal.
    pub(crate) fn height(&self) -> Option<usize> {
        self.size.map(|(_, height)| height)
    }

    /// Has it said, beside the answer, that these stores gave nothing to it.
    pub(crate) fn name_those_without(&self, without: &[Without]) {
        let mut notices = lock(&self.notices);
        for one in without {
            if !notices.iter().any(|notice| notice.message == one.why) {
                notices.push(Warning::new(one.why.clone()));
            }
        }
    }

    /// What is to be said beside the answer; each is said once.
    pub(crate) fn take_notices(&self) -> Vec<Warning> {
        std::mem::take(&mut lock(&self.notices))
    }

    /// Notes that a log, or a store of runs, is read.
    pub(crate) fn note_read(&self, name: String) {
        let mut read = lock(&self.read);
        if !read.contains(&name) {
            read.push(name);
        }
    }

    /// What was read, if that is to be said.
    pub(crate) fn take_read(&self) -> Vec<String> {
        if self.global.verbose { std::mem::take(&mut lock(&self.read)) } else { Vec::new() }
    }

    /// Notes in which store that is what the answer is about.
    pub(crate) fn note_store(&self, store: Option<String>) {
        *lock(&self.store) = store;
    }

    /// In which store that is.
    pub(crate) fn noted_store(&self) -> Option<String> {
        lock(&self.store).clone()
    }

    /// Threads to read with.
    pub(crate) fn threads(&self) -> usize {
        let all = || std::thread::available_parallelism().map_or(1, usize::from);
        self.global.threads.map_or_else(all, usize::from)
    }

    /// Sentences, broken into lines that fit the terminal.
    pub(crate) fn prose(&self, tone: Tone, text: &str) -> String {
        let lines = textwrap::wrap(text, self.width().unwrap_or(usize::MAX));
        lines.iter().map(|line| tone.paint(line, self.colours) + "\n").collect()
    }

    /// Runs a scan with a progress bar, and turns its evidence into warnings or, if asked to be strict, an error.
    pub(crate) fn scan<T>(
        &self,
        store: &Store,
        scan: impl FnOnce(&ScanOptions<'_>) -> Result<(T, Vec<Evidence>), ScanError>,
    ) -> Result<(T, Vec<Warning>)> {
        let sizes = store.sources.iter().map(|source| source.size());
        let total = sizes.sum::<Option<u64>>();
        store.sources.iter().for_each(|source| self.note_read(source.name()));
        let (result, evidence) = progress::watch(self.global.quiet, total, |progress| {
            scan(&ScanOptions { threads: self.threads(), ..ScanOptions::new(progress) })
        })?;
        if self.global.strict {
            refuse_any_loss(&evidence)?;
        }
        Ok((result, warnings::of_scan(&evidence)))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn refuse_any_loss(evidence: &[Evidence]) -> Result<()> {
    for log in evidence {
        let name = text::harmless(&log.name);
        if let Some(place) = log.places.iter().find(|place| place.fault.loses()) {
            let name = place.part.as_ref().map_or(name, |part| text::harmless(part));
            let at = place.line.map_or_else(|| format!("@{}", place.offset), |line| line.to_string());
            let message = format!("{name}:{at}: {}", place.fault);
            return Err(Failure::new("bad_data", message).hint("without --strict it is skipped and counted").into());
        }
        if let Some(damage) = warnings::damage(log) {
            return Err(Failure::new("bad_data", format!("{name}: {damage}")).into());
        }
        if log.shrunk {
            return Err(Failure::new("bad_data", format!("{name}: became shorter while it was read")).into());
        }
    }
    Ok(())
}

/// Columns and lines of the terminal on standard output. `COLUMNS` and `LINES` override them, also off a terminal.
fn terminal_size() -> Option<(usize, usize)> {
    let set = |name: &str| std::env::var(name).ok()?.parse::<usize>().ok().filter(|n| *n > 0);
    let found = terminal_size::terminal_size_of(std::io::stdout()).map(|(w, h)| (usize::from(w.0), usize::from(h.0)));
    // A terminal that does not know its size says 0.
    let found = found.filter(|(width, height)| *width > 0 && *height > 0);
    match (set("COLUMNS"), found) {
        (Some(width), found) => Some((width, set("LINES").or(found.map(|size| size.1)).unwrap_or(usize::MAX))),
        (None, found) => found,
    }
}
