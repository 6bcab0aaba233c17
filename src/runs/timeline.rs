//! The life of a run as bars over time, collected while its history is followed.

use std::collections::HashMap;

use super::details::{InboxMessage, RunDetails, StepView};
use super::event::{NativeEvent, RunEvent};
use crate::time::Timestamp;
use crate::workflow::{Call, Ending, Entry, Event, Outcome};

/// Most tracks of steps, bars of one, and claims that are remembered; the first that are over are let go of.
const TRACKS_MAX: usize = 4_096;
const BARS_MAX: usize = 512;
const CLAIMS_MAX: usize = 8_192;

/// How a step stands of which nothing came before the run ended.
pub const STEP_GIVEN_UP: &str = "given up";

/// What goes on during a bar. Where bars of one lane lie over each other, the later kind is the one to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BarKind {
    /// It waits or sleeps.
    Waiting,
    /// Something is done.
    Working,
    /// A message came that no worker took yet.
    NotTaken,
    /// A message came, or the run began.
    Point,
    /// Something failed.
    Failed,
}

/// A part of a lane; a point in time, if it begins and ends at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimelineBar {
    /// When it begins.
    pub from: Timestamp,
    /// When it ends.
    pub to: Timestamp,
    /// What goes on meanwhile.
    pub kind: BarKind,
}

impl TimelineBar {
    /// A bar between two points in time, whichever is the earlier.
    pub fn new(from: Timestamp, to: Timestamp, kind: BarKind) -> Self {
        TimelineBar { from: from.min(to), to: to.max(from), kind }
    }

    /// A point in time.
    pub fn point(at: Timestamp, kind: BarKind) -> Self {
        TimelineBar { from: at, to: at, kind }
    }
}

/// What has a life of its own in a run: its worker, a step, its messages.
#[derive(Clone, Debug, Default)]
pub struct TimelineLane {
    /// What it is called.
    pub name: String,
    /// How it stands, as a word; empty if that says nothing.
    pub state: &'static str,
    /// Its bars, in no order.
    pub bars: Vec<TimelineBar>,
    /// Whether its last bar has not ended.
    pub goes_on: bool,
}

/// The lanes of a run.
#[derive(Clone, Debug)]
pub struct TimelineLanes {
    /// When a worker held the run; if no claims are recorded, when the run began and ended.
    pub run: TimelineLane,
    /// Whether claims are recorded.
    pub has_claims: bool,
    /// The steps, in the order in which they first appear.
    pub steps: Vec<TimelineLane>,
    /// How many more steps there were, before these.
    pub steps_before: u64,
    /// What others told the run.
    pub messages: Vec<TimelineLane>,
}

/// A step, told from others: the life of the run, and the name.
type Key = (u32, String);

/// What is remembered of a step.
#[derive(Debug)]
struct Track {
    key: Key,
    begun: Timestamp,
    ended: Option<Timestamp>,
    state: &'static str,
    bars: Vec<TimelineBar>,
}

/// An attempt that ended, of those that were appended together.
#[derive(Debug)]
struct Attempt {
    key: Key,
    took: i64,
    end: Option<&'static str>,
    failed: bool,
}

/// A worker's hold of the run.
#[derive(Clone, Copy, Debug)]
struct Held {
    from: Timestamp,
    until: Timestamp,
}

/// What is seen of a run's life while its history goes by. Its memory does not grow with the history.
#[derive(Debug, Default)]
pub struct Timeline {
    claims: Vec<TimelineBar>,
    held: Option<Held>,
    tracks: Vec<Track>,
    places: HashMap<Key, usize>,
    left_out: u64,
    /// Attempts appended at `at`, and when the append before was.
    batch: Vec<Attempt>,
    at: Option<Timestamp>,
    before: Option<Timestamp>,
}

impl Timeline {
    /// Takes an event into account.
    pub fn see(&mut self, event: &RunEvent<'_>) {
        let NativeEvent::Own { entry, state, .. } = event.native else {
            if let Some(at) = event.at {
                self.moves_to(at);
            }
            return;
        };
        self.moves_to(entry.at);
        self.claim(entry);
        let key = |call: &Call<'_>| (state.life(), format!("{}#{}", call.step, call.n));
        self.step(entry, &key);
    }

