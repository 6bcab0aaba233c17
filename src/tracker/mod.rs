//! Writing an evolution log from a program, and obeying what others write to it.
//!
//! A [`Tracker`] has a thread of its own that appends to the log; callers only put their events into a bounded queue. The
//! same thread reads what other processes append: decisions of `tc promote`, `tc rollback` and `tc weight` hold in this
//! process a moment later, and again after a restart.

mod encode;
mod file;
mod gate;
mod history;
mod medium;
mod news;
pub(crate) mod queue;
mod remote;
pub(crate) mod seat;
mod writer;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Mutex, RwLock};

use crate::clock::{Clock, SystemClock};
use crate::evolution::append::Rotation;
use crate::evolution::decision::{Decision, Standing};
use crate::evolution::folder::log_at;
use crate::evolution::scan;
use crate::evolution::source::Progress;
use crate::evolution::summary::{Filter, FunctionSummary, Summary};
use crate::store::{Address, Settings};
use file::FileLog;
pub use gate::FlushError;
use gate::{Gate, Round};
use medium::Medium;
use news::{Decided, Memory, Reader, Seats};
use queue::{Pushed, Queue, Record};
use seat::{Listener, Seat};

/// When what is recorded is safe.
///
/// In a file: from a crash of the machine. A crash of the process alone loses only what is still in the queue, at most a
/// tenth of a second's events.
///
/// On Redis: when the server has acknowledged it, and from then on as safe as the server's own settings make it
/// (`appendfsync`, replicas). All is sent each tenth of a second, whatever is asked for here but [`Durability::EachEvent`].
///
/// In an object store: when it has been put there. Each put is paid for, so until then events wait in memory, and a crash of the
/// process loses them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Before the call returns that is recorded. Calls that end at the same time share one write; each waits for it, but
    /// never longer than [`Options::wait_max`].
    EachEvent,
    /// At most so long after it was recorded.
    Every(Duration),
    /// When the tracker is flushed or closed, or the operating system sees to it; in an object store after a minute at the
    /// latest.
    OnClose,
}

/// How a tracker works.
#[derive(Clone, Debug)]
pub struct Options {
    durability: Option<Durability>,
    poll_every: Option<Duration>,
    rotation: Rotation,
    events_max: usize,
    text_bytes_max: usize,
    wait_max: Duration,
    clock: Arc<dyn Clock>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            durability: None,
            poll_every: None,
            rotation: Rotation::default(),
            events_max: 1 << 18,
            text_bytes_max: 1 << 24,
            wait_max: Duration::from_secs(2),
            clock: Arc::new(SystemClock),
        }
    }
}

impl Options {
    /// When what is recorded is safe. If not said: every second; in an object store every five.
    pub fn durability(self, durability: Durability) -> Self {
        Options { durability: Some(durability), ..self }
    }

    /// How often a log that is not a file is asked for what others wrote: decisions are obeyed so much later. If not said:
    /// every 200 ms on Redis, every 2 s in an object store, where each time is a request that is paid for. Files are looked
    /// at each tenth of a second.
    pub fn poll_every(self, poll_every: Duration) -> Self {
        Options { poll_every: Some(poll_every), ..self }
    }

    /// Puts the log aside before it grows beyond so many bytes, and begins a new one; a single event may be larger. Of files
    /// only.
    pub fn rotate_at_bytes(mut self, bytes_max: u64) -> Self {
        self.rotation.bytes_max = Some(bytes_max);
        self
    }

    /// Puts the log aside when a new day begins, in UTC. Of files only.
    pub fn rotate_daily(mut self) -> Self {
        self.rotation.daily = true;
        self
    }

    /// Most events that wait to be written; further ones are dropped and counted. 262,144 if not said. An event takes some
    /// 50 bytes of memory while it waits.
    pub fn events_max(self, events_max: usize) -> Self {
        Options { events_max: events_max.max(1), ..self }
    }

    /// Most bytes of error messages and values that wait to be written: 16 MiB if not said.
    pub fn text_bytes_max(self, text_bytes_max: usize) -> Self {
        Options { text_bytes_max, ..self }
    }

