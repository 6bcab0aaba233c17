//! The workflows of a store beside its functions: how many runs each has, and how these stand.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::{Serialize, Serializer};

use crate::find::{Stores, Without, lacks_logs};
use crate::output::Section;
use crate::output::figures::{count, counted};
use crate::output::table::{Cell, Column, Table, Tone};
use crate::output::warnings::Warning;
use crate::runs::describe;
use crate::runs::list::{Evidence, each};
use crate::runs::stores::RunStores;
use crate::surroundings::Context;
use temporal_code::logs::EventFilter;
use temporal_code::workflows::{Run, RunFormat, RunQuery, Status};
use temporal_code::{Timestamp, text};

/// How many workflows are listed where there is more to say.
const WORKFLOWS_MAX: usize = 8;

/// The runs of a store, by workflow.
#[derive(Default)]
pub(crate) struct Workflows {
    pub(crate) workflows: Vec<Workflow>,
    pub(crate) runs: u64,
    /// Where they are, and who writes them.
    pub(crate) stores: Vec<(String, RunFormat)>,
    /// The stores that were asked for and have no runs.
    without: Vec<Without>,
    pub(crate) warnings: Vec<Warning>,
    /// A run that waits, with the event if that is known, and one that has failed.
    pub(crate) waiting: Option<(String, Option<String>)>,
    pub(crate) failed: Option<String>,
}

/// One workflow; an item of `workflows` in `tc.status/1`.
#[derive(Debug, Serialize)]
pub(crate) struct Workflow {
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<String>,
    #[serde(rename = "workflow")]
    pub(crate) name: Option<String>,
    format: RunFormat,
    runs: u64,
    #[serde(serialize_with = "in_order_of_names")]
    statuses: BTreeMap<Status, u64>,
    first_started: Option<Timestamp>,
    last_event: Option<Timestamp>,
    /// Since when the one waits that has waited longest.
    waiting_since: Option<Timestamp>,
}

fn in_order_of_names<S: Serializer>(statuses: &BTreeMap<Status, u64>, serializer: S) -> Result<S::Ok, S::Error> {
    let by_name: BTreeMap<&str, u64> = statuses.iter().map(|(status, count)| (status.as_str(), *count)).collect();
    by_name.serialize(serializer)
}

/// Looks at all runs of the stores that were asked for, and counts those to which something happened last within this span of
/// time. Nothing if there are none.
pub(crate) fn read(context: &Context, filter: &EventFilter) -> Result<Workflows> {
    let (since, until) = (filter.since, filter.until);
    let stores = RunStores::look(context, context.threads())?;
    let mut tally = Workflows { without: stores.without.clone(), ..Workflows::default() };
    if stores.all.is_empty() {
        return Ok(tally);
    }
    tally.stores = stores.all.iter().map(|runs| (runs.location(), runs.format())).collect();
    let mut by_name: BTreeMap<(Option<String>, Option<String>, RunFormat), Workflow> = BTreeMap::new();
    let mut evidence = Evidence::default();
    let is_meant = |at: Option<Timestamp>| match at {
        Some(at) => at.is_within(since, until),
        None => since.is_none() && until.is_none(),
    };
    each(context, &stores, &RunQuery::default(), &mut evidence, &mut |run| {
        let Some((runs, run)) = run.filter(|(_, run)| is_meant(run.updated_at)) else { return Ok(true) };
        let store = stores.label(runs);
        tally.runs += 1;
        tally.note(&run);
        let key = (run.workflow.clone(), store.clone(), run.format);
        let workflow = by_name.entry(key).or_insert_with(|| Workflow {
            store,
            name: run.workflow.clone(),
            format: run.format,
            runs: 0,
            statuses: BTreeMap::new(),
            first_started: None,
            last_event: None,
            waiting_since: None,
        });
        workflow.runs += 1;
        *workflow.statuses.entry(run.status).or_default() += 1;
        workflow.first_started = workflow.first_started.into_iter().chain(run.started_at).min();
        workflow.last_event = workflow.last_event.max(run.updated_at);
        if run.status == Status::Waiting {
            workflow.waiting_since = workflow.waiting_since.into_iter().chain(run.since).min();
        }
        Ok(true)
    })?;
    evidence.finish();
    tally.warnings = evidence.warnings;
    tally.workflows = by_name.into_values().collect();
    tally.workflows.sort_by_key(|workflow| std::cmp::Reverse(workflow.last_event));
    Ok(tally)
}

