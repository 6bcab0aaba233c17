//! `tc show`: one run, where it stands and how it came there.

mod header;
mod history;
mod stack;
mod steps;
mod timeline;

use std::borrow::Cow;

use anyhow::Result;
use clap::Args;
use serde::Serialize;
use serde_json::json;

use crate::args::OutputFormat;
use crate::error::DONE;
use crate::output::csv::Sheet;
use crate::output::figures::counted;
use crate::output::table::Tone;
use crate::output::warnings::Warning;
use crate::output::{Answer, Section};
use crate::runs::layout::heading;
use crate::runs::show::history::EventLog;
use crate::runs::stores::RunStores;
use crate::surroundings::Context;
use temporal_code::workflows::{RunDetails, Runs, Status, Timeline};

/// Events that are shown unless more are asked for.
const EVENTS_SHOWN: usize = 50;

/// Width of a timeline where no terminal says how wide it may be.
const WIDTH_ELSEWHERE: usize = 100;

/// Show one workflow run: its status and the reason, a timeline, its steps, its history, its inbox
///
/// Reads runs of tc, of substantial (files and Redis) and of durable-python, of which it shows the saved call stack.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// The run: its id, or the beginning of it
    #[arg(value_name = "RUN")]
    name: String,
    /// Show the last N events of the history, or `all` [default: 50, in JSON and CSV all]
    #[arg(short = 'n', long, value_name = "N", value_parser = limit)]
    limit: Option<usize>,
}

/// A number of events, or all.
/// Its columns in CSV.
const SHEET: Sheet =
    Sheet { of: Some("history"), columns: "run seq at type step n event value error other", json: "value error" };

fn limit(text: &str) -> Result<usize, String> {
    match text {
        "all" => Ok(usize::MAX),
        _ => text.parse().map_err(|_| "give a whole number such as 20, or `all`".to_owned()),
    }
}

pub(crate) fn run(context: &Context, args: &ShowArgs) -> Result<u8> {
    let stores = RunStores::open(context, 1)?;
    let (runs, id) = stores.resolve(context, &args.name)?;
    let for_people = matches!(context.global.output(), OutputFormat::Table | OutputFormat::Markdown);
    let asked = args.limit.unwrap_or(if for_people { EVENTS_SHOWN } else { usize::MAX });
    let mut events = EventLog::new(asked, !for_people);
    let mut visit = |event: &temporal_code::workflows::RunEvent<'_>| {
        events.see(event);
        true
    };
    let details = stores.follow(context, &runs, &id, &mut visit)?;
    events.finish();
    let warnings = warnings(&details, &events, asked, for_people);
    let csv = context.global.output() == OutputFormat::Csv;
    let items = || Ok(vec![if csv { row(&details, &events)? } else { item(&details, &events)? }]);
    let sections = || sections(context, &runs, &details, &events);
    Answer { schema: "tc.show/1", warnings, items, sheet: &SHEET, sections }.print(context)?;
    Ok(DONE)
}

/// What is not shown, and what could not be read.
fn warnings(details: &RunDetails, events: &EventLog, asked: usize, for_people: bool) -> Vec<Warning> {
    let mut warnings: Vec<Warning> = details.warnings.iter().map(Warning::lost).collect();
    if events.is_cut(asked) {
        let before = events.before();
        let message = format!("the first {} left out, to save memory", counted(before, "event is", "events are"));
        warnings.push(Warning { count: Some(before), ..Warning::lost(message) });
    }
    // To people it is told with the run.
    let parked = details.run.status == Status::Parked;
    if let Some(problem) = details.problems.iter().find(|problem| problem.corrupt || parked).filter(|_| !for_people) {
        let is = if problem.corrupt { "corrupt" } else { "of a newer version" };
        warnings.push(Warning::lost(format!("the history is {is} at {}: {}", problem.seq, problem.what)));
    }
    if let Some(problem) = details.inbox_problem.as_ref().filter(|_| !for_people) {
        warnings.push(Warning::lost(format!("the inbox is corrupt: {problem}")));
    }
    if details.inbox_before > 0 && !for_people {
        let message = format!("the first {} left out", counted(details.inbox_before, "message is", "messages are"));
        warnings.push(Warning { count: Some(details.inbox_before), ..Warning::lost(message) });
    }
    warnings
}

/// The run with all that there is about it.
fn item(details: &RunDetails, events: &EventLog) -> Result<String> {
    let mut members = vec![
        ("history", Cow::Owned(events.json())),
        ("inbox", Cow::Owned(serde_json::to_string(&details.inbox)?)),
        ("inbox_problem", Cow::Owned(serde_json::to_string(&details.inbox_problem)?)),
        ("state", Cow::Owned(serde_json::to_string(&details.state)?)),
        ("problems", Cow::Owned(serde_json::to_string(&details.problems)?)),
    ];
    if let Some(Ok(state)) = details.instance.as_ref().map(|instance| &instance.state) {
        members.extend(stack::members(state));
    }
    Ok(with_members(&details.run, &members)?)
}

/// Members that are JSON already, put behind those of `shape`.
fn with_members(shape: &impl Serialize, members: &[(&str, Cow<'_, str>)]) -> serde_json::Result<String> {
    let mut text = serde_json::to_string(shape)?;
    text.pop();
    for (name, value) in members {
        text.extend([",\"", name, "\":", value]);
    }
    text.push('}');
    Ok(text)
}

/// For CSV, where an event is a row: each with no more of the run than its id.
fn row(details: &RunDetails, events: &EventLog) -> Result<String> {
    if events.is_empty() {
        return Ok(serde_json::to_string(&details.run)?);
    }
    Ok(with_members(&json!({"run": details.run.id}), &[("history", Cow::Owned(events.json()))])?)
}

fn sections(context: &Context, runs: &Runs, details: &RunDetails, events: &EventLog) -> Vec<Section> {
    let mut sections = vec![header::section(context, runs, details)];
    sections.extend(details.instance.as_ref().and_then(|instance| stack::section(context, instance)));
    sections.extend(picture(context, details, &events.timeline));
    sections.extend(steps::steps(context, details, &events.timeline));
    sections.extend(events.section(context, details));
    sections.extend(steps::inbox(context, details));
    sections
}

/// The life of the run as a timeline.
fn picture(context: &Context, details: &RunDetails, timeline: &Timeline) -> Option<Section> {
    if details.instance.is_some() {
        return None;
    }
    let lanes = timeline.lanes(details);
    // When it began and ended alone is no picture.
    if !lanes.has_claims && lanes.steps.is_empty() && lanes.messages.is_empty() {
        return None;
    }
    let (drawn, left_out) = timeline::lanes_of(lanes);
    let for_terminal = context.global.output() == OutputFormat::Table;
    let colours = context.colours && for_terminal;
    let width = context.width().filter(|_| for_terminal).unwrap_or(WIDTH_ELSEWHERE);
    let lines = timeline::draw(&drawn, width, colours);
    if lines.is_empty() {
        return None;
    }
    let text: String = lines.into_iter().map(|line| line + "\n").collect();
    let mut notes = Vec::new();
    if left_out > 0 {
        notes.push(format!("{} not drawn", counted(left_out, "more step is", "more steps are")));
    }
    notes.push(timeline::legend(&drawn));
    let notes: String = notes.iter().map(|note| context.prose(Tone::Dim, note)).collect();
    let title = heading(context, "Timeline");
    Some(match for_terminal {
        true => Section { title: title + &text, table: None, notes },
        false => Section { title: title + "\n" + &stack::fenced(&(text + &notes)), table: None, notes: String::new() },
    })
}
