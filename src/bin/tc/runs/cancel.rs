//! `tc cancel`: asks that a run be cancelled.

use anyhow::Result;
use clap::Args;

use crate::confirm;
use crate::error::{DONE, NEGATIVE};
use crate::runs::describe;
use crate::runs::send::{Outcome, Waited, newer_version};
use crate::runs::stores::{RunStores, again};
use crate::runs::waiting::{Wait, WaitArgs};
use crate::surroundings::Context;
use crate::who::whoever;
use temporal_code::workflows::{RunClient, RunFormat, Status};
use temporal_code::{SystemClock, ThreadRandom, text};

/// Ask that a workflow run be cancelled
///
/// The request is kept until a worker takes it. The code of the run then ends it, and compensates what it did. With --wait, tc
/// waits until the run has ended.
#[derive(Debug, Args)]
pub(crate) struct CancelArgs {
    /// The run: its whole id
    run: String,
    /// Why; the run is told the reason
    #[arg(short, long, value_name = "TEXT")]
    reason: Option<String>,
    /// Who asks [default: $TC_BY, else user@host]
    #[arg(long, value_name = "NAME")]
    from: Option<String>,
    /// A key of your choice: a request with a key that was used before is not sent again
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// Do not ask for confirmation
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    waiting: WaitArgs,
}

pub(crate) fn run(context: &Context, args: &CancelArgs) -> Result<u8> {
    let stores = RunStores::open_within(context, 1, args.waiting.limit()?)?;
    let (runs, run) = stores.resolve_to_change(context, &args.run)?;
    let client = RunClient::new(&runs, &SystemClock, &ThreadRandom);
    let now = stores.ask(client.look(&run))?;
    let can_be = runs.format() == RunFormat::Own && now.ended_at.is_none();
    // What cannot be is refused without asking.
    if can_be && !args.yes {
        confirm::refuse_unasked(context, "cancelling a run", "see the run: tc show")?;
        let question = format!("{run} is {}: {}. Cancel it?", now.status, describe::detail(context, &now));
        if !confirm::ask(&text::harmless(&question))? {
            crate::output::write("The request was not sent.\n")?;
            return Ok(DONE);
        }
    }
    let from = args.from.clone().unwrap_or_else(whoever);
    let (reason, key) = (args.reason.as_deref(), args.idempotency_key.as_deref());
    let what = format!("the request to cancel {run}");
    let delivered = stores.deliver(&what, again(&runs, key, ""), client.cancel(&run, reason, key, Some(&from)))?;
    let waited = match args.waiting.wait {
        false => None,
        true => Some(match args.waiting.wait_for(&stores, client.end(&run))? {
            Wait::Over(run) => {
                let exit = if run.status == Status::Cancelled { DONE } else { NEGATIVE };
                Waited { exit, said: format!("The run has ended; it is {}.", run.status) }
            }
            given_up => Waited { exit: given_up.exit(), said: "The run has not ended yet.".into() },
        }),
    };
    let outcome = Outcome { run, event: None, delivered, waited };
    let warnings = newer_version(&outcome.run, &outcome.delivered).into_iter().collect();
    outcome.print(context, "tc.cancel/1", "A request to cancel", warnings)
}
