//! The lanes of a run's timeline, collected while its history is followed.

use std::collections::HashMap;

use crate::output::table::Tone;
use crate::runs::timeline::{Bar, Fill, LANES_MAX, Lane};
use temporal_code::runs::{InboxMessage, NativeEvent, RunDetails, RunEvent};
use temporal_code::time::Timestamp;
use temporal_code::workflow::{Call, Ending, Entry, Event, Outcome};

/// Most tracks of steps, bars of one, and claims that are remembered; the first that are over are let go of.
const TRACKS_MAX: usize = 4_096;
const BARS_MAX: usize = 512;
const CLAIMS_MAX: usize = 8_192;

/// How a step stands of which nothing came before the run ended.
pub(super) const GIVEN_UP: &str = "given up";

/// The lane of a run of which no claims are recorded.
pub(super) const WHOLE: &str = "run";

/// A step, told from others: the life of the run, and the name.
type Key = (u32, String);

/// What is remembered of a step.
struct Track {
    key: Key,
    begun: Timestamp,
    ended: Option<Timestamp>,
    state: &'static str,
    tone: Tone,
    bars: Vec<Bar>,
}

/// An attempt that ended, of those that were appended together.
struct Attempt {
    key: Key,
    took: i64,
    end: Option<&'static str>,
    failed: bool,
}

/// A worker's hold of the run.
#[derive(Clone, Copy)]
struct Held {
    from: Timestamp,
    until: Timestamp,
}

/// What is seen of a run's life while its history goes by.
#[derive(Default)]
pub(super) struct Lanes {
    claims: Vec<Bar>,
    held: Option<Held>,
    tracks: Vec<Track>,
    places: HashMap<Key, usize>,
    left_out: u64,
    /// Attempts appended at `at`, and when the append before was.
    batch: Vec<Attempt>,
    at: Option<Timestamp>,
    before: Option<Timestamp>,
}

impl Lanes {
    /// Takes an event into account.
    pub(super) fn see(&mut self, event: &RunEvent<'_>) {
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
        self.claims.push(Bar::new(held.from, end, Fill::Work));
        if lost {
            self.claims.push(Bar::point(end, Fill::Failed));
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
                self.track(key(call), at, "retrying", Tone::Warn);
                self.batch.push(Attempt { key: key(call), took, end, failed });
            }
            Event::Compensation { call, outcome, .. } => {
                let fill = if matches!(outcome, Outcome::Done(_)) { Fill::Work } else { Fill::Failed };
                self.settle();
                if let Some(track) = self.known(&key(call)) {
                    track.bar(Bar::point(at, fill));
                }
            }
            Event::Sleep { call, .. } => _ = self.track(key(call), at, "sleeping", Tone::Plain),
            Event::Wait { call, done, .. } => {
                self.track(key(call), at, "waiting", Tone::Plain);
                if *done {
                    self.end(&key(call), at, "done");
                }
            }
            Event::Child { call, .. } => _ = self.track(key(call), at, "waiting", Tone::Plain),
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
    fn track(&mut self, key: Key, at: Timestamp, state: &'static str, tone: Tone) -> &mut Track {
        if !self.places.contains_key(&key) && self.tracks.len() >= TRACKS_MAX {
            self.forget();
        }
        let next = self.tracks.len();
        let place = *self.places.entry(key.clone()).or_insert(next);
        if place == next {
            self.tracks.push(Track { key, begun: at, ended: None, state, tone, bars: Vec::new() });
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
            track.bar(Bar::new(from, to, Fill::Work));
            if attempt.failed {
                track.bar(Bar::point(to, Fill::Failed));
            }
            if let Some(state) = attempt.end {
                track.end(to, state);
            }
        }
    }

    /// How long a step took from its beginning to its end, in microseconds, if both are known.
    pub(super) fn took(&self, life: u32, step: &str) -> Option<i64> {
        let track = &self.tracks[*self.places.get(&(life, step.to_owned()))?];
        Some(track.ended?.micros() - track.begun.micros()).filter(|took| *took > 0)
    }

    /// Whether a worker held the run somewhere between two times.
    pub(super) fn is_held(&self, from: Timestamp, to: Timestamp) -> bool {
        let within = |bar: &Bar| bar.fill == Fill::Work && bar.from < to && bar.to > from;
        // Claims are in the order of time.
        let first = self.claims.partition_point(|bar| bar.to <= from);
        self.claims.get(first..).is_some_and(|claims| claims.iter().take(4).any(within))
            || self.held.is_some_and(|held| held.from < to && held.until > from)
    }

    /// The lanes, and how many steps have none.
    pub(super) fn lanes(&self, details: &RunDetails) -> (Vec<Lane>, u64) {
        let end = self.end_of(details);
        let Some(start) = [details.run.started_at, Some(end)].into_iter().flatten().min() else {
            return (Vec::new(), 0);
        };
        let mut lanes = vec![self.worker(details, start, end)];
        let steps = if self.tracks.is_empty() { foreign(details, end) } else { self.steps(details, end) };
        let shown = select(steps.len(), LANES_MAX, &|place| steps[place].goes_on);
        let left_out = self.left_out + (steps.len() - shown.len()) as u64;
        let mut steps: Vec<Option<Lane>> = steps.into_iter().map(Some).collect();
        lanes.extend(shown.into_iter().filter_map(|place| steps[place].take()));
        lanes.extend(messages(details));
        (lanes, left_out)
    }

    /// Everything has been seen.
    pub(super) fn finish(&mut self) {
        self.settle();
    }

    /// The last time that is known of.
    fn end_of(&self, details: &RunDetails) -> Timestamp {
        let run = &details.run;
        let known = [run.started_at, run.updated_at, run.ended_at, self.at];
        let messages = details.inbox.iter().map(|message| message.at);
        known.into_iter().chain(messages).flatten().max().unwrap_or(Timestamp::MIN)
    }

    fn worker(&self, details: &RunDetails, start: Timestamp, end: Timestamp) -> Lane {
        let mut bars = self.claims.clone();
        let held = self.held.map(|held| held.from);
        let held = held.filter(|_| details.run.ended_at.is_none());
        bars.extend(held.map(|from| Bar::new(from, end, Fill::Work)));
        if bars.is_empty() {
            // What is not recorded is no reason to say nothing of when the run began and ended.
            bars = vec![Bar::new(start, details.run.ended_at.unwrap_or(end), Fill::Rest)];
            let goes_on = details.run.ended_at.is_none();
            return Lane { name: WHOLE.into(), bars, goes_on, ..Lane::default() };
        }
        bars.push(Bar::point(start, Fill::Point));
        let state = if held.is_some() { "held" } else { "" };
        Lane { name: "worker".into(), state, bars, goes_on: held.is_some(), ..Lane::default() }
    }

    fn steps(&self, details: &RunDetails, end: Timestamp) -> Vec<Lane> {
        let lane = |track: &Track| {
            let (life, name) = &track.key;
            let name = if *life < details.state.life { format!("life {life}: {name}") } else { name.clone() };
            let is_open = track.ended.is_none() && *life == details.state.life;
            let goes_on = is_open && details.run.ended_at.is_none();
            let last = details.run.ended_at.unwrap_or(end);
            let until = track.ended.or(is_open.then_some(last)).unwrap_or(track.begun);
            let mut bars = vec![Bar::new(track.begun, until, Fill::Rest)];
            bars.extend(&track.bars);
            match is_open && !goes_on {
                true => Lane { name, state: GIVEN_UP, tone: Tone::Dim, bars, goes_on },
                false => Lane { name, state: track.state, tone: track.tone, bars, goes_on },
            }
        };
        self.tracks.iter().map(lane).collect()
    }
}

impl Track {
    fn bar(&mut self, bar: Bar) {
        if self.bars.len() == BARS_MAX {
            self.bars.drain(..BARS_MAX / 2);
        }
        self.bars.push(bar);
    }

