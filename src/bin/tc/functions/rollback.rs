//! `tc rollback`: takes a variant's traffic away.

use anyhow::Result;
use clap::Args;

use crate::error::Failure;
use crate::functions::decide::{self, DecideArgs, Proposal, Subject};
use crate::surroundings::Context;
use temporal_code::logs::Change;

/// Take a variant's traffic away
///
/// All of the function's traffic goes to the first variant, or to the one given with --to. Appends the decision to the log.
/// Processes that follow the log obey it within a second, also after a restart, until something else is decided.
#[derive(Debug, Args)]
pub(crate) struct RollbackArgs {
    /// The function
    function: String,
    /// The variant that gets no more traffic [default: the one that was promoted, or the only one but the first]
    variant: Option<String>,
    /// The variant that gets the traffic [default: the first]
    #[arg(long, value_name = "VARIANT")]
    to: Option<String>,
    #[command(flatten)]
    decide: DecideArgs,
}

pub(crate) fn run(context: &Context, args: &RollbackArgs) -> Result<u8> {
    decide::run(context, "tc.rollback/1", &args.function, &args.decide, |subject| {
        let variant = match &args.variant {
            Some(variant) => variant.clone(),
            None => likely(subject, args.to.as_deref())?,
        };
        subject.check(&variant)?;
        // The first variant is there even if the log has no calls of it any more.
        let to = args.to.as_deref().unwrap_or(FIRST);
        if to != FIRST {
            subject.check(to)?;
        }
        if to == variant {
            let message = format!("`{variant}` cannot be rolled back to itself");
            return Err(Failure::new("usage", message).hint("say which variant gets the traffic: --to VARIANT").into());
        }
        let effect = format!("{variant} gets no more traffic, {to} gets all of it");
        Ok(Proposal { variant, change: Change::Rollback { to: Some(to.to_string()) }, effect })
    })
}

/// What the first variant is called.
const FIRST: &str = "v1";

/// The variant that is meant when none is named.
fn likely(subject: &Subject<'_>, to: Option<&str>) -> Result<String> {
    let first = to.unwrap_or(FIRST);
    let others = subject.variants().filter(|name| *name != first).collect::<Vec<_>>();
    let standing = subject.summary.map(|summary| &summary.standing);
    let forced =
        standing.and_then(|standing| others.iter().find(|name| standing.share(name).is_some_and(|share| share > 0.0)));
    match (forced, others.as_slice()) {
        (Some(forced), _) => Ok((*forced).to_string()),
        (None, [only]) => Ok((*only).to_string()),
        (None, _) => {
            let known = others.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            let hint =
                if known.is_empty() { "it has no variant but the first".into() } else { format!("one of {known}") };
            let message = format!("which variant of `{}` is to be rolled back?", subject.name);
            Err(Failure::new("usage", message).hint(hint).into())
        }
    }
}
