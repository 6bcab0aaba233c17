//! Folders whose names are not to be trusted: each step down is made from the folder above, and follows no link. So nothing
//! outside of the root is ever read or written, whatever others do meanwhile.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata};
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::Error;
use crate::text::quote;
use crate::time::Timestamp;

/// Longest name, in bytes: what file systems allow.
const NAME_BYTES_MAX: usize = 255;

/// A link that stands where a file or a folder was to be.
#[derive(Debug, thiserror::Error)]
#[error("{} is a link, and may lead anywhere: name the file that it leads to, if that is meant", path.display())]
pub(crate) struct Detour {
    pub(crate) path: PathBuf,
}

impl Detour {
    /// The link beneath an error, if it was one.
    pub(crate) fn beneath(error: &io::Error) -> Option<&Detour> {
        error.get_ref()?.downcast_ref()
    }

    /// Names the link at `path`, if opening without following links failed because of it.
    pub(crate) fn or(path: &Path, error: io::Error) -> io::Error {
        let is_detour = matches!(Errno::from_io_error(&error), Some(Errno::LOOP | Errno::NOTDIR | Errno::MLINK));
        if is_detour && path.is_symlink() {
            io::Error::new(io::ErrorKind::InvalidInput, Detour { path: path.to_owned() })
        } else {
            error
        }
    }
}

/// A folder that is open.
#[derive(Debug)]
pub(crate) struct Folder {
    fd: OwnedFd,
    path: PathBuf,
}

/// Whether a name leads from a folder to something in it.
pub(crate) fn is_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && name.len() <= NAME_BYTES_MAX && !name.contains(['/', '\0'])
}

/// Whether file systems, version control and the like give such a name to what they put beside what is there.
pub(crate) fn is_foreign(name: &str) -> bool {
    name.starts_with(['.', '@']) || name == "lost+found"
}

impl Folder {
    /// Opens the folder at `path`, which may be a link.
    pub(crate) fn open(path: &Path) -> Result<Folder, Error> {
        Folder::top(path).map_err(|errno| failed("opening", path, errno))
    }

    /// The same, for those who know no stores.
    pub(crate) fn at(path: &Path) -> io::Result<Folder> {
        Ok(Folder::top(path)?)
    }

