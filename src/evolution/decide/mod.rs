//! Deciding about a function: a decision is written only if no other was made about it since its author looked.

mod error;
mod file;
mod remote;
mod since;

use std::path::Path;
use std::sync::Arc;

use super::decision::{Decision, Standing};
use super::folder::log_at;
use super::remote::RemoteLog;
use super::scan::{self, ScanError};
use super::source::Progress;
use super::summary::{Filter, Summary};
use crate::clock::{Clock, SystemClock};
use crate::store::{Address, Settings};
use crate::time::Timestamp;
pub use error::DecideError;
use file::FileDecider;
use remote::RemoteDecider;
use since::Since;
pub use since::{Expectation, LastEvent};

/// Who decides about one function. It has seen all that was decided before it was made; what its author reads of the log
/// afterwards is at least that.
///
/// The promise is the same on every medium: of all who decide about the function, each has seen what the one before did, or is
/// refused and told. In a file the comparison is made under its lock, which is not gone without. Programs that take no lock,
/// as those of the Python package, cannot be kept from writing between the comparison and the record: then the record is
/// behind theirs, which is an error that says so.
///
/// ```
/// use temporal_code::logs::{Change, DecideError, Decider, Decision};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("evolution.jsonl");
/// let promotion = |by: &str| Decision {
///     function: "pay".into(),
///     variant: "v2".into(),
///     change: Change::Promote,
///     at: None,
///     forced: true,
///     by: Some(by.into()),
///     reason: Some("faster".into()),
/// };
/// let mut ada = Decider::in_file(&path, "pay")?;
/// let mut bob = Decider::in_file(&path, "pay")?;
/// assert!(ada.standing()?.is_free());
/// ada.decide(promotion("ada"))?;
/// // Bob has looked before Ada decided: he learns of it, and may decide again now that he knows.
/// match bob.decide(promotion("bob")) {
///     Err(DecideError::Conflict { made, .. }) => assert_eq!(made[0].by.as_deref(), Some("ada")),
///     other => panic!("{other:?}"),
/// }
/// assert_eq!(bob.standing()?.share("v2"), Some(1.0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Decider {
    function: String,
    clock: Arc<dyn Clock>,
    log: Log,
    since: Since,
    expected: Option<Expectation>,
}

enum Log {
    File(FileDecider),
    Remote(RemoteDecider),
}

impl Decider {
    /// Looks at the log at an address; at a path the log `evolution.jsonl` in that folder or, where it ends in `.jsonl`, that
    /// file. It need not be there.
    ///
    /// # Errors
    /// The log cannot be reached or read.
    pub fn open(address: &Address, settings: &Settings, function: &str) -> Result<Decider, DecideError> {
        match (address.path(), RemoteLog::at(address, settings)?) {
            (_, Some(log)) => Decider::in_remote(&log, function),
            (Some(path), None) => Decider::in_file(&log_at(path), function),
            (None, None) => Err(DecideError::Invalid("nothing can be decided at this address")),
        }
    }

    /// Looks at a file, which need not be there.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn in_file(path: &Path, function: &str) -> Result<Decider, DecideError> {
        Ok(Decider::new(Log::File(FileDecider::begin(path)?), function))
    }

    /// Looks at a log that is not a file.
    ///
    /// # Errors
    /// The log cannot be reached.
    pub fn in_remote(log: &RemoteLog, function: &str) -> Result<Decider, DecideError> {
        Ok(Decider::new(Log::Remote(RemoteDecider::begin(log, function)?), function))
    }

    fn new(log: Log, function: &str) -> Self {
        let (function, since) = (function.to_string(), Since::new(function));
        Decider { function, clock: Arc::new(SystemClock), log, since, expected: None }
    }

    /// Where times come from.
    pub fn clock(self, clock: Arc<dyn Clock>) -> Self {
        Decider { clock, ..self }
    }

    /// Decides only if this is so, too.
    ///
    /// # Errors
    /// The log cannot be read; or lines are to be counted where there are none.
    pub fn expecting(mut self, expected: Expectation) -> Result<Self, DecideError> {
        self.since.watch_calls(!expected.ignore_calls);
        if let (Log::Remote(remote), false) = (&mut self.log, expected.ignore_calls) {
            remote.follow(self.clock.now())?;
        }
        match (&self.log, expected.last) {
            (Log::Remote(_), LastEvent::Line(_)) => {
                return Err(DecideError::Invalid("only the lines of a file are counted through"));
            }
            (Log::File(file), LastEvent::Line(_)) => file.each_known(|lines| self.since.look_back(lines))?,
            (_, LastEvent::At(_)) => {
                let last = self.last_time(expected.ignore_calls)?;
                self.since.know_time(last);
            }
        }
        self.expected = Some(expected);
        Ok(self)
    }

    /// When something last happened to the function, in all that there is of the log.
    fn last_time(&self, ignore_calls: bool) -> Result<Option<Timestamp>, DecideError> {
        let sources = match &self.log {
            Log::File(file) => file.sources()?,
            Log::Remote(remote) => remote.sources()?,
        };
        let (progress, filter) = (Progress::default(), Filter::of_function(&self.function));
        let read = Summary::read(&sources, &filter, &scan::Options::new(&progress));
        let failed = |error: ScanError| DecideError::unreadable(self.location(), std::io::Error::other(error));
        let (summary, _) = read.map_err(failed)?;
        let function = summary.function(&self.function);
        Ok(function.and_then(|found| if ignore_calls { found.decision_span() } else { found.span() }.last()))
    }

    /// What the log is called in messages: its path, or its address without credentials.
    pub fn location(&self) -> &str {
        match &self.log {
            Log::File(file) => file.name(),
            Log::Remote(remote) => remote.name(),
        }
    }

    /// What stands of the decisions that were forced on the function, as far as the log was seen.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn standing(&self) -> Result<Standing, DecideError> {
        match &self.log {
            Log::File(file) => file.standing(&self.function),
            Log::Remote(remote) => Ok(remote.standing.clone()),
        }
    }

    /// Looks at the log again, and refuses if it is not as expected.
    ///
    /// # Errors
    /// As [`Decider::decide`].
    pub fn check(&mut self) -> Result<(), DecideError> {
        match &mut self.log {
            Log::File(file) => file.check(&mut self.since, self.expected),
            Log::Remote(remote) => remote.check(&mut self.since, self.expected, self.clock.now()),
        }
    }

    /// Writes a decision about the function, as safe as the log makes it, if nobody else decided anything about it that was not
    /// seen. What has no time gets the present one.
    ///
    /// # Errors
    /// [`DecideError::Conflict`] with what others decided. It is seen from then on: the next decision is made with that in
    /// mind. Where the log cannot be reached or written, nobody knows whether the decision stands there; after every other
    /// error but [`DecideError::Crossed`] it does not.
    pub fn decide(&mut self, decision: Decision) -> Result<(), DecideError> {
        let decision = Decision { at: decision.at.or_else(|| Some(self.clock.now())), ..decision };
        if decision.function != self.function || Decision::parse(&decision.to_line()).is_none() {
            return Err(DecideError::Invalid("nobody would read it as a decision about this function"));
        }
        match &mut self.log {
            Log::File(file) => file.decide(&decision.to_line(), &mut self.since, self.expected),
            Log::Remote(remote) => remote.decide(&decision, &mut self.since, self.expected, &*self.clock),
        }
    }
}
