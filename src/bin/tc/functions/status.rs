//! `tc status`: every function and its variants.

use anyhow::Result;
use clap::Args;

use crate::error::{DONE, Failure};
use crate::functions::read::{Found, RangeArgs, Read};
use crate::functions::shape::{self, ForcedShape};
use crate::output::csv::Sheet;
use crate::output::figures::{count, duration_ns, percent};
use crate::output::table::{Cell, Column, Table, Tone};
use crate::output::warnings::Warning;
use crate::output::{Answer, Section};
use crate::runs::workflows::{self, Workflows};
use crate::surroundings::Context;
use temporal_code::logs::Tally;
use temporal_code::text;

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

/// Its columns in CSV.
const SHEET: Sheet = Sheet {
    of: Some("variants"),
    columns: "function calls promotions rollbacks weight_changes other_events dropped_calls forced.decision \
              forced.variant forced.to forced.since forced.by forced.reason first_event last_event variant \
              variant.calls successes failures success_rate share fallback_calls latency_ms.mean latency_ms.p50 \
              latency_ms.p90 latency_ms.p95 latency_ms.p99 latency_ms.max first_seen last_seen",
    json: "",
};

pub(crate) fn run(context: &Context, args: &StatusArgs) -> Result<u8> {
    let filter = args.range.filter(context)?;
    let stores = args.range.stores(context);
    // Who asks for a function that there is does not wait for runs to be read.
    let early = match (&args.function, &stores) {
        (Some(_), Ok(stores)) => Some((Read::new(context, stores, &filter)?, stores)),
        _ => None,
    };
    let is_there =
        |read: &Read| read.functions().iter().any(|found| Some(&*found.function.name) == args.function.as_deref());
    if let Some(((read, warnings), stores)) = early.as_ref().filter(|((read, _), _)| is_there(read)) {
        context.name_those_without(&stores.without);
        return show(context, args, read, warnings.clone(), &Workflows::default());
    }
    let early = early.map(|(read, _)| read);
    let (stores, tally) = workflows::beside(context, stores, workflows::read(context, &filter))?;
    let Some(stores) = stores else { return workflows_alone(context, args, tally) };
    context.name_those_without(&stores.without);
    if args.function.as_ref().is_some_and(|name| tally.workflow(name).is_some()) {
        return workflows_alone(context, args, tally);
    }
    let (read, mut warnings) = early.map_or_else(|| Read::new(context, &stores, &filter), Ok)?;
    warnings.extend(tally.warnings.iter().cloned());
    show(context, args, &read, warnings, &tally)
}

fn show(context: &Context, args: &StatusArgs, read: &Read, warnings: Vec<Warning>, tally: &Workflows) -> Result<u8> {
    let functions = match &args.function {
        Some(name) => read.named(context, name)?,
        None => read.functions(),
    };
    let items = || Ok(functions.iter().map(|found| shape::function(found, false)).collect());
    let empty = if functions.is_empty() { read.no_events(context)? } else { String::new() };
    let shows_workflows = !tally.is_empty() && args.function.is_none();
    let sections = || {
        let mut sections = Vec::new();
        if context.global.verbose {
            sections.push(Section::text(read.describe()));
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
    let answer = Answer { schema: "tc.status/1", warnings, items, sheet: &SHEET, sections };
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
    let answer = Answer { schema: "tc.status/1", warnings, items: || Ok(Vec::new()), sheet: &SHEET, sections };
    answer.print_with(context, &members)?;
    Ok(DONE)
}

/// A line for each function that somebody has forced something on.
pub(crate) fn forced(context: &Context, functions: &[Found<'_>]) -> String {
    let line = |found: &Found<'_>| {
        let sentence = ForcedShape::sentence(found.function, |at| context.recency(at))?;
        let store = found.store.map(|store| format!(" in {store}")).unwrap_or_default();
        let line = text::harmless(&format!("{}{store}: {sentence}", found.function.name)).into_owned();
        Some(context.prose(Tone::Warn, &line))
    };
    let lines = functions.iter().filter_map(line).collect::<String>();
    if lines.is_empty() { lines } else { format!("\n{lines}") }
}

/// A row for each function, and under it one for each variant.
pub(crate) fn table(context: &Context, functions: &[Found<'_>]) -> Table {
    let mut table = Table::of_stores(
        functions.iter().any(|found| found.store.is_some()),
        [
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
        ],
    );
    for Found { store, function } in functions {
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
        table.row_of(*store, cells);
        let calls = function.calls();
        for variant in &function.variants {
            let tally = variant.all();
            let mut cells = vec![Cell::name(&variant.name).indented()];
            cells.extend(figures(&tally, Some(calls)));
            cells.extend([Cell::default(), Cell::default(), Cell::default()]);
            cells.push(Cell::new(context.recency(tally.span.last())).tone(Tone::Dim));
            table.row_of(store.map(|_| ""), cells);
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
