//! A store of the package on files.
//!
//! Python workers may be at work in it: a file that is half written is read again. The package has no index, so a page of runs
//! costs a pass over all names, and what leads to a run is found by a pass over all schedules, of which the package leaves the
//! empty folders behind for ever; [`SubstantialFiles::read`] makes one pass for many runs. All calls block.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::listing::{FirstNames, ListedRun, Listing};
use super::records::{EventBody, SUBSTANTIAL_HISTORY_BYTES_MAX, SubstantialReading, read_event};
use super::stored_run::{
    LOGS_MAX, NewSchedule, ReplayLog, RunSchedule, SMALL_BYTES_MAX, SUBSTANTIAL_SCHEDULES_MAX, StoredRun,
    SubstantialLease, warn,
};
use super::zone::{WorkerZone, naive_text, parse_naive};
use super::{LEASE_US, replay_log, workflow_of};
use crate::chance::{Random as _, ThreadRandom};
use crate::store::Error;
use crate::store::beneath::{Folder, is_foreign, is_name};
use crate::text::quote;
use crate::time::Timestamp;

/// How often a file that ends too early is read again.
const TRIES: u32 = 6;

/// How long each time is waited before.
const TRY_PAUSE: Duration = Duration::from_millis(20);

/// Most such pauses for logs and schedules in one call.
const PAUSES_MAX: u32 = 50;

/// A store of the package in a folder.
#[derive(Debug)]
pub struct SubstantialFiles {
    root: PathBuf,
    zone: WorkerZone,
}

fn warn_odd_names(warnings: &mut Vec<String>, folder: &Folder, count: u64) {
    if count > 0 {
        warn(warnings, format!("{}: {count} names are not UTF-8", folder.path().display()));
    }
}

impl SubstantialFiles {
    /// Whether a folder is one that the package made: it has all three folders that the package makes first.
    pub fn detect(path: &Path) -> bool {
        // Nothing is opened: that they cannot be does not mean that they are not there.
        let is_there = |name| std::fs::symlink_metadata(path.join(name)).is_ok_and(|found| found.is_dir());
        ["runs", "schedules", "leases"].into_iter().all(is_there)
    }

