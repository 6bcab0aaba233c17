//! `tc runs`: every run, where it stands, and what it waits for.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};

use crate::args::OutputFormat;
use crate::error::{DONE, Failure};
use crate::output::figures::{count, counted};
use crate::output::stream::{self, Stream};
use crate::output::table::{Cell, Column, Table, Tone};
use crate::output::warnings::{self, Warning};
use crate::output::{Answer, Section, progress};
use crate::runs::batches::{News, each_batch};
use crate::runs::places::Places;
use crate::runs::shape::RunShape;
use crate::runs::words;
use crate::surroundings::Context;
use temporal_code::runs::{Run, RunFilter, Runs};
use temporal_code::store::Error;
use temporal_code::text;
use temporal_code::time::Timestamp;
use temporal_code::workflow::Status;

/// List workflow runs: where each stands, what it waits for, and since when
///
/// Reads stores of tc, of substantial (files and Redis) and of durable-python; which it is is found out. Runs come in the order of
/// their ids, the first ones at once, however many there are.
#[derive(Debug, Args)]
pub(crate) struct RunsArgs {
    /// Only runs of this workflow
    workflow: Option<String>,
    /// Only runs that stand so; several with commas
    #[arg(long, value_parser = status_parser(), value_delimiter = ',', value_name = "STATUS")]
    status: Vec<Status>,
    /// Only runs to which something has happened since: 2h, 7d, yesterday, 2026-06-05, RFC 3339
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only runs for which a filter of substantial holds, as '{"gt": 5}' or '{"status": {"eq": "ONGOING"}}'
    ///
    /// eq, gt, gte, lt, lte, in and contains look at the result, in and contains also at an error; started_at, ended_at and
    /// status take these for what they name; and, or and not take filters. docs/python.md says where the package itself
    /// answers otherwise.
    #[arg(long = "where", value_name = "JSON")]
    filter: Option<String>,
    /// The order; all but `id` read every run before the first is shown
    #[arg(long, value_enum, value_name = "ORDER", default_value = "id")]
    sort: Order,
    /// Show so many at most
    #[arg(short = 'n', long, value_name = "N")]
    limit: Option<usize>,
}

