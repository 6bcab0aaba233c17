//! `tc promote`: gives a variant all traffic.

use anyhow::Result;
use clap::Args;

use crate::functions::decide::{self, DecideArgs, Proposal};
use crate::surroundings::Context;
use temporal_code::logs::Change;

/// Give a variant all traffic
///
/// Appends the decision to the log. Processes that follow the log obey it within a second, also after a restart, until
/// something else is decided: `tc weight FUNCTION --release` hands the function back to its strategy.
#[derive(Debug, Args)]
pub(crate) struct PromoteArgs {
    /// The function
    function: String,
    /// The variant that gets all traffic
    variant: String,
    #[command(flatten)]
    decide: DecideArgs,
}

pub(crate) fn run(context: &Context, args: &PromoteArgs) -> Result<u8> {
    decide::run(context, "tc.promote/1", &args.function, &args.decide, |subject| {
        subject.check(&args.variant)?;
        let effect = format!("{} gets all traffic", args.variant);
        Ok(Proposal { variant: args.variant.clone(), change: Change::Promote, effect })
    })
}
