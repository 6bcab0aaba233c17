//! The folder in which the instances' files are.

use std::ffi::OsStr;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::state::{SavedState, SavedValue};
use super::{StateDamage, StateDamageKind, StateLimits};
use crate::time::Timestamp;
use crate::workflow::{Status, WaitingFor};

/// How many files are looked at to tell whether a folder is one of durable-python.
const DETECT_FILES_MAX: usize = 32;

/// How many bytes of each.
const DETECT_BYTES: usize = 4_096;

/// How long a file that looks unfinished is left alone before it is looked at again.
const PAUSE: Duration = Duration::from_millis(25);

/// How often at most, for one file, and for all files of a folder together.
const PAUSES_OF_FILE_MAX: u32 = 20;
const PAUSES_OF_FOLDER_MAX: u32 = 80;

/// For so many pauses a file must stay as it is to be taken for torn.
const STILL_PAUSES: u32 = 4;

/// How long ago a file was written of which nobody is expected to finish it.
const OLD: Duration = Duration::from_secs(60);

/// A folder that durable-python's `DiskStateStore` keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateFolder {
    path: PathBuf,
}

/// The file of an instance.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct InstanceFile {
    /// The instance's id: the name of the file without `.pkl`. What is not UTF-8 in it is U+FFFD. Any character can be in it.
    pub id: String,
    /// The file.
    pub path: PathBuf,
}

/// An instance, as its file tells of it.
#[derive(Clone, Debug)]
pub struct DurableInstance {
    /// The file.
    pub file: InstanceFile,
    /// When the file was made, which is when the instance first paused or ended, if the file system knows.
    pub started_at: Option<Timestamp>,
    /// When the file was last written.
    pub updated_at: Option<Timestamp>,
    /// How many bytes it has.
    pub bytes: u64,
    /// What it says, or why that cannot be read.
    pub state: Result<SavedState, StateDamage>,
}

impl DurableInstance {
    /// Where it stands; see [`SavedState::status`].
    pub fn status(&self) -> Status {
        self.state.as_ref().map_or(Status::Corrupt, SavedState::status)
    }

    /// What it waits for; see [`SavedState::waiting_for`].
    pub fn waiting_for(&self) -> WaitingFor<'_> {
        self.state.as_ref().map(SavedState::waiting_for).unwrap_or_default()
    }

    /// What the program returned, once it has ended.
    pub fn result(&self) -> Option<&SavedValue> {
        self.state.as_ref().ok()?.result()
    }

    /// The first thing in its file that cannot be read.
    pub fn damage(&self) -> Option<&StateDamage> {
        match &self.state {
            Ok(state) => state.damage.first(),
            Err(damage) => Some(damage),
        }
    }

    /// When it ended: when the file was last written, if it has ended.
    pub fn ended_at(&self) -> Option<Timestamp> {
        self.updated_at.filter(|_| self.status() == Status::Completed)
    }
}

impl StateFolder {
    /// The folder at `path`, if one of its first files is such as durable-python writes.
    ///
    /// # Errors
    /// It cannot be listed. That there is none, or no folder, is no error.
    pub fn detect(path: &Path) -> io::Result<Option<Self>> {
        if !path.is_dir() {
            return Ok(None);
        }
        let folder = StateFolder::new(path);
        let files = folder.files()?;
        Ok(files.iter().take(DETECT_FILES_MAX).any(|file| looks_right(&file.path)).then_some(folder))
    }

    /// The folder at `path`, whatever is in it.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        StateFolder { path: path.into() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The files of all instances, in the order of their ids.
    ///
    /// # Errors
    /// The folder cannot be listed.
    pub fn files(&self) -> io::Result<Vec<InstanceFile>> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(&self.path)? {
            let name = entry?.file_name();
            if let Some(stem) = name.as_bytes().strip_suffix(b".pkl") {
                let id = OsStr::from_bytes(stem).to_string_lossy().into_owned();
                files.push(InstanceFile { id, path: self.path.join(&name) });
            }
        }
        files.sort_unstable();
        Ok(files)
    }

    /// The file of the instance with this id. No id leads out of the folder.
    ///
    /// # Errors
    /// The folder cannot be listed.
    pub fn find(&self, id: &str) -> io::Result<Option<InstanceFile>> {
        let path = self.path.join(format!("{id}.pkl"));
        if !id.contains(['/', '\0']) && std::fs::symlink_metadata(&path).is_ok() {
            return Ok(Some(InstanceFile { id: id.to_owned(), path }));
        }
        // What is not UTF-8 in a name is not in the id.
        Ok(self.files()?.into_iter().find(|file| file.id == id))
    }

    /// All instances, in the order of their ids, each read when it is asked for.
    ///
    /// # Errors
    /// The folder cannot be listed. What is wrong with a file is said by its [`DurableInstance`].
    pub fn instances(&self, limits: StateLimits) -> io::Result<impl Iterator<Item = DurableInstance>> {
        let mut pauses_left = PAUSES_OF_FOLDER_MAX;
        Ok(self.files()?.into_iter().map(move |file| read(file, &limits, &mut pauses_left)))
    }

    /// Reads the file of one instance. A file that ends too early, and was written within the last minute, is looked at again for
    /// up to half a second: its process may be about to finish it.
    pub fn read(&self, file: &InstanceFile, limits: &StateLimits) -> DurableInstance {
        read(file.clone(), limits, &mut PAUSES_OF_FOLDER_MAX.clone())
    }
}

