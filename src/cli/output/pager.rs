//! Long output on a terminal goes through a pager.

use std::io::{self, IsTerminal as _, Write as _};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::cli::args::is_dumb_terminal;
use crate::cli::context::Context;

static PAGING: AtomicBool = AtomicBool::new(false);

/// Whether a pager has the terminal: an interrupt from the keyboard is then meant for it.
pub fn is_paging() -> bool {
    PAGING.load(Ordering::Relaxed)
}

/// Shows text, in a pager if it is longer than the terminal and nothing speaks against it.
pub(crate) fn show(context: &Context, text: &str) -> anyhow::Result<()> {
    let fits = context.height().is_none_or(|height| text.lines().count() < height);
    if context.global.no_pager || fits || is_dumb_terminal() || !io::stdout().is_terminal() {
        return super::write(text);
    }
    let Some((program, arguments)) = chosen() else { return super::write(text) };
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped());
    if std::env::var_os("LESSCHARSET").is_none() {
        command.env("LESSCHARSET", "utf-8");
    }
    // Without a pager on the machine the text itself is still worth having.
    let Ok(mut child) = command.spawn() else { return super::write(text) };
    PAGING.store(true, Ordering::Relaxed);
    if let Some(mut input) = child.stdin.take() {
        // Leaving the pager early closes the pipe, which is no error.
        let _ = input.write_all(text.as_bytes());
    }
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
