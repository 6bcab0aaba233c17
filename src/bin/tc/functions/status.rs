//! `tc status`: every function and its variants.

use anyhow::Result;
use clap::Args;

use crate::error::{DONE, Failure, PENDING};
use crate::find::{Store, unknown_function};
use crate::functions::shape::{self, ForcedShape};
use crate::output::figures::{bytes, count, counted, duration_ns, percent};
use crate::output::table::{Cell, Column, Table, Tone};
use crate::output::warnings::{Spot, Warning};
use crate::output::{Answer, Section};
use crate::runs::workflows::{self, Workflows};
use crate::surroundings::Context;
use temporal_code::logs::{EventFilter, FunctionSummary, LogSource, Summary, Tally};
use temporal_code::{Timestamp, text};

/// Show every function: calls, variants with share, success and latency, decisions; and every workflow
///
/// With a FUNCTION, only that one; the name of a workflow does, too. Calls count as the Python package counts them: calls made because another variant had
/// failed are among them; `tc summary` and `tc report` tell them apart.
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// Only this function
    function: Option<String>,
    #[command(flatten)]
    range: RangeArgs,
}

/// Which span of time counts.
#[derive(Debug, Args)]
pub(crate) struct RangeArgs {
    /// Only events at or after this time: 2h, 7d, yesterday, 2026-06-05, RFC 3339
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Only events before this time
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<String>,
}

impl RangeArgs {
    /// The filter for this span of time.
    pub(crate) fn filter(&self, context: &Context) -> Result<EventFilter> {
        let when = |flag, text: &Option<String>| text.as_ref().map(|text| context.when(flag, text)).transpose();
        let (since, until) = (when("since", &self.since)?, when("until", &self.until)?);
        context.check_range(since, until)?;
        Ok(EventFilter { since, until, ..EventFilter::default() })
    }
}

pub(crate) fn run(context: &Context, args: &StatusArgs) -> Result<u8> {
    let filter = args.range.filter(context)?;
    let store = context.store();
    let summary = match (&args.function, &store) {
        (Some(_), Ok(store)) => Some(read(context, store, &filter)?),
        _ => None,
    };
    // Who asks for a function that there is does not wait for runs to be read.
    let is_there =
        args.function.as_ref().zip(summary.as_ref()).is_some_and(|(name, (s, _))| s.function(name).is_some());
    let workflows =
        if is_there { Ok(Workflows::default()) } else { workflows::read(context, filter.since, filter.until) };
    let (store, tally) = workflows::beside(store, workflows)?;
    let Some(store) = store else { return workflows_alone(context, args, tally) };
    let (summary, mut warnings) = summary.map_or_else(|| read(context, &store, &filter), Ok)?;
    warnings.extend(tally.warnings.iter().cloned());
    let functions = match &args.function {
        Some(name) => match function(context, &summary, name, &store, &filter) {
            Err(_) if tally.workflow(name).is_some() => return workflows_alone(context, args, tally),
            found => vec![found?],
        },
        None => summary.functions.iter().collect::<Vec<_>>(),
    };
    let items = || Ok(functions.iter().map(|function| shape::function(function, false).to_string()).collect());
    let empty =
        if functions.is_empty() { no_events(context, &store, filter.since, filter.until)? } else { String::new() };
    let shows_workflows = !tally.is_empty() && args.function.is_none();
    let sections = || {
        let mut sections = Vec::new();
        if context.global.verbose {
            sections.push(Section::text(describe(&store, &summary)));
        }
        sections.push(if functions.is_empty() {
            Section::text(empty.clone())
        } else {
            Section { notes: forced(context, &functions), ..Section::table(table(context, &functions)) }
        });
        if shows_workflows {
            let described = if context.global.verbose { tally.describe() + "\n" } else { String::new() };
            sections.push(Section { title: "\n".to_owned() + &described, ..tally.section(context, true) });
        }
        sections
    };
    let members = if shows_workflows { vec![("workflows", tally.json()?)] } else { Vec::new() };
    let answer = Answer { schema: "tc.status/1", warnings, items, rows_of: Some("variants"), sections };
    answer.print_with(context, &members)?;
    Ok(DONE)
}

