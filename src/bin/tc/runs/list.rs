//! `tc runs`: every run, where it stands, and what it waits for.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::sync::atomic::Ordering;

use anyhow::Result;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};

use crate::args::OutputFormat;
use crate::error::{DONE, Failure};
use crate::output::csv::Sheet;
use crate::output::figures::{count, counted};
use crate::output::stream::Stream;
use crate::output::table::{Cell, Column, Table, Tone};
use crate::output::warnings::{self, Warning};
use crate::output::{Answer, Section, of_store, progress, tell};
use crate::runs::describe;
use crate::runs::stores::RunStores;
use crate::surroundings::Context;
use temporal_code::text;
use temporal_code::workflows::{ListCounts, ListItem, Run, RunFilter, RunList, RunOrder, RunQuery, Runs, Status};

/// List workflow runs: where each stands, what it waits for, and since when
///
/// Reads stores of tc, of substantial (files and Redis) and of durable-python; which of them it is, is detected. Runs come in the
/// order of their ids, the first ones at once, however many there are.
#[derive(Debug, Args)]
pub(crate) struct RunsArgs {
    /// Only runs of this workflow
    workflow: Option<String>,
    /// Only runs with this status; separate several by commas
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
    /// Show at most this many
    #[arg(short = 'n', long, value_name = "N")]
    limit: Option<usize>,
}

/// Statuses as they are typed.
/// Its columns in CSV.
const SHEET: Sheet = Sheet {
    of: None,
    columns: "run workflow status since started_at updated_at ended_at waiting_for.event waiting_for.until waiting_for \
              events format result error because",
    json: "waiting_for result error",
};

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
    /// Those that have had their status for longest first
    Since,
}

impl From<Order> for RunOrder {
    fn from(order: Order) -> Self {
        match order {
            Order::Id => RunOrder::Id,
            Order::Started => RunOrder::Started,
            Order::Updated => RunOrder::Updated,
            Order::Since => RunOrder::Since,
        }
    }
}

fn query(context: &Context, args: &RunsArgs) -> Result<RunQuery> {
    let since = args.since.as_ref().map(|text| context.when("since", text)).transpose()?;
    let filter = args.filter.as_deref().map(RunFilter::parse).transpose();
    let filter = filter.map_err(|error| Failure::new("usage", format!("--where: {error}")))?;
    Ok(RunQuery { workflow: args.workflow.clone(), statuses: args.status.clone(), since, filter })
}

/// What was met while runs were gone through.
#[derive(Default)]
pub(super) struct Evidence {
    counts: ListCounts,
    pub(super) warnings: Vec<Warning>,
    unread: u64,
    /// What the store said of the first run that may not be read.
    denied: Option<temporal_code::stores::Error>,
    /// Why the filter has no answer for the first run for which it has none.
    unanswered: Option<String>,
}

impl Evidence {
    fn warn(&mut self, message: String) {
        warnings::add_lost(&mut self.warnings, message);
    }

    /// What is no run.
    fn note(&mut self, item: ListItem) {
        match item {
            ListItem::Warning(warning) => self.warn(warning),
            ListItem::Unreadable(id, error) => self.could_not_read(&id, error),
            ListItem::Unanswered(id, error) => {
                self.unanswered.get_or_insert_with(|| format!("{id}: {error}"));
            }
            ListItem::Run(_) | ListItem::BatchEnd(_) => {}
        }
    }

    fn could_not_read(&mut self, id: &str, error: temporal_code::stores::Error) {
        self.unread += 1;
        if self.unread == 1 {
            let cause = std::error::Error::source(&error).map_or_else(String::new, |cause| format!(": {cause}"));
            self.warn(format!("{id}: {error}{cause}"));
        }
        if matches!(error, temporal_code::stores::Error::Denied { .. }) {
            self.denied.get_or_insert(error);
        }
    }

    pub(super) fn finish(&mut self) {
        if self.unread > 1 {
            let message = format!("{} more could not be read", counted(self.unread - 1, "run", "runs"));
            self.warnings.push(Warning { count: Some(self.unread - 1), ..Warning::lost(message) });
        }
        if let Some(why) = self.unanswered.take() {
            let count = self.counts.unanswered;
            let message = format!("the filter has no answer for {}: {why}", counted(count, "run", "runs"));
            self.warnings.push(Warning { count: Some(count), ..Warning::lost(message) });
        }
    }
}

