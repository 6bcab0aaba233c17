//! The program `tc`. Everything it does is in [`temporal_code::cli`].

use std::process::ExitCode;

use temporal_code::cli;

fn main() -> ExitCode {
    // Without a handler the worst is that the shell says so in its own way.
    let _ = ctrlc::set_handler(|| {
        if !cli::is_paging() {
            std::process::exit(i32::from(cli::INTERRUPTED));
        }
    });
    ExitCode::from(cli::run(std::env::args_os()))
}