/// The answer for a store that has workflows and no functions, or for the name of a workflow.
fn workflows_alone(context: &Context, args: &StatusArgs, mut tally: Workflows) -> Result<u8> {
    if let Some(name) = &args.function {
        tally.workflows.retain(|workflow| workflow.name.as_ref() == Some(name));
        if tally.workflows.is_empty() {
            let message = format!("no function and no workflow `{name}`");
            return Err(Failure::new("unknown_function", message).hint("`tc status` lists those there are").into());
        }
    }
    let warnings = std::mem::take(&mut tally.warnings);
    let sections = || {
        let described = if context.global.verbose { tally.describe() + "\n" } else { String::new() };
        vec![Section { title: described, ..tally.section(context, true) }]
    };
    let members = [("workflows", tally.json()?)];
    let answer = Answer { schema: "tc.status/1", warnings, items: || Ok(Vec::new()), rows_of: None, sections };
    answer.print_with(context, &members)?;
    Ok(DONE)
}

/// Reads the store's logs into a summary.
pub(crate) fn read(context: &Context, store: &Store, filter: &EventFilter) -> Result<(Summary, Vec<Warning>)> {
    let (summary, mut warnings) = context.scan(store, |options| Summary::read(&store.sources, filter, options))?;
    if filter.lets_all_through() && summary.kinds().is_empty() && warnings.iter().any(|warning| warning.loses) {
        return Err(no_log(store, &warnings));
    }
    if summary.undated > 0 {
        let message = format!("{} without a readable time left out", counted(summary.undated, "event", "events"));
        warnings.push(Warning { count: Some(summary.undated), ..Warning::lost(message) });
    }
    for function in summary.functions.iter().filter(|function| function.dropped > 0) {
        let calls = counted(function.dropped, "call", "calls");
        let message = format!("{calls} of {} are not in the log: the writer could not keep up", function.name);
        warnings.push(Warning { count: Some(function.dropped), ..Warning::lost(message) });
    }
    Ok((summary, warnings))
}

/// The error for what holds nothing that could be read as an event.
fn no_log(store: &Store, warnings: &[Warning]) -> anyhow::Error {
    let failure = Failure::new("bad_data", format!("nothing in {} can be read as an event", store.name));
    let first = warnings.iter().find(|warning| warning.loses).map(|warning| match warning.places.first() {
        Some(Spot { part: Some(part), problem, .. }) => format!("{part}: {problem}"),
        Some(Spot { line: Some(line), problem, .. }) => format!("line {line}: {problem}"),
        _ => warning.message.clone(),
    });
    failure.cause(anyhow::Error::msg(first.unwrap_or_default())).into()
}

/// The function of that name, or an error that names the nearest, or says that it has no events in this span of time.
pub(crate) fn function<'a>(
    context: &Context,
    summary: &'a Summary,
    name: &str,
    store: &Store,
    filter: &EventFilter,
) -> Result<&'a FunctionSummary> {
    if let Some(function) = summary.function(name) {
        return Ok(function);
    }
    let mut all = None;
    if !filter.lets_all_through() && !store.sources.iter().any(LogSource::is_stream) {
        all = Some(read(context, store, &EventFilter::default())?.0);
    }
    let all = all.as_ref().unwrap_or(summary);
    if let Some(function) = all.function(name) {
        let failure = Failure::new("no_events", format!("`{name}` has no events in this span of time"));
        let hint = format!("its last event was at {}", context.clock(function.span().last()));
        return Err(Failure { exit: PENDING, ..failure.hint(hint) }.into());
    }
    Err(unknown_function(name, store, all.functions.iter().map(|function| &*function.name)))
}

/// What is said where there are no events: of a span of time also when the last one was.
pub(crate) fn no_events(
    context: &Context,
    store: &Store,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
) -> Result<String> {
    if since.or(until).is_none() || store.sources.iter().any(LogSource::is_stream) {
        return Ok("No events.\n".into());
    }
    let (all, _) = read(context, store, &EventFilter::default())?;
    let last = all.functions.iter().filter_map(|function| function.span().last()).max();
    Ok(match last {
        Some(last) => format!("No events in this span of time. The last event was at {}.\n", context.clock(Some(last))),
        None => "No events.\n".into(),
    })
}

