//! What can be typed: one command each, and where it is done.

use std::ffi::OsString;

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::args::Global;
use crate::functions::{clean, events, history, promote, report, rollback, status, summary, weight};
use crate::runs::{cancel, fsck, list, replay, result, send, show, start};
use crate::surroundings::Context;
use crate::{error, find, generate, overview};

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
    Runs(list::RunsArgs),
    Show(show::ShowArgs),
    Replay(replay::ReplayArgs),
    Send(send::SendArgs),
    Start(start::StartArgs),
    Result(result::ResultArgs),
    Cancel(cancel::CancelArgs),
    Clean(clean::CleanArgs),
    Fsck(fsck::FsckArgs),
    Completions(generate::CompletionsArgs),
    Man(generate::ManArgs),
}

/// Runs `tc` with these arguments, the program's name first, and returns its exit code.
pub(crate) fn run(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let arguments = arguments.into_iter().collect::<Vec<_>>();
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(refusal) => return error::show_refusal(&refusal, &arguments, &find::secrets(&arguments)),
    };
    let json = cli.global.wants_json();
    match Context::new(cli.global).and_then(|context| dispatch(&context, cli.command)) {
        Ok(exit) => exit,
        Err(failure) => error::show(&failure, json, &find::secrets(&arguments)),
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
        Some(Command::Runs(args)) => list::run(context, &args),
        Some(Command::Show(args)) => show::run(context, &args),
        Some(Command::Replay(args)) => replay::run(context, &args),
        Some(Command::Send(args)) => send::run(context, &args),
        Some(Command::Start(args)) => start::run(context, &args),
        Some(Command::Result(args)) => result::run(context, &args),
        Some(Command::Cancel(args)) => cancel::run(context, &args),
        Some(Command::Clean(args)) => clean::run(context, &args),
        Some(Command::Fsck(args)) => fsck::run(context, &args),
        Some(Command::Completions(args)) => generate::completions(Cli::command(), &args),
        Some(Command::Man(args)) => generate::man(Cli::command(), &args),
    }
}