/// Statuses as they are typed.
fn status_parser() -> impl TypedValueParser<Value = Status> {
    PossibleValuesParser::new(Status::ALL.map(Status::as_str)).try_map(|name| {
        Status::ALL.into_iter().find(|status| status.as_str() == name).ok_or("it is none of the statuses")
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Order {
    /// By id
    Id,
    /// The last to begin first
    Started,
    /// The last to which something happened first
    Updated,
    /// Those that have stood as they do for longest first
    Since,
}

/// Which runs are wanted.
#[derive(Default)]
pub(super) struct Wanted {
    workflow: Option<String>,
    statuses: Vec<Status>,
    since: Option<Timestamp>,
    filter: Option<RunFilter>,
}

/// What was met on the way.
#[derive(Default)]
pub(super) struct Met {
    pub(super) looked_at: u64,
    shown: u64,
    /// It ended where enough were shown.
    is_cut: bool,
    statuses: BTreeMap<Status, u64>,
    pub(super) warnings: Vec<Warning>,
    /// Runs that the filter was asked about.
    asked: u64,
    /// Runs for which the filter has no answer, and why the first has none.
    unanswered: u64,
    why: Option<String>,
    unread: u64,
}

impl Wanted {
    fn new(context: &Context, args: &RunsArgs) -> Result<Self> {
        let since = args.since.as_ref().map(|text| context.when("since", text)).transpose()?;
        let filter = args.filter.as_deref().map(RunFilter::parse).transpose();
        let filter = filter.map_err(|error| Failure::new("usage", format!("--where: {error}")))?;
        Ok(Wanted { workflow: args.workflow.clone(), statuses: args.status.clone(), since, filter })
    }

    /// Whether a run is wanted.
    fn takes(&self, run: &Run, met: &mut Met) -> bool {
        met.looked_at += 1;
        let fits = self.workflow.as_ref().is_none_or(|workflow| run.workflow.as_ref() == Some(workflow))
            && (self.statuses.is_empty() || self.statuses.contains(&run.status))
            && self.since.is_none_or(|since| run.updated_at.is_some_and(|at| at >= since));
        let Some(filter) = self.filter.as_ref().filter(|_| fits) else { return fits };
        met.asked += 1;
        filter.holds(run).unwrap_or_else(|error| {
            met.unanswered += 1;
            met.why.get_or_insert_with(|| format!("{}: {error}", run.id));
            false
        })
    }
}

impl Met {
    fn take(&mut self, run: &Run) {
        self.shown += 1;
        *self.statuses.entry(run.status).or_default() += 1;
    }

    fn warn(&mut self, message: String) {
        warnings::add_lost(&mut self.warnings, message);
    }

    fn could_not_read(&mut self, id: &str, error: Error) {
        self.unread += 1;
        if self.unread == 1 {
            let causes = anyhow::Error::from(error);
            self.warn(format!("{id}: {causes:#}"));
        }
    }

    pub(super) fn finish(&mut self) {
        if self.unread > 1 {
            let message = format!("{} more could not be read", counted(self.unread - 1, "run", "runs"));
            self.warnings.push(Warning { count: Some(self.unread - 1), ..Warning::lost(message) });
        }
        if let Some(why) = self.why.take() {
            let message = format!("the filter has no answer for {}: {why}", counted(self.unanswered, "run", "runs"));
            self.warnings.push(Warning { count: Some(self.unanswered), ..Warning::lost(message) });
        }
    }
}

/// A filter that has an answer for no run is a mistake.
fn refuse_without_answer(met: &Met) -> Result<()> {
    if let Some(why) = met.why.as_ref().filter(|_| met.unanswered == met.asked) {
        return Err(Failure::new("usage", format!("--where has no answer for any run: {why}")).into());
    }
    Ok(())
}

/// With --strict, what could not be read is an error.
fn refuse_losses(context: &Context, met: &Met) -> Result<()> {
    let lost = met.warnings.iter().find(|warning| warning.loses).filter(|_| context.global.strict);
    lost.map_or(Ok(()), |lost| {
        let failure = Failure::new("bad_data", lost.message.clone());
        Err(failure.hint("without --strict it is skipped and told of").into())
    })
}

pub(crate) fn run(context: &Context, args: &RunsArgs) -> Result<u8> {
    let wanted = Wanted::new(context, args)?;
    let places = Places::open(context, context.threads())?;
    let mut met = Met::default();
    let limit = args.limit.unwrap_or(usize::MAX);
    let streams = matches!(context.global.output(), OutputFormat::Table | OutputFormat::Jsonl);
    if args.sort == Order::Id && streams {
        return print_each(context, &places, &wanted, limit, met);
    }
    let mut found = Vec::new();
    let cap = if args.sort == Order::Id { limit } else { usize::MAX };
    each(context, &places, &wanted, &mut met, &mut |_, run| {
        if found.len() < cap {
            found.push(run);
        }
        Ok(found.len() < cap)
    })?;
    sort(&mut found, args.sort);
    met.is_cut = found.len() >= limit;
    found.truncate(limit);
    found.iter().for_each(|run| met.take(run));
    refuse_without_answer(&met)?;
    met.finish();
    refuse_losses(context, &met)?;
    let warnings = std::mem::take(&mut met.warnings);
    let items = || found.iter().map(|run| Ok(serde_json::to_string(&RunShape::from(run))?)).collect();
    let sections = || {
        let mut table = table(&places.stores);
        found.iter().for_each(|run| table.row(row(context, &places.stores, run)));
        let table = Some(table).filter(|table| !table.is_empty());
        vec![Section { title: String::new(), table, notes: summary(&met) }]
    };
    Answer { schema: "tc.runs/1", warnings, items, rows_of: None, sections }.print(context)?;
    Ok(DONE)
}

fn sort(found: &mut [Run], order: Order) {
    match order {
        Order::Id => {}
        Order::Started => found.sort_by_key(|run| std::cmp::Reverse(run.started_at)),
        Order::Updated => found.sort_by_key(|run| std::cmp::Reverse(run.updated_at)),
        Order::Since => found.sort_by_key(|run| (run.since.is_none(), run.since)),
    }
}

/// Prints each run as it is found.
fn print_each(context: &Context, places: &Places, wanted: &Wanted, limit: usize, mut met: Met) -> Result<u8> {
    let mut out = Stream::new(context, table(&places.stores));
    let json = context.global.output() == OutputFormat::Jsonl;
    let mut tally = Met::default();
    if limit > 0 {
        each(context, places, wanted, &mut met, &mut |is_last, run| {
            tally.take(&run);
            match json {
                true => out.line(&text::json(&serde_json::to_string(&RunShape::from(&run))?))?,
                false => out.row(row(context, &places.stores, &run))?,
            }
            if is_last {
                out.flush()?;
            }
            Ok((tally.shown as usize) < limit && !out.is_over())
        })?;
    }
    (met.shown, met.statuses) = (tally.shown, tally.statuses);
    met.is_cut = met.shown as usize >= limit;
    if met.shown == 0 {
        refuse_without_answer(&met)?;
    }
    met.finish();
    refuse_losses(context, &met)?;
    out.end(&if json { String::new() } else { summary(&met) })?;
    if !context.global.quiet {
        warnings::print(&met.warnings, context.global.verbose);
    }
    Ok(DONE)
}

/// Hands each run that is wanted to `take`, in order, until that returns false; also whether the runs behind it are still to be
/// read.
pub(super) fn each(
    context: &Context,
    places: &Places,
    wanted: &Wanted,
    met: &mut Met,
    take: &mut dyn FnMut(bool, Run) -> Result<bool>,
) -> Result<()> {
    let quiet = context.global.quiet || stream::is_seen() && context.global.output() == OutputFormat::Table;
    progress::count(quiet, "runs", |looked_at| {
        for runs in &places.stores {
            let reading = each_of(context, runs, wanted, met, looked_at, take);
            if !places.runtime.block_on(reading)? {
                break;
            }
        }
        Ok(())
    })
}

async fn each_of(
    context: &Context,
    runs: &Runs,
    wanted: &Wanted,
    met: &mut Met,
    looked_at: &AtomicU64,
    take: &mut dyn FnMut(bool, Run) -> Result<bool>,
) -> Result<bool> {
    let look = |runs: Runs, ids: Vec<String>, now| async move { runs.look(&ids, now).await };
    each_batch(context, runs, wanted.workflow.as_deref(), look, &mut |news| {
        let looked = match news {
            News::Warning(warning) => {
                met.warn(warning);
                return Ok(true);
            }
            News::Batch(looked) => looked,
        };
        looked.warnings.into_iter().for_each(|warning| met.warn(warning));
        looked_at.fetch_add(looked.runs.len() as u64, Ordering::Relaxed);
        let mut runs = looked.runs.into_iter().peekable();
        while let Some((id, run)) = runs.next() {
            match run {
                Ok(run) => {
                    if wanted.takes(&run, met) && !take(runs.peek().is_none(), run)? {
                        return Ok(false);
                    }
                }
                Err(error) => met.could_not_read(&id, error),
            }
        }
        Ok(true)
    })
    .await
}

fn table(stores: &[Runs]) -> Table {
    let mut columns = vec![
        Column::text("run").cut_to(24),
        Column::text("workflow").cut_to(10).expendable(1),
        Column::text("status"),
        Column::text("since"),
        Column::text("detail").cut_to(20),
        Column::text("started").expendable(2),
        Column::number("events").expendable(3),
    ];
    if stores.len() > 1 {
        columns.push(Column::text("format").expendable(1));
    }
    Table::new(columns)
}

fn row(context: &Context, stores: &[Runs], run: &Run) -> Vec<Cell> {
    let dim = |text: String| Cell::new(text).tone(Tone::Dim);
    let mut cells = vec![
        Cell::name(&run.id).tone(Tone::Strong),
        Cell::new(run.workflow.as_deref().unwrap_or("-")),
        Cell::new(run.status.as_str()).tone(words::tone(run.status)),
        Cell::new(context.recency(run.since)),
        Cell::new(words::detail(context, run)),
        dim(context.recency(run.started_at)),
        dim(run.events.map_or_else(|| "-".into(), count)),
    ];
    if stores.len() > 1 {
        cells.push(dim(run.format.to_string()));
    }
    cells
}

/// `12 runs: 3 waiting, 9 completed`.
fn summary(met: &Met) -> String {
    if met.shown == 0 && met.is_cut {
        return "No runs were asked for.\n".into();
    }
    if met.shown == 0 {
        let of = counted(met.looked_at, "run", "runs");
        return format!("No runs to show, of {of} looked at.\n");
    }
    let parts = met.statuses.iter().map(|(status, n)| format!("{} {status}", count(*n))).collect::<Vec<_>>();
    let of = match met.shown == met.looked_at {
        _ if met.is_cut => ", and perhaps more".into(),
        true => String::new(),
        false => format!(" of {}", count(met.looked_at)),
    };
    format!("{}{of}: {}\n", counted(met.shown, "run", "runs"), parts.join(", "))
}