    /// Time goes on: what was appended together before is complete.
    fn moves_to(&mut self, at: Timestamp) {
        if self.at == Some(at) {
            return;
        }
        self.settle();
        self.before = self.at;
        self.at = Some(at);
    }

    fn claim(&mut self, entry: &Entry<'_>) {
        match &entry.event {
            Event::Claim { until, .. } => {
                self.let_go(entry.at, true);
                self.held = Some(Held { from: entry.at, until: *until });
            }
            Event::Renew { until } => {
                if let Some(held) = &mut self.held {
                    held.until = *until;
                }
            }
            Event::Release(_) | Event::Continue { .. } | Event::Compact { .. } | Event::Stop(_) => {
                self.let_go(entry.at, false);
            }
            _ => {}
        }
    }

    /// The hold is over by `at`. A worker that lost it was stopped or is late.
    fn let_go(&mut self, at: Timestamp, lost: bool) {
        self.settle();
        let Some(held) = self.held.take() else { return };
        let end = if lost { held.until.clamp(held.from, at.max(held.from)) } else { at };
        self.claims.push(TimelineBar::new(held.from, end, BarKind::Working));
        if lost {
            self.claims.push(TimelineBar::point(end, BarKind::Failed));
        }
        if self.claims.len() > CLAIMS_MAX {
            coarsen(&mut self.claims);
        }
    }

