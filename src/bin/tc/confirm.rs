//! Asking before something is changed.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use anyhow::Result;

use crate::error::Failure;
use crate::surroundings::Context;

/// The error for a change that nobody can be asked about; `what` is to be done.
pub(crate) fn refuse_unasked(context: &Context, what: &str, hint: &str) -> Result<()> {
    if io::stdin().is_terminal() && !context.global.wants_json() {
        return Ok(());
    }
    let failure = Failure::new("needs_yes", format!("{what} needs --yes where nobody can be asked"));
    Err(failure.hint(hint).into())
}

/// Asks on the terminal. Anything but yes is no.
pub(crate) fn ask(question: &str) -> Result<bool> {
    let mut stdout = io::stdout().lock();
    write!(stdout, "{question} [y/N] ")?;
    stdout.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}
