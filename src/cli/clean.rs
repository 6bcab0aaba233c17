//! `tc clean`: deletes logs, or their older events.

use std::io;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use serde_json::json;

use super::confirm;
use super::context::Context;
use super::error::{DONE, Failure};
use super::output::figures::{bytes, count, counted};
use super::output::table::{Cell, Column, Table, Tone};
use super::output::warnings::Warning;
use super::output::{Answer, Section, escape};
use super::times::span_micros;
use crate::evolution::clean::{Fate, Plan};

/// Delete logs, or their older events
///
/// Shows what it would delete, and asks. Processes may go on writing meanwhile: only what was shown is deleted. Processes
/// that keep a log open for long must notice that it was replaced; the Python package opens it anew for each event.
#[derive(Debug, Args)]
pub(crate) struct CleanArgs {
    /// Only events older than this: 12h, 30d, 8w
    #[arg(long, value_name = "AGE")]
    older_than: Option<String>,
    /// Keep what is deleted, compressed, in this folder [default: archive, beside the log]
    #[arg(long, value_name = "FOLDER", num_args = 0..=1, require_equals = true)]
    archive: Option<Option<PathBuf>>,
    /// Only show what would be deleted
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

pub(crate) fn run(context: &Context, args: &CleanArgs) -> Result<u8> {
    let plans = plan(context, args)?;
    let work = plans.iter().any(|plan| plan.fate.deletes());
    if args.dry_run || !work {
        show(context, &plans, args, &[])?;
        return Ok(DONE);
    }
    if !args.yes {
        confirm::refuse_unasked(context, "deleting", "see what would go with --dry-run")?;
        show(context, &plans, args, &[])?;
        if !confirm::ask(&question(&plans))? {
            super::output::write("Nothing was deleted.\n")?;
            return Ok(DONE);
        }
    }
    let mut archived = Vec::new();
    for plan in &plans {
        let beside = || plan.path.with_file_name("archive");
        let folder = args.archive.as_ref().map(|folder| folder.clone().unwrap_or_else(beside));
        let failed = |cause| Failure::new("io", format!("cannot clean {}", plan.path.display())).cause(cause);
        archived.push(plan.carry_out(folder.as_deref()).map_err(|cause: io::Error| failed(cause))?);
    }
    if args.yes {
        show(context, &plans, args, &archived)?;
    } else {
        super::output::write(&done(&archived))?;
    }
    Ok(DONE)
}

fn plan(context: &Context, args: &CleanArgs) -> Result<Vec<Plan>> {
    let store = context.store()?;
    let older_than = match &args.older_than {
        None => None,
        Some(text) => {
            let span = span_micros(text).ok_or_else(|| {
                Failure::new("usage", format!("--older-than `{text}` is not an age")).hint("give 12h, 30d or 8w")
            })?;
            Some(context.now.offset_micros(-span))
        }
    };
    let mut plans = Vec::new();
    for source in &store.sources {
        let path = source.path().ok_or_else(|| Failure::new("usage", "standard input cannot be cleaned"))?;
        let failed = |cause| Failure::new("unreadable", format!("cannot read {}", path.display())).cause(cause);
        plans.push(Plan::new(path, older_than).map_err(|cause: io::Error| failed(cause))?);
    }
    Ok(plans)
}

fn show(context: &Context, plans: &[Plan], args: &CleanArgs, archived: &[Option<PathBuf>]) -> Result<()> {
    let did = !archived.is_empty();
    let items = || {
        let item = |(index, plan): (usize, &Plan)| {
            let archive = archived.get(index).and_then(|path| path.as_ref()).map(|path| path.display().to_string());
            json!({
                "file": plan.path.display().to_string(), "bytes": plan.bytes, "action": action(plan.fate),
                "events_deleted": plan.deleted, "events_kept": plan.kept, "standing_decisions": plan.standing, "unreadable_lines": plan.unreadable,
                "archive": archive, "dry_run": !did,
            })
            .to_string()
        };
        Ok(plans.iter().enumerate().map(item).collect())
    };
    let sections = || {
        let notes = if did { done(archived) } else { String::new() };
        vec![Section { title: String::new(), table: Some(table(plans)), notes: notes + &outlook(plans, args, did) }]
    };
    let warnings = plans.iter().flat_map(warnings);
    Answer { schema: "tc.clean/1", warnings: warnings.collect(), items, rows_of: None, sections }.print(context)
}

/// What of a log was not read, or cannot be done.
fn warnings(plan: &Plan) -> Vec<Warning> {
    let file = || Some(plan.path.display().to_string());
    let mut warnings = Vec::new();
    if plan.unreadable > 0 {
        let message = format!("{} could not be read", counted(plan.unreadable, "line", "lines"));
        warnings.push(Warning { file: file(), count: Some(plan.unreadable), ..Warning::lost(message) });
    }
    if plan.standing > 0 && plan.fate.deletes() {
        let decisions = counted(plan.standing, "decision that stands", "decisions that stand");
        let message = match plan.fate {
            Fate::Delete => {
                format!("{decisions} would go with it: processes would go back to their strategies")
            }
            _ => format!("{decisions}, kept however old"),
        };
        warnings.push(Warning { file: file(), count: Some(plan.standing), ..Warning::new(message) });
    }
    if plan.fate == Fate::KeepWhole {
        let message = "is compressed, damaged, or has a line that is too long, and cannot be shortened: left as it is";
        warnings.push(Warning { file: file(), ..Warning::new(message) });
    }
    warnings
}

fn action(fate: Fate) -> &'static str {
    match fate {
        Fate::Delete => "delete",
        Fate::Shorten => "shorten",
        Fate::Keep | Fate::KeepWhole => "keep",
    }
}

fn table(plans: &[Plan]) -> Table {
    let mut table = Table::new([
        Column::text("log").cut_to(20),
        Column::number("size"),
        Column::number("events deleted"),
        Column::number("events kept"),
        Column::number("unreadable lines").expendable(1),
        Column::text("action"),
    ]);
    for plan in plans {
        let gone = plan.fate.deletes();
        let (deleted, kept) = if gone { (plan.deleted, plan.kept) } else { (0, plan.deleted + plan.kept) };
        table.row([
            Cell::new(plan.path.display().to_string()),
            Cell::new(bytes(plan.bytes)),
            Cell::new(count(deleted)),
            Cell::new(count(kept)),
            Cell::new(count(plan.unreadable)),
            Cell::new(action(plan.fate)).tone(if gone { Tone::Bad } else { Tone::Plain }),
        ]);
    }
    table
}

fn outlook(plans: &[Plan], args: &CleanArgs, did: bool) -> String {
    let work = plans.iter().any(|plan| plan.fate.deletes());
    match (work, did, args.dry_run) {
        (false, ..) => "Nothing to clean.\n".into(),
        (true, false, true) => "Nothing was deleted: this was a dry run.\n".into(),
        _ => String::new(),
    }
}

fn done(archived: &[Option<PathBuf>]) -> String {
    let files = archived.iter().flatten().map(|path| format!("  {}\n", escape::text(&path.display().to_string())));
    let files = files.collect::<String>();
    if files.is_empty() { "Cleaned.\n".into() } else { format!("Cleaned. What was deleted is in\n{files}") }
}

fn question(plans: &[Plan]) -> String {
    let gone = plans.iter().filter(|plan| plan.fate.deletes());
    let events = gone.map(|plan| plan.deleted).sum::<u64>();
    format!("Delete {}?", counted(events, "event", "events"))
}
