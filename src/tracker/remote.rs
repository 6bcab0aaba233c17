//! A log that is not a file.

use std::io;
use std::time::{Duration, Instant};

use super::history::History;
use super::medium::{Medium, Trouble, Work};
use super::news::{self, Decided, Memory};
use super::seat::Listener;
use super::{Durability, Pending, Shared};
use crate::evolution::decision::{Change, Decision, each_decision};
use crate::evolution::piece::io_error;
use crate::evolution::remote::RemoteLog;
use crate::evolution::remote::site::{Decide, Heard, Known, NotAll, Writer};
use crate::evolution::source::Source;
use crate::evolution::walk::Walker;
use crate::store::{Address, Error, Settings};
use crate::time::Timestamp;

/// Most decisions that are remembered word for word, the last ones: for strategies that want to know what was.
const DECISIONS_MAX: usize = 100_000;

/// The log and how far it was read.
pub(super) struct RemoteBackend {
    log: RemoteLog,
    writer: Box<dyn Writer>,
    /// How often others' writing is looked for.
    look_every: Duration,
    looked: Option<Instant>,
    /// How far decisions were read.
    known: Known,
    memory: Memory,
    /// The decisions themselves.
    decisions: Vec<Decision>,
    /// A decision of which nobody knows whether it landed: behind which it was sent, and its line.
    in_doubt: Option<(Known, String)>,
    trouble: Trouble,
}

/// What is done where nothing else is asked for.
pub(super) struct Defaults {
    pub(super) durability: Durability,
    pub(super) poll_every: Duration,
}

impl Defaults {
    pub(super) fn of(address: &Address) -> Self {
        match address {
            Address::Bucket(_) => {
                let durability = Durability::Every(Duration::from_secs(5));
                Defaults { durability, poll_every: Duration::from_secs(2) }
            }
            _ => Defaults { durability: super::EVERY_SECOND, poll_every: Duration::from_millis(200) },
        }
    }
}

impl RemoteBackend {
    /// A log at an address, which must not be a path.
    pub(super) fn open(address: &Address, settings: &Settings, look_every: Duration) -> Result<Self, Error> {
        let log = RemoteLog::at(address, settings)?.ok_or_else(|| Error::invalid("store", "it is a path"))?;
        let writer = log.site().writer()?;
        Ok(RemoteBackend {
            log,
            writer,
            look_every,
            looked: None,
            known: Known::default(),
            memory: Memory::default(),
            decisions: Vec::new(),
            in_doubt: None,
            trouble: Trouble::none(),
        })
    }

    /// Hears decisions of others.
    fn hear_decisions(&mut self, shared: &Shared) -> Result<Vec<Pending>, Error> {
        let RemoteBackend { writer, known, memory, decisions, in_doubt, .. } = self;
        let mut reader = shared.reader(memory);
        let mut changed = Vec::new();
        let result = writer.decisions(known, &mut |heard| match heard {
            Heard::Anew => {
                decisions.clear();
                // What strategies have heard they need not hear again.
                reader.read_anew(Some(Decided::default()), true);
            }
            Heard::Lines(lines) => {
                // Our own, whose answer was lost: it is taken in when it is known for sure.
                let is_own = in_doubt.as_ref().is_some_and(|(_, line)| line.as_bytes() == lines);
                each_decision(lines, &mut |decision| {
                    if !is_own && reader.decision(&decision) {
                        changed.push(decision.function.clone());
                    }
                    decisions.push(decision);
                });
                let surplus = decisions.len().saturating_sub(DECISIONS_MAX);
                if surplus > DECISIONS_MAX / 10 {
                    decisions.drain(..surplus);
                }
            }
        });
        news::obey(&shared.seats, &shared.decided, &changed);
        // What is read anew holds when all of it is read, and not before.
        result?;
        reader.caught_up();
        Ok(shared.pending(&mut reader.decisions))
    }

    /// Hears calls of others, if anybody wants to know of them.
    fn hear_calls(&mut self, shared: &Shared) -> Result<Vec<Pending>, Error> {
        let mut reader = shared.reader(&mut self.memory);
        if !reader.is_wanted() {
            self.writer.forget_calls();
            return Ok(Vec::new());
        }
        self.writer.calls(shared.options.clock.now(), &mut |lines| reader.calls(lines))?;
        Ok(shared.pending(&mut reader.decisions))
    }

    fn try_look(&mut self, shared: &Shared) -> Result<Vec<Pending>, Error> {
        if self.looked.is_some_and(|looked| looked.elapsed() < self.look_every) {
            return Ok(Vec::new());
        }
        let mut follows = self.hear_decisions(shared)?;
        follows.append(&mut self.hear_calls(shared)?);
        self.looked = Some(Instant::now());
        Ok(follows)
    }

