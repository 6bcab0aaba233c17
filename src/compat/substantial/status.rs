//! Where a run stands. A history does not say what its run waits for: that follows from how the last replay ended, which
//! schedules and logs tell.

use std::collections::BTreeMap;

use super::fold::{SaveState, SleepStep, SubstantialHistory, SubstantialLife};
use super::records::{EventBody, SubstantialStop};
use super::stored_run::{ReplayLog, RunSchedule, StoredRun, SubstantialLease};
use super::zone::WorkerZone;
use crate::time::Timestamp;
use crate::workflow::Status;

/// How far off a worker plans the next replay of a run that waits, in microseconds.
const WAIT_US: i64 = 10_000_000;

/// How far off it plans the end of a run, and the next replay of one that sleeps, in microseconds.
const SOON_US: i64 = 500_000;

/// Most names that [`likely_messages`] counts.
const NAMES_MAX: usize = 1_000;

/// Where a run stands. Times are points in time.
#[derive(Clone, Debug, PartialEq)]
pub struct SubstantialStatus {
    /// As one word.
    pub status: Status,
    /// Since when, as far as can be known.
    pub since: Option<Timestamp>,
    /// What it waits for, if it does.
    pub waiting_for: Option<SubstantialWait>,
    /// When it was asked for.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Whether that is inferred from the logs of replays, because the history does not say it.
    pub ended_at_inferred: bool,
    /// What says so, in words.
    pub because: String,
}

/// What a run waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubstantialWait {
    /// A message, or whatever else its code waits for: which one is not recorded.
    Message {
        /// Names that came already: a workflow sees the first of a name alone, so it is none of these.
        not: Vec<String>,
    },
    /// The end of a sleep.
    Until(Timestamp),
    /// The next attempt, as planned. Workers may come earlier.
    RetryAt(Option<Timestamp>),
    /// A worker, which has something to do.
    Worker,
}

/// Looks at a run, at one moment.
struct Look<'a> {
    found: &'a StoredRun,
    history: &'a SubstantialHistory,
    zone: &'a WorkerZone,
    now: Timestamp,
}

impl StoredRun {
    /// Where the run stands at the point in time `now`.
    pub fn status(&self, zone: &WorkerZone, now: Timestamp) -> SubstantialStatus {
        SubstantialStatus::of(self, &self.history(), zone, now)
    }
}

impl SubstantialStatus {
    /// Where the run stands at the point in time `now`, `history` being its history.
    pub fn of(found: &StoredRun, history: &SubstantialHistory, zone: &WorkerZone, now: Timestamp) -> SubstantialStatus {
        let look = Look { found, history, zone, now };
        let mut status = look.status();
        let started = history.life().and_then(|life| life.started_at).or_else(|| look.planned_start().map(|s| s.at));
        status.started_at = started.map(|at| zone.point(at));
        status
    }

    fn new(status: Status, since: Option<Timestamp>, because: impl Into<String>) -> Self {
        SubstantialStatus {
            status,
            since,
            waiting_for: None,
            started_at: None,
            ended_at: None,
            ended_at_inferred: false,
            because: because.into(),
        }
    }

    fn waits_for(mut self, what: SubstantialWait) -> Self {
        self.waiting_for = Some(what);
        self
    }
}

impl<'a> Look<'a> {
    fn status(&self) -> SubstantialStatus {
        if let Some(misread) = self.found.reading.as_ref().and_then(|reading| reading.misread.as_ref()) {
            return SubstantialStatus::new(Status::Corrupt, None, format!("the history cannot be read: {misread}"));
        }
        if let Some(damage) = self.found.damage() {
            return SubstantialStatus::new(Status::Corrupt, None, format!("the history cannot be read: {damage}"));
        }
        if self.history.corrupt {
            let what = self.history.problems.iter().find(|odd| odd.corrupt).map(ToString::to_string);
            return SubstantialStatus::new(Status::Corrupt, None, what.unwrap_or_default());
        }
        if let Some(ended) = self.history.life().and_then(|life| self.ended(life)) {
            return ended;
        }
        if let Some(running) = self.running() {
            return running;
        }
        match self.history.life() {
            None => self.not_begun(),
            Some(_) if self.found.schedules_count == 0 && !self.found.partly_unread => self.led_to_by_nothing(),
            Some(life) => self.under_way(life),
        }
    }