    fn step(&mut self, entry: &Entry<'_>, key: &dyn Fn(&Call<'_>) -> Key) {
        let at = entry.at;
        match &entry.event {
            Event::Save { call, outcome, took_us, .. } => {
                let took = took_us.and_then(|us| i64::try_from(us).ok()).unwrap_or(0);
                let (failed, end) = match outcome {
                    Outcome::Done(_) => (false, Some("done")),
                    Outcome::Retry { .. } => (true, None),
                    Outcome::Failed(_) => (true, Some("failed")),
                };
                self.track(key(call), at, "retrying");
                self.batch.push(Attempt { key: key(call), took, end, failed });
            }
            Event::Compensation { call, outcome, .. } => {
                let kind = if matches!(outcome, Outcome::Done(_)) { BarKind::Working } else { BarKind::Failed };
                self.settle();
                if let Some(track) = self.known(&key(call)) {
                    track.bar(TimelineBar::point(at, kind));
                }
            }
            Event::Sleep { call, .. } => _ = self.track(key(call), at, "sleeping"),
            Event::Wait { call, done, .. } => {
                self.track(key(call), at, "waiting");
                if *done {
                    self.end(&key(call), at, "done");
                }
            }
            Event::Child { call, .. } => _ = self.track(key(call), at, "waiting"),
            Event::Wake { call } => {
                let timed_out = self.known(&key(call)).is_some_and(|track| track.state == "waiting");
                self.end(&key(call), at, if timed_out { "timed out" } else { "done" });
            }
            Event::Ensure { call } => self.end(&key(call), at, "done"),
            Event::Receive { to: Some(call), done: true, .. } => self.end(&key(call), at, "done"),
            Event::ChildEnd { call, ending, .. } => {
                let ok = matches!(ending, Ending::Ok(_));
                self.end(&key(call), at, if ok { "done" } else { "failed" });
            }
            _ => {}
        }
    }

    fn known(&mut self, key: &Key) -> Option<&mut Track> {
        self.tracks.get_mut(*self.places.get(key)?)
    }

    /// The track of a step, which begins now if it is not known.
    fn track(&mut self, key: Key, at: Timestamp, state: &'static str) -> &mut Track {
        if !self.places.contains_key(&key) && self.tracks.len() >= TRACKS_MAX {
            self.forget();
        }
        let next = self.tracks.len();
        let place = *self.places.entry(key.clone()).or_insert(next);
        if place == next {
            self.tracks.push(Track { key, begun: at, ended: None, state, bars: Vec::new() });
        }
        &mut self.tracks[place]
    }

    /// Lets go of the steps that are over but the last ones; of all but the last ones if none is over.
    fn forget(&mut self) {
        let before = self.tracks.len();
        let from = before.saturating_sub(TRACKS_MAX / 2);
        let mut number = 0;
        self.tracks.retain(|track| {
            number += 1;
            number > from || track.ended.is_none()
        });
        if self.tracks.len() > TRACKS_MAX * 3 / 4 {
            self.tracks.drain(..self.tracks.len() - TRACKS_MAX / 2);
        }
        self.left_out += (before - self.tracks.len()) as u64;
        self.places = self.tracks.iter().enumerate().map(|(place, track)| (track.key.clone(), place)).collect();
    }

    fn end(&mut self, key: &Key, at: Timestamp, state: &'static str) {
        self.settle();
        if let Some(track) = self.known(key) {
            track.end(at, state);
        }
    }

    /// Gives the attempts that were appended together their times. One after another if there was so much time since the append
    /// before; else they went on at the same time, and all ended when they were appended.
    fn settle(&mut self) {
        let Some(at) = self.at else { return };
        let batch = std::mem::take(&mut self.batch);
        let sum = batch.iter().fold(0i64, |sum, attempt| sum.saturating_add(attempt.took));
        let in_turn = self.before.is_some_and(|before| at.micros().saturating_sub(before.micros()) >= sum);
        let mut later = at;
        for attempt in batch.into_iter().rev() {
            let to = if in_turn { later } else { at };
            let mut from = to.offset_micros(attempt.took.saturating_neg());
            // It cannot have begun before the worker took the run.
            from = self.held.map_or(from, |held| from.max(held.from.min(to)));
            later = from;
            let Some(track) = self.known(&attempt.key) else { continue };
            track.begun = track.begun.min(from);
            track.bar(TimelineBar::new(from, to, BarKind::Working));
            if attempt.failed {
                track.bar(TimelineBar::point(to, BarKind::Failed));
            }
            if let Some(state) = attempt.end {
                track.end(to, state);
            }
        }
    }

    /// How long a step took from its beginning to its end, in microseconds, if both are known.
    pub fn took(&self, life: u32, step: &str) -> Option<i64> {
        let track = &self.tracks[*self.places.get(&(life, step.to_owned()))?];
        Some(track.ended?.micros() - track.begun.micros()).filter(|took| *took > 0)
    }

    /// Whether a worker held the run somewhere between two times.
    pub fn is_held(&self, from: Timestamp, to: Timestamp) -> bool {
        let within = |bar: &TimelineBar| bar.kind == BarKind::Working && bar.from < to && bar.to > from;
        // Claims are in the order of time.
        let first = self.claims.partition_point(|bar| bar.to <= from);
        self.claims.get(first..).is_some_and(|claims| claims.iter().take(4).any(within))
            || self.held.is_some_and(|held| held.from < to && held.until > from)
    }

    /// The lanes of the run that was followed.
    pub fn lanes(&self, details: &RunDetails) -> TimelineLanes {
        let end = self.end_of(details);
        let start = details.run.started_at.map_or(end, |start| start.min(end));
        let (run, has_claims) = self.worker(details, start, end);
        let steps = if self.tracks.is_empty() { untimed_steps(details, end) } else { self.steps(details, end) };
        TimelineLanes { run, has_claims, steps, steps_before: self.left_out, messages: messages(details) }
    }

    /// Every event has been seen.
    pub fn finish(&mut self) {
        self.settle();
    }

    /// The last time that is known of.
    fn end_of(&self, details: &RunDetails) -> Timestamp {
        let run = &details.run;
        let known = [run.started_at, run.updated_at, run.ended_at, self.at];
        let messages = details.inbox.iter().map(|message| message.at);
        known.into_iter().chain(messages).flatten().max().unwrap_or(Timestamp::MIN)
    }

    fn worker(&self, details: &RunDetails, start: Timestamp, end: Timestamp) -> (TimelineLane, bool) {
        let goes_on = details.run.ended_at.is_none();
        let held = self.held.filter(|_| goes_on).map(|held| held.from);
        let mut bars = self.claims.clone();
        bars.extend(held.map(|from| TimelineBar::new(from, end, BarKind::Working)));
        if bars.is_empty() {
            // What is not recorded is no reason to say nothing of when the run began and ended.
            let bars = vec![TimelineBar::new(start, details.run.ended_at.unwrap_or(end), BarKind::Waiting)];
            return (TimelineLane { name: "run".into(), bars, goes_on, ..TimelineLane::default() }, false);
        }
        bars.push(TimelineBar::point(start, BarKind::Point));
        let state = if held.is_some() { "held" } else { "" };
        (TimelineLane { name: "worker".into(), state, bars, goes_on: held.is_some() }, true)
    }

    fn steps(&self, details: &RunDetails, end: Timestamp) -> Vec<TimelineLane> {
        let lane = |track: &Track| {
            let (life, name) = &track.key;
            let name = if *life < details.state.life { format!("life {life}: {name}") } else { name.clone() };
            let is_open = track.ended.is_none() && *life == details.state.life;
            let goes_on = is_open && details.run.ended_at.is_none();
            let last = details.run.ended_at.unwrap_or(end);
            let until = track.ended.or(is_open.then_some(last)).unwrap_or(track.begun);
            let mut bars = vec![TimelineBar::new(track.begun, until, BarKind::Waiting)];
            bars.extend(&track.bars);
            let state = if is_open && !goes_on { STEP_GIVEN_UP } else { track.state };
            TimelineLane { name, state, bars, goes_on }
        };
        self.tracks.iter().map(lane).collect()
    }
}

