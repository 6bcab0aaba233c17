//! The last events of some logs, read from the end, and the search for them.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::event::{self, Event, Kind, Name};
use super::file::count_newlines;
pub use super::latest::Found;
use super::latest::{Fits, Latest};
use super::scan::{self, Evidence, Record, ScanError, Visitor};
use super::source::{ReadError, Source};
use crate::time::Timestamp;
use crate::{json, text};

/// Which events to look for.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// Of the function with this name or, if there is none, of those with this in their names.
    pub function: Option<String>,
    /// Only events of this kind.
    pub kind: Option<String>,
    /// Only events of this variant.
    pub variant: Option<String>,
    /// Only calls that failed.
    pub failed: bool,
    /// Only events at or after this time; events without a time are left out.
    pub since: Option<Timestamp>,
    /// Only events before this time; events without a time are left out.
    pub until: Option<Timestamp>,
}

/// How well an event's function fits a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// It has the name, or none was asked for.
    Exact,
    /// It has the name in its own.
    Partial,
}

impl Query {
    /// Whether an event is looked for.
    pub fn fit(&self, event: &Event<'_>) -> Option<Fit> {
        let fit = self.fit_function(event.function.as_ref())?;
        let failed = !self.failed || (event.kind == Kind::Call && !event.outcome.success);
        let kind = self.kind.as_deref().is_none_or(|kind| event.kind.name() == kind);
        let named = |wanted: &String| event.variant.as_ref().is_some_and(|name| name.as_bytes() == wanted.as_bytes());
        let dated = (self.since.is_none() && self.until.is_none())
            || event.at.is_some_and(|at| at.is_within(self.since, self.until));
        (failed && kind && dated && self.variant.as_ref().is_none_or(named)).then_some(fit)
    }

    fn fit_function(&self, function: Option<&Name<'_>>) -> Option<Fit> {
        let Some(wanted) = &self.function else { return Some(Fit::Exact) };
        let name = function?.as_bytes();
        if name == wanted.as_bytes() {
            Some(Fit::Exact)
        } else {
            memchr::memmem::find(name, wanted.as_bytes()).map(|_| Fit::Partial)
        }
    }
}

/// The last events that fit, in time order, and what could not be read on the way.
#[derive(Clone, Debug, Default)]
pub struct Tail {
    /// The events.
    pub events: Vec<Found>,
    /// No function has the name, but these have it in theirs.
    pub partial: bool,
    /// For each log that was looked into.
    pub evidence: Vec<Evidence>,
}

/// The last `count` events of `sources` that fit `query`: in the order of the log, and by time between logs. Sources are
/// in time order. Plain files, and logs that are not files, are read from their end, no further than needed; of rotated logs
/// the last ones first.
///
/// # Errors
/// A log cannot be read.
pub fn tail(sources: &[Source], query: &Query, count: usize, options: &scan::Options<'_>) -> Result<Tail, ScanError> {
    let mut exact = Vec::new();
    let mut partial = Vec::new();
    let mut evidence = Vec::new();
    for (log, source) in sources.iter().enumerate().rev() {
        if exact.len() >= count && ends_before(sources, log, &exact, count) {
            continue;
        }
        let (found, seen) = tail_one(source, query, count, options)?;
        for (fit, list) in [(found.exact, &mut exact), (found.partial, &mut partial)] {
            list.extend(timed(fit, log));
            // Stable, so that events of one log keep their order.
            list.sort_by_key(|(at, found)| (*at, found.log));
            let surplus = list.len().saturating_sub(count);
            list.drain(..surplus);
        }
        evidence.push(seen);
    }
    evidence.reverse();
    let partial_only = exact.is_empty() && !partial.is_empty();
    let events = if partial_only { partial } else { exact };
    Ok(Tail { events: events.into_iter().map(|(_, found)| found).collect(), partial: partial_only, evidence })
}

/// Events of one log with the times to sort them by: never going back, so that the log's own order stays.
fn timed(events: VecDeque<Found>, log: usize) -> impl Iterator<Item = (Timestamp, Found)> {
    let mut latest = Timestamp::MIN;
    events.into_iter().map(move |event| {
        latest = event.at.map_or(latest, |at| at.max(latest));
        (latest, Found { log, ..event })
    })
}

/// Whether no event of this log can be among the last: it ended before the first of those found.
fn ends_before(sources: &[Source], log: usize, found: &[(Timestamp, Found)], count: usize) -> bool {
    let Some((earliest, _)) = found.get(found.len().saturating_sub(count)) else { return false };
    // One that tells nothing of its times may be one that cannot be read, which is to be told.
    if sources[log].first_time().is_none() {
        return false;
    }
    let end = sources[log].last_time().or_else(|| {
        // A compressed log does not tell its end cheaply; rotation made it end where its successor begins.
        let next = sources.get(log + 1).filter(|next| same_rotation(&sources[log], next))?;
        next.first_time()
    });
    end.is_some_and(|end| end < *earliest)
}

/// Whether two logs are parts of one that was rotated: `evolution.jsonl`, `evolution.jsonl.1.gz`,
/// `evolution-2026-06-01.jsonl.zst`, in one folder.
fn same_rotation(a: &Source, b: &Source) -> bool {
    fn stem(path: &Path) -> Option<(Option<PathBuf>, String)> {
        let name = path.file_name()?.to_str()?;
        let name = name.split_once(".jsonl").map_or(name, |(stem, _)| stem);
        let stem = name.trim_end_matches(|c: char| c.is_ascii_digit() || "-_.TZ".contains(c));
        Some((path.parent().map(Path::to_path_buf), stem.to_string()))
    }
    // A copy in a bucket is called as a file is.
    let stem_of = |source: &Source| match source.remote() {
        Some(remote) => stem(Path::new(remote.name())),
        None => source.path().and_then(stem),
    };
    match (stem_of(a), stem_of(b)) {
        (Some(a), Some(b)) => a == b,
        _ => false,
    }
}