/// Whether a file begins as durable-python's do.
fn looks_right(path: &Path) -> bool {
    let mut head = Vec::new();
    let read = open(path).and_then(|(file, _)| file.take(DETECT_BYTES as u64).read_to_end(&mut head));
    let has = |word: &[u8]| memchr::memmem::find(&head, word).is_some();
    read.is_ok() && head.first() == Some(&0x80) && has(b"instance_id") && has(b"call_stack")
}

/// What distinguishes one content of a file from another.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Look {
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

impl Look {
    fn of(metadata: &Metadata) -> Look {
        Look { inode: metadata.ino(), size: metadata.size(), changed: (metadata.mtime(), metadata.mtime_nsec()) }
    }
}

/// Reads a file until it stays as it is, or is whole.
fn read(file: InstanceFile, limits: &StateLimits, pauses_left: &mut u32) -> DurableInstance {
    let mut before: Option<Look> = None;
    let mut still = 0;
    let mut pauses = 0;
    loop {
        let (metadata, torn, state) = read_once(&file.path, limits);
        let look = metadata.as_ref().map(Look::of);
        still = if look == before { still + 1 } else { 0 };
        let old = metadata.as_ref().and_then(|metadata| metadata.modified().ok()?.elapsed().ok()) > Some(OLD);
        if !torn || old || still >= STILL_PAUSES || pauses >= PAUSES_OF_FILE_MAX || *pauses_left == 0 {
            let updated = metadata.as_ref().and_then(|metadata| metadata.modified().ok());
            let made = metadata.as_ref().and_then(|metadata| metadata.created().ok());
            return DurableInstance {
                file,
                // A copy of a file is made after what it is a copy of was written.
                started_at: made.filter(|made| updated.is_some_and(|updated| *made <= updated)).and_then(timestamp),
                updated_at: updated.and_then(timestamp),
                bytes: metadata.map_or(0, |metadata| metadata.len()),
                state,
            };
        }
        before = look;
        pauses += 1;
        *pauses_left -= 1;
        std::thread::sleep(PAUSE);
    }
}

/// One look at a file; also whether it looks as if somebody were writing it.
fn read_once(path: &Path, limits: &StateLimits) -> (Option<Metadata>, bool, Result<SavedState, StateDamage>) {
    let damage = |kind, what: String| StateDamage { path: path.to_owned(), at: None, kind, what };
    let (mut file, metadata) = match open(path) {
        Ok(opened) => opened,
        Err(error) => {
            return (None, false, Err(damage(StateDamageKind::Unreadable, format!("it cannot be read: {error}"))));
        }
    };
    let most = limits.pickle.bytes_max;
    if metadata.len() > most as u64 {
        let what = format!("it has {} bytes, of at most {most} that are read", metadata.len());
        return (Some(metadata), false, Err(damage(StateDamageKind::TooLarge, what)));
    }
    let mut bytes = Vec::new();
    let read = (&mut file).take(most as u64 + 1).read_to_end(&mut bytes).and_then(|_| file.metadata());
    match read {
        Ok(after) => {
            let state = SavedState::read(path, &bytes, limits);
            let torn = matches!(&state, Err(StateDamage { kind: StateDamageKind::Torn, .. }));
            (Some(after.clone()), torn || Look::of(&after) != Look::of(&metadata), state)
        }
        Err(error) => {
            (Some(metadata), false, Err(damage(StateDamageKind::Unreadable, format!("it cannot be read: {error}"))))
        }
    }
}

/// Opens a regular file, and nothing else: a pipe with such a name must not hold up the reader.
fn open(path: &Path) -> io::Result<(File, Metadata)> {
    let nonblocking = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or(0);
    let file = OpenOptions::new().read(true).custom_flags(nonblocking).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    Ok((file, metadata))
}

fn timestamp(time: SystemTime) -> Option<Timestamp> {
    let micros = time.duration_since(UNIX_EPOCH).ok()?.as_micros();
    Some(Timestamp::from_micros(i64::try_from(micros).ok()?))
}
