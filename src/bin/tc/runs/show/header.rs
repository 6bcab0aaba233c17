//! The first lines about a run: where it stands, and why.

use unicode_width::UnicodeWidthStr as _;

use crate::args::{OutputFormat, TimeStyle};
use crate::output::Section;
use crate::output::figures::{count, counted};
use crate::output::table::{Cell, Column, Table, Tone};
use crate::runs::describe;
use crate::runs::layout::wrap;
use crate::runs::show::timeline::elapsed;
use crate::surroundings::Context;
use temporal_code::workflows::{
    InboxMessage, LeaseHolder, RunDetails, RunFormat, RunProblem, RunValue, Runs, Status, Waiting,
};
use temporal_code::{Timestamp, text};

/// Most characters of a value, an error or a reason.
const VALUE_MAX: usize = 400;

/// Most messages that are named.
const NAMES_MAX: usize = 3;

/// Most problems that are named.
const PROBLEMS_MAX: usize = 20;

/// Things to say of a run, each with a word in front.
#[derive(Default)]
pub(super) struct Facts {
    facts: Vec<(&'static str, String, Tone)>,
}

impl Facts {
    fn say(&mut self, name: &'static str, text: impl Into<String>) {
        self.paint(name, text, Tone::Plain);
    }

    fn paint(&mut self, name: &'static str, text: impl Into<String>, tone: Tone) {
        self.facts.push((name, text.into(), tone));
    }

    /// A line or more for each, which fit the terminal.
    fn lines(&self, context: &Context) -> String {
        let margin = self.facts.iter().map(|(name, ..)| name.width()).max().unwrap_or(0) + 2;
        let mut text = String::new();
        for (name, value, tone) in &self.facts {
            let lines = wrap(value, context.width().unwrap_or(usize::MAX).saturating_sub(margin));
            for (number, line) in lines.iter().enumerate() {
                let name = Cell::new(if number == 0 { name } else { "" }).tone(Tone::Dim);
                text += &format!("{}{}\n", name.fitted(margin, context.colours), tone.paint(line, context.colours));
            }
        }
        text
    }

