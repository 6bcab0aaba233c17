//! What all who read and write files of events need: locks, identities, and where lines end.

use std::fs::{File, Metadata, TryLockError};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use super::threads::on_threads;
use crate::jsonl::read_at;

/// How long the lock is waited for. Then it is done without: a stopped process must not stop the others, and single
/// writes do not mix.
pub(super) const LOCK_WAIT: Duration = Duration::from_secs(1);

/// How much is read at a time, in bytes.
const READ_BYTES: usize = 1 << 18;

/// Whether files can be locked so that readers and writers who know no locks are let in.
pub(super) const HAS_LOCKS: bool = cfg!(unix);

/// Whether the lock was to be had in that time.
#[cfg(unix)]
pub(super) fn lock_within(file: &File, wait: Duration) -> io::Result<bool> {
    let start = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => return Ok(false),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if start.elapsed() >= wait => return Ok(false),
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_micros(100)),
        }
    }
}

/// Elsewhere a lock would keep the Python package out.
#[cfg(not(unix))]
pub(super) fn lock_within(_: &File, _: Duration) -> io::Result<bool> {
    Ok(false)
}

/// What tells a file from others, also from one that got its number when it was gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FileNumber {
    numbers: (u64, u64),
    created: Option<SystemTime>,
}

impl FileNumber {
    #[cfg(unix)]
    pub(crate) fn of(metadata: &Metadata) -> FileNumber {
        use std::os::unix::fs::MetadataExt as _;
        FileNumber { numbers: (metadata.dev(), metadata.ino()), created: metadata.created().ok() }
    }

    #[cfg(not(unix))]
    pub(crate) fn of(metadata: &Metadata) -> FileNumber {
        FileNumber { numbers: (0, 0), created: metadata.created().ok() }
    }
}

/// Whether two files are one: not by name, which another file can take.
#[cfg(unix)]
pub(crate) fn same_file(a: &Metadata, b: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

#[cfg(not(unix))]
pub(crate) fn same_file(a: &Metadata, b: &Metadata) -> bool {
    a.created().ok() == b.created().ok()
}

/// Refuses to write so many bytes behind `end` if that makes a file larger than this process may make any: the system would end a
/// process that tries.
pub(super) fn refuse_beyond_limit(end: u64, bytes: usize) -> io::Result<()> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Fsize).current;
    let is_beyond = limit.is_some_and(|limit| end.saturating_add(bytes as u64) > limit);
    if is_beyond { Err(rustix::io::Errno::FBIG.into()) } else { Ok(()) }
}

/// Where the last line begins that has no newline at its end: the file's end, if there is none.
pub(super) fn last_line_start(file: &File, size: u64) -> io::Result<u64> {
    let mut buffer = vec![0; READ_BYTES];
    let mut end = size;
    while end > 0 {
        let start = end.saturating_sub(READ_BYTES as u64);
        let wanted = (end - start) as usize;
        let count = read_at(file, &mut buffer[..wanted], start)?;
        if let Some(newline) = memchr::memrchr(b'\n', &buffer[..count]) {
            return Ok(start + newline as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

/// How many newlines a file has from byte `from` up to byte `to`.
pub(crate) fn count_newlines(file: &File, from: u64, to: u64, threads: usize) -> std::io::Result<u64> {
    const CHUNK_BYTES: u64 = 1 << 20;
    let next = AtomicU64::new(from);
    let count = || -> std::io::Result<u64> {
        let mut buffer = vec![0; CHUNK_BYTES.min(to.saturating_sub(from)) as usize];
        let mut newlines = 0;
        loop {
            let mut at = next.fetch_add(CHUNK_BYTES, Ordering::Relaxed);
            let end = (at + CHUNK_BYTES).min(to);
            if at >= end {
                return Ok(newlines);
            }
            while at < end {
                let wanted = (end - at) as usize;
                let read = read_at(file, &mut buffer[..wanted], at)?;
                if read == 0 {
                    return Ok(newlines);
                }
                newlines += memchr::memchr_iter(b'\n', &buffer[..read]).count() as u64;
                at += read as u64;
            }
        }
    };
    let threads = threads.max(1).min(usize::try_from(to.saturating_sub(from) / CHUNK_BYTES).unwrap_or(1) + 1);
    on_threads(threads, count).into_iter().sum()
}

/// Gives a new file the owner, the permissions, the access list and the other attributes of the log.
#[cfg(unix)]
pub(super) fn own_like(file: &File, log: &File) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt as _, fchown};
    let (ours, theirs) = (file.metadata()?, log.metadata()?);
    if (ours.uid(), ours.gid()) != (theirs.uid(), theirs.gid()) {
        fchown(file, Some(theirs.uid()), Some(theirs.gid()))?;
    }
    let mut permissions = theirs.permissions();
    if !copy_attributes(file, log)? {
        // Without its access list, what the list allows at most would be allowed to the whole group.
        permissions.set_mode(permissions.mode() & 0o700);
    }
    file.set_permissions(permissions)
}

/// Whether the access list was copied, if there is one. Other attributes are left out where they cannot be set.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn copy_attributes(file: &File, log: &File) -> io::Result<bool> {
    use rustix::fs::{XattrFlags, fgetxattr, flistxattr, fsetxattr};
    use rustix::io::Errno;
    /// As much as the system has of a file's attributes, in bytes.
    const ATTRIBUTE_BYTES_MAX: usize = 1 << 16;
    let (mut names, mut value) = (vec![0; ATTRIBUTE_BYTES_MAX], vec![0; ATTRIBUTE_BYTES_MAX]);
    let count = match flistxattr(log, &mut names[..]) {
        Ok(count) => count,
        Err(Errno::NOTSUP) => 0,
        Err(errno) => return Err(errno.into()),
    };
    let mut complete = true;
    for name in names[..count].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let copied = fgetxattr(log, name, &mut value[..])
            .and_then(|count| fsetxattr(file, name, &value[..count], XattrFlags::empty()));
        match copied {
            Ok(()) => {}
            Err(Errno::NOTSUP | Errno::PERM | Errno::ACCESS | Errno::NODATA) => {
                complete &= name != b"system.posix_acl_access";
            }
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(complete)
}

#[cfg(all(unix, not(any(target_os = "linux", target_os = "android"))))]
fn copy_attributes(_: &File, _: &File) -> io::Result<bool> {
    Ok(true)
}

#[cfg(not(unix))]
pub(super) fn own_like(file: &File, log: &File) -> io::Result<()> {
    file.set_permissions(log.metadata()?.permissions())
}
