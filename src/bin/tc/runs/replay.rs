//! `tc replay`: folds a history offline, event by event.

mod all;
mod diff;

use anyhow::Result;
use clap::Args;
use serde::Serialize;

use crate::args::OutputFormat;
use crate::error::{DONE, Failure, NEGATIVE};
use crate::output::csv::Sheet;
use crate::output::figures::counted;
use crate::output::stream::Stream;
use crate::output::table::{Cell, Column, Table, Tone};
use crate::output::warnings::Warning;
use crate::output::{Answer, Section};
use crate::runs::describe;
use crate::runs::layout::{with_clocks, wrapped};
use crate::runs::stores::RunStores;
use crate::surroundings::Context;
use temporal_code::workflows::{
    EventSummary, Run, RunDetails, RunEvent, RunFormat, RunProblem, Runs, Seq, StateView, Status, StatusDetail,
    StepView,
};
use temporal_code::{Timestamp, text};

/// Most events of which the changes are kept for output that is printed as a whole.
const KEPT_MAX: usize = 500_000;

/// From which width of a terminal on the kinds of events are shown.
const KIND_WIDTH: usize = 100;

/// How many steps of a state are shown.
const STEPS_MAX: usize = 100;

/// Fold a run's history offline, event by event
///
/// Prints what each event changed and the state of the run after it. Says whether the history is sound, and if not, where it is
/// corrupt; exit code 1 then. Never runs the code of a workflow, and never writes.
#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// The run: its id, or the beginning of it
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    run: Option<String>,
    /// Show the state after this event, or at this time: 7, 2.7 for a second generation, 2h, RFC 3339
    #[arg(long, value_name = "SEQ|TIME", conflicts_with_all = ["all", "diff"])]
    at: Option<String>,
    /// Show where this run and another one differ; exit code 1 if they do
    #[arg(long, value_name = "OTHER", conflicts_with = "all")]
    diff: Option<String>,
    /// Fold every run of the store, and say which are corrupt
    #[arg(long)]
    all: bool,
}

/// Its columns in CSV; with a point to look at the second.
const SHEETS: [Sheet; 2] = [
    Sheet { of: Some("steps"), columns: "run format sound state.status seq at type effect status", json: "" },
    Sheet { of: Some("steps"), columns: "run format sound problems seq at type effect status state", json: "" },
];

pub(crate) fn run(context: &Context, args: &ReplayArgs) -> Result<u8> {
    if args.all {
        return all::run(context);
    }
    let stores = RunStores::open(context, 1)?;
    let (runs, run) = stores.resolve(context, args.run.as_deref().unwrap_or_default())?;
    match (&args.diff, &args.at) {
        (Some(other), _) => diff::run(context, &stores, (&runs, &run), other),
        (None, Some(at)) => at_point(context, &stores, &runs, &run, at),
        (None, None) => from_first_to_last(context, &stores, &runs, &run),
    }
}

fn exit(details: &RunDetails) -> u8 {
    if details.is_sound() { DONE } else { NEGATIVE }
}

/// Prints every event.
fn from_first_to_last(context: &Context, stores: &RunStores, runs: &Runs, run: &str) -> Result<u8> {
    if context.global.output() == OutputFormat::Table {
        return print_each(context, stores, runs, run);
    }
    let (mut steps, mut left_out) = (Vec::new(), 0u64);
    let details = stores.follow(context, runs, run, &mut |event| {
        match steps.len() < KEPT_MAX {
            true => steps.push(event.summary()),
            false => left_out += 1,
        }
        true
    })?;
    let mut warnings = warnings(&details);
    if left_out > 0 {
        let message = format!("{} more are not shown", counted(left_out, "event", "events"));
        warnings.push(Warning { count: Some(left_out), ..Warning::lost(message) });
    }
    let items = || Ok(vec![item(&details, &steps)?]);
    let sections = || {
        let mut table = Table::new(["seq", "time", "type", "change", "state"].map(Column::text));
        for step in &steps {
            let at = step.at.map(|at| at.to_string()).unwrap_or_default();
            table.row([&*step.seq.to_string(), &at, step.kind, &step.change, step.status.as_str()].map(Cell::new));
        }
        vec![Section { title: String::new(), table: Some(table), notes: verdict(context, &details) }]
    };
    let exit = exit(&details);
    Answer { schema: "tc.replay/1", warnings, items, sheet: &SHEETS[0], sections }.print(context)?;
    Ok(exit)
}

