//! `tc start`: begins a run, for whichever worker takes it.

use anyhow::Result;
use clap::Args;
use serde_json::json;

use crate::error::{DONE, Failure};
use crate::output::csv::Sheet;
use crate::output::warnings::Warning;
use crate::output::{Answer, Section};
use crate::runs::input;
use crate::runs::result::{self, Ended};
use crate::runs::stores::{RunStores, again};
use crate::runs::waiting::WaitArgs;
use crate::surroundings::Context;
use temporal_code::workflows::{Json, RunClient, RunFormat, Runs, StartRequest};
use temporal_code::{SystemClock, ThreadRandom, text};

/// Start a workflow run
///
/// A worker of its queue takes it as soon as there is one. Prints the id of the run; with --wait its result, as `tc result --wait`
/// does. In a store of substantial it is written as the package's own client writes it, and INPUT is an object of arguments by name.
#[derive(Debug, Args)]
pub(crate) struct StartArgs {
    /// The workflow
    workflow: String,
    /// Its input: JSON, or text, or @FILE, or - for standard input [default: null]
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
    /// A key of your choice: with a key that was used before for the same workflow and input, no second run is started
    ///
    /// The id of the run is made of the key, unless --id gives one; the key is then that of this id alone.
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    #[command(flatten)]
    waiting: WaitArgs,
    /// With --wait: print a result that is text without quotes
    #[arg(long, requires = "wait")]
    raw: bool,
}

/// Its columns in CSV.
const SHEET: Sheet = Sheet { of: None, columns: "run workflow queue id deduplicated", json: "" };

pub(crate) fn run(context: &Context, args: &StartArgs) -> Result<u8> {
    let stores = RunStores::open_within(context, 1, args.waiting.limit()?)?;
    let runs = the_one(&stores)?;
    context.note_store(stores.label(runs));
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
    let what = format!("the start of {}", args.workflow);
    let again = again(runs, start.key, "`tc runs` tells whether it is there; another start would be another run");
    let started = stores.deliver(&what, again, client.start(start))?;
    let mut warnings = Vec::new();
    if started.deduplicated {
        warnings
            .push(Warning::new(format!("{} was started before with this key; no second run was started", started.run)));
    }
    if args.waiting.wait {
        if !context.global.wants_json() && !context.global.quiet {
            warnings.push(Warning::new(format!("waiting for {}", started.run)));
            crate::output::warnings::print(&warnings, context.global.verbose);
            warnings.clear();
        }
        let ended = Ended::of(&args.waiting, &stores, &client, &started.run)?;
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
    Answer { schema: "tc.start/1", warnings, items, sheet: &SHEET, sections }.print(context)?;
    Ok(DONE)
}

/// The store in which a run is to begin.
fn the_one(stores: &RunStores) -> Result<&Runs> {
    match stores.all.as_slice() {
        [one] => Ok(one),
        several => {
            let named = several.iter().map(|runs| format!("{} ({})", runs.location(), runs.format()));
            let message = format!("several stores can take the run: {}", named.collect::<Vec<_>>().join(" and "));
            Err(Failure::new("usage", message).hint("name one with --store, or its kind with --format").into())
        }
    }
}
