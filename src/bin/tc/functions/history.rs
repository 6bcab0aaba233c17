//! `tc history`: the last events, and the next ones as they come.

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::Duration;

use anyhow::Result;
use clap::Args;

use crate::args::OutputFormat;
use crate::error::{DONE, Failure};
use crate::find::{Store, Stores, unknown_function};
use crate::functions::read::{RangeArgs, Read};
use crate::output::csv::Sheet;
use crate::output::figures::{counted, duration_ns, percent};
use crate::output::table::{Cell, Column, Table, Tone};
use crate::output::warnings::Warning;
use crate::output::{Answer, Section, of_store, tell};
use crate::surroundings::Context;
use temporal_code::logs::{
    self, EventFilter, EventKind, EventQuery, Fit, Follower, FoundEvent, LogEvent, LogSource, LoggedName, Notice, Spot,
    Tail, Update,
};
use temporal_code::{Timestamp, json, text};

/// Show the last events, of all functions or of one
///
/// FUNCTION is a full name or, if no function has it, a part of one.
#[derive(Debug, Args)]
pub(crate) struct HistoryArgs {
    /// Only events of this function
    function: Option<String>,
    /// How many events [default: 20]
    #[arg(value_name = "N")]
    count: Option<String>,
    /// How many events, without naming a function
    #[arg(short = 'n', long = "limit", value_name = "N", conflicts_with = "count")]
    limit: Option<String>,
    /// Only events of this type: call, weight_change, promotion, rollback, …
    #[arg(long = "event", value_name = "TYPE")]
    kind: Option<String>,
    /// Only events of this variant
    #[arg(long, value_name = "VARIANT")]
    variant: Option<String>,
    /// Only calls that failed
    #[arg(long)]
    failed: bool,
    #[command(flatten)]
    range: RangeArgs,
    /// Then wait for new events and print each as it comes
    #[arg(short, long)]
    follow: bool,
}

/// How many events are shown unless asked for more.
const COUNT: usize = 20;

/// How often a followed log is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Its columns in CSV.
const SHEET: Sheet = Sheet {
    of: None,
    columns: "event function timestamp variant value error latency_ms success old_weight new_weight reason forced by to \
              unit fallback other source.file source.line source.offset",
    json: "",
};

pub(crate) fn run(context: &Context, args: &HistoryArgs) -> Result<u8> {
    let count = match args.count.as_ref().or(args.limit.as_ref()) {
        Some(text) => parse_count(text)?,
        // What goes to a program is whole unless less is asked for.
        None if context.global.output() == OutputFormat::Csv => usize::MAX,
        None => COUNT,
    };
    let stores = args.range.stores(context)?;
    context.name_those_without(&stores.without);
    let store = stores.merged()?;
    let EventFilter { since, until, .. } = args.range.filter(context)?;
    let query = EventQuery {
        function: args.function.clone().filter(|name| !name.is_empty()),
        kind: args.kind.clone(),
        variant: args.variant.clone(),
        failed: args.failed,
        since,
        until,
    };
    if args.follow {
        return follow(context, &store, stores.told_apart, &query, count);
    }
    let (tail, mut warnings) = read(context, &store, &query, count)?;
    if matches!(context.global.output(), OutputFormat::Csv | OutputFormat::Markdown) && tail.events.len() == count {
        warnings.push(Warning::new(format!(
            "only the last {} asked for; there may be more",
            counted(count as u64, "event was", "events were")
        )));
    }
    // Of one store no event needs to be told where it is.
    let label =
        |found: &FoundEvent| stores.told_apart.then(|| store.root_of(&store.sources[found.log].name())).flatten();
    let event = |found: &FoundEvent| item(&store.sources[found.log].name(), found, label(found).as_deref());
    let items = || Ok(tail.events.iter().map(event).collect());
    let empty = match (tail.events.is_empty(), count) {
        (false, _) => String::new(),
        (true, 0) => "No events.\n".into(),
        (true, _) => nothing(context, &stores, &query)?,
    };
    let sections = || sections(context, &query, &tail, stores.told_apart, &label, &empty);
    Answer { schema: "tc.history/1", warnings, items, sheet: &SHEET, sections }.print(context)?;
    Ok(DONE)
}

fn parse_count(text: &str) -> Result<usize> {
    let hint = "give a whole number such as 20, or `all`; `tc history --limit 5` shows the last 5 of all functions";
    match text {
        "all" => Ok(usize::MAX),
        _ => text
            .parse()
            .map_err(|_| Failure::new("usage", format!("`{text}` is not a number of events")).hint(hint).into()),
    }
}