    /// The store in a folder, written on machines in a zone.
    ///
    /// # Errors
    /// [`Error::Unfit`] if the package did not make the folder.
    pub fn open(path: &Path, zone: WorkerZone) -> Result<SubstantialFiles, Error> {
        Folder::open(path)?;
        if !SubstantialFiles::detect(path) {
            let problem = "it does not have the folders runs, schedules and leases".to_owned();
            return Err(Error::Unfit { place: path.display().to_string(), problem });
        }
        Ok(SubstantialFiles { root: path.to_owned(), zone })
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The zone of its times.
    pub fn zone(&self) -> &WorkerZone {
        &self.zone
    }

    fn folder(&self) -> Result<Folder, Error> {
        Folder::open(&self.root)
    }

    /// A page of the workflows that have links, behind `after`.
    ///
    /// # Errors
    /// As the file system says.
    pub fn workflows(&self, after: Option<&str>, limit: usize) -> Result<Listing<String>, Error> {
        self.list(&["links", "runs"], after, limit)
    }

    /// A page of the queues.
    ///
    /// # Errors
    /// As the file system says.
    pub fn queues(&self, after: Option<&str>, limit: usize) -> Result<Listing<String>, Error> {
        self.list(&["schedules"], after, limit)
    }

    fn list(&self, path: &[&str], after: Option<&str>, limit: usize) -> Result<Listing<String>, Error> {
        let mut listing = Listing::default();
        let mut first = FirstNames::new(after, limit);
        if let Some(folder) = self.folder()?.descend(path)? {
            let odd = folder.names(|name, may_be_folder| {
                if may_be_folder && !is_foreign(name) {
                    first.add(name, None);
                }
                Ok(true)
            })?;
            warn_odd_names(&mut listing.warnings, &folder, odd);
        }
        (listing.items, listing.more) = first.into_names();
        Ok(listing)
    }

    /// A page of the runs, of one workflow or of all, behind `after`: those that have a link, a history or a schedule.
    ///
    /// # Errors
    /// As the file system says.
    pub fn runs(&self, workflow: Option<&str>, after: Option<&str>, limit: usize) -> Result<Listing<ListedRun>, Error> {
        let mut listing = Listing::default();
        let mut first = FirstNames::new(after, limit);
        let root = self.folder()?;
        let warnings = &mut listing.warnings;
        let is_wanted = |run: &str| workflow.is_none_or(|workflow| workflow_of(run) == workflow);
        if let Some(links) = root.descend(&["links", "runs"])? {
            each_folder(&links, warnings, |name, folder, warnings| {
                if workflow.is_none_or(|workflow| workflow == name) {
                    let odd = folder.names(|run, _| {
                        first.add(run, Some(name));
                        Ok(true)
                    })?;
                    warn_odd_names(warnings, folder, odd);
                }
                Ok(())
            })?;
        }
        let mut add = |run: &str| {
            if is_wanted(run) {
                first.add(run, None);
            }
            Ok(true)
        };
        if let Some(runs) = root.child("runs")? {
            // What is there for other reasons holds no history.
            let is_run = |run: &str| {
                !is_foreign(run) || matches!(runs.child(run), Ok(Some(folder)) if folder.modified("events").is_some())
            };
            let odd =
                runs.names(|run, may_be_folder| if may_be_folder && is_run(run) { add(run) } else { Ok(true) })?;
            warn_odd_names(warnings, &runs, odd);
        }
        if let Some(queues) = root.child("schedules")? {
            each_folder(&queues, warnings, |_, queue, warnings| {
                each_folder(queue, warnings, |_, schedule, _| schedule.names(|run, _| add(run)).map(drop))
            })?;
        }
        (listing.items, listing.more) = first.into_runs();
        Ok(listing)
    }

    /// All that there is about some runs, in their order. What cannot be read is told of in `warnings`.
    ///
    /// # Errors
    /// As the file system says of the folders that all runs share; [`Error::Invalid`] for what can be no run.
    pub fn read(&self, runs: &[&str]) -> Result<Vec<StoredRun>, Error> {
        let mut found: Vec<StoredRun> = runs.iter().map(|_| StoredRun::default()).collect();
        self.read_each(runs, |at, one| found[at] = one)?;
        Ok(found)
    }

    /// The same for many runs: each is handed on with its place among `runs`, in any order, and one history is held at a time.
    /// The schedules of all are looked through once, or twice.
    ///
    /// # Errors
    /// As [`SubstantialFiles::read`].
    pub fn read_each(&self, runs: &[&str], mut each: impl FnMut(usize, StoredRun)) -> Result<(), Error> {
        // A worker that moves a run from one schedule to the next can do so behind and in front of who looks.
        let mut again: Vec<usize> = Vec::new();
        self.read_once(runs, |at, found| match found.schedules_count == 0 && goes_on(&found) {
            true => again.push(at),
            false => each(at, found),
        })?;
        if again.is_empty() {
            return Ok(());
        }
        std::thread::sleep(TRY_PAUSE);
        let names: Vec<&str> = again.iter().map(|at| runs[*at]).collect();
        self.read_once(&names, |at, found| each(again[at], found))
    }

    fn read_once(&self, runs: &[&str], mut each: impl FnMut(usize, StoredRun)) -> Result<(), Error> {
        let root = self.folder()?;
        let mut found = Vec::with_capacity(runs.len());
        let mut pauses_left = PAUSES_MAX;
        for run in runs {
            if !is_name(run) {
                return Err(Error::invalid("run", format!("{} can be no run", quote(run))));
            }
            found.push(StoredRun::named(run));
        }
        self.read_schedules(&root, &mut found, &mut pauses_left)?;
        self.read_links(&root, &mut found)?;
        let leases = root.child("leases");
        let mut torn: Vec<(usize, StoredRun)> = Vec::new();
        for (at, mut one) in found.into_iter().enumerate() {
            let run = one.run.clone();
            read_run(&root, &run, &mut one, &mut pauses_left);
            match &leases {
                Ok(leases) => one.lease = leases.as_ref().and_then(|leases| lease(leases, &run)),
                Err(error) => {
                    one.partly_unread = true;
                    warn(&mut one.warnings, error.to_string());
                }
            }
            one.put_in_order();
            if is_torn(&one) {
                one.reading = None;
                torn.push((at, one));
            } else {
                each(at, tell_misread(&root, one));
            }
        }
        read_torn_again(&root, torn, each);
        Ok(())
    }

    fn read_schedules(&self, root: &Folder, found: &mut [StoredRun], pauses_left: &mut u32) -> Result<(), Error> {
        let mut warnings = Vec::new();
        let queues = root.child("schedules").unwrap_or_else(|error| {
            warn(&mut warnings, error.to_string());
            None
        });
        let places: HashMap<String, usize> = found.iter().enumerate().map(|(at, one)| (one.run.clone(), at)).collect();
        let mut strange = 0;
        let mut look = |queue: &str, folder: &Folder, warnings: &mut Vec<String>| {
            each_folder(folder, warnings, |schedule, folder, warnings| {
                let Some(at) = parse_naive(schedule) else {
                    let before = warnings.len();
                    warn(warnings, format!("{}: it is not called by a time", folder.path().display()));
                    strange += warnings.len() - before;
                    return Ok(());
                };
                let mut here: Vec<usize> = Vec::new();
                folder.names(|run, _| {
                    here.extend(places.get(run));
                    Ok(true)
                })?;
                here.into_iter().for_each(|place| read_schedule(folder, queue, at, &mut found[place], pauses_left));
                Ok(())
            })
        };
        if let Some(queues) = queues {
            each_folder(&queues, &mut warnings, &mut look)?;
        }
        let partly_unread = warnings.len() > strange;
        for one in found {
            one.partly_unread |= partly_unread;
            one.warnings.extend(warnings.iter().cloned());
        }
        Ok(())
    }

    /// Which workflow links to each of the runs.
    fn read_links(&self, root: &Folder, found: &mut [StoredRun]) -> Result<(), Error> {
        let Some(links) = root.descend(&["links", "runs"])? else { return Ok(()) };
        // Nearly always it is the one that the run is called after.
        let mut left = Vec::new();
        let mut own: (String, Option<Folder>) = (String::new(), None);
        for one in found {
            if own.0 != one.workflow {
                let folder = if is_name(&one.workflow) { links.child(&one.workflow).ok().flatten() } else { None };
                own = (one.workflow.clone(), folder);
            }
            if own.1.as_ref().is_none_or(|own| own.modified(&one.run).is_none()) {
                left.push(one);
            }
        }
        if left.is_empty() {
            return Ok(());
        }
        each_folder(&links, &mut Vec::new(), |name, folder, _| {
            for one in &mut left {
                if folder.modified(&one.run).is_some() {
                    one.workflow = name.to_owned();
                }
            }
            Ok(())
        })
    }

    /// The history alone of a run.
    ///
    /// # Errors
    /// [`Error::Invalid`] for what can be no run, and as the file system says.
    pub fn reading(&self, run: &str) -> Result<Option<SubstantialReading>, Error> {
        if !is_name(run) {
            return Err(Error::invalid("run", format!("{} can be no run", quote(run))));
        }
        match self.folder()?.descend(&["runs", run])? {
            Some(folder) => read_events(&folder),
            None => Ok(None),
        }
    }

    /// Adds a schedule that holds an event, and removes the run's schedules up to then that hold none. False if another
    /// schedule has this time.
    ///
    /// The package removes first and then writes in place. Here the file is moved into place, since a worker takes one that is
    /// still empty for a schedule without an event, and what is to be removed is removed last, since a run that nothing leads to
    /// is lost. A link is written before that, and goes again with all else that was written for nothing.
    pub(super) fn add_schedule(&self, new: &NewSchedule) -> Result<bool, Error> {
        let root = self.folder()?;
        let folder = root.make_all(&["schedules", &new.queue])?;
        let name = naive_text(new.at);
        let temporary = format!(".tc-{:016x}", ThreadRandom.bits());
        let mut links = None;
        let put = root.write(&temporary, new.event.as_bytes()).and_then(|()| folder.make(&name)).and_then(|made| {
            let Some(schedule) = folder.child(&name)?.filter(|_| made) else { return Ok(false) };
            if let Some(workflow) = &new.workflow {
                let links = links.insert(root.make_all(&["links", "runs", workflow])?);
                links.write(&new.run, new.run.as_bytes())?;
            }
            root.move_to(&temporary, &schedule, &new.run).map(|()| true)
        });
        if !matches!(put, Ok(true)) {
            let _ = root.remove(&temporary);
            if put.is_err() {
                folder.remove_folder(&name);
                let _ = links.map(|links| links.remove(&new.run));
            }
            return put;
        }
        // It is delivered, and a schedule too many does no harm.
        let _ = remove_empty(&folder, &new.run, new.at);
        Ok(true)
    }

    /// What the schedule of this time holds.
    pub(super) fn scheduled(&self, new: &NewSchedule) -> Result<Option<Vec<u8>>, Error> {
        let folder = self.folder()?.descend(&["schedules", &new.queue, &naive_text(new.at)])?;
        folder.map_or(Ok(None), |folder| folder.read(&new.run, SMALL_BYTES_MAX))
    }
}

/// Calls `visit` with each folder in a folder. One that cannot be opened is told of.
fn each_folder(
    folder: &Folder,
    warnings: &mut Vec<String>,
    mut visit: impl FnMut(&str, &Folder, &mut Vec<String>) -> Result<(), Error>,
) -> Result<(), Error> {
    let odd = folder.names(|name, may_be_folder| {
        if is_foreign(name) {
            return Ok(true);
        }
        if may_be_folder {
            match folder.child(name) {
                Ok(Some(child)) => visit(name, &child, warnings)?,
                // It went while we looked.
                Ok(None) => {}
                Err(error @ Error::Unavailable { .. }) => return Err(error),
                Err(error) => warn(warnings, error.to_string()),
            }
        } else {
            warn(warnings, format!("{}: it is not a folder; links are not followed", folder.path_of(name).display()));
        }
        Ok(true)
    })?;
    warn_odd_names(warnings, folder, odd);
    Ok(())
}

/// Removes the run's schedules up to `at` that hold no event.
fn remove_empty(queue: &Folder, run: &str, at: Timestamp) -> Result<(), Error> {
    let mut empty = Vec::new();
    queue.names(|name, may_be_folder| {
        if may_be_folder && parse_naive(name).is_some_and(|planned| planned <= at) {
            let Some(folder) = queue.child(name).ok().flatten() else { return Ok(true) };
            if matches!(folder.read(run, SMALL_BYTES_MAX), Ok(Some(bytes)) if bytes.is_empty()) {
                empty.push(folder);
            }
        }
        Ok(true)
    })?;
    if empty.is_empty() {
        return Ok(());
    }
    // A client of the package writes its events in two steps: what is empty now may be about to hold one.
    std::thread::sleep(TRY_PAUSE);
    for folder in empty {
        if matches!(folder.read(run, SMALL_BYTES_MAX), Ok(Some(bytes)) if bytes.is_empty()) {
            folder.remove(run)?;
        }
    }
    Ok(())
}

fn read_run(root: &Folder, run: &str, found: &mut StoredRun, pauses_left: &mut u32) {
    let folder = match root.descend(&["runs", run]) {
        Ok(Some(folder)) => folder,
        Ok(None) => return,
        Err(error) => return leave_unread(found, error),
    };
    match folder.child("logs") {
        Ok(Some(logs)) => read_logs(&logs, found, pauses_left),
        Ok(None) => {}
        Err(error) => warn(&mut found.warnings, error.to_string()),
    }
    match read_events_once(&folder) {
        Ok(reading) => found.reading = reading,
        Err(error) => leave_unread(found, error),
    }
}

fn leave_unread(found: &mut StoredRun, error: Error) {
    warn(&mut found.warnings, error.to_string());
    found.unread = Some(Arc::new(error));
}

fn is_torn(found: &StoredRun) -> bool {
    found.misread().is_some_and(|misread| misread.torn)
}

/// Reads histories that end too early again, all after one pause: a worker may be about to finish one, but those that stay so
/// must not be waited for one by one.
fn read_torn_again(root: &Folder, mut torn: Vec<(usize, StoredRun)>, mut each: impl FnMut(usize, StoredRun)) {
    for attempt in 2..=TRIES {
        if torn.is_empty() {
            return;
        }
        std::thread::sleep(TRY_PAUSE);
        for (at, mut one) in std::mem::take(&mut torn) {
            match root.descend(&["runs", &one.run]).and_then(|folder| folder.map_or(Ok(None), |f| read_events_once(&f)))
            {
                Ok(reading) => one.reading = reading,
                Err(error) => leave_unread(&mut one, error),
            }
            if attempt < TRIES && is_torn(&one) {
                one.reading = None;
                torn.push((at, one));
            } else {
                each(at, tell_misread(root, one));
            }
        }
    }
}

/// Warns of what cannot be read of a history.
fn tell_misread(root: &Folder, mut found: StoredRun) -> StoredRun {
    if let Some(misread) = found.misread() {
        let more = if misread.torn { ": it is half written, and stays so" } else { "" };
        let place = root.path_of("runs").join(&found.run).join("events");
        let what = format!("{}: {misread}{more}", place.display());
        warn(&mut found.warnings, what);
    }
    found
}

fn read_events_once(folder: &Folder) -> Result<Option<SubstantialReading>, Error> {
    Ok(folder.read("events", SUBSTANTIAL_HISTORY_BYTES_MAX)?.map(|held| SubstantialReading::parse(&held)))
}

fn read_events(folder: &Folder) -> Result<Option<SubstantialReading>, Error> {
    let mut tries = 0;
    loop {
        let Some(reading) = read_events_once(folder)? else { return Ok(None) };
        tries += 1;
        if tries == TRIES || !reading.misread.as_ref().is_some_and(|misread| misread.torn) {
            return Ok(Some(reading));
        }
        std::thread::sleep(TRY_PAUSE);
    }
}

/// Reads the logs that were written last: schedules run ahead of the clock, so their names do not say which these are.
fn read_logs(logs: &Folder, found: &mut StoredRun, pauses_left: &mut u32) {
    let mut latest: Vec<(Timestamp, Timestamp)> = Vec::new();
    let mut count = 0;
    let listed = logs.names(|name, _| {
        if let Some(schedule) = parse_naive(name) {
            count += 1;
            latest.push((logs.modified(name).unwrap_or(Timestamp::MIN), schedule));
            if latest.len() >= 4 * LOGS_MAX {
                keep_latest(&mut latest);
            }
        }
        Ok(true)
    });
    keep_latest(&mut latest);
    if let Err(error) = listed {
        warn(&mut found.warnings, error.to_string());
    }
    found.replays_count = count;
    for (_, schedule) in latest {
        let name = naive_text(schedule);
        let notes = match settled(logs, &name, pauses_left, replay_log::parse) {
            Ok(notes) => notes,
            Err(what) => {
                warn(&mut found.warnings, format!("{}: {what}", logs.path_of(&name).display()));
                None
            }
        };
        found.replays.push(ReplayLog { schedule, notes });
    }
}

fn keep_latest(latest: &mut Vec<(Timestamp, Timestamp)>) {
    latest.sort_unstable_by(|left, right| right.cmp(left));
    latest.truncate(LOGS_MAX);
}

/// Reads a small file, and again while it cannot be read: it may be half written.
fn settled<T>(
    folder: &Folder,
    name: &str,
    pauses_left: &mut u32,
    read: impl Fn(&[u8]) -> Result<T, String>,
) -> Result<Option<T>, String> {
    let mut tries = 0;
    loop {
        let held = folder.read(name, SMALL_BYTES_MAX).map_err(|error| error.to_string())?;
        let Some(held) = held else { return Ok(None) };
        tries += 1;
        match read(&held) {
            Err(_) if tries < TRIES && *pauses_left > 0 => {
                *pauses_left -= 1;
                std::thread::sleep(TRY_PAUSE);
            }
            done => return done.map(Some),
        }
    }
}

fn read_schedule(folder: &Folder, queue: &str, at: Timestamp, found: &mut StoredRun, pauses_left: &mut u32) {
    let read = |bytes: &[u8]| match bytes {
        [] => Ok(None),
        bytes => read_event(bytes).map(Some).map_err(|misread| misread.to_string()),
    };
    let event = match settled(folder, &found.run, pauses_left, read) {
        Ok(Some(event)) => event,
        Ok(None) => return,
        Err(what) => {
            warn(&mut found.warnings, format!("{}: {what}", folder.path_of(&found.run).display()));
            None
        }
    };
    found.schedules_count += 1;
    found.schedules.push(RunSchedule { queue: queue.to_owned(), at, event });
    if found.schedules.len() >= 4 * SUBSTANTIAL_SCHEDULES_MAX {
        found.put_in_order();
    }
}

/// Whether a run began and has not ended.
fn goes_on(found: &StoredRun) -> bool {
    let events = found.reading.iter().flat_map(|reading| &reading.events);
    let last = events.rev().find(|event| matches!(event.body, Some(EventBody::Start(_) | EventBody::Stop(_))));
    last.is_some_and(|event| matches!(event.body, Some(EventBody::Start(_))))
}

/// The hold on a run, by when its file was written.
fn lease(leases: &Folder, run: &str) -> Option<SubstantialLease> {
    let since = leases.modified(run)?;
    Some(SubstantialLease { since, until: since.offset_micros(LEASE_US) })
}
