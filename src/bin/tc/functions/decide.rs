//! What `tc promote`, `tc rollback` and `tc weight` have in common: a decision that is checked, shown, and appended.

use anyhow::Result;
use clap::Args;
use serde_json::Value;

use crate::confirm;
use crate::error::{CONFLICT, DONE, Failure, USAGE};
use crate::find::{self, Root, nearest};
use crate::functions::read::{Found, Read};
use crate::functions::status;
use crate::output::csv::Sheet;
use crate::output::table::Tone;
use crate::output::warnings::Warning;
use crate::output::{Answer, Section, progress};
use crate::shell;
use crate::surroundings::Context;
use crate::who::whoever;
use temporal_code::logs::{
    Change, DecideError, Decider, Decision, EventFilter, Expectation, FunctionSummary, LastEvent,
};
use temporal_code::text;

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

/// Its columns in CSV.
const SHEET: Sheet = Sheet {
    of: None,
    columns: "event function variant to old_weight new_weight timestamp forced by reason log dry_run",
    json: "",
};

pub(crate) fn run(
    context: &Context,
    schema: &'static str,
    function: &str,
    args: &DecideArgs,
    propose: impl FnOnce(&Subject<'_>) -> Result<Proposal>,
) -> Result<u8> {
    let stores = find::stores(&context.global)?;
    context.name_those_without(&stores.without);
    let log = stores.merged()?.log_to_append()?;
    let refused = |error: DecideError| refusal(error, function);
    let (quiet, place) = (context.global.quiet, log.name());
    let mut decider = progress::ask(quiet, &place, || decider(context, function, args, &log))?;
    let (read, warnings) = read(context, &log)?;
    let found = match read.named(context, function) {
        Err(_) if args.force => None,
        Err(error) => return Err(refusal_of_function(error)),
        Ok(found) => found.first().map(|found| found.function),
    };
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
    if args.dry_run || !args.yes {
        decider.check().map_err(refused)?;
    }
    if !args.dry_run && !args.yes && !is_confirmed(context, &subject, &proposal.effect)? {
        crate::output::write("Nothing was decided.\n")?;
        return Ok(DONE);
    }
    let line = decision.to_line();
    if !args.dry_run {
        progress::ask(quiet, &place, || decider.decide(decision)).map_err(refused)?;
    }
    let items = || Ok(vec![item(&line, args.dry_run, &place)?]);
    let sections = || {
        if args.dry_run {
            return vec![Section::text(text::harmless(line.trim_end()).into_owned() + "\n")];
        }
        let effect = text::harmless(&format!("{function}: {}.", proposal.effect)).into_owned();
        let outlook = match &log {
            Root::Remote(log) => format!("Processes that follow the log obey within {}.", log.outlook()),
            Root::Path(_) => "Processes that follow the log obey within a second.".to_string(),
        };
        let outlook = text::harmless(&format!("Written to {place}. {outlook}")).into_owned();
        vec![Section::text(context.prose(Tone::Plain, &effect) + &context.prose(Tone::Dim, &outlook))]
    };
    Answer { schema, warnings, items, sheet: &SHEET, sections }.print(context)?;
    Ok(DONE)
}

/// Shows the function as it stands, and asks.
fn is_confirmed(context: &Context, subject: &Subject<'_>, effect: &str) -> Result<bool> {
    let hint = format!("see the record that would be written with --dry-run; it would say that {effect}");
    confirm::refuse_unasked(context, "a decision", &hint)?;
    if let Some(function) = subject.summary {
        let found = Found { store: None, function };
        crate::output::write(&status::table(context, &[found]).render(context.width(), context.colours))?;
    }
    confirm::ask(&text::harmless(&format!("{}: {effect}. Decide so?", subject.name)))
}

/// Reads all that there is of the store now: what whoever decides has seen before, and perhaps more.
fn read(context: &Context, log: &Root) -> Result<(Read, Vec<Warning>)> {
    let one = || find::stores(&context.global).and_then(|stores| stores.as_one());
    let mut stores = one()?;
    loop {
        let (read, warnings) = Read::new(context, &stores, &EventFilter::default())?;
        let again = if matches!(log, Root::Path(_)) { one()? } else { stores.clone() };
        // A file that was put aside after it was listed, and before it was opened, was not read.
        if again.sources().eq(stores.sources()) {
            return Ok((read, warnings));
        }
        stores = again;
    }
}

/// Who decides, with all that is expected.
fn decider(context: &Context, function: &str, args: &DecideArgs, log: &Root) -> Result<Decider> {
    let last = args.if_last.as_ref().map(|text| last_event(context, text, log)).transpose()?;
    let decider = match log {
        Root::Path(path) => Decider::in_file(path, function),
        Root::Remote(log) => Decider::in_remote(log, function),
    };
    let expected = last.map(|last| Expectation { last, ignore_calls: args.ignore_calls });
    let decider = decider.and_then(|decider| match expected {
        Some(expected) => decider.expecting(expected),
        None => Ok(decider),
    });
    decider.map_err(|error| refusal(error, function))
}

/// Why nothing was decided, for people and scripts: with what others decided.
fn refusal(error: DecideError, function: &str) -> anyhow::Error {
    let failure = |code, exit| Failure { exit, ..Failure::new(code, error.to_string()) };
    match &error {
        _ if error.is_conflict() => {
            let record = |decision: &Decision| serde_json::from_str(&decision.to_line()).unwrap_or(Value::Null);
            let made = error.made().iter().map(record).collect::<Vec<_>>();
            let hint = format!("see what happened: {}", shell::command("history", &[function], ""));
            Failure { decisions: made, ..failure("conflict", CONFLICT).hint(hint) }.into()
        }
        DecideError::Invalid(_) => failure("usage", USAGE).into(),
        DecideError::Locked { .. } => {
            failure("locked", USAGE).hint("nothing was decided: see which process stands still, and try again").into()
        }
        _ => {
            let failure = failure("io", USAGE);
            match error {
                DecideError::Store(error) => error.into(),
                DecideError::Unreadable { cause, .. } | DecideError::Unwritable { cause, .. } => {
                    failure.cause(cause).into()
                }
                _ => failure.into(),
            }
        }
    }
}

fn refusal_of_function(error: anyhow::Error) -> anyhow::Error {
    match error.downcast::<Failure>() {
        Ok(failure) => {
            let hint = failure.hint.as_ref().map(|hint| format!("{hint}; ")).unwrap_or_default();
            failure.hint(format!("{hint}--force to decide it all the same")).into()
        }
        Err(error) => error,
    }
}

/// The record appended, to which log, and whether it was.
fn item(line: &str, dry_run: bool, place: &str) -> Result<String> {
    let mut record: Value = serde_json::from_str(line)?;
    record["log"] = place.into();
    record["dry_run"] = dry_run.into();
    Ok(record.to_string())
}

/// The last thing that is to have happened.
fn last_event(context: &Context, text: &str, log: &Root) -> Result<LastEvent> {
    match text.parse::<u64>() {
        Ok(_) if matches!(log, Root::Remote(_)) => {
            let message = format!("--if-last {text}: only the lines of a file are counted through");
            Err(Failure::new("usage", message).hint("give the time of the last event, as `tc history` shows it").into())
        }
        Ok(line) => Ok(LastEvent::Line(line)),
        Err(_) => {
            let at = context.when("if-last", text)?;
            // A time to the second, as tables show it, is as good as all of that second.
            let to_the_second = at.micros() % 1_000_000 == 0;
            Ok(LastEvent::At(if to_the_second { at.offset_micros(999_999) } else { at }))
        }
    }
}
