//! `tc cancel`: asks that a run be cancelled.

use anyhow::Result;
use clap::Args;

use crate::confirm;
use crate::error::{DONE, NEGATIVE, PENDING};
use crate::runs::describe;
use crate::runs::send::{Outcome, Waited};
use crate::runs::stores::RunStores;
use crate::runs::waiting::WaitArgs;
use crate::surroundings::Context;
use crate::who::whoever;
use temporal_code::clock::SystemClock;
use temporal_code::random::ThreadRandom;
use temporal_code::runs::{RunClient, RunFormat};
use temporal_code::text;
use temporal_code::workflow::Status;

/// Ask that a workflow run be cancelled
///
/// The request is kept until a worker takes it; it is for the run's code to end then, and to compensate what it did. With --wait it is
/// waited until the run has ended.
#[derive(Debug, Args)]
pub(crate) struct CancelArgs {
    /// The run: its id, or the front of it
    run: String,
    /// Why: the run is told
    #[arg(short, long, value_name = "TEXT")]
    reason: Option<String>,
    /// Who asks [default: $TC_BY, else user@host]
    #[arg(long, value_name = "NAME")]
    from: Option<String>,
    /// What tells this request from others: made again, nothing is sent
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    waiting: WaitArgs,
}

pub(crate) fn run(context: &Context, args: &CancelArgs) -> Result<u8> {
    args.waiting.check()?;
    let stores = RunStores::open(context, 1)?;
    let (runs, run) = stores.resolve(&args.run)?;
    let client = RunClient::new(&runs, &SystemClock, &ThreadRandom);
    let now = stores.runtime.block_on(client.look(&run)).map_err(|error| stores.explain(error))?;
    let can_be = runs.format() == RunFormat::Own && now.ended_at.is_none();
    // What cannot be is refused without asking.
    if can_be && !args.yes {
        confirm::refuse_unasked(context, "cancelling a run", "see the run: tc show")?;
        let question = format!("{run} is {}: {}. Cancel it?", now.status, describe::detail(context, &now));
        if !confirm::ask(&text::harmless(&question))? {
            crate::output::write("Nothing was asked for.\n")?;
            return Ok(DONE);
        }
    }
    let from = args.from.clone().unwrap_or_else(whoever);
    let (reason, key) = (args.reason.as_deref(), args.idempotency_key.as_deref());
    let asked = client.cancel(&run, reason, key, Some(&from));
    let delivered = stores.runtime.block_on(asked).map_err(|error| stores.explain(error))?;
    let waited = match args.waiting.wait {
        false => None,
        true => Some(match args.waiting.wait_for(&stores, client.end(&run))? {
            None => Waited { exit: PENDING, said: "The run has not ended yet.".into() },
            Some(run) => {
                let exit = if run.status == Status::Cancelled { DONE } else { NEGATIVE };
                Waited { exit, said: format!("The run has ended: it is {}.", run.status) }
            }
        }),
    };
    let outcome = Outcome { run, event: None, delivered, waited };
    outcome.print(context, "tc.cancel/1", "A request to cancel", Vec::new())
}