    /// Longest time that a call waits for its event to be safe, where it does, and that closing waits for the log: 2 s if not
    /// said. An async call cannot tell the time by itself: where the operating system does not answer at all, as a network
    /// file system may, it waits as long.
    pub fn wait_max(self, wait_max: Duration) -> Self {
        Options { wait_max, ..self }
    }

    /// Where times come from.
    pub fn clock(self, clock: Arc<dyn Clock>) -> Self {
        Options { clock, ..self }
    }

    /// Opens the log `evolution.jsonl` in the folder `path`, which is created if need be; or the log `path` itself, where that
    /// ends in `.jsonl`.
    ///
    /// # Errors
    /// The log cannot be created, read or written.
    pub fn open(self, path: impl AsRef<Path>) -> Result<Tracker, OpenError> {
        let path = log_at(path.as_ref());
        self.open_file(&path).map_err(|cause| OpenError { log: path.display().to_string(), cause })
    }

    fn open_file(self, path: &Path) -> io::Result<Tracker> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder)?;
        }
        // A link is followed once: logs are put aside beside the file itself.
        let path = std::fs::canonicalize(path).or_else(|_| std::path::absolute(path))?;
        let (name, durability) = (path.display().to_string(), self.durability.unwrap_or(EVERY_SECOND));
        let log = Box::new(FileLog::new(&path));
        Tracker::start(self, Place { name, path: Some(path), durability }, log)
    }

    /// Opens the log at an address. One on Redis or in an object store has to be reachable now, so that what was decided is
    /// known before the first call; later on it may come and go: events wait for it, as many as [`Options::events_max`]
    /// allows, and what does not fit is counted.
    ///
    /// ```no_run
    /// use temporal_code::stores::{Address, Settings};
    /// use temporal_code::functions::Tracker;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let address = Address::parse("redis://cache.example.com/0")?;
    /// let settings = Settings::from_environment(std::env::vars());
    /// let tracker = Tracker::options().open_at(&address, &settings)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// The log cannot be reached, read or written.
    pub fn open_at(self, address: &Address, settings: &Settings) -> Result<Tracker, OpenError> {
        if let Some(path) = address.path() {
            return self.open(path);
        }
        let (log, remote) = (address.to_string(), remote::Defaults::of(address));
        let durability = self.durability.unwrap_or(remote.durability);
        let opened = remote::RemoteBackend::open(address, settings, self.poll_every.unwrap_or(remote.poll_every));
        let opened = opened.map_err(crate::evolution::piece::io_error).and_then(|remote| {
            Tracker::start(self, Place { name: log.clone(), path: None, durability }, Box::new(remote))
        });
        opened.map_err(|cause| OpenError { log, cause })
    }
}

const EVERY_SECOND: Durability = Durability::Every(Duration::from_secs(1));

/// Where a tracker's log is.
#[derive(Debug)]
struct Place {
    name: String,
    path: Option<PathBuf>,
    durability: Durability,
}

impl Place {
    /// How long the writer sleeps when there is nothing to do.
    fn tick(&self) -> Duration {
        const TICK: Duration = Duration::from_millis(100);
        match self.durability {
            Durability::Every(span) => span.clamp(Duration::from_millis(1), TICK),
            _ => TICK,
        }
    }
}

/// Why a log cannot be opened for writing.
#[derive(Debug, thiserror::Error)]
#[error("cannot open the log {log}")]
pub struct OpenError {
    /// The log: its path, or its address without credentials.
    pub log: String,
    #[source]
    cause: io::Error,
}

impl OpenError {
    pub(crate) fn new(log: &str, cause: io::Error) -> Self {
        OpenError { log: log.to_string(), cause }
    }
}

/// How a tracker fares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Bytes written to the log.
    pub written_bytes: u64,
    /// Events that were dropped because the queue was full. The log says so too, once it can be written. And those that could
    /// not be written before the tracker was closed.
    pub dropped: u64,
    /// Calls whose event was not safe when they returned, with [`Durability::EachEvent`].
    pub late: u64,
    /// Attempts to write that failed.
    pub failures: u64,
    /// What keeps the log from being written just now.
    pub trouble: Option<String>,
}