/// The runs that were shown.
#[derive(Default)]
struct Shown {
    statuses: BTreeMap<Status, u64>,
    /// It ended where enough were shown.
    is_cut: bool,
}

impl Shown {
    fn count(&self) -> u64 {
        self.statuses.values().sum()
    }

    fn add(&mut self, run: &Run) {
        *self.statuses.entry(run.status).or_default() += 1;
    }
}

/// Where runs are listed and none may be read, that is what there is to say. A filter that has an answer for no run is a
/// mistake.
fn refuse_without_answer(evidence: &mut Evidence) -> Result<()> {
    if let Some(denied) = evidence.denied.take_if(|_| evidence.counts.read == 0) {
        return Err(denied.into());
    }
    let ListCounts { tried, unanswered, .. } = evidence.counts;
    if let Some(why) = evidence.unanswered.as_ref().filter(|_| unanswered == tried) {
        return Err(Failure::new("usage", format!("--where has no answer for any run: {why}")).into());
    }
    Ok(())
}

/// With --strict, what could not be read is an error.
fn refuse_losses(context: &Context, evidence: &Evidence) -> Result<()> {
    let lost = evidence.warnings.iter().find(|warning| warning.loses).filter(|_| context.global.strict);
    lost.map_or(Ok(()), |lost| {
        let failure = Failure::new("bad_data", lost.message.clone());
        Err(failure.hint("without --strict it is skipped, and a warning says so").into())
    })
}

pub(crate) fn run(context: &Context, args: &RunsArgs) -> Result<u8> {
    let query = query(context, args)?;
    let stores = RunStores::open(context, context.threads())?;
    let evidence = Evidence::default();
    let limit = args.limit.unwrap_or(usize::MAX);
    let streams = matches!(context.global.output(), OutputFormat::Table | OutputFormat::Jsonl);
    if args.sort == Order::Id && streams {
        return print_each(context, &stores, &query, limit, evidence);
    }
    print_all(context, &stores, &query, args.sort.into(), limit, evidence)
}

/// Prints the runs when all that are wanted are known.
fn print_all(
    context: &Context,
    stores: &RunStores,
    query: &RunQuery,
    order: RunOrder,
    limit: usize,
    mut evidence: Evidence,
) -> Result<u8> {
    let mut found = Vec::new();
    let cap = if order == RunOrder::Id { limit } else { usize::MAX };
    each(context, stores, query, &mut evidence, &mut |run| {
        found.extend(run.filter(|_| found.len() < cap));
        Ok(found.len() < cap)
    })?;
    order.sort(&mut found, |(_, run)| run);
    let mut shown = Shown { is_cut: found.len() >= limit, ..Shown::default() };
    found.truncate(limit);
    found.iter().for_each(|(_, run)| shown.add(run));
    refuse_without_answer(&mut evidence)?;
    evidence.finish();
    refuse_losses(context, &evidence)?;
    let warnings = std::mem::take(&mut evidence.warnings);
    let items = || found.iter().map(|(runs, run)| item(stores, runs, run)).collect();
    let sections = || {
        let mut table = table(stores);
        found.iter().for_each(|(runs, run)| table.row_of(stores.label(runs).as_deref(), row(context, stores, run)));
        let table = Some(table).filter(|table| !table.is_empty());
        vec![Section { title: String::new(), table, notes: summary(&shown, evidence.counts) }]
    };
    Answer { schema: "tc.runs/1", warnings, items, sheet: &SHEET, sections }.print(context)?;
    Ok(DONE)
}

/// Prints each run as it is found.
fn print_each(
    context: &Context,
    stores: &RunStores,
    query: &RunQuery,
    limit: usize,
    mut evidence: Evidence,
) -> Result<u8> {
    let mut out = Stream::new(context, table(stores));
    let json = context.global.output() == OutputFormat::Jsonl;
    let mut shown = Shown::default();
    if limit > 0 {
        each(context, stores, query, &mut evidence, &mut |run| {
            match &run {
                None => out.flush()?,
                Some((runs, run)) if json => out.line(&text::json(&item(stores, runs, run)?))?,
                Some((runs, run)) => out.row_of(stores.label(runs).as_deref(), row(context, stores, run))?,
            }
            run.iter().for_each(|(_, run)| shown.add(run));
            Ok((shown.count() as usize) < limit && !out.is_over())
        })?;
    }
    shown.is_cut = shown.count() as usize >= limit;
    if shown.count() == 0 {
        refuse_without_answer(&mut evidence)?;
    }
    evidence.finish();
    refuse_losses(context, &evidence)?;
    out.end(&if json { String::new() } else { summary(&shown, evidence.counts) })?;
    tell(context, &evidence.warnings);
    Ok(DONE)
}