fn read(context: &Context, store: &Store, query: &EventQuery, count: usize) -> Result<(Tail, Vec<Warning>)> {
    let (mut tail, mut warnings) = context.scan(store, |options| {
        let mut tail = logs::tail(&store.sources, query, count, options)?;
        let evidence = std::mem::take(&mut tail.evidence);
        Ok((tail, evidence))
    })?;
    if !matches!(context.global.output(), OutputFormat::Table | OutputFormat::Markdown) {
        logs::number_lines(&store.sources, &mut tail.events, context.threads())?;
    }
    let cut = tail.events.iter().filter(|found| found.cut).count() as u64;
    if cut > 0 {
        let message = format!(
            "{} longer than 4 MiB: of each only the beginnings are here",
            counted(cut, "event is", "events are")
        );
        warnings.push(Warning { count: Some(cut), ..Warning::lost(message) });
    }
    Ok((tail, warnings))
}

/// What is said where no event fits; an error if there is no such function.
fn nothing(context: &Context, stores: &Stores, query: &EventQuery) -> Result<String> {
    let name = query.function.as_deref();
    if let Some(name) = name.filter(|name| name.parse::<u64>().is_ok()) {
        let hint = format!("for the last {name} events of all functions: tc history --limit {name}");
        return Err(Failure::new("unknown_function", format!("no events of a function `{name}`")).hint(hint).into());
    }
    // What can be read once only was read already.
    if stores.sources().any(LogSource::is_stream) {
        let refused = |name| Err(unknown_function(name, &stores.names(), []));
        return name.map_or_else(|| Ok("No events.\n".into()), refused);
    }
    let (all, _) = Read::new(context, stores, &EventFilter::default())?;
    let functions = all.functions();
    let known = || functions.iter().map(|found| &*found.function.name);
    match name {
        Some(name) if !known().any(|known| known.contains(name)) => {
            Err(unknown_function(name, &stores.names(), known()))
        }
        _ if query.since.or(query.until).is_some() => Ok(all.none_in_span(context)),
        _ => Ok("No events.\n".into()),
    }
}

/// What the format has in events: texts, numbers and flags, which stay what they are. All else is its writer's own data.
const KNOWN: &str = "event function timestamp variant error latency_ms success weight old_weight new_weight reason forced by to unit \
                     fallback";

/// The record as logged, in standard JSON, and where it stands. A member of its own named `source` becomes `_source`, and where
/// stores are told apart `store` becomes `_store`.
fn item(file: &str, found: &FoundEvent, store: Option<&str>) -> String {
    let mut members: Vec<(Cow<'_, str>, Cow<'_, str>)> = Vec::new();
    let mut index = HashMap::new();
    // It was read as an object when it was found.
    let _ = json::object(&found.text, 0, |key, value| {
        let is_known = KNOWN.split(' ').any(|known| known == key);
        let standard = if is_known { json::standard } else { json::told_apart };
        let taken = key == "source" || key.starts_with("source.") || (key == "store" && store.is_some());
        let key = if taken { Cow::Owned(format!("_{key}")) } else { key };
        // Of two with one name the last counts.
        let at = *index.entry(key.clone()).or_insert(members.len());
        if at == members.len() {
            members.push((key, standard(value)));
        } else {
            members[at].1 = standard(value);
        }
    });
    let file = found.part.as_deref().unwrap_or(file);
    let source = serde_json::json!({"file": file, "line": found.line, "offset": found.offset});
    let members = members.iter().map(|(key, value)| format!("{}:{value}", serde_json::Value::from(&**key)));
    let item = format!("{{{}}}", members.chain([format!("\"source\":{source}")]).collect::<Vec<_>>().join(","));
    of_store(item, store)
}

/// `empty` is said if there are none.
fn sections(
    context: &Context,
    query: &EventQuery,
    tail: &Tail,
    told_apart: bool,
    label: &dyn Fn(&FoundEvent) -> Option<String>,
    empty: &str,
) -> Vec<Section> {
    let mut table = Table::of_stores(told_apart, columns());
    for found in &tail.events {
        let mut row = |event: LogEvent<'_>| table.row_of(label(found).as_deref(), cells(context, &found.text, &event));
        let _ = logs::read_line(found.text.as_bytes(), &mut row);
    }
    if table.is_empty() {
        return vec![Section::text(empty.to_owned())];
    }
    let notes = match &query.function {
        Some(name) if tail.partial => {
            format!("No function is named `{}`: these have it in their names.\n", text::harmless(name))
        }
        _ => String::new(),
    };
    vec![Section { title: String::new(), table: Some(table), notes }]
}