/// Writes events to a log, and follows it. Clones share one log and one thread; when the last of them is gone, and the
/// functions that were given one, what is left is written.
///
/// Statics are never dropped: a program that keeps its functions in them calls [`Tracker::flush`] before it ends.
#[derive(Clone, Debug)]
pub struct Tracker {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What callers and the writer share.
pub(crate) struct Shared {
    options: Options,
    place: Place,
    queue: Queue,
    seats: Seats,
    decided: RwLock<Decided>,
    /// Decisions to be written.
    decisions: Mutex<Vec<Pending>>,
    log: Mutex<Box<dyn Medium>>,
    gate: Gate,
    awake: AtomicBool,
    closing: AtomicBool,
    dropped: AtomicU64,
    late: AtomicU64,
    failures: AtomicU64,
    written_bytes: AtomicU64,
    writer: std::sync::OnceLock<std::thread::Thread>,
}

/// A decision to be written.
#[derive(Debug)]
struct Pending {
    decision: Decision,
    /// How many decisions of strategies about the function had been heard when it was made.
    heard: u64,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tracker").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Shared {
    fn reader<'a>(&'a self, memory: &'a mut Memory) -> Reader<'a> {
        Reader { seats: &self.seats, decided: &self.decided, decisions: Vec::new(), memory }
    }

    /// Makes lines of the decisions that no other process has written meanwhile. In the log they stand behind all that was
    /// read so far, so they are taken in here, too, after all of that.
    fn settle(&self, decisions: &mut Vec<Pending>, lines: &mut Vec<u8>) {
        let mut changed = Vec::new();
        for Pending { decision, heard } in decisions.drain(..) {
            let mut decided = self.decided.write();
            // Another process decided first, and its decision was heard.
            if !decision.forced && self.heard(&decision.function) != heard {
                continue;
            }
            if decided.take(&decision) {
                changed.push(decision.function.clone());
            }
            drop(decided);
            news::each_seat_of(&self.seats, &decision.function, |seat| seat.listener.decision(&decision));
            lines.extend_from_slice(decision.to_line().as_bytes());
        }
        news::obey(&self.seats, &self.decided, &changed);
    }

    /// Tells a function all that the log has of it, as far as it was read. Returns what follows from that.
    fn tell(&self, log: &mut dyn Medium, seat: &Seat) -> io::Result<Vec<Pending>> {
        let undecided = log.tell(self, &seat.function, &*seat.listener)?;
        seat.know(&self.decided.read().standing(&seat.function));
        Ok(self.pending(&mut undecided.into_iter().collect()))
    }

    /// Decisions with what was known when they were made.
    fn pending(&self, decisions: &mut Vec<Decision>) -> Vec<Pending> {
        decisions.drain(..).map(|decision| Pending { heard: self.heard(&decision.function), decision }).collect()
    }

    /// How many decisions of other processes the function has heard that its own could contradict.
    fn heard(&self, function: &str) -> u64 {
        let mut heard = 0;
        news::each_seat_of(&self.seats, function, |seat| heard = heard.max(seat.heard()));
        heard
    }

    #[cold]
    fn wake(&self) {
        if !self.awake.swap(true, Ordering::AcqRel) {
            self.unpark();
        }
    }

    fn unpark(&self) {
        if let Some(writer) = self.writer.get() {
            writer.unpark();
        }
    }
}

impl Tracker {
    /// Opens the log in a folder: see [`Options::open`].
    ///
    /// # Errors
    /// The log cannot be created, read or written.
    pub fn open(path: impl AsRef<Path>) -> Result<Tracker, OpenError> {
        Options::default().open(path)
    }

    /// A tracker's options, to be changed before it is opened.
    pub fn options() -> Options {
        Options::default()
    }

