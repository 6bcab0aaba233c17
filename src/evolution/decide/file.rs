//! Deciding in a file: the comparison is made under its lock.

use std::fs::Metadata;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::DecideError;
use super::since::{Expectation, Since};
use crate::evolution::append::{Appender, News};
use crate::evolution::decision::Standing;
use crate::evolution::file::{FileNumber, HAS_LOCKS};
use crate::evolution::folder;
use crate::evolution::source::{Source, each_block};

/// How long the lock is waited for.
const LOCK_WAIT: Duration = Duration::from_secs(5);

/// How often the log may be put aside while it is being opened.
const BEGIN_TRIES: usize = 100;

/// A file, as far as it is known.
pub(super) struct FileDecider {
    path: PathBuf,
    name: String,
    /// None where the file may only be read.
    appender: Option<Appender>,
    /// The files that are known, beside the one that is open.
    known: Vec<FileNumber>,
}

impl FileDecider {
    /// Notes how far the log goes.
    pub(super) fn begin(path: &Path) -> Result<Self, DecideError> {
        let mut file =
            FileDecider { path: path.into(), name: path.display().to_string(), appender: None, known: Vec::new() };
        for _ in 0..BEGIN_TRIES {
            file.appender = match Appender::at_end(path) {
                Ok(appender) => Some(appender),
                Err(error) if error.kind() == ErrorKind::PermissionDenied => None,
                Err(error) => return Err(DecideError::unwritable(&file.name, error)),
            };
            file.known = file.put_aside()?.iter().filter_map(number_of).collect();
            // If it was put aside just then, others may have been as well, and nobody could tell their order.
            if file.appender.is_none() || file.open_number()? == number_at(path) {
                return Ok(file);
            }
        }
        Err(DecideError::unreadable(&file.name, io::Error::other("it is put aside again and again")))
    }

    /// What tells the file that is open from others.
    fn open_number(&self) -> Result<Option<FileNumber>, DecideError> {
        let number = self.appender.as_ref().map(Appender::number).transpose();
        Ok(number.map_err(|cause| DecideError::unreadable(&self.name, cause))?.flatten())
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The logs that it was before, in time order.
    fn put_aside(&self) -> Result<Vec<Source>, DecideError> {
        folder::put_aside(&self.path).map_err(|cause| DecideError::unreadable(&self.name, cause))
    }

    /// All that is there of the log.
    pub(super) fn sources(&self) -> Result<Vec<Source>, DecideError> {
        let mut sources = self.put_aside()?;
        sources.extend(self.path.exists().then(|| Source::File(self.path.clone())));
        Ok(sources)
    }

    /// Hands on the whole lines of the file itself that are known.
    pub(super) fn each_known(&self, each: impl FnMut(&[u8])) -> Result<(), DecideError> {
        let read = match &self.appender {
            Some(appender) => appender.each_seen(each),
            None => each_block(&Source::File(self.path.clone()), u64::MAX, each),
        };
        read.map_err(|cause| DecideError::unreadable(&self.name, cause))
    }

    /// What stands of the decisions that are known.
    pub(super) fn standing(&self, function: &str) -> Result<Standing, DecideError> {
        let unreadable = |cause| DecideError::unreadable(&self.name, cause);
        let mut standing = Standing::default();
        let mut each = |lines: &[u8]| standing.apply_all(function, lines);
        let open = self.open_number()?;
        for source in self.put_aside()? {
            let number = number_of(&source).filter(|number| self.known.contains(number));
            // The one that is open may be put aside by now: it is read below, as far as it is known.
            if number.is_some() && number != open {
                each_block(&source, u64::MAX, &mut each).map_err(unreadable)?;
            }
        }
        self.each_known(&mut each)?;
        Ok(standing)
    }

    /// Refuses if the log is not as expected now.
    pub(super) fn check(&mut self, since: &mut Since, expected: Option<Expectation>) -> Result<(), DecideError> {
        let FileDecider { path, name, appender, known } = self;
        if let Some(appender) = appender {
            let looked = appender.look(&mut Watch { path, known, since });
            looked.map_err(|cause| DecideError::unreadable(name, cause))?;
            self.look_between(since)?;
        }
        since.refuse(&self.name, expected)
    }

    /// Takes in logs that were begun and put aside again while nobody looked.
    fn look_between(&mut self, since: &mut Since) -> Result<(), DecideError> {
        let mut aside = Vec::new();
        for source in self.put_aside()? {
            let Some(number) = number_of(&source) else { continue };
            aside.push(number);
            if !self.known.contains(&number) {
                let read = each_block(&source, u64::MAX, |lines| since.take_aside(number, lines));
                read.map_err(|cause| DecideError::unreadable(&self.name, cause))?;
                self.known.push(number);
            }
        }
        since.put_in_order(&aside);
        Ok(())
    }

    /// Appends the line of a decision, if nobody decided anything else since and the log is as expected.
    pub(super) fn decide(
        &mut self,
        line: &str,
        since: &mut Since,
        expected: Option<Expectation>,
    ) -> Result<(), DecideError> {
        let Some(mut appender) = self.appender.take() else {
            let denied = Appender::at_end(&self.path).err();
            let denied = denied.unwrap_or_else(|| ErrorKind::PermissionDenied.into());
            return Err(DecideError::unwritable(&self.name, denied));
        };
        let decided = self.append(&mut appender, line, since, expected);
        self.appender = Some(appender);
        decided
    }

    fn append(
        &mut self,
        appender: &mut Appender,
        line: &str,
        since: &mut Since,
        expected: Option<Expectation>,
    ) -> Result<(), DecideError> {
        let (path, name) = (self.path.clone(), self.name.clone());
        let unwritable = |cause| DecideError::unwritable(&name, cause);
        let watch = &mut Watch { path: &path, known: &mut self.known, since };
        let mut session = appender.lock_within(LOCK_WAIT, watch).map_err(unwritable)?;
        if HAS_LOCKS && !session.is_locked() {
            return Err(DecideError::Locked { log: name });
        }
        self.look_between(since)?;
        since.refuse(&name, expected)?;
        let watch = &mut Watch { path: &path, known: &mut self.known, since };
        session.write(line.as_bytes(), watch).map_err(|error| unwritable(error.cause))?;
        drop(session);
        appender.sync().map_err(unwritable)?;
        let made = since.take_made();
        if made.is_empty() { Ok(()) } else { Err(DecideError::Crossed { log: name, made }) }
    }
}

fn number_of(source: &Source) -> Option<FileNumber> {
    source.path().and_then(number_at)
}

fn number_at(path: &Path) -> Option<FileNumber> {
    std::fs::metadata(path).ok().map(|metadata| FileNumber::of(&metadata))
}

/// Takes in what others write to the file.
struct Watch<'a> {
    path: &'a Path,
    known: &'a mut Vec<FileNumber>,
    since: &'a mut Since,
}

impl News for Watch<'_> {
    fn lines(&mut self, lines: &[u8]) {
        self.since.take(lines);
    }

    fn replaced(&mut self, old: &Metadata) {
        let old = FileNumber::of(old);
        let aside = folder::put_aside(self.path).unwrap_or_default();
        if !aside.iter().any(|source| number_of(source) == Some(old)) {
            self.since.lose_track();
        }
        self.since.turn_over(old);
        self.known.push(old);
    }
}
