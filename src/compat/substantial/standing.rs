//! Where a run stands. A history does not say what its run waits for: that follows from how the last replay ended, which
//! schedules and logs tell.

use std::collections::BTreeMap;

use super::fold::{History, Life, Pause, StepState};
use super::found::{Found, Lease, Replayed, Schedule};
use super::records::{Body, Stop};
use super::zone::Zone;
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
pub struct Standing {
    /// As one word.
    pub status: Status,
    /// Since when, as far as can be known.
    pub since: Option<Timestamp>,
    /// What it waits for, if it does.
    pub waiting_for: Option<WaitingFor>,
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
pub enum WaitingFor {
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
    found: &'a Found,
    history: &'a History,
    zone: &'a Zone,
    now: Timestamp,
}

impl Standing {
    /// Where the run stands at the point in time `now`, `history` being its history.
    pub fn of(found: &Found, history: &History, zone: &Zone, now: Timestamp) -> Standing {
        let look = Look { found, history, zone, now };
        let mut standing = look.standing();
        let started = history.life().and_then(|life| life.started_at).or_else(|| look.planned_start().map(|s| s.at));
        standing.started_at = started.map(|at| zone.point(at));
        standing
    }

    fn new(status: Status, since: Option<Timestamp>, because: impl Into<String>) -> Self {
        Standing {
            status,
            since,
            waiting_for: None,
            started_at: None,
            ended_at: None,
            ended_at_inferred: false,
            because: because.into(),
        }
    }

    fn waits_for(mut self, what: WaitingFor) -> Self {
        self.waiting_for = Some(what);
        self
    }
}

impl<'a> Look<'a> {
    fn standing(&self) -> Standing {
        if let Some(misread) = self.found.reading.as_ref().and_then(|reading| reading.misread.as_ref()) {
            return Standing::new(Status::Corrupt, None, format!("the history cannot be read: {misread}"));
        }
        if let Some(damage) = self.found.damage() {
            return Standing::new(Status::Corrupt, None, format!("the history cannot be read: {damage}"));
        }
        if self.history.corrupt {
            let what = self.history.problems.iter().find(|odd| odd.corrupt).map(ToString::to_string);
            return Standing::new(Status::Corrupt, None, what.unwrap_or_default());
        }
        if let Some(ended) = self.history.life().and_then(|life| self.ended(life)) {
            return ended;
        }
        if let Some(running) = self.running() {
            return running;
        }
        match self.history.life() {
            None => self.not_begun(),
            Some(_) if self.found.schedules_count == 0 => self.led_to_by_nothing(),
            Some(life) => self.under_way(life),
        }
    }

    fn latest(&self) -> Option<&'a Replayed> {
        self.found.replays.first()
    }

    fn latest_at(&self) -> Option<Timestamp> {
        self.latest().map(|replay| self.zone.point(replay.at()))
    }

