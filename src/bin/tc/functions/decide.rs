//! What `tc promote`, `tc rollback` and `tc weight` have in common: a decision that is checked, shown, and appended.

use std::path::Path;

use anyhow::Result;
use clap::Args;
use serde_json::Value;

use crate::confirm;
use crate::error::{CONFLICT, DONE, Failure};
use crate::find::{Store, Target, nearest, unknown_function};
use crate::functions::elsewhere::Elsewhere;
use crate::functions::status;
use crate::output::table::Tone;
use crate::output::{Answer, Section};
use crate::surroundings::Context;
use crate::who::whoever;
use temporal_code::evolution::append::{Appender, News};
use temporal_code::evolution::decision::{Change, Decision};
use temporal_code::evolution::event;
use temporal_code::evolution::fast::FastReader;
use temporal_code::evolution::source::{Source, each_block};
use temporal_code::evolution::summary::{Filter, FunctionSummary};
use temporal_code::text;
use temporal_code::time::Timestamp;

/// Options of all three.
#[derive(Debug, Args)]
pub(crate) struct DecideArgs {
    /// Why: it is written to the log
    #[arg(short, long, value_name = "TEXT")]
    reason: Option<String>,
    /// Who decided [default: $TC_BY, else user@host]
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// Only if nothing happened to the function since: the time of its last event or its line, as `tc history` shows them
    #[arg(long, value_name = "TIME|LINE")]
    if_last: Option<String>,
    /// With --if-last: calls may have happened, decisions not
    #[arg(long, requires = "if_last")]
    ignore_calls: bool,
    /// Even if the log knows no such function or variant
    #[arg(long)]
    force: bool,
    /// Only print the record that would be written
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

/// The function that something is decided about, as the log knows it.
pub(crate) struct Subject<'a> {
    pub(crate) name: &'a str,
    pub(crate) summary: Option<&'a FunctionSummary>,
    force: bool,
}

/// What is to be decided.
pub(crate) struct Proposal {
    pub(crate) variant: String,
    pub(crate) change: Change,
    /// What will be, as `v2 gets all traffic`.
    pub(crate) effect: String,
}

impl Subject<'_> {
    /// The names of its variants, the first one first.
    pub(crate) fn variants(&self) -> impl Iterator<Item = &str> {
        self.summary.into_iter().flat_map(|summary| summary.variants.iter().map(|variant| &*variant.name))
    }

    /// Refuses a variant that the log does not know.
    pub(crate) fn check(&self, variant: &str) -> Result<()> {
        if variant.is_empty() {
            return Err(Failure::new("usage", "the name of a variant cannot be empty").into());
        }
        if self.force || self.variants().any(|known| known == variant) {
            return Ok(());
        }
        let known = self.variants().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let hint = nearest(variant, self.variants()).unwrap_or_else(|| format!("it has {known}"));
        let message = format!("`{}` has no variant `{variant}` in the log", self.name);
        Err(Failure::new("unknown_variant", message).hint(format!("{hint}; --force to decide it all the same")).into())
    }
}

