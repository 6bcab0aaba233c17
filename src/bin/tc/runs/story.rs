//! What happened in a run, step by step and event by event, and what it was told.

use std::collections::VecDeque;

use unicode_width::UnicodeWidthStr as _;

use crate::args::OutputFormat;
use crate::output::Section;
use crate::output::figures::{count, counted};
use crate::output::table::{Cell, Column, Table, Tone};
use crate::runs::head::{heading, wrap};
use crate::runs::timeline::{elapsed, select, tone};
use crate::surroundings::Context;
use temporal_code::runs::{InboxMessage, RunDetails, RunEvent, RunValue, STEP_GIVEN_UP, Seq, StepView, Timeline};
use temporal_code::text;
use temporal_code::time::Timestamp;

/// Most events that are kept, however many are asked for, and most bytes of them.
const EVENTS_MAX: usize = 100_000;
const BYTES_MAX: usize = 128 << 20;

/// Most steps and messages that are shown, and most lines of a cell.
const STEPS_MAX: usize = 100;
const MESSAGES_MAX: usize = 100;
const LINES_MAX: usize = 5;

/// Least columns to which a name is cut.
const NAME_MIN: usize = 12;

/// Least columns of texts that are wrapped; below that other columns go.
const WRAPPED_MIN: usize = 40;

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
pub(super) struct Story {
    limit: usize,
    as_json: bool,
    kept: VecDeque<Kept>,
    bytes: usize,
    seen: u64,
    pub(super) timeline: Timeline,
}

