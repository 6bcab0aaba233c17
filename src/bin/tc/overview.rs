//! `tc` alone: what is in the store, and what to type next.

use std::io::IsTerminal as _;

use anyhow::Result;
use serde_json::json;

use crate::error::{DONE, Failure};
use crate::find;
use crate::functions::read::{Found, Read};
use crate::functions::status;
use crate::output::csv::Sheet;
use crate::output::table::Tone;
use crate::output::{Answer, Section};
use crate::runs::workflows::{self, Workflows};
use crate::shell;
use crate::surroundings::Context;
use temporal_code::logs::{EventFilter, FunctionSummary};
use temporal_code::text;

/// How many functions are listed.
const FUNCTIONS_MAX: usize = 8;

/// Its columns in CSV.
const SHEET: Sheet = Sheet { of: None, columns: "store format logs events functions", json: "" };

pub(crate) fn run(context: &Context) -> Result<u8> {
    let filter = EventFilter::default();
    let both = workflows::beside(context, find::stores(&context.global), workflows::read(context, &filter));
    let (stores, tally) = match both {
        Ok(both) => both,
        Err(error) if is_newcomer(context, &error) => return welcome(context, &error),
        Err(error) => return Err(error),
    };
    stores.iter().for_each(|stores| context.name_those_without(&stores.without));
    let read = stores.map(|stores| Read::new(context, &stores, &filter)).transpose()?;
    let (read, mut warnings) = read.map_or_else(|| (None, Vec::new()), |(read, warnings)| (Some(read), warnings));
    warnings.extend(tally.warnings.iter().cloned());
    let mut recent = read.as_ref().map(Read::functions).unwrap_or_default();
    recent.sort_by_key(|found| std::cmp::Reverse(found.function.span().last()));
    let listed = &recent[..recent.len().min(FUNCTIONS_MAX)];
    let items = || Ok(items(read.as_ref(), &tally));
    let sections = || {
        let mut sections = Vec::new();
        sections.extend(read.as_ref().map(|read| Section::text(read.describe())));
        if !listed.is_empty() {
            let more = match recent.len() - listed.len() {
                0 => "\n".into(),
                more => format!("and {more} more, the last active ones first\n\n"),
            };
            let notes = status::forced(context, listed) + &more;
            sections.push(Section { title: String::new(), table: Some(status::table(context, listed)), notes });
        }
        if !tally.is_empty() {
            let section = tally.section(context, false);
            sections.push(Section { title: tally.describe() + "\n", notes: section.notes + "\n", ..section });
        }
        sections.push(Section::text(next(context, read.as_ref(), listed, &tally)));
        sections
    };
    let members = if tally.is_empty() { Vec::new() } else { vec![("workflows", tally.json()?)] };
    Answer { schema: "tc.overview/1", warnings, items, sheet: &SHEET, sections }.print_with(context, &members)?;
    Ok(DONE)
}

/// Each store of logs, and each store of runs.
fn items(read: Option<&Read>, tally: &Workflows) -> Vec<String> {
    let logs = read.into_iter().flat_map(|read| &read.stores).map(|(store, summary)| {
        let events = summary.kinds().values().sum::<u64>();
        let logs = store.sources.iter().map(|source| source.name()).collect::<Vec<_>>();
        let functions = summary.functions.len();
        json!({"store": store.name, "format": "temporal-code", "logs": logs, "events": events, "functions": functions})
    });
    let runs = tally.stores.iter().map(|(store, format)| json!({"store": store, "format": format.as_str()}));
    logs.chain(runs).map(|item| item.to_string()).collect()
}

/// Whether somebody typed `tc` where there is nothing to see yet.
fn is_newcomer(context: &Context, error: &anyhow::Error) -> bool {
    let nothing = error.downcast_ref::<Failure>().is_some_and(|failure| failure.code == "no_store");
    nothing && context.global.store.is_empty() && !context.global.wants_json()
}

fn welcome(context: &Context, error: &anyhow::Error) -> Result<u8> {
    let dim = |text: &str| Tone::Dim.paint(text, context.colours && std::io::stdout().is_terminal());
    let text = format!(
        "tc shows what evolving functions and workflow runs did, from their logs.\n\n\
         There is no store here: {}.\n\n\
         \x20 tc --store PATH             look into a log file, a folder, or a quoted glob\n\
         \x20 export TC_STORE=PATH        do so by default\n\
         \x20 tc --help                   all commands\n\n{}\n",
        text::harmless(&error.to_string().replace("no store: ", "")),
        dim("A log is what temporal-code's EvolutionTracker(\"./evolution_logs\") writes.")
    );
    crate::output::write(&text)?;
    Ok(DONE)
}

/// The commands that make sense now.
fn next(context: &Context, read: Option<&Read>, listed: &[Found<'_>], tally: &Workflows) -> String {
    let stores = context.global.store.iter().map(|store| format!(" --store {}", shell::word(&find::shown(store))));
    let stores = stores.collect::<String>();
    let command = |verb: &str, names: &[&str]| shell::command(verb, names, &stores);
    let mut commands = Vec::new();
    if !listed.is_empty() || tally.is_empty() {
        commands.push((command("status", &[]), "every function and variant"));
    }
    // Of several stores the one that has it: a decision goes to one.
    let of = |found: &Found<'_>, verb: &str, names: &[&str]| {
        let store = found.store.map(|store| format!(" --store {}", shell::word(store)));
        shell::command(verb, names, store.as_deref().unwrap_or(&stores))
    };
    if let Some(found) = listed.first() {
        let name = &*found.function.name;
        commands.push((of(found, "history", &[name]), "its last events"));
        commands.push((of(found, "summary", &[name]), "latencies and errors"));
    }
    let called = |function: &FunctionSummary| function.variants.iter().filter(|v| v.primary.calls > 0).count();
    if let Some(found) = listed.iter().find(|found| called(found.function) > 1) {
        let name = &*found.function.name;
        commands.push((of(found, "report", &[name]), "its variants compared"));
        if let Some(variant) = found.function.variants.last() {
            commands.push((of(found, "promote", &[name, &*variant.name]), "all traffic to one of them"));
        }
    }
    if read.into_iter().flat_map(Read::each).any(|(_, summary)| summary.kinds().len() > 1) {
        commands.push((command("events", &[]), "how many of each type"));
    }
    commands.extend(next_of_runs(tally, command));
    let width = commands.iter().map(|(command, _)| command.chars().count()).max().unwrap_or(0);
    let mut text = String::from("Next:\n");
    for (command, what) in commands {
        let padding = " ".repeat(width - command.chars().count());
        text += &format!("  {command}{padding}   {}\n", Tone::Dim.paint(what, context.colours));
    }
    text
}

/// The same for workflow runs.
fn next_of_runs(tally: &Workflows, command: impl Fn(&str, &[&str]) -> String) -> Vec<(String, &'static str)> {
    if tally.is_empty() {
        return Vec::new();
    }
    let mut commands = vec![(command("runs", &[]), "every run, and what it waits for")];
    if let Some((run, event)) = &tally.waiting {
        commands.push((command("show", &[run]), "what it did and where it stands"));
        if let Some(event) = event {
            commands.push((command("send", &[run, event]), "lets it go on"));
        }
    }
    if let Some(run) = &tally.failed {
        commands.push((command("replay", &[run]), "how it came to this, event by event"));
    }
    commands
}