pub(crate) fn run(
    context: &Context,
    schema: &'static str,
    function: &str,
    args: &DecideArgs,
    propose: impl FnOnce(&Subject<'_>) -> Result<Proposal>,
) -> Result<u8> {
    let store = context.store()?;
    let log = store.log_to_append()?;
    let expected = args.if_last.as_ref().map(|text| expected(context, text, &log)).transpose()?;
    let mut elsewhere = match &log {
        Target::Site(site) => Some(Elsewhere::begin(&**site, expected.is_some() && !args.ignore_calls)?),
        Target::File(_) => None,
    };
    let (summary, warnings) = status::read(context, &store, &Filter::default())?;
    let found = summary.function(function);
    if found.is_none() && !args.force {
        return Err(refusal_of_function(function, &store, summary.functions.iter().map(|function| &*function.name)));
    }
    let subject = Subject { name: function, summary: found, force: args.force };
    let proposal = propose(&subject)?;
    let decision = Decision {
        function: function.to_string(),
        variant: proposal.variant,
        change: proposal.change,
        at: Some(context.now),
        forced: true,
        by: Some(args.by.clone().unwrap_or_else(whoever)),
        reason: args.reason.clone().filter(|reason| !reason.trim().is_empty()),
    };
    let mut watch = Watch::new(function, args.ignore_calls, expected.is_some());
    // Logs that were put aside are known from the summary; the one that is written to is looked at once more.
    watch.last_time = found.and_then(|found| last_of(found, args.ignore_calls));
    if !args.dry_run && !args.yes {
        let hint =
            format!("see the record that would be written with --dry-run; it would say that {}", proposal.effect);
        confirm::refuse_unasked(context, "a decision", &hint)?;
        if let Some(found) = found {
            crate::output::write(&status::table(context, &[found]).render(context.width(), context.colours))?;
        }
        if !confirm::ask(&text::harmless(&format!("{function}: {}. Decide so?", proposal.effect)))? {
            crate::output::write("Nothing was decided.\n")?;
            return Ok(DONE);
        }
    }
    let line = decision.to_line();
    match (&log, &mut elsewhere) {
        (Target::File(path), _) => decide_in_file(path, &line, &mut watch, expected, args.dry_run)?,
        (Target::Site(_), Some(elsewhere)) if args.dry_run => elsewhere.look(&mut watch, expected)?,
        (Target::Site(_), Some(elsewhere)) => elsewhere.append(&line, &mut watch, expected)?,
        (Target::Site(_), None) => {}
    }
    let items = || Ok(vec![item(&line, args.dry_run)?]);
    let sections = || {
        if args.dry_run {
            return vec![Section::text(text::harmless(line.trim_end()).into_owned() + "\n")];
        }
        let effect = text::harmless(&format!("{function}: {}.", proposal.effect)).into_owned();
        let outlook = match &log {
            Target::Site(site) => format!("Processes that follow the log obey within {}.", site.outlook()),
            Target::File(_) => "Processes that follow the log obey within a second.".to_string(),
        };
        vec![Section::text(context.prose(Tone::Plain, &effect) + &context.prose(Tone::Dim, &outlook))]
    };
    Answer { schema, warnings, items, rows_of: None, sections }.print(context)?;
    Ok(DONE)
}

fn refusal_of_function<'a>(name: &str, store: &Store, known: impl IntoIterator<Item = &'a str>) -> anyhow::Error {
    let error = unknown_function(name, store, known);
    match error.downcast::<Failure>() {
        Ok(failure) => {
            let hint = failure.hint.as_ref().map(|hint| format!("{hint}; ")).unwrap_or_default();
            failure.hint(format!("{hint}--force to decide it all the same")).into()
        }
        Err(error) => error,
    }
}

/// The record appended, and whether it was.
fn item(line: &str, dry_run: bool) -> Result<String> {
    let mut record: Value = serde_json::from_str(line)?;
    record["dry_run"] = dry_run.into();
    Ok(record.to_string())
}

/// The last thing that is to have happened.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Expected {
    Time(Timestamp),
    Line(u64),
}

fn expected(context: &Context, text: &str, log: &Target) -> Result<Expected> {
    match text.parse::<u64>() {
        Ok(_) if matches!(log, Target::Site(_)) => {
            let message = format!("--if-last {text}: only the lines of a file are counted through");
            Err(Failure::new("usage", message).hint("give the time of the last event, as `tc history` shows it").into())
        }
        Ok(line) => Ok(Expected::Line(line)),
        Err(_) => {
            let at = context.when("if-last", text)?;
            // A time to the second, as tables show it, is as good as all of that second.
            let to_the_second = at.micros() % 1_000_000 == 0;
            Ok(Expected::Time(if to_the_second { at.offset_micros(999_999) } else { at }))
        }
    }
}

/// When something last happened to a function, as far as the logs were read.
fn last_of(function: &FunctionSummary, ignore_calls: bool) -> Option<Timestamp> {
    if ignore_calls {
        function.variants.iter().filter_map(|variant| variant.decisions.last()).max()
    } else {
        function.span().last()
    }
}

