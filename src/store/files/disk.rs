//! What the store asks of the operating system, so that tests can have it fail.

use std::fmt;
use std::fs::{File, TryLockError};
use std::io::{self, Write as _};
use std::path::Path;
use std::time::Duration;

use rustix::fs::OFlags;

use crate::chance::ThreadRandom;
use crate::retry::RetryPolicy;
use crate::store::beneath::Folder;

/// First and longest pause between two tries to get a lock.
const LOCK_PAUSE_FIRST: Duration = Duration::from_micros(20);
const LOCK_PAUSE_MAX: Duration = Duration::from_millis(1);

/// The calls that may fail in ways of their own.
pub(super) trait Disk: Send + Sync + fmt::Debug {
    /// Opens a log to append to. `create` makes it if it is not there. Below `root` no link is followed, here and elsewhere.
    fn open_to_append(&self, root: &Path, path: &Path, create: bool) -> io::Result<File> {
        let create = if create { OFlags::CREATE } else { OFlags::empty() };
        open(root, path, OFlags::RDWR | OFlags::APPEND | create)
    }

    /// Opens a log to read.
    fn open_to_read(&self, root: &Path, path: &Path) -> io::Result<File> {
        open(root, path, OFlags::RDONLY)
    }

    /// Takes the lock of a log, alone or with other readers. Whether it was to be had in time.
    fn lock(&self, file: &File, alone: bool, wait: Duration) -> io::Result<bool> {
        let mut backoff = RetryPolicy::endless(LOCK_PAUSE_FIRST, LOCK_PAUSE_MAX).backoff().within(wait);
        loop {
            match if alone { file.try_lock() } else { file.try_lock_shared() } {
                Ok(()) => return Ok(true),
                Err(TryLockError::Error(error)) => return Err(error),
                Err(TryLockError::WouldBlock) => match backoff.next(&ThreadRandom) {
                    Some(pause) => std::thread::sleep(pause),
                    None => return Ok(false),
                },
            }
        }
    }

    /// Writes all of `text` to the end.
    fn write(&self, file: &File, text: &[u8]) -> io::Result<()> {
        (&mut &*file).write_all(text)
    }

    /// Makes what was written to a file durable.
    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    /// Makes the entries of a folder durable.
    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        File::open(folder)?.sync_all()
    }

    /// Makes a file if it is not there.
    fn touch(&self, root: &Path, path: &Path) -> io::Result<()> {
        open(root, path, OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE).map(drop)
    }

    /// Removes a file; whether it was there.
    fn remove(&self, root: &Path, path: &Path) -> io::Result<bool> {
        match Folder::above(root, path) {
            Ok((folder, name)) => folder.unlink(name, false),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// The operating system as it is.
#[derive(Debug)]
pub(super) struct System;

impl Disk for System {}

fn open(root: &Path, path: &Path, flags: OFlags) -> io::Result<File> {
    let (folder, name) = Folder::above(root, path)?;
    folder.open_file(name, flags)
}