impl Story {
    /// Keeps the last `limit` events, as JSON or as sentences.
    pub(super) fn new(limit: usize, as_json: bool) -> Self {
        let timeline = Timeline::default();
        Story { limit: limit.min(EVENTS_MAX), as_json, kept: VecDeque::new(), bytes: 0, seen: 0, timeline }
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

/// The sentence with its points in time as clocks show them; without the date if that is `day`.
pub(super) fn with_clocks(context: &Context, text: &str, day: &str) -> String {
    if context.global.time.is_some() {
        return text.to_owned();
    }
    let mut before = "";
    let mut words = Vec::new();
    for word in text.split(' ') {
        let end = word.find('Z').map_or(0, |z| z + 1);
        let (time, rest) = word.split_at(end);
        let at = Timestamp::parse(time.as_bytes()).filter(|at| at.to_string() == time);
        match at.filter(|_| matches!(before, "until" | "at")) {
            Some(at) => {
                let clock = context.clock(Some(at));
                let clock = clock.strip_prefix(day).filter(|_| !day.is_empty()).unwrap_or(&clock);
                words.push(format!("{}{rest}", clock.trim_start()));
            }
            None => words.push(word.to_owned()),
        }
        before = word;
    }
    words.join(" ")
}

/// Rows of which the last cell is a text that is wrapped.
struct Rows {
    columns: Vec<(&'static str, bool, u8)>,
    last: &'static str,
    rows: Vec<(Vec<Cell>, String, Tone)>,
}

impl Rows {
    /// With columns that have a name, are numbers or not, and go when there is no room, the highest rank first.
    fn new(columns: &[(&'static str, bool, u8)], last: &'static str) -> Self {
        Rows { columns: columns.to_vec(), last, rows: Vec::new() }
    }

    fn row(&mut self, mut cells: Vec<Cell>, text: String, tone: Tone) {
        cells.resize(self.columns.len(), Cell::default());
        self.rows.push((cells, text, tone));
    }

    /// Lets go of a column in which nothing is.
    fn without_empty(mut self) -> Self {
        for place in (0..self.columns.len()).rev() {
            if self.rows.iter().all(|(cells, ..)| cells[place].width() == 0) {
                self.columns.remove(place);
                self.rows.iter_mut().for_each(|(cells, ..)| drop(cells.remove(place)));
            }
        }
        self
    }

    /// Cuts names that would take more than a quarter of the terminal.
    fn cut_names(&mut self, width: usize) {
        let most = (width / 4).max(NAME_MIN);
        for (place, (_, is_number, rank)) in self.columns.iter().enumerate() {
            if !is_number && *rank == 0 {
                let cells = self.rows.iter_mut().map(|(cells, ..)| &mut cells[place]);
                cells.for_each(|cell| *cell = std::mem::take(cell).cut(most));
            }
        }
    }

    fn width(&self, place: usize) -> usize {
        let cells = self.rows.iter().map(|(cells, ..)| cells[place].width()).max().unwrap_or(0);
        cells.max(self.columns[place].0.width())
    }

    fn table(mut self, context: &Context) -> Table {
        if let Some(width) = context.width().filter(|_| context.global.output() == OutputFormat::Table) {
            self.cut_names(width);
        }
        let mut kept: Vec<usize> = (0..self.columns.len()).collect();
        let used = |kept: &[usize]| kept.iter().map(|place| self.width(*place) + 2).sum::<usize>();
        let width = context.width().filter(|_| context.global.output() == OutputFormat::Table);
        let longest = self.rows.iter().map(|(_, text, _)| text.width()).max().unwrap_or(0).max(self.last.width());
        let wanted = longest.min(WRAPPED_MIN);
        while width.is_some_and(|width| used(&kept) + wanted > width) {
            let rank = |place: &usize| self.columns[kept[*place]].2;
            let Some(place) = (0..kept.len()).filter(|place| rank(place) > 0).max_by_key(rank) else { break };
            kept.remove(place);
        }
        let column = |place: &usize| match self.columns[*place] {
            (name, true, _) => Column::number(name),
            (name, false, _) => Column::text(name).cut_to(8),
        };
        let mut table = Table::new(kept.iter().map(column).chain([Column::text(self.last).cut_to(1)]));
        let room = width.map(|width| width.saturating_sub(used(&kept)).max(NAME_MIN));
        for (cells, text, tone) in &self.rows {
            let lines = room.map_or_else(|| vec![text.clone()], |room| wrapped(text, room));
            for (number, line) in lines.into_iter().enumerate() {
                let cell = |place: &usize| if number == 0 { cells[*place].clone() } else { Cell::default() };
                let row: Vec<Cell> = kept.iter().map(cell).chain([Cell::new(line).tone(*tone)]).collect();
                // What is left of a row without some of its columns may be nothing.
                if row.iter().any(|cell| cell.width() > 0) {
                    table.row(row);
                }
            }
        }
        table
    }
}

/// A text in a few lines.
pub(super) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = wrap(&text::shorten(text, width.saturating_mul(LINES_MAX + 1)), width);
    if lines.len() > LINES_MAX {
        lines.truncate(LINES_MAX);
        if let Some(last) = lines.last_mut() {
            let room = last.chars().count().min(width.saturating_sub(1));
            *last = last.chars().take(room).chain(['…']).collect();
        }
    }
    lines
}

/// The steps, each with how it stands and what came of it.
pub(super) fn steps(context: &Context, details: &RunDetails, timeline: &Timeline) -> Option<Section> {
    let steps = &details.state.steps;
    if steps.is_empty() {
        return None;
    }
    let shown = select(steps.len(), STEPS_MAX, &|place| steps[place].is_open);
    let columns =
        [("step", false, 0), ("kind", false, 3), ("state", false, 0), ("attempts", true, 2), ("took", true, 1)];
    let mut rows = Rows::new(&columns, "value or error");
    for place in &shown {
        let step = &steps[*place];
        let state = if step.is_open && details.run.ended_at.is_some() { STEP_GIVEN_UP } else { step.state };
        let took = timeline.took(details.state.life, &step.step).map(elapsed);
        let attempts = step.attempts.filter(|attempts| *attempts != 1).map(count);
        let cells = vec![
            Cell::name(&step.step),
            Cell::new(step.kind).tone(Tone::Dim),
            Cell::new(state).tone(tone(state)),
            Cell::new(attempts.unwrap_or_default()),
            Cell::new(took.unwrap_or_default()).tone(Tone::Dim),
        ];
        let text_tone = if step.error.is_some() { tone(step.state) } else { Tone::Plain };
        rows.row(cells, outcome(context, step), text_tone);
    }
    let notes = match steps.len() - shown.len() {
        0 => String::new(),
        more => context
            .prose(Tone::Dim, &format!("{} more, all of them with -o json", counted(more as u64, "step", "steps"))),
    };
    Some(Section { title: heading(context, "Steps"), table: Some(rows.without_empty().table(context)), notes })
}

/// What a step gave, or what it waits for.
fn outcome(context: &Context, step: &StepView) -> String {
    let mut parts = Vec::new();
    let names = step.subjects.join(" or ");
    match step.kind {
        _ if names.is_empty() => {}
        "child" => parts.push(names),
        _ if step.is_open => parts.push(format!("for {names}")),
        _ => {}
    }
    let until = step.until.filter(|_| step.is_open).map(|at| context.clock(Some(at)));
    parts.extend(until.map(|until| match step.state {
        "retrying" => format!("next at {until}"),
        _ => format!("until {until}"),
    }));
    parts.extend(step.error.as_ref().map(short));
    parts.extend(step.value.as_ref().map(short));
    let mut text = parts.join(", ");
    if let Some(word) = step.compensation.filter(|word| *word != "ready") {
        text += if text.is_empty() { "" } else { "; " };
        text += &format!("compensation {word}");
    }
    text
}

/// A value that need not be whole.
fn short(value: &RunValue) -> String {
    text::shorten(&value.plain(), 1_000).into_owned()
}

/// What others told the run, and whether it took it.
pub(super) fn inbox(context: &Context, details: &RunDetails) -> Option<Section> {
    let (messages, kept) = (&details.inbox, &details.state.kept);
    if messages.is_empty() && kept.is_empty() {
        return None;
    }
    let columns = [
        ("seq", true, 4),
        ("sent", false, 1),
        ("type", false, 3),
        ("name", false, 0),
        ("from", false, 2),
        ("taken", false, 0),
    ];
    let mut rows = Rows::new(&columns, "value");
    for message in messages.iter().skip(messages.len().saturating_sub(MESSAGES_MAX)) {
        let taken =
            if message.is_taken { Cell::new("taken").tone(Tone::Dim) } else { Cell::new("not taken").tone(Tone::Warn) };
        rows.row(
            message_cells(context, message, taken),
            message.value.as_ref().map(short).unwrap_or_default(),
            Tone::Plain,
        );
    }
    let is_shown = |kept: &InboxMessage| messages.iter().any(|message| message.id.is_some() && message.id == kept.id);
    for message in kept.iter().filter(|kept| !is_shown(kept)).take(MESSAGES_MAX) {
        let taken = Cell::new("kept").tone(Tone::Warn);
        rows.row(
            message_cells(context, message, taken),
            message.value.as_ref().map(short).unwrap_or_default(),
            Tone::Plain,
        );
    }
    let mut notes = String::new();
    let before = details.inbox_before + messages.len().saturating_sub(MESSAGES_MAX) as u64;
    if before > 0 {
        notes += &context.prose(Tone::Dim, &format!("{} before these", count(before)));
    }
    if !kept.is_empty() {
        let kept = counted(kept.len() as u64, "message is", "messages are");
        notes += &context.prose(Tone::Dim, &format!("{kept} kept: nobody waits for such a message yet."));
    }
    Some(Section { title: heading(context, "Inbox"), table: Some(rows.without_empty().table(context)), notes })
}

fn message_cells(context: &Context, message: &InboxMessage, taken: Cell) -> Vec<Cell> {
    vec![
        Cell::new(message.seq.map_or_else(String::new, |seq| seq.to_string())).tone(Tone::Dim),
        Cell::new(context.clock(message.at)).tone(Tone::Dim),
        Cell::new(message.kind),
        Cell::new(message.event.as_deref().unwrap_or_default()),
        Cell::new(message.from.as_deref().unwrap_or_default()).tone(Tone::Dim),
        taken,
    ]
}