/// Appends the line to a file, or only looks whether that could be done.
fn decide_in_file(
    log: &Path,
    line: &str,
    watch: &mut Watch<'_>,
    expected: Option<Expected>,
    dry_run: bool,
) -> Result<()> {
    let unwritable =
        |cause: std::io::Error| Failure::new("io", format!("cannot append to {}", log.display())).cause(cause);
    if dry_run {
        if expected.is_some() && log.exists() {
            each_block(&Source::File(log.to_path_buf()), u64::MAX, |lines| watch.take(lines)).map_err(unwritable)?;
        }
        return watch.refuse_if_moved(&log.display().to_string(), expected);
    }
    append(log, line, watch, expected).map_err(|error| match error.downcast::<std::io::Error>() {
        Ok(cause) => unwritable(cause).into(),
        Err(other) => other,
    })
}

/// Appends the line, if the log is as expected, in one step with looking at it.
fn append(log: &Path, line: &str, watch: &mut Watch<'_>, expected: Option<Expected>) -> Result<()> {
    let mut appender = if watch.looks { Appender::new(log) } else { Appender::at_end(log)? };
    let mut session = appender.lock(watch)?;
    watch.refuse_if_moved(&log.display().to_string(), expected)?;
    session.write(line.as_bytes(), watch).map_err(|error| error.cause)?;
    drop(session);
    appender.sync()?;
    Ok(())
}

/// Notes when something last happened to a function.
pub(crate) struct Watch<'a> {
    pub(crate) function: &'a str,
    ignore_calls: bool,
    /// Whether anybody wants to know.
    looks: bool,
    fast: FastReader,
    lines: u64,
    last_line: u64,
    last_time: Option<Timestamp>,
}

impl<'a> Watch<'a> {
    fn new(function: &'a str, ignore_calls: bool, looks: bool) -> Self {
        let fast = FastReader::default();
        Watch { function, ignore_calls, looks, fast, lines: 0, last_line: 0, last_time: None }
    }

    fn line(&mut self, line: &[u8]) {
        self.lines += 1;
        let mut last = None;
        if let Some((call, _)) = self.fast.read(line) {
            let ours = call.function == self.function.as_bytes() && !self.ignore_calls;
            last = ours.then_some(Some(call.at));
        } else {
            let _ = event::read_line(line, &mut |event| {
                let ours = event.function.as_ref().is_some_and(|name| name.as_str() == self.function);
                if ours && !(self.ignore_calls && event.kind == event::Kind::Call) {
                    last = Some(event.at);
                }
            });
        }
        if let Some(at) = last {
            self.last_line = self.lines;
            self.last_time = self.last_time.max(at);
        }
    }

    /// Takes in whole lines, if anybody wants to know.
    pub(crate) fn take(&mut self, lines: &[u8]) {
        if self.looks {
            lines.split_inclusive(|byte| *byte == b'\n').for_each(|line| self.line(line));
        }
    }

    /// Refuses if more has happened than was expected. `name` is what the log is called.
    pub(crate) fn refuse_if_moved(&self, name: &str, expected: Option<Expected>) -> Result<()> {
        let conflict = |message: String| {
            let hint = format!("see what happened: tc history {}", self.function);
            Err(Failure { exit: CONFLICT, ..Failure::new("conflict", message).hint(hint) }.into())
        };
        let function = self.function;
        match expected {
            Some(Expected::Line(line)) if self.lines < line => {
                conflict(format!("{name} has {} lines, not {line}: another log took its place", self.lines))
            }
            Some(Expected::Line(line)) if self.last_line > line => {
                conflict(format!("{name}:{}: something happened to `{function}` after line {line}", self.last_line))
            }
            Some(Expected::Time(at)) if self.last_time.is_some_and(|last| last > at) => {
                let last = self.last_time.map(|last| last.to_string()).unwrap_or_default();
                conflict(format!("{name}: something happened to `{function}` at {last}, after {at}"))
            }
            _ => Ok(()),
        }
    }
}

impl News for Watch<'_> {
    fn lines(&mut self, lines: &[u8]) {
        self.take(lines);
    }

    fn replaced(&mut self, _: &std::fs::Metadata) {
        (self.lines, self.last_line) = (0, 0);
    }
}
