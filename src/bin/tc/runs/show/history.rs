//! What happened in a run, event by event.

use std::collections::VecDeque;

use crate::output::Section;
use crate::output::figures::counted;
use crate::output::table::{Cell, Tone};
use crate::runs::layout::{Rows, heading, with_clocks};
use crate::runs::show::timeline::elapsed;
use crate::surroundings::Context;
use temporal_code::runs::{RunDetails, RunEvent, Seq, Timeline};
use temporal_code::time::Timestamp;

/// Most events that are kept, however many are asked for, and most bytes of them.
const EVENTS_MAX: usize = 100_000;
const BYTES_MAX: usize = 128 << 20;

/// Time between two events that is told, in microseconds.
const APART_US: i64 = 60_000_000;

/// An event that is kept.
struct Kept {
    seq: Seq,
    at: Option<Timestamp>,
    kind: &'static str,
    /// What it changes, or itself as JSON.
    text: String,
}

/// The last events of a history, and what was seen of all.
pub(super) struct EventLog {
    limit: usize,
    as_json: bool,
    kept: VecDeque<Kept>,
    bytes: usize,
    seen: u64,
    pub(super) timeline: Timeline,
}

impl EventLog {
    /// Keeps the last `limit` events, as JSON or as sentences.
    pub(super) fn new(limit: usize, as_json: bool) -> Self {
        let timeline = Timeline::default();
        EventLog { limit: limit.min(EVENTS_MAX), as_json, kept: VecDeque::new(), bytes: 0, seen: 0, timeline }
    }

    pub(super) fn see(&mut self, event: &RunEvent<'_>) {
        self.seen += 1;
        if self.as_json {
            self.keep(event, event.json());
        } else {
            self.timeline.see(event);
            self.keep(event, event.change());
        }
    }

    pub(super) fn finish(&mut self) {
        self.timeline.finish();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    fn keep(&mut self, event: &RunEvent<'_>, text: String) {
        self.bytes += text.len();
        self.kept.push_back(Kept { seq: event.seq, at: event.at, kind: event.kind(), text });
        while self.kept.len() > self.limit || self.bytes > BYTES_MAX {
            let Some(first) = self.kept.pop_front() else { break };
            self.bytes -= first.text.len();
        }
    }

    /// How many events are not among those that are kept.
    pub(super) fn before(&self) -> u64 {
        self.seen - self.kept.len() as u64
    }

    /// Fewer are kept than were asked for.
    pub(super) fn is_cut(&self, asked: usize) -> bool {
        self.before() > 0 && self.kept.len() < asked
    }

    /// The events as an array.
    pub(super) fn json(&self) -> String {
        let events: Vec<&str> = self.kept.iter().map(|kept| kept.text.as_str()).collect();
        format!("[{}]", events.join(","))
    }

    /// The events, each with what it changed.
    pub(super) fn section(&self, context: &Context, details: &RunDetails) -> Option<Section> {
        if self.kept.is_empty() {
            return None;
        }
        let mut title = heading(context, "History");
        if self.before() > 0 {
            let before = counted(self.before(), "event comes", "events come");
            title +=
                &context.prose(Tone::Dim, &format!("{before} before these: -n N shows the last N, -n all shows all"));
        }
        let mut rows =
            Rows::new(&[("seq", true, 0), ("time", false, 1), ("elapsed", true, 2), ("type", false, 3)], "what");
        let start = details.run.started_at.or(self.kept.iter().find_map(|kept| kept.at));
        let (mut day, mut last) = (String::new(), None::<Timestamp>);
        for kept in &self.kept {
            let clock = kept.at.map_or_else(String::new, |at| context.clock(Some(at)));
            let (date, time) = clock.split_once(' ').filter(|(date, _)| date.len() == 10).unwrap_or(("", &clock));
            let new_day = if date != day && kept.at.is_some() { date.to_owned() } else { String::new() };
            let apart = last.zip(kept.at).filter(|(last, at)| at.micros() - last.micros() >= APART_US);
            let apart = apart.map(|(last, at)| {
                let idle = if self.timeline.is_held(last, at) { "" } else { " idle" };
                format!("⋯ {}{idle}", elapsed(at.micros() - last.micros()))
            });
            if apart.is_some() || !new_day.is_empty() {
                let date = Cell::new(&new_day).tone(Tone::Dim);
                rows.row(vec![Cell::default(), date], apart.unwrap_or_default(), Tone::Dim);
            }
            if !date.is_empty() {
                day = date.to_owned();
            }
            last = kept.at.or(last);
            let since = start.zip(kept.at).map_or(String::new(), |(start, at)| {
                format!("+{}", elapsed(at.micros().saturating_sub(start.micros())))
            });
            let dim = |text: &str| Cell::new(text).tone(Tone::Dim);
            let cells = vec![dim(&kept.seq.to_string()), dim(time), dim(&since), Cell::new(kept.kind)];
            rows.row(cells, with_clocks(context, &kept.text, &day), Tone::Plain);
        }
        Some(Section { title, table: Some(rows.table(context)), notes: String::new() })
    }
}
