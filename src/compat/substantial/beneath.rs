//! Folders whose names are not to be trusted: each step down is made from the folder above, and follows no link. So nothing
//! outside of the root is ever read or written, whatever others do meanwhile.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::store::Error;
use crate::text::quote;
use crate::time::Timestamp;

/// Longest name, in bytes: what file systems allow.
const NAME_BYTES_MAX: usize = 255;

/// A folder that is open.
#[derive(Debug)]
pub(super) struct Folder {
    fd: OwnedFd,
    path: PathBuf,
}

/// Whether a name leads from a folder to something in it.
pub(super) fn is_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && name.len() <= NAME_BYTES_MAX && !name.contains(['/', '\0'])
}

impl Folder {
    /// Opens the folder at `path`, which may be a link.
    pub(super) fn open(path: &Path) -> Result<Folder, Error> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match rustix::fs::open(path, flags, Mode::empty()) {
            Ok(fd) => Ok(Folder { fd, path: path.to_owned() }),
            Err(errno) => Err(failed("opening", path, errno)),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The path of something in it, for messages.
    pub(super) fn path_of(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// A folder in it; none if there is none.
    pub(super) fn child(&self, name: &str) -> Result<Option<Folder>, Error> {
        if !is_name(name) {
            return Err(Error::invalid("name", format!("{} leads nowhere", quote(name))));
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match rustix::fs::openat(&self.fd, name, flags, Mode::empty()) {
            Ok(fd) => Ok(Some(Folder { fd, path: self.path_of(name) })),
            Err(Errno::NOENT | Errno::NAMETOOLONG) => Ok(None),
            Err(errno) => Err(failed("opening", &self.path_of(name), errno)),
        }
    }

    /// The folder at the end of some steps down.
    pub(super) fn descend(&self, names: &[&str]) -> Result<Option<Folder>, Error> {
        let mut current: Option<Folder> = None;
        for name in names {
            let Some(next) = current.as_ref().unwrap_or(self).child(name)? else { return Ok(None) };
            current = Some(next);
        }
        Ok(current)
    }

    /// The same, made where it is missing.
    pub(super) fn make_all(&self, names: &[&str]) -> Result<Folder, Error> {
        let mut current: Option<Folder> = None;
        for name in names {
            let here = current.as_ref().unwrap_or(self);
            here.make(name)?;
            let place = || here.path_of(name).display().to_string();
            current = Some(here.child(name)?.ok_or_else(|| Error::corrupt(place(), "it was removed at once"))?);
        }
        current.ok_or_else(|| Error::invalid("path", "it has no steps"))
    }

    /// Makes a folder; false if there is something of that name.
    pub(super) fn make(&self, name: &str) -> Result<bool, Error> {
        if !is_name(name) {
            return Err(Error::invalid("name", format!("{} leads nowhere", quote(name))));
        }
        match rustix::fs::mkdirat(&self.fd, name, Mode::from_raw_mode(0o777)) {
            Ok(()) => Ok(true),
            Err(Errno::EXIST) => Ok(false),
            Err(errno) => Err(failed("making", &self.path_of(name), errno)),
        }
    }

    /// Calls `visit` with each name, and whether it may be a folder, in no order, until that says false. Returns how many names
    /// are not UTF-8: they are left out, since nothing that the package writes is called so.
    pub(super) fn names(&self, mut visit: impl FnMut(&str, bool) -> Result<bool, Error>) -> Result<u64, Error> {
        let failed = |errno| failed("listing", &self.path, errno);
        let mut odd = 0;
        for entry in Dir::read_from(&self.fd).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let Ok(name) = entry.file_name().to_str() else {
                odd += 1;
                continue;
            };
            let may_be_folder = matches!(entry.file_type(), FileType::Directory | FileType::Unknown);
            if is_name(name) && !visit(name, may_be_folder)? {
                break;
            }
        }
        Ok(odd)
    }

    /// What a file holds; none if there is none.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if it is not a file, or larger than `max` bytes.
    pub(super) fn read(&self, name: &str, max: usize) -> Result<Option<Vec<u8>>, Error> {
        let path = self.path_of(name);
        let corrupt = |problem: String| Error::corrupt(path.display().to_string(), problem);
        // What is not a file, a pipe say, must not hold us up.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = match rustix::fs::openat(&self.fd, name, flags, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::NOENT | Errno::NAMETOOLONG) => return Ok(None),
            Err(errno) => return Err(failed("opening", &path, errno)),
        };
        let file = File::from(fd);
        let unread = |error: std::io::Error| Error::unavailable(format!("reading {}", path.display()), error);
        let about = file.metadata().map_err(unread)?;
        if !about.is_file() {
            return Err(corrupt("it is not a file".to_owned()));
        }
        let mut bytes = Vec::new();
        file.take(max as u64 + 1).read_to_end(&mut bytes).map_err(unread)?;
        if bytes.len() > max {
            return Err(corrupt(format!("it is larger than {max} bytes")));
        }
        Ok(Some(bytes))
    }

    /// When something was last written; none if it is not there.
    pub(super) fn modified(&self, name: &str) -> Option<Timestamp> {
        let stat = rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        // The types of these fields differ between systems.
        #[allow(clippy::useless_conversion, clippy::unnecessary_cast, reason = "not so on every system")]
        let (seconds, ns) = (i64::try_from(stat.st_mtime).ok()?, stat.st_mtime_nsec as i64);
        Some(Timestamp::from_micros(seconds.saturating_mul(1_000_000).saturating_add(ns / 1_000)))
    }

    /// Writes a file anew, as others see it in part or in whole.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        let path = self.path_of(name);
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&self.fd, name, flags, Mode::from_raw_mode(0o666))
            .map_err(|errno| failed("opening", &path, errno))?;
        let mut file = File::from(fd);
        let done = file.write_all(bytes).and_then(|()| file.sync_data());
        done.map_err(|error| Error::unavailable(format!("writing {}", path.display()), error))
    }

    /// Moves a file to another folder, where it replaces what is there.
    pub(super) fn move_to(&self, name: &str, to: &Folder, new: &str) -> Result<(), Error> {
        let moved = rustix::fs::renameat(&self.fd, name, &to.fd, new);
        moved.map_err(|errno| failed("moving a file to", &to.path_of(new), errno))
    }

    /// Removes a file, if it is there.
    pub(super) fn remove(&self, name: &str) -> Result<(), Error> {
        match rustix::fs::unlinkat(&self.fd, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(failed("removing", &self.path_of(name), errno)),
        }
    }

    /// Removes a folder, if it is there and empty.
    pub(super) fn remove_folder(&self, name: &str) {
        // One that stays behind is one of the many empty folders that the package leaves.
        let _ = rustix::fs::unlinkat(&self.fd, name, AtFlags::REMOVEDIR);
    }
}

fn failed(doing: &str, path: &Path, errno: Errno) -> Error {
    let doing = format!("{doing} {}", path.display());
    match errno {
        Errno::ACCESS | Errno::PERM | Errno::ROFS => Error::denied(doing, std::io::Error::from(errno)),
        Errno::LOOP | Errno::NOTDIR | Errno::ISDIR => Error::corrupt(
            path.display().to_string(),
            "it is of another kind than it should be; links are not followed",
        ),
        errno => Error::unavailable(doing, std::io::Error::from(errno)),
    }
}