    /// Writes the next decision, unless somebody else has decided what it would contradict. False if there is none left.
    fn settle_one(&mut self, shared: &Shared, decisions: &mut Vec<Pending>) -> Result<bool, Error> {
        let Some(Pending { decision, heard }) = decisions.first() else { return Ok(false) };
        let line = decision.to_line();
        // One that was sent before is asked for where it was sent.
        let sent = self.in_doubt.take().filter(|(_, sent)| *sent == line);
        let known = sent.as_ref().map_or(self.known, |(known, _)| *known);
        if sent.is_none() && !decision.forced && shared.heard(&decision.function) != *heard {
            decisions.remove(0);
            return Ok(true);
        }
        self.in_doubt = Some((known, line.clone()));
        let outcome = self.writer.decide(&known, &line)?;
        self.in_doubt = None;
        match outcome {
            Decide::Done(known) => {
                // One that was in doubt may have been read since.
                if self.known.last < known.last {
                    self.known = known;
                    self.decisions.push(decision.clone());
                }
                let changes = shared.decided.write().take(decision);
                news::each_seat_of(&shared.seats, &decision.function, |seat| seat.listener.decision(decision));
                if changes {
                    news::obey(&shared.seats, &shared.decided, std::slice::from_ref(&decision.function));
                }
                decisions.remove(0);
            }
            // The winner's is heard first.
            Decide::Moved => decisions.extend(self.hear_decisions(shared)?),
        }
        Ok(true)
    }

    fn try_write(&mut self, shared: &Shared, work: &mut Work<'_>) -> Result<(), Error> {
        let now = shared.options.clock.now();
        let (taken, result) = match self.writer.append(work.lines, now) {
            Ok(()) => (work.lines.len(), Ok(())),
            Err(NotAll { taken, cause }) => (taken, Err(cause)),
        };
        work.lines.drain(..taken);
        result?;
        work.decisions.append(&mut self.try_look(shared)?);
        if work.is_last {
            while self.settle_one(shared, work.decisions)? {}
        }
        Ok(())
    }
}

impl Medium for RemoteBackend {
    fn start(&mut self, shared: &Shared) -> io::Result<()> {
        self.hear_decisions(shared).map(drop).map_err(io_error)
    }

    fn look(&mut self, shared: &Shared) -> io::Result<Vec<Pending>> {
        self.trouble.check()?;
        let looked = self.try_look(shared);
        self.trouble.note(looked.map_err(io_error))
    }

    fn batch_bytes_max(&self, _: &Shared) -> usize {
        self.writer.batch_bytes_max()
    }

    fn write(&mut self, shared: &Shared, work: &mut Work<'_>) -> io::Result<()> {
        self.trouble.check()?;
        let written = self.try_write(shared, work);
        self.trouble.note(written.map_err(io_error))
    }

    fn sync(&mut self, shared: &Shared) -> io::Result<()> {
        self.trouble.check()?;
        let synced = self.writer.sync(shared.options.clock.now());
        self.trouble.note(synced.map_err(io_error))
    }

    fn written_bytes(&self) -> u64 {
        self.writer.written_bytes()
    }

    fn held_lines(&self) -> u64 {
        self.writer.held_lines()
    }

    fn tell(&mut self, shared: &Shared, function: &str, listener: &dyn Listener) -> io::Result<Option<Decision>> {
        let Some(mut history) = History::begin(function, listener) else { return Ok(None) };
        // What this process has made of calls so far is told as well.
        let now = shared.options.clock.now();
        self.writer.sync(now).map_err(io_error)?;
        let ours = self.decisions.iter().filter(|decision| decision.function == function).cloned().collect::<Vec<_>>();
        let release = ours.iter().rposition(|decision| decision.change == Change::Release);
        let since = release.and_then(|at| ours[at].at);
        let mut decisions = ours.into_iter();
        let next = decisions.next();
        let mut merged = Merged { history: &mut history, decisions, next, walker: Walker::default() };
        self.writer.history(since, now, &mut |lines| merged.calls(lines)).map_err(io_error)?;
        merged.finish();
        Ok(history.finish())
    }

    fn sources(&self) -> io::Result<Vec<Source>> {
        self.log.sources().map_err(io_error)
    }
}

/// Calls with decisions put between them by their times: they stand in two logs.
struct Merged<'a, 'h> {
    history: &'a mut History<'h>,
    decisions: std::vec::IntoIter<Decision>,
    next: Option<Decision>,
    walker: Walker,
}

impl Merged<'_, '_> {
    fn calls(&mut self, mut lines: &[u8]) {
        while let Some(next) = self.next.take_if(|_| !lines.is_empty()) {
            let end = self.end_of_calls_until(next.at, lines);
            self.history.calls(&lines[..end]);
            lines = &lines[end..];
            if lines.is_empty() {
                self.next = Some(next);
                return;
            }
            self.history.decided(&next);
            self.next = self.decisions.next();
        }
        self.history.calls(lines);
    }

    /// Where the first call begins that comes after this time.
    fn end_of_calls_until(&mut self, decided: Option<Timestamp>, lines: &[u8]) -> usize {
        let mut end = 0;
        while end < lines.len() {
            let (length, at) = self.walker.time_of_line(&lines[end..]);
            if decided.is_none_or(|decided| at.is_some_and(|at| at > decided)) {
                break;
            }
            end += length;
        }
        end
    }

    fn finish(&mut self) {
        for decision in self.next.take().into_iter().chain(&mut self.decisions) {
            self.history.decided(&decision);
        }
    }
}