    fn start(options: Options, place: Place, log: Box<dyn Medium>) -> io::Result<Tracker> {
        let shared = Arc::new(Shared {
            queue: Queue::new(options.events_max, options.text_bytes_max),
            options,
            place,
            seats: Seats::default(),
            decided: RwLock::default(),
            decisions: Mutex::default(),
            log: Mutex::new(log),
            gate: Gate::default(),
            awake: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            dropped: AtomicU64::new(0),
            late: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            written_bytes: AtomicU64::new(0),
            writer: std::sync::OnceLock::new(),
        });
        shared.log.lock().start(&shared)?;
        let writer = writer::Writer::new(shared.clone());
        let thread = std::thread::Builder::new().name("tc-tracker".into()).spawn(move || writer.run())?;
        let _ = shared.writer.set(thread.thread().clone());
        Ok(Tracker { inner: Arc::new(Inner { shared, thread: Mutex::new(Some(thread)) }) })
    }

    /// Opens the log at an address: see [`Options::open_at`].
    ///
    /// # Errors
    /// The log cannot be reached, read or written.
    pub fn open_at(address: &Address, settings: &Settings, options: Options) -> Result<Tracker, OpenError> {
        options.open_at(address, settings)
    }

    /// Where the log is, if it is a file.
    pub fn path(&self) -> Option<&Path> {
        self.inner.shared.place.path.as_deref()
    }

    /// Where the log is: its path, or its address without credentials.
    pub fn location(&self) -> &str {
        &self.inner.shared.place.name
    }

    /// What stands of the decisions that were forced on a function.
    pub fn standing(&self, function: &str) -> Standing {
        self.inner.shared.decided.read().standing(function)
    }

    /// Waits until all that was recorded before is in the log, and safe from a crash of the machine.
    ///
    /// # Errors
    /// That took longer than `at_most`, or the tracker is closed. The events are kept, and written as soon as that can be done.
    pub fn flush(&self, at_most: Duration) -> Result<(), FlushError> {
        self.inner.shared.flush(at_most)
    }

    /// As [`Tracker::flush`], without holding a thread and without end.
    ///
    /// # Errors
    /// The tracker is closed.
    pub async fn flushed(&self) -> Result<(), FlushError> {
        let shared = &self.inner.shared;
        let round = shared.gate.ask();
        shared.unpark();
        Round { shared: shared.clone(), round, all: true, deadline: None }.await
    }

    /// What the logs have of a function, all that was recorded so far included; `None` if nothing.
    ///
    /// # Errors
    /// A log cannot be read, or not be written within [`Options::wait_max`].
    pub fn summary(&self, function: &str) -> io::Result<Option<FunctionSummary>> {
        let shared = &self.inner.shared;
        shared.flush(shared.options.wait_max).map_err(io::Error::other)?;
        let sources = shared.log.lock().sources()?;
        let filter = Filter { function: Some(function.to_string()), errors: true, ..Filter::default() };
        let progress = Progress::default();
        let (summary, _) =
            Summary::read(&sources, &filter, &scan::Options::new(&progress)).map_err(io::Error::other)?;
        Ok(summary.functions.into_iter().find(|found| *found.name == *function))
    }

    /// How it fares.
    pub fn health(&self) -> Health {
        let shared = &self.inner.shared;
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Health {
            written_bytes: count(&shared.written_bytes),
            dropped: count(&shared.dropped) + shared.dropped_untold(),
            late: count(&shared.late),
            failures: count(&shared.failures),
            trouble: shared.gate.trouble(),
        }
    }

    /// Writes what is left and ends the thread. Events that are recorded later are lost.
    ///
    /// # Errors
    /// The log could not be written in [`Options::wait_max`].
    pub fn close(&self) -> Result<(), FlushError> {
        let flushed = self.flush(self.inner.shared.options.wait_max);
        self.inner.end();
        flushed
    }

    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.inner.shared.options.clock
    }

    /// Whether calls wait until they are safe.
    pub(crate) fn is_synchronous(&self) -> bool {
        self.inner.shared.place.durability == Durability::EachEvent
    }