    fn table(&self) -> Table {
        let mut table = Table::new([Column::text("fact"), Column::text("value")]);
        self.facts.iter().for_each(|(name, value, _)| table.row([Cell::new(name), Cell::new(value)]));
        table
    }
}

/// A value of any length, cut, with a note how long it is.
pub(super) fn value(value: &RunValue) -> String {
    long(&value.plain())
}

fn long(text: &str) -> String {
    // Bytes are at least as many as characters, and counting the characters of all is not for nothing.
    if text.len() <= VALUE_MAX || text.chars().nth(VALUE_MAX).is_none() {
        return text.to_owned();
    }
    let all = count(text.chars().count() as u64);
    format!("{} ({all} characters; -o json shows all of them)", text::shorten(text, VALUE_MAX))
}

/// A time, and how long ago that is, as far as it was not asked for one of them.
pub(super) fn when(context: &Context, at: Timestamp) -> String {
    match context.global.time {
        Some(TimeStyle::Iso | TimeStyle::Relative) => context.clock(Some(at)),
        None => format!("{} ({})", context.clock(Some(at)), context.recency(Some(at))),
    }
}

/// Where the run stands.
pub(super) fn section(context: &Context, runs: &Runs, details: &RunDetails) -> Section {
    let facts = facts(context, runs, details);
    let title = title(context, details);
    match context.global.output() {
        OutputFormat::Markdown => Section { title, table: Some(facts.table()), notes: String::new() },
        _ => Section::text(title + &facts.lines(context)),
    }
}

fn title(context: &Context, details: &RunDetails) -> String {
    let run = &details.run;
    let id = Cell::name(&run.id);
    let since = run.since.map_or_else(String::new, |at| format!(" since {}", when(context, at)));
    let id_text = id.fitted(id.width(), false);
    if context.global.output() == OutputFormat::Markdown {
        return format!("## `{}`: {}{since}\n", id_text.replace('`', "'"), run.status);
    }
    let paint = |tone: Tone, text: &str| tone.paint(text, context.colours);
    let status = run.status.as_str();
    let width = context.width().unwrap_or(usize::MAX);
    if id.width() + 2 + status.width() + since.width() <= width {
        let (id, status) = (paint(Tone::Strong, &id_text), paint(describe::tone(run.status), status));
        return format!("{id}  {status}{since}\n");
    }
    let lines = wrap(&id_text, width).into_iter().map(|line| paint(Tone::Strong, &line) + "\n").collect::<String>();
    let stands = wrap(&format!("{status}{since}"), width);
    let stands = stands.iter().map(|line| paint(describe::tone(run.status), line) + "\n").collect::<String>();
    lines + &stands
}

/// What a run waits for, any of which lets it go on.
fn waits(context: &Context, waiting: &Waiting) -> String {
    let overdue =
        |at: Timestamp| if at <= context.now { ", which has passed, but no worker has taken the run yet" } else { "" };
    let mut text = describe::subjects(waiting).join(" or ");
    for (at, lead, alone) in [
        (waiting.until, ", at most until ", "the time "),
        (waiting.retry_at, ", or an attempt at ", "the next attempt at "),
    ] {
        let Some(at) = at else { continue };
        let lead = if text.is_empty() { alone } else { lead };
        text += &format!("{lead}{}{}", when(context, at), overdue(at));
    }
    text
}

fn facts(context: &Context, runs: &Runs, details: &RunDetails) -> Facts {
    let (run, state) = (&details.run, &details.state);
    let mut facts = Facts::default();
    problems(&mut facts, details);
    if let Some(waiting) = &run.waiting_for {
        facts.say("waits for", long(&waits(context, waiting)));
    }
    if let Some(result) = &run.result {
        facts.say("result", value(result));
    }
    if let Some(error) = &run.error {
        let tone = if run.status == Status::Retrying { Tone::Warn } else { Tone::Bad };
        facts.paint(if run.status == Status::Retrying { "after" } else { "error" }, value(error), tone);
    }
    if let Some(because) = run.because.as_ref().filter(|_| details.is_sound()) {
        facts.say("because", long(because));
    }
    if state.cancel_requested && run.status != Status::Cancelled {
        let reason = state.cancel_reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
        facts.paint("cancel", long(&format!("somebody asked to cancel it{reason}")), Tone::Warn);
    }
    if state.is_reverting && !run.status.is_ended() {
        facts.paint("reverting", "what was done is being compensated", Tone::Warn);
    }
    untaken(&mut facts, context, details);
    // Leases of substantial are left to run out.
    let is_told =
        |holder: &&LeaseHolder| !run.status.is_ended() && (run.format == RunFormat::Own || holder.until > context.now);
    if let Some(holder) = state.holder.as_ref().filter(is_told) {
        facts.say("held by", held(context, holder));
    }
    if run.workflow.is_some() || state.queue.is_some() {
        facts.say("workflow", workflow(details));
    }
    if let Some(input) = &state.input {
        facts.say("input", value(input));
    }
    times(&mut facts, context, details);
    counts(&mut facts, details);
    facts.paint("store", format!("{}, of {}", runs.location(), run.format), Tone::Dim);
    facts
}

/// What is wrong comes first.
fn problems(facts: &mut Facts, details: &RunDetails) {
    for problem in details.problems.iter().take(PROBLEMS_MAX) {
        let RunProblem { seq, what, corrupt } = problem;
        let place = match (&details.instance, seq.number) {
            (Some(_), _) | (_, 0) => String::new(),
            _ => format!("event {seq}: "),
        };
        let (name, tone) = match *corrupt {
            true => ("corrupt", Tone::Bad),
            false if details.run.status == Status::Parked => ("newer", Tone::Bad),
            false => ("odd", Tone::Warn),
        };
        facts.paint(name, long(&format!("{place}{what}")), tone);
    }
    if let Some(more) = details.problems.len().checked_sub(PROBLEMS_MAX).filter(|more| *more > 0) {
        facts.paint("", format!("and {} more", counted(more as u64, "problem", "problems")), Tone::Warn);
    }
    if let Some(problem) = &details.inbox_problem {
        facts.paint("inbox", long(problem), Tone::Bad);
    }
}

/// What came and waits for a worker.
fn untaken(facts: &mut Facts, context: &Context, details: &RunDetails) {
    let has_come = |message: &&InboxMessage| !message.is_taken && message.at.is_none_or(|at| at <= context.now);
    let name = |message: &InboxMessage| message.event.clone().unwrap_or_else(|| message.kind.to_owned());
    let mut names: Vec<String> = details.inbox.iter().filter(has_come).map(name).collect();
    names.dedup();
    if details.run.status.is_ended() || names.is_empty() {
        return;
    }
    let more = match names.len().saturating_sub(NAMES_MAX) {
        0 => String::new(),
        more => format!(" and {} more", count(more as u64)),
    };
    names.truncate(NAMES_MAX);
    facts.paint(
        "inbox",
        long(&format!("{}{more}: sent, but no worker has taken it yet", names.join(", "))),
        Tone::Warn,
    );
}

fn held(context: &Context, holder: &LeaseHolder) -> String {
    let worker = holder.worker.as_deref().unwrap_or("a worker");
    let (since, until) = (context.clock(Some(holder.since)), context.clock(Some(holder.until)));
    let over = if holder.until <= context.now { ", which has passed: any worker may take the run" } else { "" };
    long(&format!("{worker} since {since}, until {until}{over}"))
}

fn workflow(details: &RunDetails) -> String {
    let (run, state) = (&details.run, &details.state);
    let mut parts = vec![run.workflow.clone().unwrap_or_else(|| "unknown".into())];
    parts.extend(state.queue.as_ref().map(|queue| format!("queue {queue}")));
    parts.extend(state.parent.as_ref().map(|parent| format!("child of {parent}")));
    long(&parts.join(", "))
}

fn times(facts: &mut Facts, context: &Context, details: &RunDetails) {
    let run = &details.run;
    let clock = |at: Timestamp| context.clock(Some(at));
    if let Some(started) = run.started_at {
        facts.say("started", clock(started));
    }
    match (run.ended_at, run.updated_at) {
        (Some(ended), _) => {
            let took = run.started_at.map(|started| ended.micros() - started.micros()).filter(|took| *took > 0);
            let took = took.map_or_else(String::new, |took| format!(", after {}", elapsed(took)));
            facts.say("ended", clock(ended) + &took);
        }
        (None, Some(updated)) if run.started_at != Some(updated) => facts.say("updated", clock(updated)),
        _ => {}
    }
}

fn counts(facts: &mut Facts, details: &RunDetails) {
    let (run, state) = (&details.run, &details.state);
    let mut parts = Vec::new();
    parts.extend(run.events.map(|events| counted(events, "event", "events")));
    parts.extend(state.claims.and_then(|claims| match claims {
        0 if run.status == Status::Pending => Some("no worker has taken it yet".to_owned()),
        // Of a history of which only the end is left that is not known.
        0 => None,
        1 => Some("taken once by a worker".to_owned()),
        _ => Some(format!("taken {} times by a worker", count(claims))),
    }));
    if state.life > 1 {
        parts.push(format!("life {}", count(state.life.into())));
    }
    if state.generation > 1 {
        parts.push(format!("generation {}", count(state.generation.into())));
    }
    if !parts.is_empty() {
        facts.say("history", parts.join(", "));
    }
}