impl Track {
    fn bar(&mut self, bar: TimelineBar) {
        if self.bars.len() == BARS_MAX {
            self.bars.drain(..BARS_MAX / 2);
        }
        self.bars.push(bar);
    }

    fn end(&mut self, at: Timestamp, state: &'static str) {
        self.ended = Some(at);
        self.state = state;
    }
}

/// Joins the claims between which there is least.
fn coarsen(claims: &mut Vec<TimelineBar>) {
    claims.retain(|bar| bar.kind == BarKind::Working);
    let mut gaps: Vec<i64> = claims.windows(2).map(|pair| pair[1].from.micros() - pair[0].to.micros()).collect();
    gaps.sort_unstable();
    let Some(limit) = gaps.get(gaps.len() / 2).copied() else { return };
    let mut joined: Vec<TimelineBar> = Vec::new();
    for bar in claims.drain(..) {
        match joined.last_mut() {
            Some(last) if bar.from.micros() - last.to.micros() <= limit => last.to = last.to.max(bar.to),
            _ => joined.push(bar),
        }
    }
    *claims = joined;
}

/// Lanes of steps of which nothing was seen on the way but the outcome.
fn untimed_steps(details: &RunDetails, end: Timestamp) -> Vec<TimelineLane> {
    let timed = details.state.steps.iter().filter(|step| step.kind != "receive" && step.kind != "value");
    let lane = |step: &StepView| {
        let from = step.first_at?;
        let to = step.last_at.or(step.is_open.then_some(end)).unwrap_or(from);
        let bars = vec![TimelineBar::new(from, to.min(end), BarKind::Waiting)];
        let goes_on = step.is_open && details.run.ended_at.is_none();
        Some(TimelineLane { name: step.step.clone(), state: step.state, bars, goes_on })
    };
    timed.filter_map(lane).collect()
}

/// What others told the run, as points.
fn messages(details: &RunDetails) -> Vec<TimelineLane> {
    let of = |name: &str, wanted: &dyn Fn(&InboxMessage) -> bool| {
        let point = |message: &InboxMessage| {
            let kind = if message.is_taken { BarKind::Point } else { BarKind::NotTaken };
            Some(TimelineBar::point(message.at?, kind))
        };
        let bars: Vec<TimelineBar> = details.inbox.iter().filter(|message| wanted(message)).filter_map(point).collect();
        let lane = TimelineLane { name: name.to_owned(), bars, ..TimelineLane::default() };
        Some(lane).filter(|lane| !lane.bars.is_empty())
    };
    let messages = of("messages", &|message| message.kind == "message");
    let cancels = of("cancel", &|message| message.kind == "cancel" || message.kind == "stop");
    messages.into_iter().chain(cancels).collect()
}
