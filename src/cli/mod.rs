//! The program `tc`: arguments in, text out. Only this module looks at the environment or writes to standard output.

mod args;
mod clean;
mod confirm;
mod context;
mod decide;
mod elsewhere;
mod error;
mod events;
mod find;
mod fsck;
mod generate;
mod history;
mod output;
mod overview;
mod promote;
mod report;
mod rollback;
mod shape;
mod status;
mod summary;
mod times;
mod weight;
mod workflows;

use std::ffi::OsString;

use clap::{CommandFactory as _, Parser, Subcommand};

use args::Global;
use context::Context;
pub use error::INTERRUPTED;
pub use output::pager::is_paging;

/// See what your evolving functions and workflow runs did, from their logs, and act on it.
#[derive(Debug, Parser)]
#[command(
    name = "tc",
    version,
    infer_subcommands = false,
    disable_help_subcommand = true,
    max_term_width = 100,
    after_help = "Exit codes: 0 done or passed, 1 negative verdict, 2 usage, bad data or I/O, 4 credentials refused, 5 conflict, 8 pending or \
                  inconclusive, 130 interrupted.\nWithout a command, `tc` shows what is in the store and what to type next."
)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Option<Command>,
}

/// One file each: its arguments and what it does.
#[derive(Debug, Subcommand)]
enum Command {
    Status(status::StatusArgs),
    History(history::HistoryArgs),
    Events(events::EventsArgs),
    Summary(summary::SummaryArgs),
    Report(report::ReportArgs),
    Promote(promote::PromoteArgs),
    Rollback(rollback::RollbackArgs),
    Weight(weight::WeightArgs),
    Runs(workflows::runs::RunsArgs),
    Show(workflows::show::ShowArgs),
    Replay(workflows::replay::ReplayArgs),
    Send(workflows::send::SendArgs),
    Start(workflows::start::StartArgs),
    Result(workflows::result::ResultArgs),
    Cancel(workflows::cancel::CancelArgs),
    Clean(clean::CleanArgs),
    Fsck(fsck::FsckArgs),
    Completions(generate::CompletionsArgs),
    Man(generate::ManArgs),
}

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
        Some(Command::Promote(args)) => promote::run(context, &args),
        Some(Command::Rollback(args)) => rollback::run(context, &args),
        Some(Command::Weight(args)) => weight::run(context, &args),
        Some(Command::Runs(args)) => workflows::runs::run(context, &args),
        Some(Command::Show(args)) => workflows::show::run(context, &args),
        Some(Command::Replay(args)) => workflows::replay::run(context, &args),
        Some(Command::Send(args)) => workflows::send::run(context, &args),
        Some(Command::Start(args)) => workflows::start::run(context, &args),
        Some(Command::Result(args)) => workflows::result::run(context, &args),
        Some(Command::Cancel(args)) => workflows::cancel::run(context, &args),
        Some(Command::Clean(args)) => clean::run(context, &args),
        Some(Command::Fsck(args)) => fsck::run(context, &args),
        Some(Command::Completions(args)) => generate::completions(Cli::command(), &args),
        Some(Command::Man(args)) => generate::man(Cli::command(), &args),
    }
}
