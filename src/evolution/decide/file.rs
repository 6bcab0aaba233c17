//! Deciding in a file: the comparison is made under its lock.

use std::fs::Metadata;
use std::io::ErrorKind;
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
        let (path, name) = (path.to_path_buf(), path.display().to_string());
        let appender = match Appender::at_end(&path) {
            Ok(appender) => Some(appender),
            Err(error) if error.kind() == ErrorKind::PermissionDenied => None,
            Err(error) => return Err(DecideError::unwritable(&name, error)),
        };
        let mut file = FileDecider { path, name, appender, known: Vec::new() };
        // Who reads the log after this will see all that is put aside by now.
        file.known = file.put_aside()?.iter().filter_map(number_of).collect();
        Ok(file)
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

    fn each_block(&self, source: &Source, end: u64, each: impl FnMut(&[u8])) -> Result<(), DecideError> {
        match each_block(source, end, each) {
            Err(cause) if cause.kind() != ErrorKind::NotFound => Err(DecideError::unreadable(&self.name, cause)),
            _ => Ok(()),
        }
    }

    /// Hands on the whole lines of the file itself that are known.
    pub(super) fn each_known(&self, each: impl FnMut(&[u8])) -> Result<(), DecideError> {
        let end = self.appender.as_ref().map_or(u64::MAX, Appender::seen);
        self.each_block(&Source::File(self.path.clone()), end, each)
    }

    /// What stands of the decisions that are known.
    pub(super) fn standing(&self, function: &str) -> Result<Standing, DecideError> {
        let mut standing = Standing::default();
        let mut each = |lines: &[u8]| standing.apply_all(function, lines);
        for source in self.put_aside()? {
            self.each_block(&source, u64::MAX, &mut each)?;
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
        for source in self.put_aside()? {
            let Some(number) = number_of(&source).filter(|number| !self.known.contains(number)) else { continue };
            self.each_block(&source, u64::MAX, |lines| since.take(lines))?;
            self.known.push(number);
        }
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
    source.path().and_then(|path| std::fs::metadata(path).ok()).map(|metadata| FileNumber::of(&metadata))
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
        self.since.turn_over(aside.iter().any(|source| number_of(source) == Some(old)));
        self.known.push(old);
    }
}