    fn top(path: &Path) -> Result<Folder, Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Folder { fd: rustix::fs::open(path, flags, Mode::empty())?, path: path.to_owned() })
    }

    /// The folder in which `path` is, and its name there. Below `root`, which may be a link, none is followed.
    pub(crate) fn above(root: &Path, path: &Path) -> io::Result<(Folder, OsString)> {
        let inside = path.strip_prefix(root).map_err(|_| io::ErrorKind::InvalidInput)?;
        let mut names = inside.iter().collect::<Vec<_>>();
        let last = names.pop().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
        let top = if root.as_os_str().is_empty() { Path::new(".") } else { root };
        let folder = names.into_iter().try_fold(Folder::at(top)?, |folder, name| folder.step(name))?;
        Ok((folder, last))
    }

    /// A folder in it.
    pub(crate) fn step(&self, name: impl AsRef<OsStr>) -> io::Result<Folder> {
        let name = name.as_ref();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let path = self.path.join(name);
        match rustix::fs::openat(&self.fd, name, flags, Mode::empty()) {
            Ok(fd) => Ok(Folder { fd, path }),
            Err(errno) => Err(Detour::or(&path, errno.into())),
        }
    }

    /// Opens a file in it, or makes it.
    pub(crate) fn open_file(&self, name: impl AsRef<OsStr>, flags: OFlags) -> io::Result<File> {
        let name = name.as_ref();
        // Opening a pipe that was put there must not wait for its other end.
        let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(&self.fd, name, flags, Mode::from_raw_mode(0o666));
        opened.map(File::from).map_err(|errno| Detour::or(&self.path.join(name), errno.into()))
    }

    /// Makes a file that was not there, and that nobody else may open until its permissions are set.
    pub(crate) fn create(&self, name: impl AsRef<OsStr>) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::APPEND | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(rustix::fs::openat(&self.fd, name.as_ref(), flags, Mode::from_raw_mode(0o600))?.into())
    }

    /// What is known of a file in it that can be read; none if there is none.
    pub(crate) fn metadata(&self, name: impl AsRef<OsStr>) -> io::Result<Option<Metadata>> {
        match self.open_file(name, OFlags::RDONLY) {
            Ok(file) => file.metadata().map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes a folder in it; that there is something of that name is no error.
    pub(crate) fn make_folder(&self, name: impl AsRef<OsStr>) -> io::Result<()> {
        match rustix::fs::mkdirat(&self.fd, name.as_ref(), Mode::from_raw_mode(0o777)) {
            Ok(()) | Err(Errno::EXIST) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Gives a file one more name, which must be free.
    pub(crate) fn link(&self, name: impl AsRef<OsStr>, new: impl AsRef<OsStr>) -> io::Result<()> {
        Ok(rustix::fs::linkat(&self.fd, name.as_ref(), &self.fd, new.as_ref(), AtFlags::empty())?)
    }

    /// Gives a file another name, instead of what has that name.
    pub(crate) fn rename(&self, name: impl AsRef<OsStr>, new: impl AsRef<OsStr>) -> io::Result<()> {
        Ok(rustix::fs::renameat(&self.fd, name.as_ref(), &self.fd, new.as_ref())?)
    }

    /// Removes a file, or a folder that is empty; whether it was there.
    pub(crate) fn unlink(&self, name: impl AsRef<OsStr>, is_folder: bool) -> io::Result<bool> {
        let flags = if is_folder { AtFlags::REMOVEDIR } else { AtFlags::empty() };
        match rustix::fs::unlinkat(&self.fd, name.as_ref(), flags) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Makes its entries durable.
    pub(crate) fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::fsync(&self.fd)?)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The path of something in it, for messages.
    pub(crate) fn path_of(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// A folder in it; none if there is none.
    pub(crate) fn child(&self, name: &str) -> Result<Option<Folder>, Error> {
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
    pub(crate) fn descend(&self, names: &[&str]) -> Result<Option<Folder>, Error> {
        let mut current: Option<Folder> = None;
        for name in names {
            let Some(next) = current.as_ref().unwrap_or(self).child(name)? else { return Ok(None) };
            current = Some(next);
        }
        Ok(current)
    }

    /// The same, made where it is missing.
    pub(crate) fn make_all(&self, names: &[&str]) -> Result<Folder, Error> {
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
    pub(crate) fn make(&self, name: &str) -> Result<bool, Error> {
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
    pub(crate) fn names(&self, mut visit: impl FnMut(&str, bool) -> Result<bool, Error>) -> Result<u64, Error> {
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
    pub(crate) fn read(&self, name: &str, max: usize) -> Result<Option<Vec<u8>>, Error> {
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
    pub(crate) fn modified(&self, name: &str) -> Option<Timestamp> {
        let stat = rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        // The types of these fields differ between systems.
        #[allow(clippy::useless_conversion, clippy::unnecessary_cast, reason = "not so on every system")]
        let (seconds, ns) = (i64::try_from(stat.st_mtime).ok()?, stat.st_mtime_nsec as i64);
        Some(Timestamp::from_micros(seconds.saturating_mul(1_000_000).saturating_add(ns / 1_000)))
    }

    /// Writes a file anew, as others see it in part or in whole.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
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
    pub(crate) fn move_to(&self, name: &str, to: &Folder, new: &str) -> Result<(), Error> {
        let moved = rustix::fs::renameat(&self.fd, name, &to.fd, new);
        moved.map_err(|errno| failed("moving a file to", &to.path_of(new), errno))
    }

    /// Removes a file, if it is there.
    pub(crate) fn remove(&self, name: &str) -> Result<(), Error> {
        match rustix::fs::unlinkat(&self.fd, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(failed("removing", &self.path_of(name), errno)),
        }
    }

    /// Removes a folder, if it is there and empty.
    pub(crate) fn remove_folder(&self, name: &str) {
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