/// A run as JSON, with its store where stores are told apart.
fn item(stores: &RunStores, runs: &Runs, run: &Run) -> Result<String> {
    Ok(of_store(serde_json::to_string(run)?, stores.label(runs).as_deref()))
}

/// Hands each run that is wanted to `take`, with its store, in order, until that returns false; none where those behind it are
/// still to be read.
pub(super) fn each<'a>(
    context: &Context,
    stores: &'a RunStores,
    query: &RunQuery,
    evidence: &mut Evidence,
    take: &mut dyn FnMut(Option<(&'a Runs, Run)>) -> Result<bool>,
) -> Result<()> {
    // Progress on standard error would come between the rows.
    let rows_are_seen = std::io::stdout().is_terminal() && context.global.output() == OutputFormat::Table;
    let quiet = context.global.quiet || rows_are_seen;
    progress::count(quiet, "runs", |looked_at| {
        let mut goes_on = true;
        for runs in &stores.all {
            let list = RunList::new(std::slice::from_ref(runs), context.now, context.threads() * 2);
            let mut take = |item| {
                let asked = match item {
                    ListItem::Run(run) => take(Some((runs, run))),
                    ListItem::BatchEnd(count) => {
                        looked_at.fetch_add(count, Ordering::Relaxed);
                        take(None)
                    }
                    other => {
                        evidence.note(other);
                        Ok(true)
                    }
                };
                goes_on = *asked.as_ref().unwrap_or(&false);
                asked
            };
            let counts = stores.requests.work(list.each::<anyhow::Error>(query, &mut take))?;
            evidence.counts += counts;
            if !goes_on {
                break;
            }
        }
        Ok(())
    })
}

fn table(stores: &RunStores) -> Table {
    let mut columns = vec![
        Column::text("run").cut_to(24),
        Column::text("workflow").cut_to(10).expendable(1),
        Column::text("status"),
        Column::text("since"),
        Column::text("detail").cut_to(20),
        Column::text("started").expendable(2),
        Column::number("events").expendable(3),
    ];
    if stores.all.len() > 1 {
        columns.push(Column::text("format").expendable(1));
    }
    Table::of_stores(stores.told_apart, columns)
}

fn row(context: &Context, stores: &RunStores, run: &Run) -> Vec<Cell> {
    let dim = |text: String| Cell::new(text).tone(Tone::Dim);
    let mut cells = vec![
        Cell::name(&run.id).tone(Tone::Strong),
        Cell::new(run.workflow.as_deref().unwrap_or("-")),
        Cell::new(run.status.as_str()).tone(describe::tone(run.status)),
        Cell::new(context.recency(run.since)),
        Cell::new(describe::detail(context, run)),
        dim(context.recency(run.started_at)),
        dim(run.events.map_or_else(|| "-".into(), count)),
    ];
    if stores.all.len() > 1 {
        cells.push(dim(run.format.to_string()));
    }
    cells
}

/// `12 runs: 3 waiting, 9 completed`.
fn summary(shown: &Shown, counts: ListCounts) -> String {
    let all = shown.count();
    if all == 0 && shown.is_cut {
        return "No runs were asked for.\n".into();
    }
    if all == 0 {
        return format!("No runs to show; {} looked at.\n", counted(counts.read, "run was", "runs were"));
    }
    let parts = shown.statuses.iter().map(|(status, n)| format!("{} {status}", count(*n))).collect::<Vec<_>>();
    let of = match all == counts.read {
        _ if shown.is_cut => ", and perhaps more".into(),
        true => String::new(),
        false => format!(" of {}", count(counts.read)),
    };
    format!("{}{of}: {}\n", counted(all, "run", "runs"), parts.join(", "))
}
