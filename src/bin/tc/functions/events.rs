//! `tc events`: how many events of each kind there are.

use std::collections::BTreeSet;

use anyhow::Result;
use clap::Args;
use serde_json::json;

use crate::error::{DONE, Failure};
use crate::find::nearest;
use crate::functions::read::{RangeArgs, Read};
use crate::output::csv::Sheet;
use crate::output::figures::count;
use crate::output::table::{Cell, Column, Table};
use crate::output::{Answer, Section, of_store};
use crate::surroundings::Context;
use temporal_code::logs::{FunctionSummary, Summary};
use temporal_code::text;

/// The kinds that the Python package writes.
const KINDS: [&str; 4] = ["call", "weight_change", "promotion", "rollback"];

/// Count the events of each type; with a TYPE, of each function
#[derive(Debug, Args)]
pub(crate) struct EventsArgs {
    /// call, weight_change, promotion, rollback, or any other type in the log
    #[arg(value_name = "TYPE")]
    kind: Option<String>,
    #[command(flatten)]
    range: RangeArgs,
}

/// Its columns in CSV; with a type the second.
const SHEETS: [Sheet; 2] =
    [Sheet { of: None, columns: "event count", json: "" }, Sheet { of: None, columns: "function count", json: "" }];

pub(crate) fn run(context: &Context, args: &EventsArgs) -> Result<u8> {
    let filter = args.range.filter(context)?;
    let (read, warnings) = Read::of_asked(context, &args.range, &filter)?;
    args.kind.iter().try_for_each(|kind| refuse_unknown(&read, kind))?;
    let name = if args.kind.is_some() { "function" } else { "event" };
    let mut counts = Vec::new();
    for (store, summary) in read.each() {
        let mut own =
            args.kind.as_ref().map_or_else(|| summary.kinds().into_iter().collect(), |kind| of_kind(summary, kind));
        own.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        counts.extend(own.into_iter().map(|(key, count)| (store, key, count)));
    }
    let empty = match (&args.kind, counts.is_empty()) {
        (Some(kind), _) => format!("No events of type {}.\n", text::harmless(kind)),
        (None, true) => read.no_events(context)?,
        (None, false) => String::new(),
    };
    let item = |(store, key, count): &(Option<&str>, String, u64)| {
        of_store(json!({name: key, "count": count}).to_string(), *store)
    };
    let items = || Ok(counts.iter().map(item).collect());
    let sections = || {
        if counts.is_empty() {
            return vec![Section::text(empty.clone())];
        }
        let several = counts.iter().any(|(store, ..)| store.is_some());
        let mut table = Table::of_stores(several, [Column::text(name).cut_to(16), Column::number("count")]);
        for (store, key, n) in &counts {
            table.row_of(*store, vec![Cell::name(key), Cell::new(count(*n))]);
        }
        vec![Section::table(table)]
    };
    Answer { schema: "tc.events/1", warnings, items, sheet: &SHEETS[usize::from(args.kind.is_some())], sections }
        .print(context)?;
    Ok(DONE)
}

/// Refuses a kind that is none of the package's own, and of which no store has an event.
fn refuse_unknown(read: &Read, kind: &str) -> Result<()> {
    let kinds = read.each().flat_map(|(_, summary)| summary.kinds().into_keys()).collect::<BTreeSet<_>>();
    if KINDS.contains(&kind) || kinds.contains(kind) {
        return Ok(());
    }
    let failure = Failure::new("unknown_type", format!("no events of type `{kind}`"));
    let known = KINDS.into_iter().chain(kinds.iter().map(String::as_str).filter(|kind| !KINDS.contains(kind)));
    let known = known.collect::<Vec<_>>();
    let hint = nearest(kind, known.iter().copied()).unwrap_or_else(|| format!("there are {}", known.join(", ")));
    Err(failure.hint(hint).into())
}

/// Each function's events of one kind.
fn of_kind(summary: &Summary, kind: &str) -> Vec<(String, u64)> {
    let of = |function: &FunctionSummary| match kind {
        "call" => function.calls(),
        "promotion" => function.promotions,
        "rollback" => function.rollbacks,
        "weight_change" => function.weight_changes,
        other => function.others.get(other).copied().unwrap_or(0),
    };
    let counted = summary.functions.iter().map(|function| (function.name.to_string(), of(function)));
    let nameless = summary.nameless.get(kind).map(|count| ("(no function)".to_string(), *count));
    counted.chain(nameless).filter(|(_, count)| *count > 0).collect()
}
