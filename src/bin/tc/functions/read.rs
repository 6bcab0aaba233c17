//! What the logs of the stores say, each store's on its own or all of them added up.

use anyhow::Result;
use clap::Args;

use crate::error::{Failure, PENDING};
use crate::find::{self, Store, Stores, unknown_function};
use crate::output::figures::{bytes, counted};
use crate::output::warnings::{Spot, Warning};
use crate::surroundings::Context;
use temporal_code::logs::{EventFilter, FunctionSummary, LogSource, Summary};
use temporal_code::text;

/// Which events count.
#[derive(Debug, Args)]
pub(crate) struct RangeArgs {
    /// Only events at or after this time: 2h, 7d, yesterday, 2026-06-05, RFC 3339
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Only events before this time
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<String>,
    /// Take functions of equal name in several stores for the same one
    #[arg(long)]
    pub(crate) merge: bool,
}

impl RangeArgs {
    /// The filter for this span of time.
    pub(crate) fn filter(&self, context: &Context) -> Result<EventFilter> {
        let when = |flag, text: &Option<String>| text.as_ref().map(|text| context.when(flag, text)).transpose();
        let (since, until) = (when("since", &self.since)?, when("until", &self.until)?);
        context.check_range(since, until)?;
        Ok(EventFilter { since, until, ..EventFilter::default() })
    }

    /// The stores that were asked for, told apart or not.
    pub(crate) fn stores(&self, context: &Context) -> Result<Stores> {
        let stores = find::stores(&context.global)?;
        if self.merge { stores.as_one() } else { Ok(stores) }
    }
}

/// A function and, where several stores are told apart, the one that it is in.
#[derive(Clone, Copy)]
pub(crate) struct Found<'a> {
    pub(crate) store: Option<&'a str>,
    pub(crate) function: &'a FunctionSummary,
}

/// What the logs of each store say.
pub(crate) struct Read {
    pub(crate) stores: Vec<(Store, Summary)>,
    told_apart: bool,
    filter: EventFilter,
}

impl Read {
    /// Reads the logs of the stores that were asked for, and names those without any.
    pub(crate) fn of_asked(context: &Context, range: &RangeArgs, filter: &EventFilter) -> Result<(Read, Vec<Warning>)> {
        let stores = range.stores(context)?;
        context.name_those_without(&stores.without);
        Read::new(context, &stores, filter)
    }

    /// Reads the logs of each store.
    pub(crate) fn new(context: &Context, stores: &Stores, filter: &EventFilter) -> Result<(Read, Vec<Warning>)> {
        let mut warnings = Vec::new();
        let mut read = Read { stores: Vec::new(), told_apart: stores.told_apart, filter: filter.clone() };
        for store in &stores.all {
            let (summary, more) = summary(context, store, filter)?;
            warnings.extend(more);
            read.stores.push((store.clone(), summary));
        }
        let is_nothing = filter.lets_all_through() && read.stores.iter().all(|(_, summary)| summary.kinds().is_empty());
        let is_of_others = |warning: &&Warning| warning.loses || warning.file.is_some();
        match warnings.iter().find(is_of_others) {
            Some(first) if is_nothing => Err(no_event(&stores.names(), first)),
            _ => Ok((read, warnings)),
        }
    }

    pub(crate) fn names(&self) -> String {
        self.stores.iter().map(|(store, _)| &*store.name).collect::<Vec<_>>().join(", ")
    }

    /// Each store as it is to be named beside what is in it, and what its logs say.
    pub(crate) fn each(&self) -> impl Iterator<Item = (Option<&str>, &Summary)> {
        self.stores.iter().map(|(store, summary)| (Some(&*store.name).filter(|_| self.told_apart), summary))
    }

