//! A store in a folder: one file a log, one empty file an entry of the due index.
//!
//! A log is `<kind>/<key>.jsonl`, a later generation `<kind>/<key>,2.jsonl`; an entry is
//! `due/<queue>/<UTC hour>/<time>_<kind>.<key>`. Whoever appends holds the file's exclusive lock, looks at the last line,
//! writes once and syncs; a torn end, which was never acknowledged, is cut off under the lock by the next writer. `cat`,
//! `grep` and `jq` work on all of it.

use parking_lot::Mutex;

mod disk;
mod due;
mod inspect;
mod list;
mod log;
mod pace;
#[cfg(test)]
mod tests;
mod watch;

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use rustix::fs::OFlags;

use self::disk::{Disk, System};
use self::pace::Pace;
use super::beneath::{Detour, Folder};
use super::wakes::Wakes;
use super::{Batch, Due, End, Error, Finding, Kind, Name, Op, Page, Position, Queue, Store, Watch, Watched};
use crate::chance::{Random as _, ThreadRandom};
use crate::time::Timestamp;

/// What marks a folder as a store, and says in which version.
const MARKER: &str = "store.json";

/// The marker's content.
const MARKER_TEXT: &str = "{\"schema\":\"tc.store/1\"}\n";

/// Longest marker that is read, in bytes.
const MARKER_BYTES_MAX: u64 = 4096;

/// The folder of the due index.
const DUE: &str = "due";

/// How a store in a folder behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileOptions {
    /// How long another process may hold a log's lock before an append or a read gives up.
    pub lock_wait_max: Duration,
    /// How often a watch looks at the folder for what other processes change.
    pub poll: Duration,
}

impl Default for FileOptions {
    fn default() -> Self {
        FileOptions { lock_wait_max: Duration::from_secs(10), poll: Duration::from_millis(20) }
    }
}

/// A store in a folder, on a disk that many processes share.
///
/// An append is durable when it returns: the file is synced, and before its first line its folder. Locks are advisory
/// (`flock`); where a file system has none, appends are refused.
#[derive(Clone, Debug)]
pub struct FileStore {
    files: Arc<Files>,
}

/// What the handles of one process share; all methods block.
#[derive(Debug)]
struct Files {
    root: PathBuf,
    options: FileOptions,
    disk: Box<dyn Disk>,
    wakes: Wakes,
    /// Why nothing is appended any more.
    poison: OnceLock<String>,
    /// Folders whose own entry this process knows to be durable.
    durable: Mutex<HashSet<PathBuf>>,
    /// The latest time that was asked for what is due, in microseconds.
    latest_now: AtomicI64,
    pace: Pace,
}

/// Most folders that are remembered as durable.
const DURABLE_MAX: usize = 10_000;

impl FileStore {
    /// The store in a folder that is there.
    ///
    /// # Errors
    /// [`Error::Unfit`] if there is none, or a newer version of this program made it.
    pub fn open(root: impl Into<PathBuf>, options: FileOptions) -> Result<Self, Error> {
        let files = Files::new(root.into(), options, Box::new(System));
        match files.check_marker()? {
            true => Ok(FileStore { files: Arc::new(files) }),
            false => Err(files.unfit(&format!("there is no {MARKER} in it"))),
        }
    }

    /// The store in a folder, which is made where there is none.
    ///
    /// # Errors
    /// As [`FileStore::open`]; [`Error::Unfit`] also if the folder has runs of another program in it.
    pub fn create(root: impl Into<PathBuf>, options: FileOptions) -> Result<Self, Error> {
        let files = Files::new(root.into(), options, Box::new(System));
        files.create()?;
        Ok(FileStore { files: Arc::new(files) })
    }

    /// Whether a folder is a store of this kind, of whatever version.
    pub fn is_at(root: &Path) -> bool {
        root.join(MARKER).is_file()
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.files.root
    }

    /// Runs what blocks where blocking is allowed.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Files) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let files = self.files.clone();
        let done = tokio::task::spawn_blocking(move || work(&files)).await;
        done.unwrap_or_else(|error| Err(Error::unavailable("work on files", error)))
    }
}

