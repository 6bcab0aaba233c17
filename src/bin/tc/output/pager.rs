//! Long output on a terminal goes through a pager.

use std::io::{self, IsTerminal as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::args::is_dumb_terminal;
use crate::surroundings::Context;

static PAGING: AtomicBool = AtomicBool::new(false);

/// Whether a pager has the terminal: an interrupt from the keyboard is then meant for it.
pub(crate) fn is_paging() -> bool {
    PAGING.load(Ordering::Relaxed)
}

/// Shows text, in a pager if it is longer than the terminal and nothing speaks against it.
pub(crate) fn show(context: &Context, text: &str) -> anyhow::Result<()> {
    let fits = context.height().is_none_or(|height| text.lines().count() < height);
    if fits || !is_wanted(context) {
        return crate::output::write(text);
    }
    let Some(mut child) = open() else { return crate::output::write(text) };
    if let Some(input) = child.stdin.as_mut() {
        // Leaving the pager early closes the pipe, which is no error.
        let _ = input.write_all(text.as_bytes());
    }
    close(Some(child))
}

/// Whether output that is longer than the terminal goes through a pager.
pub(crate) fn is_wanted(context: &Context) -> bool {
    !context.global.no_pager && !is_dumb_terminal() && io::stdout().is_terminal() && chosen().is_some()
}

/// Starts the pager. Without one on the machine the text itself is still worth having.
pub(crate) fn open() -> Option<Child> {
    let (program, arguments) = chosen()?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped());
    if std::env::var_os("LESSCHARSET").is_none() {
        command.env("LESSCHARSET", "utf-8");
    }
    let child = command.spawn().ok()?;
    PAGING.store(true, Ordering::Relaxed);
    Some(child)
}

/// Waits until whoever reads has left the pager.
pub(crate) fn close(pager: Option<Child>) -> anyhow::Result<()> {
    let Some(mut child) = pager else { return Ok(()) };
    drop(child.stdin.take());
    let ended = child.wait();
    PAGING.store(false, Ordering::Relaxed);
    ended?;
    Ok(())
}

/// `TC_PAGER`, else `PAGER`, else `less -FIRX`; empty or `cat` means none.
fn chosen() -> Option<(String, Vec<String>)> {
    let set = ["TC_PAGER", "PAGER"].into_iter().find_map(|name| std::env::var(name).ok());
    let line = set.unwrap_or_else(|| "less -FIRX".into());
    let mut words = line.split_whitespace().map(str::to_string);
    let program = words.next().filter(|program| program != "cat")?;
    let arguments = words.collect::<Vec<_>>();
    // A bare `less` would print colours as gibberish.
    let arguments = if program == "less" && arguments.is_empty() { vec!["-FIRX".into()] } else { arguments };
    Some((program, arguments))
}
