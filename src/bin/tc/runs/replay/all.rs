//! `tc replay --all`: every run of a store is folded, and those that are corrupt are told.

use std::sync::atomic::Ordering;

use anyhow::Result;
use serde_json::json;

use crate::error::{DENIED, DONE, NEGATIVE, USAGE};
use crate::output::csv::Sheet;
use crate::output::figures::{count, counted};
use crate::output::table::{Cell, Column, Table, Tone};
use crate::output::warnings::{self, Warning};
use crate::output::{Answer, Section, of_store, progress};
use crate::runs::stores::RunStores;
use crate::surroundings::Context;
use temporal_code::stores::Error;
use temporal_code::workflows::{ListItem, Run, RunList, RunProblem, Status};

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
    told: Vec<(Option<String>, Run, Vec<RunProblem>)>,
    /// Sound runs, for output that lists all.
    sound: Vec<String>,
    warnings: Vec<Warning>,
    /// Runs that could not be read.
    unread: u64,
    /// Some of them because they may not be read.
    denied: bool,
}

/// Its columns in CSV.
const SHEET: Sheet = Sheet { of: None, columns: "run format sound events problems state.status", json: "" };

pub(super) fn run(context: &Context) -> Result<u8> {
    let stores = RunStores::open(context, context.threads())?;
    let lists_all = context.global.wants_json();
    let mut found = Found::default();
    progress::count(context.global.quiet, "runs", |seen| {
        stores.all.iter().try_for_each(|runs| {
            let store = stores.label(runs);
            let mut take = |item| {
                match item {
                    ListItem::Run((run, problems)) => found.take(store.as_deref(), run, problems, lists_all),
                    ListItem::Unreadable(id, error) => found.could_not_read(&id, error),
                    ListItem::Warning(warning) => warnings::add_lost(&mut found.warnings, warning),
                    ListItem::BatchEnd(count) => _ = seen.fetch_add(count, Ordering::Relaxed),
                    ListItem::Unanswered(..) => {}
                }
                Ok(true)
            };
            let list = RunList::new(std::slice::from_ref(runs), context.now, context.threads() * 2);
            stores.requests.work(list.verify::<anyhow::Error>(&mut take))
        })
    })?;
    let mut warnings = std::mem::take(&mut found.warnings);
    if found.unread > UNREAD_MAX {
        let more = found.unread - UNREAD_MAX;
        let message = format!("{} more could not be read", counted(more, "run", "runs"));
        warnings.push(Warning { count: Some(more), ..Warning::lost(message) });
    }
    let items = || {
        let corrupt = found.told.iter().map(|(store, run, problems)| item(store.as_deref(), run, problems));
        Ok(corrupt.chain(found.sound.iter().cloned()).collect())
    };
    let sections = || vec![section(&found)];
    let exit = if found.unsound > 0 {
        NEGATIVE
    } else if found.denied {
        DENIED
    } else if found.unread > 0 {
        USAGE
    } else {
        DONE
    };
    Answer { schema: "tc.replay/1", warnings, items, sheet: &SHEET, sections }.print(context)?;
    Ok(exit)
}

impl Found {
    fn take(&mut self, store: Option<&str>, run: Run, problems: Vec<RunProblem>, lists_all: bool) {
        self.runs += 1;
        self.events += run.events.unwrap_or(0);
        self.ended += u64::from(run.status.is_ended());
        if !run.is_sound() {
            self.corrupt += u64::from(run.status == Status::Corrupt);
            self.unsound += 1;
            if self.told.len() < TOLD_MAX {
                self.told.push((store.map(str::to_owned), run, problems));
            }
        } else if lists_all {
            self.sound.push(item(store, &run, &problems));
        }
    }

    fn could_not_read(&mut self, id: &str, error: Error) {
        self.unread += 1;
        self.denied |= matches!(error, Error::Denied { .. });
        if self.unread <= UNREAD_MAX {
            let error = anyhow::Error::from(error);
            self.warnings.push(Warning::lost(format!("{id}: {error:#}")));
        }
    }
}

/// A run as JSON, without its steps.
fn item(store: Option<&str>, run: &Run, problems: &[RunProblem]) -> String {
    let item = json!({"run": run.id, "format": run.format, "sound": run.is_sound(), "events": run.events,
           "problems": problems, "steps": [], "state": {"status": run.status}});
    of_store(item.to_string(), store)
}

fn section(found: &Found) -> Section {
    let told_apart = found.told.iter().any(|(store, ..)| store.is_some());
    let mut table = Table::of_stores(
        told_apart,
        [
            Column::text("run").cut_to(24),
            Column::text("state").expendable(2),
            Column::number("event"),
            Column::text("problem").cut_to(30),
            Column::text("format").expendable(1),
        ],
    );
    for (store, run, problems) in &found.told {
        let first = problems.first();
        let seq =
            first.filter(|problem| problem.seq.number > 0).map_or_else(String::new, |first| first.seq.to_string());
        let state = match run.status {
            Status::Corrupt => "corrupt",
            Status::Parked => "newer version",
            _ => "not sound",
        };
        let cells = vec![
            Cell::name(&run.id).tone(Tone::Strong),
            Cell::new(state),
            Cell::new(seq),
            Cell::new(first.map_or("", |problem| &problem.what)).tone(Tone::Bad),
            Cell::new(run.format.as_str()).tone(Tone::Dim),
        ];
        table.row_of(store.as_deref(), cells);
    }
    let surplus = found.unsound - found.told.len() as u64;
    let more = if surplus > 0 { format!("and {} more\n", count(surplus)) } else { String::new() };
    let (runs, events) = (counted(found.runs, "run", "runs"), counted(found.events, "event", "events"));
    let odd = match found.unsound - found.corrupt {
        0 => String::new(),
        odd => format!("{} not sound, ", count(odd)),
    };
    let verdict = match found.unsound {
        0 if found.unread > 0 => format!("these are sound, {} could not be read", count(found.unread)),
        0 => "all are sound".to_owned(),
        unsound => {
            let corrupt = if found.corrupt > 0 { format!("{} corrupt, ", count(found.corrupt)) } else { String::new() };
            format!("{corrupt}{odd}{} sound", count(found.runs - unsound))
        }
    };
    let notes = format!(
        "{more}{runs} with {events} folded, of which {} ended: {verdict}.\n",
        counted(found.ended, "has", "have")
    );
    Section { title: String::new(), table: Some(table).filter(|table| !table.is_empty()), notes }
}