impl Workflows {
    /// Keeps runs that make good examples: those whose names can be typed.
    fn note(&mut self, run: &Run) {
        let is_plain = |text: &str| text::harmless(text) == text && !text.contains(char::is_whitespace);
        if !is_plain(&run.id) {
            return;
        }
        if run.status == Status::Waiting {
            let waiting = run.waiting_for.as_ref();
            let event = waiting.and_then(|waiting| {
                let likely = waiting.unnamed.as_ref().and_then(|unnamed| unnamed.likely.first());
                waiting.events.first().or(likely).filter(|event| is_plain(event)).cloned()
            });
            if self.waiting.as_ref().is_none_or(|(_, known)| known.is_none() && event.is_some()) {
                self.waiting = Some((run.id.clone(), event));
            }
        }
        if matches!(run.status, Status::Failed | Status::Corrupt) && self.failed.is_none() {
            self.failed = Some(run.id.clone());
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.stores.is_empty()
    }

    /// The workflow of that name.
    pub(crate) fn workflow(&self, name: &str) -> Option<&Workflow> {
        self.workflows.iter().find(|workflow| workflow.name.as_deref() == Some(name))
    }

    /// The workflows as JSON.
    pub(crate) fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string(&self.workflows)
    }

    /// What kind of store it is and what is in it, a line for each.
    pub(crate) fn describe(&self) -> String {
        let (runs, workflows) =
            (counted(self.runs, "run", "runs"), counted(self.workflows.len() as u64, "workflow", "workflows"));
        let stores = self.stores.iter().map(|(place, format)| format!("{}: {format}", text::harmless(place)));
        format!("{}, {runs} of {workflows}\n", stores.collect::<Vec<_>>().join(", "))
    }

    /// The workflows, all or the last active ones.
    pub(crate) fn section(&self, context: &Context, all: bool) -> Section {
        let most = if all { usize::MAX } else { WORKFLOWS_MAX };
        let shown: Vec<&Workflow> = self.workflows.iter().take(most).collect();
        let notes = match self.workflows.len() - shown.len() {
            0 => String::new(),
            more => format!("and {more} more; the last active ones come first\n"),
        };
        Section { title: String::new(), table: Some(table(context, &shown)), notes }
    }
}

/// A row for each workflow; the statuses that occur are columns.
pub(crate) fn table(context: &Context, workflows: &[&Workflow]) -> Table {
    let occurs = |status: &Status| workflows.iter().any(|workflow| workflow.statuses.contains_key(status));
    let statuses: Vec<Status> = Status::ALL.into_iter().filter(occurs).collect();
    let mut columns = vec![Column::text("workflow").cut_to(16), Column::number("runs")];
    columns.extend(statuses.iter().map(|status| {
        // What needs somebody to look stays longest.
        let rank = match status {
            Status::Failed | Status::Corrupt | Status::Parked | Status::Waiting | Status::Retrying => 1,
            Status::Running | Status::Pending => 3,
            Status::Sleeping | Status::Completed | Status::Cancelled => 4,
        };
        Column::number(status.as_str()).expendable(rank)
    }));
    columns.push(Column::number("last event").expendable(2));
    let mut table = Table::of_stores(workflows.iter().any(|workflow| workflow.store.is_some()), columns);
    for workflow in workflows {
        let mut cells = vec![
            Cell::name(workflow.name.as_deref().unwrap_or("-")).tone(Tone::Strong),
            Cell::new(count(workflow.runs)),
        ];
        cells.extend(statuses.iter().map(|status| match workflow.statuses.get(status) {
            None => Cell::new("-").tone(Tone::Dim),
            Some(n) => Cell::new(count(*n)).tone(describe::tone(*status)),
        }));
        cells.push(Cell::new(context.recency(workflow.last_event)).tone(Tone::Dim));
        table.row_of(workflow.store.as_deref(), cells);
    }
    table
}

/// Both halves of the stores: the logs if there are any, and the workflows. The error if there are neither.
pub(crate) fn beside(
    context: &Context,
    stores: Result<Stores>,
    workflows: Result<Workflows>,
) -> Result<(Option<Stores>, Workflows)> {
    match (stores, workflows) {
        (Ok(mut stores), Ok(tally)) => {
            // Those that give runs give something.
            stores.without.retain(|one| tally.without.iter().any(|other| other.store == one.store));
            Ok((Some(stores), tally))
        }
        (Ok(stores), Err(error)) => {
            let message = format!("workflow runs could not be read: {error:#}");
            Ok((Some(stores), Workflows { warnings: vec![Warning::lost(message)], ..Workflows::default() }))
        }
        (Err(error), Ok(tally)) if lacks_logs(&error) && !tally.is_empty() => {
            context.name_those_without(&tally.without);
            Ok((None, tally))
        }
        (Err(error), Err(cause)) if lacks_logs(&error) => Err(cause),
        (Err(error), _) => Err(error),
    }
}