fn item(details: &RunDetails, steps: &[EventSummary]) -> Result<String> {
    #[derive(Serialize)]
    struct Replay<'a> {
        run: &'a str,
        format: RunFormat,
        sound: bool,
        problems: &'a [RunProblem],
        steps: &'a [EventSummary],
        state: &'a StateView,
    }
    Ok(serde_json::to_string(&Replay {
        run: &details.run.id,
        format: details.run.format,
        sound: details.is_sound(),
        problems: &details.problems,
        steps,
        state: &details.state,
    })?)
}

/// Columns of a terminal that texts of a replay get, and whether the kinds of events have room.
struct Room {
    change: usize,
    state: usize,
    kind: bool,
}

impl Room {
    fn new(context: &Context) -> Option<Self> {
        let width = context.width()?;
        let kind = width >= KIND_WIDTH;
        // The numbers, the times, perhaps the kinds, and the gaps between all columns.
        let others = if kind { 5 + 8 + 12 + 8 } else { 5 + 8 + 6 };
        let room = width.saturating_sub(others);
        let state = (room / 3).clamp(12, 40);
        Some(Room { change: room.saturating_sub(state).max(20), state, kind })
    }
}

/// The rows of a replay, as they come.
struct Rows<'c> {
    context: &'c Context,
    out: Stream<'c>,
    room: Option<Room>,
    day: String,
    /// What was said of the run last: what stays as it is need not be read again.
    said: String,
}

impl<'c> Rows<'c> {
    fn new(context: &'c Context) -> Self {
        let room = Room::new(context);
        let mut columns = vec![Column::number("seq"), Column::text("time").expendable(1)];
        if room.as_ref().is_none_or(|room| room.kind) {
            columns.push(Column::text("type"));
        }
        columns.extend([Column::text("change").cut_to(20), Column::text("state").cut_to(12)]);
        Rows { context, out: Stream::new(context, Table::new(columns)), room, day: String::new(), said: String::new() }
    }

    fn row(&mut self, number: Cell, time: Cell, kind: Cell, change: Cell, state: Cell) -> Result<()> {
        let with_kind = self.room.as_ref().is_none_or(|room| room.kind);
        let kind = if with_kind { vec![kind] } else { Vec::new() };
        self.out.row([vec![number, time], kind, vec![change, state]].concat())
    }

    fn event(&mut self, event: &RunEvent<'_>) -> Result<()> {
        let context = self.context;
        let after = event.status_after();
        let clock = event.at.map_or_else(String::new, |at| context.clock(Some(at)));
        let (date, time) = clock.split_once(' ').filter(|(date, _)| date.len() == 10).unwrap_or(("", &clock));
        if !date.is_empty() && date != self.day {
            date.clone_into(&mut self.day);
            let [none, date] = [Cell::default(), Cell::new(date).tone(Tone::Dim)];
            self.row(none.clone(), Cell::default(), Cell::default(), date, none)?;
        }
        let change = with_clocks(context, &event.change(), &self.day);
        let said = said(context, &after);
        let state = if said == self.said { String::new() } else { said.clone() };
        self.said = said;
        let (changes, states) = match &self.room {
            None => (vec![change], vec![state]),
            Some(room) => (wrapped(&change, room.change), wrapped(&state, room.state)),
        };
        for line in 0..changes.len().max(states.len()).max(1) {
            let cell = |lines: &[String]| Cell::new(lines.get(line).map_or("", String::as_str));
            let dim = |text: &str| if line == 0 { Cell::new(text).tone(Tone::Dim) } else { Cell::default() };
            let kind = if line == 0 { Cell::new(event.kind()) } else { Cell::default() };
            let state = cell(&states).tone(describe::tone(after.status));
            self.row(dim(&event.seq.to_string()), dim(time), kind, cell(&changes), state)?;
        }
        Ok(())
    }
}

