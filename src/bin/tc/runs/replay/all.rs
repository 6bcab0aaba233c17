//! `tc replay --all`: every run of a store is folded, and those that are corrupt are told.

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use serde_json::json;

use crate::error::{DONE, NEGATIVE, USAGE};
use crate::output::figures::{count, counted};
use crate::output::table::{Cell, Column, Table, Tone};
use crate::output::warnings::{self, Warning};
use crate::output::{Answer, Section, progress};
use crate::runs::batches::{News, each_batch};
use crate::runs::places::Places;
use crate::runs::shape::problem;
use crate::surroundings::Context;
use temporal_code::runs::{Run, RunProblem, Runs};
use temporal_code::store::Error;
use temporal_code::time::Timestamp;
use temporal_code::workflow::Status;

/// Most corrupt runs that are told of; the others are counted.
const TOLD_MAX: usize = 10_000;

/// Most runs that could not be read of which it is told why.
const UNREAD_MAX: u64 = 20;

/// What was found.
#[derive(Default)]
struct Found {
    runs: u64,
    events: u64,
    ended: u64,
    /// Those that no worker can go on with, and those beside that are not as they should be.
    corrupt: u64,
    unsound: u64,
    told: Vec<(Run, Vec<RunProblem>)>,
    /// Sound runs, for output that lists all.
    sound: Vec<String>,
    warnings: Vec<Warning>,
    /// Runs that could not be read.
    unread: u64,
}

pub(super) fn run(context: &Context) -> Result<u8> {
    let places = Places::open(context, context.threads())?;
    let lists_all = context.global.wants_json();
    let mut found = Found::default();
    progress::count(context.global.quiet, "runs", |seen| {
        places
            .stores
            .iter()
            .try_for_each(|runs| places.runtime.block_on(fold_all(context, runs, lists_all, &mut found, seen)))
    })?;
    let mut warnings = std::mem::take(&mut found.warnings);
    if found.unread > UNREAD_MAX {
        let more = found.unread - UNREAD_MAX;
        let message = format!("{} more could not be read", counted(more, "run", "runs"));
        warnings.push(Warning { count: Some(more), ..Warning::lost(message) });
    }
    let items = || {
        let corrupt = found.told.iter().map(|(run, problems)| item(run, problems));
        Ok(corrupt.chain(found.sound.iter().cloned()).collect())
    };
    let sections = || vec![section(&found)];
    let exit = if found.unsound > 0 {
        NEGATIVE
    } else if found.unread > 0 {
        USAGE
    } else {
        DONE
    };
    Answer { schema: "tc.replay/1", warnings, items, rows_of: None, sections }.print(context)?;
    Ok(exit)
}

async fn fold_all(context: &Context, runs: &Runs, lists_all: bool, found: &mut Found, seen: &AtomicU64) -> Result<()> {
    each_batch(context, runs, None, fold_batch, &mut |news| {
        match news {
            News::Warning(warning) => warnings::add_lost(&mut found.warnings, warning),
            News::Batch((folded, lost)) => {
                seen.fetch_add(folded.len() as u64, Ordering::Relaxed);
                lost.into_iter().for_each(|warning| warnings::add_lost(&mut found.warnings, warning));
                folded.into_iter().for_each(|folded| found.take(folded, lists_all));
            }
        }
        Ok(true)
    })
    .await
    .map(drop)
}

/// A run, what is wrong with it, and why it could not be read.
type Folded = (String, Result<(Run, Vec<RunProblem>), Error>);

/// Folds some runs; also what else could not be read.
async fn fold_batch(runs: Runs, ids: Vec<String>, now: Timestamp) -> Result<(Vec<Folded>, Vec<String>), Error> {
    let looked = runs.look(&ids, now).await?;
    let mut folded = Vec::new();
    for (id, run) in looked.runs {
        // A look folds the last generation alone.
        let details = match &run {
            Ok(run) if run.generation > 1 => runs.follow(&id, now, &mut |_| true).await?,
            _ => None,
        };
        let run = match details {
            Some(details) => Ok((details.run, details.problems)),
            None => run.map(|run| {
                let problems = run.problem.clone().into_iter().collect();
                (run, problems)
            }),
        };
        folded.push((id, run));
    }
    Ok((folded, looked.warnings))
}

impl Found {
    fn take(&mut self, (id, folded): Folded, lists_all: bool) {
        let (run, problems) = match folded {
            Ok(folded) => folded,
            Err(error) => {
                self.unread += 1;
                if self.unread <= UNREAD_MAX {
                    let error = anyhow::Error::from(error);
                    self.warnings.push(Warning::lost(format!("{id}: {error:#}")));
                }
                return;
            }
        };
        self.runs += 1;
        self.events += run.events.unwrap_or(0);
        self.ended += u64::from(run.status.is_ended());
        if !run.is_sound() {
            self.corrupt += u64::from(run.status == Status::Corrupt);
            self.unsound += 1;
            if self.told.len() < TOLD_MAX {
                self.told.push((run, problems));
            }
        } else if lists_all {
            self.sound.push(item(&run, &problems));
        }
    }
}

/// A run as JSON, without its steps.
fn item(run: &Run, problems: &[RunProblem]) -> String {
    let problems = problems.iter().map(problem).collect::<Vec<_>>();
    json!({"run": run.id, "format": run.format.as_str(), "sound": run.is_sound(), "events": run.events,
           "problems": problems, "steps": [], "state": {"status": run.status.as_str()}})
    .to_string()
}

fn section(found: &Found) -> Section {
    let mut table = Table::new([
        Column::text("run").cut_to(24),
        Column::text("is").expendable(2),
        Column::number("event"),
        Column::text("problem").cut_to(30),
        Column::text("format").expendable(1),
    ]);
    for (run, problems) in &found.told {
        let first = problems.first();
        table.row([
            Cell::name(&run.id).tone(Tone::Strong),
            Cell::new(if run.status == Status::Corrupt { "corrupt" } else { "not sound" }),
            Cell::new(first.filter(|problem| problem.seq.number > 0).map_or_else(String::new, |p| p.seq.to_string())),
            Cell::new(first.map_or("", |problem| &problem.what)).tone(Tone::Bad),
            Cell::new(run.format.as_str()).tone(Tone::Dim),
        ]);
    }
    let surplus = found.unsound - found.told.len() as u64;
    let more = if surplus > 0 { format!("and {} more\n", count(surplus)) } else { String::new() };
    let (runs, events) = (counted(found.runs, "run", "runs"), counted(found.events, "event", "events"));
    let odd = match found.unsound - found.corrupt {
        0 => String::new(),
        odd => format!("{} not sound, ", count(odd)),
    };
    let verdict = match found.unsound {
        0 if found.unread > 0 => format!("those are sound, {} could not be read", count(found.unread)),
        0 => "all sound".to_owned(),
        unsound => format!("{} corrupt, {odd}{} sound", count(found.corrupt), count(found.runs - unsound)),
    };
    let notes = format!("{more}{runs} with {events} folded, {} ended: {verdict}.\n", count(found.ended));
    Section { title: String::new(), table: Some(table).filter(|table| !table.is_empty()), notes }
}
