//! `tc result`: what a run ended with.

use std::io::IsTerminal as _;

use anyhow::Result;
use clap::Args;
use serde::Serialize;

use crate::args::OutputFormat;
use crate::error::{DONE, Failure, NEGATIVE, PENDING};
use crate::output::csv::Sheet;
use crate::output::warnings::Warning;
use crate::output::{Answer, Section};
use crate::runs::describe;
use crate::runs::stores::RunStores;
use crate::runs::waiting::{Wait, WaitArgs};
use crate::surroundings::Context;
use temporal_code::workflows::{Run, RunClient, RunValue, Status};
use temporal_code::{SystemClock, ThreadRandom, Timestamp, text};

/// Print what a workflow run ended with
///
/// The result goes to standard output as it is recorded. Exit code 1 if the run failed or was cancelled, 8 if it has not ended.
#[derive(Debug, Args)]
pub(crate) struct ResultArgs {
    /// The run: its id, or the beginning of it
    run: String,
    #[command(flatten)]
    waiting: WaitArgs,
    /// Print a result that is text without quotes; into a pipe or a file as it is, control characters and all
    #[arg(long)]
    raw: bool,
}

/// How a run stands that is waited for.
pub(crate) struct Ended {
    pub(crate) run: Run,
    /// With which exit code waiting was given up.
    pub(crate) given_up: Option<u8>,
}

/// One item of `tc.result/1`.
#[derive(Serialize)]
struct Item<'a> {
    run: &'a str,
    workflow: &'a Option<String>,
    status: Status,
    result: &'a Option<RunValue>,
    error: &'a Option<RunValue>,
    ended_at: Option<Timestamp>,
}

/// Its columns in CSV.
const SHEET: Sheet = Sheet { of: None, columns: "run workflow status result error ended_at", json: "result error" };

pub(crate) fn run(context: &Context, args: &ResultArgs) -> Result<u8> {
    let stores = RunStores::open_within(context, 1, args.waiting.limit()?)?;
    let (runs, run) = stores.resolve(context, &args.run)?;
    let client = RunClient::new(&runs, &SystemClock, &ThreadRandom);
    let ended = Ended::of(&args.waiting, &stores, &client, &run)?;
    print(context, &ended, args.raw, Vec::new())
}

impl Ended {
    /// Waits for the end of a run if that is asked for.
    pub(crate) fn of(waiting: &WaitArgs, stores: &RunStores, client: &RunClient<'_>, run: &str) -> Result<Ended> {
        if !waiting.wait {
            return Ok(Ended { run: stores.ask(client.look(run))?, given_up: None });
        }
        Ok(match waiting.wait_for(stores, client.end(run))? {
            Wait::Over(run) => Ended { run, given_up: None },
            given_up => Ended { run: stores.ask(client.look(run))?, given_up: Some(given_up.exit()) },
        })
    }
}

/// Prints a result, or why there is none.
pub(crate) fn print(context: &Context, ended: &Ended, plain: bool, warnings: Vec<Warning>) -> Result<u8> {
    let run = &ended.run;
    let exit = match run.status {
        Status::Completed => DONE,
        Status::Failed | Status::Cancelled | Status::Corrupt | Status::Parked => NEGATIVE,
        _ => ended.given_up.unwrap_or(PENDING),
    };
    if context.global.output() == OutputFormat::Table && exit != DONE {
        return Err(why_none(context, ended, exit).into());
    }
    if let Some(RunValue::Cut(_)) = run.result {
        let message = format!("the result of {} is too large or too deep to be printed whole", run.id);
        return Err(Failure::new("too_large", message).hint("`tc show` prints the beginning of it").into());
    }
    let items = || {
        let Run { id, workflow, status, result, error, ended_at, .. } = run;
        let item = Item { run: id, workflow, status: *status, result, error, ended_at: *ended_at };
        Ok(vec![serde_json::to_string(&item)?])
    };
    let sections = || {
        let value = run.result.clone().unwrap_or_else(|| RunValue::Text("null".into()));
        let text = match plain {
            true => raw_text(&value),
            false => text::json(value.text()).into_owned(),
        };
        vec![Section::text(text + "\n")]
    };
    Answer { schema: "tc.result/1", warnings, items, sheet: &SHEET, sections }.print(context)?;
    Ok(exit)
}

/// A text as it is, where a program or a file takes it; on a terminal nothing of it steers.
fn raw_text(value: &RunValue) -> String {
    let plain = match value {
        RunValue::Json(json) if json.text().starts_with('"') => value.plain(),
        value => return text::json(value.text()).into_owned(),
    };
    if !std::io::stdout().is_terminal() {
        return plain;
    }
    plain.split('\n').map(|line| text::harmless(line).into_owned()).collect::<Vec<_>>().join("\n")
}

fn why_none(context: &Context, ended: &Ended, exit: u8) -> Failure {
    let run = &ended.run;
    let detail = Some(describe::detail(context, run)).filter(|detail| !detail.is_empty());
    let detail = detail.map(|detail| format!(": {detail}")).unwrap_or_default();
    let (code, message) = match run.status {
        Status::Failed => ("run_failed", format!("{} failed{detail}", run.id)),
        Status::Cancelled => ("run_cancelled", format!("{} was cancelled{detail}", run.id)),
        Status::Corrupt => ("corrupt", format!("{} is corrupt{detail}", run.id)),
        Status::Parked => ("newer", format!("{} is parked{detail}", run.id)),
        status if ended.given_up == Some(PENDING) => {
            ("timeout", format!("{} has not ended yet; it is {status}{detail}", run.id))
        }
        status => ("pending", format!("{} has not ended; it is {status}{detail}", run.id)),
    };
    let failure = Failure { exit, ..Failure::new(code, message) };
    match run.status {
        Status::Failed | Status::Corrupt | Status::Cancelled | Status::Parked => {
            failure.hint("see what happened: tc show")
        }
        _ if ended.given_up.is_some() => failure,
        _ => failure.hint("use --wait to wait until it has ended"),
    }
}