    fn end(&mut self, at: Timestamp, state: &'static str) {
        self.ended = Some(at);
        self.state = state;
        self.tone = tone(state);
    }
}

/// The colour of how a step stands.
pub(super) fn tone(state: &str) -> Tone {
    match state {
        "done" | GIVEN_UP => Tone::Dim,
        "failed" => Tone::Bad,
        "retrying" | "timed out" => Tone::Warn,
        _ => Tone::Plain,
    }
}

/// Which of many to show: those that go on, and the last ones.
pub(super) fn select(count: usize, max: usize, goes_on: &dyn Fn(usize) -> bool) -> Vec<usize> {
    let mut open: Vec<usize> = (0..count).filter(|place| goes_on(*place)).collect();
    open.drain(..open.len().saturating_sub(max));
    let others = (0..count).rev().filter(|place| !goes_on(*place)).take(max - open.len());
    open.extend(others.collect::<Vec<_>>());
    open.sort_unstable();
    open
}

/// Joins the claims between which there is least.
fn coarsen(claims: &mut Vec<Bar>) {
    claims.retain(|bar| bar.fill == Fill::Work);
    let mut gaps: Vec<i64> = claims.windows(2).map(|pair| pair[1].from.micros() - pair[0].to.micros()).collect();
    gaps.sort_unstable();
    let Some(limit) = gaps.get(gaps.len() / 2).copied() else { return };
    let mut joined: Vec<Bar> = Vec::new();
    for bar in claims.drain(..) {
        match joined.last_mut() {
            Some(last) if bar.from.micros() - last.to.micros() <= limit => last.to = last.to.max(bar.to),
            _ => joined.push(bar),
        }
    }
    *claims = joined;
}

/// Lanes of steps of which nothing was seen on the way but the outcome.
fn foreign(details: &RunDetails, end: Timestamp) -> Vec<Lane> {
    let timed = details.state.steps.iter().filter(|step| step.kind != "receive" && step.kind != "value");
    let lane = |step: &temporal_code::runs::StepView| {
        let from = step.first_at?;
        let to = step.last_at.or(step.is_open.then_some(end)).unwrap_or(from);
        let bars = vec![Bar::new(from, to.min(end), Fill::Rest)];
        let (name, state) = (step.step.clone(), step.state);
        Some(Lane { name, state, tone: tone(state), bars, goes_on: step.is_open && details.run.ended_at.is_none() })
    };
    timed.filter_map(lane).collect()
}

/// What others told the run, as points.
fn messages(details: &RunDetails) -> Vec<Lane> {
    let of = |name: &str, wanted: &dyn Fn(&InboxMessage) -> bool| {
        let point = |message: &InboxMessage| {
            let fill = if message.is_taken { Fill::Point } else { Fill::Unseen };
            Some(Bar::point(message.at?, fill))
        };
        let bars: Vec<Bar> = details.inbox.iter().filter(|message| wanted(message)).filter_map(point).collect();
        let lane = Lane { name: name.to_owned(), bars, ..Lane::default() };
        Some(lane).filter(|lane| !lane.bars.is_empty())
    };
    let messages = of("messages", &|message| message.kind == "message");
    let cancels = of("cancel", &|message| message.kind == "cancel" || message.kind == "stop");
    messages.into_iter().chain(cancels).collect()
}