/// What kind of store it is and what is in it.
pub(crate) fn describe(store: &Store, summary: &Summary) -> String {
    let size = store.sources.iter().map(|source| source.size()).sum::<Option<u64>>();
    let events = summary.kinds().values().sum::<u64>();
    let logs = counted(store.sources.len() as u64, "log", "logs");
    let size = size.map(|size| format!(", {}", bytes(size))).unwrap_or_default();
    let (events, functions) =
        (counted(events, "event", "events"), counted(summary.functions.len() as u64, "function", "functions"));
    let mut text = format!("{}: temporal-code, {logs}{size}, {events} of {functions}\n", text::harmless(&store.name));
    if store.sources.len() > 1 {
        for source in &store.sources {
            text += &format!("  {}\n", text::harmless(&source.name()));
        }
    }
    text + "\n"
}

/// A line for each function that somebody has forced something on.
pub(crate) fn forced(context: &Context, functions: &[&FunctionSummary]) -> String {
    let line = |function: &&FunctionSummary| {
        let sentence = ForcedShape::sentence(function, |at| context.recency(at))?;
        let line = text::harmless(&format!("{}: {sentence}", function.name)).into_owned();
        Some(context.prose(Tone::Warn, &line))
    };
    let lines = functions.iter().filter_map(line).collect::<String>();
    if lines.is_empty() { lines } else { format!("\n{lines}") }
}

/// A row for each function, and under it one for each variant.
pub(crate) fn table(context: &Context, functions: &[&FunctionSummary]) -> Table {
    let mut table = Table::new([
        Column::text("function").cut_to(24),
        Column::number("calls"),
        Column::number("share").expendable(3),
        Column::number("success"),
        Column::number("mean").expendable(7),
        Column::number("p50").expendable(6),
        Column::number("p95").expendable(2),
        Column::number("p99").expendable(8),
        Column::number("promoted").expendable(1),
        Column::number("rollbacks").expendable(1),
        Column::number("weights").expendable(5),
        Column::number("last event").expendable(4),
    ]);
    for function in functions {
        let mut all = Tally::default();
        function.variants.iter().for_each(|variant| all.merge(&variant.all()));
        let mut cells = vec![Cell::name(&function.name).tone(Tone::Strong)];
        cells.extend(figures(&all, None));
        let events =
            |n: u64, tone| if n == 0 { Cell::new("-").tone(Tone::Dim) } else { Cell::new(count(n)).tone(tone) };
        cells.extend([
            events(function.promotions, Tone::Good),
            events(function.rollbacks, Tone::Bad),
            events(function.weight_changes, Tone::Plain),
            Cell::new(context.recency(function.span().last())),
        ]);
        table.row(cells);
        let calls = function.calls();
        for variant in &function.variants {
            let tally = variant.all();
            let mut cells = vec![Cell::name(&variant.name).indented()];
            cells.extend(figures(&tally, Some(calls)));
            cells.extend([Cell::default(), Cell::default(), Cell::default()]);
            cells.push(Cell::new(context.recency(tally.span.last())).tone(Tone::Dim));
            table.row(cells);
        }
    }
    table
}

/// Calls, share of `total`, success rate, mean, p50, p95, p99.
fn figures(tally: &Tally, total: Option<u64>) -> Vec<Cell> {
    let share = total.and_then(|total| tally.share_of(total));
    vec![
        Cell::new(count(tally.calls)),
        Cell::new(share.map_or(String::new(), percent)),
        success(tally),
        latency(tally.latency.mean_ns()),
        latency(tally.latency.quantile_ns(0.5)),
        latency(tally.latency.quantile_ns(0.95)),
        latency(tally.latency.quantile_ns(0.99)),
    ]
}

/// A latency in nanoseconds, or that there is none.
pub(crate) fn latency(ns: Option<f64>) -> Cell {
    Cell::new(ns.map_or("-".into(), duration_ns))
}

/// A success rate; red where the original's canary would roll back.
pub(crate) fn success(tally: &Tally) -> Cell {
    const ROLLBACK_BELOW: f64 = 0.95;
    match tally.success_rate() {
        None => Cell::new("-"),
        Some(rate) if rate < ROLLBACK_BELOW => Cell::new(percent(rate)).tone(Tone::Bad),
        Some(rate) => Cell::new(percent(rate)),
    }
}
