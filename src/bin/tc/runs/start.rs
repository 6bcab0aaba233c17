//! `tc start`: begins a run, for whichever worker takes it.

use anyhow::Result;
use clap::Args;
use serde_json::json;

use crate::error::{DONE, Failure};
use crate::output::warnings::Warning;
use crate::output::{Answer, Section};
use crate::runs::input;
use crate::runs::result::{self, Ended};
use crate::runs::stores::RunStores;
use crate::runs::waiting::WaitArgs;
use crate::surroundings::Context;
use temporal_code::clock::SystemClock;
use temporal_code::random::ThreadRandom;
use temporal_code::runs::{RunClient, RunFormat, Runs, StartRequest};
use temporal_code::text;
use temporal_code::workflow::Json;

/// Start a workflow run
///
/// A worker of its queue takes it, now or when there is one. Prints the id of the run; with --wait its result, as `tc result --wait`. On a
/// store of substantial it is written as its own client writes it, and INPUT is an object of the arguments by name.
#[derive(Debug, Args)]
pub(crate) struct StartArgs {
    /// The workflow
    workflow: String,
    /// What it is given: JSON, or text, or @FILE, or - for standard input [default: null]
    #[arg(allow_hyphen_values = true)]
    input: Option<String>,
    /// The input is text, whatever it looks like
    #[arg(long, requires = "input")]
    text: bool,
    /// The id of the run [default: the workflow's name and something random]
    #[arg(long, value_name = "RUN")]
    id: Option<String>,
    /// The queue whose workers run it
    #[arg(long, value_name = "QUEUE", default_value = "default")]
    queue: String,
    /// What tells this request from others of its workflow: made again with the same input, nothing begins
    ///
    /// The run's id is made of it, unless --id gives one; then the key holds for that id.
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    #[command(flatten)]
    waiting: WaitArgs,
    /// With --wait: print a result that is text without quotes
    #[arg(long, requires = "wait")]
    raw: bool,
}

pub(crate) fn run(context: &Context, args: &StartArgs) -> Result<u8> {
    args.waiting.check()?;
    let stores = RunStores::open(context, 1)?;
    let runs = the_one(&stores)?;
    let input = match (&args.input, runs.format()) {
        // Its workflows take arguments by name.
        (None, RunFormat::Substantial) => Json::parse("{}")?,
        (input, _) => input::value(input.as_deref(), args.text)?,
    };
    let client = RunClient::new(runs, &SystemClock, &ThreadRandom);
    let start = StartRequest {
        workflow: &args.workflow,
        input: &input,
        queue: &args.queue,
        run: args.id.as_deref(),
        key: args.idempotency_key.as_deref(),
    };
    let started = stores.runtime.block_on(client.start(start)).map_err(|error| stores.explain(error))?;
    let mut warnings = Vec::new();
    if started.deduplicated {
        warnings.push(Warning::new(format!("{} was started before with this key: nothing was started", started.run)));
    }
    if args.waiting.wait {
        if !context.global.wants_json() && !context.global.quiet {
            warnings.push(Warning::new(format!("waiting for {}", started.run)));
            crate::output::warnings::print(&warnings, context.global.verbose);
            warnings.clear();
        }
        let ended = args.waiting.wait_for(&stores, client.end(&started.run))?;
        let ended = match ended {
            Some(run) => Ended { run, timed_out: false },
            None => {
                let looked = stores.runtime.block_on(client.look(&started.run));
                Ended { run: looked.map_err(|error| stores.explain(error))?, timed_out: true }
            }
        };
        return result::print(context, &ended, args.raw, warnings);
    }
    let items = || {
        let item = json!({
            "run": started.run, "workflow": args.workflow, "queue": args.queue, "id": started.id,
            "deduplicated": started.deduplicated,
        });
        Ok(vec![item.to_string()])
    };
    let sections = || vec![Section::text(text::harmless(&started.run).into_owned() + "\n")];
    Answer { schema: "tc.start/1", warnings, items, rows_of: None, sections }.print(context)?;
    Ok(DONE)
}

/// The store in which a run is to begin.
fn the_one(stores: &RunStores) -> Result<&Runs> {
    match stores.all.as_slice() {
        [one] => Ok(one),
        several => {
            let named = several.iter().map(|runs| format!("{} ({})", runs.location(), runs.format()));
            let message = format!("in which store? there are {}", named.collect::<Vec<_>>().join(" and "));
            Err(Failure::new("usage", message).hint("name one with --store, or its kind with --format").into())
        }
    }
}
