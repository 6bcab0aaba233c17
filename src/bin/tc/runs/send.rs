//! `tc send`: tells a run something.

use anyhow::Result;
use clap::Args;
use serde_json::json;

use crate::error::{DONE, Failure, NEGATIVE};
use crate::output::csv::Sheet;
use crate::output::table::Tone;
use crate::output::warnings::Warning;
use crate::output::{Answer, Section};
use crate::runs::input;
use crate::runs::stores::{RunStores, again};
use crate::runs::waiting::{Wait, WaitArgs};
use crate::surroundings::Context;
use crate::who::whoever;
use temporal_code::workflows::{Delivery, OutgoingMessage, RunClient, Runs, Status};
use temporal_code::{SystemClock, ThreadRandom, text};

/// Send an event to a workflow run
///
/// The event is kept until the run waits for it, and no worker needs to be running. In a store of substantial it is written as the
/// package's own client writes it.
#[derive(Debug, Args)]
pub(crate) struct SendArgs {
    /// The run: its whole id
    run: String,
    /// The name of the event
    event: String,
    /// Its value: JSON, or text, or @FILE, or - for standard input [default: null]
    #[arg(allow_hyphen_values = true)]
    value: Option<String>,
    /// The value is text, whatever it looks like
    #[arg(long, requires = "value")]
    text: bool,
    /// A key of your choice: the same event with a key that was used before is not sent again
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// Who sends it [default: $TC_BY, else user@host]
    #[arg(long, value_name = "NAME")]
    from: Option<String>,
    #[command(flatten)]
    waiting: WaitArgs,
}

/// What to do where nobody knows whether an event was sent to a run of substantial.
const AGAIN: &str = "`tc show` tells whether it is there; its workflow sees only the first event of a name, so sending again does no harm";

/// Its columns in CSV.
const SHEET: Sheet = Sheet { of: None, columns: "run event id deduplicated taken", json: "" };

pub(crate) fn run(context: &Context, args: &SendArgs) -> Result<u8> {
    if args.event.is_empty() {
        return Err(Failure::new("usage", "the name of the event is empty").into());
    }
    let value = input::value(args.value.as_deref(), args.text)?;
    let stores = RunStores::open_within(context, 1, args.waiting.limit()?)?;
    let (runs, run) = stores.resolve_to_change(context, &args.run)?;
    let client = RunClient::new(&runs, &SystemClock, &ThreadRandom);
    let from = args.from.clone().unwrap_or_else(whoever);
    let message =
        OutgoingMessage { event: &args.event, value: &value, key: args.idempotency_key.as_deref(), from: Some(&from) };
    let what = format!("{} to {run}", args.event);
    let again = again(&runs, message.key, AGAIN);
    let delivered = stores.deliver(&what, again, client.send(&run, message))?;
    let waited = match args.waiting.wait {
        false => None,
        true => Some(match args.waiting.wait_for(&stores, client.taken(&delivered))? {
            Wait::Over(true) => Waited { exit: DONE, said: "The run has taken it.".into() },
            Wait::Over(false) => Waited { exit: NEGATIVE, said: "The run ended without taking it.".into() },
            given_up => {
                let said = "The run has not taken it yet. It is kept until the run does.".into();
                Waited { exit: given_up.exit(), said }
            }
        }),
    };
    let outcome = Outcome { run, event: Some(args.event.clone()), delivered, waited };
    let warnings = oddities(&stores, &runs, &outcome);
    outcome.print(context, "tc.send/1", &args.event, warnings)
}

/// What should be known of a message to a run of substantial.
fn oddities(stores: &RunStores, runs: &Runs, outcome: &Outcome) -> Vec<Warning> {
    if !matches!(runs, Runs::Substantial(..)) {
        return newer_version(&outcome.run, &outcome.delivered).into_iter().collect();
    }
    let client = RunClient::new(runs, &SystemClock, &ThreadRandom);
    let Ok(Ok(run)) = stores.requests.ask(client.look(&outcome.run)) else { return Vec::new() };
    let event = outcome.event.clone().unwrap_or_default();
    let mut warnings = Vec::new();
    if outcome.delivered.repeats {
        let message = format!("{event} was sent before: a workflow of substantial sees only the first event of a name");
        warnings.push(Warning::new(message));
    }
    if let (Status::Corrupt, Some(because)) = (run.status, &run.because) {
        warnings.push(Warning::new(format!("{} is corrupt, and no worker will take it: {because}", run.id)));
    }
    warnings
}

/// What should be known of what was told to a run of a newer version.
pub(crate) fn newer_version(run: &str, delivered: &Delivery) -> Option<Warning> {
    let message = || format!("{run} was written by a newer version: only that can tell what becomes of this");
    delivered.newer.then(|| Warning::new(message()))
}

/// What came of a delivery.
pub(crate) struct Outcome {
    pub(crate) run: String,
    pub(crate) event: Option<String>,
    pub(crate) delivered: Delivery,
    /// What waiting for it came to, if it was waited for.
    pub(crate) waited: Option<Waited>,
}

/// What waiting came to.
pub(crate) struct Waited {
    pub(crate) exit: u8,
    pub(crate) said: String,
}

impl Outcome {
    /// Prints it; `what` was delivered.
    pub(crate) fn print(
        self,
        context: &Context,
        schema: &'static str,
        what: &str,
        warnings: Vec<Warning>,
    ) -> Result<u8> {
        let Outcome { run, event, delivered, waited } = self;
        let items = || {
            let mut item = json!({
                "run": run, "event": event, "id": delivered.id, "deduplicated": delivered.deduplicated,
            });
            if let Some(waited) = &waited {
                item["taken"] = (waited.exit == DONE).into();
            }
            Ok(vec![item.to_string()])
        };
        let sections = || {
            let said = match delivered.deduplicated {
                true => format!("{what} was sent to {run} before with this key. Nothing was sent now."),
                false => format!("{what} was sent to {run}."),
            };
            let lines =
                [text::harmless(&said).into_owned()].into_iter().chain(waited.iter().map(|waited| waited.said.clone()));
            vec![Section::text(lines.map(|line| context.prose(Tone::Plain, &line)).collect())]
        };
        Answer { schema, warnings, items, sheet: &SHEET, sections }.print(context)?;
        Ok(waited.map_or(DONE, |waited| waited.exit))
    }
}
