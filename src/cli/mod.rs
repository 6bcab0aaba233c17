//! The program `tc`: arguments in, text out. Only this module looks at the environment or writes to standard output.

mod args;
mod clean;
mod context;
mod error;
mod events;
mod find;
mod generate;
mod history;
mod output;
mod overview;
mod report;
mod shape;
mod status;
mod summary;
mod times;

use std::ffi::OsString;

use clap::Parser as _;

use args::{Cli, Command};
use context::Context;
pub use error::INTERRUPTED;
pub use output::pager::is_paging;

/// Runs `tc` with these arguments, the program's name first, and returns its exit code.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let arguments = arguments.into_iter().collect::<Vec<_>>();
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(refusal) => return error::show_refusal(&refusal, &arguments),
    };
    let json = cli.global.wants_json();
    match Context::new(cli.global).and_then(|context| dispatch(&context, cli.command)) {
        Ok(exit) => exit,
        Err(failure) => error::show(&failure, json),
    }
}

fn dispatch(context: &Context, command: Option<Command>) -> anyhow::Result<u8> {
    match command {
        None => overview::run(context),
        Some(Command::Status(args)) => status::run(context, &args),
        Some(Command::History(args)) => history::run(context, &args),
        Some(Command::Events(args)) => events::run(context, &args),
        Some(Command::Summary(args)) => summary::run(context, &args),
        Some(Command::Report(args)) => report::run(context, &args),
        Some(Command::Clean(args)) => clean::run(context, &args),
        Some(Command::Completions(args)) => generate::completions(context, &args),
        Some(Command::Man(args)) => generate::man(context, &args),
    }
}
