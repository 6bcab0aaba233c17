//! `tc events`: how many events of each kind there are.

use std::collections::BTreeMap;

use anyhow::Result;
use clap::Args;
use serde_json::json;

use crate::error::{DONE, Failure};
use crate::find::nearest;
use crate::functions::status::{self, RangeArgs};
use crate::output::figures::count;
use crate::output::table::{Cell, Column, Table};
use crate::output::{Answer, Section};
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

pub(crate) fn run(context: &Context, args: &EventsArgs) -> Result<u8> {
    let store = context.store()?;
    let filter = args.range.filter(context)?;
    let (summary, warnings) = status::read(context, &store, &filter)?;
    let (name, mut counts) = match &args.kind {
        None => ("event", summary.kinds().into_iter().collect::<Vec<_>>()),
        Some(kind) => ("function", of_kind(&summary, kind)?),
    };
    counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let empty = match (&args.kind, counts.is_empty()) {
        (Some(kind), _) => format!("No events of type {}.\n", text::harmless(kind)),
        (None, true) => status::no_events(context, &store, filter.since, filter.until)?,
        (None, false) => String::new(),
    };
    let items = || Ok(counts.iter().map(|(key, count)| json!({name: key, "count": count}).to_string()).collect());
    let sections = || {
        if counts.is_empty() {
            return vec![Section::text(empty.clone())];
        }
        let mut table = Table::new([Column::text(name).cut_to(16), Column::number("count")]);
        counts.iter().for_each(|(key, n)| table.row([Cell::name(key), Cell::new(count(*n))]));
        vec![Section::table(table)]
    };
    Answer { schema: "tc.events/1", warnings, items, rows_of: None, sections }.print(context)?;
    Ok(DONE)
}

/// Each function's events of one kind.
fn of_kind(summary: &Summary, kind: &str) -> Result<Vec<(String, u64)>> {
    let kinds: BTreeMap<String, u64> = summary.kinds();
    if !KINDS.contains(&kind) && !kinds.contains_key(kind) {
        let failure = Failure::new("unknown_type", format!("no events of type `{kind}`"));
        let known = KINDS.into_iter().chain(kinds.keys().map(String::as_str).filter(|kind| !KINDS.contains(kind)));
        let known = known.collect::<Vec<_>>();
        let hint = nearest(kind, known.iter().copied()).unwrap_or_else(|| format!("there are {}", known.join(", ")));
        return Err(failure.hint(hint).into());
    }
    let of = |function: &FunctionSummary| match kind {
        "call" => function.calls(),
        "promotion" => function.promotions,
        "rollback" => function.rollbacks,
        "weight_change" => function.weight_changes,
        other => function.others.get(other).copied().unwrap_or(0),
    };
    let counted = summary.functions.iter().map(|function| (function.name.to_string(), of(function)));
    let nameless = summary.nameless.get(kind).map(|count| ("(no function)".to_string(), *count));
    Ok(counted.chain(nameless).filter(|(_, count)| *count > 0).collect())
}
