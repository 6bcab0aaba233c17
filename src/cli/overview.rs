//! `tc` alone: what is in the store, and what to type next.

use std::io::IsTerminal as _;

use anyhow::Result;
use serde_json::json;

use super::context::Context;
use super::error::{DONE, Failure};
use super::find;
use super::output::escape;
use super::output::table::Tone;
use super::output::{Answer, Section};
use super::status;
use crate::evolution::summary::{Filter, FunctionSummary, Summary};

/// How many functions are listed.
const FUNCTIONS_MAX: usize = 8;

pub(crate) fn run(context: &Context) -> Result<u8> {
    let store = match context.store() {
        Ok(store) => store,
        Err(error) if is_newcomer(context, &error) => return welcome(context, &error),
        Err(error) => return Err(error),
    };
    let (summary, warnings) = status::read(context, &store, &Filter::default())?;
    let mut recent = summary.functions.iter().collect::<Vec<_>>();
    recent.sort_by_key(|function| std::cmp::Reverse(function.span().last()));
    let listed = &recent[..recent.len().min(FUNCTIONS_MAX)];
    let items = || {
        let events = summary.kinds().values().sum::<u64>();
        let logs = store.sources.iter().map(|source| source.name()).collect::<Vec<_>>();
        let functions = summary.functions.len();
        let item = json!({"store": store.name, "format": "temporal-code", "logs": logs, "events": events, "functions": functions});
        Ok(vec![item.to_string()])
    };
    let sections = || {
        let mut sections = vec![Section::text(status::describe(&store, &summary))];
        if !listed.is_empty() {
            let more = match summary.functions.len() - listed.len() {
                0 => "\n".into(),
                more => format!("and {more} more, the last active ones first\n\n"),
            };
            let notes = status::forced(context, listed) + &more;
            sections.push(Section { title: String::new(), table: Some(status::table(context, listed)), notes });
        }
        sections.push(Section::text(next(context, &summary, listed)));
        sections
    };
    Answer { schema: "tc.overview/1", warnings, items, rows_of: None, sections }.print(context)?;
    Ok(DONE)
}

/// Whether somebody typed `tc` where there is nothing to see yet.
fn is_newcomer(context: &Context, error: &anyhow::Error) -> bool {
    let nothing = error.downcast_ref::<Failure>().is_some_and(|failure| failure.code == "no_store");
    nothing && context.global.store.is_empty() && !context.global.wants_json()
}

fn welcome(context: &Context, error: &anyhow::Error) -> Result<u8> {
    let dim = |text: &str| Tone::Dim.paint(text, context.colours && std::io::stdout().is_terminal());
    let text = format!(
        "tc shows what evolving functions did, from their logs.\n\n\
         There is no store here: {}.\n\n\
         \x20 tc --store PATH             look into a log file, a folder, or a quoted glob\n\
         \x20 export TC_STORE=PATH        do so by default\n\
         \x20 tc --help                   all commands\n\n{}\n",
        escape::text(&error.to_string().replace("no store: ", "")),
        dim("A log is what temporal-code's EvolutionTracker(\"./evolution_logs\") writes.")
    );
    super::output::write(&text)?;
    Ok(DONE)
}

/// The commands that make sense now.
fn next(context: &Context, summary: &Summary, listed: &[&FunctionSummary]) -> String {
    let stores = context.global.store.iter().map(|store| format!(" --store {}", shell_word(&find::shown(store))));
    let stores = stores.collect::<String>();
    let mut commands = vec![("tc status".to_string(), "every function and variant")];
    let quoted = |function: &FunctionSummary| shell_word(&function.name);
    if let Some(function) = listed.first() {
        commands.push((format!("tc history {}", quoted(function)), "its last events"));
        commands.push((format!("tc summary {}", quoted(function)), "latencies and errors"));
    }
    let compared = |function: &&&FunctionSummary| function.variants.iter().filter(|v| v.primary.calls > 0).count() > 1;
    if let Some(function) = listed.iter().find(compared) {
        commands.push((format!("tc report {}", quoted(function)), "its variants compared"));
        if let Some(variant) = function.variants.last() {
            let command = format!("tc promote {} {}", quoted(function), shell_word(&variant.name));
            commands.push((command, "all traffic to one of them"));
        }
    }
    if summary.kinds().len() > 1 {
        commands.push(("tc events".into(), "how many of each type"));
    }
    commands.iter_mut().for_each(|(command, _)| command.push_str(&stores));
    let width = commands.iter().map(|(command, _)| command.chars().count()).max().unwrap_or(0);
    let mut text = String::from("Next:\n");
    for (command, what) in commands {
        let padding = " ".repeat(width - command.chars().count());
        text += &format!("  {command}{padding}   {}\n", Tone::Dim.paint(what, context.colours));
    }
    text
}

/// A name as a shell takes it.
fn shell_word(name: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "._-/:".contains(c);
    let safe = escape::text(name);
    if !safe.is_empty() && !safe.starts_with('-') && safe.chars().all(plain) {
        return safe.into_owned();
    }
    format!("'{}'", safe.replace('\'', "'\\''"))
}