fn print_each(context: &Context, stores: &RunStores, runs: &Runs, run: &str) -> Result<u8> {
    let mut rows = Rows::new(context);
    let mut printed = Ok(());
    let details = stores.follow(context, runs, run, &mut |event| {
        printed = rows.event(event);
        printed.is_ok() && !rows.out.is_over()
    })?;
    printed?;
    rows.out.end(&verdict(context, &details))?;
    if !context.global.quiet {
        crate::output::warnings::print(&warnings(&details), context.global.verbose);
    }
    Ok(exit(&details))
}

/// Where a run stands, in short. Which worker holds it the events tell.
fn said(context: &Context, after: &StatusDetail) -> String {
    let waits = after.waiting_for.as_ref().filter(|_| after.worker.is_none());
    let waits = waits.map(|waits| describe::waiting(context, waits)).unwrap_or_default();
    if waits.is_empty() { after.status.to_string() } else { format!("{}: {waits}", after.status) }
}

/// What could not be read beside the history.
fn warnings(details: &RunDetails) -> Vec<Warning> {
    let inbox = details.inbox_problem.iter().map(|problem| Warning::lost(format!("the inbox: {problem}")));
    details.warnings.iter().map(Warning::lost).chain(inbox).collect()
}

/// Whether the history is sound, and what is wrong with it.
fn verdict(context: &Context, details: &RunDetails) -> String {
    let mut text = String::new();
    for problem in &details.problems {
        let tone = if problem.corrupt { Tone::Bad } else { Tone::Warn };
        let place = match (details.run.format, problem.seq) {
            (RunFormat::DurablePython, _) => String::new(),
            (_, seq) => format!("event {seq}: "),
        };
        text += &context.prose(tone, &text::harmless(&format!("{place}{}", problem.what)));
    }
    let line = match (details.is_sound(), details.run.format, details.run.events) {
        (true, RunFormat::DurablePython, _) => {
            "Sound. durable-python keeps no history, only the call stack that a program stopped with: see `tc show`."
                .to_owned()
        }
        (true, _, events) => {
            let events = counted(events.unwrap_or_default(), "event", "events");
            format!("Sound: {events}, and the run is {}.", summary(context, &details.run))
        }
        (false, _, Some(events)) if details.run.status == Status::Parked => {
            let events = counted(events, "event", "events");
            format!(
                "Written by a newer version from there on: only that can tell whether it is sound. {events} could be folded."
            )
        }
        (false, _, Some(events)) if details.run.status != Status::Corrupt => {
            let events = counted(events, "event", "events");
            format!(
                "Not sound: {events}, and the run is {}; its workers go on all the same.",
                summary(context, &details.run)
            )
        }
        (false, _, Some(events)) => {
            format!("Corrupt: no worker can go on. {} could be folded up to there.", counted(events, "event", "events"))
        }
        (false, _, None) => "Corrupt: the program cannot go on from this file.".to_owned(),
    };
    let tone = if details.is_sound() { Tone::Good } else { Tone::Bad };
    text + &context.prose(tone, &text::harmless(&line))
}

fn summary(context: &Context, run: &Run) -> String {
    let detail = text::shorten(&describe::detail(context, run), 200).into_owned();
    if detail.is_empty() { run.status.to_string() } else { format!("{}: {detail}", run.status) }
}

/// A place in a history.
enum Point {
    Seq(Seq),
    Time(Timestamp),
}

fn point(context: &Context, text: &str) -> Result<Point> {
    let number = |text: &str| text.parse::<u64>().ok();
    if let Some(number) = number(text) {
        return Ok(Point::Seq(Seq::first(number)));
    }
    if let Some((generation, number)) = text.split_once('.').and_then(|(g, n)| Some((g.parse().ok()?, number(n)?))) {
        return Ok(Point::Seq(Seq { generation, number }));
    }
    context.when("at", text).map(Point::Time)
}

