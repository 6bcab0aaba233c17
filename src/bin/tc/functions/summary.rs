//! `tc summary`: one function in full.

use anyhow::Result;
use clap::Args;

use crate::error::DONE;
use crate::functions::read::{Found, RangeArgs, Read};
use crate::functions::shape::{self, errors_of};
use crate::functions::status::{latency, success};
use crate::output::csv::Sheet;
use crate::output::figures::{count, counted, percent};
use crate::output::table::{Cell, Column, Table, Tone};
use crate::output::{Answer, Section};
use crate::surroundings::Context;
use temporal_code::logs::{EventFilter, FunctionSummary, Tally};
use temporal_code::text;

/// Show one function's variants: calls, success, latencies, errors by message, first and last seen
#[derive(Debug, Args)]
pub(crate) struct SummaryArgs {
    /// The function, by its full name
    function: String,
    #[command(flatten)]
    range: RangeArgs,
}

/// Its columns in CSV.
const SHEET: Sheet = Sheet {
    of: Some("variants"),
    columns: "function calls promotions rollbacks weight_changes other_events dropped_calls forced.decision \
              forced.variant forced.to forced.since forced.by forced.reason first_event last_event variant \
              variant.calls successes failures success_rate share fallback_calls latency_ms.mean latency_ms.p50 \
              latency_ms.p90 latency_ms.p95 latency_ms.p99 latency_ms.max errors first_seen last_seen",
    json: "",
};

pub(crate) fn run(context: &Context, args: &SummaryArgs) -> Result<u8> {
    let filter = EventFilter { errors: true, ..args.range.filter(context)? };
    let (read, warnings) = Read::of_asked(context, &args.range, &filter)?;
    let found = read.named(context, &args.function)?;
    let items = || Ok(found.iter().map(|found| shape::function(found, true)).collect());
    let sections = || Section::apart(found.iter().map(|found| sections(context, found)));
    Answer { schema: "tc.summary/1", warnings, items, sheet: &SHEET, sections }.print(context)?;
    Ok(DONE)
}

fn sections(context: &Context, Found { store, function }: &Found<'_>) -> Vec<Section> {
    let times = context.span(function.span()).map(|span| format!(", {span}")).unwrap_or_default();
    let name = shape::title(context, &function.name, *store);
    let decisions = [
        counted(function.promotions, "promotion", "promotions"),
        counted(function.rollbacks, "rollback", "rollbacks"),
        counted(function.weight_changes, "weight change", "weight changes"),
    ];
    let title = format!("{name}: {}{times}\n{}\n\n", counted(function.calls(), "call", "calls"), decisions.join(", "));
    let mut sections =
        vec![Section { title, table: Some(variants(context, function)), notes: fallbacks(context, function) }];
    let errors = errors(function);
    if !errors.is_empty() {
        sections.push(Section { title: "\n".into(), table: Some(errors), notes: String::new() });
    }
    sections
}

fn variants(context: &Context, function: &FunctionSummary) -> Table {
    let mut table = Table::new([
        Column::text("variant").cut_to(12),
        Column::number("calls"),
        Column::number("share").expendable(5),
        Column::number("success"),
        Column::number("mean").expendable(4),
        Column::number("p50"),
        Column::number("p90").expendable(6),
        Column::number("p95"),
        Column::number("p99").expendable(2),
        Column::number("max").expendable(3),
        Column::text("first seen").expendable(8),
        Column::text("last seen").expendable(7),
    ]);
    let calls = function.calls();
    for variant in &function.variants {
        let tally: Tally = variant.all();
        let share = tally.share_of(calls);
        let quantile = |q| latency(tally.latency.quantile_ns(q));
        table.row([
            Cell::name(&variant.name),
            Cell::new(count(tally.calls)),
            Cell::new(share.map_or("-".into(), percent)),
            success(&tally),
            latency(tally.latency.mean_ns()),
            quantile(0.5),
            quantile(0.9),
            quantile(0.95),
            quantile(0.99),
            latency(tally.latency.max_ns().map(|ns| ns as f64)),
            Cell::new(context.clock(tally.span.first())),
            Cell::new(context.clock(tally.span.last())),
        ]);
    }
    table
}

/// A line about calls that were made because another variant had failed.
pub(crate) fn fallbacks(context: &Context, function: &FunctionSummary) -> String {
    let mut text = String::new();
    for variant in function.variants.iter().filter(|variant| variant.fallback.calls > 0) {
        let (name, fallback) = (text::harmless(&variant.name), &variant.fallback);
        let calls = counted(fallback.calls, "call", "calls");
        let successes = count(fallback.successes);
        let sentence = format!(
            "{calls} of `{name}` answered a request that another variant had failed, {successes} with success."
        );
        text += &context.prose(Tone::Plain, &sentence);
    }
    text
}

fn errors(function: &FunctionSummary) -> Table {
    let mut table =
        Table::new([Column::text("variant").cut_to(12), Column::number("failures"), Column::text("error").cut_to(10)]);
    for variant in &function.variants {
        for (message, failures) in errors_of(variant) {
            let message = message.unwrap_or_else(|| "(no message)".into());
            table.row([Cell::name(&variant.name), Cell::new(count(failures)), Cell::new(message).tone(Tone::Bad)]);
        }
    }
    table
}
