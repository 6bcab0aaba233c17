//! `tc completions` and `tc man`: made from the same definition as the parser.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Command};
use clap_complete::Shell;

use crate::error::{DONE, Failure};
use crate::find::nearest;
use crate::output;

/// Print the completions for a shell
#[derive(Debug, Args)]
#[command(after_help = "bash:       tc completions bash > ~/.local/share/bash-completion/completions/tc\n\
                        zsh:        tc completions zsh > \"${fpath[1]}/_tc\"\n\
                        fish:       tc completions fish > ~/.config/fish/completions/tc.fish\n\
                        powershell: tc completions powershell >> $PROFILE\n\
                        elvish:     tc completions elvish >> ~/.config/elvish/rc.elv")]
pub(crate) struct CompletionsArgs {
    /// For which shell
    shell: Shell,
}

/// Print a manual page: of tc, or of one of its commands
#[derive(Debug, Args)]
#[command(after_help = "Read it at once: tc man history | man -l -")]
pub(crate) struct ManArgs {
    /// The command; without it, tc itself
    #[arg(value_name = "COMMAND")]
    command: Option<String>,
    /// Write all pages into this folder instead
    #[arg(long, value_name = "FOLDER", conflicts_with = "command")]
    dir: Option<PathBuf>,
}

pub(crate) fn completions(mut tc: Command, args: &CompletionsArgs) -> Result<u8> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut tc, "tc", &mut script);
    output::write(&String::from_utf8(script)?)?;
    Ok(DONE)
}

pub(crate) fn man(mut tc: Command, args: &ManArgs) -> Result<u8> {
    if let Some(folder) = &args.dir {
        let unwritable =
            |cause: std::io::Error| Failure::new("io", format!("cannot write to {}", folder.display())).cause(cause);
        std::fs::create_dir_all(folder).map_err(unwritable)?;
        clap_mangen::generate_to(tc, folder).map_err(unwritable)?;
        return Ok(DONE);
    }
    tc.build();
    let command = match &args.command {
        None => tc,
        Some(name) => {
            let known = tc.get_subcommands().map(|command| command.get_name().to_string()).collect::<Vec<_>>();
            let failure = Failure::new("usage", format!("tc has no command `{name}`"));
            let hint = nearest(name, known.iter().map(String::as_str)).unwrap_or_else(|| known.join(", "));
            let found = tc.find_subcommand(name).ok_or_else(|| failure.hint(hint))?;
            found.clone().name(format!("tc-{name}"))
        }
    };
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page)?;
    output::write(&String::from_utf8(page)?)?;
    Ok(DONE)
}