/// Prints the state at one point.
fn at_point(context: &Context, stores: &RunStores, runs: &Runs, run: &str, text: &str) -> Result<u8> {
    let wanted = match point(context, text)? {
        Point::Seq(seq) => seq,
        Point::Time(time) => last_by(context, stores, runs, run, time)?,
    };
    let (mut last, mut found) = (None, None);
    let details = stores.follow(context, runs, run, &mut |event| {
        last = Some(event.seq);
        if event.seq == wanted {
            found = Some(event.summary());
        }
        event.seq < wanted
    })?;
    if found.is_none() {
        let near = match last {
            None => "it has none".into(),
            Some(seq) if seq > wanted => format!("the next is {seq}"),
            Some(seq) => format!("the last is {seq}"),
        };
        return Err(Failure::new("no_event", format!("{run} has no event {wanted}: {near}")).into());
    }
    let steps: Vec<EventSummary> = found.into_iter().collect();
    let warnings = warnings(&details);
    let items = || Ok(vec![item(&details, &steps)?]);
    let sections = || state_sections(context, &details, steps.first());
    let exit = exit(&details);
    Answer { schema: "tc.replay/1", warnings, items, sheet: &SHEETS[1], sections }.print(context)?;
    Ok(exit)
}

/// The last event that happened by then.
fn last_by(context: &Context, stores: &RunStores, runs: &Runs, run: &str, time: Timestamp) -> Result<Seq> {
    let mut last = None;
    let details = stores.follow(context, runs, run, &mut |event| {
        let is_before = event.at.is_none_or(|at| at <= time);
        last = if is_before { Some(event.seq) } else { last };
        is_before
    })?;
    last.ok_or_else(|| {
        let hint = details.run.started_at.map(|at| format!("it began at {at}"));
        Failure::new("no_event", format!("nothing had happened to {run} by then")).maybe_hint(hint).into()
    })
}

fn state_sections(context: &Context, details: &RunDetails, step: Option<&EventSummary>) -> Vec<Section> {
    let mut head = String::new();
    let mut line = |tone, text: &str| head += &context.prose(tone, &text::harmless(text));
    if let Some(step) = step {
        let at = context.clock(step.at);
        line(Tone::Plain, &format!("{} after event {}, {at}: {}", details.run.id, step.seq, step.change));
    }
    line(describe::tone(details.run.status), &summary(context, &details.run));
    if let Some(holder) = &details.state.holder {
        let worker = holder.worker.as_deref().unwrap_or("a worker");
        line(Tone::Dim, &format!("held by {worker} until {}", context.clock(Some(holder.until))));
    }
    let mut table = Table::new([
        Column::text("step").cut_to(12),
        Column::text("kind").expendable(1),
        Column::text("state"),
        Column::number("attempts").expendable(2),
        Column::text("value, error, or what it waits for").cut_to(20),
    ]);
    // The last ones, and those of which something is still to come.
    let first = details.state.steps.len().saturating_sub(STEPS_MAX);
    let shown = |(place, step): &(usize, &StepView)| *place >= first || step.is_open;
    let mut left_out = details.state.steps.len();
    for (_, step) in details.state.steps.iter().enumerate().filter(shown).take(2 * STEPS_MAX) {
        left_out -= 1;
        let value = step.error.as_ref().map(temporal_code::workflows::RunValue::plain);
        let value = value.or_else(|| step.value.as_ref().map(|value| value.text().to_owned()));
        let until = || step.until.map(|until| format!("until {}", context.clock(Some(until))));
        let waits = (!step.subjects.is_empty()).then(|| step.subjects.join(" or "));
        table.row([
            Cell::name(&step.step),
            Cell::new(step.kind),
            Cell::new(step.state),
            Cell::new(step.attempts.map_or_else(String::new, |attempts| attempts.to_string())),
            Cell::new(value.or(waits).or_else(until).unwrap_or_default()),
        ]);
    }
    let mut sections = vec![Section::text(head)];
    if !table.is_empty() {
        let notes = match left_out {
            0 => String::new(),
            more => format!("{} come before these; -o json shows all of them\n", counted(more as u64, "step", "steps")),
        };
        sections.push(Section { title: "\n".into(), table: Some(table), notes });
    }
    if !details.is_sound() {
        sections.push(Section::text(verdict(context, details)));
    }
    sections
}
