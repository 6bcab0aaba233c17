//! `tc clean`: deletes logs, or their older events.

use anyhow::Result;
use clap::Args;

use super::context::Context;

/// Delete logs
#[derive(Debug, Args)]
pub(crate) struct CleanArgs {
    /// x
    #[arg(long)]
    yes: bool,
}

pub(crate) fn run(_context: &Context, _args: &CleanArgs) -> Result<u8> {
    Ok(0)
}
