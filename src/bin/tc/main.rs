//! The program `tc`: arguments in, text out. It uses what the library shows to everybody and nothing else; only the program
//! looks at the environment or writes to standard output.

mod args;
mod commands;
mod confirm;
mod credentials;
mod error;
mod find;
mod functions;
mod generate;
mod output;
mod overview;
mod runs;
mod shell;
mod surroundings;
mod times;
mod when;
mod who;
mod zone;

use std::process::ExitCode;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

fn main() -> ExitCode {
    // Without the thread the program ends as the system ends programs.
    let _ = std::thread::Builder::new().spawn(end_on_signals);
    ExitCode::from(commands::run(std::env::args_os()))
}

/// Ends the program when it is told to. While a pager has the terminal, an interrupt from the keyboard is meant for that;
/// while something is waited for, for the waiting alone.
fn end_on_signals() {
    let Ok(mut signals) = Signals::new([SIGINT, SIGTERM, SIGHUP]) else { return };
    for signal in &mut signals {
        match signal {
            SIGINT if output::pager::is_paging() || runs::waiting::stop() => {}
            SIGINT => std::process::exit(i32::from(error::INTERRUPTED)),
            // As a shell tells that a signal ended a program.
            signal => std::process::exit(128 + signal),
        }
    }
}