fn columns() -> [Column; 6] {
    [
        Column::text("time"),
        Column::text("function").cut_to(12),
        Column::text("variant").cut_to(8),
        Column::text("event"),
        Column::number("latency").expendable(2),
        Column::text("detail").cut_to(10).expendable(1),
    ]
}

fn cells(context: &Context, text: &str, event: &LogEvent<'_>) -> Vec<Cell> {
    let name = |name: &Option<LoggedName<'_>>| name.as_ref().map_or(Cell::new("-"), |name| Cell::name(name.as_str()));
    let call = event.kind == EventKind::Call;
    let what = match &event.kind {
        EventKind::Call if event.outcome.success => Cell::new("ok"),
        EventKind::Call => Cell::new("FAILED").tone(Tone::Bad),
        EventKind::Promotion => Cell::new("promoted").tone(Tone::Good),
        EventKind::Rollback => Cell::new("rolled back").tone(Tone::Bad),
        EventKind::WeightChange => Cell::new("weight").tone(Tone::Warn),
        EventKind::Other(kind) => Cell::new(text::shorten(kind, 40)),
    };
    let latency = event.outcome.latency_ns.filter(|_| call).map_or(String::new(), |ns| duration_ns(ns as f64));
    let detail = detail(text, event);
    let tone = if call && event.outcome.success { Tone::Dim } else { Tone::Plain };
    vec![
        Cell::new(context.clock(event.at)).tone(Tone::Dim),
        name(&event.function),
        name(&event.variant),
        what,
        Cell::new(latency),
        Cell::new(detail).tone(tone),
    ]
}

/// What there is to say of an event beyond its columns: a value or an error, a reason, the weights.
fn detail(text: &str, event: &LogEvent<'_>) -> String {
    let member = |wanted: &str| {
        let ([found], _) = json::pick(text, 0, [wanted]).ok()?;
        found.filter(|value| !value.is_null()).map(|value| value.as_str().unwrap_or(value.text().into()).into_owned())
    };
    let by = || member("by").map(|by| format!(" by {by}")).unwrap_or_default();
    match &event.kind {
        EventKind::Call if event.outcome.success => member("value").unwrap_or_default(),
        EventKind::Call => member("error").unwrap_or_default(),
        EventKind::WeightChange => {
            let weight = |name: &str| match member(name)?.parse::<f64>() {
                Ok(weight) if (weight * 100.0).is_finite() => Some(percent(weight)),
                _ => None,
            };
            let shown = |name| weight(name).unwrap_or_else(|| "?".into());
            let reason = member("reason").map(|reason| format!(": {reason}")).unwrap_or_default();
            format!("{} → {}{}{reason}", shown("old_weight"), shown("new_weight"), by())
        }
        EventKind::Rollback | EventKind::Promotion => {
            let (by, reason) = (by(), member("reason").unwrap_or_default());
            let gap = if by.is_empty() || reason.is_empty() { "" } else { ": " };
            format!("{}{gap}{reason}", by.trim_start())
        }
        EventKind::Other(_) => text.to_string(),
    }
}

/// Prints the last events, then each new one as it comes, until interrupted.
fn follow(context: &Context, store: &Store, told_apart: bool, query: &EventQuery, count: usize) -> Result<u8> {
    match context.global.output() {
        OutputFormat::Csv => return Err(only_jsonl("csv")),
        OutputFormat::Markdown => return Err(only_jsonl("markdown")),
        OutputFormat::Table | OutputFormat::Json | OutputFormat::Jsonl => {}
    }
    let remotes = store.remotes().cloned().collect::<Vec<_>>();
    let mut follower =
        Follower::at_end::<anyhow::Error>(&store.sources, &remotes, context.threads(), Timestamp::now())?;
    // What comes out of a pipe is printed as it comes.
    let mut lasting = store.clone();
    lasting.sources.retain(|source| !source.is_stream());
    let (mut tail, warnings) = read(context, &lasting, query, count)?;
    // What is not complete yet, or came since, is for the follower.
    tail.events.retain(|found| !follower.gives_out(&lasting.sources[found.log], found));
    let root = |file: &str| told_apart.then(|| store.root_of(file)).flatten();
    let mut printer = Printer {
        context,
        query,
        root: &root,
        exact: !tail.partial && !tail.events.is_empty(),
        widths: [0, 0, 0, 6, 7],
    };
    for found in &tail.events {
        let file = lasting.sources[found.log].name();
        let mut result = Ok(());
        let _ = logs::read_line(found.text.as_bytes(), &mut |event| result = printer.print(&file, found, &event));
        result?;
    }
    tell(context, &warnings);
    loop {
        follower.poll(&store.look_again(), Timestamp::now(), &mut |spot, update| printer.update(spot, update))?;
        if follower.is_over() {
            return Ok(DONE);
        }
        std::thread::sleep(LOOK_AGAIN);
    }
}