impl Files {
    fn new(root: PathBuf, options: FileOptions, disk: Box<dyn Disk>) -> Self {
        Files {
            root,
            options,
            disk,
            wakes: Wakes::default(),
            poison: OnceLock::new(),
            durable: Mutex::default(),
            latest_now: AtomicI64::new(i64::MIN),
            pace: Pace::default(),
        }
    }

    fn unfit(&self, problem: &str) -> Error {
        Error::Unfit { place: self.root.display().to_string(), problem: problem.to_owned() }
    }

    /// Whether the marker is there; it must be one that is understood.
    fn check_marker(&self) -> Result<bool, Error> {
        let path = self.root.join(MARKER);
        let mut text = String::new();
        match self.disk.open_to_read(&self.root, &path) {
            Ok(file) => {
                io::Read::read_to_string(&mut io::Read::take(file, MARKER_BYTES_MAX), &mut text)
                    .map_err(|e| failed("reading", &path, e))?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(failed("opening", &path, error)),
        }
        super::marker::check(&text).map(|()| true).map_err(|problem| self.unfit(&format!("{MARKER} {problem}")))
    }

    fn create(&self) -> Result<(), Error> {
        if self.check_marker()? {
            return Ok(());
        }
        if ["runs", "schedules", "leases"].iter().any(|name| self.root.join(name).is_dir()) {
            return Err(self.unfit("it holds runs of another program"));
        }
        self.make_root()?;
        let path = self.root.join(MARKER);
        // Whoever comes second writes the same.
        let fresh = format!(".{MARKER}.{:016x}", ThreadRandom.bits());
        let write = || -> io::Result<()> {
            let (folder, name) = Folder::above(&self.root, &path)?;
            let file = folder.open_file(&fresh, OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL)?;
            self.disk.write(&file, MARKER_TEXT.as_bytes())?;
            self.disk.sync(&file)?;
            folder.rename(&fresh, name)
        };
        write().map_err(|e| failed("making", &path, e))?;
        self.sync_folder(&self.root)
    }

    fn make_root(&self) -> Result<(), Error> {
        let mut missing: Vec<&Path> =
            self.root.ancestors().take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists()).collect();
        while let Some(folder) = missing.pop() {
            self.make_folder(folder)?;
        }
        Ok(())
    }

    /// Makes a folder that is not there. It is durable when this returns, whoever made it.
    fn make_folder(&self, folder: &Path) -> Result<(), Error> {
        if self.durable.lock().contains(folder) {
            return Ok(());
        }
        let made = match Folder::above(&self.root, folder) {
            Ok((above, name)) => above.make_folder(&name).and_then(|()| above.step(name).map(drop)),
            // The root itself, or what is above it.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput && Detour::beneath(&error).is_none() => {
                match fs::create_dir(folder) {
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
                    made => made,
                }
            }
            Err(error) => Err(error),
        };
        made.map_err(|error| failed("making", folder, error))?;
        self.sync_parent(folder)?;
        let mut durable = self.durable.lock();
        if durable.len() >= DURABLE_MAX {
            durable.clear();
        }
        durable.insert(folder.to_path_buf());
        Ok(())
    }

    /// Makes the entry of `path` in its folder durable.
    fn sync_parent(&self, path: &Path) -> Result<(), Error> {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        self.sync_folder(parent)
    }

    fn sync_folder(&self, folder: &Path) -> Result<(), Error> {
        self.disk.sync_folder(folder).map_err(|error| {
            self.poison(format!("syncing {} failed: {error}", folder.display()));
            failed("syncing", folder, error)
        })
    }

    fn poison(&self, reason: String) {
        let _ = self.poison.set(reason);
    }

    fn log_path(&self, log: &Name) -> PathBuf {
        self.root.join(log.kind().as_str()).join(format!("{}.jsonl", log.stem()))
    }

    /// All parts of a batch, in order. A log's lock is waited for as long as `lock_wait`.
    fn apply(&self, batch: &Batch, lock_wait: Duration) -> Result<Vec<Position>, Error> {
        batch.check()?;
        let started = Instant::now();
        for op in batch.ops() {
            if let Some(reason) = self.poison.get() {
                return Err(self.unfit(&format!("{reason}; it has to be opened anew")));
            }
            match op {
                Op::Append(append) => self.append(append, batch.token(), lock_wait)?,
                Op::PutDue(due) => self.put_due(due)?,
                Op::DropDue(due) => self.drop_due(due)?,
            }
        }
        self.pace.took(started.elapsed(), batch.ops().len());
        self.wakes.announce(batch);
        Ok(batch.ends())
    }
}

