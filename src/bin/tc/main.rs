//! The program `tc`: arguments in, text out. It uses what the library shows to everybody and nothing else; only the program
//! looks at the environment or writes to standard output.

mod args;
mod commands;
mod confirm;
mod error;
mod find;
mod functions;
mod generate;
mod output;
mod overview;
mod runs;
mod surroundings;
mod times;
mod when;
mod who;
mod zone;

use std::process::ExitCode;

fn main() -> ExitCode {
    // Without a handler the worst is that the shell says so in its own way.
    let _ = ctrlc::set_handler(|| {
        if !output::pager::is_paging() {
            std::process::exit(i32::from(error::INTERRUPTED));
        }
    });
    ExitCode::from(commands::run(std::env::args_os()))
}
