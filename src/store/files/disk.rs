//! What the store asks of the operating system, so that tests can have it fail.

use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::Path;
use std::time::Duration;

use crate::chance::ThreadRandom;
use crate::retry::RetryPolicy;

/// First and longest pause between two tries to get a lock.
const LOCK_PAUSE_FIRST: Duration = Duration::from_micros(20);
const LOCK_PAUSE_MAX: Duration = Duration::from_millis(1);

/// The calls that may fail in ways of their own.
pub(super) trait Disk: Send + Sync + fmt::Debug {
    /// Opens a log to append to. `create` makes it if it is not there.
    fn open_to_append(&self, path: &Path, create: bool) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(create);
        no_follow(&mut options);
        options.open(path)
    }

    /// Opens a log to read.
    fn open_to_read(&self, path: &Path) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true);
        no_follow(&mut options);
        options.open(path)
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
    fn touch(&self, path: &Path) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.append(true).create(true);
        no_follow(&mut options);
        options.open(path).map(drop)
    }

    /// Removes a file; whether it was there.
    fn remove(&self, path: &Path) -> io::Result<bool> {
        match fs::remove_file(path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// The operating system as it is.
#[derive(Debug)]
pub(super) struct System;

impl Disk for System {}

/// A log is a file; a link in its place would lead out of the store.
#[cfg(unix)]
fn no_follow(options: &mut OpenOptions) {
    use std::os::unix::fs::OpenOptionsExt as _;
    // Opening a pipe that was put there must not wait for its other end.
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    options.custom_flags(flags.bits() as i32).mode(0o666);
}

#[cfg(not(unix))]
fn no_follow(_: &mut OpenOptions) {}