#[async_trait]
impl Store for FileStore {
    fn location(&self) -> String {
        self.files.root.display().to_string()
    }

    async fn apply(&self, batch: &Batch) -> Result<Vec<Position>, Error> {
        let turn = self.files.pace.turn();
        if turn.is_worth_no_thread(batch) {
            match self.files.apply(batch, Duration::ZERO) {
                // Somebody holds a lock, or something else takes longer: the same again where waiting harms nobody.
                Err(error) if error.retryable() => {}
                result => return result,
            }
        }
        let batch = batch.clone();
        self.blocking(move |files| files.apply(&batch, files.options.lock_wait_max)).await
    }

    async fn read(&self, log: &Name, after: u64, bytes: usize) -> Result<Page, Error> {
        let log = log.clone();
        self.blocking(move |files| files.read(&log, after, bytes)).await
    }

    async fn read_first(&self, logs: &[Name], bytes: usize) -> Vec<Result<Page, Error>> {
        let wanted = logs.to_vec();
        let read = move |files: &Files| Ok(wanted.iter().map(|log| files.read(log, 0, bytes)).collect::<Vec<_>>());
        match self.blocking(read).await {
            Ok(pages) => pages,
            Err(_) => logs.iter().map(|_| Err(Error::unavailable("reading", "the work was stopped"))).collect(),
        }
    }

    async fn read_damaged(&self, log: &Name, after: u64, bytes: usize) -> Result<Bytes, Error> {
        let log = log.clone();
        self.blocking(move |files| files.read_damaged(&log, after, bytes)).await
    }

    async fn end(&self, log: &Name) -> Result<End, Error> {
        let log = log.clone();
        let open = move |files: &Files| files.open_to_read(&files.log_path(&log));
        Ok(self.blocking(open).await?.map_or(End::START, |(_, tail)| tail.end))
    }

    async fn list(&self, kind: Kind, start: &str, after: Option<&Name>, limit: usize) -> Result<Vec<Name>, Error> {
        let (start, after) = (start.to_owned(), after.cloned());
        self.blocking(move |files| files.list(kind, &start, after.as_ref(), limit)).await
    }

    async fn due(&self, queue: &Queue, after: Option<&Due>, now: Timestamp, limit: usize) -> Result<Vec<Due>, Error> {
        let (queue, after) = (queue.clone(), after.cloned());
        self.blocking(move |files| files.due(&queue, after.as_ref(), now, limit)).await
    }

    async fn queues(&self) -> Result<Vec<Queue>, Error> {
        self.blocking(Files::queues).await
    }

    async fn watch(&self, what: Watched) -> Result<Box<dyn Watch>, Error> {
        Ok(Box::new(self.files.watch(what)))
    }

    async fn forget(&self, log: &Name) -> Result<(), Error> {
        let log = log.clone();
        self.blocking(move |files| files.forget(&log)).await
    }

    async fn inspect(&self, repair: bool) -> Result<Vec<Finding>, Error> {
        self.blocking(move |files| files.inspect(repair)).await
    }
}

fn doing(what: &str, path: &Path) -> String {
    format!("{what} {}", path.display())
}

fn corrupt(path: &Path, problem: impl Into<String>) -> Error {
    Error::corrupt(path.display().to_string(), problem)
}

/// What the operating system's error means for a store.
fn failed(what: &str, path: &Path, error: io::Error) -> Error {
    if let Some(detour) = Detour::beneath(&error) {
        return corrupt(&detour.path, "it is a link, which leads out of the store");
    }
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Error::denied(doing(what, path), error),
        io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory => corrupt(path, error.to_string()),
        _ => Error::unavailable(doing(what, path), error),
    }
}