    fn latest(&self) -> Option<&'a ReplayLog> {
        self.found.replays.first()
    }

    fn latest_at(&self) -> Option<Timestamp> {
        self.latest().map(|replay| self.zone.point(replay.at()))
    }

    fn planned_start(&self) -> Option<&'a RunSchedule> {
        let starts = |schedule: &&RunSchedule| matches!(body(schedule), Some(EventBody::Start(_)));
        self.found.schedules.iter().find(starts)
    }

    fn ended(&self, life: &SubstantialLife) -> Option<SubstantialStatus> {
        let end = life.end.as_ref()?;
        let (status, how) = match end.how {
            SubstantialStop::Err(_) => (Status::Failed, "an error"),
            SubstantialStop::Ok(_) | SubstantialStop::Unsaid => (Status::Completed, "a result"),
        };
        let ended = end.at.or_else(|| self.end_by_logs(life)).map(|at| self.zone.point(at));
        let mut ending = SubstantialStatus::new(status, ended, format!("event {} ends it with {how}", end.event + 1));
        (ending.ended_at, ending.ended_at_inferred) = (ended, ended.is_some() && end.at.is_none());
        Some(ending)
    }

    /// The naive time of the end as the logs tell it: the first replay that had all it needed planned the end for half a
    /// second later, and the replay that this led to wrote it.
    fn end_by_logs(&self, life: &SubstantialLife) -> Option<Timestamp> {
        let ready = self.ready_at(life)?;
        let replays = &self.found.replays;
        let whole = replays.len() as u64 == self.found.replays_count;
        if !whole && replays.last()?.at() > ready {
            return None;
        }
        let after = |replay: &&ReplayLog| replay.at() >= ready;
        let led_to = |last: &ReplayLog| {
            let planned = last.schedule.offset_micros(SOON_US);
            replays.iter().rev().find(|replay| replay.schedule == planned && replay.at() >= last.at())
        };
        replays.iter().rev().filter(after).find_map(led_to).map(ReplayLog::at)
    }

    /// The last naive time at which something came that a run may have needed: its start, a message, the end of a sleep.
    fn ready_at(&self, life: &SubstantialLife) -> Option<Timestamp> {
        let sent = life.sent.last().and_then(|sent| sent.at);
        let over = life.sleeps.last().and_then(|sleep| sleep.end).filter(|end| *end <= self.now);
        life.started_at.into_iter().chain(sent).chain(over.map(|end| self.zone.naive(end))).max()
    }

    /// A worker holds the run, and no replay has ended since it took it. (On files a hold outlasts its replay: the package
    /// cannot let go of it.)
    fn running(&self) -> Option<SubstantialStatus> {
        // One from the future is of a file that was copied; clocks differ by less than a lease.
        let is_held =
            |lease: &SubstantialLease| lease.until > self.now && lease.since < self.now.offset_micros(super::LEASE_US);
        let lease = self.found.lease.filter(is_held)?;
        let over = self.latest_at().is_some_and(|at| at >= lease.since);
        (!over).then(|| {
            SubstantialStatus::new(
                Status::Running,
                Some(lease.since),
                format!("a worker holds it until {}", lease.until),
            )
        })
    }

    fn not_begun(&self) -> SubstantialStatus {
        if let Some(start) = self.planned_start() {
            let because = "no worker has taken its start";
            return SubstantialStatus::new(Status::Pending, Some(self.zone.point(start.at)), because)
                .waits_for(SubstantialWait::Worker);
        }
        let because = match self.found.schedules_count {
            0 if self.found.partly_unread => "there is no history, and what leads to one could not be read",
            0 => "there is no history, and nothing that leads to one",
            _ => "there is no history, and no start that leads to one",
        };
        SubstantialStatus::new(Status::Pending, None, because)
    }

    /// A workflow that calls `cancel_run` leaves nothing behind, and this is what nothing looks like.
    fn led_to_by_nothing(&self) -> SubstantialStatus {
        let since = self.latest_at();
        match self.latest() {
            Some(replay) if replay.error().is_none() => {
                let because = "it has not ended, and nothing leads to it, as when a run is cancelled from inside";
                SubstantialStatus::new(Status::Cancelled, since, because)
            }
            _ => SubstantialStatus::new(
                Status::Pending,
                since,
                "it has not ended, and nothing leads to it: its schedule was lost",
            ),
        }
    }

    fn under_way(&self, life: &SubstantialLife) -> SubstantialStatus {
        let next = self.found.schedules.first().map(|schedule| self.zone.point(schedule.at));
        let waited = self.was_interrupted();
        if let Some(sleep) = life.sleeps.last().filter(|sleep| !waited && self.is_open(life, sleep)) {
            return self.sleeping(sleep);
        }
        if let Some(status) = self.something_came() {
            return status;
        }
        if let Some(error) = self.latest().and_then(ReplayLog::error) {
            let because = format!("the last replay ended with {}", crate::text::quote(&error.message));
            return SubstantialStatus::new(Status::Retrying, self.latest_at(), because)
                .waits_for(SubstantialWait::RetryAt(next));
        }
        let retrying = life.steps.iter().find_map(|step| match step.state {
            SaveState::Retrying(counter) => Some((step.id, counter)),
            SaveState::Done(_) => None,
        });
        if let Some((id, counter)) = retrying.filter(|_| !waited) {
            let because = format!("step {id} failed, and attempt {counter} is next");
            return SubstantialStatus::new(Status::Retrying, self.latest_at(), because)
                .waits_for(SubstantialWait::RetryAt(next));
        }
        self.waiting(life, waited)
    }

    /// Whether the last replay ended because something had not come: it is told by how far off the next one was planned.
    fn was_interrupted(&self) -> bool {
        let planned = self.latest().map(|replay| replay.schedule.offset_micros(WAIT_US));
        planned.is_some_and(|planned| self.found.schedules.iter().any(|s| s.at == planned && s.event.is_none()))
    }

    /// Whether no replay has gone past the sleep.
    fn is_open(&self, life: &SubstantialLife, sleep: &SleepStep) -> bool {
        let passed = |at: Timestamp| sleep.end.is_none_or(|end| at >= end);
        let behind = life.steps.iter().flat_map(|step| &step.attempts).any(|attempt| *attempt > sleep.event);
        !behind && !self.latest_at().is_some_and(passed)
    }

    fn sleeping(&self, sleep: &SleepStep) -> SubstantialStatus {
        match sleep.end {
            Some(end) if end > self.now => {
                let because = format!("sleep {} lasts until {end}", sleep.id);
                SubstantialStatus::new(Status::Sleeping, sleep.start, because).waits_for(SubstantialWait::Until(end))
            }
            end => {
                let because = format!("sleep {} is over, and no worker has gone on", sleep.id);
                SubstantialStatus::new(Status::Pending, end, because).waits_for(SubstantialWait::Worker)
            }
        }
    }

    /// A message or an end that is still to be moved into the history.
    fn something_came(&self) -> Option<SubstantialStatus> {
        let (schedule, event) = self.found.schedules.iter().find_map(|s| Some((s, body(s)?)))?;
        let because = match event {
            EventBody::Stop(_) => "its end is planned, and no worker has written it".to_owned(),
            EventBody::Send { name, .. } => {
                format!("message {} came, and no worker has taken it", crate::text::quote(name))
            }
            _ => "an event is planned, and no worker has taken it".to_owned(),
        };
        let since = Some(self.zone.point(schedule.at));
        Some(SubstantialStatus::new(Status::Pending, since, because).waits_for(SubstantialWait::Worker))
    }

    fn waiting(&self, life: &SubstantialLife, certain: bool) -> SubstantialStatus {
        let ready = self.ready_at(life);
        // It was found wanting by the first replay after the last thing that came.
        let first =
            self.found.replays.iter().rev().map(ReplayLog::at).find(|at| ready.is_none_or(|ready| *at >= ready));
        let since = first.or(ready).map(|at| self.zone.point(at));
        let mut not: Vec<String> = life.sent.iter().filter(|s| s.nth == 1).map(|s| s.name.to_string()).collect();
        not.sort_unstable();
        let because = match certain {
            true => "the last replay found that something it waits for had not come",
            false => "it neither sleeps nor retries, and has not ended",
        };
        SubstantialStatus::new(Status::Waiting, since, because).waits_for(SubstantialWait::Message { not })
    }
}

fn body(schedule: &RunSchedule) -> Option<&EventBody> {
    schedule.event.as_ref()?.body.as_ref()
}

/// The names of messages that a waiting run may wait for: those that other runs of its workflow were sent and it was not.
/// With each, how many runs were; the most common first.
pub fn likely_messages<'a>(
    run: &SubstantialLife,
    others: impl IntoIterator<Item = &'a SubstantialLife>,
) -> Vec<(String, usize)> {
    let came = |name: &str| run.sent.iter().any(|sent| &*sent.name == name);
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for other in others {
        for sent in other.sent.iter().filter(|sent| sent.nth == 1) {
            if counts.len() < NAMES_MAX || counts.contains_key(&*sent.name) {
                *counts.entry(&sent.name).or_default() += 1;
            }
        }
    }
    let mut names: Vec<_> =
        counts.into_iter().filter(|(name, _)| !came(name)).map(|(n, c)| (n.to_owned(), c)).collect();
    names.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    names
}