    /// Gives a function its place. `listener` hears at once what the log has of it so far, if it wants that. Where the log
    /// cannot be read, that is told with the place, and the log is looked at again until it can be.
    ///
    /// # Errors
    /// There are too many functions.
    pub(crate) fn seat(
        &self,
        function: &Arc<str>,
        variants: Vec<Arc<str>>,
        listener: Arc<dyn Listener>,
    ) -> io::Result<(Arc<Seat>, io::Result<()>)> {
        let shared = &self.inner.shared;
        let mut log = shared.log.lock();
        let id = u32::try_from(shared.seats.read().len()).map_err(io::Error::other)?;
        let seat = Arc::new(Seat::new(id, function.clone(), variants, listener));
        let told = log.look(shared).and_then(|mut follows| {
            follows.append(&mut shared.tell(&mut **log, &seat)?);
            shared.decisions.lock().extend(follows);
            Ok(())
        });
        if let Err(error) = &told {
            // What was decided before may be known.
            seat.obey(&shared.decided.read().standing(function));
            shared.gate.set_trouble(Some(error.to_string()));
        }
        // From here on nothing is missed, and nothing heard twice.
        shared.seats.write().push(Some(seat.clone()));
        Ok((seat, told))
    }

    /// Closes a function's place, with what its strategy decided and was not written yet.
    pub(crate) fn leave(&self, seat: &Seat) {
        seat.close();
        let mut decisions = self.inner.shared.decisions.lock();
        decisions.retain(|pending| pending.decision.forced || *pending.decision.function != *seat.function);
    }

    /// Records a call.
    #[inline]
    pub(crate) fn record(&self, seat: &Seat, record: Record) {
        let shared = &*self.inner.shared;
        let variant = record.variant;
        match shared.queue.push(record) {
            Pushed::Kept => {}
            Pushed::Filling => shared.wake(),
            Pushed::Full => {
                seat.drop_call(variant);
                shared.wake();
            }
        }
    }

    /// As [`Tracker::await_safety`], without holding a thread.
    pub(crate) async fn safe(&self, seat: &Seat) {
        let shared = &self.inner.shared;
        let deadline = std::time::Instant::now().checked_add(shared.options.wait_max);
        let round = shared.gate.ask();
        shared.unpark();
        let written = Round { shared: shared.clone(), round, all: false, deadline };
        if !seat.is_told() || written.await.is_err() {
            shared.late.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits for what was recorded to be safe, as long as calls may: not where the log of the function is still to be read.
    #[cold]
    pub(crate) fn await_safety(&self, seat: &Seat) {
        let shared = &self.inner.shared;
        let round = shared.gate.ask();
        shared.unpark();
        if !seat.is_told() || shared.gate.wait(round, false, shared.options.wait_max).is_err() {
            shared.late.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Writes a decision to the log. One that is forced holds in this process at once.
    pub fn decide(&self, decision: Decision) {
        let shared = &self.inner.shared;
        let decision = Decision { at: decision.at.or_else(|| Some(shared.options.clock.now())), ..decision };
        if decision.forced {
            shared.decided.write().take(&decision);
            news::obey(&shared.seats, &shared.decided, std::slice::from_ref(&decision.function));
        }
        let pending = shared.pending(&mut vec![decision]);
        shared.decisions.lock().extend(pending);
        shared.wake();
    }
}

impl Shared {
    /// Events that were dropped, of which the log does not say so yet.
    fn dropped_untold(&self) -> u64 {
        let seats = self.seats.read();
        seats.iter().flatten().map(|seat| seat.dropped()).sum()
    }

    fn flush(&self, at_most: Duration) -> Result<(), FlushError> {
        let round = self.gate.ask();
        self.unpark();
        self.gate.wait(round, true, at_most)
    }
}

impl Inner {
    fn end(&self) {
        self.shared.closing.store(true, Ordering::Release);
        self.shared.unpark();
        let thread = self.thread.lock().take();
        let Some(thread) = thread else { return };
        // The last one to let go may be the writer itself, with a strategy that holds a tracker.
        let is_own = thread.thread().id() == std::thread::current().id();
        let patience = self.shared.options.wait_max.saturating_add(Duration::from_secs(1));
        if !is_own && self.shared.gate.wait_closed(patience) {
            // It has nothing left to do.
            let _ = thread.join();
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.end();
    }
}
