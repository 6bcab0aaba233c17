//! `tc clean`: deletes logs, or their older events.

use std::io;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use serde_json::json;

use crate::confirm;
use crate::error::{CONFLICT, DONE, Failure};
use crate::find::{self, Store};
use crate::output::csv::Sheet;
use crate::output::figures::{bytes, count, counted};
use crate::output::table::{Cell, Column, Table, Tone};
use crate::output::warnings::Warning;
use crate::output::{Answer, Section};
use crate::surroundings::Context;
use crate::when::span;
use temporal_code::logs::{CleanPlan, Fate, LogSource};
use temporal_code::text;

/// Delete logs, or their older events
///
/// Shows what it would delete, and asks. Processes may go on writing meanwhile: only what was shown is deleted. Processes
/// that keep a log open for long must notice that it was replaced; the Python package opens it anew for each event. Only one
/// tc clean is at work on a file: another one does not wait, deletes nothing of it and exits with 5.
#[derive(Debug, Args)]
pub(crate) struct CleanArgs {
    /// Only events older than this: 12h, 30d, 8w
    #[arg(long, value_name = "AGE")]
    older_than: Option<String>,
    /// Keep what is deleted, compressed, in this folder [default: archive, beside the log, if that is a file]
    #[arg(long, value_name = "FOLDER", num_args = 0..=1, require_equals = true)]
    archive: Option<Option<PathBuf>>,
    /// Only show what would be deleted
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

/// Its columns in CSV.
const SHEET: Sheet = Sheet {
    of: None,
    columns: "file bytes action events_deleted events_kept standing_decisions unreadable_lines archive dry_run",
    json: "",
};

pub(crate) fn run(context: &Context, args: &CleanArgs) -> Result<u8> {
    let stores = find::stores(&context.global)?;
    let store = stores.merged()?;
    let plans = plan(context, args, &store)?;
    store.sources.iter().for_each(|source| context.note_read(source.name()));
    let copies = copies(&store, &plans);
    context.name_those_without(&stores.without);
    let work = plans.iter().any(|plan| plan.counts.fate.deletes());
    if !args.dry_run && !work {
        // One that was stopped may have left something.
        carry_out(context, args, &plans)?;
    }
    if args.dry_run || !work {
        show(context, &plans, &copies, args, &[])?;
        return Ok(DONE);
    }
    if !args.yes {
        confirm::refuse_unasked(context, "deleting", "see what would go with --dry-run")?;
        show(context, &plans, &copies, args, &[])?;
        if !confirm::ask(&question(&plans))? {
            crate::output::write("Nothing was deleted.\n")?;
            return Ok(DONE);
        }
    }
    let archived = carry_out(context, args, &plans)?;
    if args.yes {
        show(context, &plans, &copies, args, &archived)?;
    } else {
        crate::output::write(&done(&archived))?;
    }
    Ok(DONE)
}

/// Returns the archives.
fn carry_out(context: &Context, args: &CleanArgs, plans: &[CleanPlan]) -> Result<Vec<Option<PathBuf>>> {
    let mut archived = Vec::new();
    for plan in plans {
        let beside = || plan.archive_beside().unwrap_or_else(|| PathBuf::from("archive"));
        let folder = args.archive.as_ref().map(|folder| folder.clone().unwrap_or_else(beside));
        let failed = |cause: io::Error| {
            let message = format!("cannot clean {}", plan.name);
            let failure = match cause.kind() {
                io::ErrorKind::ResourceBusy => Failure { exit: CONFLICT, ..Failure::new("conflict", message) },
                _ => Failure::new("io", message),
            };
            failure.cause(cause)
        };
        archived.push(plan.carry_out(folder.as_deref(), context.now).map_err(failed)?);
    }
    Ok(archived)
}

/// Logs that somebody copied into an object store: they are not ours to delete.
fn copies(store: &Store, plans: &[CleanPlan]) -> Vec<Warning> {
    let is_planned = |source: &&LogSource| plans.iter().any(|plan| plan.name == source.name());
    let left = store.sources.iter().filter(|source| matches!(source, LogSource::Remote(_)) && !is_planned(source));
    match left.count() as u64 {
        0 => Vec::new(),
        count => {
            let copies = counted(count, "copied log is", "copied logs are");
            vec![Warning::new(format!("{copies} left as it was put there: only what trackers wrote is deleted"))]
        }
    }
}

fn plan(context: &Context, args: &CleanArgs, store: &Store) -> Result<Vec<CleanPlan>> {
    if store.remotes().next().is_some() && matches!(args.archive, Some(None)) {
        let message = "there is no folder beside a log that is not a file";
        return Err(Failure::new("usage", message).hint("name one: --archive=FOLDER").into());
    }
    let older_than = match &args.older_than {
        None => None,
        Some(text) => Some(context.now.offset_micros(-span("older-than", text)?)),
    };
    let mut plans = Vec::new();
    for source in &store.sources {
        let path = match source {
            LogSource::File(path) => path,
            LogSource::Stdin => return Err(Failure::new("usage", "standard input cannot be cleaned").into()),
            LogSource::Remote(_) => continue,
        };
        let plan = CleanPlan::of_file(&store.to_change(path), older_than);
        plans.push(plan.map_err(|cause: io::Error| Failure::unreadable(path.display(), cause))?);
    }
    for log in store.remotes() {
        plans.extend(CleanPlan::of_remote(log, older_than)?);
    }
    Ok(plans)
}

fn show(
    context: &Context,
    plans: &[CleanPlan],
    copies: &[Warning],
    args: &CleanArgs,
    archived: &[Option<PathBuf>],
) -> Result<()> {
    let did = !archived.is_empty();
    let items = || {
        let item = |(index, plan): (usize, &CleanPlan)| {
            let archive = archived.get(index).and_then(|path| path.as_ref()).map(|path| path.display().to_string());
            json!({
                "file": plan.name.clone(), "bytes": plan.counts.bytes, "action": action(plan.counts.fate),
                "events_deleted": plan.counts.deleted, "events_kept": plan.counts.kept, "standing_decisions": plan.counts.standing, "unreadable_lines": plan.counts.unreadable,
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
    let warnings = plans.iter().flat_map(warnings).chain(copies.iter().cloned());
    Answer { schema: "tc.clean/1", warnings: warnings.collect(), items, sheet: &SHEET, sections }.print(context)
}

/// What of a log was not read, or cannot be done.
fn warnings(plan: &CleanPlan) -> Vec<Warning> {
    let file = || Some(plan.name.clone());
    let mut warnings = Vec::new();
    if plan.counts.unreadable > 0 {
        let message = format!("{} could not be read", counted(plan.counts.unreadable, "line", "lines"));
        warnings.push(Warning { file: file(), count: Some(plan.counts.unreadable), ..Warning::lost(message) });
    }
    if plan.counts.standing > 0 && plan.counts.fate.deletes() {
        let decisions = counted(plan.counts.standing, "decision that stands", "decisions that stand");
        let message = match plan.counts.fate {
            Fate::Delete => {
                format!("{decisions} would go with it: processes would go back to their strategies")
            }
            _ => format!("{decisions}, kept however old"),
        };
        warnings.push(Warning { file: file(), count: Some(plan.counts.standing), ..Warning::new(message) });
    }
    if plan.counts.fate == Fate::KeepWhole {
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

fn table(plans: &[CleanPlan]) -> Table {
    let mut table = Table::new([
        Column::text("log").cut_to(20),
        Column::number("size"),
        Column::number("events deleted"),
        Column::number("events kept"),
        Column::number("unreadable lines").expendable(1),
        Column::text("action"),
    ]);
    for plan in plans {
        let gone = plan.counts.fate.deletes();
        let (deleted, kept) =
            if gone { (plan.counts.deleted, plan.counts.kept) } else { (0, plan.counts.deleted + plan.counts.kept) };
        table.row([
            Cell::new(plan.name.clone()),
            Cell::new(bytes(plan.counts.bytes)),
            Cell::new(count(deleted)),
            Cell::new(count(kept)),
            Cell::new(count(plan.counts.unreadable)),
            Cell::new(action(plan.counts.fate)).tone(if gone { Tone::Bad } else { Tone::Plain }),
        ]);
    }
    table
}

fn outlook(plans: &[CleanPlan], args: &CleanArgs, did: bool) -> String {
    let work = plans.iter().any(|plan| plan.counts.fate.deletes());
    match (work, did, args.dry_run) {
        (false, ..) => "Nothing to clean.\n".into(),
        (true, false, true) => "Nothing was deleted: this was a dry run.\n".into(),
        _ => String::new(),
    }
}

fn done(archived: &[Option<PathBuf>]) -> String {
    let files = archived.iter().flatten().map(|path| format!("  {}\n", text::harmless(&path.display().to_string())));
    let files = files.collect::<String>();
    if files.is_empty() { "Cleaned.\n".into() } else { format!("Cleaned. What was deleted is in\n{files}") }
}

fn question(plans: &[CleanPlan]) -> String {
    let gone = plans.iter().filter(|plan| plan.counts.fate.deletes());
    let events = gone.map(|plan| plan.counts.deleted).sum::<u64>();
    format!("Delete {}?", counted(events, "event", "events"))
}