    /// Every function.
    pub(crate) fn functions(&self) -> Vec<Found<'_>> {
        let all = self.each().flat_map(|(store, summary)| summary.functions.iter().map(move |one| (store, one)));
        all.map(|(store, function)| Found { store, function }).collect()
    }

    fn functions_named(&self, name: &str) -> Vec<Found<'_>> {
        let mut functions = self.functions();
        functions.retain(|found| *found.function.name == *name);
        functions
    }

    /// The functions of that name, of each store that has one; an error that names the nearest, or says that there are no events
    /// in this span of time.
    pub(crate) fn named(&self, context: &Context, name: &str) -> Result<Vec<Found<'_>>> {
        let found = self.functions_named(name);
        if !found.is_empty() {
            return Ok(found);
        }
        let all = self.unfiltered(context)?;
        let all = all.as_ref().unwrap_or(self);
        if let Some(last) = all.functions_named(name).iter().map(|found| found.function.span().last()).max() {
            let failure = Failure::new("no_events", format!("`{name}` has no events in this span of time"));
            let hint = format!("its last event was at {}", context.clock(last));
            return Err(Failure { exit: PENDING, ..failure.hint(hint) }.into());
        }
        Err(unknown_function(name, &self.names(), all.functions().iter().map(|found| &*found.function.name)))
    }

    /// What the logs say without a filter, if there was one and they can be read again.
    fn unfiltered(&self, context: &Context) -> Result<Option<Read>> {
        let is_gone = |(store, _): &(Store, _)| store.sources.iter().any(LogSource::is_stream);
        if self.filter.lets_all_through() || self.stores.iter().any(is_gone) {
            return Ok(None);
        }
        let filter = EventFilter::default();
        let again = |(store, _): &(Store, _)| Ok((store.clone(), summary(context, store, &filter)?.0));
        let stores = self.stores.iter().map(again).collect::<Result<_>>()?;
        Ok(Some(Read { stores, told_apart: self.told_apart, filter }))
    }

    /// What is said where there are no events: of a span of time also when the last one was.
    pub(crate) fn no_events(&self, context: &Context) -> Result<String> {
        let all = self.unfiltered(context)?;
        Ok(all.map_or_else(|| "No events.\n".into(), |all| all.none_in_span(context)))
    }

    /// What is said where all of this lies outside of a span of time.
    pub(crate) fn none_in_span(&self, context: &Context) -> String {
        match self.functions().iter().filter_map(|found| found.function.span().last()).max() {
            None => "No events.\n".into(),
            Some(last) => {
                format!("No events in this span of time. The last event was at {}.\n", context.clock(Some(last)))
            }
        }
    }

    /// What kind of stores these are and what is in them.
    pub(crate) fn describe(&self) -> String {
        let line = |(store, summary): &(Store, Summary)| {
            let size = store.sources.iter().map(|source| source.size()).sum::<Option<u64>>();
            let logs = counted(store.sources.len() as u64, "log", "logs");
            let size = size.map(|size| format!(", {}", bytes(size))).unwrap_or_default();
            let events = counted(summary.kinds().values().sum(), "event", "events");
            let functions = counted(summary.functions.len() as u64, "function", "functions");
            let name = text::harmless(&store.name);
            format!("{name}: temporal-code, {logs}{size}, {events} of {functions}\n")
        };
        self.stores.iter().map(line).collect::<String>() + "\n"
    }
}

/// What the logs of one store say.
pub(crate) fn summary(context: &Context, store: &Store, filter: &EventFilter) -> Result<(Summary, Vec<Warning>)> {
    let (summary, mut warnings) = context.scan(store, |options| Summary::read(&store.sources, filter, options))?;
    if summary.undated > 0 {
        let message = format!("{} without a readable time left out", counted(summary.undated, "event", "events"));
        warnings.push(Warning { count: Some(summary.undated), ..Warning::lost(message) });
    }
    for function in summary.functions.iter().filter(|function| function.dropped > 0) {
        let calls = counted(function.dropped, "call", "calls");
        let message = format!("{calls} of {} are not in the log: the writer could not keep up", function.name);
        warnings.push(Warning { count: Some(function.dropped), ..Warning::lost(message) });
    }
    Ok((summary, warnings))
}

/// The error for what holds nothing that could be read as an event.
fn no_event(names: &str, first: &Warning) -> anyhow::Error {
    let failure = Failure::new("bad_data", format!("nothing in {names} can be read as an event"));
    let first = match first.places.first() {
        Some(Spot { part: Some(part), problem, .. }) => format!("{part}: {problem}"),
        Some(Spot { line: Some(line), problem, .. }) => format!("line {line}: {problem}"),
        _ => first.message.clone(),
    };
    failure.cause(anyhow::Error::msg(first)).into()
}