fn tail_one(
    source: &Source,
    query: &Query,
    count: usize,
    options: &scan::Options<'_>,
) -> Result<(Fits, Evidence), ScanError> {
    let (since, until) = (query.since, query.until);
    if let Some(remote) = source.remote() {
        let options = scan::Options { backwards: true, since, until, ..*options };
        let mut latest = Latest::new(count, remote.overlaps());
        let merge = |from: scan::From, part: Fits| match &from.origin {
            Some(origin) => latest.take(origin, from.lines_before, part, from.last),
            None => ControlFlow::Continue(()),
        };
        let visitor = || Finder { query, count, numbered: true, fits: Fits::default() };
        let (_, evidence) = scan::scan(std::slice::from_ref(source), &options, visitor, merge)?;
        return Ok((latest.finish(), evidence.into_iter().next().unwrap_or_default()));
    }
    let backwards = source.open_plain()?.is_some();
    let options = scan::Options { backwards, ..*options };
    let mut fits = Fits::default();
    let merge = |from: scan::From, part: Fits| {
        for (list, found) in [(&mut fits.exact, part.exact), (&mut fits.partial, part.partial)] {
            if backwards {
                found.into_iter().rev().take(count - list.len()).for_each(|event| list.push_front(event));
            } else {
                let numbered = |event: Found| Found { line: event.line.map(|line| line + from.lines_before), ..event };
                list.extend(found.into_iter().map(numbered));
                let surplus = list.len().saturating_sub(count);
                list.drain(..surplus);
            }
        }
        let enough = backwards && fits.exact.len() >= count;
        if enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let visitor = || Finder { query, count, numbered: !backwards, fits: Fits::default() };
    let (_, mut evidence) = scan::scan(std::slice::from_ref(source), &options, visitor, merge)?;
    let evidence = evidence.pop().unwrap_or_default();
    Ok((fits, evidence))
}

/// Of a larger event only the beginnings are kept: a packed log of some kilobytes can hold many of gigabytes together.
const EVENT_BYTES_MAX: usize = 4 << 20;

/// How much is kept of an event that is too large, and of a member of it, in bytes and in characters.
const KEPT_BYTES_MAX: usize = 64 << 10;
const KEPT_CHARS_MAX: usize = 200;

/// An event with the beginnings of its texts, and without its other long values.
fn beginnings(event: &str) -> String {
    let mut members = serde_json::Map::new();
    let mut kept = 0;
    // It was read as an object when it was found.
    let _ = json::object(event, 0, |key, value| {
        let short = match value.as_str() {
            Some(text) => Some(text::shorten(&text, KEPT_CHARS_MAX).into()),
            None => Some(value.text()).filter(|text| text.len() <= KEPT_CHARS_MAX).and_then(|text| text.parse().ok()),
        };
        let key = text::shorten(&key, KEPT_CHARS_MAX);
        if let Some(short) = short.filter(|_| kept < KEPT_BYTES_MAX || event::KEYS.contains(&&*key)) {
            kept += key.len() + KEPT_CHARS_MAX;
            members.insert(key.into_owned(), short);
        }
    });
    serde_json::Value::Object(members).to_string()
}

/// Collects the last events of each block that fit.
struct Finder<'a> {
    query: &'a Query,
    count: usize,
    /// Whether lines in front of a block are known.
    numbered: bool,
    fits: Fits,
}

impl Visitor for Finder<'_> {
    type Part = Fits;

    fn event(&mut self, record: &Record<'_>, event: &Event<'_>) {
        let list = match self.query.fit(event) {
            Some(Fit::Exact) => &mut self.fits.exact,
            Some(Fit::Partial) => &mut self.fits.partial,
            None => return,
        };
        if self.count == 0 {
            return;
        }
        if list.len() == self.count {
            list.pop_front();
        }
        let text = String::from_utf8_lossy(record.text.trim_ascii());
        let cut = text.len() > EVENT_BYTES_MAX;
        let text = if cut { beginnings(&text) } else { text.into_owned() };
        let line = self.numbered.then_some(record.line + 1);
        list.push_back(Found { text, cut, at: event.at, log: 0, part: None, offset: record.offset, line });
    }

    fn end_block(&mut self) -> Fits {
        std::mem::take(&mut self.fits)
    }
}

/// Fills in the line numbers of events that were found from the end, by counting the lines in front of them.
///
/// # Errors
/// A log cannot be read any more.
pub fn number_lines(sources: &[Source], events: &mut [Found], threads: usize) -> Result<(), ReadError> {
    for (log, source) in sources.iter().enumerate() {
        let mut unnumbered = events.iter_mut().filter(|event| event.log == log && event.line.is_none()).peekable();
        if unnumbered.peek().is_none() {
            continue;
        }
        let Some((file, _)) = source.open_plain()? else { continue };
        let mut unnumbered = unnumbered.collect::<Vec<_>>();
        unnumbered.sort_by_key(|event| event.offset);
        let (mut at, mut lines) = (0, 0);
        for event in unnumbered {
            let counted = count_newlines(&file, at, event.offset, threads);
            lines += counted.map_err(|cause| ReadError { name: source.name(), cause })?;
            at = event.offset;
            event.line = Some(lines + 1);
        }
    }
    Ok(())
}