/// Prints events one at a time.
struct Printer<'a> {
    context: &'a Context,
    query: &'a EventQuery,
    /// The store that a log is of, where stores are told apart.
    root: &'a dyn Fn(&str) -> Option<String>,
    /// A function has the very name that was asked for: those with the name in theirs are not meant.
    exact: bool,
    /// Of all columns but the last.
    widths: [usize; 5],
}

impl Printer<'_> {
    fn update(&mut self, spot: &Spot<'_>, update: Update<'_>) -> Result<()> {
        let Spot { log: file, line, offset } = *spot;
        let notice = match update {
            Update::Event(text, event) => {
                match self.query.fit(event) {
                    None => return Ok(()),
                    Some(Fit::Partial) if self.exact => return Ok(()),
                    Some(Fit::Partial) => {}
                    Some(Fit::Exact) => self.exact = true,
                }
                let text = text.to_string();
                let found = FoundEvent { text, cut: false, at: event.at, log: 0, part: None, offset, line };
                return self.print(file, &found, event);
            }
            Update::Notice(notice) => notice,
        };
        let message = match notice {
            Notice::Fault(fault) if !fault.loses() && !self.context.global.verbose => return Ok(()),
            Notice::Fault(fault) if fault.loses() && self.context.global.strict => {
                return Err(Failure::new("bad_data", format!("{file}:{}: {fault}", line.unwrap_or(0))).into());
            }
            Notice::Fault(fault) => format!("line {}: {fault}", line.unwrap_or(0)),
            Notice::Truncated => "became shorter or was overwritten: what is new in it comes next".into(),
            Notice::Replaced => "was replaced: what is new in the new file comes next".into(),
            Notice::Lost(problem) => problem,
            Notice::Away(problem) => format!("{problem}; it is tried again"),
            Notice::Back => "is there again".into(),
        };
        self.warn(file, message);
        Ok(())
    }

    fn warn(&self, file: &str, message: String) {
        if !self.context.global.quiet {
            let file = Some(file.to_string());
            crate::output::warnings::print(&[Warning { file, ..Warning::new(message) }], false);
        }
    }

    fn print(&mut self, file: &str, found: &FoundEvent, event: &LogEvent<'_>) -> Result<()> {
        let line = match self.context.global.output() {
            OutputFormat::Table => self.row(file, &found.text, event),
            _ => text::json(&item(file, found, (self.root)(file).as_deref())).into_owned() + "\n",
        };
        crate::output::write(&line)
    }

    /// A row whose columns grow with what comes: how wide they will have to be is not known.
    fn row(&mut self, file: &str, text: &str, event: &LogEvent<'_>) -> String {
        const WIDTH_MAX: usize = 24;
        const GAP: usize = 2;
        let mut cells = cells(self.context, text, event);
        let mut detail = cells.pop().unwrap_or_default();
        if let Some(root) = (self.root)(file) {
            detail = detail.of(&root);
        }
        let colours = self.context.colours;
        let mut line = String::new();
        let mut used = 0;
        for (cell, width) in cells.iter().zip(&mut self.widths) {
            *width = cell.width().clamp(*width, WIDTH_MAX.max(*width));
            line += &cell.fitted(*width, colours);
            line += &" ".repeat(GAP);
            used += *width + GAP;
        }
        let room = self.context.width().map_or(detail.width(), |width| width.saturating_sub(used));
        line += &detail.fitted(room.min(detail.width()), colours);
        line.truncate(line.trim_end().len());
        line + "\n"
    }
}

fn only_jsonl(format: &str) -> anyhow::Error {
    Failure::new("usage", format!("--follow cannot print {format}")).hint("use a table, or -o jsonl").into()
}