    fn planned_start(&self) -> Option<&'a Schedule> {
        let starts = |schedule: &&Schedule| matches!(body(schedule), Some(Body::Start(_)));
        self.found.schedules.iter().find(starts)
    }

    fn ended(&self, life: &Life) -> Option<Standing> {
        let end = life.end.as_ref()?;
        let (status, how) = match end.how {
            Stop::Err(_) => (Status::Failed, "an error"),
            Stop::Ok(_) | Stop::Unsaid => (Status::Completed, "a result"),
        };
        let ended = end.at.or_else(|| self.end_by_logs(life)).map(|at| self.zone.point(at));
        let mut standing = Standing::new(status, ended, format!("event {} ends it with {how}", end.event + 1));
        (standing.ended_at, standing.ended_at_inferred) = (ended, ended.is_some() && end.at.is_none());
        Some(standing)
    }

    /// The naive time of the end as the logs tell it: the first replay that had all it needed planned the end for half a
    /// second later, and the replay that this led to wrote it.
    fn end_by_logs(&self, life: &Life) -> Option<Timestamp> {
        let ready = self.ready_at(life)?;
        let replays = &self.found.replays;
        let whole = replays.len() as u64 == self.found.replays_count;
        if !whole && replays.last()?.at() > ready {
            return None;
        }
        let after = |replay: &&Replayed| replay.at() >= ready;
        let led_to = |last: &Replayed| {
            let planned = last.schedule.offset_micros(SOON_US);
            replays.iter().rev().find(|replay| replay.schedule == planned && replay.at() >= last.at())
        };
        replays.iter().rev().filter(after).find_map(led_to).map(Replayed::at)
    }

    /// The last naive time at which something came that a run may have needed: its start, a message, the end of a sleep.
    fn ready_at(&self, life: &Life) -> Option<Timestamp> {
        let sent = life.sent.last().and_then(|sent| sent.at);
        let over = life.sleeps.last().and_then(|sleep| sleep.end).filter(|end| *end <= self.now);
        life.started_at.into_iter().chain(sent).chain(over.map(|end| self.zone.naive(end))).max()
    }

    /// A worker holds the run, and no replay has ended since it took it. (On files a hold outlasts its replay: the package
    /// cannot let go of it.)
    fn running(&self) -> Option<Standing> {
        // One from the future is of a file that was copied; clocks differ by less than a lease.
        let is_held = |lease: &Lease| lease.until > self.now && lease.since < self.now.offset_micros(super::LEASE_US);
        let lease = self.found.lease.filter(is_held)?;
        let over = self.latest_at().is_some_and(|at| at >= lease.since);
        (!over).then(|| {
            Standing::new(Status::Running, Some(lease.since), format!("a worker holds it until {}", lease.until))
        })
    }

    fn not_begun(&self) -> Standing {
        if let Some(start) = self.planned_start() {
            let because = "no worker has taken its start";
            return Standing::new(Status::Pending, Some(self.zone.point(start.at)), because)
                .waits_for(WaitingFor::Worker);
        }
        let because = match self.found.schedules_count {
            0 => "there is no history, and nothing that leads to one",
            _ => "there is no history, and no start that leads to one",
        };
        Standing::new(Status::Pending, None, because)
    }

    /// A workflow that calls `cancel_run` leaves nothing behind, and this is what nothing looks like.
    fn led_to_by_nothing(&self) -> Standing {
        let since = self.latest_at();
        match self.latest() {
            Some(replay) if replay.error().is_none() => {
                let because = "it has not ended, and nothing leads to it, as when a run is cancelled from inside";
                Standing::new(Status::Cancelled, since, because)
            }
            _ => Standing::new(
                Status::Pending,
                since,
                "it has not ended, and nothing leads to it: its schedule was lost",
            ),
        }
    }

    fn under_way(&self, life: &Life) -> Standing {
        let next = self.found.schedules.first().map(|schedule| self.zone.point(schedule.at));
        let waited = self.was_interrupted();
        if let Some(sleep) = life.sleeps.last().filter(|sleep| !waited && self.is_open(life, sleep)) {
            return self.sleeping(sleep);
        }
        if let Some(standing) = self.something_came() {
            return standing;
        }
        if let Some(error) = self.latest().and_then(Replayed::error) {
            let because = format!("the last replay ended with {}", crate::text::quote(&error.message));
            return Standing::new(Status::Retrying, self.latest_at(), because).waits_for(WaitingFor::RetryAt(next));
        }
        let retrying = life.steps.iter().find_map(|step| match step.state {
            StepState::Retrying(counter) => Some((step.id, counter)),
            StepState::Done(_) => None,
        });
        if let Some((id, counter)) = retrying.filter(|_| !waited) {
            let because = format!("step {id} failed, and attempt {counter} is next");
            return Standing::new(Status::Retrying, self.latest_at(), because).waits_for(WaitingFor::RetryAt(next));
        }
        self.waiting(life, waited)
    }

    /// Whether the last replay ended because something had not come: it is told by how far off the next one was planned.
    fn was_interrupted(&self) -> bool {
        let planned = self.latest().map(|replay| replay.schedule.offset_micros(WAIT_US));
        planned.is_some_and(|planned| self.found.schedules.iter().any(|s| s.at == planned && s.event.is_none()))
    }

    /// Whether no replay has gone past the sleep.
    fn is_open(&self, life: &Life, sleep: &Pause) -> bool {
        let passed = |at: Timestamp| sleep.end.is_none_or(|end| at >= end);
        let behind = life.steps.iter().flat_map(|step| &step.attempts).any(|attempt| attempt.event > sleep.event);
        !behind && !self.latest_at().is_some_and(passed)
    }

    fn sleeping(&self, sleep: &Pause) -> Standing {
        match sleep.end {
            Some(end) if end > self.now => {
                let because = format!("sleep {} lasts until {end}", sleep.id);
                Standing::new(Status::Sleeping, sleep.start, because).waits_for(WaitingFor::Until(end))
            }
            end => {
                let because = format!("sleep {} is over, and no worker has gone on", sleep.id);
                Standing::new(Status::Pending, end, because).waits_for(WaitingFor::Worker)
            }
        }
    }

    /// A message or an end that is still to be moved into the history.
    fn something_came(&self) -> Option<Standing> {
        let (schedule, event) = self.found.schedules.iter().find_map(|s| Some((s, body(s)?)))?;
        let because = match event {
            Body::Stop(_) => "its end is planned, and no worker has written it".to_owned(),
            Body::Send(send) => {
                format!("message {} came, and no worker has taken it", crate::text::quote(&send.name))
            }
            _ => "an event is planned, and no worker has taken it".to_owned(),
        };
        let since = Some(self.zone.point(schedule.at));
        Some(Standing::new(Status::Pending, since, because).waits_for(WaitingFor::Worker))
    }

    fn waiting(&self, life: &Life, certain: bool) -> Standing {
        let ready = self.ready_at(life);
        // It was found wanting by the first replay after the last thing that came.
        let first = self.found.replays.iter().rev().map(Replayed::at).find(|at| ready.is_none_or(|ready| *at >= ready));
        let since = first.or(ready).map(|at| self.zone.point(at));
        let mut not: Vec<String> = life.sent.iter().filter(|s| s.nth == 1).map(|s| s.name.to_string()).collect();
        not.sort_unstable();
        let because = match certain {
            true => "the last replay found that something it waits for had not come",
            false => "it neither sleeps nor retries, and has not ended",
        };
        Standing::new(Status::Waiting, since, because).waits_for(WaitingFor::Message { not })
    }
}

fn body(schedule: &Schedule) -> Option<&Body> {
    schedule.event.as_ref()?.body.as_ref()
}

/// The names of messages that a waiting run may wait for: those that other runs of its workflow were sent and it was not.
/// With each, how many runs were; the most common first.
pub fn likely_messages<'a>(run: &Life, others: impl IntoIterator<Item = &'a Life>) -> Vec<(String, usize)> {
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
